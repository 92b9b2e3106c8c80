//! How windows are written: `windows` that come once, a `recurrence` with a length, and the `zone` of local times.
//!
//! Freezes and maintenance windows are written alike, so that what is learnt for one holds for the other.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::cadence::{CadenceSpec, Span, check_span};
use super::recurrence::Recurrence;
use super::window::{Recurring, Stretch, Windows};
use crate::definition::fault::{At, Faults, shortened};
use crate::duration::Duration;

/// Most windows that one definition writes out.
pub const WINDOWS_MAX: usize = 200;
/// The longest window, in days.
pub const LENGTH_DAYS_MAX: i64 = 366;
/// The shortest window, in seconds.
const LENGTH_SECONDS_MIN: i64 = 60;

/// A window that comes once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// When it begins.
    pub from: Moment,
    /// When it is over.
    pub to: Moment,
}

/// A window that recurs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecurrenceSpec {
    /// On which days it begins.
    pub cadence: CadenceSpec,
    /// The first day on which it may begin.
    #[schemars(with = "String", extend("format" = "trainmaster-date"))]
    pub start_date: Date,
    /// The last one; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "trainmaster-date"))]
    pub end_date: Option<Date>,
    /// At which time of day it begins.
    #[schemars(with = "String", extend("format" = "trainmaster-time"))]
    #[serde(with = "crate::duration::time_of_day")]
    pub start_time: Time,
    /// How long it lasts.
    pub length: Duration,
}

/// A point in time as people write it: an instant, or a local time of the zone that is written beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// For example `2026-12-24T12:00:00Z`.
    Instant(Timestamp),
    /// For example `2026-12-24T18:00`, or `2026-12-24` for its first moment.
    Local(DateTime),
}

/// A text that is no [`Moment`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither an instant such as `2026-12-24T12:00:00Z` nor a local time such as `2026-12-24T18:00`"
)]
pub struct InvalidMoment(String);

impl Moment {
    /// The instant; a local time in a gap is the shifted one, in a fold the first one (2-execution.md, Time).
    pub fn instant(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Moment::Instant(at) => Some(at),
            Moment::Local(local) => zone.to_ambiguous_timestamp(local).compatible().ok(),
        }
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;
    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        if let Ok(at) = text.parse() {
            return Ok(Moment::Instant(at));
        }
        let plain = !text.contains(['[', 'Z', 'z']);
        let local = plain.then(|| text.parse().ok()).flatten();
        local
            .map(Moment::Local)
            .ok_or_else(|| InvalidMoment(shortened(text)))
    }
}

impl TryFrom<String> for Moment {
    type Error = InvalidMoment;
    fn try_from(text: String) -> Result<Self, InvalidMoment> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Instant(at) => at.fmt(f),
            Moment::Local(local) => local.fmt(f),
        }
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "trainmaster-moment",
            "pattern": r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?$",
        })
    }
}

/// Windows as written in some definition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) windows: &'a [WindowSpec],
    pub(crate) recurrence: Option<&'a RecurrenceSpec>,
}

impl Written<'_> {
    /// What is meant in a zone; everything wrong is reported with its place below `at`.
    pub(crate) fn read(&self, zone: &TimeZone, at: &At<'_>, faults: &mut Faults) -> Windows {
        let list = at.key("windows");
        if self.windows.is_empty() && self.recurrence.is_none() {
            faults.add(at, "say when: write `windows`, `recurrence` or both");
        }
        if self.windows.len() > WINDOWS_MAX {
            faults.add(&list, format!("at most {WINDOWS_MAX} windows are possible"));
        }
        let mut once = Vec::new();
        for (index, window) in self.windows.iter().enumerate().take(WINDOWS_MAX) {
            once.extend(one(window, zone, &list.index(index), faults));
        }
        let recurring = self.recurrence.and_then(|recurrence| {
            recurrence.recurring(zone.clone(), &at.key("recurrence"), faults)
        });
        Windows::new(once, recurring)
    }
}

fn one(window: &WindowSpec, zone: &TimeZone, at: &At<'_>, faults: &mut Faults) -> Option<Stretch> {
    let (Some(from), Some(to)) = (window.from.instant(zone), window.to.instant(zone)) else {
        faults.add(at, "lies outside of the calendar");
        return None;
    };
    if to <= from {
        faults.add(
            &at.key("to"),
            format!("`{}` does not come after `from`", window.to),
        );
        return None;
    }
    check_length(from.duration_until(to), &at.key("to"), faults);
    Some(Stretch { from, to })
}

fn check_length(length: SignedDuration, at: &At<'_>, faults: &mut Faults) {
    if length > SignedDuration::from_hours(24 * LENGTH_DAYS_MAX) {
        faults.add(
            at,
            format!(
                "a window lasts at most {LENGTH_DAYS_MAX} days; write several, or a recurrence"
            ),
        );
    }
    if length < SignedDuration::from_secs(LENGTH_SECONDS_MIN) {
        faults.add(at, "a window lasts at least a minute");
    }
}

impl RecurrenceSpec {
    fn recurring(&self, zone: TimeZone, at: &At<'_>, faults: &mut Faults) -> Option<Recurring> {
        check_length(self.length.get(), &at.key("length"), faults);
        let span = Span {
            start: self.start_date,
            end: self.end_date,
        };
        if !check_span(span, at, faults) {
            return None;
        }
        let rule = self.cadence.rule(span, &at.key("cadence"), faults)?;
        let longest = SignedDuration::from_hours(24 * LENGTH_DAYS_MAX);
        Some(Recurring {
            recurrence: Recurrence {
                rule,
                except: self.cadence.except.iter().copied().collect(),
                start: self.start_date,
                end: self.end_date,
                time: self.start_time,
                zone,
            },
            length: self.length.get().min(longest),
        })
    }
}

/// The zone of a name, UTC for none; one that is not known is reported.
pub(crate) fn zone(
    zones: &jiff::tz::TimeZoneDatabase,
    name: Option<&str>,
    at: &At<'_>,
    faults: &mut Faults,
) -> Option<TimeZone> {
    let Some(name) = name else {
        return Some(TimeZone::UTC);
    };
    let zone = zones.get(name).ok();
    if zone.is_none() {
        let message = format!(
            "`{}` is not an IANA time zone such as `Europe/Berlin`",
            shortened(name)
        );
        faults.add(at, message);
    }
    zone
}
