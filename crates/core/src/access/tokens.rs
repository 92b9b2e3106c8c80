//! Judges commands about tokens.

use jiff::{SignedDuration, Timestamp};

use super::{Holder, Permission, Role, TokenKind};
use crate::command::NewToken;
use crate::event::{Change, Event};
use crate::ids::{Name, TokenId};
use crate::rejection::Rejection;
use crate::release::refuse_field;
use crate::world::{Asker, World};

/// Most tokens of an installation.
const TOKENS_MAX: usize = 10_000;
/// Most calendar feeds of one user that still answer.
const FEEDS_MAX: usize = 20;
/// Most tokens of one kind that one person has at a time.
const PERSON_TOKENS_MAX: usize = 50;
/// The longest life of a token, in days.
const TOKEN_DAYS_MAX: i64 = 366;

impl World {
    pub(crate) fn decide_issue(
        &self,
        asker: &Asker<'_>,
        new: &NewToken,
    ) -> Result<Vec<Event>, Rejection> {
        match new.kind {
            TokenKind::Service => {
                asker.needs(Permission::TokenManage, new.organization.as_ref())?;
                if new.roles.is_empty() {
                    return Err(refuse_field("roles", "name at least one role"));
                }
                self.refuse_more_than_held(asker, new)?;
            }
            TokenKind::Personal | TokenKind::Session | TokenKind::Feed => {
                self.check_own_token(asker, new)?;
            }
        }
        let kept = self.holders.values();
        let lasting = kept.filter(|holder| holder.kind != TokenKind::Session);
        if lasting.count() >= TOKENS_MAX {
            return Err(Rejection::LimitReached {
                what: "tokens",
                limit: TOKENS_MAX as u64,
            });
        }
        if new.kind != TokenKind::Service {
            self.refuse_too_many_of(&new.user, new.kind, asker.at)?;
        }
        let first = asker.holder.is_none() && new.roles.contains(&Role::Administrator);
        match new.expires_at {
            None if !first => return Err(refuse_field("expiresAt", "a token needs an end")),
            Some(end) if end <= asker.at => {
                return Err(refuse_field("expiresAt", "lies in the past"));
            }
            Some(end) if end > asker.at + SignedDuration::from_hours(24 * TOKEN_DAYS_MAX) => {
                return Err(refuse_field("expiresAt", "lies more than 366 days ahead"));
            }
            _ => (),
        }
        if new.teams.len() > 100 {
            return Err(refuse_field("teams", "has more than 100 entries"));
        }
        crate::release::check_text("description", &new.description)?;
        let token = TokenId(self.meta.last_token + 1);
        let NewToken {
            digest,
            user,
            teams,
            roles,
            organization,
            kind,
            scope,
            expires_at,
            description,
        } = new.clone();
        let issued = Change::TokenIssued {
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
        };
        Ok(vec![asker.fact(issued)])
    }

    fn feeds_of(&self, user: &Name, at: Timestamp) -> usize {
        let own = self.holders.values().filter(|holder| {
            holder.kind == TokenKind::Feed && holder.user == *user && holder.is_valid(at)
        });
        own.count()
    }

    /// A token that follows its user is the user's own affair, and holds no more than the one it is asked with.
    fn check_own_token(&self, asker: &Asker<'_>, new: &NewToken) -> Result<(), Rejection> {
        let feed = new.kind == TokenKind::Feed;
        let plain = new.roles.is_empty() && new.organization.is_none() && new.teams.is_empty();
        let Some(holder) = asker.holder else {
            if !feed && self.policy.user(&new.user).is_none_or(|user| user.disabled) {
                return Err(refuse_field("user", "is nobody who can sign in"));
            }
            return Ok(());
        };
        if holder.user != new.user {
            return Err(Rejection::NotYours(
                "a personal token is made by the person it belongs to".to_owned(),
            ));
        }
        if new.kind == TokenKind::Session {
            return Err(Rejection::NotYours(
                "it begins with a sign-in, not with a token".to_owned(),
            ));
        }
        let same_rights = plain && holder.follows_its_user();
        let copied = feed
            && new.roles == holder.roles
            && new.organization == holder.organization
            && new.teams == holder.teams;
        if !same_rights && !copied {
            return Err(Rejection::NotYours(
                "a machine's token cannot ask for a person's".to_owned(),
            ));
        }
        if feed && self.feeds_of(&holder.user, asker.at) >= FEEDS_MAX {
            return Err(Rejection::LimitReached {
                what: "calendar feeds of one user",
                limit: FEEDS_MAX as u64,
            });
        }
        let unlimited = super::TokenScope::default();
        let (asked, held) = (
            new.scope.as_ref().unwrap_or(&unlimited),
            holder.scope.as_ref().unwrap_or(&unlimited),
        );
        if !asked.lies_within(held) {
            return Err(refuse_field(
                "scope",
                "reaches further than the token it is asked with",
            ));
        }
        Ok(())
    }

    /// Refuses one more token of a person, who would else use up what is left for everybody.
    pub(crate) fn refuse_too_many_of(
        &self,
        user: &Name,
        kind: TokenKind,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let own = self
            .holders
            .values()
            .filter(|holder| holder.user == *user && holder.kind == kind && holder.is_valid(now));
        if own.count() < PERSON_TOKENS_MAX {
            return Ok(());
        }
        Err(Rejection::LimitReached {
            what: "tokens of one person",
            limit: PERSON_TOKENS_MAX as u64,
        })
    }

    pub(crate) fn decide_revoke(
        &self,
        asker: &Asker<'_>,
        token: TokenId,
    ) -> Result<Vec<Event>, Rejection> {
        let may = |holder: &&Holder| {
            let own = asker.holder.is_some_and(|own| own.user == holder.user);
            own || asker
                .needs(Permission::TokenManage, holder.organization.as_ref())
                .is_ok()
        };
        let holder = self.holders.get(&token).filter(may);
        let holder = holder.ok_or(Rejection::UnknownToken(token))?;
        if holder.revoked {
            return Ok(Vec::new());
        }
        Ok(vec![asker.fact(Change::TokenRevoked { token })])
    }
}
