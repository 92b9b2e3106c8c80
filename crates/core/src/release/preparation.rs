//! What people settle round a release: links, readiness, who knows of their part, what they think of it
//! (checklist, M-114 to M-118, M-122, M-124).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::access::Permission;
use crate::event::{Change, Event};
use crate::ids::{Name, Owner, ReleaseId};
use crate::links;
use crate::plan::{Plan, READINESS_MAX};
use crate::process::ReadinessSpec;
use crate::rejection::Rejection;
use crate::release::check::{LIST_MAX, Problems, field, needed, text};
use crate::release::lifecycle::wrong;
use crate::release::state::State;
use crate::release::{Acknowledgement, Life, Link, Readiness, Release, ReviewNote};
use crate::status::ReleaseStatus;
use crate::world::{Asker, World};

/// Most opinions on one release that are kept.
const REVIEWS_MAX: usize = 200;

/// Something that has to be ready before a release starts, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessItem {
    /// What has to hold.
    pub spec: ReadinessSpec,
    /// Whether it was added for this release rather than declared by the process.
    pub added: bool,
    /// What was said about it last.
    pub standing: Readiness,
    /// Who says whether it is ready.
    pub who: Vec<Owner>,
}

impl ReadinessItem {
    /// Its name for people.
    pub fn name(&self) -> &str {
        self.spec.name.as_deref().unwrap_or(self.spec.id.as_str())
    }

    /// Whether the release cannot start because of it.
    pub fn blocks(&self) -> bool {
        self.spec.required && !self.standing.ready
    }
}

impl State {
    /// Everything that has to be ready before the start, the process's first.
    ///
    /// A child is started by its parent, which was ready: it is asked for nothing.
    pub(crate) fn readiness(&self, plan: Option<&Plan>) -> Vec<ReadinessItem> {
        let release = &self.release;
        if release.parent.is_some() {
            return Vec::new();
        }
        let declared = plan.map_or(&[][..], |plan| &plan.readiness);
        let own = release.readiness.iter().filter_map(|(id, standing)| {
            let added = standing.declared.as_ref()?;
            let shadowed = declared.iter().any(|item| item.id == *id);
            (!shadowed).then_some((added, true))
        });
        let all = declared.iter().map(|item| (item, false)).chain(own);
        all.map(|(spec, added)| ReadinessItem {
            spec: spec.clone(),
            added,
            standing: release.readiness.get(&spec.id).cloned().unwrap_or_default(),
            who: match spec.owners.is_empty() {
                true => self.managers(),
                false => spec.owners.clone(),
            },
        })
        .collect()
    }

    /// What has to be ready and is not; none of it is asked for once the release has started.
    pub(crate) fn blocking(&self) -> Vec<ReadinessItem> {
        let mut items = self.readiness(self.plan.as_deref());
        items.retain(ReadinessItem::blocks);
        items
    }
}

/// Everybody who may say that these things are ready.
pub(crate) fn who_may_say(items: &[ReadinessItem]) -> Vec<Owner> {
    let who: BTreeSet<&Owner> = items.iter().flat_map(|item| &item.who).collect();
    who.into_iter().cloned().collect()
}

/// Refuses to start what has to wait for something to be ready.
pub(crate) fn refuse_unready(state: &State) -> Result<(), Rejection> {
    let open = state.blocking();
    if open.is_empty() {
        return Ok(());
    }
    Err(Rejection::NotReady {
        items: open.iter().map(|item| item.spec.id.clone()).collect(),
        who: who_may_say(&open),
    })
}

impl World {
    /// Everything that has to be ready before a release starts; in a draft by the revision it would pin now.
    pub fn readiness(&self, id: ReleaseId) -> Vec<ReadinessItem> {
        let Some(state) = self.releases.get(&id) else {
            return Vec::new();
        };
        state.readiness(self.foreseen_plan(state).as_deref())
    }

    /// The pinned process of a release, and of a draft the one that it would pin now.
    pub(crate) fn foreseen_plan(&self, state: &State) -> Option<Arc<Plan>> {
        let release = &state.release;
        state.plan.clone().or_else(|| {
            let newest = || Some(self.resources.get(&release.process)?.revision);
            let revision = release.asked_revision.or_else(newest)?;
            self.plan_of(&release.process, revision)
        })
    }

    pub(super) fn add_link(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        link: &Link,
    ) -> Result<Vec<Event>, Rejection> {
        let link = links::told(link.clone());
        let mut problems = Problems::default();
        problems.link("link", &link);
        problems.done()?;
        if release.links.contains(&link) {
            return Ok(Vec::new());
        }
        let replaces = release.links.iter().any(|known| known.url == link.url);
        if !replaces && release.links.len() >= LIST_MAX {
            return Err(Rejection::LimitReached {
                what: "the number of links",
                limit: LIST_MAX as u64,
            });
        }
        Ok(vec![asker.about(release.id, Change::LinkAdded { link })])
    }

    pub(super) fn remove_link(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        url: &str,
    ) -> Result<Vec<Event>, Rejection> {
        if !release.links.iter().any(|link| link.url == url) {
            return Err(field("url", "the release has no link to this address"));
        }
        let url = url.to_owned();
        Ok(vec![asker.about(release.id, Change::LinkRemoved { url })])
    }

    pub(super) fn declare_readiness(
        &self,
        asker: &Asker<'_>,
        state: &State,
        item: &ReadinessSpec,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        before_the_start(release)?;
        let mut problems = Problems::default();
        problems.plain("name", item.name.as_deref().unwrap_or_default(), 200);
        problems.length("owners", item.owners.len());
        problems.done()?;
        text("description", &item.description)?;
        let items = state.readiness(self.foreseen_plan(state).as_deref());
        let known = items.iter().find(|known| known.spec.id == item.id);
        match known {
            Some(known) if !known.added => {
                return Err(field("id", "the process asks for this already"));
            }
            Some(known) if known.spec == *item => return Ok(Vec::new()),
            None if items.len() >= READINESS_MAX => {
                return Err(Rejection::LimitReached {
                    what: "the number of things that have to be ready",
                    limit: READINESS_MAX as u64,
                });
            }
            _ => (),
        }
        let item = item.clone();
        Ok(vec![
            asker.about(release.id, Change::ReadinessDeclared { item }),
        ])
    }

    pub(super) fn withdraw_readiness(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        item: &Name,
    ) -> Result<Vec<Event>, Rejection> {
        before_the_start(release)?;
        let known = release.readiness.get(item);
        if known.is_none_or(|known| known.declared.is_none()) {
            let why =
                "nothing of this name was added for this release; what the process asks for stays";
            return Err(field("item", why));
        }
        let item = item.clone();
        Ok(vec![
            asker.about(release.id, Change::ReadinessWithdrawn { item }),
        ])
    }

    pub(super) fn set_readiness(
        &self,
        asker: &Asker<'_>,
        state: &State,
        item: &Name,
        ready: bool,
        note: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        before_the_start(release)?;
        let items = state.readiness(self.foreseen_plan(state).as_deref());
        let Some(known) = items.iter().find(|known| known.spec.id == *item) else {
            let names: Vec<&str> = items.iter().map(|known| known.spec.id.as_str()).collect();
            let message = match names.as_slice() {
                [] => "nothing has to be ready before this release starts".to_owned(),
                names => format!("has to be one of: {}", names.join(", ")),
            };
            return Err(field("item", &message));
        };
        let place = release.organization.as_ref();
        if !asker.is_one_of(place, &known.who) {
            let tie = || self.tie(asker, state);
            asker.needs_with(Permission::ReleaseOperate, place, tie)?;
        }
        text("note", note)?;
        if known.standing.ready == ready && known.standing.note == note {
            return Ok(Vec::new());
        }
        let (item, note) = (item.clone(), note.to_owned());
        Ok(vec![asker.about(
            release.id,
            Change::ReadinessSet { item, ready, note },
        )])
    }

    /// Everybody who answers for a release or a part of it, each with the parts.
    pub(crate) fn answerable(&self, state: &State) -> Vec<(Owner, Vec<String>)> {
        let release = &state.release;
        let mut parts: Vec<(Owner, Vec<String>)> = Vec::new();
        let mut add =
            |owner: &Owner, part: &str| match parts.iter_mut().find(|(known, _)| known == owner) {
                Some((_, list)) if list.iter().any(|known| known == part) => (),
                Some((_, list)) => list.push(part.to_owned()),
                None => parts.push((owner.clone(), vec![part.to_owned()])),
            };
        if let Some(manager) = &release.manager {
            add(manager, "release");
        }
        let Some(plan) = self.foreseen_plan(state) else {
            return parts;
        };
        let chosen = |place: &str, own: &[Owner]| -> Vec<Owner> {
            let other = release
                .owners
                .get(place)
                .filter(|owners| !owners.is_empty());
            other.cloned().unwrap_or_else(|| own.to_vec())
        };
        for phase in &plan.phases {
            for owner in chosen(phase.id.as_str(), &phase.owners) {
                add(&owner, phase.id.as_str());
            }
        }
        for activity in &plan.activities {
            for owner in chosen(activity.path.as_str(), &activity.owners) {
                add(&owner, activity.path.as_str());
            }
        }
        parts
    }

    pub(super) fn acknowledge(
        &self,
        asker: &Asker<'_>,
        state: &State,
        note: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        if release.status().is_terminal() {
            return Err(wrong(release, "it has ended"));
        }
        let Some(holder) = asker.holder else {
            return Err(Rejection::NotYours("only a person can know".to_owned()));
        };
        text("note", note)?;
        let answerable = self.answerable(state);
        let own = answerable.iter().map(|(owner, _)| owner);
        let owners: Vec<Owner> = own
            .filter(|owner| asker.is_one_of(release.organization.as_ref(), [*owner]))
            .cloned()
            .collect();
        if owners.is_empty() {
            let why = "you answer for no part of this release, so there is nothing to acknowledge";
            return Err(Rejection::NotYours(why.to_owned()));
        }
        let known = release.acknowledgements.get(&holder.user);
        if known.is_some_and(|known| known.owners == owners && known.note == note) {
            return Ok(Vec::new());
        }
        let (user, note) = (holder.user.clone(), note.to_owned());
        Ok(vec![asker.about(
            release.id,
            Change::OwnershipAcknowledged { user, owners, note },
        )])
    }

    pub(super) fn review_draft(
        &self,
        asker: &Asker<'_>,
        state: &State,
        approved: bool,
        comment: &str,
    ) -> Result<Vec<Event>, Rejection> {
        let release = &state.release;
        before_the_start(release)?;
        let Some(holder) = asker.holder else {
            let why = "only a person can say what they think".to_owned();
            return Err(Rejection::NotYours(why));
        };
        let answerable = self.answerable(state);
        let concerned = answerable
            .iter()
            .map(|(owner, _)| owner)
            .chain(&release.stakeholders);
        let place = release.organization.as_ref();
        if !asker.is_one_of(place, concerned) {
            let tie = || self.tie(asker, state);
            asker.needs_with(Permission::ReleaseOperate, place, tie)?;
        }
        if !approved {
            needed(comment)?;
        }
        text("comment", comment)?;
        if release.reviews.len() >= REVIEWS_MAX {
            return Err(Rejection::LimitReached {
                what: "the number of reviews",
                limit: REVIEWS_MAX as u64,
            });
        }
        let reviewed = Change::ReleaseReviewed {
            user: holder.user.clone(),
            approved,
            comment: comment.to_owned(),
            version: release.version,
        };
        Ok(vec![asker.about(release.id, reviewed)])
    }
}

/// What prepares a start makes sense only before it.
fn before_the_start(release: &Release) -> Result<(), Rejection> {
    let open = [
        ReleaseStatus::Draft,
        ReleaseStatus::Scheduled,
        ReleaseStatus::Queued,
    ];
    match open.contains(&release.status()) {
        true => Ok(()),
        false => Err(wrong(release, "it has started")),
    }
}

impl Release {
    /// Takes in a fact about what surrounds it.
    pub(super) fn take_preparation(&mut self, event: &Event) {
        match &event.change {
            Change::LinkAdded { link } => {
                let known = self.links.iter_mut().find(|known| known.url == link.url);
                match known {
                    Some(known) => known.clone_from(link),
                    None => self.links.push(link.clone()),
                }
            }
            Change::LinkRemoved { url } => self.links.retain(|link| link.url != *url),
            Change::ReadinessDeclared { item } => {
                let standing = self.readiness.entry(item.id.clone()).or_default();
                standing.declared = Some(item.clone());
            }
            Change::ReadinessWithdrawn { item } => drop(self.readiness.remove(item)),
            Change::ReadinessSet { item, ready, note } => {
                let standing = self.readiness.entry(item.clone()).or_default();
                standing.ready = *ready;
                standing.by = Some(event.by.clone());
                standing.at = Some(event.at);
                standing.note.clone_from(note);
            }
            Change::OwnershipAcknowledged { user, owners, note } => {
                let known = Acknowledgement {
                    at: event.at,
                    owners: owners.clone(),
                    note: note.clone(),
                };
                self.acknowledgements.insert(user.clone(), known);
            }
            Change::ReleaseReviewed {
                user,
                approved,
                comment,
                version,
            } => self.reviews.push(ReviewNote {
                user: user.clone(),
                at: event.at,
                approved: *approved,
                comment: comment.clone(),
                version: *version,
            }),
            Change::StartBlocked { .. } => self.blocked_since = Some(event.at),
            other => unreachable!("not a fact about what surrounds a release: {other:?}"),
        }
    }

    /// Since when only readiness has kept it from starting.
    pub fn blocked_since(&self) -> Option<Timestamp> {
        let before = matches!(self.life, Life::Scheduled | Life::Queued);
        self.blocked_since.filter(|_| before)
    }
}
