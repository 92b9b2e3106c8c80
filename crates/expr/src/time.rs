//! Timestamps and durations as values: given as text, compared, added, taken apart.
//!
//! There is no way to ask for the present; a moment is always an input.
//! Zones come from the bundled database, never from the host.

use std::fmt;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Zoned};

use crate::meter::Fault;

/// A moment, as RFC 3339 text outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(jiff::Timestamp);

/// A length of time, as seconds with an `s` outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(SignedDuration);

/// A part of a timestamp or duration that a function asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Timestamp {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        // RFC 3339 only: the fuller forms that the library reads would depend on zone rules.
        let is_plain = text
            .chars()
            .all(|c| c.is_ascii_digit() || "-:.+TtZz ".contains(c));
        match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) if is_plain => Ok(Timestamp(timestamp)),
            _ => Err(Fault::failed(
                "the text is no timestamp such as `2026-03-01T09:00:00Z`",
            )),
        }
    }

    pub(crate) fn from_seconds(seconds: i64) -> Result<Self, Fault> {
        jiff::Timestamp::from_second(seconds)
            .map(Timestamp)
            .map_err(|_| out_of_range())
    }

    pub(crate) fn seconds(self) -> i64 {
        self.0.as_second()
    }

    pub(crate) fn plus(self, duration: Duration) -> Result<Self, Fault> {
        self.0
            .checked_add(duration.0)
            .map(Timestamp)
            .map_err(|_| out_of_range())
    }

    pub(crate) fn minus(self, duration: Duration) -> Result<Self, Fault> {
        self.0
            .checked_sub(duration.0)
            .map(Timestamp)
            .map_err(|_| out_of_range())
    }

    pub(crate) fn since(self, earlier: Timestamp) -> Duration {
        Duration(self.0.duration_since(earlier.0))
    }

    /// The part as CEL counts it: months, days of the month and of the year from zero,
    /// `getDate` from one, Sunday as zero.
    pub(crate) fn part(self, part: Part, zone: Option<&str>) -> Result<i64, Fault> {
        let local: Zoned = self.0.to_zoned(zone.map_or(Ok(TimeZone::UTC), named_zone)?);
        Ok(match part {
            Part::FullYear => local.year().into(),
            Part::Month => i64::from(local.month()) - 1,
            Part::Date => local.day().into(),
            Part::DayOfMonth => i64::from(local.day()) - 1,
            Part::DayOfWeek => local.weekday().to_sunday_zero_offset().into(),
            Part::DayOfYear => i64::from(local.day_of_year()) - 1,
            Part::Hours => local.hour().into(),
            Part::Minutes => local.minute().into(),
            Part::Seconds => local.second().into(),
            Part::Milliseconds => local.millisecond().into(),
        })
    }
}

impl Duration {
    /// Reads `1h30m`, `90s`, `1.5h`, `250ms`, with a sign in front if any.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Duration(SignedDuration::ZERO));
        }
        let mut total = SignedDuration::ZERO;
        let mut read_any = false;
        while !rest.is_empty() {
            let (term, after) = term(rest).ok_or_else(no_duration)?;
            total = total.checked_add(term).ok_or_else(out_of_range)?;
            rest = after;
            read_any = true;
        }
        match read_any {
            true if negative => Ok(Duration(-total)),
            true => Ok(Duration(total)),
            false => Err(no_duration()),
        }
    }

    pub(crate) fn plus(self, other: Duration) -> Result<Self, Fault> {
        self.0
            .checked_add(other.0)
            .map(Duration)
            .ok_or_else(out_of_range)
    }

    pub(crate) fn minus(self, other: Duration) -> Result<Self, Fault> {
        self.0
            .checked_sub(other.0)
            .map(Duration)
            .ok_or_else(out_of_range)
    }

    /// The whole length in hours, minutes, seconds or milliseconds, rounded towards zero.
    pub(crate) fn part(self, part: Part) -> Option<i64> {
        match part {
            Part::Hours => Some(self.0.as_hours()),
            Part::Minutes => Some(self.0.as_mins()),
            Part::Seconds => Some(self.0.as_secs()),
            Part::Milliseconds => i64::try_from(self.0.as_millis()).ok(),
            Part::FullYear
            | Part::Month
            | Part::Date
            | Part::DayOfMonth
            | Part::DayOfWeek
            | Part::DayOfYear => None,
        }
    }
}

/// One number with its unit, and what follows it.
fn term(text: &str) -> Option<(SignedDuration, &str)> {
    let number_length = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, rest) = text.split_at(number_length);
    let unit_length = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_length);
    let unit_nanos: i128 = match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" | "µs" | "μs" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return None;
    }
    let whole: i128 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let part: i128 = match fraction {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let nanos = whole
        .checked_mul(unit_nanos)?
        .checked_add(part.checked_mul(unit_nanos)? / scale)?;
    let seconds = i64::try_from(nanos / 1_000_000_000).ok()?;
    let left = i32::try_from(nanos % 1_000_000_000).ok()?;
    Some((SignedDuration::new(seconds, left), rest))
}

fn named_zone(name: &str) -> Result<TimeZone, Fault> {
    if let Some(offset) = fixed_offset(name) {
        return Ok(offset.to_time_zone());
    }
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| Fault::failed("there is no such time zone"))
}

/// An offset such as `+02:00`.
fn fixed_offset(name: &str) -> Option<Offset> {
    let (sign, rest) = match name.as_bytes().first()? {
        b'-' => (-1, &name[1..]),
        b'+' => (1, &name[1..]),
        _ => (1, name),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let hours: i32 = hours.parse().ok().filter(|hours| (0..24).contains(hours))?;
    let minutes: i32 = minutes.parse().ok().filter(|m| (0..60).contains(m))?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn out_of_range() -> Fault {
    Fault::failed("the time is out of range")
}

fn no_duration() -> Fault {
    Fault::failed("the text is no duration such as `1h30m`")
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_negative() { "-" } else { "" };
        let seconds = self.0.as_secs().unsigned_abs();
        match self.0.subsec_nanos().unsigned_abs() {
            0 => write!(f, "{sign}{seconds}s"),
            nanos => {
                let fraction = format!("{nanos:09}");
                write!(f, "{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
            }
        }
    }
}
