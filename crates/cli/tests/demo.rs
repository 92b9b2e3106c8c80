//! The demo: a train under way for somebody who has never seen one (4-interfaces.md, Command line).

mod demonstration;
mod support;

use demonstration::{Demo, SIGN_OFF};
use serde_json::{Value, json};

fn releases(demo: &Demo) -> Vec<Value> {
    let list = demo.cli("vic", &["release", "list", "-o", "json"]).json();
    list["items"].as_array().expect("a list").clone()
}

fn statuses(demo: &Demo) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = releases(demo)
        .iter()
        .map(|release| (text(&release["name"]), text(&release["status"])))
        .collect();
    found.sort();
    found
}

fn train(demo: &Demo) -> String {
    let releases = releases(demo);
    let train = releases
        .iter()
        .find(|release| release["name"] == "System release 2.4.0");
    train.expect("the train")["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

#[test]
fn the_demo_waits_at_the_sign_off_and_goes_on_after_a_crash() {
    let mut demo = Demo::start(&["--speed", "20000"]);
    demo.eventually("the sign-off", || {
        demo.told()
            .contains("The train waits for its QA sign-off")
            .then_some(())
    });
    let expected = [
        ("Hotfix: fee of small payments", "Success"),
        ("System release 2.4.0", "OnHold"),
        ("System release 2.5.0", "Scheduled"),
        ("System release 2.6.0", "Draft"),
    ]
    .map(|(name, status)| (name.to_owned(), status.to_owned()));
    assert_eq!(statuses(&demo), expected);

    let id = train(&demo);
    let check = demo.activity(&id, "checks/changelog");
    assert_eq!(check["importance"], "optional");
    assert_eq!(check["attempts"][0]["status"], "Failed");
    let counters = demo.release(&id)["counters"].clone();
    assert_eq!(
        (&counters["ignored"], &counters["needsInput"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(demo.service("/qa/user-service")["version"], "2.4.0");
    assert_eq!(demo.service("/prod3/user-service")["version"], "2.3.0");
    assert_eq!(
        demo.service("/prod3/payment-service")["version"],
        "2.3.1",
        "the hotfix"
    );

    demo.kill_9();
    demo.restart();
    demo.eventually("the sign-off again", || {
        demo.told().contains("activity approve").then_some(())
    });
    assert_eq!(statuses(&demo), expected, "there is no second sample");
    for person in ["anna", "ben"] {
        demo.cli(person, &["activity", "approve", &id, SIGN_OFF])
            .ok();
    }
    demo.cli("vic", &["release", "watch", &id, "--timeout", "100s"])
        .ok();
    assert_eq!(demo.release(&id)["status"], "Success");
    assert_eq!(demo.service("/prod3/user-service")["version"], "2.4.0");
}

#[test]
fn the_demo_goes_to_the_end_by_itself_when_asked_to() {
    let demo = Demo::start(&["--speed", "20000", "--until", "end"]);
    demo.eventually("the end", || {
        demo.told().contains("The train has ended").then_some(())
    });
    let id = train(&demo);
    let release = demo.release(&id);
    assert_eq!(release["status"], "Success");
    let instant = |field: &str| -> jiff::Timestamp {
        release[field]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("`{field}` in {release}"))
    };
    let days = instant("endedAt")
        .duration_since(instant("startedAt"))
        .as_hours()
        / 24;
    assert_eq!(days, 21, "every day of the train passed by its clock");
    for environment in ["qa", "prod0", "prod1", "prod2", "prod3"] {
        let running = demo.service(&format!("/{environment}/payment-service"));
        assert_eq!(running["version"], "2.4.0", "{environment}");
    }
    let announced = demo.service("/announcements");
    assert_eq!(announced[0]["version"], "2.4.0");
    assert_eq!(announced.as_array().map(Vec::len), Some(1));
    let verified = demo.cli("rita", &["audit", "verify"]);
    assert!(verified.ok().starts_with("intact"));
}
