//! Judges commands about a release as a whole (2-execution.md, Lifecycle).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::access::{Holder, Permission, Tie};
use crate::command::{NewRelease, ReleaseChanges, ReleaseCommand, RestartFrom};
use crate::event::{Change, Event, ReleaseCreated, ReleaseEdited, StartTrigger, Window};
use crate::ids::{Name, ReleaseId, ResourceKey, ResourceKind};
use crate::inputs;
use crate::links;
use crate::notice::NoticeKind;
use crate::plan::{DayTime, Plan};
use crate::rejection::{FieldProblem, Rejection};
use crate::release::check::{self, Problems, TEXT_LENGTH_MAX, field, needed, text};
use crate::release::flow::{distinct, notice};
use crate::release::preparation::refuse_unready;
use crate::release::state::State;
use crate::release::{Counters, InputValue, Life, Origin, Release};
use crate::scope::View;
use crate::status::ReleaseStatus;
use crate::world::{Asker, World};

/// How deep child releases may lie below each other.
pub(crate) const DEPTH_MAX: u32 = 8;
/// Most notes of one release.
const NOTES_MAX: usize = 1_000;

impl World {
    /// The release, if the asker may see it; others are told that it does not exist.
    pub(crate) fn visible(&self, asker: &Asker<'_>, id: ReleaseId) -> Result<&State, Rejection> {
        let state = self.state(id)?;
        let organization = state.release.organization.as_ref();
        asker
            .needs(Permission::Read, organization)
            .map_err(|_| Rejection::UnknownRelease(id))?;
        Ok(state)
    }

    /// What a holder has to do with a release as a whole; nothing if there is no such release here.
    pub fn tie_to(&self, holder: &Holder, id: ReleaseId) -> Tie {
        let asker = Asker {
            holder: Some(holder),
            ..self.server(holder.issued_at)
        };
        self.releases
            .get(&id)
            .map_or(Tie::None, |state| self.tie(&asker, state))
    }

    /// What the asker has to do with a release as a whole: created or manages it, or owns some of it.
    pub(crate) fn tie(&self, asker: &Asker<'_>, state: &State) -> Tie {
        let release = &state.release;
        let newest = || self.newest_plan(&release.process);
        let plan = state.plan.clone().or_else(newest);
        let phases = plan.iter().flat_map(|plan| &plan.phases);
        let activities = plan.iter().flat_map(|plan| &plan.activities);
        let mut owners = release
            .manager
            .iter()
            .chain(release.owners.values().flatten())
            .chain(phases.flat_map(|phase| &phase.owners))
            .chain(activities.flat_map(|activity| &activity.owners));
        let owns = release.created_by == asker.by()
            || owners.any(|owner| asker.is_one_of(release.organization.as_ref(), [owner]));
        if owns { Tie::Release } else { Tie::None }
    }

    pub(crate) fn decide_create(
        &self,
        asker: &Asker<'_>,
        new: &NewRelease,
    ) -> Result<Vec<Event>, Rejection> {
        // Whoever makes a release owns it.
        let place = new.organization.as_ref();
        asker.needs_with(Permission::ReleaseEdit, place, || Tie::Release)?;
        if new.start {
            asker.needs_with(Permission::ReleaseStart, place, || Tie::Release)?;
        }
        let process = new
            .process
            .as_ref()
            .ok_or_else(|| field("process", "name the process to run"))?;
        let process = self.process_for(process, new.organization.as_ref())?;
        self.refuse_mixed_levels(new.organization.as_ref())?;
        let id = ReleaseId(self.meta.last_release + 1);
        let created = self.creation(asker, new, process, id)?;
        let mut events = vec![asker.about(id, Change::ReleaseCreated(Box::new(created.clone())))];
        if new.start || new.finalize {
            let probe = Release::from_creation(id, &created, &events[0]);
            let (revision, inputs) = self.pin(&probe, &BTreeMap::new())?;
            let finalized = Change::ReleaseFinalized {
                revision,
                inputs: inputs.clone(),
            };
            events.push(asker.about(id, finalized));
            if new.start {
                let probe = self.pinned_probe(probe, revision, &inputs)?;
                refuse_unready(&probe)?;
                let begin = self.beginning(&probe, inputs, StartTrigger::OnDemand, asker.at)?;
                events.extend(begin.map(|change| asker.about(id, change)));
            }
        }
        Ok(events)
    }

    pub(crate) fn creation(
        &self,
        asker: &Asker<'_>,
        new: &NewRelease,
        process: ResourceKey,
        id: ReleaseId,
    ) -> Result<ReleaseCreated, Rejection> {
        let name = match &new.name {
            Some(name) => name.trim().to_owned(),
            None => format!("{} {}", process.name, id.0),
        };
        let zone = new.zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let mut problems = Problems::default();
        problems.name(&name);
        problems.zone(self, &zone);
        problems.labels(&check::tagged(&new.labels));
        problems.context(&new.context);
        problems.links(&new.links);
        problems.description(&new.description);
        problems.owners(&new.owners, self.newest_plan(&process).as_deref());
        problems.length("stakeholders", new.stakeholders.len());
        problems.predecessors(self, asker, &new.after, None);
        problems.times(new.start_at, new.expected_end_at);
        problems.version(new.version.as_deref());
        if let Some(set) = &new.input_set
            && let Err(rejection) = self.choose_input_set(set, new.organization.as_ref(), &process)
        {
            problems.refused("inputSet", rejection);
        }
        problems.done()?;
        Ok(ReleaseCreated {
            name,
            organization: new.organization.clone(),
            process,
            revision: new.revision,
            description: new.description.clone(),
            version: new.version.clone(),
            release_type: new.release_type,
            labels: check::tagged(&new.labels),
            context: new.context.clone(),
            inputs: new.inputs.clone(),
            input_set: new.input_set.clone(),
            start_at: new.start_at,
            expected_end_at: new.expected_end_at,
            start_mode: new.start_mode,
            zone,
            manager: new.manager.clone(),
            owners: new.owners.clone(),
            stakeholders: new.stakeholders.clone(),
            links: new.links.iter().cloned().map(links::told).collect(),
            after: new.after.clone(),
            parent: None,
            group: None,
        })
    }

    pub(crate) fn decide_edit(
        &self,
        asker: &Asker<'_>,
        id: ReleaseId,
        changes: &ReleaseChanges,
        if_version: Option<u64>,
    ) -> Result<Vec<Event>, Rejection> {
        let state = self.visible(asker, id)?;
        let release = &state.release;
        let place = release.organization.as_ref();
        asker.needs_with(Permission::ReleaseEdit, place, || self.tie(asker, state))?;
        if let Some(expected) = if_version.filter(|expected| *expected != release.version) {
            return Err(Rejection::StaleVersion {
                expected,
                current: release.version,
            });
        }
        refuse_locked_changes(release, changes)?;
        let process = match &changes.process {
            Some(process) => Some(self.process_for(process, release.organization.as_ref())?),
            None => None,
        };
        let mut problems = Problems::default();
        if let Some(name) = &changes.name {
            problems.name(name.trim());
        }
        if let Some(zone) = &changes.zone {
            problems.zone(self, zone);
        }
        problems.labels(&check::tagged(
            changes.labels.as_ref().unwrap_or(&BTreeMap::new()),
        ));
        problems.context(changes.context.as_ref().unwrap_or(&BTreeMap::new()));
        problems.links(changes.links.as_deref().unwrap_or_default());
        problems.description(changes.description.as_ref().unwrap_or(&Default::default()));
        if let Some(owners) = &changes.owners {
            let newest = self.newest_plan(process.as_ref().unwrap_or(&release.process));
            problems.owners(owners, state.plan.as_deref().or(newest.as_deref()));
        }
        problems.length(
            "stakeholders",
            changes.stakeholders.as_ref().map_or(0, Vec::len),
        );
        problems.predecessors(
            self,
            asker,
            changes.after.as_deref().unwrap_or_default(),
            Some(id),
        );
        problems.version(changes.version.as_ref().and_then(Option::as_deref));
        if let Some(Some(set)) = &changes.input_set {
            let place = release.organization.as_ref();
            let process = process.as_ref().unwrap_or(&release.process);
            if let Err(rejection) = self.choose_input_set(set, place, process) {
                problems.refused("inputSet", rejection);
            }
        }
        let start_at = changes.start_at.unwrap_or(release.start_at);
        problems.times(
            start_at,
            changes.expected_end_at.unwrap_or(release.expected_end_at),
        );
        problems.done()?;
        let mut edit = edited(changes, process);
        if edit == ReleaseEdited::default() {
            return Ok(Vec::new());
        }
        edit.before = Some(Box::new(as_it_was(release, &edit)));
        Ok(vec![asker.about(id, Change::ReleaseEdited(Box::new(edit)))])
    }

    pub(crate) fn decide_release(
        &self,
        asker: &Asker<'_>,
        id: ReleaseId,
        action: &ReleaseCommand,
    ) -> Result<Vec<Event>, Rejection> {
        let state = self.visible(asker, id)?;
        let release = &state.release;
        let place = release.organization.as_ref();
        asker.needs_with(permission(action), place, || self.tie(asker, state))?;
        refuse_quarantined(release, action)?;
        let about = |change| asker.about(id, change);
        match action {
            ReleaseCommand::Finalize => {
                expect(
                    release,
                    &[ReleaseStatus::Draft],
                    "only a draft can be finalized",
                )?;
                let (revision, inputs) = self.pin(release, &BTreeMap::new())?;
                Ok(vec![about(Change::ReleaseFinalized { revision, inputs })])
            }
            ReleaseCommand::Activate { inputs } => self.activate(asker, state, inputs),
            ReleaseCommand::PreExecute { inputs, purpose } => {
                self.pre_execute(asker, state, inputs, purpose)
            }
            ReleaseCommand::Cancel { reason } => {
                let scheduled = [ReleaseStatus::Scheduled];
                expect(
                    release,
                    &scheduled,
                    "only a scheduled release can be cancelled; abort it once it runs",
                )?;
                if release.run > 0 {
                    return Err(wrong(
                        release,
                        "it has run before; abort or let it run again",
                    ));
                }
                text("reason", reason)?;
                Ok(vec![about(Change::ReleaseCancelled {
                    reason: reason.clone(),
                })])
            }
            ReleaseCommand::Pause { reason } => {
                expect(release, &UNDER_WAY, "only a running release can be paused")?;
                if release.pause.is_some() {
                    return Err(wrong(release, "it is paused already"));
                }
                needed(reason)?;
                Ok(vec![about(Change::ReleasePaused {
                    reason: reason.clone(),
                })])
            }
            ReleaseCommand::Resume => match release.pause {
                Some(_) => Ok(vec![about(Change::ReleaseResumed)]),
                None => Err(wrong(release, "it is not paused")),
            },
            ReleaseCommand::Abort { reason } => {
                let running = [
                    ReleaseStatus::Queued,
                    ReleaseStatus::Running,
                    ReleaseStatus::OnHold,
                ];
                expect(release, &running, "only a running release can be aborted")?;
                needed(reason)?;
                Ok(vec![about(Change::ReleaseAbortRequested {
                    reason: reason.clone(),
                })])
            }
            ReleaseCommand::Restart { from, at, reason } => {
                self.restart(asker, state, *from, *at, reason)
            }
            ReleaseCommand::Archive => self.archive_release(asker, release),
            ReleaseCommand::Delete => self.delete_release(asker, release),
            ReleaseCommand::AddNote { text: note } => {
                needed(note).map_err(|_| field("text", "a note needs a text"))?;
                text("text", note)?;
                if release.notes.len() >= NOTES_MAX {
                    return Err(Rejection::LimitReached {
                        what: "the number of notes",
                        limit: NOTES_MAX as u64,
                    });
                }
                Ok(vec![about(Change::NoteAdded { text: note.clone() })])
            }
            ReleaseCommand::AddLink { link } => self.add_link(asker, release, link),
            ReleaseCommand::RemoveLink { url } => self.remove_link(asker, release, url),
            ReleaseCommand::DeclareReadiness { item } => self.declare_readiness(asker, state, item),
            ReleaseCommand::WithdrawReadiness { item } => {
                self.withdraw_readiness(asker, release, item)
            }
            ReleaseCommand::SetReadiness { item, ready, note } => {
                self.set_readiness(asker, state, item, *ready, note)
            }
            ReleaseCommand::Acknowledge { note } => self.acknowledge(asker, state, note),
            ReleaseCommand::Review { approved, comment } => {
                self.review_draft(asker, state, *approved, comment)
            }
            ReleaseCommand::OverrideFreeze {
                freeze,
                reason,
                expires_at,
            } => self.override_freeze(asker, release, freeze, reason, *expires_at),
            ReleaseCommand::RevokeOverride { freeze, reason } => {
                self.revoke_override(asker, release, freeze, reason)
            }
            ReleaseCommand::Release { reason } => {
                if release.quarantine.is_none() {
                    return Err(wrong(release, "it is not quarantined"));
                }
                needed(reason)?;
                Ok(vec![about(Change::ReleaseUnquarantined {
                    reason: reason.clone(),
                })])
            }
        }
    }

    fn activate(
        &self,
        asker: &Asker<'_>,
        state: &State,
        given: &BTreeMap<String, Value>,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        let id = release.id;
        match release.status() {
            ReleaseStatus::Draft => {
                self.refuse_overlap(release)?;
                let (revision, inputs) = self.pin(release, given)?;
                let finalized = Change::ReleaseFinalized {
                    revision,
                    inputs: inputs.clone(),
                };
                let probe = self.pinned_probe(release.clone(), revision, &inputs)?;
                refuse_unready(&probe)?;
                let begin = self.beginning(&probe, inputs, StartTrigger::OnDemand, asker.at)?;
                let begin = begin.map(|change| asker.about(id, change));
                Ok([asker.about(id, finalized)]
                    .into_iter()
                    .chain(begin)
                    .collect())
            }
            ReleaseStatus::Scheduled => {
                if release.start_at.is_some_and(|start| start > asker.at) {
                    return Err(wrong(
                        release,
                        "its start time has not come; pre-execute it to start it now",
                    ));
                }
                self.refuse_overlap(release)?;
                let inputs = self.overridden(state, given, false)?;
                refuse_unready(state)?;
                let begin = self.beginning(state, inputs, StartTrigger::OnDemand, asker.at)?;
                Ok(begin.map(|change| asker.about(id, change)).collect())
            }
            _ => Err(wrong(
                release,
                "only a draft, or a scheduled release that waits for a person, can be started",
            )),
        }
    }

    fn pre_execute(
        &self,
        asker: &Asker<'_>,
        state: &State,
        given: &BTreeMap<String, Value>,
        purpose: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        expect(
            release,
            &[ReleaseStatus::Scheduled],
            "only a scheduled release can be pre-executed",
        )?;
        needed(purpose).map_err(|_| field("purpose", "say what the early start is for"))?;
        text("purpose", purpose)?;
        self.refuse_overlap(release)?;
        let inputs = self.overridden(state, given, true)?;
        refuse_unready(state)?;
        let trigger = StartTrigger::PreExecuted {
            purpose: purpose.to_owned(),
        };
        let begin = self.beginning(state, inputs, trigger, asker.at)?;
        Ok(begin
            .map(|change| asker.about(release.id, change))
            .collect())
    }

    fn restart(
        &self,
        asker: &Asker<'_>,
        state: &State,
        from: RestartFrom,
        at: Option<Timestamp>,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        expect(
            release,
            &[ReleaseStatus::Aborted],
            "only an aborted release can be restarted",
        )?;
        needed(reason)?;
        if let Some(parent) = &release.parent {
            let why = format!(
                "it is a child of `{}`; retry the activity `{}` there",
                parent.release, parent.path
            );
            return Err(wrong(release, &why));
        }
        if at.is_some_and(|at| at <= asker.at) {
            return Err(field("at", "lies in the past; leave it out to restart now"));
        }
        let restarted = Change::ReleaseRestarted {
            from,
            start_at: at,
            reason: reason.to_owned(),
        };
        let mut events = vec![asker.about(release.id, restarted)];
        if at.is_none() {
            self.refuse_overlap(release)?;
            let again = Release {
                restart: Some(from),
                ..release.clone()
            };
            let probe = State::new(again, state.plan.clone(), Vec::new());
            refuse_unready(&probe)?;
            let begin = self.beginning(
                &probe,
                release.inputs.clone(),
                StartTrigger::Restarted,
                asker.at,
            )?;
            events.extend(begin.map(|change| asker.about(release.id, change)));
        }
        Ok(events)
    }

    pub(crate) fn decide_quarantine(
        &self,
        asker: &Asker<'_>,
        id: ReleaseId,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        self.state(id)?;
        let reason = reason.chars().take(TEXT_LENGTH_MAX).collect();
        Ok(vec![asker.about(id, Change::ReleaseQuarantined { reason })])
    }

    /// The process that a name means there: of the organization, else of the account.
    pub(crate) fn process_for(
        &self,
        name: &Name,
        organization: Option<&Name>,
    ) -> Result<ResourceKey, Rejection> {
        self.definition_for(ResourceKind::Process, name, organization)
    }

    pub(crate) fn definition_for(
        &self,
        kind: ResourceKind,
        name: &Name,
        organization: Option<&Name>,
    ) -> Result<ResourceKey, Rejection> {
        let key = |organization: Option<&Name>| ResourceKey {
            kind,
            organization: organization.cloned(),
            name: name.clone(),
        };
        let exists =
            |key: &ResourceKey| self.resources.get(key).is_some_and(|known| !known.deleted);
        let own = key(organization);
        let shared = key(None);
        match (exists(&own), exists(&shared)) {
            (true, _) => Ok(own),
            (false, true) => Ok(shared),
            (false, false) => Err(Rejection::UnknownResource(own)),
        }
    }

    pub(crate) fn newest_plan(&self, process: &ResourceKey) -> Option<std::sync::Arc<Plan>> {
        self.plan_of(process, self.resources.get(process)?.revision)
    }

    /// The revision to pin, and every input with its value (finalization).
    pub(crate) fn pin(
        &self,
        release: &Release,
        given: &BTreeMap<String, Value>,
    ) -> Result<(u32, BTreeMap<String, InputValue>), Rejection> {
        let process = &release.process;
        let unknown = || Rejection::UnknownResource(process.clone());
        let resource = self
            .resources
            .get(process)
            .filter(|known| !known.deleted)
            .ok_or_else(unknown)?;
        let revision = release.asked_revision.unwrap_or(resource.revision);
        let plan = self.plan_of(process, revision).ok_or_else(|| {
            let newest = resource.revision;
            field(
                "revision",
                &format!("`{process}` has no revision {revision}; the newest is {newest}"),
            )
        })?;
        let inputs = self.resolve_inputs(release, &plan, given)?;
        Ok((revision, inputs))
    }

    fn resolve_inputs(
        &self,
        release: &Release,
        plan: &Plan,
        given: &BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, InputValue>, Rejection> {
        let none = BTreeMap::new();
        let place = release.organization.as_ref();
        let set = match &release.input_set {
            Some(set) => &self.input_set_for(set, place, &release.process)?.values,
            None => &none,
        };
        let layers = [
            (Origin::InputSet, set),
            (Origin::Release, &release.given),
            (Origin::Override, given),
        ];
        let inputs =
            inputs::resolve(&plan.inputs, &plan.rules, &layers).map_err(Rejection::InvalidInput)?;
        self.check_references(place, &plan.inputs, &inputs)?;
        Ok(inputs)
    }

    /// What a child release starts with.
    pub(crate) fn pin_child(
        &self,
        release: &Release,
    ) -> Result<(u32, BTreeMap<String, InputValue>), Rejection> {
        self.pin(release, &BTreeMap::new())
    }

    /// The locked inputs with the values given at execution time over them.
    fn overridden(
        &self,
        state: &State,
        given: &BTreeMap<String, Value>,
        optional_only: bool,
    ) -> Result<BTreeMap<String, InputValue>, Rejection> {
        let plan = state.plan();
        let locked = |name: &String| {
            let declared = plan.inputs.iter().find(|input| input.name == *name);
            optional_only && declared.is_some_and(|input| input.required)
        };
        let problems: Vec<FieldProblem> = given
            .keys()
            .filter(|name| locked(name))
            .map(|name| FieldProblem {
                field: format!("inputs.{name}"),
                message: "is required and was fixed when the release was finalized; only optional inputs can be overridden".to_owned(),
            })
            .collect();
        if !problems.is_empty() {
            return Err(Rejection::InvalidInput(problems));
        }
        if given.is_empty() {
            return Ok(state.release.inputs.clone());
        }
        let fixed: BTreeMap<String, Value> = state
            .release
            .inputs
            .iter()
            .map(|(name, input)| (name.clone(), input.value.clone()))
            .collect();
        let layers = [(Origin::Release, &fixed), (Origin::Override, given)];
        let resolved =
            inputs::resolve(&plan.inputs, &plan.rules, &layers).map_err(Rejection::InvalidInput)?;
        let place = state.release.organization.as_ref();
        self.check_references(place, &plan.inputs, &resolved)?;
        let with_origin =
            resolved
                .into_iter()
                .map(|(name, input)| match state.release.inputs.get(&name) {
                    Some(before) if input.origin != Origin::Override => (name, before.clone()),
                    _ => (name, input),
                });
        Ok(with_origin.collect())
    }

    /// A release as it will be once it is pinned, to look from while its start is judged.
    pub(crate) fn pinned_probe(
        &self,
        mut release: Release,
        revision: u32,
        inputs: &BTreeMap<String, InputValue>,
    ) -> Result<State, Rejection> {
        let plan = self.plan_of(&release.process, revision);
        release.inputs.clone_from(inputs);
        Ok(State::new(release, plan, Vec::new()))
    }

    /// The facts with which execution begins: queued behind other releases, or started and everybody told.
    pub(crate) fn beginning(
        &self,
        state: &State,
        inputs: BTreeMap<String, InputValue>,
        trigger: StartTrigger,
        at: Timestamp,
    ) -> Result<impl Iterator<Item = Change> + use<>, Rejection> {
        let waits = state
            .release
            .after
            .iter()
            .any(|(predecessor, satisfied)| !satisfied && !self.has_succeeded(*predecessor));
        if waits || self.overlapped_by(&state.release).is_some() {
            let queued = Change::ReleaseQueued { trigger, inputs };
            return Ok([Some(queued), None].into_iter().flatten());
        }
        let variables = globals(state, &inputs).map_err(Rejection::InvalidInput)?;
        let windows = self.windows(state, at);
        let started = Change::ReleaseStarted {
            run: state.release.run + 1,
            trigger,
            inputs,
            variables,
            windows,
        };
        Ok([Some(started), start_notice(state)].into_iter().flatten())
    }

    pub(crate) fn has_succeeded(&self, id: ReleaseId) -> bool {
        let status = self.release(id).map(Release::status);
        matches!(
            status,
            Some(ReleaseStatus::Success | ReleaseStatus::PartialSuccess)
        )
    }

    /// When each phase opens and closes, counted from the start of the release in its own zone.
    fn windows(&self, state: &State, start: Timestamp) -> BTreeMap<Name, Window> {
        let kept = state.release.restart == Some(RestartFrom::Unfinished);
        if kept && !state.release.phases.is_empty() {
            return state
                .release
                .phases
                .iter()
                .map(|phase| (phase.id.clone(), phase.window))
                .collect();
        }
        let windows = state.plan().phases.iter().filter_map(|phase| {
            let at = |day_time: DayTime| self.instant(&state.release.zone, start, day_time);
            let opens_at = phase.opens.and_then(at);
            let closes_at = phase.closes.and_then(|closing| at(closing.at));
            let window = Window {
                opens_at,
                closes_at,
            };
            (window != Window::default()).then(|| (phase.id.clone(), window))
        });
        windows.collect()
    }

    /// The instant of a day and time of a release; day 1 is the civil day of its start.
    ///
    /// In a gap it is the shifted instant, in a fold the first one (2-execution.md, Time).
    pub(crate) fn instant(&self, zone: &str, start: Timestamp, at: DayTime) -> Option<Timestamp> {
        let zone = self.zones.get(zone).ok()?;
        let first = start.to_zoned(zone.clone()).date();
        let day = first.checked_add((i64::from(at.day) - 1).days()).ok()?;
        zone.to_ambiguous_timestamp(day.to_datetime(at.time))
            .compatible()
            .ok()
    }
}

/// Everybody who owns a part of a release is told once that it has started (checklist R-097).
///
/// Managers and stakeholders of a child hear of its parent.
fn start_notice(state: &State) -> Option<Change> {
    let release = &state.release;
    let answer_for_it = state
        .managers()
        .into_iter()
        .chain(release.stakeholders.iter().cloned())
        .filter(|_| release.parent.is_none());
    let owners = distinct(state.people_of_parts().chain(answer_for_it));
    let message = format!("{} has started, and you have a part in it", release.name);
    (!owners.is_empty()).then(|| notice(NoticeKind::Started, owners, message))
}

impl Release {
    /// The draft that a creation makes.
    pub(crate) fn from_creation(id: ReleaseId, created: &ReleaseCreated, event: &Event) -> Release {
        let created = created.clone();
        Release {
            id,
            version: 1,
            slug: super::take::slug(&created.name),
            name: created.name,
            organization: created.organization,
            process: created.process,
            revision: None,
            asked_revision: created.revision,
            description: created.description,
            software_version: created.version,
            release_type: created.release_type,
            labels: created.labels,
            context: created.context,
            given: created.inputs,
            input_set: created.input_set,
            inputs: BTreeMap::new(),
            touches: Default::default(),
            involves: Default::default(),
            changes: Default::default(),
            variables: BTreeMap::new(),
            created_by: event.by.clone(),
            created_at: event.at,
            start_at: created.start_at,
            expected_end_at: created.expected_end_at,
            start_mode: created.start_mode,
            zone: created.zone,
            manager: created.manager,
            owners: created.owners,
            stakeholders: created.stakeholders,
            links: created.links,
            after: created
                .after
                .into_iter()
                .map(|predecessor| (predecessor, false))
                .collect(),
            parent: created.parent,
            followers: BTreeSet::new(),
            group: created.group,
            children: Vec::new(),
            notes: Vec::new(),
            readiness: BTreeMap::new(),
            acknowledgements: BTreeMap::new(),
            reviews: Vec::new(),
            blocked_since: None,
            archived: false,
            quarantine: None,
            freeze_overrides: BTreeMap::new(),
            life: Life::Draft,
            run: 0,
            trigger: None,
            started_at: None,
            ended_at: None,
            pause: None,
            abort_reason: None,
            outputs: BTreeMap::new(),
            restart: None,
            phases: Vec::new(),
            counters: Counters::default(),
            overdue: false,
            start_missed: false,
        }
    }
}

/// Global variables, each seeing the ones before it.
fn globals(
    state: &State,
    inputs: &BTreeMap<String, InputValue>,
) -> Result<BTreeMap<String, Value>, Vec<FieldProblem>> {
    let none = BTreeMap::new();
    let mut known = BTreeMap::new();
    let plan = state.plan();
    for (name, template) in &plan.variables {
        let view = View {
            state,
            inputs,
            globals: &known,
            phase: None,
            phase_variables: &none,
            activity: None,
            activity_variables: &none,
            overrides: &none,
            result: None,
            own_outputs: None,
            attempt: None,
            outcome: None,
        };
        let value = view.value(template).map_err(|error| {
            vec![FieldProblem {
                field: format!("variables.{name}"),
                message: error.to_string(),
            }]
        })?;
        known.insert(name.clone(), value);
    }
    Ok(known)
}

const UNDER_WAY: [ReleaseStatus; 2] = [ReleaseStatus::Running, ReleaseStatus::OnHold];

/// Which permission an action on a release needs.
pub(crate) fn permission(action: &ReleaseCommand) -> Permission {
    match action {
        ReleaseCommand::Finalize
        | ReleaseCommand::Cancel { .. }
        | ReleaseCommand::Archive
        | ReleaseCommand::Delete
        | ReleaseCommand::DeclareReadiness { .. }
        | ReleaseCommand::WithdrawReadiness { .. }
        | ReleaseCommand::Release { .. } => Permission::ReleaseEdit,
        // Who is named decides; the command itself asks for more where nobody is.
        ReleaseCommand::SetReadiness { .. }
        | ReleaseCommand::Acknowledge { .. }
        | ReleaseCommand::Review { .. } => Permission::Read,
        ReleaseCommand::Activate { .. }
        | ReleaseCommand::PreExecute { .. }
        | ReleaseCommand::Restart { .. } => Permission::ReleaseStart,
        ReleaseCommand::Pause { .. }
        | ReleaseCommand::Resume
        | ReleaseCommand::AddLink { .. }
        | ReleaseCommand::RemoveLink { .. }
        | ReleaseCommand::AddNote { .. } => Permission::ReleaseOperate,
        ReleaseCommand::Abort { .. } => Permission::ReleaseAbort,
        // Where the freeze lives matters as well, and is judged with the command.
        ReleaseCommand::OverrideFreeze { .. } | ReleaseCommand::RevokeOverride { .. } => {
            Permission::Read
        }
    }
}

fn refuse_quarantined(release: &Release, action: &ReleaseCommand) -> Result<(), Rejection> {
    let helps = matches!(
        action,
        ReleaseCommand::Release { .. }
            | ReleaseCommand::AddNote { .. }
            | ReleaseCommand::AddLink { .. }
            | ReleaseCommand::RemoveLink { .. }
    );
    match &release.quarantine {
        Some(_) if !helps => Err(wrong(
            release,
            "its handling failed inside the server and it is quarantined; an administrator must put it back into service first",
        )),
        _ => Ok(()),
    }
}

/// What may change when: drafts everything; later not the process and inputs; once started not the start.
fn refuse_locked_changes(release: &Release, changes: &ReleaseChanges) -> Result<(), Rejection> {
    let status = release.status();
    let plan_changes = changes.process.is_some()
        || changes.revision.is_some()
        || changes.inputs.is_some()
        || changes.input_set.is_some()
        || changes.after.is_some()
        || changes.zone.is_some();
    if plan_changes && status != ReleaseStatus::Draft {
        return Err(wrong(
            release,
            "process, inputs, predecessors and zone are locked; cancel it to make it a draft again",
        ));
    }
    let start_changes = changes.start_at.is_some() || changes.start_mode.is_some();
    if start_changes && !matches!(status, ReleaseStatus::Draft | ReleaseStatus::Scheduled) {
        return Err(wrong(
            release,
            "it has started; its start cannot change any more",
        ));
    }
    if release.archived {
        return Err(wrong(release, "it is archived"));
    }
    Ok(())
}

fn edited(changes: &ReleaseChanges, process: Option<ResourceKey>) -> ReleaseEdited {
    let changes = changes.clone();
    ReleaseEdited {
        name: changes.name.map(|name| name.trim().to_owned()),
        description: changes.description,
        version: changes.version.map(Option::unwrap_or_default),
        release_type: changes.release_type,
        labels: changes.labels.as_ref().map(check::tagged),
        context: changes.context,
        links: changes
            .links
            .map(|list| list.into_iter().map(links::told).collect()),
        manager: changes.manager.map(|manager| manager.into_iter().collect()),
        owners: changes.owners,
        stakeholders: changes.stakeholders,
        start_at: changes.start_at.map(|at| at.into_iter().collect()),
        expected_end_at: changes.expected_end_at.map(|at| at.into_iter().collect()),
        start_mode: changes.start_mode,
        zone: changes.zone,
        process,
        revision: changes.revision.map(Option::unwrap_or_default),
        inputs: changes.inputs,
        input_set: changes.input_set.map(|set| set.into_iter().collect()),
        after: changes.after,
        group: None,
        before: None,
    }
}

/// An edit that the server itself makes.
pub(crate) fn edited_by_system(release: &Release, mut edit: ReleaseEdited) -> Change {
    edit.before = Some(Box::new(as_it_was(release, &edit)));
    Change::ReleaseEdited(Box::new(edit))
}

/// The fields that an edit changes, as they are before it.
fn as_it_was(release: &Release, edit: &ReleaseEdited) -> ReleaseEdited {
    fn was<A, B>(change: &Option<A>, before: impl FnOnce() -> B) -> Option<B> {
        change.as_ref().map(|_| before())
    }
    let ReleaseEdited {
        name,
        description,
        version,
        release_type,
        labels,
        context,
        links,
        manager,
        owners,
        stakeholders,
        start_at,
        expected_end_at,
        start_mode,
        zone,
        process,
        revision,
        inputs,
        input_set,
        after,
        group,
        before: _,
    } = edit;
    ReleaseEdited {
        name: was(name, || release.name.clone()),
        description: was(description, || release.description.clone()),
        version: was(version, || {
            release.software_version.clone().unwrap_or_default()
        }),
        release_type: was(release_type, || release.release_type),
        labels: was(labels, || release.labels.clone()),
        context: was(context, || release.context.clone()),
        links: was(links, || release.links.clone()),
        manager: was(manager, || release.manager.iter().cloned().collect()),
        owners: was(owners, || release.owners.clone()),
        stakeholders: was(stakeholders, || release.stakeholders.clone()),
        start_at: was(start_at, || release.start_at.into_iter().collect()),
        expected_end_at: was(expected_end_at, || {
            release.expected_end_at.into_iter().collect()
        }),
        start_mode: was(start_mode, || release.start_mode),
        zone: was(zone, || release.zone.clone()),
        process: was(process, || release.process.clone()),
        revision: was(revision, || release.asked_revision.unwrap_or_default()),
        inputs: was(inputs, || release.given.clone()),
        input_set: was(input_set, || release.input_set.iter().cloned().collect()),
        after: was(after, || release.after.keys().copied().collect()),
        group: group.as_ref().and(release.group.clone()),
        before: None,
    }
}

pub(crate) fn expect(
    release: &Release,
    allowed: &[ReleaseStatus],
    why: &str,
) -> Result<(), Rejection> {
    if allowed.contains(&release.status()) {
        Ok(())
    } else {
        Err(wrong(release, why))
    }
}

pub(crate) fn wrong(release: &Release, why: &str) -> Rejection {
    Rejection::WrongReleaseStatus {
        release: release.id,
        status: release.status(),
        why: why.to_owned(),
    }
}
