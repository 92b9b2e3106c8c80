//! What must always hold, and how its breach is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use trainmaster_core::effect::Effect;
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::event::{AttemptOutcome, Change, Work};
use trainmaster_core::ids::{AttemptId, ReleaseId};
use trainmaster_core::release::{Attempt, Standing};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Event, Waiting, WaitingReason, World};
use trainmaster_engine::journal::{Record, Verifier};
use trainmaster_engine::ports::Row;

use crate::model::Model;
use crate::outside::Outside;

/// Something that must always hold and did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {message}")]
pub struct Failure {
    /// Which check, as a name.
    pub check: &'static str,
    /// What was found.
    pub message: String,
}

/// A breach.
pub fn breach<T>(check: &'static str, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure {
        check,
        message: message.into(),
    })
}

/// The journal's records follow each other without gap, and each hash fits (reliability.md, 2 and 44).
pub fn the_journal_is_chained(journal: &[Record]) -> Result<(), Failure> {
    let mut verifier = Verifier::new();
    for record in journal {
        if let Err(tampered) = verifier.check(record) {
            return breach("the_journal_is_chained", tampered.to_string());
        }
    }
    Ok(())
}

/// Every event reads back, and writing it again gives the same text.
pub fn events_read_back(journal: &[Record]) -> Result<Vec<Event>, Failure> {
    let check = "events_read_back";
    let read = |record: &Record| match record.event() {
        Err(error) => breach(check, format!("record {}: {error}", record.position)),
        Ok(event) => match serde_json::to_string(&event) {
            Ok(again) if again == record.body => Ok(event),
            _ => breach(
                check,
                format!("record {} is written another way again", record.position),
            ),
        },
    };
    journal.iter().map(read).collect()
}

/// The journal replayed makes the stored rows and the wanted effects (reliability.md, 1).
pub fn replay_makes_the_rows(
    events: &[Event],
    rows: &BTreeMap<EntityKey, Row>,
    wanted: &BTreeMap<AttemptId, Effect>,
) -> Result<(), Failure> {
    let check = "replay_makes_the_rows";
    let mut world = World::new(TimeZoneDatabase::bundled());
    let mut touched = std::collections::BTreeSet::new();
    for event in events {
        world.apply(event);
        touched.extend(world.take_touched());
    }
    for (key, row) in rows {
        let made = world.entity(key).map(|entity| entity.body());
        if made.as_deref() != Some(row.body.as_str()) {
            return breach(
                check,
                format!("{key}\nstored:   {}\nreplayed: {made:?}", row.body),
            );
        }
    }
    for key in touched {
        if world.entity(&key).is_some() && !rows.contains_key(&key) {
            return breach(check, format!("{key} is missing among the rows"));
        }
    }
    if world.wanted() != wanted {
        return breach(check, differing("wanted", world.wanted(), wanted));
    }
    Ok(())
}

/// What is in memory is what is stored, for everything that is in memory.
pub fn rows_are_the_world(rows: &BTreeMap<EntityKey, Row>, world: &World) -> Result<(), Failure> {
    for (key, row) in rows {
        let forgotten = match key {
            EntityKey::Release(release) | EntityKey::Activity(release, _) => !world.knows(*release),
            EntityKey::Revision(..) => world.entity(key).is_none(),
            _ => false,
        };
        let held = world.entity(key).map(|entity| entity.body());
        if !forgotten && held.as_deref() != Some(row.body.as_str()) {
            return breach(
                "rows_are_the_world",
                format!("{key}\nstored: {}\nheld:   {held:?}", row.body),
            );
        }
    }
    Ok(())
}

/// A server that starts from the rows wants, waits for and wakes at the same as the one that wrote them.
pub fn loading_makes_the_same_world(
    loaded: Vec<Entity>,
    world: &World,
    now: Timestamp,
) -> Result<(), Failure> {
    let check = "loading_makes_the_same_world";
    let mut other = match World::from_entities(TimeZoneDatabase::bundled(), loaded) {
        Ok(other) => other,
        Err(broken) => return breach(check, broken.to_string()),
    };
    if is_settled(world, now) {
        let events = other.settle(now, usize::MAX);
        if let Some(event) = events.first() {
            return breach(
                check,
                format!("after a restart something follows that did not before: {event:?}"),
            );
        }
        if other.wake_at() != world.wake_at() {
            return breach(
                check,
                format!(
                    "wakes at {:?} instead of {:?}",
                    other.wake_at(),
                    world.wake_at()
                ),
            );
        }
    }
    if other.wanted() != world.wanted() {
        return breach(check, differing("wanted", other.wanted(), world.wanted()));
    }
    for release in other.releases() {
        let (there, here) = (
            other.waiting(release.id, now),
            world.waiting(release.id, now),
        );
        if there != here {
            return breach(
                check,
                format!("{} waits for {there:?} instead of {here:?}", release.id),
            );
        }
    }
    Ok(())
}

fn differing(
    what: &str,
    found: &BTreeMap<AttemptId, Effect>,
    expected: &BTreeMap<AttemptId, Effect>,
) -> String {
    let keys =
        |of: &BTreeMap<AttemptId, Effect>| of.keys().map(ToString::to_string).collect::<Vec<_>>();
    format!("{what} {:?} instead of {:?}", keys(found), keys(expected))
}

fn is_settled(world: &World, now: Timestamp) -> bool {
    world.wake_at().is_none_or(|at| at > now)
}

/// Whatever has not ended says what it waits for, and what has ended waits for nothing.
pub fn everything_says_why_it_waits(world: &World, now: Timestamp) -> Result<(), Failure> {
    let check = "everything_says_why_it_waits";
    for release in world.releases() {
        let waiting = world.waiting(release.id, now);
        let status = release.status();
        if waiting.is_empty() != status.is_terminal() {
            return breach(
                check,
                format!("{} is {status:?} and waits for {waiting:?}", release.id),
            );
        }
        let moves = matches!(status, ReleaseStatus::Running | ReleaseStatus::OnHold);
        if moves
            && release.pause.is_none()
            && release.quarantine.is_none()
            && is_settled(world, now)
        {
            nothing_waits_for_the_engine(release.id, &waiting)?;
        }
    }
    Ok(())
}

/// When the engine has done everything, nothing may claim that it is the engine's turn.
fn nothing_waits_for_the_engine(release: ReleaseId, waiting: &[Waiting]) -> Result<(), Failure> {
    match waiting
        .iter()
        .find(|waiting| waiting.reason == WaitingReason::Engine)
    {
        Some(stuck) => breach(
            "nothing_waits_for_the_engine",
            format!("{release}: {stuck:?}"),
        ),
        None => Ok(()),
    }
}

/// Once the world has done what was due, no attempt is beyond its limit: neither the one for its work nor the one
/// for confirming that it was stopped (reliability.md, 15 and 23).
pub fn attempts_end_in_time(world: &World, now: Timestamp) -> Result<(), Failure> {
    if !is_settled(world, now) {
        return Ok(());
    }
    for release in world.releases() {
        let in_service = release.quarantine.is_none();
        for activity in world.activities(release.id).iter().filter(|_| in_service) {
            let open = |attempt: &&Attempt| {
                attempt.outcome.is_none() && activity.standing == Standing::Underway
            };
            let Some(attempt) = activity.attempt().filter(open) else {
                continue;
            };
            let limit = match (&attempt.cancel, &attempt.work) {
                // A child is stopped when its own work is.
                (Some(_), Work::Child { .. }) => None,
                (Some(cancel), _) => Some(cancel.confirm_by),
                (None, _) => attempt.deadline,
            };
            if limit.is_some_and(|limit| limit <= now) {
                let message = format!(
                    "{}/{}#{} is open at {now}",
                    release.id, activity.path, attempt.number
                );
                return breach(
                    "attempts_end_in_time",
                    format!("{message}, its limit was {limit:?}"),
                );
            }
        }
    }
    Ok(())
}

/// The world stands where the journal, read by the model, says it stands.
pub fn the_model_agrees(model: &Model, world: &World) -> Result<(), Failure> {
    for release in world.releases() {
        let activities = world.activities(release.id);
        let standing = activities
            .iter()
            .map(|activity| (activity.path.as_str(), activity.status()));
        if let Err(message) = model.compare(release.id, release.status(), standing) {
            return breach("the_model_agrees", format!("{}: {message}", release.id));
        }
    }
    Ok(())
}

/// Succeeded work was applied outside, and no work was applied twice (reliability.md, 14).
pub fn success_was_applied_once(
    model: &Model,
    outside: &Outside,
    events: &[Event],
) -> Result<(), Failure> {
    let check = "success_was_applied_once";
    for event in events {
        let Change::AttemptFinished {
            attempt,
            outcome: AttemptOutcome::Succeeded { .. },
        } = &event.change
        else {
            continue;
        };
        let (Some(release), Some(path)) = (event.release, &event.path) else {
            continue;
        };
        let Some(key) = model.effect_key(release, path.as_str(), *attempt) else {
            continue;
        };
        if outside.applied(key) != 1 {
            let times = outside.applied(key);
            return breach(
                check,
                format!("{release}/{path}#{attempt} succeeded, applied {times} times"),
            );
        }
    }
    match outside.applied_twice() {
        Some(key) => breach(check, format!("`{key}` was applied twice")),
        None => Ok(()),
    }
}
