//! What goes out by itself, on the real binary: secrets stay secret, and a server that is killed between writing
//! down, sending and marking loses nothing and says nothing twice that cannot be told from a repeat.

mod receivers;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Options, Server};
use receivers::{House, Mailroom};

const SIGNING_KEY: &str = "whsec_c2lnbmluZyBrZXkgZm9yIHRlc3Rz";
const CANARY: &str = "c4n4ry-0f-the-house";

/// A server with a mail server, a chat, a webhook, and a rule that tells all three how releases end.
struct Scene {
    server: Server,
    house: House,
    mailroom: Mailroom,
}

impl Scene {
    fn set() -> Scene {
        let (house, mailroom) = (House::open(), Mailroom::open());
        let args = [
            "--allow-internal",
            "loopback",
            "--smtp-from",
            "Trainmaster <trains@example.com>",
            "--public-url",
            "https://trains.example",
        ];
        let mut args: Vec<String> = args.map(str::to_owned).to_vec();
        args.push("--smtp-url".to_owned());
        args.push(format!("smtp://{}?tls=none", mailroom.address));
        let server = Server::start(Options {
            args,
            ..Options::default()
        });
        let secret = |name: &str, value: &str| {
            server.cli_with_input(&["secret", "set", name], value).ok();
        };
        secret("CHAT", &format!("{}/slack/{CANARY}", house.url));
        secret("HOOK", SIGNING_KEY);
        let definitions = format!(
            r#"
apiVersion: trainmaster.dev/v1
kind: NotificationRule
metadata: {{name: loud}}
spec:
  events: [release.ended]
  channels:
    - slack: {{secretRef: CHAT}}
    - webhook: {{url: "{}/hook", secretRef: HOOK}}
    - email: {{to: [ops@example.com]}}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {{name: short}}
spec:
  phases:
    - id: main
      activities: [{{id: rest, uses: wait, with: {{for: 10ms}}}}]
"#,
            house.url
        );
        let file = server.file("outgoing.yaml", &definitions);
        server.cli(&["apply", "-f", &file]).ok();
        Scene {
            server,
            house,
            mailroom,
        }
    }

    fn start_release(&self) -> String {
        let made = self.server.cli(&[
            "release",
            "create",
            "--process",
            "short",
            "--start",
            "-o",
            "json",
        ]);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Every delivery of the rule, once none of them is open any more.
    fn ended(&self, count: usize) -> BTreeMap<String, Value> {
        self.server.eventually("every delivery has ended", || {
            let listed = self
                .server
                .cli(&["delivery", "list", "--rule", "loud", "-o", "json"])
                .json();
            let items = listed["items"].as_array()?.clone();
            let open =
                |item: &Value| matches!(item["status"].as_str(), Some("pending" | "sending"));
            let all = items.len() == count && !items.iter().any(open);
            let kind = |item: Value| (item["kind"].as_str().unwrap_or_default().to_owned(), item);
            all.then(|| items.into_iter().map(kind).collect())
        })
    }
}

#[test]
fn an_end_is_told_by_mail_chat_and_webhook() {
    let scene = Scene::set();
    let id = scene.start_release();
    let ended = scene.ended(3);
    assert!(
        ended.values().all(|item| item["status"] == "delivered"),
        "{ended:?}"
    );
    let [hook] = scene.house.hooks().try_into().expect("one document");
    assert_eq!(hook.id, ended["webhook"]["id"].as_str().expect("an id"));
    assert!(hook.is_genuine(SIGNING_KEY), "{hook:?}");
    let event: Value = serde_json::from_str(&hook.body).expect("JSON");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "dev.trainmaster.release.ended.v1");
    assert_eq!(
        (&event["id"], &event["subject"]),
        (&json!(hook.id), &json!(id))
    );
    assert_eq!(event["data"]["release"]["id"], id.as_str());
    assert_eq!(
        event["data"]["link"],
        format!("https://trains.example/releases/{id}")
    );
    let [said] = scene.house.chats().try_into().expect("one message");
    assert!(said.contains("it has ended as Success"), "{said}");
    let [mail] = scene.mailroom.mails().try_into().expect("one mail");
    assert_eq!(mail.to, ["ops@example.com"]);
    assert!(
        mail.text
            .contains("Subject: short 1: it has ended as Success"),
        "{}",
        mail.text
    );
    assert!(
        mail.text
            .contains(&format!("https://trains.example/releases/{id}")),
        "{}",
        mail.text
    );
    let address = ended["email"]["id"].as_str().expect("an id");
    assert!(
        mail.text
            .contains(&format!("Message-ID: <{address}@example.com>")),
        "{}",
        mail.text
    );
    let shown = scene
        .server
        .cli(&["delivery", "list", "-o", "wide"])
        .shown();
    assert!(
        !shown.contains(CANARY),
        "the address of a chat is a secret: {shown}"
    );
}

#[test]
fn killed_anywhere_on_the_way_out_nothing_is_lost_and_nothing_said_twice() {
    for point in trainmaster_server::outlets::POINTS {
        for passing in [1, 2] {
            let fault = format!("{point}:{passing}");
            let mut scene = Scene::set();
            scene.server.restart_with_fault(&fault);
            scene.start_release();
            if point != "outlets.made" || passing == 1 {
                scene.server.wait_until_it_dies();
            }
            scene.server.restart();
            let ended = scene.ended(3);
            let hooks = scene.house.hooks();
            let id = ended["webhook"]["id"].as_str().expect("an id");
            assert_eq!(ended["webhook"]["status"], "delivered", "{fault}");
            assert!(
                !hooks.is_empty() && hooks.iter().all(|hook| hook.id == id),
                "{fault}: {hooks:?}"
            );
            assert!(
                hooks.iter().all(|hook| hook.body == hooks[0].body),
                "{fault}: a repeat is the same document"
            );
            for (kind, arrived) in [
                ("slack", scene.house.chats().len()),
                ("email", scene.mailroom.mails().len()),
            ] {
                match ended[kind]["status"].as_str() {
                    Some("delivered") => assert_eq!(arrived, 1, "{fault}: {kind}"),
                    Some("unknown") => assert!(arrived <= 1, "{fault}: {kind}"),
                    other => panic!("{fault}: {kind} ended as {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_secret_reaches_the_work_and_nothing_else() {
    let server = Server::start(Options::default());
    server
        .cli_with_input(&["secret", "set", "TOKEN"], &format!("{CANARY}\n"))
        .ok();
    let process = json!({
        "apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {"name": "secretive"},
        "spec": {"phases": [{"id": "main", "activities": [{
            "id": "look", "uses": "command",
            "with": {
                "run": ["sh", "-c", "test \"$T\" = \"$EXPECTED_PREFIX-the-house\" && echo fits; echo \"it is $T\"; echo \"in base64: $(printf %s \"$T\" | base64)\"; echo value=$T >> \"$TRAINMASTER_OUTPUT\""],
                "env": {"T": "${secrets.TOKEN}", "EXPECTED_PREFIX": "c4n4ry-0f"}}}]}]}});
    let file = server.file("secretive.json", &process.to_string());
    server.cli(&["apply", "-f", &file]).ok();
    let made = server.cli(&[
        "release",
        "create",
        "--process",
        "secretive",
        "--start",
        "-o",
        "json",
    ]);
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    server.release_in(&id, &["Success"]);
    let log = server.cli(&["activity", "logs", &id, "main/look"]).ok();
    assert!(log.contains("fits"), "the work has the value: {log}");
    assert!(log.contains("it is ***"), "{log}");
    let activity = server.api("GET", &format!("/releases/{id}/activities/main/look"), None);
    let audit = server.cli(&["audit", "list", "-o", "json"]).ok();
    assert!(audit.contains("SecretSet"), "{audit}");
    let listed = server.cli(&["secret", "list", "-o", "json"]).ok();
    let missing = json!({
        "apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {"name": "lacking"},
        "spec": {"phases": [{"id": "main", "activities": [{
            "id": "look", "uses": "command", "onFailure": "fail",
            "with": {"run": ["true"], "env": {"T": "${secrets.OTHER}"}}}]}]}});
    let file = server.file("lacking.json", &missing.to_string());
    server.cli(&["apply", "-f", &file]).ok();
    let made = server.cli(&[
        "release",
        "create",
        "--process",
        "lacking",
        "--start",
        "-o",
        "json",
    ]);
    let lacking = made.json()["id"].as_str().expect("an id").to_owned();
    server.release_in(&lacking, &["Failed"]);
    let failed = server.api(
        "GET",
        &format!("/releases/{lacking}/activities/main/look"),
        None,
    );
    assert!(
        failed
            .body
            .to_string()
            .contains("there is no secret `OTHER`"),
        "{}",
        failed.body
    );
    for text in [log, activity.body.to_string(), audit, listed, server.log()] {
        assert!(!text.contains(CANARY), "{text}");
        assert!(!text.contains("YzRuNHJ5LTBmLXRoZS1ob3VzZQ"), "{text}");
    }
    let mut seen = 0;
    look_through(&server.data_dir, &mut seen);
    assert!(seen >= 3, "database, logs and keys were looked at");
    use std::os::unix::fs::PermissionsExt as _;
    let key = std::fs::metadata(server.data_dir.join("secrets.key")).expect("a key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    // A value that is taken away is not there for the next release.
    server.cli(&["secret", "delete", "TOKEN"]).ok();
    assert!(!server.cli(&["secret", "list"]).shown().contains("TOKEN"));
}

/// No file that the server writes holds the canary.
///
/// The program of this test puts the value into its own `output` file; nobody can redact what a program writes
/// into its directory, so that one file is left out. What the server makes of it is looked at above.
fn look_through(folder: &Path, seen: &mut u32) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.ends_with("main/look/1/output") {
            continue;
        }
        if path.is_dir() {
            look_through(&path, seen);
        } else if let Ok(bytes) = std::fs::read(&path) {
            *seen += 1;
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(CANARY), "{}", path.display());
        }
    }
}
