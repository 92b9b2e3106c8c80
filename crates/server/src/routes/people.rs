//! What needs the viewer, and what the viewer was told.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use trainmaster_api::{InboxItem, InboxKind, NotificationView, Page};
use trainmaster_core::event::Work;
use trainmaster_core::release::{Activity, Attempt, Standing};
use trainmaster_store::read::{self, Notification};

use crate::auth::Viewer;
use crate::error::ApiResult;
use crate::extract::Query;
use crate::rows;
use crate::state::App;
use crate::views::event::activity_url;
use crate::views::{instant, instant_of, words};

/// Which page.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListPage {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl ListPage {
    /// The page that is asked for.
    pub(super) fn request(self) -> ApiResult<read::PageRequest> {
        rows::page(self.limit, self.cursor)
    }
}

/// Approvals, questions, checklists and failures that need the viewer.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "people", params(ListPage),
    responses((status = 200, description = "One page", body = Page<InboxItem>)))]
pub(crate) async fn get_inbox(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListPage>,
) -> ApiResult<Json<Page<InboxItem>>> {
    let as_of = app.position();
    let page = query.request()?;
    let owners = viewer.names();
    let organizations = rows::organizations(&viewer, None)?;
    let found = app
        .store()
        .inbox(&owners, organizations.as_deref(), &page)
        .await?;
    let now = app.now();
    Ok(Json(rows::shown(found, as_of, |row| item(&row, now))))
}

fn item(row: &read::InboxItem, now: Timestamp) -> InboxItem {
    let (release, activity) = (&row.release, &row.activity);
    let attempt = activity.attempt();
    let asked = asked(activity, attempt);
    let path = activity.path.to_string();
    InboxItem {
        kind: asked.kind,
        release: release.id.to_string(),
        release_name: release.name.clone(),
        organization: release.organization.as_ref().map(ToString::to_string),
        release_status: words::release_status(release.status()),
        name: path.clone(),
        status: words::activity_status(activity.status()),
        message: asked.message,
        since: attempt.map(|attempt| instant(attempt.ended_at.unwrap_or(attempt.started_at))),
        deadline: instant_of(asked.deadline),
        overdue: asked.deadline.is_some_and(|deadline| deadline <= now),
        error: attempt
            .and_then(Attempt::error)
            .filter(|_| asked.kind == InboxKind::Resolution)
            .map(str::to_owned),
        url: activity_url(&release.id.to_string(), &path),
        path,
    }
}

struct Asked {
    kind: InboxKind,
    message: String,
    deadline: Option<Timestamp>,
}

fn asked(activity: &Activity, attempt: Option<&Attempt>) -> Asked {
    if let Standing::Undecided { unknown, deadline } = activity.standing {
        let message = if unknown {
            "it is not known how it went"
        } else {
            "it failed"
        };
        let message = format!("{message}: decide what becomes of it");
        return Asked {
            kind: InboxKind::Resolution,
            message,
            deadline,
        };
    }
    let or = |message: &str, otherwise: &str| {
        if message.is_empty() {
            otherwise.to_owned()
        } else {
            message.to_owned()
        }
    };
    match attempt.map(|attempt| &attempt.work) {
        Some(Work::Approval {
            rule, deadline_at, ..
        }) => Asked {
            kind: InboxKind::Approval,
            message: or(&rule.message, "approve or reject"),
            deadline: *deadline_at,
        },
        Some(Work::Input { form, .. }) => Asked {
            kind: InboxKind::Input,
            message: or(&form.message, "give the values that are asked for"),
            deadline: None,
        },
        Some(Work::Tasks { list }) => Asked {
            kind: InboxKind::Tasks,
            message: or(&list.message, "work through the checklist"),
            deadline: None,
        },
        Some(Work::Effect | Work::Wait { .. } | Work::Child { .. } | Work::Nothing) | None => {
            Asked {
                kind: InboxKind::Resolution,
                message: "decide what becomes of it".to_owned(),
                deadline: None,
            }
        }
    }
}

/// What the viewer was told, the newest first.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "people", params(ListPage),
    responses((status = 200, description = "One page", body = Page<NotificationView>)))]
pub(crate) async fn list_notifications(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListPage>,
) -> ApiResult<Json<Page<NotificationView>>> {
    let as_of = app.position();
    let page = query.request()?;
    let found = app.store().notifications(&viewer.names(), &page).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for told in found.items {
        let organization = app.organization_of(told.release).await?;
        // A team may have members in several organizations; each sees what its own token may see.
        if organization.is_some_and(|organization| viewer.sees(organization.as_ref())) {
            items.push(notification(told));
        }
    }
    Ok(Json(Page {
        items,
        next: found.next,
        as_of,
    }))
}

fn notification(told: Notification) -> NotificationView {
    let release = told.release.to_string();
    let url = match &told.path {
        Some(path) => activity_url(&release, path),
        None => format!("/api/v1/releases/{release}"),
    };
    NotificationView {
        position: told.position,
        at: instant(told.at),
        release: Some(release),
        path: told.path,
        owners: told.owners,
        message: told.message,
        url: Some(url),
    }
}
