//! What would be if a release took place at another time, and when it could (2-execution.md, Calendar).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::calendar::conflict::{Planned, Shared};
use crate::calendar::span::Span;
use crate::calendar::touch::Touches;

/// How far ahead free slots are looked for, in days.
pub const HORIZON_DAYS: i64 = 90;
/// How many free slots are named at most.
pub const SLOTS_MAX: usize = 20;

/// A release that one comes after, or that comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It must have succeeded before.
    Before(Span),
    /// It waits for this one.
    After(Span),
}

impl Neighbour {
    /// Whether the planned times contradict the order: the later one would begin before the earlier one has ended.
    pub fn contradicts(&self, span: &Span) -> bool {
        match self {
            Neighbour::Before(before) => span.start < before.end,
            Neighbour::After(after) => after.start < span.end,
        }
    }
}

/// What stands in the way of a release.
#[derive(Debug, Default)]
pub struct Obstacles {
    busy: Vec<Span>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

impl Obstacles {
    /// What others, freezes and order leave to a release that touches this.
    pub fn new<'a>(
        touches: &Touches,
        others: impl IntoIterator<Item = Planned<'a>>,
        frozen: impl IntoIterator<Item = Span>,
        neighbours: impl IntoIterator<Item = Neighbour>,
    ) -> Obstacles {
        let sharing = others
            .into_iter()
            .filter(|other| !Shared::between(touches, other.touches).is_empty())
            .map(|other| other.span);
        let mut obstacles = Obstacles {
            busy: merged(sharing.chain(frozen).collect()),
            ..Obstacles::default()
        };
        for neighbour in neighbours {
            match neighbour {
                Neighbour::Before(before) => {
                    obstacles.not_before = obstacles.not_before.max(Some(before.end));
                }
                Neighbour::After(after) => {
                    let least = obstacles.not_after.unwrap_or(after.start);
                    obstacles.not_after = Some(least.min(after.start));
                }
            }
        }
        obstacles
    }

    /// Whether nothing stands in the way there.
    pub fn leave_free(&self, span: &Span) -> bool {
        let first = self.busy.partition_point(|busy| busy.end <= span.start);
        let clear = self.busy.get(first).is_none_or(|busy| !busy.overlaps(span));
        clear
            && self.not_before.is_none_or(|limit| limit <= span.start)
            && self.not_after.is_none_or(|limit| span.end <= limit)
    }

    /// Free slots of a length, earliest first: as soon as possible from a time on, and at its time of day on later days.
    ///
    /// Looks [`HORIZON_DAYS`] ahead; answers at most `wanted`, and never more than [`SLOTS_MAX`].
    pub fn free(
        &self,
        from: Timestamp,
        length: SignedDuration,
        zone: &TimeZone,
        wanted: usize,
    ) -> Vec<Span> {
        let wanted = wanted.min(SLOTS_MAX);
        let Ok(end) = from.checked_add(SignedDuration::from_hours(24 * HORIZON_DAYS)) else {
            return Vec::new();
        };
        let openings = self.busy.iter().map(|busy| busy.end);
        let soonest = [from]
            .into_iter()
            .chain(self.not_before)
            .chain(openings)
            .filter(|start| (from..end).contains(start))
            .filter(|start| self.leave_free(&Span::lasting(*start, length)))
            .min();
        let local = from.to_zoned(zone.clone());
        let same_time = (1..=HORIZON_DAYS).filter_map(|days| {
            let day = local.checked_add(days.days()).ok()?.timestamp();
            self.leave_free(&Span::lasting(day, length)).then_some(day)
        });
        let mut starts: Vec<Timestamp> = same_time.take(wanted).chain(soonest).collect();
        starts.sort();
        starts.dedup();
        starts
            .into_iter()
            .take(wanted)
            .map(|start| Span::lasting(start, length))
            .collect()
    }
}

/// The same instants in stretches that neither touch nor overlap, in order.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| !span.is_empty());
    spans.sort();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-12-{text}:00Z").parse().expect("a time")
    }

    fn span(from: &str, to: &str) -> Span {
        Span::new(at(from), at(to))
    }

    fn production() -> Touches {
        Touches {
            environments: ["production".to_owned()].into(),
            ..Touches::default()
        }
    }

    fn starts(obstacles: &Obstacles, from: &str, hours: i64) -> Vec<String> {
        let length = SignedDuration::from_hours(hours);
        let free = obstacles.free(at(from), length, &TimeZone::UTC, 3);
        free.iter().map(|span| span.start.to_string()).collect()
    }

    #[test]
    fn the_soonest_slot_comes_first_and_then_the_same_time_of_later_days() {
        let (here, elsewhere) = (production(), Touches::default());
        let others = [
            Planned {
                span: span("01T09:00", "01T12:00"),
                touches: &here,
            },
            Planned {
                span: span("02T10:00", "02T11:00"),
                touches: &here,
            },
            Planned {
                span: span("03T00:00", "04T00:00"),
                touches: &elsewhere,
            },
        ];
        let frozen = [span("04T00:00", "05T00:00")];
        let obstacles = Obstacles::new(&here, others, frozen, []);
        assert!(!obstacles.leave_free(&span("01T11:00", "01T13:00")));
        assert!(
            obstacles.leave_free(&span("01T12:00", "01T13:00")),
            "adjacent is free"
        );
        assert_eq!(
            starts(&obstacles, "01T10:00", 2),
            [
                "2026-12-01T12:00:00Z",
                "2026-12-03T10:00:00Z",
                "2026-12-05T10:00:00Z"
            ]
        );
    }

    #[test]
    fn a_slot_lies_behind_its_predecessors_and_before_its_followers() {
        let neighbours = [
            Neighbour::Before(span("01T09:00", "02T12:00")),
            Neighbour::After(span("05T09:00", "05T10:00")),
        ];
        assert!(neighbours[0].contradicts(&span("02T11:00", "02T13:00")));
        assert!(!neighbours[0].contradicts(&span("02T12:00", "02T13:00")));
        assert!(neighbours[1].contradicts(&span("05T08:30", "05T09:30")));
        let obstacles = Obstacles::new(&production(), [], [], neighbours);
        assert_eq!(
            starts(&obstacles, "01T10:00", 2),
            [
                "2026-12-02T12:00:00Z",
                "2026-12-03T10:00:00Z",
                "2026-12-04T10:00:00Z"
            ]
        );
        assert_eq!(starts(&obstacles, "05T10:00", 2), Vec::<String>::new());
    }
}
