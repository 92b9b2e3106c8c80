//! How often something recurs, as people write it: an RFC 5545 rule, or one of the short forms.

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::dates::{Dates, FIRST_DAY, LAST_DAY};
use super::rule::{self, Frequency, Rule, RuleDay};
use crate::definition::Problem;
use crate::definition::fault::{At, Faults, closest, one_of, shortened};

/// The most days that are left out.
const EXCEPTIONS_MAX: usize = 366;
/// The most entries of `on`.
const DAYS_MAX: usize = 31;

/// How often: either `rrule`, or `every` with `on` (2-execution.md, Time).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CadenceSpec {
    /// A recurrence rule of RFC 5545, for example `FREQ=MONTHLY;BYDAY=1MO`; daily is the most frequent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub rrule: Option<String>,
    /// `daily`, `weekly`, `biweekly`, `monthly`, `quarterly` (January, April, July, October), or for example `10 days`, `3 weeks`, `2 months`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub every: Option<String>,
    /// On which days: `thursday`; by the month also `first monday`, `last friday`, `first weekday`, `first week` (its Monday), `day 15`, `last day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<DayWords>,
    /// Days on which it does not happen all the same, for example `2026-12-24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "days_schema")]
    pub except: Vec<Date>,
}

fn days_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "format": "trainmaster-date"}})
}

/// One day in words, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DayWords {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl DayWords {
    fn words(&self) -> &[String] {
        match self {
            DayWords::One(word) => std::slice::from_ref(word),
            DayWords::Several(words) => words,
        }
    }
}

/// Between which days something recurs, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: Date,
    pub(crate) end: Option<Date>,
}

impl CadenceSpec {
    /// The rule that is meant from a first day to a last one.
    ///
    /// # Errors
    /// Everything that is wrong with the written form, and a rule that matches no day.
    pub fn read(&self, start: Date, end: Option<Date>) -> Result<Rule, Vec<Problem>> {
        let mut faults = Faults::default();
        let span = Span { start, end };
        let rule = check_span(span, &At::ROOT, &mut faults)
            .then(|| self.rule(span, &At::ROOT, &mut faults))
            .flatten();
        rule.ok_or_else(|| faults.into_vec().into_iter().map(Problem::from).collect())
    }

    /// The rule that is meant, from the first day on; everything wrong is reported with its place below `at`.
    pub(crate) fn rule(&self, span: Span, at: &At<'_>, faults: &mut Faults) -> Option<Rule> {
        let before = faults.count();
        let rule = self.meant(span.start, at, faults);
        if self.except.len() > EXCEPTIONS_MAX {
            faults.add(
                &at.key("except"),
                format!("at most {EXCEPTIONS_MAX} days can be left out"),
            );
        }
        let rule = rule.filter(|_| faults.count() == before)?;
        let matches = Dates::new(&rule, span.start, span.end.unwrap_or(LAST_DAY))
            .any(|day| !self.except.contains(&day));
        if !matches {
            let until = span.end.unwrap_or(LAST_DAY);
            faults.add(at, format!("no day from {} to {until} matches", span.start));
            return None;
        }
        Some(rule)
    }

    fn meant(&self, start: Date, at: &At<'_>, faults: &mut Faults) -> Option<Rule> {
        match (&self.rrule, &self.every) {
            (Some(_), Some(_)) => {
                faults.field(at, "every", "either `rrule` or `every`, not both", None);
                None
            }
            (None, None) => {
                faults.add(
                    at,
                    "write `every` (`weekly`, `monthly`, `10 days`, …) or `rrule`",
                );
                None
            }
            (Some(text), None) => {
                if self.on.is_some() {
                    faults.field(
                        at,
                        "on",
                        "`rrule` says the days itself; `on` belongs to `every`",
                        None,
                    );
                    return None;
                }
                text.parse()
                    .map_err(|error: rule::InvalidRule| {
                        faults.add(&at.key("rrule"), error.to_string());
                    })
                    .ok()
            }
            (None, Some(every)) => {
                let (unit, interval) = match unit(every) {
                    Ok(unit) => unit,
                    Err(message) => {
                        let known = closest(every, SHORT_FORMS.map(|(word, _, _)| word));
                        faults.suggest(&at.key("every"), message, known);
                        return None;
                    }
                };
                self.short_form(unit, interval, start, at, faults)
            }
        }
    }

    fn short_form(
        &self,
        unit: Unit,
        interval: u16,
        start: Date,
        at: &At<'_>,
        faults: &mut Faults,
    ) -> Option<Rule> {
        let mut rule = Rule::every(unit.frequency(), interval);
        if unit == Unit::Quarter {
            rule.months = vec![1, 4, 7, 10];
        }
        let at = at.key("on");
        let words = self.on.as_ref().map_or(&[] as &[String], DayWords::words);
        if words.len() > DAYS_MAX {
            faults.add(&at, format!("at most {DAYS_MAX} days are possible"));
            return None;
        }
        let mut days = Vec::new();
        for (index, word) in words.iter().enumerate() {
            match day(word) {
                Some(day) if unit.takes(day) => days.push(day),
                known => {
                    let message = match known {
                        Some(_) => format!("`{word}` does not fit here; {}", unit.hint()),
                        None => format!("`{}` is not a day; {}", shortened(word), unit.hint()),
                    };
                    let names = WEEKDAYS.map(|(name, _)| name);
                    let at_word = at.index(index);
                    let place = match self.on {
                        Some(DayWords::Several(_)) => &at_word,
                        _ => &at,
                    };
                    faults.suggest(place, message, closest(&word.to_lowercase(), names));
                    return None;
                }
            }
        }
        if days.is_empty() {
            days = unit.default_days(start, &at, faults)?;
        }
        if let Err(message) = set_days(&mut rule, &days) {
            faults.add(&at, message);
            return None;
        }
        Some(rule)
    }
}

/// What an interval of a short form counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    /// The months that begin a quarter.
    Quarter,
}

const SHORT_FORMS: [(&str, Unit, u16); 5] = [
    ("daily", Unit::Day, 1),
    ("weekly", Unit::Week, 1),
    ("biweekly", Unit::Week, 2),
    ("monthly", Unit::Month, 1),
    ("quarterly", Unit::Quarter, 1),
];

/// Reads `weekly` or `10 days`.
fn unit(text: &str) -> Result<(Unit, u16), String> {
    let text = text.trim().to_lowercase();
    if let Some((_, unit, interval)) = SHORT_FORMS.into_iter().find(|(word, ..)| *word == text) {
        return Ok((unit, interval));
    }
    let wrong = || {
        format!(
            "`{}` is not {}, nor a count such as `10 days`, `3 weeks` or `2 months`",
            shortened(&text),
            one_of(SHORT_FORMS.map(|(word, _, _)| word))
        )
    };
    let (count, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let unit = match unit.trim() {
        "day" | "days" => Unit::Day,
        "week" | "weeks" => Unit::Week,
        "month" | "months" => Unit::Month,
        _ => return Err(wrong()),
    };
    let count: u16 = count.parse().map_err(|_| wrong())?;
    match (1..=rule::INTERVAL_MAX).contains(&count) {
        true => Ok((unit, count)),
        false => Err(format!("an interval goes from 1 to {}", rule::INTERVAL_MAX)),
    }
}

/// A day in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// Every one of these weekdays.
    Weekday(i8),
    /// Monday to Friday.
    WorkingDays,
    /// The nth of a weekday in its month, or from its end.
    Nth(i16, i8),
    /// The first or last day of a month from Monday to Friday.
    NthWorking(i16),
    /// A day of the month, or from its end.
    OfMonth(i16),
}

const WEEKDAYS: [(&str, i8); 7] = [
    ("monday", 1),
    ("tuesday", 2),
    ("wednesday", 3),
    ("thursday", 4),
    ("friday", 5),
    ("saturday", 6),
    ("sunday", 7),
];

const ORDINALS: [(&str, i16); 6] = [
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("last", -1),
];

/// The days from Monday to Friday.
const WORKING_DAYS: std::ops::RangeInclusive<i8> = 1..=5;

fn weekday(word: &str) -> Option<i8> {
    WEEKDAYS
        .into_iter()
        .find(|(name, _)| *name == word || word.len() == 3 && name.starts_with(word))
        .map(|(_, number)| number)
}

fn day(text: &str) -> Option<Day> {
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "weekdays" => return Some(Day::WorkingDays),
        "last day" => return Some(Day::OfMonth(-1)),
        "first day" => return Some(Day::OfMonth(1)),
        // The Monday among the first seven days.
        "first week" => return Some(Day::Nth(1, 1)),
        "first weekday" => return Some(Day::NthWorking(1)),
        "last weekday" => return Some(Day::NthWorking(-1)),
        _ => (),
    }
    if let Some(number) = text.strip_prefix("day ") {
        let number: i16 = number.parse().ok()?;
        return (1..=31).contains(&number).then_some(Day::OfMonth(number));
    }
    match text.split_once(' ') {
        None => weekday(&text).map(Day::Weekday),
        Some((ordinal, name)) => {
            let (_, nth) = ORDINALS.into_iter().find(|(word, _)| *word == ordinal)?;
            weekday(name.trim()).map(|weekday| Day::Nth(nth, weekday))
        }
    }
}

impl Unit {
    fn frequency(self) -> Frequency {
        match self {
            Unit::Day => Frequency::Daily,
            Unit::Week => Frequency::Weekly,
            Unit::Month | Unit::Quarter => Frequency::Monthly,
        }
    }

    fn takes(self, day: Day) -> bool {
        let weekly = matches!(day, Day::Weekday(_) | Day::WorkingDays);
        match self {
            Unit::Day | Unit::Week => weekly,
            Unit::Month | Unit::Quarter => !weekly,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Unit::Day | Unit::Week => "write weekdays such as `thursday` or `weekdays`",
            Unit::Month | Unit::Quarter => {
                "write for example `first monday`, `last friday`, `first weekday`, `first week`, `day 15` or `last day`"
            }
        }
    }

    /// What is meant where nothing is said: the weekday or the day of the month of the first day.
    fn default_days(self, start: Date, at: &At<'_>, faults: &mut Faults) -> Option<Vec<Day>> {
        match self {
            Unit::Day => Some(Vec::new()),
            Unit::Week => Some(vec![Day::Weekday(start.weekday().to_monday_one_offset())]),
            Unit::Month if start.day() > 28 => {
                let day = start.day();
                faults.add(
                    at,
                    format!("not every month has a day {day}; write `on: last day`, or `on: day {day}` to leave the other months out"),
                );
                None
            }
            Unit::Month => Some(vec![Day::OfMonth(start.day().into())]),
            Unit::Quarter => Some(vec![Day::NthWorking(1)]),
        }
    }
}

/// Puts days into a rule; days that a rule cannot say together are refused.
fn set_days(rule: &mut Rule, days: &[Day]) -> Result<(), String> {
    for day in days {
        match *day {
            Day::Weekday(weekday) => rule.weekdays.push(RuleDay { nth: 0, weekday }),
            Day::Nth(nth, weekday) => rule.weekdays.push(RuleDay { nth, weekday }),
            Day::WorkingDays => rule.weekdays.extend(working_days()),
            Day::NthWorking(position) => {
                rule.weekdays.extend(working_days());
                rule.positions.push(position);
            }
            Day::OfMonth(number) => rule.month_days.push(number),
        }
    }
    let positions_only = days.iter().all(|day| matches!(day, Day::NthWorking(_)));
    let positions_mixed = !rule.positions.is_empty() && !positions_only;
    if positions_mixed || !rule.weekdays.is_empty() && !rule.month_days.is_empty() {
        return Err(
            "weekdays, working days and days of the month cannot stand together; make two of it, or write `rrule`"
                .to_owned(),
        );
    }
    rule.weekdays.sort_unstable();
    rule.weekdays.dedup();
    rule.month_days.sort_unstable();
    rule.month_days.dedup();
    Ok(())
}

fn working_days() -> impl Iterator<Item = RuleDay> {
    WORKING_DAYS.map(|weekday| RuleDay { nth: 0, weekday })
}

/// Whether a first and a last day can be worked with; what is wrong is reported below `at`.
pub(crate) fn check_span(span: Span, at: &At<'_>, faults: &mut Faults) -> bool {
    let before = faults.count();
    let range = FIRST_DAY..=LAST_DAY;
    for (field, day) in [("startDate", Some(span.start)), ("endDate", span.end)] {
        if day.is_some_and(|day| !range.contains(&day)) {
            faults.add(
                &at.key(field),
                format!("must lie between {FIRST_DAY} and {LAST_DAY}"),
            );
        }
    }
    if span.end.is_some_and(|end| end < span.start) {
        faults.add(&at.key("endDate"), "lies before `startDate`");
    }
    faults.count() == before
}
