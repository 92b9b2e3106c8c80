//! Why a command was refused: each with a stable code and a page in `docs/errors/`.

use crate::access::Permission;
use crate::definition::Problem;
use crate::ids::{ActivityPath, Name, Owner, ReleaseId, ResourceKey, TokenId};
use crate::status::{ActivityStatus, ReleaseStatus};

/// Why a command was refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The token is unknown, revoked or expired.
    #[error("the token is not valid any more")]
    InvalidToken,
    /// Who it is was not proven, or the person is shut out; which of them is not said.
    #[error("the user or the password is wrong")]
    SignInRefused,
    /// The actor lacks a permission there.
    #[error("you need the permission `{permission}` {place}")]
    Forbidden {
        /// What would be needed.
        permission: Permission,
        /// Where, as words: ``in organization `payments` ``, `at account level`.
        place: String,
    },
    /// Only certain people may decide here.
    #[error("{0}")]
    NotYours(String),
    /// There is no such release (or it may not be seen).
    #[error("release `{0}` does not exist")]
    UnknownRelease(ReleaseId),
    /// The release has no such activity.
    #[error("release `{release}` has no activity `{path}`")]
    UnknownActivity {
        /// The release.
        release: ReleaseId,
        /// The path asked for.
        path: ActivityPath,
    },
    /// There is no such definition.
    #[error("`{0}` does not exist")]
    UnknownResource(ResourceKey),
    /// There is no such token.
    #[error("token `{0}` does not exist")]
    UnknownToken(TokenId),
    /// There is no such user.
    #[error("user `{0}` does not exist")]
    UnknownUser(Name),
    /// The release's status does not allow it.
    #[error("release `{release}` is {status:?}: {why}")]
    WrongReleaseStatus {
        /// The release.
        release: ReleaseId,
        /// Where it stands.
        status: ReleaseStatus,
        /// What holds and what would help.
        why: String,
    },
    /// The activity's status does not allow it.
    #[error("activity `{path}` is {status:?}: {why}")]
    WrongActivityStatus {
        /// The activity.
        path: ActivityPath,
        /// Where it stands.
        status: ActivityStatus,
        /// What holds and what would help.
        why: String,
    },
    /// The process does not permit this action on this activity.
    #[error("the process does not permit this for `{path}`: {why}")]
    NotPermittedByProcess {
        /// The activity.
        path: ActivityPath,
        /// Which setting.
        why: String,
    },
    /// A reason is needed.
    #[error("a reason is needed")]
    ReasonNeeded,
    /// Values do not fit their declarations.
    #[error("{}", summary(.0))]
    InvalidInput(Vec<FieldProblem>),
    /// A definition does not hold together.
    #[error("{}", problems(.0))]
    InvalidDefinition(Vec<Problem>),
    /// It was changed by somebody else since it was read.
    #[error(
        "it has been changed meanwhile: you have version {expected}, the current one is {current}"
    )]
    StaleVersion {
        /// What the caller knew.
        expected: u64,
        /// What holds.
        current: u64,
    },
    /// What was shown to the approver has changed.
    #[error("what you were shown has changed meanwhile: look again and decide then")]
    StaleDigest,
    /// The attempt is closed or unknown; what came is kept as a fact where it can be.
    #[error("attempt {attempt} of `{path}` is closed")]
    StaleAttempt {
        /// The activity.
        path: ActivityPath,
        /// The attempt.
        attempt: u32,
    },
    /// Something that ran after it would have to be taken back.
    #[error("`{path}` cannot run again: `{dependent}` has started after it")]
    DependentStarted {
        /// The activity.
        path: ActivityPath,
        /// What started after it.
        dependent: ActivityPath,
    },
    /// Something that has to be ready before the start is not.
    #[error("it cannot start: {} not ready; {} can say so", one_of(.items), one_of(.who))]
    NotReady {
        /// What.
        items: Vec<Name>,
        /// Who can say that it is.
        who: Vec<Owner>,
    },
    /// The account keeps releases to one level, and there are some of the other.
    #[error("{0}")]
    ExclusiveLevel(String),
    /// It is referenced, retained or active and cannot be deleted.
    #[error("it cannot be deleted: {0}")]
    InUse(String),
    /// A limit was reached.
    #[error("{what} is limited to {limit}")]
    LimitReached {
        /// What.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
}

/// A value that does not fit, with the name of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field, for example `inputs.environment`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

fn one_of(words: &[impl ToString]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.to_string()))
        .collect();
    words.join(", ")
}

fn summary(problems: &[FieldProblem]) -> String {
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| format!("`{}`: {}", problem.field, problem.message))
        .collect();
    texts.join("; ")
}

fn problems(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Rejection {
    /// Every code, in the order of the variants.
    pub const CODES: [&'static str; 23] = [
        "invalid-token",
        "sign-in-refused",
        "forbidden",
        "not-yours",
        "unknown-release",
        "unknown-activity",
        "unknown-resource",
        "unknown-token",
        "unknown-user",
        "wrong-release-status",
        "wrong-activity-status",
        "not-permitted-by-process",
        "reason-needed",
        "invalid-input",
        "invalid-definition",
        "stale-version",
        "stale-digest",
        "stale-attempt",
        "dependent-started",
        "not-ready",
        "exclusive-level",
        "in-use",
        "limit-reached",
    ];

    /// The stable code; its page is `docs/errors/<code>.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::InvalidToken => "invalid-token",
            Rejection::SignInRefused => "sign-in-refused",
            Rejection::Forbidden { .. } => "forbidden",
            Rejection::NotYours(_) => "not-yours",
            Rejection::UnknownRelease(_) => "unknown-release",
            Rejection::UnknownActivity { .. } => "unknown-activity",
            Rejection::UnknownResource(_) => "unknown-resource",
            Rejection::UnknownToken(_) => "unknown-token",
            Rejection::UnknownUser(_) => "unknown-user",
            Rejection::WrongReleaseStatus { .. } => "wrong-release-status",
            Rejection::WrongActivityStatus { .. } => "wrong-activity-status",
            Rejection::NotPermittedByProcess { .. } => "not-permitted-by-process",
            Rejection::ReasonNeeded => "reason-needed",
            Rejection::InvalidInput(_) => "invalid-input",
            Rejection::InvalidDefinition(_) => "invalid-definition",
            Rejection::StaleVersion { .. } => "stale-version",
            Rejection::StaleDigest => "stale-digest",
            Rejection::StaleAttempt { .. } => "stale-attempt",
            Rejection::DependentStarted { .. } => "dependent-started",
            Rejection::NotReady { .. } => "not-ready",
            Rejection::ExclusiveLevel(_) => "exclusive-level",
            Rejection::InUse(_) => "in-use",
            Rejection::LimitReached { .. } => "limit-reached",
        }
    }
}
