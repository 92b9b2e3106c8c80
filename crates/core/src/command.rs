//! What can be asked of the world: imperatives, each judged by [`crate::World::decide`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::access::{Identity, TokenKind, TokenScope};
use crate::definition::Definition;
use crate::effect::Outcome;
use crate::freeze::FreezeRef;
use crate::ids::{
    ActivityPath, AttemptId, Name, Owner, ReleaseId, ResourceKey, SecretName, TokenId,
};
use crate::process::ReadinessSpec;
use crate::release::{Link, ReleaseDescription, ReleaseType, StartMode};
use crate::signin::{FailedSignIn, SignIn};
use crate::uses::tasks::TaskStatus;

/// A command with who asks, when.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Now, by the clock of the engine.
    pub at: Timestamp,
    /// Who asks.
    pub actor: Actor,
    /// What is asked.
    pub command: Command,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of an API token; its rights are read from the world at the moment of the decision.
    Token(TokenId),
    /// The server itself: executors' outcomes, first start.
    System,
}

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make a new revision of a definition; the same content again changes nothing.
    ApplyResource {
        /// The checked definition.
        definition: Box<Definition>,
        /// Refuse if the current revision is another one (0: must not exist).
        if_revision: Option<u32>,
    },
    /// Remove a definition; releases that pinned a revision keep it.
    DeleteResource {
        /// Which.
        key: ResourceKey,
        /// Refuse if the current revision is another one.
        if_revision: Option<u32>,
    },
    /// Something about an input set beyond applying it.
    InputSet {
        /// Which.
        key: ResourceKey,
        /// What.
        action: InputSetCommand,
    },
    /// Let somebody in.
    IssueToken(NewToken),
    /// Let somebody in no longer.
    RevokeToken {
        /// Which.
        token: TokenId,
    },
    /// A secret gets the value that lies sealed in a row; the value itself never comes near.
    SetSecret {
        /// Where it holds; none is the account level.
        organization: Option<Name>,
        /// Its name.
        name: SecretName,
        /// Which value, counted from one.
        version: u32,
        /// The sealed row.
        row: String,
    },
    /// Forget a secret.
    DeleteSecret {
        /// Where it holds.
        organization: Option<Name>,
        /// Its name.
        name: SecretName,
    },
    /// The dispatcher turns a channel of a notification rule off.
    DisableOutlet {
        /// The rule.
        rule: ResourceKey,
        /// Which of its channels, from zero.
        channel: u32,
        /// Why.
        reason: String,
    },
    /// Somebody proved who they are: make the session or the token for it.
    SignIn(Box<SignIn>),
    /// Somebody could not sign in: write it down.
    SignInFailed(FailedSignIn),
    /// Make somebody known who can sign in.
    CreateUser(NewUser),
    /// Change what is known about a user.
    ChangeUser {
        /// Which.
        user: Name,
        /// What is to change.
        changes: UserChanges,
    },
    /// Shut a user out; every token of the user ends.
    DisableUser {
        /// Which.
        user: Name,
    },
    /// Let a user sign in again.
    EnableUser {
        /// Which.
        user: Name,
    },
    /// A password was stored; sign-ins with the one before end.
    SetCredential {
        /// Whose.
        user: Name,
        /// The random id of what was stored.
        credential: String,
    },
    /// An identity provider knows the user.
    LinkIdentity {
        /// Which.
        user: Name,
        /// As whom.
        identity: Identity,
    },
    /// An identity provider's word for the user counts no longer.
    UnlinkIdentity {
        /// Which.
        user: Name,
        /// As whom.
        identity: Identity,
    },
    /// Make a draft, and with `start` activate it at once.
    CreateRelease(Box<NewRelease>),
    /// Change what may still change.
    EditRelease {
        /// Which.
        release: ReleaseId,
        /// What is to change.
        changes: Box<ReleaseChanges>,
        /// Refuse if the release has been edited to another version.
        if_version: Option<u64>,
    },
    /// Something about a release as a whole.
    Release {
        /// Which.
        release: ReleaseId,
        /// What.
        action: ReleaseCommand,
    },
    /// Something about one activity.
    Activity {
        /// Which release.
        release: ReleaseId,
        /// Which activity.
        path: ActivityPath,
        /// What.
        action: ActivityCommand,
    },
    /// An executor reports what the outside world calls the effect.
    ReportHandle {
        /// Which attempt.
        attempt: AttemptId,
        /// Its name outside.
        handle: Value,
    },
    /// An executor reports how an effect ended.
    FinishAttempt {
        /// Which attempt.
        attempt: AttemptId,
        /// How it ended.
        outcome: Outcome,
    },
    /// The server refused somebody outside the world's commands: a look at what is not for everybody.
    RecordDenial {
        /// Who was refused.
        token: TokenId,
        /// What was asked.
        operation: String,
        /// What it was about; may be empty.
        target: String,
        /// Why it was refused.
        why: String,
    },
    /// The engine takes a release out of service because its handling panicked.
    QuarantineRelease {
        /// Which.
        release: ReleaseId,
        /// The panic's message.
        reason: String,
    },
}

/// What can be asked of an input set.
#[derive(Clone, Debug)]
pub enum InputSetCommand {
    /// Make another set with its values; from a template or from any other set.
    Clone {
        /// The name of the new set, which must not exist yet.
        to: Name,
        /// Where the new set lives; none is the account level.
        organization: Option<Name>,
        /// Values that are different in the new set; null leaves one out.
        values: BTreeMap<String, Value>,
        /// What the new set is for; none keeps the description.
        description: Option<String>,
    },
    /// Put it out of the way: it stays readable and is chosen for no new release.
    Archive,
    /// Bring it back.
    Unarchive,
}

/// What can be asked of a release as a whole.
#[derive(Clone, Debug)]
pub enum ReleaseCommand {
    /// Check everything, pin the process, lock the inputs, schedule (Draft → Scheduled).
    Finalize,
    /// Finalize and start now (Draft → Running); a Scheduled release that waits for a person starts too.
    Activate {
        /// Values given at execution time.
        inputs: BTreeMap<String, Value>,
    },
    /// Start a scheduled release before its time.
    PreExecute {
        /// Overrides of optional inputs.
        inputs: BTreeMap<String, Value>,
        /// What for.
        purpose: String,
    },
    /// Back to Draft.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Start no new attempts.
    Pause {
        /// Why.
        reason: String,
    },
    /// Go on after a pause.
    Resume,
    /// Stop for good.
    Abort {
        /// Why; must not be empty.
        reason: String,
    },
    /// Run an aborted release again.
    Restart {
        /// From where.
        from: RestartFrom,
        /// When; none is now.
        at: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Put a completed release out of the way.
    Archive,
    /// Remove it, where that is allowed.
    Delete,
    /// Write something down about it.
    AddNote {
        /// The note.
        text: String,
    },
    /// Link it to something in another system, before, during or after its run.
    AddLink {
        /// The link; what its address tells about kind and title is filled in.
        link: Link,
    },
    /// Take a link away.
    RemoveLink {
        /// The address of the link.
        url: String,
    },
    /// Ask for one more thing to be ready before this release starts.
    DeclareReadiness {
        /// What.
        item: ReadinessSpec,
    },
    /// Ask no longer for something that was added for this release.
    WithdrawReadiness {
        /// Which.
        item: Name,
    },
    /// Say whether something that has to be ready before the start is so.
    SetReadiness {
        /// Which item.
        item: Name,
        /// Whether it is ready.
        ready: bool,
        /// What the person wants to say.
        note: String,
    },
    /// Say that one knows of one's part in the release.
    Acknowledge {
        /// What the person wants to say.
        note: String,
    },
    /// Say what one thinks of a draft or of a scheduled release.
    Review {
        /// Whether it may go on like this.
        approved: bool,
        /// What the person wants to say; needed with an objection.
        comment: String,
    },
    /// Let the release start work although a freeze holds, for a while.
    OverrideFreeze {
        /// Which freeze.
        freeze: FreezeRef,
        /// Why; must not be empty.
        reason: String,
        /// When the freeze holds it back again; at most 30 days ahead.
        expires_at: Timestamp,
    },
    /// Take an override back.
    RevokeOverride {
        /// Which freeze.
        freeze: FreezeRef,
        /// Why; must not be empty.
        reason: String,
    },
    /// Put a quarantined release back into service.
    Release {
        /// Why it is believed to work again.
        reason: String,
    },
}

/// Where a restart begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RestartFrom {
    /// From the first phase; everything runs again.
    Start,
    /// From the first unfinished activity; finished work is kept.
    Unfinished,
}

/// What can be asked of one activity.
#[derive(Clone, Debug)]
pub enum ActivityCommand {
    /// Try again; with changed inputs it is "fix and continue", with a process it is a remedy.
    Retry {
        /// Changed values, for this attempt only: names in scope or keys of `with`.
        inputs: BTreeMap<String, Value>,
        /// Run this process in its place and take over its outputs.
        remedy: Option<Name>,
        /// An input set to save the changed values to.
        save_to: Option<Name>,
        /// Why; must not be empty.
        reason: String,
    },
    /// Go on as if it had succeeded.
    Ignore {
        /// Outputs to hand on in its place.
        outputs: BTreeMap<String, Value>,
        /// Why; must not be empty.
        reason: String,
    },
    /// Give it up.
    Fail {
        /// Why; must not be empty.
        reason: String,
    },
    /// Approve or reject.
    Decide {
        /// Which.
        decision: Decision,
        /// What the person wants to say.
        comment: String,
        /// The digest of what the person was shown; refused if it is another one now.
        digest: Option<String>,
    },
    /// Answer an `input`.
    Submit {
        /// The values.
        values: BTreeMap<String, Value>,
    },
    /// Move a task of a checklist on.
    UpdateTask {
        /// Which task.
        task: Name,
        /// Where it stands now.
        status: TaskStatus,
        /// What the person wants to say.
        comment: String,
        /// Links that prove it.
        evidence: Vec<String>,
    },
}

/// One person's answer to an approval.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// A token to be issued; the token itself was made outside and only its digest comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// SHA-256 of the token, in hexadecimal.
    pub digest: String,
    /// Who holds it.
    pub user: Name,
    /// The teams the holder belongs to.
    pub teams: Vec<Name>,
    /// The roles the holder has (see [`crate::access::Role`]).
    pub roles: Vec<crate::access::Role>,
    /// Where the roles hold; none is everywhere.
    pub organization: Option<Name>,
    /// What sort it is; a personal one brings no roles and follows its user.
    pub kind: TokenKind,
    /// What it is limited to.
    pub scope: Option<TokenScope>,
    /// When it ends; none only for the first administrator token.
    pub expires_at: Option<Timestamp>,
    /// What it is for.
    pub description: String,
}

/// A user to be made known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The name, as in `user:NAME`.
    pub name: Name,
    /// The name for people.
    pub display_name: String,
    /// Where mail goes.
    pub email: String,
    /// Who the person is for an identity provider.
    pub identity: Option<Identity>,
    /// The random id of a stored password.
    pub credential: Option<String>,
}

/// Changes to a user: a field that is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChanges {
    /// New name for people.
    pub display_name: Option<String>,
    /// New address for mail.
    pub email: Option<String>,
    /// Teams that an identity provider names at a sign-in; only the server itself reports them.
    pub claimed_teams: Option<BTreeSet<Name>>,
}

/// A release to be created.
#[derive(Clone, Debug, Default)]
pub struct NewRelease {
    /// The process, of the same organization or the account level.
    pub process: Option<Name>,
    /// Pin this revision instead of the newest at finalization.
    pub revision: Option<u32>,
    /// Where it lives; none is the account level.
    pub organization: Option<Name>,
    /// Its name; none makes one from the process.
    pub name: Option<String>,
    /// Its description.
    pub description: ReleaseDescription,
    /// The software version delivered.
    pub version: Option<String>,
    /// Its type.
    pub release_type: ReleaseType,
    /// Labels; a plain tag is a key with an empty value, and a tag `key:value` is that label.
    pub labels: BTreeMap<String, String>,
    /// Structured context: ticket numbers, customers, whatever should be found again.
    pub context: BTreeMap<String, Value>,
    /// Values for the inputs.
    pub inputs: BTreeMap<String, Value>,
    /// An input set that fills what `inputs` leaves open.
    pub input_set: Option<Name>,
    /// When it is to start.
    pub start_at: Option<Timestamp>,
    /// When it should end; advisory.
    pub expected_end_at: Option<Timestamp>,
    /// Starts by itself or waits for a person.
    pub start_mode: StartMode,
    /// IANA zone of its days and wall-clock times; none is UTC.
    pub zone: Option<String>,
    /// The release manager.
    pub manager: Option<Owner>,
    /// Owners of phases (`build`) and activities (`build/compile`) that replace the process's.
    pub owners: BTreeMap<String, Vec<Owner>>,
    /// Who wants to know.
    pub stakeholders: Vec<Owner>,
    /// Links to other systems.
    pub links: Vec<Link>,
    /// Releases that must have succeeded before this one starts.
    pub after: Vec<ReleaseId>,
    /// Start at once.
    pub start: bool,
    /// Finalize at once (with a start time: schedule).
    pub finalize: bool,
}

/// Changes to a release: a field that is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ReleaseChanges {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<ReleaseDescription>,
    /// New version.
    pub version: Option<Option<String>>,
    /// New type.
    pub release_type: Option<ReleaseType>,
    /// New labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// New structured context.
    pub context: Option<BTreeMap<String, Value>>,
    /// New links.
    pub links: Option<Vec<Link>>,
    /// New manager.
    pub manager: Option<Option<Owner>>,
    /// New owners of phases and activities.
    pub owners: Option<BTreeMap<String, Vec<Owner>>>,
    /// New stakeholders.
    pub stakeholders: Option<Vec<Owner>>,
    /// New start time.
    pub start_at: Option<Option<Timestamp>>,
    /// New expected end.
    pub expected_end_at: Option<Option<Timestamp>>,
    /// New start mode.
    pub start_mode: Option<StartMode>,
    /// New zone (drafts only).
    pub zone: Option<String>,
    /// New process (drafts only).
    pub process: Option<Name>,
    /// New revision to pin (drafts only).
    pub revision: Option<Option<u32>>,
    /// New input values (drafts only).
    pub inputs: Option<BTreeMap<String, Value>>,
    /// New input set (drafts only).
    pub input_set: Option<Option<Name>>,
    /// New predecessors (drafts only).
    pub after: Option<Vec<ReleaseId>>,
}

impl Command {
    /// Its name in the audit trail: what was asked, as an imperative.
    pub fn name(&self) -> &'static str {
        match self {
            Command::ApplyResource { .. } => "ApplyResource",
            Command::DeleteResource { .. } => "DeleteResource",
            Command::InputSet { action, .. } => match action {
                InputSetCommand::Clone { .. } => "CloneInputSet",
                InputSetCommand::Archive => "ArchiveInputSet",
                InputSetCommand::Unarchive => "UnarchiveInputSet",
            },
            Command::IssueToken(_) => "IssueToken",
            Command::RevokeToken { .. } => "RevokeToken",
            Command::SignIn(_) => "SignIn",
            Command::SignInFailed(_) => "SignInFailed",
            Command::CreateUser(_) => "CreateUser",
            Command::ChangeUser { .. } => "ChangeUser",
            Command::DisableUser { .. } => "DisableUser",
            Command::EnableUser { .. } => "EnableUser",
            Command::SetCredential { .. } => "SetCredential",
            Command::LinkIdentity { .. } => "LinkIdentity",
            Command::UnlinkIdentity { .. } => "UnlinkIdentity",
            Command::SetSecret { .. } => "SetSecret",
            Command::DeleteSecret { .. } => "DeleteSecret",
            Command::DisableOutlet { .. } => "DisableOutlet",
            Command::CreateRelease(_) => "CreateRelease",
            Command::EditRelease { .. } => "EditRelease",
            Command::Release { action, .. } => action.name(),
            Command::Activity { action, .. } => action.name(),
            Command::ReportHandle { .. } => "ReportHandle",
            Command::FinishAttempt { .. } => "FinishAttempt",
            Command::QuarantineRelease { .. } => "QuarantineRelease",
            Command::RecordDenial { .. } => "RecordDenial",
        }
    }

    /// The release that the command is about, which must be in memory before it is judged.
    pub fn release(&self) -> Option<ReleaseId> {
        match self {
            Command::EditRelease { release, .. }
            | Command::Release { release, .. }
            | Command::Activity { release, .. }
            | Command::QuarantineRelease { release, .. } => Some(*release),
            Command::ReportHandle { attempt, .. } | Command::FinishAttempt { attempt, .. } => {
                Some(attempt.release)
            }
            Command::ApplyResource { .. }
            | Command::DeleteResource { .. }
            | Command::InputSet { .. }
            | Command::IssueToken(_)
            | Command::RevokeToken { .. }
            | Command::RecordDenial { .. }
            | Command::SetSecret { .. }
            | Command::DeleteSecret { .. }
            | Command::DisableOutlet { .. }
            | Command::SignIn(_)
            | Command::SignInFailed(_)
            | Command::CreateUser(_)
            | Command::ChangeUser { .. }
            | Command::DisableUser { .. }
            | Command::EnableUser { .. }
            | Command::SetCredential { .. }
            | Command::LinkIdentity { .. }
            | Command::UnlinkIdentity { .. }
            | Command::CreateRelease(_) => None,
        }
    }

    /// Every release that must be in memory before it is judged.
    pub fn releases(&self) -> Vec<ReleaseId> {
        let named: &[ReleaseId] = match self {
            Command::CreateRelease(new) => &new.after,
            Command::EditRelease { changes, .. } => changes.after.as_deref().unwrap_or_default(),
            _ => &[],
        };
        self.release()
            .into_iter()
            .chain(named.iter().copied())
            .collect()
    }
}

impl ReleaseCommand {
    /// Its name in the audit trail.
    fn name(&self) -> &'static str {
        match self {
            ReleaseCommand::Finalize => "FinalizeRelease",
            ReleaseCommand::Activate { .. } => "ActivateRelease",
            ReleaseCommand::PreExecute { .. } => "PreExecuteRelease",
            ReleaseCommand::Cancel { .. } => "CancelRelease",
            ReleaseCommand::Pause { .. } => "PauseRelease",
            ReleaseCommand::Resume => "ResumeRelease",
            ReleaseCommand::Abort { .. } => "AbortRelease",
            ReleaseCommand::Restart { .. } => "RestartRelease",
            ReleaseCommand::Archive => "ArchiveRelease",
            ReleaseCommand::Delete => "DeleteRelease",
            ReleaseCommand::AddNote { .. } => "AddNote",
            ReleaseCommand::AddLink { .. } => "AddLink",
            ReleaseCommand::RemoveLink { .. } => "RemoveLink",
            ReleaseCommand::DeclareReadiness { .. } => "DeclareReadiness",
            ReleaseCommand::WithdrawReadiness { .. } => "WithdrawReadiness",
            ReleaseCommand::SetReadiness { .. } => "SetReadiness",
            ReleaseCommand::Acknowledge { .. } => "AcknowledgeOwnership",
            ReleaseCommand::Review { .. } => "ReviewRelease",
            ReleaseCommand::OverrideFreeze { .. } => "OverrideFreeze",
            ReleaseCommand::RevokeOverride { .. } => "RevokeOverride",
            ReleaseCommand::Release { .. } => "UnquarantineRelease",
        }
    }
}

impl ActivityCommand {
    /// Its name in the audit trail.
    fn name(&self) -> &'static str {
        match self {
            ActivityCommand::Retry { .. } => "RetryActivity",
            ActivityCommand::Ignore { .. } => "IgnoreActivity",
            ActivityCommand::Fail { .. } => "FailActivity",
            ActivityCommand::Decide { decision, .. } => match decision {
                Decision::Approve => "ApproveActivity",
                Decision::Reject => "RejectActivity",
            },
            ActivityCommand::Submit { .. } => "SubmitInput",
            ActivityCommand::UpdateTask { .. } => "UpdateTask",
        }
    }
}
