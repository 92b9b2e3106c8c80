//! The world in memory, and the interface through which everything happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use crate::access::{Holder, Lack, Permission, Policy, Question, Tie, TokenKind, Verdict};
use crate::account::{ACCOUNT, AccountSpec};
use crate::command::{Actor, Command, Envelope};
use crate::definition::{Body, Definition};
use crate::denial::Denials;
use crate::effect::Effect;
use crate::entity::{Entity, EntityKey, EntityRef, Meta, Resource, Revision};
use crate::event::{Change, Event, Work};
use crate::freeze::{Freeze, FreezeRef, Freezes};
use crate::group::GroupAdvanced;
use crate::group::state::Groups;
use crate::ids::{
    ActivityPath, AttemptId, Name, Owner, ReleaseId, ResourceKey, ResourceKind, TokenId,
};
use crate::outlets::{decide_delete_secret, decide_disable_outlet, decide_set_secret};
use crate::plan::Plan;
use crate::rejection::Rejection;
use crate::release::state::{Spot, State};
use crate::release::{Activity, Life, Release};
use crate::status::ReleaseStatus;

/// Everything that is known in memory, and nothing that can be computed from it (but for indexes).
///
/// What has ended may be forgotten and brought back; what is under way is always here.
#[derive(Debug)]
pub struct World {
    pub(crate) zones: TimeZoneDatabase,
    pub(crate) meta: Meta,
    pub(crate) resources: BTreeMap<ResourceKey, Resource>,
    pub(crate) revisions: BTreeMap<ResourceKey, BTreeMap<u32, StoredRevision>>,
    pub(crate) holders: BTreeMap<TokenId, Holder>,
    /// Bindings, teams and users, in the form in which rights are judged.
    pub(crate) policy: Arc<Policy>,
    digests: BTreeMap<String, TokenId>,
    pub(crate) releases: BTreeMap<ReleaseId, State>,
    /// The freezes among the definitions, as they are asked about.
    freezes: Freezes,
    /// Releases that wait for a release to succeed.
    waiters: BTreeMap<ReleaseId, BTreeSet<ReleaseId>>,
    wanted: BTreeMap<AttemptId, Effect>,
    timers: BTreeSet<(Timestamp, ReleaseId, Spot)>,
    agenda: BTreeSet<ReleaseId>,
    pub(crate) touched: BTreeSet<EntityKey>,
    effect_changes: BTreeSet<AttemptId>,
    settling: Option<ReleaseId>,
    /// Ended releases that something in memory still asks about.
    lacking: BTreeSet<ReleaseId>,
    /// Releases that have not ended and are nobody's child: those of the account, those of organizations.
    levels: [BTreeSet<ReleaseId>; 2],
    /// Releases deleted since this world was made: their rows may still be read, and must not come back.
    deleted: BTreeSet<ReleaseId>,
    pub(crate) denials: Denials,
    pub(crate) groups: Groups,
}

/// A revision with what it compiles into.
#[derive(Debug)]
pub(crate) struct StoredRevision {
    pub(crate) revision: Revision,
    pub(crate) body: Body,
}

/// Rows that do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("the stored world is broken: {0}")]
pub struct BrokenWorld(String);

impl World {
    /// An empty world; the zone database is bundled and made at the edge.
    pub fn new(zones: TimeZoneDatabase) -> World {
        World {
            zones,
            meta: Meta::default(),
            resources: BTreeMap::new(),
            revisions: BTreeMap::new(),
            holders: BTreeMap::new(),
            policy: Arc::new(Policy::default()),
            digests: BTreeMap::new(),
            releases: BTreeMap::new(),
            freezes: Freezes::default(),
            waiters: BTreeMap::new(),
            wanted: BTreeMap::new(),
            timers: BTreeSet::new(),
            agenda: BTreeSet::new(),
            touched: BTreeSet::new(),
            effect_changes: BTreeSet::new(),
            settling: None,
            lacking: BTreeSet::new(),
            levels: Default::default(),
            deleted: BTreeSet::new(),
            denials: Denials::default(),
            groups: Groups::default(),
        }
    }

    /// A world from rows: all of them at start, or one release with its definitions and tokens for a page.
    ///
    /// # Errors
    /// A stored definition that does not compile, an activity without its release, a release without its plan.
    pub fn from_entities(
        zones: TimeZoneDatabase,
        entities: impl IntoIterator<Item = Entity>,
    ) -> Result<World, BrokenWorld> {
        let mut world = World::new(zones);
        world.adopt(entities)?;
        Ok(world)
    }

    /// Brings rows into memory: everything at start, or a release that had been forgotten.
    ///
    /// # Errors
    /// As [`World::from_entities`].
    pub fn adopt(&mut self, entities: impl IntoIterator<Item = Entity>) -> Result<(), BrokenWorld> {
        let mut releases: BTreeMap<ReleaseId, Box<Release>> = BTreeMap::new();
        let mut activities: BTreeMap<ReleaseId, BTreeMap<u32, Activity>> = BTreeMap::new();
        let mut about_rights = BTreeSet::new();
        let mut freezes = BTreeSet::new();
        for entity in entities {
            match entity {
                Entity::Meta(meta) => self.meta = meta,
                Entity::Resource(resource) => {
                    if Policy::concerns(resource.key.kind) {
                        about_rights.insert(resource.key.clone());
                    }
                    freezes.extend(FreezeRef::of(&resource.key));
                    if resource.key.kind == ResourceKind::ReleaseGroup {
                        self.groups.agenda.insert(resource.key.clone());
                    }
                    self.resources.insert(resource.key.clone(), resource);
                }
                Entity::Revision(revision) => self.adopt_revision(revision)?,
                Entity::Token(holder) => self.keep_holder(holder),
                Entity::User(user) => Arc::make_mut(&mut self.policy).set_user(*user),
                Entity::Group(state) => {
                    self.groups.states.insert(state.key.clone(), *state);
                }
                Entity::Release(release) => {
                    releases.insert(release.id, release);
                }
                Entity::Activity {
                    release,
                    position,
                    activity,
                } => {
                    activities
                        .entry(release)
                        .or_default()
                        .insert(position, *activity);
                }
            }
        }
        for key in &about_rights {
            self.refresh_rights(key);
        }
        for freeze in freezes {
            self.note_freeze(&freeze);
        }
        for (id, release) in releases {
            let activities = activities.remove(&id).unwrap_or_default();
            self.adopt_release(*release, activities)?;
        }
        match activities.first_key_value() {
            Some((id, _)) => Err(BrokenWorld(format!(
                "activities of `{id}` without their release"
            ))),
            None => Ok(()),
        }
    }

    fn adopt_revision(&mut self, revision: Revision) -> Result<(), BrokenWorld> {
        let known = self.revisions.entry(revision.key.clone()).or_default();
        if known.contains_key(&revision.revision) {
            return Ok(());
        }
        let definition = Definition::from_stored(
            revision.key.clone(),
            revision.description.clone(),
            revision.labels.clone(),
            &revision.spec,
        );
        let definition = definition.map_err(|problems| {
            let first = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            BrokenWorld(format!(
                "`{}` revision {}: {first}",
                revision.key, revision.revision
            ))
        })?;
        known.insert(
            revision.revision,
            StoredRevision {
                revision,
                body: definition.body,
            },
        );
        Ok(())
    }

    fn adopt_release(
        &mut self,
        release: Release,
        activities: BTreeMap<u32, Activity>,
    ) -> Result<(), BrokenWorld> {
        let id = release.id;
        if self.releases.contains_key(&id) || self.deleted.contains(&id) {
            self.lacking.remove(&id);
            return Ok(());
        }
        let complete = activities.keys().copied().eq(0..activities.len() as u32);
        if !complete {
            return Err(BrokenWorld(format!("`{id}` lacks some of its activities")));
        }
        let plan = match release.life {
            Life::Draft => None,
            _ => {
                let revision = release.revision.unwrap_or_default();
                let plan = self.plan_of(&release.process, revision);
                Some(plan.ok_or_else(|| BrokenWorld(format!("`{id}` lacks its pinned process")))?)
            }
        };
        let mut state = State::new(release, plan, activities.into_values().collect());
        if !state.release.status().is_terminal() {
            state.look_everywhere();
            state.dirty.extend(state.agenda.iter().copied());
        }
        for (predecessor, satisfied) in &state.release.after {
            if !satisfied {
                self.waiters.entry(*predecessor).or_default().insert(id);
            }
        }
        self.groups.note(&state.release);
        self.releases.insert(id, state);
        self.take_marks(id);
        self.note_lacking(id);
        if self.releases[&id].release.status().is_terminal() {
            self.tell_the_others(id);
        }
        // What was just read is not to be written again.
        self.touched.retain(|key| !matches!(key, EntityKey::Release(release) | EntityKey::Activity(release, _) if *release == id));
        Ok(())
    }

    /// Drops an ended release from memory; its rows stay.
    pub fn forget(&mut self, release: ReleaseId) {
        if let Some(state) = self.releases.remove(&release) {
            for (spot, due) in &state.dues {
                self.timers.remove(&(*due, release, *spot));
            }
            self.agenda.remove(&release);
            for level in &mut self.levels {
                level.remove(&release);
            }
            self.groups.drop_member(&state.release);
        }
    }

    /// Ended releases in memory that nothing under way refers to, oldest first.
    pub fn forgettable(&self) -> Vec<ReleaseId> {
        let may_go = |state: &&State| {
            let release = &state.release;
            let parent_open = release.parent.as_ref().is_some_and(|parent| {
                self.release(parent.release)
                    .is_some_and(|parent| !parent.status().is_terminal())
            });
            let asked_about = self.waiters(release.id).any(|waiter| self.knows(waiter));
            release.status().is_terminal() && !parent_open && !asked_about
        };
        self.releases
            .values()
            .filter(may_go)
            .map(|state| state.release.id)
            .collect()
    }

    /// An ended release that something in memory asks about and that is not in memory itself:
    /// a predecessor that may have succeeded, a child that may have ended. Bring it back before going on.
    pub fn lacking(&self) -> Option<ReleaseId> {
        self.lacking.first().copied()
    }

    /// A release that was lacking does not exist any more.
    pub fn is_gone(&mut self, release: ReleaseId) {
        self.lacking.remove(&release);
    }

    /// Notes what a release that was just read asks about.
    fn note_lacking(&mut self, id: ReleaseId) {
        self.lacking.remove(&id);
        let state = &self.releases[&id];
        let status = state.release.status();
        if status.is_terminal() && status != ReleaseStatus::Aborted {
            return;
        }
        let predecessors = state
            .release
            .after
            .iter()
            .filter(|(_, satisfied)| !**satisfied);
        let children = state.activities.iter().filter_map(|activity| {
            let attempt = activity
                .attempt()
                .filter(|attempt| attempt.outcome.is_none())?;
            match attempt.work {
                Work::Child { release } => Some(release),
                _ => None,
            }
        });
        let asked = predecessors.map(|(release, _)| *release).chain(children);
        let unknown: Vec<ReleaseId> = asked.filter(|id| !self.releases.contains_key(id)).collect();
        self.lacking.extend(unknown);
    }

    /// Whether a release is in memory.
    pub fn knows(&self, release: ReleaseId) -> bool {
        self.releases.contains_key(&release)
    }

    /// Judges a command against the world as it stands; the events are its direct facts.
    ///
    /// # Errors
    /// A [`Rejection`] says what holds and what the person can do; nothing has changed.
    pub fn decide(&self, envelope: &Envelope) -> Result<Vec<Event>, Rejection> {
        let asker = self.asker(envelope)?;
        match &envelope.command {
            Command::ApplyResource {
                definition,
                if_revision,
            } => self.decide_apply(&asker, definition, *if_revision),
            Command::DeleteResource { key, if_revision } => {
                self.decide_delete(&asker, key, *if_revision)
            }
            Command::InputSet { key, action } => self.decide_input_set(&asker, key, action),
            Command::IssueToken(token) => self.decide_issue(&asker, token),
            Command::RevokeToken { token } => self.decide_revoke(&asker, *token),
            Command::SetSecret {
                organization,
                name,
                version,
                row,
            } => decide_set_secret(&asker, organization.as_ref(), name, *version, row),
            Command::DeleteSecret { organization, name } => {
                decide_delete_secret(&asker, organization.as_ref(), name)
            }
            Command::DisableOutlet {
                rule,
                channel,
                reason,
            } => decide_disable_outlet(&asker, rule, *channel, reason),
            Command::SignIn(sign_in) => self.decide_sign_in(&asker, sign_in),
            Command::SignInFailed(failed) => self.decide_sign_in_failed(&asker, failed),
            Command::CreateUser(new) => self.decide_create_user(&asker, new),
            Command::ChangeUser { user, changes } => self.decide_change_user(&asker, user, changes),
            Command::DisableUser { user } => self.decide_disable_user(&asker, user),
            Command::EnableUser { user } => self.decide_enable_user(&asker, user),
            Command::SetCredential { user, credential } => {
                self.decide_set_credential(&asker, user, credential)
            }
            Command::LinkIdentity { user, identity } => {
                self.decide_link_identity(&asker, user, identity)
            }
            Command::UnlinkIdentity { user, identity } => {
                self.decide_unlink_identity(&asker, user, identity)
            }
            Command::CreateRelease(new) => self.decide_create(&asker, new),
            Command::EditRelease {
                release,
                changes,
                if_version,
            } => self.decide_edit(&asker, *release, changes, *if_version),
            Command::Release { release, action } => self.decide_release(&asker, *release, action),
            Command::Activity {
                release,
                path,
                action,
            } => self.decide_activity(&asker, *release, path, action),
            Command::ReportHandle { attempt, handle } => {
                self.decide_handle(&asker, attempt, handle)
            }
            Command::FinishAttempt { attempt, outcome } => {
                self.decide_finish(&asker, attempt, outcome)
            }
            Command::RecordDenial {
                token,
                operation,
                target,
                why,
            } => self.decide_denial(&asker, *token, operation, target, why),
            Command::QuarantineRelease { release, reason } => {
                self.decide_quarantine(&asker, *release, reason)
            }
        }
    }

    /// Takes a fact in: live and on replay.
    pub fn apply(&mut self, event: &Event) {
        match (&event.change, event.release) {
            (Change::ReleaseCreated(created), Some(id)) => self.apply_creation(id, created, event),
            (Change::ReleaseDeleted { withdrawn, .. }, Some(id)) => {
                self.apply_release_deletion(id, *withdrawn);
            }
            (_, Some(id)) => self.apply_to_release(id, event),
            (_, None) => self.apply_to_definitions(event),
        }
    }

    /// Carries out what follows by itself, from applied events and from time that has passed.
    ///
    /// Decides and applies, and answers the events; call it after each command and when [`World::wake_at`] has come.
    /// After `events_max` events it stops; then `wake_at` lies in the past and the caller comes back.
    pub fn settle(&mut self, now: Timestamp, events_max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        self.ring(now);
        self.groups.ring(now);
        while events.len() < events_max {
            // Groups first: nothing starts by a plan that does not hold any more.
            if let Some(facts) = self.settle_group(now) {
                events.extend(facts);
                continue;
            }
            let Some(id) = self.agenda.first().copied() else {
                break;
            };
            self.settling = Some(id);
            let Some(spot) = self
                .releases
                .get_mut(&id)
                .and_then(|state| state.agenda.pop_first())
            else {
                self.agenda.remove(&id);
                continue;
            };
            let facts = self.examine(id, spot, now);
            for event in &facts {
                self.apply(event);
            }
            events.extend(facts);
        }
        self.settling = None;
        events
    }

    /// The release that was being handled when a panic unwound out of [`World::settle`].
    pub fn settling(&self) -> Option<ReleaseId> {
        self.settling
    }

    /// One step of the first group that may have something to do; none if there is no such group.
    fn settle_group(&mut self, now: Timestamp) -> Option<Vec<Event>> {
        let key = self.groups.agenda.first().cloned()?;
        let facts = self.examine_group(&key, now);
        for event in &facts {
            self.apply(event);
        }
        if facts.is_empty() {
            self.groups.agenda.remove(&key);
            let due = self.group_due(&key);
            self.groups.set_due(&key, due);
        }
        Some(facts)
    }

    /// Puts every spot whose time has come on the agenda.
    fn ring(&mut self, now: Timestamp) {
        while let Some((due, id, spot)) = self.timers.first().copied() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(state) = self.releases.get_mut(&id) {
                state.dues.remove(&spot);
                state.agenda.insert(spot);
                self.agenda.insert(id);
            }
        }
    }

    /// Effects that should be in flight now.
    pub fn wanted(&self) -> &BTreeMap<AttemptId, Effect> {
        &self.wanted
    }

    /// When to come back by itself; in the past means at once.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if !self.agenda.is_empty() {
            return Some(Timestamp::MIN);
        }
        let due = self.timers.first().map(|(due, _, _)| *due);
        due.into_iter().chain(self.groups.wake_at()).min()
    }

    /// Rows touched since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<EntityKey> {
        std::mem::take(&mut self.touched)
    }

    /// A row's content; none means that the row is gone.
    pub fn entity(&self, key: &EntityKey) -> Option<EntityRef<'_>> {
        Some(match key {
            EntityKey::Meta => EntityRef::Meta(&self.meta),
            EntityKey::Resource(key) => EntityRef::Resource(self.resources.get(key)?),
            EntityKey::Revision(key, revision) => {
                EntityRef::Revision(&self.revisions.get(key)?.get(revision)?.revision)
            }
            EntityKey::Token(token) => EntityRef::Token(self.holders.get(token)?),
            EntityKey::User(user) => EntityRef::User(self.policy.user(user)?),
            EntityKey::Group(key) => EntityRef::Group(self.groups.states.get(key)?),
            EntityKey::Release(release) => EntityRef::Release(&self.releases.get(release)?.release),
            EntityKey::Activity(release, position) => {
                let state = self.releases.get(release)?;
                EntityRef::Activity(&state.release, state.activities.get(*position as usize)?)
            }
        })
    }

    /// Attempts whose effect appeared, changed or went away since the last call.
    pub fn take_effect_changes(&mut self) -> BTreeSet<AttemptId> {
        std::mem::take(&mut self.effect_changes)
    }

    /// A release in memory.
    pub fn release(&self, id: ReleaseId) -> Option<&Release> {
        self.releases.get(&id).map(|state| &state.release)
    }

    /// Releases in memory.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.releases.values().map(|state| &state.release)
    }

    /// A release's activities: those of the plan in its order, then items of `forEach`.
    pub fn activities(&self, id: ReleaseId) -> &[Activity] {
        self.releases
            .get(&id)
            .map_or(&[], |state| &state.activities)
    }

    /// One activity of a release.
    pub fn activity(&self, id: ReleaseId, path: &ActivityPath) -> Option<&Activity> {
        let state = self.releases.get(&id)?;
        Some(state.activity(state.position(path)?))
    }

    /// The process of a release, once pinned.
    pub fn plan(&self, id: ReleaseId) -> Option<&Arc<Plan>> {
        self.releases.get(&id)?.plan.as_ref()
    }

    /// Who is responsible for an activity of a started release.
    pub fn owners(&self, id: ReleaseId, path: &ActivityPath) -> Vec<crate::ids::Owner> {
        let Some(state) = self.releases.get(&id) else {
            return Vec::new();
        };
        state
            .position(path)
            .map_or_else(Vec::new, |position| state.owners(position))
    }

    /// A definition.
    pub fn resource(&self, key: &ResourceKey) -> Option<&Resource> {
        self.resources.get(key)
    }

    /// Every definition, deleted ones included.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// One revision of a definition.
    pub fn revision(&self, key: &ResourceKey, revision: u32) -> Option<&Revision> {
        self.revisions
            .get(key)?
            .get(&revision)
            .map(|stored| &stored.revision)
    }

    /// A token.
    pub fn holder(&self, token: TokenId) -> Option<&Holder> {
        self.holders.get(&token)
    }

    /// Every token.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.holders.values()
    }

    /// Who may do what at this moment.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Judges by rights that were read elsewhere, in a world that does not hold all rows about people.
    pub fn judge_by(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Takes in what a definition about rights says now.
    fn refresh_rights(&mut self, key: &ResourceKey) {
        if let Some(resource) = self.resources.get(key) {
            let stored = self.revisions.get(key);
            let stored = stored.and_then(|revisions| revisions.get(&resource.revision));
            let body = stored.map(|stored| &stored.body);
            Arc::make_mut(&mut self.policy).take_definition(resource, body);
        }
    }

    /// The token with this digest.
    pub fn holder_by_digest(&self, digest: &str) -> Option<&Holder> {
        self.holders.get(self.digests.get(digest)?)
    }

    pub(crate) fn state(&self, id: ReleaseId) -> Result<&State, Rejection> {
        self.releases.get(&id).ok_or(Rejection::UnknownRelease(id))
    }

    /// What the newest revision of a definition means; none if it does not exist or was deleted.
    pub(crate) fn body(&self, key: &ResourceKey) -> Option<&Body> {
        let resource = self.resources.get(key).filter(|known| !known.deleted)?;
        let stored = self.revisions.get(key)?.get(&resource.revision)?;
        Some(&stored.body)
    }

    /// The settings of the account; the defaults where nobody has written any.
    pub fn account(&self) -> &AccountSpec {
        static DEFAULT: LazyLock<AccountSpec> = LazyLock::new(AccountSpec::default);
        let key = ResourceKey {
            kind: ResourceKind::Account,
            organization: None,
            name: ACCOUNT.parse().expect("the account's name is a name"),
        };
        match self.body(&key) {
            Some(Body::Account(spec)) => spec,
            _ => &DEFAULT,
        }
    }

    /// The compiled process of a revision in memory.
    pub(crate) fn plan_of(&self, key: &ResourceKey, revision: u32) -> Option<Arc<Plan>> {
        match &self.revisions.get(key)?.get(&revision)?.body {
            Body::Process(plan) => Some(Arc::clone(plan)),
            _ => None,
        }
    }

    pub(crate) fn freezes(&self) -> &Freezes {
        &self.freezes
    }

    /// Every freeze, in the order of their names.
    pub fn all_freezes(&self) -> impl Iterator<Item = &Freeze> {
        self.freezes.all()
    }

    /// Takes over what a freeze's newest revision says, or that it is gone.
    fn note_freeze(&mut self, at: &FreezeRef) {
        let key = at.key();
        let revision = self
            .resources
            .get(&key)
            .filter(|known| !known.deleted)
            .map(|known| known.revision);
        let body = revision.and_then(|revision| self.revisions.get(&key)?.get(&revision));
        match body.map(|stored| &stored.body) {
            Some(Body::Freeze(spec)) => {
                let freeze = Freeze::new(at.clone(), spec, &self.zones);
                self.freezes.keep(freeze);
            }
            _ => self.freezes.remove(at),
        }
    }

    /// A freeze has changed: whatever is held back anywhere is looked at again.
    fn look_at_all_deferred(&mut self) {
        for (id, state) in &mut self.releases {
            if !state.deferred.is_empty() {
                state.look_at_deferred();
                self.agenda.insert(*id);
            }
        }
    }

    pub(crate) fn wants_attention(&mut self, release: ReleaseId) {
        self.agenda.insert(release);
    }

    /// Releases that wait for this one to succeed.
    pub(crate) fn waiters(&self, id: ReleaseId) -> impl Iterator<Item = ReleaseId> {
        self.waiters.get(&id).into_iter().flatten().copied()
    }

    fn keep_holder(&mut self, holder: Holder) {
        self.digests.insert(holder.digest.clone(), holder.token);
        self.holders.insert(holder.token, holder);
    }

    fn apply_creation(
        &mut self,
        id: ReleaseId,
        created: &crate::event::ReleaseCreated,
        event: &Event,
    ) {
        self.meta.last_release = self.meta.last_release.max(id.0);
        self.touched.insert(EntityKey::Meta);
        for predecessor in &created.after {
            self.waiters.entry(*predecessor).or_default().insert(id);
            self.follow(*predecessor, id, true);
        }
        let release = Release::from_creation(id, created, event);
        let mut state = State::new(release, None, Vec::new());
        state.dirty.insert(Spot::Release);
        if let Some((key, group)) = state.release.group_key().zip(created.group.as_ref()) {
            let taken = &mut self.groups.state(&key).taken;
            taken.insert(group.planned_at, id);
            self.groups.note(&state.release);
            self.touched.insert(EntityKey::Group(key));
        }
        self.releases.insert(id, state);
        self.note_calendar(id, event);
        self.take_marks(id);
    }

    /// Writes down at a predecessor who names it, or names it no more.
    fn follow(&mut self, predecessor: ReleaseId, follower: ReleaseId, names: bool) {
        let Some(state) = self.releases.get_mut(&predecessor) else {
            return;
        };
        let followers = &mut state.release.followers;
        let changed = match names {
            true => followers.insert(follower),
            false => followers.remove(&follower),
        };
        if changed {
            self.touched.insert(EntityKey::Release(predecessor));
        }
    }

    fn apply_release_deletion(&mut self, id: ReleaseId, withdrawn: bool) {
        let named = self.release(id).map(|release| release.after.clone());
        for predecessor in named.unwrap_or_default().keys() {
            self.follow(*predecessor, id, false);
        }
        if let Some(state) = self.releases.get(&id) {
            let group = state.release.group_key().zip(state.release.group.as_ref());
            if let Some((key, group)) = group.filter(|_| withdrawn) {
                self.groups.state(&key).taken.remove(&group.planned_at);
                self.touched.insert(EntityKey::Group(key));
            }
            let count = state.activities.len() as u32;
            self.touched
                .extend((0..count).map(|position| EntityKey::Activity(id, position)));
            self.touched.insert(EntityKey::Release(id));
            for predecessor in state.release.after.keys() {
                if let Some(waiters) = self.waiters.get_mut(predecessor) {
                    waiters.remove(&id);
                }
            }
        }
        self.forget(id);
        self.deleted.insert(id);
    }

    fn apply_to_release(&mut self, id: ReleaseId, event: &Event) {
        let pinned = match &event.change {
            Change::ReleaseFinalized { revision, .. } => {
                let process = self.release(id).map(|release| release.process.clone());
                process.and_then(|process| self.plan_of(&process, *revision))
            }
            _ => None,
        };
        let state = self
            .releases
            .get_mut(&id)
            .expect("the journal names a known release");
        let rows_before = state.activities.len();
        let named_before = match &event.change {
            Change::ReleaseEdited(edit) if edit.after.is_some() => state.release.after.clone(),
            _ => BTreeMap::new(),
        };
        if pinned.is_some() {
            state.plan = pinned;
        }
        if matches!(event.change, Change::ReleaseCancelled { .. }) {
            state.plan = None;
        }
        state.take(event);
        let rows = state.activities.len();
        let gone = (rows..rows_before).map(|position| EntityKey::Activity(id, position as u32));
        self.touched.extend(gone);
        for predecessor in named_before.keys() {
            self.follow(*predecessor, id, false);
        }
        if let Some(key) = self.groups.note(&self.releases[&id].release) {
            self.touched.insert(EntityKey::Group(key));
        }
        self.index_predecessors(id, event);
        self.note_calendar(id, event);
        self.take_marks(id);
        match event.change {
            Change::ReleaseFinished { .. } => self.tell_the_others(id),
            Change::FreezeOverridden { .. } | Change::FreezeOverrideRevoked { .. } => {
                self.look_at_deferred_below(id);
            }
            _ => (),
        }
    }

    fn index_predecessors(&mut self, id: ReleaseId, event: &Event) {
        match &event.change {
            Change::ReleaseEdited(edit) => {
                for predecessor in edit.after.iter().flatten() {
                    self.waiters.entry(*predecessor).or_default().insert(id);
                    self.follow(*predecessor, id, true);
                }
            }
            Change::PredecessorSatisfied { predecessor } => {
                if let Some(waiters) = self.waiters.get_mut(predecessor) {
                    waiters.remove(&id);
                }
            }
            _ => (),
        }
    }

    /// A release in memory, to keep what was found out about it.
    pub(crate) fn release_mut(&mut self, id: ReleaseId) -> Option<&mut Release> {
        self.releases.get_mut(&id).map(|state| &mut state.release)
    }

    /// Marks a release's row to be written.
    pub(crate) fn touch_release(&mut self, id: ReleaseId) {
        self.touched.insert(EntityKey::Release(id));
    }

    /// A release has ended: its parent and those that wait for it may go on.
    fn tell_the_others(&mut self, id: ReleaseId) {
        let parent = self.release(id).and_then(|release| release.parent.clone());
        if let Some(parent) = parent
            && let Some(state) = self.releases.get_mut(&parent.release)
            && let Some(position) = state.position(&parent.path)
        {
            state.agenda.insert(Spot::Activity(position));
            self.agenda.insert(parent.release);
        }
        let siblings = self
            .release(id)
            .map(|release| self.queued_siblings(release));
        let waiters = self.waiters.get(&id).into_iter().flatten().copied();
        let waiters: Vec<ReleaseId> = waiters.chain(siblings.into_iter().flatten()).collect();
        for waiter in waiters {
            if let Some(state) = self.releases.get_mut(&waiter) {
                state.agenda.insert(Spot::Release);
                self.agenda.insert(waiter);
            }
        }
    }

    /// A release of the other level that has not ended, if there is one (checklist R-075).
    pub(crate) fn on_other_level(&self, organization: Option<&Name>) -> Option<ReleaseId> {
        self.levels[usize::from(organization.is_none())]
            .first()
            .copied()
    }

    /// Keeps the list of releases by level.
    fn note_level(&mut self, id: ReleaseId) {
        let Some(release) = self.release(id) else {
            return;
        };
        let level = usize::from(release.organization.is_some());
        let counts = release.parent.is_none() && !release.status().is_terminal();
        match counts {
            true => self.levels[level].insert(id),
            false => self.levels[level].remove(&id),
        };
    }

    /// Turns a release's marks into rows to write, timers and wanted effects.
    fn take_marks(&mut self, id: ReleaseId) {
        let state = self
            .releases
            .get_mut(&id)
            .expect("only a release in memory has marks");
        for spot in std::mem::take(&mut state.dirty) {
            let due = state.due(spot);
            let known = state.dues.get(&spot).copied();
            if due != known {
                if let Some(known) = known {
                    self.timers.remove(&(known, id, spot));
                }
                match due {
                    Some(due) => {
                        self.timers.insert((due, id, spot));
                        state.dues.insert(spot, due);
                    }
                    None => drop(state.dues.remove(&spot)),
                }
            }
            match spot {
                Spot::Release | Spot::Phase(_) => drop(self.touched.insert(EntityKey::Release(id))),
                Spot::Activity(position) => {
                    self.touched.insert(EntityKey::Activity(id, position));
                    if (position as usize) < state.activities.len() {
                        mark_effect(state, position, &mut self.wanted, &mut self.effect_changes);
                    }
                }
            }
        }
        if !state.agenda.is_empty() {
            self.agenda.insert(id);
        }
        self.note_level(id);
    }

    fn apply_to_definitions(&mut self, event: &Event) {
        self.take_definition(event);
        let key = match &event.change {
            Change::ResourceApplied { key, .. } | Change::ResourceDeleted { key } => key,
            _ => return,
        };
        if let Some(freeze) = FreezeRef::of(key) {
            self.note_freeze(&freeze);
            self.look_at_all_deferred();
        }
    }

    fn take_definition(&mut self, event: &Event) {
        match &event.change {
            Change::ResourceApplied {
                key,
                revision,
                digest,
                description,
                labels,
                spec,
            } => {
                let created_at = self
                    .resources
                    .get(key)
                    .map_or(event.at, |known| known.created_at);
                let stored = Revision {
                    key: key.clone(),
                    revision: *revision,
                    digest: digest.clone(),
                    description: description.clone(),
                    labels: labels.clone(),
                    spec: spec.clone(),
                    at: event.at,
                    by: event.by.clone(),
                };
                self.adopt_revision(stored)
                    .expect("an applied definition was checked before");
                let resource = Resource {
                    key: key.clone(),
                    revision: *revision,
                    deleted: false,
                    digest: digest.clone(),
                    description: description.clone(),
                    labels: labels.clone(),
                    created_at,
                    updated_at: event.at,
                    updated_by: event.by.clone(),
                };
                self.resources.insert(key.clone(), resource);
                self.refresh_rights(key);
                self.touched.insert(EntityKey::Resource(key.clone()));
                self.touched
                    .insert(EntityKey::Revision(key.clone(), *revision));
                self.look_at_group(key);
                self.note_calendar_of_drafts(key);
            }
            Change::ResourceDeleted { key } => {
                let resource = self
                    .resources
                    .get_mut(key)
                    .expect("the journal names a known definition");
                resource.deleted = true;
                resource.updated_at = event.at;
                resource.updated_by.clone_from(&event.by);
                self.refresh_rights(key);
                self.touched.insert(EntityKey::Resource(key.clone()));
                self.look_at_group(key);
                self.note_calendar_of_drafts(key);
            }
            Change::TokenIssued {
                token,
                digest,
                user,
                teams,
                roles,
                organization,
                kind,
                scope,
                expires_at,
                description,
            } => {
                self.meta.last_token = self.meta.last_token.max(token.0);
                if self.meta.installation.is_empty() {
                    self.meta.installation = digest.chars().take(8).collect();
                }
                self.keep_holder(Holder {
                    token: *token,
                    digest: digest.clone(),
                    user: user.clone(),
                    teams: teams.clone(),
                    roles: roles.clone(),
                    organization: organization.clone(),
                    kind: *kind,
                    scope: scope.clone(),
                    expires_at: *expires_at,
                    issued_at: event.at,
                    issued_by: event.by.clone(),
                    description: description.clone(),
                    revoked: false,
                });
                self.touched
                    .extend([EntityKey::Meta, EntityKey::Token(*token)]);
            }
            Change::TokensForgotten { tokens } => {
                for token in tokens {
                    if let Some(holder) = self.holders.remove(token) {
                        self.digests.remove(&holder.digest);
                        self.touched.insert(EntityKey::Token(*token));
                    }
                }
            }
            // The token has a fact of its own; these are for whoever reads the journal.
            Change::SignedIn { .. } | Change::SignInFailed { .. } => (),
            Change::TokenRevoked { token } => {
                let holder = self
                    .holders
                    .get_mut(token)
                    .expect("the journal names a known token");
                holder.revoked = true;
                self.touched.insert(EntityKey::Token(*token));
            }
            Change::GroupAdvanced(advance) => self.apply_group_advance(advance, event.at),
            Change::OperationDenied { .. } => self.denials.count(&event.by, event.at),
            // What secrets and outlets are worth is kept by the store, from these very facts.
            Change::SecretSet { .. }
            | Change::SecretDeleted { .. }
            | Change::OutletDisabled { .. } => (),
            _ => self.apply_to_user(event),
        }
    }

    fn look_at_group(&mut self, key: &ResourceKey) {
        if key.kind == ResourceKind::ReleaseGroup {
            self.groups.agenda.insert(key.clone());
        }
    }

    fn apply_group_advance(&mut self, advance: &GroupAdvanced, at: Timestamp) {
        self.touched.insert(EntityKey::Group(advance.group.clone()));
        if !self.groups.advance(advance, at) {
            return;
        }
        // What its policies held back may go on, and the other way round.
        let members: Vec<ReleaseId> = self
            .groups
            .members(&advance.group)
            .map(|(_, release)| release)
            .collect();
        for release in members {
            if let Some(state) = self.releases.get_mut(&release) {
                state.agenda.insert(Spot::Release);
                self.agenda.insert(release);
            }
        }
    }

    fn asker(&self, envelope: &Envelope) -> Result<Asker<'_>, Rejection> {
        let holder = match envelope.actor {
            Actor::System => None,
            Actor::Token(token) => {
                let holder = self.holders.get(&token).ok_or(Rejection::InvalidToken)?;
                let is_feed = holder.kind == TokenKind::Feed;
                if is_feed || !self.policy.lets_in(holder, envelope.at) {
                    return Err(Rejection::InvalidToken);
                }
                Some(holder)
            }
        };
        Ok(Asker {
            holder,
            ..self.server(envelope.at)
        })
    }

    /// The server itself as the one who asks.
    pub(crate) fn server(&self, at: Timestamp) -> Asker<'_> {
        Asker {
            at,
            holder: None,
            policy: &self.policy,
        }
    }
}

fn mark_effect(
    state: &State,
    position: u32,
    wanted: &mut BTreeMap<AttemptId, Effect>,
    changes: &mut BTreeSet<AttemptId>,
) {
    let activity = state.activity(position);
    let Some(attempt) = activity.attempt() else {
        return;
    };
    let id = AttemptId {
        release: state.release.id,
        path: activity.path.clone(),
        number: attempt.number,
    };
    match state.effect(position) {
        Some(effect) => {
            if wanted.get(&id) != Some(&effect) {
                wanted.insert(id.clone(), effect);
                changes.insert(id);
            }
        }
        None => {
            if wanted.remove(&id).is_some() {
                changes.insert(id);
            }
        }
    }
}

/// How the server itself is named in events.
pub(crate) const SYSTEM: &str = "system";

/// Who asks, with the rights of this moment.
pub(crate) struct Asker<'a> {
    /// Now.
    pub(crate) at: Timestamp,
    /// The token's holder; none is the server itself.
    pub(crate) holder: Option<&'a Holder>,
    /// Who may do what now.
    pub(crate) policy: &'a Policy,
}

impl Asker<'_> {
    /// How the asker is named in events.
    pub(crate) fn by(&self) -> String {
        self.holder.map_or_else(|| SYSTEM.to_owned(), Holder::by)
    }

    /// Refuses an asker who may not do this there.
    pub(crate) fn needs(
        &self,
        permission: Permission,
        organization: Option<&Name>,
    ) -> Result<(), Rejection> {
        self.needs_with(permission, organization, || Tie::None)
    }

    /// Refuses an asker who may not do this to a release; what the asker has to do with it is found out if it matters.
    pub(crate) fn needs_with(
        &self,
        permission: Permission,
        organization: Option<&Name>,
        tie: impl FnOnce() -> Tie,
    ) -> Result<(), Rejection> {
        let Some(holder) = self.holder else {
            return Ok(());
        };
        let mut question = Question {
            permission,
            organization,
            tie: Tie::None,
        };
        let mut verdict = self.policy.judge(holder, &question);
        if matches!(verdict, Verdict::Refused(Lack::OnlyOwn(_) | Lack::Role)) {
            question.tie = tie();
            verdict = self.policy.judge(holder, &question);
        }
        match verdict {
            Verdict::Granted(_) => Ok(()),
            Verdict::Refused(lack) => {
                let mut place = place(organization);
                if lack != Lack::Role {
                    place.push_str(": ");
                    place.push_str(&lack.words(&question));
                }
                Err(Rejection::Forbidden { permission, place })
            }
        }
    }

    /// Whether the asker is this very person, not a machine under its name and not a token with limits.
    pub(crate) fn is_the_person(&self, user: &Name) -> bool {
        self.holder.is_some_and(|holder| {
            holder.user == *user && holder.follows_its_user() && holder.scope.is_none()
        })
    }

    /// Whether any of the owners, as written in something of that organization, means the asker.
    pub(crate) fn is_one_of<'o>(
        &self,
        organization: Option<&Name>,
        owners: impl IntoIterator<Item = &'o Owner>,
    ) -> bool {
        self.holder
            .is_some_and(|holder| self.policy.means_any(holder, organization, owners))
    }

    /// Refuses everybody but the server itself.
    pub(crate) fn is_the_server(&self) -> Result<(), Rejection> {
        match self.holder {
            None => Ok(()),
            Some(_) => Err(Rejection::NotYours(
                "only the server itself reports this".to_owned(),
            )),
        }
    }

    /// A fact through this asker.
    pub(crate) fn fact(&self, change: Change) -> Event {
        Event {
            at: self.at,
            by: self.by(),
            release: None,
            path: None,
            change,
        }
    }

    /// A fact about a release through this asker.
    pub(crate) fn about(&self, release: ReleaseId, change: Change) -> Event {
        Event {
            release: Some(release),
            ..self.fact(change)
        }
    }

    /// A fact about an activity through this asker.
    pub(crate) fn about_activity(
        &self,
        release: ReleaseId,
        path: &ActivityPath,
        change: Change,
    ) -> Event {
        Event {
            path: Some(path.clone()),
            ..self.about(release, change)
        }
    }
}

/// Where, as words.
pub(crate) fn place(organization: Option<&Name>) -> String {
    match organization {
        Some(organization) => format!("in organization `{organization}`"),
        None => "at account level".to_owned(),
    }
}
