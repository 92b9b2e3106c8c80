//! Begins attempts: evaluates variables and settings once and says what the work consists of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{
    AttemptOutcome, AttemptStarted, AttemptTrigger, Change, Event, Parent, ReleaseCreated,
    StartTrigger, Work,
};
use crate::ids::{EffectKey, Name, Owner, ReleaseId, ResourceKind};
use crate::notice::{Need, NoticeKind};
use crate::plan::PlannedActivity;
use crate::release::flow::{Here, distinct};
use crate::release::freezing::Verdict;
use crate::release::lifecycle::DEPTH_MAX;
use crate::release::{Activity, Release, StartMode};
use crate::scope::View;
use crate::uses::ActivityType;
use crate::uses::approval::ApprovalConfig;
use crate::uses::input::InputConfig;
use crate::uses::subprocess::SubprocessConfig;
use crate::uses::tasks::TasksConfig;
use crate::uses::wait::{Until, WaitConfig};

/// Largest evaluated settings of one attempt, in bytes of JSON.
const CONFIG_BYTES_MAX: usize = 256 * 1024;
/// How long an attempt of outside work may take where the process says nothing, in hours.
const TIMEOUT_HOURS: i64 = 24;

impl<'a> Here<'a> {
    pub(crate) fn view(&self, phase: Option<usize>, activity: Option<u32>) -> View<'a> {
        static NONE: BTreeMap<String, Value> = BTreeMap::new();
        let release = self.release();
        View {
            state: self.state,
            inputs: &release.inputs,
            globals: &release.variables,
            phase,
            phase_variables: phase.map_or(&NONE, |index| &release.phases[index].variables),
            activity,
            activity_variables: &NONE,
            overrides: activity.map_or(&NONE, |position| &self.state.activity(position).overrides),
            result: None,
            own_outputs: None,
            attempt: None,
            outcome: None,
        }
    }

    pub(super) fn activity_variables(
        &self,
        position: u32,
    ) -> Result<BTreeMap<String, Value>, String> {
        self.variables(self.state.planned(position).phase, Some(position))
    }

    /// Begins the next attempt, unless a freeze holds it back: the one way to every attempt.
    pub(super) fn start(&self, position: u32) -> Vec<Event> {
        let notes = match self.freezes_on(position) {
            Verdict::Held(facts) => return facts,
            Verdict::Free(notes) => notes,
        };
        match self.attempt(position) {
            Ok(facts) => facts.into_iter().chain(notes).collect(),
            Err(error) => self.unstartable(position, error),
        }
    }

    fn attempt(&self, position: u32) -> Result<Vec<Event>, String> {
        let planned = self.state.planned(position);
        let activity = self.state.activity(position);
        let variables = self.activity_variables(position)?;
        let key = self.key(activity);
        let view = View {
            activity_variables: &variables,
            attempt: Some((activity.attempts_made + 1, key.0.as_str())),
            ..self.view(Some(planned.phase), Some(position))
        };
        let mut config = serde_json::Map::new();
        for (name, template) in &planned.with {
            let value = view
                .value(template)
                .map_err(|error| format!("`with.{name}`: {error}"))?;
            config.insert(name.clone(), value);
        }
        for (name, value) in &activity.overrides {
            if config.contains_key(name) {
                config.insert(name.clone(), value.clone());
            }
        }
        let config = Value::Object(config);
        if config.to_string().len() > CONFIG_BYTES_MAX {
            return Err(format!(
                "its settings are larger than {CONFIG_BYTES_MAX} bytes once evaluated"
            ));
        }
        let (work, more) = match &activity.remedy {
            Some(process) => self.child_work(position, process, &BTreeMap::new())?,
            None => self.work(position, planned, &config)?,
        };
        let started = self.started(position, config, variables, key, work);
        let mut facts = vec![self.at(position, Change::AttemptStarted(Box::new(started)))];
        facts.extend(more);
        Ok(facts)
    }

    fn started(
        &self,
        position: u32,
        config: Value,
        variables: BTreeMap<String, Value>,
        key: EffectKey,
        work: Work,
    ) -> AttemptStarted {
        let planned = self.state.planned(position);
        let activity = self.state.activity(position);
        let longest =
            matches!(work, Work::Effect).then(|| jiff::SignedDuration::from_hours(TIMEOUT_HOURS));
        let timeout = planned.timeout.or(longest);
        AttemptStarted {
            attempt: activity.attempts_made + 1,
            key,
            config,
            variables,
            trigger: activity
                .next_trigger
                .clone()
                .unwrap_or(AttemptTrigger::Flow),
            deadline: timeout.and_then(|timeout| self.now.checked_add(timeout).ok()),
            work,
        }
    }

    /// The key of an activity's effects: one per occurrence, run and set of inputs (reliability.md, 13).
    fn key(&self, activity: &Activity) -> EffectKey {
        let installation = &self.world.meta.installation;
        let (run, round) = (self.release().run, activity.round);
        EffectKey(format!(
            "{installation}/{}/{run}/{}/{round}",
            self.id, activity.path
        ))
    }

    /// What an attempt consists of, by the type of the activity, and the facts that go with it.
    fn work(
        &self,
        position: u32,
        planned: &PlannedActivity,
        config: &Value,
    ) -> Result<(Work, Vec<Event>), String> {
        let after = |length: Option<crate::duration::Duration>| {
            length.and_then(|length| self.now.checked_add(length.get()).ok())
        };
        match planned.uses {
            ActivityType::Command
            | ActivityType::Http
            | ActivityType::Verify
            | ActivityType::Notify => Ok((Work::Effect, Vec::new())),
            ActivityType::Wait => {
                let config: WaitConfig = settings(config)?;
                let until = self.wait_until(&config)?;
                Ok((Work::Wait { until }, Vec::new()))
            }
            ActivityType::Approval => {
                let rule: ApprovalConfig = settings(config)?;
                let deadline_at = after(rule.deadline);
                let remind_at = self.reminder(rule.remind, deadline_at);
                let digest = self.digest(position, config);
                let told = self.notice(
                    position,
                    (NoticeKind::NeedsApproval, Need::Approval),
                    rule.approvers.clone(),
                    "asks for your approval",
                );
                Ok((
                    Work::Approval {
                        rule,
                        digest,
                        remind_at,
                        deadline_at,
                    },
                    vec![told],
                ))
            }
            ActivityType::Input => {
                let form: InputConfig = settings(config)?;
                let owners = or_owners(&form.assignees, || self.state.owners(position));
                let told = self.notice(
                    position,
                    (NoticeKind::NeedsInput, Need::Input),
                    owners,
                    "asks you for values",
                );
                let remind_at = after(form.remind);
                Ok((Work::Input { form, remind_at }, vec![told]))
            }
            ActivityType::Tasks => {
                let list: TasksConfig = settings(config)?;
                distinct_tasks(&list)?;
                let owners = list.tasks.iter();
                let owners = owners
                    .flat_map(|task| or_owners(&task.assignees, || self.state.owners(position)));
                let told = self.notice(
                    position,
                    (NoticeKind::NeedsTasks, Need::Tasks),
                    distinct(owners),
                    "has tasks for you",
                );
                Ok((Work::Tasks { list }, vec![told]))
            }
            ActivityType::Subprocess => {
                let config: SubprocessConfig = settings(config)?;
                self.child_work(position, &config.process, &config.inputs)
            }
        }
    }

    /// Before the deadline if there is one, else after being asked.
    fn reminder(
        &self,
        remind: Option<crate::duration::Duration>,
        deadline: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let remind = remind?.get();
        match deadline {
            Some(deadline) => deadline
                .checked_sub(remind)
                .ok()
                .filter(|at| *at > self.now),
            None => self.now.checked_add(remind).ok(),
        }
    }

    fn wait_until(&self, config: &WaitConfig) -> Result<Timestamp, String> {
        match (&config.length, &config.until) {
            (Some(length), None) => self
                .now
                .checked_add(length.get())
                .map_err(|_| "`for` is too long".to_owned()),
            (None, Some(Until::Instant(at))) => Ok(*at),
            (None, Some(Until::Day(at))) => {
                let release = self.release();
                let start = release.started_at.unwrap_or(self.now);
                let instant = self.world.instant(&release.zone, start, *at);
                instant.ok_or_else(|| "`until` is too far away".to_owned())
            }
            _ => Err("exactly one of `for` and `until` is needed".to_owned()),
        }
    }

    /// People are told about an activity, and what they are needed for.
    pub(crate) fn notice(
        &self,
        position: u32,
        (kind, need): (NoticeKind, Need),
        owners: Vec<Owner>,
        what: &str,
    ) -> Event {
        let release = &self.release().name;
        let message = format!("{release}: {} {what}", self.state.activity(position).path);
        let told = Change::OwnersNotified {
            owners,
            message,
            kind: Some(kind),
            need: Some(need),
            phase: None,
            urgent: kind.is_urgent(),
        };
        self.at(position, told)
    }

    /// A child release that runs a process: its creation, finalization and start go with the attempt.
    fn child_work(
        &self,
        position: u32,
        process: &Name,
        given: &BTreeMap<String, Value>,
    ) -> Result<(Work, Vec<Event>), String> {
        let parent = self.release();
        let depth = parent.parent.as_ref().map_or(0, |parent| parent.depth) + 1;
        if depth > DEPTH_MAX {
            return Err(format!("child releases lie deeper than {DEPTH_MAX} levels"));
        }
        let organization = parent.organization.as_ref();
        let key = self
            .world
            .process_for(process, organization)
            .map_err(|rejection| rejection.to_string())?;
        debug_assert_eq!(key.kind, ResourceKind::Process);
        let id = ReleaseId(self.world.meta.last_release + 1);
        let activity = self.state.activity(position);
        let created = ReleaseCreated {
            name: format!("{} · {}", parent.name, activity.path),
            organization: parent.organization.clone(),
            process: key.clone(),
            revision: None,
            description: Default::default(),
            version: parent.software_version.clone(),
            release_type: parent.release_type,
            labels: parent.labels.clone(),
            context: BTreeMap::new(),
            inputs: given.clone(),
            input_set: None,
            start_at: None,
            expected_end_at: None,
            start_mode: StartMode::Auto,
            zone: parent.zone.clone(),
            manager: parent.manager.clone(),
            owners: BTreeMap::new(),
            stakeholders: parent.stakeholders.clone(),
            links: Vec::new(),
            after: Vec::new(),
            parent: Some(Parent {
                release: self.id,
                path: activity.path.clone(),
                attempt: activity.attempts_made + 1,
                depth,
            }),
            group: None,
        };
        let facts = self
            .child_start(id, created)
            .map_err(|rejection| rejection.to_string())?;
        Ok((Work::Child { release: id }, facts))
    }

    fn child_start(
        &self,
        id: ReleaseId,
        created: ReleaseCreated,
    ) -> Result<Vec<Event>, crate::Rejection> {
        // The child is asked for by whoever asked for the parent.
        let mut creation = self
            .system
            .about(id, Change::ReleaseCreated(Box::new(created.clone())));
        creation.by.clone_from(&self.release().created_by);
        let probe = Release::from_creation(id, &created, &creation);
        let (revision, inputs) = self.world.pin_child(&probe)?;
        let probe = self.world.pinned_probe(probe, revision, &inputs)?;
        let begin = self
            .world
            .beginning(&probe, inputs.clone(), StartTrigger::Parent, self.now)?;
        let finalized = Change::ReleaseFinalized { revision, inputs };
        let begin = begin.map(|change| self.system.about(id, change));
        Ok([creation, self.system.about(id, finalized)]
            .into_iter()
            .chain(begin)
            .collect())
    }

    /// An attempt whose settings cannot be evaluated: it begins and fails at once, so that it is seen and can be fixed.
    pub(super) fn unstartable(&self, position: u32, error: String) -> Vec<Event> {
        let activity = self.state.activity(position);
        let started = self.started(
            position,
            Value::Null,
            BTreeMap::new(),
            self.key(activity),
            Work::Nothing,
        );
        let number = started.attempt;
        let outcome = AttemptOutcome::Failed {
            error,
            retryable: false,
            result: Value::Null,
        };
        let mut facts = vec![self.at(position, Change::AttemptStarted(Box::new(started)))];
        facts.extend(self.ended_badly(position, number, outcome, None));
        facts
    }
}

fn settings<T: serde::de::DeserializeOwned>(config: &Value) -> Result<T, String> {
    T::deserialize(config).map_err(|error| format!("its settings do not fit: {error}"))
}

fn or_owners(named: &[Owner], owners: impl Fn() -> Vec<Owner>) -> Vec<Owner> {
    if named.is_empty() {
        owners()
    } else {
        named.to_vec()
    }
}

fn distinct_tasks(list: &TasksConfig) -> Result<(), String> {
    let mut ids: Vec<&Name> = list.tasks.iter().map(|task| &task.id).collect();
    ids.sort();
    if list.tasks.is_empty() {
        return Err("a checklist needs at least one task".to_owned());
    }
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the task id `{}` occurs twice", pair[0])),
        None => Ok(()),
    }
}
