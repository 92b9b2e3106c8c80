//! Sign-ins and users as the API shows them: never a token, never a password.

use jiff::Timestamp;
use trainmaster_api::{IdentityView, SessionView, UserView};
use trainmaster_core::access::{Holder, User};

use super::{instant, instant_of};

/// A sign-in, with when and from where it was last used.
pub(crate) fn session(
    holder: &Holder,
    current: bool,
    used: Option<&(Timestamp, String)>,
) -> SessionView {
    let scope = holder.scope.as_ref();
    let permissions = scope.and_then(|scope| scope.permissions.as_ref());
    SessionView {
        id: holder.token.to_string(),
        user: holder.user.to_string(),
        kind: holder.kind.as_str().to_owned(),
        description: holder.description.clone(),
        current,
        issued_at: instant(holder.issued_at),
        expires_at: instant_of(holder.expires_at),
        last_used_at: used.map(|(at, _)| instant(*at)),
        last_used_from: used
            .map(|(_, source)| source.clone())
            .filter(|source| !source.is_empty()),
        permissions: permissions.map(|permissions| {
            let words = permissions.iter().map(|permission| permission.as_str());
            words.map(str::to_owned).collect()
        }),
        organization: scope
            .and_then(|scope| scope.organization.as_ref())
            .map(ToString::to_string),
    }
}

/// A user.
pub(crate) fn user(user: &User) -> UserView {
    let identity = |identity: &trainmaster_core::access::Identity| IdentityView {
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
    };
    UserView {
        name: user.name.to_string(),
        display_name: user.display_name.clone(),
        email: user.email.clone(),
        disabled: user.disabled,
        has_password: user.credential.is_some(),
        identities: user.identities.iter().map(identity).collect(),
        claimed_teams: user.claimed_teams.iter().map(ToString::to_string).collect(),
        created_at: instant(user.created_at),
        created_by: user.created_by.clone(),
        updated_at: instant(user.updated_at),
    }
}
