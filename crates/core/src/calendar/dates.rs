//! The days of a rule: one period after the other, every day of a period held against the rule.
//!
//! RFC 5545 tells parts that expand a period from parts that limit it.
//! Over whole days both come to the same question, which is asked here: does this day fit every part that is there?
//! The alternative, a crate that expands rules, brings a second library for dates along and was wrong about clock changes
//! where times of day are part of the rule; a rule over days has none.

use std::collections::VecDeque;

use jiff::civil::{Date, Weekday, date};

use super::rule::{Frequency, Rule, RuleDay};

/// No rule goes further than this day, however rarely it matches.
pub(crate) const LAST_DAY: Date = date(2199, 12, 31);
/// And none begins before this one.
pub(crate) const FIRST_DAY: Date = date(1970, 1, 1);

/// The days of a rule from its first day on, in order.
pub(super) struct Dates {
    rule: Rule,
    start: Date,
    last: Date,
    /// The next period to look at, counted from the one of the first day.
    period: i64,
    found: VecDeque<Date>,
    left: Option<u32>,
}

impl Dates {
    /// From the first day of the rule.
    pub(super) fn new(rule: &Rule, start: Date, last: Date) -> Dates {
        let until = rule.until.map_or(LAST_DAY, super::rule::Until::last_day);
        Dates {
            rule: completed(rule, start),
            start,
            last: last.min(until).min(LAST_DAY),
            period: 0,
            found: VecDeque::new(),
            left: rule.count,
        }
    }

    /// From a later day on; a rule that counts its days is counted from its first one all the same.
    pub(super) fn since(rule: &Rule, start: Date, last: Date, from: Date) -> Dates {
        let mut dates = Dates::new(rule, start, last);
        if dates.left.is_none() && from > start {
            let ahead = dates.index(from) - dates.index(start);
            dates.period = (ahead / i64::from(rule.interval) - 1).max(0);
        }
        dates
    }

    /// The number of the day, week, month or year that a day lies in.
    fn index(&self, day: Date) -> i64 {
        match self.rule.frequency {
            Frequency::Daily => number(day),
            Frequency::Weekly => {
                let into = i64::from(day.weekday().since(self.rule.week_start));
                (number(day) - into).div_euclid(7)
            }
            Frequency::Monthly => i64::from(day.year()) * 12 + i64::from(day.month()) - 1,
            Frequency::Yearly => i64::from(day.year()),
        }
    }

    /// The first and the last day of the next period; none beyond the end of the calendar.
    fn bounds(&self) -> Option<(Date, Date)> {
        let step = self.period * i64::from(self.rule.interval);
        let index = self.index(self.start) + step;
        match self.rule.frequency {
            Frequency::Daily => day(index).map(|day| (day, day)),
            Frequency::Weekly => {
                let into = i64::from(self.start.weekday().since(self.rule.week_start));
                let first = number(self.start) - into + step * 7;
                Some((day(first)?, day(first + 6)?))
            }
            Frequency::Monthly => {
                let year = i16::try_from(index.div_euclid(12)).ok()?;
                let month = i8::try_from(index.rem_euclid(12) + 1).ok()?;
                let first = Date::new(year, month, 1).ok()?;
                Some((first, first.last_of_month()))
            }
            Frequency::Yearly => {
                let year = i16::try_from(index).ok()?;
                Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?))
            }
        }
    }

    fn look_through(&mut self, first: Date, last: Date) {
        let mut fitting = Vec::new();
        let mut day = first;
        loop {
            if fits(&self.rule, day) {
                fitting.push(day);
            }
            if day >= last {
                break;
            }
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        let positions = &self.rule.positions;
        let length = fitting.len() as i64;
        let chosen = |index: usize| {
            let from_start = index as i64 + 1;
            let from_end = index as i64 - length;
            positions.is_empty()
                || positions
                    .iter()
                    .any(|position| [from_start, from_end].contains(&i64::from(*position)))
        };
        let days = fitting.into_iter().enumerate();
        self.found.extend(
            days.filter(|(index, day)| chosen(*index) && *day >= self.start)
                .map(|(_, day)| day),
        );
    }
}

impl Iterator for Dates {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        if self.left == Some(0) {
            return None;
        }
        while self.found.is_empty() {
            let (first, last) = self.bounds()?;
            if first > self.last {
                return None;
            }
            self.look_through(first, last);
            self.period += 1;
        }
        let day = self.found.pop_front().filter(|day| *day <= self.last)?;
        self.left = self.left.map(|left| left - 1);
        Some(day)
    }
}

/// What the rule leaves open is taken from its first day (RFC 5545, 3.3.10).
fn completed(rule: &Rule, start: Date) -> Rule {
    let mut rule = rule.clone();
    let weekday = RuleDay {
        nth: 0,
        weekday: start.weekday().to_monday_one_offset(),
    };
    let chooses =
        !(rule.year_days.is_empty() && rule.month_days.is_empty() && rule.weekdays.is_empty());
    match rule.frequency {
        _ if chooses => (),
        Frequency::Daily => (),
        Frequency::Weekly => rule.weekdays = vec![weekday],
        Frequency::Monthly => rule.month_days = vec![start.day().into()],
        Frequency::Yearly if !rule.weeks.is_empty() => rule.weekdays = vec![weekday],
        Frequency::Yearly => {
            if rule.months.is_empty() {
                rule.months = vec![start.month().into()];
            }
            rule.month_days = vec![start.day().into()];
        }
    }
    rule
}

fn fits(rule: &Rule, day: Date) -> bool {
    let month_length = i16::from(day.days_in_month());
    let month_day = i16::from(day.day());
    is_in(&rule.months, i16::from(day.month()), None)
        && is_in(&rule.month_days, month_day, Some(month_length))
        && is_in(&rule.year_days, day.day_of_year(), Some(day.days_in_year()))
        && (rule.weeks.is_empty() || fits_week(rule, day))
        && (rule.weekdays.is_empty() || fits_weekday(rule, day))
}

/// Whether a number is listed, from the front or, of `length`, from the end; an empty list lists everything.
fn is_in(list: &[i16], number: i16, length: Option<i16>) -> bool {
    list.is_empty()
        || list.contains(&number)
        || length.is_some_and(|length| list.contains(&(number - length - 1)))
}

fn fits_weekday(rule: &Rule, day: Date) -> bool {
    let weekday = day.weekday().to_monday_one_offset();
    let by_month = rule.frequency == Frequency::Monthly || !rule.months.is_empty();
    let (number, length) = match by_month {
        true => (i16::from(day.day()), i16::from(day.days_in_month())),
        false => (day.day_of_year(), day.days_in_year()),
    };
    let (from_start, from_end) = ((number - 1) / 7 + 1, -((length - number) / 7 + 1));
    rule.weekdays
        .iter()
        .any(|wanted| wanted.weekday == weekday && [0, from_start, from_end].contains(&wanted.nth))
}

/// Weeks are counted from the first one that has at least four days in the year (ISO 8601).
fn fits_week(rule: &Rule, day: Date) -> bool {
    let first_of = |year: i16| first_week(year, rule.week_start);
    let number = number(day);
    let year = day.year();
    let (Some(before), Some(this), Some(after)) =
        (first_of(year - 1), first_of(year), first_of(year + 1))
    else {
        return false;
    };
    let (first, end) = match number {
        _ if number < this => (before, this),
        _ if number < after => (this, after),
        _ => match first_of(year + 2) {
            Some(end) => (after, end),
            None => return false,
        },
    };
    let week = ((number - first) / 7 + 1) as i16;
    let weeks = ((end - first) / 7) as i16;
    is_in(&rule.weeks, week, Some(weeks))
}

/// The number of the day on which the first week of a year begins.
fn first_week(year: i16, week_start: Weekday) -> Option<i64> {
    let fourth = Date::new(year, 1, 4).ok()?;
    Some(number(fourth) - i64::from(fourth.weekday().since(week_start)))
}

/// Days since 1970-01-01.
fn number(day: Date) -> i64 {
    day.duration_since(FIRST_DAY).as_secs() / 86_400
}

fn day(number: i64) -> Option<Date> {
    FIRST_DAY
        .checked_add(jiff::SignedDuration::from_hours(number.checked_mul(24)?))
        .ok()
}
