//! Judges commands about users, and keeps what they become.

use std::collections::BTreeSet;

use super::{Identity, Permission, TokenKind, User};
use crate::command::{NewUser, UserChanges};
use crate::definition::is_hidden;
use crate::entity::EntityKey;
use crate::event::{Change, Event};
use crate::ids::Name;
use crate::rejection::Rejection;
use crate::release::refuse_field;
use crate::world::{Asker, World};

/// Most users of an installation.
const USERS_MAX: usize = 20_000;
/// Longest name for people, mail address, identifier at a provider, in bytes.
const TEXT_MAX: usize = 300;
/// Most identities of one user.
const IDENTITIES_MAX: usize = 20;
/// Most teams that a provider may name for one user.
const CLAIMED_TEAMS_MAX: usize = 500;

impl World {
    pub(crate) fn decide_create_user(
        &self,
        asker: &Asker<'_>,
        new: &NewUser,
    ) -> Result<Vec<Event>, Rejection> {
        asker.needs(Permission::UserManage, None)?;
        if self.policy.user(&new.name).is_some() {
            return Err(refuse_field(
                "name",
                &format!("there is a user `{}` already", new.name),
            ));
        }
        if self.policy.users().count() >= USERS_MAX {
            return Err(Rejection::LimitReached {
                what: "users",
                limit: USERS_MAX as u64,
            });
        }
        length("displayName", &new.display_name)?;
        length("email", &new.email)?;
        self.refuse_becoming(asker, &new.name)?;
        let mut events = vec![asker.fact(Change::UserCreated {
            user: new.name.clone(),
            display_name: new.display_name.clone(),
            email: new.email.clone(),
        })];
        if let Some(identity) = &new.identity {
            self.check_identity(&new.name, identity)?;
            events.push(linked(asker, &new.name, identity));
        }
        if let Some(credential) = &new.credential {
            events.push(asker.fact(Change::CredentialSet {
                user: new.name.clone(),
                credential: credential.clone(),
            }));
        }
        Ok(events)
    }

    pub(crate) fn decide_change_user(
        &self,
        asker: &Asker<'_>,
        name: &Name,
        changes: &UserChanges,
    ) -> Result<Vec<Event>, Rejection> {
        let user = self.managed(asker, name)?;
        if changes.claimed_teams.is_some() {
            asker.is_the_server()?;
        }
        if let Some(text) = &changes.display_name {
            length("displayName", text)?;
        }
        if let Some(text) = &changes.email {
            length("email", text)?;
        }
        let teams = changes.claimed_teams.as_ref().map_or(0, BTreeSet::len);
        if teams > CLAIMED_TEAMS_MAX {
            return Err(Rejection::LimitReached {
                what: "teams named by an identity provider",
                limit: CLAIMED_TEAMS_MAX as u64,
            });
        }
        let change = UserChanges {
            display_name: changes
                .display_name
                .clone()
                .filter(|text| *text != user.display_name),
            email: changes.email.clone().filter(|text| *text != user.email),
            claimed_teams: changes
                .claimed_teams
                .clone()
                .filter(|teams| *teams != user.claimed_teams),
        };
        if change == UserChanges::default() {
            return Ok(Vec::new());
        }
        Ok(vec![asker.fact(Change::UserChanged {
            user: name.clone(),
            display_name: change.display_name,
            email: change.email,
            claimed_teams: change.claimed_teams,
        })])
    }

    pub(crate) fn decide_disable_user(
        &self,
        asker: &Asker<'_>,
        name: &Name,
    ) -> Result<Vec<Event>, Rejection> {
        let user = self.managed(asker, name)?;
        asker.needs(Permission::UserManage, None)?;
        if user.disabled {
            return Ok(Vec::new());
        }
        if asker.holder.is_some_and(|holder| holder.user == *name) {
            return Err(refuse_field(
                "user",
                "nobody can shut themselves out; ask somebody else to",
            ));
        }
        Ok(vec![
            asker.fact(Change::UserDisabled { user: name.clone() }),
        ])
    }

    pub(crate) fn decide_enable_user(
        &self,
        asker: &Asker<'_>,
        name: &Name,
    ) -> Result<Vec<Event>, Rejection> {
        let user = self.managed(asker, name)?;
        asker.needs(Permission::UserManage, None)?;
        if !user.disabled {
            return Ok(Vec::new());
        }
        self.refuse_raising(asker, name)?;
        Ok(vec![asker.fact(Change::UserEnabled { user: name.clone() })])
    }

    pub(crate) fn decide_set_credential(
        &self,
        asker: &Asker<'_>,
        name: &Name,
        credential: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.managed(asker, name)?;
        length("credential", credential)?;
        self.refuse_becoming(asker, name)?;
        Ok(vec![asker.fact(Change::CredentialSet {
            user: name.clone(),
            credential: credential.to_owned(),
        })])
    }

    pub(crate) fn decide_link_identity(
        &self,
        asker: &Asker<'_>,
        name: &Name,
        identity: &Identity,
    ) -> Result<Vec<Event>, Rejection> {
        let user = self.managed(asker, name)?;
        // Who proves to be somebody at a provider is told by the provider, to the server alone.
        asker.needs(Permission::UserManage, None)?;
        if user.identities.contains(identity) {
            return Ok(Vec::new());
        }
        self.check_identity(name, identity)?;
        self.refuse_becoming(asker, name)?;
        Ok(vec![linked(asker, name, identity)])
    }

    pub(crate) fn decide_unlink_identity(
        &self,
        asker: &Asker<'_>,
        name: &Name,
        identity: &Identity,
    ) -> Result<Vec<Event>, Rejection> {
        let user = self.managed(asker, name)?;
        if !user.identities.contains(identity) {
            return Ok(Vec::new());
        }
        Ok(vec![asker.fact(Change::IdentityUnlinked {
            user: name.clone(),
            identity: identity.clone(),
        })])
    }

    /// The user, for whoever manages users and for the user; for others there is no such user.
    fn managed(&self, asker: &Asker<'_>, name: &Name) -> Result<&User, Rejection> {
        let unknown = || Rejection::UnknownUser(name.clone());
        let user = self.policy.user(name).ok_or_else(unknown);
        if asker.is_the_person(name) {
            return user;
        }
        asker.needs(Permission::UserManage, None)?;
        user
    }

    fn check_identity(&self, name: &Name, identity: &Identity) -> Result<(), Rejection> {
        length("issuer", &identity.issuer)?;
        length("subject", &identity.subject)?;
        if identity.issuer.is_empty() || identity.subject.is_empty() {
            return Err(refuse_field("identity", "needs an issuer and a subject"));
        }
        let mut users = self.policy.users();
        if let Some(other) = users.find(|user| user.identities.contains(identity)) {
            let message = format!("belongs to user `{}` already", other.name);
            return Err(refuse_field("identity", &message));
        }
        let known = self
            .policy
            .user(name)
            .map_or(0, |user| user.identities.len());
        if known >= IDENTITIES_MAX {
            return Err(Rejection::LimitReached {
                what: "identities of a user",
                limit: IDENTITIES_MAX as u64,
            });
        }
        Ok(())
    }

    /// The user that an identity provider means.
    pub fn user_of_identity(&self, identity: &Identity) -> Option<&User> {
        self.policy
            .users()
            .find(|user| user.identities.contains(identity))
    }

    /// Takes in a fact about a user.
    pub(crate) fn apply_to_user(&mut self, event: &Event) {
        let (at, by) = (event.at, event.by.as_str());
        let policy = std::sync::Arc::make_mut(&mut self.policy);
        let name = match &event.change {
            Change::UserCreated {
                user,
                display_name,
                email,
            } => {
                policy.set_user(User {
                    name: user.clone(),
                    display_name: display_name.clone(),
                    email: email.clone(),
                    disabled: false,
                    identities: BTreeSet::new(),
                    credential: None,
                    claimed_teams: BTreeSet::new(),
                    created_at: at,
                    created_by: by.to_owned(),
                    updated_at: at,
                    vouched_at: at,
                    vouched_by: by.to_owned(),
                });
                user
            }
            Change::UserChanged { user, .. }
            | Change::UserDisabled { user }
            | Change::UserEnabled { user }
            | Change::CredentialSet { user, .. }
            | Change::IdentityLinked { user, .. }
            | Change::IdentityUnlinked { user, .. } => {
                let known = policy
                    .user_mut(user)
                    .expect("the journal names a known user");
                known.take(event);
                user
            }
            other => {
                debug_assert!(false, "not a fact about users: {other:?}");
                return;
            }
        };
        self.touched.insert(EntityKey::User(name.clone()));
        match &event.change {
            Change::UserDisabled { user } => self.end_tokens(user, |_| true),
            Change::CredentialSet { user, .. } => {
                self.end_tokens(user, |kind| kind == TokenKind::Session);
            }
            _ => (),
        }
    }

    /// Ends tokens of a user that are still good.
    fn end_tokens(&mut self, user: &Name, which: impl Fn(TokenKind) -> bool) {
        for holder in self.holders.values_mut() {
            if holder.user == *user && !holder.revoked && which(holder.kind) {
                holder.revoked = true;
                self.touched.insert(EntityKey::Token(holder.token));
            }
        }
    }
}

impl User {
    fn take(&mut self, event: &Event) {
        self.updated_at = event.at;
        let by_another = event.by != super::holder::by(&self.name);
        match &event.change {
            Change::UserChanged {
                display_name,
                email,
                claimed_teams,
                ..
            } => {
                if let Some(text) = display_name {
                    self.display_name.clone_from(text);
                }
                if let Some(text) = email {
                    self.email.clone_from(text);
                }
                if let Some(teams) = claimed_teams {
                    self.claimed_teams.clone_from(teams);
                }
                return;
            }
            Change::UserDisabled { .. } => self.disabled = true,
            Change::UserEnabled { .. } => self.disabled = false,
            Change::CredentialSet { credential, .. } => {
                self.credential = Some(credential.clone());
            }
            Change::IdentityLinked { identity, .. } => {
                self.identities.insert(identity.clone());
            }
            Change::IdentityUnlinked { identity, .. } => {
                self.identities.remove(identity);
            }
            _ => (),
        }
        if by_another {
            self.vouched_at = event.at;
            self.vouched_by.clone_from(&event.by);
        }
    }
}

fn linked(asker: &Asker<'_>, user: &Name, identity: &Identity) -> Event {
    asker.fact(Change::IdentityLinked {
        user: user.clone(),
        identity: identity.clone(),
    })
}

fn length(field: &str, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_MAX {
        return Err(refuse_field(
            field,
            &format!("has more than {TEXT_MAX} bytes"),
        ));
    }
    if text.chars().any(is_hidden) {
        return Err(refuse_field(field, "holds hidden characters"));
    }
    Ok(())
}
