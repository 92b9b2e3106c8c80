//! The journal as the audit trail: pages, the canonical export, and whether it is intact.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use trainmaster_api::{AuditRecord, AuditVerdict, Page};
use trainmaster_core::access::Permission;
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::Store;
use trainmaster_store::read::{JournalFilter, JournalOrder, PageRequest, VerifyError};

use super::events::Lease;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Payload, Query, query_instant};
use crate::routes::releases::Nothing;
use crate::rows;
use crate::state::App;
use crate::views;

/// How many pages are looked through for records that the viewer may see.
const PAGES_MAX: usize = 20;

/// How many records an export takes at a time.
const CHUNK: usize = 1_000;

/// Which records.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListAudit {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only about this release.
    release: Option<String>,
    /// Only about this activity, written `phase/activity`.
    path: Option<String>,
    /// Only through this person, written `user:NAME`, or `system`.
    by: Option<String>,
    /// Only of this type, for example `ApprovalDecided`.
    r#type: Option<String>,
    /// Only at this time or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only before this time.
    #[param(format = DateTime)]
    to: Option<String>,
    /// `newest` (the default) or `oldest`.
    order: Option<String>,
}

/// Records of the journal with their hashes, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(ListAudit),
    responses((status = 200, description = "One page", body = Page<AuditRecord>)))]
pub(crate) async fn list_audit(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListAudit>,
) -> ApiResult<Json<Page<AuditRecord>>> {
    viewer.needs(Permission::AuditRead)?;
    let as_of = app.position();
    let mut page = rows::page(query.limit, query.cursor.clone())?;
    let filter = filter(&query)?;
    if let Some(release) = filter.release {
        app.seen(&viewer, release).await?;
    }
    let mut items = Vec::new();
    for _ in 0..PAGES_MAX {
        let found = app.store().list_journal(&filter, &page).await?;
        for record in &found.items {
            items.extend(seen(&app, &viewer, record).await?);
        }
        page.cursor = found.next;
        if page.cursor.is_none() || !items.is_empty() {
            break;
        }
    }
    Ok(Json(Page {
        items,
        next: page.cursor,
        as_of,
    }))
}

async fn seen(app: &App, viewer: &Viewer, record: &Record) -> ApiResult<Option<AuditRecord>> {
    let is_seen = reads_all(viewer) || app.shown().get(app, record).await?.is_for(viewer);
    Ok(if is_seen {
        views::event::audit_record(record)
    } else {
        None
    })
}

fn filter(query: &ListAudit) -> ApiResult<JournalFilter> {
    let release = query.release.as_deref().map(str::parse).transpose();
    let path = query.path.as_deref().map(str::parse).transpose();
    Ok(JournalFilter {
        release: release
            .map_err(|_| ApiError::invalid_query("release", "must be the id of a release"))?,
        path: path.map_err(|_| {
            ApiError::invalid_query("path", "must be a path such as `build/compile`")
        })?,
        by: query.by.clone(),
        kind: query.r#type.clone(),
        from: query_instant("from", query.from.as_deref())?,
        to: query_instant("to", query.to.as_deref())?,
        order: match query.order.as_deref() {
            None | Some("newest") => JournalOrder::Newest,
            Some("oldest") => JournalOrder::Oldest,
            Some(_) => {
                return Err(ApiError::invalid_query(
                    "order",
                    "must be `newest` or `oldest`",
                ));
            }
        },
    })
}

/// All records of a release, oldest first.
pub(super) async fn of_release(app: &App, release: ReleaseId) -> ApiResult<Vec<AuditRecord>> {
    let filter = JournalFilter {
        release: Some(release),
        order: JournalOrder::Oldest,
        ..JournalFilter::default()
    };
    let mut page = PageRequest::first(trainmaster_store::read::LIMIT_MAX);
    let mut records = Vec::new();
    loop {
        let found = app.store().list_journal(&filter, &page).await?;
        records.extend(found.items.iter().filter_map(views::event::audit_record));
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(records),
        }
    }
}

/// Refuses whoever may not read the whole journal.
fn needs_all(viewer: &Viewer) -> ApiResult<()> {
    viewer.needs(Permission::AuditRead)?;
    if reads_all(viewer) {
        return Ok(());
    }
    Err(ApiError::new(
        "forbidden",
        "the whole journal is for those who may read it everywhere",
    ))
}

/// Whether the viewer may read every record, whatever it belongs to.
fn reads_all(viewer: &Viewer) -> bool {
    viewer
        .policy()
        .where_may(viewer.holder(), Permission::AuditRead)
        .is_everywhere()
}

/// The whole journal, one canonical line per record: what `trainmaster audit verify` reads.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit",
    responses((status = 200, description = "Records, oldest first",
        content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn export_audit(State(app): State<App>, viewer: Viewer) -> ApiResult<Response> {
    needs_all(&viewer)?;
    let export = Export {
        lease: Lease::new(&app, &viewer)?,
        head: app.position(),
        after: 0,
        app,
    };
    let body = Body::from_stream(stream::unfold(export, |mut export| async move {
        let piece = export.next().await?;
        Some((piece, export))
    }));
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/x-ndjson");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// An export under way.
struct Export {
    app: App,
    lease: Lease,
    after: u64,
    head: u64,
}

impl Export {
    async fn next(&mut self) -> Option<Result<Bytes, trainmaster_engine::ports::StoreError>> {
        if self.after >= self.head {
            return None;
        }
        let records = tokio::select! {
            biased;
            () = self.lease.ended() => return None,
            records = self.app.store().events_after(self.after, CHUNK) => records,
        };
        let records = match records {
            Ok(records) => records,
            Err(error) => return Some(Err(error)),
        };
        self.after = records.last()?.position;
        let lines: String = records.iter().map(|record| record.line() + "\n").collect();
        Some(Ok(Bytes::from(lines)))
    }
}

/// Whether the journal is intact, checked from its first record.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit",
    responses((status = 200, description = "The verdict", body = AuditVerdict)))]
pub(crate) async fn verify_audit(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<AuditVerdict>> {
    verify(&app, &viewer).await.map(Json)
}

/// Whether the journal is intact, checked from its first record.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "audit",
    responses((status = 200, description = "The verdict", body = AuditVerdict)))]
pub(crate) async fn verify_audit_again(
    State(app): State<App>,
    viewer: Viewer,
    _payload: Payload<Nothing>,
) -> ApiResult<Json<AuditVerdict>> {
    verify(&app, &viewer).await.map(Json)
}

async fn verify(app: &App, viewer: &Viewer) -> ApiResult<AuditVerdict> {
    viewer.needs(Permission::AuditRead)?;
    match app.store().verify_journal().await {
        Ok(verified) => Ok(AuditVerdict {
            intact: true,
            records: verified.position,
            hash: verified.hash,
            problem: None,
        }),
        Err(VerifyError::Tampered(tampered)) => {
            tracing::error!(%tampered, "the journal is not intact");
            Ok(AuditVerdict {
                intact: false,
                records: tampered.position.saturating_sub(1),
                hash: String::new(),
                problem: Some(tampered.to_string()),
            })
        }
        Err(VerifyError::Store(error)) => Err(error.into()),
    }
}
