//! Who may do what, as committed, kept until something about people is committed.
//!
//! Before each use everything that was committed since is taken in,
//! so a right that was taken away by an answered request is gone with the next one (reliability.md, 30).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZoneDatabase;
use serde::Deserialize;
use trainmaster_core::World;
use trainmaster_core::access::Policy;
use trainmaster_core::ids::ResourceKind;
use trainmaster_engine::journal::Record;
use trainmaster_engine::{Engine, Subscription};
use trainmaster_store::SqlStore;

use crate::error::{ApiError, ApiResult};

/// The rights of this moment.
pub(crate) struct Rights {
    engine: Engine,
    store: Arc<SqlStore>,
    zones: TimeZoneDatabase,
    cache: Mutex<Cache>,
}

struct Cache {
    feed: Subscription,
    known: Option<Arc<Policy>>,
    /// Counts what was committed about people.
    changes: u64,
}

/// What matters here of a record.
#[derive(Deserialize)]
struct About {
    r#type: String,
    #[serde(default)]
    user: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    key: Option<Key>,
}

#[derive(Deserialize)]
struct Key {
    kind: ResourceKind,
}

impl Rights {
    /// Nothing read yet.
    pub(crate) fn new(engine: Engine, store: Arc<SqlStore>, zones: TimeZoneDatabase) -> Self {
        let cache = Cache {
            feed: engine.subscribe(engine.position()),
            known: None,
            changes: 0,
        };
        Rights {
            engine,
            store,
            zones,
            cache: Mutex::new(cache),
        }
    }

    /// The rights as of everything that is committed now, or later.
    pub(crate) async fn now(&self) -> ApiResult<Arc<Policy>> {
        let changes = {
            let mut cache = self.cache();
            cache.catch_up(&self.engine);
            if let Some(known) = &cache.known {
                return Ok(known.clone());
            }
            cache.changes
        };
        let rows = self.store.people().await?;
        let zones = self.zones.clone();
        let built = tokio::task::spawn_blocking(move || World::from_entities(zones, rows)).await;
        let world = built
            .map_err(ApiError::internal)?
            .map_err(ApiError::internal)?;
        let policy = world.policy().clone();
        let mut cache = self.cache();
        cache.catch_up(&self.engine);
        if cache.changes == changes {
            cache.known = Some(policy.clone());
        }
        Ok(policy)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// Takes in everything that was committed.
    fn catch_up(&mut self, engine: &Engine) {
        let head = engine.position();
        while let Some(record) = self.feed.ready() {
            if concerns_people(&record) {
                self.forget();
            }
        }
        if self.feed.position() < head {
            // Too far behind for what the feed keeps in memory: start anew.
            self.forget();
            self.feed = engine.subscribe(head);
        }
    }

    fn forget(&mut self) {
        self.known = None;
        self.changes += 1;
    }
}

/// Whether a record may change what somebody may do; one that cannot be read may.
fn concerns_people(record: &Record) -> bool {
    let about: Result<About, _> = serde_json::from_str(&record.body);
    let Ok(about) = about else { return true };
    match about.r#type.as_str() {
        "ResourceApplied" | "ResourceDeleted" => {
            about.key.is_none_or(|key| Policy::concerns(key.kind))
        }
        "TokenIssued" | "SignedIn" | "SignInFailed" | "ApprovalDecided" => false,
        _ => about.user.is_some(),
    }
}
