//! Signs where the journal stands, now and then, and keeps that beside the database as well (reliability.md, S21).

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use trainmaster_engine::checkpoint::{Anchors, Checkpoint, PublicKey, Signer};
use trainmaster_engine::journal::Tampered;
use trainmaster_engine::ports::{Store as _, StoreError};

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// How long the journal goes on at most without a checkpoint, in minutes.
const MINUTES_MAX: i64 = 60;
/// How many records gather at most without a checkpoint.
const RECORDS_MAX: u64 = 10_000;
/// How often it is looked whether one is due, in seconds.
const LOOK_SECONDS: i64 = 30;
/// How many checkpoints are read at a time.
const CHUNK: u64 = 1_000;

/// What signs checkpoints, and where they are kept besides the database.
#[derive(Clone, Debug)]
pub struct Notary {
    /// The signing key.
    pub signer: Arc<Signer>,
    /// A file that each checkpoint is appended to as one line of JSON; best on another disk or machine.
    pub file: Option<PathBuf>,
}

impl App {
    /// Signs where the journal stands; none where nothing new is there to be signed.
    pub(crate) async fn sign_checkpoint(&self) -> ApiResult<Option<Checkpoint>> {
        let notary = self.notary()?;
        let head = self.position();
        let newest = self.store().newest_checkpoint().await?;
        let Some(record) = self.record(head).await? else {
            return Ok(None);
        };
        if newest.is_some_and(|(position, _)| position >= head) {
            return Ok(None);
        }
        let checkpoint = notary.signer.sign(head, &record.hash, self.now());
        if let Some(file) = notary.file.clone() {
            let line = serde_json::to_string(&checkpoint).map_err(ApiError::internal)?;
            let kept = tokio::task::spawn_blocking(move || append(&file, &line)).await;
            kept.map_err(ApiError::internal)?
                .map_err(ApiError::internal)?;
        }
        self.store().keep_checkpoint(&checkpoint).await?;
        Ok(Some(checkpoint))
    }

    /// The newest checkpoint; none if there is none yet.
    pub(crate) async fn newest_checkpoint(&self) -> ApiResult<Option<Checkpoint>> {
        let Some((position, _)) = self.store().newest_checkpoint().await? else {
            return Ok(None);
        };
        let found = self.store().checkpoints(position - 1, 1).await?;
        Ok(found.into_iter().next())
    }

    /// The record at a position.
    pub(crate) async fn record(
        &self,
        position: u64,
    ) -> Result<Option<trainmaster_engine::journal::Record>, StoreError> {
        let Some(before) = position.checked_sub(1) else {
            return Ok(None);
        };
        let found = self.store().events_after(before, 1).await?;
        Ok(found.into_iter().find(|record| record.position == position))
    }

    pub(crate) fn notary(&self) -> ApiResult<&Notary> {
        let notary = self.options().notary.as_ref();
        notary.ok_or_else(|| ApiError::internal("this server has no key to sign checkpoints with"))
    }

    /// Checks every checkpoint against the journal, whose chain was found intact up to `last`.
    pub(crate) async fn check_checkpoints(&self, last: u64) -> ApiResult<Result<usize, Tampered>> {
        let Some(notary) = &self.options().notary else {
            return Ok(Ok(0));
        };
        let key: PublicKey = notary
            .signer
            .public_key()
            .parse()
            .map_err(ApiError::internal)?;
        let mut met = 0;
        let mut after = 0;
        loop {
            let chunk = self.store().checkpoints(after, CHUNK).await?;
            let Some(newest) = chunk.last() else {
                return Ok(Ok(met));
            };
            after = newest.position;
            let positions: Vec<u64> = chunk.iter().map(|checkpoint| checkpoint.position).collect();
            let mut anchors = match Anchors::new(chunk, &key) {
                Ok(anchors) => anchors,
                Err(tampered) => return Ok(Err(tampered)),
            };
            for position in positions {
                if let Some(record) = self.record(position).await?
                    && let Err(tampered) = anchors.check(position, &record.hash)
                {
                    return Ok(Err(tampered));
                }
            }
            match anchors.end(last) {
                Ok(count) => met += count,
                Err(tampered) => return Ok(Err(tampered)),
            }
        }
    }

    /// Signs whenever that is due, as long as the server runs.
    ///
    /// At the start a checkpoint that knows more than the journal is told as an alarm: the journal has lost its tail.
    pub async fn keep_checkpoints(self) {
        let Some(_) = self.options().notary else {
            return;
        };
        if let Ok(Err(tampered)) = self.check_newest().await {
            tracing::error!(%tampered, "the journal is not the one that was signed");
        }
        let stopping = self.stopping();
        loop {
            if let Err(error) = self.sign_if_due().await {
                tracing::warn!(problem = ?error.problem, "a checkpoint could not be signed");
            }
            let next = self.now() + SignedDuration::from_secs(LOOK_SECONDS);
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.clock().sleep_until(next) => (),
            }
        }
    }

    async fn check_newest(&self) -> ApiResult<Result<(), Tampered>> {
        let Some((position, _)) = self.store().newest_checkpoint().await? else {
            return Ok(Ok(()));
        };
        let head = self.position();
        if position > head {
            return Ok(Err(Tampered {
                position: head + 1,
                what: format!("a checkpoint knows record {position}: the tail was cut off"),
            }));
        }
        Ok(Ok(()))
    }

    async fn sign_if_due(&self) -> ApiResult<()> {
        let head = self.position();
        let due = match self.store().newest_checkpoint().await? {
            None => head > 0,
            Some((position, at)) => {
                let waited = self.now().duration_since(at);
                let old = waited >= SignedDuration::from_mins(MINUTES_MAX);
                head >= position + RECORDS_MAX || (head > position && old)
            }
        };
        if due {
            self.sign_checkpoint().await?;
        }
        Ok(())
    }
}

/// Appends a line and brings it to the disk.
fn append(file: &std::path::Path, line: &str) -> std::io::Result<()> {
    let mut open = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?;
    writeln!(open, "{line}")?;
    open.sync_all()
}
