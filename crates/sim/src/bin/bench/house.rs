//! An engine with a store of its own, and what is done with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trainmaster_core::command::NewRelease;
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::{ReleaseId, ResourceKey};
use trainmaster_core::uses::ActivityType;
use trainmaster_core::{Command, Effect, Outcome, definition};
use trainmaster_engine::clock::SystemClock;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{
    Batch, Executor, Loaded, LogStore, Store, StoreError, StoredAnswer, Work,
};
use trainmaster_engine::{Engine, Faults, Limits, Options, Request, Subscription};
use trainmaster_store::SqlStore;

/// How many commands are under way at a time.
const AT_ONCE: usize = 256;

/// An engine with its store.
pub(crate) struct House {
    pub(crate) engine: Engine,
    store: Arc<SqlStore>,
}

/// Does nothing, at once, and says when it was called.
pub(crate) struct Prompt(pub(crate) Option<mpsc::UnboundedSender<Instant>>);

#[async_trait]
impl Executor for Prompt {
    async fn perform(&self, _: &Effect, _: &Work) -> Outcome {
        if let Some(called) = &self.0 {
            // Who no longer listens is not told.
            let _ = called.send(Instant::now());
        }
        Outcome::Succeeded {
            result: Value::Null,
        }
    }
}

/// Never comes to an end.
pub(crate) struct Endless;

#[async_trait]
impl Executor for Endless {
    async fn perform(&self, _: &Effect, work: &Work) -> Outcome {
        work.cancel.cancelled().await;
        Outcome::Cancelled { confirmed: true }
    }
}

impl House {
    /// Opens the store of a folder and starts an engine on it.
    pub(crate) async fn open(folder: &Path, executor: Arc<dyn Executor>) -> Result<House> {
        let store = Arc::new(SqlStore::open(trainmaster_store::Options::new(folder)).await?);
        Self::on(store.clone(), store, executor).await
    }

    /// The same with a copy of every batch.
    pub(crate) async fn taped(
        folder: &Path,
        executor: Arc<dyn Executor>,
    ) -> Result<(House, Arc<Tape>)> {
        let store = Arc::new(SqlStore::open(trainmaster_store::Options::new(folder)).await?);
        let tape = Arc::new(Tape {
            store: store.clone(),
            batches: Mutex::default(),
        });
        Ok((Self::on(tape.clone(), store, executor).await?, tape))
    }

    async fn on(
        port: Arc<dyn Store>,
        store: Arc<SqlStore>,
        executor: Arc<dyn Executor>,
    ) -> Result<House> {
        let logs: Arc<dyn LogStore> = store.clone();
        let options = Options {
            store: port,
            executors: BTreeMap::from([(ActivityType::Command, executor)]),
            logs,
            clock: Arc::new(SystemClock),
            zones: TimeZoneDatabase::bundled(),
            faults: Faults::none(),
            limits: Limits::default(),
        };
        Ok(House {
            engine: Engine::start(options).await?,
            store,
        })
    }

    /// Stops the engine; the folder may be opened again.
    pub(crate) async fn close(self) {
        self.engine.shutdown().await;
        drop(self.store);
    }

    /// Applies a process with one phase of these activities.
    pub(crate) async fn define(&self, name: &str, activities: Value) -> Result<()> {
        let document = json!({
            "apiVersion": "trainmaster.dev/v1",
            "kind": "Process",
            "metadata": {"name": name},
            "spec": {"phases": [{"id": "p", "activities": activities}]},
        });
        let parsed = match definition::parse(&document.to_string(), None) {
            Ok(parsed) => parsed,
            Err(problems) => bail!("the process `{name}`: {problems:?}"),
        };
        for parsed in parsed {
            let definition = Box::new(parsed.definition);
            let command = Command::ApplyResource {
                definition,
                if_revision: None,
            };
            self.engine.submit(Request::system(command)).await?;
        }
        Ok(())
    }

    /// Starts a release; durable when this returns.
    pub(crate) async fn start(&self, process: &str) -> Result<()> {
        let process = Some(process.parse().context("a process name")?);
        let new = NewRelease {
            process,
            start: true,
            ..NewRelease::default()
        };
        self.engine
            .submit(Request::system(Command::CreateRelease(Box::new(new))))
            .await?;
        Ok(())
    }

    /// Starts many releases, many at a time.
    pub(crate) async fn start_many(&self, process: &str, count: usize) -> Result<()> {
        let mut starts = stream::iter(0..count)
            .map(|_| self.start(process))
            .buffer_unordered(AT_ONCE);
        while let Some(started) = starts.next().await {
            started?;
        }
        Ok(())
    }

    /// What will be made durable from now on.
    pub(crate) fn watch(&self) -> Watch {
        Watch(self.engine.subscribe(self.engine.position()))
    }
}

/// A reader of the feed.
pub(crate) struct Watch(Subscription);

impl Watch {
    /// The next record.
    pub(crate) async fn next(&mut self) -> Result<Arc<Record>> {
        let record = self.0.next().await.context("the engine has stopped")?;
        Ok(record?)
    }

    /// Returns once so many events of a type have become durable.
    pub(crate) async fn count(&mut self, kind: &str, count: usize) -> Result<()> {
        let sign = format!(r#""type":"{kind}""#);
        let mut seen = 0;
        while seen < count {
            seen += usize::from(self.next().await?.body.contains(&sign));
        }
        Ok(())
    }
}

/// A store that keeps a copy of every batch, so that the store alone can be timed with the same ones.
pub(crate) struct Tape {
    store: Arc<SqlStore>,
    batches: Mutex<Vec<Batch>>,
}

impl Tape {
    /// The batches so far.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Store for Tape {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.store.load().await
    }

    async fn load_release(&self, release: ReleaseId) -> Result<Vec<Entity>, StoreError> {
        self.store.load_release(release).await
    }

    async fn load_revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Entity>, StoreError> {
        self.store.load_revision(key, revision).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch).await?;
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch.clone());
        Ok(())
    }

    async fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store.events_after(position, limit).await
    }

    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        self.store.answer(key).await
    }
}
