//! Releases of the account and of organizations side by side (1-model.md, Release; checklist R-075).

use crate::ids::Name;
use crate::rejection::Rejection;
use crate::world::World;

impl World {
    /// Refuses a release of one level while there are some of the other, where the account says so.
    pub(super) fn refuse_mixed_levels(&self, organization: Option<&Name>) -> Result<(), Rejection> {
        if !self.account().exclusive_release_level {
            return Ok(());
        }
        let Some(other) = self.on_other_level(organization) else {
            return Ok(());
        };
        let (level, own) = words(organization);
        Err(Rejection::ExclusiveLevel(format!(
            "the account keeps releases to one level, and `{other}` is {level}; \
             end it, create this release {own}, or set `exclusiveReleaseLevel: false`"
        )))
    }
}

/// Where the other releases are, and where this one could be instead.
pub(super) fn words(organization: Option<&Name>) -> (&'static str, &'static str) {
    match organization {
        Some(_) => ("a release of the account", "at account level"),
        None => ("a release of an organization", "in an organization"),
    }
}
