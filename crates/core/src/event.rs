//! Facts: what happened, taken in by [`crate::World::apply`], live and on replay.
//!
//! Events are serialized into the journal and are a promise: every journal ever written must replay.
//! Fields are added with defaults; nothing is renamed or removed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{Identity, Role, TokenKind, TokenScope};
use crate::command::{Decision, RestartFrom};
use crate::deployment::Deployment;
use crate::effect::Outcome;
use crate::freeze::FreezeRef;
use crate::group::state::{GroupAdvanced, GroupMembership};
use crate::ids::{
    ActivityPath, EffectKey, Name, Owner, ReleaseId, ResourceKey, SecretName, TokenId,
};
use crate::notice::{Need, NoticeKind};
use crate::process::ReadinessSpec;
use crate::release::{InputValue, Link, ReleaseDescription, ReleaseType, SkipReason, StartMode};
use crate::signin::SignInMethod;
use crate::status::{PhaseStatus, ReleaseStatus};
use crate::uses::approval::ApprovalConfig;
use crate::uses::input::InputConfig;
use crate::uses::tasks::{TaskStatus, TasksConfig};

/// One fact, with when and through whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// Through whom: `user:NAME`, or `system`.
    pub by: String,
    /// The release it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// The activity it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ActivityPath>,
    /// What happened.
    #[serde(flatten)]
    pub change: Change,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Change {
    /// A definition got a new revision.
    ResourceApplied {
        /// Which.
        key: ResourceKey,
        /// The new revision, from one.
        revision: u32,
        /// SHA-256 of the canonical spec, in hexadecimal.
        digest: String,
        /// What it is for.
        description: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Its content as applied, in canonical order.
        spec: Value,
    },
    /// A definition was removed.
    ResourceDeleted {
        /// Which.
        key: ResourceKey,
    },
    /// A token was issued.
    TokenIssued {
        /// Its number.
        token: TokenId,
        /// SHA-256 of the token.
        digest: String,
        /// Who holds it.
        user: Name,
        /// The holder's teams.
        teams: Vec<Name>,
        /// The holder's roles.
        roles: Vec<Role>,
        /// Where the roles hold; none is everywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization: Option<Name>,
        /// What sort it is.
        #[serde(default, skip_serializing_if = "TokenKind::is_service")]
        kind: TokenKind,
        /// What it is limited to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<TokenScope>,
        /// When it ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// What it is for.
        description: String,
    },
    /// A token ended.
    TokenRevoked {
        /// Which.
        token: TokenId,
    },
    /// Sign-ins that have ended are remembered no longer.
    TokensForgotten {
        /// Which.
        tokens: Vec<TokenId>,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who.
        user: Name,
        /// The token that was made for it.
        token: TokenId,
        /// How they proved who they are.
        method: SignInMethod,
        /// Through which identity provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<Name>,
        /// From which network address.
        source: String,
    },
    /// Somebody could not sign in.
    SignInFailed {
        /// Whose account was tried, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<Name>,
        /// How.
        method: SignInMethod,
        /// Through which identity provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<Name>,
        /// From which network address.
        source: String,
        /// Why not.
        reason: String,
        /// How many failures in a row that makes.
        failures: u32,
        /// Failures since the last record of this kind that have no record of their own.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: u32,
    },
    /// Somebody asked for something without the right to it; nothing else happened.
    OperationDenied {
        /// What was asked, as the name of the command: `AbortRelease`.
        operation: String,
        /// What it was about: a release, a definition, a token; empty where it was about nothing that exists.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        target: String,
        /// Why it was refused.
        why: String,
    },
    /// Somebody became known who can sign in.
    UserCreated {
        /// Who.
        user: Name,
        /// The name for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        display_name: String,
        /// Where mail goes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        email: String,
    },
    /// What is known about a user changed.
    UserChanged {
        /// Who.
        user: Name,
        /// The new name for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        /// The new address for mail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// The teams that an identity provider named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claimed_teams: Option<BTreeSet<Name>>,
    },
    /// A user was shut out; every token of the user has ended.
    UserDisabled {
        /// Who.
        user: Name,
    },
    /// A user may sign in again.
    UserEnabled {
        /// Who.
        user: Name,
    },
    /// A password was stored; sign-ins with the one before have ended.
    CredentialSet {
        /// Whose.
        user: Name,
        /// The random id of what was stored; the hash itself is in no record.
        credential: String,
    },
    /// An identity provider knows the user.
    IdentityLinked {
        /// Who.
        user: Name,
        /// As whom.
        identity: Identity,
    },
    /// An identity provider's word for the user counts no longer.
    IdentityUnlinked {
        /// Who.
        user: Name,
        /// As whom.
        identity: Identity,
    },
    /// A group came further; what it made or changed stands in facts of its own.
    GroupAdvanced(Box<GroupAdvanced>),
    /// A draft was made.
    ReleaseCreated(Box<ReleaseCreated>),
    /// A release was changed.
    ReleaseEdited(Box<ReleaseEdited>),
    /// Inputs checked and locked, process pinned; waits for its start.
    ReleaseFinalized {
        /// The pinned revision.
        revision: u32,
        /// Every input with its value and where that came from.
        inputs: BTreeMap<String, InputValue>,
    },
    /// Back to Draft.
    ReleaseCancelled {
        /// Why.
        reason: String,
    },
    /// Its time has come, but other releases come first.
    ReleaseQueued {
        /// How it was started.
        trigger: StartTrigger,
        /// Input values as they will be used.
        inputs: BTreeMap<String, InputValue>,
    },
    /// Execution began.
    ReleaseStarted {
        /// Which run, from one.
        run: u32,
        /// How it was started.
        trigger: StartTrigger,
        /// Input values as used.
        inputs: BTreeMap<String, InputValue>,
        /// Global variables, evaluated.
        variables: BTreeMap<String, Value>,
        /// When phases open and close, by phase id.
        windows: BTreeMap<Name, Window>,
    },
    /// No new attempts start.
    ReleasePaused {
        /// Why.
        reason: String,
    },
    /// Work goes on.
    ReleaseResumed,
    /// Being stopped.
    ReleaseAbortRequested {
        /// Why.
        reason: String,
    },
    /// Came to its end.
    ReleaseFinished {
        /// How.
        status: ReleaseStatus,
        /// The outputs of its process.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, Value>,
    },
    /// A failure that was final is up for a decision again (the event's path names the activity):
    /// what was skipped because of failures is pending again.
    ReleaseReopened,
    /// An aborted release runs again.
    ReleaseRestarted {
        /// From where.
        from: RestartFrom,
        /// When it is to start; none is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start_at: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Put out of the way.
    ReleaseArchived,
    /// Removed; this event is the tombstone.
    ReleaseDeleted {
        /// Its name.
        name: String,
        /// Whether its group took it back, so that the group may plan its time again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        withdrawn: bool,
    },
    /// Something was written down.
    NoteAdded {
        /// The note.
        text: String,
    },
    /// It was linked to something in another system; a link to the same address is replaced.
    LinkAdded {
        /// The link.
        link: Link,
    },
    /// A link was taken away.
    LinkRemoved {
        /// Its address.
        url: String,
    },
    /// One more thing has to be ready before the start.
    ReadinessDeclared {
        /// What.
        item: ReadinessSpec,
    },
    /// Something that was added for this release has to be ready no longer.
    ReadinessWithdrawn {
        /// Which.
        item: Name,
    },
    /// Something was found to be ready, or not to be so any more.
    ReadinessSet {
        /// Which item.
        item: Name,
        /// Whether it is ready.
        ready: bool,
        /// What the person said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Its time has come, but something that has to be ready is not.
    StartBlocked {
        /// What.
        items: Vec<Name>,
    },
    /// Somebody knows of their part in the release.
    OwnershipAcknowledged {
        /// Who: the user's name.
        user: Name,
        /// As which owners the person counts.
        owners: Vec<Owner>,
        /// What the person said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Somebody said what they think of it before it starts.
    ReleaseReviewed {
        /// Who: the user's name.
        user: Name,
        /// Whether it may go on like this.
        approved: bool,
        /// What the person said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        comment: String,
        /// Which edit the person saw.
        version: u64,
    },
    /// Its handling panicked; it is left alone until somebody looks.
    ReleaseQuarantined {
        /// The panic's message.
        reason: String,
    },
    /// Put back into service.
    ReleaseUnquarantined {
        /// Why it is believed to work again.
        reason: String,
    },
    /// Another release that this one waits for has succeeded.
    PredecessorSatisfied {
        /// Which.
        predecessor: ReleaseId,
    },
    /// A freeze holds the release back no longer, for a while.
    FreezeOverridden {
        /// Which freeze.
        freeze: FreezeRef,
        /// Why.
        reason: String,
        /// When it holds the release back again.
        expires_at: Timestamp,
    },
    /// An override was taken back before it expired.
    FreezeOverrideRevoked {
        /// Which freeze.
        freeze: FreezeRef,
        /// Why.
        reason: String,
    },
    /// A phase began.
    PhaseStarted {
        /// Which.
        phase: Name,
        /// Its variables, evaluated.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        variables: BTreeMap<String, Value>,
    },
    /// A phase came to its end (Skipped included).
    PhaseFinished {
        /// Which.
        phase: Name,
        /// How.
        status: PhaseStatus,
        /// Why, where it was skipped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SkipReason>,
    },
    /// A phase's closing time came: what has not started is skipped.
    PhaseClosed {
        /// Which.
        phase: Name,
    },
    /// A `forEach` got its items.
    ActivityExpanded {
        /// The elements, in order.
        items: Vec<Value>,
    },
    /// An attempt began; for outside work this is the durable intent.
    AttemptStarted(Box<AttemptStarted>),
    /// The outside world named the work.
    HandleReported {
        /// Which attempt.
        attempt: u32,
        /// The name.
        handle: Value,
    },
    /// A running attempt is to be stopped.
    AttemptCancelRequested {
        /// Which attempt.
        attempt: u32,
        /// Why.
        cause: CancelCause,
        /// When it is recorded as not confirmed.
        confirm_by: Timestamp,
    },
    /// An attempt ended.
    AttemptFinished {
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: AttemptOutcome,
    },
    /// A result came for an attempt that was closed; kept as a fact, changes nothing.
    LateOutcomeRecorded {
        /// Which attempt.
        attempt: u32,
        /// What came.
        outcome: Outcome,
    },
    /// Another attempt will start by itself.
    RetryScheduled {
        /// When.
        retry_at: Timestamp,
    },
    /// A person has to decide what becomes of the failed (or unknown) activity.
    DecisionNeeded {
        /// Whether the outcome is not known, rather than bad.
        #[serde(default)]
        unknown: bool,
        /// When it is given up; none is never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// A freeze holds: the activity starts at the next opening, unless the freeze is changed or overridden before.
    ActivityDeferred {
        /// Which freeze; of several the one that ends last.
        freeze: FreezeRef,
        /// Why it holds, as it said then.
        reason: String,
        /// When its window ends.
        ends_at: Timestamp,
        /// The next instant at which no freeze holds the activity back.
        until: Timestamp,
    },
    /// No freeze holds it back any more; it waits for a slot again.
    DeferralEnded,
    /// It started although a freeze holds: one that only warns, or one that was overridden.
    StartedInFreeze {
        /// Which freeze.
        freeze: FreezeRef,
        /// Whether it would have been deferred but for an override.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        overridden: bool,
    },
    /// A person retries: a new attempt may start.
    ActivityRetried {
        /// Changed values for this attempt.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        inputs: BTreeMap<String, Value>,
        /// Another process runs in its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<Name>,
        /// Why.
        reason: String,
    },
    /// Done.
    ActivitySucceeded {
        /// What it hands on.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, Value>,
    },
    /// Failed for good.
    ActivityFailed {
        /// Why.
        reason: String,
    },
    /// Failure waived.
    ActivityIgnored {
        /// Outputs handed on in its place.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, Value>,
        /// Why.
        reason: String,
    },
    /// Never run.
    ActivitySkipped {
        /// Why.
        reason: SkipReason,
    },
    /// Stopped with its release.
    ActivityAborted,
    /// A person decided.
    ApprovalDecided {
        /// Who: the user's name.
        user: Name,
        /// As which approver entries the person counts.
        entries: Vec<Owner>,
        /// What.
        decision: Decision,
        /// What the person said.
        comment: String,
        /// Digest of what was shown.
        digest: String,
    },
    /// What was shown has changed: the decisions so far count no longer.
    ApprovalVoided {
        /// Digest of what is shown now.
        digest: String,
    },
    /// The deadline of an approval passed: more people may decide.
    ApprovalEscalated {
        /// Who.
        to: Vec<Owner>,
    },
    /// The deadline of an approval passed and it stays open.
    ApprovalOverdue,
    /// The people asked were reminded.
    ReminderSent,
    /// An `input` was answered.
    InputSubmitted {
        /// The values.
        values: BTreeMap<String, Value>,
    },
    /// A task moved on.
    TaskUpdated {
        /// Which.
        task: Name,
        /// Where it stands.
        status: TaskStatus,
        /// What the person said.
        comment: String,
        /// Links that prove it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
    },
    /// The success of the activity put something somewhere.
    DeploymentRecorded(Box<Deployment>),
    /// What the success of the activity put where could not be worked out, or not all of it.
    DeploymentUnclear {
        /// Which attempt.
        attempt: u32,
        /// What went wrong.
        problem: String,
    },
    /// Nobody answered a question, a checklist or an open decision for too long: others may as well.
    HoldEscalated {
        /// Who may answer as well; empty where they are only told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to: Vec<Owner>,
    },
    /// People were told that they are needed, or that something happened.
    OwnersNotified {
        /// Who.
        owners: Vec<Owner>,
        /// What they are told.
        message: String,
        /// What it is about; none in what older versions wrote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<NoticeKind>,
        /// What they are needed for, where they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        need: Option<Need>,
        /// The phase, where it is about one as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<Name>,
        /// Whether something stands still until somebody acts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        urgent: bool,
    },
    /// The value of a secret was written; the event knows which, never what.
    SecretSet {
        /// Where it holds; none is the account level.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization: Option<Name>,
        /// Its name.
        name: SecretName,
        /// Which value, counted from one.
        version: u32,
        /// The sealed row that holds the value.
        row: String,
    },
    /// A secret was removed.
    SecretDeleted {
        /// Where it held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization: Option<Name>,
        /// Its name.
        name: SecretName,
    },
    /// A channel of a notification rule was turned off: it failed for too long, or its receiver is gone.
    OutletDisabled {
        /// The rule.
        rule: ResourceKey,
        /// Which of its channels, from zero.
        channel: u32,
        /// Why.
        reason: String,
    },
}

/// A draft was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseCreated {
    /// Its name.
    pub name: String,
    /// Where it lives; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Its process.
    pub process: ResourceKey,
    /// The revision to pin; none pins the newest at finalization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Its description.
    #[serde(default)]
    pub description: ReleaseDescription,
    /// The software version delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its type.
    #[serde(default)]
    pub release_type: ReleaseType,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Structured context.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Value>,
    /// Values given for its inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// The input set that fills the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_set: Option<Name>,
    /// When it is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// When it should end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_end_at: Option<Timestamp>,
    /// Starts by itself or waits for a person.
    #[serde(default)]
    pub start_mode: StartMode,
    /// IANA zone of its days and wall-clock times.
    pub zone: String,
    /// The release manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Owner>,
    /// Owners of phases and activities that replace the process's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, Vec<Owner>>,
    /// Who wants to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<Owner>,
    /// Links to other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Releases that must have succeeded first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ReleaseId>,
    /// The attempt that runs it as a subprocess or remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Its place in the group that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembership>,
}

/// Whose child a release is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// The parent release.
    pub release: ReleaseId,
    /// Its activity.
    pub path: ActivityPath,
    /// The attempt of that activity.
    pub attempt: u32,
    /// How deep the child lies: 1 for the child of a release that has no parent.
    pub depth: u32,
}

/// What a release looks like after an edit: the fields that changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseEdited {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<ReleaseDescription>,
    /// New version; an empty text removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// New type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_type: Option<ReleaseType>,
    /// New labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// New structured context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeMap<String, Value>>,
    /// New links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
    /// New manager; an empty list removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Vec<Owner>>,
    /// New owners of phases and activities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<BTreeMap<String, Vec<Owner>>>,
    /// New stakeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stakeholders: Option<Vec<Owner>>,
    /// New start time; an empty list removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Vec<Timestamp>>,
    /// New expected end; an empty list removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_end_at: Option<Vec<Timestamp>>,
    /// New start mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_mode: Option<StartMode>,
    /// New zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// New process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ResourceKey>,
    /// New revision to pin; zero pins the newest at finalization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// New input values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<BTreeMap<String, Value>>,
    /// New input set; an empty list removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_set: Option<Vec<Name>>,
    /// New predecessors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<ReleaseId>>,
    /// Its new place in its group; only the group itself moves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembership>,
    /// The same fields as they were before; for those who read the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<ReleaseEdited>>,
}

/// How a release was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum StartTrigger {
    /// A person started it on demand.
    OnDemand,
    /// Its start time came.
    Scheduled,
    /// A person started it before its time.
    PreExecuted {
        /// What for.
        purpose: String,
    },
    /// A parent release runs it.
    Parent,
    /// An aborted release runs again.
    Restarted,
}

/// When a phase opens and closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Not before; none is at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
    /// What has not started by then is skipped; none is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
}

/// An attempt began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStarted {
    /// Which attempt, from one, counted over all runs.
    pub attempt: u32,
    /// The key of its effects.
    pub key: EffectKey,
    /// Its settings, evaluated; secrets are still names.
    pub config: Value,
    /// Variables of the activity, evaluated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Why it began.
    pub trigger: AttemptTrigger,
    /// When it runs out of time; none is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What kind of work it is.
    pub work: Work,
}

/// What an attempt consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Work {
    /// An executor acts on the outside world.
    Effect,
    /// Time passes.
    Wait {
        /// Until when.
        until: Timestamp,
    },
    /// People approve.
    Approval {
        /// The rule, evaluated.
        rule: ApprovalConfig,
        /// Digest of what is shown.
        digest: String,
        /// When the approvers are reminded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind_at: Option<Timestamp>,
        /// When the deadline rule applies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_at: Option<Timestamp>,
    },
    /// People give values.
    Input {
        /// The form, evaluated.
        form: InputConfig,
        /// When they are reminded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind_at: Option<Timestamp>,
    },
    /// People work through a checklist.
    Tasks {
        /// The checklist, evaluated.
        list: TasksConfig,
    },
    /// A child release runs.
    Child {
        /// Which.
        release: ReleaseId,
    },
    /// Nothing: its settings could not be evaluated.
    Nothing,
}

/// Why an attempt began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttemptTrigger {
    /// Its predecessors were done.
    Flow,
    /// The retry policy.
    Policy,
    /// A person.
    Person,
    /// The outcome before was not known, and the activity says to run again with the same key.
    Unknown,
}

/// Why a running attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CancelCause {
    /// The release is aborted.
    Abort,
    /// It ran out of time.
    Timeout,
}

/// How an attempt ended, as the domain sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "status"
)]
pub enum AttemptOutcome {
    /// It happened.
    Succeeded {
        /// Everything that came back, or null.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        result: Value,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        error: String,
        /// Whether another try may help.
        retryable: bool,
        /// What came back all the same, or null.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        result: Value,
    },
    /// It ran out of time and was stopped.
    TimedOut {
        /// Which limit.
        error: String,
    },
    /// It was stopped on request.
    Cancelled {
        /// Whether it is certain that nothing goes on any more.
        confirmed: bool,
    },
    /// Nobody can say whether it happened.
    Unknown {
        /// Why it is not known.
        error: String,
    },
}
/// Whether a count says nothing; it is left out where it is written.
fn is_zero(count: &u32) -> bool {
    *count == 0
}
