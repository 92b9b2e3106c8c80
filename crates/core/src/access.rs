//! Who may do what (2-execution.md, Lifecycle; 4-interfaces.md, tokens; reliability.md, 30, 31, 55, S5–S9).
//!
//! There is one question and one place that answers it: [`Policy::judge`].
//! It knows the tokens' own roles, the role bindings, the teams and the users of this very moment,
//! so a right that was taken away one commit earlier is refused.
//! What nothing grants is refused.

mod grants;
mod holder;
mod judge;
mod permission;
mod policy;
mod role;
mod seen;
mod tokens;
mod user;
mod users;

pub(crate) use grants::opened_by_requester;
pub use holder::{Holder, TokenKind, TokenScope};
pub use judge::{Ground, Lack, Question, Tie, Verdict};
pub use permission::Permission;
pub use policy::{Binding, Policy};
pub use role::Role;
pub use seen::Seen;
pub use user::{Identity, User};
