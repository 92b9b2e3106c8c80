//! The one answer to the question whether somebody may do something.

use std::fmt;

use super::{Binding, Holder, Permission, Policy, Role};
use crate::ids::{Name, Owner};
use crate::world::place;

/// What a holder has to do with the release that is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// Nothing, or it is not about a release.
    #[default]
    None,
    /// Owns the release: created or manages it, or owns one of its phases or activities.
    Release,
    /// Owns the very phase or activity that it is about.
    Part,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The permission that it takes.
    pub permission: Permission,
    /// Where; none is the account level.
    pub organization: Option<&'a Name>,
    /// What the holder has to do with it.
    pub tie: Tie,
}

/// What grants something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// A role that the token itself holds.
    Token {
        /// The role.
        role: Role,
        /// Where it holds; none is everywhere.
        organization: Option<Name>,
    },
    /// A role binding.
    Binding {
        /// The binding.
        binding: Binding,
        /// The subject by which it names the holder.
        subject: Owner,
    },
    /// The holder owns the phase or the activity.
    Ownership,
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ground::Token { role, organization } => {
                write!(
                    f,
                    "the token's role `{role}` {}",
                    reach(organization.as_ref())
                )
            }
            Ground::Binding { binding, subject } => {
                write!(
                    f,
                    "role binding `{}` gives `{}` to {subject} ",
                    binding.name, binding.role
                )?;
                f.write_str(&reach(binding.organization.as_ref()))?;
                if binding.own {
                    f.write_str(", for releases that they own")?;
                }
                Ok(())
            }
            Ground::Ownership => f.write_str("ownership of the phase or the activity"),
        }
    }
}

fn reach(organization: Option<&Name>) -> String {
    match organization {
        Some(organization) => format!("in organization `{organization}`"),
        None => "everywhere".to_owned(),
    }
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The user is shut out.
    ShutOut,
    /// The token leaves the permission out.
    TokenPermission,
    /// The token is limited to another place.
    TokenPlace(Name),
    /// A binding grants it, but only for releases that the holder owns.
    OnlyOwn(Binding),
    /// No role of the holder grants it there.
    Role,
}

impl Lack {
    /// What is missing, in words.
    pub fn words(&self, question: &Question<'_>) -> String {
        let (permission, place) = (question.permission, place(question.organization));
        match self {
            Lack::ShutOut => "the user is disabled".to_owned(),
            Lack::TokenPermission => format!("the token leaves `{permission}` out"),
            Lack::TokenPlace(only) => {
                format!("the token is limited to organization `{only}`")
            }
            Lack::OnlyOwn(binding) => format!(
                "role binding `{}` grants `{permission}` only for releases that one owns",
                binding.name
            ),
            Lack::Role => {
                let roles: Vec<String> = Role::ALL
                    .into_iter()
                    .filter(|role| role.grants(permission))
                    .map(|role| format!("`{role}`"))
                    .collect();
                format!(
                    "no role grants `{permission}` {place}; it takes {}",
                    roles.join(" or ")
                )
            }
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done, because of this.
    Granted(Ground),
    /// It may not: this is missing.
    Refused(Lack),
}

impl Verdict {
    /// Whether it may be done.
    pub fn is_granted(&self) -> bool {
        matches!(self, Verdict::Granted(_))
    }
}

impl Policy {
    /// Whether a holder may do something: what nothing grants is refused, and a token's limits only take away.
    pub fn judge(&self, holder: &Holder, question: &Question<'_>) -> Verdict {
        if let Some(lack) = self.cut_off(holder, question) {
            return Verdict::Refused(lack);
        }
        match self.ground(holder, question) {
            Ok(ground) => Verdict::Granted(ground),
            Err(lack) => Verdict::Refused(lack),
        }
    }

    /// What keeps a holder from something, whatever its roles grant.
    pub(crate) fn cut_off(&self, holder: &Holder, question: &Question<'_>) -> Option<Lack> {
        if self.is_shut_out(&holder.user) {
            return Some(Lack::ShutOut);
        }
        let scope = holder.scope.as_ref()?;
        let left_out = |permissions: &std::collections::BTreeSet<Permission>| {
            !permissions.contains(&question.permission)
        };
        if scope.permissions.as_ref().is_some_and(left_out) {
            return Some(Lack::TokenPermission);
        }
        let only = scope.organization.as_ref()?;
        (!reaches(Some(only), question)).then(|| Lack::TokenPlace(only.clone()))
    }

    fn ground(&self, holder: &Holder, question: &Question<'_>) -> Result<Ground, Lack> {
        if reaches(holder.organization.as_ref(), question)
            && let Some(role) = holder
                .roles
                .iter()
                .find(|role| role.grants(question.permission))
        {
            return Ok(Ground::Token {
                role: *role,
                organization: holder.organization.clone(),
            });
        }
        let mut only_own = None;
        for (binding, subject) in self.bindings_of(holder) {
            let grants = binding.role.grants(question.permission);
            if !grants || !reaches(binding.organization.as_ref(), question) {
                continue;
            }
            // To see what one owns, one has to see what is there.
            let everything = !binding.own || question.permission == Permission::Read;
            if everything || question.tie != Tie::None {
                return Ok(Ground::Binding {
                    binding: binding.clone(),
                    subject: subject.clone(),
                });
            }
            only_own.get_or_insert(binding);
        }
        if self.acts_as_owner(holder, question) {
            return Ok(Ground::Ownership);
        }
        Err(only_own.map_or(Lack::Role, |binding| Lack::OnlyOwn(binding.clone())))
    }

    /// Who owns a phase or an activity may act on it, where the owner may look at all.
    fn acts_as_owner(&self, holder: &Holder, question: &Question<'_>) -> bool {
        let looking = Question {
            permission: Permission::Read,
            ..*question
        };
        question.tie == Tie::Part
            && question.permission.comes_with_ownership()
            && self.judge(holder, &looking).is_granted()
    }

    /// Whether a holder may do something to what belongs to a place, without owning any of it.
    pub fn may(
        &self,
        holder: &Holder,
        permission: Permission,
        organization: Option<&Name>,
    ) -> bool {
        let question = Question {
            permission,
            organization,
            tie: Tie::None,
        };
        self.judge(holder, &question).is_granted()
    }

    /// Whether a holder may do something somewhere, be it only to what it owns; a first look, never the last.
    pub fn may_somewhere(&self, holder: &Holder, permission: Permission) -> bool {
        let places = self.places_of(holder);
        places.iter().any(|place| {
            let question = Question {
                permission,
                organization: place.as_ref(),
                tie: Tie::Release,
            };
            self.judge(holder, &question).is_granted()
        })
    }

    /// The account level and the organizations that anything of the holder names.
    pub(crate) fn places_of(&self, holder: &Holder) -> std::collections::BTreeSet<Option<Name>> {
        let mut places = std::collections::BTreeSet::from([None, holder.organization.clone()]);
        places.extend(
            self.bindings_of(holder)
                .map(|(binding, _)| binding.organization.clone()),
        );
        places.extend(holder.scope.iter().map(|scope| scope.organization.clone()));
        places
    }
}

/// Whether what holds in a place (none is everywhere) holds for what is asked.
fn reaches(holds_in: Option<&Name>, question: &Question<'_>) -> bool {
    match holds_in {
        None => true,
        Some(organization) => match question.organization {
            Some(asked) => asked == organization,
            None => question.permission.takes_part(),
        },
    }
}
