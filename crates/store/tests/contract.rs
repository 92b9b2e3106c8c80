//! The store keeps the contract that every store keeps.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use trainmaster_engine::contract::{self, Ground, Opened};
use trainmaster_store::{Options, SqlStore};

/// A folder of its own for one store.
struct Folder(TempDir);

#[async_trait]
impl Ground for Folder {
    async fn open(&self) -> Opened {
        let store = SqlStore::open(Options::new(self.0.path()))
            .await
            .expect("the folder opens");
        let store = Arc::new(store);
        Opened {
            store: store.clone(),
            logs: store,
        }
    }
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    contract::all(async || Folder(tempfile::tempdir().expect("a folder"))).await;
}
