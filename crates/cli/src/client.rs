//! Talks to a server: one request, one answer, and what to do when the line is bad.
//!
//! Reads and keyed requests are sent again when the connection breaks: the server answers a key twice with
//! the same answer, so that nothing is done twice.

use std::time::Duration;

use rand::Rng;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use trainmaster_api::Problem;
use url::Url;

use crate::args::Globals;
use crate::context::Target;
use crate::failure::{Exit, Failure};
use crate::output;

/// How often a request is sent at most.
const TRIES_MAX: u32 = 4;
/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the way to a server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A live stream that says nothing for so long, not even that it is alive, is dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A server, and who asks it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// One request to be sent.
pub(crate) struct Request {
    method: Method,
    url: Url,
    body: Option<(String, &'static str)>,
    accept: &'static str,
    idempotency_key: Option<String>,
    if_match: Option<String>,
}

/// What came back, read to its end.
pub(crate) struct Answer {
    /// Its body.
    pub(crate) text: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
}

impl Answer {
    /// The body as a type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        Ok(serde_json::from_str(&self.text)?)
    }
}

impl Client {
    /// A client for the server that flags, environment and context name.
    pub(crate) fn new(globals: &Globals) -> Result<Client, Failure> {
        Client::for_target(&Target::resolve(globals)?)
    }

    /// A client for a server.
    pub(crate) fn for_target(target: &Target) -> Result<Client, Failure> {
        let base = parse_server(&target.server)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("trainmaster/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Failure::error)?;
        Ok(Client {
            http,
            base,
            token: target.token.clone(),
        })
    }

    /// The server's address.
    pub(crate) fn server(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Reads something: path segments below the server's address, and a query.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.send(self.request(Method::GET, path, query))
            .await?
            .read()
    }

    /// Asks for something to be done, under a fresh key.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(self.request(Method::POST, path, &[]).json(body)?)
            .await?
            .read()
    }

    /// A request to be filled and sent.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Request {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(query.iter().map(|(name, value)| (name, value)));
        }
        let idempotency_key = (method == Method::POST).then(new_key);
        Request {
            method,
            url,
            body: None,
            accept: "application/json",
            idempotency_key,
            if_match: None,
        }
    }

    /// Sends a request and reads the answer; anything but success is a failure.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let response = self.open(&request, ANSWER_TIMEOUT).await?;
        let headers = response.headers().clone();
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        Ok(Answer { text, headers })
    }

    /// Sends a request and answers as soon as the server begins to; the body is still to be read.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Response, Failure> {
        self.open(request, SILENCE_MAX).await
    }

    async fn open(&self, request: &Request, within: Duration) -> Result<Response, Failure> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answered = tokio::time::timeout(within, self.build(request).send()).await;
            let pause = match answered {
                Ok(Ok(response)) => match self.judge(response).await {
                    Ok(response) => return Ok(response),
                    Err((failure, None)) => return Err(failure),
                    Err((failure, Some(_))) if tried >= TRIES_MAX => return Err(failure.passing()),
                    Err((_, Some(pause))) => pause,
                },
                Ok(Err(error)) if !request.may_repeat() || tried >= TRIES_MAX => {
                    return Err(self.unreachable(&error));
                }
                Err(_) if !request.may_repeat() || tried >= TRIES_MAX => {
                    let silent = format!("`{}` does not answer", self.server());
                    return Err(Failure::error(silent).passing());
                }
                Ok(Err(_)) | Err(_) => pause_after(tried),
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn build(&self, request: &Request) -> reqwest::RequestBuilder {
        let mut builder = self
            .http
            .request(request.method.clone(), request.url.clone());
        builder = builder.header(ACCEPT, request.accept);
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("Idempotency-Key", key);
        }
        if let Some(tag) = &request.if_match {
            builder = builder.header(IF_MATCH, tag);
        }
        if let Some((body, content_type)) = &request.body {
            builder = builder
                .header(CONTENT_TYPE, *content_type)
                .body(body.clone());
        }
        builder
    }

    /// Success, or a failure with the pause after which another try makes sense.
    async fn judge(&self, response: Response) -> Result<Response, (Failure, Option<Duration>)> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let pause = busy.then(|| retry_after(response.headers()));
        let text = response.text().await.unwrap_or_default();
        let failure = match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => refusal(status, &problem),
            Err(_) => self.not_ours(status),
        };
        Err((failure, pause))
    }

    fn not_ours(&self, status: StatusCode) -> Failure {
        Failure::error(format!("`{}` answers {status}", self.server()))
            .hint("is that the address of a Trainmaster server?")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Failure::error(format!("`{}` cannot be reached: {cause}", self.server()))
            .passing()
            .hint("is the server running? `--server`, `TRAINMASTER_SERVER` or `trainmaster login URL` choose another one")
    }
}

impl Request {
    /// With a JSON body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Request, Failure> {
        self.body = Some((serde_json::to_string(body)?, "application/json"));
        Ok(self)
    }

    /// With a body of another type.
    pub(crate) fn text(mut self, body: String, content_type: &'static str) -> Request {
        self.body = Some((body, content_type));
        self
    }

    /// Only if the current version is this one.
    pub(crate) fn if_match(mut self, tag: Option<String>) -> Request {
        self.if_match = tag;
        self
    }

    /// Asking for another content type.
    pub(crate) fn accept(mut self, content_type: &'static str) -> Request {
        self.accept = content_type;
        self
    }

    /// Whether sending it twice does it once.
    fn may_repeat(&self) -> bool {
        self.method.is_idempotent() || self.idempotency_key.is_some()
    }
}

/// Reads a server's address; a scheme may be left out.
pub(crate) fn parse_server(text: &str) -> Result<Url, Failure> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let wrong = || {
        Failure::usage(format!("`{text}` is not the address of a server"))
            .hint("write for example `http://127.0.0.1:7420`")
    };
    let url = Url::parse(&full).map_err(|_| wrong())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if fits { Ok(url) } else { Err(wrong()) }
}

fn new_key() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

fn pause_after(tried: u32) -> Duration {
    let base = 100 << tried.min(6);
    Duration::from_millis(base + rand::rng().random_range(0..=base / 2))
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).clamp(1, 10))
}

/// A problem of the server as a failure: what holds, field by field, and what would help.
fn refusal(status: StatusCode, problem: &Problem) -> Failure {
    let exit = match status.as_u16() {
        401 | 403 | 409 | 412 | 422 => Exit::Refused,
        _ => Exit::Error,
    };
    // The detail sums the fields up; where they follow one by one, the title is enough.
    let summed_up = problem.detail.is_empty() || !problem.errors.is_empty();
    let headline = if summed_up {
        &problem.title
    } else {
        &problem.detail
    };
    let mut failure = Failure::new(exit, format!("{headline} ({})", problem.code));
    for error in &problem.errors {
        let text = format!("{}: {}", error.field, error.message);
        failure = failure.detail_at(text, error.line.zip(error.column));
    }
    if let Some(hint) = hints(&problem.code) {
        failure = failure.hint(hint);
    }
    if let Some(id) = problem
        .request_id
        .as_ref()
        .filter(|_| status.is_server_error())
    {
        failure = failure.hint(format!(
            "the server's own log says more under the request id `{id}`"
        ));
    }
    failure
}

fn hints(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid-token" | "unauthenticated" => {
            "`trainmaster login URL` signs in; `--token` and `TRAINMASTER_TOKEN` hold a token"
        }
        "forbidden" | "not-yours" => "`trainmaster whoami` shows who you are and what you may do",
        "reason-needed" => "say why with `--reason`",
        "unknown-release" => "`trainmaster release list` shows the releases that you may see",
        "unknown-activity" => "`trainmaster activity list RELEASE` shows the activities",
        "unknown-resource" => "`trainmaster get KIND` lists what is there",
        "wrong-release-status" => {
            "`trainmaster release show RELEASE` shows where it stands and what you may do"
        }
        "wrong-activity-status" => {
            "`trainmaster activity show RELEASE PHASE/ACTIVITY` shows where it stands"
        }
        "stale-version" => "read it again, then change it",
        "stale-digest" => {
            "`trainmaster activity show RELEASE PHASE/ACTIVITY` shows what is to be decided now"
        }
        _ => return None,
    })
}

/// Asks until the server answers, whatever that takes; only a refusal ends it.
pub(crate) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut tried = 0;
    loop {
        match ask().await {
            Err(failure) if failure.is_passing() => {
                if tried == 0 {
                    output::note("the server does not answer; trying again");
                }
                tried += 1;
                tokio::time::sleep(pause_after(tried)).await;
            }
            answer => return answer,
        }
    }
}

/// A whole list, page by page, up to `limit` items; the answers as the server gave them.
pub(crate) async fn list(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    limit: usize,
) -> Result<Vec<Value>, Failure> {
    const PAGE_MAX: usize = 500;
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while items.len() < limit {
        let mut query = query.to_vec();
        query.push(("limit", (limit - items.len()).min(PAGE_MAX).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page: trainmaster_api::Page<Value> = client.get(path, &query).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    items.truncate(limit);
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_or_without_its_scheme() {
        for (text, expected) in [
            ("127.0.0.1:7420", "http://127.0.0.1:7420/"),
            ("https://trains.example", "https://trains.example/"),
            ("http://host/below", "http://host/below"),
        ] {
            assert_eq!(parse_server(text).expect("an address").as_str(), expected);
        }
        assert!(parse_server("ftp://host").is_err());
        assert!(parse_server("http://").is_err());
    }

    #[test]
    fn addresses_are_built_from_segments_so_that_a_name_cannot_leave_its_place() {
        let target = Target {
            server: "http://host/below/".into(),
            token: None,
        };
        let client = Client::for_target(&target).expect("a client");
        let request = client.request(
            Method::GET,
            &["api", "v1", "a/../b?c"],
            &[("q", "x&y".into())],
        );
        assert_eq!(
            request.url.as_str(),
            "http://host/below/api/v1/a%2F..%2Fb%3Fc?q=x%26y"
        );
    }

    #[test]
    fn only_what_can_be_done_twice_is_sent_twice() {
        let target = Target {
            server: "http://host".into(),
            token: None,
        };
        let client = Client::for_target(&target).expect("a client");
        assert!(client.request(Method::GET, &[], &[]).may_repeat());
        assert!(client.request(Method::POST, &[], &[]).may_repeat());
        assert!(!client.request(Method::PATCH, &[], &[]).may_repeat());
    }
}
