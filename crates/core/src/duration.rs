//! Lengths of time and times of day, as people write them: `1h30m`, `09:00`.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time from zero to [`Duration::MAX`], written `30m`, `1h30m`, `5d`, `250ms` or `2w`.
///
/// A day is 24 hours and a week is seven days, whatever the clocks do; calendar days are [`crate::plan::DayTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(SignedDuration);

/// A text or length that is no [`Duration`], and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text does not have the form.
    #[error("`{0}` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`")]
    Form(String),
    /// Only the unit is missing.
    #[error("the duration `{0}` needs a unit, such as `{0}s`, `{0}m` or `{0}h`")]
    NoUnit(String),
    /// Units come twice or the small one first.
    #[error(
        "in the duration `{0}` units must go from large to small (`w`, `d`, `h`, `m`, `s`, `ms`), each at most once"
    )]
    Order(String),
    /// Outside 0 to 3650 days.
    #[error("a duration must be between 0s and 3650d")]
    Range,
}

/// Units from large to small, in milliseconds.
const UNITS: [(&str, i64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Duration {
    /// The longest: 3650 days.
    pub const MAX: Duration = Duration(SignedDuration::from_hours(3650 * 24));

    /// The length as a number.
    pub fn get(self) -> SignedDuration {
        self.0
    }

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for SignedDuration {
    fn from(duration: Duration) -> SignedDuration {
        duration.0
    }
}

impl TryFrom<SignedDuration> for Duration {
    type Error = InvalidDuration;
    fn try_from(length: SignedDuration) -> Result<Self, InvalidDuration> {
        if length.is_negative() || length > Duration::MAX.0 {
            return Err(InvalidDuration::Range);
        }
        Ok(Duration(length))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = i64::try_from(self.0.as_millis()).expect("3650 days fit in milliseconds");
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            // Weeks only where nothing else is left: `2w`, but `15d`.
            let count = if unit == "w" && rest % length != 0 {
                0
            } else {
                rest / length
            };
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest -= count * length;
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let shown = || text.chars().take(40).collect::<String>();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidDuration::NoUnit(shown()));
        }
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total: i64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            if digits == 0 || !UNITS.iter().any(|(known, _)| *known == unit) {
                return Err(InvalidDuration::Form(shown()));
            }
            let Some((_, length)) = units.find(|(known, _)| *known == unit) else {
                return Err(InvalidDuration::Order(shown()));
            };
            let number: i64 = number.parse().map_err(|_| InvalidDuration::Range)?;
            let part = number.checked_mul(*length).ok_or(InvalidDuration::Range)?;
            total = total.checked_add(part).ok_or(InvalidDuration::Range)?;
            rest = after;
        }
        if text.is_empty() {
            return Err(InvalidDuration::Form(String::new()));
        }
        Duration::try_from(SignedDuration::from_millis(total))
    }
}

impl TryFrom<String> for Duration {
    type Error = InvalidDuration;
    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> String {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "trainmaster-duration",
            "pattern": r"^(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
        })
    }
}

/// A time of day as text: `HH:MM`, or `HH:MM:SS` where seconds matter.
///
/// For `#[serde(with = "crate::duration::time_of_day")]` on a [`jiff::civil::Time`].
pub mod time_of_day {
    use jiff::civil::Time;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// The text of a time of day; fractions of a second are not kept.
    pub fn format(time: Time) -> String {
        match time.second() {
            0 => format!("{:02}:{:02}", time.hour(), time.minute()),
            second => format!("{:02}:{:02}:{second:02}", time.hour(), time.minute()),
        }
    }

    /// Reads a time of day, or says what is wrong.
    pub fn parse(text: &str) -> Result<Time, String> {
        let wrong = || {
            let shown: String = text.chars().take(40).collect();
            format!("`{shown}` is not a time of day such as `09:00` or `23:59:30`")
        };
        let parts: Vec<&str> = text.split(':').collect();
        let plain = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) {
            return Err(wrong());
        }
        let number = |index: usize| parts.get(index).map_or(Ok(0), |part| part.parse::<i8>());
        match (number(0), number(1), number(2)) {
            (Ok(hour), Ok(minute), Ok(second)) => {
                Time::new(hour, minute, second, 0).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }

    /// Writes a time of day.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*time))
    }

    /// Reads a time of day.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_back_what_it_prints() {
        for (written, printed) in [
            ("30m", "30m"),
            ("1h30m", "1h30m"),
            ("90m", "1h30m"),
            ("5d", "5d"),
            ("250ms", "250ms"),
            ("2w", "2w"),
            ("14d", "2w"),
            ("15d", "15d"),
            ("1w1d", "8d"),
            ("0s", "0s"),
            ("0ms", "0s"),
            ("1d1ms", "1d1ms"),
            ("3650d", "3650d"),
        ] {
            let duration: Duration = written.parse().expect(written);
            assert_eq!(duration.to_string(), printed, "{written}");
            assert_eq!(printed.parse(), Ok(duration), "{written}");
        }
    }

    #[test]
    fn a_text_that_is_no_duration_is_refused_with_what_would_be_one() {
        for (written, message) in [
            (
                "",
                "`` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`",
            ),
            (
                "-5m",
                "`-5m` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`",
            ),
            (
                "1.5h",
                "`1.5h` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`",
            ),
            (
                "5 m",
                "`5 m` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`",
            ),
            (
                "5min",
                "`5min` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w`",
            ),
            (
                "30",
                "the duration `30` needs a unit, such as `30s`, `30m` or `30h`",
            ),
            (
                "30m1h",
                "in the duration `30m1h` units must go from large to small (`w`, `d`, `h`, `m`, `s`, `ms`), each at most once",
            ),
            (
                "1m1m",
                "in the duration `1m1m` units must go from large to small (`w`, `d`, `h`, `m`, `s`, `ms`), each at most once",
            ),
            ("3650d1ms", "a duration must be between 0s and 3650d"),
            (
                "99999999999999999999w",
                "a duration must be between 0s and 3650d",
            ),
        ] {
            let error = written.parse::<Duration>().expect_err(written);
            assert_eq!(error.to_string(), message, "{written}");
        }
    }

    #[test]
    fn a_time_of_day_is_written_with_two_digits_each() {
        for (written, printed) in [
            ("09:00", "09:00"),
            ("23:59:30", "23:59:30"),
            ("00:00:00", "00:00"),
        ] {
            let time = time_of_day::parse(written).expect(written);
            assert_eq!(time_of_day::format(time), printed);
        }
        for written in [
            "9:00",
            "24:00",
            "12:60",
            "12",
            "12:00:00:00",
            "ab:cd",
            "+1:00",
            "",
        ] {
            assert!(time_of_day::parse(written).is_err(), "{written}");
        }
    }
}
