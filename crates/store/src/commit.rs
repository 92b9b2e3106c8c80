//! A batch as statements: journal, rows, read models and answers, in one transaction.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::{ReleaseId, ResourceKey};
use trainmaster_core::trace::{self, Trace};
use trainmaster_core::{Change, object};
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{
    Batch, Columns, EntityWrite, ReleaseColumns, Row, StoreError, StoredAnswer,
};

use crate::calendar;
use crate::error::unreadable;
use crate::outlets::home;
use crate::script::{Cell, Conflict, Script, Table};
use crate::words;

/// How many records the search terms of the journal may lie behind it.
///
/// Few: pages read what is not indexed yet record by record. Many: each index page is written once for many records.
pub(crate) const UNINDEXED_MAX: u64 = 2048;

/// How long answers are kept, in microseconds: a day.
const ANSWERS_KEPT_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// How many old answers one commit removes at most, so that its work stays bounded.
const ANSWERS_REMOVED_MAX: i64 = 100;

/// How many releases the writer remembers the words of.
const WORDS_REMEMBERED_MAX: usize = 100_000;

const JOURNAL: Table = Table {
    name: "journal",
    columns: &[
        "position", "at", "by", "release", "path", "type", "body", "previous", "hash", "object",
    ],
    key: 1,
    conflict: Conflict::Refuse,
};
const META: Table = Table {
    name: "meta",
    columns: &["id", "body"],
    key: 1,
    conflict: Conflict::Replace,
};
const RESOURCE: Table = Table {
    name: "resource",
    columns: &[
        "kind",
        "organization",
        "name",
        "deleted",
        "revision",
        "body",
    ],
    key: 3,
    conflict: Conflict::Replace,
};
const REVISION: Table = Table {
    name: "revision",
    columns: &["kind", "organization", "name", "revision", "body"],
    key: 4,
    conflict: Conflict::Replace,
};
const TOKEN: Table = Table {
    name: "token",
    columns: &["id", "digest", "revoked", "person", "body"],
    key: 1,
    conflict: Conflict::Replace,
};
const USER: Table = Table {
    name: "user_account",
    columns: &["name", "body"],
    key: 1,
    conflict: Conflict::Replace,
};
const RELEASE_GROUP: Table = Table {
    name: "release_group",
    columns: &["organization", "name", "body"],
    key: 2,
    conflict: Conflict::Replace,
};
const RELEASE: Table = Table {
    name: "release",
    columns: &[
        "id",
        "organization",
        "name",
        "search",
        "process",
        "status",
        "stage",
        "type",
        "labels",
        "ended",
        "archived",
        "parent",
        "created_at",
        "start_at",
        "begins_at",
        "started_at",
        "expected_end_at",
        "ended_at",
        "needs_input",
        "group_name",
        "planned_at",
        "body",
    ],
    key: 1,
    conflict: Conflict::Replace,
};
const RELEASE_TERM: Table = Table {
    name: "release_term",
    columns: &["term", "release"],
    key: 2,
    conflict: Conflict::Keep,
};
const CALENDAR_ENTRY: Table = Table {
    name: "calendar_entry",
    columns: &[
        "class",
        "start_at",
        "release",
        "end_at",
        "organization",
        "name",
        "search",
        "status",
        "type",
        "process",
        "release_group",
        "manager",
        "labels",
        "teams",
        "processes",
        "services",
        "environments",
        "exclusive",
        "planned_start",
        "planned_end",
        "started_at",
        "ended_at",
        "changes",
        "changed_at",
        "announced",
    ],
    key: 3,
    conflict: Conflict::Replace,
};
const ACTIVITY: Table = Table {
    name: "activity",
    columns: &["release", "position", "path", "status", "needs", "body"],
    key: 2,
    conflict: Conflict::Replace,
};
const NOTIFICATION: Table = Table {
    name: "notification",
    columns: &[
        "position", "release", "owners", "message", "at", "path", "kind", "need", "phase",
        "urgent", "home",
    ],
    key: 1,
    conflict: Conflict::Refuse,
};
const NOTIFICATION_OWNER: Table = Table {
    name: "notification_owner",
    columns: &["owner", "position", "release"],
    key: 2,
    conflict: Conflict::Keep,
};
const DEPLOYMENT: Table = Table {
    name: "deployment",
    columns: &[
        "position",
        "release",
        "path",
        "organization",
        "service",
        "environment",
        "at",
        "by",
        "body",
    ],
    key: 1,
    conflict: Conflict::Refuse,
};
const DEPLOYED: Table = Table {
    name: "deployed",
    columns: &["environment", "service", "organization", "position"],
    key: 3,
    conflict: Conflict::Replace,
};
const TRACE: Table = Table {
    name: "trace",
    columns: &[
        "kind",
        "term",
        "release",
        "deployment",
        "source",
        "value",
        "organization",
        "at",
    ],
    key: 5,
    conflict: Conflict::Keep,
};
const APPROVAL_WAIT: Table = Table {
    name: "approval_wait",
    columns: &["release", "position", "asked_at", "ended_at"],
    key: 2,
    conflict: Conflict::Replace,
};
const ANSWER: Table = Table {
    name: "answer",
    columns: &["key", "fingerprint", "body", "at"],
    key: 1,
    conflict: Conflict::Replace,
};

/// The statements of one commit.
pub(crate) struct Plan {
    /// The journal's rows.
    pub(crate) journal: Script,
    /// Everything else.
    pub(crate) rows: Script,
    /// Releases that are removed; their logs go after the commit.
    pub(crate) removed: Vec<ReleaseId>,
    /// When the newest record was written, microseconds since 1970.
    at: i64,
    learned: Learned,
}

/// What the writer knows about the database, to write less.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Position and hash of the newest record.
    head: (u64, String),
    /// Up to which position search terms of the journal are written.
    indexed: u64,
    /// Digest of the words that are written of a release.
    words: BTreeMap<u64, u64>,
    /// Digest of the calendar's row of a release.
    calendar: BTreeMap<u64, u64>,
}

/// What changes in the writer's memory once a commit is there.
#[derive(Debug, Default)]
struct Learned {
    head: Option<(u64, String)>,
    indexed: Option<u64>,
    words: Vec<(u64, Option<u64>)>,
    calendar: Vec<(u64, Option<u64>)>,
}

impl Memory {
    /// What is known after a start.
    pub(crate) fn new(head: (u64, String), indexed: u64) -> Memory {
        Memory {
            head,
            indexed,
            words: BTreeMap::new(),
            calendar: BTreeMap::new(),
        }
    }

    /// Refuses records that do not follow the newest one: whoever sends them thinks of another journal.
    fn check(&self, records: &[Arc<Record>]) -> Result<(), StoreError> {
        let mut position = self.head.0;
        let mut hash = self.head.1.as_str();
        for record in records {
            if record.position != position + 1 || record.previous != hash {
                let what = format!(
                    "record {} does not follow record {position}",
                    record.position
                );
                return Err(StoreError::Unavailable(what));
            }
            (position, hash) = (record.position, &record.hash);
        }
        Ok(())
    }

    /// Takes in that a commit is there.
    pub(crate) fn learn(&mut self, plan: Plan) {
        if let Some(head) = plan.learned.head {
            self.head = head;
        }
        self.indexed = plan.learned.indexed.unwrap_or(self.indexed);
        remember(&mut self.words, plan.learned.words);
        remember(&mut self.calendar, plan.learned.calendar);
    }
}

/// Keeps digests of what is written of releases, or forgets them.
fn remember(known: &mut BTreeMap<u64, u64>, learned: Vec<(u64, Option<u64>)>) {
    if known.len() > WORDS_REMEMBERED_MAX {
        known.clear();
    }
    for (release, digest) in learned {
        match digest {
            Some(digest) => known.insert(release, digest),
            None => known.remove(&release),
        };
    }
}

impl Plan {
    /// Works out what a batch writes.
    pub(crate) fn new(batch: &Batch, memory: &Memory) -> Result<Plan, StoreError> {
        memory.check(&batch.records)?;
        let mut plan = Plan {
            journal: Script::default(),
            rows: Script::default(),
            removed: Vec::new(),
            at: 0,
            learned: Learned::default(),
        };
        plan.records(&batch.records)?;
        plan.entities(&batch.writes, memory)?;
        plan.answers(&batch.answers);
        if let Some(record) = batch.records.last() {
            plan.index_journal(record.position, memory);
            plan.learned.head = Some((record.position, record.hash.clone()));
        }
        Ok(plan)
    }

    fn records(&mut self, records: &[Arc<Record>]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(records.len());
        let mut told = Told::default();
        let mut deployments = Deployments::default();
        for record in records {
            let head = Head::of(record)?;
            self.at = head.at.as_microsecond();
            match head.kind.as_ref() {
                "OwnersNotified" | "OutletDisabled" => told.take(record)?,
                "SecretSet" | "SecretDeleted" => self.sealed(record)?,
                _ => (),
            }
            if head.kind == "DeploymentRecorded" {
                deployments.take(record)?;
            }
            let object = match head.release {
                Some(_) => None,
                None => object_of(record)?,
            };
            rows.push(vec![
                Cell::from(big(record.position)),
                Cell::from(head.at.as_microsecond()),
                Cell::Text(head.by.into_owned()),
                Cell::from(head.release.map(big)),
                Cell::from(head.path.map(Cow::into_owned)),
                Cell::Text(head.kind.into_owned()),
                Cell::from(&record.body),
                Cell::from(&record.previous),
                Cell::from(&record.hash),
                Cell::from(object),
            ]);
        }
        self.journal.write(&JOURNAL, rows);
        self.rows.write(&NOTIFICATION, told.notifications);
        self.rows.write(&NOTIFICATION_OWNER, told.owners);
        self.rows.write(&DEPLOYMENT, deployments.rows);
        let newest = deployments.newest.into_iter();
        let newest = newest.map(|((environment, service, organization), position)| {
            vec![
                Cell::Text(environment),
                Cell::Text(service),
                Cell::Text(organization),
                Cell::from(position),
            ]
        });
        self.rows.write(&DEPLOYED, newest.collect());
        self.rows.write(&TRACE, deployments.traces);
        Ok(())
    }

    /// From this event on another sealed value counts, or none.
    fn sealed(&mut self, record: &Record) -> Result<(), StoreError> {
        match event_of(record)?.change {
            Change::SecretSet {
                organization,
                name,
                row,
                ..
            } => {
                let others = [
                    Cell::from(home(organization.as_ref())),
                    Cell::from(name.as_str()),
                    Cell::from(&row),
                ];
                self.rows.statement(
                    "delete from sealed where organization = ? and name = ? and id <> ? and live = 1",
                    others,
                );
                self.rows.statement(
                    "update sealed set live = 1 where id = ?",
                    [Cell::from(&row)],
                );
            }
            Change::SecretDeleted { organization, name } => self.rows.statement(
                "delete from sealed where organization = ? and name = ?",
                [
                    Cell::from(home(organization.as_ref())),
                    Cell::from(name.as_str()),
                ],
            ),
            _ => (),
        }
        Ok(())
    }

    fn entities(&mut self, writes: &[EntityWrite], memory: &Memory) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        for write in writes {
            match &write.row {
                None => self.delete(&write.key),
                Some(row) => {
                    rows.take(&write.key, row)?;
                    if let (EntityKey::Release(release), Columns::Release(columns)) =
                        (&write.key, &row.columns)
                    {
                        self.words(*release, columns, memory, &mut rows);
                        self.calendar(*release, columns, memory, &mut rows);
                    }
                }
            }
        }
        for (table, rows) in [
            (&META, rows.meta),
            (&RESOURCE, rows.resources),
            (&REVISION, rows.revisions),
            (&TOKEN, rows.tokens),
            (&USER, rows.users),
            (&RELEASE_GROUP, rows.groups),
            (&RELEASE, rows.releases),
            (&RELEASE_TERM, rows.terms),
            (&TRACE, rows.traces),
            (&CALENDAR_ENTRY, rows.calendar),
            (&ACTIVITY, rows.activities),
            (&APPROVAL_WAIT, rows.waits),
        ] {
            self.rows.write(table, rows);
        }
        Ok(())
    }

    /// Writes the words of a release if they are others than before.
    fn words(
        &mut self,
        release: ReleaseId,
        columns: &ReleaseColumns,
        memory: &Memory,
        rows: &mut Rows,
    ) {
        let digest = words::digest(columns);
        if memory.words.get(&release.0) != Some(&digest) {
            self.rows.statement(
                "delete from release_term where release = ?",
                [Cell::from(big(release.0))],
            );
            let terms = words::terms(columns).into_iter();
            rows.terms
                .extend(terms.map(|term| vec![Cell::from(term), Cell::from(big(release.0))]));
            self.rows.statement(
                "delete from trace where release = ? and deployment = 0",
                [Cell::from(big(release.0))],
            );
            let traces = columns.traces.iter().map(|found| {
                trace_cells(found, release, 0, &columns.organization, columns.created_at)
            });
            rows.traces.extend(traces);
        }
        // Ended releases are hardly written again and need not be remembered.
        self.learned
            .words
            .push((release.0, (!columns.ended).then_some(digest)));
    }

    /// Writes the calendar's row of a release if it is another one than before.
    fn calendar(
        &mut self,
        release: ReleaseId,
        columns: &ReleaseColumns,
        memory: &Memory,
        rows: &mut Rows,
    ) {
        let digest = calendar::digest(columns);
        if memory.calendar.get(&release.0) != Some(&digest) {
            self.rows.statement(
                "delete from calendar_entry where release = ?",
                [Cell::from(big(release.0))],
            );
            rows.calendar.extend(calendar::cells(release, columns));
        }
        self.learned
            .calendar
            .push((release.0, (!columns.ended).then_some(digest)));
    }

    fn delete(&mut self, key: &EntityKey) {
        let at = self.at;
        let mut run = |sql: &str, cells: Vec<Cell>| self.rows.statement(sql, cells);
        match key {
            EntityKey::Meta => run("delete from meta", vec![]),
            EntityKey::Resource(key) => run(
                "delete from resource where kind = ? and organization = ? and name = ?",
                named(key),
            ),
            EntityKey::Revision(key, revision) => {
                let mut cells = named(key);
                cells.push(Cell::from(i64::from(*revision)));
                run(
                    "delete from revision where kind = ? and organization = ? and name = ? and revision = ?",
                    cells,
                );
            }
            EntityKey::Token(token) => {
                run(
                    "delete from token where id = ?",
                    vec![Cell::from(big(token.0))],
                );
            }
            EntityKey::User(user) => run(
                "delete from user_account where name = ?",
                vec![Cell::from(user.as_str())],
            ),
            EntityKey::Group(key) => run(
                "delete from release_group where organization = ? and name = ?",
                group(key),
            ),
            EntityKey::Activity(release, position) => run(
                "delete from activity where release = ? and position = ?",
                vec![Cell::from(big(release.0)), Cell::from(i64::from(*position))],
            ),
            EntityKey::Release(release) => {
                run(
                    "insert into calendar_gone (release, organization, name, start_at, end_at, changes, gone_at)
                     select release, organization, name, start_at, end_at, changes + 1, ?
                     from calendar_entry
                     where release = ? and announced = 1
                     on conflict (release) do nothing",
                    vec![Cell::from(at), Cell::from(big(release.0))],
                );
                run(
                    "delete from calendar_gone where gone_at < ?",
                    vec![Cell::from(at.saturating_sub(calendar::GONE_KEPT_MICROS))],
                );
                for sql in [
                    "delete from calendar_entry where release = ?",
                    "delete from release where id = ?",
                    "delete from release_term where release = ?",
                    "delete from activity where release = ?",
                    "delete from notification where release = ?",
                    "delete from notification_owner where release = ?",
                    "delete from approval_wait where release = ?",
                ] {
                    run(sql, vec![Cell::from(big(release.0))]);
                }
                // What is deployed is there, whether its release is remembered or not.
                let id = || Cell::from(big(release.0));
                run(
                    "delete from deployment where release = ? and position not in (
                         select deployed.position from deployed
                         where deployed.environment = deployment.environment
                             and deployed.service = deployment.service
                             and deployed.organization = deployment.organization
                     )",
                    vec![id()],
                );
                run(
                    "delete from trace where release = ? and deployment not in (
                         select position from deployment where release = ?
                     )",
                    vec![id(), id()],
                );
                self.removed.push(*release);
                self.learned.words.push((release.0, None));
                self.learned.calendar.push((release.0, None));
            }
        }
    }

    fn answers(&mut self, answers: &[StoredAnswer]) {
        let Some(newest) = answers.iter().map(|answer| answer.at).max() else {
            return;
        };
        self.rows.statement(
            "delete from answer where key in (select key from answer where at < ? order by at limit ?)",
            [Cell::from(newest.saturating_sub(ANSWERS_KEPT_MICROS)), Cell::from(ANSWERS_REMOVED_MAX)],
        );
        let row = |answer: &StoredAnswer| {
            vec![
                Cell::from(&answer.key),
                Cell::from(&answer.fingerprint),
                Cell::from(&answer.body),
                Cell::from(answer.at),
            ]
        };
        self.rows.write(&ANSWER, answers.iter().map(row).collect());
    }

    /// Writes the search terms of the journal once enough records have none.
    fn index_journal(&mut self, position: u64, memory: &Memory) {
        if position < memory.indexed + UNINDEXED_MAX {
            return;
        }
        let range = || [Cell::from(big(memory.indexed)), Cell::from(big(position))];
        self.rows.statement(
            "insert into journal_term (term, position)
             select term, position
             from (
                 select 'r:' || release as term, position
                 from journal
                 where position > ? and position <= ? and release is not null
                 union all
                 select 'b:' || by, position
                 from journal
                 where position > ? and position <= ?
                 union all
                 select 't:' || type, position
                 from journal
                 where position > ? and position <= ?
                 union all
                 select 'o:' || object, position
                 from journal
                 where position > ? and position <= ? and object is not null
             ) as found
             order by term, position",
            [range(), range(), range(), range()].into_iter().flatten(),
        );
        self.rows.statement(
            "update progress set position = ? where name = 'journal_term'",
            [Cell::from(big(position))],
        );
        self.learned.indexed = Some(position);
    }
}

/// What a record that is about no release is about; those of releases are found by the release.
fn object_of(record: &Record) -> Result<Option<String>, StoreError> {
    let event = record
        .event()
        .map_err(|error| unreadable(format_args!("event {}", record.position), &error))?;
    Ok(object::of(&event))
}

/// What the columns of a journal row are taken from.
#[derive(Deserialize)]
struct Head<'a> {
    at: Timestamp,
    #[serde(borrow)]
    by: Cow<'a, str>,
    #[serde(default)]
    release: Option<u64>,
    #[serde(borrow, default)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

impl Head<'_> {
    fn of(record: &Record) -> Result<Head<'_>, StoreError> {
        serde_json::from_str(&record.body)
            .map_err(|error| unreadable(format_args!("event {}", record.position), &error))
    }
}

/// Notifications of a batch.
#[derive(Default)]
struct Told {
    notifications: Vec<Vec<Cell>>,
    owners: Vec<Vec<Cell>>,
}

fn event_of(record: &Record) -> Result<trainmaster_core::Event, StoreError> {
    record
        .event()
        .map_err(|error| unreadable(format_args!("event {}", record.position), &error))
}

/// A word of the core as it is written everywhere.
fn word(value: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

impl Told {
    fn take(&mut self, record: &Record) -> Result<(), StoreError> {
        let event = event_of(record)?;
        let position = big(record.position);
        let (owners, message, cells) = match event.change {
            Change::OwnersNotified {
                owners,
                message,
                kind,
                need,
                phase,
                urgent,
            } if event.release.is_some() => {
                let cells = [
                    Cell::from(kind.as_ref().and_then(word)),
                    Cell::from(need.as_ref().and_then(word)),
                    Cell::from(phase.as_ref().map(ToString::to_string)),
                    Cell::from(urgent),
                    Cell::from(""),
                ];
                (owners, message, cells)
            }
            Change::OutletDisabled {
                rule,
                channel,
                reason,
            } => {
                let administrators = "role:administrator".parse();
                let message = format!(
                    "channel {} of notification rule {} was turned off: {reason}",
                    channel + 1,
                    rule.name
                );
                let cells = [
                    Cell::from("outletDisabled"),
                    Cell::from(None::<String>),
                    Cell::from(None::<String>),
                    Cell::from(true),
                    Cell::from(home(rule.organization.as_ref())),
                ];
                (administrators.into_iter().collect(), message, cells)
            }
            _ => return Ok(()),
        };
        // A notice about no release has the number that no release has.
        let release = big(event.release.map_or(0, |release| release.0));
        let owners: BTreeSet<String> = owners.iter().map(ToString::to_string).collect();
        let joined: Vec<&str> = owners.iter().map(String::as_str).collect();
        let row = [
            Cell::from(position),
            Cell::from(release),
            Cell::from(joined.join(" ")),
            Cell::from(message),
            Cell::from(event.at.as_microsecond()),
            Cell::from(event.path.map(String::from)),
        ];
        self.notifications
            .push(row.into_iter().chain(cells).collect());
        self.owners.extend(
            owners
                .into_iter()
                .map(|owner| vec![Cell::from(owner), Cell::from(position), Cell::from(release)]),
        );
        Ok(())
    }
}

/// Deployments of a batch.
#[derive(Default)]
struct Deployments {
    rows: Vec<Vec<Cell>>,
    traces: Vec<Vec<Cell>>,
    /// The newest position by environment, service and organization.
    newest: BTreeMap<(String, String, String), i64>,
}

impl Deployments {
    fn take(&mut self, record: &Record) -> Result<(), StoreError> {
        let event = record
            .event()
            .map_err(|error| unreadable(format_args!("event {}", record.position), &error))?;
        let (Change::DeploymentRecorded(deployment), Some(release)) =
            (&event.change, event.release)
        else {
            return Ok(());
        };
        let position = big(record.position);
        let organization = deployment
            .organization
            .as_ref()
            .map_or("", |name| name.as_str());
        let body = serde_json::to_string(deployment)
            .map_err(|error| unreadable(format_args!("event {}", record.position), &error))?;
        let at = event.at.as_microsecond();
        self.rows.push(vec![
            Cell::from(position),
            Cell::from(big(release.0)),
            Cell::from(event.path.map_or_else(String::new, String::from)),
            Cell::from(organization),
            Cell::from(&deployment.service),
            Cell::from(&deployment.environment),
            Cell::from(at),
            Cell::from(&event.by),
            Cell::from(body),
        ]);
        let place = (
            deployment.environment.clone(),
            deployment.service.clone(),
            organization.to_owned(),
        );
        self.newest.insert(place, position);
        let traces = trace::of_deployment(deployment);
        self.traces.extend(
            traces
                .iter()
                .map(|found| trace_cells(found, release, position, organization, at)),
        );
        Ok(())
    }
}

/// A word that a release, or one of its deployments, is found by.
fn trace_cells(
    found: &Trace,
    release: ReleaseId,
    deployment: i64,
    organization: &str,
    at: i64,
) -> Vec<Cell> {
    vec![
        Cell::from(found.kind.as_str()),
        Cell::from(found.kind.term(&found.value)),
        Cell::from(big(release.0)),
        Cell::from(deployment),
        Cell::from(found.source.as_str()),
        Cell::from(&found.value),
        Cell::from(organization),
        Cell::from(at),
    ]
}

/// Rows of a batch, by table.
#[derive(Default)]
struct Rows {
    meta: Vec<Vec<Cell>>,
    resources: Vec<Vec<Cell>>,
    revisions: Vec<Vec<Cell>>,
    tokens: Vec<Vec<Cell>>,
    users: Vec<Vec<Cell>>,
    groups: Vec<Vec<Cell>>,
    releases: Vec<Vec<Cell>>,
    terms: Vec<Vec<Cell>>,
    traces: Vec<Vec<Cell>>,
    calendar: Vec<Vec<Cell>>,
    activities: Vec<Vec<Cell>>,
    waits: Vec<Vec<Cell>>,
}

impl Rows {
    fn take(&mut self, key: &EntityKey, row: &Row) -> Result<(), StoreError> {
        let body = || Cell::from(&row.body);
        match (key, &row.columns) {
            (EntityKey::Meta, Columns::None) => self.meta.push(vec![Cell::from(1), body()]),
            (EntityKey::Resource(key), Columns::Resource { deleted, revision }) => {
                let mut cells = named(key);
                cells.extend([
                    Cell::from(*deleted),
                    Cell::from(i64::from(*revision)),
                    body(),
                ]);
                self.resources.push(cells);
            }
            (EntityKey::Revision(key, revision), Columns::None) => {
                let mut cells = named(key);
                cells.extend([Cell::from(i64::from(*revision)), body()]);
                self.revisions.push(cells);
            }
            (
                EntityKey::Token(token),
                Columns::Token {
                    digest,
                    revoked,
                    person,
                },
            ) => {
                let id = Cell::from(big(token.0));
                self.tokens.push(vec![
                    id,
                    Cell::from(digest),
                    Cell::from(*revoked),
                    Cell::from(person),
                    body(),
                ]);
            }
            (EntityKey::User(user), Columns::None) => {
                self.users.push(vec![Cell::from(user.as_str()), body()]);
            }
            (EntityKey::Group(key), Columns::None) => {
                let mut cells = group(key);
                cells.push(body());
                self.groups.push(cells);
            }
            (EntityKey::Release(release), Columns::Release(columns)) => {
                self.releases
                    .push(release_cells(*release, columns, &row.body));
            }
            (
                EntityKey::Activity(release, position),
                Columns::Activity {
                    path,
                    status,
                    needs,
                    approval,
                },
            ) => {
                if let Some((asked_at, ended_at)) = approval {
                    self.waits.push(vec![
                        Cell::from(big(release.0)),
                        Cell::from(i64::from(*position)),
                        Cell::from(*asked_at),
                        Cell::from(*ended_at),
                    ]);
                }
                self.activities.push(vec![
                    Cell::from(big(release.0)),
                    Cell::from(i64::from(*position)),
                    Cell::from(path),
                    Cell::from(status),
                    Cell::from(needs),
                    body(),
                ]);
            }
            (key, _) => {
                let what = format!("`{key}` came with the columns of another kind of row");
                return Err(StoreError::Damaged(what));
            }
        }
        Ok(())
    }
}

fn release_cells(release: ReleaseId, columns: &ReleaseColumns, body: &str) -> Vec<Cell> {
    vec![
        Cell::from(big(release.0)),
        Cell::from(&columns.organization),
        Cell::from(&columns.name),
        Cell::from(words::stored(&columns.search)),
        Cell::from(&columns.process),
        Cell::from(&columns.status),
        Cell::from(&columns.stage),
        Cell::from(&columns.release_type),
        Cell::from(&columns.labels),
        Cell::from(columns.ended),
        Cell::from(columns.archived),
        Cell::from(columns.parent.map(big)),
        Cell::from(columns.created_at),
        Cell::from(columns.start_at),
        // A release without a planned start stands in the calendar where it was made.
        Cell::from(columns.start_at.unwrap_or(columns.created_at)),
        Cell::from(columns.started_at),
        Cell::from(columns.expected_end_at),
        Cell::from(columns.ended_at),
        Cell::from(i64::from(columns.needs_input)),
        Cell::from(&columns.group),
        Cell::from(columns.planned_at),
        Cell::from(body),
    ]
}

/// The key columns of a group's state.
fn group(key: &ResourceKey) -> Vec<Cell> {
    named(key).into_iter().skip(1).collect()
}

/// The key columns of a definition; the account level is the empty organization.
pub(crate) fn named(key: &ResourceKey) -> Vec<Cell> {
    let organization = key.organization.as_ref().map_or("", |name| name.as_str());
    vec![
        Cell::from(key.kind.as_str()),
        Cell::from(organization),
        Cell::from(key.name.as_str()),
    ]
}

/// A number as the database holds it; what is counted here never comes near the limit.
pub(crate) fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
