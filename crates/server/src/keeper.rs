//! Housekeeping that needs rows outside memory: what has ended long ago is put out of the way, and what is to be
//! deleted goes.
//!
//! The keeper finds candidates in the store and asks the engine as the server itself; core judges each one. It may be
//! stopped at any time and starts again from what is stored.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use trainmaster_core::account::{AccountSpec, Retention};
use trainmaster_core::command::ReleaseCommand;
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::{Actor, Command};
use trainmaster_engine::ports::StoreError;
use trainmaster_engine::{Request, SubmitError};
use trainmaster_store::read::Due;

use crate::state::App;

/// How long the keeper rests when there is nothing left to do.
const REST: SignedDuration = SignedDuration::from_hours(1);
/// How long it rests when there is more to do than one pass takes.
const BREATH: SignedDuration = SignedDuration::from_secs(10);
/// How many releases one pass archives, and how many it deletes.
const PASS_MAX: usize = 500;
/// How many candidates are read at a time.
const PIECE: u64 = 100;

/// What one pass has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many releases were archived.
    pub archived: usize,
    /// How many releases were deleted.
    pub deleted: usize,
    /// Whether there is more to do.
    pub more: bool,
}

/// Keeps house until the server's streams are stopped.
pub async fn keep(app: App) {
    loop {
        let rest = match pass(&app).await {
            Ok(kept) if kept.more => BREATH,
            Ok(_) => REST,
            Err(error) => {
                tracing::warn!(%error, "the keeper could not do its work; it tries again");
                REST
            }
        };
        let until = app.now().checked_add(rest).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = app.stopping().cancelled_owned() => return,
            () = app.clock().sleep_until(until) => (),
        }
        // However fast the clock runs, others have their turn.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One pass: archives, deletes and prunes what is due now.
///
/// # Errors
/// The store does not answer.
pub async fn pass(app: &App) -> Result<Kept, StoreError> {
    let now = app.now();
    let retention = retention(app).await?;
    let archive_before = before(now, retention.archive_after.get());
    let (archived, more_to_archive) =
        carry_out(app, archive_before, false, || ReleaseCommand::Archive).await?;
    let (mut deleted, mut more_to_delete) = (0, false);
    if let Some(delete_after) = retention.delete_after {
        let delete_before = before(now, delete_after.get().max(retention.archive_after.get()));
        (deleted, more_to_delete) =
            carry_out(app, delete_before, true, || ReleaseCommand::Delete).await?;
    }
    app.store().prune(archive_before).await?;
    if archived + deleted > 0 {
        tracing::info!(archived, deleted, "old releases were put out of the way");
    }
    Ok(Kept {
        archived,
        deleted,
        more: more_to_archive || more_to_delete,
    })
}

/// Asks for each release that ended before an instant; one that is refused stays as it is.
async fn carry_out(
    app: &App,
    ended_before: Timestamp,
    archived: bool,
    action: impl Fn() -> ReleaseCommand,
) -> Result<(usize, bool), StoreError> {
    let mut done = 0;
    let mut behind: Option<Due> = None;
    loop {
        let store = app.store();
        let due = store
            .ended_before(ended_before, archived, behind, PIECE)
            .await?;
        let Some(last) = due.last() else {
            return Ok((done, false));
        };
        behind = Some(*last);
        for due in due {
            match ask(app, due.release, action()).await {
                Ok(()) => done += 1,
                Err(SubmitError::Rejected(why)) => {
                    tracing::debug!(release = %due.release, %why, "an old release stays");
                }
                // Others need the engine more than the keeper does.
                Err(SubmitError::Busy) => return Ok((done, true)),
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            }
            if done >= PASS_MAX {
                return Ok((done, true));
            }
        }
    }
}

async fn ask(app: &App, release: ReleaseId, action: ReleaseCommand) -> Result<(), SubmitError> {
    let request = Request {
        actor: Actor::System,
        command: Command::Release { release, action },
        idempotency: None,
        answer: Box::new(|_, _| String::new()),
    };
    app.engine().submit(request).await.map(drop)
}

/// The first instant that is not old enough: what ended before it is due.
fn before(now: Timestamp, age: SignedDuration) -> Timestamp {
    let cutoff = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    // What ended exactly that long ago is due as well.
    cutoff
        .checked_add(SignedDuration::from_micros(1))
        .unwrap_or(cutoff)
}

/// The account's setting, as it was committed last.
async fn retention(app: &App) -> Result<Retention, StoreError> {
    let rows = crate::rows::account(app.store()).await?;
    let deleted = rows
        .iter()
        .any(|row| matches!(row, Entity::Resource(known) if known.deleted));
    let spec = rows.into_iter().find_map(|row| match row {
        Entity::Revision(revision) if !deleted => {
            serde_json::from_value::<AccountSpec>(revision.spec).ok()
        }
        _ => None,
    });
    Ok(spec.map(|spec| spec.retention).unwrap_or_default())
}
