//! Maintenance windows: when releases of an environment are expected to begin (checklist M-017).
//!
//! They only warn. What must not start is said by a freeze.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schedule::{RecurrenceSpec, WindowSpec, Written, zone};
use super::touch::normal;
use super::window::{Stretch, Windows};
use crate::account::AccountSpec;
use crate::definition::fault::{At, Faults};
use crate::ids::Name;
use crate::world::World;

/// Most maintenance windows of the account.
pub(crate) const MAINTENANCE_MAX: usize = 200;

/// When releases of some environments are expected to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaintenanceWindowSpec {
    /// Its name.
    pub name: Name,
    /// Only for releases of this organization; without one, for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Only for releases that touch one of these environments; empty is every release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(max = 100)))]
    pub environments: Vec<String>,
    /// When it is, once each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowSpec>,
    /// When it is again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<RecurrenceSpec>,
    /// The IANA zone of local times; without one, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub zone: Option<String>,
}

/// That a release would begin outside of the maintenance windows for what it touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideMaintenance {
    /// The environment; none where the windows hold for every release.
    pub environment: Option<String>,
    /// Names of the windows that were looked at.
    pub windows: Vec<Name>,
    /// The next time that one of them is, if any.
    pub next: Option<Stretch>,
}

impl OutsideMaintenance {
    /// What a person is told.
    pub fn message(&self) -> String {
        let names: Vec<String> = self
            .windows
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let place = match &self.environment {
            Some(environment) => format!(" of environment `{environment}`"),
            None => String::new(),
        };
        let next = match &self.next {
            Some(next) => format!("; the next one is from {} to {}", next.from, next.to),
            None => "; there is none to come".to_owned(),
        };
        format!(
            "the start lies outside of the maintenance windows{place} ({}){next}",
            names.join(", ")
        )
    }
}

impl MaintenanceWindowSpec {
    fn written(&self) -> Written<'_> {
        Written {
            windows: &self.windows,
            recurrence: self.recurrence.as_ref(),
        }
    }

    /// When it is; a zone that is not known (any more) counts as UTC.
    fn read(&self, zones: &TimeZoneDatabase) -> Windows {
        let zone = self.zone.as_deref().and_then(|zone| zones.get(zone).ok());
        let zone = zone.unwrap_or(TimeZone::UTC);
        self.written()
            .read(&zone, &At::ROOT, &mut Faults::default())
    }

    fn names(&self, environment: &str) -> bool {
        self.environments
            .iter()
            .any(|name| normal(name).as_deref() == Some(environment))
    }
}

/// Everything wrong with the maintenance windows of the account; zones are only looked up where they are known.
pub(crate) fn check(
    list: &[MaintenanceWindowSpec],
    zones: Option<&TimeZoneDatabase>,
    at: &At<'_>,
    faults: &mut Faults,
) {
    if list.len() > MAINTENANCE_MAX {
        faults.add(
            at,
            format!("at most {MAINTENANCE_MAX} maintenance windows are possible"),
        );
    }
    let mut seen = BTreeSet::new();
    for (index, window) in list.iter().enumerate().take(MAINTENANCE_MAX) {
        let here = at.index(index);
        if zones.is_none() && !seen.insert(&window.name) {
            faults.add(
                &here.key("name"),
                format!("`{}` is there twice", window.name),
            );
        }
        let zone = match zones {
            Some(zones) => zone(zones, window.zone.as_deref(), &here.key("zone"), faults),
            None => Some(TimeZone::UTC),
        };
        if let Some(zone) = zone {
            window.written().read(&zone, &here, faults);
        }
    }
}

/// Whether a start lies outside of the maintenance windows for what is touched; one answer per environment.
///
/// Windows that name an environment speak for it; where none does, those that name none speak for all.
pub fn outside_maintenance(
    account: &AccountSpec,
    zones: &TimeZoneDatabase,
    organization: Option<&Name>,
    environments: &BTreeSet<String>,
    start: Timestamp,
) -> Vec<OutsideMaintenance> {
    let all = account.maintenance_windows.iter().filter(|window| {
        window.organization.is_none() || window.organization.as_ref() == organization
    });
    let all: Vec<&MaintenanceWindowSpec> = all.collect();
    let mut found = Vec::new();
    let mut general = environments.is_empty();
    for environment in environments {
        let own = |window: &&&MaintenanceWindowSpec| window.names(environment);
        let own: Vec<&MaintenanceWindowSpec> = all.iter().filter(own).copied().collect();
        general |= own.is_empty();
        found.extend(outside(&own, zones, Some(environment), start));
    }
    if general {
        let rest = all.iter().filter(|window| window.environments.is_empty());
        let rest: Vec<&MaintenanceWindowSpec> = rest.copied().collect();
        found.extend(outside(&rest, zones, None, start));
    }
    found
}

fn outside(
    windows: &[&MaintenanceWindowSpec],
    zones: &TimeZoneDatabase,
    environment: Option<&String>,
    start: Timestamp,
) -> Option<OutsideMaintenance> {
    let read: Vec<Windows> = windows.iter().map(|window| window.read(zones)).collect();
    if read.is_empty() || read.iter().any(|windows| windows.is_open(start)) {
        return None;
    }
    Some(OutsideMaintenance {
        environment: environment.cloned(),
        windows: windows.iter().map(|window| window.name.clone()).collect(),
        next: read
            .iter()
            .filter_map(|windows| windows.next_after(start))
            .min(),
    })
}

impl World {
    /// Whether a release of an organization that touches environments would begin outside of the maintenance windows.
    pub fn outside_maintenance(
        &self,
        organization: Option<&Name>,
        environments: &BTreeSet<String>,
        start: Timestamp,
    ) -> Vec<OutsideMaintenance> {
        outside_maintenance(
            self.account(),
            &self.zones,
            organization,
            environments,
            start,
        )
    }
}
