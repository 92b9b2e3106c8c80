//! The plan of a release: the pinned one, and for a draft the one that it would pin now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use trainmaster_core::World;
use trainmaster_core::definition::{Body, Definition};
use trainmaster_core::entity::Revision;
use trainmaster_core::plan::Plan;
use trainmaster_core::release::Release;

/// Plans that are kept; one follows from its digest, so a kept one never grows old.
const KEPT_MAX: usize = 64;

static KEPT: Mutex<BTreeMap<String, Arc<Plan>>> = Mutex::new(BTreeMap::new());

/// The plan of a release; none if its process is not there.
pub(crate) fn plan_of(world: &World, release: &Release) -> Option<Arc<Plan>> {
    if let Some(plan) = world.plan(release.id) {
        return Some(plan.clone());
    }
    let newest = || {
        world
            .resource(&release.process)
            .map(|resource| resource.revision)
    };
    let number = release.revision.or_else(newest)?;
    compiled(world.revision(&release.process, number)?)
}

/// The plan of one revision of a process.
pub(crate) fn compiled(revision: &Revision) -> Option<Arc<Plan>> {
    if let Some(plan) = kept().get(&revision.digest) {
        return Some(plan.clone());
    }
    let (key, description, labels) = (
        revision.key.clone(),
        revision.description.clone(),
        revision.labels.clone(),
    );
    let definition = Definition::from_stored(key, description, labels, &revision.spec).ok()?;
    let Body::Process(plan) = definition.body else {
        return None;
    };
    let mut kept = kept();
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(revision.digest.clone(), plan.clone());
    Some(plan)
}

fn kept() -> std::sync::MutexGuard<'static, BTreeMap<String, Arc<Plan>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
