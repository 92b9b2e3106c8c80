//! Freezes as views.

use jiff::Timestamp;
use trainmaster_api::{
    ActiveFreezeView, DeferralView, FreezeEffect as Effect, FreezeOverrideView, FreezeScopeView,
    FreezeWindowView,
};
use trainmaster_core::calendar::window::Stretch;
use trainmaster_core::freeze::{Freeze, FreezeEffect, FreezeScope};
use trainmaster_core::release::{Deferral, Release};

use super::{instant, note};

/// That a freeze holds an activity back.
pub(crate) fn deferral(deferral: &Deferral) -> DeferralView {
    DeferralView {
        freeze: deferral.freeze.to_string(),
        reason: deferral.reason.clone(),
        ends_at: instant(deferral.ends_at),
        until: instant(deferral.until),
    }
}

/// Freezes that people let a release through.
pub(crate) fn overrides(release: &Release, now: Timestamp) -> Vec<FreezeOverrideView> {
    let given = release.freeze_overrides.iter();
    given
        .map(|(freeze, given)| FreezeOverrideView {
            freeze: freeze.to_string(),
            by: given.by.clone(),
            at: instant(given.at),
            reason: given.reason.clone(),
            expires_at: instant(given.expires_at),
            in_force: given.counts(now),
            revoked: given.revoked.as_ref().map(note),
        })
        .collect()
}

/// A freeze that holds in a window.
pub(crate) fn active(freeze: &Freeze, scope: &FreezeScope, window: Stretch) -> ActiveFreezeView {
    let FreezeScope {
        organizations,
        services,
        environments,
        labels,
    } = scope;
    ActiveFreezeView {
        freeze: freeze.at.to_string(),
        name: freeze.at.name.to_string(),
        organization: freeze.at.organization.as_ref().map(ToString::to_string),
        reason: freeze.reason.clone(),
        effect: match freeze.effect {
            FreezeEffect::Defer => Effect::Defer,
            FreezeEffect::Warn => Effect::Warn,
        },
        scope: FreezeScopeView {
            organizations: organizations.iter().map(ToString::to_string).collect(),
            services: services.clone(),
            environments: environments.clone(),
            labels: labels.clone(),
        },
        from: instant(window.from),
        to: instant(window.to),
    }
}

/// When a freeze holds.
pub(crate) fn window(window: Stretch) -> FreezeWindowView {
    FreezeWindowView {
        from: instant(window.from),
        to: instant(window.to),
    }
}
