//! What every handler works with: the engine, the store, the clock, and what is kept between requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use trainmaster_core::access::Policy;
use trainmaster_core::ids::{AttemptId, Name, ReleaseId, TokenId};
use trainmaster_core::{Actor, Command, Event, World};
use trainmaster_engine::ports::{Clock, LogStore};
use trainmaster_engine::{Answer, Engine, Idempotency, Request, SubmitError};
use trainmaster_store::SqlStore;

use crate::auth::Viewer;
use crate::checkpoints::Notary;
use crate::error::{ApiError, ApiResult};
use crate::limiter::Limiter;
use crate::metrics::HttpMetrics;
use crate::outlets::Dispatcher;
use crate::rights::Rights;
use crate::shown::ShownEvents;
use crate::signin::SignIn;
use crate::vault::Vault;
use crate::worlds::{Snapshot, Worlds};

/// Releases whose organization is remembered.
const ORGANIZATIONS_MAX: usize = 100_000;

/// What the server is made of.
pub struct Parts {
    /// Takes commands and tells what was committed.
    pub engine: Engine,
    /// Answers reads from committed rows.
    pub store: Arc<SqlStore>,
    /// Where the output of activities is.
    pub logs: Arc<dyn LogStore>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Time zones; the same as the engine's.
    pub zones: TimeZoneDatabase,
    /// What may differ between installations.
    pub options: Options,
}

/// What may differ between installations.
#[derive(Clone)]
pub struct Options {
    /// Whether `/metrics` answers without a token.
    pub public_metrics: bool,
    /// Whether the description of the API and its page answer without a token.
    pub public_openapi: bool,
    /// Requests that one token may send per second in the long run.
    pub rate_per_second: u32,
    /// Requests that one token may send at once.
    pub rate_burst: u32,
    /// Requests under way at a time; more are refused as `busy`.
    pub in_flight_max: usize,
    /// Open live streams at a time; more are refused as `busy`.
    pub streams_max: usize,
    /// Definitions that are read at a time; others wait.
    pub parses_max: usize,
    /// Longest time until a response begins.
    pub timeout: Duration,
    /// Reads callback addresses; without it there are no callbacks.
    pub callbacks: Option<Callbacks>,
    /// Signs checkpoints of the journal; without it there are none.
    pub notary: Option<Notary>,
    /// Sends messages out; without it there are only in-app notices.
    pub outlets: Option<Dispatcher>,
    /// Keeps the values of secrets; without it there are none.
    pub vault: Option<Arc<Vault>>,
    /// How people sign in.
    pub sign_in: crate::signin::Options,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            public_metrics: false,
            public_openapi: false,
            rate_per_second: 1_000,
            rate_burst: 2_000,
            in_flight_max: 1_024,
            streams_max: 10_000,
            parses_max: 1,
            timeout: Duration::from_secs(30),
            callbacks: None,
            notary: None,
            outlets: None,
            vault: None,
            sign_in: crate::signin::Options::default(),
        }
    }
}

/// Reads a callback address: which attempt it belongs to; none if its proof does not hold.
///
/// The proof is judged by whoever made the address, so the server is handed the function.
pub type Callbacks = Arc<dyn Fn(&str) -> Option<AttemptId> + Send + Sync>;

/// The server's state; clones are the same state.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Parts,
    limiter: Limiter<TokenId>,
    sign_in: SignIn,
    http_metrics: HttpMetrics,
    places: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    parses: Semaphore,
    worlds: Worlds,
    rights: Rights,
    shown: ShownEvents,
    organizations: Mutex<BTreeMap<ReleaseId, Option<Name>>>,
    stopping: CancellationToken,
}

impl App {
    /// The state of a server.
    pub fn new(parts: Parts) -> App {
        let options = &parts.options;
        let worlds = Worlds::new(
            parts.engine.clone(),
            parts.store.clone(),
            parts.zones.clone(),
        );
        let rights = Rights::new(
            parts.engine.clone(),
            parts.store.clone(),
            parts.zones.clone(),
        );
        App(Arc::new(Inner {
            limiter: Limiter::new(options.rate_per_second, options.rate_burst),
            sign_in: SignIn::new(&options.sign_in),
            http_metrics: HttpMetrics::default(),
            places: Arc::new(Semaphore::new(options.in_flight_max)),
            streams: Arc::new(Semaphore::new(options.streams_max)),
            parses: Semaphore::new(options.parses_max.max(1)),
            worlds,
            rights,
            shown: ShownEvents::default(),
            organizations: Mutex::default(),
            stopping: CancellationToken::new(),
            parts,
        }))
    }

    /// Ends live streams, so that the server can stop.
    pub fn stop_streams(&self) {
        self.0.stopping.cancel();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.parts.engine
    }

    pub(crate) fn store(&self) -> &SqlStore {
        &self.0.parts.store
    }

    pub(crate) fn logs(&self) -> &dyn LogStore {
        self.0.parts.logs.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.parts.clock.as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub(crate) fn zones(&self) -> &TimeZoneDatabase {
        &self.0.parts.zones
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.parts.options
    }

    pub(crate) fn limiter(&self) -> &Limiter<TokenId> {
        &self.0.limiter
    }

    pub(crate) fn sign_in(&self) -> &SignIn {
        &self.0.sign_in
    }

    pub(crate) fn http_metrics(&self) -> &HttpMetrics {
        &self.0.http_metrics
    }

    pub(crate) fn places(&self) -> Arc<Semaphore> {
        self.0.places.clone()
    }

    pub(crate) fn streams(&self) -> Arc<Semaphore> {
        self.0.streams.clone()
    }

    pub(crate) fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    pub(crate) fn shown(&self) -> &ShownEvents {
        &self.0.shown
    }

    /// Who may do what at this moment.
    pub(crate) async fn policy(&self) -> ApiResult<Arc<Policy>> {
        self.0.rights.now().await
    }

    /// Position of the newest durable event.
    pub(crate) fn position(&self) -> u64 {
        self.engine().position()
    }

    /// Submits a command; the answer is made from the world behind it, inside the transaction's turn.
    pub(crate) async fn submit(
        &self,
        viewer: &Viewer,
        command: Command,
        repeat: Option<Idempotency>,
        answer: impl Fn(&World, &[Event]) -> String + Send + 'static,
    ) -> ApiResult<Answer> {
        let request = Request {
            actor: viewer.actor(),
            command,
            idempotency: repeat,
            answer: Box::new(answer),
        };
        self.engine().submit(request).await.map_err(refused)
    }

    /// Writes a refused look at what is not for everybody into the audit trail, and hands the answer on.
    pub(crate) async fn noted(
        &self,
        viewer: &Viewer,
        operation: &str,
        answer: ApiResult<()>,
    ) -> ApiResult<()> {
        if let Err(refusal) = &answer {
            self.note_refusal(viewer, operation, refusal).await;
        }
        answer
    }

    /// Writes a refusal into the audit trail.
    pub(crate) async fn note_refusal(&self, viewer: &Viewer, operation: &str, refusal: &ApiError) {
        let command = Command::RecordDenial {
            token: viewer.holder().token,
            operation: operation.to_owned(),
            target: String::new(),
            why: refusal.problem.detail.clone(),
        };
        let request = Request {
            actor: Actor::System,
            command,
            idempotency: None,
            answer: Box::new(|_, _| String::new()),
        };
        // Whether it can be written down does not change what is answered.
        if let Err(error) = self.engine().submit(request).await {
            tracing::warn!(%error, operation, "a refusal could not be written down");
        }
    }

    /// A release with everything that its views need; none if it does not exist or this viewer may not see it.
    pub(crate) async fn release(&self, viewer: &Viewer, id: ReleaseId) -> ApiResult<Snapshot> {
        let snapshot = self.0.worlds.get(id).await?;
        let seen = snapshot.filter(|snapshot| viewer.sees(snapshot.organization.as_ref()));
        seen.ok_or_else(|| ApiError::unknown_release(&id.to_string()))
    }

    /// Refuses a release that does not exist or that this viewer may not see, in the same words.
    pub(crate) async fn seen(&self, viewer: &Viewer, id: ReleaseId) -> ApiResult<()> {
        match self.organization_of(id).await? {
            Some(organization) if viewer.sees(organization.as_ref()) => Ok(()),
            Some(_) | None => Err(ApiError::unknown_release(&id.to_string())),
        }
    }

    /// Where a release lives; the outer none means that there is no such release.
    pub(crate) async fn organization_of(&self, id: ReleaseId) -> ApiResult<Option<Option<Name>>> {
        if let Some(known) = self.organizations().get(&id) {
            return Ok(Some(known.clone()));
        }
        let found = self.stored_organization(id).await?;
        if let Some(organization) = &found {
            let mut organizations = self.organizations();
            organizations.insert(id, organization.clone());
            if organizations.len() > ORGANIZATIONS_MAX {
                organizations.pop_first();
            }
        }
        Ok(found)
    }

    fn organizations(&self) -> std::sync::MutexGuard<'_, BTreeMap<ReleaseId, Option<Name>>> {
        self.0
            .organizations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads definitions off the threads that serve others, a few at a time.
    pub(crate) async fn parse<T: Send + 'static>(
        &self,
        text: Bytes,
        read: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> ApiResult<T> {
        let _place = self.0.parses.acquire().await.map_err(ApiError::internal)?;
        tokio::task::spawn_blocking(move || read(&text))
            .await
            .map_err(ApiError::internal)
    }
}

/// Why a command has no answer, as a problem.
pub(crate) fn refused(error: SubmitError) -> ApiError {
    match error {
        SubmitError::Rejected(rejection) => ApiError::from(*rejection),
        SubmitError::KeyReused => ApiError::new(
            "idempotency-key-reused",
            "the idempotency key was used for another request",
        ),
        SubmitError::Busy => ApiError::new("busy", "too many commands are waiting").retry_after(1),
        SubmitError::Unavailable { retry_after, why } => {
            tracing::warn!(%why, "a command could not be taken");
            let seconds = u32::try_from(retry_after.as_secs())
                .unwrap_or(u32::MAX)
                .max(1);
            let detail = "the database takes no changes at the moment; nothing has changed";
            ApiError::new("unavailable", detail).retry_after(seconds)
        }
        SubmitError::OutcomeUnknown(cause) => {
            tracing::warn!(%cause, "nobody knows whether a command was carried out");
            let detail = "it is not known whether it was carried out; repeat it with the same idempotency key, or look";
            ApiError::new("outcome-unknown", detail).retry_after(1)
        }
        SubmitError::Broken(cause) => {
            ApiError::internal(format!("handling a command broke down: {cause}"))
        }
        SubmitError::Stopped => {
            ApiError::new("unavailable", "the server is stopping; nothing has changed")
                .retry_after(5)
        }
    }
}
