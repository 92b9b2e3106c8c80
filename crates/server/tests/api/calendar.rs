//! The calendar: what is seen of it, what collides, how much there is, and feeds for other calendars.

use axum::http::{Method, StatusCode};
use ical::parser::ical::component::IcalEvent;
use serde_json::{Value, json};
use trainmaster_core::access::Role;

use crate::support::{Client, TestApp, at};

/// A process whose inputs say what its releases touch; it waits for a person before it does anything.
const DEPLOY: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: deploy}
spec:
  inputs:
    - {name: service, type: service}
    - {name: environment, type: environment, default: staging}
  phases:
    - id: ship
      owners: [team:platform]
      activities: [{id: go, uses: approval, with: {approvers: [team:qa]}}]
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: bundle}
spec:
  phases:
    - id: all
      activities: [{id: part, uses: subprocess, with: {process: deploy}}]
"#;

/// Somebody who plans releases everywhere, with the processes at hand.
async fn planner(test: &TestApp) -> Client<'_> {
    let planner = test.administrator().await;
    planner.apply(DEPLOY).await.expect(StatusCode::OK);
    planner
}

/// A scheduled release; the rest says what is different.
async fn plan(planner: &Client<'_>, name: &str, from: &str, to: &str, rest: Value) -> String {
    let time = |text: &str| format!("2026-{text}:00Z");
    let mut body = json!({
        "process": "deploy", "organization": "payments", "name": name,
        "startAt": time(from), "expectedEndAt": time(to), "finalize": true,
    });
    let Value::Object(rest) = rest else {
        panic!("an object")
    };
    body.as_object_mut().expect("an object").extend(rest);
    let created = planner.post("/api/v1/releases", body).await;
    let created = created.expect(StatusCode::CREATED);
    created["id"].as_str().expect("an id").to_owned()
}

fn production(service: &str) -> Value {
    json!({"inputs": {"service": service, "environment": "production"}})
}

fn names(view: &Value) -> Vec<&str> {
    let items = view["items"].as_array().expect("items").iter();
    items
        .map(|entry| entry["name"].as_str().expect("a name"))
        .collect()
}

async fn december(client: &Client<'_>, rest: &str) -> Value {
    let address = format!("/api/v1/calendar?from=2026-12-01&view=month{rest}");
    client.get(&address).await.expect(StatusCode::OK)
}

fn entry<'a>(view: &'a Value, name: &str) -> &'a Value {
    let mut items = view["items"].as_array().expect("items").iter();
    items
        .find(|entry| entry["name"] == name)
        .unwrap_or_else(|| panic!("`{name}` is shown"))
}

#[tokio::test]
async fn overlapping_releases_that_share_something_are_marked_with_the_reason() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    plan(
        &planner,
        "one",
        "12-07T10:00",
        "12-07T12:00",
        production("cart"),
    )
    .await;
    let two = plan(
        &planner,
        "two",
        "12-07T11:00",
        "12-07T13:00",
        production("billing"),
    )
    .await;
    plan(
        &planner,
        "three",
        "12-07T13:00",
        "12-07T14:00",
        production("billing"),
    )
    .await;
    let elsewhere = json!({"inputs": {"service": "search"}});
    plan(&planner, "four", "12-07T12:30", "12-07T12:45", elsewhere).await;
    plan(&planner, "five", "12-20T12:30", "12-20T12:45", json!({})).await;
    let view = december(&planner, "").await;
    let one = entry(&view, "one");
    assert_eq!(one["mark"], "conflict");
    assert_eq!(one["conflicts"][0]["release"], two);
    assert_eq!(
        one["conflicts"][0]["shared"],
        json!({"environments": ["production"]})
    );
    assert_eq!(
        one["conflicts"][0]["reason"],
        "both touch the environment `production`"
    );
    assert_eq!(one["conflicts"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        entry(&view, "three").get("conflicts"),
        None,
        "adjacent is none"
    );
    assert_eq!(entry(&view, "three").get("mark"), None);
    let four = entry(&view, "four");
    assert_eq!(
        (&four["mark"], &four["overlaps"]),
        (&json!("overlap"), &json!(1))
    );
    assert_eq!(entry(&view, "five").get("mark"), None);
}

#[tokio::test]
async fn an_entry_shows_name_status_times_and_what_can_be_done() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let rest = json!({
        "labels": {"team": "shop", "urgent": ""}, "manager": "user:ada",
        "inputs": {"service": "cart"}, "type": "hotfix",
    });
    let id = plan(&planner, "Week 50", "12-07T10:00", "12-09T12:00", rest).await;
    let view = december(&planner, "").await;
    let shown = entry(&view, "Week 50");
    assert_eq!(shown["status"], "Scheduled");
    assert_eq!(
        (&shown["stage"], &shown["tone"]),
        (&json!("Scheduled"), &json!("planned"))
    );
    assert_eq!(shown["start"], "2026-12-07T10:00:00Z");
    assert_eq!(shown["end"], "2026-12-09T12:00:00Z");
    assert_eq!(shown["process"], "deploy");
    assert_eq!(shown["type"], "hotfix");
    assert_eq!(shown["manager"], "user:ada");
    assert_eq!(
        shown["teams"],
        json!(["platform", "shop"]),
        "owners of phases count as well"
    );
    assert_eq!(
        shown["touches"],
        json!({"services": ["cart"], "environments": ["staging"]})
    );
    assert_eq!(shown["actions"], json!(["edit", "pre-execute", "cancel"]));
    let legend = view["legend"].as_array().expect("a legend");
    assert_eq!(legend.len(), 10, "every status has its colour");
    let viewer = test.tester().await;
    assert_eq!(
        entry(&december(&viewer, "").await, "Week 50")["actions"],
        json!([])
    );

    let address = format!("/api/v1/releases/{id}/pre-execute");
    planner
        .post(&address, json!({"purpose": "early"}))
        .await
        .expect(StatusCode::OK);
    planner.until_status(&id, "OnHold").await;
    let november = planner
        .get("/api/v1/calendar?from=2026-11-21&view=day")
        .await;
    let november = november.expect(StatusCode::OK);
    let shown = entry(&november, "Week 50");
    assert_eq!(
        shown["start"], "2026-11-21T12:00:00Z",
        "it began earlier than planned"
    );
    assert_eq!(shown["plannedStart"], "2026-12-07T10:00:00Z");
    assert_eq!(shown["end"], "2026-12-09T12:00:00Z");
    assert_eq!(
        (&shown["tone"], &shown["actions"]),
        (&json!("attention"), &json!([]))
    );
}

#[tokio::test]
async fn what_an_entry_leads_to_tells_everything_about_the_release() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let rest = json!({"inputs": {"service": "cart"}, "owners": {"ship/go": ["user:quentin"]}});
    plan(&planner, "Week 50", "12-07T10:00", "12-07T12:00", rest).await;
    let view = december(&planner, "").await;
    let id = entry(&view, "Week 50")["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    let detail = planner.get(&address).await.expect(StatusCode::OK);
    assert_eq!(detail["process"], "deploy");
    assert_eq!(detail["phases"][0]["id"], "ship");
    assert_eq!(detail["phases"][0]["owners"], json!(["team:platform"]));
    assert_eq!(detail["owners"]["ship/go"], json!(["user:quentin"]));
    assert_eq!(detail["status"], "Scheduled");
    assert_eq!(detail["inputs"]["service"]["value"], "cart");
    planner
        .post(
            &format!("{address}/pre-execute"),
            json!({"purpose": "early"}),
        )
        .await
        .expect(StatusCode::OK);
    let held = planner.until_status(id, "OnHold").await;
    let today = planner
        .get("/api/v1/calendar?view=day")
        .await
        .expect(StatusCode::OK);
    assert_eq!(entry(&today, "Week 50")["status"], held["status"]);
    let timeline = planner
        .get(&format!("{address}/timeline"))
        .await
        .expect(StatusCode::OK);
    let kinds: Vec<&str> = timeline["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["release", "phase", "activity"]);
    let events = planner
        .get(&format!("{address}/events"))
        .await
        .expect(StatusCode::OK);
    assert!(
        events["items"]
            .as_array()
            .is_some_and(|events| events.len() >= 4),
        "{events}"
    );
}

#[tokio::test]
async fn day_week_month_quarter_and_a_range_show_the_same_release() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    plan(&planner, "one", "12-09T10:00", "12-09T12:00", json!({})).await;
    plan(&planner, "earlier", "10-02T10:00", "10-02T12:00", json!({})).await;
    for (view, from, to, shown) in [
        ("day", "2026-12-09", "2026-12-10", vec!["one"]),
        ("week", "2026-12-07", "2026-12-14", vec!["one"]),
        ("month", "2026-12-01", "2027-01-01", vec!["one"]),
        (
            "quarter",
            "2026-10-01",
            "2027-01-01",
            vec!["earlier", "one"],
        ),
    ] {
        let address = format!("/api/v1/calendar?from=2026-12-09&view={view}");
        let page = planner.get(&address).await.expect(StatusCode::OK);
        assert_eq!(names(&page), shown, "{view}");
        let day = |text: &str| json!(format!("{text}T00:00:00Z"));
        assert_eq!(
            (&page["from"], &page["to"]),
            (&day(from), &day(to)),
            "{view}"
        );
    }
    let berlin = planner
        .get("/api/v1/calendar?from=2026-12-09&to=2026-12-11&zone=Europe/Berlin")
        .await
        .expect(StatusCode::OK);
    assert_eq!(berlin["from"], "2026-12-08T23:00:00Z");
    assert_eq!(berlin["days"].as_array().map(Vec::len), Some(2));
    let found = planner
        .get("/api/v1/releases?search=one")
        .await
        .expect(StatusCode::OK);
    let start = found["items"][0]["startAt"].as_str().expect("a start");
    let jumped = planner
        .get(&format!("/api/v1/calendar?view=day&from={start}"))
        .await;
    assert_eq!(
        names(&jumped.expect(StatusCode::OK)),
        ["one"],
        "located by name, then by date"
    );
}

#[tokio::test]
async fn every_filter_narrows_and_completed_ones_can_be_hidden() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let mut cart = production("cart");
    cart["labels"] = json!({"team": "shop", "tier": "1"});
    plan(&planner, "Cart hotfix", "12-07T10:00", "12-07T12:00", cart).await;
    let bundle = json!({"process": "bundle", "type": "system"});
    plan(&planner, "Bundle", "12-08T10:00", "12-08T12:00", bundle).await;
    let account = json!({"organization": null, "manager": "user:ada"});
    plan(
        &planner,
        "Account wide",
        "12-09T10:00",
        "12-09T12:00",
        account,
    )
    .await;
    let draft = json!({"finalize": false});
    plan(&planner, "Idea", "12-10T10:00", "12-10T12:00", draft).await;
    for (filter, shown) in [
        ("", vec!["Cart hotfix", "Bundle", "Account wide"]),
        (
            "&drafts=true",
            vec!["Cart hotfix", "Bundle", "Account wide", "Idea"],
        ),
        ("&service=cart", vec!["Cart hotfix"]),
        ("&environment=Production,nowhere", vec!["Cart hotfix"]),
        ("&team=platform", vec!["Cart hotfix", "Account wide"]),
        ("&team=shop", vec!["Cart hotfix"]),
        (
            "&pipeline=deploy",
            vec!["Cart hotfix", "Bundle", "Account wide"],
        ),
        ("&process=bundle", vec!["Bundle"]),
        ("&type=system", vec!["Bundle"]),
        ("&status=Running", vec![]),
        ("&label=tier=1", vec!["Cart hotfix"]),
        ("&search=art%20hot", vec!["Cart hotfix"]),
        ("&search=TIER", vec!["Cart hotfix"]),
        ("&manager=user:ada", vec!["Account wide"]),
        ("&organization=", vec!["Account wide"]),
        ("&organization=payments", vec!["Cart hotfix", "Bundle"]),
    ] {
        assert_eq!(names(&december(&planner, filter).await), shown, "{filter}");
    }
    let started = plan(&planner, "Now", "12-11T10:00", "12-11T12:00", json!({})).await;
    let address = format!("/api/v1/releases/{started}");
    planner
        .post(
            &format!("{address}/pre-execute"),
            json!({"purpose": "early"}),
        )
        .await
        .expect(StatusCode::OK);
    planner
        .post(&format!("{address}/abort"), json!({"reason": "enough"}))
        .await
        .expect(StatusCode::OK);
    planner.until_status(&started, "Aborted").await;
    let november = |rest: &'static str| {
        let planner = &planner;
        async move {
            let address = format!("/api/v1/calendar?from=2026-11-21&view=month{rest}");
            planner.get(&address).await.expect(StatusCode::OK)
        }
    };
    assert_eq!(names(&november("").await), ["Now"]);
    assert_eq!(
        names(&november("&completed=false").await),
        Vec::<&str>::new()
    );
    planner
        .post(&format!("{address}/archive"), json!({"reason": "done"}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        names(&november("").await),
        Vec::<&str>::new(),
        "archived is never shown"
    );
}

#[tokio::test]
async fn organizations_do_not_see_each_other_and_both_see_the_account() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    plan(
        &planner,
        "ours",
        "12-07T10:00",
        "12-07T12:00",
        production("cart"),
    )
    .await;
    let bank = json!({"organization": "bank", "inputs": {"environment": "production"}});
    plan(&planner, "theirs", "12-07T10:00", "12-07T12:00", bank).await;
    let account = json!({"organization": null, "inputs": {"environment": "production"}});
    let all = plan(&planner, "account", "12-07T11:00", "12-07T12:00", account).await;
    let view = december(&planner, "").await;
    assert_eq!(
        names(&view),
        ["ours", "theirs", "account"],
        "all of the account in one query"
    );
    let manager = test.manager().await;
    let own = december(&manager, "").await;
    assert_eq!(names(&own), ["ours", "account"]);
    assert_eq!(entry(&own, "ours")["conflicts"][0]["release"], all);
    assert_eq!(
        entry(&own, "ours")["conflicts"].as_array().map(Vec::len),
        Some(1),
        "nothing of others"
    );
    assert_eq!(
        names(&december(&manager, "&organization=bank").await),
        Vec::<&str>::new()
    );
    let check = json!({"organization": "payments", "process": "deploy", "inputs": {"environment": "production"},
        "startAt": "2026-12-07T10:00:00Z"});
    let check = manager
        .post("/api/v1/calendar/check", check)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        check["conflicts"].as_array().map(Vec::len),
        Some(1),
        "theirs is not told: {check}"
    );
}

#[tokio::test]
async fn a_day_with_many_shows_a_few_and_counts_the_rest() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    for number in 0..5 {
        let name = format!("r{number}");
        plan(&planner, &name, "12-07T10:00", "12-07T12:00", json!({})).await;
    }
    plan(&planner, "long", "12-06T10:00", "12-09T12:00", json!({})).await;
    let view = december(&planner, "&perDay=2").await;
    assert_eq!(names(&view), ["long", "r0"]);
    let day = |date: &str| {
        let mut days = view["days"].as_array().expect("days").iter();
        days.find(|day| day["date"] == date).expect("a day").clone()
    };
    assert_eq!(
        day("2026-12-07"),
        json!({"date": "2026-12-07", "count": 6, "more": 4})
    );
    assert_eq!(
        day("2026-12-08"),
        json!({"date": "2026-12-08", "count": 1, "more": 0})
    );
    let first = december(&planner, "&limit=4").await;
    let next = first["next"].as_str().expect("there is more");
    let second = december(&planner, &format!("&limit=4&cursor={next}")).await;
    let both = [names(&first), names(&second)].concat();
    assert_eq!(both, ["long", "r0", "r1", "r2", "r3", "r4"]);
    let more: u64 = first["days"]
        .as_array()
        .expect("days")
        .iter()
        .filter_map(|day| day["more"].as_u64())
        .sum();
    assert_eq!(more, 2, "what is on the next page is counted");
}

#[tokio::test]
async fn capacity_counts_releases_per_period_against_the_accounts_limits() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let account = "{apiVersion: trainmaster.dev/v1, kind: Account, metadata: {name: account}, spec: {capacity: {perWeek: 2}}}";
    planner.apply(account).await.expect(StatusCode::OK);
    for (name, from, to) in [
        ("a", "12-07T10:00", "12-07T12:00"),
        ("b", "12-08T10:00", "12-15T12:00"),
        ("c", "12-13T23:00", "12-14T01:00"),
        ("d", "12-21T00:00", "12-21T01:00"),
    ] {
        plan(&planner, name, from, to, json!({})).await;
    }
    let address = "/api/v1/calendar/capacity?from=2026-12-07&to=2026-12-28&per=week";
    let view = planner.get(address).await.expect(StatusCode::OK);
    let counts: Vec<(u64, u64, bool)> = view["items"]
        .as_array()
        .expect("periods")
        .iter()
        .map(|week| {
            (
                week["starting"].as_u64().expect("a number"),
                week["active"].as_u64().expect("a number"),
                week["over"] == true,
            )
        })
        .collect();
    assert_eq!(counts, [(3, 3, true), (0, 2, false), (1, 1, false)]);
    assert_eq!(view["limit"], 2);
    let months = planner
        .get("/api/v1/calendar/capacity?from=2026-12-31&per=month")
        .await;
    let months = months.expect(StatusCode::OK);
    let december = &months["items"][2];
    assert_eq!(
        (&december["date"], &december["starting"]),
        (&json!("2026-12-01"), &json!(4))
    );
}

#[tokio::test]
async fn a_what_if_tells_conflicts_order_and_free_slots() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let first = plan(
        &planner,
        "first",
        "12-07T10:00",
        "12-07T12:00",
        production("cart"),
    )
    .await;
    let after = json!({"after": [first], "inputs": {"service": "cart"}});
    let second = plan(&planner, "second", "12-08T10:00", "12-08T11:00", after).await;
    let ask = |body: Value| {
        let planner = &planner;
        async move {
            planner
                .post("/api/v1/calendar/check", body)
                .await
                .expect(StatusCode::OK)
        }
    };
    let fine = ask(json!({"release": second})).await;
    assert_eq!(
        (&fine["mark"], &fine["warnings"]),
        (&Value::Null, &json!([]))
    );
    let moved =
        ask(json!({"release": second, "startAt": "2026-12-07T11:00:00Z", "slots": 3})).await;
    assert_eq!(moved["to"], "2026-12-07T12:00:00Z", "it keeps its length");
    assert_eq!(moved["mark"], "conflict");
    let codes: Vec<&str> = moved["warnings"]
        .as_array()
        .expect("warnings")
        .iter()
        .filter_map(|warning| warning["code"].as_str())
        .collect();
    assert_eq!(codes, ["conflict", "planned-before-predecessor"]);
    let free: Vec<&str> = moved["free"]
        .as_array()
        .expect("slots")
        .iter()
        .filter_map(|slot| slot["from"].as_str())
        .collect();
    assert_eq!(
        free,
        [
            "2026-12-07T12:00:00Z",
            "2026-12-08T11:00:00Z",
            "2026-12-09T11:00:00Z"
        ]
    );

    let hypothetical = json!({"organization": "payments", "process": "deploy", "inputs": {"environment": "Production"},
        "startAt": "2026-12-07T11:30:00Z", "expectedEndAt": "2026-12-07T12:30:00Z"});
    let found = ask(hypothetical).await;
    assert_eq!(found["conflicts"][0]["name"], "first");
    assert_eq!(found["touches"]["environments"], json!(["production"]));
    planner
        .post("/api/v1/calendar/check", json!({}))
        .await
        .problem("invalid-body");

    let address = format!("/api/v1/releases/{second}");
    let edit = json!({"startAt": "2026-12-07T11:00:00Z", "expectedEndAt": "2026-12-07T13:00:00Z"});
    let dragged = planner
        .call(Method::PATCH, &address, &[], Some(edit))
        .await
        .expect(StatusCode::OK);
    assert_eq!(dragged["startAt"], "2026-12-07T11:00:00Z");
    let told = |code: &str| {
        let mut warnings = dragged["warnings"].as_array().expect("warnings").iter();
        warnings.any(|warning| {
            warning["code"] == code && warning["message"].to_string().contains("first")
        })
    };
    assert!(
        told("conflict"),
        "whoever drags it learns at once: {dragged}"
    );
    assert!(told("planned-before-predecessor"), "{dragged}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_the_place() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    for query in [
        "from=yesterday",
        "from=2026-12-07&to=2026-12-07",
        "from=2026-01-01&to=2028-01-01",
        "from=-9999-01-01",
        "view=year",
        "zone=Moon/Base",
        "limit=0",
        "perDay=101",
        "completed=perhaps",
        "status=Success&completed=false",
        "team=No%20Team",
        "cursor=x",
        "nonsense=1",
    ] {
        let reply = planner.get(&format!("/api/v1/calendar?{query}")).await;
        assert!(reply.status.is_client_error(), "{query}: {reply:?}");
    }
    test.stranger()
        .get("/api/v1/calendar")
        .await
        .problem("unauthenticated");
}

/// The events of a feed, read by another program's parser.
fn events(text: &[u8]) -> Vec<IcalEvent> {
    let mut calendars = ical::IcalParser::new(text);
    let calendar = calendars.next().expect("a calendar").expect("iCalendar");
    assert!(calendars.next().is_none());
    calendar.events
}

fn property(event: &IcalEvent, name: &str) -> Option<String> {
    let mut properties = event.properties.iter();
    properties
        .find(|property| property.name == name)?
        .value
        .clone()
}

fn named<'a>(events: &'a [IcalEvent], summary: &str) -> &'a IcalEvent {
    let mut events = events.iter();
    events
        .find(|event| property(event, "SUMMARY").as_deref() == Some(summary))
        .unwrap_or_else(|| panic!("there is `{summary}`"))
}

async fn feed(client: &Client<'_>) -> (String, String) {
    let body = json!({"description": "my phone"});
    let made = client
        .post("/api/v1/calendar/feeds", body)
        .await
        .expect(StatusCode::CREATED);
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("path"))
}

#[tokio::test]
async fn a_feed_is_read_by_other_calendars_and_follows_every_change() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let mut rest = production("cart");
    rest["name"] = json!(
        "Züge; Wagen, \\ und ein sehr langer Name, damit die Zeile umgebrochen wird 🚂🚃🚃🚃🚃🚃🚃"
    );
    let id = plan(&planner, "", "12-07T10:00", "12-07T12:00", rest).await;
    plan(
        &planner,
        "draft",
        "12-07T10:00",
        "12-07T12:00",
        json!({"finalize": false}),
    )
    .await;
    let (_, path) = feed(&planner).await;
    let stranger = test.stranger();
    let reply = stranger.get(&path).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    let tag = reply.header("etag").expect("a tag").to_owned();
    let text = String::from_utf8(reply.text.to_vec()).expect("UTF-8");
    assert!(
        text.lines().all(|line| line.len() <= 76),
        "folded at 75 bytes"
    );
    assert!(text.split("\r\n").all(|line| !line.contains('\n')));
    let before = events(&reply.text);
    assert_eq!(before.len(), 1, "drafts are nobody's appointment");
    let event = &before[0];
    assert_eq!(
        property(event, "SUMMARY")
            .expect("a name")
            .replace("\\;", ";")
            .replace("\\,", ",")
            .replace("\\\\", "\\"),
        "Züge; Wagen, \\ und ein sehr langer Name, damit die Zeile umgebrochen wird 🚂🚃🚃🚃🚃🚃🚃"
    );
    assert_eq!(
        property(event, "DTSTART").as_deref(),
        Some("20261207T100000Z")
    );
    assert_eq!(
        property(event, "DTEND").as_deref(),
        Some("20261207T120000Z")
    );
    assert_eq!(property(event, "STATUS").as_deref(), Some("CONFIRMED"));
    assert!(
        property(event, "DESCRIPTION")
            .is_some_and(|text| text.contains("Environments: production"))
    );
    let same = stranger
        .call(Method::GET, &path, &[("if-none-match", tag.as_str())], None)
        .await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);

    let address = format!("/api/v1/releases/{id}");
    let edit = json!({"name": "Week 50", "startAt": "2026-12-07T09:00:00Z"});
    planner
        .call(Method::PATCH, &address, &[], Some(edit))
        .await
        .expect(StatusCode::OK);
    let moved = events(&stranger.get(&path).await.text);
    let moved = named(&moved, "Week 50");
    assert_eq!(property(moved, "UID"), property(event, "UID"));
    assert_eq!(
        property(moved, "DTSTART").as_deref(),
        Some("20261207T090000Z")
    );
    let sequence = |event: &IcalEvent| {
        property(event, "SEQUENCE")
            .expect("a number")
            .parse::<u32>()
            .expect("a number")
    };
    assert!(sequence(moved) > sequence(event));

    planner
        .post(&format!("{address}/cancel"), json!({"reason": "not now"}))
        .await
        .expect(StatusCode::OK);
    let cancelled = events(&stranger.get(&path).await.text);
    let cancelled = named(&cancelled, "Week 50");
    assert_eq!(property(cancelled, "STATUS").as_deref(), Some("CANCELLED"));
    assert!(sequence(cancelled) > sequence(moved));
    planner
        .call(Method::DELETE, &address, &[], None)
        .await
        .expect(StatusCode::NO_CONTENT);
    let gone = events(&stranger.get(&path).await.text);
    let gone = named(&gone, "Week 50");
    assert_eq!(property(gone, "STATUS").as_deref(), Some("CANCELLED"));
    assert!(sequence(gone) > sequence(cancelled));
    assert_eq!(property(gone, "UID"), property(event, "UID"));
}

#[tokio::test]
async fn a_feeds_token_opens_nothing_else_and_ends_at_once() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    plan(&planner, "ours", "12-07T10:00", "12-07T12:00", json!({})).await;
    plan(
        &planner,
        "theirs",
        "12-07T10:00",
        "12-07T12:00",
        json!({"organization": "bank"}),
    )
    .await;
    let stakeholder = test
        .client("sam", &[], &[Role::Viewer], Some("payments"))
        .await;
    let (id, path) = feed(&stakeholder).await;
    let token = path.split_once('=').expect("a token").1.to_owned();
    let stranger = test.stranger();
    let shared = events(&stranger.get(&path).await.text);
    assert_eq!(shared.len(), 1, "what its owner sees");
    named(&shared, "ours");
    let filtered = stranger.get(&format!("{path}&service=none")).await;
    assert_eq!(filtered.status, StatusCode::OK);
    assert!(!String::from_utf8_lossy(&filtered.text).contains("BEGIN:VEVENT"));
    let bearer = test.bearer(&token);
    for address in ["/api/v1/calendar", "/api/v1/releases", "/api/v1/whoami"] {
        bearer.get(address).await.problem("invalid-token");
    }
    bearer
        .post("/api/v1/calendar/feeds", json!({}))
        .await
        .problem("invalid-token");
    let own = format!("/api/v1/calendar.ics?token={}", stakeholder.token());
    stranger.get(&own).await.problem("invalid-token");
    stranger
        .get("/api/v1/calendar.ics")
        .await
        .problem("invalid-token");

    let listed = stakeholder
        .get("/api/v1/calendar/feeds")
        .await
        .expect(StatusCode::OK);
    assert_eq!(listed["items"][0]["id"], id);
    assert!(!listed.to_string().contains(&token));
    planner
        .call(
            Method::DELETE,
            &format!("/api/v1/calendar/feeds/{id}"),
            &[],
            None,
        )
        .await
        .problem("unknown-token");
    stakeholder
        .call(
            Method::DELETE,
            &format!("/api/v1/calendar/feeds/{id}"),
            &[],
            None,
        )
        .await
        .expect(StatusCode::NO_CONTENT);
    stranger.get(&path).await.problem("invalid-token");
    let (_, path) = feed(&stakeholder).await;
    test.clock.set(at("2027-02-01T00:00:00Z"));
    assert_eq!(stranger.get(&path).await.status, StatusCode::OK);
    test.clock.set(at("2027-12-01T00:00:00Z"));
    stranger.get(&path).await.problem("invalid-token");
}

#[tokio::test]
async fn a_freeze_is_drawn_as_a_band_and_leaves_no_free_slot() {
    let test = TestApp::start().await;
    let planner = planner(&test).await;
    let root = test.administrator().await;
    let freeze = "
apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: black-friday}
spec:
  reason: The shops are full
  scope: {services: [cart]}
  windows: [{from: 2026-12-07T00:00:00Z, to: 2026-12-09T00:00:00Z}]
";
    root.apply(freeze).await.expect(StatusCode::OK);
    let view = december(&planner, "").await;
    let band = &view["bands"][0];
    assert_eq!(band["freeze"], "black-friday", "{view}");
    assert_eq!(band["from"], "2026-12-07T00:00:00Z");
    assert_eq!(band["scope"]["services"], json!(["cart"]));
    let cart = json!({"inputs": {"service": "cart"}});
    let release = plan(&planner, "cart", "12-07T10:00", "12-07T12:00", cart).await;
    let check = json!({"release": release, "slots": 1});
    let check = planner.post("/api/v1/calendar/check", check).await;
    let check = check.expect(StatusCode::OK);
    assert_eq!(check["bands"][0]["freeze"], "black-friday", "{check}");
    let free = check["free"][0]["from"].as_str().expect("a slot");
    assert!(free >= "2026-12-09T00:00:00Z", "{check}");
    let other = json!({"inputs": {"service": "search"}});
    let other = plan(&planner, "search", "12-07T10:00", "12-07T12:00", other).await;
    let check = planner
        .post(
            "/api/v1/calendar/check",
            json!({"release": other, "slots": 1}),
        )
        .await
        .expect(StatusCode::OK);
    assert!(check.get("bands").is_none(), "{check}");
}
