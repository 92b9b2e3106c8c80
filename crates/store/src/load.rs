//! What the engine starts from: the rows of everything that has not ended.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use tokio::task::JoinHandle;
use trainmaster_core::access::Policy;
use trainmaster_core::entity::{Entity, EntityKey, Resource, Revision};
use trainmaster_core::ids::{ReleaseId, ResourceKey, TokenId};
use trainmaster_core::release::Release;
use trainmaster_engine::ports::{Loaded, StoreError};

use crate::commit::big;
use crate::error::{Sorted, unreadable};

/// Of how many releases the activities are parsed in one piece of work.
const PIECE: usize = 200;

/// The head of the journal and all rows that live in memory, as of one instant.
pub(crate) async fn all(readers: &SqlitePool) -> Result<Loaded, StoreError> {
    let mut transaction = readers.begin().await.sorted()?;
    let (position, hash) = head(&mut transaction).await?;
    let activities = live_activities(&mut transaction).await?;
    let mut entities = Vec::new();
    entities.extend(meta(&mut transaction).await?);
    let resources = resources(&mut transaction).await?;
    let releases = live_releases(&mut transaction).await?;
    for (key, revision) in needed(&resources, &releases) {
        entities.extend(
            revision_of(&mut transaction, &key, revision)
                .await?
                .map(Entity::Revision),
        );
    }
    entities.extend(resources.into_iter().map(Entity::Resource));
    entities.extend(tokens(&mut transaction).await?);
    entities.extend(users(&mut transaction).await?);
    entities.extend(groups(&mut transaction).await?);
    entities.extend(
        releases
            .into_iter()
            .map(|release| Entity::Release(Box::new(release))),
    );
    for piece in activities {
        entities.extend(piece.await.expect("reading rows does not panic")?);
    }
    Ok(Loaded {
        position,
        hash,
        entities,
    })
}

/// The rows of one release: itself, its activities, its revision. None if there is no such release.
pub(crate) async fn release(
    readers: &SqlitePool,
    release: ReleaseId,
) -> Result<Vec<Entity>, StoreError> {
    let mut transaction = readers.begin().await.sorted()?;
    let row = sqlx::query("select body from release where id = ?")
        .bind(big(release.0))
        .fetch_optional(&mut *transaction)
        .await
        .sorted()?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    let found: Release = body(&row, 0, || EntityKey::Release(release))?;
    let mut entities = Vec::new();
    if let Some(revision) = found.revision {
        let pinned = revision_of(&mut transaction, &found.process, revision).await?;
        entities.extend(pinned.map(Entity::Revision));
    }
    entities.push(Entity::Release(Box::new(found)));
    let rows = sqlx::query(
        "select release, position, body from activity where release = ? order by position",
    )
    .bind(big(release.0))
    .fetch_all(&mut *transaction)
    .await
    .sorted()?;
    entities.extend(parse_activities(&rows)?);
    Ok(entities)
}

pub(crate) async fn head(connection: &mut SqliteConnection) -> Result<(u64, String), StoreError> {
    let row = sqlx::query("select position, hash from journal order by position desc limit 1")
        .fetch_optional(connection)
        .await
        .sorted()?;
    let Some(row) = row else {
        return Ok((0, String::new()));
    };
    let position: i64 = row.try_get(0).sorted()?;
    Ok((position.unsigned_abs(), row.try_get(1).sorted()?))
}

async fn meta(connection: &mut SqliteConnection) -> Result<Option<Entity>, StoreError> {
    let row = sqlx::query("select body from meta")
        .fetch_optional(connection)
        .await
        .sorted()?;
    row.map(|row| body(&row, 0, || EntityKey::Meta).map(Entity::Meta))
        .transpose()
}

/// Every definition, deleted ones too: their revisions go on counting if they come back.
async fn resources(connection: &mut SqliteConnection) -> Result<Vec<Resource>, StoreError> {
    let rows = sqlx::query("select body, kind || '/' || organization || '/' || name from resource")
        .fetch_all(connection)
        .await
        .sorted()?;
    rows.iter()
        .map(|row| {
            let text: &str = row.try_get(0).sorted()?;
            let name: String = row.try_get(1).sorted()?;
            serde_json::from_str(text).map_err(|error| unreadable(name, &error))
        })
        .collect()
}

async fn tokens(connection: &mut SqliteConnection) -> Result<Vec<Entity>, StoreError> {
    let rows = sqlx::query("select body, id from token order by id")
        .fetch_all(connection)
        .await
        .sorted()?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get(1).sorted()?;
            body(row, 0, || EntityKey::Token(TokenId(id.unsigned_abs()))).map(Entity::Token)
        })
        .collect()
}

async fn users(connection: &mut SqliteConnection) -> Result<Vec<Entity>, StoreError> {
    let rows = sqlx::query("select body, name from user_account order by name")
        .fetch_all(connection)
        .await
        .sorted()?;
    rows.iter()
        .map(|row| {
            let text: &str = row.try_get(0).sorted()?;
            let name: String = row.try_get(1).sorted()?;
            let user = serde_json::from_str(text);
            user.map(|user| Entity::User(Box::new(user)))
                .map_err(|error| unreadable(format!("user {name}"), &error))
        })
        .collect()
}

/// Everything that rights are judged by: role bindings and teams with their newest content, users.
pub(crate) async fn people(readers: &SqlitePool) -> Result<Vec<Entity>, StoreError> {
    let mut transaction = readers.begin().await.sorted()?;
    let mut entities = Vec::new();
    for resource in resources(&mut transaction).await? {
        if Policy::concerns(resource.key.kind) {
            let revision = revision_of(&mut transaction, &resource.key, resource.revision).await?;
            entities.extend(revision.map(Entity::Revision));
            entities.push(Entity::Resource(resource));
        }
    }
    entities.extend(users(&mut transaction).await?);
    Ok(entities)
}

/// How far every release group has come.
async fn groups(connection: &mut SqliteConnection) -> Result<Vec<Entity>, StoreError> {
    let rows = sqlx::query("select body, organization || '/' || name from release_group")
        .fetch_all(connection)
        .await
        .sorted()?;
    rows.iter().map(group).collect()
}

/// How far one release group has come, if it has.
pub(crate) async fn group_of(
    connection: &mut SqliteConnection,
    key: &ResourceKey,
) -> Result<Option<Entity>, StoreError> {
    let row = sqlx::query(
        "select body, organization || '/' || name
         from release_group
         where organization = ? and name = ?",
    )
    .bind(key.organization.as_ref().map_or("", |name| name.as_str()))
    .bind(key.name.as_str())
    .fetch_optional(connection)
    .await
    .sorted()?;
    row.as_ref().map(group).transpose()
}

fn group(row: &SqliteRow) -> Result<Entity, StoreError> {
    let text: &str = row.try_get(0).sorted()?;
    let name: String = row.try_get(1).sorted()?;
    let state = serde_json::from_str(text)
        .map_err(|error| unreadable(format_args!("the state of group {name}"), &error))?;
    Ok(Entity::Group(Box::new(state)))
}

async fn live_releases(connection: &mut SqliteConnection) -> Result<Vec<Release>, StoreError> {
    let rows = sqlx::query("select body, id from release where ended = 0 order by id")
        .fetch_all(connection)
        .await
        .sorted()?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get(1).sorted()?;
            body(row, 0, || EntityKey::Release(ReleaseId(id.unsigned_abs())))
        })
        .collect()
}

/// Activities of releases that have not ended, parsed elsewhere while the next ones are read.
///
/// Those of one release come as one text: a row for each would take longer to hand over than to parse.
async fn live_activities(
    connection: &mut SqliteConnection,
) -> Result<Vec<JoinHandle<Result<Vec<Entity>, StoreError>>>, StoreError> {
    let mut rows = sqlx::query(
        "select r.id, group_concat(a.position || ' ' || a.body, char(10))
         from release r
         cross join activity a
         where r.ended = 0 and a.release = r.id
         group by r.id",
    )
    .fetch(connection);
    let mut pieces = Vec::new();
    let mut piece = Vec::with_capacity(PIECE);
    while let Some(row) = rows.try_next().await.sorted()? {
        let release: i64 = row.try_get(0).sorted()?;
        let lines: String = row.try_get(1).sorted()?;
        piece.push((ReleaseId(release.unsigned_abs()), lines));
        if piece.len() == PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
            pieces.push(tokio::task::spawn_blocking(move || parse_lines(&full)));
        }
    }
    pieces.push(tokio::task::spawn_blocking(move || parse_lines(&piece)));
    Ok(pieces)
}

/// Activities from lines of `position body`, which bodies in canonical order fit into.
fn parse_lines(releases: &[(ReleaseId, String)]) -> Result<Vec<Entity>, StoreError> {
    let mut entities = Vec::new();
    for (release, lines) in releases {
        for line in lines.split('\n') {
            let (position, body) = line.split_once(' ').unwrap_or_default();
            let position = position.parse().map_err(|_| {
                StoreError::Damaged(format!(
                    "an activity of `{release}` is not written as one is"
                ))
            })?;
            entities.push(activity(*release, position, body)?);
        }
    }
    Ok(entities)
}

/// Activities from `release, position, body`.
fn parse_activities(rows: &[SqliteRow]) -> Result<Vec<Entity>, StoreError> {
    rows.iter()
        .map(|row| {
            let release: i64 = row.try_get(0).sorted()?;
            let position: i64 = row.try_get(1).sorted()?;
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            activity(
                ReleaseId(release.unsigned_abs()),
                position,
                row.try_get(2).sorted()?,
            )
        })
        .collect()
}

fn activity(release: ReleaseId, position: u32, body: &str) -> Result<Entity, StoreError> {
    let activity = serde_json::from_str(body)
        .map_err(|error| unreadable(EntityKey::Activity(release, position), &error))?;
    Ok(Entity::Activity {
        release,
        position,
        activity: Box::new(activity),
    })
}

/// Revisions that are in use: the newest ones, and those that releases name.
fn needed(resources: &[Resource], releases: &[Release]) -> BTreeSet<(ResourceKey, u32)> {
    let newest = resources
        .iter()
        .map(|resource| (resource.key.clone(), resource.revision));
    let pinned = releases
        .iter()
        .filter_map(|release| Some((release.process.clone(), release.revision?)));
    newest.chain(pinned).collect()
}

/// One revision of a definition, if there is one.
pub(crate) async fn revision_of(
    connection: &mut SqliteConnection,
    key: &ResourceKey,
    revision: u32,
) -> Result<Option<Revision>, StoreError> {
    let row = sqlx::query(
        "select body from revision where kind = ? and organization = ? and name = ? and revision = ?",
    )
    .bind(key.kind.as_str())
    .bind(key.organization.as_ref().map_or("", |name| name.as_str()))
    .bind(key.name.as_str())
    .bind(i64::from(revision))
    .fetch_optional(connection)
    .await
    .sorted()?;
    row.map(|row| body(&row, 0, || EntityKey::Revision(key.clone(), revision)))
        .transpose()
}

/// A body of a row; one that cannot be read is named.
fn body<T: DeserializeOwned>(
    row: &SqliteRow,
    column: usize,
    key: impl FnOnce() -> EntityKey,
) -> Result<T, StoreError> {
    let text: &str = row.try_get(column).sorted()?;
    serde_json::from_str(text).map_err(|error| unreadable(key(), &error))
}
