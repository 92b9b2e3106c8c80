//! Who may use which operation where: every operation of the description, compared with a model of its own
//! (reliability.md, S7; checklist R-080 to R-085, R-093).
//!
//! The model is the table of docs/ACCESS.md and the words of that page; the server's judge takes no part in it.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const PROCESS: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: drill}
spec:
  phases:
    - id: main
      activities:
        - {id: work, uses: command, importance: required, with: {run: [work]}}
        - {id: form, uses: input, with: {fields: [{name: answer, type: string, required: true}], assignees: ["user:somebody"]}}
        - {id: list, uses: tasks, with: {tasks: [{id: look, title: Look, assignees: ["user:somebody"]}]}}
        - {id: ask, uses: approval, with: {approvers: ["user:somebody"]}}
"#;

/// Somebody, with roles, where each holds (empty is everywhere), and whether only for their own releases.
struct Persona {
    name: &'static str,
    roles: &'static [(&'static str, &'static str, bool)],
}

const PERSONAS: [Persona; 12] = [
    Persona {
        name: "account-administrator",
        roles: &[("administrator", "", false)],
    },
    Persona {
        name: "account-manager",
        roles: &[("release-manager", "", false)],
    },
    Persona {
        name: "account-author",
        roles: &[("author", "", false)],
    },
    Persona {
        name: "account-operator",
        roles: &[("operator", "", false)],
    },
    Persona {
        name: "account-viewer",
        roles: &[("viewer", "", false)],
    },
    Persona {
        name: "administrator",
        roles: &[("administrator", "payments", false)],
    },
    Persona {
        name: "manager",
        roles: &[("release-manager", "payments", false)],
    },
    Persona {
        name: "author",
        roles: &[("author", "payments", false)],
    },
    Persona {
        name: "operator",
        roles: &[("operator", "payments", false)],
    },
    Persona {
        name: "viewer",
        roles: &[("viewer", "payments", false)],
    },
    Persona {
        name: "owner",
        roles: &[
            ("viewer", "payments", false),
            ("release-manager", "payments", true),
        ],
    },
    Persona {
        name: "nobody",
        roles: &[],
    },
];

/// What a place is to the personas above: the account level, their own organization, another one.
const PLACES: [&str; 3] = ["", "payments", "lending"];

/// Which roles grant a permission, as docs/ACCESS.md has it.
fn page() -> BTreeMap<String, BTreeSet<&'static str>> {
    const ROLES: [&str; 5] = [
        "administrator",
        "release-manager",
        "author",
        "operator",
        "viewer",
    ];
    let page = include_str!("../../../../docs/ACCESS.md");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let permission = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        let granted = ROLES.into_iter().zip(cells.get(2..7)?);
        let granted = granted
            .filter(|(_, cell)| **cell == "yes")
            .map(|(role, _)| role);
        permission
            .contains(':')
            .then(|| (permission.to_owned(), granted.collect()))
    };
    let table: BTreeMap<_, _> = page.lines().filter_map(row).collect();
    assert!(table.len() >= 19, "{table:?}");
    table
}

/// The model: whether a persona may do something in a place, to something of its own or not.
fn may(persona: &Persona, permission: &str, place: &str, owns: Owns) -> bool {
    let table = page();
    let by_role = persona.roles.iter().any(|(role, home, own)| {
        let here = home.is_empty() || *home == place;
        let shared = place.is_empty() && ["release:read", "activity:approve"].contains(&permission);
        let fits = !own || owns != Owns::Nothing || permission == "release:read";
        (here || shared) && fits && table[permission].contains(role)
    });
    let as_owner = owns == Owns::Part
        && ["activity:retry", "activity:ignore", "activity:submit"].contains(&permission)
        && may(persona, "release:read", place, Owns::Nothing);
    by_role || as_owner
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owns {
    Nothing,
    /// Manages the release and owns its phases.
    Part,
}

/// How the server took a request, as far as rights are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It does not exist for this one.
    Hidden,
    /// Refused for want of a permission.
    Refused,
    /// Not stopped by rights, whatever else may have been wrong.
    Through,
}

async fn ask(
    client: &Client<'_>,
    operation: &Operation,
    address: &str,
    body: Option<Value>,
) -> Taken {
    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).expect("a method");
    let reply = client.call(method, address, &[], body).await;
    assert!(
        !reply.status.is_server_error(),
        "{} {address}: {reply:?}",
        operation.method
    );
    let code = match reply.status.is_success() {
        true => Value::Null,
        false => serde_json::from_slice::<Value>(&reply.text).unwrap_or_default()["code"].clone(),
    };
    match code.as_str() {
        Some("forbidden") => Taken::Refused,
        Some("unknown-release" | "unknown-resource" | "unknown-token" | "unknown-user") => {
            Taken::Hidden
        }
        _ => Taken::Through,
    }
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    /// The permissions of which one is needed.
    takes: Vec<String>,
}

async fn operations(root: &Client<'_>) -> Vec<Operation> {
    let description = root
        .get("/api/v1/openapi.json")
        .await
        .expect(StatusCode::OK);
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let takes = operation["x-permission"]["anyOf"].as_array();
            let takes = takes.into_iter().flatten().filter_map(Value::as_str);
            operations.push(Operation {
                method: method.clone(),
                path: path.clone(),
                takes: takes.map(str::to_owned).collect(),
            });
        }
    }
    operations
}

/// Values that are well-formed, so that nothing but rights can stand in the way before rights are looked at.
fn body(operation: &Operation) -> Option<Value> {
    if operation.method == "get" || operation.method == "delete" {
        return None;
    }
    Some(
        match operation.path.rsplit('/').next().unwrap_or_default() {
            "notes" => json!({"text": "x"}),
            "{task}" => json!({"status": "DONE"}),
            "submit" => json!({"values": {"answer": "x"}}),
            "pre-execute" => json!({"purpose": "x"}),
            "retry" | "ignore" | "fail" | "cancel" | "pause" | "abort" | "unquarantine" => {
                json!({"reason": "x"})
            }
            "restart" => json!({"from": "start", "reason": "x"}),
            "{id}" => json!({"labels": {"touched": "yes"}}),
            _ => json!({}),
        },
    )
}

/// The activity of the drill that an operation is about.
fn activity(operation: &Operation) -> &'static str {
    match operation.path.rsplit('/').next().unwrap_or_default() {
        "submit" => "form",
        "{task}" => "list",
        "approve" | "reject" => "ask",
        _ => "work",
    }
}

/// Operations on one release that the drill knows how to ask for.
fn is_about_a_release(operation: &Operation) -> bool {
    let known = [
        "",
        "/abort",
        "/activate",
        "/activities",
        "/archive",
        "/cancel",
        "/evidence",
        "/explain",
        "/export",
        "/finalize",
        "/graph",
        "/notes",
        "/pause",
        "/pre-execute",
        "/restart",
        "/resume",
        "/timeline",
        "/unquarantine",
        "/events",
    ];
    let rest = operation.path.strip_prefix("/api/v1/releases/{id}");
    rest.is_some_and(|rest| known.contains(&rest) || rest.starts_with("/activities/"))
}

async fn release(root: &Client<'_>, place: &str, owner: Option<&str>) -> String {
    let mut new = json!({"process": "drill", "start": true});
    if !place.is_empty() {
        new["organization"] = json!(place);
    }
    if let Some(owner) = owner {
        new["manager"] = json!(format!("user:{owner}"));
        new["owners"] = json!({"main": [format!("user:{owner}")]});
    }
    let created = root
        .post("/api/v1/releases", new)
        .await
        .expect(StatusCode::CREATED);
    created["id"].as_str().expect("an id").to_owned()
}

async fn people<'a>(test: &'a TestApp, root: &Client<'_>) -> Vec<(&'static Persona, Client<'a>)> {
    root.apply(PROCESS).await.expect(StatusCode::OK);
    let mut people = Vec::new();
    for persona in &PERSONAS {
        for (number, (role, place, own)) in persona.roles.iter().enumerate() {
            let home = if place.is_empty() {
                String::new()
            } else {
                format!(", organization: {place}")
            };
            let name = persona.name;
            root.apply(&format!(
                "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {{name: {name}-{number}{home}}}\nspec: {{role: {role}, subjects: [\"user:{name}\"], own: {own}}}\n"
            ))
            .await
            .expect(StatusCode::OK);
        }
        people.push((persona, test.signed_in(persona.name).await));
    }
    people
}

/// Those who are to be refused first, so that nothing has changed when they ask.
fn refused_first<T>(mut cases: Vec<(bool, T)>) -> impl Iterator<Item = (bool, T)> {
    cases.sort_by_key(|(allowed, _)| *allowed);
    cases.into_iter()
}

#[tokio::test]
async fn every_operation_on_a_release_is_open_to_exactly_those_whom_the_page_names() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let people = people(&test, &root).await;
    let (mut asked, mut families) = (0, BTreeSet::new());
    for operation in operations(&root).await {
        if !is_about_a_release(&operation) {
            continue;
        }
        families.insert(operation.path.clone());
        let [permission] = operation.takes.as_slice() else {
            panic!("{operation:?} takes one permission");
        };
        for place in PLACES {
            let shared = release(&root, place, None).await;
            let mut cases = Vec::new();
            for (persona, client) in &people {
                for owns in [Owns::Nothing, Owns::Part] {
                    if owns == Owns::Part
                        && !["owner", "viewer", "nobody", "author"].contains(&persona.name)
                    {
                        continue;
                    }
                    let id = match owns {
                        Owns::Nothing => shared.clone(),
                        Owns::Part => release(&root, place, Some(persona.name)).await,
                    };
                    let expected = if !may(persona, "release:read", place, owns) {
                        Taken::Hidden
                    } else if may(persona, permission, place, owns) {
                        Taken::Through
                    } else {
                        Taken::Refused
                    };
                    cases.push((
                        expected == Taken::Through,
                        (persona, client, owns, id, expected),
                    ));
                }
            }
            for (_, (persona, client, owns, id, expected)) in refused_first(cases) {
                let address = operation
                    .path
                    .replace("{id}", &id)
                    .replace("{phase}", "main")
                    .replace("{activity}", activity(&operation))
                    .replace("{task}", "look");
                let mut taken = ask(client, &operation, &address, body(&operation)).await;
                if persona.name == "nobody" && taken == Taken::Refused {
                    // Whoever sees nothing is stopped at the door, for what exists and for what does not.
                    taken = Taken::Hidden;
                }
                assert_eq!(
                    taken, expected,
                    "{} {} by {} in `{place}` owning {owns:?}",
                    operation.method, operation.path, persona.name
                );
                asked += 1;
            }
        }
    }
    assert!(
        families.len() > 25 && asked > 1_000,
        "{} operations, {asked} questions",
        families.len()
    );
}

#[tokio::test]
async fn making_releases_tokens_and_definitions_is_open_to_exactly_those_whom_the_page_names() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let people = people(&test, &root).await;
    let spec = |kind: &str| match kind {
        "Process" => {
            "{phases: [{id: main, activities: [{id: work, uses: command, with: {run: [work]}}]}]}"
        }
        "Team" => "{members: [somebody]}",
        "RoleBinding" => "{role: viewer, subjects: [\"user:somebody\"]}",
        _ => "{}",
    };
    let kinds = [
        ("Process", "processes", "definition:edit"),
        ("Team", "teams", "access:manage"),
        ("RoleBinding", "role-bindings", "access:manage"),
    ];
    for (persona, client) in &people {
        for place in PLACES {
            let organization = if place.is_empty() {
                Value::Null
            } else {
                json!(place)
            };
            let shown = |taken: Taken, permission: &str, owns: Owns| {
                let expected = may(persona, permission, place, owns);
                assert_eq!(
                    taken == Taken::Through,
                    expected,
                    "{permission} by {} in `{place}`: {taken:?}",
                    persona.name
                );
            };
            let post = |path: &str| Operation {
                method: "post".to_owned(),
                path: path.to_owned(),
                takes: Vec::new(),
            };
            let new = json!({"process": "drill", "organization": organization});
            shown(
                ask(client, &post("releases"), "/api/v1/releases", Some(new)).await,
                "release:edit",
                Owns::Part,
            );
            let new = json!({"user": "machine", "roles": ["viewer"], "organization": organization, "expiresAt": "2026-12-01T00:00:00Z"});
            shown(
                ask(client, &post("tokens"), "/api/v1/tokens", Some(new)).await,
                "token:manage",
                Owns::Nothing,
            );
            for (kind, plural, permission) in kinds {
                let home = if place.is_empty() {
                    String::new()
                } else {
                    format!(", organization: {place}")
                };
                let name = format!("by-{}", persona.name);
                let text = |name: &str| {
                    format!(
                        "apiVersion: trainmaster.dev/v1\nkind: {kind}\nmetadata: {{name: {name}{home}}}\nspec: {}\n",
                        spec(kind)
                    )
                };
                let address = |name: &str| format!("/api/v1/{plural}/{name}?organization={place}");
                let taken = |reply: &crate::support::Reply| match reply.status {
                    StatusCode::FORBIDDEN => Taken::Refused,
                    StatusCode::NOT_FOUND => Taken::Hidden,
                    _ => Taken::Through,
                };
                // By its address, in a file of many, and removed again.
                let put = client
                    .yaml(Method::PUT, &address(&name), &text(&name))
                    .await;
                shown(taken(&put), permission, Owns::Nothing);
                let applied = client.apply(&text(&name)).await;
                shown(taken(&applied), permission, Owns::Nothing);
                root.apply(&text("there")).await.expect(StatusCode::OK);
                let read = client.get(&address("there")).await;
                shown(taken(&read), "release:read", Owns::Nothing);
                let deleted = client
                    .call(Method::DELETE, &address("there"), &[], None)
                    .await;
                shown(taken(&deleted), permission, Owns::Nothing);
                let sees = may(persona, "release:read", place, Owns::Nothing);
                if persona.name != "nobody" {
                    assert_eq!(
                        taken(&deleted) == Taken::Hidden,
                        !sees,
                        "{} in `{place}`",
                        persona.name
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_holds_nothing_gets_nothing_from_any_operation() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    root.apply(PROCESS).await.expect(StatusCode::OK);
    let id = release(&root, "payments", None).await;
    let nobody = test.signed_in("nobody").await;
    let mut refused = 0;
    for operation in operations(&root).await {
        let Some(permission) = operation.takes.first() else {
            continue;
        };
        let mut address = operation.path.clone();
        for (name, value) in [
            ("{id}", id.as_str()),
            ("{kind}", "processes"),
            ("{name}", "drill"),
            ("{revision}", "1"),
            ("{phase}", "main"),
            ("{activity}", activity(&operation)),
            ("{task}", "look"),
            ("{position}", "1"),
        ] {
            address = address.replace(name, value);
        }
        let taken = ask(&nobody, &operation, &address, body(&operation)).await;
        assert_ne!(
            taken,
            Taken::Through,
            "{} {} takes {permission}",
            operation.method,
            operation.path
        );
        refused += 1;
    }
    assert!(refused > 50, "{refused}");
    // And whoever has it only elsewhere is stopped by what is read without a command too.
    let viewer = test.signed_in("viewer").await;
    root.apply("apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: viewer, organization: payments}\nspec: {role: viewer, subjects: [\"user:viewer\"]}\n")
        .await
        .expect(StatusCode::OK);
    for address in [
        "/api/v1/audit",
        "/api/v1/audit/export",
        "/api/v1/audit/verify",
        "/api/v1/tokens",
    ] {
        viewer.get(address).await.problem("forbidden");
    }
}

#[tokio::test]
async fn a_right_is_gone_with_the_first_request_after_it_was_taken_away() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    root.apply(PROCESS).await.expect(StatusCode::OK);
    let team = |members: &str| {
        format!(
            "apiVersion: trainmaster.dev/v1\nkind: Team\nmetadata: {{name: leads}}\nspec: {{members: [{members}]}}\n"
        )
    };
    let binding = "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: leads, organization: payments}\nspec: {role: release-manager, subjects: [\"team:leads\"]}\n";
    root.apply(&team("mo")).await.expect(StatusCode::OK);
    root.apply(binding).await.expect(StatusCode::OK);
    let mo = test.signed_in("mo").await;
    let id = release(&root, "payments", None).await;
    let address = format!("/api/v1/releases/{id}");
    for _ in 0..3 {
        let view = mo.get(&address).await.expect(StatusCode::OK);
        let pause = |view: &Value| {
            let actions = view["actions"].as_array().expect("actions").clone();
            actions
                .into_iter()
                .find(|action| action["action"] == "pause")
                .expect("pause")
        };
        assert_eq!(pause(&view)["allowed"], json!(true), "{view}");
        // Less: the page and the command say so at once.
        root.apply(&binding.replace("release-manager", "viewer"))
            .await
            .expect(StatusCode::OK);
        let view = mo.get(&address).await.expect(StatusCode::OK);
        assert_eq!(pause(&view)["allowed"], json!(false));
        mo.post(&format!("{address}/pause"), json!({"reason": "x"}))
            .await
            .problem("forbidden");
        // Nothing: it is as if there were no such release.
        root.apply(&team("nobody")).await.expect(StatusCode::OK);
        mo.get(&address).await.problem("forbidden");
        root.apply(&team("mo")).await.expect(StatusCode::OK);
        root.apply(binding).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn somebody_can_ask_what_they_may_do_and_why() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let people = people(&test, &root).await;
    let who = |name: &str| {
        people
            .iter()
            .find(|(persona, _)| persona.name == name)
            .map(|(_, client)| client)
            .expect("a persona")
    };
    let asked = |permission: &str, rest: &str| {
        format!("/api/v1/access/can-i?permission={permission}{rest}")
    };
    let answer = who("manager")
        .get(&asked("release:start", "&organization=payments"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (answer["allowed"].clone(), answer["reason"].clone()),
        (
            json!(true),
            json!(
                "role binding `manager-0` gives `release-manager` to user:manager in organization `payments`"
            )
        )
    );
    assert_eq!(
        answer["binding"],
        json!({"name": "manager-0", "organization": "payments", "subject": "user:manager", "own": false})
    );
    let answer = who("manager")
        .get(&asked("release:start", "&organization=lending"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        answer["reason"],
        "no role grants `release:start` in organization `lending`; it takes `administrator` or `release-manager`"
    );
    let (own, others) = (
        release(&root, "payments", Some("owner")).await,
        release(&root, "payments", None).await,
    );
    let answer = who("owner")
        .get(&asked("release:abort", &format!("&release={own}")))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (answer["allowed"].clone(), answer["role"].clone()),
        (json!(true), json!("release-manager"))
    );
    let answer = who("owner")
        .get(&asked("release:abort", &format!("&release={others}")))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        answer["reason"],
        "role binding `owner-1` grants `release:abort` only for releases that one owns"
    );
    // About others asks only who manages access there; about what one does not see, nobody learns anything.
    who("viewer")
        .get(&asked(
            "release:edit",
            "&organization=payments&user=manager",
        ))
        .await
        .problem("forbidden");
    let answer = who("administrator")
        .get(&asked("release:edit", "&organization=payments&user=viewer"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (answer["user"].clone(), answer["allowed"].clone()),
        (json!("viewer"), json!(false))
    );
    who("nobody")
        .get(&asked("release:read", &format!("&release={own}")))
        .await
        .problem("unknown-release");
    who("viewer")
        .get(&asked("release:fly", ""))
        .await
        .problem("invalid-query");
    // What can-i says is what the operations do: the model agrees with both.
    for (persona, client) in &people {
        for place in PLACES {
            for permission in page().keys() {
                let rest = if place.is_empty() {
                    String::new()
                } else {
                    format!("&organization={place}")
                };
                let answer = client
                    .get(&asked(permission, &rest))
                    .await
                    .expect(StatusCode::OK);
                let expected = may(persona, permission, place, Owns::Nothing);
                assert_eq!(
                    answer["allowed"],
                    json!(expected),
                    "{permission} by {} in `{place}`: {answer}",
                    persona.name
                );
            }
        }
    }
    let roles = who("nobody")
        .get("/api/v1/access/roles")
        .await
        .expect(StatusCode::OK);
    for role in roles["items"].as_array().expect("roles") {
        let name = role["role"].as_str().expect("a role");
        let granted: BTreeSet<&str> = role["permissions"]
            .as_array()
            .expect("permissions")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let table = page();
        let expected: BTreeSet<&str> = table
            .iter()
            .filter(|(_, roles)| roles.contains(name))
            .map(|(permission, _)| permission.as_str())
            .collect();
        assert_eq!(granted, expected, "{name}");
    }
}

#[tokio::test]
async fn every_organization_sees_and_works_on_an_account_level_release() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let people = people(&test, &root).await;
    let named = PROCESS.replace("user:somebody", "user:viewer");
    root.apply(&named).await.expect(StatusCode::OK);
    let id = release(&root, "", None).await;
    for (persona, client) in &people {
        let listed = client.get("/api/v1/releases?organization=").await;
        if persona.name == "nobody" {
            listed.problem("forbidden");
            continue;
        }
        let listed = listed.expect(StatusCode::OK);
        assert_eq!(listed["items"][0]["id"], json!(id), "{}", persona.name);
    }
    let viewer = &people
        .iter()
        .find(|(persona, _)| persona.name == "viewer")
        .expect("a viewer")
        .1;
    let manager = &people
        .iter()
        .find(|(persona, _)| persona.name == "manager")
        .expect("a manager")
        .1;
    let address = format!("/api/v1/releases/{id}/activities/main");
    // Whoever is named takes part, whatever the organization; who is not, manages nothing there.
    manager
        .post(
            &format!("{address}/form/submit"),
            json!({"values": {"answer": "x"}}),
        )
        .await
        .problem("forbidden");
    manager
        .post(&format!("{address}/ask/approve"), json!({}))
        .await
        .problem("not-yours");
    viewer
        .post(
            &format!("{address}/form/submit"),
            json!({"values": {"answer": "x"}}),
        )
        .await
        .expect(StatusCode::OK);
    viewer
        .post(&format!("{address}/ask/approve"), json!({}))
        .await
        .expect(StatusCode::OK);
    let tasks = viewer
        .post(
            &format!("{address}/list/tasks/look"),
            json!({"status": "DONE"}),
        )
        .await;
    assert_eq!(tasks.status, StatusCode::OK, "{tasks:?}");
}
