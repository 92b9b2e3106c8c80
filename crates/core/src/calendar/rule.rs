//! Recurrence rules as text: RFC 5545, section 3.3.10, as far as it speaks of days.
//!
//! The rule says on which days something recurs; the time of day is said beside it.
//! `SECONDLY`, `MINUTELY`, `HOURLY` and `BYHOUR`, `BYMINUTE`, `BYSECOND` are therefore refused.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// The longest rule, in characters.
pub const LENGTH_MAX: usize = 500;
/// The largest `INTERVAL`.
pub const INTERVAL_MAX: u16 = 1_000;
/// The largest `COUNT`.
pub const COUNT_MAX: u32 = 10_000;

/// On which days something recurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) frequency: Frequency,
    /// Every so many days, weeks, months or years; at least one.
    pub(super) interval: u16,
    /// After so many days it is over.
    pub(super) count: Option<u32>,
    pub(super) until: Option<Until>,
    /// From 1.
    pub(super) months: Vec<i16>,
    /// From 1, or from the end of the year with -1.
    pub(super) weeks: Vec<i16>,
    pub(super) year_days: Vec<i16>,
    pub(super) month_days: Vec<i16>,
    pub(super) weekdays: Vec<RuleDay>,
    /// Which of the days of a period count: from 1, or from its end with -1.
    pub(super) positions: Vec<i16>,
    pub(super) week_start: Weekday,
}

/// What the interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A weekday, in a month or year perhaps only the nth; zero is every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RuleDay {
    pub(super) nth: i16,
    /// Monday is 1.
    pub(super) weekday: i8,
}

/// The last moment of a rule, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Day(Date),
    Local(DateTime),
    Instant(Timestamp),
}

impl Until {
    /// Whether an occurrence comes too late.
    pub(super) fn is_before(self, date: Date, local: DateTime, at: Timestamp) -> bool {
        match self {
            Until::Day(last) => last < date,
            Until::Local(last) => last < local,
            Until::Instant(last) => last < at,
        }
    }

    /// No later day can match, whatever the zone.
    pub(super) fn last_day(self) -> Date {
        match self {
            Until::Day(last) => last,
            Until::Local(last) => last.date(),
            // A zone is at most a day and a few hours ahead; whether a day counts is judged by its instant.
            Until::Instant(last) => {
                let day = TimeZone::UTC.to_datetime(last).date();
                later(day, 2)
            }
        }
    }
}

fn later(day: Date, days: u8) -> Date {
    (0..days).fold(day, |day, _| day.tomorrow().unwrap_or(day))
}

/// A rule that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRule(String);

fn wrong<T>(message: impl Into<String>) -> Result<T, InvalidRule> {
    Err(InvalidRule(message.into()))
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

impl Rule {
    /// Every `interval` days, weeks, months or years, all else taken from the first day.
    pub(super) fn every(frequency: Frequency, interval: u16) -> Rule {
        Rule {
            frequency,
            interval,
            count: None,
            until: None,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            weekdays: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Monday,
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), InvalidRule> {
        match name {
            "INTERVAL" => {
                self.interval = number(name, value, 1, i64::from(INTERVAL_MAX))? as u16;
            }
            "COUNT" => self.count = Some(number(name, value, 1, i64::from(COUNT_MAX))? as u32),
            "UNTIL" => self.until = Some(until(value)?),
            "WKST" => self.week_start = weekday(name, value)?,
            "BYMONTH" => self.months = numbers(name, value, 1, 12, false)?,
            "BYWEEKNO" => self.weeks = numbers(name, value, 1, 53, true)?,
            "BYYEARDAY" => self.year_days = numbers(name, value, 1, 366, true)?,
            "BYMONTHDAY" => self.month_days = numbers(name, value, 1, 31, true)?,
            "BYSETPOS" => self.positions = numbers(name, value, 1, 366, true)?,
            "BYDAY" => self.weekdays = days(value)?,
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return wrong(format!(
                    "`{name}` is not taken: the time of day is said beside the rule"
                ));
            }
            "DTSTART" | "RDATE" | "EXDATE" | "TZID" => {
                return wrong(format!(
                    "`{name}` is no part of the rule: start date, zone and exceptions are said beside it"
                ));
            }
            _ => {
                return wrong(format!(
                    "`{}` is not a part of a recurrence rule (RFC 5545)",
                    shortened(name)
                ));
            }
        }
        Ok(())
    }

    /// What RFC 5545 does not allow together.
    fn check(&self) -> Result<(), InvalidRule> {
        if self.count.is_some() && self.until.is_some() {
            return wrong("`COUNT` and `UNTIL` must not stand in one rule");
        }
        let only = |parts: bool, name: &str, place: &str, fits: bool| match parts && !fits {
            true => wrong(format!("`{name}` is only possible {place}")),
            false => Ok(()),
        };
        let (yearly, weekly) = (
            self.frequency == Frequency::Yearly,
            self.frequency == Frequency::Weekly,
        );
        only(
            !self.weeks.is_empty(),
            "BYWEEKNO",
            "with `FREQ=YEARLY`",
            yearly,
        )?;
        only(
            !self.year_days.is_empty(),
            "BYYEARDAY",
            "with `FREQ=YEARLY`",
            yearly,
        )?;
        only(
            !self.month_days.is_empty(),
            "BYMONTHDAY",
            "with another frequency than `WEEKLY`",
            !weekly,
        )?;
        let nth = self.weekdays.iter().any(|day| day.nth != 0);
        let in_months = matches!(self.frequency, Frequency::Monthly | Frequency::Yearly);
        only(
            nth,
            "BYDAY",
            "with a number such as `1MO` in `FREQ=MONTHLY` or `YEARLY` without `BYWEEKNO`",
            in_months && self.weeks.is_empty(),
        )?;
        let chooses = !(self.months.is_empty()
            && self.weeks.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && self.weekdays.is_empty());
        only(
            !self.positions.is_empty(),
            "BYSETPOS",
            "together with another `BY…` part",
            chooses,
        )
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    /// Reads `FREQ=MONTHLY;BYDAY=1MO`, with or without `RRULE:` before it.
    fn from_str(text: &str) -> Result<Rule, InvalidRule> {
        if text.chars().count() > LENGTH_MAX {
            return wrong(format!("a rule is limited to {LENGTH_MAX} characters"));
        }
        let upper = text.trim().to_ascii_uppercase();
        let body = upper.strip_prefix("RRULE:").unwrap_or(&upper);
        let mut parts = Vec::new();
        for part in body.split(';').filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return wrong(format!(
                    "`{}` is not a part such as `FREQ=WEEKLY`",
                    shortened(part)
                ));
            };
            if parts.iter().any(|(known, _)| *known == name) {
                return wrong(format!("`{}` is there twice", shortened(name)));
            }
            parts.push((name, value));
        }
        let frequency = match parts.iter().find(|(name, _)| *name == "FREQ") {
            Some((_, value)) => frequency(value)?,
            None => {
                return wrong(
                    "a rule needs `FREQ`, for example `FREQ=WEEKLY;BYDAY=TH` or `FREQ=MONTHLY;BYDAY=1MO`",
                );
            }
        };
        let mut rule = Rule::every(frequency, 1);
        for (name, value) in parts.into_iter().filter(|(name, _)| *name != "FREQ") {
            rule.take(name, value)?;
        }
        rule.check()?;
        Ok(rule)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frequency = match self.frequency {
            Frequency::Daily => "DAILY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Yearly => "YEARLY",
        };
        write!(f, "FREQ={frequency}")?;
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        match self.until {
            Some(Until::Day(day)) => write!(f, ";UNTIL={}", day.strftime("%Y%m%d"))?,
            Some(Until::Local(local)) => write!(f, ";UNTIL={}", local.strftime("%Y%m%dT%H%M%S"))?,
            Some(Until::Instant(at)) => write!(f, ";UNTIL={}", at.strftime("%Y%m%dT%H%M%SZ"))?,
            None => (),
        }
        for (name, values) in [
            ("BYMONTH", &self.months),
            ("BYWEEKNO", &self.weeks),
            ("BYYEARDAY", &self.year_days),
            ("BYMONTHDAY", &self.month_days),
        ] {
            write_list(f, name, values.iter().map(ToString::to_string))?;
        }
        let days = self.weekdays.iter().map(|day| {
            let (name, _) = WEEKDAYS[usize::from(day.weekday.unsigned_abs()) - 1];
            match day.nth {
                0 => name.to_owned(),
                nth => format!("{nth}{name}"),
            }
        });
        write_list(f, "BYDAY", days)?;
        write_list(
            f,
            "BYSETPOS",
            self.positions.iter().map(ToString::to_string),
        )?;
        if self.week_start != Weekday::Monday {
            let known = WEEKDAYS.iter().find(|(_, day)| *day == self.week_start);
            write!(f, ";WKST={}", known.map_or("MO", |(name, _)| name))?;
        }
        Ok(())
    }
}

fn write_list(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    values: impl Iterator<Item = String>,
) -> fmt::Result {
    let values: Vec<String> = values.collect();
    match values.is_empty() {
        true => Ok(()),
        false => write!(f, ";{name}={}", values.join(",")),
    }
}

fn frequency(value: &str) -> Result<Frequency, InvalidRule> {
    match value {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "SECONDLY" | "MINUTELY" | "HOURLY" => wrong(format!(
            "`FREQ={value}` is too often: `DAILY` is the most frequent that is possible"
        )),
        _ => wrong(format!(
            "`FREQ={}` is not `DAILY`, `WEEKLY`, `MONTHLY` or `YEARLY`",
            shortened(value)
        )),
    }
}

fn number(name: &str, value: &str, min: i64, max: i64) -> Result<i64, InvalidRule> {
    let plain = !value.is_empty() && value.len() <= 6 && value.bytes().all(|b| b.is_ascii_digit());
    let number = plain.then(|| value.parse::<i64>().ok()).flatten();
    match number.filter(|number| (min..=max).contains(number)) {
        Some(number) => Ok(number),
        None => wrong(format!(
            "`{name}={}` is not a whole number from {min} to {max}",
            shortened(value)
        )),
    }
}

fn numbers(
    name: &str,
    value: &str,
    min: i64,
    max: i64,
    from_end: bool,
) -> Result<Vec<i16>, InvalidRule> {
    let mut numbers = Vec::new();
    for part in value.split(',') {
        let (sign, digits) = match part.strip_prefix('-') {
            Some(digits) if from_end => (-1, digits),
            _ => (1, part.strip_prefix('+').unwrap_or(part)),
        };
        numbers.push(sign * number(name, digits, min, max)? as i16);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn weekday(name: &str, value: &str) -> Result<Weekday, InvalidRule> {
    match WEEKDAYS.iter().find(|(known, _)| *known == value) {
        Some((_, weekday)) => Ok(*weekday),
        None => wrong(format!(
            "`{name}={}` is not one of `MO`, `TU`, `WE`, `TH`, `FR`, `SA`, `SU`",
            shortened(value)
        )),
    }
}

fn days(value: &str) -> Result<Vec<RuleDay>, InvalidRule> {
    let mut days = Vec::new();
    for part in value.split(',') {
        let letters = part.trim_start_matches(|c: char| c == '+' || c == '-' || c.is_ascii_digit());
        let nth = &part[..part.len() - letters.len()];
        let nth = match nth.is_empty() {
            true => 0,
            false => numbers("BYDAY", nth, 1, 53, true)?[0],
        };
        let weekday = weekday("BYDAY", letters)?.to_monday_one_offset();
        days.push(RuleDay { nth, weekday });
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

fn until(value: &str) -> Result<Until, InvalidRule> {
    let day = || Date::strptime("%Y%m%d", value).map(Until::Day);
    let local = || DateTime::strptime("%Y%m%dT%H%M%S", value).map(Until::Local);
    let instant = || {
        let local = DateTime::strptime("%Y%m%dT%H%M%SZ", value)?;
        TimeZone::UTC.to_timestamp(local).map(Until::Instant)
    };
    let read = match value.len() {
        8 => day().ok(),
        15 => local().ok(),
        16 => instant().ok(),
        _ => None,
    };
    read.map_or_else(
        || {
            wrong(format!(
                "`UNTIL={}` is not a day such as `20271231` or an instant such as `20271231T120000Z`",
                shortened(value)
            ))
        },
        Ok,
    )
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_back_what_it_prints() {
        for (written, printed) in [
            ("FREQ=DAILY", "FREQ=DAILY"),
            (
                "rrule:freq=weekly;byday=th;interval=2",
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH",
            ),
            (
                "FREQ=MONTHLY;BYDAY=+1MO,-1FR",
                "FREQ=MONTHLY;BYDAY=-1FR,1MO",
            ),
            (
                "FREQ=YEARLY;BYMONTH=7,1,4,10;BYDAY=MO;BYSETPOS=1;WKST=SU",
                "FREQ=YEARLY;BYMONTH=1,4,7,10;BYDAY=MO;BYSETPOS=1;WKST=SU",
            ),
            ("FREQ=DAILY;COUNT=10", "FREQ=DAILY;COUNT=10"),
            (
                "FREQ=DAILY;UNTIL=19971224T000000Z",
                "FREQ=DAILY;UNTIL=19971224T000000Z",
            ),
            ("FREQ=DAILY;UNTIL=20271231", "FREQ=DAILY;UNTIL=20271231"),
            (
                "FREQ=MONTHLY;BYMONTHDAY=-1,15;",
                "FREQ=MONTHLY;BYMONTHDAY=-1,15",
            ),
            ("FREQ=YEARLY;BYYEARDAY=1,-1", "FREQ=YEARLY;BYYEARDAY=-1,1"),
            (
                "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
                "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            ),
        ] {
            let rule: Rule = written.parse().expect(written);
            assert_eq!(rule.to_string(), printed, "{written}");
            assert_eq!(printed.parse(), Ok(rule), "{written}");
        }
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_with_the_part_that_is_wrong() {
        for (written, part) in [
            ("", "needs `FREQ`"),
            ("every thursday", "`EVERY THURSDAY` is not a part"),
            ("FREQ=HOURLY", "`FREQ=HOURLY` is too often"),
            ("FREQ=SECONDLY", "too often"),
            ("FREQ=SOMETIMES", "`FREQ=SOMETIMES`"),
            ("FREQ=DAILY;FREQ=DAILY", "`FREQ` is there twice"),
            ("FREQ=DAILY;INTERVAL=0", "from 1 to 1000"),
            ("FREQ=DAILY;INTERVAL=1001", "from 1 to 1000"),
            ("FREQ=DAILY;INTERVAL=99999999999999999999", "from 1 to 1000"),
            ("FREQ=DAILY;COUNT=10001", "from 1 to 10000"),
            (
                "FREQ=DAILY;COUNT=3;UNTIL=20270101",
                "must not stand in one rule",
            ),
            ("FREQ=DAILY;UNTIL=soon", "`UNTIL=SOON`"),
            ("FREQ=DAILY;UNTIL=20270230", "`UNTIL=20270230`"),
            ("FREQ=DAILY;BYHOUR=9", "the time of day is said beside"),
            ("FREQ=DAILY;DTSTART=20270101", "said beside"),
            ("FREQ=DAILY;BYDAY=1MO", "with a number such as `1MO`"),
            ("FREQ=WEEKLY;BYMONTHDAY=3", "`BYMONTHDAY` is only possible"),
            ("FREQ=MONTHLY;BYWEEKNO=3", "`BYWEEKNO` is only possible"),
            ("FREQ=MONTHLY;BYYEARDAY=3", "`BYYEARDAY` is only possible"),
            ("FREQ=MONTHLY;BYSETPOS=1", "`BYSETPOS` is only possible"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "from 1 to 31"),
            ("FREQ=YEARLY;BYMONTH=-1", "from 1 to 12"),
            ("FREQ=MONTHLY;BYDAY=", "`BYDAY=`"),
            ("FREQ=MONTHLY;BYDAY=54MO", "from 1 to 53"),
            ("FREQ=MONTHLY;BYDAY=XX", "`BYDAY=XX`"),
            ("FREQ=MONTHLY;COLOUR=RED", "`COLOUR`"),
        ] {
            let message = written.parse::<Rule>().expect_err(written).to_string();
            assert!(message.contains(part), "{written}: {message}");
        }
        let long = format!("FREQ=DAILY;BYMONTHDAY={}", "1,".repeat(300));
        assert!(long.parse::<Rule>().is_err());
    }
}
