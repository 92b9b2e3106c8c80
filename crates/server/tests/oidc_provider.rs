//! Signing in through a real identity provider, the way a browser does it: redirects, forms, cookies.
//!
//! The provider is a Node program of `tests/oidc-provider`, which `cargo xtask test` installs;
//! without the feature `oidc-provider` this suite is not built, so that plain `cargo test` needs no Node.

#[path = "api/support.rs"]
#[allow(dead_code, reason = "this suite uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use trainmaster_engine::clock::SystemClock;
use trainmaster_engine::ports::Clock as _;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_server::signin::oidc::{self, Fetch, FetchError, Provider};
use trainmaster_server::{Options, signin};
use url::Url;

use crate::support::TestApp;

/// More redirects and forms than this are a circle.
const STEPS_MAX: usize = 30;

/// The provider's process; it ends when it goes out of scope.
struct Node {
    process: Child,
    issuer: String,
    /// Kept open: who writes into a closed pipe dies of it.
    _output: BufReader<ChildStdout>,
}

impl Node {
    fn start(redirect: &str) -> Node {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc-provider");
        let mut process = Command::new("node")
            .args(["provider.mjs", redirect])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`node` runs");
        let stdout = process.stdout.take().expect("its output");
        let mut output = BufReader::new(stdout);
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let issuer = lines.find(|line| line.starts_with("http://"));
        let missing = "the provider says where it listens; `npm ci` in `crates/server/tests/oidc-provider` installs it";
        Node {
            issuer: issuer.expect(missing),
            process,
            _output: output,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself, and that is as well.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn egress() -> Egress {
    Egress::new([Allow::Loopback])
}

struct Loopback;

#[async_trait]
impl Fetch for Loopback {
    async fn fetch(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, FetchError> {
        let egress = egress();
        let answer = trainmaster_executors::ask(&egress, request, Duration::from_secs(20), 1 << 20);
        answer.await.map_err(FetchError)
    }
}

/// A page that a browser shows.
struct Page {
    url: Url,
    status: StatusCode,
    text: String,
}

impl Page {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// What stands between two texts.
    fn between(&self, begin: &str, end: &str) -> Option<&str> {
        let rest = &self.text[self.text.find(begin)? + begin.len()..];
        rest.split(end).next()
    }
}

/// A browser: it follows redirects and keeps cookies by origin.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    async fn once(
        &mut self,
        method: &Method,
        url: &Url,
        form: Option<&str>,
    ) -> http::Response<Vec<u8>> {
        let origin = url.origin().ascii_serialization();
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        let cookies = self.cookies.entry(origin.clone()).or_default();
        let line: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !line.is_empty() {
            request = request.header(COOKIE, line.join("; "));
        }
        if *method != Method::GET {
            request = request
                .header("origin", &origin)
                .header("sec-fetch-site", "same-origin");
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = form.unwrap_or_default().as_bytes().to_vec();
        let request = request.body(body).expect("a request");
        let answer = Loopback.fetch(request).await.expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("text");
            let pair = text.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie");
            let is_over = text.contains("Max-Age=0") || text.contains("1970");
            match is_over {
                true => drop(cookies.remove(name)),
                false => drop(cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }

    /// Goes to an address and wherever it leads.
    async fn go(&mut self, method: Method, url: Url, form: Option<String>) -> Page {
        let (mut method, mut url, mut form) = (method, url, form);
        for _ in 0..STEPS_MAX {
            let answer = self.once(&method, &url, form.as_deref()).await;
            if answer.status().is_redirection() {
                let to = answer.headers()[LOCATION].to_str().expect("text");
                url = url.join(to).expect("an address");
                (method, form) = (Method::GET, None);
                continue;
            }
            return Page {
                url,
                status: answer.status(),
                text: String::from_utf8_lossy(answer.body()).into_owned(),
            };
        }
        panic!("`{url}` leads in a circle");
    }

    /// Signs in as somebody: fills whatever forms the provider shows.
    async fn sign_in(&mut self, server: &Url, name: &str, next: &str) -> Page {
        let begin = server
            .join(&format!("/api/v1/oidc/login?next={next}"))
            .expect("an address");
        let mut page = self.go(Method::GET, begin, None).await;
        for _ in 0..STEPS_MAX {
            if page.url.origin() == server.origin() {
                return page;
            }
            let action = page.between("action=\"", "\"").expect("a form").to_owned();
            let prompt = page
                .between("name=\"prompt\" value=\"", "\"")
                .expect("what is asked")
                .to_owned();
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("prompt", &prompt);
            if prompt == "login" {
                form.append_pair("login", name)
                    .append_pair("password", "anything");
            }
            let to = page.url.join(&action).expect("an address");
            page = self.go(Method::POST, to, Some(form.finish())).await;
        }
        panic!("the provider asks and asks");
    }

    async fn read(&mut self, server: &Url, path: &str) -> Page {
        let url = server.join(path).expect("an address");
        self.go(Method::GET, url, None).await
    }
}

fn provider(issuer: &str) -> Provider {
    Provider {
        id: "house".parse().expect("a name"),
        title: String::new(),
        issuer: issuer.to_owned(),
        client_id: "trainmaster".to_owned(),
        client_secret: Some("a-secret-of-this-test-only".to_owned()),
        scopes: ["profile", "email", "groups"].map(str::to_owned).to_vec(),
        name_claim: "preferred_username".to_owned(),
        groups_claim: Some("groups".to_owned()),
        teams: [("Quality".to_owned(), vec!["qa".parse().expect("a name")])].into(),
        team_prefix: Some("trains-".to_owned()),
        create_users: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_of_a_real_provider_sign_in_get_the_teams_of_their_groups_and_sign_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server: Url = format!("http://{address}").parse().expect("an address");
    let callback = server.join("/api/v1/oidc/callback").expect("an address");
    let node = Node::start(callback.as_str());
    let sign_in = signin::Options {
        public_url: Some(server.clone()),
        oidc: oidc::Options {
            providers: vec![provider(&node.issuer)],
            fetch: Some(Arc::new(Loopback)),
        },
        ..signin::Options::default()
    };
    let options = Options {
        sign_in,
        ..Options::default()
    };
    let test = TestApp::with(options).await;
    // The provider lives in the time of the machine.
    test.clock.set(SystemClock.now());
    let root = test.administrator().await;
    let binding = "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: ops-look}\nspec: {role: viewer, subjects: ['team:ops']}\n";
    root.apply(binding).await.expect(StatusCode::OK);
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(trainmaster_server::serve(listener, test.app(), async {
        _ = stopping.await;
    }));

    let mut ada = Browser::default();
    let page = ada.sign_in(&server, "ada", "/healthz/live").await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::OK, "/healthz/live"),
        "{}",
        page.text
    );
    let session = ada.read(&server, "/api/v1/session").await.json();
    assert_eq!(session["user"], "ada");
    let user = root.get("/api/v1/users/ada").await.expect(StatusCode::OK);
    assert_eq!(user["claimedTeams"], json!(["ops", "qa"]));
    assert_eq!(
        user["identities"],
        json!([{"issuer": node.issuer, "subject": "ada"}])
    );
    assert_eq!(user["displayName"], "ada of the house");
    let whoami = ada.read(&server, "/api/v1/whoami").await.json();
    let may = whoami["permissions"].as_array().expect("a list");
    assert!(
        may.contains(&json!("release:read")) && !may.contains(&json!("release:edit")),
        "{whoami}"
    );
    assert_eq!(
        ada.read(&server, "/api/v1/releases").await.status,
        StatusCode::OK
    );

    let mut bob = Browser::default();
    let page = bob.sign_in(&server, "bob", "/").await;
    assert_eq!(page.url.path(), "/", "{}", page.text);
    let whoami = bob.read(&server, "/api/v1/whoami").await.json();
    assert_eq!(
        (&whoami["token"]["user"], &whoami["permissions"]),
        (&json!("bob"), &json!([]))
    );
    assert_eq!(
        bob.read(&server, "/api/v1/releases").await.status,
        StatusCode::FORBIDDEN
    );

    let url = server.join("/api/v1/session").expect("an address");
    let out = ada.once(&Method::DELETE, &url, None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        ada.read(&server, "/api/v1/session").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        bob.read(&server, "/api/v1/session").await.status,
        StatusCode::OK
    );
    // The provider still knows ada, so the way back in is short.
    ada.sign_in(&server, "ada", "/healthz/live").await;
    assert_eq!(
        ada.read(&server, "/api/v1/session").await.json()["user"],
        "ada"
    );
    let events = root
        .get("/api/v1/audit?type=SignedIn")
        .await
        .expect(StatusCode::OK);
    let items = events["items"].as_array().expect("items");
    assert_eq!(items.len(), 3);
    assert!(
        items.iter().all(|item| item["data"]["provider"] == "house"),
        "{events}"
    );
    _ = stop.send(());
    serving.await.expect("it ends").expect("in order");
}
