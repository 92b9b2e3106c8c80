//! Rows beside the journal: deliveries, what people have read, sealed values.
//!
//! They are written by the same connection as the journal, each time in a transaction of their own.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_engine::ports::StoreError;

use crate::SqlStore;
use crate::commit::big;
use crate::error::Sorted;
use crate::script::{Cell, Conflict, Script, Table};

/// How long ended deliveries are kept, in microseconds: thirty days.
pub const DELIVERIES_KEPT_MICROS: i64 = 30 * 24 * 60 * 60 * 1_000_000;
/// How many old deliveries one write removes at most, so that its work stays bounded.
const DELIVERIES_REMOVED_MAX: i64 = 500;
/// How many single read marks are kept of one person.
pub const READ_MARKS_MAX: usize = 1_000;

const DELIVERY: Table = Table {
    name: "delivery",
    columns: &[
        "id",
        "position",
        "destination",
        "organization",
        "rule",
        "number",
        "channel",
        "word",
        "release",
        "status",
        "open",
        "attempts",
        "next_at",
        "created_at",
        "updated_at",
        "code",
        "answer",
        "body",
    ],
    key: 1,
    conflict: Conflict::Keep,
};
const NOTIFICATION: Table = Table {
    name: "notification",
    columns: &[
        "position", "release", "owners", "message", "at", "path", "kind", "phase", "urgent", "home",
    ],
    key: 1,
    conflict: Conflict::Keep,
};
const NOTIFICATION_OWNER: Table = Table {
    name: "notification_owner",
    columns: &["owner", "position", "release"],
    key: 2,
    conflict: Conflict::Keep,
};
const NOTIFICATION_READ: Table = Table {
    name: "notification_read",
    columns: &["viewer", "position"],
    key: 2,
    conflict: Conflict::Keep,
};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Waits for its turn, or for the next try.
    Pending,
    /// Its bytes may be on the way.
    Sending,
    /// It is there.
    Delivered,
    /// Given up.
    Failed,
    /// It may be there or not, and sending it again might double it.
    Unknown,
    /// Not sent, because its channel is turned off or its rule is gone.
    Withheld,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [DeliveryStatus; 6] = [
        DeliveryStatus::Pending,
        DeliveryStatus::Sending,
        DeliveryStatus::Delivered,
        DeliveryStatus::Failed,
        DeliveryStatus::Unknown,
        DeliveryStatus::Withheld,
    ];

    /// The status as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryStatus::Pending => "pending",
            DeliveryStatus::Sending => "sending",
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Failed => "failed",
            DeliveryStatus::Unknown => "unknown",
            DeliveryStatus::Withheld => "withheld",
        }
    }

    fn is_open(self) -> bool {
        matches!(self, DeliveryStatus::Pending | DeliveryStatus::Sending)
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StoreError::Damaged(format!("no delivery stands at `{text}`")))
    }
}

/// One message to one channel of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The same for ever, also over tries, restarts and repetitions by hand.
    pub id: String,
    /// Position of its event in the journal.
    pub position: u64,
    /// Which channel of which rule; deliveries to one destination go out one after the other.
    pub destination: String,
    /// Where the rule lives; none is the account level.
    pub organization: Option<Name>,
    /// The rule.
    pub rule: Name,
    /// Which of its channels, from zero.
    pub number: u32,
    /// What kind of channel.
    pub channel: String,
    /// What the event is called.
    pub word: String,
    /// The release; none for a test.
    pub release: Option<ReleaseId>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried before, microseconds since 1970.
    pub next_at: i64,
    /// When it was made, microseconds since 1970.
    pub created_at: i64,
    /// When it was last tried or ended, microseconds since 1970.
    pub updated_at: i64,
    /// The status of the last answer.
    pub code: Option<u16>,
    /// The beginning of the last answer, or what went wrong.
    pub answer: String,
    /// The message with where it goes, as JSON without secrets.
    pub body: String,
}

impl Delivery {
    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.id),
            Cell::from(big(self.position)),
            Cell::from(&self.destination),
            Cell::from(home(self.organization.as_ref())),
            Cell::from(self.rule.as_str()),
            Cell::from(i64::from(self.number)),
            Cell::from(&self.channel),
            Cell::from(&self.word),
            Cell::from(self.release.map(|release| big(release.0))),
            Cell::from(self.status.as_str()),
            Cell::from(self.status.is_open()),
            Cell::from(i64::from(self.attempts)),
            Cell::from(self.next_at),
            Cell::from(self.created_at),
            Cell::from(self.updated_at),
            Cell::from(self.code.map(i64::from)),
            Cell::from(&self.answer),
            Cell::from(&self.body),
        ]
    }
}

/// A notice that a rule puts behind the bell of people.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleNotice {
    /// Position of its event.
    pub position: u64,
    /// The release.
    pub release: ReleaseId,
    /// The activity's path, where it is about one.
    pub path: Option<String>,
    /// The phase, where it is about one as a whole.
    pub phase: Option<Name>,
    /// Who is told.
    pub owners: Vec<Owner>,
    /// What.
    pub message: String,
    /// Whether something stands still until somebody acts.
    pub urgent: bool,
    /// When.
    pub at: Timestamp,
}

/// How a channel of a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    /// Since when every try fails, microseconds since 1970; none if the last one was good.
    pub failing_since: Option<i64>,
    /// How many tries in a row have failed.
    pub failures: u32,
    /// When it was turned off, microseconds since 1970.
    pub disabled_at: Option<i64>,
    /// Why.
    pub reason: String,
}

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The row.
    pub id: String,
    /// Where it holds; none is the account level.
    pub organization: Option<Name>,
    /// The name of the secret.
    pub name: String,
    /// Which value, from one.
    pub version: u32,
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce and sealed value, Base64.
    pub body: String,
    /// When it was written, microseconds since 1970.
    pub at: i64,
    /// Through whom.
    pub by: String,
}

/// The key of a place; the account level is the empty text.
pub(crate) fn home(organization: Option<&Name>) -> String {
    organization.map(Name::to_string).unwrap_or_default()
}

fn place(text: &str) -> Result<Option<Name>, StoreError> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|error| StoreError::Damaged(format!("`{text}`: {error}"))),
    }
}

impl SqlStore {
    // ---- deliveries

    /// Up to which position of the journal deliveries are made.
    pub async fn outlets_position(&self) -> Result<u64, StoreError> {
        let position: i64 =
            sqlx::query_scalar("select position from progress where name = 'outlets'")
                .fetch_one(&self.readers)
                .await
                .sorted()?;
        Ok(position.unsigned_abs())
    }

    /// Makes deliveries and notices, and moves the position on, all at once; removes some that ended long ago.
    pub async fn make_deliveries(
        &self,
        position: u64,
        deliveries: &[Delivery],
        notices: &[RuleNotice],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.write(&DELIVERY, deliveries.iter().map(Delivery::cells).collect());
        for notice in notices {
            let owners: Vec<String> = notice.owners.iter().map(ToString::to_string).collect();
            let row = vec![
                Cell::from(big(notice.position)),
                Cell::from(big(notice.release.0)),
                Cell::from(owners.join(" ")),
                Cell::from(&notice.message),
                Cell::from(notice.at.as_microsecond()),
                Cell::from(notice.path.clone()),
                Cell::from("rule"),
                Cell::from(notice.phase.as_ref().map(Name::to_string)),
                Cell::from(notice.urgent),
                Cell::from(""),
            ];
            script.write(&NOTIFICATION, vec![row]);
            let told = owners.into_iter().map(|owner| {
                vec![
                    Cell::from(owner),
                    Cell::from(big(notice.position)),
                    Cell::from(big(notice.release.0)),
                ]
            });
            script.write(&NOTIFICATION_OWNER, told.collect());
        }
        script.statement(
            "update progress set position = ? where name = 'outlets'",
            [Cell::from(big(position))],
        );
        script.statement(
            "delete from delivery where id in (
                select id from delivery where open = 0 and created_at < ? order by created_at limit ?
            )",
            [
                Cell::from(now.as_microsecond().saturating_sub(DELIVERIES_KEPT_MICROS)),
                Cell::from(DELIVERIES_REMOVED_MAX),
            ],
        );
        self.write_beside(script).await
    }

    /// Destinations with deliveries that have not ended.
    pub async fn open_destinations(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("select distinct destination from delivery where open = 1")
            .fetch_all(&self.readers)
            .await
            .sorted()
    }

    /// The oldest delivery to a destination that has not ended.
    pub async fn next_delivery(&self, destination: &str) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query(
            "select * from delivery where destination = ? and open = 1 order by position, id limit 1",
        )
        .bind(destination)
        .fetch_optional(&self.readers)
        .await
        .sorted()?;
        row.as_ref().map(delivery).transpose()
    }

    /// One delivery.
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query("select * from delivery where id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .sorted()?;
        row.as_ref().map(delivery).transpose()
    }

    /// Writes how a delivery stands, and how its channel does, where that has changed.
    pub async fn mark_delivery(
        &self,
        delivery: &Delivery,
        outlet: Option<&Outlet>,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "update delivery
             set status = ?, open = ?, attempts = ?, next_at = ?, updated_at = ?, code = ?, answer = ?, body = ?
             where id = ?",
            [
                Cell::from(delivery.status.as_str()),
                Cell::from(delivery.status.is_open()),
                Cell::from(i64::from(delivery.attempts)),
                Cell::from(delivery.next_at),
                Cell::from(delivery.updated_at),
                Cell::from(delivery.code.map(i64::from)),
                Cell::from(&delivery.answer),
                Cell::from(&delivery.body),
                Cell::from(&delivery.id),
            ],
        );
        if let Some(outlet) = outlet {
            write_outlet(&mut script, delivery, outlet);
            if outlet.disabled_at.is_some() {
                script.statement(
                    "update delivery set status = 'withheld', open = 0, updated_at = ? where destination = ? and open = 1",
                    [
                        Cell::from(delivery.updated_at),
                        Cell::from(&delivery.destination),
                    ],
                );
            }
        }
        self.write_beside(script).await
    }

    /// Adds one delivery to the log, for a test of a rule.
    pub async fn log_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.write(&DELIVERY, vec![delivery.cells()]);
        self.write_beside(script).await
    }

    /// Ends what waits to go out to channels of a rule that is gone.
    pub async fn withhold_rule(
        &self,
        organization: Option<&Name>,
        rule: &Name,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "update delivery
             set status = 'withheld', open = 0, updated_at = ?, answer = 'the rule was deleted'
             where organization = ? and rule = ? and open = 1",
            [
                Cell::from(now.as_microsecond()),
                Cell::from(home(organization)),
                Cell::from(rule.as_str()),
            ],
        );
        self.write_beside(script).await
    }

    /// How a channel does.
    pub async fn outlet(&self, destination: &str) -> Result<Outlet, StoreError> {
        let row = sqlx::query(
            "select failing_since, failures, disabled_at, reason from outlet where destination = ?",
        )
        .bind(destination)
        .fetch_optional(&self.readers)
        .await
        .sorted()?;
        let Some(row) = row else {
            return Ok(Outlet::default());
        };
        let read = || {
            Ok::<_, sqlx::Error>(Outlet {
                failing_since: row.try_get(0)?,
                failures: u32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(u32::MAX),
                disabled_at: row.try_get(2)?,
                reason: row.try_get(3)?,
            })
        };
        read().sorted()
    }

    /// Turns every channel of a rule on again.
    pub async fn enable_outlets(
        &self,
        organization: Option<&Name>,
        rule: &Name,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "delete from outlet where organization = ? and rule = ?",
            [Cell::from(home(organization)), Cell::from(rule.as_str())],
        );
        self.write_beside(script).await
    }

    // ---- what people have read

    /// Everything up to a position is read.
    pub async fn mark_all_read(&self, viewer: &Name, position: u64) -> Result<(), StoreError> {
        let mut script = Script::default();
        let position = || Cell::from(big(position));
        script.statement(
            "insert into notification_mark (viewer, position) values (?, ?)
             on conflict (viewer) do update set position = excluded.position
             where excluded.position > notification_mark.position",
            [Cell::from(viewer.as_str()), position()],
        );
        script.statement(
            "delete from notification_read where viewer = ? and position <= ?",
            [Cell::from(viewer.as_str()), position()],
        );
        self.write_beside(script).await
    }

    /// Single notices are read; beyond [`READ_MARKS_MAX`] the oldest marks are forgotten.
    pub async fn mark_read(&self, viewer: &Name, positions: &[u64]) -> Result<(), StoreError> {
        let mut script = Script::default();
        let row = |position: &u64| vec![Cell::from(viewer.as_str()), Cell::from(big(*position))];
        script.write(&NOTIFICATION_READ, positions.iter().map(row).collect());
        script.statement(
            "delete from notification_read
             where viewer = ? and position in (
                 select position from notification_read where viewer = ? order by position desc limit -1 offset ?
             )",
            [
                Cell::from(viewer.as_str()),
                Cell::from(viewer.as_str()),
                Cell::from(i64::try_from(READ_MARKS_MAX).unwrap_or(i64::MAX)),
            ],
        );
        self.write_beside(script).await
    }

    // ---- sealed values

    /// Puts a sealed value down; it counts once the journal says that the secret was set.
    pub async fn add_sealed(&self, sealed: &Sealed) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "insert into sealed (id, organization, name, version, live, key_id, body, at, by)
             values (?, ?, ?, ?, 0, ?, ?, ?, ?)",
            [
                Cell::from(&sealed.id),
                Cell::from(home(sealed.organization.as_ref())),
                Cell::from(&sealed.name),
                Cell::from(i64::from(sealed.version)),
                Cell::from(&sealed.key_id),
                Cell::from(&sealed.body),
                Cell::from(sealed.at),
                Cell::from(&sealed.by),
            ],
        );
        self.write_beside(script).await
    }

    /// Takes a sealed value away that never came to count.
    pub async fn drop_sealed(&self, id: &str) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "delete from sealed where id = ? and live = 0",
            [Cell::from(id)],
        );
        self.write_beside(script).await
    }

    /// Takes every sealed value away that never came to count; for the start, when nobody is writing one.
    pub async fn drop_unused_sealed(&self) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement("delete from sealed where live = 0", []);
        self.write_beside(script).await
    }

    /// The value of a secret that counts, sealed.
    pub async fn sealed(
        &self,
        organization: Option<&Name>,
        name: &str,
    ) -> Result<Option<Sealed>, StoreError> {
        let row = sqlx::query(
            "select * from sealed where organization = ? and name = ? and live = 1 order by version desc limit 1",
        )
        .bind(home(organization))
        .bind(name)
        .fetch_optional(&self.readers)
        .await
        .sorted()?;
        row.as_ref().map(sealed).transpose()
    }

    /// Every secret of some places that counts, by place and name; the values stay sealed.
    pub async fn list_sealed(
        &self,
        organization: Option<&Name>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Sealed>, StoreError> {
        let rows = sqlx::query(
            "select * from sealed where organization = ? and name > ? and live = 1 order by name limit ?",
        )
        .bind(home(organization))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .sorted()?;
        rows.iter().map(sealed).collect()
    }

    /// Every sealed value that counts, whatever its place; for a change of the key.
    pub async fn all_sealed(&self) -> Result<Vec<Sealed>, StoreError> {
        let rows = sqlx::query("select * from sealed where live = 1 order by organization, name")
            .fetch_all(&self.readers)
            .await
            .sorted()?;
        rows.iter().map(sealed).collect()
    }

    /// Seals values anew, under another key; what they say stays.
    pub async fn reseal(&self, all: &[Sealed]) -> Result<(), StoreError> {
        let mut script = Script::default();
        for sealed in all {
            script.statement(
                "update sealed set key_id = ?, body = ? where id = ?",
                [
                    Cell::from(&sealed.key_id),
                    Cell::from(&sealed.body),
                    Cell::from(&sealed.id),
                ],
            );
        }
        self.write_beside(script).await
    }
}

fn write_outlet(script: &mut Script, delivery: &Delivery, outlet: &Outlet) {
    script.statement(
        "insert into outlet (destination, organization, rule, failing_since, failures, disabled_at, reason)
         values (?, ?, ?, ?, ?, ?, ?)
         on conflict (destination) do update set
             failing_since = excluded.failing_since,
             failures = excluded.failures,
             disabled_at = excluded.disabled_at,
             reason = excluded.reason",
        [
            Cell::from(&delivery.destination),
            Cell::from(home(delivery.organization.as_ref())),
            Cell::from(delivery.rule.as_str()),
            Cell::from(outlet.failing_since),
            Cell::from(i64::from(outlet.failures)),
            Cell::from(outlet.disabled_at),
            Cell::from(&outlet.reason),
        ],
    );
}

pub(crate) fn delivery(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let id: String = row.try_get("id").sorted()?;
    let number = |column: &str| row.try_get::<i64, _>(column).sorted();
    let text = |column: &str| row.try_get::<String, _>(column).sorted();
    let rule = text("rule")?;
    let release: Option<i64> = row.try_get("release").sorted()?;
    let code: Option<i64> = row.try_get("code").sorted()?;
    Ok(Delivery {
        position: number("position")?.unsigned_abs(),
        destination: text("destination")?,
        organization: place(&text("organization")?)?,
        rule: rule
            .parse()
            .map_err(|error| StoreError::Damaged(format!("delivery {id}: {error}")))?,
        number: u32::try_from(number("number")?).unwrap_or(u32::MAX),
        channel: text("channel")?,
        word: text("word")?,
        release: release.map(|release| ReleaseId(release.unsigned_abs())),
        status: DeliveryStatus::read(&text("status")?)?,
        attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
        next_at: number("next_at")?,
        created_at: number("created_at")?,
        updated_at: number("updated_at")?,
        code: code.and_then(|code| u16::try_from(code).ok()),
        answer: text("answer")?,
        body: text("body")?,
        id,
    })
}

fn sealed(row: &SqliteRow) -> Result<Sealed, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column).sorted();
    let version: i64 = row.try_get("version").sorted()?;
    Ok(Sealed {
        id: text("id")?,
        organization: place(&text("organization")?)?,
        name: text("name")?,
        version: u32::try_from(version)
            .map_err(|_| StoreError::Damaged("a sealed value has no version".to_owned()))?,
        key_id: text("key_id")?,
        body: text("body")?,
        at: row.try_get("at").sorted()?,
        by: text("by")?,
    })
}
