//! Days, weeks, months and quarters of a zone, and how much takes place in each (2-execution.md, Calendar).

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::calendar::span::Span;

/// How much of the calendar is looked at, or counted, at once. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A civil day.
    Day,
    /// Seven days from a Monday on.
    Week,
    /// A month.
    Month,
    /// Three months from January, April, July or October on.
    Quarter,
}

impl View {
    /// Every view, shortest first.
    pub const ALL: [View; 4] = [View::Day, View::Week, View::Month, View::Quarter];

    /// The view as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            View::Day => "day",
            View::Week => "week",
            View::Month => "month",
            View::Quarter => "quarter",
        }
    }

    /// The first day of the one that holds a day.
    pub fn first(self, day: Date) -> Date {
        let monday = i64::from(day.weekday().to_monday_zero_offset());
        match self {
            View::Day => day,
            View::Week => day.saturating_sub(monday.days()),
            View::Month => day.first_of_month(),
            View::Quarter => date(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
        }
    }

    /// The first day of the one some steps later, or earlier if the number is negative.
    pub fn step(self, first: Date, steps: i64) -> Date {
        match self {
            View::Day => first.saturating_add(steps.days()),
            View::Week => first.saturating_add((7 * steps).days()),
            View::Month => first.saturating_add(steps.months()),
            View::Quarter => first.saturating_add((3 * steps).months()),
        }
    }

    /// Its time in a zone, around a day.
    pub fn around(self, day: Date, zone: &TimeZone) -> Span {
        let first = self.first(day);
        days(first, self.step(first, 1), zone)
    }
}

/// From the beginning of one day to the beginning of another one, in a zone.
pub fn days(first: Date, end: Date, zone: &TimeZone) -> Span {
    // A day begins at midnight, or where the clocks jump over midnight, at the first time there is.
    let begin = |day: Date| {
        let zoned = day.to_zoned(zone.clone());
        zoned.map_or_else(
            |_| {
                if day > date(0, 1, 1) {
                    Timestamp::MAX
                } else {
                    Timestamp::MIN
                }
            },
            |zoned| zoned.timestamp(),
        )
    };
    Span::new(begin(first), begin(end))
}

/// One day, week, month or quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first day.
    pub first: Date,
    /// Its time.
    pub span: Span,
}

/// Those that share an instant with a stretch of time, in order; at most `limit`.
pub fn periods(range: Span, per: View, zone: &TimeZone, limit: usize) -> Vec<Period> {
    let first = per.first(range.start.to_zoned(zone.clone()).date());
    let firsts = (0..).map(|steps| (per.step(first, steps), per.step(first, steps + 1)));
    firsts
        .map(|(first, end)| Period {
            first,
            span: days(first, end, zone),
        })
        .take_while(|period| period.span.start < range.end && !period.span.is_empty())
        .take(limit)
        .collect()
}

/// How much takes place in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// What begins in it.
    pub starting: usize,
    /// What takes place in it, wherever it begins.
    pub active: usize,
}

/// How much takes place in each of several periods that follow one another.
pub fn counts(periods: &[Period], spans: impl IntoIterator<Item = Span>) -> Vec<Count> {
    let mut starting = vec![0_usize; periods.len()];
    let mut entered = vec![0_usize; periods.len() + 1];
    let mut left = vec![0_usize; periods.len() + 1];
    for span in spans {
        let first = periods.partition_point(|period| period.span.end <= span.start);
        // What takes no time still stands where it happens.
        let end = periods.partition_point(|period| period.span.start < span.end);
        let end = if span.is_empty() { first + 1 } else { end };
        if first < end.min(periods.len()) {
            entered[first] += 1;
            left[end.min(periods.len())] += 1;
            if periods[first].span.start <= span.start {
                starting[first] += 1;
            }
        }
    }
    let mut active = 0;
    let count = |(index, starting): (usize, usize)| {
        active = active + entered[index] - left[index];
        Count { starting, active }
    };
    starting.into_iter().enumerate().map(count).collect()
}

/// How many whole days a stretch of time has, rounded up.
pub fn day_count(range: &Span) -> i64 {
    let hours = range.length().as_hours();
    hours / 24 + i64::from(hours % 24 > 0 || range.length().as_secs() % 3_600 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZoneDatabase;

    fn zone(name: &str) -> TimeZone {
        TimeZoneDatabase::bundled().get(name).expect("a zone")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn four_views_hold_the_day_that_one_jumps_to() {
        let day = date(2026, 12, 9);
        let firsts: Vec<String> = View::ALL
            .into_iter()
            .map(|view| view.first(day).to_string())
            .collect();
        assert_eq!(
            firsts,
            ["2026-12-09", "2026-12-07", "2026-12-01", "2026-10-01"]
        );
        let berlin = zone("Europe/Berlin");
        let month = View::Month.around(day, &berlin);
        assert_eq!(
            (month.start, month.end),
            (at("2026-11-30T23:00:00Z"), at("2026-12-31T23:00:00Z"))
        );
        assert_eq!(View::Quarter.step(date(2026, 10, 1), 1), date(2027, 1, 1));
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        let berlin = zone("Europe/Berlin");
        let range = days(date(2026, 10, 24), date(2026, 10, 27), &berlin);
        let found = periods(range, View::Day, &berlin, 10);
        let hours: Vec<i64> = found
            .iter()
            .map(|day| day.span.length().as_hours())
            .collect();
        assert_eq!(hours, [24, 25, 24]);
        assert_eq!(
            day_count(&range),
            4,
            "73 hours reach into a fourth day of 24"
        );
    }

    #[test]
    fn a_release_counts_where_it_begins_and_on_every_day_that_it_takes() {
        let range = days(date(2026, 12, 1), date(2026, 12, 5), &TimeZone::UTC);
        let list = periods(range, View::Day, &TimeZone::UTC, 10);
        let span = |from: &str, to: &str| Span::new(at(from), at(to));
        let spans = [
            span("2026-11-30T10:00:00Z", "2026-12-02T00:00:00Z"),
            span("2026-12-01T10:00:00Z", "2026-12-03T10:00:00Z"),
            span("2026-12-04T00:00:00Z", "2026-12-09T00:00:00Z"),
            span("2026-12-02T10:00:00Z", "2026-12-02T10:00:00Z"),
            span("2026-12-05T00:00:00Z", "2026-12-06T00:00:00Z"),
        ];
        let told: Vec<(usize, usize)> = counts(&list, spans)
            .iter()
            .map(|count| (count.starting, count.active))
            .collect();
        assert_eq!(told, [(1, 2), (1, 2), (0, 1), (1, 1)]);
    }
}
