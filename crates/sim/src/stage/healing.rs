//! After the last mishap everybody does what is asked of them, and everything must come to its end
//! (reliability.md, 40).

use std::collections::BTreeMap;

use jiff::SignedDuration;
use trainmaster_core::command::{
    ActivityCommand, Decision, NewToken, ReleaseChanges, ReleaseCommand,
};
use trainmaster_core::event::Work;
use trainmaster_core::ids::{Owner, ReleaseId};
use trainmaster_core::release::{Activity, Life, Release};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::uses::tasks::TaskStatus;
use trainmaster_core::{Actor, Command, World};

use super::{Stage, now};
use crate::checks::{Failure, breach};
use trainmaster_engine::ports::Store;

/// How many rounds of help it may take.
const ROUNDS_MAX: usize = 600;
/// How much time may pass, in hours: windows open and close on later days.
const HOURS_MAX: i64 = 24 * 60;
/// How often time or the outside world moves between two rounds of help.
const MOVES: usize = 4;

impl Stage<'_> {
    /// Lets everything come to its end.
    pub(super) fn heal(&mut self) -> Result<(), Failure> {
        self.mishaps.healed = true;
        self.outside.heal();
        self.crash()?;
        let helper = self.helper()?;
        let latest = self.now + SignedDuration::from_hours(HOURS_MAX);
        for _ in 0..ROUNDS_MAX {
            self.commit()?;
            let open: Vec<ReleaseId> = self.model.open().collect();
            if open.is_empty() {
                return Ok(());
            }
            let helped = self.help(helper, &open)?;
            self.commit()?;
            let moved = self.move_on()?;
            if !helped && !moved {
                return breach(
                    "every_release_ends",
                    format!("nothing moves any more: {}", self.stuck(&open)),
                );
            }
            if self.now > latest {
                break;
            }
        }
        let open: Vec<ReleaseId> = self.model.open().collect();
        if open.is_empty() {
            return Ok(());
        }
        breach(
            "every_release_ends",
            format!("it takes for ever: {}", self.stuck(&open)),
        )
    }

    /// An administrator whose token lasts.
    fn helper(&mut self) -> Result<Actor, Failure> {
        let token = NewToken {
            digest: "digest-of-the-helper".to_owned(),
            user: "helper".parse().expect("a name"),
            teams: Vec::new(),
            roles: vec![trainmaster_core::access::Role::Administrator],
            organization: None,
            kind: trainmaster_core::access::TokenKind::Service,
            scope: None,
            expires_at: Some(self.now + SignedDuration::from_hours(24 * 300)),
            description: String::new(),
        };
        if let Err(rejection) = self.submit(Actor::System, Command::IssueToken(token))? {
            return breach(
                "every_release_ends",
                format!("the helper is not let in: {rejection}"),
            );
        }
        let holder = self.kernel.world().holder_by_digest("digest-of-the-helper");
        Ok(Actor::Token(holder.expect("just issued").token))
    }

    /// Does for every open release what it asks for; whether anything was done.
    fn help(&mut self, helper: Actor, open: &[ReleaseId]) -> Result<bool, Failure> {
        let mut helped = false;
        for release in open {
            self.recall(*release)?;
            for (actor, command) in self.remedies(helper, *release)? {
                helped |= self.submit(actor, command)?.is_ok();
                self.commit()?;
            }
        }
        Ok(helped)
    }

    /// Predecessors that have ended may have been forgotten; people read them on their page.
    fn recall(&mut self, release: ReleaseId) -> Result<(), Failure> {
        let after = self
            .kernel
            .world()
            .release(release)
            .map(|release| release.after.keys().copied());
        let after: Vec<ReleaseId> = after.into_iter().flatten().collect();
        for predecessor in after {
            if !self.kernel.world().knows(predecessor) {
                let rows = now(self.store.load_release(predecessor));
                if rows.is_ok_and(|rows| rows.is_empty()) {
                    return breach(
                        "every_release_ends",
                        format!("{predecessor} is gone, and {release} waits for it"),
                    );
                }
            }
        }
        Ok(())
    }

    fn remedies(&mut self, helper: Actor, id: ReleaseId) -> Result<Vec<(Actor, Command)>, Failure> {
        let world = self.kernel.world();
        let Some(release) = world.release(id) else {
            if self.model.open().all(|open| open != id) {
                return Ok(Vec::new());
            }
            return breach("what_is_open_is_in_memory", format!("{id} is not"));
        };
        let reason = || "so that it ends".to_owned();
        let on = |action| {
            vec![(
                helper,
                Command::Release {
                    release: id,
                    action,
                },
            )]
        };
        let remedies = match release.life {
            Life::Draft => part_with(helper, release),
            Life::Scheduled => start(helper, release),
            Life::Queued if self.is_hopeless(release) => {
                on(ReleaseCommand::Abort { reason: reason() })
            }
            Life::Underway if release.pause.is_some() => on(ReleaseCommand::Resume),
            Life::Underway => helps(world, helper, id),
            Life::Queued | Life::Aborting | Life::Ended { .. } => Vec::new(),
        };
        Ok(remedies)
    }

    /// Whether a release waits for one that will never succeed.
    fn is_hopeless(&self, release: &Release) -> bool {
        release
            .after
            .iter()
            .filter(|(_, satisfied)| !**satisfied)
            .any(|(before, _)| {
                let status = self.model.status(*before);
                matches!(
                    status,
                    None | Some(ReleaseStatus::Failed | ReleaseStatus::Aborted)
                )
            })
    }

    /// Lets time pass and the outside world work; whether anything happened.
    fn move_on(&mut self) -> Result<bool, Failure> {
        let mut moved = false;
        for _ in 0..MOVES {
            let wake_at = self.kernel.wake_at().map(|at| at.max(self.now));
            let outside_at = self.outside.next_at().map(|at| at.max(self.now));
            let Some(soonest) = [wake_at, outside_at].into_iter().flatten().min() else {
                break;
            };
            self.now = soonest;
            moved = true;
            if wake_at == Some(soonest) {
                self.wake()?;
            } else {
                self.outside_turn()?;
            }
            self.commit()?;
        }
        Ok(moved)
    }

    /// What the open releases wait for.
    fn stuck(&self, open: &[ReleaseId]) -> String {
        let world = self.kernel.world();
        let lines = open.iter().map(|id| {
            let status = world.release(*id).map(Release::status);
            format!(
                "{id} is {status:?} and waits for {:?}",
                world.waiting(*id, self.now)
            )
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// Removes a draft; one that others wait for is started instead, with a process that is there.
fn part_with(helper: Actor, release: &Release) -> Vec<(Actor, Command)> {
    let id = release.id;
    let changes = Box::new(ReleaseChanges {
        revision: Some(None),
        ..ReleaseChanges::default()
    });
    let activate = ReleaseCommand::Activate {
        inputs: BTreeMap::new(),
    };
    let commands = [
        Command::Release {
            release: id,
            action: ReleaseCommand::Delete,
        },
        Command::EditRelease {
            release: id,
            changes,
            if_version: None,
        },
        Command::Release {
            release: id,
            action: activate,
        },
    ];
    commands
        .into_iter()
        .map(|command| (helper, command))
        .collect()
}

/// Starts a release that is scheduled, before its time where need be.
fn start(helper: Actor, release: &Release) -> Vec<(Actor, Command)> {
    let (id, none) = (release.id, BTreeMap::new);
    let purpose = "so that it ends".to_owned();
    let actions = [
        ReleaseCommand::PreExecute {
            inputs: none(),
            purpose,
        },
        ReleaseCommand::Activate { inputs: none() },
    ];
    actions
        .into_iter()
        .map(|action| {
            (
                helper,
                Command::Release {
                    release: id,
                    action,
                },
            )
        })
        .collect()
}

/// What people do about the activities that ask for it.
fn helps(world: &World, helper: Actor, id: ReleaseId) -> Vec<(Actor, Command)> {
    let asking = world
        .activities(id)
        .iter()
        .filter(|activity| !activity.needs.is_empty() || activity.awaits_decision());
    asking
        .flat_map(|activity| help(world, helper, id, activity))
        .collect()
}

fn help(world: &World, helper: Actor, id: ReleaseId, activity: &Activity) -> Vec<(Actor, Command)> {
    let reason = || "so that it ends".to_owned();
    let on = |actor: Actor, action| {
        (
            actor,
            Command::Activity {
                release: id,
                path: activity.path.clone(),
                action,
            },
        )
    };
    let open = activity
        .attempt()
        .filter(|attempt| attempt.outcome.is_none());
    match open.map(|attempt| &attempt.work) {
        Some(Work::Approval { rule, .. }) => {
            let place = world
                .release(id)
                .and_then(|release| release.organization.as_ref());
            let asked: Vec<&Owner> = rule
                .approvers
                .iter()
                .chain(&activity.escalated_to)
                .collect();
            let may = world.holders().filter(|holder| {
                world
                    .policy()
                    .means_any(holder, place, asked.iter().copied())
            });
            let mut decisions: Vec<_> = may
                .map(|holder| {
                    let (decision, comment) = (Decision::Approve, String::new());
                    on(
                        Actor::Token(holder.token),
                        ActivityCommand::Decide {
                            decision,
                            comment,
                            digest: None,
                        },
                    )
                })
                .collect();
            // Nobody may be left who could agree: then the release is given up.
            let action = ReleaseCommand::Abort {
                reason: "nobody is left to approve".to_owned(),
            };
            decisions.push((
                helper,
                Command::Release {
                    release: id,
                    action,
                },
            ));
            decisions
        }
        Some(Work::Input { .. }) => vec![on(
            helper,
            ActivityCommand::Submit {
                values: BTreeMap::new(),
            },
        )],
        Some(Work::Tasks { list }) => list
            .tasks
            .iter()
            .map(|task| {
                let (task, status) = (task.id.clone(), TaskStatus::Done);
                on(
                    helper,
                    ActivityCommand::UpdateTask {
                        task,
                        status,
                        comment: String::new(),
                        evidence: Vec::new(),
                    },
                )
            })
            .collect(),
        _ => {
            let outputs = [("url".to_owned(), "https://outside.example/instead".into())]
                .into_iter()
                .collect();
            vec![
                on(
                    helper,
                    ActivityCommand::Ignore {
                        outputs,
                        reason: reason(),
                    },
                ),
                on(helper, ActivityCommand::Fail { reason: reason() }),
            ]
        }
    }
}
