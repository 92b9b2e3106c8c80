//! Deployments as the API shows them.

use std::collections::{BTreeMap, BTreeSet};

use trainmaster_api::{CommitView, DeploymentView, StayView, WhereRelease};
use trainmaster_core::deployment::Deployment;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::Deployed;
use trainmaster_core::trace::{Placed, stays};
use trainmaster_store::read::{DeploymentRow, Found, ReleaseHead, ReleaseWord};

use super::instant;

/// Releases in a few words, by id.
pub(crate) type Heads = BTreeMap<ReleaseId, ReleaseHead>;

/// A recorded deployment.
pub(crate) fn deployment(row: &DeploymentRow, heads: &Heads) -> DeploymentView {
    let head = heads.get(&row.release);
    DeploymentView {
        id: Some(row.id),
        release: row.release.to_string(),
        release_name: head.map(|head| head.name.clone()),
        release_status: head.map(|head| head.status.clone()),
        path: row.path.clone(),
        at: instant(row.at),
        by: row.by.clone(),
        ..bare(&row.deployment)
    }
}

/// A deployment as its activity holds it.
pub(crate) fn of_activity(release: ReleaseId, path: &str, deployed: &Deployed) -> DeploymentView {
    DeploymentView {
        release: release.to_string(),
        path: path.to_owned(),
        at: instant(deployed.at),
        ..bare(&deployed.deployment)
    }
}

fn bare(deployment: &Deployment) -> DeploymentView {
    DeploymentView {
        environment: deployment.environment.clone(),
        service: deployment.service.clone(),
        organization: deployment.organization.as_ref().map(ToString::to_string),
        version: deployment.version.clone(),
        commits: deployment.commits.clone(),
        image: deployment.image.clone(),
        artifact: deployment.artifact.clone(),
        tickets: deployment.tickets.clone(),
        attempt: deployment.attempt,
        ..DeploymentView::default()
    }
}

/// The commits of deployments: those they name, and those their releases carry by links and inputs.
pub(crate) fn commits(
    rows: &[DeploymentRow],
    words: &BTreeMap<ReleaseId, Vec<ReleaseWord>>,
) -> Vec<CommitView> {
    let mut order: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, CommitView> = BTreeMap::new();
    let mut add = |commit: &str, source: &str, row: &DeploymentRow| {
        let key = commit.to_lowercase();
        let view = found.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            CommitView {
                commit: commit.to_owned(),
                sources: Vec::new(),
                services: Vec::new(),
                releases: Vec::new(),
            }
        });
        once(&mut view.sources, source);
        once(&mut view.services, &row.deployment.service);
        once(&mut view.releases, &row.release.to_string());
    };
    for row in rows {
        for commit in &row.deployment.commits {
            add(commit, "deployment", row);
        }
        for word in words.get(&row.release).into_iter().flatten() {
            add(&word.value, word.source.as_str(), row);
        }
    }
    order
        .iter()
        .filter_map(|commit| found.remove(commit))
        .collect()
}

fn once(list: &mut Vec<String>, word: &str) {
    if !list.iter().any(|known| known == word) {
        list.push(word.to_owned());
    }
}

/// Environment, service and organization of a deployment.
pub(crate) fn place(row: &DeploymentRow) -> (String, String, String) {
    let deployment = &row.deployment;
    let organization = deployment.organization.as_ref();
    (
        deployment.environment.clone(),
        deployment.service.clone(),
        organization.map(ToString::to_string).unwrap_or_default(),
    )
}

/// Releases that carry what was found, the newest first, with the places they brought it to.
pub(crate) fn found(
    found: &[Found],
    carrying: &BTreeSet<u64>,
    history: &[DeploymentRow],
    heads: &Heads,
) -> Vec<WhereRelease> {
    let placed: Vec<Placed> = history
        .iter()
        .map(|row| Placed {
            place: place(row),
            release: row.release,
            at: row.at,
            carries: carrying.contains(&row.id),
        })
        .collect();
    let mut releases: BTreeMap<ReleaseId, WhereRelease> = BTreeMap::new();
    for one in found {
        let head = heads.get(&one.release);
        let view = releases.entry(one.release).or_insert_with(|| WhereRelease {
            release: one.release.to_string(),
            name: head.map(|head| head.name.clone()),
            process: head.map(|head| head.process.clone()),
            status: head.map(|head| head.status.clone()),
            values: Vec::new(),
            sources: Vec::new(),
            environments: Vec::new(),
        });
        once(&mut view.values, &one.value);
        once(&mut view.sources, one.source.as_str());
    }
    for stay in stays(&placed) {
        let row = &history[stay.brought_by];
        if let Some(view) = releases.get_mut(&row.release) {
            view.environments.push(StayView {
                environment: row.deployment.environment.clone(),
                service: row.deployment.service.clone(),
                version: row.deployment.version.clone(),
                deployment: row.id,
                since: instant(row.at),
                until: stay.until.map(instant),
            });
        }
    }
    releases.into_values().rev().collect()
}
