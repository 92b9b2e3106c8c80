//! Freezes: windows in which matching activities are deferred (1-model.md, Resources; 2-execution.md, Time).
//!
//! What a freeze does to a release is in `release/freezing.rs`; here is what it is and whom it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::schedule::{RecurrenceSpec, WindowSpec, Written};
use crate::calendar::touch::normal;
use crate::calendar::window::Windows;
use crate::definition::fault::{At, Faults, shortened};
use crate::ids::{InvalidName, Name, ResourceKey, ResourceKind};

/// Most organizations, services, environments or labels that a freeze names, each.
const SCOPE_MAX: usize = 200;

/// What no freeze may be called: `/freezes/active` answers all that hold.
const ACTIVE: &str = "active";

/// The written form of a freeze.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezeSpec {
    /// Why nothing may start; people read it where they wait.
    #[schemars(length(max = 1000))]
    pub reason: String,
    /// When it holds, once each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowSpec>,
    /// When it holds again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<RecurrenceSpec>,
    /// The IANA zone of local times; without one, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub zone: Option<String>,
    /// What it holds for.
    #[serde(default)]
    pub scope: FreezeScope,
    /// What it does.
    #[serde(default)]
    pub effect: FreezeEffect,
}

/// What a freeze holds for: each list that is not empty must be met, by any of its entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FreezeScope {
    /// Organizations, for a freeze of the account level; empty is everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Name>,
    /// Services that a release touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(max = 100)))]
    pub services: Vec<String>,
    /// Environments that a release touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(max = 100)))]
    pub environments: Vec<String>,
    /// Labels of the release, all of which must fit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a freeze does to an activity that would start.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum FreezeEffect {
    /// It starts at the next opening.
    #[default]
    Defer,
    /// It starts, and the freeze is shown.
    Warn,
}

/// Which freeze: its name, with its organization before it unless it is the account's.
///
/// Text form `christmas` or `payments/christmas`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FreezeRef {
    /// Where it lives; none is the account level.
    pub organization: Option<Name>,
    /// Its name.
    pub name: Name,
}

impl FreezeRef {
    /// The freeze that a key names; none for keys of other kinds.
    pub fn of(key: &ResourceKey) -> Option<FreezeRef> {
        (key.kind == ResourceKind::Freeze).then(|| FreezeRef {
            organization: key.organization.clone(),
            name: key.name.clone(),
        })
    }

    /// The key of its definition.
    pub fn key(&self) -> ResourceKey {
        ResourceKey {
            kind: ResourceKind::Freeze,
            organization: self.organization.clone(),
            name: self.name.clone(),
        }
    }
}

impl fmt::Display for FreezeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.organization {
            Some(organization) => write!(f, "{organization}/{}", self.name),
            None => self.name.fmt(f),
        }
    }
}

impl FromStr for FreezeRef {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (organization, name) = match text.split_once('/') {
            Some((organization, name)) => (Some(organization.parse()?), name),
            None => (None, text),
        };
        Ok(FreezeRef {
            organization,
            name: name.parse()?,
        })
    }
}

impl TryFrom<String> for FreezeRef {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<FreezeRef> for String {
    fn from(freeze: FreezeRef) -> String {
        freeze.to_string()
    }
}

impl FreezeSpec {
    fn written(&self) -> Written<'_> {
        Written {
            windows: &self.windows,
            recurrence: self.recurrence.as_ref(),
        }
    }

    /// Everything wrong with it that can be said without knowing zones.
    pub(crate) fn check(&self, key: &ResourceKey, faults: &mut Faults) {
        let (spec, metadata) = (At::ROOT.key("spec"), At::ROOT.key("metadata"));
        if key.name.as_str() == ACTIVE {
            faults.add(
                &metadata.key("name"),
                format!("`{ACTIVE}` is the address of the freezes that hold; choose another name"),
            );
        }
        if self.reason.trim().is_empty() {
            faults.add(
                &spec.key("reason"),
                "say why nothing may start; people read it where they wait",
            );
        }
        self.written().read(&TimeZone::UTC, &spec, faults);
        self.scope
            .check(key.organization.as_ref(), &spec.key("scope"), faults);
    }

    /// Everything wrong with it in its own zone.
    pub(crate) fn check_in_zone(&self, zones: &TimeZoneDatabase, faults: &mut Faults) {
        let spec = At::ROOT.key("spec");
        if let Some(zone) =
            crate::calendar::schedule::zone(zones, self.zone.as_deref(), &spec.key("zone"), faults)
        {
            self.written().read(&zone, &spec, faults);
        }
    }
}

impl FreezeScope {
    fn check(&self, organization: Option<&Name>, at: &At<'_>, faults: &mut Faults) {
        let other = |named: &&Name| organization.is_some_and(|own| own != *named);
        if let Some(index) = self.organizations.iter().position(|named| other(&named)) {
            let organizations = at.key("organizations");
            let message = format!(
                "a freeze of organization `{}` holds there only; one of the account level may name others",
                organization.map_or("", |name| name.as_str())
            );
            faults.add(&organizations.index(index), message);
        }
        let lengths = [
            ("organizations", self.organizations.len()),
            ("services", self.services.len()),
            ("environments", self.environments.len()),
            ("labels", self.labels.len()),
        ];
        for (field, length) in lengths {
            if length > SCOPE_MAX {
                faults.add(
                    &at.key(field),
                    format!("at most {SCOPE_MAX} entries are possible"),
                );
            }
        }
        for (field, names) in [
            ("services", &self.services),
            ("environments", &self.environments),
        ] {
            let list = at.key(field);
            for (index, name) in names.iter().enumerate() {
                if normal(name).is_none() {
                    faults.add(&list.index(index), "is not a name");
                }
            }
        }
        for (key, value) in &self.labels {
            if key.len() > 100 || value.len() > 200 {
                let labels = at.key("labels");
                let message = format!("the label `{}` is too long", shortened(key));
                faults.add(&labels.key(key), message);
            }
        }
    }
}

/// A freeze as it is asked about.
#[derive(Clone, Debug)]
pub struct Freeze {
    /// Which.
    pub at: FreezeRef,
    /// Why nothing may start.
    pub reason: String,
    /// What it does.
    pub effect: FreezeEffect,
    /// When it holds.
    pub windows: Windows,
    organizations: BTreeSet<Name>,
    services: BTreeSet<String>,
    environments: BTreeSet<String>,
    labels: BTreeMap<String, String>,
}

/// Whom a freeze may concern: a release or one of its activities, by where it is and what it touches.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Where the release lives; none is the account level.
    pub organization: Option<&'a Name>,
    /// Services, in the form of [`normal`].
    pub services: &'a BTreeSet<String>,
    /// Environments, in the form of [`normal`].
    pub environments: &'a BTreeSet<String>,
    /// Labels of the release.
    pub labels: &'a BTreeMap<String, String>,
}

/// That a freeze holds for a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeNotice {
    /// Which freeze.
    pub freeze: FreezeRef,
    /// Why it holds.
    pub reason: String,
    /// What it does.
    pub effect: FreezeEffect,
    /// When its window ends.
    pub ends_at: Timestamp,
    /// Whether people let the release through at that instant.
    pub is_overridden: bool,
}

impl Freeze {
    /// A freeze from its definition; a zone that is not known (any more) counts as UTC.
    pub fn new(at: FreezeRef, spec: &FreezeSpec, zones: &TimeZoneDatabase) -> Freeze {
        let zone = spec.zone.as_deref().and_then(|zone| zones.get(zone).ok());
        let zone = zone.unwrap_or(TimeZone::UTC);
        let windows = spec
            .written()
            .read(&zone, &At::ROOT, &mut Faults::default());
        let names = |names: &[String]| names.iter().filter_map(|name| normal(name)).collect();
        Freeze {
            at,
            reason: spec.reason.trim().to_owned(),
            effect: spec.effect,
            windows,
            organizations: spec.scope.organizations.iter().cloned().collect(),
            services: names(&spec.scope.services),
            environments: names(&spec.scope.environments),
            labels: spec.scope.labels.clone(),
        }
    }

    /// Whether it concerns somebody, whenever it holds.
    ///
    /// A freeze of the account level holds everywhere or in the organizations that it names, one of an
    /// organization only there (1-model.md, Release).
    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        let meets = |wanted: &BTreeSet<String>, touched: &BTreeSet<String>| {
            wanted.is_empty() || wanted.iter().any(|name| touched.contains(name))
        };
        self.reaches(subject.organization)
            && meets(&self.services, subject.services)
            && meets(&self.environments, subject.environments)
            && self
                .labels
                .iter()
                .all(|(key, value)| subject.labels.get(key) == Some(value))
    }

    /// Whether it may hold for releases of an organization (none is the account level).
    pub fn reaches(&self, organization: Option<&Name>) -> bool {
        match &self.at.organization {
            Some(own) => organization == Some(own),
            None => {
                self.organizations.is_empty()
                    || organization.is_some_and(|name| self.organizations.contains(name))
            }
        }
    }

    /// Whether it holds at an instant.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.windows.is_open(at)
    }
}

/// All freezes of a world, found by whom they may concern.
///
/// A freeze lies in one drawer per organization and entry of its narrowest list, so that the start of an
/// activity only looks at freezes that name something of it.
#[derive(Debug, Default)]
pub(crate) struct Freezes {
    known: BTreeMap<FreezeRef, Freeze>,
    drawers: BTreeMap<(Option<Name>, Handle), BTreeSet<FreezeRef>>,
}

/// What a drawer is labelled with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Handle {
    Everything,
    Environment(String),
    Service(String),
    Label(String, String),
}

impl Freezes {
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn get(&self, at: &FreezeRef) -> Option<&Freeze> {
        self.known.get(at)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Freeze> {
        self.known.values()
    }

    pub(crate) fn keep(&mut self, freeze: Freeze) {
        self.remove(&freeze.at);
        for drawer in drawers(&freeze) {
            self.drawers
                .entry(drawer)
                .or_default()
                .insert(freeze.at.clone());
        }
        self.known.insert(freeze.at.clone(), freeze);
    }

    pub(crate) fn remove(&mut self, at: &FreezeRef) {
        let Some(freeze) = self.known.remove(at) else {
            return;
        };
        for drawer in drawers(&freeze) {
            if let Some(inside) = self.drawers.get_mut(&drawer) {
                inside.remove(at);
                if inside.is_empty() {
                    self.drawers.remove(&drawer);
                }
            }
        }
    }

    /// The freezes that concern somebody, whenever they hold, in the order of their names.
    pub(crate) fn concerning(&self, subject: &Subject<'_>) -> Vec<&Freeze> {
        let environments = subject.environments.iter().cloned();
        let services = subject.services.iter().cloned();
        let labels = subject.labels.iter();
        let handles: Vec<Handle> = [Handle::Everything]
            .into_iter()
            .chain(environments.map(Handle::Environment))
            .chain(services.map(Handle::Service))
            .chain(labels.map(|(key, value)| Handle::Label(key.clone(), value.clone())))
            .collect();
        let mut found = BTreeSet::new();
        for place in [None, subject.organization] {
            for handle in &handles {
                let drawer = (place.cloned(), handle.clone());
                found.extend(self.drawers.get(&drawer).into_iter().flatten());
            }
        }
        let found = found.into_iter().filter_map(|at| self.known.get(at));
        found.filter(|freeze| freeze.concerns(subject)).collect()
    }
}

fn drawers(freeze: &Freeze) -> Vec<(Option<Name>, Handle)> {
    let places: Vec<Option<Name>> = match &freeze.at.organization {
        Some(own) => vec![Some(own.clone())],
        None if freeze.organizations.is_empty() => vec![None],
        None => freeze.organizations.iter().cloned().map(Some).collect(),
    };
    let first_label = freeze.labels.first_key_value();
    let handles: Vec<Handle> = if !freeze.environments.is_empty() {
        let names = freeze.environments.iter().cloned();
        names.map(Handle::Environment).collect()
    } else if !freeze.services.is_empty() {
        freeze
            .services
            .iter()
            .cloned()
            .map(Handle::Service)
            .collect()
    } else if let Some((key, value)) = first_label {
        vec![Handle::Label(key.clone(), value.clone())]
    } else {
        vec![Handle::Everything]
    };
    let with_each = |place: Option<Name>| {
        let handles = handles.iter().cloned();
        handles.map(move |handle| (place.clone(), handle))
    };
    places.into_iter().flat_map(with_each).collect()
}
