//! A second, much simpler opinion: what the journal alone says about every release, and whether that may be.
//!
//! The model knows definitions as they were applied and events as they were written, and nothing of how core
//! comes to them. Each rule is a function of its own that is named in the breach it reports.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trainmaster_core::command::RestartFrom;
use trainmaster_core::event::{AttemptOutcome, Change, Event, ReleaseCreated, Work};
use trainmaster_core::ids::{EffectKey, Name, ReleaseId, ResourceKey, TokenId};
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};

use crate::checks::{Failure, breach};

pub mod approvals;
pub mod plan;
mod release;
mod roll_up;
mod rules;

use approvals::Badge;
use plan::Plan;
use release::{Life, ModelRelease, Stand};

/// What the journal says.
#[derive(Debug, Default)]
pub struct Model {
    badges: BTreeMap<TokenId, Badge>,
    plans: BTreeMap<(ResourceKey, u32), Plan>,
    releases: BTreeMap<ReleaseId, ModelRelease>,
    deleted: BTreeSet<ReleaseId>,
    /// Which occurrence each key belongs to.
    keys: BTreeMap<EffectKey, Occurrence>,
}

/// One activity in one run with one set of inputs: what a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Occurrence {
    release: ReleaseId,
    path: String,
    run: u32,
    round: u32,
}

impl Model {
    /// Takes an event in, if it may follow what was before.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn take(&mut self, event: &Event) -> Result<(), Failure> {
        match (&event.change, event.release) {
            (Change::ReleaseCreated(created), Some(id)) => self.create(id, created, event),
            (Change::ReleaseDeleted { .. }, Some(id)) => {
                self.deleted.insert(id);
                match self.releases.remove(&id) {
                    Some(_) => Ok(()),
                    None => breach("what_is_deleted_stays_so", format!("{id} is deleted again")),
                }
            }
            (_, Some(id)) => self.take_release(id, event),
            (_, None) => self.take_definition(event),
        }
    }

    /// What must hold whenever everything that was decided together has been taken in.
    pub fn check_rest(&self) -> Result<(), Failure> {
        for (id, release) in &self.releases {
            rules::every_end_has_a_consequence(*id, release)?;
            rules::a_met_quorum_is_granted(*id, release)?;
        }
        Ok(())
    }

    /// Whether the journal's view of a release is the given one.
    pub fn compare<'a>(
        &self,
        id: ReleaseId,
        status: ReleaseStatus,
        activities: impl Iterator<Item = (&'a str, ActivityStatus)>,
    ) -> Result<(), String> {
        let Some(release) = self.releases.get(&id) else {
            return Err("the journal does not know it".to_owned());
        };
        if !release.life.is(status) {
            return Err(format!(
                "it is {status:?}, but {:?} by the journal",
                release.life
            ));
        }
        for (path, status) in activities {
            let known = release.activities.get(path).map(|activity| &activity.stand);
            if !known.is_some_and(|stand| stand.is(status)) {
                return Err(format!(
                    "`{path}` is {status:?}, but {known:?} by the journal"
                ));
            }
        }
        Ok(())
    }

    /// The key of an attempt that acts outside.
    pub fn effect_key(&self, release: ReleaseId, path: &str, attempt: u32) -> Option<&EffectKey> {
        let activity = self.releases.get(&release)?.activities.get(path)?;
        activity
            .attempts
            .get(&attempt)
            .filter(|attempt| attempt.work == Work::Effect)
            .map(|attempt| &attempt.key)
    }

    /// Releases that were started and have not ended, or wait to be started.
    pub fn open(&self) -> impl Iterator<Item = ReleaseId> {
        self.releases
            .iter()
            .filter(|(_, release)| !release.life.is_ended())
            .map(|(id, _)| *id)
    }

    /// Whether the holder of a token is one of those who may decide there now.
    pub fn may_decide(&self, id: ReleaseId, path: &str, token: TokenId, at: Timestamp) -> bool {
        let Some(badge) = self.badges.get(&token).filter(|badge| badge.is_valid(at)) else {
            return false;
        };
        let Some(release) = self.releases.get(&id) else {
            return false;
        };
        let activity = release.activities.get(path);
        let open = |activity: &&release::ModelActivity| matches!(activity.stand, Stand::Open(_));
        let Some(poll) = activity
            .filter(open)
            .and_then(|activity| activity.poll.as_ref())
        else {
            return false;
        };
        let entries = poll.entries_of(badge);
        poll.objection(&badge.user, &entries, &[badge], &release.created_by)
            .is_none()
    }

    /// How a release ended, if it has.
    pub fn status(&self, id: ReleaseId) -> Option<ReleaseStatus> {
        match self.releases.get(&id)?.life {
            Life::Ended(status) => Some(status),
            Life::Underway | Life::Aborting => Some(ReleaseStatus::Running),
            Life::Draft => Some(ReleaseStatus::Draft),
            Life::Scheduled => Some(ReleaseStatus::Scheduled),
            Life::Queued => Some(ReleaseStatus::Queued),
        }
    }

    /// How many releases there are, and how many attempts there were.
    pub fn size(&self) -> (usize, usize) {
        let attempts = |release: &ModelRelease| -> usize {
            release
                .activities
                .values()
                .map(|activity| activity.attempts.len())
                .sum()
        };
        (
            self.releases.len() + self.deleted.len(),
            self.releases.values().map(attempts).sum(),
        )
    }

    fn create(
        &mut self,
        id: ReleaseId,
        created: &ReleaseCreated,
        event: &Event,
    ) -> Result<(), Failure> {
        if self.releases.contains_key(&id) || self.deleted.contains(&id) {
            return breach(
                "release_ids_are_given_once",
                format!("{id} is created again"),
            );
        }
        let mut release = ModelRelease::new(created, &event.by);
        if let Some(parent) = &created.parent {
            rules::children_belong_to_an_open_attempt(&self.releases, id, parent)?;
            release.parent = Some(parent.clone());
        }
        self.releases.insert(id, release);
        Ok(())
    }

    fn take_definition(&mut self, event: &Event) -> Result<(), Failure> {
        match &event.change {
            Change::ResourceApplied {
                key,
                revision,
                spec,
                ..
            } => {
                let plan = match Plan::read(spec) {
                    Ok(plan) => plan,
                    Err(why) => return breach("the_model_understands", why),
                };
                if self.plans.insert((key.clone(), *revision), plan).is_some() {
                    return breach(
                        "revisions_are_immutable",
                        format!("{key}@{revision} is applied again"),
                    );
                }
            }
            Change::TokenIssued {
                token,
                user,
                teams,
                roles,
                expires_at,
                ..
            } => {
                let badge = Badge {
                    user: user.clone(),
                    teams: teams.clone(),
                    roles: roles.clone(),
                    expires_at: *expires_at,
                    revoked: false,
                };
                self.badges.insert(*token, badge);
            }
            Change::TokenRevoked { token } => {
                if let Some(badge) = self.badges.get_mut(token) {
                    badge.revoked = true;
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn take_release(&mut self, id: ReleaseId, event: &Event) -> Result<(), Failure> {
        let Some(release) = self.releases.get(&id) else {
            return breach("events_name_known_releases", format!("{id}: {event:?}"));
        };
        rules::what_has_ended_stays(id, release, event)?;
        match &event.path {
            Some(path) => self.take_activity(id, path.as_str(), event),
            None => self.take_whole(id, event),
        }
    }

    fn take_whole(&mut self, id: ReleaseId, event: &Event) -> Result<(), Failure> {
        if let Change::ReleaseStarted { .. } = event.change {
            rules::a_release_starts_after_its_predecessors(&self.releases, id)?;
        }
        if let Change::PredecessorSatisfied { predecessor } = event.change {
            rules::a_satisfied_predecessor_has_succeeded(&self.releases, id, predecessor)?;
        }
        let plans = &self.plans;
        let release = self.releases.get_mut(&id).expect("the caller has looked");
        match &event.change {
            Change::ReleaseEdited(edit) => release.edit(edit),
            Change::ReleaseFinalized { revision, .. } => {
                release.life = Life::Scheduled;
                release.plan = plans.get(&(release.process.clone(), *revision)).cloned();
            }
            Change::ReleaseCancelled { .. } => {
                release.life = Life::Draft;
                release.plan = None;
            }
            Change::ReleaseQueued { .. } => release.life = Life::Queued,
            Change::ReleaseStarted { run, windows, .. } => {
                rules::runs_count_up(id, release, *run)?;
                release.start(*run, windows);
            }
            Change::ReleasePaused { .. } => release.paused = true,
            Change::ReleaseResumed => release.paused = false,
            Change::ReleaseAbortRequested { .. } => {
                release.life = Life::Aborting;
                release.paused = false;
            }
            Change::ReleaseFinished { status, .. } => {
                rules::a_release_ends_by_the_roll_up(id, release, *status)?;
                rules::an_end_leaves_nothing_open(id, release, *status)?;
                release.finish(*status);
            }
            Change::ReleaseRestarted { from, .. } => {
                release.life = Life::Scheduled;
                release.kept = *from == RestartFrom::Unfinished;
            }
            Change::PredecessorSatisfied { predecessor } => {
                release.after.insert(*predecessor, true);
            }
            Change::PhaseStarted { phase, .. } => {
                rules::a_phase_starts_when_ready(id, release, phase, event.at)?;
                release.start_phase(phase);
            }
            Change::PhaseFinished {
                phase,
                status,
                reason,
            } => {
                rules::a_phase_ends_by_the_roll_up(id, release, phase, *status, reason.as_ref())?;
                release.finish_phase(phase, *status, reason.as_ref());
            }
            Change::PhaseClosed { phase } => {
                rules::a_phase_closes_in_time(id, release, phase, event.at)?;
                release.close_phase(phase);
            }
            _ => (),
        }
        Ok(())
    }

    fn take_activity(&mut self, id: ReleaseId, path: &str, event: &Event) -> Result<(), Failure> {
        if let Change::AttemptStarted(started) = &event.change {
            rules::nothing_starts_below_an_abort(&self.releases, id, path)?;
            let release = &self.releases[&id];
            rules::nothing_starts_while_paused(id, release, path)?;
            rules::an_attempt_starts_when_ready(id, release, path, event.at)?;
            rules::attempt_ids_start_once(id, release, path, started.attempt)?;
            self.check_key(id, path, &started.key)?;
        }
        if let Change::AttemptFinished { attempt, outcome } = &event.change {
            rules::outside_work_is_stopped_before_it_is_given_up(
                id,
                &self.releases[&id],
                path,
                *attempt,
                outcome,
            )?;
            rules::one_result_per_attempt(id, &self.releases[&id], path, *attempt)?;
            rules::an_approval_is_granted_by_its_quorum(
                id,
                &self.releases[&id],
                path,
                *attempt,
                outcome,
            )?;
            rules::a_child_ends_as_its_parent_says(&self.releases, id, path, *attempt, outcome)?;
        }
        if let Change::RetryScheduled { retry_at } = &event.change {
            rules::retries_keep_to_their_policy(
                id,
                &self.releases[&id],
                path,
                event.at,
                *retry_at,
            )?;
        }
        if let Change::ApprovalDecided { user, entries, .. } = &event.change {
            let badges = self.badges_of(user, event.at);
            rules::who_decides_may_decide(id, &self.releases[&id], path, user, entries, &badges)?;
        }
        rules::activities_change_as_they_may(id, &self.releases[&id], path, event)?;
        let release = self.releases.get_mut(&id).expect("the caller has looked");
        release.take_activity(path, event);
        if let Change::AttemptStarted(_) = &event.change {
            rules::no_more_run_at_once_than_may(id, release, path)?;
        }
        Ok(())
    }

    fn badges_of(&self, user: &Name, at: Timestamp) -> Vec<&Badge> {
        self.badges
            .values()
            .filter(|badge| badge.user == *user && badge.is_valid(at))
            .collect()
    }

    /// One key per occurrence, one occurrence per key (reliability.md, 13).
    fn check_key(&mut self, id: ReleaseId, path: &str, key: &EffectKey) -> Result<(), Failure> {
        let check = "keys_stand_for_one_occurrence";
        let release = &self.releases[&id];
        let Some(activity) = release.activities.get(path) else {
            return Ok(());
        };
        let now = Occurrence {
            release: id,
            path: path.to_owned(),
            run: release.run,
            round: activity.round,
        };
        let same =
            |attempt: &&release::ModelAttempt| (attempt.run, attempt.round) == (now.run, now.round);
        if let Some(other) = activity
            .attempts
            .values()
            .find(same)
            .filter(|attempt| attempt.key != *key)
        {
            return breach(
                check,
                format!(
                    "{id}/{path} has the key `{key}` and, before, `{}`",
                    other.key
                ),
            );
        }
        match self.keys.get(key) {
            Some(before) if *before != now => {
                breach(check, format!("`{key}` stands for {before:?} and {now:?}"))
            }
            Some(_) => Ok(()),
            None => {
                self.keys.insert(key.clone(), now);
                Ok(())
            }
        }
    }
}

/// Whether an attempt ended as it should.
fn is_success(outcome: &AttemptOutcome) -> bool {
    matches!(outcome, AttemptOutcome::Succeeded { .. })
}
