//! What somebody may do now, and for what is refused the reason.
//!
//! Each answer is found by judging the command itself with harmless contents, so that
//! what a page offers and what the engine accepts cannot differ.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::access::Holder;
use crate::command::{
    ActivityCommand, Actor, Command, Decision, Envelope, ReleaseChanges, ReleaseCommand,
    RestartFrom,
};
use crate::event::Work;
use crate::ids::{ActivityPath, ReleaseId};
use crate::rejection::Rejection;
use crate::release::people::open_people_attempt;
use crate::world::World;

/// An action and whether it is allowed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionState {
    /// The action, as in the last part of its address: `pause`, `retry`.
    pub action: &'static str,
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

impl World {
    /// What a holder may do to a release now.
    pub fn release_actions(
        &self,
        holder: &Holder,
        release: ReleaseId,
        now: Timestamp,
    ) -> Vec<ActionState> {
        let probe = || "probe".to_owned();
        let commands = [
            ("edit", None),
            ("finalize", Some(ReleaseCommand::Finalize)),
            (
                "activate",
                Some(ReleaseCommand::Activate {
                    inputs: BTreeMap::new(),
                }),
            ),
            (
                "pre-execute",
                Some(ReleaseCommand::PreExecute {
                    inputs: BTreeMap::new(),
                    purpose: probe(),
                }),
            ),
            ("cancel", Some(ReleaseCommand::Cancel { reason: probe() })),
            ("pause", Some(ReleaseCommand::Pause { reason: probe() })),
            ("resume", Some(ReleaseCommand::Resume)),
            ("abort", Some(ReleaseCommand::Abort { reason: probe() })),
            (
                "restart",
                Some(ReleaseCommand::Restart {
                    from: RestartFrom::Start,
                    at: None,
                    reason: probe(),
                }),
            ),
            ("archive", Some(ReleaseCommand::Archive)),
            ("delete", Some(ReleaseCommand::Delete)),
            (
                "unquarantine",
                Some(ReleaseCommand::Release { reason: probe() }),
            ),
        ];
        let states = commands.into_iter().map(|(action, command)| {
            let command = match command {
                Some(command) => Command::Release {
                    release,
                    action: command,
                },
                None => Command::EditRelease {
                    release,
                    changes: Box::new(ReleaseChanges {
                        labels: Some(BTreeMap::new()),
                        ..Default::default()
                    }),
                    if_version: None,
                },
            };
            self.probe(holder, now, action, command)
        });
        states
            .chain(self.preparations(holder, release, now))
            .chain(self.freeze_actions(holder, release, now))
            .collect()
    }

    /// What a holder may do round a release; offered only where there is something to do.
    fn preparations(
        &self,
        holder: &Holder,
        release: ReleaseId,
        now: Timestamp,
    ) -> Vec<ActionState> {
        let Ok(state) = self.state(release) else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        if state.release.wants_note() {
            let text = "probe".to_owned();
            commands.push(("notes", ReleaseCommand::AddNote { text }));
        }
        let open = self.readiness(release);
        if let Some(item) = open.into_iter().find(|item| !item.standing.ready) {
            let (item, note) = (item.spec.id, "probe".to_owned());
            let action = ReleaseCommand::SetReadiness {
                item,
                ready: true,
                note,
            };
            commands.push(("readiness", action));
        }
        if !state.release.acknowledgements.contains_key(&holder.user) {
            let note = String::new();
            commands.push(("acknowledge", ReleaseCommand::Acknowledge { note }));
        }
        let judge = |(action, command)| {
            let command = Command::Release {
                release,
                action: command,
            };
            self.probe(holder, now, action, command)
        };
        let states = commands.into_iter().map(judge);
        states.filter(|state| state.allowed).collect()
    }

    /// What a holder may do about the freezes of a release now.
    fn freeze_actions(
        &self,
        holder: &Holder,
        release: ReleaseId,
        now: Timestamp,
    ) -> [ActionState; 2] {
        let reason = || "probe".to_owned();
        let held = self.freeze_to_override(release, now);
        let expires_at = now + SignedDuration::from_hours(1);
        let override_freeze = held.map(|freeze| ReleaseCommand::OverrideFreeze {
            freeze,
            reason: reason(),
            expires_at,
        });
        let given = self.overridden_freeze(release, now);
        let revoke = given.map(|freeze| ReleaseCommand::RevokeOverride {
            freeze,
            reason: reason(),
        });
        let judge = |action, command: Option<ReleaseCommand>, nothing: &str| match command {
            Some(action_command) => {
                let command = Command::Release {
                    release,
                    action: action_command,
                };
                self.probe(holder, now, action, command)
            }
            None => ActionState {
                action,
                allowed: false,
                reason: Some(nothing.to_owned()),
            },
        };
        [
            judge("override-freeze", override_freeze, "no freeze concerns it"),
            judge("revoke-override", revoke, "no override is in force"),
        ]
    }

    /// What a holder may do to an activity now.
    pub fn activity_actions(
        &self,
        holder: &Holder,
        release: ReleaseId,
        path: &ActivityPath,
        now: Timestamp,
    ) -> Vec<ActionState> {
        let Some(activity) = self.activity(release, path) else {
            return Vec::new();
        };
        let reason = || "probe".to_owned();
        let mut commands = vec![
            (
                "retry",
                ActivityCommand::Retry {
                    inputs: BTreeMap::new(),
                    remedy: None,
                    save_to: None,
                    reason: reason(),
                },
            ),
            (
                "ignore",
                ActivityCommand::Ignore {
                    outputs: BTreeMap::new(),
                    reason: reason(),
                },
            ),
            ("fail", ActivityCommand::Fail { reason: reason() }),
        ];
        match open_people_attempt(activity).map(|attempt| &attempt.work) {
            Some(Work::Approval { .. }) => {
                for (action, decision) in
                    [("approve", Decision::Approve), ("reject", Decision::Reject)]
                {
                    let comment = String::new();
                    commands.push((
                        action,
                        ActivityCommand::Decide {
                            decision,
                            comment,
                            digest: None,
                        },
                    ));
                }
            }
            Some(Work::Input { .. }) => {
                commands.push((
                    "submit",
                    ActivityCommand::Submit {
                        values: BTreeMap::new(),
                    },
                ));
            }
            Some(Work::Tasks { list }) => {
                if let Some(task) = list.tasks.first() {
                    let status = crate::uses::tasks::TaskStatus::InProgress;
                    let (task, comment, evidence) = (task.id.clone(), String::new(), Vec::new());
                    commands.push((
                        "task",
                        ActivityCommand::UpdateTask {
                            task,
                            status,
                            comment,
                            evidence,
                        },
                    ));
                }
            }
            _ => (),
        }
        let judge = |(action, command)| {
            let command = Command::Activity {
                release,
                path: path.clone(),
                action: command,
            };
            self.probe(holder, now, action, command)
        };
        commands.into_iter().map(judge).collect()
    }

    fn probe(
        &self,
        holder: &Holder,
        now: Timestamp,
        action: &'static str,
        command: Command,
    ) -> ActionState {
        let envelope = Envelope {
            at: now,
            actor: Actor::Token(holder.token),
            command,
        };
        match self.decide(&envelope) {
            Ok(_) => ActionState {
                action,
                allowed: true,
                reason: None,
            },
            // What only lacks contents is allowed: the contents come with the real command.
            Err(Rejection::InvalidInput(_) | Rejection::ReasonNeeded) => ActionState {
                action,
                allowed: true,
                reason: None,
            },
            Err(rejection) => ActionState {
                action,
                allowed: false,
                reason: Some(rejection.to_string()),
            },
        }
    }

    /// How many activities of a release need this holder (2-execution.md, Rules).
    pub fn needs_of(&self, holder: &Holder, release: ReleaseId) -> u32 {
        let place = self
            .release(release)
            .and_then(|release| release.organization.as_ref());
        let activities = self.activities(release).iter();
        activities
            .filter(|activity| self.policy.means_any(holder, place, &activity.needs))
            .count() as u32
    }
}
