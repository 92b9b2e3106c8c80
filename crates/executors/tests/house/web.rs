//! Servers to send requests to: one that remembers what it applied, and one that misbehaves by script.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::lock;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

/// A server that remembers: every request, and what it applied under which key.
#[derive(Default)]
pub struct Memory {
    pub seen: Mutex<Vec<Seen>>,
    /// How often something was applied, by idempotency key.
    pub applied: Mutex<BTreeMap<String, u32>>,
    /// Answers that are given first, whatever is asked.
    pub script: Mutex<VecDeque<Response>>,
}

/// How a request that is not scripted is answered.
pub type Answer = fn(&Memory, &Seen) -> Response;

impl Memory {
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    pub fn answers(&self, response: impl IntoResponse) {
        lock(&self.script).push_back(response.into_response());
    }

    /// Applies what a key stands for, once.
    pub fn apply(&self, key: &str) {
        lock(&self.applied).entry(key.to_owned()).or_insert(1);
    }
}

/// Starts a server that remembers; the address has no slash at its end.
pub async fn remembering(answer: Answer) -> (Arc<Memory>, String) {
    let memory = Arc::new(Memory::default());
    let state = (memory.clone(), answer);
    let app = Router::new().fallback(take).with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (memory, format!("http://{address}"))
}

async fn take(
    State((memory, answer)): State<(Arc<Memory>, Answer)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = Seen {
        method,
        path: uri.to_string(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    lock(&memory.seen).push(seen.clone());
    let scripted = lock(&memory.script).pop_front();
    scripted.unwrap_or_else(|| answer(&memory, &seen))
}

pub fn fine(_: &Memory, _: &Seen) -> Response {
    StatusCode::OK.into_response()
}

/// One step of a server that misbehaves, after it has read the head of a request.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Sends the same bytes again and again.
    Forever(Vec<u8>),
    /// Cuts the connection the hard way.
    Reset,
    /// Says nothing for ever.
    Hang,
}

pub fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// Starts a server that does these steps on every connection, and counts connections.
pub async fn misbehaving(steps: Vec<Step>) -> (SocketAddr, Arc<Mutex<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *lock(&counted) += 1;
            tokio::spawn(act(stream, steps.clone()));
        }
    });
    (address, count)
}

async fn act(mut stream: TcpStream, steps: Vec<Step>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    for step in steps {
        let done = match step {
            Step::Send(bytes) => stream.write_all(&bytes).await,
            Step::Pause(length) => {
                tokio::time::sleep(length).await;
                Ok(())
            }
            Step::Forever(bytes) => loop {
                if let Err(error) = stream.write_all(&bytes).await {
                    break Err(error);
                }
                tokio::task::yield_now().await;
            },
            Step::Reset => stream.set_zero_linger(),
            Step::Hang => std::future::pending().await,
        };
        if done.is_err() {
            return;
        }
    }
}
