//! The outside world with the executors that act on it: jobs known by their key, results that come, come late,
//! come twice, or never.
//!
//! Jobs belong to the outside world and outlive the server, unless they run on its machine. Everything else
//! (who waits for which job, which reports are on their way) is memory of the server and is lost with it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trainmaster_core::effect::{Effect, Intent};
use trainmaster_core::ids::{AttemptId, EffectKey};
use trainmaster_core::{Command, Outcome};

use crate::random::Random;

/// The outside world.
pub struct Outside {
    random: Random,
    weather: Weather,
    jobs: BTreeMap<EffectKey, Job>,
    /// Effects that an executor of this server performs.
    flights: BTreeMap<AttemptId, Flight>,
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    count: u64,
}

/// How often things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Seldom.
    Calm,
    /// Often.
    Stormy,
    /// Never any more.
    Healed,
}

struct Flight {
    key: EffectKey,
    intent: Intent,
}

/// A piece of work as the outside world sees it.
struct Job {
    stand: JobStand,
    fate: Fate,
    /// Runs on the server's machine and dies with it.
    is_local: bool,
    /// How often it was carried out.
    applied: u32,
    /// Tells one beginning of it from the next.
    begun: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JobStand {
    Running,
    Applied,
    /// Ended without any effect.
    Void,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeed,
    /// Succeeds and is reported twice.
    Doubled,
    /// Succeeds, and the report is lost until somebody looks.
    Lost,
    /// Succeeds, and the executor cannot say so.
    AppliedUnknown,
    Fail,
    Retryable,
    /// Nothing happened, and the executor cannot say so.
    VoidUnknown,
}

impl Fate {
    fn applies(self) -> bool {
        matches!(
            self,
            Fate::Succeed | Fate::Doubled | Fate::Lost | Fate::AppliedUnknown
        )
    }
}

enum Happening {
    /// A job comes to its end.
    Lands { key: EffectKey, begun: u64 },
    /// An executor reports.
    Report(Command),
}

/// What the outside world does next.
pub enum Turn {
    /// Nothing that the server sees.
    Silent,
    /// A job took effect; nothing of it is reported yet.
    Applied,
    /// The server is told.
    Told(Box<Command>),
}

impl Outside {
    /// An empty world.
    pub fn new(seed: u64) -> Outside {
        let mut random = Random::at(seed, "outside");
        let weather = if random.percent(50) {
            Weather::Calm
        } else {
            Weather::Stormy
        };
        Outside {
            random,
            weather,
            jobs: BTreeMap::new(),
            flights: BTreeMap::new(),
            agenda: BTreeMap::new(),
            count: 0,
        }
    }

    /// From now on everything goes well.
    pub fn heal(&mut self) {
        self.weather = Weather::Healed;
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// How often the work of a key took effect.
    pub fn applied(&self, key: &EffectKey) -> u32 {
        self.jobs.get(key).map_or(0, |job| job.applied)
    }

    /// A key whose work took effect more than once.
    pub fn applied_twice(&self) -> Option<&EffectKey> {
        self.jobs
            .iter()
            .find(|(_, job)| job.applied > 1)
            .map(|(key, _)| key)
    }

    /// Keys of everything that was ever asked for.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The server has died: its memory, and what ran on its machine.
    pub fn crash(&mut self) {
        self.flights.clear();
        self.agenda
            .retain(|_, happening| matches!(happening, Happening::Lands { .. }));
        for job in self
            .jobs
            .values_mut()
            .filter(|job| job.is_local && job.stand == JobStand::Running)
        {
            job.stand = JobStand::Void;
        }
    }

    /// An effect is wanted, wanted otherwise, or wanted no more.
    pub fn follow(&mut self, attempt: &AttemptId, effect: Option<&Effect>, now: Timestamp) {
        let Some(effect) = effect else {
            return self.let_go(attempt, now);
        };
        let flight = Flight {
            key: effect.key.clone(),
            intent: effect.intent,
        };
        let before = self
            .flights
            .insert(attempt.clone(), flight)
            .map(|flight| flight.intent);
        match effect.intent {
            intent if before == Some(intent) => (),
            Intent::Perform => self.perform(effect, now),
            Intent::Cancel => self.cancel(effect, now),
        }
    }

    /// Lets what is due happen: one thing.
    pub fn turn(&mut self, now: Timestamp) -> Turn {
        match self.agenda.first_entry() {
            Some(entry) if entry.key().0 <= now => match entry.remove() {
                Happening::Lands { key, begun } => self.land(&key, begun, now),
                Happening::Report(command) => Turn::Told(Box::new(command)),
            },
            _ => Turn::Silent,
        }
    }

    fn at(&mut self, at: Timestamp, happening: Happening) {
        self.count += 1;
        self.agenda.insert((at, self.count), happening);
    }

    fn report(&mut self, attempt: &AttemptId, outcome: Outcome, now: Timestamp) {
        let delay = self
            .random
            .time(SignedDuration::from_millis(1), SignedDuration::from_secs(5));
        let command = Command::FinishAttempt {
            attempt: attempt.clone(),
            outcome,
        };
        self.at(now + delay, Happening::Report(command));
    }

    /// Begins the work of a key, joins it where it runs, or reads back how it went.
    fn perform(&mut self, effect: &Effect, now: Timestamp) {
        let stand = self.jobs.get(&effect.key).map(|job| job.stand);
        match stand {
            None | Some(JobStand::Void) => self.begin(effect, now),
            Some(JobStand::Running) => (),
            Some(JobStand::Applied) => {
                let outcome = self.read_back();
                self.report(&effect.id, outcome, now);
            }
        }
        if self.random.percent(25) {
            let handle = json!({"job": effect.key.0});
            let command = Command::ReportHandle {
                attempt: effect.id.clone(),
                handle,
            };
            self.at(
                now + SignedDuration::from_millis(200),
                Happening::Report(command),
            );
        }
    }

    fn begin(&mut self, effect: &Effect, now: Timestamp) {
        let fate = self.fate();
        let length = self.random.time(
            SignedDuration::from_millis(50),
            SignedDuration::from_hours(3),
        );
        let is_local = self.random.percent(50);
        self.count += 1;
        let begun = self.count;
        let applied = self.jobs.get(&effect.key).map_or(0, |job| job.applied);
        let job = Job {
            stand: JobStand::Running,
            fate,
            is_local,
            applied,
            begun,
        };
        self.jobs.insert(effect.key.clone(), job);
        self.at(
            now + length,
            Happening::Lands {
                key: effect.key.clone(),
                begun,
            },
        );
    }

    fn fate(&mut self) -> Fate {
        let trouble = match self.weather {
            Weather::Healed => return Fate::Succeed,
            Weather::Calm => 2,
            Weather::Stormy => 8,
        };
        self.random.weighted(&[
            (40, Fate::Succeed),
            (trouble, Fate::Doubled),
            (trouble, Fate::Lost),
            (trouble, Fate::AppliedUnknown),
            (trouble, Fate::VoidUnknown),
            (2 * trouble, Fate::Fail),
            (2 * trouble, Fate::Retryable),
        ])
    }

    fn land(&mut self, key: &EffectKey, begun: u64, now: Timestamp) -> Turn {
        let Some(job) = self.jobs.get_mut(key) else {
            return Turn::Silent;
        };
        if job.begun != begun || job.stand != JobStand::Running {
            return Turn::Silent;
        }
        let fate = job.fate;
        job.stand = JobStand::Void;
        if fate.applies() {
            job.stand = JobStand::Applied;
            job.applied += 1;
        }
        let watching: Vec<AttemptId> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.key == *key)
            .map(|(attempt, _)| attempt.clone())
            .collect();
        for attempt in watching {
            let times = match fate {
                Fate::Lost => 0,
                Fate::Doubled => 2,
                _ => 1,
            };
            for _ in 0..times {
                let outcome = self.outcome(fate);
                self.report(&attempt, outcome, now);
            }
        }
        if fate.applies() {
            Turn::Applied
        } else {
            Turn::Silent
        }
    }

    fn outcome(&mut self, fate: Fate) -> Outcome {
        match fate {
            Fate::Succeed | Fate::Doubled | Fate::Lost => succeeded(self.random.percent(95)),
            Fate::AppliedUnknown | Fate::VoidUnknown => unknown(),
            Fate::Fail => Outcome::Failed {
                error: "it broke".to_owned(),
                result: Value::Null,
            },
            Fate::Retryable => {
                let after = self
                    .random
                    .percent(20)
                    .then(|| SignedDuration::from_secs(30));
                Outcome::Retryable {
                    error: "it was busy".to_owned(),
                    after,
                    result: Value::Null,
                }
            }
        }
    }

    /// What an executor reads back about work that took effect.
    fn read_back(&mut self) -> Outcome {
        if self.weather != Weather::Healed && self.random.percent(15) {
            unknown()
        } else {
            succeeded(true)
        }
    }

    /// Stops the work, or comes too late, or does not come to it.
    fn cancel(&mut self, effect: &Effect, now: Timestamp) {
        let running = self
            .jobs
            .get(&effect.key)
            .is_some_and(|job| job.stand == JobStand::Running);
        let stops = self.weather == Weather::Healed || self.random.percent(60);
        if running && !stops {
            // It goes on; how it ends is reported when it does, most often too late.
            return;
        }
        let outcome = match self.jobs.get_mut(&effect.key) {
            Some(job) if job.stand == JobStand::Applied => succeeded(true),
            Some(job) => {
                job.stand = JobStand::Void;
                let confirmed = self.weather == Weather::Healed || self.random.percent(80);
                Outcome::Cancelled { confirmed }
            }
            None => Outcome::Cancelled { confirmed: true },
        };
        self.report(&effect.id, outcome, now);
    }

    /// Nobody wants the result any more; now and then it comes all the same.
    fn let_go(&mut self, attempt: &AttemptId, now: Timestamp) {
        let known = self.flights.remove(attempt).is_some();
        if known && self.weather != Weather::Healed && self.random.percent(20) {
            self.report(attempt, unknown(), now);
        }
    }
}

/// It happened; now and then without the outputs that the process reads.
fn succeeded(complete: bool) -> Outcome {
    let result = if complete {
        json!({"outputs": {"url": "https://outside.example/artifact"}})
    } else {
        json!({"outputs": {}})
    };
    Outcome::Succeeded { result }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        error: "the line went dead".to_owned(),
    }
}
