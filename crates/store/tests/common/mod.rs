//! Batches as the engine makes them, for the tests of the store.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use trainmaster_core::Event;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::Release;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{
    Batch, CalendarColumns, Columns, EntityWrite, ReleaseColumns, Row, Store as _,
};
use trainmaster_store::{Options, SqlStore};

/// A store in a folder of its own, with the journal as the engine would know it.
pub(crate) struct Yard {
    pub(crate) folder: TempDir,
    pub(crate) store: SqlStore,
    pub(crate) journal: Journal,
}

impl Yard {
    pub(crate) async fn new() -> Yard {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqlStore::open(Options::new(folder.path()))
            .await
            .expect("it opens");
        Yard {
            folder,
            store,
            journal: Journal::default(),
        }
    }

    /// Commits events and rows.
    pub(crate) async fn commit(&mut self, events: &[Event], writes: Vec<EntityWrite>) {
        let records = self.journal.records(events);
        let batch = Batch {
            records,
            writes,
            answers: Vec::new(),
        };
        self.store.commit(&batch).await.expect("it commits");
    }

    /// Commits releases and an event about each.
    pub(crate) async fn releases(&mut self, releases: impl IntoIterator<Item = Value>) {
        let releases: Vec<Release> = releases.into_iter().map(read).collect();
        let events: Vec<Event> = releases
            .iter()
            .map(|release| note(release.id.0, "user:ada", "written"))
            .collect();
        let writes = releases.iter().map(write_release).collect();
        self.commit(&events, writes).await;
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen(self) -> Yard {
        let Yard {
            folder,
            store,
            journal,
        } = self;
        drop(store);
        let store = SqlStore::open(Options::new(folder.path()))
            .await
            .expect("it opens");
        Yard {
            folder,
            store,
            journal,
        }
    }
}

/// A journal that grows.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) position: u64,
    pub(crate) hash: String,
}

impl Journal {
    pub(crate) fn records(&mut self, events: &[Event]) -> Vec<Arc<Record>> {
        let chain = |event: &Event| {
            let record = Record::chain(self.position + 1, &self.hash, event);
            self.position = record.position;
            self.hash.clone_from(&record.hash);
            Arc::new(record)
        };
        events.iter().map(chain).collect()
    }
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a sample of its type")
}

/// A release of 2026-11-21, an hour later for each number.
pub(crate) fn release(number: u64) -> Value {
    let created: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
    let hours = i64::try_from(number).expect("a small number");
    json!({
        "id": number,
        "version": 1,
        "name": format!("train {number}"),
        "slug": format!("train-{number}"),
        "organization": "shop",
        "process": {"kind": "Process", "organization": "shop", "name": "weekly"},
        "createdBy": "user:ada",
        "createdAt": (created + jiff::SignedDuration::from_hours(hours)).to_string(),
        "zone": "Europe/Berlin",
        "life": {"kind": "draft"},
    })
}

/// A value with some fields replaced.
pub(crate) fn with(mut value: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    value.as_object_mut().expect("an object").extend(fields);
    value
}

/// A note about a release, through somebody.
pub(crate) fn note(release: u64, by: &str, text: &str) -> Event {
    read(json!({
        "at": "2026-11-21T09:00:00Z",
        "by": by,
        "release": release,
        "type": "NoteAdded",
        "text": text,
    }))
}

/// A release's row with the columns that belong to it.
pub(crate) fn write_release(release: &Release) -> EntityWrite {
    let status = release.status();
    let labels: String = release
        .labels
        .iter()
        .map(|(key, value)| format!(" {key}={value} "))
        .collect();
    let kind = serde_json::to_value(release.release_type).expect("a type");
    let columns = ReleaseColumns {
        organization: release
            .organization
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        name: release.name.clone(),
        search: format!(
            "{} {} {}",
            release.name, release.slug, release.description.purpose
        )
        .to_lowercase(),
        process: release.process.name.to_string(),
        status: status.as_str().to_owned(),
        stage: status.stage().as_str().to_owned(),
        release_type: kind.as_str().expect("a text").to_owned(),
        labels,
        ended: status.is_terminal(),
        archived: release.archived,
        parent: release.parent.as_ref().map(|parent| parent.release.0),
        created_at: release.created_at.as_microsecond(),
        start_at: release.start_at.map(|at| at.as_microsecond()),
        started_at: release.started_at.map(|at| at.as_microsecond()),
        expected_end_at: release.expected_end_at.map(|at| at.as_microsecond()),
        ended_at: release.ended_at.map(|at| at.as_microsecond()),
        needs_input: release.counters.needs_input,
        traces: trainmaster_core::trace::of_release(release)
            .into_iter()
            .collect(),
        group: release
            .group
            .as_ref()
            .map(|group| group.group.to_string())
            .unwrap_or_default(),
        planned_at: release
            .group
            .as_ref()
            .map(|group| group.planned_at.as_microsecond()),
        calendar: calendar(release),
    };
    let body = serde_json::to_string(release).expect("a body");
    let columns = Columns::Release(Box::new(columns));
    EntityWrite {
        key: EntityKey::Release(release.id),
        row: Some(Row { body, columns }),
    }
}

/// A release's place in the calendar.
fn calendar(release: &Release) -> Option<CalendarColumns> {
    let place = release.place().filter(|_| !release.archived)?;
    let words = |names: &std::collections::BTreeSet<String>| -> String {
        names.iter().map(|name| format!(" {name} ")).collect()
    };
    Some(CalendarColumns {
        start: place.span.start.as_microsecond(),
        end: place.span.end.as_microsecond(),
        open: place.open,
        started_at: release.started_at.map(|at| at.as_microsecond()),
        expected_end_at: release.expected_end_at.map(|at| at.as_microsecond()),
        teams: release
            .involves
            .teams
            .iter()
            .map(|team| format!(" {team} "))
            .collect(),
        manager: release
            .manager
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        processes: format!(" {} ", release.process.name),
        services: words(&release.touches.services),
        environments: words(&release.touches.environments),
        changes: release.changes.count,
        announced: release.changes.announced,
        ..CalendarColumns::default()
    })
}

/// An activity's row.
pub(crate) fn write_activity(release: u64, position: u32, needs: &[&str]) -> EntityWrite {
    let path = format!("build/step-{position}");
    let body = json!({"path": path, "standing": {"kind": "pending"}, "needs": needs}).to_string();
    let needs: String = needs.iter().map(|owner| format!(" {owner} ")).collect();
    let columns = Columns::Activity {
        path,
        status: "Pending".to_owned(),
        needs,
        approval: None,
    };
    let key = EntityKey::Activity(ReleaseId(release), position);
    EntityWrite {
        key,
        row: Some(Row { body, columns }),
    }
}

/// The removal of a row.
pub(crate) fn removal(key: EntityKey) -> EntityWrite {
    EntityWrite { key, row: None }
}
