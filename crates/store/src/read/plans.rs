//! Every page follows an index: none reads a whole table, and none sorts more than it shows.

use sea_orm::sea_query::{SelectStatement, SqliteQueryBuilder};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use trainmaster_core::calendar::span::Span;
use trainmaster_core::figures::Period;
use trainmaster_core::ids::{Name, Owner, ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::status::{ReleaseStatus, Stage};
use trainmaster_core::trace::TraceKind;

use super::{
    Archived, CalendarFilter, DeploymentFilter, FiguresFilter, JournalFilter, JournalOrder,
    PageRequest, ReleaseFilter, ReleaseOrder, ResourceFilter, StateFilter, calendar, deployments,
    figures, inbox, journal, notifications, resources, retention,
};
use crate::{Options, SqlStore};

/// The database's own words about how it would answer.
async fn plan(store: &SqlStore, select: &SelectStatement) -> Vec<String> {
    let (sql, values) = select.build(SqliteQueryBuilder);
    let explain = format!("explain query plan {sql}");
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, explain, values);
    let rows = store
        .pages
        .query_all_raw(statement)
        .await
        .expect("it explains");
    rows.iter()
        .map(|row| row.try_get("", "detail").expect("a detail"))
        .collect()
}

/// Asserts that nothing but results of inner selects is read from end to end.
async fn assert_searched(store: &SqlStore, select: &SelectStatement, what: &str) {
    let lines = plan(store, select).await;
    let inner = ["SCAN part", "SCAN parts", "SCAN (subquery"];
    for line in lines.iter().filter(|line| line.starts_with("SCAN")) {
        assert!(
            inner.iter().any(|name| line.starts_with(name)),
            "{what}: {lines:#?}"
        );
    }
}

async fn store() -> (tempfile::TempDir, SqlStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqlStore::open(Options::new(folder.path()))
        .await
        .expect("it opens");
    (folder, store)
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn release_filters() -> Vec<ReleaseFilter> {
    let all = ReleaseFilter::default;
    let shop = || Some(vec![Some(name("shop")), None]);
    let labels = || vec![("team".to_owned(), "a".to_owned())];
    let time = |text: &str| Some(text.parse().expect("a time"));
    vec![
        all(),
        ReleaseFilter {
            children: true,
            archived: Archived::Both,
            ..all()
        },
        ReleaseFilter {
            organizations: shop(),
            ..all()
        },
        ReleaseFilter {
            statuses: vec![ReleaseStatus::Running],
            ..all()
        },
        ReleaseFilter {
            stages: vec![Stage::Completed],
            ..all()
        },
        ReleaseFilter {
            stages: vec![Stage::Completed],
            organizations: shop(),
            ..all()
        },
        ReleaseFilter {
            process: Some(name("train")),
            ..all()
        },
        ReleaseFilter {
            process: Some(name("train")),
            organizations: shop(),
            ..all()
        },
        ReleaseFilter {
            labels: labels(),
            ..all()
        },
        ReleaseFilter {
            labels: labels(),
            statuses: vec![ReleaseStatus::Failed],
            ..all()
        },
        ReleaseFilter {
            search: "check".to_owned(),
            ..all()
        },
        ReleaseFilter {
            search: "check out".to_owned(),
            organizations: shop(),
            ..all()
        },
        ReleaseFilter {
            parent: Some(ReleaseId(7)),
            ..all()
        },
        ReleaseFilter {
            order: ReleaseOrder::Start,
            ..all()
        },
        ReleaseFilter {
            order: ReleaseOrder::Start,
            organizations: shop(),
            from: time("2026-11-01T00:00:00Z"),
            to: time("2026-12-01T00:00:00Z"),
            ..all()
        },
    ]
}

#[tokio::test]
async fn lists_of_releases_follow_an_index() {
    let (_folder, store) = store().await;
    for filter in release_filters() {
        let ids = store
            .release_ids(&filter, &PageRequest::first(50))
            .await
            .expect("a select");
        let ids = ids.expect("something can match");
        assert_searched(&store, &ids, &format!("{filter:?}")).await;
    }
}

#[tokio::test]
async fn pages_of_the_journal_follow_an_index() {
    let (_folder, store) = store().await;
    let all = JournalFilter::default;
    let filters = [
        all(),
        JournalFilter {
            order: JournalOrder::Oldest,
            ..all()
        },
        JournalFilter {
            release: Some(ReleaseId(7)),
            ..all()
        },
        JournalFilter {
            by: Some("user:ada".to_owned()),
            ..all()
        },
        JournalFilter {
            kind: Some("NoteAdded".to_owned()),
            ..all()
        },
        JournalFilter {
            from: Some("2026-11-01T00:00:00Z".parse().expect("a time")),
            ..all()
        },
    ];
    for filter in filters {
        let (_, range) = store
            .range(&filter, &PageRequest::first(50))
            .await
            .expect("a range");
        for select in store.selects(&filter, range).await.expect("selects") {
            assert_searched(&store, &select, &format!("{filter:?}")).await;
        }
    }
    let noon = "2026-11-01T12:00:00Z".parse().expect("a time");
    for select in [journal::first_sample(noon), journal::last_sample(noon)] {
        let lines = plan(&store, &select).await;
        assert!(
            lines.iter().all(|line| line.contains("journal_at (at")),
            "{lines:#?}"
        );
    }
}

#[tokio::test]
async fn other_pages_follow_an_index() {
    let (_folder, store) = store().await;
    let owners: Vec<Owner> = ["user:ada", "team:qa"]
        .iter()
        .map(|owner| owner.parse().expect("an owner"))
        .collect();
    let told = notifications::told_to(&owners, i64::MAX, 50).expect("there are owners");
    assert_searched(&store, &told, "notifications").await;
    let waiting = inbox::waiting(&owners, Some(&[Some(name("shop"))]), (-1, -1), 50);
    assert_searched(&store, &waiting, "inbox").await;
    let filter = ResourceFilter::of(ResourceKind::Process);
    assert_searched(&store, &resources::piece(&filter, None), "resources").await;
    let key = ResourceKey {
        kind: ResourceKind::Process,
        organization: None,
        name: name("train"),
    };
    assert_searched(&store, &resources::named(&key, "revision"), "revisions").await;
}

#[tokio::test]
async fn deployments_and_what_is_due_follow_an_index() {
    let (_folder, store) = store().await;
    let time = |text: &str| text.parse().expect("a time");
    let page = PageRequest::first(50);
    let production = || Some("production".to_owned());
    for at in [None, Some(time("2026-11-01T00:00:00Z"))] {
        let filter = StateFilter {
            environment: production(),
            at,
            ..StateFilter::default()
        };
        let select = deployments::state(&filter, &page).expect("a select");
        assert_searched(&store, &select, &format!("{filter:?}")).await;
    }
    for filter in [
        DeploymentFilter::default(),
        DeploymentFilter {
            environment: production(),
            ..DeploymentFilter::default()
        },
        DeploymentFilter {
            release: Some(ReleaseId(7)),
            ..DeploymentFilter::default()
        },
    ] {
        let select = deployments::history(&filter, i64::MAX, 50);
        assert_searched(&store, &select, &format!("{filter:?}")).await;
    }
    for kind in TraceKind::ALL {
        let select = deployments::sought(kind, "4f2a", Some(&[Some(name("shop"))]));
        assert_searched(&store, &select, kind.as_str()).await;
    }
    let due = retention::ended_before(time("2026-11-01T00:00:00Z"), false, None, 50);
    assert_searched(&store, &due, "what is due").await;
    let filter = FiguresFilter {
        period: Period {
            from: time("2026-11-01T00:00:00Z"),
            to: time("2026-12-01T00:00:00Z"),
        },
        organizations: None,
        process: None,
        group: None,
        environment: None,
    };
    for select in [
        figures::ended(&filter),
        figures::deployed(&filter),
        figures::waits(&filter),
    ] {
        assert_searched(&store, &select, "figures").await;
    }
}

#[tokio::test]
async fn a_page_of_the_calendar_reads_one_short_piece_of_each_class() {
    let (_folder, store) = store().await;
    let at = |text: &str| text.parse().expect("a time");
    let range = Span::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let filter = CalendarFilter {
        organizations: Some(vec![Some(name("shop")), None]),
        services: vec!["cart".to_owned()],
        search: "week".to_owned(),
        ..CalendarFilter::default()
    };
    let now = at("2026-11-15T00:00:00Z");
    let page = calendar::overlapping(&filter, range, now, Some((7, 7)), 50);
    assert_searched(&store, &page, "calendar").await;
    let lines = plan(&store, &page).await;
    let pieces = lines.iter().filter(|line| {
        line.contains("PRIMARY KEY (class=? AND (start_at,release)>(?,?)")
            || line.contains("PRIMARY KEY (class=? AND start_at>? AND start_at<?)")
            || line.contains("PRIMARY KEY (class=? AND start_at<?)")
    });
    assert_eq!(pieces.count(), 15, "{lines:#?}");
}

#[tokio::test]
async fn a_list_by_status_takes_its_page_from_the_end_of_an_index() {
    let (_folder, store) = store().await;
    let filter = ReleaseFilter {
        statuses: vec![ReleaseStatus::Success],
        ..Default::default()
    };
    let ids = store
        .release_ids(&filter, &PageRequest::first(50))
        .await
        .expect("a select");
    let lines = plan(&store, &ids.expect("something can match")).await;
    let found = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(found("release_status (status=? AND id<?)"), "{lines:#?}");
    // A single part is sorted by its index; only the outermost select of ids may sort, a page at most.
    assert!(
        lines
            .iter()
            .filter(|line| line.contains("TEMP B-TREE"))
            .count()
            <= 1,
        "{lines:#?}"
    );
}
