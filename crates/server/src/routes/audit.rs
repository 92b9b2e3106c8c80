//! The journal as the audit trail: pages, the canonical export, and whether it is intact.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use serde_json::Value;
use trainmaster_api::{
    AuditCheckpoint, AuditDetail, AuditKey, AuditRecord, AuditVerdict, FieldChange, Page,
};
use trainmaster_core::access::Permission;
use trainmaster_core::definition;
use trainmaster_core::event::Change;
use trainmaster_core::ids::{ActivityPath, ReleaseId};
use trainmaster_engine::checkpoint::Checkpoint;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::Store;
use trainmaster_store::read::{JournalFilter, JournalOrder, PageRequest, VerifyError};

use super::events::Lease;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, query_instant};
use crate::routes::releases::Nothing;
use crate::rows;
use crate::state::App;
use crate::views;

/// How many pages are looked through for records that the viewer may see.
const PAGES_MAX: usize = 20;

/// Longest name of an object, in bytes.
const OBJECT_LENGTH_MAX: usize = 300;

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
    /// Only about this object: `release/ID`, `release/ID/phase/activity`, `process/NAME`, `process/ORGANIZATION/NAME`,
    /// `token/ID` and so on.
    object: Option<String>,
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
    let as_of = app.position();
    let mut page = rows::page(query.limit, query.cursor.clone())?;
    let filter = filter(&query)?;
    // Whoever reads all of it reads about what was deleted too.
    if let Some(release) = filter.release.filter(|_| !reads_all(&viewer)) {
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
    let mut release =
        release.map_err(|_| ApiError::invalid_query("release", "must be the id of a release"))?;
    let mut path = path
        .map_err(|_| ApiError::invalid_query("path", "must be a path such as `build/compile`"))?;
    let mut object = None;
    match query.object.as_deref().map(object_of).transpose()? {
        None => (),
        Some(Object::Release(id, activity)) => {
            release = Some(id);
            path = activity.or(path);
        }
        Some(Object::Other(name)) => object = Some(name),
    }
    Ok(JournalFilter {
        release,
        path,
        object,
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

/// What records may be asked about.
enum Object {
    Release(ReleaseId, Option<ActivityPath>),
    Other(String),
}

/// Reads the name of an object as the audit trail writes it.
fn object_of(text: &str) -> ApiResult<Object> {
    let unknown = || {
        let expected = "must name an object, such as `release/rel-00000042`, `process/payments/train` or `token/tok-0007`";
        ApiError::invalid_query("object", expected)
    };
    let (kind, name) = text.split_once('/').ok_or_else(unknown)?;
    if name.is_empty() || text.len() > OBJECT_LENGTH_MAX {
        return Err(unknown());
    }
    if kind != "release" {
        return Ok(Object::Other(text.to_owned()));
    }
    let (id, path) = match name.split_once('/') {
        Some((id, path)) => (id, Some(path.parse().map_err(|_| unknown())?)),
        None => (name, None),
    };
    Ok(Object::Release(id.parse().map_err(|_| unknown())?, path))
}

/// One record, with what each field held before and after.
#[utoipa::path(get, path = "/api/v1/audit/records/{position}", tag = "audit",
    params(("position" = u64, Path, description = "Its position in the journal, from one")),
    responses((status = 200, description = "The record", body = AuditDetail)))]
pub(crate) async fn get_audit_record(
    State(app): State<App>,
    viewer: Viewer,
    Path(position): Path<u64>,
) -> ApiResult<Json<AuditDetail>> {
    let found = app
        .record(position)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let record = seen(&app, &viewer, &found).await?;
    let record = record.ok_or_else(ApiError::not_found)?;
    let changes = changes(&app, &found).await?;
    Ok(Json(AuditDetail { record, changes }))
}

/// What a record changed, field by field, where it does not say so by itself.
async fn changes(app: &App, record: &Record) -> ApiResult<Vec<FieldChange>> {
    let event = record.event().map_err(ApiError::internal)?;
    let (before, after) = match event.change {
        Change::ReleaseEdited(mut edit) => {
            let before = edit.before.take();
            (json(&before)?, json(&Some(edit))?)
        }
        Change::ResourceApplied {
            key,
            revision,
            spec,
            description,
            labels,
            ..
        } => {
            let before = app
                .store()
                .revision(&key, revision.saturating_sub(1))
                .await?;
            let before = before.map(|old| written(&old.description, &old.labels, &old.spec));
            let after = written(&description, &labels, &spec);
            (before.unwrap_or_else(nothing), after)
        }
        Change::ResourceDeleted { key } => {
            let known = app.store().resource(&key).await?;
            let newest = match known {
                Some(known) => app.store().revision(&key, known.revision).await?,
                None => None,
            };
            let before = newest.map(|old| written(&old.description, &old.labels, &old.spec));
            (before.unwrap_or_else(nothing), nothing())
        }
        _ => return Ok(Vec::new()),
    };
    let changes = definition::diff(&before, &after).into_iter();
    Ok(changes
        .map(|change| FieldChange {
            path: change.path,
            before: change.old,
            after: change.new,
        })
        .collect())
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

fn json<T: serde::Serialize>(value: &Option<T>) -> ApiResult<Value> {
    match value {
        Some(value) => serde_json::to_value(value).map_err(ApiError::internal),
        None => Ok(nothing()),
    }
}

/// What somebody writes about a definition, as one value to be compared.
fn written(
    description: &str,
    labels: &std::collections::BTreeMap<String, String>,
    spec: &Value,
) -> Value {
    serde_json::json!({"description": description, "labels": labels, "spec": spec})
}

/// The public key that checks checkpoints without this server.
#[utoipa::path(get, path = "/api/v1/audit/key", tag = "audit",
    responses((status = 200, description = "The key", body = AuditKey)))]
pub(crate) async fn get_audit_key(
    State(app): State<App>,
    _viewer: Viewer,
) -> ApiResult<Json<AuditKey>> {
    Ok(Json(AuditKey {
        algorithm: "Ed25519".to_owned(),
        key: app.notary()?.signer.public_key(),
    }))
}

/// Every checkpoint, one line of JSON each, oldest first: what `trainmaster audit verify --checkpoints` reads.
#[utoipa::path(get, path = "/api/v1/audit/checkpoints", tag = "audit",
    responses((status = 200, description = "Checkpoints, oldest first",
        content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn export_checkpoints(
    State(app): State<App>,
    _viewer: Viewer,
) -> ApiResult<Response> {
    let body = Body::from_stream(stream::unfold((app, 0), |(app, after)| async move {
        let found = match app.store().checkpoints(after, CHUNK as u64).await {
            Ok(found) => found,
            Err(error) => return Some((Err(error), (app, u64::MAX >> 1))),
        };
        let last = found.last()?.position;
        let line = |checkpoint: &Checkpoint| {
            serde_json::to_string(checkpoint).expect("a checkpoint is plain data") + "\n"
        };
        let lines: String = found.iter().map(line).collect();
        Some((Ok(Bytes::from(lines)), (app, last)))
    }));
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/x-ndjson");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// Sign where the journal stands now.
#[utoipa::path(post, path = "/api/v1/audit/checkpoints", tag = "audit",
    responses((status = 200, description = "The newest checkpoint", body = AuditCheckpoint)))]
pub(crate) async fn create_checkpoint(
    State(app): State<App>,
    viewer: Viewer,
    _payload: Payload<Nothing>,
) -> ApiResult<Json<AuditCheckpoint>> {
    app.noted(&viewer, "create_checkpoint", needs_all(&viewer))
        .await?;
    let checkpoint = match app.sign_checkpoint().await? {
        Some(checkpoint) => Some(checkpoint),
        None => app.newest_checkpoint().await?,
    };
    let checkpoint = checkpoint.ok_or_else(ApiError::not_found)?;
    Ok(Json(AuditCheckpoint {
        position: checkpoint.position,
        hash: checkpoint.hash,
        at: checkpoint.at.to_string(),
        key: checkpoint.key,
        signature: checkpoint.signature,
    }))
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
    app.noted(&viewer, "export_audit", needs_all(&viewer))
        .await?;
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
    _viewer: Viewer,
) -> ApiResult<Json<AuditVerdict>> {
    verify(&app).await.map(Json)
}

/// Whether the journal is intact, checked from its first record.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "audit",
    responses((status = 200, description = "The verdict", body = AuditVerdict)))]
pub(crate) async fn verify_audit_again(
    State(app): State<App>,
    _viewer: Viewer,
    _payload: Payload<Nothing>,
) -> ApiResult<Json<AuditVerdict>> {
    verify(&app).await.map(Json)
}

async fn verify(app: &App) -> ApiResult<AuditVerdict> {
    match app.store().verify_journal().await {
        Ok(verified) => {
            let anchored = app.check_checkpoints(verified.position).await?;
            let problem = anchored.as_ref().err().map(ToString::to_string);
            if let Some(problem) = &problem {
                tracing::error!(%problem, "the journal is not the one that was signed");
            }
            Ok(AuditVerdict {
                intact: problem.is_none(),
                records: verified.position,
                hash: verified.hash,
                checkpoints: anchored.map_or(0, |met| met as u64),
                problem,
            })
        }
        Err(VerifyError::Tampered(tampered)) => {
            tracing::error!(%tampered, "the journal is not intact");
            Ok(AuditVerdict {
                intact: false,
                records: tampered.position.saturating_sub(1),
                hash: String::new(),
                checkpoints: 0,
                problem: Some(tampered.to_string()),
            })
        }
        Err(VerifyError::Store(error)) => Err(error.into()),
    }
}
