//! How long completed work is kept: what is put out of the way, what may be removed, and why not (2-execution.md,
//! Archive and Delete).
//!
//! The account's `retention` is the one setting. What people may do by hand and what the server does by itself are
//! judged here; the server finds its candidates in the store and asks.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::account::Retention;
use crate::command::{Command, ReleaseCommand};
use crate::event::{Change, Event};
use crate::ids::ReleaseId;
use crate::rejection::Rejection;
use crate::release::Release;
use crate::release::lifecycle::wrong;
use crate::status::ReleaseStatus;
use crate::world::{Asker, World};

impl Retention {
    /// When a release that ended then is put out of the way by itself; until then its data cannot be deleted.
    pub fn archived_at(&self, ended_at: Timestamp) -> Timestamp {
        let kept = self.archive_after.get();
        ended_at.checked_add(kept).unwrap_or(Timestamp::MAX)
    }

    /// When a release that ended then is deleted by itself; none is never.
    pub fn deleted_at(&self, ended_at: Timestamp) -> Option<Timestamp> {
        let kept = self.delete_after?.get().max(self.archive_after.get());
        Some(ended_at.checked_add(kept).unwrap_or(Timestamp::MAX))
    }
}

impl World {
    /// Releases that a command touches besides those it names, as far as they are not in memory.
    ///
    /// A release is archived and deleted with its children, and the releases it names as predecessors are told.
    /// Bring them back and ask again until nothing new is named.
    pub fn asked_by(&self, command: &Command) -> BTreeSet<ReleaseId> {
        let mut asked = BTreeSet::new();
        match command {
            Command::Release {
                release,
                action: ReleaseCommand::Delete,
            } => {
                for member in self.family(*release, &mut asked) {
                    asked.extend(member.after.keys());
                }
            }
            Command::Release {
                release,
                action: ReleaseCommand::Archive,
            } => drop(self.family(*release, &mut asked)),
            Command::EditRelease {
                release, changes, ..
            } if changes.after.is_some() => {
                let before = self.release(*release).map(|release| release.after.keys());
                asked.extend(before.into_iter().flatten());
            }
            _ => (),
        }
        asked.retain(|release| !self.knows(*release));
        asked
    }

    /// A release with its children, near and far, parents first; `unknown` takes in those that are not in memory.
    fn family(&self, release: ReleaseId, unknown: &mut BTreeSet<ReleaseId>) -> Vec<&Release> {
        let mut family = Vec::new();
        let mut next = vec![release];
        while let Some(id) = next.pop() {
            match self.release(id) {
                Some(member) => {
                    next.extend(&member.children);
                    family.push(member);
                }
                None => drop(unknown.insert(id)),
            }
        }
        family
    }

    /// Puts a completed release out of the way, with its children.
    pub(super) fn archive_release(
        &self,
        asker: &Asker<'_>,
        release: &Release,
    ) -> Result<Vec<Event>, Rejection> {
        if !release.status().is_terminal() {
            return Err(wrong(release, "only a completed release can be archived"));
        }
        if release.archived {
            return Err(wrong(release, "it is archived already"));
        }
        if let Some(parent) = &release.parent {
            let why = format!("it is a child of `{}` and goes with it", parent.release);
            return Err(wrong(release, &why));
        }
        let due = release
            .ended_at
            .map(|ended| self.account().retention.archived_at(ended));
        if asker.holder.is_none()
            && let Some(due) = due.filter(|due| asker.at < *due)
        {
            let why = format!("it is archived by itself at {due}");
            return Err(wrong(release, &why));
        }
        let family = self.family(release.id, &mut BTreeSet::new());
        let members = family
            .iter()
            .filter(|member| member.status().is_terminal() && !member.archived);
        Ok(members
            .map(|member| asker.about(member.id, Change::ReleaseArchived))
            .collect())
    }

    /// Removes a release with its children, activities and history; the events are the tombstones.
    pub(super) fn delete_release(
        &self,
        asker: &Asker<'_>,
        release: &Release,
    ) -> Result<Vec<Event>, Rejection> {
        self.refuse_while_used(release)?;
        if release.status().is_terminal() {
            self.refuse_while_kept(asker, release)?;
            self.refuse_while_counted(asker, release)?;
        }
        let family = self.family(release.id, &mut BTreeSet::new());
        Ok(family
            .iter()
            .rev()
            .map(|member| {
                let name = member.name.clone();
                asker.about(
                    member.id,
                    Change::ReleaseDeleted {
                        name,
                        withdrawn: false,
                    },
                )
            })
            .collect())
    }

    /// Refuses while something is under way or refers to it; the referrer is named.
    fn refuse_while_used(&self, release: &Release) -> Result<(), Rejection> {
        let in_use = |why: String| Err(Rejection::InUse(why));
        let status = release.status();
        if let Some(parent) = &release.parent {
            return in_use(format!(
                "it is a child of `{}` and goes with it",
                parent.release
            ));
        }
        if status.is_active() || (status == ReleaseStatus::Scheduled && release.run == 0) {
            return in_use(format!("it is {status:?}; cancel or abort it first"));
        }
        if let Some(waiter) = self.waiters(release.id).next() {
            return in_use(format!("`{waiter}` waits for it"));
        }
        if let Some(follower) = release.followers.first() {
            return in_use(format!(
                "`{follower}` names it as its predecessor; delete that one first"
            ));
        }
        Ok(())
    }

    /// Refuses a person while the group that a completed release belongs to goes on: its reports count it.
    ///
    /// What the account has deleted by itself goes all the same: a group may go on for years.
    fn refuse_while_counted(&self, asker: &Asker<'_>, release: &Release) -> Result<(), Rejection> {
        let Some(key) = release.group_key().filter(|_| asker.holder.is_some()) else {
            return Ok(());
        };
        match self.body(&key) {
            Some(_) => Err(Rejection::InUse(format!(
                "the reports of group `{}` count it; delete the group first",
                key.name
            ))),
            None => Ok(()),
        }
    }

    /// Refuses while its execution data is kept.
    fn refuse_while_kept(&self, asker: &Asker<'_>, release: &Release) -> Result<(), Rejection> {
        let in_use = |why: String| Err(Rejection::InUse(why));
        if !release.archived {
            return in_use("it has execution data; archive it first".to_owned());
        }
        let retention = &self.account().retention;
        let Some(ended_at) = release.ended_at else {
            return Ok(());
        };
        let until = match asker.holder {
            Some(_) => Some(retention.archived_at(ended_at)),
            None => retention.deleted_at(ended_at),
        };
        match until {
            None => in_use("its execution data is kept for good".to_owned()),
            Some(until) if asker.at < until => {
                in_use(format!("its execution data is kept until {until}"))
            }
            Some(_) => Ok(()),
        }
    }
}
