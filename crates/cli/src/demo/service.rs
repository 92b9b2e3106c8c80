//! The services of the demo: a tiny HTTP server that says what runs where, as the environments' folder has it.
//!
//! `GET /ENVIRONMENT/SERVICE` answers the version that is deployed there now; `POST /announcements` keeps a message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{self, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use trainmaster_core::ids::Name;

use super::house::git;

/// What the services look at.
#[derive(Debug)]
pub(crate) struct Services {
    /// The Git repository with the environments.
    pub(crate) repository: PathBuf,
    /// Where messages are kept.
    pub(crate) announcements: PathBuf,
}

impl Services {
    /// Answers until the process ends; the port stays the same over restarts.
    pub(crate) async fn open(self, port: u16) -> anyhow::Result<u16> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| {
                format!("the demo's services cannot listen on `127.0.0.1:{port}` again")
            })?;
        let port = listener.local_addr()?.port();
        let router = Router::new()
            .route("/announcements", post(announce).get(announced))
            .route("/{environment}/{service}", get(running))
            .with_state(Arc::new(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(port)
    }
}

/// What runs there.
async fn running(
    State(services): State<Arc<Services>>,
    extract::Path((environment, service)): extract::Path<(String, String)>,
) -> Response {
    let (Ok(environment), Ok(service)) = (environment.parse::<Name>(), service.parse::<Name>())
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match deployed(&services.repository, &environment, &service).await {
        Ok(Some(version)) => {
            let body = json!({"status": "ok", "environment": environment, "service": service, "version": version});
            axum::Json(body).into_response()
        }
        Ok(None) => {
            let body = json!({"status": "absent", "environment": environment, "service": service, "version": ""});
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The version in the environments' folder, read from the repository as it is now.
async fn deployed(
    repository: &Path,
    environment: &Name,
    service: &Name,
) -> anyhow::Result<Option<String>> {
    let file = format!("main:environments/{environment}/{service}.yaml");
    let mut command = tokio::process::Command::from(git(repository));
    let output = command.args(["show", &file]).output().await?;
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("version: "))
        .map(str::to_owned);
    Ok(version)
}

/// Keeps a message, once for each idempotency key.
async fn announce(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "the message is not JSON\n").into_response();
    };
    let key = headers
        .get("idempotency-key")
        .map_or(&body[..], |key| key.as_bytes());
    let name: String = Sha256::digest(key)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = services.announcements.join(format!("{name}.json"));
    match tokio::fs::write(&path, message.to_string()).await {
        Ok(()) => (StatusCode::CREATED, axum::Json(message)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Every message that was kept.
async fn announced(State(services): State<Arc<Services>>) -> Response {
    match messages(&services.announcements) {
        Ok(messages) => axum::Json(messages).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn messages(directory: &Path) -> anyhow::Result<Vec<Value>> {
    let mut paths = std::fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<PathBuf>>>()?;
    paths.sort();
    paths
        .iter()
        .map(|path| Ok(serde_json::from_slice(&std::fs::read(path)?)?))
        .collect()
}
