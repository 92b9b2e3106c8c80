//! What happens to every request and every response, whatever the route.

use std::any::Any;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use trainmaster_api::Problem;

use crate::error::{ApiError, problem_response};
use crate::metrics::Labels;
use crate::state::App;

const URI_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 32 << 10;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, completes problems, and puts the security headers on.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let instance = request.uri().path().to_owned();
    let is_head = request.method() == Method::HEAD;
    let span =
        tracing::info_span!("request", id = %id, method = %request.method(), path = %instance);
    let mut response = next.run(request).instrument(span).await;
    response = complete(response, &id, instance, is_head);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    secure(headers);
    response
}

/// The caller's name for the request if it is a harmless one, otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given
        .filter(harmless)
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// Makes every error a problem that names address and request.
fn complete(mut response: Response, id: &str, instance: String, is_head: bool) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let known = response.extensions_mut().remove::<Problem>();
    let mut problem = known.unwrap_or_else(|| foreign(status));
    note_denial(&problem, id, &instance);
    problem.instance = Some(instance);
    problem.request_id = Some(id.to_owned());
    let kept = response.headers().clone();
    let mut completed = problem_response(problem, None);
    for name in [
        header::ALLOW,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::CONNECTION,
    ] {
        if let Some(value) = kept.get(&name) {
            completed.headers_mut().insert(name, value.clone());
        }
    }
    if is_head {
        *completed.body_mut() = Body::empty();
    }
    completed
}

/// Writes into the log who was not let in, refused or slowed down; the path is encoded, so it cannot forge a line.
fn note_denial(problem: &Problem, id: &str, path: &str) {
    if matches!(problem.status, 401 | 403 | 429) {
        tracing::warn!(
            code = problem.code,
            request = id,
            path,
            "a request was denied"
        );
    }
}

/// The problem for an error that the framework made by itself.
fn foreign(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new("not-found", "there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            "method-not-allowed",
            "the address exists, but not with this method",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new("payload-too-large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            "unsupported-media-type",
            "the body is of a type that is not read here",
        ),
        StatusCode::REQUEST_TIMEOUT => Problem::new("timeout", "the request took too long"),
        status if status.is_client_error() => {
            Problem::new("invalid-body", "the request could not be read")
        }
        _ => Problem::new("internal", "something went wrong in the server"),
    }
}

fn secure(headers: &mut HeaderMap) {
    const ALWAYS: [(&str, &str); 8] = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
        ("strict-transport-security", "max-age=31536000"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in ALWAYS {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ));
}

/// Counts the request by its route.
pub(crate) async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let method = method(request.method());
    let response = next.run(request).await;
    let labels = Labels {
        route,
        method,
        class: class(response.status()),
    };
    app.http_metrics().observe(labels, begun.elapsed());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Refuses what is too large to look at, and what comes while too much is under way.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let length = uri.path().len() + uri.query().map_or(0, str::len);
    if length > URI_MAX {
        return ApiError::new(
            "uri-too-long",
            format!("the address is longer than {URI_MAX} bytes"),
        )
        .into_response();
    }
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    if headers.sum::<usize>() > HEADERS_MAX {
        let detail = format!("the headers together are larger than {HEADERS_MAX} bytes");
        return ApiError::new("headers-too-large", detail).into_response();
    }
    let Ok(_place) = app.places().try_acquire_owned() else {
        return ApiError::new("busy", "too many requests are under way")
            .retry_after(1)
            .into_response();
    };
    match tokio::time::timeout(app.options().timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "the request took too long; a change may or may not have been carried out";
            ApiError::new("timeout", detail).into_response()
        }
    }
}

/// What a panic in a handler looks like from outside.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    ApiError::internal(format!("a handler panicked: {message}")).into_response()
}

/// A JSON text that was rendered before, with a status.
pub(crate) fn rendered(status: StatusCode, body: String) -> Response {
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    (status, json, body).into_response()
}

/// A view as JSON with an entity tag, or 304 if the caller has it already.
pub(crate) fn tagged<T: serde::Serialize>(headers: &HeaderMap, tag: &str, view: &T) -> Response {
    let mut response = if crate::extract::none_match(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(view).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
