//! Events as streams show them: made once per event, however many streams are open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use trainmaster_core::access::Permission;
use trainmaster_core::ids::{Name, ReleaseId, TokenId};
use trainmaster_core::{Change, Event};
use trainmaster_engine::journal::Record;

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::state::App;
use crate::views;

/// How many events are kept ready.
const KEPT_MAX: usize = 4_096;

/// An event ready to be sent.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Its position.
    pub(crate) position: u64,
    /// Its type.
    pub(crate) event_type: String,
    /// The view as JSON.
    pub(crate) json: String,
    /// The release it is about.
    pub(crate) release: Option<ReleaseId>,
    /// The token that it ends.
    pub(crate) revokes: Option<TokenId>,
    audience: Audience,
}

/// Who may see an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Audience {
    /// Whoever may see what belongs there.
    Of(Option<Name>),
    /// Whoever manages tokens there.
    TokenManagers(Option<Name>),
    /// Whoever manages users.
    UserManagers,
    /// Only who sees everything: where it belongs cannot be told any more.
    Unbound,
}

impl Shown {
    /// Whether a viewer may see it.
    pub(crate) fn is_for(&self, viewer: &Viewer) -> bool {
        match &self.audience {
            Audience::Of(organization) => viewer.sees(organization.as_ref()),
            Audience::TokenManagers(organization) => {
                viewer.may(Permission::TokenManage, organization.as_ref())
            }
            Audience::UserManagers => viewer.may(Permission::UserManage, None),
            Audience::Unbound => viewer.seen().is_everywhere(),
        }
    }
}

/// The newest events, ready to be sent.
#[derive(Default)]
pub(crate) struct ShownEvents(Mutex<BTreeMap<u64, Arc<Shown>>>);

impl ShownEvents {
    /// A record ready to be sent.
    pub(crate) async fn get(&self, app: &App, record: &Record) -> ApiResult<Arc<Shown>> {
        if let Some(shown) = self.kept().get(&record.position) {
            return Ok(shown.clone());
        }
        let shown = Arc::new(show(app, record).await?);
        let mut kept = self.kept();
        kept.insert(record.position, shown.clone());
        if kept.len() > KEPT_MAX {
            kept.pop_first();
        }
        Ok(shown)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Shown>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn show(app: &App, record: &Record) -> ApiResult<Shown> {
    let event = record.event().map_err(ApiError::internal)?;
    let view = views::event::event(record)
        .ok_or_else(|| ApiError::internal(format!("record {} cannot be shown", record.position)))?;
    Ok(Shown {
        position: record.position,
        json: serde_json::to_string(&view).map_err(ApiError::internal)?,
        event_type: view.event_type,
        release: event.release,
        revokes: match &event.change {
            Change::TokenRevoked { token } => Some(*token),
            _ => None,
        },
        audience: audience(app, &event).await?,
    })
}

async fn audience(app: &App, event: &Event) -> ApiResult<Audience> {
    Ok(match &event.change {
        Change::ResourceApplied { key, .. } | Change::ResourceDeleted { key } => {
            Audience::Of(key.organization.clone())
        }
        Change::TokenIssued { organization, .. } => Audience::TokenManagers(organization.clone()),
        Change::TokenRevoked { token } => match app.holder(*token).await? {
            Some(holder) => Audience::TokenManagers(holder.organization),
            None => Audience::Unbound,
        },
        Change::SignedIn { .. }
        | Change::SignInFailed { .. }
        | Change::TokensForgotten { .. }
        | Change::UserCreated { .. }
        | Change::UserChanged { .. }
        | Change::UserDisabled { .. }
        | Change::UserEnabled { .. }
        | Change::CredentialSet { .. }
        | Change::IdentityLinked { .. }
        | Change::IdentityUnlinked { .. } => Audience::UserManagers,
        Change::ReleaseCreated(created) => Audience::Of(created.organization.clone()),
        _ => match event.release {
            Some(release) => app
                .organization_of(release)
                .await?
                .map_or(Audience::Unbound, Audience::Of),
            None => Audience::Unbound,
        },
    })
}
