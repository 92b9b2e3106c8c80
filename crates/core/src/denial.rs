//! Refusals that are written down: who asked for what without the right to it (reliability.md, 43).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::command::{Actor, Command, Envelope};
use crate::event::{Change, Event};
use crate::ids::TokenId;
use crate::rejection::Rejection;
use crate::world::{Asker, World};

/// How many refusals of one person are written down in a minute; more tell nothing new and would fill the journal.
const DENIALS_PER_MINUTE: u32 = 20;
/// Longest text of a refusal that is kept, in characters.
const TEXT_MAX: usize = 500;

/// How many refusals of each person were written down in the current minute.
///
/// A memory of the moment: it is part of no row, and a restart begins it anew.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    minute: i64,
    counts: BTreeMap<String, u32>,
}

impl Denials {
    /// Takes in that a refusal was written down.
    pub(crate) fn count(&mut self, by: &str, at: Timestamp) {
        let minute = minute(at);
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        *self.counts.entry(by.to_owned()).or_default() += 1;
    }

    fn has_room(&self, by: &str, at: Timestamp) -> bool {
        let counted = self.counts.get(by).copied().unwrap_or_default();
        minute(at) != self.minute || counted < DENIALS_PER_MINUTE
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl World {
    /// The fact that a command was refused for want of a right; none where nothing is to be written down.
    ///
    /// Only people are written down, and only refusals that say "you may not": what does not exist, or does not fit,
    /// is no attempt at more than one may do.
    pub fn denial(&self, envelope: &Envelope, rejection: &Rejection) -> Option<Event> {
        let Actor::Token(token) = envelope.actor else {
            return None;
        };
        if !matches!(
            rejection,
            Rejection::Forbidden { .. } | Rejection::NotYours(_)
        ) {
            return None;
        }
        let change = Change::OperationDenied {
            operation: envelope.command.name().to_owned(),
            target: self.target(&envelope.command),
            why: rejection.to_string(),
        };
        self.denied(token, envelope.at, change)
    }

    /// Takes in a refusal that the server gave without asking the world.
    pub(crate) fn decide_denial(
        &self,
        asker: &Asker<'_>,
        token: TokenId,
        operation: &str,
        target: &str,
        why: &str,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        let shortened = |text: &str| text.chars().take(TEXT_MAX).collect::<String>();
        let change = Change::OperationDenied {
            operation: shortened(operation),
            target: shortened(target),
            why: shortened(why),
        };
        Ok(self.denied(token, asker.at, change).into_iter().collect())
    }

    fn denied(&self, token: TokenId, at: Timestamp, change: Change) -> Option<Event> {
        let by = self.holder(token)?.by();
        self.denials.has_room(&by, at).then_some(Event {
            at,
            by,
            release: None,
            path: None,
            change,
        })
    }

    /// What a command is about, as the audit trail names objects.
    fn target(&self, command: &Command) -> String {
        match command {
            Command::ApplyResource { definition, .. } => object::resource(&definition.key),
            Command::DeleteResource { key, .. } => object::resource(key),
            Command::RevokeToken { token } => object::token(*token),
            Command::ChangeUser { user, .. }
            | Command::DisableUser { user }
            | Command::EnableUser { user }
            | Command::SetCredential { user, .. }
            | Command::LinkIdentity { user, .. }
            | Command::UnlinkIdentity { user, .. } => object::user(user),
            Command::SetSecret {
                organization, name, ..
            }
            | Command::DeleteSecret { organization, name } => {
                object::secret(organization.as_ref(), name)
            }
            Command::Activity { release, path, .. } => {
                format!("{}/{path}", object::release(*release))
            }
            other => other.release().map(object::release).unwrap_or_default(),
        }
    }
}

/// How the audit trail names objects: `release/rel-00000042`, `process/payments/train`, `token/tok-0007`.
pub mod object {
    use crate::event::{Change, Event};
    use crate::ids::{Name, ReleaseId, ResourceKey, SecretName, TokenId};

    /// What an event that is about no release is about; none for those that are about nothing with a name.
    pub fn of(event: &Event) -> Option<String> {
        match &event.change {
            Change::ResourceApplied { key, .. } | Change::ResourceDeleted { key } => {
                Some(resource(key))
            }
            Change::TokenIssued { token: id, .. } | Change::TokenRevoked { token: id } => {
                Some(token(*id))
            }
            Change::SecretSet {
                organization, name, ..
            }
            | Change::SecretDeleted { organization, name } => {
                Some(secret(organization.as_ref(), name))
            }
            Change::UserCreated { user, .. }
            | Change::UserChanged { user, .. }
            | Change::UserDisabled { user }
            | Change::UserEnabled { user }
            | Change::CredentialSet { user, .. }
            | Change::IdentityLinked { user, .. }
            | Change::IdentityUnlinked { user, .. } => Some(format!("user/{user}")),
            Change::OperationDenied { target, .. } => {
                Some(target.clone()).filter(|target| !target.is_empty())
            }
            _ => event.release.map(release),
        }
    }

    /// A release.
    pub fn release(id: ReleaseId) -> String {
        format!("release/{id}")
    }

    /// A user.
    pub fn user(name: &Name) -> String {
        format!("user/{name}")
    }

    /// A definition: its kind in lower case, its organization where it has one, its name.
    pub fn resource(key: &ResourceKey) -> String {
        let kind = key.kind.as_str().to_lowercase();
        match &key.organization {
            Some(organization) => format!("{kind}/{organization}/{}", key.name),
            None => format!("{kind}/{}", key.name),
        }
    }

    /// A secret.
    pub fn secret(organization: Option<&Name>, name: &SecretName) -> String {
        match organization {
            Some(organization) => format!("secret/{organization}/{name}"),
            None => format!("secret/{name}"),
        }
    }

    /// A token.
    pub fn token(id: TokenId) -> String {
        format!("token/{id}")
    }
}
