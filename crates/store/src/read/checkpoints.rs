//! Signed checkpoints of the journal: written beside the world, read by those who verify.

use jiff::Timestamp;
use trainmaster_engine::checkpoint::Checkpoint;
use trainmaster_engine::ports::StoreError;

use crate::SqlStore;
use crate::commit::big;
use crate::error::{Sorted, unreadable};
use crate::script::{Cell, Conflict, Script, Table};

const CHECKPOINT: Table = Table {
    name: "checkpoint",
    columns: &["position", "at", "body"],
    key: 1,
    conflict: Conflict::Keep,
};

impl SqlStore {
    /// Keeps a checkpoint; the first one of a position stays.
    pub async fn keep_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let body = serde_json::to_string(checkpoint)
            .map_err(|error| unreadable(format_args!("a checkpoint"), &error))?;
        let mut script = Script::default();
        let row = vec![
            Cell::from(big(checkpoint.position)),
            Cell::from(checkpoint.at.as_microsecond()),
            Cell::from(body),
        ];
        script.write(&CHECKPOINT, vec![row]);
        self.write_beside(script).await
    }

    /// Checkpoints after a position, oldest first, at most `limit`.
    pub async fn checkpoints(&self, after: u64, limit: u64) -> Result<Vec<Checkpoint>, StoreError> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "select body from checkpoint where position > ? order by position limit ?",
        )
        .bind(big(after))
        .bind(big(limit))
        .fetch_all(&self.readers)
        .await
        .sorted()?;
        let read = |body: &String| {
            serde_json::from_str(body)
                .map_err(|error| unreadable(format_args!("a checkpoint"), &error))
        };
        bodies.iter().map(read).collect()
    }

    /// Position and time of the newest checkpoint; none if there is none yet.
    pub async fn newest_checkpoint(&self) -> Result<Option<(u64, Timestamp)>, StoreError> {
        let body: Option<String> =
            sqlx::query_scalar("select body from checkpoint order by position desc limit 1")
                .fetch_optional(&self.readers)
                .await
                .sorted()?;
        let Some(body) = body else { return Ok(None) };
        let checkpoint: Checkpoint = serde_json::from_str(&body)
            .map_err(|error| unreadable(format_args!("a checkpoint"), &error))?;
        Ok(Some((checkpoint.position, checkpoint.at)))
    }
}
