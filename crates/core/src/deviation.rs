//! Where a release went another way than its process and its plan: found in its events (checklist R-133).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::command::Decision;
use crate::event::{Change, Event, StartTrigger};
use crate::ids::{ActivityPath, Name, Owner, ReleaseId};
use crate::release::{Origin, SkipReason};
use crate::world::World;

/// Most departures and most decisions of one release that are told.
const KEPT_MAX: usize = 20_000;

/// One departure from the standard process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deviation {
    /// What kind.
    pub kind: DeviationKind,
    /// When.
    pub at: Timestamp,
    /// Through whom: `user:NAME`, or `system`.
    pub by: String,
    /// The activity it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ActivityPath>,
    /// The phase it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Name>,
    /// Why, in words.
    pub reason: String,
}

/// What kind of departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviationKind {
    /// Started before its time.
    PreExecuted,
    /// An input was given another value at execution.
    InputOverridden,
    /// A failure was waived by a person.
    Ignored,
    /// A failure was waived by the process's own rule.
    Tolerated,
    /// A failure was given up by a person.
    GivenUp,
    /// Tried again with other values.
    RetriedWithChanges,
    /// Another process ran in its place.
    Remedied,
    /// Never run, because something before it failed or its phase had closed.
    Skipped,
    /// A phase closed with work left.
    WindowClosed,
    /// Decisions no longer counted, because what was shown had changed.
    ApprovalVoided,
    /// An approval went past its deadline.
    ApprovalOverdue,
    /// A freeze was overridden.
    FreezeOverridden,
    /// Work began although a freeze holds.
    StartedInFreeze,
    /// Work was put off because a freeze held.
    Deferred,
    /// Began outside of the maintenance windows, as the account knows them now.
    OutsideMaintenance,
    /// Stopped and resumed.
    Paused,
    /// Stopped for good.
    Aborted,
    /// Run again after it was aborted.
    Restarted,
    /// A failure that was final was taken up again.
    Reopened,
    /// Left alone after a fault of the server.
    Quarantined,
    /// A result came after its attempt was closed.
    LateOutcome,
    /// What was deployed is not known in full.
    DeploymentUnclear,
}

impl DeviationKind {
    /// The kind for people.
    pub fn words(self) -> &'static str {
        match self {
            DeviationKind::PreExecuted => "started before its time",
            DeviationKind::InputOverridden => "input overridden at execution",
            DeviationKind::Ignored => "failure ignored",
            DeviationKind::Tolerated => "failure tolerated by the process",
            DeviationKind::GivenUp => "failure given up",
            DeviationKind::RetriedWithChanges => "retried with changed inputs",
            DeviationKind::Remedied => "another process ran in its place",
            DeviationKind::Skipped => "skipped",
            DeviationKind::WindowClosed => "window closed with work left",
            DeviationKind::ApprovalVoided => "approvals voided",
            DeviationKind::ApprovalOverdue => "approval overdue",
            DeviationKind::FreezeOverridden => "freeze overridden",
            DeviationKind::StartedInFreeze => "started in a freeze",
            DeviationKind::Deferred => "deferred by a freeze",
            DeviationKind::OutsideMaintenance => "started outside of the maintenance windows",
            DeviationKind::Paused => "paused",
            DeviationKind::Aborted => "aborted",
            DeviationKind::Restarted => "restarted",
            DeviationKind::Reopened => "final failure reopened",
            DeviationKind::Quarantined => "quarantined",
            DeviationKind::LateOutcome => "late outcome",
            DeviationKind::DeploymentUnclear => "deployment not recorded in full",
        }
    }
}

/// A decision on an approval, over all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The activity.
    pub path: Option<ActivityPath>,
    /// Who.
    pub user: Name,
    /// As which approver entries the person counted.
    pub entries: Vec<Owner>,
    /// What.
    pub decision: Decision,
    /// What the person said.
    pub comment: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was voided later, because what was shown had changed.
    pub voided: bool,
}

/// What a release's events tell an auditor, taken in one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Departures from the process, in their order.
    pub deviations: Vec<Deviation>,
    /// Decisions on approvals, in their order.
    pub approvals: Vec<Decided>,
    /// Whether there was more than is kept.
    pub cut: bool,
}

impl Findings {
    /// Takes the next event in.
    pub fn take(&mut self, event: &Event) {
        match &event.change {
            Change::ApprovalDecided {
                user,
                entries,
                decision,
                comment,
                ..
            } => self.approvals.push(Decided {
                path: event.path.clone(),
                user: user.clone(),
                entries: entries.clone(),
                decision: *decision,
                comment: comment.clone(),
                at: event.at,
                voided: false,
            }),
            Change::ApprovalVoided { .. } => {
                let there = self.approvals.iter_mut();
                there
                    .filter(|decided| decided.path == event.path)
                    .for_each(|decided| decided.voided = true);
            }
            _ => (),
        }
        for (kind, phase, reason) in of_change(event) {
            self.deviations.push(Deviation {
                kind,
                at: event.at,
                by: event.by.clone(),
                path: event.path.clone(),
                phase,
                reason,
            });
        }
        if self.deviations.len() > KEPT_MAX || self.approvals.len() > KEPT_MAX {
            self.deviations.truncate(KEPT_MAX);
            self.approvals.truncate(KEPT_MAX);
            self.cut = true;
        }
    }
}

impl World {
    /// Whether a release began outside of the maintenance windows for what it touches, by the account's settings as
    /// they are now.
    pub fn started_outside_maintenance(&self, id: ReleaseId) -> Vec<Deviation> {
        let Some((release, started_at)) = self
            .release(id)
            .and_then(|release| Some((release, release.started_at?)))
        else {
            return Vec::new();
        };
        let organization = release.organization.as_ref();
        let environments = &release.touches().environments;
        self.outside_maintenance(organization, environments, started_at)
            .iter()
            .map(|outside| Deviation {
                kind: DeviationKind::OutsideMaintenance,
                at: started_at,
                by: "system".to_owned(),
                path: None,
                phase: None,
                reason: outside.message(),
            })
            .collect()
    }
}

type Part = (DeviationKind, Option<Name>, String);

fn of_change(event: &Event) -> Vec<Part> {
    let by_itself = event.by == "system";
    let one = |kind: DeviationKind, reason: &str| vec![(kind, None, reason.to_owned())];
    match &event.change {
        Change::ReleaseStarted {
            trigger, inputs, ..
        } => {
            let early = match trigger {
                StartTrigger::PreExecuted { purpose } => one(DeviationKind::PreExecuted, purpose),
                _ => Vec::new(),
            };
            let overridden = inputs
                .iter()
                .filter(|(_, input)| input.origin == Origin::Override)
                .map(|(name, _)| (DeviationKind::InputOverridden, None, format!("`{name}`")));
            early.into_iter().chain(overridden).collect()
        }
        Change::ActivityIgnored { reason, .. } if by_itself => {
            one(DeviationKind::Tolerated, reason)
        }
        Change::ActivityIgnored { reason, .. } => one(DeviationKind::Ignored, reason),
        Change::ActivityFailed { reason } if !by_itself => one(DeviationKind::GivenUp, reason),
        Change::ActivityRetried {
            remedy: Some(process),
            reason,
            ..
        } => one(DeviationKind::Remedied, &format!("`{process}`: {reason}")),
        Change::ActivityRetried { inputs, reason, .. } if !inputs.is_empty() => {
            let names: Vec<String> = inputs.keys().map(|name| format!("`{name}`")).collect();
            let reason = format!("{}: {reason}", names.join(", "));
            one(DeviationKind::RetriedWithChanges, &reason)
        }
        Change::ActivitySkipped { reason } => skipped(reason, None),
        Change::PhaseFinished {
            phase,
            reason: Some(reason),
            ..
        } => skipped(reason, Some(phase)),
        Change::PhaseClosed { phase } => vec![(
            DeviationKind::WindowClosed,
            Some(phase.clone()),
            "its closing time came".to_owned(),
        )],
        Change::ApprovalVoided { .. } => {
            one(DeviationKind::ApprovalVoided, "what was shown had changed")
        }
        Change::ApprovalOverdue => one(DeviationKind::ApprovalOverdue, "its deadline passed"),
        Change::ApprovalEscalated { to } => {
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            let reason = format!("its deadline passed; {} may decide too", to.join(", "));
            one(DeviationKind::ApprovalOverdue, &reason)
        }
        Change::FreezeOverridden { freeze, reason, .. } => one(
            DeviationKind::FreezeOverridden,
            &format!("`{freeze}`: {reason}"),
        ),
        Change::StartedInFreeze { freeze, overridden } => {
            let how = match overridden {
                true => "was overridden",
                false => "only warns",
            };
            one(DeviationKind::StartedInFreeze, &format!("`{freeze}` {how}"))
        }
        Change::ActivityDeferred { freeze, reason, .. } => {
            one(DeviationKind::Deferred, &format!("`{freeze}`: {reason}"))
        }
        Change::ReleasePaused { reason } => one(DeviationKind::Paused, reason),
        Change::ReleaseAbortRequested { reason } => one(DeviationKind::Aborted, reason),
        Change::ReleaseRestarted { reason, .. } => one(DeviationKind::Restarted, reason),
        Change::ReleaseReopened => one(DeviationKind::Reopened, "it was taken up again"),
        Change::ReleaseQuarantined { reason } => one(DeviationKind::Quarantined, reason),
        Change::LateOutcomeRecorded { attempt, .. } => one(
            DeviationKind::LateOutcome,
            &format!("the result of attempt {attempt} came after it was closed"),
        ),
        Change::DeploymentUnclear { problem, .. } => one(DeviationKind::DeploymentUnclear, problem),
        _ => Vec::new(),
    }
}

/// A condition that did not hold is the process's own way.
fn skipped(reason: &SkipReason, phase: Option<&Name>) -> Vec<Part> {
    let words = match reason {
        SkipReason::Condition => return Vec::new(),
        SkipReason::UpstreamFailed => "something before it failed".to_owned(),
        SkipReason::Closed { .. } => "its phase had closed".to_owned(),
        SkipReason::Invalid { error } => error.clone(),
    };
    vec![(DeviationKind::Skipped, phase.cloned(), words)]
}
