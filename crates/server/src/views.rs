//! From the domain to what the API shows: one function per view, exhaustive, so that a new variant makes somebody think.

pub(crate) mod activity;
pub(crate) mod calendar;
pub(crate) mod deployment;
pub(crate) mod event;
pub(crate) mod freeze;
pub(crate) mod ical;
pub(crate) mod plan;
pub(crate) mod preparation;
pub(crate) mod release;
pub(crate) mod report;
pub(crate) mod resource;
pub(crate) mod signin;
pub(crate) mod token;
pub(crate) mod waiting;
pub(crate) mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use trainmaster_api::{ActionView, NoteView};
use trainmaster_core::actions::ActionState;
use trainmaster_core::ids::Owner;
use trainmaster_core::release::Note;

/// An instant as written on the wire.
pub(crate) fn instant(at: Timestamp) -> String {
    at.to_string()
}

/// An instant that may be absent.
pub(crate) fn instant_of(at: Option<Timestamp>) -> Option<String> {
    at.map(instant)
}

/// An instant from a column: microseconds since 1970.
pub(crate) fn instant_us(at: i64) -> String {
    Timestamp::from_microsecond(at)
        .unwrap_or_default()
        .to_string()
}

/// Owners as written on the wire.
pub(crate) fn owners(owners: &[Owner]) -> Vec<String> {
    owners.iter().map(ToString::to_string).collect()
}

/// Owners by phase or activity.
pub(crate) fn owners_by(by: &BTreeMap<String, Vec<Owner>>) -> BTreeMap<String, Vec<String>> {
    by.iter()
        .map(|(place, list)| (place.clone(), owners(list)))
        .collect()
}

/// What somebody may do now.
pub(crate) fn actions(states: Vec<ActionState>) -> Vec<ActionView> {
    states
        .into_iter()
        .map(|state| ActionView {
            action: state.action.to_owned(),
            allowed: state.allowed,
            reason: state.reason,
        })
        .collect()
}

/// Something written down.
pub(crate) fn note(note: &Note) -> NoteView {
    NoteView {
        by: note.by.clone(),
        at: instant(note.at),
        text: note.text.clone(),
    }
}
