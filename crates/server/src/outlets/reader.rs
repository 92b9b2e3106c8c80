//! Reads the journal and makes deliveries; what was made and how far was read is written at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use trainmaster_core::definition::{Body, Definition};
use trainmaster_core::entity::Resource;
use trainmaster_core::ids::{ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::notification_rule::{NotificationRuleSpec, announce};
use trainmaster_core::release::Release;
use trainmaster_core::{Change, Event};
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::StoreError;
use trainmaster_store::SqlStore;
use trainmaster_store::outlets::{Delivery, RuleNotice};
use trainmaster_store::read::{PageRequest, ResourceFilter};

use super::{Inner, STORE_WAIT, matching};

/// How many records are read before what they make is written.
const RECORDS_MAX: usize = 256;
/// How far the stored position may lie behind when nothing was made.
const POSITION_LAG_MAX: u64 = 1_000;
/// How many rules are obeyed.
const RULES_MAX: usize = 1_000;

/// A rule as it stands.
pub(super) struct Rule {
    pub(super) key: ResourceKey,
    pub(super) spec: NotificationRuleSpec,
    /// Since when there is such a rule; what happened before is told to nobody.
    since: Timestamp,
}

/// What some records make.
#[derive(Default)]
pub(super) struct Made {
    deliveries: Vec<Delivery>,
    notices: Vec<RuleNotice>,
    /// Rules that were changed, and so are turned on again, or are gone.
    changed: Vec<(ResourceKey, bool)>,
}

impl Made {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.notices.is_empty() && self.changed.is_empty()
    }
}

impl Inner {
    /// Reads until the engine or the dispatcher stops.
    pub(super) async fn read(self: Arc<Self>) {
        let Some(mut saved) = self.begin().await else {
            return;
        };
        let mut feed = self.engine.subscribe(saved);
        let mut rules: Option<Vec<Rule>> = None;
        loop {
            let first = tokio::select! {
                () = self.stopping.cancelled() => break,
                record = feed.next() => record,
            };
            let first = match first {
                None => break,
                Some(Ok(first)) => first,
                Some(Err(error)) => {
                    tracing::warn!(%error, "the journal cannot be read for what goes out");
                    if !self.pause(STORE_WAIT).await {
                        break;
                    }
                    continue;
                }
            };
            let mut records = vec![first];
            while records.len() < RECORDS_MAX
                && let Some(record) = feed.ready()
            {
                records.push(record);
            }
            match self.take(&records, &mut rules, saved).await {
                Some(position) => saved = position,
                None => break,
            }
        }
        self.keep(saved, feed.position()).await;
    }

    /// Where to go on, and everything that was left open is taken up again.
    async fn begin(self: &Arc<Self>) -> Option<u64> {
        loop {
            let begun = async {
                let position = self.store.outlets_position().await?;
                Ok::<_, StoreError>((position, self.store.open_destinations().await?))
            };
            match begun.await {
                Ok((position, destinations)) => {
                    for destination in destinations {
                        self.wake(&destination);
                    }
                    return Some(position);
                }
                Err(error) => {
                    tracing::warn!(%error, "what is to go out cannot be read");
                    if !self.pause(STORE_WAIT).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Makes what some records ask for, as often as it takes; none if the dispatcher stops before.
    async fn take(
        self: &Arc<Self>,
        records: &[Arc<Record>],
        rules: &mut Option<Vec<Rule>>,
        saved: u64,
    ) -> Option<u64> {
        let position = records.last().map_or(saved, |record| record.position);
        loop {
            match self.try_take(records, rules, saved, position).await {
                Ok(saved) => return Some(saved),
                Err(error) => {
                    tracing::warn!(%error, "deliveries cannot be made");
                    *rules = None;
                    if !self.pause(STORE_WAIT).await {
                        return None;
                    }
                }
            }
        }
    }

    async fn try_take(
        self: &Arc<Self>,
        records: &[Arc<Record>],
        rules: &mut Option<Vec<Rule>>,
        saved: u64,
        position: u64,
    ) -> Result<u64, StoreError> {
        let made = self.made(records, rules).await?;
        if made.is_empty() && position - saved < POSITION_LAG_MAX {
            return Ok(saved);
        }
        let now = self.clock.now();
        for (key, is_there) in &made.changed {
            let organization = key.organization.as_ref();
            match is_there {
                true => self.store.enable_outlets(organization, &key.name).await?,
                false => {
                    self.store
                        .withhold_rule(organization, &key.name, now)
                        .await?;
                }
            }
        }
        self.store
            .make_deliveries(position, &made.deliveries, &made.notices, now)
            .await?;
        self.faults.pass("outlets.made");
        let destinations: BTreeSet<&str> = made
            .deliveries
            .iter()
            .map(|delivery| delivery.destination.as_str())
            .collect();
        for destination in destinations {
            self.wake(destination);
        }
        Ok(position)
    }

    async fn made(
        &self,
        records: &[Arc<Record>],
        rules: &mut Option<Vec<Rule>>,
    ) -> Result<Made, StoreError> {
        let mut made = Made::default();
        let mut releases: BTreeMap<ReleaseId, Option<Release>> = BTreeMap::new();
        for record in records {
            if rules.is_none() {
                *rules = Some(self.rules().await?);
            }
            let nothing_to_do = rules.as_ref().is_some_and(Vec::is_empty);
            if nothing_to_do && !record.body.contains("NotificationRule") {
                continue;
            }
            let Ok(event) = record.event() else {
                tracing::warn!(
                    position = record.position,
                    "an event cannot be read and is told to nobody"
                );
                continue;
            };
            if let Some(changed) = changed_rule(&event) {
                made.changed.push(changed);
                *rules = None;
                continue;
            }
            let Some(id) = event.release else { continue };
            let release = match releases.get(&id) {
                Some(known) => known,
                None => {
                    let found = self.store.release_head(id).await?;
                    releases.entry(id).or_insert(found)
                }
            };
            let Some(release) = release else { continue };
            let Some(announcement) = announce(&event, release) else {
                continue;
            };
            let policy =
                self.rights.now().await.map_err(|_| {
                    StoreError::Unavailable("who people are cannot be read".to_owned())
                })?;
            for rule in rules.as_deref().unwrap_or_default() {
                if rule.since > event.at {
                    continue;
                }
                let matched = matching::Matched {
                    rule,
                    record,
                    announcement: &announcement,
                    release,
                    policy: &policy,
                    public_url: &self.public_url,
                };
                let (deliveries, notices) = matched.made(self.clock.now());
                made.deliveries.extend(deliveries);
                made.notices.extend(notices);
            }
        }
        Ok(made)
    }

    /// Every rule that is not deleted.
    async fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        let filter = ResourceFilter::of(ResourceKind::NotificationRule);
        let mut page = PageRequest::first(500);
        let mut rules = Vec::new();
        loop {
            let found = self
                .store
                .list_resources(&filter, &page)
                .await
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            for resource in found.items {
                if let Some(spec) = spec_of(&self.store, &resource).await? {
                    rules.push(Rule {
                        key: resource.key,
                        spec,
                        since: resource.created_at,
                    });
                }
            }
            if rules.len() > RULES_MAX {
                tracing::warn!(
                    limit = RULES_MAX,
                    "there are more notification rules than are obeyed"
                );
                rules.truncate(RULES_MAX);
                return Ok(rules);
            }
            match found.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(rules),
            }
        }
    }

    /// Keeps how far was read, for the next start.
    async fn keep(&self, saved: u64, position: u64) {
        if position > saved {
            let now = self.clock.now();
            if let Err(error) = self.store.make_deliveries(position, &[], &[], now).await {
                tracing::debug!(%error, "some records are read again after the next start");
            }
        }
    }
}

/// What a rule says now; none if what is stored cannot be understood.
pub(super) async fn spec_of(
    store: &SqlStore,
    resource: &Resource,
) -> Result<Option<NotificationRuleSpec>, StoreError> {
    let Some(revision) = store.revision(&resource.key, resource.revision).await? else {
        return Ok(None);
    };
    let definition = Definition::from_stored(
        revision.key,
        revision.description,
        revision.labels,
        &revision.spec,
    );
    match definition.map(|definition| definition.body) {
        Ok(Body::NotificationRule(spec)) => Ok(Some(spec)),
        _ => {
            tracing::warn!(rule = %resource.key, "a stored notification rule cannot be understood");
            Ok(None)
        }
    }
}

/// The rule that an event changes, and whether it is there afterwards.
fn changed_rule(event: &Event) -> Option<(ResourceKey, bool)> {
    let (key, is_there) = match &event.change {
        Change::ResourceApplied { key, .. } => (key, true),
        Change::ResourceDeleted { key } => (key, false),
        _ => return None,
    };
    (key.kind == ResourceKind::NotificationRule).then(|| (key.clone(), is_there))
}
