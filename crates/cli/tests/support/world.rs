//! A fake outside world: it applies each keyed request once, remembers all of them, and outlives the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

/// What was asked for under each key, and how often.
type Asked = Arc<Mutex<BTreeMap<String, (String, u32)>>>;

/// A running world.
pub(crate) struct FakeWorld {
    /// Where it listens.
    pub(crate) url: String,
    asked: Asked,
    _runtime: tokio::runtime::Runtime,
}

impl FakeWorld {
    /// Starts a world in which nothing has happened.
    pub(crate) fn start() -> FakeWorld {
        let asked = Asked::default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let router = Router::new()
            .route("/apply/{what}", post(apply))
            .with_state(asked.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        FakeWorld {
            url,
            asked,
            _runtime: runtime,
        }
    }

    /// What has been applied, in alphabetical order; something under two keys stands there twice.
    pub(crate) fn applied(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("whole");
        let mut applied: Vec<String> = asked.values().map(|(what, _)| what.clone()).collect();
        applied.sort();
        applied
    }
}

async fn apply(
    State(asked): State<Asked>,
    Path(what): Path<String>,
    headers: HeaderMap,
) -> StatusCode {
    let Some(key) = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
    else {
        return StatusCode::BAD_REQUEST;
    };
    let mut asked = asked.lock().expect("whole");
    let entry = asked.entry(key.to_owned()).or_insert_with(|| (what, 0));
    entry.1 += 1;
    StatusCode::OK
}
