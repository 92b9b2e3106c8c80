//! A store without a disk, for tests, simulations and the contract suite.
//!
//! It keeps what a database keeps: rows as text, so that everything is written and read as it would be there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::ids::{AttemptId, ReleaseId, ResourceKey};

use crate::journal::Record;
use crate::ports::{
    Batch, Columns, Loaded, LogLine, LogStore, NumberedLine, Row, Store, StoreError, StoredAnswer,
};

/// A store in memory; clones are the same store, as two connections to one database are.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    journal: Vec<Record>,
    rows: BTreeMap<EntityKey, Row>,
    answers: BTreeMap<String, StoredAnswer>,
    logs: BTreeMap<AttemptId, Vec<LogLine>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// The whole journal.
    pub fn journal(&self) -> Vec<Record> {
        self.state().journal.clone()
    }

    /// Every row by its key.
    pub fn rows(&self) -> BTreeMap<EntityKey, Row> {
        self.state().rows.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let state = self.state();
        let entities = state.rows.iter().filter(|(key, _)| state.is_live(key));
        let entities = entities
            .map(|(key, row)| parse(key, row))
            .collect::<Result<_, _>>()?;
        let (position, hash) = state.head();
        Ok(Loaded {
            position,
            hash,
            entities,
        })
    }

    async fn load_release(&self, release: ReleaseId) -> Result<Vec<Entity>, StoreError> {
        let state = self.state();
        let Some(row) = state.rows.get(&EntityKey::Release(release)) else {
            return Ok(Vec::new());
        };
        let mut entities = Vec::new();
        if let Some((key, revision)) = pinned(&EntityKey::Release(release), row)? {
            let key = EntityKey::Revision(key, revision);
            if let Some(row) = state.rows.get(&key) {
                entities.push(parse(&key, row)?);
            }
        }
        entities.push(parse(&EntityKey::Release(release), row)?);
        let activities = EntityKey::Activity(release, 0)..=EntityKey::Activity(release, u32::MAX);
        for (key, row) in state.rows.range(activities) {
            entities.push(parse(key, row)?);
        }
        Ok(entities)
    }

    async fn load_revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Entity>, StoreError> {
        let key = EntityKey::Revision(key.clone(), revision);
        let state = self.state();
        state.rows.get(&key).map(|row| parse(&key, row)).transpose()
    }

    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        let (mut position, mut hash) = state.head();
        for record in &batch.records {
            if record.position != position + 1 || record.previous != hash {
                return Err(StoreError::Unavailable(format!(
                    "record {} does not follow record {position}",
                    record.position
                )));
            }
            position = record.position;
            hash.clone_from(&record.hash);
        }
        state
            .journal
            .extend(batch.records.iter().map(|record| Record::clone(record)));
        for write in &batch.writes {
            match &write.row {
                Some(row) => state.rows.insert(write.key.clone(), row.clone()),
                None => state.rows.remove(&write.key),
            };
        }
        for answer in &batch.answers {
            state.answers.insert(answer.key.clone(), answer.clone());
        }
        Ok(())
    }

    async fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let state = self.state();
        let skip = usize::try_from(position).unwrap_or(usize::MAX);
        Ok(state
            .journal
            .iter()
            .skip(skip)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        Ok(self.state().answers.get(key).cloned())
    }
}

impl State {
    fn head(&self) -> (u64, String) {
        self.journal.last().map_or((0, String::new()), |last| {
            (last.position, last.hash.clone())
        })
    }

    /// Whether a row is needed in memory.
    fn is_live(&self, key: &EntityKey) -> bool {
        match key {
            EntityKey::Meta
            | EntityKey::Resource(_)
            | EntityKey::Token(_)
            | EntityKey::User(_)
            | EntityKey::Group(_) => true,
            EntityKey::Release(release) | EntityKey::Activity(release, _) => {
                !self.has_ended(*release)
            }
            EntityKey::Revision(resource, revision) => {
                self.is_newest(resource, *revision) || self.is_pinned(resource, *revision)
            }
        }
    }

    fn has_ended(&self, release: ReleaseId) -> bool {
        match self
            .rows
            .get(&EntityKey::Release(release))
            .map(|row| &row.columns)
        {
            Some(Columns::Release(columns)) => columns.ended,
            _ => false,
        }
    }

    fn is_newest(&self, resource: &ResourceKey, revision: u32) -> bool {
        match self
            .rows
            .get(&EntityKey::Resource(resource.clone()))
            .map(|row| &row.columns)
        {
            Some(Columns::Resource {
                revision: newest, ..
            }) => *newest == revision,
            _ => false,
        }
    }

    fn is_pinned(&self, resource: &ResourceKey, revision: u32) -> bool {
        self.rows.iter().any(|(key, row)| {
            self.is_live_release(key)
                && pinned(key, row).is_ok_and(|pin| pin == Some((resource.clone(), revision)))
        })
    }

    fn is_live_release(&self, key: &EntityKey) -> bool {
        matches!(key, EntityKey::Release(release) if !self.has_ended(*release))
    }
}

/// The revision that a release has pinned or asks for.
fn pinned(key: &EntityKey, row: &Row) -> Result<Option<(ResourceKey, u32)>, StoreError> {
    match parse(key, row)? {
        Entity::Release(release) => Ok(release
            .revision
            .map(|revision| (release.process.clone(), revision))),
        _ => Ok(None),
    }
}

fn parse(key: &EntityKey, row: &Row) -> Result<Entity, StoreError> {
    Entity::parse(key, &row.body).map_err(|error| StoreError::Damaged(format!("{key}: {error}")))
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn append(&self, attempt: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        self.state()
            .logs
            .entry(attempt.clone())
            .or_default()
            .extend(lines);
        Ok(())
    }

    async fn read(
        &self,
        attempt: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError> {
        let state = self.state();
        let Some(lines) = state.logs.get(attempt) else {
            return Ok(Vec::new());
        };
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let numbered = (after + 1..).zip(lines.iter().skip(skip).take(limit));
        Ok(numbered
            .map(|(number, line)| NumberedLine {
                number,
                line: line.clone(),
            })
            .collect())
    }

    async fn remove(&self, release: ReleaseId) -> Result<(), StoreError> {
        self.state()
            .logs
            .retain(|attempt, _| attempt.release != release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Ground, Opened, all};

    #[async_trait]
    impl Ground for MemoryStore {
        async fn open(&self) -> Opened {
            Opened {
                store: Arc::new(self.clone()),
                logs: Arc::new(self.clone()),
            }
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract_of_stores() {
        all(async || MemoryStore::new()).await;
    }
}
