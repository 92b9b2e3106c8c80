//! Whether an approval is granted, counted anew from the decisions in the journal (reliability.md, 26).

use jiff::Timestamp;
use trainmaster_core::access::Role;
use trainmaster_core::command::Decision;
use trainmaster_core::ids::{Name, Owner};
use trainmaster_core::uses::approval::{ApprovalConfig, Order, Quorum, Share};

/// A token as the journal tells of it.
#[derive(Clone, Debug)]
pub struct Badge {
    /// Who holds it.
    pub user: Name,
    /// The holder's teams.
    pub teams: Vec<Name>,
    /// The holder's roles.
    pub roles: Vec<Role>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Badge {
    fn is(&self, owner: &Owner) -> bool {
        match owner {
            Owner::User(user) => *user == self.user,
            Owner::Team(team) => self.teams.contains(team),
            Owner::Role(role) => self.roles.iter().any(|held| held.as_str() == role.as_str()),
        }
    }

    /// Whether it lets anybody in.
    pub fn is_valid(&self, at: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| at < end)
    }
}

/// An approval with the decisions that count.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Its rule.
    pub rule: ApprovalConfig,
    /// Who may decide besides the approvers.
    pub escalated: Vec<Owner>,
    /// Decisions, oldest first: who, as which entries, what.
    pub votes: Vec<(Name, Vec<Owner>, Decision)>,
}

impl Poll {
    /// A poll without decisions.
    pub fn new(rule: ApprovalConfig) -> Poll {
        Poll {
            rule,
            escalated: Vec::new(),
            votes: Vec::new(),
        }
    }

    /// As which entries the holder of a badge may decide now.
    pub fn entries_of(&self, badge: &Badge) -> Vec<Owner> {
        let asked = self.rule.approvers.iter().chain(&self.escalated);
        let open: Vec<&Owner> = match self.rule.order {
            Order::Any => asked.collect(),
            Order::Sequential => asked.skip(self.approvals().count()).take(1).collect(),
        };
        open.into_iter()
            .filter(|entry| badge.is(entry))
            .cloned()
            .collect()
    }

    /// Why a decision must not have been taken; none if it is in order.
    pub fn objection(
        &self,
        user: &Name,
        entries: &[Owner],
        badges: &[&Badge],
        requester: &str,
    ) -> Option<String> {
        if self.votes.iter().any(|(earlier, ..)| earlier == user) {
            return Some(format!("`{user}` has decided twice"));
        }
        let may =
            |owner: &Owner| self.rule.approvers.contains(owner) || self.escalated.contains(owner);
        if entries.is_empty() || !entries.iter().all(may) {
            return Some(format!(
                "`{user}` counts as {entries:?}, which nobody asked"
            ));
        }
        let one_token_for_all = |badge: &&&Badge| entries.iter().all(|entry| badge.is(entry));
        let Some(badge) = badges.iter().find(one_token_for_all) else {
            return Some(format!("no valid token makes `{user}` {entries:?}"));
        };
        if self.rule.exclude_requester && requester == format!("user:{user}") {
            return Some(format!("`{user}` has asked for the release"));
        }
        if self
            .rule
            .exclude_authors
            .iter()
            .any(|author| badge.is(author))
        {
            return Some(format!("`{user}` is an author of the change"));
        }
        if self.rule.order == Order::Sequential && !self.is_next(entries) {
            return Some(format!("it is not the turn of `{user}` as {entries:?}"));
        }
        None
    }

    fn is_next(&self, entries: &[Owner]) -> bool {
        let approved = self.approvals().count();
        let mut order = self.rule.approvers.iter().chain(&self.escalated);
        order
            .nth(approved)
            .is_some_and(|next| entries.contains(next))
    }

    fn approvals(&self) -> impl Iterator<Item = &(Name, Vec<Owner>, Decision)> {
        self.votes
            .iter()
            .filter(|(_, _, decision)| *decision == Decision::Approve)
    }

    /// Whether one rejection is enough and there is one.
    pub fn is_vetoed(&self) -> bool {
        self.rule.veto
            && self
                .votes
                .iter()
                .any(|(_, _, decision)| *decision == Decision::Reject)
    }

    /// Whether enough distinct persons have approved.
    pub fn is_granted(&self) -> bool {
        let entries = self.rule.approvers.len();
        let needed = match self.rule.quorum {
            Quorum::Number(number) => (number as usize).max(1),
            Quorum::Share(Share::Majority) => entries / 2 + 1,
            Quorum::Share(Share::All) => entries,
        };
        let persons: Vec<&[Owner]> = self
            .approvals()
            .map(|(_, entries, _)| entries.as_slice())
            .collect();
        let apart =
            self.rule.quorum == Quorum::Share(Share::All) || self.rule.order == Order::Sequential;
        if apart {
            self.seats(&persons, &mut vec![false; entries]) >= needed
        } else {
            persons.len() >= needed
        }
    }

    /// How many entries can each be given a person of its own, tried out in every way.
    fn seats(&self, persons: &[&[Owner]], taken: &mut Vec<bool>) -> usize {
        let Some((person, rest)) = persons.split_first() else {
            return 0;
        };
        let stands_in = person
            .iter()
            .any(|entry| !self.rule.approvers.contains(entry));
        let mut best = self.seats(rest, taken);
        for seat in 0..taken.len() {
            let fits = stands_in || person.contains(&self.rule.approvers[seat]);
            if !taken[seat] && fits {
                taken[seat] = true;
                best = best.max(1 + self.seats(rest, taken));
                taken[seat] = false;
            }
        }
        best
    }
}
