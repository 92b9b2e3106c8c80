//! Freezes at work: what they hold back, until when, and what people let through all the same
//! (2-execution.md, Rules and explain).
//!
//! A freeze is judged at each start of an attempt and nowhere else, so every way to a start obeys it:
//! the flow, retries by policy and by people, items of a `forEach`, child releases, restarts.
//! Work under way goes on.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::access::Permission;
use crate::account::AccountSpec;
use crate::calendar::maintenance;
use crate::calendar::touch::normal;
use crate::calendar::window::opening;
use crate::definition::fault::{At, Faults};
use crate::event::{Change, Event};
use crate::freeze::{Freeze, FreezeEffect, FreezeNotice, FreezeRef, FreezeSpec, Subject};
use crate::ids::{ReleaseId, ResourceKey};
use crate::notice::NoticeKind;
use crate::rejection::Rejection;
use crate::release::check::{field, needed};
use crate::release::flow::Here;
use crate::release::lifecycle::{DEPTH_MAX, wrong};
use crate::release::{Deferral, Release};
use crate::world::{Asker, World};

/// Most freezes of an installation.
const FREEZES_MAX: usize = 2_000;
/// The longest life of an override, in days.
const OVERRIDE_DAYS_MAX: i64 = 30;
/// Most freezes that one release may be let through.
const OVERRIDES_MAX: usize = 100;
/// Most freezes that are noted at one start.
const NOTES_MAX: usize = 10;

/// What freezes say to an attempt that would start now.
pub(super) enum Verdict {
    /// It may not; the facts are empty where this is known already.
    Held(Vec<Event>),
    /// It may, with facts about freezes that hold all the same.
    Free(Vec<Event>),
}

/// Services and environments in the form in which they are compared.
#[derive(Debug, Default)]
struct Touched {
    services: BTreeSet<String>,
    environments: BTreeSet<String>,
}

impl Here<'_> {
    /// What freezes say to an attempt of an activity that would start now.
    pub(super) fn freezes_on(&self, position: u32) -> Verdict {
        let freezes = self.world.freezes();
        if freezes.is_empty() || !self.obeys_freezes(position) {
            return Verdict::Free(Vec::new());
        }
        let touched = self.touched_by(position);
        let concerning = freezes.concerning(&subject(self.release(), &touched));
        match self.world.holding(self.release(), &concerning, self.now) {
            Some(holding) => Verdict::Held(self.deferral(position, &holding, &concerning)),
            None => Verdict::Free(self.notes(position, &concerning)),
        }
    }

    fn obeys_freezes(&self, position: u32) -> bool {
        // What a remedy does is judged in the child release that it is.
        self.state.planned(position).uses.obeys_freezes()
            && self.state.activity(position).remedy.is_none()
    }

    /// What the activity says it changes, and where it does not say, what its release touches.
    fn touched_by(&self, position: u32) -> Touched {
        let whole = self.world.touched(self.release());
        let own = self.targets(position);
        let names = |own: BTreeSet<String>, whole: BTreeSet<String>| match own.is_empty() {
            true => whole,
            false => own.iter().filter_map(|name| normal(name)).collect(),
        };
        Touched {
            services: names(own.services, whole.services),
            environments: names(own.environments, whole.environments),
        }
    }

    /// The facts of a deferral, none if the activity is deferred like this already.
    fn deferral(&self, position: u32, holding: &Holding<'_>, concerning: &[&Freeze]) -> Vec<Event> {
        let known = self.state.activity(position).deferred.as_ref();
        if known.is_some_and(|known| self.still_stands(known, holding, concerning)) {
            return Vec::new();
        }
        let Freeze { at, reason, .. } = holding.freeze;
        let change = Change::ActivityDeferred {
            freeze: at.clone(),
            reason: reason.clone(),
            ends_at: holding.ends_at,
            until: holding.until,
        };
        let mut facts = vec![self.at(position, change)];
        if self.state.deferred.is_empty() {
            facts.push(self.told_of(position, at, holding.until));
        }
        facts
    }

    /// The release manager is told once, however many activities a freeze holds back.
    fn told_of(&self, position: u32, freeze: &FreezeRef, until: Timestamp) -> Event {
        let (release, path) = (&self.release().name, &self.state.activity(position).path);
        let kind = NoticeKind::Deferred;
        let told = Change::OwnersNotified {
            owners: self.state.managers(),
            message: format!(
                "{release}: {path} is held back by the freeze `{freeze}` until {until}"
            ),
            kind: Some(kind),
            need: None,
            phase: None,
            urgent: kind.is_urgent(),
        };
        self.at(position, told)
    }

    /// Whether a deferral says what would be said now.
    ///
    /// The freeze that it names is kept while it holds, even if another one has come that ends later:
    /// what was said once is not said again in other words.
    fn still_stands(
        &self,
        known: &Deferral,
        holding: &Holding<'_>,
        concerning: &[&Freeze],
    ) -> bool {
        let named = concerning.iter().find(|freeze| freeze.at == known.freeze);
        let holds = named.is_some_and(|freeze| {
            let end = self.world.held_until(self.release(), freeze, self.now);
            end == Some(known.ends_at) && freeze.reason == known.reason
        });
        let same_opening =
            known.until == holding.until || !holding.is_certain && known.until > self.now;
        holds && same_opening
    }

    /// An item that a freeze held back: held still, or waiting for a slot again.
    pub(super) fn held_item(&self, position: u32) -> Vec<Event> {
        match self.freezes_on(position) {
            Verdict::Held(facts) => facts,
            Verdict::Free(_) => vec![self.at(position, Change::DeferralEnded)],
        }
    }

    /// Freezes that hold and do not hold it back, once for all automatic attempts.
    fn notes(&self, position: u32, concerning: &[&Freeze]) -> Vec<Event> {
        if self.state.activity(position).attempts_counted > 0 {
            return Vec::new();
        }
        let holding = concerning.iter().filter(|freeze| freeze.holds(self.now));
        let note = |freeze: &&Freeze| {
            let change = Change::StartedInFreeze {
                freeze: freeze.at.clone(),
                overridden: freeze.effect == FreezeEffect::Defer,
            };
            self.at(position, change)
        };
        holding.take(NOTES_MAX).map(note).collect()
    }
}

/// The freeze that holds something back.
struct Holding<'a> {
    freeze: &'a Freeze,
    /// When its window ends.
    ends_at: Timestamp,
    /// When none holds any more.
    until: Timestamp,
    is_certain: bool,
}

fn subject<'a>(release: &'a Release, touched: &'a Touched) -> Subject<'a> {
    Subject {
        organization: release.organization.as_ref(),
        services: &touched.services,
        environments: &touched.environments,
        labels: &release.labels,
    }
}

impl World {
    /// Which of these freezes holds a release back at an instant, and until when.
    fn holding<'a>(
        &self,
        release: &Release,
        concerning: &[&'a Freeze],
        now: Timestamp,
    ) -> Option<Holding<'a>> {
        let last = |at: Timestamp| {
            let ends = concerning
                .iter()
                .filter_map(|freeze| Some((self.held_until(release, freeze, at)?, *freeze)));
            // Of several that end together the first by name.
            ends.reduce(|best, next| if next.0 > best.0 { next } else { best })
        };
        let (ends_at, freeze) = last(now)?;
        let opening = opening(now, |at| last(at).map(|(end, _)| end));
        Some(Holding {
            freeze,
            ends_at,
            until: opening.at,
            is_certain: opening.is_certain,
        })
    }

    /// When the window of a freeze ends that holds a release back at an instant.
    fn held_until(&self, release: &Release, freeze: &Freeze, at: Timestamp) -> Option<Timestamp> {
        if freeze.effect != FreezeEffect::Defer || self.is_overridden(release, &freeze.at, at) {
            return None;
        }
        freeze.windows.covering(at).map(|window| window.to)
    }

    /// Whether people let the release, or one that it is a child of, through a freeze.
    fn is_overridden(&self, release: &Release, freeze: &FreezeRef, at: Timestamp) -> bool {
        self.ancestry(release).any(|release| {
            let given = release.freeze_overrides.get(freeze);
            given.is_some_and(|given| given.counts(at))
        })
    }

    /// A release, its parent, and so on up.
    fn ancestry<'a>(&'a self, release: &'a Release) -> impl Iterator<Item = &'a Release> {
        let up = |release: &&'a Release| {
            let parent = release.parent.as_ref()?;
            self.release(parent.release)
        };
        std::iter::successors(Some(release), up).take(DEPTH_MAX as usize + 1)
    }

    /// What a release touches; where it names no service or no environment, what its parent touches.
    fn touched(&self, release: &Release) -> Touched {
        let first = |of: fn(&Release) -> &BTreeSet<String>| {
            let named = self
                .ancestry(release)
                .map(of)
                .find(|names| !names.is_empty());
            named.cloned().unwrap_or_default()
        };
        Touched {
            services: first(|release| &release.touches().services),
            environments: first(|release| &release.touches().environments),
        }
    }

    /// Freezes that hold for a release at an instant, whatever they do, in the order of their names.
    pub fn freezes_at(&self, release: ReleaseId, at: Timestamp) -> Vec<FreezeNotice> {
        let Some(release) = self.release(release) else {
            return Vec::new();
        };
        let touched = self.touched(release);
        let concerning = self.freezes().concerning(&subject(release, &touched));
        let notice = |freeze: &&Freeze| {
            Some(FreezeNotice {
                freeze: freeze.at.clone(),
                reason: freeze.reason.clone(),
                effect: freeze.effect,
                ends_at: freeze.windows.covering(at)?.to,
                is_overridden: self.is_overridden(release, &freeze.at, at),
            })
        };
        concerning.iter().filter_map(notice).collect()
    }

    /// The freeze whose override counts now.
    pub(crate) fn overridden_freeze(&self, id: ReleaseId, now: Timestamp) -> Option<FreezeRef> {
        let given = &self.release(id)?.freeze_overrides;
        let counting = given.iter().find(|(_, given)| given.counts(now));
        counting.map(|(freeze, _)| freeze.clone())
    }

    /// The freeze that a person would override: the one that holds something back, else one that holds or will hold.
    pub(crate) fn freeze_to_override(&self, id: ReleaseId, now: Timestamp) -> Option<FreezeRef> {
        let state = self.releases.get(&id)?;
        let first = state.deferred.first();
        if let Some(deferral) =
            first.and_then(|position| state.activity(*position).deferred.as_ref())
        {
            return Some(deferral.freeze.clone());
        }
        let touched = self.touched(&state.release);
        let concerning = self
            .freezes()
            .concerning(&subject(&state.release, &touched));
        let comes = |freeze: &&&Freeze| {
            freeze.effect == FreezeEffect::Defer
                && (freeze.holds(now) || freeze.windows.next_after(now).is_some())
        };
        let mut coming: Vec<&&Freeze> = concerning.iter().filter(comes).collect();
        coming.sort_by_key(|freeze| !freeze.holds(now));
        coming.first().map(|freeze| freeze.at.clone())
    }

    /// A freeze or an override of a release has changed: what is held back below it is looked at again.
    pub(crate) fn look_at_deferred_below(&mut self, release: ReleaseId) {
        let mut open = vec![release];
        while let Some(id) = open.pop() {
            let Some(state) = self.releases.get_mut(&id) else {
                continue;
            };
            open.extend(&state.release.children);
            state.look_at_deferred();
            if !state.agenda.is_empty() {
                self.wants_attention(id);
            }
        }
    }

    // ---- what people ask

    /// Zones of the account's maintenance windows.
    pub(crate) fn check_maintenance(&self, account: &AccountSpec) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        let spec = At::ROOT.key("spec");
        let at = spec.key("maintenanceWindows");
        maintenance::check(
            &account.maintenance_windows,
            Some(&self.zones),
            &at,
            &mut faults,
        );
        refuse(faults)
    }

    pub(crate) fn check_freeze(
        &self,
        key: &ResourceKey,
        spec: &FreezeSpec,
    ) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        spec.check_in_zone(&self.zones, &mut faults);
        refuse(faults)?;
        let is_new = FreezeRef::of(key).is_some_and(|at| self.freezes().get(&at).is_none());
        if is_new && self.freezes().count() >= FREEZES_MAX {
            return Err(Rejection::LimitReached {
                what: "the number of freezes",
                limit: FREEZES_MAX as u64,
            });
        }
        Ok(())
    }

    /// An override takes the right where the freeze lives: who obeys the account does not set its rules aside.
    pub(super) fn override_freeze(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        at: &FreezeRef,
        reason: &str,
        expires_at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        self.may_override(asker, release, at)?;
        let freeze = self.freezes().get(at);
        let freeze = freeze
            .filter(|freeze| freeze.reaches(release.organization.as_ref()))
            .ok_or_else(|| Rejection::UnknownResource(at.key()))?;
        if freeze.effect == FreezeEffect::Warn {
            return Err(field(
                "freeze",
                &format!("`{at}` only warns; there is nothing to override"),
            ));
        }
        if release.status().is_terminal() {
            return Err(wrong(
                release,
                "it has ended; nothing of it starts any more",
            ));
        }
        needed(reason)?;
        let longest = SignedDuration::from_hours(24 * OVERRIDE_DAYS_MAX);
        if expires_at <= asker.at {
            return Err(field("expiresAt", "lies in the past"));
        }
        if asker.at.duration_until(expires_at) > longest {
            return Err(field(
                "expiresAt",
                &format!("lies more than {OVERRIDE_DAYS_MAX} days ahead"),
            ));
        }
        let known = &release.freeze_overrides;
        if !known.contains_key(at) && known.len() >= OVERRIDES_MAX {
            return Err(Rejection::LimitReached {
                what: "the number of overridden freezes",
                limit: OVERRIDES_MAX as u64,
            });
        }
        let change = Change::FreezeOverridden {
            freeze: at.clone(),
            reason: reason.to_owned(),
            expires_at,
        };
        Ok(vec![asker.about(release.id, change)])
    }

    pub(super) fn revoke_override(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        at: &FreezeRef,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.may_override(asker, release, at)?;
        let given = release.freeze_overrides.get(at);
        if !given.is_some_and(|given| given.counts(asker.at)) {
            return Err(wrong(
                release,
                &format!("no override of the freeze `{at}` is in force"),
            ));
        }
        needed(reason)?;
        let change = Change::FreezeOverrideRevoked {
            freeze: at.clone(),
            reason: reason.to_owned(),
        };
        Ok(vec![asker.about(release.id, change)])
    }

    fn may_override(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        at: &FreezeRef,
    ) -> Result<(), Rejection> {
        asker.needs(Permission::FreezeOverride, at.organization.as_ref())?;
        asker.needs(Permission::FreezeOverride, release.organization.as_ref())
    }
}

/// Refuses a definition in which something is wrong.
fn refuse(faults: Faults) -> Result<(), Rejection> {
    let problems = faults.into_vec();
    if problems.is_empty() {
        return Ok(());
    }
    let problems = problems.into_iter().map(Into::into).collect();
    Err(Rejection::InvalidDefinition(problems))
}
