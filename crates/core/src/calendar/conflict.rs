//! Which releases collide (2-execution.md, Calendar).
//!
//! Two that overlap and share a service, an environment or an exclusive tag are a **conflict**, with the reason;
//! two that only overlap in time are a softer mark; two of which one ends when the other begins are nothing.
//! One sweep over the starts finds them: `n log n` and what is found, however much happens at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::calendar::span::Span;
use crate::calendar::touch::Touches;

/// How many conflicts are told of one release; that there are more is told as well.
pub const CONFLICTS_MAX: usize = 20;

/// When something takes place and what it touches.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// When.
    pub span: Span,
    /// What.
    pub touches: &'a Touches,
}

/// What two releases share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Services.
    pub services: Vec<String>,
    /// Environments.
    pub environments: Vec<String>,
    /// Exclusive tags.
    pub exclusive: Vec<String>,
}

impl Shared {
    /// What both touch.
    pub fn between(one: &Touches, other: &Touches) -> Shared {
        let both = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
            one.intersection(other).cloned().collect()
        };
        Shared {
            services: both(&one.services, &other.services),
            environments: both(&one.environments, &other.environments),
            exclusive: both(&one.exclusive, &other.exclusive),
        }
    }

    /// Whether they share nothing.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.environments.is_empty() && self.exclusive.is_empty()
    }
}

/// `both touch the environment `production` and the services `cart`, `api``.
impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorts = [
            ("service", &self.services),
            ("environment", &self.environments),
            ("exclusive tag", &self.exclusive),
        ];
        let parts = sorts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts
            .map(|(sort, names)| {
                let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let plural = if names.len() > 1 { "s" } else { "" };
                format!("the {sort}{plural} {}", quoted.join(", "))
            })
            .collect();
        write!(f, "both touch {}", parts.join(" and "))
    }
}

/// A collision with another one of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Position of the other one.
    pub other: usize,
    /// Why they collide.
    pub shared: Shared,
}

/// How one of the list stands to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clash {
    /// Those it collides with, in the order of the list; at most [`CONFLICTS_MAX`].
    pub conflicts: Vec<Conflict>,
    /// Whether there are more conflicts than told.
    pub more: bool,
    /// How many others overlap in time, whatever they share.
    pub overlaps: usize,
}

/// How each of the list stands to the others.
pub fn clashes(planned: &[Planned<'_>]) -> Vec<Clash> {
    let mut sweep = Sweep {
        planned,
        found: planned.iter().map(|_| Clash::default()).collect(),
        under_way: BTreeMap::new(),
    };
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.retain(|index| !planned[*index].span.is_empty());
    order.sort_by_key(|index| planned[*index].span);
    for index in &order {
        sweep.take(*index);
    }
    count_overlaps(planned, &order, &mut sweep.found);
    for clash in &mut sweep.found {
        clash.conflicts.sort_by_key(|conflict| conflict.other);
    }
    sweep.found
}

/// Those of the list that one collides with, in order, and how many overlap; the whole list is told.
pub fn clash(one: Planned<'_>, others: &[Planned<'_>]) -> Clash {
    let overlapping = others
        .iter()
        .enumerate()
        .filter(|(_, other)| one.span.overlaps(&other.span));
    let mut clash = Clash::default();
    for (index, other) in overlapping {
        clash.overlaps += 1;
        let shared = Shared::between(one.touches, other.touches);
        if shared.is_empty() {
            continue;
        }
        match clash.conflicts.len() < CONFLICTS_MAX {
            true => clash.conflicts.push(Conflict {
                other: index,
                shared,
            }),
            false => clash.more = true,
        }
    }
    clash
}

/// What is touched, told apart by its sort.
type Thing<'a> = (u8, &'a str);

fn things(touches: &Touches) -> impl Iterator<Item = Thing<'_>> {
    let services = touches.services.iter().map(|name| (0, name.as_str()));
    let environments = touches.environments.iter().map(|name| (1, name.as_str()));
    let exclusive = touches.exclusive.iter().map(|name| (2, name.as_str()));
    services.chain(environments).chain(exclusive)
}

/// Those under way that touch one thing.
#[derive(Default)]
struct UnderWay {
    /// All of them, by end; none is looked at more often than it is told about, or goes.
    by_end: BTreeSet<(Timestamp, usize)>,
    /// Those that may still be told about another conflict.
    open: BTreeSet<usize>,
}

struct Sweep<'a> {
    planned: &'a [Planned<'a>],
    found: Vec<Clash>,
    under_way: BTreeMap<Thing<'a>, UnderWay>,
}

impl<'a> Sweep<'a> {
    /// The next one begins: it collides with everything under way that touches one of its things.
    fn take(&mut self, index: usize) {
        let Planned { span, touches } = self.planned[index];
        for thing in things(touches) {
            let mut here = self.under_way.remove(&thing).unwrap_or_default();
            while let Some((end, ended)) = here.by_end.first().copied() {
                if end > span.start {
                    break;
                }
                here.by_end.pop_first();
                here.open.remove(&ended);
            }
            // The new one hears of as many as it may, and everyone who may still hear of another one hears of it.
            let heard = here.by_end.iter().map(|(_, other)| *other);
            let heard: Vec<usize> = heard.take(CONFLICTS_MAX + 1).collect();
            for other in heard {
                self.tell(index, other);
            }
            let telling: Vec<usize> = here.open.iter().copied().collect();
            for other in telling {
                if !self.tell(other, index) {
                    here.open.remove(&other);
                }
            }
            here.by_end.insert((span.end, index));
            here.open.insert(index);
            self.under_way.insert(thing, here);
        }
    }

    /// Tells one about a conflict; false once it has heard of so many that no more are told.
    fn tell(&mut self, index: usize, other: usize) -> bool {
        let known = &self.found[index].conflicts;
        if known.iter().any(|conflict| conflict.other == other) {
            return true;
        }
        if known.len() >= CONFLICTS_MAX {
            self.found[index].more = true;
            return false;
        }
        let shared = Shared::between(self.planned[index].touches, self.planned[other].touches);
        self.found[index].conflicts.push(Conflict { other, shared });
        true
    }
}

/// Whoever begins before one ends and ends after it begins overlaps it; both are counted by looking up one number.
fn count_overlaps(planned: &[Planned<'_>], order: &[usize], found: &mut [Clash]) {
    let starts: Vec<Timestamp> = order
        .iter()
        .map(|index| planned[*index].span.start)
        .collect();
    let mut ends: Vec<Timestamp> = order.iter().map(|index| planned[*index].span.end).collect();
    ends.sort();
    for index in order {
        let span = planned[*index].span;
        let begun = starts.partition_point(|start| *start < span.end);
        let over = ends.partition_point(|end| *end <= span.start);
        found[*index].overlaps = begun - over - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(hour: u32) -> Timestamp {
        let start: Timestamp = "2026-12-01T00:00:00Z".parse().expect("a time");
        start + jiff::SignedDuration::from_hours(i64::from(hour))
    }

    fn touches(environments: &[u8]) -> Touches {
        Touches {
            environments: environments
                .iter()
                .map(|name| format!("env-{name}"))
                .collect(),
            ..Touches::default()
        }
    }

    fn of<'a>(hours: std::ops::Range<u32>, touches: &'a Touches) -> Planned<'a> {
        let span = Span::new(at(hours.start), at(hours.end));
        Planned { span, touches }
    }

    #[test]
    fn overlapping_in_a_shared_environment_is_a_conflict_and_adjacent_is_none() {
        let (one, other) = (touches(&[1, 2]), touches(&[2, 3]));
        let far = touches(&[9]);
        let planned = [
            of(0..4, &one),
            of(3..6, &other),
            of(4..8, &one),
            of(3..4, &far),
        ];
        let found = clashes(&planned);
        let told = |index: usize| -> Vec<usize> {
            found[index]
                .conflicts
                .iter()
                .map(|conflict| conflict.other)
                .collect()
        };
        assert_eq!(
            (told(0), told(1), told(2), told(3)),
            (vec![1], vec![0, 2], vec![1], vec![])
        );
        assert_eq!(found[0].conflicts[0].shared.environments, ["env-2"]);
        assert_eq!(
            found[3].overlaps, 2,
            "a softer mark for the same time alone"
        );
        assert_eq!(found[2].overlaps, 1);
    }

    #[test]
    fn everything_at_once_is_marked_though_not_everything_is_told() {
        let same = touches(&[1]);
        let planned: Vec<Planned<'_>> = (0..5_000).map(|_| of(0..4, &same)).collect();
        let found = clashes(&planned);
        assert!(
            found
                .iter()
                .all(|clash| clash.conflicts.len() == CONFLICTS_MAX && clash.more)
        );
        assert!(found.iter().all(|clash| clash.overlaps == 4_999));
    }

    proptest! {
        #[test]
        fn the_sweep_finds_what_looking_at_every_pair_finds(
            list in prop::collection::vec((0_u32..40, 0_u32..9, prop::collection::vec(0_u8..6, 0..3)), 0..30)
        ) {
            let all: Vec<Touches> = list.iter().map(|(_, _, names)| touches(names)).collect();
            let planned: Vec<Planned<'_>> = list
                .iter()
                .zip(&all)
                .map(|((start, length, _), touches)| of(*start..start + length, touches))
                .collect();
            for (index, found) in clashes(&planned).into_iter().enumerate() {
                let mut others = planned.clone();
                // One does not collide with itself.
                others[index] = of(0..0, &all[index]);
                let looked = clash(planned[index], &others);
                prop_assert_eq!(found.overlaps, looked.overlaps);
                prop_assert_eq!(found.more, looked.more);
                if !found.more {
                    prop_assert_eq!(found.conflicts, looked.conflicts);
                }
            }
        }
    }
}
