//! Releases as the API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trainmaster_api::{
    CountersView, DescriptionView, EdgeView, ExplainView, FailureView, GraphView,
    GroupMembershipView, InputValueView, LinkView, ParentView, PauseView, PhaseView,
    PredecessorView, ReleaseSummary, ReleaseView, TimelineItem, TimelineKind, TimelineView,
};
use trainmaster_core::World;
use trainmaster_core::access::Holder;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::links;
use trainmaster_core::plan::{Plan, PlannedPhase};
use trainmaster_core::release::{
    Counters, InputValue, Link, Origin, Phase, Release, ReleaseDescription, SkipReason,
    Surroundings,
};
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};

use super::activity::summaries;
use super::plan::plan_of;
use super::waiting::waiting;
use super::{actions, event, instant, instant_of, note, owners, owners_by, preparation, words};

/// A release in a list.
pub(crate) fn summary(release: &Release, now: Timestamp) -> ReleaseSummary {
    let status = release.status();
    let late = release.expected_end_at.is_some_and(|end| end < now);
    ReleaseSummary {
        id: release.id.to_string(),
        name: release.name.clone(),
        slug: release.slug.clone(),
        organization: release.organization.as_ref().map(ToString::to_string),
        process: release.process.name.to_string(),
        process_organization: release
            .process
            .organization
            .as_ref()
            .map(ToString::to_string),
        revision: release.revision,
        version: release.software_version.clone(),
        release_type: words::release_type(release.release_type),
        labels: release.labels.clone(),
        status: words::release_status(status),
        stage: words::stage(status.stage()),
        progress: words::progress(status.progress()),
        level: match release.organization {
            None => trainmaster_api::Level::Account,
            Some(_) => trainmaster_api::Level::Organization,
        },
        counters: counters(release.counters),
        created_by: release.created_by.clone(),
        created_at: instant(release.created_at),
        start_at: instant_of(release.start_at),
        expected_end_at: instant_of(release.expected_end_at),
        started_at: instant_of(release.started_at),
        ended_at: instant_of(release.ended_at),
        manager: release.manager.as_ref().map(ToString::to_string),
        parent: release
            .parent
            .as_ref()
            .map(|parent| parent.release.to_string()),
        group: release.group.as_ref().map(|group| GroupMembershipView {
            name: group.group.to_string(),
            planned_at: instant(group.planned_at),
            number: group.number,
            edited: group.edited,
        }),
        run: release.run,
        archived: release.archived,
        paused: release.pause.is_some(),
        overdue: late && !status.is_terminal() && status != ReleaseStatus::Draft,
    }
}

/// A release in full; none if the world does not know it.
pub(crate) fn release(
    world: &World,
    id: ReleaseId,
    holder: &Holder,
    around: &Surroundings,
    now: Timestamp,
    as_of: Option<u64>,
) -> Option<ReleaseView> {
    let release = world.release(id)?;
    Some(ReleaseView {
        summary: summary(release, now),
        edit: release.version,
        description: description(&release.description),
        inputs: inputs(release),
        input_set: release.input_set.as_ref().map(ToString::to_string),
        variables: release.variables.clone(),
        outputs: release.outputs.clone(),
        start_mode: words::start_mode(release.start_mode),
        zone: release.zone.clone(),
        owners: owners_by(&release.owners),
        stakeholders: owners(&release.stakeholders),
        context: release.context.clone(),
        links: release.links.iter().map(link).collect(),
        after: release
            .after
            .iter()
            .map(|(release, satisfied)| PredecessorView {
                release: release.to_string(),
                satisfied: *satisfied,
            })
            .collect(),
        parent_activity: release.parent.as_ref().map(|parent| ParentView {
            release: parent.release.to_string(),
            path: parent.path.to_string(),
            attempt: parent.attempt,
        }),
        children: release.children.iter().map(ToString::to_string).collect(),
        notes: release.notes.iter().map(note).collect(),
        trigger: release
            .trigger
            .as_ref()
            .and_then(|trigger| serde_json::to_value(trigger).ok()),
        pause: release.pause.as_ref().map(|pause| PauseView {
            by: pause.by.clone(),
            at: instant(pause.at),
            reason: pause.reason.clone(),
        }),
        abort_reason: release.abort_reason.clone(),
        quarantine: release.quarantine.clone(),
        freeze_overrides: super::freeze::overrides(release, now),
        phases: phases(world, release),
        waiting: world.waiting(id, now).iter().map(waiting).collect(),
        needs_you: world.needs_of(holder, id),
        note_wanted: release.wants_note(),
        warnings: world
            .warnings(id, around, now)
            .iter()
            .map(preparation::warning)
            .collect(),
        readiness: world
            .readiness(id)
            .iter()
            .map(preparation::readiness)
            .collect(),
        reviews: release
            .reviews
            .iter()
            .map(preparation::review_note)
            .collect(),
        failures: failures(world, id),
        actions: actions(world.release_actions(holder, id, now)),
        forecast_end_at: instant_of(world.forecast_end(id, now)),
        punctuality: super::report::punctuality(release.punctuality(now)),
        as_of,
    })
}

/// Why a release is not moving; none if the world does not know it.
pub(crate) fn explain(
    world: &World,
    id: ReleaseId,
    now: Timestamp,
    as_of: u64,
) -> Option<ExplainView> {
    let release = world.release(id)?;
    Some(ExplainView {
        release: id.to_string(),
        status: words::release_status(release.status()),
        waiting: world.waiting(id, now).iter().map(waiting).collect(),
        as_of,
    })
}

/// A release as a graph; none if the world does not know it.
pub(crate) fn graph(world: &World, id: ReleaseId, as_of: u64) -> Option<GraphView> {
    let release = world.release(id)?;
    Some(GraphView {
        release: id.to_string(),
        phases: phases(world, release),
        activities: summaries(world, id),
        edges: plan_of(world, release)
            .map(|plan| edges(&plan))
            .unwrap_or_default(),
        as_of,
    })
}

pub(crate) fn edges(plan: &Plan) -> Vec<EdgeView> {
    let phases = plan.phases.iter().flat_map(|phase| {
        let from = phase
            .depends_on
            .iter()
            .map(|index| plan.phases[*index].id.to_string());
        from.map(|from| EdgeView {
            from,
            to: phase.id.to_string(),
        })
    });
    let activities = plan.activities.iter().flat_map(|activity| {
        let from = activity
            .depends_on
            .iter()
            .map(|index| plan.activities[*index].path.to_string());
        from.map(|from| EdgeView {
            from,
            to: activity.path.to_string(),
        })
    });
    let gates = plan.phases.iter().flat_map(|phase| {
        let first = plan.activities[phase.activities.clone()]
            .iter()
            .filter(|activity| activity.depends_on.is_empty());
        first.flat_map(|activity| {
            plan.activities[phase.gates.clone()]
                .iter()
                .map(|gate| EdgeView {
                    from: gate.path.to_string(),
                    to: activity.path.to_string(),
                })
        })
    });
    phases.chain(activities).chain(gates).collect()
}

/// A release over time; none if the world does not know it.
pub(crate) fn timeline(
    world: &World,
    id: ReleaseId,
    now: Timestamp,
    as_of: u64,
) -> Option<TimelineView> {
    let release = world.release(id)?;
    let mut items = vec![TimelineItem {
        kind: TimelineKind::Release,
        id: id.to_string(),
        name: release.name.clone(),
        status: release.status().as_str().to_owned(),
        planned_start: instant_of(release.start_at),
        planned_end: instant_of(release.expected_end_at),
        started_at: instant_of(release.started_at),
        ended_at: instant_of(release.ended_at),
    }];
    let mut activities = summaries(world, id);
    for phase in phases(world, release) {
        let (own, rest): (Vec<_>, Vec<_>) = activities
            .into_iter()
            .partition(|activity| activity.phase == phase.id);
        activities = rest;
        items.push(TimelineItem {
            kind: TimelineKind::Phase,
            id: phase.id,
            name: phase.name,
            status: format!("{:?}", phase.status),
            planned_start: phase.opens_at,
            planned_end: phase.closes_at,
            started_at: phase.started_at,
            ended_at: phase.ended_at,
        });
        items.extend(own.into_iter().map(|activity| TimelineItem {
            kind: TimelineKind::Activity,
            id: activity.path,
            name: activity.name,
            status: format!("{:?}", activity.status),
            planned_start: None,
            planned_end: None,
            started_at: activity.started_at,
            ended_at: activity.ended_at,
        }));
    }
    Some(TimelineView {
        release: id.to_string(),
        items,
        now: instant(now),
        as_of,
    })
}

/// The phases of a release: as they stand, and before the start as they are planned.
pub(crate) fn phases(world: &World, release: &Release) -> Vec<PhaseView> {
    let Some(plan) = plan_of(world, release) else {
        return Vec::new();
    };
    let stand: BTreeMap<&str, &Phase> = release
        .phases
        .iter()
        .map(|phase| (phase.id.as_str(), phase))
        .collect();
    plan.phases
        .iter()
        .map(|planned| {
            phase(
                release,
                &plan,
                planned,
                stand.get(planned.id.as_str()).copied(),
            )
        })
        .collect()
}

fn phase(
    release: &Release,
    plan: &Plan,
    planned: &PlannedPhase,
    stands: Option<&Phase>,
) -> PhaseView {
    let status = stands.map_or(trainmaster_core::status::PhaseStatus::Pending, Phase::shown);
    let own = release
        .owners
        .get(planned.id.as_str())
        .unwrap_or(&planned.owners);
    PhaseView {
        id: planned.id.to_string(),
        name: planned.name.clone(),
        description: planned.description.clone(),
        status: words::phase_status(status),
        importance: words::importance(planned.importance),
        owners: owners(own),
        depends_on: planned
            .depends_on
            .iter()
            .map(|index| plan.phases[*index].id.to_string())
            .collect(),
        opens_at: instant_of(stands.and_then(|phase| phase.window.opens_at)),
        closes_at: instant_of(stands.and_then(|phase| phase.window.closes_at)),
        started_at: instant_of(stands.and_then(|phase| phase.started_at)),
        ended_at: instant_of(stands.and_then(|phase| phase.ended_at)),
        skipped: stands
            .and_then(|phase| phase.reason.as_ref())
            .map(skip_reason),
        needs_input: stands.map_or(0, |phase| phase.needs_input),
        variables: stands
            .map(|phase| phase.variables.clone())
            .unwrap_or_default(),
    }
}

/// The way down from a release to what has failed in it: phase and activity in one step (checklist R-072).
fn failures(world: &World, id: ReleaseId) -> Vec<FailureView> {
    let failed = world
        .activities(id)
        .iter()
        .filter(|activity| activity.status() == ActivityStatus::Failed && activity.group.is_none());
    failed
        .map(|activity| {
            let planned = world
                .plan(id)
                .and_then(|plan| plan.activity(&activity.path));
            let path = activity.path.to_string();
            let error = activity.attempt().and_then(|attempt| attempt.error());
            FailureView {
                phase: path.split('/').next().unwrap_or_default().to_owned(),
                error: error.unwrap_or_default().to_owned(),
                runbook: planned.and_then(|(_, planned)| planned.runbook.clone()),
                url: event::activity_url(&id.to_string(), &path),
                path,
            }
        })
        .collect()
}

/// Why something was never run, as a sentence.
pub(crate) fn skip_reason(reason: &SkipReason) -> String {
    match reason {
        SkipReason::Condition => "its condition did not hold".to_owned(),
        SkipReason::UpstreamFailed => "something before it failed".to_owned(),
        SkipReason::Closed { failed: false } => "its phase has closed".to_owned(),
        SkipReason::Closed { failed: true } => {
            "its phase has closed, which counts as failed".to_owned()
        }
        SkipReason::Invalid { error } => format!("it could not be evaluated: {error}"),
    }
}

pub(crate) fn inputs(release: &Release) -> BTreeMap<String, InputValueView> {
    if release.inputs.is_empty() {
        let given = |value: &serde_json::Value| InputValue {
            value: value.clone(),
            origin: Origin::Release,
        };
        return release
            .given
            .iter()
            .map(|(name, value)| (name.clone(), input(&given(value))))
            .collect();
    }
    release
        .inputs
        .iter()
        .map(|(name, value)| (name.clone(), input(value)))
        .collect()
}

/// A value with its origin.
pub(crate) fn input(value: &InputValue) -> InputValueView {
    InputValueView {
        value: value.value.clone(),
        origin: words::origin(value.origin),
    }
}

/// The structured description, as shown.
fn description(text: &ReleaseDescription) -> DescriptionView {
    DescriptionView {
        purpose: text.purpose.clone(),
        scope: text.scope.clone(),
        risks: text.risks.clone(),
        rollback_plan: text.rollback_plan.clone(),
        stakeholders: text.stakeholders.clone(),
    }
}

/// The structured description, as asked.
pub(crate) fn description_asked(text: DescriptionView) -> ReleaseDescription {
    ReleaseDescription {
        purpose: text.purpose,
        scope: text.scope,
        risks: text.risks,
        rollback_plan: text.rollback_plan,
        stakeholders: text.stakeholders,
    }
}

pub(crate) fn link(link: &Link) -> LinkView {
    let known = links::recognise(&link.url);
    LinkView {
        system: known.map(|known| known.system.to_owned()),
        kind: words::link_kind(link.kind),
        title: link.title.clone(),
        url: link.url.clone(),
    }
}

/// A link, as asked.
pub(crate) fn link_asked(link: LinkView) -> Link {
    Link {
        kind: words::link_kind_asked(link.kind),
        title: link.title,
        url: link.url,
    }
}

fn counters(counters: Counters) -> CountersView {
    let Counters {
        total,
        pending,
        queued,
        running,
        needs_input,
        succeeded,
        failed,
        ignored,
        skipped,
        aborted,
    } = counters;
    CountersView {
        total,
        pending,
        queued,
        running,
        needs_input,
        succeeded,
        failed,
        ignored,
        skipped,
        aborted,
    }
}
