//! People who sign in on the command line, and the password that is no argument.

use serde_json::json;

use crate::support::{Options, Server};

const PASSWORD: &str = "plum tree behind the house";

fn server() -> Server {
    Server::start(Options::default())
}

#[test]
fn a_user_is_made_signs_in_with_a_password_and_out_again() {
    let server = server();
    let weak = server.cli_with_input(&["user", "create", "ada"], "password123\n");
    assert_eq!(weak.code, Some(3), "{}", weak.shown());
    let made = server.cli_with_input(
        &["user", "create", "ada", "--display-name", "Ada Lovelace"],
        &format!("{PASSWORD}\n"),
    );
    assert_eq!(made.ok().trim(), "user ada created");
    let binding = "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: ada-looks}\nspec: {role: viewer, subjects: ['user:ada']}\n";
    let file = server.file("binding.yaml", binding);
    server.cli(&["apply", "-f", &file]).ok();

    let wrong = server.cli_alone(&["login", &server.url, "--user", "ada"], "another\n");
    assert_eq!(wrong.code, Some(3), "{}", wrong.shown());
    let signed_in = server.cli_alone(
        &["login", &server.url, "--user", "ada", "--name", "home"],
        &format!("{PASSWORD}\n"),
    );
    let signed_in = signed_in.ok();
    assert!(signed_in.contains("signed in as ada"), "{signed_in}");
    assert!(!signed_in.contains("tm_"), "{signed_in}");
    let whoami = server.cli_alone(&["whoami", "-o", "json"], "").json();
    assert_eq!(whoami["token"]["user"], json!("ada"));
    assert!(whoami["token"]["expiresAt"].is_string());
    let shown = server.cli_alone(&["user", "show", "ada"], "").ok();
    assert!(
        shown.contains("Ada Lovelace") && shown.contains("password"),
        "{shown}"
    );
    let refused = server.cli_alone(&["user", "list"], "");
    assert_eq!(refused.code, Some(3), "{}", refused.shown());

    let own = format!("{PASSWORD}\nquince and medlar\n");
    let set = server.cli_alone(&["user", "set-password", "ada"], &own);
    assert!(set.ok().contains("password of ada set"));
    let out = server.cli_alone(&["logout"], "").ok();
    assert!(out.contains("signed out"), "{out}");
    let after = server
        .cli_alone(&["context", "list", "-o", "name"], "")
        .ok();
    assert_eq!(after.trim(), "");
    let tokens = server.api("GET", "/audit?type=TokenRevoked", None);
    assert_eq!(tokens.body["items"][0]["by"], json!("user:ada"));

    server.cli(&["user", "disable", "ada"]).ok();
    let listed = server.cli(&["user", "list"]).ok();
    assert!(listed.contains("disabled"), "{listed}");
    let shut_out = server.cli_alone(
        &["login", &server.url, "--user", "ada"],
        "quince and medlar\n",
    );
    assert_eq!(shut_out.code, Some(3), "{}", shut_out.shown());
    server.cli(&["user", "enable", "ada"]).ok();
    let again = server.cli_alone(
        &["login", &server.url, "--user", "ada"],
        "quince and medlar\n",
    );
    assert!(again.ok().contains("signed in as ada"));
}

#[test]
fn failed_sign_ins_and_passwords_survive_a_restart() {
    let mut server = server();
    let made = server.cli_with_input(&["user", "create", "ada"], &format!("{PASSWORD}\n"));
    made.ok();
    let body = json!({"user": "ada", "password": "wrong"});
    let mut last = 0;
    for _ in 0..7 {
        last = server.api_as("", "POST", "/session", Some(&body)).status;
    }
    assert_eq!(last, 429);
    server.restart();
    // The wait goes on where it was, and longer with each further failure.
    let statuses: Vec<u16> = (0..6)
        .map(|_| server.api_as("", "POST", "/session", Some(&body)).status)
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let failed = server.api("GET", "/audit?type=SignInFailed", None);
    let told = failed.body["items"].as_array().map_or(0, Vec::len);
    assert_eq!(
        told, 5,
        "of many failures in a row few are told: {}",
        failed.body
    );
}

#[test]
fn what_the_server_is_told_about_signing_in_is_shown_and_nonsense_refused() {
    let server = server();
    let told = [
        "serve",
        "--allowed-host",
        "trains.internal",
        "--session-idle",
        "1h",
        "--print-config",
    ];
    let printed = server.cli(&told).ok();
    assert!(
        printed.contains("trains.internal") && printed.contains("sessionIdle: 1h"),
        "{printed}"
    );
    for wrong in [
        ["--session-idle", "soon"],
        ["--trusted-proxy", "proxy.example"],
    ] {
        let refused = server.cli(&["serve", "--listen", "127.0.0.1:0", wrong[0], wrong[1]]);
        assert_eq!(refused.code, Some(2), "{}", refused.shown());
    }
    let plain = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--oidc-issuer",
        "http://login.example",
        "--oidc-client-id",
        "x",
    ];
    let refused = server.cli(&plain);
    assert_eq!(refused.code, Some(2), "{}", refused.shown());
    assert!(refused.stderr.contains("https://"), "{}", refused.shown());
}
