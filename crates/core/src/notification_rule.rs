//! Notification rules: which events of which releases are told through which channels (1-model.md, Resources).
//!
//! Everything here is pure: what an event is called outside, what is said about it, and whether a rule means it.
//! Whoever delivers asks [`announce`] and [`NotificationRuleSpec::word_for`] and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::fault::{At, Faults, closest, shortened};
use crate::event::{Change, Event};
use crate::ids::{ActivityPath, Name, Owner, ReleaseId, SecretName};
use crate::notice::{self, Need, NoticeKind};
use crate::release::{Release, ReleaseType};
use crate::status::{PhaseStatus, ReleaseStatus};

/// Most channels of one rule.
pub const CHANNELS_MAX: usize = 10;
/// Most receivers of one channel.
const RECEIVERS_MAX: usize = 50;
/// Longest address of a webhook or a mailbox, in bytes.
const ADDRESS_LENGTH_MAX: usize = 2_000;

/// What events are called outside; the list only grows.
pub const WORDS: [(&str, &str); 33] = [
    (
        "release.scheduled",
        "a release was finalized and waits for its start",
    ),
    ("release.started", "a release has started"),
    ("release.paused", "a release was paused"),
    ("release.resumed", "a paused release goes on"),
    (
        "release.ended",
        "a release has come to its end, however it ended",
    ),
    ("release.succeeded", "a release has succeeded"),
    (
        "release.partially-succeeded",
        "a release has succeeded in part",
    ),
    ("release.failed", "a release has failed"),
    ("release.aborted", "a release was aborted"),
    (
        "release.overdue",
        "the expected end of a release has passed",
    ),
    (
        "release.start-missed",
        "the start time has passed and a person has to start the release",
    ),
    (
        "release.quarantined",
        "a release was set aside because handling it broke down",
    ),
    ("phase.started", "a phase has started"),
    ("phase.ended", "a phase has come to its end"),
    ("phase.handed-over", "the owners of the next phase are due"),
    (
        "activity.failed",
        "an activity has failed, for a decision or for good",
    ),
    ("activity.unknown", "it is not known how an activity went"),
    ("approval.needed", "an approval asks for a decision"),
    ("approval.reminded", "an approval still waits"),
    (
        "approval.escalated",
        "nobody has approved in time and others are told",
    ),
    ("approval.decided", "somebody has approved or rejected"),
    ("input.needed", "a question asks for values"),
    ("input.reminded", "a question still waits"),
    ("input.escalated", "nobody has answered and others are told"),
    ("tasks.needed", "a checklist has tasks"),
    ("tasks.reminded", "a checklist still waits"),
    (
        "tasks.escalated",
        "nobody works through a checklist and others are told",
    ),
    ("decision.needed", "a failure waits for a decision"),
    ("decision.reminded", "a failure still waits for a decision"),
    (
        "decision.escalated",
        "nobody decides about a failure and others are told",
    ),
    ("freeze.deferred", "an activity was deferred by a freeze"),
    ("deployment.recorded", "something was put somewhere"),
    (
        "deployment.unclear",
        "what was put where could not be worked out",
    ),
];

/// The written form of a notification rule.
///
/// At account level it means the releases of every organization, in an organization only the ones there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationRuleSpec {
    /// What is told, as words such as `release.failed`; `release.*` means all that begin so.
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    /// Which releases are meant; all if absent.
    #[serde(default)]
    pub releases: MeantReleases,
    /// Through which channels it is told, 1 to 10.
    #[schemars(length(min = 1))]
    pub channels: Vec<Channel>,
    /// Whether nothing is told for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Which releases a rule means: those that fit everything that is named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MeantReleases {
    /// Releases of one of these organizations; only for a rule at account level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Name>,
    /// Releases with all of these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Releases of one of these types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<ReleaseType>,
    /// Releases of one of these processes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Name>,
}

/// One way to tell; exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Channel {
    /// Into the notifications of people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_app: Option<InApp>,
    /// By e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// To an incoming webhook of Slack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Chat>,
    /// To a workflow webhook of Microsoft Teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Chat>,
    /// To any address, as a signed CloudEvents 1.0 document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// In-app: rows behind the bell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InApp {
    /// Who is told: `user:NAME`, `team:NAME`, `role:NAME`.
    #[schemars(length(min = 1))]
    pub to: Vec<Owner>,
}

/// E-mail; the server needs the settings of a mail server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Email {
    /// Mailboxes, for example `releases@example.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Users and teams, at the mailboxes that the server knows of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Owner>,
    /// Whether those whom the event is about are told as well: who is asked, or who answers for the release.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub involved: bool,
}

/// A chat whose webhook address is a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chat {
    /// The secret that holds the address.
    pub secret_ref: SecretName,
}

/// A receiver of signed documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// Where to, `https://…` or `http://…`; redirects are not followed.
    pub url: String,
    /// The secret that signs the documents (Standard Webhooks); after `whsec_` it is read as Base64.
    pub secret_ref: SecretName,
}

/// A channel with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChannelKind<'a> {
    /// Into the notifications of people.
    InApp(&'a InApp),
    /// By e-mail.
    Email(&'a Email),
    /// To Slack.
    Slack(&'a Chat),
    /// To Microsoft Teams.
    Teams(&'a Chat),
    /// To any address.
    Webhook(&'a Webhook),
}

impl Channel {
    /// What the channel is; none only where the definition was never checked.
    pub fn kind(&self) -> Option<ChannelKind<'_>> {
        let mut kinds = self.kinds();
        kinds.next().filter(|_| kinds.next().is_none())
    }

    fn kinds(&self) -> impl Iterator<Item = ChannelKind<'_>> {
        let Channel {
            in_app,
            email,
            slack,
            teams,
            webhook,
        } = self;
        [
            in_app.as_ref().map(ChannelKind::InApp),
            email.as_ref().map(ChannelKind::Email),
            slack.as_ref().map(ChannelKind::Slack),
            teams.as_ref().map(ChannelKind::Teams),
            webhook.as_ref().map(ChannelKind::Webhook),
        ]
        .into_iter()
        .flatten()
    }
}

impl ChannelKind<'_> {
    /// The kind as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            ChannelKind::InApp(_) => "inApp",
            ChannelKind::Email(_) => "email",
            ChannelKind::Slack(_) => "slack",
            ChannelKind::Teams(_) => "teams",
            ChannelKind::Webhook(_) => "webhook",
        }
    }
}

impl NotificationRuleSpec {
    /// Finds what does not hold together.
    pub(crate) fn check(&self, organization: Option<&Name>, at: &At<'_>, faults: &mut Faults) {
        for (index, written) in self.events.iter().enumerate() {
            if !is_known(written) {
                let words = WORDS.iter().map(|(word, _)| *word);
                let at = at.key("events");
                faults.suggest(
                    &at.index(index),
                    format!(
                        "`{}` is not an event that can be told; see the list in docs/API.md",
                        shortened(written)
                    ),
                    closest(written, words),
                );
            }
        }
        if organization.is_some() && !self.releases.organizations.is_empty() {
            let releases = at.key("releases");
            faults.add(
                &releases.key("organizations"),
                "the rule lives in an organization and means the releases there; leave it out",
            );
        }
        let channels = at.key("channels");
        if self.channels.len() > CHANNELS_MAX {
            faults.add(
                &channels,
                format!("a rule has at most {CHANNELS_MAX} channels"),
            );
        }
        for (index, channel) in self.channels.iter().enumerate() {
            channel.check(&channels.index(index), faults);
        }
    }

    /// Whether the rule, which lives in an organization or at account level, means an announcement:
    /// the most telling of its words, or none.
    pub fn word_for(
        &self,
        organization: Option<&Name>,
        announcement: &Announcement,
        release: &Release,
    ) -> Option<&'static str> {
        if self.paused || !self.means(organization, release) {
            return None;
        }
        let named = |word: &&'static str| self.events.iter().any(|event| covers(event, word));
        announcement.words.iter().copied().rev().find(named)
    }

    fn means(&self, organization: Option<&Name>, release: &Release) -> bool {
        let MeantReleases {
            organizations,
            labels,
            types,
            processes,
        } = &self.releases;
        let home = release.organization.as_ref();
        let here = organization.is_none() || organization == home;
        let named = organizations.is_empty()
            || home.is_some_and(|organization| organizations.contains(organization));
        here && named
            && labels
                .iter()
                .all(|(label, value)| release.labels.get(label) == Some(value))
            && (types.is_empty() || types.contains(&release.release_type))
            && (processes.is_empty() || processes.contains(&release.process.name))
    }
}

fn is_known(written: &str) -> bool {
    WORDS.iter().any(|(word, _)| covers(written, word))
}

/// Whether what a rule names means a word: the word itself, or `release.*`.
fn covers(written: &str, word: &str) -> bool {
    match written.strip_suffix('*') {
        Some(prefix) => prefix.ends_with('.') && word.starts_with(prefix),
        None => written == word,
    }
}

impl Channel {
    fn check(&self, at: &At<'_>, faults: &mut Faults) {
        let Some(kind) = self.kind() else {
            faults.add(
                at,
                "a channel is exactly one of `inApp`, `email`, `slack`, `teams` and `webhook`",
            );
            return;
        };
        let at = at.key(kind.as_str());
        match kind {
            ChannelKind::InApp(in_app) => few(&in_app.to, &at.key("to"), faults),
            ChannelKind::Email(email) => email.check(&at, faults),
            ChannelKind::Webhook(webhook) => {
                if let Err(why) = check_url(&webhook.url) {
                    faults.add(&at.key("url"), why);
                }
            }
            ChannelKind::Slack(_) | ChannelKind::Teams(_) => (),
        }
    }
}

fn few<T>(receivers: &[T], at: &At<'_>, faults: &mut Faults) {
    if receivers.len() > RECEIVERS_MAX {
        faults.add(at, format!("at most {RECEIVERS_MAX} are possible"));
    }
}

impl Email {
    fn check(&self, at: &At<'_>, faults: &mut Faults) {
        if self.to.is_empty() && self.people.is_empty() && !self.involved {
            faults.add(
                at,
                "nobody gets the mail: name mailboxes in `to`, `people`, or set `involved: true`",
            );
        }
        few(&self.to, &at.key("to"), faults);
        few(&self.people, &at.key("people"), faults);
        for (index, mailbox) in self.to.iter().enumerate() {
            if !is_mailbox(mailbox) {
                let to = at.key("to");
                faults.add(
                    &to.index(index),
                    format!(
                        "`{}` is not a mailbox such as `ada@example.com`",
                        shortened(mailbox)
                    ),
                );
            }
        }
    }
}

/// Whether a text has the form of a mailbox; whether mail arrives there, only the mail server knows.
pub fn is_mailbox(text: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|letter| letter.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(letter))
    };
    match text.rsplit_once('@') {
        Some((name, host)) => {
            text.len() <= 254 && plain(name) && !name.contains('@') && plain(host)
        }
        None => false,
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or("the address must begin with `https://` or `http://`")?;
    if url.len() > ADDRESS_LENGTH_MAX {
        return Err("the address is longer than 2000 bytes");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the address holds blanks or letters that no address has");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Err("the address names no host");
    }
    if host.contains('@') {
        return Err("the address holds a user or password; the document is signed instead");
    }
    Ok(())
}

/// An event as it is told outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// What it is called, the most telling word last.
    pub words: Vec<&'static str>,
    /// What happened, in one sentence.
    pub text: String,
    /// The release.
    pub release: ReleaseId,
    /// The phase, where it is about one as a whole.
    pub phase: Option<Name>,
    /// The activity, where it is about one.
    pub path: Option<ActivityPath>,
    /// Whom it is about: who is asked, or who answers for the release and who wants to know.
    pub involved: Vec<Owner>,
    /// Whether something stands still until somebody acts.
    pub urgent: bool,
    /// When it happened.
    pub at: Timestamp,
    /// Through whom.
    pub by: String,
}

impl Announcement {
    /// Where it leads: the path of a page behind the server's own address.
    pub fn link(&self) -> String {
        notice::link(Some(self.release), self.phase.as_ref(), self.path.as_ref())
    }
}

/// What an event is told as; none for events that are nobody's business outside.
pub fn announce(event: &Event, release: &Release) -> Option<Announcement> {
    let about = event.release.filter(|about| *about == release.id)?;
    let (words, what) = said(event)?;
    let (phase, involved, urgent) = match &event.change {
        Change::OwnersNotified {
            owners,
            phase,
            urgent,
            ..
        } => (phase.clone(), owners.clone(), *urgent),
        Change::PhaseStarted { phase, .. } | Change::PhaseFinished { phase, .. } => {
            (Some(phase.clone()), answer_for(release), false)
        }
        Change::ReleaseFinished { status, .. } => {
            let urgent = *status == ReleaseStatus::Failed;
            (None, answer_for(release), urgent)
        }
        Change::DecisionNeeded { .. } | Change::ActivityFailed { .. } => {
            (None, answer_for(release), true)
        }
        _ => (None, answer_for(release), false),
    };
    let text = match what {
        Said::Whole(text) => text,
        Said::About(text) => format!("{}: {text}", release.name),
    };
    Some(Announcement {
        words,
        text,
        release: about,
        phase,
        path: event.path.clone(),
        involved,
        urgent,
        at: event.at,
        by: event.by.clone(),
    })
}

/// A sentence, with the name of the release in it or not.
enum Said {
    Whole(String),
    About(String),
}

fn said(event: &Event) -> Option<(Vec<&'static str>, Said)> {
    let about = |text: &str| Said::About(text.to_owned());
    let path = || {
        event
            .path
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    Some(match &event.change {
        Change::ReleaseFinalized { .. } => (vec!["release.scheduled"], about("it is scheduled")),
        Change::ReleaseStarted { .. } => (vec!["release.started"], about("it has started")),
        Change::ReleasePaused { reason } => (
            vec!["release.paused"],
            Said::About(format!("{} has paused it: {reason}", event.by)),
        ),
        Change::ReleaseResumed => (vec!["release.resumed"], about("it goes on")),
        Change::ReleaseFinished { status, .. } => (
            ended(*status),
            Said::About(format!("it has ended as {}", status.as_str())),
        ),
        Change::ReleaseQuarantined { .. } => (
            vec!["release.quarantined"],
            about("it was set aside because handling it broke down"),
        ),
        Change::PhaseStarted { phase, .. } => (
            vec!["phase.started"],
            Said::About(format!("phase {phase} has started")),
        ),
        Change::PhaseFinished { phase, status, .. } if *status != PhaseStatus::Skipped => (
            vec!["phase.ended"],
            Said::About(format!("phase {phase} has ended as {status:?}")),
        ),
        Change::DecisionNeeded { unknown: false, .. } => (
            vec!["activity.failed"],
            Said::About(format!("{} has failed", path())),
        ),
        Change::DecisionNeeded { unknown: true, .. } => (
            vec!["activity.unknown"],
            Said::About(format!("it is not known how {} went", path())),
        ),
        Change::ActivityFailed { reason } => (
            vec!["activity.failed"],
            Said::About(format!("{} has failed for good: {reason}", path())),
        ),
        Change::ApprovalDecided { user, decision, .. } => {
            let what = match decision {
                crate::command::Decision::Approve => "has approved",
                crate::command::Decision::Reject => "has rejected",
            };
            (
                vec!["approval.decided"],
                Said::About(format!("{user} {what} {}", path())),
            )
        }
        Change::DeploymentRecorded(deployment) => {
            let version = deployment.version.as_deref().unwrap_or("something");
            (
                vec!["deployment.recorded"],
                Said::About(format!(
                    "{} has {version} of {} now",
                    deployment.environment, deployment.service
                )),
            )
        }
        Change::DeploymentUnclear { problem, .. } => (
            vec!["deployment.unclear"],
            Said::About(format!(
                "{}: what was put where is not clear: {problem}",
                path()
            )),
        ),
        Change::OwnersNotified {
            kind: Some(kind),
            need,
            message,
            ..
        } => (vec![asked(*kind, *need)?], Said::Whole(message.clone())),
        _ => return None,
    })
}

fn ended(status: ReleaseStatus) -> Vec<&'static str> {
    let how = match status {
        ReleaseStatus::Success => Some("release.succeeded"),
        ReleaseStatus::PartialSuccess => Some("release.partially-succeeded"),
        ReleaseStatus::Failed => Some("release.failed"),
        ReleaseStatus::Aborted => Some("release.aborted"),
        _ => None,
    };
    ["release.ended"].into_iter().chain(how).collect()
}

/// What a notice is called outside; starts and ends are told by the events themselves.
fn asked(kind: NoticeKind, need: Option<Need>) -> Option<&'static str> {
    Some(match (kind, need) {
        (NoticeKind::Started | NoticeKind::Ended, _) => return None,
        (NoticeKind::NeedsApproval, _) => "approval.needed",
        (NoticeKind::NeedsInput, _) => "input.needed",
        (NoticeKind::NeedsTasks, _) => "tasks.needed",
        (NoticeKind::Failure, _) => "decision.needed",
        (NoticeKind::Handover, _) => "phase.handed-over",
        (NoticeKind::Overdue, _) => "release.overdue",
        (NoticeKind::StartMissed, _) => "release.start-missed",
        (NoticeKind::Deferred, _) => "freeze.deferred",
        (NoticeKind::Reminder, Some(Need::Approval)) => "approval.reminded",
        (NoticeKind::Reminder, Some(Need::Input)) => "input.reminded",
        (NoticeKind::Reminder, Some(Need::Tasks)) => "tasks.reminded",
        (NoticeKind::Reminder, Some(Need::Decision)) => "decision.reminded",
        (NoticeKind::Escalation, Some(Need::Approval)) => "approval.escalated",
        (NoticeKind::Escalation, Some(Need::Input)) => "input.escalated",
        (NoticeKind::Escalation, Some(Need::Tasks)) => "tasks.escalated",
        (NoticeKind::Escalation, Some(Need::Decision)) => "decision.escalated",
        (NoticeKind::Reminder | NoticeKind::Escalation, None) => return None,
    })
}

/// Who answers for a release and who wants to know.
fn answer_for(release: &Release) -> Vec<Owner> {
    let manager = match &release.manager {
        Some(manager) => manager.clone(),
        None => Owner::Role(crate::release::state::release_manager()),
    };
    let all: BTreeSet<Owner> = [manager]
        .into_iter()
        .chain(release.stakeholders.iter().cloned())
        .collect();
    all.into_iter().collect()
}

/// An announcement to try a rule out with; it is about nothing that happened.
pub fn sample(word: &'static str, at: Timestamp, by: &str) -> Announcement {
    Announcement {
        words: vec![word],
        text: format!("This is a test of a notification rule, asked for by {by}."),
        release: ReleaseId(0),
        phase: None,
        path: None,
        involved: Vec::new(),
        urgent: false,
        at,
        by: by.to_owned(),
    }
}

/// The first word that a rule names, for a test of it.
pub fn first_word(spec: &NotificationRuleSpec) -> &'static str {
    let named = |(word, _): &(&'static str, &str)| {
        let meant = spec.events.iter().any(|event| covers(event, word));
        meant.then_some(*word)
    };
    WORDS.iter().find_map(named).unwrap_or("release.started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_named_by_itself_or_by_its_beginning() {
        assert!(covers("release.failed", "release.failed"));
        assert!(covers("release.*", "release.failed"));
        for other in ["release", "rel*", "*", "release.fail", "phase.*"] {
            assert!(!covers(other, "release.failed"), "{other}");
        }
        assert!(is_known("approval.*"));
        assert!(!is_known("aproval.*"));
    }

    #[test]
    fn mailboxes_hold_nothing_that_could_end_a_header() {
        for good in ["ada@example.com", "a.b+c@sub.example.org", "x@localhost"] {
            assert!(is_mailbox(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a b@c.d",
            "a@b\r\nBcc: x@y.z",
            "Ada <ada@example.com>",
        ] {
            assert!(!is_mailbox(bad), "{bad}");
        }
    }

    #[test]
    fn addresses_of_webhooks_are_plain() {
        assert_eq!(check_url("https://hooks.example.com/a?b=c"), Ok(()));
        for bad in [
            "ftp://a",
            "https://",
            "https://u:p@host/",
            "https://host/a b",
            "//host",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
