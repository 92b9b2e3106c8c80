//! Windows: stretches of time that come once or recur, and the questions that are asked about them
//! (2-execution.md, Time and Calendar).
//!
//! Freezes, maintenance windows and the bands of the calendar are made of these.
//! Nothing is expanded in advance: every question looks at the recurrence near the instant it asks about.

use jiff::{SignedDuration, Timestamp};

use super::recurrence::Recurrence;

/// How many windows one after the other are followed to find an opening.
const STEPS_MAX: usize = 400;
/// How many windows of one recurrence may be open at one instant.
const OVERLAPPING_MAX: usize = 1_000;

/// A stretch of time: `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Stretch {
    /// Whether an instant lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether it shares an instant with `[from, to)`; adjacent stretches share none.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from < to && from < self.to
    }
}

/// A window that recurs.
#[derive(Clone, Debug)]
pub struct Recurring {
    /// When it begins.
    pub recurrence: Recurrence,
    /// How long it lasts, by the clock that knows no summer time; at most a year.
    pub length: SignedDuration,
}

/// Windows that come once, and one that recurs.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// In the order of their beginnings.
    once: Vec<Stretch>,
    recurring: Option<Recurring>,
}

impl Windows {
    /// Windows of both sorts.
    pub fn new(mut once: Vec<Stretch>, recurring: Option<Recurring>) -> Windows {
        once.sort();
        Windows { once, recurring }
    }

    /// Whether an instant lies in any of them.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.covering(at).is_some()
    }

    /// The window that an instant lies in; of several the one that ends last.
    pub fn covering(&self, at: Timestamp) -> Option<Stretch> {
        let once = self.once.iter().filter(|window| window.holds(at)).copied();
        once.chain(self.recurring_at(at))
            .max_by_key(|window| (window.to, window.from))
    }

    /// The next window that begins after an instant.
    pub fn next_after(&self, after: Timestamp) -> Option<Stretch> {
        let once = self.once.iter().find(|window| window.from > after).copied();
        let recurring = self.recurring.as_ref().and_then(|recurring| {
            let next = recurring.recurrence.occurrences_after(after, 1);
            recurring.from(next.first()?.at)
        });
        once.into_iter().chain(recurring).min()
    }

    /// The windows that share an instant with `[from, to)`, in the order of their beginnings; at most `limit`.
    pub fn between(&self, from: Timestamp, to: Timestamp, limit: usize) -> Vec<Stretch> {
        let once = self.once.iter().filter(|window| window.overlaps(from, to));
        let mut all: Vec<Stretch> = once.copied().collect();
        if let Some(recurring) = &self.recurring {
            let begin = from.checked_sub(recurring.length).unwrap_or(Timestamp::MIN);
            let found = recurring.recurrence.occurrences_between(
                begin,
                to,
                limit.saturating_add(OVERLAPPING_MAX),
            );
            let windows = found
                .iter()
                .filter_map(|occurrence| recurring.from(occurrence.at));
            all.extend(windows.filter(|window| window.overlaps(from, to)));
        }
        all.sort();
        all.dedup();
        all.truncate(limit);
        all
    }

    fn recurring_at(&self, at: Timestamp) -> Option<Stretch> {
        let recurring = self.recurring.as_ref()?;
        let first = at.checked_sub(recurring.length).ok()?;
        let end = at.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let begun = recurring
            .recurrence
            .occurrences_between(first, end, OVERLAPPING_MAX);
        recurring
            .from(begun.last()?.at)
            .filter(|window| window.holds(at))
    }
}

impl Recurring {
    fn from(&self, from: Timestamp) -> Option<Stretch> {
        let to = from.checked_add(self.length).ok()?;
        Some(Stretch { from, to })
    }
}

/// Until when there is no opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first instant that lies in no window.
    pub at: Timestamp,
    /// Whether that is certain; otherwise one has to look again then, because too many windows follow each other.
    pub is_certain: bool,
}

/// The next opening at or after an instant, where `end` answers when the window ends that an instant lies in.
///
/// Windows that overlap or follow each other without a gap count as one.
pub fn opening(from: Timestamp, end: impl Fn(Timestamp) -> Option<Timestamp>) -> Opening {
    let mut at = from;
    for _ in 0..STEPS_MAX {
        match end(at) {
            Some(later) if later > at => at = later,
            _ => {
                return Opening {
                    at,
                    is_certain: true,
                };
            }
        }
    }
    Opening {
        at,
        is_certain: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    fn windows(once: &[(i64, i64)]) -> Windows {
        let stretch = |(from, to): &(i64, i64)| Stretch {
            from: at(*from),
            to: at(*to),
        };
        Windows::new(once.iter().map(stretch).collect(), None)
    }

    #[test]
    fn a_window_holds_its_first_instant_and_not_its_last() {
        let windows = windows(&[(2, 4), (4, 6)]);
        let open: Vec<i64> = (0..8).filter(|hour| windows.is_open(at(*hour))).collect();
        assert_eq!(open, [2, 3, 4, 5]);
    }

    #[test]
    fn of_several_windows_the_one_that_ends_last_counts() {
        let windows = windows(&[(0, 10), (1, 3), (2, 12)]);
        let ends = |hour| windows.covering(at(hour)).map(|window| window.to);
        assert_eq!(
            [ends(1), ends(2), ends(11), ends(12)],
            [Some(at(10)), Some(at(12)), Some(at(12)), None]
        );
    }

    #[test]
    fn an_opening_comes_after_all_that_overlap_or_touch() {
        let windows = windows(&[(0, 4), (3, 6), (6, 8), (9, 10)]);
        let end = |at| windows.covering(at).map(|window| window.to);
        for (from, expected) in [(0, 8), (5, 8), (8, 8), (9, 10), (11, 11)] {
            let opening = opening(at(from), end);
            assert_eq!((opening.at, opening.is_certain), (at(expected), true));
        }
        let never = opening(at(0), |at| {
            at.checked_add(SignedDuration::from_hours(1)).ok()
        });
        assert!(!never.is_certain && never.at > at(0));
    }

    #[test]
    fn the_windows_of_a_range_are_those_that_share_an_instant_with_it() {
        let windows = windows(&[(0, 2), (1, 5), (5, 6), (8, 9)]);
        let found = windows.between(at(2), at(8), 10);
        let begins: Vec<Timestamp> = found.iter().map(|window| window.from).collect();
        assert_eq!(begins, [at(1), at(5)]);
        assert_eq!(windows.between(at(0), at(9), 2).len(), 2);
        assert_eq!(
            windows.next_after(at(5)).map(|window| window.from),
            Some(at(8))
        );
    }
}
