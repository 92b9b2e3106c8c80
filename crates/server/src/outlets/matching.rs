//! From an event and a rule to deliveries: who gets which message, under which id.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainmaster_core::access::Policy;
use trainmaster_core::ids::{Name, Owner, ResourceKey};
use trainmaster_core::notification_rule::{
    Announcement, ChannelKind, Email, NotificationRuleSpec, first_word, is_mailbox, sample,
};
use trainmaster_core::release::Release;
use trainmaster_engine::journal::Record;
use trainmaster_engine::outlet::{Destination, Message, Parcel};
use trainmaster_store::outlets::{Delivery, DeliveryStatus, RuleNotice};

use super::reader::Rule;
use crate::token::hex;

/// Most mailboxes that one channel writes to about one event.
const MAILBOXES_MAX: usize = 200;

/// An event and a rule that may mean it.
pub(super) struct Matched<'a> {
    pub(super) rule: &'a Rule,
    pub(super) record: &'a Record,
    pub(super) announcement: &'a Announcement,
    pub(super) release: &'a Release,
    pub(super) policy: &'a Policy,
    pub(super) public_url: &'a str,
}

impl Matched<'_> {
    /// The deliveries and notices that the rule asks for; empty if it does not mean the event.
    pub(super) fn made(&self, now: Timestamp) -> (Vec<Delivery>, Vec<RuleNotice>) {
        let key = &self.rule.key;
        let organization = key.organization.as_ref();
        let meant = self
            .rule
            .spec
            .word_for(organization, self.announcement, self.release);
        let Some(word) = meant else {
            return (Vec::new(), Vec::new());
        };
        let mut notices = Vec::new();
        let mut deliveries = Vec::new();
        for (number, channel) in self.rule.spec.channels.iter().enumerate() {
            match channel.kind() {
                None => (),
                Some(ChannelKind::InApp(in_app)) => notices.push(self.notice(&in_app.to)),
                Some(kind) => {
                    let to = destinations(
                        kind,
                        self.announcement,
                        self.release.organization.as_ref(),
                        self.policy,
                    );
                    deliveries.extend(
                        to.into_iter()
                            .map(|to| self.delivery(word, number, to, now)),
                    );
                }
            }
        }
        (deliveries, notices)
    }

    fn notice(&self, owners: &[Owner]) -> RuleNotice {
        RuleNotice {
            position: self.record.position,
            release: self.release.id,
            path: self
                .announcement
                .path
                .as_ref()
                .map(|path| path.as_str().to_owned()),
            phase: self.announcement.phase.clone(),
            owners: owners.to_vec(),
            message: self.announcement.text.clone(),
            urgent: self.announcement.urgent,
            at: self.announcement.at,
        }
    }

    fn delivery(
        &self,
        word: &'static str,
        number: usize,
        to: Destination,
        now: Timestamp,
    ) -> Delivery {
        let destination = destination(&self.rule.key, number, &to);
        // The hash of the record is the event's own, in this installation and no other.
        let id = id(&[&self.record.hash, &destination]);
        let message = Message {
            word: word.to_owned(),
            text: self.announcement.text.clone(),
            link: format!("{}{}", self.public_url, self.announcement.link()),
            source: self.public_url.to_owned(),
            subject: subject(self.announcement),
            release: self.release.name.clone(),
            urgent: self.announcement.urgent,
            at: self.announcement.at,
            data: data(self.announcement, self.release),
        };
        let made = Made {
            key: &self.rule.key,
            number,
            position: self.record.position,
            destination,
            id,
            now,
        };
        let mut delivery = made.delivery(to, message);
        delivery.release = Some(self.release.id);
        delivery
    }
}

/// A delivery to be.
struct Made<'a> {
    key: &'a ResourceKey,
    number: usize,
    position: u64,
    destination: String,
    id: String,
    now: Timestamp,
}

impl Made<'_> {
    fn delivery(self, to: Destination, message: Message) -> Delivery {
        let now = self.now.as_microsecond();
        let (channel, word) = (to.kind().to_owned(), message.word.clone());
        let parcel = Parcel {
            id: self.id.clone(),
            organization: self.key.organization.clone(),
            to,
            message,
        };
        Delivery {
            id: self.id,
            position: self.position,
            destination: self.destination,
            organization: self.key.organization.clone(),
            rule: self.key.name.clone(),
            number: u32::try_from(self.number).unwrap_or(u32::MAX),
            channel,
            word,
            release: None,
            status: DeliveryStatus::Pending,
            attempts: 0,
            next_at: now,
            created_at: now,
            updated_at: now,
            code: None,
            answer: String::new(),
            body: serde_json::to_string(&parcel).expect("a message has text keys"),
        }
    }
}

/// A test of every channel of a rule that leads outside; the deliveries count as being sent.
pub(super) fn test(
    key: &ResourceKey,
    spec: &NotificationRuleSpec,
    by: &str,
    policy: &Policy,
    public_url: &str,
    position: u64,
    now: Timestamp,
) -> Vec<Delivery> {
    let announcement = sample(first_word(spec), now, by);
    let message = Message {
        word: announcement.words[0].to_owned(),
        text: announcement.text.clone(),
        link: format!("{public_url}/"),
        source: public_url.to_owned(),
        subject: String::new(),
        release: String::new(),
        urgent: false,
        at: now,
        data: json!({"test": true, "by": by}),
    };
    let mut tests = Vec::new();
    for (number, channel) in spec.channels.iter().enumerate() {
        let Some(kind) = channel.kind() else { continue };
        for to in destinations(kind, &announcement, key.organization.as_ref(), policy) {
            let destination = destination(key, number, &to);
            let salt = format!("test {now} {by}");
            let made = Made {
                key,
                number,
                position,
                id: id(&[&salt, &destination]).replacen("msg_", "test_", 1),
                destination,
                now,
            };
            let mut delivery = made.delivery(to, message.clone());
            delivery.status = DeliveryStatus::Sending;
            delivery.attempts = 1;
            tests.push(delivery);
        }
    }
    tests
}

/// Sends a delivery to where its rule sends to now, if that is still the same kind of channel.
pub(super) fn readdress(delivery: &mut Delivery, spec: &NotificationRuleSpec) {
    let channel = spec.channels.get(delivery.number as usize);
    let Some(kind) = channel.and_then(|channel| channel.kind()) else {
        return;
    };
    let to = match kind {
        ChannelKind::InApp(_) | ChannelKind::Email(_) => return,
        ChannelKind::Slack(chat) => Destination::Slack {
            secret: chat.secret_ref.clone(),
        },
        ChannelKind::Teams(chat) => Destination::Teams {
            secret: chat.secret_ref.clone(),
        },
        ChannelKind::Webhook(webhook) => Destination::Webhook {
            url: webhook.url.clone(),
            secret: webhook.secret_ref.clone(),
        },
    };
    if to.kind() != delivery.channel {
        return;
    }
    if let Ok(mut parcel) = serde_json::from_str::<Parcel>(&delivery.body) {
        parcel.to = to;
        delivery.body = serde_json::to_string(&parcel).expect("a message has text keys");
    }
}

/// Where a channel leads: each mailbox is a destination of its own.
fn destinations(
    kind: ChannelKind<'_>,
    announcement: &Announcement,
    organization: Option<&Name>,
    policy: &Policy,
) -> Vec<Destination> {
    match kind {
        ChannelKind::InApp(_) => Vec::new(),
        ChannelKind::Email(email) => mailboxes(email, announcement, organization, policy)
            .into_iter()
            .map(|mailbox| Destination::Email { to: vec![mailbox] })
            .collect(),
        ChannelKind::Slack(chat) => vec![Destination::Slack {
            secret: chat.secret_ref.clone(),
        }],
        ChannelKind::Teams(chat) => vec![Destination::Teams {
            secret: chat.secret_ref.clone(),
        }],
        ChannelKind::Webhook(webhook) => vec![Destination::Webhook {
            url: webhook.url.clone(),
            secret: webhook.secret_ref.clone(),
        }],
    }
}

fn mailboxes(
    email: &Email,
    announcement: &Announcement,
    organization: Option<&Name>,
    policy: &Policy,
) -> BTreeSet<String> {
    let involved = announcement
        .involved
        .iter()
        .filter(|_| email.involved)
        .chain(&email.people);
    let people = involved.flat_map(|owner| people(owner, organization, policy));
    let known = people.filter_map(|user| policy.user(&user));
    let theirs = known
        .filter(|user| !user.disabled && is_mailbox(&user.email))
        .map(|user| user.email.clone());
    email
        .to
        .iter()
        .cloned()
        .chain(theirs)
        .take(MAILBOXES_MAX)
        .collect()
}

/// Everybody whom an owner means, as far as the server knows.
fn people(owner: &Owner, organization: Option<&Name>, policy: &Policy) -> BTreeSet<Name> {
    let team = |name: &Name| -> BTreeSet<Name> {
        let members = policy
            .team(organization, name)
            .into_iter()
            .flatten()
            .cloned();
        let claimed = policy
            .users()
            .filter(|user| user.claimed_teams.contains(name))
            .map(|user| user.name.clone());
        members.chain(claimed).collect()
    };
    match owner {
        Owner::User(name) => [name.clone()].into(),
        Owner::Team(name) => team(name),
        Owner::Role(name) => {
            let here = |place: &Option<Name>| place.is_none() || place.as_ref() == organization;
            let bindings = policy.bindings().filter(|binding| {
                here(&binding.organization) && binding.role.as_str() == name.as_str()
            });
            bindings
                .flat_map(|binding| &binding.subjects)
                .flat_map(|subject| match subject {
                    Owner::User(name) => [name.clone()].into(),
                    Owner::Team(name) => team(name),
                    Owner::Role(_) => BTreeSet::new(),
                })
                .collect()
        }
    }
}

fn destination(key: &ResourceKey, number: usize, to: &Destination) -> String {
    let home = key.organization.as_ref().map_or("", Name::as_str);
    let channel = format!("{home}/{}#{number}", key.name);
    match to {
        Destination::Email { to } => format!("{channel}:{}", to.join(",")),
        _ => channel,
    }
}

fn id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    format!("msg_{}", &hex(&hasher.finalize())[..32])
}

fn subject(announcement: &Announcement) -> String {
    match (&announcement.path, &announcement.phase) {
        (Some(path), _) => format!("{}/{path}", announcement.release),
        (None, Some(phase)) => format!("{}/{phase}", announcement.release),
        (None, None) => announcement.release.to_string(),
    }
}

fn data(announcement: &Announcement, release: &Release) -> Value {
    let involved: Vec<String> = announcement
        .involved
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "release": {
            "id": release.id.to_string(),
            "name": release.name,
            "organization": release.organization,
            "process": release.process.name,
            "type": release.release_type,
            "version": release.software_version,
            "labels": release.labels,
        },
        "phase": announcement.phase,
        "activity": announcement.path,
        "by": announcement.by,
        "involved": involved,
    })
}
