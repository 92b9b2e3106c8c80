//! The stage: plays one seed through the engine's kernel with a store in memory, and lets the server die now and then.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use trainmaster_core::command::ActivityCommand;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::{Actor, Command, Envelope, Event, Rejection, World, definition};
use trainmaster_engine::journal::Record;
use trainmaster_engine::kernel::{Cause, EffectChange, Kernel, Refused};
use trainmaster_engine::memory::MemoryStore;
use trainmaster_engine::ports::Store;

use crate::checks::{self, Failure, breach};
use crate::model::Model;
use crate::outside::{Outside, Turn};
use crate::people::People;
use crate::process;
use crate::random::Random;

mod healing;

/// How many things happen before everything is healed.
const STEPS: usize = 120;
/// How often, in steps, the journal is replayed.
const REPLAY_EVERY: usize = 60;
/// How many lines of the journal are shown with a failure.
const TAIL: usize = 40;

/// What one seed was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash of the newest journal record: the same for every play of the seed.
    pub hash: String,
    /// Events in the journal.
    pub events: u64,
    /// Releases, children included.
    pub releases: usize,
    /// Attempts of activities.
    pub attempts: usize,
    /// Commands that were accepted and that were rejected.
    pub commands: (usize, usize),
    /// How often the server died.
    pub crashes: usize,
    /// Pieces of work outside.
    pub jobs: usize,
}

/// A seed that found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub failure: Failure,
    /// The end of the journal, a record a line.
    pub tail: Vec<String>,
}

/// Plays a seed to its end.
///
/// # Errors
/// The first thing that must always hold and did not.
pub fn play(seed: u64) -> Result<Report, Box<Finding>> {
    play_with(seed, &mut |_| ())
}

/// Plays a seed to its end and tells each journal line as it becomes durable.
///
/// # Errors
/// As [`play`].
pub fn play_with(seed: u64, tell: &mut dyn FnMut(&str)) -> Result<Report, Box<Finding>> {
    let mut stage = Stage::new(seed, tell);
    match stage.run() {
        Ok(()) => Ok(stage.report()),
        Err(failure) => Err(Box::new(stage.finding(failure))),
    }
}

struct Stage<'a> {
    seed: u64,
    tell: &'a mut dyn FnMut(&str),
    now: Timestamp,
    store: MemoryStore,
    kernel: Kernel,
    /// How many events the kernel makes at a time.
    step_events: usize,
    outside: Outside,
    people: People,
    model: Model,
    /// Everything durable.
    events: Vec<Event>,
    mishaps: Mishaps,
    commands: (usize, usize),
    crashes: usize,
}

/// When the server dies, and the clock jumps.
struct Mishaps {
    random: Random,
    /// In how many of a hundred cases, at each place where it may.
    share: u32,
    healed: bool,
}

impl Mishaps {
    fn strikes(&mut self) -> bool {
        !self.healed && self.random.percent(self.share)
    }
}

impl Stage<'_> {
    fn new(seed: u64, tell: &mut dyn FnMut(&str)) -> Stage<'_> {
        let mut random = Random::at(seed, "mishaps");
        let share = *random.pick(&[0, 1, 3, 8]);
        let step_events = *random.pick(&[Kernel::EVENTS_MAX, Kernel::EVENTS_MAX, 3, 1]);
        let definitions = process::definitions(seed);
        let names = definitions.into_iter().map(|(name, _)| name).collect();
        let store = MemoryStore::new();
        Stage {
            seed,
            tell,
            now: "2026-03-27T08:00:00Z".parse().expect("an instant"),
            kernel: load(&store, step_events).expect("an empty store"),
            store,
            step_events,
            outside: Outside::new(seed),
            people: People::new(seed, names),
            model: Model::default(),
            events: Vec::new(),
            mishaps: Mishaps {
                random,
                share,
                // Until the house is open nothing goes wrong.
                healed: true,
            },
            commands: (0, 0),
            crashes: 0,
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.open_the_house()?;
        self.mishaps.healed = false;
        let mut person_at = self.people.next_at(self.now);
        for step in 1..=STEPS {
            if self.mishaps.random.percent(2) {
                // The clock jumps: everything that was due meanwhile comes late.
                self.now += self.mishaps.random.time(
                    SignedDuration::from_mins(10),
                    SignedDuration::from_hours(60),
                );
            }
            self.step(&mut person_at)?;
            if self.mishaps.random.percent(70) {
                self.commit()?;
            }
            if step % REPLAY_EVERY == 0 {
                self.commit()?;
                self.check_replay()?;
            }
        }
        self.commit()?;
        self.heal()?;
        self.check_replay()?;
        checks::the_journal_is_chained(&self.store.journal())
    }

    /// People and definitions that everything begins with.
    fn open_the_house(&mut self) -> Result<(), Failure> {
        for command in self.people.tokens(self.now) {
            if let Err(rejection) = self.submit(Actor::System, command)? {
                return breach("everybody_is_let_in", rejection.to_string());
            }
        }
        for (name, document) in process::definitions(self.seed) {
            let parsed = match definition::parse(&document.to_string(), None) {
                Ok(parsed) => parsed,
                Err(problems) => {
                    return breach("definitions_are_accepted", format!("{name}: {problems:?}"));
                }
            };
            for parsed in parsed {
                let definition = Box::new(parsed.definition);
                let command = Command::ApplyResource {
                    definition,
                    if_revision: None,
                };
                if let Err(rejection) = self.submit(Actor::System, command)? {
                    return breach("definitions_are_accepted", format!("{name}: {rejection}"));
                }
            }
        }
        self.commit()
    }

    /// The next thing that happens: time, the outside world, or a person.
    fn step(&mut self, person_at: &mut Timestamp) -> Result<(), Failure> {
        let wake_at = self.kernel.wake_at().map(|at| at.max(self.now));
        let outside_at = self.outside.next_at().map(|at| at.max(self.now));
        let soonest = [wake_at, outside_at, Some((*person_at).max(self.now))]
            .into_iter()
            .flatten()
            .min();
        self.now = soonest.unwrap_or(self.now);
        if wake_at == soonest {
            self.wake()
        } else if outside_at == soonest {
            self.outside_turn()
        } else {
            *person_at = self.people.next_at(self.now);
            let (actor, command) = self.people.act(self.kernel.world(), self.now);
            let again = self.people.is_impatient(&command).then(|| command.clone());
            // The verdict is the person's affair; the rules are checked on the way.
            let _ = self.submit(actor, command)?;
            match again {
                Some(command) => self.submit(actor, command).map(drop),
                None => Ok(()),
            }
        }
    }

    fn wake(&mut self) -> Result<(), Failure> {
        self.bring_back(&[])?;
        match self.kernel.wake(self.now) {
            Ok(_) => Ok(()),
            Err(poisoned) => breach("nothing_panics", poisoned.to_string()),
        }
    }

    fn outside_turn(&mut self) -> Result<(), Failure> {
        match self.outside.turn(self.now) {
            Turn::Silent => Ok(()),
            Turn::Applied => {
                if self.mishaps.strikes() {
                    self.crash()?;
                }
                Ok(())
            }
            Turn::Told(command) => self.submit(Actor::System, *command).map(drop),
        }
    }

    /// Judges a command as the engine does; a rejection must change nothing.
    fn submit(
        &mut self,
        actor: Actor,
        command: Command,
    ) -> Result<Result<(), Box<Rejection>>, Failure> {
        self.bring_back(&command.releases())?;
        self.bring_back_what_is_asked(&command)?;
        self.bring_back_revisions(&command)?;
        let envelope = Envelope {
            at: self.now,
            actor,
            command,
        };
        let revoked = is_revoked(self.kernel.world(), &envelope);
        let before = (
            self.kernel.head().clone(),
            self.kernel.pending(),
            self.kernel.wake_at(),
        );
        match self.kernel.submit(&envelope, |_, _| String::new()) {
            Ok(_) if revoked => breach(
                "a_revoked_token_opens_nothing",
                format!("{:?} was accepted", envelope.command),
            ),
            Ok(_) => {
                self.commands.0 += 1;
                Ok(Ok(()))
            }
            Err(Refused::Poisoned(poisoned)) => breach("nothing_panics", poisoned.to_string()),
            Err(Refused::Rejected(rejection)) => {
                self.commands.1 += 1;
                let after = (
                    self.kernel.head().clone(),
                    self.kernel.pending(),
                    self.kernel.wake_at(),
                );
                let denied = after.1 - before.1;
                let is_denial = matches!(
                    *rejection,
                    Rejection::Forbidden { .. } | Rejection::NotYours(_)
                );
                // A refusal for want of a right is written down, and nothing else.
                let same =
                    before.2 == after.2 && before.0.position + denied as u64 == after.0.position;
                if !same || denied > usize::from(is_denial) {
                    return breach(
                        "a_rejection_changes_nothing",
                        format!("{rejection}: {before:?} {after:?}"),
                    );
                }
                if after.1 == 0 {
                    self.check_rejection(&rejection)?;
                    self.check_refused_decision(&envelope, &rejection)?;
                }
                Ok(Err(rejection))
            }
        }
    }

    /// After a rejection there is nothing to write, and the rows are still what is in memory.
    fn check_rejection(&mut self, rejection: &Rejection) -> Result<(), Failure> {
        match self.kernel.take_batch() {
            Ok(batch) if batch.is_empty() => Ok(()),
            Ok(batch) => breach(
                "a_rejection_changes_nothing",
                format!("{rejection}: {:?}", batch.writes),
            ),
            Err(poisoned) => breach("nothing_panics", poisoned.to_string()),
        }
    }

    /// Whoever may decide by the journal is not told that it is for others to decide.
    fn check_refused_decision(
        &self,
        envelope: &Envelope,
        rejection: &Rejection,
    ) -> Result<(), Failure> {
        let (Actor::Token(token), Rejection::NotYours(why)) = (envelope.actor, rejection) else {
            return Ok(());
        };
        let Command::Activity {
            release,
            path,
            action: ActivityCommand::Decide { .. },
        } = &envelope.command
        else {
            return Ok(());
        };
        if self
            .model
            .may_decide(*release, path.as_str(), token, envelope.at)
        {
            return breach(
                "who_may_decide_is_let",
                format!("{release}/{path}, {token}: {why}"),
            );
        }
        Ok(())
    }

    /// What a command names and what the living ask about is read again if it was forgotten.
    fn bring_back(&mut self, named: &[ReleaseId]) -> Result<(), Failure> {
        for release in named {
            if !self.kernel.world().knows(*release) {
                self.read_back(*release)?;
            }
        }
        while let Some(release) = self.kernel.lacking() {
            self.read_back(release)?;
            self.kernel.is_gone(release);
        }
        Ok(())
    }

    /// What a command touches besides what it names: children, predecessors.
    fn bring_back_what_is_asked(&mut self, command: &Command) -> Result<(), Failure> {
        let mut tried = BTreeSet::new();
        loop {
            let asked = self.kernel.asked_by(command).into_iter();
            let fresh: Vec<_> = asked.filter(|release| tried.insert(*release)).collect();
            if fresh.is_empty() {
                return Ok(());
            }
            self.bring_back(&fresh)?;
        }
    }

    /// A revision that is asked for by its number may be older than what a start loads.
    fn bring_back_revisions(&mut self, command: &Command) -> Result<(), Failure> {
        for (key, revision) in self.kernel.lacking_revisions(command) {
            let found = match now(self.store.load_revision(&key, revision)) {
                Ok(found) => found,
                Err(error) => return breach("the_store_answers", error.to_string()),
            };
            if let Some(found) = found
                && let Err(poisoned) = self.kernel.adopt_revision(found)
            {
                return breach("nothing_panics", poisoned.to_string());
            }
        }
        Ok(())
    }

    fn read_back(&mut self, release: ReleaseId) -> Result<(), Failure> {
        let rows = match now(self.store.load_release(release)) {
            Ok(rows) if rows.is_empty() => return Ok(()),
            Ok(rows) => rows,
            Err(error) => return breach("the_store_answers", error.to_string()),
        };
        match self.kernel.adopt(release, rows) {
            Ok(()) => Ok(()),
            Err(poisoned) => breach("nothing_panics", poisoned.to_string()),
        }
    }

    /// Makes durable what has gathered, lets effects out, and may die before, between and after.
    fn commit(&mut self) -> Result<(), Failure> {
        if self.mishaps.strikes() {
            return self.crash();
        }
        let batch = match self.kernel.take_batch() {
            Ok(batch) => batch,
            Err(poisoned) => return breach("nothing_panics", poisoned.to_string()),
        };
        let effects = self.kernel.take_effect_changes();
        if batch.is_empty() {
            return self.follow(effects);
        }
        if let Err(error) = now(self.store.commit(&batch)) {
            return breach("the_store_takes_every_batch", error.to_string());
        }
        self.take_in(
            &batch
                .records
                .iter()
                .map(|record| Record::clone(record))
                .collect::<Vec<_>>(),
        )?;
        if self.mishaps.strikes() {
            return self.crash();
        }
        self.check_world()?;
        self.follow(effects)?;
        if self.mishaps.random.percent(20) {
            let kept = self.mishaps.random.below(4);
            self.kernel.forget(kept);
        }
        Ok(())
    }

    /// What has become durable is told, and judged by the model.
    fn take_in(&mut self, records: &[Record]) -> Result<(), Failure> {
        for record in records {
            (self.tell)(&record.line());
        }
        let events = checks::events_read_back(records)?;
        for event in &events {
            self.model.take(event)?;
        }
        self.model.check_rest()?;
        checks::success_was_applied_once(&self.model, &self.outside, &events)?;
        self.events.extend(events);
        Ok(())
    }

    fn follow(&mut self, changes: Vec<EffectChange>) -> Result<(), Failure> {
        for EffectChange {
            attempt,
            effect,
            cause,
        } in changes
        {
            if cause == Cause::Started && self.mishaps.strikes() {
                return self.crash();
            }
            self.outside.follow(&attempt, effect.as_ref(), self.now);
            if cause == Cause::Started && self.mishaps.strikes() {
                return self.crash();
            }
        }
        Ok(())
    }

    /// The server dies and starts again from what is stored.
    fn crash(&mut self) -> Result<(), Failure> {
        self.crashes += 1;
        self.outside.crash();
        if self.mishaps.random.percent(30) {
            self.now += self
                .mishaps
                .random
                .time(SignedDuration::from_secs(1), SignedDuration::from_hours(30));
        }
        self.kernel = load(&self.store, self.step_events)?;
        self.kernel.take_effect_changes();
        self.bring_back(&[])?;
        let wanted: Vec<_> = self.kernel.world().wanted().values().cloned().collect();
        for effect in wanted {
            self.outside.follow(&effect.id, Some(&effect), self.now);
        }
        Ok(())
    }

    /// What must hold of the world in memory once everything is durable.
    fn check_world(&mut self) -> Result<(), Failure> {
        let world = self.kernel.world();
        checks::everything_says_why_it_waits(world, self.now)?;
        checks::attempts_end_in_time(world, self.now)?;
        checks::the_model_agrees(&self.model, world)
    }

    /// What must hold between journal, rows and memory.
    fn check_replay(&mut self) -> Result<(), Failure> {
        let (rows, world) = (self.store.rows(), self.kernel.world());
        if self.kernel.pending() > 0 {
            return Ok(());
        }
        checks::rows_are_the_world(&rows, world)?;
        checks::replay_makes_the_rows(&self.events, &rows, world.wanted())?;
        let loaded = now(self.store.load());
        let loaded = loaded.or_else(|error| breach("the_store_answers", error.to_string()))?;
        checks::loading_makes_the_same_world(loaded.entities, world, self.now)
    }

    fn report(&self) -> Report {
        let (releases, attempts) = self.model.size();
        let journal = self.store.journal();
        Report {
            seed: self.seed,
            hash: journal
                .last()
                .map(|record| record.hash.clone())
                .unwrap_or_default(),
            events: journal.len() as u64,
            releases,
            attempts,
            commands: self.commands,
            crashes: self.crashes,
            jobs: self.outside.jobs(),
        }
    }

    fn finding(&self, failure: Failure) -> Finding {
        let journal = self.store.journal();
        let tail = journal.iter().rev().take(TAIL).rev();
        let tail = tail
            .map(|record| format!("{} {}", record.position, record.body))
            .collect();
        Finding {
            seed: self.seed,
            failure,
            tail,
        }
    }
}

fn is_revoked(world: &World, envelope: &Envelope) -> bool {
    match envelope.actor {
        Actor::System => false,
        Actor::Token(token) => !world
            .holder(token)
            .is_some_and(|holder| world.policy().lets_in(holder, envelope.at)),
    }
}

/// A kernel from what is stored: the way every server starts.
fn load(store: &MemoryStore, step_events: usize) -> Result<Kernel, Failure> {
    let loaded =
        now(store.load()).and_then(|loaded| Kernel::new(loaded, TimeZoneDatabase::bundled()));
    match loaded {
        Ok(mut kernel) => {
            kernel.limit_events(step_events);
            Ok(kernel)
        }
        Err(error) => breach("the_store_loads", error.to_string()),
    }
}

/// The result of work that never waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a store in memory never waits"),
    }
}
