//! Questions to the store that several routes ask, and how its errors look from outside.

use serde::Deserialize;
use trainmaster_api::Page;
use trainmaster_core::World;
use trainmaster_core::access::Holder;
use trainmaster_core::account::{ACCOUNT, AccountSpec};
use trainmaster_core::calendar::touch::Touches;
use trainmaster_core::command::NewRelease;
use trainmaster_core::entity::{Entity, Resource};
use trainmaster_core::ids::{Name, ReleaseId, ResourceKey, ResourceKind, TokenId};
use trainmaster_core::release::{Life, Release};
use trainmaster_engine::ports::StoreError;
use trainmaster_store::SqlStore;
use trainmaster_store::read::{self, PageRequest, ReadError};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::query_name;
use crate::state::App;

/// How many items a page holds if nobody says.
const LIMIT_DEFAULT: u64 = 50;
/// How many items a page holds at most.
const LIMIT_MAX: u64 = 500;

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Cursor(_) => ApiError::new("cursor-invalid", error.to_string()),
            ReadError::Store(error) => ApiError::from(error),
        }
    }
}

/// Which page, from the query.
pub(crate) fn page(limit: Option<u64>, cursor: Option<String>) -> ApiResult<PageRequest> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid_query(
            "limit",
            format!("must be a number from 1 to {LIMIT_MAX}"),
        ));
    }
    Ok(PageRequest { limit, cursor })
}

/// A page of rows as a page of views.
pub(crate) fn shown<R, V>(page: read::Page<R>, as_of: u64, view: impl FnMut(R) -> V) -> Page<V> {
    Page {
        items: page.items.into_iter().map(view).collect(),
        next: page.next,
        as_of,
    }
}

/// The organizations that a list may show: all that the viewer sees, or the one that was asked for.
///
/// The account level is asked for by an empty name. What the viewer does not see lists as empty.
pub(crate) fn organizations(
    viewer: &Viewer,
    asked: Option<&str>,
) -> ApiResult<Option<Vec<Option<Name>>>> {
    let seen = viewer.seen();
    Ok(match asked {
        Some(asked) => seen.only(query_name("organization", Some(asked))?).places(),
        None => seen.places(),
    })
}

/// Filters by label: `key=value`, several separated by commas, `key:value` meaning the same; a plain tag is a key with an empty value.
pub(crate) fn labels(text: Option<&str>) -> Vec<(String, String)> {
    let words = text
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once(['=', ':']) {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (word.to_owned(), String::new()),
        })
        .collect()
}

/// Words of a list in a query, each read as the wire writes it.
pub(crate) fn words<T: for<'de> Deserialize<'de>>(
    parameter: &str,
    text: Option<&str>,
) -> ApiResult<Vec<T>> {
    let words = text
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            serde_json::from_value(word.into())
                .map_err(|error| ApiError::invalid_query(parameter, error.to_string()))
        })
        .collect()
}

/// What a draft will be made of: the newest revision of its process and of its input set.
///
/// A release that has left the draft brings its pinned revision along, and needs only the newest state.
pub(crate) async fn definitions_of(
    store: &SqlStore,
    release: &Release,
) -> Result<Vec<Entity>, StoreError> {
    let mut rows = newest(
        store,
        &release.process,
        release.life == Life::Draft,
        release.revision.or(release.asked_revision),
    )
    .await?;
    if let (Life::Draft, Some(name)) = (release.life, &release.input_set) {
        for organization in [release.organization.clone(), None] {
            let key = ResourceKey {
                kind: ResourceKind::InputSet,
                organization,
                name: name.clone(),
            };
            rows.extend(newest(store, &key, true, None).await?);
        }
    }
    if !release.status().is_terminal() {
        rows.extend(freezes_of(store, release).await?);
    }
    // Whether it may start is for its group to say.
    if let Some(group) = release.group_key() {
        rows.extend(store.group_rows(&group).await?);
    }
    Ok(rows)
}

/// The freezes that may hold for a release: those of the account and those of its organization.
async fn freezes_of(store: &SqlStore, release: &Release) -> Result<Vec<Entity>, StoreError> {
    let filter = read::ResourceFilter {
        organizations: Some(vec![None, release.organization.clone()]),
        ..read::ResourceFilter::of(ResourceKind::Freeze)
    };
    let mut rows = Vec::new();
    for (resource, revision) in store.newest_definitions(&filter).await? {
        rows.extend([Entity::Resource(resource), Entity::Revision(revision)]);
    }
    Ok(rows)
}

/// The settings of the account, by which actions are judged.
pub(crate) async fn account(store: &SqlStore) -> Result<Vec<Entity>, StoreError> {
    let key = ResourceKey {
        kind: ResourceKind::Account,
        organization: None,
        name: ACCOUNT.parse().expect("the account's name is a name"),
    };
    newest(store, &key, true, None).await
}

/// The newest state of a definition, with its revision where that is wanted.
pub(crate) async fn newest(
    store: &SqlStore,
    key: &ResourceKey,
    with_revision: bool,
    asked: Option<u32>,
) -> Result<Vec<Entity>, StoreError> {
    let Some(resource) = store.resource(key).await? else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    if with_revision {
        let number = asked.unwrap_or(resource.revision);
        rows.extend(store.revision(key, number).await?.map(Entity::Revision));
    }
    rows.push(Entity::Resource(resource));
    Ok(rows)
}

impl App {
    /// The account's settings as they are now.
    pub(crate) async fn account(&self) -> ApiResult<AccountSpec> {
        let key = ResourceKey {
            kind: ResourceKind::Account,
            organization: None,
            name: ACCOUNT.parse().map_err(ApiError::internal)?,
        };
        let resource = self.store().resource(&key).await?;
        let Some(resource) = resource.filter(|known| !known.deleted) else {
            return Ok(AccountSpec::default());
        };
        let revision = self.store().revision(&key, resource.revision).await?;
        let spec = revision.map(|revision| serde_json::from_value(revision.spec));
        Ok(spec
            .transpose()
            .map_err(ApiError::internal)?
            .unwrap_or_default())
    }

    /// What a release that is not there yet would touch.
    pub(crate) async fn touches_of_new(&self, new: &NewRelease) -> ApiResult<Touches> {
        let mut rows = Vec::new();
        let named = [
            (ResourceKind::Process, new.process.as_ref()),
            (ResourceKind::InputSet, new.input_set.as_ref()),
        ];
        for (kind, name) in named {
            let Some(name) = name else { continue };
            for organization in [new.organization.clone(), None] {
                let key = ResourceKey {
                    kind,
                    organization,
                    name: name.clone(),
                };
                rows.extend(newest(self.store(), &key, true, None).await?);
            }
        }
        let (zones, new) = (self.zones().clone(), new.clone());
        let judged = tokio::task::spawn_blocking(move || {
            let world = World::from_entities(zones, rows);
            world.map(|world| world.touches_of_new(&new))
        });
        let touches = judged.await.map_err(ApiError::internal)?;
        Ok(touches.map_err(ApiError::internal)??)
    }

    /// A token's holder by the token's digest, revoked or not.
    pub(crate) async fn holder_by_digest(&self, digest: &str) -> ApiResult<Option<Holder>> {
        Ok(self.store().holder_by_digest(digest).await?)
    }

    /// A token's holder by the token's id, revoked or not.
    pub(crate) async fn holder(&self, token: TokenId) -> ApiResult<Option<Holder>> {
        let mut page = PageRequest::first(read::LIMIT_MAX);
        loop {
            let found = self.store().list_tokens(&page).await?;
            if let Some(holder) = found.items.into_iter().find(|holder| holder.token == token) {
                return Ok(Some(holder));
            }
            match found.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// Where a release lives, by its row.
    pub(crate) async fn stored_organization(
        &self,
        id: ReleaseId,
    ) -> ApiResult<Option<Option<Name>>> {
        let rows = trainmaster_engine::ports::Store::load_release(self.store(), id).await?;
        Ok(rows.into_iter().find_map(|row| match row {
            Entity::Release(release) if release.id == id => Some(release.organization),
            _ => None,
        }))
    }

    /// The newest state of a definition that this viewer may see and that was not deleted.
    pub(crate) async fn resource(&self, viewer: &Viewer, key: &ResourceKey) -> ApiResult<Resource> {
        let found = if viewer.sees(key.organization.as_ref()) {
            self.store().resource(key).await?
        } else {
            None
        };
        let live = found.filter(|resource| !resource.deleted);
        live.ok_or_else(|| ApiError::unknown_resource(&key.to_string()))
    }
}

/// A page of a list that is in memory, in the list's own order; the cursor is the key of the last item.
pub(crate) fn piece<T>(
    items: impl Iterator<Item = T>,
    page: &PageRequest,
    as_of: u64,
    key: impl Fn(&T) -> String,
) -> ApiResult<Page<T>> {
    let mut rest = items.peekable();
    if let Some(cursor) = &page.cursor {
        let found = rest.by_ref().any(|item| key(&item) == *cursor);
        if !found {
            return Err(ApiError::new(
                "cursor-invalid",
                "the cursor does not belong to this list",
            ));
        }
    }
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let items: Vec<T> = rest.by_ref().take(limit).collect();
    let next = items.last().map(&key).filter(|_| rest.peek().is_some());
    Ok(Page { items, next, as_of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_list_in_memory_follow_one_another() {
        let list = ["a", "b", "c"];
        let get = |cursor: Option<&str>| {
            let page = PageRequest {
                limit: 2,
                cursor: cursor.map(str::to_owned),
            };
            piece(list.into_iter(), &page, 7, |item| (*item).to_owned())
        };
        let first = get(None).expect("a page");
        assert_eq!(
            (first.items, first.next.as_deref()),
            (vec!["a", "b"], Some("b"))
        );
        let second = get(Some("b")).expect("a page");
        assert_eq!((second.items, second.next), (vec!["c"], None));
        assert_eq!(
            get(Some("x")).expect_err("refused").problem.code,
            "cursor-invalid"
        );
    }

    #[test]
    fn labels_are_read_with_and_without_a_value() {
        let expected = [
            ("team".to_owned(), "platform".to_owned()),
            ("urgent".to_owned(), String::new()),
        ];
        assert_eq!(labels(Some("team=platform, urgent")), expected);
        assert!(labels(None).is_empty());
    }
}
