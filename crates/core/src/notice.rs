//! What people are told: the kinds of notices, and where each of them leads.
//!
//! That somebody was told is a fact of the journal ([`crate::Change::OwnersNotified`]), told once.
//! In-app rows come from it directly; what goes out by mail, chat or webhook follows
//! [`crate::notification_rule`].

use serde::{Deserialize, Serialize};

use crate::ids::{ActivityPath, Name, ReleaseId};

/// What a notice is about (2-execution.md, Failure handling and people).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoticeKind {
    /// The release has started; told to everybody who owns a part of it (checklist R-097).
    Started,
    /// An approval asks for a decision.
    NeedsApproval,
    /// A question asks for values.
    NeedsInput,
    /// A checklist has tasks.
    NeedsTasks,
    /// Something failed, or is not known, and waits for a decision.
    Failure,
    /// The phase before is done and the next one's owners are due (checklist R-012).
    Handover,
    /// Nobody has answered yet.
    Reminder,
    /// Nobody has answered for so long that others are told (checklist R-126).
    Escalation,
    /// The expected end has passed.
    Overdue,
    /// The planned start has passed and a person has to start it.
    StartMissed,
    /// The release has come to its end.
    Ended,
    /// An activity was deferred by a freeze.
    Deferred,
}

impl NoticeKind {
    /// The kind as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Started => "started",
            NoticeKind::NeedsApproval => "needsApproval",
            NoticeKind::NeedsInput => "needsInput",
            NoticeKind::NeedsTasks => "needsTasks",
            NoticeKind::Failure => "failure",
            NoticeKind::Handover => "handover",
            NoticeKind::Reminder => "reminder",
            NoticeKind::Escalation => "escalation",
            NoticeKind::Overdue => "overdue",
            NoticeKind::StartMissed => "startMissed",
            NoticeKind::Ended => "ended",
            NoticeKind::Deferred => "deferred",
        }
    }

    /// Whether it should be seen soon: something stands still until somebody acts.
    pub fn is_urgent(self) -> bool {
        match self {
            NoticeKind::Failure
            | NoticeKind::Escalation
            | NoticeKind::Overdue
            | NoticeKind::StartMissed => true,
            NoticeKind::Started
            | NoticeKind::NeedsApproval
            | NoticeKind::NeedsInput
            | NoticeKind::NeedsTasks
            | NoticeKind::Handover
            | NoticeKind::Reminder
            | NoticeKind::Ended
            | NoticeKind::Deferred => false,
        }
    }
}

/// What somebody is needed for; says what a reminder or an escalation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// To approve or reject.
    Approval,
    /// To give values.
    Input,
    /// To work through a checklist.
    Tasks,
    /// To decide what becomes of a failure.
    Decision,
}

/// Where a notice leads: the path of a page, to be put behind the server's own address from outside.
pub fn link(
    release: Option<ReleaseId>,
    phase: Option<&Name>,
    activity: Option<&ActivityPath>,
) -> String {
    match (release, activity, phase) {
        (None, _, _) => "/".to_owned(),
        (Some(release), Some(activity), _) => format!("/releases/{release}/activities/{activity}"),
        (Some(release), None, Some(phase)) => format!("/releases/{release}/phases/{phase}"),
        (Some(release), None, None) => format!("/releases/{release}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_what_the_notice_is_about() {
        let release = Some(ReleaseId(7));
        let phase: Name = "deploy".parse().expect("a name");
        let activity: ActivityPath = "deploy/eu".parse().expect("a path");
        assert_eq!(link(release, None, None), "/releases/rel-00000007");
        assert_eq!(
            link(release, Some(&phase), None),
            "/releases/rel-00000007/phases/deploy"
        );
        assert_eq!(
            link(release, Some(&phase), Some(&activity)),
            "/releases/rel-00000007/activities/deploy/eu"
        );
    }
}
