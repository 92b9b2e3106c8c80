//! Releases as events of iCalendar (RFC 5545): instants in UTC, one event each, nothing that repeats.
//!
//! An event keeps its `UID` for ever; its `SEQUENCE` grows with each change of name, times or standing,
//! and its `DTSTAMP` is that change, so that an unchanged calendar is the same text.

use icalendar::{Calendar, Component as _, Event, EventStatus};
use jiff::Timestamp;
use trainmaster_core::calendar::show::{Announcement, announcement};
use trainmaster_core::calendar::span::Span;
use trainmaster_store::read::{CalendarRow, Gone};

/// The longest text of one property, in characters.
const TEXT_MAX: usize = 2_000;

/// A feed as text.
pub(crate) fn feed(
    installation: &str,
    rows: &[CalendarRow],
    gone: &[Gone],
    now: Timestamp,
) -> String {
    let mut calendar = Calendar::new();
    calendar
        .name("Releases")
        .append_property(("PRODID", "-//trainmaster//releases//EN"))
        .append_property(("METHOD", "PUBLISH"))
        .append_property(("X-PUBLISHED-TTL", "PT15M"))
        .append_property(("REFRESH-INTERVAL;VALUE=DURATION", "PT15M"));
    for row in rows {
        if let Some(announcement) = announcement(row.status, row.changed_at, now) {
            calendar.push(planned(installation, row, announcement));
        }
    }
    for gone in gone {
        calendar.push(cancelled(installation, gone));
    }
    calendar.to_string()
}

fn planned(installation: &str, row: &CalendarRow, announcement: Announcement) -> Event {
    // What is under way lasts until now, which would be another text at every look; its plan is shown.
    let uid = format!("{}@{installation}.trainmaster", row.release);
    let mut event = event(&uid, &row.name, row.place.span, row.changes, row.changed_at);
    event.status(match announcement {
        Announcement::Holds => EventStatus::Confirmed,
        Announcement::Cancelled => EventStatus::Cancelled,
    });
    event.description(&description(row));
    event
}

fn cancelled(installation: &str, gone: &Gone) -> Event {
    let uid = format!("{}@{installation}.trainmaster", gone.release);
    let mut event = event(&uid, &gone.name, gone.span, gone.changes, gone.gone_at);
    event.status(EventStatus::Cancelled);
    event
}

fn event(uid: &str, name: &str, span: Span, changes: u32, changed_at: Timestamp) -> Event {
    let mut event = Event::new();
    event
        .uid(uid)
        .summary(&plain(name))
        .sequence(changes)
        .add_property("DTSTAMP", utc(changed_at))
        .add_property("LAST-MODIFIED", utc(changed_at))
        .add_property("TRANSP", "TRANSPARENT")
        .add_property("DTSTART", utc(span.start));
    // An event without an end is over when it begins; an end at its beginning is refused by some.
    if utc(span.end) != utc(span.start) {
        event.add_property("DTEND", utc(span.end));
    }
    event
}

fn description(row: &CalendarRow) -> String {
    let joined = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    let tags = &mut row
        .labels
        .iter()
        .map(|(key, value)| match value.is_empty() {
            true => key.clone(),
            false => format!("{key}={value}"),
        });
    let lines = [
        ("Release", row.release.to_string()),
        ("Status", row.status.as_str().to_owned()),
        ("Process", row.process.to_string()),
        (
            "Organization",
            row.organization
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        (
            "Release manager",
            row.manager
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        (
            "Teams",
            joined(&mut row.teams.iter().map(ToString::to_string)),
        ),
        (
            "Services",
            joined(&mut row.touches.services.iter().cloned()),
        ),
        (
            "Environments",
            joined(&mut row.touches.environments.iter().cloned()),
        ),
        ("Tags", joined(tags)),
    ];
    let lines = lines.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines
        .map(|(what, value)| format!("{what}: {}", plain(value)))
        .collect();
    lines.join("\n").chars().take(TEXT_MAX).collect()
}

/// Text without what breaks lines.
fn plain(text: &str) -> String {
    let kept = text.chars().filter(|letter| !letter.is_control());
    kept.take(TEXT_MAX).collect()
}

/// `20261224T120000Z`.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
