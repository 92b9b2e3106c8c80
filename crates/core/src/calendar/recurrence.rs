//! Occurrences: the days of a rule at a time of day in a zone, as instants.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

use super::dates::Dates;
use super::rule::Rule;

/// Something that recurs: on which days, at which time of day, in which zone.
///
/// Its occurrences are a strictly increasing function of these and of the zone's data, and of nothing else
/// (reliability.md, 33).
#[derive(Clone, Debug)]
pub struct Recurrence {
    /// On which days.
    pub rule: Rule,
    /// On which days not, all the same.
    pub except: BTreeSet<Date>,
    /// Not before this day; what the rule leaves open is taken from it.
    pub start: Date,
    /// Not after this day.
    pub end: Option<Date>,
    /// At which time of day.
    pub time: Time,
    /// By which clock.
    pub zone: TimeZone,
}

/// One time that something recurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The day of the rule.
    pub date: Date,
    /// The instant.
    pub at: Timestamp,
    /// How far the zone's clock is from UTC at that instant.
    pub offset: Offset,
    /// What the zone's clock does about it.
    pub clock: ClockChange,
}

/// What a zone's clock does about a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Nothing: it shows the time once.
    None,
    /// It leaves the time out; the occurrence is later by as much as is left out.
    Gap,
    /// It shows the time twice; the first one is taken.
    Fold,
}

/// An occurrence with its number, counted from one since the first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its number.
    pub number: u32,
    /// The occurrence.
    pub occurrence: Occurrence,
}

/// How far an instant's day in its zone may be from the day of the rule: a gap may be a whole day long.
const SLACK: fn() -> Span = || 4.days();

impl Recurrence {
    /// The first occurrences after an instant, itself not included; at most `limit`.
    pub fn occurrences_after(&self, after: Timestamp, limit: usize) -> Vec<Occurrence> {
        self.near(after)
            .filter(|occurrence| occurrence.at > after)
            .take(limit)
            .collect()
    }

    /// The occurrences of `[from, to)`, at most `limit`.
    pub fn occurrences_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Vec<Occurrence> {
        self.near(from)
            .skip_while(|occurrence| occurrence.at < from)
            .take_while(|occurrence| occurrence.at < to)
            .take(limit)
            .collect()
    }

    /// All occurrences, numbered, after one of them or from the first; going on from any one gives the same as counting through.
    ///
    /// After one whose day the rule does not have (any more) it goes on with the days after it.
    pub fn numbered(&self, after: Option<Numbered>) -> impl Iterator<Item = Numbered> + '_ {
        let from = after.map_or(self.start, |last| last.occurrence.date);
        let mut number = after.map_or(0, |last| last.number);
        let days = Dates::since(&self.rule, self.start, self.last_day(), from)
            .filter(move |day| after.is_none_or(|last| *day > last.occurrence.date));
        let last = after.map(|last| last.occurrence.at);
        self.increasing(days, last).map(move |occurrence| {
            number += 1;
            Numbered { number, occurrence }
        })
    }

    /// Occurrences from shortly before an instant on.
    fn near(&self, instant: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        let day = self.zone.to_datetime(instant).date();
        let from = day.saturating_sub(SLACK());
        let days = Dates::since(&self.rule, self.start, self.last_day(), from)
            .skip_while(move |day| *day < from);
        self.increasing(days, None)
    }

    /// The occurrences of days: each later than the one before, none after the end.
    ///
    /// Two days can come to one instant where a zone left out a whole day; the second one is dropped.
    fn increasing<'a>(
        &'a self,
        days: impl Iterator<Item = Date> + 'a,
        mut last: Option<Timestamp>,
    ) -> impl Iterator<Item = Occurrence> + 'a {
        days.filter(|day| !self.except.contains(day))
            .filter_map(|day| self.on(day))
            .take_while(|occurrence| !self.is_over(occurrence))
            .filter(move |occurrence| {
                let later = last.is_none_or(|last| occurrence.at > last);
                last = last.max(Some(occurrence.at));
                later
            })
    }

    fn is_over(&self, occurrence: &Occurrence) -> bool {
        let local = occurrence.date.to_datetime(self.time);
        self.rule
            .until
            .is_some_and(|until| until.is_before(occurrence.date, local, occurrence.at))
    }

    fn last_day(&self) -> Date {
        self.end.unwrap_or(super::dates::LAST_DAY)
    }

    /// The instant of a day: in a gap the shifted one, in a fold the first one (2-execution.md, Time).
    fn on(&self, date: Date) -> Option<Occurrence> {
        let local = self
            .zone
            .to_ambiguous_timestamp(date.to_datetime(self.time));
        let clock = match local.offset() {
            AmbiguousOffset::Unambiguous { .. } => ClockChange::None,
            AmbiguousOffset::Gap { .. } => ClockChange::Gap,
            AmbiguousOffset::Fold { .. } => ClockChange::Fold,
        };
        let at = local.compatible().ok()?;
        Some(Occurrence {
            date,
            at,
            offset: self.zone.to_offset(at),
            clock,
        })
    }
}
