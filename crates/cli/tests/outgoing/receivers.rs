//! Receivers that remember: a web house for chats and webhooks, and a small mail server.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A document that came to the webhook.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

impl Hook {
    /// What a receiver does before it believes a document (Standard Webhooks).
    pub(crate) fn is_genuine(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").expect("a prefix");
        let key = STANDARD.decode(key).expect("Base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        self.signature == format!("v1,{expected}")
    }
}

#[derive(Default)]
struct Seen {
    hooks: Mutex<Vec<Hook>>,
    chats: Mutex<Vec<String>>,
}

/// A web house that outlives the server.
pub(crate) struct House {
    pub(crate) url: String,
    seen: Arc<Seen>,
    _runtime: tokio::runtime::Runtime,
}

impl House {
    pub(crate) fn open() -> House {
        let seen = Arc::<Seen>::default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let router = Router::new()
            .route("/hook", post(hook))
            .route("/slack/{secret}", post(chat))
            .with_state(seen.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        House {
            url,
            seen,
            _runtime: runtime,
        }
    }

    pub(crate) fn hooks(&self) -> Vec<Hook> {
        self.seen.hooks.lock().expect("whole").clone()
    }

    pub(crate) fn chats(&self) -> Vec<String> {
        self.seen.chats.lock().expect("whole").clone()
    }
}

async fn hook(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: String) -> &'static str {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let hook = Hook {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    };
    seen.hooks.lock().expect("whole").push(hook);
    "taken"
}

async fn chat(State(seen): State<Arc<Seen>>, body: String) -> &'static str {
    seen.chats.lock().expect("whole").push(body);
    "ok"
}

/// A mail that was taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

/// A mail server that takes everything and forwards nothing.
pub(crate) struct Mailroom {
    pub(crate) address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Mailroom {
    pub(crate) fn open() -> Mailroom {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mails = Arc::<Mutex<Vec<Mail>>>::default();
        let kept = mails.clone();
        std::thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || drop(serve(&visitor, &kept)));
            }
        });
        Mailroom { address, mails }
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("whole").clone()
    }
}

/// One conversation (RFC 5321), as far as a client needs it.
fn serve(visitor: &TcpStream, kept: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
    let mut say = visitor.try_clone()?;
    let mut lines = BufReader::new(visitor);
    let mut mail = Mail::default();
    write!(say, "220 mailroom\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb: String = line.chars().take(4).collect::<String>().to_uppercase();
        match verb.as_str() {
            "EHLO" => write!(say, "250-mailroom\r\n250 8BITMIME\r\n")?,
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                mail.to.push(address.to_owned());
                write!(say, "250 ok\r\n")?;
            }
            "DATA" => {
                write!(say, "354 go on\r\n")?;
                loop {
                    let mut line = String::new();
                    if lines.read_line(&mut line)? == 0 || line == ".\r\n" {
                        break;
                    }
                    mail.text.push_str(&line);
                }
                kept.lock().expect("whole").push(std::mem::take(&mut mail));
                write!(say, "250 taken\r\n")?;
            }
            "QUIT" => {
                write!(say, "221 bye\r\n")?;
                return Ok(());
            }
            _ => write!(say, "250 ok\r\n")?,
        }
    }
}
