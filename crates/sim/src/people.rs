//! The people: who they are, and what they take into their heads to do, allowed or not.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trainmaster_core::access::Role;
use trainmaster_core::command::{
    ActivityCommand, Decision, NewRelease, NewToken, ReleaseChanges, ReleaseCommand, RestartFrom,
};
use trainmaster_core::event::Work;
use trainmaster_core::ids::{ActivityPath, AttemptId, Name, ReleaseId, TokenId};
use trainmaster_core::release::{Activity, StartMode};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::uses::tasks::TaskStatus;
use trainmaster_core::{Actor, Command, Outcome, World, definition};

use crate::process;
use crate::random::Random;

/// Who holds which token: user, teams, role. Bob has two; the first is Root's.
const PERSONS: [(&str, &[&str], Role); 9] = [
    ("root", &[], Role::Administrator),
    ("ada", &[], Role::ReleaseManager),
    ("bob", &["qa"], Role::Operator),
    ("bob", &["qa", "ops"], Role::Operator),
    ("cleo", &["qa", "ops"], Role::Viewer),
    ("dan", &["dev"], Role::Viewer),
    ("eve", &["ops"], Role::Operator),
    ("fay", &["qa"], Role::ReleaseManager),
    ("gus", &[], Role::Administrator),
];

/// How many releases people make at most, children not counted.
const RELEASES_MAX: usize = 6;

/// The people of one simulation.
pub struct People {
    random: Random,
    processes: Vec<String>,
    made: usize,
    tokens: u64,
}

impl People {
    /// People who know these processes; the last one is the largest.
    pub fn new(seed: u64, processes: Vec<String>) -> People {
        People {
            random: Random::at(seed, "people"),
            processes,
            made: 0,
            tokens: 0,
        }
    }

    /// The commands that let everybody in.
    pub fn tokens(&mut self, now: Timestamp) -> Vec<Command> {
        (0..PERSONS.len())
            .map(|person| self.token(person, now, 24 * 300))
            .collect()
    }

    fn token(&mut self, person: usize, now: Timestamp, hours: i64) -> Command {
        let (user, teams, role) = PERSONS[person];
        self.tokens += 1;
        Command::IssueToken(NewToken {
            digest: format!("digest-{}", self.tokens),
            user: name(user),
            teams: teams.iter().copied().map(name).collect(),
            roles: vec![role],
            organization: None,
            kind: trainmaster_core::access::TokenKind::Service,
            scope: None,
            expires_at: Some(now + SignedDuration::from_hours(hours)),
            description: String::new(),
        })
    }

    /// When somebody does something next.
    pub fn next_at(&mut self, now: Timestamp) -> Timestamp {
        now + self
            .random
            .time(SignedDuration::from_secs(2), SignedDuration::from_hours(2))
    }

    /// Somebody.
    fn anybody(&mut self, world: &World) -> Actor {
        let tokens: Vec<TokenId> = world.holders().map(|holder| holder.token).collect();
        Actor::Token(*self.random.pick(&tokens))
    }

    /// Somebody who is most often allowed to.
    fn manager(&mut self, world: &World) -> Actor {
        let may = |role: &Role| matches!(role, Role::Administrator | Role::ReleaseManager);
        let managers: Vec<TokenId> = world
            .holders()
            .filter(|holder| holder.roles.iter().any(may) && !holder.revoked)
            .map(|holder| holder.token)
            .collect();
        if managers.is_empty() || self.random.percent(15) {
            self.anybody(world)
        } else {
            Actor::Token(*self.random.pick(&managers))
        }
    }

    /// Whether whoever has just asked asks the same at once again.
    pub fn is_impatient(&mut self, command: &Command) -> bool {
        let deletes = matches!(
            command,
            Command::Release {
                action: ReleaseCommand::Delete,
                ..
            }
        );
        self.random.percent(if deletes { 50 } else { 8 })
    }

    /// What somebody does now.
    pub fn act(&mut self, world: &World, now: Timestamp) -> (Actor, Command) {
        let known: Vec<ReleaseId> = world.releases().map(|release| release.id).collect();
        let fresh = if self.made < RELEASES_MAX { 12 } else { 0 };
        let kind = if known.is_empty() {
            Deed::Create
        } else {
            self.random.weighted(&[
                (fresh, Deed::Create),
                (45, Deed::Activity),
                (22, Deed::Release),
                (4, Deed::Edit),
                (3, Deed::Token),
                (2, Deed::Define),
                (3, Deed::Nonsense),
            ])
        };
        match kind {
            Deed::Create => (self.manager(world), self.create(world, now)),
            Deed::Activity => self.on_activity(world, &known),
            Deed::Release => {
                let release = *self.random.pick(&known);
                let action = self.on_release(world, release, now);
                (self.manager(world), Command::Release { release, action })
            }
            Deed::Edit => {
                let release = *self.random.pick(&known);
                (self.manager(world), self.edit(&known, release, now))
            }
            Deed::Token => (self.manager(world), self.on_token(world, now)),
            Deed::Define => (self.manager(world), self.define()),
            Deed::Nonsense => (self.anybody(world), self.nonsense(&known)),
        }
    }

    fn create(&mut self, world: &World, now: Timestamp) -> Command {
        self.made += 1;
        let process = if self.random.percent(70) {
            self.processes.last().cloned().unwrap_or_default()
        } else {
            self.random.pick(&self.processes).clone()
        };
        let mut new = NewRelease {
            process: Some(name(&process)),
            ..NewRelease::default()
        };
        if self.random.percent(30) {
            new.zone = Some((*self.random.pick(&["Europe/Berlin", "America/New_York"])).to_owned());
        }
        let known: Vec<ReleaseId> = world.releases().map(|release| release.id).collect();
        if !known.is_empty() && self.random.percent(25) {
            new.after = vec![*self.random.pick(&known)];
        }
        if self.random.percent(15) {
            // It may be older than the newest one, or not be there at all.
            new.revision = Some(self.random.range(1, 3) as u32);
        }
        match self.random.below(5) {
            0 => (),
            1 => new.finalize = true,
            2 => {
                new.finalize = true;
                new.start_at = Some(
                    now + self
                        .random
                        .time(SignedDuration::from_mins(1), SignedDuration::from_hours(50)),
                );
                if self.random.percent(30) {
                    new.start_mode = StartMode::Manual;
                }
            }
            _ => new.start = true,
        }
        Command::CreateRelease(Box::new(new))
    }

    fn on_release(&mut self, world: &World, release: ReleaseId, now: Timestamp) -> ReleaseCommand {
        let status = world.release(release).map(|release| release.status());
        let fitting = status.filter(|_| self.random.percent(75));
        let reason = || "because".to_owned();
        let none = BTreeMap::new;
        let draft = [
            ReleaseCommand::Finalize,
            ReleaseCommand::Activate { inputs: none() },
            ReleaseCommand::Delete,
        ];
        let scheduled = [
            ReleaseCommand::Activate { inputs: none() },
            ReleaseCommand::PreExecute {
                inputs: none(),
                purpose: reason(),
            },
            ReleaseCommand::Cancel { reason: reason() },
        ];
        let running = [
            ReleaseCommand::Pause { reason: reason() },
            ReleaseCommand::Resume,
            ReleaseCommand::Resume,
            ReleaseCommand::Abort { reason: reason() },
            ReleaseCommand::AddNote {
                text: "looks good".to_owned(),
            },
        ];
        let later = now + SignedDuration::from_hours(5);
        let aborted = [
            ReleaseCommand::Restart {
                from: RestartFrom::Start,
                at: None,
                reason: reason(),
            },
            ReleaseCommand::Restart {
                from: RestartFrom::Unfinished,
                at: None,
                reason: reason(),
            },
            ReleaseCommand::Restart {
                from: RestartFrom::Unfinished,
                at: Some(later),
                reason: reason(),
            },
        ];
        let ended = [
            ReleaseCommand::AddNote {
                text: "well done".to_owned(),
            },
            ReleaseCommand::Archive,
            ReleaseCommand::Delete,
        ];
        let from: &[ReleaseCommand] = match fitting {
            Some(ReleaseStatus::Draft) => &draft,
            Some(ReleaseStatus::Scheduled) => &scheduled,
            Some(ReleaseStatus::Aborted) => &aborted,
            Some(
                ReleaseStatus::Success | ReleaseStatus::PartialSuccess | ReleaseStatus::Failed,
            ) => &ended,
            Some(_) => &running,
            None => {
                let groups: [&[ReleaseCommand]; 5] =
                    [&draft, &scheduled, &running, &aborted, &ended];
                groups[self.random.below(groups.len())]
            }
        };
        self.random.pick(from).clone()
    }

    fn edit(&mut self, known: &[ReleaseId], release: ReleaseId, now: Timestamp) -> Command {
        let mut changes = ReleaseChanges::default();
        match self.random.below(5) {
            0 => {
                changes.start_at = Some(Some(
                    now + SignedDuration::from_hours(self.random.range(1, 30) as i64),
                ))
            }
            1 => {
                changes.start_mode = Some(*self.random.pick(&[StartMode::Auto, StartMode::Manual]))
            }
            2 => changes.after = Some(vec![*self.random.pick(known)]),
            3 => {
                let owners = [("p0".to_owned(), vec!["user:eve".parse().expect("an owner")])];
                changes.owners = Some(owners.into_iter().collect());
            }
            _ => changes.name = Some("another name".to_owned()),
        }
        Command::EditRelease {
            release,
            changes: Box::new(changes),
            if_version: None,
        }
    }

    fn on_token(&mut self, world: &World, now: Timestamp) -> Command {
        let tokens: Vec<TokenId> = world.holders().map(|holder| holder.token).collect();
        // Root's token stays, so that things can be put right in the end.
        if self.random.percent(50) && tokens.len() > 1 {
            Command::RevokeToken {
                token: *self.random.pick(&tokens[1..]),
            }
        } else {
            let person = self.random.below(PERSONS.len());
            let hours = self.random.range(1, 200) as i64;
            self.token(person, now, hours)
        }
    }

    fn define(&mut self) -> Command {
        let process = self.random.pick(&self.processes).clone();
        let document = process::revision(&mut self.random, &process);
        let parsed = definition::parse(&document.to_string(), None)
            .expect("generated processes hold together");
        let definition = parsed.into_iter().next().expect("one document").definition;
        Command::ApplyResource {
            definition: Box::new(definition),
            if_revision: None,
        }
    }

    /// Things that nobody may do.
    fn nonsense(&mut self, known: &[ReleaseId]) -> Command {
        let release = *self.random.pick(known);
        let path: ActivityPath = "p0/a0".parse().expect("a path");
        match self.random.below(4) {
            0 => {
                let attempt = AttemptId {
                    release,
                    path,
                    number: 1,
                };
                let outcome = Outcome::Succeeded {
                    result: serde_json::Value::Null,
                };
                Command::FinishAttempt { attempt, outcome }
            }
            1 => Command::QuarantineRelease {
                release,
                reason: "mischief".to_owned(),
            },
            2 => {
                let path = "nowhere/nothing".parse().expect("a path");
                let action = ActivityCommand::Fail {
                    reason: "because".to_owned(),
                };
                Command::Activity {
                    release,
                    path,
                    action,
                }
            }
            _ => Command::Release {
                release: ReleaseId(999_999),
                action: ReleaseCommand::Abort {
                    reason: "because".to_owned(),
                },
            },
        }
    }

    fn on_activity(&mut self, world: &World, known: &[ReleaseId]) -> (Actor, Command) {
        let mut asking: Vec<(ReleaseId, &Activity)> = Vec::new();
        for release in known {
            let open = world
                .activities(*release)
                .iter()
                .filter(|activity| !activity.needs.is_empty());
            asking.extend(open.map(|activity| (*release, activity)));
        }
        let any = |random: &mut Random| {
            let release = *random.pick(known);
            let activities = world.activities(release);
            (!activities.is_empty()).then(|| (release, random.pick(activities)))
        };
        let chosen = if asking.is_empty() || self.random.percent(12) {
            any(&mut self.random)
        } else {
            Some(*self.random.pick(&asking))
        };
        let Some((release, activity)) = chosen else {
            let path = "p0/a0".parse().expect("a path");
            let action = ActivityCommand::Fail {
                reason: "too early".to_owned(),
            };
            return (
                self.anybody(world),
                Command::Activity {
                    release: known[0],
                    path,
                    action,
                },
            );
        };
        let action = self.action(activity);
        let actor = match action {
            ActivityCommand::Decide { .. } | ActivityCommand::UpdateTask { .. } => {
                self.anybody(world)
            }
            _ => self.manager(world),
        };
        (
            actor,
            Command::Activity {
                release,
                path: activity.path.clone(),
                action,
            },
        )
    }

    fn action(&mut self, activity: &Activity) -> ActivityCommand {
        let open = activity
            .attempt()
            .filter(|attempt| attempt.outcome.is_none());
        match open.map(|attempt| &attempt.work) {
            Some(Work::Approval { .. }) => {
                let decision = self
                    .random
                    .weighted(&[(4, Decision::Approve), (1, Decision::Reject)]);
                let comment = String::new();
                ActivityCommand::Decide {
                    decision,
                    comment,
                    digest: None,
                }
            }
            Some(Work::Input { .. }) => ActivityCommand::Submit {
                values: BTreeMap::new(),
            },
            Some(Work::Tasks { list }) => {
                let task = self.random.pick(&list.tasks).id.clone();
                let status = self.random.weighted(&[
                    (5, TaskStatus::Done),
                    (1, TaskStatus::InProgress),
                    (1, TaskStatus::Failed),
                    (1, TaskStatus::Blocked),
                ]);
                ActivityCommand::UpdateTask {
                    task,
                    status,
                    comment: String::new(),
                    evidence: Vec::new(),
                }
            }
            _ => self.resolution(),
        }
    }

    fn resolution(&mut self) -> ActivityCommand {
        let reason = if self.random.percent(4) {
            String::new()
        } else {
            "because".to_owned()
        };
        match self.random.below(10) {
            0..=3 => ActivityCommand::Retry {
                inputs: BTreeMap::new(),
                remedy: None,
                save_to: None,
                reason,
            },
            4 => {
                let region = *self.random.pick(&["south", "west"]);
                let inputs = [("region".to_owned(), region.into())].into_iter().collect();
                ActivityCommand::Retry {
                    inputs,
                    remedy: None,
                    save_to: None,
                    reason,
                }
            }
            5 => {
                let remedy = self.processes.first().map(|process| name(process));
                ActivityCommand::Retry {
                    inputs: BTreeMap::new(),
                    remedy,
                    save_to: None,
                    reason,
                }
            }
            6..=7 => ActivityCommand::Ignore {
                outputs: BTreeMap::new(),
                reason,
            },
            _ => ActivityCommand::Fail { reason },
        }
    }
}

#[derive(Clone, Copy)]
enum Deed {
    Create,
    Activity,
    Release,
    Edit,
    Token,
    Define,
    Nonsense,
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
