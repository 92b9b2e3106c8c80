//! Times as people write and read them: local, with their age; instants in between.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use trainmaster_core::duration::Duration;

use crate::failure::Failure;

/// Reads a time: RFC 3339, `2026-12-24T12:00[Europe/Berlin]`, a local time in `zone` (or the system's), or `+2h`.
pub(crate) fn parse_instant(
    text: &str,
    zone: Option<&str>,
    now: Timestamp,
) -> Result<Timestamp, Failure> {
    if let Some(length) = text.strip_prefix('+') {
        let length = parse_length(length)?;
        return now.checked_add(length).map_err(Failure::usage);
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let local: DateTime = text.parse().map_err(|_| {
        Failure::usage(format!("`{text}` is not a time"))
            .hint("write `2026-12-24T12:00Z`, `2026-12-24T12:00[Europe/Berlin]`, `2026-12-24T12:00` or `+2h`")
    })?;
    let zoned = local.to_zoned(time_zone(zone)?).map_err(Failure::usage)?;
    Ok(zoned.timestamp())
}

/// A zone by its IANA name, or the system's.
pub(crate) fn time_zone(name: Option<&str>) -> Result<TimeZone, Failure> {
    match name {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|_| {
            Failure::usage(format!("`{name}` is not a time zone"))
                .hint("write an IANA name such as `Europe/Berlin` or `UTC`")
        }),
    }
}

/// Reads a length of time such as `30m` or `1h30m`.
pub(crate) fn parse_length(text: &str) -> Result<SignedDuration, Failure> {
    let length: Duration = text.parse().map_err(Failure::usage)?;
    Ok(length.get())
}

/// An instant for people: local time and how long ago or ahead, for example `2026-11-20 14:03:22 (5m ago)`.
pub(crate) fn shown(instant: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", local(instant), distance(instant, now))
}

/// An instant as local time.
pub(crate) fn local(instant: Timestamp) -> String {
    instant
        .to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S %Z")
        .to_string()
}

/// How long ago or ahead an instant is.
pub(crate) fn distance(instant: Timestamp, now: Timestamp) -> String {
    let ahead = instant.duration_since(now);
    if ahead.as_secs() == 0 {
        "now".to_owned()
    } else if ahead.is_positive() {
        format!("in {}", length(ahead))
    } else {
        format!("{} ago", length(-ahead))
    }
}

/// How long ago an instant was, as a column of a table.
pub(crate) fn age(instant: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(instant).max(SignedDuration::ZERO))
}

/// A length of time in its two largest units.
pub(crate) fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, 0) => format!("{minutes}m"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (0, hours, 0, _) => format!("{hours}h"),
        (0, hours, minutes, _) => format!("{hours}h{minutes}m"),
        (days, 0, _, _) => format!("{days}d"),
        (days, hours, _, _) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_time_is_read_in_every_form_that_the_help_promises() {
        let now = instant("2026-11-20T10:00:00Z");
        for (text, zone, expected) in [
            ("2026-12-24T12:00:00Z", None, "2026-12-24T12:00:00Z"),
            ("2026-12-24T12:00:00+01:00", None, "2026-12-24T11:00:00Z"),
            (
                "2026-12-24T12:00[Europe/Berlin]",
                None,
                "2026-12-24T11:00:00Z",
            ),
            (
                "2026-07-01T12:00",
                Some("Europe/Berlin"),
                "2026-07-01T10:00:00Z",
            ),
            ("+2h", None, "2026-11-20T12:00:00Z"),
        ] {
            let read = parse_instant(text, zone, now).expect("a time");
            assert_eq!(read, instant(expected), "{text}");
        }
        assert!(parse_instant("tomorrow", None, now).is_err());
        assert!(parse_instant("2026-12-24T12:00", Some("Mars/Olympus"), now).is_err());
    }

    #[test]
    fn a_length_is_told_in_its_two_largest_units() {
        for (seconds, expected) in [
            (5, "5s"),
            (60, "1m"),
            (95, "1m35s"),
            (3_720, "1h2m"),
            (86_400, "1d"),
            (180_000, "2d2h"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_distance_says_its_direction() {
        let now = instant("2026-11-20T10:00:00Z");
        assert_eq!(distance(instant("2026-11-20T10:05:00Z"), now), "in 5m");
        assert_eq!(distance(instant("2026-11-20T09:00:00Z"), now), "1h ago");
        assert_eq!(distance(now, now), "now");
    }
}
