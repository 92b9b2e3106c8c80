//! Wire types of the HTTP API: requests, views, problems; shared by the server and the command line.
//!
//! This crate knows nothing of the domain: conversions live in the server.
//! Names are camelCase, instants are RFC 3339 in UTC, ids are opaque text.
//! Requests refuse fields that they do not know; views may gain fields at any time.

mod access;
mod activity;
mod calendar;
mod deployment;
mod event;
mod freeze;
mod group;
mod outlet;
mod patch;
mod people;
mod preparation;
mod problem;
mod release;
mod report;
mod resource;
mod signin;
mod status;
mod system;
mod token;

pub use access::{BindingName, CanI, RoleList, RoleView};
pub use activity::{
    ActivitySummary, ActivityView, ApprovalView, AttemptView, Decide, FormField, GiveReason,
    IgnoreActivity, InputFormView, ItemView, ItemsView, LogLineView, RetryActivity, SubmitInput,
    TaskView, TasksView, UpdateTask, VoteView,
};
pub use calendar::{
    CalendarBand, CalendarCheck, CalendarDay, CalendarEntry, CalendarMark, CalendarView,
    CapacityPeriod, CapacityView, CheckCalendar, ConflictView, CreateFeed, FeedView, IssuedFeed,
    LegendItem, SlotView, TouchesView,
};
pub use deployment::{
    CommitView, DeployedCommits, DeploymentView, StayView, WhereRelease, WhereView,
};
pub use event::{
    AuditCheckpoint, AuditDetail, AuditKey, AuditRecord, AuditVerdict, EventView, FieldChange,
};
pub use freeze::{
    ActiveFreezeView, DeferralView, FreezeEffect, FreezeOverrideView, FreezeScopeView,
    FreezeWindowView, OverrideFreeze, RevokeOverride,
};
pub use group::{ClockChange, GroupPreview, PlannedRelease};
pub use outlet::{DeliveryStatus, DeliveryView, RuleTest, SecretView, SetSecret};
pub use people::{
    InboxCounts, InboxItem, InboxKind, MarkRead, NotificationPage, NotificationView, UnreadCount,
};
pub use preparation::{
    Acknowledge, AcknowledgementView, AddLink, AddReview, CheckView, CloneInputSet,
    DeclareReadiness, Fit, FormProblem, InputSetView, Judgement, PreviewInputs, ReadinessView,
    ReleaseForm, ReleaseFormField, ReviewActivity, ReviewNoteView, ReviewOwnerView, ReviewView,
    RevisionDiff, SetReadiness, SpecChange, WarningView,
};
pub use problem::{CODES, FieldError, PROBLEM_BASE, Problem};
pub use release::{
    AbortRelease, ActionView, ActivateRelease, AddNote, CountersView, CreateRelease,
    DescriptionView, EdgeView, EditRelease, EvidenceView, ExplainView, FailureView, GraphView,
    GroupMembershipView, InputValueView, LinkKind, LinkView, NoteView, ParentView, PauseView,
    PhaseView, PreExecuteRelease, PredecessorView, Reason, ReleaseSummary, ReleaseView,
    RestartRelease, TimelineItem, TimelineKind, TimelineView, WaitingReason, WaitingView,
};
pub use report::{
    ActivityReport, ApprovalReport, AttemptReport, DeviationView, FigureDefinition, FiguresView,
    InputReport, PeriodReport, PunctualityView, RecordView, ReleaseReport, SpreadView,
};
pub use resource::{
    ApplyAnswer, ApplyItem, ApplyResult, DiffAnswer, DiffItem, DiffLine, DiffSign, ProblemPlace,
    ResourceSummary, ResourceView, RevisionView, SpecProblem,
};
pub use signin::{
    CreatePersonalToken, CreateSession, CreateUser, EditUser, IdentityView, Password, PasswordSet,
    ProviderList, ProviderView, SessionList, SessionView, SetPassword, SignedIn, UserView,
};
pub use status::{
    ActivityStatus, AttemptStatus, AttemptTrigger, Importance, Level, Origin, PhaseStatus,
    Progress, ReleaseStatus, ReleaseType, RestartFrom, Role, Stage, StartMode, TaskStatus,
};
pub use system::{
    CallbackAnswer, CallbackReport, CallbackStatus, Health, HealthCheck, NavigationEntry, Version,
};
pub use token::{CreateToken, IssuedToken, TokenView, Whoami};

use serde::{Deserialize, Serialize};

/// One page of a list, in a stable order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Position of the journal that the page shows at least.
    pub as_of: u64,
}
