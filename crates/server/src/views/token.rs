//! Tokens as the API shows them: never the token, never its digest.

use jiff::Timestamp;
use trainmaster_api::{TokenView, Whoami};
use trainmaster_core::access::{Holder, Permission};

use super::words::role;
use super::{instant, instant_of};
use crate::auth::Viewer;

/// A token.
pub(crate) fn token(holder: &Holder, now: Timestamp) -> TokenView {
    TokenView {
        id: holder.token.to_string(),
        user: holder.user.to_string(),
        teams: holder.teams.iter().map(ToString::to_string).collect(),
        roles: holder.roles.iter().copied().map(role).collect(),
        organization: holder.organization.as_ref().map(ToString::to_string),
        expires_at: instant_of(holder.expires_at),
        issued_at: instant(holder.issued_at),
        issued_by: holder.issued_by.clone(),
        description: holder.description.clone(),
        revoked: holder.revoked,
        valid: holder.is_valid(now),
    }
}

/// The caller.
pub(crate) fn whoami(viewer: &Viewer, now: Timestamp) -> Whoami {
    let holder = viewer.holder();
    let granted = |permission: &Permission| viewer.policy().may_somewhere(holder, *permission);
    let permissions = Permission::ALL
        .into_iter()
        .filter(granted)
        .map(|permission| permission.as_str().to_owned());
    Whoami {
        token: token(holder, now),
        permissions: permissions.collect(),
    }
}
