//! Nobody hands out what they do not hold, and nobody opens their own gate (reliability.md, 27, 31, S8, S9).

use std::collections::BTreeSet;

use super::{Binding, Holder, Permission, Policy, Role};
use crate::command::NewToken;
use crate::definition::Body;
use crate::ids::{Name, Owner, ResourceKey};
use crate::rejection::Rejection;
use crate::release::Release;
use crate::world::{Asker, World, place};

/// A role that somebody has by a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    /// Who; a team stands for those whom an identity provider names as its members.
    subject: Owner,
    role: Role,
    organization: Option<Name>,
    own: bool,
}

impl Policy {
    /// Everything that bindings give to anybody.
    fn grants(&self) -> BTreeSet<Grant> {
        self.bindings()
            .flat_map(|binding| self.grants_of(binding))
            .collect()
    }

    fn grants_of(&self, binding: &Binding) -> BTreeSet<Grant> {
        let mut subjects = BTreeSet::new();
        for subject in &binding.subjects {
            subjects.insert(subject.clone());
            if let Owner::Team(team) = subject {
                let members = self.team(binding.organization.as_ref(), team);
                subjects.extend(members.into_iter().flatten().cloned().map(Owner::User));
            }
        }
        let grant = |subject| Grant {
            subject,
            role: binding.role,
            organization: binding.organization.clone(),
            own: binding.own,
        };
        subjects.into_iter().map(grant).collect()
    }

    /// Everything that a user would have by bindings, if signed in.
    fn grants_to(&self, user: &Name) -> impl Iterator<Item = Grant> {
        let named = move |grant: &Grant| match &grant.subject {
            Owner::User(name) => name == user,
            Owner::Team(team) => self
                .user(user)
                .is_some_and(|user| user.claimed_teams.contains(team)),
            Owner::Role(_) => false,
        };
        self.grants().into_iter().filter(named)
    }

    /// The first permission of a role that a holder does not have itself for everything in a place.
    fn lacks_of(
        &self,
        holder: &Holder,
        role: Role,
        organization: Option<&Name>,
    ) -> Option<Permission> {
        role.permissions().find(|permission| {
            let held = self.where_may(holder, *permission);
            match organization {
                None => !held.is_everywhere(),
                Some(_) => !held.includes(organization),
            }
        })
    }
}

impl Asker<'_> {
    /// Refuses to let somebody hand out a role that they do not hold there themselves.
    fn needs_role(&self, role: Role, organization: Option<&Name>) -> Result<(), Rejection> {
        let Some(holder) = self.holder else {
            return Ok(());
        };
        match self.policy.lacks_of(holder, role, organization) {
            None => Ok(()),
            Some(permission) => Err(Rejection::Forbidden {
                permission,
                place: format!(
                    "{}, because nobody hands out what they do not hold: that is `{role}`",
                    place(organization)
                ),
            }),
        }
    }
}

impl World {
    /// Refuses a change of a team or a binding by which anybody gets what the asker does not hold.
    pub(crate) fn refuse_escalation(
        &self,
        asker: &Asker<'_>,
        key: &ResourceKey,
        body: Option<&Body>,
    ) -> Result<(), Rejection> {
        if !Policy::concerns(key.kind) || asker.holder.is_none() {
            return Ok(());
        }
        let mut after = Policy::clone(&self.policy);
        after.take_body(key, body);
        let before = self.policy.grants();
        for grant in after.grants().difference(&before) {
            asker.needs_role(grant.role, grant.organization.as_ref())?;
        }
        Ok(())
    }

    /// Refuses to give somebody back rights that the asker does not hold.
    pub(crate) fn refuse_raising(&self, asker: &Asker<'_>, user: &Name) -> Result<(), Rejection> {
        for grant in self.policy.grants_to(user) {
            asker.needs_role(grant.role, grant.organization.as_ref())?;
        }
        Ok(())
    }

    /// Refuses to say how another person gets in, unless the asker holds everything that the person does.
    pub(crate) fn refuse_becoming(&self, asker: &Asker<'_>, user: &Name) -> Result<(), Rejection> {
        if asker.is_the_person(user) {
            return Ok(());
        }
        asker.needs(Permission::UserManage, None)?;
        self.refuse_raising(asker, user)
    }

    /// Refuses a machine's token with more than the asker holds: roles, teams, or the name of somebody else.
    pub(crate) fn refuse_more_than_held(
        &self,
        asker: &Asker<'_>,
        new: &NewToken,
    ) -> Result<(), Rejection> {
        let Some(holder) = asker.holder else {
            return Ok(());
        };
        for role in &new.roles {
            asker.needs_role(*role, new.organization.as_ref())?;
        }
        let stranger = holder.user != new.user;
        if stranger && self.policy.user(&new.user).is_some() {
            asker.needs(Permission::UserManage, None)?;
        }
        for (organization, team, members) in self.policy.teams() {
            let joins = new.teams.contains(team) || (stranger && members.contains(&new.user));
            if joins && !self.policy.is_member(holder, organization, team) {
                asker.needs(Permission::AccessManage, organization)?;
            }
        }
        Ok(())
    }
}

/// Why a vote counts for nothing although an approver entry means the voter: whoever asked for the release has,
/// since asking, changed what makes the voter an approver (reliability.md, S9).
pub(crate) fn opened_by_requester(
    policy: &Policy,
    release: &Release,
    voter: &Holder,
    entry: &Owner,
) -> Option<String> {
    let requester = release.created_by.as_str();
    let since_asking = |at: jiff::Timestamp, by: &str| {
        by == requester && requester != "system" && at > release.created_at
    };
    let place = release.organization.as_ref();
    let in_person = voter.by() == requester && matches!(entry, Owner::User(_));
    if in_person {
        return None;
    }
    let why = |what: &str| {
        Some(format!(
            "{requester} asked for the release and has {what} since"
        ))
    };
    if !voter.follows_its_user() && since_asking(voter.issued_at, &voter.issued_by) {
        return why("made this token");
    }
    let user = policy.user(&voter.user).filter(|_| voter.by() != requester);
    if user.is_some_and(|user| since_asking(user.vouched_at, &user.vouched_by)) {
        return why(&format!("decided how user:{} gets in", voter.user));
    }
    let changed = match entry {
        Owner::User(_) => false,
        Owner::Team(team) => policy.is_team_changed(place, team, since_asking),
        Owner::Role(role) => policy
            .bindings_of(voter)
            .filter(|(binding, _)| binding.role.as_str() == role.as_str())
            .any(|(binding, subject)| policy.is_binding_changed(binding, subject, since_asking)),
    };
    if changed {
        why(&format!("changed who belongs to {entry}"))
    } else {
        None
    }
}
