//! Judges sign-ins: who is let in was found out at the edge, and whether it still holds is judged here.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::access::{Holder, Identity, Policy, TokenKind, User};
use crate::event::{Change, Event};
use crate::ids::{Name, Owner, TokenId};
use crate::rejection::Rejection;
use crate::release::refuse_field;
use crate::signin::{FailedSignIn, Person, Proof, SignIn, SignInMethod};
use crate::world::{Asker, World};

/// Sessions of one user at a time; the oldest ends when there would be more.
const SESSIONS_MAX: usize = 20;
/// Tokens of one user that have ended and are still shown to the user.
const ENDED_KEPT: usize = 10;
/// Tokens of everybody that are forgotten at one sign-in, so that its work stays bounded.
const FORGOTTEN_MAX: usize = 100;
/// How long after its end a token of a person is forgotten in any case.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The longest session.
const SESSION_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);
/// The longest life of a personal token.
const PERSONAL_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Longest address, in bytes.
const SOURCE_MAX: usize = 100;
/// Most teams that a provider may name for one user.
const TEAMS_MAX: usize = 500;
/// Most users of an installation.
const USERS_MAX: usize = 20_000;
/// Longest name for people and mail address, in characters: they fit the limits for bytes.
const TEXT_CHARACTERS_MAX: usize = 75;
/// Longest issuer and subject, in bytes.
const IDENTITY_BYTES_MAX: usize = 300;
/// How many names are tried for somebody whose own name is taken.
const NAMES_TRIED: u32 = 1_000;
/// Longest name of a user, as of every [`Name`].
const NAME_MAX: usize = 63;

impl World {
    pub(crate) fn decide_sign_in(
        &self,
        asker: &Asker<'_>,
        sign_in: &SignIn,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        check_end(asker.at, sign_in)?;
        let mut changes = Vec::new();
        let user = match &sign_in.proof {
            Proof::Password { user, credential } => self.proven_by_password(user, credential)?,
            Proof::Identity {
                identity, person, ..
            } => self.proven_by_identity(identity, person, &mut changes)?,
        };
        if sign_in.kind == TokenKind::Personal {
            self.refuse_too_many_of(&user, TokenKind::Personal, asker.at)?;
        }
        let person = Owner::User(user.clone()).to_string();
        self.end_old_sessions(asker.at, &user, sign_in, &mut changes);
        let token = TokenId(self.meta.last_token + 1);
        changes.push(Change::TokenIssued {
            token,
            digest: sign_in.digest.clone(),
            user: user.clone(),
            teams: Vec::new(),
            roles: Vec::new(),
            organization: None,
            kind: sign_in.kind,
            scope: sign_in.scope.clone(),
            expires_at: Some(sign_in.expires_at),
            description: sign_in.description.clone(),
        });
        changes.push(Change::SignedIn {
            user,
            token,
            method: sign_in.proof.method(),
            provider: sign_in.proof.provider().cloned(),
            source: sign_in.source.chars().take(SOURCE_MAX).collect(),
        });
        let events = changes.into_iter().map(|change| {
            // Whoever makes a user known for the first time is the server; the rest the person does.
            let is_the_servers = matches!(
                change,
                Change::UserCreated { .. }
                    | Change::IdentityLinked { .. }
                    | Change::UserChanged { .. }
                    | Change::TokensForgotten { .. }
            );
            let fact = asker.fact(change);
            match is_the_servers {
                true => fact,
                false => Event {
                    by: person.clone(),
                    ..fact
                },
            }
        });
        Ok(events.collect())
    }

    /// The user, if the password that was compared is still the user's.
    fn proven_by_password(&self, user: &Name, credential: &str) -> Result<Name, Rejection> {
        let holds =
            |known: &&User| !known.disabled && known.credential.as_deref() == Some(credential);
        let known = self.policy.user(user).filter(holds);
        known
            .map(|known| known.name.clone())
            .ok_or(Rejection::SignInRefused)
    }

    /// The user whom an identity provider means: found by issuer and subject and by nothing else (reliability.md, S4).
    fn proven_by_identity(
        &self,
        identity: &Identity,
        person: &Person,
        changes: &mut Vec<Change>,
    ) -> Result<Name, Rejection> {
        if person.teams.len() > TEAMS_MAX {
            return Err(Rejection::LimitReached {
                what: "teams named by an identity provider",
                limit: TEAMS_MAX as u64,
            });
        }
        let (name, teams) = match self.user_of_identity(identity) {
            Some(known) if known.disabled => return Err(Rejection::SignInRefused),
            Some(known) => (known.name.clone(), known.claimed_teams.clone()),
            None if !person.may_be_new => return Err(Rejection::SignInRefused),
            None if self.policy.users().count() >= USERS_MAX => {
                return Err(Rejection::LimitReached {
                    what: "users",
                    limit: USERS_MAX as u64,
                });
            }
            None if identity.issuer.len().max(identity.subject.len()) > IDENTITY_BYTES_MAX => {
                return Err(refuse_field("identity", "is too long"));
            }
            None => {
                let name = self.free_name(&person.name)?;
                changes.extend(made_known(&name, identity, person));
                (name, BTreeSet::new())
            }
        };
        if teams != person.teams {
            changes.push(Change::UserChanged {
                user: name.clone(),
                display_name: None,
                email: None,
                claimed_teams: Some(person.teams.clone()),
            });
        }
        Ok(name)
    }

    /// A name that nobody has and that nothing grants a right to: the wanted one, or the same with a number.
    ///
    /// Rights are bound to names, so a stranger must not become somebody by choosing a name at a provider.
    fn free_name(&self, wanted: &Name) -> Result<Name, Rejection> {
        let numbered = |number: u32| {
            let suffix = format!("-{number}");
            let stem: String = wanted
                .as_str()
                .chars()
                .take(NAME_MAX - suffix.len())
                .collect();
            format!("{}{suffix}", stem.trim_end_matches('-'))
                .parse()
                .ok()
        };
        let candidates =
            std::iter::once(wanted.clone()).chain((2..NAMES_TRIED).filter_map(numbered));
        let is_free = |name: &Name| {
            self.policy.user(name).is_none()
                && !self.policy.names_user(name)
                && !self.holders.values().any(|holder| holder.user == *name)
        };
        let mut candidates = candidates.filter(is_free);
        candidates.next().ok_or(Rejection::LimitReached {
            what: "users with one name",
            limit: u64::from(NAMES_TRIED),
        })
    }

    /// Ends what the new session replaces and what is too much, and forgets what ended long ago.
    fn end_old_sessions(
        &self,
        now: Timestamp,
        user: &Name,
        sign_in: &SignIn,
        changes: &mut Vec<Change>,
    ) {
        let is_own = |holder: &&Holder| holder.user == *user;
        let mut ended = Vec::new();
        if sign_in.kind == TokenKind::Session {
            let live: Vec<TokenId> = self
                .holders
                .values()
                .filter(is_own)
                .filter(|holder| holder.kind == TokenKind::Session && !holder.revoked)
                .map(|holder| holder.token)
                .collect();
            let surplus = (live.len() + 1).saturating_sub(SESSIONS_MAX);
            let oldest = live.iter().take(surplus);
            // Whoever shows a session may end it, also if it is somebody else's in the same browser.
            let replaced = sign_in.replaces.filter(|token| {
                let holder = self.holders.get(token);
                holder.is_some_and(|holder| holder.kind == TokenKind::Session && !holder.revoked)
            });
            ended = oldest.copied().chain(replaced).collect();
            ended.sort_unstable();
            ended.dedup();
        }
        changes.extend(
            ended
                .iter()
                .map(|token| Change::TokenRevoked { token: *token }),
        );
        let forgotten = self.forgettable_tokens(user, now);
        if !forgotten.is_empty() {
            changes.push(Change::TokensForgotten { tokens: forgotten });
        }
    }

    /// Tokens of people that have ended: all but the newest of this user, and of everybody those of long ago.
    fn forgettable_tokens(&self, user: &Name, now: Timestamp) -> Vec<TokenId> {
        let of_people = self
            .holders
            .values()
            .filter(|holder| holder.kind != TokenKind::Service && !holder.is_valid(now));
        let mut own = Vec::new();
        let mut forgotten = BTreeSet::new();
        for holder in of_people {
            let is_long_ago = holder
                .expires_at
                .is_some_and(|end| now.duration_since(end) >= FORGOTTEN_AFTER);
            if is_long_ago {
                forgotten.insert(holder.token);
            } else if holder.user == *user {
                own.push(holder.token);
            }
        }
        let surplus = own.len().saturating_sub(ENDED_KEPT);
        forgotten.extend(own.into_iter().take(surplus));
        forgotten.into_iter().take(FORGOTTEN_MAX).collect()
    }

    pub(crate) fn decide_sign_in_failed(
        &self,
        asker: &Asker<'_>,
        failed: &FailedSignIn,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        let known = failed
            .user
            .clone()
            .filter(|user| self.policy.user(user).is_some());
        let harmless = |text: &str| -> String {
            let letters = text.chars().filter(|letter| !letter.is_control());
            letters.take(300).collect()
        };
        Ok(vec![asker.fact(Change::SignInFailed {
            user: known,
            method: failed.method,
            provider: failed.provider.clone(),
            source: harmless(&failed.source).chars().take(SOURCE_MAX).collect(),
            reason: harmless(&failed.reason),
            failures: failed.failures,
            left_out: failed.left_out,
        })])
    }
}

impl Policy {
    /// Whether a binding or a team means somebody of this name.
    fn names_user(&self, name: &Name) -> bool {
        let owner = Owner::User(name.clone());
        let bound = self
            .bindings()
            .any(|binding| binding.subjects.contains(&owner));
        bound || self.teams().any(|(.., members)| members.contains(name))
    }
}

fn made_known(name: &Name, identity: &Identity, person: &Person) -> [Change; 2] {
    let short = |text: &str| -> String {
        let letters = text.chars().filter(|letter| !letter.is_control());
        letters.take(TEXT_CHARACTERS_MAX).collect()
    };
    [
        Change::UserCreated {
            user: name.clone(),
            display_name: short(&person.display_name),
            email: short(&person.email),
        },
        Change::IdentityLinked {
            user: name.clone(),
            identity: identity.clone(),
        },
    ]
}

impl Proof {
    /// How the person proved who they are.
    pub fn method(&self) -> SignInMethod {
        match self {
            Proof::Password { .. } => SignInMethod::Password,
            Proof::Identity { .. } => SignInMethod::Oidc,
        }
    }

    fn provider(&self) -> Option<&Name> {
        match self {
            Proof::Password { .. } => None,
            Proof::Identity { provider, .. } => Some(provider),
        }
    }
}

fn check_end(now: Timestamp, sign_in: &SignIn) -> Result<(), Rejection> {
    let longest = match sign_in.kind {
        TokenKind::Session => SESSION_MAX,
        TokenKind::Personal => PERSONAL_MAX,
        TokenKind::Service | TokenKind::Feed => {
            return Err(refuse_field("kind", "is nothing that a sign-in brings"));
        }
    };
    if sign_in.expires_at <= now {
        return Err(refuse_field("expiresAt", "lies in the past"));
    }
    if sign_in.expires_at > now + longest {
        return Err(refuse_field("expiresAt", "lies too far ahead"));
    }
    crate::release::check_text("description", &sign_in.description)
}
