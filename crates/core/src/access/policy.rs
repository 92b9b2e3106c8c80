//! What is known about people at this moment: role bindings, teams, users.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Holder, Role, User};
use crate::definition::Body;
use crate::entity::Resource;
use crate::ids::{Name, Owner, ResourceKey, ResourceKind};

/// A role held by somebody somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// Where it holds; none is everywhere.
    pub organization: Option<Name>,
    /// Its name.
    pub name: Name,
    /// The role.
    pub role: Role,
    /// Who holds it: users and teams.
    pub subjects: Vec<Owner>,
    /// Whether it holds only for releases that the subject owns; reading holds throughout its place.
    pub own: bool,
}

/// Role bindings, teams and users as they stand, in the form in which rights are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    bindings: BTreeMap<(Option<Name>, Name), Binding>,
    teams: BTreeMap<(Option<Name>, Name), BTreeSet<Name>>,
    users: BTreeMap<Name, User>,
    /// When and through whom each team and binding last changed, deleted ones included.
    changes: BTreeMap<ResourceKey, (Timestamp, String)>,
}

impl Policy {
    /// Takes in a definition as it stands; none is one whose content is gone.
    ///
    /// Definitions that say nothing about rights change nothing.
    pub fn take_definition(&mut self, resource: &Resource, body: Option<&Body>) {
        if !Policy::concerns(resource.key.kind) {
            return;
        }
        let change = (resource.updated_at, resource.updated_by.clone());
        self.changes.insert(resource.key.clone(), change);
        self.take_body(&resource.key, body.filter(|_| !resource.deleted));
    }

    /// Takes in what a definition says; none is a definition that does not exist (any more).
    pub(crate) fn take_body(&mut self, key: &ResourceKey, body: Option<&Body>) {
        let place = (key.organization.clone(), key.name.clone());
        match (key.kind, body) {
            (ResourceKind::Team, Some(Body::Team(team))) => {
                self.set_team(place.0, place.1, team.members.iter().cloned().collect());
            }
            (ResourceKind::Team, _) => drop(self.teams.remove(&place)),
            (ResourceKind::RoleBinding, Some(Body::RoleBinding(spec))) => {
                self.set_binding(Binding {
                    organization: place.0,
                    name: place.1,
                    role: spec.role,
                    subjects: spec.subjects.clone(),
                    own: spec.own,
                });
            }
            (ResourceKind::RoleBinding, _) => drop(self.bindings.remove(&place)),
            _ => (),
        }
    }

    /// Whether a definition of this kind says something about rights.
    pub fn concerns(kind: ResourceKind) -> bool {
        matches!(kind, ResourceKind::Team | ResourceKind::RoleBinding)
    }

    /// Takes in a role binding.
    pub fn set_binding(&mut self, binding: Binding) {
        let key = (binding.organization.clone(), binding.name.clone());
        self.bindings.insert(key, binding);
    }

    /// Takes in a team; no organization is the account level.
    pub fn set_team(&mut self, organization: Option<Name>, name: Name, members: BTreeSet<Name>) {
        self.teams.insert((organization, name), members);
    }

    /// Takes in a user.
    pub fn set_user(&mut self, user: User) {
        self.users.insert(user.name.clone(), user);
    }

    /// A user.
    pub fn user(&self, name: &Name) -> Option<&User> {
        self.users.get(name)
    }

    pub(crate) fn user_mut(&mut self, name: &Name) -> Option<&mut User> {
        self.users.get_mut(name)
    }

    /// Every user, by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Every role binding, those of the account level first.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// Every team with its members, those of the account level first.
    pub fn teams(&self) -> impl Iterator<Item = (Option<&Name>, &Name, &BTreeSet<Name>)> {
        self.teams
            .iter()
            .map(|((organization, name), members)| (organization.as_ref(), name, members))
    }

    /// Whether a token lets anybody in at `now`: it holds, and its user is not shut out.
    pub fn lets_in(&self, holder: &Holder, now: Timestamp) -> bool {
        holder.is_valid(now) && !self.is_shut_out(&holder.user)
    }

    pub(crate) fn is_shut_out(&self, user: &Name) -> bool {
        self.users.get(user).is_some_and(|user| user.disabled)
    }

    /// The members of the team that a name means at a place: the account's team of that name, else the place's own.
    ///
    /// The account's goes first, so that no organization can fill a team that the account's rules name.
    pub fn team(&self, organization: Option<&Name>, name: &Name) -> Option<&BTreeSet<Name>> {
        let at =
            |organization: Option<&Name>| self.teams.get(&(organization.cloned(), name.clone()));
        at(None).or_else(|| organization.and_then(|organization| at(Some(organization))))
    }

    /// Whether a holder belongs to the team that a name means at a place.
    pub fn is_member(&self, holder: &Holder, organization: Option<&Name>, team: &Name) -> bool {
        let claimed = self
            .users
            .get(&holder.user)
            .is_some_and(|user| user.claimed_teams.contains(team));
        claimed
            || holder.teams.contains(team)
            || self
                .team(organization, team)
                .is_some_and(|members| members.contains(&holder.user))
    }

    /// Whether an owner, as written in something of that organization, means this holder.
    pub fn means(&self, holder: &Holder, organization: Option<&Name>, owner: &Owner) -> bool {
        match owner {
            Owner::User(user) => *user == holder.user,
            Owner::Team(team) => self.is_member(holder, organization, team),
            Owner::Role(role) => self
                .roles_at(holder, organization)
                .any(|held| held.as_str() == role.as_str()),
        }
    }

    /// Whether any of the owners means this holder.
    pub fn means_any<'a>(
        &self,
        holder: &Holder,
        organization: Option<&Name>,
        owners: impl IntoIterator<Item = &'a Owner>,
    ) -> bool {
        owners
            .into_iter()
            .any(|owner| self.means(holder, organization, owner))
    }

    /// The roles that a holder has for everything at a place, which is what `role:NAME` asks for.
    ///
    /// A role of one organization is none at account level, and one for own releases only is none at all.
    pub fn roles_at<'a>(
        &'a self,
        holder: &'a Holder,
        organization: Option<&'a Name>,
    ) -> impl Iterator<Item = Role> + 'a {
        let covers = move |place: &Option<Name>| place.is_none() || place.as_ref() == organization;
        let own = holder
            .roles
            .iter()
            .copied()
            .filter(move |_| covers(&holder.organization));
        let bound = self
            .bindings_of(holder)
            .filter(move |(binding, _)| !binding.own && covers(&binding.organization))
            .map(|(binding, _)| binding.role);
        own.chain(bound)
    }

    /// The bindings that name a holder, each with the subject by which it does; none for a machine's token.
    pub fn bindings_of<'a>(
        &'a self,
        holder: &'a Holder,
    ) -> impl Iterator<Item = (&'a Binding, &'a Owner)> + 'a {
        let live = holder.follows_its_user();
        self.bindings
            .values()
            .filter(move |_| live)
            .filter_map(move |binding| {
                let place = binding.organization.as_ref();
                let named = |subject: &&Owner| match subject {
                    Owner::User(user) => *user == holder.user,
                    Owner::Team(team) => self.is_member(holder, place, team),
                    // Who holds a role is what bindings say; a binding to a role would say it of itself.
                    Owner::Role(_) => false,
                };
                Some((binding, binding.subjects.iter().find(named)?))
            })
    }

    /// Whether a team as meant at a place, or what was in its way, has changed in a way that somebody asks about.
    pub(crate) fn is_team_changed(
        &self,
        organization: Option<&Name>,
        team: &Name,
        asked: impl Fn(Timestamp, &str) -> bool,
    ) -> bool {
        let places = [None, organization.cloned()];
        places
            .into_iter()
            .any(|organization| self.is_changed(ResourceKind::Team, organization, team, &asked))
    }

    /// Whether a binding, or the team by which it names somebody, has changed in a way that somebody asks about.
    pub(crate) fn is_binding_changed(
        &self,
        binding: &Binding,
        subject: &Owner,
        asked: impl Fn(Timestamp, &str) -> bool,
    ) -> bool {
        let place = binding.organization.as_ref();
        let by_team = match subject {
            Owner::Team(team) => self.is_team_changed(place, team, &asked),
            Owner::User(_) | Owner::Role(_) => false,
        };
        by_team
            || self.is_changed(
                ResourceKind::RoleBinding,
                place.cloned(),
                &binding.name,
                asked,
            )
    }

    fn is_changed(
        &self,
        kind: ResourceKind,
        organization: Option<Name>,
        name: &Name,
        asked: impl Fn(Timestamp, &str) -> bool,
    ) -> bool {
        let key = ResourceKey {
            kind,
            organization,
            name: name.clone(),
        };
        self.changes
            .get(&key)
            .is_some_and(|(at, by)| asked(*at, by))
    }

    /// Every name by which pages can find what needs this holder: as a person, by team, by role.
    ///
    /// It is wide: a team or a role of one place is named for all, and whoever asks narrows it with
    /// [`Policy::means`].
    pub fn names_of(&self, holder: &Holder) -> Vec<Owner> {
        let mut names = BTreeSet::from([Owner::User(holder.user.clone())]);
        let claimed = self.users.get(&holder.user);
        names.extend(holder.teams.iter().cloned().map(Owner::Team));
        names.extend(
            claimed
                .into_iter()
                .flat_map(|user| user.claimed_teams.iter().cloned().map(Owner::Team)),
        );
        let member = self
            .teams
            .iter()
            .filter(|(_, members)| members.contains(&holder.user));
        names.extend(member.map(|((_, team), _)| Owner::Team(team.clone())));
        let bound = self
            .bindings_of(holder)
            .filter(|(binding, _)| !binding.own)
            .map(|(binding, _)| binding.role);
        names.extend(
            holder
                .roles
                .iter()
                .copied()
                .chain(bound)
                .filter_map(|role| role.as_str().parse().ok())
                .map(Owner::Role),
        );
        names.into_iter().collect()
    }
}
