//! What somebody may see, as a value that only the judge of rights makes.

use std::collections::BTreeSet;

use super::{Holder, Permission, Policy, Question, Tie};
use crate::ids::Name;

/// The organizations whose things a list may show; proof that the right to see them was checked (reliability.md, S6).
///
/// Lists of the store take it, and nobody but [`Policy::seen`] makes one that holds anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// None is everywhere; in the set, none is the account level.
    places: Option<BTreeSet<Option<Name>>>,
}

impl Seen {
    /// Nothing at all.
    pub fn nothing() -> Seen {
        Seen {
            places: Some(BTreeSet::new()),
        }
    }

    /// What the server itself reads in its own work, never on behalf of somebody.
    pub fn by_the_server() -> Seen {
        Seen { places: None }
    }

    /// Whether it is everywhere.
    pub fn is_everywhere(&self) -> bool {
        self.places.is_none()
    }

    /// The places, none of them being the account level; none at all if it is everywhere.
    pub fn places(&self) -> Option<Vec<Option<Name>>> {
        self.places
            .as_ref()
            .map(|places| places.iter().cloned().collect())
    }

    /// Whether something of that place may be shown.
    pub fn includes(&self, organization: Option<&Name>) -> bool {
        self.places
            .as_ref()
            .is_none_or(|places| places.contains(&organization.cloned()))
    }

    /// Only what lies in one place, if it was seen.
    #[must_use]
    pub fn only(&self, organization: Option<Name>) -> Seen {
        if self.includes(organization.as_ref()) {
            Seen {
                places: Some(BTreeSet::from([organization])),
            }
        } else {
            Seen::nothing()
        }
    }
}

impl Policy {
    /// What a holder may see.
    pub fn seen(&self, holder: &Holder) -> Seen {
        self.where_may(holder, Permission::Read)
    }

    /// Where a holder may do something to everything.
    pub fn where_may(&self, holder: &Holder, permission: Permission) -> Seen {
        let granted = |organization: Option<&Name>| {
            let question = Question {
                permission,
                organization,
                tie: Tie::None,
            };
            self.judge(holder, &question).is_granted()
        };
        if self.is_unbound(holder, permission) && granted(None) {
            return Seen { places: None };
        }
        let places = self.places_of(holder).into_iter();
        Seen {
            places: Some(places.filter(|place| granted(place.as_ref())).collect()),
        }
    }

    /// Whether a permission is granted everywhere, in organizations that nobody has named yet too.
    fn is_unbound(&self, holder: &Holder, permission: Permission) -> bool {
        let limited = holder
            .scope
            .as_ref()
            .is_some_and(|scope| scope.organization.is_some());
        let by_token = holder.organization.is_none()
            && holder.roles.iter().any(|role| role.grants(permission));
        let by_binding = || {
            self.bindings_of(holder).any(|(binding, _)| {
                let everything = !binding.own || permission == Permission::Read;
                binding.organization.is_none() && everything && binding.role.grants(permission)
            })
        };
        !limited && (by_token || by_binding())
    }
}
