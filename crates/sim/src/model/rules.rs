//! The rules that the journal must keep to, one function each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trainmaster_core::event::{AttemptOutcome, Change, Event, Parent, Work};
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_core::release::SkipReason;
use trainmaster_core::status::{PhaseStatus, ReleaseStatus};

use super::approvals::Badge;
use super::is_success;
use super::plan::{Plan, PlannedActivity, PlannedPhase, When};
use super::release::{Life, ModelActivity, ModelRelease, PhaseStand, Stand};
use super::roll_up::{self, Counts, Sum};
use crate::checks::{Failure, breach};

type Releases = BTreeMap<ReleaseId, ModelRelease>;
type Ruling = Result<(), Failure>;

/// How often an unknown outcome may be tried again.
const UNKNOWN_RETRIES_MAX: u32 = 10;

fn plan<'a>(
    check: &'static str,
    id: ReleaseId,
    release: &'a ModelRelease,
) -> Result<&'a Plan, Failure> {
    match &release.plan {
        Some(plan) => Ok(plan),
        None => breach(check, format!("{id} has no pinned process")),
    }
}

struct Place<'a> {
    plan: &'a Plan,
    phase: usize,
    planned: &'a PlannedActivity,
    item: Option<usize>,
    activity: &'a ModelActivity,
}

/// An activity with its place in the plan.
fn place<'a>(
    check: &'static str,
    id: ReleaseId,
    release: &'a ModelRelease,
    path: &str,
) -> Result<Place<'a>, Failure> {
    let plan = plan(check, id, release)?;
    let found = plan.place(path).zip(release.activities.get(path));
    match found {
        Some(((phase, position, item), activity)) => {
            let planned = &plan.phases[phase].activities[position];
            Ok(Place {
                plan,
                phase,
                planned,
                item,
                activity,
            })
        }
        None => breach(check, format!("{id} has no activity `{path}`")),
    }
}

// ---- releases

/// After the end come annotations only, unless the release is taken up again (reliability.md, 4).
pub(super) fn what_has_ended_stays(id: ReleaseId, release: &ModelRelease, event: &Event) -> Ruling {
    let Life::Ended(status) = release.life else {
        return Ok(());
    };
    let may = match &event.change {
        Change::NoteAdded { .. }
        | Change::LinkAdded { .. }
        | Change::LinkRemoved { .. }
        | Change::ReleaseArchived
        | Change::ReleaseEdited(_)
        | Change::LateOutcomeRecorded { .. }
        | Change::OwnersNotified { .. }
        | Change::ReleaseQuarantined { .. }
        | Change::ReleaseUnquarantined { .. } => true,
        Change::ReleaseReopened => status == ReleaseStatus::Failed,
        Change::ReleaseRestarted { .. } => status == ReleaseStatus::Aborted,
        _ => false,
    };
    if may {
        Ok(())
    } else {
        breach(
            "what_has_ended_stays",
            format!("{id} has ended as {status:?}, then comes {event:?}"),
        )
    }
}

/// A release that comes after others starts when they have succeeded.
pub(super) fn a_release_starts_after_its_predecessors(
    releases: &Releases,
    id: ReleaseId,
) -> Ruling {
    for (before, satisfied) in &releases[&id].after {
        let succeeded = releases.get(before).is_some_and(succeeded);
        if !satisfied && !succeeded {
            let message = format!("{id} starts although {before} has not succeeded");
            return breach("a_release_starts_after_its_predecessors", message);
        }
    }
    Ok(())
}

pub(super) fn a_satisfied_predecessor_has_succeeded(
    releases: &Releases,
    id: ReleaseId,
    before: ReleaseId,
) -> Ruling {
    if releases.get(&before).is_some_and(succeeded) {
        Ok(())
    } else {
        breach(
            "a_satisfied_predecessor_has_succeeded",
            format!("{before} has not succeeded, but {id} says so"),
        )
    }
}

fn succeeded(release: &ModelRelease) -> bool {
    matches!(
        release.life,
        Life::Ended(ReleaseStatus::Success | ReleaseStatus::PartialSuccess)
    )
}

pub(super) fn runs_count_up(id: ReleaseId, release: &ModelRelease, run: u32) -> Ruling {
    if run == release.run + 1 && release.plan.is_some() {
        Ok(())
    } else {
        breach(
            "runs_count_up",
            format!("{id} starts run {run} after run {}", release.run),
        )
    }
}

/// The recorded end is the roll-up of the phases (2-execution.md, Roll-up).
pub(super) fn a_release_ends_by_the_roll_up(
    id: ReleaseId,
    release: &ModelRelease,
    status: ReleaseStatus,
) -> Ruling {
    let check = "a_release_ends_by_the_roll_up";
    match release.life {
        Life::Aborting if status == ReleaseStatus::Aborted => Ok(()),
        Life::Underway => {
            let expected = roll_up::of_release(release, plan(check, id, release)?);
            let open = release
                .phases
                .iter()
                .find(|phase| !matches!(phase.stand, PhaseStand::Ended(..)));
            match open {
                Some(phase) => breach(
                    check,
                    format!("{id} ends as {status:?} with an open phase: {phase:?}"),
                ),
                None if expected != status => breach(
                    check,
                    format!("{id} ends as {status:?}, by its phases it is {expected:?}"),
                ),
                None => Ok(()),
            }
        }
        life => breach(check, format!("{id} ends as {status:?} while {life:?}")),
    }
}

/// An ended release has no open activity; an aborted one has no attempt under way (reliability.md, 19).
pub(super) fn an_end_leaves_nothing_open(
    id: ReleaseId,
    release: &ModelRelease,
    status: ReleaseStatus,
) -> Ruling {
    let is_open = |stand: &Stand| match status {
        ReleaseStatus::Aborted => {
            !matches!(stand, Stand::Settled(_) | Stand::Pending | Stand::Expanded)
        }
        _ => !stand.is_settled(),
    };
    match release
        .activities
        .iter()
        .find(|(_, activity)| is_open(&activity.stand))
    {
        // Items of an earlier run are no part of this one.
        Some((path, _)) if is_of_another_run(release, path) => Ok(()),
        Some((path, activity)) => {
            let message = format!(
                "{id} ends as {status:?}, but `{path}` is {:?}",
                activity.stand
            );
            breach("an_end_leaves_nothing_open", message)
        }
        None => Ok(()),
    }
}

fn is_of_another_run(release: &ModelRelease, path: &str) -> bool {
    let base = path.split_once('[').map(|(base, _)| base);
    base.is_some_and(|base| !release.items(base).iter().any(|item| item == path))
}

// ---- phases

fn bad_before(release: &ModelRelease, planned: &PlannedPhase) -> bool {
    planned
        .depends_on
        .iter()
        .any(|before| roll_up::phase(&release.phases[*before]) == Counts::Bad)
}

fn open_before(release: &ModelRelease, planned: &PlannedPhase) -> bool {
    let ended = |before: &usize| matches!(release.phases[*before].stand, PhaseStand::Ended(..));
    !planned.depends_on.iter().all(ended)
}

/// A phase starts when the ones before it have ended, its window is open and its condition holds (reliability.md, 10).
pub(super) fn a_phase_starts_when_ready(
    id: ReleaseId,
    release: &ModelRelease,
    phase: &Name,
    at: Timestamp,
) -> Ruling {
    let check = "a_phase_starts_when_ready";
    let plan = plan(check, id, release)?;
    let Some(index) = plan.phase(phase.as_str()) else {
        return breach(check, format!("{id} has no phase `{phase}`"));
    };
    let (planned, stands) = (&plan.phases[index], &release.phases[index]);
    let bad = bad_before(release, planned);
    let why = if release.life != Life::Underway || release.paused {
        "its release does not run"
    } else if stands.stand != PhaseStand::Pending {
        "it has begun before"
    } else if open_before(release, planned) {
        "a phase before it has not ended"
    } else if stands.window.opens_at.is_some_and(|opens_at| at < opens_at) {
        "it opens later"
    } else if stands
        .window
        .closes_at
        .is_some_and(|closes_at| closes_at <= at)
    {
        "it has closed"
    } else if !planned.when.holds(bad, release.run, None) {
        "its condition does not hold"
    } else {
        return Ok(());
    };
    breach(check, format!("{id} `{phase}` starts although {why}"))
}

pub(super) fn a_phase_closes_in_time(
    id: ReleaseId,
    release: &ModelRelease,
    phase: &Name,
    at: Timestamp,
) -> Ruling {
    let closes_at = release
        .phase(phase)
        .and_then(|index| release.phases[index].window.closes_at);
    if closes_at.is_some_and(|closes_at| closes_at <= at) {
        Ok(())
    } else {
        breach(
            "a_phase_closes_in_time",
            format!("{id} `{phase}` closes at {at} instead of {closes_at:?}"),
        )
    }
}

/// A phase ends by the roll-up of its activities, or is skipped for the reason it gives.
pub(super) fn a_phase_ends_by_the_roll_up(
    id: ReleaseId,
    release: &ModelRelease,
    phase: &Name,
    status: PhaseStatus,
    reason: Option<&SkipReason>,
) -> Ruling {
    let check = "a_phase_ends_by_the_roll_up";
    let plan = plan(check, id, release)?;
    let Some(index) = plan.phase(phase.as_str()) else {
        return breach(check, format!("{id} has no phase `{phase}`"));
    };
    let wrong = |why: String| {
        breach(
            check,
            format!("{id} `{phase}` ends as {status:?} ({reason:?}): {why}"),
        )
    };
    let planned = &plan.phases[index];
    match release.phases[index].stand {
        PhaseStand::Ended(..) => wrong("it had ended before".to_owned()),
        PhaseStand::Running => {
            let open = planned.activities.iter().find(|planned| {
                release
                    .activities
                    .get(&planned.path)
                    .is_none_or(|activity| !activity.stand.is_settled())
            });
            if let Some(open) = open {
                return wrong(format!("`{}` is open", open.path));
            }
            let expected = roll_up::of_phase(release, plan, index);
            if expected == status {
                Ok(())
            } else {
                wrong(format!("by its activities it is {expected:?}"))
            }
        }
        PhaseStand::Pending if open_before(release, planned) => {
            wrong("one before it has not ended".to_owned())
        }
        PhaseStand::Pending => {
            let bad = bad_before(release, planned);
            let holds = planned.when.holds(bad, release.run, None);
            let fits = match reason {
                Some(SkipReason::UpstreamFailed) => bad && !planned.when.asks_for_outcome(),
                Some(SkipReason::Condition) => !holds && (!bad || planned.when.asks_for_outcome()),
                Some(SkipReason::Closed { failed }) => {
                    release.phases[index].closed && *failed == planned.closing_fails
                }
                Some(SkipReason::Invalid { .. }) | None => false,
            };
            if fits {
                Ok(())
            } else {
                wrong("the reason does not hold".to_owned())
            }
        }
    }
}

// ---- attempts

/// Nothing starts in a release that is paused (reliability.md, 22).
pub(super) fn nothing_starts_while_paused(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
) -> Ruling {
    if release.paused {
        return breach("nothing_starts_while_paused", format!("{id}/{path} starts"));
    }
    Ok(())
}

/// Nothing starts in a release that is being aborted, nor in its children (reliability.md, 23).
pub(super) fn nothing_starts_below_an_abort(
    releases: &Releases,
    id: ReleaseId,
    path: &str,
) -> Ruling {
    let mut above = Some(id);
    while let Some(release) = above.and_then(|id| releases.get(&id)) {
        if matches!(
            release.life,
            Life::Aborting | Life::Ended(ReleaseStatus::Aborted)
        ) {
            return breach(
                "nothing_starts_below_an_abort",
                format!("{id}/{path} starts"),
            );
        }
        above = release.parent.as_ref().map(|parent| parent.release);
    }
    Ok(())
}

fn settled(release: &ModelRelease, planned: &PlannedActivity) -> bool {
    release
        .activities
        .get(&planned.path)
        .is_some_and(|activity| activity.stand.is_settled())
}

fn bad(release: &ModelRelease, planned: &PlannedActivity) -> bool {
    release
        .activities
        .get(&planned.path)
        .is_none_or(|activity| roll_up::activity(&activity.stand) == Counts::Bad)
}

/// What an activity waits for: the ones it names, and the gates of its phase.
fn before<'a>(phase: &'a PlannedPhase, planned: &'a PlannedActivity) -> Vec<&'a PlannedActivity> {
    let named = planned
        .depends_on
        .iter()
        .map(|position| &phase.activities[*position]);
    let gates = phase
        .activities
        .iter()
        .filter(|other| other.gate && !planned.gate);
    named.chain(gates).collect()
}

/// No activity starts before everything it depends on is settled, its gates are open, its phase runs and its
/// condition holds; a further attempt starts when its time has come (reliability.md, 10).
pub(super) fn an_attempt_starts_when_ready(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    at: Timestamp,
) -> Ruling {
    let check = "an_attempt_starts_when_ready";
    let Place {
        plan,
        phase,
        planned,
        item,
        activity,
    } = place(check, id, release, path)?;
    let before = before(&plan.phases[phase], planned);
    let upstream_bad = before.iter().any(|before| bad(release, before));
    let parent = item.and_then(|_| release.activities.get(&planned.path));
    let first = activity.stand == Stand::Pending;
    // A condition about items is judged at each of them, any other one once, before the items are known.
    let judged_here = item.is_some() == (planned.when == When::NotFirstItem);
    let why = if release.life != Life::Underway {
        "its release does not run".to_owned()
    } else if release.phases[phase].stand != PhaseStand::Running {
        format!("its phase is {:?}", release.phases[phase].stand)
    } else if let Some(open) = before.iter().find(|before| !settled(release, before)) {
        format!("`{}` is not settled", open.path)
    } else if upstream_bad && !planned.when.asks_for_outcome() {
        "something before it went badly".to_owned()
    } else if first && judged_here && !planned.when.holds(upstream_bad, release.run, item) {
        "its condition does not hold".to_owned()
    } else if parent.is_some_and(|parent| parent.stand != Stand::Expanded) {
        "its `forEach` is not under way".to_owned()
    } else {
        match &activity.stand {
            Stand::Pending | Stand::Queued => return Ok(()),
            Stand::Backoff(retry_at) if *retry_at <= at => return Ok(()),
            Stand::Backoff(retry_at) => format!("its next attempt is due at {retry_at}, not {at}"),
            other => format!("it is {other:?}"),
        }
    };
    breach(check, format!("{id}/{path} starts although {why}"))
}

/// The number of an attempt is used once, and later attempts have larger ones (reliability.md, 11).
pub(super) fn attempt_ids_start_once(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    number: u32,
) -> Ruling {
    let check = "attempt_ids_start_once";
    let Place { activity, .. } = place(check, id, release, path)?;
    match activity.attempts.last_key_value() {
        Some((last, _)) if number <= *last => {
            breach(check, format!("{id}/{path}#{number} starts after #{last}"))
        }
        _ => Ok(()),
    }
}

/// A result is taken in for the attempt under way, and once (reliability.md, 12).
pub(super) fn one_result_per_attempt(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    number: u32,
) -> Ruling {
    let check = "one_result_per_attempt";
    let Place { activity, .. } = place(check, id, release, path)?;
    if activity.stand == Stand::Open(number) {
        return Ok(());
    }
    breach(
        check,
        format!(
            "{id}/{path}#{number} ends while the activity is {:?}",
            activity.stand
        ),
    )
}

/// Work outside runs out of time, or is cancelled, only after it was asked to stop (reliability.md, 23 and 24).
pub(super) fn outside_work_is_stopped_before_it_is_given_up(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    number: u32,
    outcome: &AttemptOutcome,
) -> Ruling {
    let check = "outside_work_is_stopped_before_it_is_given_up";
    let Place { activity, .. } = place(check, id, release, path)?;
    let given_up = matches!(
        outcome,
        AttemptOutcome::TimedOut { .. } | AttemptOutcome::Cancelled { .. }
    );
    let outside = |work: &Work| matches!(work, Work::Effect | Work::Child { .. });
    match activity.attempts.get(&number) {
        Some(attempt) if given_up && outside(&attempt.work) && !attempt.cancelled => {
            breach(check, format!("{id}/{path}#{number} ends as {outcome:?}"))
        }
        _ => Ok(()),
    }
}

/// Automatic attempts: not more than allowed, not sooner and not later than allowed (reliability.md, 15).
pub(super) fn retries_keep_to_their_policy(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    at: Timestamp,
    retry_at: Timestamp,
) -> Ruling {
    let check = "retries_keep_to_their_policy";
    let Place {
        planned, activity, ..
    } = place(check, id, release, path)?;
    let delay = retry_at.duration_since(at);
    let unknown = matches!(
        activity.stand,
        Stand::Closed(AttemptOutcome::Unknown { .. })
    );
    let by_unknown = unknown && planned.retries_unknown;
    let attempts_max = if by_unknown {
        UNKNOWN_RETRIES_MAX
    } else {
        planned.attempts_max
    };
    let latest = planned
        .deadline
        .zip(activity.counted_since)
        .map(|(length, since)| since + length);
    let retryable = match &activity.stand {
        Stand::Closed(AttemptOutcome::Failed { retryable, .. }) => *retryable,
        Stand::Closed(AttemptOutcome::TimedOut { .. } | AttemptOutcome::Unknown { .. }) => true,
        _ => false,
    };
    let why = if !retryable {
        format!("it is {:?}", activity.stand)
    } else if activity.counted >= attempts_max {
        format!("{} attempts of {attempts_max} are made", activity.counted)
    } else if delay < planned.delay_min || delay > planned.delay_max {
        format!(
            "{delay} is not within {} and {}",
            planned.delay_min, planned.delay_max
        )
    } else if !by_unknown && latest.is_some_and(|latest| retry_at > latest) {
        format!("{retry_at} is after {latest:?}")
    } else {
        return Ok(());
    };
    breach(
        check,
        format!("{id}/{path} is to be tried again at {retry_at} although {why}"),
    )
}

/// Not more items of a `forEach` are under way than may be (reliability.md, 16).
pub(super) fn no_more_run_at_once_than_may(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
) -> Ruling {
    let check = "no_more_run_at_once_than_may";
    let Place { planned, item, .. } = place(check, id, release, path)?;
    if item.is_none() {
        return Ok(());
    }
    let holds = |item: &String| {
        let stand = release.activities.get(item).map(|activity| &activity.stand);
        matches!(
            stand,
            Some(Stand::Open(_) | Stand::Closed(_) | Stand::Backoff(_))
        )
    };
    let running = release
        .items(&planned.path)
        .iter()
        .filter(|item| holds(item))
        .count();
    if running <= planned.parallel_max {
        return Ok(());
    }
    breach(
        check,
        format!(
            "{id}/{path} is number {running} of at most {}",
            planned.parallel_max
        ),
    )
}

// ---- activities

/// Activities go from one standing to the next only as the rules say (reliability.md, 5).
pub(super) fn activities_change_as_they_may(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    event: &Event,
) -> Ruling {
    let check = "activities_change_as_they_may";
    let Place {
        plan,
        phase,
        planned,
        item,
        activity,
    } = place(check, id, release, path)?;
    let upstream = before(&plan.phases[phase], planned);
    let ready = upstream.iter().all(|before| settled(release, before));
    let upstream_bad = upstream.iter().any(|before| bad(release, before));
    let holds = planned.when.holds(upstream_bad, release.run, item);
    let items = || roll_up::of_items(release, path);
    let items_settled = || {
        release
            .items(path)
            .iter()
            .all(|item| release.activities[item].stand.is_settled())
    };
    let ended = |sum: Sum| activity.stand == Stand::Expanded && items_settled() && items() == sum;
    let badly = matches!(&activity.stand, Stand::Closed(outcome) if !is_success(outcome));
    let undecided = matches!(activity.stand, Stand::Undecided { .. });
    let may = match &event.change {
        Change::ActivityExpanded { items } => {
            activity.stand == Stand::Pending
                && ready
                && (holds || planned.when == When::NotFirstItem)
                && planned.items == Some(items.len())
        }
        Change::ActivitySucceeded { .. } => {
            matches!(&activity.stand, Stand::Closed(outcome) if is_success(outcome))
                || ended(Sum::Success)
        }
        Change::ActivityFailed { .. } => badly || undecided || ended(Sum::Failed),
        Change::ActivityIgnored { .. } => badly || undecided || ended(Sum::Partial),
        Change::DecisionNeeded { unknown, .. } => {
            let is_unknown = matches!(
                activity.stand,
                Stand::Closed(AttemptOutcome::Unknown { .. })
            );
            badly && (!unknown || is_unknown)
        }
        Change::ActivityRetried { .. } => undecided,
        Change::ActivitySkipped {
            reason: SkipReason::UpstreamFailed,
        } => {
            activity.stand == Stand::Pending
                && ready
                && upstream_bad
                && !planned.when.asks_for_outcome()
        }
        Change::ActivitySkipped {
            reason: SkipReason::Condition,
        } => {
            let empty = planned.items == Some(0);
            let pending = activity.stand == Stand::Pending && ready && (!holds || empty);
            pending || ended(Sum::Skipped)
        }
        Change::ActivitySkipped { .. } => false,
        Change::ActivityAborted => {
            release.life == Life::Aborting
                && matches!(
                    activity.stand,
                    Stand::Queued | Stand::Backoff(_) | Stand::Undecided { .. } | Stand::Closed(_)
                )
        }
        Change::ReleaseReopened => {
            activity.stand == Stand::Settled(super::release::End::Failed)
                && planned.items.is_some() == item.is_some()
        }
        Change::AttemptCancelRequested { attempt, .. } | Change::HandleReported { attempt, .. } => {
            activity.stand == Stand::Open(*attempt)
        }
        Change::LateOutcomeRecorded { attempt, .. } => {
            activity.attempts.contains_key(attempt) && activity.stand != Stand::Open(*attempt)
        }
        Change::InputSubmitted { .. }
        | Change::TaskUpdated { .. }
        | Change::ApprovalDecided { .. } => {
            matches!(activity.stand, Stand::Open(_))
        }
        _ => true,
    };
    if may {
        return Ok(());
    }
    breach(
        check,
        format!(
            "{id}/{path} is {:?}, then comes {:?}",
            activity.stand, event.change
        ),
    )
}

/// The end of an attempt says in the same breath what becomes of its activity.
pub(super) fn every_end_has_a_consequence(id: ReleaseId, release: &ModelRelease) -> Ruling {
    for (path, activity) in &release.activities {
        if let Stand::Closed(outcome) = &activity.stand {
            let message = format!("nothing followed when {id}/{path} ended: {outcome:?}");
            return breach("every_end_has_a_consequence", message);
        }
    }
    Ok(())
}

// ---- approvals

/// Only those decide who were asked, with a token that is valid now, each person once (reliability.md, 26, 27 and 30).
pub(super) fn who_decides_may_decide(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    user: &Name,
    entries: &[Owner],
    badges: &[&Badge],
) -> Ruling {
    let check = "who_decides_may_decide";
    let Place { activity, .. } = place(check, id, release, path)?;
    let objection = match &activity.poll {
        None => Some("there is no approval".to_owned()),
        Some(poll) => poll.objection(user, entries, badges, &release.created_by),
    };
    match objection {
        Some(objection) => breach(check, format!("{id}/{path}: {objection}")),
        None => Ok(()),
    }
}

/// An approval succeeds only when enough distinct persons have approved (reliability.md, 26).
pub(super) fn an_approval_is_granted_by_its_quorum(
    id: ReleaseId,
    release: &ModelRelease,
    path: &str,
    number: u32,
    outcome: &AttemptOutcome,
) -> Ruling {
    let check = "an_approval_is_granted_by_its_quorum";
    let Place { activity, .. } = place(check, id, release, path)?;
    let attempt = activity.attempts.get(&number);
    let approves = attempt.is_some_and(|attempt| matches!(attempt.work, Work::Approval { .. }));
    let Some(poll) = activity
        .poll
        .as_ref()
        .filter(|_| approves && is_success(outcome))
    else {
        return Ok(());
    };
    if poll.is_granted() && !poll.is_vetoed() {
        return Ok(());
    }
    breach(check, format!("{id}/{path} is granted by {:?}", poll.votes))
}

/// Enough approvals, or a veto, end an approval at once.
pub(super) fn a_met_quorum_is_granted(id: ReleaseId, release: &ModelRelease) -> Ruling {
    for (path, activity) in &release.activities {
        let open = matches!(activity.stand, Stand::Open(_));
        let decided = activity
            .poll
            .as_ref()
            .filter(|poll| open && (poll.is_granted() || poll.is_vetoed()));
        if let Some(poll) = decided {
            let message = format!("{id}/{path} stays open with {:?}", poll.votes);
            return breach("a_met_quorum_is_granted", message);
        }
    }
    Ok(())
}

// ---- children

/// A child release is made by the attempt that is under way, of a release that runs.
pub(super) fn children_belong_to_an_open_attempt(
    releases: &Releases,
    id: ReleaseId,
    parent: &Parent,
) -> Ruling {
    let above = releases
        .get(&parent.release)
        .filter(|release| release.life == Life::Underway);
    let activity = above.and_then(|release| release.activities.get(parent.path.as_str()));
    let depth = above.map_or(0, |release| {
        release.parent.as_ref().map_or(0, |parent| parent.depth)
    }) + 1;
    let open = activity.is_some_and(|activity| {
        let attempt = activity.attempts.get(&parent.attempt);
        activity.stand == Stand::Open(parent.attempt)
            && attempt.is_some_and(|attempt| attempt.work == Work::Child { release: id })
    });
    if open && depth == parent.depth {
        Ok(())
    } else {
        breach(
            "children_belong_to_an_open_attempt",
            format!("{id} claims to be a child of {parent:?}"),
        )
    }
}

/// The attempt that runs a child succeeds if and only if the child did (reliability.md, 25).
pub(super) fn a_child_ends_as_its_parent_says(
    releases: &Releases,
    id: ReleaseId,
    path: &str,
    number: u32,
    outcome: &AttemptOutcome,
) -> Ruling {
    let attempt = releases[&id]
        .activities
        .get(path)
        .and_then(|activity| activity.attempts.get(&number));
    let Some(Work::Child { release }) = attempt.map(|attempt| &attempt.work) else {
        return Ok(());
    };
    let child = releases.get(release);
    let fits = match outcome {
        AttemptOutcome::Succeeded { .. } => child.is_some_and(succeeded),
        AttemptOutcome::Failed { error, .. } if error.starts_with("output") => true,
        AttemptOutcome::Failed { .. } => {
            child.is_some_and(|child| child.life.is_ended() && !succeeded(child))
        }
        AttemptOutcome::Cancelled { confirmed: true } | AttemptOutcome::TimedOut { .. } => {
            child.is_none_or(|child| child.life.is_ended())
        }
        _ => true,
    };
    if fits {
        return Ok(());
    }
    let child = child.map(|child| child.life);
    breach(
        "a_child_ends_as_its_parent_says",
        format!("{id}/{path}#{number}: {outcome:?}, its child is {child:?}"),
    )
}
