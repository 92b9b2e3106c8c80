//! Activities as the API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use trainmaster_api::{
    ActivitySummary, ActivityView, ApprovalView, AttemptView, FormField, InputFormView,
    InputValueView, ItemView, ItemsView, TaskView, TasksView, VoteView,
};
use trainmaster_core::access::Holder;
use trainmaster_core::command::Decision;
use trainmaster_core::event::{AttemptOutcome, Work};
use trainmaster_core::ids::{ActivityPath, Name, Owner, ReleaseId};
use trainmaster_core::plan::{Plan, PlannedActivity, PlannedDeployment, ValueTemplate};
use trainmaster_core::release::{Activity, Attempt, InputValue, Origin, Release, Standing};
use trainmaster_core::uses::approval::{ApprovalConfig, OnDeadline, Order, Quorum, Share};
use trainmaster_core::uses::input::InputConfig;
use trainmaster_core::uses::tasks::{TaskStatus, TasksConfig};
use trainmaster_core::{WaitingReason, World};

use super::plan::plan_of;
use super::release::skip_reason;
use super::waiting::waiting;
use super::{actions, instant, instant_of, note, owners, words};

/// Every activity of a release, in the order of the plan; before the start as they are planned.
pub(crate) fn summaries(world: &World, id: ReleaseId) -> Vec<ActivitySummary> {
    let Some(plan) = world
        .release(id)
        .and_then(|release| plan_of(world, release))
    else {
        return Vec::new();
    };
    let activities = world.activities(id);
    if activities.is_empty() {
        return plan
            .activities
            .iter()
            .map(|planned| planned_summary(&plan, planned))
            .collect();
    }
    activities
        .iter()
        .filter_map(|activity| summary(&plan, activity))
        .collect()
}

fn planned_summary(plan: &Plan, planned: &PlannedActivity) -> ActivitySummary {
    ActivitySummary {
        path: planned.path.to_string(),
        phase: plan.phases[planned.phase].id.to_string(),
        name: planned.name.clone(),
        uses: planned.uses.as_str().to_owned(),
        status: trainmaster_api::ActivityStatus::Pending,
        importance: words::importance(planned.importance),
        is_gate: planned.is_gate,
        awaits_decision: false,
        item: None,
        items: None,
        attempts_made: 0,
        started_at: None,
        ended_at: None,
        needs: Vec::new(),
        deferred: None,
        reason: None,
        error: None,
    }
}

fn summary(plan: &Plan, activity: &Activity) -> Option<ActivitySummary> {
    let (_, planned) = plan.activity(&activity.path)?;
    Some(ActivitySummary {
        path: activity.path.to_string(),
        status: words::activity_status(activity.status()),
        awaits_decision: activity.awaits_decision(),
        item: activity.item.as_ref().map(|item| ItemView {
            index: item.index,
            value: item.value.clone(),
        }),
        items: activity.group.map(|group| ItemsView {
            count: group.count,
            unsettled: group.unsettled,
        }),
        attempts_made: activity.attempts_made,
        started_at: instant_of(activity.started_at),
        ended_at: instant_of(activity.ended_at),
        needs: owners(&activity.needs),
        deferred: activity.deferred.as_ref().map(super::freeze::deferral),
        reason: reason(&activity.standing),
        error: activity
            .attempt()
            .and_then(Attempt::error)
            .map(str::to_owned),
        ..planned_summary(plan, planned)
    })
}

fn reason(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Failed { reason } | Standing::Ignored { reason } => Some(reason.clone()),
        Standing::Skipped { reason } => Some(skip_reason(reason)),
        Standing::Pending
        | Standing::Queued
        | Standing::Backoff { .. }
        | Standing::Underway
        | Standing::Expanded
        | Standing::Undecided { .. }
        | Standing::Success
        | Standing::Aborted => None,
    }
}

/// An activity in full; none if the world does not know it.
pub(crate) fn activity(
    world: &World,
    id: ReleaseId,
    path: &ActivityPath,
    holder: &Holder,
    now: Timestamp,
    as_of: Option<u64>,
) -> Option<ActivityView> {
    let release = world.release(id)?;
    let plan = plan_of(world, release)?;
    let plan = plan.as_ref();
    let (_, planned) = plan.activity(path)?;
    let Some(activity) = world.activity(id, path) else {
        // Items exist only once the list is known; the others are planned before the start.
        return (planned.path == *path).then(|| not_started(release, plan, planned, as_of));
    };
    let waits: Vec<_> = world
        .waiting(id, now)
        .into_iter()
        .filter(|waiting| waiting.path.as_ref() == Some(path))
        .collect();
    let eligible = waits.iter().find_map(|waiting| match &waiting.reason {
        WaitingReason::Approval { who, .. } => Some(who.clone()),
        _ => None,
    });
    let work = activity.attempt().map(|attempt| &attempt.work);
    let view = not_started(release, plan, planned, as_of);
    Some(ActivityView {
        summary: summary(plan, activity)?,
        retry_at: match activity.standing {
            Standing::Backoff { retry_at } => Some(instant(retry_at)),
            _ => None,
        },
        decision_deadline: match activity.standing {
            Standing::Undecided { deadline, .. } => instant_of(deadline),
            _ => None,
        },
        owners: owners(&world.owners(id, path)),
        outputs: activity.outputs.clone(),
        deployments: activity
            .deployments
            .iter()
            .map(|deployed| super::deployment::of_activity(id, path.as_str(), deployed))
            .collect(),
        deployment_problem: activity.deployment_problem.clone(),
        attempts: activity
            .attempts
            .iter()
            .map(|attempt| self::attempt(release, path, attempt))
            .collect(),
        approval: work.and_then(|work| match work {
            Work::Approval {
                rule,
                digest,
                deadline_at,
                ..
            } => {
                let digest = world
                    .approval_digest(id, path)
                    .unwrap_or_else(|| digest.clone());
                Some(approval(
                    activity,
                    rule,
                    digest,
                    *deadline_at,
                    eligible,
                    holder,
                    now,
                ))
            }
            _ => None,
        }),
        form: work.and_then(|work| match work {
            Work::Input { form, .. } => Some(self::form(activity, form)),
            _ => None,
        }),
        tasks: work.and_then(|work| match work {
            Work::Tasks { list } => Some(tasks(activity, list)),
            _ => None,
        }),
        waiting: waits.iter().map(waiting).collect(),
        actions: actions(world.activity_actions(holder, id, path, now)),
        ..view
    })
}

fn not_started(
    release: &Release,
    plan: &Plan,
    planned: &PlannedActivity,
    as_of: Option<u64>,
) -> ActivityView {
    ActivityView {
        summary: planned_summary(plan, planned),
        release: release.id.to_string(),
        description: planned.description.clone(),
        runbook: planned.runbook.clone(),
        owners: owners(responsible(release, plan, planned)),
        depends_on: planned
            .depends_on
            .iter()
            .map(|index| plan.activities[*index].path.to_string())
            .collect(),
        with: planned
            .with
            .iter()
            .map(|(name, value)| (name.clone(), written(value)))
            .collect(),
        retry_at: None,
        decision_deadline: None,
        outputs: BTreeMap::new(),
        deploys: planned.deploys.as_ref().map_or(Value::Null, deploys),
        deployments: Vec::new(),
        deployment_problem: None,
        attempts: Vec::new(),
        approval: None,
        form: None,
        tasks: None,
        waiting: Vec::new(),
        actions: Vec::new(),
        as_of,
    }
}

/// Who is responsible: the release's word before the process's, the activity's before the phase's.
fn responsible<'a>(
    release: &'a Release,
    plan: &'a Plan,
    planned: &'a PlannedActivity,
) -> &'a [Owner] {
    let phase = &plan.phases[planned.phase];
    let places = [
        release.owners.get(planned.path.as_str()),
        Some(&planned.owners),
        release.owners.get(phase.id.as_str()),
    ];
    let named = places
        .into_iter()
        .flatten()
        .find(|owners| !owners.is_empty());
    named.unwrap_or(&phase.owners)
}

/// What an activity deploys, as it was written.
fn deploys(deploys: &PlannedDeployment) -> Value {
    let details = deploys.details.iter();
    let details = details.map(|(name, value)| ((*name).to_owned(), written(value)));
    let places = [
        ("service".to_owned(), written(&deploys.service)),
        ("environment".to_owned(), written(&deploys.environment)),
    ];
    Value::Object(places.into_iter().chain(details).collect())
}

/// A setting as it was written.
fn written(template: &ValueTemplate) -> Value {
    match template {
        ValueTemplate::Literal(value) => value.clone(),
        ValueTemplate::Text(text) => Value::String(text.source().to_owned()),
        ValueTemplate::List(elements) => Value::Array(elements.iter().map(written).collect()),
        ValueTemplate::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), written(field)))
                .collect(),
        ),
    }
}

fn attempt(release: &Release, path: &ActivityPath, attempt: &Attempt) -> AttemptView {
    let (result, error, retryable, confirmed) = match &attempt.outcome {
        None => (Value::Null, None, None, None),
        Some(AttemptOutcome::Succeeded { result }) => (result.clone(), None, None, None),
        Some(AttemptOutcome::Failed {
            error,
            retryable,
            result,
        }) => (result.clone(), Some(error.clone()), Some(*retryable), None),
        Some(AttemptOutcome::TimedOut { error } | AttemptOutcome::Unknown { error }) => {
            (Value::Null, Some(error.clone()), None, None)
        }
        Some(AttemptOutcome::Cancelled { confirmed }) => {
            (Value::Null, None, None, Some(*confirmed))
        }
    };
    AttemptView {
        number: attempt.number,
        run: attempt.run,
        key: attempt.key.to_string(),
        status: words::attempt_status(attempt.status()),
        trigger: words::attempt_trigger(attempt.trigger.clone()),
        by: attempt.by.clone(),
        started_at: instant(attempt.started_at),
        ended_at: instant_of(attempt.ended_at),
        deadline: instant_of(attempt.deadline),
        config: attempt.config.clone(),
        inputs: values(release, path, attempt),
        overrides: attempt.overrides.clone(),
        handle: attempt.handle.clone(),
        child: match &attempt.work {
            Work::Child { release } => Some(release.to_string()),
            _ => None,
        },
        until: match &attempt.work {
            Work::Wait { until } => Some(instant(*until)),
            _ => None,
        },
        result,
        error,
        retryable,
        confirmed,
        stopping: attempt.cancel.is_some() && attempt.outcome.is_none(),
    }
}

/// The values that an attempt could see, nearest last, so that the nearest one counts (2-execution.md, Value precedence).
fn values(
    release: &Release,
    path: &ActivityPath,
    attempt: &Attempt,
) -> BTreeMap<String, InputValueView> {
    let phase = release
        .phases
        .iter()
        .find(|phase| phase.id.as_str() == path.phase());
    let layer = |origin: Origin, values: &BTreeMap<String, Value>| -> Vec<(String, InputValue)> {
        values
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    InputValue {
                        value: value.clone(),
                        origin,
                    },
                )
            })
            .collect()
    };
    let inputs = release
        .inputs
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let mut seen: BTreeMap<String, InputValue> = inputs.collect();
    seen.extend(layer(Origin::Global, &release.variables));
    seen.extend(
        phase
            .map(|phase| layer(Origin::Phase, &phase.variables))
            .unwrap_or_default(),
    );
    seen.extend(layer(Origin::Activity, &attempt.variables));
    seen.extend(layer(Origin::Override, &attempt.overrides));
    seen.iter()
        .map(|(name, value)| (name.clone(), super::release::input(value)))
        .collect()
}

fn approval(
    activity: &Activity,
    rule: &ApprovalConfig,
    digest: String,
    deadline: Option<Timestamp>,
    eligible: Option<Vec<Owner>>,
    holder: &Holder,
    now: Timestamp,
) -> ApprovalView {
    let count = |decision: Decision| {
        let votes = activity
            .votes
            .iter()
            .filter(|vote| vote.decision == decision);
        u32::try_from(votes.count()).unwrap_or(u32::MAX)
    };
    let open = !activity.is_settled();
    ApprovalView {
        approvers: owners(&rule.approvers),
        quorum: serde_json::to_value(rule.quorum).unwrap_or_default(),
        approved: count(Decision::Approve),
        needed: needed(rule),
        rejected: count(Decision::Reject),
        order: match rule.order {
            Order::Any => "any",
            Order::Sequential => "sequential",
        }
        .to_owned(),
        veto: rule.veto,
        exclude_requester: rule.exclude_requester,
        exclude_authors: owners(&rule.exclude_authors),
        message: rule.message.clone(),
        votes: activity
            .votes
            .iter()
            .map(|vote| VoteView {
                user: vote.user.to_string(),
                entries: owners(&vote.entries),
                decision: match vote.decision {
                    Decision::Approve => "approve",
                    Decision::Reject => "reject",
                }
                .to_owned(),
                at: instant(vote.at),
                comment: vote.comment.clone(),
                digest: vote.digest.clone(),
            })
            .collect(),
        eligible: owners(&eligible.unwrap_or_default()),
        deadline: instant_of(deadline),
        on_deadline: match rule.on_deadline {
            OnDeadline::Keep => "keep",
            OnDeadline::Reject => "reject",
            OnDeadline::Escalate => "escalate",
        }
        .to_owned(),
        overdue: open && deadline.is_some_and(|end| end <= now),
        digest,
        decided_by_you: activity.votes.iter().any(|vote| vote.user == holder.user),
    }
}

fn needed(rule: &ApprovalConfig) -> u32 {
    let entries = u32::try_from(rule.approvers.len()).unwrap_or(u32::MAX);
    match rule.quorum {
        Quorum::Number(number) => number,
        Quorum::Share(Share::Majority) => entries / 2 + 1,
        Quorum::Share(Share::All) => entries,
    }
}

fn form(activity: &Activity, form: &InputConfig) -> InputFormView {
    let field = |declaration: &trainmaster_core::inputs::InputDeclaration| FormField {
        name: declaration.name.clone(),
        declaration: serde_json::to_value(declaration).unwrap_or_default(),
    };
    let assignees = if form.assignees.is_empty() {
        &activity.needs
    } else {
        &form.assignees
    };
    InputFormView {
        fields: form.fields.iter().map(field).collect(),
        assignees: owners(assignees),
        message: form.message.clone(),
    }
}

fn tasks(activity: &Activity, list: &TasksConfig) -> TasksView {
    TasksView {
        message: list.message.clone(),
        tasks: list
            .tasks
            .iter()
            .map(|config| {
                let task = activity.tasks.get::<Name>(&config.id);
                TaskView {
                    id: config.id.to_string(),
                    title: config.title.clone(),
                    description: config.description.clone(),
                    assignees: owners(&config.assignees),
                    status: words::task_status(task.map_or(TaskStatus::Todo, |task| task.status)),
                    expected: config.expected.as_ref().map(ToString::to_string),
                    started_at: instant_of(task.and_then(|task| task.started_at)),
                    ended_at: instant_of(task.and_then(|task| task.ended_at)),
                    comments: task
                        .map(|task| task.comments.iter().map(note).collect())
                        .unwrap_or_default(),
                    evidence: task.map(|task| task.evidence.clone()).unwrap_or_default(),
                }
            })
            .collect(),
    }
}
