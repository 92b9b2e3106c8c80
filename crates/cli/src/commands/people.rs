//! What needs you, and what you were told: `inbox`, `notifications`.

use serde_json::Value;
use trainmaster_api::{InboxItem, MarkRead, NotificationView};

use super::{Column, Session, age, column, distance, wide_column, word};
use crate::args::{Format, NotificationsArgs};
use crate::client;
use crate::failure::Done;
use crate::output;

const INBOX: &[Column<InboxItem>] = &[
    column("KIND", |item, _| word(&item.kind)),
    column("RELEASE", |item, _| item.release.clone()),
    column("NAME", |item, _| output::plain(&item.release_name)),
    column("ACTIVITY", |item, _| item.path.clone()),
    column("WAITING", |item, now| {
        item.since
            .as_ref()
            .map_or_else(String::new, |at| age(at, now))
    }),
    column("DEADLINE", |item, now| {
        let distance = distance(item.deadline.as_deref(), now);
        if item.overdue {
            format!("{distance} (overdue)")
        } else {
            distance
        }
    }),
    column("MESSAGE", |item, _| {
        output::plain(item.error.as_deref().unwrap_or(&item.message))
    }),
    wide_column("OTHERWISE", |item, _| output::plain(&item.otherwise)),
    wide_column("ORGANIZATION", |item, _| {
        item.organization.clone().unwrap_or_default()
    }),
    wide_column("STATUS", |item, _| word(&item.status)),
];

/// `inbox`.
pub(crate) async fn inbox(session: &Session) -> Done {
    let items = client::list(&session.client, &["api", "v1", "inbox"], &[], 10_000).await?;
    if items.is_empty() && matches!(session.format, Format::Table | Format::Wide) {
        output::note("nothing needs you");
        return Ok(());
    }
    session.print_list(
        items,
        |item: &InboxItem| format!("{} {}", item.release, item.path),
        INBOX,
    )
}

const NOTIFICATIONS: &[Column<NotificationView>] = &[
    column("", |item, _| match (item.read, item.urgent) {
        (true, _) => String::new(),
        (false, true) => "!".to_owned(),
        (false, false) => "•".to_owned(),
    }),
    column("AGE", |item, now| age(&item.at, now)),
    wide_column("KIND", |item, _| item.kind.clone().unwrap_or_default()),
    column("RELEASE", |item, _| {
        item.release.clone().unwrap_or_default()
    }),
    column("ACTIVITY", |item, _| item.path.clone().unwrap_or_default()),
    column("MESSAGE", |item, _| output::plain(&item.message)),
    wide_column("TO", |item, _| item.owners.join(",")),
];

/// `notifications`.
pub(crate) async fn notifications(session: &Session, args: &NotificationsArgs) -> Done {
    let path = ["api", "v1", "notifications"];
    let query: &[(&str, String)] = match args.unread {
        true => &[("unread", "true".to_owned())],
        false => &[],
    };
    let items = client::list(&session.client, &path, query, args.page.limit).await?;
    if args.mark_read {
        let newest = items.iter().filter_map(|item| item["position"].as_u64());
        let request = MarkRead {
            up_to: newest.max(),
            positions: Vec::new(),
        };
        let _: Value = session
            .client
            .post(&["api", "v1", "notifications", "read"], &request)
            .await?;
    }
    session.print_list(
        items,
        |item: &NotificationView| item.position.to_string(),
        NOTIFICATIONS,
    )
}
