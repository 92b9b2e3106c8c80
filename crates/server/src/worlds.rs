//! Worlds of single releases, read from committed rows, kept as long as nothing happens to them.
//!
//! Pages ask the same questions as the engine and must get the same answers, so they ask the same code:
//! the rows of one release make a small world, and core answers from that.
//! Before each use, everything that was committed since is taken in, so a page never shows less than
//! an answer that was given before it was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZoneDatabase;
use serde::Deserialize;
use trainmaster_core::World;
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::release::Life;
use trainmaster_engine::journal::Record;
use trainmaster_engine::{Engine, Subscription};
use trainmaster_store::SqlStore;

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};

/// Releases that are kept; the least recently used goes first.
const KEPT_MAX: usize = 256;

/// A release as it was at a position of the journal, or later.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Where the release lives.
    pub(crate) organization: Option<Name>,
    /// Position of the journal that it shows at least.
    pub(crate) as_of: u64,
    world: Arc<Mutex<World>>,
}

impl Snapshot {
    /// Asks the world on behalf of somebody.
    pub(crate) fn ask<T>(
        &self,
        viewer: &Viewer,
        question: impl FnOnce(&World) -> T,
    ) -> ApiResult<T> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        // Actions are judged by the rights of now, so the world has to know them and the token.
        world.judge_by(viewer.policy().clone());
        world
            .adopt([Entity::Token(viewer.holder().clone())])
            .map_err(ApiError::internal)?;
        Ok(question(&world))
    }
}

/// The worlds that are kept.
pub(crate) struct Worlds {
    engine: Engine,
    store: Arc<SqlStore>,
    zones: TimeZoneDatabase,
    cache: Mutex<Cache>,
}

struct Cache {
    feed: Subscription,
    kept: BTreeMap<ReleaseId, Kept>,
    /// Reads under way, and whether what they read may be out of date.
    reads: BTreeMap<u64, (ReleaseId, bool)>,
    /// Counts uses and reads.
    ticks: u64,
}

struct Kept {
    world: Arc<Mutex<World>>,
    organization: Option<Name>,
    used: u64,
}

/// What matters here of a record.
#[derive(Deserialize)]
struct About {
    release: Option<ReleaseId>,
}

impl Worlds {
    /// No worlds yet.
    pub(crate) fn new(engine: Engine, store: Arc<SqlStore>, zones: TimeZoneDatabase) -> Self {
        let cache = Cache {
            feed: engine.subscribe(engine.position()),
            kept: BTreeMap::new(),
            reads: BTreeMap::new(),
            ticks: 0,
        };
        Worlds {
            engine,
            store,
            zones,
            cache: Mutex::new(cache),
        }
    }

    /// The world of a release; none if there is no such release.
    pub(crate) async fn get(&self, id: ReleaseId) -> ApiResult<Option<Snapshot>> {
        let read = {
            let mut cache = self.cache();
            cache.catch_up(&self.engine);
            if let Some(snapshot) = cache.use_kept(id) {
                return Ok(Some(snapshot));
            }
            Read {
                worlds: self,
                ticket: cache.begin(id),
                as_of: cache.feed.position(),
            }
        };
        let rows = self.rows(id).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let zones = self.zones.clone();
        let built = tokio::task::spawn_blocking(move || World::from_entities(zones, rows)).await;
        let world = built
            .map_err(ApiError::internal)?
            .map_err(ApiError::internal)?;
        let Some(release) = world.release(id) else {
            return Ok(None);
        };
        let organization = release.organization.clone();
        let queued = release.group.is_some() && release.life == Life::Queued;
        let world = Arc::new(Mutex::new(world));
        // What a queued release waits for changes with other releases of its group, and is read anew.
        if !queued {
            read.keep(id, &world, &organization);
        }
        Ok(Some(Snapshot {
            organization,
            as_of: read.as_of,
            world,
        }))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows that the views of a release are made from: its own, and for a draft its newest definitions.
    async fn rows(&self, id: ReleaseId) -> ApiResult<Vec<Entity>> {
        let mut rows =
            trainmaster_engine::ports::Store::load_release(self.store.as_ref(), id).await?;
        let release = rows.iter().find_map(|row| match row {
            Entity::Release(release) if release.id == id => Some(release.clone()),
            _ => None,
        });
        if let Some(release) = release {
            rows.extend(crate::rows::definitions_of(&self.store, &release).await?);
            rows.extend(crate::rows::account(&self.store).await?);
            if let Some(group) = release.group_key() {
                rows.extend(crate::rows::newest(&self.store, &group, true, None).await?);
            }
        }
        Ok(rows)
    }
}

/// A read under way; while it lasts, what is committed meanwhile is noted.
struct Read<'a> {
    worlds: &'a Worlds,
    ticket: u64,
    as_of: u64,
}

impl Read<'_> {
    /// Keeps what was read, unless something was committed meanwhile.
    fn keep(&self, id: ReleaseId, world: &Arc<Mutex<World>>, organization: &Option<Name>) {
        let mut cache = self.worlds.cache();
        cache.catch_up(&self.worlds.engine);
        let is_current = cache
            .reads
            .get(&self.ticket)
            .is_some_and(|(_, is_stale)| !is_stale);
        if !is_current {
            return;
        }
        let used = cache.tick();
        cache.kept.insert(
            id,
            Kept {
                world: world.clone(),
                organization: organization.clone(),
                used,
            },
        );
        cache.shrink();
    }
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.worlds.cache().reads.remove(&self.ticket);
    }
}

impl Cache {
    /// Takes in everything that was committed.
    fn catch_up(&mut self, engine: &Engine) {
        let head = engine.position();
        while let Some(record) = self.feed.ready() {
            self.take_in(&record);
        }
        if self.feed.position() < head {
            // Too far behind for what the feed keeps in memory: start anew.
            self.forget(None);
            self.feed = engine.subscribe(head);
        }
    }

    fn take_in(&mut self, record: &Record) {
        let about: Result<About, _> = serde_json::from_str(&record.body);
        // A definition or a token touches any release; so may what cannot be read.
        self.forget(about.ok().and_then(|about| about.release));
    }

    fn forget(&mut self, release: Option<ReleaseId>) {
        match release {
            Some(id) => drop(self.kept.remove(&id)),
            None => self.kept.clear(),
        }
        for (reading, is_stale) in self.reads.values_mut() {
            *is_stale |= release.is_none_or(|id| id == *reading);
        }
    }

    fn use_kept(&mut self, id: ReleaseId) -> Option<Snapshot> {
        let used = self.tick();
        let as_of = self.feed.position();
        let kept = self.kept.get_mut(&id)?;
        kept.used = used;
        Some(Snapshot {
            organization: kept.organization.clone(),
            as_of,
            world: kept.world.clone(),
        })
    }

    fn begin(&mut self, id: ReleaseId) -> u64 {
        let ticket = self.tick();
        self.reads.insert(ticket, (id, false));
        ticket
    }

    fn shrink(&mut self) {
        while self.kept.len() > KEPT_MAX {
            let oldest = self
                .kept
                .iter()
                .min_by_key(|(_, kept)| kept.used)
                .map(|(id, _)| *id);
            let Some(id) = oldest else { return };
            self.kept.remove(&id);
        }
    }

    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }
}
