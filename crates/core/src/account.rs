//! The account: settings that hold for the whole installation (1-model.md, Release; 2-execution.md, Lifecycle).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::maintenance::{self, MaintenanceWindowSpec};
use crate::calendar::period::View;
use crate::definition::fault::{At, Faults};
use crate::duration::Duration;
use crate::ids::Name;

/// The name of the one definition of kind `Account`.
pub const ACCOUNT: &str = "account";

/// The written form of the account's settings; what is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AccountSpec {
    /// Whether releases exist either at account level or in organizations, never at both.
    pub exclusive_release_level: bool,
    /// How long completed work is kept.
    pub retention: Retention,
    /// When releases are expected to begin; a start outside of them is warned of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance_windows: Vec<MaintenanceWindowSpec>,
    /// Services that may be named as inputs; empty lets every name pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Name>,
    /// Environments that may be named as inputs; empty lets every name pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Name>,
    /// How many releases may begin in a period before the calendar says that it is full.
    #[serde(skip_serializing_if = "Capacity::is_unlimited")]
    pub capacity: Capacity,
}

/// How many releases may begin in a period; it is advice, and refuses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Capacity {
    /// In a day; none is any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// In a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_week: Option<u32>,
    /// In a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_month: Option<u32>,
}

impl Capacity {
    /// Whether any number may begin at any time.
    pub fn is_unlimited(&self) -> bool {
        *self == Capacity::default()
    }

    /// How many may begin in a period of that length.
    pub fn of(&self, period: View) -> Option<u32> {
        match period {
            View::Day => self.per_day,
            View::Week => self.per_week,
            View::Month => self.per_month,
            View::Quarter => None,
        }
    }
}

/// How long completed work is kept: one setting for releases, their logs and what pages read (checklist R-101).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Retention {
    /// How long after its end a release is put out of the way by itself.
    pub archive_after: Duration,
    /// How long after its end an archived release is deleted by itself; none is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<Duration>,
}

impl AccountSpec {
    /// What does not hold together.
    pub(crate) fn check(&self, at: &At<'_>, faults: &mut Faults) {
        let windows = at.key("maintenanceWindows");
        maintenance::check(&self.maintenance_windows, None, &windows, faults);
        let at = at.key("retention");
        let Retention {
            archive_after,
            delete_after,
        } = self.retention;
        if archive_after.is_zero() {
            let message = "must be longer than no time at all";
            faults.add(&at.key("archiveAfter"), message);
        }
        if delete_after.is_some_and(|delete_after| delete_after < archive_after) {
            let message = "what is deleted by itself is archived before: at least `archiveAfter`";
            faults.add(&at.key("deleteAfter"), message);
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: i64| jiff::SignedDuration::from_hours(24 * days);
        Retention {
            archive_after: Duration::try_from(days(365)).expect("a year is a length of time"),
            delete_after: None,
        }
    }
}
