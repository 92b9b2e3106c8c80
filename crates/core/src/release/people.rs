//! Judges what people do to activities: retry, ignore, fail, approve, reject, submit, move tasks on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::access::{Holder, Permission, Tie, opened_by_requester};
use crate::command::{ActivityCommand, Decision};
use crate::event::{AttemptOutcome, Change, Event, Work};
use crate::ids::{ActivityPath, Name, Owner, ReleaseId};
use crate::notice::{Need, NoticeKind};
use crate::rejection::{FieldProblem, Rejection};
use crate::release::check::{field, needed, text};
use crate::release::flow::Here;
use crate::release::{Activity, Attempt, Life, Standing, Vote};
use crate::status::{Importance, ReleaseStatus};
use crate::uses::approval::{ApprovalConfig, OnDeadline, Order, Quorum, Share};
use crate::uses::tasks::{TaskStatus, TasksConfig};
use crate::world::{Asker, World};

/// Most links of evidence of one task.
const EVIDENCE_MAX: usize = 50;

impl World {
    pub(crate) fn decide_activity(
        &self,
        asker: &Asker<'_>,
        id: ReleaseId,
        path: &ActivityPath,
        action: &ActivityCommand,
    ) -> Result<Vec<Event>, Rejection> {
        let (here, position) = self.here(asker, id, path)?;
        let release = &here.state.release;
        if release.quarantine.is_some() {
            return Err(super::lifecycle::wrong(
                release,
                "it is quarantined; put it back into service first",
            ));
        }
        match action {
            ActivityCommand::Retry {
                inputs,
                remedy,
                save_to,
                reason,
            } => here.retry(position, inputs, remedy.as_ref(), save_to.as_ref(), reason),
            ActivityCommand::Ignore { outputs, reason } => here.ignore(position, outputs, reason),
            ActivityCommand::Fail { reason } => here.fail(position, reason),
            ActivityCommand::Decide {
                decision,
                comment,
                digest,
            } => here.decide(position, *decision, comment, digest.as_deref()),
            ActivityCommand::Submit { values } => here.submit(position, values),
            ActivityCommand::UpdateTask {
                task,
                status,
                comment,
                evidence,
            } => here.update_task(position, task, *status, comment, evidence),
        }
    }

    /// Digest of what an approver is shown now; none if nothing is to be approved there.
    pub fn approval_digest(&self, release: ReleaseId, path: &ActivityPath) -> Option<String> {
        let state = self.releases.get(&release)?;
        let position = state.position(path)?;
        let (attempt, _) = approval(state.activity(position))?;
        let now = attempt.started_at;
        let here = Here {
            world: self,
            state,
            id: release,
            system: self.server(now),
            now,
        };
        Some(here.digest(position, &attempt.config))
    }
}

/// The approval that is open on an activity.
pub(crate) fn approval(activity: &Activity) -> Option<(&Attempt, &ApprovalConfig)> {
    let attempt = open_people_attempt(activity)?;
    match &attempt.work {
        Work::Approval { rule, .. } => Some((attempt, rule)),
        _ => None,
    }
}

/// The attempt under way that waits for people.
pub(crate) fn open_people_attempt(activity: &Activity) -> Option<&Attempt> {
    let open = |attempt: &&Attempt| attempt.outcome.is_none() && attempt.cancel.is_none();
    activity
        .attempt()
        .filter(open)
        .filter(|_| activity.standing == Standing::Underway)
}

impl Here<'_> {
    /// Whether the asker is responsible for the activity or holds a permission there.
    fn owner_or(&self, position: u32, permission: Permission) -> Result<(), Rejection> {
        self.needs_at(permission, position, &self.state.owners(position))
    }

    /// Whether the asker may do this to an activity that belongs to these, and to those it was escalated to.
    fn needs_at(
        &self,
        permission: Permission,
        position: u32,
        owners: &[Owner],
    ) -> Result<(), Rejection> {
        let place = self.state.release.organization.as_ref();
        let escalated = &self.state.activity(position).escalated_to;
        self.system.needs_with(permission, place, || {
            if self.system.is_one_of(place, owners.iter().chain(escalated)) {
                Tie::Part
            } else {
                self.world.tie(&self.system, self.state)
            }
        })
    }

    fn wrong(&self, position: u32, why: &str) -> Rejection {
        let activity = self.state.activity(position);
        Rejection::WrongActivityStatus {
            path: activity.path.clone(),
            status: activity.status(),
            why: why.to_owned(),
        }
    }

    fn not_permitted(&self, position: u32, setting: &str) -> Rejection {
        let path = self.state.activity(position).path.clone();
        Rejection::NotPermittedByProcess {
            path,
            why: format!("`{setting}: false`"),
        }
    }

    // ---- failures

    /// A failure that is open for a decision, or one that was final and is taken up again.
    fn failure(&self, position: u32) -> Result<Vec<Event>, Rejection> {
        let activity = self.state.activity(position);
        let release = &self.state.release;
        if activity.group.is_some() {
            return Err(self.wrong(
                position,
                "it is a `forEach`; name one of its items, for example `…[0]`",
            ));
        }
        match (&activity.standing, release.status()) {
            (Standing::Undecided { .. }, _) if release.life == Life::Underway => Ok(Vec::new()),
            (Standing::Failed { .. }, status)
                if release.life == Life::Underway || status == ReleaseStatus::Failed =>
            {
                self.refuse_started_dependents(position)?;
                if let Some(parent) = &release.parent
                    && status.is_terminal()
                {
                    let why = format!("its release has ended; retry `{}` of `{}`", parent.path, parent.release);
                    return Err(self.wrong(position, &why));
                }
                Ok(vec![self.at(position, Change::ReleaseReopened)])
            }
            _ => Err(self.wrong(position, "only a failed activity, or one whose outcome is not known, can be retried, ignored or given up")),
        }
    }

    /// What ran after a failure (by `failure()` or `always()`) must not run again (reliability.md, 21).
    fn refuse_started_dependents(&self, position: u32) -> Result<(), Rejection> {
        let plan = self.state.plan();
        let base = self.state.parent_of(position).unwrap_or(position);
        let path = self.state.activity(position).path.clone();
        let begun = |index: usize| {
            let activity = self.state.activity(index as u32);
            let run = self.state.release.run;
            let ran = activity.attempts.iter().any(|attempt| attempt.run == run);
            (ran || activity.group.is_some()).then(|| activity.path.clone())
        };
        let planned = &plan.activities[base as usize];
        let mut open: Vec<usize> = planned.dependents.clone();
        if planned.is_gate {
            open.extend(plan.phases[planned.phase].activities.clone());
        }
        let mut seen = BTreeSet::new();
        while let Some(index) = open.pop() {
            if seen.insert(index) {
                if let Some(dependent) = begun(index) {
                    return Err(Rejection::DependentStarted { path, dependent });
                }
                open.extend(&plan.activities[index].dependents);
            }
        }
        let mut phases: Vec<usize> = plan.phases[planned.phase].dependents.clone();
        let mut seen = BTreeSet::new();
        while let Some(index) = phases.pop() {
            if seen.insert(index) {
                let phase = &plan.phases[index];
                let mut all = phase.gates.clone().chain(phase.activities.clone());
                if let Some(dependent) = all.find_map(begun) {
                    return Err(Rejection::DependentStarted { path, dependent });
                }
                phases.extend(&phase.dependents);
            }
        }
        Ok(())
    }

    fn retry(
        &self,
        position: u32,
        inputs: &BTreeMap<String, Value>,
        remedy: Option<&Name>,
        save_to: Option<&Name>,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.owner_or(position, Permission::ActivityRetry)?;
        let mut facts = self.failure(position)?;
        let planned = self.state.planned(position);
        if !planned.may_retry {
            return Err(self.not_permitted(position, "mayRetry"));
        }
        needed(reason)?;
        self.check_changes(position, inputs)?;
        if let Some(process) = remedy {
            self.world
                .process_for(process, self.state.release.organization.as_ref())?;
        }
        let retried = Change::ActivityRetried {
            inputs: inputs.clone(),
            remedy: remedy.cloned(),
            reason: reason.to_owned(),
        };
        facts.push(self.at(position, retried));
        if let Some(set) = save_to {
            facts.push(self.saved(set, inputs)?);
        }
        Ok(facts)
    }

    /// Changed values must name something that the activity sees: a name in scope, or a key of its settings.
    fn check_changes(
        &self,
        position: u32,
        changes: &BTreeMap<String, Value>,
    ) -> Result<(), Rejection> {
        let planned = self.state.planned(position);
        let plan = self.state.plan();
        let mut known: BTreeSet<&str> = planned.with.keys().map(String::as_str).collect();
        let phase = &plan.phases[planned.phase];
        let variables = plan
            .variables
            .iter()
            .chain(&phase.variables)
            .chain(&planned.variables);
        known.extend(variables.map(|(name, _)| name.as_str()));
        known.extend(plan.inputs.iter().map(|input| input.name.as_str()));
        let mut problems = Vec::new();
        for (name, value) in changes {
            let field = format!("inputs.{name}");
            if !known.contains(name.as_str()) {
                let nearest = known.iter().max_by(|a, b| {
                    strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
                });
                let hint = nearest
                    .map(|nearest| format!("; did you mean `{nearest}`?"))
                    .unwrap_or_default();
                let message = format!(
                    "is neither a name that the activity sees nor one of its settings{hint}"
                );
                problems.push(FieldProblem { field, message });
            } else if let Some(input) = plan.inputs.iter().find(|input| input.name == *name)
                && let Err(message) = input.check(value)
            {
                problems.push(FieldProblem { field, message });
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Rejection::InvalidInput(problems))
        }
    }

    /// A new revision of an input set with the changed inputs in it.
    fn saved(&self, set: &Name, changes: &BTreeMap<String, Value>) -> Result<Event, Rejection> {
        let plan = self.state.plan();
        let inputs = changes
            .iter()
            .filter(|(name, _)| plan.inputs.iter().any(|input| input.name == **name));
        let inputs: BTreeMap<String, Value> = inputs
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if inputs.is_empty() {
            return Err(field(
                "saveTo",
                "none of the changed values is an input of the process",
            ));
        }
        self.world
            .save_to_input_set(&self.system, &self.state.release, set, &inputs)
    }

    fn ignore(
        &self,
        position: u32,
        outputs: &BTreeMap<String, Value>,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let planned = self.state.planned(position);
        let organization = self.state.release.organization.as_ref();
        match planned.importance {
            Importance::Critical => {
                let tie = || self.world.tie(&self.system, self.state);
                self.system
                    .needs_with(Permission::ActivityOverride, organization, tie)?;
            }
            Importance::Required | Importance::Optional => {
                self.owner_or(position, Permission::ActivityIgnore)?;
            }
        }
        let mut facts = self.failure(position)?;
        if !planned.may_ignore {
            return Err(self.not_permitted(position, "mayIgnore"));
        }
        needed(reason)?;
        self.check_substitutes(position, outputs)?;
        let ignored = Change::ActivityIgnored {
            outputs: outputs.clone(),
            reason: reason.to_owned(),
        };
        facts.push(self.at(position, ignored));
        Ok(facts)
    }

    /// Outputs that something downstream reads must be given in place of the missing ones.
    fn check_substitutes(
        &self,
        position: u32,
        given: &BTreeMap<String, Value>,
    ) -> Result<(), Rejection> {
        let read = self.outputs_read_downstream(position);
        let missing = read.into_iter().filter(|name| !given.contains_key(name));
        let problems: Vec<FieldProblem> = missing
            .map(|name| FieldProblem {
                field: format!("outputs.{name}"),
                message: "is read by a later activity; give a value to go on with".to_owned(),
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Rejection::InvalidInput(problems))
        }
    }

    /// Names of this activity's outputs that expressions of others ask for.
    pub(crate) fn outputs_read_downstream(&self, position: u32) -> BTreeSet<String> {
        let plan = self.state.plan();
        let planned = self.state.planned(position);
        let (phase, own) = (plan.phases[planned.phase].id.as_str(), planned.id.as_str());
        let mut names = BTreeSet::new();
        let mut note = |path: &[String], here: bool| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match path.as_slice() {
                ["phases", p, "activities", a, "outputs", name, ..] if *p == phase && *a == own => {
                    names.insert((*name).to_owned());
                }
                ["activities", a, "outputs", name, ..] if here && *a == own => {
                    names.insert((*name).to_owned());
                }
                _ => (),
            }
        };
        for (index, other) in plan.activities.iter().enumerate() {
            if index as u32 == position {
                continue;
            }
            let here = other.phase == planned.phase;
            let variables = other.variables.iter().map(|(_, template)| template);
            let templates = other
                .with
                .values()
                .chain(variables)
                .chain(other.outputs.values());
            for reference in templates
                .chain(&other.for_each)
                .flat_map(|template| template.references())
            {
                note(&reference.path, here);
            }
            for reference in other.when.iter().flat_map(|when| when.references()) {
                note(&reference.path, here);
            }
        }
        for other in &plan.phases {
            for reference in other
                .variables
                .iter()
                .flat_map(|(_, template)| template.references())
            {
                note(&reference.path, false);
            }
            for reference in other.when.iter().flat_map(|when| when.references()) {
                note(&reference.path, false);
            }
        }
        names
    }

    fn fail(&self, position: u32, reason: &str) -> Result<Vec<Event>, Rejection> {
        self.owner_or(position, Permission::ActivityRetry)?;
        if !self.state.activity(position).awaits_decision() {
            return Err(self.wrong(
                position,
                "only a failure that waits for a decision can be given up",
            ));
        }
        needed(reason)?;
        Ok(vec![self.at(
            position,
            Change::ActivityFailed {
                reason: reason.to_owned(),
            },
        )])
    }

    // ---- approvals

    /// Digest of what an approver is shown: the rule and message, the plan, the inputs, and what came before.
    pub(crate) fn digest(&self, position: u32, config: &Value) -> String {
        let planned = self.state.planned(position);
        let plan = self.state.plan();
        let release = &self.state.release;
        let siblings = planned.depends_on.iter().map(|index| *index as u32);
        let phases = &plan.phases[planned.phase].depends_on;
        let upstream = phases.iter().flat_map(|index| {
            let phase = &plan.phases[*index];
            phase
                .gates
                .clone()
                .chain(phase.activities.clone())
                .map(|index| index as u32)
        });
        let seen: BTreeMap<&str, Value> = siblings
            .chain(upstream)
            .map(|index| {
                let activity = self.state.activity(index);
                let outputs = crate::scope::outputs(self.state, index);
                (
                    activity.path.as_str(),
                    json!({"status": activity.status(), "outputs": outputs}),
                )
            })
            .collect();
        let shown = json!({
            "release": release.id,
            "run": release.run,
            "version": release.software_version,
            "plan": plan.digest,
            "inputs": release.inputs,
            "variables": release.variables,
            "approval": config,
            "upstream": seen,
        });
        let bytes = Sha256::digest(shown.to_string());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decide(
        &self,
        position: u32,
        decision: Decision,
        comment: &str,
        seen: Option<&str>,
    ) -> Result<Vec<Event>, Rejection> {
        let activity = self.state.activity(position);
        let Some((attempt, rule)) = approval(activity) else {
            return Err(self.wrong(position, "nothing is to be approved there now"));
        };
        let holder = self
            .system
            .holder
            .ok_or_else(|| Rejection::NotYours("a person has to decide".to_owned()))?;
        let digest = self.digest(position, &attempt.config);
        if seen.is_some_and(|seen| seen != digest) {
            return Err(Rejection::StaleDigest);
        }
        text("comment", comment)?;
        let votes: Vec<Vote> = activity
            .votes
            .iter()
            .filter(|vote| vote.digest == digest)
            .cloned()
            .collect();
        let entries = self.eligible(activity, rule, holder, &votes)?;
        let place = self.state.release.organization.as_ref();
        self.system
            .needs_with(Permission::ActivityApprove, place, || Tie::Part)?;
        let mut facts = Vec::new();
        if votes.len() < activity.votes.len() {
            facts.push(self.at(
                position,
                Change::ApprovalVoided {
                    digest: digest.clone(),
                },
            ));
        }
        let vote = Vote {
            user: holder.user.clone(),
            entries: entries.clone(),
            decision,
            at: self.now,
            comment: comment.to_owned(),
            digest: digest.clone(),
        };
        let user = holder.user.clone();
        let decided = Change::ApprovalDecided {
            user,
            entries,
            decision,
            comment: comment.to_owned(),
            digest,
        };
        facts.push(self.at(position, decided));
        let votes: Vec<Vote> = votes.into_iter().chain([vote]).collect();
        facts.extend(self.verdict_of(position, attempt, &approvers(activity, rule), rule, &votes));
        Ok(facts)
    }

    /// As which entries this person counts; refused if as none, or if the person has decided already.
    fn eligible(
        &self,
        activity: &Activity,
        rule: &ApprovalConfig,
        holder: &Holder,
        votes: &[Vote],
    ) -> Result<Vec<Owner>, Rejection> {
        if let Some(why) = self.excluded(rule, holder) {
            return Err(Rejection::NotYours(why));
        }
        if votes.iter().any(|vote| vote.user == holder.user) {
            return Err(Rejection::NotYours(format!(
                "`{}` has decided already; one person counts once",
                holder.user
            )));
        }
        let mut open = approvers(activity, rule);
        if rule.order == Order::Sequential {
            let done = votes
                .iter()
                .filter(|vote| vote.decision == Decision::Approve)
                .count();
            open = open.into_iter().skip(done).take(1).collect();
        }
        let (policy, release) = (self.system.policy, &self.state.release);
        let place = release.organization.as_ref();
        let mut opened = None;
        let mut entries: Vec<Owner> = open
            .iter()
            .filter(|entry| policy.means(holder, place, entry))
            .cloned()
            .collect();
        entries.retain(|entry| {
            let why = opened_by_requester(policy, release, holder, entry);
            let counts = why.is_none();
            opened = opened.take().or(why);
            counts
        });
        if let Some(why) = opened.filter(|_| entries.is_empty()) {
            return Err(Rejection::NotYours(format!(
                "{why}; somebody else has to decide"
            )));
        }
        if entries.is_empty() {
            let names: Vec<String> = open.iter().map(ToString::to_string).collect();
            let who = names.join(", ");
            return Err(Rejection::NotYours(format!(
                "it is {who} who may decide, not `{}`",
                holder.user
            )));
        }
        Ok(entries)
    }

    /// Why a person may not decide although an approver entry means it.
    pub(crate) fn excluded(&self, rule: &ApprovalConfig, holder: &Holder) -> Option<String> {
        let requester = self.state.release.created_by == holder.by();
        if rule.exclude_requester && requester {
            return Some("whoever asked for the release may not approve it".to_owned());
        }
        let place = self.state.release.organization.as_ref();
        self.system
            .policy
            .means_any(holder, place, &rule.exclude_authors)
            .then(|| "authors of the change may not approve it".to_owned())
    }

    /// What the decisions so far mean.
    fn verdict_of(
        &self,
        position: u32,
        attempt: &Attempt,
        approvers: &[Owner],
        rule: &ApprovalConfig,
        votes: &[Vote],
    ) -> Vec<Event> {
        let yes = |vote: &&Vote| vote.decision == Decision::Approve;
        let rejected = votes.iter().find(|vote| vote.decision == Decision::Reject);
        if let Some(vote) = rejected.filter(|_| rule.veto) {
            return self.rejected(
                position,
                attempt,
                &format!("rejected by user:{}", vote.user),
                &vote.comment,
            );
        }
        if quorum_met(rule, votes) {
            let names: Vec<&Name> = votes.iter().filter(yes).map(|vote| &vote.user).collect();
            let result = json!({"approved": true, "outputs": {"approvedBy": names}});
            return self.ended_well(position, attempt.number, result, None);
        }
        let hopeless = rejected.is_some() && !is_reachable(rule, approvers, votes);
        if hopeless {
            return self.rejected(
                position,
                attempt,
                "too many rejections: the quorum cannot be reached",
                "",
            );
        }
        Vec::new()
    }

    fn rejected(&self, position: u32, attempt: &Attempt, why: &str, comment: &str) -> Vec<Event> {
        let error = if comment.is_empty() {
            why.to_owned()
        } else {
            format!("{why}: {comment}")
        };
        let result = json!({"approved": false});
        let outcome = AttemptOutcome::Failed {
            error,
            retryable: false,
            result,
        };
        self.ended_badly(position, attempt.number, outcome, None)
    }

    /// Reminders and deadlines of attempts that wait for people.
    pub(crate) fn people_timers(&self, position: u32, attempt: &Attempt) -> Vec<Event> {
        let activity = self.state.activity(position);
        let past = |at: &Option<jiff::Timestamp>| at.is_some_and(|at| at <= self.now);
        match &attempt.work {
            Work::Approval {
                rule, deadline_at, ..
            } if past(deadline_at) && !activity.overdue => {
                self.approval_deadline(position, attempt, rule)
            }
            Work::Approval { remind_at, .. } if past(remind_at) && !activity.reminded => {
                self.reminder_of(position, Need::Approval)
            }
            _ => self.hold_timers(position),
        }
    }

    /// Reminders of a hold that nobody answers, and its escalation (checklist R-126).
    pub(crate) fn hold_timers(&self, position: u32) -> Vec<Event> {
        let Some(hold) = self.state.hold(position) else {
            return Vec::new();
        };
        if let Some((at, others)) = self.state.escalation_due(position)
            && at <= self.now
        {
            return self.escalation(position, hold.need, others);
        }
        match self.state.reminder_due(position) {
            Some(at) if at <= self.now => self.reminder_of(position, hold.need),
            _ => Vec::new(),
        }
    }

    fn reminder_of(&self, position: u32, need: Need) -> Vec<Event> {
        vec![
            self.at(position, Change::ReminderSent),
            self.notice(
                position,
                (NoticeKind::Reminder, need),
                self.state.activity(position).needs.clone(),
                "still waits for you",
            ),
        ]
    }

    /// Others may answer as well; who approves is a rule of its own and stays as it is.
    fn escalation(&self, position: u32, need: Need, others: Vec<Owner>) -> Vec<Event> {
        let (to, what) = match need {
            Need::Approval => (Vec::new(), "waits for an approval that nobody gives"),
            Need::Input => (others.clone(), "was not answered and asks you for values"),
            Need::Tasks => (
                others.clone(),
                "has tasks that nobody has done and asks you",
            ),
            Need::Decision => (
                others.clone(),
                "failed, nobody has decided, and it asks you",
            ),
        };
        vec![
            self.at(position, Change::HoldEscalated { to }),
            self.notice(position, (NoticeKind::Escalation, need), others, what),
        ]
    }

    fn approval_deadline(
        &self,
        position: u32,
        attempt: &Attempt,
        rule: &ApprovalConfig,
    ) -> Vec<Event> {
        match rule.on_deadline {
            OnDeadline::Keep => vec![
                self.at(position, Change::ApprovalOverdue),
                self.notice(
                    position,
                    (NoticeKind::Reminder, Need::Approval),
                    self.state.activity(position).needs.clone(),
                    "is overdue for your approval",
                ),
            ],
            OnDeadline::Reject => self.rejected(position, attempt, "nobody approved in time", ""),
            OnDeadline::Escalate => vec![
                self.at(
                    position,
                    Change::ApprovalEscalated {
                        to: rule.escalate_to.clone(),
                    },
                ),
                self.notice(
                    position,
                    (NoticeKind::Escalation, Need::Approval),
                    rule.escalate_to.clone(),
                    "was not approved in time and asks you",
                ),
            ],
        }
    }

    // ---- inputs and tasks

    /// Whether the asker is one of those asked, owns the activity, or may answer for others.
    fn asked_or(&self, position: u32, asked: &[Owner]) -> Result<(), Rejection> {
        let mut owners = self.state.owners(position);
        owners.extend_from_slice(asked);
        self.needs_at(Permission::ActivitySubmit, position, &owners)
    }

    fn submit(
        &self,
        position: u32,
        values: &BTreeMap<String, Value>,
    ) -> Result<Vec<Event>, Rejection> {
        let activity = self.state.activity(position);
        let attempt = open_people_attempt(activity);
        let Some((attempt, Work::Input { form, .. })) =
            attempt.map(|attempt| (attempt, &attempt.work))
        else {
            return Err(self.wrong(position, "it asks for no values now"));
        };
        self.asked_or(position, &form.assignees)?;
        let layers = [(crate::release::Origin::Release, values)];
        let resolved =
            crate::inputs::resolve(&form.fields, &[], &layers).map_err(Rejection::InvalidInput)?;
        let values: BTreeMap<String, Value> = resolved
            .into_iter()
            .map(|(name, input)| (name, input.value))
            .collect();
        let result = json!({"outputs": values, "submittedBy": self.system.by()});
        let mut facts = vec![self.at(position, Change::InputSubmitted { values })];
        facts.extend(self.ended_well(position, attempt.number, result, None));
        Ok(facts)
    }

    fn update_task(
        &self,
        position: u32,
        task: &Name,
        status: TaskStatus,
        comment: &str,
        evidence: &[String],
    ) -> Result<Vec<Event>, Rejection> {
        let activity = self.state.activity(position);
        let attempt = open_people_attempt(activity);
        let Some((attempt, Work::Tasks { list })) = attempt.map(|attempt| (attempt, &attempt.work))
        else {
            return Err(self.wrong(position, "it has no open tasks now"));
        };
        let Some(planned) = list.tasks.iter().find(|planned| planned.id == *task) else {
            let known: Vec<&str> = list.tasks.iter().map(|task| task.id.as_str()).collect();
            return Err(field(
                "task",
                &format!("there is no task `{task}`; there are {}", known.join(", ")),
            ));
        };
        self.asked_or(position, &planned.assignees)?;
        text("comment", comment)?;
        check_evidence(
            evidence,
            activity
                .tasks
                .get(task)
                .map_or(0, |task| task.evidence.len()),
        )?;
        let updated = Change::TaskUpdated {
            task: task.clone(),
            status,
            comment: comment.to_owned(),
            evidence: evidence.to_vec(),
        };
        let mut facts = vec![self.at(position, updated)];
        facts.extend(self.checklist_end(position, attempt, list, task, status));
        Ok(facts)
    }

    /// The end of a checklist once all its tasks are done or failed.
    fn checklist_end(
        &self,
        position: u32,
        attempt: &Attempt,
        list: &TasksConfig,
        updated: &Name,
        status: TaskStatus,
    ) -> Vec<Event> {
        let tasks = &self.state.activity(position).tasks;
        let stands = |id: &Name| {
            if id == updated {
                status
            } else {
                tasks.get(id).map_or(TaskStatus::Todo, |task| task.status)
            }
        };
        let all: BTreeMap<&str, TaskStatus> = list
            .tasks
            .iter()
            .map(|task| (task.id.as_str(), stands(&task.id)))
            .collect();
        if !all
            .values()
            .all(|status| matches!(status, TaskStatus::Done | TaskStatus::Failed))
        {
            return Vec::new();
        }
        let failed: Vec<&str> = all
            .iter()
            .filter(|(_, status)| **status == TaskStatus::Failed)
            .map(|(id, _)| *id)
            .collect();
        let result = json!({"tasks": all});
        if failed.is_empty() {
            return self.ended_well(position, attempt.number, result, None);
        }
        let error = format!("tasks failed: {}", failed.join(", "));
        let outcome = AttemptOutcome::Failed {
            error,
            retryable: false,
            result,
        };
        self.ended_badly(position, attempt.number, outcome, None)
    }
}

fn check_evidence(evidence: &[String], known: usize) -> Result<(), Rejection> {
    if known + evidence.len() > EVIDENCE_MAX {
        return Err(Rejection::LimitReached {
            what: "evidence of a task",
            limit: EVIDENCE_MAX as u64,
        });
    }
    let link = |text: &String| {
        (text.starts_with("https://") || text.starts_with("http://")) && text.len() <= 2_000
    };
    match evidence.iter().position(|text| !link(text)) {
        Some(index) => Err(field(
            &format!("evidence[{index}]"),
            "must be a link that begins with `https://` or `http://`",
        )),
        None => Ok(()),
    }
}

/// The approver entries that count now, with those it was escalated to.
pub(crate) fn approvers(activity: &Activity, rule: &ApprovalConfig) -> Vec<Owner> {
    rule.approvers
        .iter()
        .chain(&activity.escalated_to)
        .cloned()
        .collect()
}

/// How many approvals are needed.
pub(crate) fn approvals_needed(rule: &ApprovalConfig) -> u32 {
    let entries = rule.approvers.len() as u32;
    match rule.quorum {
        Quorum::Number(number) => number.max(1),
        Quorum::Share(Share::Majority) => entries / 2 + 1,
        Quorum::Share(Share::All) => entries,
    }
}

/// Whether enough distinct persons have approved; with `all`, each entry by a person of its own (reliability.md, 26).
pub(crate) fn quorum_met(rule: &ApprovalConfig, votes: &[Vote]) -> bool {
    let approvals: Vec<&Vote> = votes
        .iter()
        .filter(|vote| vote.decision == Decision::Approve)
        .collect();
    let enough = approvals.len() as u32 >= approvals_needed(rule);
    let each_entry =
        matches!(rule.quorum, Quorum::Share(Share::All)) || rule.order == Order::Sequential;
    if !each_entry || !enough {
        return enough;
    }
    // Somebody an approval was escalated to stands in for any entry.
    let stands_in = |vote: &Vote| {
        vote.entries
            .iter()
            .any(|entry| !rule.approvers.contains(entry))
    };
    let covers = |vote: &Vote, entry: &Owner| vote.entries.contains(entry) || stands_in(vote);
    matched(&approvals, &rule.approvers, covers) as u32 >= approvals_needed(rule)
}

/// The largest number of entries that can each have a person of its own (augmenting paths; the lists are short).
fn matched(
    votes: &[&Vote],
    entries: &[Owner],
    covers: impl Fn(&Vote, &Owner) -> bool + Copy,
) -> usize {
    fn place(
        vote: usize,
        votes: &[&Vote],
        entries: &[Owner],
        covers: impl Fn(&Vote, &Owner) -> bool + Copy,
        seen: &mut BTreeSet<usize>,
        taken: &mut BTreeMap<usize, usize>,
    ) -> bool {
        for (index, entry) in entries.iter().enumerate() {
            if !covers(votes[vote], entry) || !seen.insert(index) {
                continue;
            }
            let free = match taken.get(&index).copied() {
                None => true,
                Some(other) => place(other, votes, entries, covers, seen, taken),
            };
            if free {
                taken.insert(index, vote);
                return true;
            }
        }
        false
    }
    let mut taken = BTreeMap::new();
    for vote in 0..votes.len() {
        place(
            vote,
            votes,
            entries,
            covers,
            &mut BTreeSet::new(),
            &mut taken,
        );
    }
    taken.len()
}

/// Whether the quorum could still be reached without those who rejected; teams and roles may have any number of members.
fn is_reachable(rule: &ApprovalConfig, approvers: &[Owner], votes: &[Vote]) -> bool {
    let rejected = |entry: &Owner| {
        votes.iter().any(|vote| {
            vote.decision == Decision::Reject && *entry == Owner::User(vote.user.clone())
        })
    };
    let open: Vec<&Owner> = approvers.iter().filter(|entry| !rejected(entry)).collect();
    let unbounded = open.iter().any(|entry| !matches!(entry, Owner::User(_)));
    match rule.quorum {
        Quorum::Share(Share::All) => !rule.approvers.iter().any(rejected),
        _ => unbounded || open.len() as u32 >= approvals_needed(rule),
    }
}
