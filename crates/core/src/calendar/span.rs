//! When a release takes place: the half-open stretch of time that the calendar draws and conflicts compare.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::release::{Life, Release};

/// How long a release counts that says nothing about its end: an hour.
pub const LENGTH_DEFAULT: SignedDuration = SignedDuration::from_hours(1);

/// A stretch of time `[start, end)`; an empty one overlaps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first instant.
    pub start: Timestamp,
    /// The instant after its last one.
    pub end: Timestamp,
}

impl Span {
    /// A stretch of time; an end before the start makes it empty.
    pub fn new(start: Timestamp, end: Timestamp) -> Span {
        Span {
            start,
            end: end.max(start),
        }
    }

    /// A stretch of time by its length.
    pub fn lasting(start: Timestamp, length: SignedDuration) -> Span {
        let end = start.checked_add(length).unwrap_or(Timestamp::MAX);
        Span::new(start, end)
    }

    /// Whether there is an instant in both; what merely follows on is apart.
    pub fn overlaps(&self, other: &Span) -> bool {
        let both = self.start.max(other.start) < self.end.min(other.end);
        both && !self.is_empty() && !other.is_empty()
    }

    /// Whether it holds no instant.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// How long it is.
    pub fn length(&self) -> SignedDuration {
        self.start.duration_until(self.end)
    }
}

/// Where a release stands in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stretch of time.
    pub span: Span,
    /// Whether it is under way, so that it lasts until now at least.
    pub open: bool,
}

impl Place {
    /// The stretch of time as it counts now.
    pub fn at(&self, now: Timestamp) -> Span {
        match self.open {
            true => Span::new(self.span.start, self.span.end.max(now)),
            false => self.span,
        }
    }
}

impl Release {
    /// Where the release stands in the calendar; none while it has no time.
    ///
    /// Before it runs: from its planned start to its expected end, or [`LENGTH_DEFAULT`] long if none is given.
    /// Under way: from its actual start to its expected end (at least [`LENGTH_DEFAULT`]), and to now once that is over.
    /// Ended: from its actual start to its actual end.
    pub fn place(&self) -> Option<Place> {
        match self.life {
            Life::Draft | Life::Scheduled | Life::Queued => {
                let start = self.start_at?;
                let planned = Span::lasting(start, LENGTH_DEFAULT);
                let span = self.expected_end_at.map_or(planned, |end| {
                    if end > start {
                        Span::new(start, end)
                    } else {
                        planned
                    }
                });
                Some(Place { span, open: false })
            }
            Life::Underway | Life::Aborting => {
                let start = self.started_at.or(self.start_at)?;
                let least = Span::lasting(start, LENGTH_DEFAULT).end;
                let end = self.expected_end_at.map_or(least, |end| end.max(least));
                let span = Span::new(start, end);
                Some(Place { span, open: true })
            }
            Life::Ended { .. } => {
                let end = self.ended_at?;
                let start = self.started_at.map_or(end, |start| start.min(end));
                let span = Span::new(start, end);
                Some(Place { span, open: false })
            }
        }
    }
}

/// Counts what subscribers of a calendar have to learn about a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Changes {
    /// How often name, times or standing have changed; never falls.
    pub count: u32,
    /// When they did so last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// Whether it has ever been finalized, so that others may count on it.
    pub announced: bool,
}

impl Changes {
    /// Whether there were none.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }
}
