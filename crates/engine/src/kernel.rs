//! The kernel: judges commands, takes their events in, carries out what follows and builds the next batch.
//!
//! It is synchronous and knows neither clock nor disk, so that one thread does all thinking in one order.
//! A panic in the domain is caught here and laid at the door of one release (reliability.md, 41):
//! the world may be half changed then, so the kernel is of no more use and its owner loads a new one.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::event::{Change, Work};
use trainmaster_core::ids::{AttemptId, ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::{Command, Effect, Envelope, Event, Rejection, World};

use crate::columns;
use crate::journal::Record;
use crate::ports::{Batch, EntityWrite, Loaded, StoreError};

/// Where the journal ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest record; 0 for an empty journal.
    pub position: u64,
    /// Its hash; empty for an empty journal.
    pub hash: String,
}

/// A command that was accepted; nothing of it is durable yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// How many events it made, what follows from them included.
    pub events: usize,
    /// Where the journal ends behind them.
    pub position: u64,
    /// The answer.
    pub body: String,
}

/// Why a command was not accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The domain refused it; nothing has changed.
    Rejected(Box<Rejection>),
    /// The domain panicked; this kernel is of no more use.
    Poisoned(Poisoned),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Refused::Rejected(Box::new(rejection))
    }
}

impl From<Poisoned> for Refused {
    fn from(poisoned: Poisoned) -> Self {
        Refused::Poisoned(poisoned)
    }
}

/// A panic in the domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("handling {} panicked: {reason}", .release.map_or("a command".to_owned(), |release| release.to_string()))]
pub struct Poisoned {
    /// The release that was being handled, where that is known.
    pub release: Option<ReleaseId>,
    /// The panic's message.
    pub reason: String,
}

/// An effect that appeared, changed or went away.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectChange {
    /// Whose.
    pub attempt: AttemptId,
    /// The effect as it is wanted now; none if it is wanted no more.
    pub effect: Option<Effect>,
    /// Why it is told.
    pub cause: Cause,
}

/// Why a change of an effect is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its attempt began since the last batch, so that nothing can have happened outside.
    Started,
    /// Something about it is different.
    Changed,
    /// Its release was put back into service: what was refused meanwhile is tried again.
    Revived,
}

/// The world with the end of its journal and what is not durable yet.
pub struct Kernel {
    world: World,
    head: Head,
    events_max: usize,
    records: Vec<Arc<Record>>,
    touched: BTreeSet<EntityKey>,
    started: BTreeSet<AttemptId>,
    revived: BTreeSet<ReleaseId>,
    ended: usize,
}

impl Kernel {
    /// How many events one command or waking may make before others have their turn.
    pub const EVENTS_MAX: usize = 10_000;

    /// A kernel from what a store holds.
    pub fn new(loaded: Loaded, zones: TimeZoneDatabase) -> Result<Kernel, StoreError> {
        let entities = loaded.entities;
        let mut world = guarded(|| World::from_entities(zones, entities))
            .map_err(StoreError::Damaged)?
            .map_err(|broken| StoreError::Damaged(broken.to_string()))?;
        // Rows that were just read need no writing.
        world.take_touched();
        Ok(Kernel {
            world,
            head: Head {
                position: loaded.position,
                hash: loaded.hash,
            },
            events_max: Self::EVENTS_MAX,
            records: Vec::new(),
            touched: BTreeSet::new(),
            started: BTreeSet::new(),
            revived: BTreeSet::new(),
            ended: 0,
        })
    }

    /// Sets how many events one command or waking may make before others have their turn.
    pub fn limit_events(&mut self, events_max: usize) {
        self.events_max = events_max.max(1);
    }

    /// The world as it stands, what is not durable included.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where the journal ends, what is not durable included.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many events are not durable yet.
    pub fn pending(&self) -> usize {
        self.records.len()
    }

    /// When to come back by itself; in the past or now means at once.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.world.wake_at()
    }

    /// Judges a command, takes its events in, carries out what follows, and makes the answer.
    ///
    /// The answer sees the world and all events, the command's own first.
    pub fn submit(
        &mut self,
        envelope: &Envelope,
        answer: impl FnOnce(&World, &[Event]) -> String,
    ) -> Result<Accepted, Refused> {
        let decided = guarded(|| self.world.decide(envelope));
        let decided = decided.map_err(blame(envelope.command.release()))?;
        let mut events = match decided {
            Ok(events) => events,
            Err(rejection) => {
                self.write_down(envelope, &rejection)?;
                return Err(rejection.into());
            }
        };
        for event in &events {
            self.apply(event)?;
        }
        let followed = self.settle(envelope.at)?;
        events.extend(followed);
        // The answer belongs to the caller: its panic says nothing about a release.
        let body = guarded(|| answer(&self.world, &events)).map_err(blame(None))?;
        self.take_in(&events);
        Ok(Accepted {
            events: events.len(),
            position: self.head.position,
            body,
        })
    }

    /// Writes a refusal down where the audit trail wants it; the next batch carries it.
    fn write_down(&mut self, envelope: &Envelope, rejection: &Rejection) -> Result<(), Poisoned> {
        let Some(denial) = self.world.denial(envelope, rejection) else {
            return Ok(());
        };
        self.apply(&denial)?;
        self.take_in(&[denial]);
        Ok(())
    }

    /// Carries out what time has made due; answers how many events that made.
    pub fn wake(&mut self, now: Timestamp) -> Result<usize, Poisoned> {
        let events = self.settle(now)?;
        self.take_in(&events);
        Ok(events.len())
    }

    /// Releases that a command touches besides those it names and that are not in memory.
    ///
    /// Bring them back and ask again until nothing new is named.
    pub fn asked_by(&self, command: &Command) -> BTreeSet<ReleaseId> {
        self.world.asked_by(command)
    }

    /// Brings a release back that had been forgotten.
    pub fn adopt(&mut self, release: ReleaseId, entities: Vec<Entity>) -> Result<(), Poisoned> {
        guarded(|| self.world.adopt(entities))
            .and_then(|adopted| adopted.map_err(|broken| broken.to_string()))
            .map_err(blame(Some(release)))?;
        self.world.take_touched();
        // What was brought back is to be forgotten again.
        self.ended += 1;
        Ok(())
    }

    /// Revisions that a command asks for by their numbers and that are not in memory.
    ///
    /// Older ones are not loaded at start; without this, a command would be judged otherwise after a restart.
    pub fn lacking_revisions(&self, command: &Command) -> Vec<(ResourceKey, u32)> {
        let about = command
            .release()
            .and_then(|release| self.world.release(release));
        let (revision, process, organization) = match command {
            Command::CreateRelease(new) => (
                new.revision,
                new.process.as_ref(),
                new.organization.as_ref(),
            ),
            Command::EditRelease { changes, .. } => {
                let asked = about.and_then(|release| release.asked_revision);
                let organization = about.and_then(|release| release.organization.as_ref());
                (
                    changes.revision.unwrap_or(asked),
                    changes.process.as_ref(),
                    organization,
                )
            }
            _ => (about.and_then(|release| release.asked_revision), None, None),
        };
        let Some(revision) = revision else {
            return Vec::new();
        };
        let named = process.into_iter().flat_map(|name| {
            [organization, None].map(|organization| ResourceKey {
                kind: ResourceKind::Process,
                organization: organization.cloned(),
                name: name.clone(),
            })
        });
        let own = about.map(|release| release.process.clone());
        let lacks = |key: &ResourceKey| {
            self.world.resource(key).is_some() && self.world.revision(key, revision).is_none()
        };
        let keys: BTreeSet<ResourceKey> = named.chain(own).filter(lacks).collect();
        keys.into_iter().map(|key| (key, revision)).collect()
    }

    /// Brings a revision into memory.
    pub fn adopt_revision(&mut self, revision: Entity) -> Result<(), Poisoned> {
        guarded(|| self.world.adopt([revision]))
            .and_then(|adopted| adopted.map_err(|broken| broken.to_string()))
            .map_err(blame(None))
    }

    /// An ended release that is asked about and has to be brought back before anything else is judged.
    pub fn lacking(&self) -> Option<ReleaseId> {
        self.world.lacking()
    }

    /// A release that was lacking does not exist any more.
    pub fn is_gone(&mut self, release: ReleaseId) {
        self.world.is_gone(release);
    }

    /// Drops all but the newest `kept` ended releases from memory, as far as nothing of them waits to be written.
    ///
    /// Everything handed out by [`Kernel::take_batch`] must be durable.
    pub fn forget(&mut self, kept: usize) -> usize {
        if self.ended < kept / 10 + 1 {
            return 0;
        }
        self.ended = 0;
        let releases = self.world.forgettable();
        let surplus = releases.len().saturating_sub(kept);
        let mut forgotten = 0;
        for release in releases.into_iter().take(surplus) {
            if self.is_clean(release) {
                self.world.forget(release);
                forgotten += 1;
            }
        }
        forgotten
    }

    /// Takes out everything since the last batch.
    pub fn take_batch(&mut self) -> Result<Batch, Poisoned> {
        let mut writes = Vec::with_capacity(self.touched.len());
        for key in std::mem::take(&mut self.touched) {
            let row = guarded(|| self.world.entity(&key).map(columns::row));
            let row = row.map_err(blame(release_of(&key)))?;
            writes.push(EntityWrite { key, row });
        }
        Ok(Batch {
            records: std::mem::take(&mut self.records),
            writes,
            answers: Vec::new(),
        })
    }

    /// Takes out how the wanted effects have changed since the last time.
    pub fn take_effect_changes(&mut self) -> Vec<EffectChange> {
        let started = std::mem::take(&mut self.started);
        let wanted = self.world.wanted();
        let mut changes: Vec<EffectChange> = self
            .revived
            .iter()
            .flat_map(|release| wanted.keys().filter(|attempt| attempt.release == *release))
            .map(|attempt| change(wanted, attempt.clone(), Cause::Revived))
            .collect();
        self.revived.clear();
        let changed = self.world.take_effect_changes();
        let wanted = self.world.wanted();
        changes.extend(changed.into_iter().map(|attempt| {
            let cause = if started.contains(&attempt) {
                Cause::Started
            } else {
                Cause::Changed
            };
            change(wanted, attempt, cause)
        }));
        changes
    }

    /// Whether nothing of a release waits to be written.
    fn is_clean(&self, release: ReleaseId) -> bool {
        let activities = EntityKey::Activity(release, 0)..=EntityKey::Activity(release, u32::MAX);
        !self.touched.contains(&EntityKey::Release(release))
            && self.touched.range(activities).next().is_none()
    }

    fn apply(&mut self, event: &Event) -> Result<(), Poisoned> {
        guarded(|| self.world.apply(event)).map_err(blame(event.release))
    }

    fn settle(&mut self, now: Timestamp) -> Result<Vec<Event>, Poisoned> {
        let settled = guarded(|| self.world.settle(now, self.events_max));
        settled.map_err(|reason| Poisoned {
            release: self.world.settling(),
            reason,
        })
    }

    /// Chains events into the journal and remembers what they touched.
    fn take_in(&mut self, events: &[Event]) {
        self.records.reserve(events.len());
        for event in events {
            let position = self.head.position + 1;
            let record = Record::chain(position, &self.head.hash, event);
            self.head.position = position;
            self.head.hash.clone_from(&record.hash);
            self.records.push(Arc::new(record));
            self.note(event);
        }
        self.touched.extend(self.world.take_touched());
    }

    fn note(&mut self, event: &Event) {
        match &event.change {
            Change::AttemptStarted(started) if started.work == Work::Effect => {
                if let (Some(release), Some(path)) = (event.release, &event.path) {
                    let number = started.attempt;
                    self.started.insert(AttemptId {
                        release,
                        path: path.clone(),
                        number,
                    });
                }
            }
            Change::ReleaseFinished { .. } => self.ended += 1,
            Change::ReleaseUnquarantined { .. } => self.revived.extend(event.release),
            _ => (),
        }
    }
}

fn change(wanted: &BTreeMap<AttemptId, Effect>, attempt: AttemptId, cause: Cause) -> EffectChange {
    EffectChange {
        effect: wanted.get(&attempt).cloned(),
        attempt,
        cause,
    }
}

fn release_of(key: &EntityKey) -> Option<ReleaseId> {
    match key {
        EntityKey::Release(release) | EntityKey::Activity(release, _) => Some(*release),
        EntityKey::Meta
        | EntityKey::Resource(_)
        | EntityKey::Revision(..)
        | EntityKey::Token(_)
        | EntityKey::User(_)
        | EntityKey::Group(_) => None,
    }
}

/// Calls into the domain; a panic comes back as its message. Whoever gets one has no use for the world any more.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

fn blame(release: Option<ReleaseId>) -> impl FnOnce(String) -> Poisoned {
    move |reason| Poisoned { release, reason }
}

/// What a panic said.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a panic without words".to_owned(),
        },
    }
}
