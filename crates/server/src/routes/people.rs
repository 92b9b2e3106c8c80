//! What needs the viewer, and what the viewer was told.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use trainmaster_api::{
    InboxCounts, InboxItem, InboxKind, MarkRead, NotificationPage, NotificationView, Page,
    UnreadCount,
};
use trainmaster_core::event::Work;
use trainmaster_core::notice;
use trainmaster_core::release::{Activity, Attempt, Standing};
use trainmaster_core::uses::approval::{ApprovalConfig, OnDeadline};
use trainmaster_store::read::{self, Notification, UNREAD_COUNTED_MAX};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Payload, Query};
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
    let found = waiting_for(&app, &viewer, &page).await?;
    let now = app.now();
    Ok(Json(rows::shown(found, as_of, |row| item(&row, now))))
}

/// One page of what needs the viewer.
///
/// The rows are found by names alone; a team or a role of one organization is not meant by what another one writes.
async fn waiting_for(
    app: &App,
    viewer: &Viewer,
    page: &read::PageRequest,
) -> ApiResult<read::Page<read::InboxItem>> {
    let organizations = rows::organizations(viewer, None)?;
    let mut found = app
        .store()
        .inbox(&viewer.names(), organizations.as_deref(), page)
        .await?;
    found.items.retain(|row| {
        let place = row.release.organization.as_ref();
        viewer
            .policy()
            .means_any(viewer.holder(), place, &row.activity.needs)
    });
    Ok(found)
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
        otherwise: asked.otherwise,
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
    /// What happens if nobody acts.
    otherwise: String,
}

/// How much of the inbox is counted.
const COUNTED_MAX: u64 = 1_000;

/// How much needs the viewer, by kind.
#[utoipa::path(get, path = "/api/v1/inbox/counts", tag = "people",
    responses((status = 200, description = "The counts", body = InboxCounts)))]
pub(crate) async fn count_inbox(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<InboxCounts>> {
    let page = read::PageRequest::first(COUNTED_MAX);
    let found = waiting_for(&app, &viewer, &page).await?;
    let now = app.now();
    let mut counts = InboxCounts {
        more: found.next.is_some(),
        ..InboxCounts::default()
    };
    for row in &found.items {
        let item = item(row, now);
        let count = match item.kind {
            InboxKind::Approval => &mut counts.approvals,
            InboxKind::Input => &mut counts.inputs,
            InboxKind::Tasks => &mut counts.tasks,
            InboxKind::Resolution => &mut counts.decisions,
        };
        *count += 1;
        counts.total += 1;
        counts.overdue += u32::from(item.overdue);
    }
    Ok(Json(counts))
}

/// What becomes of an approval that nobody decides.
fn at_the_deadline(rule: &ApprovalConfig) -> String {
    match (rule.deadline.is_some(), rule.on_deadline) {
        (false, _) => "it waits for ever".to_owned(),
        (true, OnDeadline::Keep) => "it stays open and counts as overdue".to_owned(),
        (true, OnDeadline::Reject) => "it counts as rejected".to_owned(),
        (true, OnDeadline::Escalate) => {
            let others: Vec<String> = rule.escalate_to.iter().map(ToString::to_string).collect();
            format!("{} may decide as well", others.join(", "))
        }
    }
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
            otherwise: match deadline {
                Some(_) => "it is given up".to_owned(),
                None => "it waits for ever".to_owned(),
            },
        };
    }
    let for_ever = || "it waits for ever".to_owned();
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
            otherwise: at_the_deadline(rule),
        },
        Some(Work::Input { form, .. }) => Asked {
            kind: InboxKind::Input,
            message: or(&form.message, "give the values that are asked for"),
            deadline: attempt.and_then(|attempt| attempt.deadline),
            otherwise: attempt
                .and_then(|attempt| attempt.deadline)
                .map_or_else(for_ever, |_| "it fails".to_owned()),
        },
        Some(Work::Tasks { list }) => Asked {
            kind: InboxKind::Tasks,
            message: or(&list.message, "work through the checklist"),
            deadline: attempt.and_then(|attempt| attempt.deadline),
            otherwise: attempt
                .and_then(|attempt| attempt.deadline)
                .map_or_else(for_ever, |_| "it fails".to_owned()),
        },
        Some(Work::Effect | Work::Wait { .. } | Work::Child { .. } | Work::Nothing) | None => {
            Asked {
                kind: InboxKind::Resolution,
                message: "decide what becomes of it".to_owned(),
                deadline: None,
                otherwise: for_ever(),
            }
        }
    }
}

/// Which notices.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct NoticePage {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only what the viewer has not read.
    unread: bool,
}

/// Most notices that are marked as read one by one in one request.
const MARKED_MAX: usize = 500;

/// What the viewer was told, the newest first.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "people", params(NoticePage),
    responses((status = 200, description = "One page, and how much is unread", body = NotificationPage)))]
pub(crate) async fn list_notifications(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<NoticePage>,
) -> ApiResult<Json<NotificationPage>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor)?;
    let (names, user) = (viewer.names(), &viewer.holder().user);
    let found = match query.unread {
        true => app.store().unread(user, &names, &page).await?,
        false => app.store().notifications(&names, &page).await?,
    };
    let told = visible(&app, &viewer, found.items).await?;
    let positions: Vec<u64> = told.iter().map(|told| told.position).collect();
    let read = app.store().read_of(user, &positions).await?;
    let UnreadCount {
        unread,
        unread_more,
    } = unread(&app, &viewer).await?;
    let items = told.into_iter().map(|told| {
        let is_read = read.contains(&told.position);
        notification(told, is_read)
    });
    Ok(Json(NotificationPage {
        items: items.collect(),
        next: found.next,
        as_of,
        unread,
        unread_more,
    }))
}

/// Marks what the viewer has read; the answer says how much is left.
#[utoipa::path(post, path = "/api/v1/notifications/read", tag = "people", request_body = MarkRead,
    responses((status = 200, description = "How much is unread now", body = UnreadCount)))]
pub(crate) async fn mark_notifications_read(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<MarkRead>,
) -> ApiResult<Json<UnreadCount>> {
    let MarkRead { up_to, positions } = payload.body;
    if positions.len() > MARKED_MAX {
        return Err(ApiError::invalid_field(
            "positions",
            format!("at most {MARKED_MAX} can be marked at once; use `upTo` for more"),
        ));
    }
    let user = &viewer.holder().user;
    let head = app.position();
    if let Some(up_to) = up_to {
        app.store().mark_all_read(user, up_to.min(head)).await?;
    }
    let told: Vec<u64> = positions
        .into_iter()
        .filter(|position| *position <= head)
        .collect();
    if !told.is_empty() {
        app.store().mark_read(user, &told).await?;
    }
    Ok(Json(unread(&app, &viewer).await?))
}

async fn unread(app: &App, viewer: &Viewer) -> ApiResult<UnreadCount> {
    let page = read::PageRequest::first(UNREAD_COUNTED_MAX as u64);
    let user = &viewer.holder().user;
    let found = app.store().unread(user, &viewer.names(), &page).await?;
    let unread_more = found.next.is_some();
    let told = visible(app, viewer, found.items).await?;
    Ok(UnreadCount {
        unread: u32::try_from(told.len()).unwrap_or(u32::MAX),
        unread_more,
    })
}

/// What of it the viewer may see: a team may have members in several organizations, and each sees its own.
async fn visible(
    app: &App,
    viewer: &Viewer,
    told: Vec<Notification>,
) -> ApiResult<Vec<Notification>> {
    let mut seen = Vec::with_capacity(told.len());
    for told in told {
        let home = match told.release {
            Some(release) => app.organization_of(release).await?,
            None => Some(told.home.clone()),
        };
        if home.is_some_and(|organization| viewer.sees(organization.as_ref())) {
            seen.push(told);
        }
    }
    Ok(seen)
}

fn notification(told: Notification, read: bool) -> NotificationView {
    let url = told.release.map(|release| match &told.path {
        Some(path) => activity_url(&release.to_string(), path),
        None => format!("/api/v1/releases/{release}"),
    });
    let path = told.path.as_deref().and_then(|path| path.parse().ok());
    let phase = told.phase.as_deref().and_then(|phase| phase.parse().ok());
    NotificationView {
        position: told.position,
        at: instant(told.at),
        release: told.release.map(|release| release.to_string()),
        link: notice::link(told.release, phase.as_ref(), path.as_ref()),
        phase: told.phase,
        path: told.path,
        kind: told.kind,
        need: told.need,
        urgent: told.urgent,
        read,
        owners: told.owners,
        message: told.message,
        url,
    }
}
