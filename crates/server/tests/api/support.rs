//! A server in one process: real engine, real store in a folder of its own, executors that remember.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use trainmaster_core::access::{Role, TokenKind};
use trainmaster_core::command::{NewToken, NewUser};
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::ids::AttemptId;
use trainmaster_core::uses::ActivityType;
use trainmaster_core::{Actor, Command};
use trainmaster_engine::clock::ManualClock;
use trainmaster_engine::outlet::{Carried, Carrier, Parcel};
use trainmaster_engine::ports::{Executor, Executors, LogLine, LogStream, StoreError, Work};
use trainmaster_engine::{Engine, Faults, Limits};
use trainmaster_server::vault::{KEY_BYTES, Vault};
use trainmaster_server::{App, Dispatcher, Options, OutletParts, Parts, Token, router};
use trainmaster_store::SqlStore;

/// A process with every kind of waiting: work, an approval, a question, a checklist, items.
pub(crate) const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata:
  name: train
  organization: payments
  description: Weekly train
  labels: {team: platform}
spec:
  inputs:
    - {name: version, type: string, required: true, pattern: '^\d+\.\d+\.\d+$'}
    - {name: region, type: string, default: eu-west-1}
  phases:
    - id: build
      owners: [team:development]
      activities:
        - id: compile
          uses: command
          with: {run: ["build", "${version}"]}
          outputs: {artifact: "${result.outputs.url}"}
    - id: sign-off
      dependsOn: [build]
      activities:
        - {id: qa, uses: approval, with: {approvers: [team:qa], excludeRequester: true}}
    - id: deploy
      dependsOn: [sign-off]
      activities:
        - {id: rollout, uses: command, forEach: "${['eu', 'us']}", with: {run: ["deploy", "${item}"]}}
"#;

/// What executors are told to answer, and what they were asked.
#[derive(Default)]
pub(crate) struct Script {
    next: Mutex<BTreeMap<String, VecDeque<Outcome>>>,
    always: Mutex<BTreeMap<String, Value>>,
    asked: Mutex<Vec<Effect>>,
}

impl Script {
    /// The next attempt of an activity ends like this; without a word it succeeds.
    pub(crate) fn next(&self, path: &str, outcome: Outcome) {
        let mut next = self.next.lock().expect("no test panics in here");
        next.entry(path.to_owned()).or_default().push_back(outcome);
    }

    /// Every attempt of an activity, items included, succeeds with this result.
    pub(crate) fn always(&self, path: &str, result: Value) {
        let mut always = self.always.lock().expect("no test panics in here");
        always.insert(path.to_owned(), result);
    }

    fn result(&self, path: &str) -> Value {
        let whole = path.split('[').next().unwrap_or_default();
        let always = self.always.lock().expect("no test panics in here");
        let usual = || json!({"outputs": {"url": "https://artifacts/1"}});
        always.get(whole).cloned().unwrap_or_else(usual)
    }

    /// What the executors were asked to do, in order.
    pub(crate) fn asked(&self) -> Vec<Effect> {
        self.asked.lock().expect("no test panics in here").clone()
    }
}

#[async_trait]
impl Executor for Script {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        if effect.intent == Intent::Cancel {
            return Outcome::Cancelled { confirmed: true };
        }
        self.asked
            .lock()
            .expect("no test panics in here")
            .push(effect.clone());
        let path = effect.id.path.to_string();
        let at = work.clock.now().as_microsecond();
        let line = |text: String| LogLine {
            at,
            stream: LogStream::Stdout,
            text,
        };
        work.log
            .write(vec![
                line(format!("working on {path}")),
                line("done".to_owned()),
            ])
            .await;
        let scripted = self
            .next
            .lock()
            .expect("no test panics in here")
            .get_mut(&path)
            .and_then(VecDeque::pop_front);
        match scripted {
            Some(Outcome::Unknown { error }) if error == "never ends" => {
                work.cancel.cancelled().await;
                Outcome::Cancelled { confirmed: true }
            }
            Some(outcome) => outcome,
            None => Outcome::Succeeded {
                result: self.result(&path),
            },
        }
    }
}

/// An executor that works until it is stopped.
pub(crate) fn endless() -> Outcome {
    Outcome::Unknown {
        error: "never ends".to_owned(),
    }
}

/// Carries messages to nowhere and remembers them; answers as it was told to.
#[derive(Default)]
pub(crate) struct Post {
    carried: Mutex<Vec<Parcel>>,
    answers: Mutex<BTreeMap<&'static str, Carried>>,
    stuck: Mutex<BTreeSet<&'static str>>,
}

impl Post {
    /// From now on messages of a kind (`slack`, `webhook`, …) end like this.
    pub(crate) fn answers(&self, kind: &'static str, carried: Carried) {
        let mut answers = self.answers.lock().expect("no test panics in here");
        answers.insert(kind, carried);
    }

    /// From now on messages of a kind arrive again.
    pub(crate) fn recovers(&self, kind: &'static str) {
        self.answers
            .lock()
            .expect("no test panics in here")
            .remove(kind);
    }

    /// From now on messages of a kind are taken, and nobody ever hears of them again.
    pub(crate) fn swallows(&self, kind: &'static str) {
        let mut stuck = self.stuck.lock().expect("no test panics in here");
        stuck.insert(kind);
    }

    /// What was carried, in order.
    pub(crate) fn carried(&self) -> Vec<Parcel> {
        self.carried.lock().expect("no test panics in here").clone()
    }
}

#[async_trait]
impl Carrier for Post {
    async fn carry(&self, parcel: &Parcel, _now: Timestamp) -> Carried {
        let kind = parcel.to.kind();
        self.carried
            .lock()
            .expect("no test panics in here")
            .push(parcel.clone());
        let stuck = self
            .stuck
            .lock()
            .expect("no test panics in here")
            .contains(kind);
        if stuck {
            std::future::pending::<()>().await;
        }
        let answers = self.answers.lock().expect("no test panics in here");
        answers.get(kind).cloned().unwrap_or(Carried::Delivered {
            status: Some(200),
            answer: "ok".to_owned(),
        })
    }
}

/// A server for one test.
pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
    pub(crate) script: Arc<Script>,
    pub(crate) post: Arc<Post>,
    pub(crate) outlets: Dispatcher,
    pub(crate) store: Arc<SqlStore>,
    router: Router,
    app: App,
    folder: TempDir,
}

/// A dispatcher as a server has one; another one on the same store is the next life of the server.
pub(crate) fn dispatcher(
    engine: &Engine,
    store: &Arc<SqlStore>,
    clock: &ManualClock,
    post: Arc<Post>,
) -> Dispatcher {
    Dispatcher::start(OutletParts {
        engine: engine.clone(),
        store: store.clone(),
        clock: Arc::new(clock.clone()),
        zones: TimeZoneDatabase::bundled(),
        carrier: post,
        public_url: "https://trains.example/".to_owned(),
        faults: Faults::none(),
    })
}

impl TestApp {
    /// A server as it usually is.
    pub(crate) async fn start() -> TestApp {
        TestApp::with(Options::default()).await
    }

    /// A server with options of its own.
    pub(crate) async fn with(options: Options) -> TestApp {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::new("2026-11-21T12:00:00Z".parse().expect("a time"));
        TestApp::over(folder, clock, Arc::default(), options).await
    }

    /// The same server after it was ended in order and started again.
    pub(crate) async fn restart(self) -> TestApp {
        let TestApp {
            engine,
            clock,
            script,
            post,
            outlets,
            store,
            router,
            app,
            folder,
        } = self;
        app.stop_streams();
        outlets.stop(Duration::from_secs(5)).await;
        engine.shutdown().await;
        drop((engine, router, app, post, outlets, store));
        TestApp::over(folder, clock, script, Options::default()).await
    }

    /// A server over what a folder holds.
    async fn over(
        folder: TempDir,
        clock: ManualClock,
        script: Arc<Script>,
        mut options: Options,
    ) -> TestApp {
        let store = loop {
            // The server before lets go of the folder once its last task has ended.
            match SqlStore::open(trainmaster_store::Options::new(folder.path())).await {
                Ok(store) => break Arc::new(store),
                Err(StoreError::Locked(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("the store does not open: {error}"),
            }
        };
        let zones = TimeZoneDatabase::bundled();
        let types = ActivityType::ALL
            .into_iter()
            .filter(|uses| uses.acts_outside());
        let executors: Executors = types
            .map(|uses| (uses, script.clone() as Arc<dyn Executor>))
            .collect();
        let engine = Engine::start(trainmaster_engine::Options {
            store: store.clone(),
            executors,
            logs: store.clone(),
            clock: Arc::new(clock.clone()),
            zones: zones.clone(),
            faults: Faults::none(),
            limits: Limits::default(),
        });
        let engine = engine.await.expect("an engine");
        let post = Arc::new(Post::default());
        let outlets = dispatcher(&engine, &store, &clock, post.clone());
        options.outlets = Some(outlets.clone());
        let vault = Vault::new(store.clone(), &[7; KEY_BYTES], &[]).expect("a vault");
        options.vault = Some(Arc::new(vault));
        let app = App::new(Parts {
            engine: engine.clone(),
            store: store.clone(),
            logs: store.clone(),
            clock: Arc::new(clock.clone()),
            zones,
            options,
        });
        TestApp {
            engine,
            clock,
            script,
            router: router(app.clone()),
            app,
            post,
            outlets,
            store,
            folder,
        }
    }

    /// Where the server keeps its files.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Waits for what the server does by itself; only a broken test waits long.
    pub(crate) async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..4_000 {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came to be: {what}")
    }

    /// Now, by the clock that is moved by hand.
    pub(crate) fn clock_now(&self) -> Timestamp {
        use trainmaster_engine::ports::Clock as _;
        self.clock.now()
    }

    /// Somebody who has everything.
    pub(crate) async fn administrator(&self) -> Client<'_> {
        self.client("root", &[], &[Role::Administrator], None).await
    }

    /// A release manager of the organization `payments`.
    pub(crate) async fn manager(&self) -> Client<'_> {
        self.client(
            "maria",
            &["release-managers"],
            &[Role::ReleaseManager],
            Some("payments"),
        )
        .await
    }

    /// Somebody of the team `qa` of the organization `payments`.
    pub(crate) async fn tester(&self) -> Client<'_> {
        self.client("quentin", &["qa"], &[Role::Viewer], Some("payments"))
            .await
    }

    /// Somebody with a token made for them.
    pub(crate) async fn client(
        &self,
        user: &str,
        teams: &[&str],
        roles: &[Role],
        organization: Option<&str>,
    ) -> Client<'_> {
        let token = Token::generate().expect("randomness");
        let in_a_month = trainmaster_engine::ports::Clock::now(&self.clock)
            + jiff::SignedDuration::from_hours(30 * 24);
        let command = Command::IssueToken(NewToken {
            digest: token.digest(),
            user: user.parse().expect("a name"),
            teams: teams
                .iter()
                .map(|team| team.parse().expect("a name"))
                .collect(),
            roles: roles.to_vec(),
            organization: organization.map(|name| name.parse().expect("a name")),
            kind: TokenKind::Service,
            scope: None,
            expires_at: Some(at("2027-01-01T00:00:00Z").max(in_a_month)),
            description: "a test".to_owned(),
        });
        let request = trainmaster_engine::Request {
            actor: Actor::System,
            ..trainmaster_engine::Request::system(command)
        };
        self.engine
            .submit(request)
            .await
            .expect("the token is issued");
        Client {
            test: self,
            token: Some(token.reveal().to_owned()),
        }
    }

    /// Somebody who has signed in: a user with a personal token, who may what bindings say.
    pub(crate) async fn signed_in(&self, user: &str) -> Client<'_> {
        let name: trainmaster_core::ids::Name = user.parse().expect("a name");
        let token = Token::generate().expect("randomness");
        let new = NewUser {
            name: name.clone(),
            display_name: String::new(),
            email: String::new(),
            identity: None,
            credential: None,
        };
        let personal = NewToken {
            digest: token.digest(),
            user: name,
            teams: Vec::new(),
            roles: Vec::new(),
            organization: None,
            kind: TokenKind::Personal,
            scope: None,
            expires_at: Some("2027-01-01T00:00:00Z".parse().expect("a time")),
            description: "a test".to_owned(),
        };
        for command in [Command::CreateUser(new), Command::IssueToken(personal)] {
            let request = trainmaster_engine::Request::system(command);
            self.engine.submit(request).await.expect("let in");
        }
        Client {
            test: self,
            token: Some(token.reveal().to_owned()),
        }
    }

    /// Somebody without a token.
    pub(crate) fn stranger(&self) -> Client<'_> {
        Client {
            test: self,
            token: None,
        }
    }

    /// Somebody with these letters for a token.
    pub(crate) fn bearer(&self, token: &str) -> Client<'_> {
        Client {
            test: self,
            token: Some(token.to_owned()),
        }
    }

    /// The server itself, to let it listen.
    pub(crate) fn app(&self) -> App {
        self.app.clone()
    }

    /// Ends live streams as a stopping server does.
    pub(crate) fn stop_streams(&self) {
        self.app.stop_streams();
    }
}

/// Somebody who sends requests.
pub(crate) struct Client<'a> {
    pub(crate) test: &'a TestApp,
    token: Option<String>,
}

impl Client<'_> {
    /// The token, to look for where it must not be.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.open(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = axum::body::to_bytes(response.into_body(), 64 << 20)
            .await
            .expect("a whole body");
        Reply {
            status,
            headers,
            text,
        }
    }

    /// Sends a request and leaves the body open.
    pub(crate) async fn open(&self, mut request: Request<Body>) -> axum::response::Response {
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        self.test
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router always answers")
    }

    /// Sends a request with headers and perhaps a JSON body.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a request")).await
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, &[], None).await
    }

    /// Asks for a change.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// Applies definitions.
    pub(crate) async fn apply(&self, yaml: &str) -> Reply {
        self.yaml(Method::POST, "/api/v1/apply", yaml).await
    }

    /// Sends YAML.
    pub(crate) async fn yaml(&self, method: Method, path: &str, yaml: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/yaml");
        self.send(
            request
                .body(Body::from(yaml.to_owned()))
                .expect("a request"),
        )
        .await
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut request = Request::builder()
            .uri(path)
            .header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .open(request.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.into_body().into_data_stream();
        Stream {
            bytes: bytes
                .map(|piece| piece.expect("the stream does not break"))
                .boxed(),
            rest: String::new(),
        }
    }

    /// A started release of the process `train`, and its id.
    pub(crate) async fn start_train(&self) -> String {
        let body = json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"}, "start": true});
        let created = self
            .post("/api/v1/releases", body)
            .await
            .expect(StatusCode::CREATED);
        created["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until a release has a status.
    pub(crate) async fn until_status(&self, release: &str, status: &str) -> Value {
        self.until(&format!("/api/v1/releases/{release}"), |view| {
            view["status"] == status
        })
        .await
    }

    /// Waits until an activity has a status.
    pub(crate) async fn until_activity(&self, release: &str, path: &str, status: &str) -> Value {
        let address = format!("/api/v1/releases/{release}/activities/{path}");
        self.until(&address, |view| view["status"] == status).await
    }

    /// Reads an address again with each event until something holds.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut feed = self.test.engine.subscribe(self.test.engine.position());
        let waiting = async {
            loop {
                let view = self.get(path).await.expect(StatusCode::OK);
                if holds(&view) {
                    return view;
                }
                feed.next()
                    .await
                    .expect("the engine runs")
                    .expect("the journal can be read");
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(view) => view,
            Err(_) => panic!("`{path}` did not come to that: {:?}", self.get(path).await),
        }
    }
}

/// Somebody with a browser: it keeps cookies, says where a page comes from, and has a network address.
pub(crate) struct Browser<'a> {
    test: &'a TestApp,
    cookies: Mutex<BTreeMap<String, String>>,
    address: std::net::SocketAddr,
    host: String,
    origin: String,
}

impl<'a> Browser<'a> {
    /// A browser on the machine of the server.
    pub(crate) fn new(test: &'a TestApp, address: &str) -> Browser<'a> {
        Browser::at(test, address, "localhost:7420", "http://localhost:7420")
    }

    /// A browser whose address bar shows another origin.
    pub(crate) fn at(test: &'a TestApp, address: &str, host: &str, origin: &str) -> Browser<'a> {
        Browser {
            test,
            cookies: Mutex::default(),
            address: format!("{address}:4711").parse().expect("an address"),
            host: host.to_owned(),
            origin: origin.to_owned(),
        }
    }

    /// Sends what a page of this server sends.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let origin = self.origin.clone();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        let own: &[(&str, &str)] = if method == Method::GET { &[] } else { &headers };
        self.send(method, path, own, body).await
    }

    /// Sends a request with these headers, and with the cookies.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let request = self.request(method, path, headers, body);
        let reply = self.test.stranger().send(request).await;
        self.take_cookies(&reply.headers);
        reply
    }

    /// A request as the browser makes it.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .extension(axum::extract::ConnectInfo(self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies.lock().expect("no test panics in here").clone();
        let cookies: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        request.body(body).expect("a request")
    }

    fn take_cookies(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("no test panics in here");
        for cookie in headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("text");
            let (name, value) = text
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            match text.contains("Max-Age=0") {
                true => drop(cookies.remove(name)),
                false => drop(cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies
            .lock()
            .expect("no test panics in here")
            .get(name)
            .cloned()
    }

    /// Puts a cookie into the browser.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("no test panics in here");
        cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Signs in with a password.
    pub(crate) async fn sign_in(&self, user: &str, password: &str) -> Reply {
        let body = json!({"user": user, "password": password});
        self.call(Method::POST, "/api/v1/session", Some(body)).await
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn stream(&self, path: &str) -> Stream {
        let request = self.request(Method::GET, path, &[("accept", "text/event-stream")], None);
        let response = self.test.stranger().open(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.into_body().into_data_stream();
        Stream {
            bytes: bytes
                .map(|piece| piece.expect("the stream does not break"))
                .boxed(),
            rest: String::new(),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: Bytes,
}

impl Reply {
    /// The body as JSON, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        assert_eq!(self.status, status, "{text}");
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        }
    }

    /// The problem, if it has this code; checks what every problem has.
    #[track_caller]
    pub(crate) fn problem(self, code: &str) -> Value {
        let headers = self.headers.clone();
        let status = self.status;
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            problem["requestId"],
            headers["x-request-id"].to_str().expect("text")
        );
        assert!(
            problem["instance"].is_string() && problem["detail"].is_string(),
            "{problem}"
        );
        problem
    }

    /// The body as text.
    pub(crate) fn words(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

/// A stream of server-sent events.
pub(crate) struct Stream {
    bytes: BoxStream<'static, Bytes>,
    rest: String,
}

impl Stream {
    /// The next event; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let reading = async {
            loop {
                if let Some(end) = self.rest.find("\n\n") {
                    let text: String = self.rest.drain(..end + 2).collect();
                    let message = message(&text);
                    if !message.event.is_empty() {
                        return Some(message);
                    }
                    continue;
                }
                let piece = self.bytes.next().await?;
                self.rest
                    .push_str(std::str::from_utf8(&piece).expect("UTF-8"));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .expect("something happens within 20 s")
    }
}

fn message(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", value)) => value.clone_into(&mut message.id),
            Some(("event", value)) => value.clone_into(&mut message.event),
            Some(("data", value)) => value.clone_into(&mut message.data),
            _ => (),
        }
    }
    message
}

/// An attempt by its release and path.
pub(crate) fn attempt(release: &str, path: &str, number: u32) -> AttemptId {
    AttemptId {
        release: release.parse().expect("a release id"),
        path: path.parse().expect("a path"),
        number,
    }
}

/// A time.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}
