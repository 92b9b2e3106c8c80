//! What the demo tells: where it is, who to be, what happens, and what to try.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use trainmaster_core::event::AttemptOutcome;
use trainmaster_core::{Change, Event};

use super::people::{PEOPLE, Tokens};
use super::sample::SIGN_OFF;
use crate::output;

/// Where the demo is and how to get in.
pub(crate) fn welcome(url: &str, tokens: &Tokens, definitions: &Path) {
    output::data(format_args!("The demo answers at {url}"));
    output::data("");
    output::data("Sign in as one of these people; in another terminal:");
    output::data(format_args!("  export TRAINMASTER_SERVER={url}"));
    for person in &PEOPLE {
        output::data(format_args!(
            "  export TRAINMASTER_TOKEN={}   # {}, {}",
            tokens[person.name].reveal(),
            person.name,
            person.work
        ));
    }
    output::data("");
    output::data(format_args!(
        "The definitions of the train are in {}",
        definitions.display()
    ));
    output::data("");
}

/// What can be done while the train waits for its sign-off.
pub(crate) fn waits_for_sign_off(train: &str) {
    output::data("");
    output::data("The train waits for its QA sign-off, and a check that may fail has failed. Try:");
    for line in [
        "trainmaster release list".to_owned(),
        format!("trainmaster release explain {train}"),
        format!("trainmaster release show {train}"),
        format!("trainmaster activity logs {train} checks/changelog"),
        format!(
            "trainmaster activity approve {train} {SIGN_OFF} --comment 'works for us'   # as anna, then as ben"
        ),
        format!("trainmaster release watch {train}"),
    ] {
        output::data(format_args!("  {line}"));
    }
    output::data("");
    output::data(
        "Time passes as usual while people are asked, and is skipped once they have agreed.",
    );
}

/// The train has ended.
pub(crate) fn ended(train: &str) {
    output::data("");
    output::data(format_args!(
        "The train has ended. `trainmaster release timeline {train}` tells its story; Ctrl-C ends the demo."
    ));
}

/// One line about something worth telling, in the time of the demo.
pub(crate) fn told(event: &Event, began: Option<Timestamp>) -> Option<String> {
    let path = || {
        event
            .path
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    };
    let text = match &event.change {
        Change::ReleaseStarted { .. } => "started".to_owned(),
        Change::PhaseStarted { phase, .. } => format!("{phase} begins"),
        Change::PhaseFinished { phase, status, .. } => format!("{phase}: {status:?}"),
        // One line for a list of items is enough.
        Change::ActivitySucceeded { .. } if path().contains('[') => return None,
        Change::ActivitySucceeded { .. } => format!("  {} succeeded", path()),
        Change::AttemptFinished {
            outcome: AttemptOutcome::Failed { error, .. } | AttemptOutcome::TimedOut { error, .. },
            ..
        } => format!("  {} failed: {error}", path()),
        Change::ActivityIgnored { reason, .. } => format!("  {} ignored: {reason}", path()),
        Change::DecisionNeeded { .. } => format!("  {} needs a decision", path()),
        Change::ApprovalDecided { user, .. } => format!("  {} approved by {user}", path()),
        Change::ReleaseFinished { status, .. } => format!("ended: {}", status.as_str()),
        _ => return None,
    };
    let release = event.release?;
    Some(format!("{}  {release}  {text}", clock(event.at, began)))
}

/// The day since the train began, and the time; without a train the date.
fn clock(at: Timestamp, began: Option<Timestamp>) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let day = began.and_then(|began| {
        let first = began.to_zoned(TimeZone::UTC).date();
        Some(at.date().since(first).ok()?.get_days() + 1)
    });
    match day {
        Some(day) => format!("day {day:>2} {}", at.strftime("%H:%M")),
        None => at.strftime("%d %b %H:%M").to_string(),
    }
}
