//! Sends one request within limits and says how far it got, which is what decides whether it may be sent again.
//!
//! Every request has a connection of its own: to checked addresses only (see [`crate::egress`]), without proxies,
//! and without the doubt whether a kept connection was still alive when the request went out.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::egress::{Egress, Refusal};

/// A request with its limits.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) limits: Limits,
    /// How many redirects are followed.
    pub(crate) redirects_max: u8,
}

/// What one request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
    pub(crate) body_bytes_max: usize,
}

impl Limits {
    /// The same time for everything, for small questions.
    pub(crate) fn within(total: Duration, body_bytes_max: usize) -> Self {
        Limits {
            connect: total,
            first_byte: total,
            idle: total,
            total,
            body_bytes_max,
        }
    }
}

/// An answer that was taken in whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
}

/// How far a request without a whole answer got.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It was not sent and never will be.
    #[error("{0}")]
    Refused(String),
    /// It was not sent; later it may be.
    #[error("{0}")]
    NotSent(String),
    /// It may have arrived, or not; there was no answer.
    #[error("{0}")]
    Lost(String),
    /// An answer came, but its body broke off.
    #[error("the answer {status} broke off: {error}")]
    Broken {
        status: u16,
        headers: Box<HeaderMap>,
        error: String,
    },
    /// An answer came, but its body is more than is taken in, or compressed.
    #[error("the answer {status} cannot be taken in: {error}")]
    Unfit {
        status: u16,
        headers: Box<HeaderMap>,
        error: String,
    },
}

/// Sends a request and takes in the answer.
pub(crate) async fn send(egress: &Egress, request: Request) -> Result<Response, SendError> {
    let end = Instant::now() + request.limits.total;
    let redirects_max = request.redirects_max;
    let mut request = request;
    let mut redirects = 0;
    loop {
        let response = start(egress, &request, end, redirects > 0).await?;
        let Some(target) = redirect_target(&response, &request.url) else {
            return take_in(response, &request, end).await;
        };
        if redirects_max == 0 {
            return take_in(response, &request, end).await;
        }
        if redirects == redirects_max {
            let error = format!("more than {redirects_max} redirects");
            return Err(SendError::Refused(error));
        }
        redirects += 1;
        request = follow(request, response.status().as_u16(), target)?;
    }
}

/// Connects, sends, and waits for the head of the answer.
async fn start(
    egress: &Egress,
    request: &Request,
    end: Instant,
    redirected: bool,
) -> Result<reqwest::Response, SendError> {
    // After a redirect the first address has already seen the request.
    let before = |error: String| match redirected {
        true => SendError::Lost(error),
        false => SendError::NotSent(error),
    };
    let limits = &request.limits;
    let host = request.url.host_str().unwrap_or_default();
    let checked = match timeout(limits.connect, egress.check(&request.url)).await {
        Err(_) => return Err(before(format!("`{host}` was not resolved in time"))),
        Ok(Err(error @ Refusal::Unresolved { .. })) => return Err(before(error.to_string())),
        Ok(Err(error)) => return Err(SendError::Refused(error.to_string())),
        Ok(Ok(checked)) => checked,
    };
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(limits.connect)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("trainmaster/", env!("CARGO_PKG_VERSION")));
    if request.url.scheme() == "http" {
        // Reading the system's certificates takes longer than the rest of a plain request.
        client = client.tls_certs_only([]);
    }
    if let Some(name) = &checked.name {
        client = client.resolve_to_addrs(name, &checked.addresses);
    }
    let client = client.build().map_err(|error| before(chain(&error)))?;
    let mut message = client
        .request(request.method.clone(), request.url.clone())
        .headers(request.headers.clone())
        .header(ACCEPT_ENCODING, "identity");
    if let Some(body) = &request.body {
        message = message.body(body.clone());
    }
    let message = message
        .build()
        .map_err(|error| SendError::Refused(chain(&error)))?;
    let patience = (Instant::now() + limits.connect + limits.first_byte).min(end);
    match timeout_at(patience, client.execute(message)).await {
        Ok(Ok(response)) => {
            let peer = response.remote_addr();
            match peer.is_none_or(|peer| checked.addresses.contains(&peer)) {
                true => Ok(response),
                false => Err(SendError::Lost(format!(
                    "`{host}` was answered by an unchecked address"
                ))),
            }
        }
        Ok(Err(error)) if error.is_connect() => Err(before(chain(&error))),
        Ok(Err(error)) if error.is_builder() => Err(SendError::Refused(chain(&error))),
        Ok(Err(error)) => Err(SendError::Lost(chain(&error))),
        Err(_) => Err(SendError::Lost(format!("`{host}` did not answer in time"))),
    }
}

/// Reads the body within its limits.
async fn take_in(
    mut response: reqwest::Response,
    request: &Request,
    end: Instant,
) -> Result<Response, SendError> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let broken = |error: String| SendError::Broken {
        status,
        headers: Box::new(headers.clone()),
        error,
    };
    let unfit = |error: String| SendError::Unfit {
        status,
        headers: Box::new(headers.clone()),
        error,
    };
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(unfit(
            "it is compressed although nobody asked for that".into(),
        ));
    }
    let most = request.limits.body_bytes_max;
    let too_large = || unfit(format!("its body is larger than {most} bytes"));
    if request.method != Method::HEAD && response.content_length() > Some(most as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        let patience = (Instant::now() + request.limits.idle).min(end);
        match timeout_at(patience, response.chunk()).await {
            Err(_) => return Err(broken("nothing more came in time".into())),
            Ok(Err(error)) => return Err(broken(chain(&error))),
            Ok(Ok(None)) => break,
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > most => return Err(too_large()),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
        }
    }
    Ok(Response {
        status,
        headers,
        body,
        url: request.url.clone(),
    })
}

fn redirect_target(response: &reqwest::Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    from.join(location).ok()
}

/// The request that a redirect asks for; what was meant for one host is not shown to another.
fn follow(mut request: Request, status: u16, target: Url) -> Result<Request, SendError> {
    let becomes_get = match status {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = None;
        request.headers.remove(CONTENT_TYPE);
    }
    if target.origin() != request.url.origin() {
        if request.body.is_some() {
            let error = "a redirect asks to send the body to another host";
            return Err(SendError::Refused(error.into()));
        }
        let accept = request.headers.remove(ACCEPT);
        request.headers.clear();
        request
            .headers
            .extend(accept.map(|accept: HeaderValue| (ACCEPT, accept)));
    }
    request.url = target;
    Ok(request)
}

/// An error with its causes; addresses are left out, since they may hold secrets.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.dedup();
    match causes.last() {
        Some(_) => causes.join(": "),
        None if error.is_timeout() => "it took too long".into(),
        None => "the request failed".into(),
    }
}
