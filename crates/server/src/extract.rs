//! Reading requests: strict, bounded, and with the same words for every mistake.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sha2::{Digest, Sha256};
use trainmaster_core::ids::{ActivityPath, Name, Owner, ReleaseId, ResourceKind};
use trainmaster_engine::Idempotency;

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::token::hex;

/// Largest body that is read, in bytes.
pub const BODY_MAX: usize = 4 << 20;
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// A JSON body, with what a repetition of the request is recognized by.
pub(crate) struct Payload<T> {
    /// The body; an absent one counts as `{}`.
    pub(crate) body: T,
    /// Present if the request came with an `Idempotency-Key`.
    pub(crate) repeat: Option<Idempotency>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let raw = RawBody::from_request(request, state).await?;
        if !raw.bytes.is_empty() && !raw.is_json() {
            return Err(ApiError::new(
                "unsupported-media-type",
                "send `Content-Type: application/json`",
            ));
        }
        let text: &[u8] = if raw.bytes.is_empty() {
            b"{}"
        } else {
            &raw.bytes
        };
        Ok(Payload {
            body: json(text)?,
            repeat: raw.repeat,
        })
    }
}

/// A body as it came.
pub(crate) struct RawBody {
    /// Its bytes, at most [`BODY_MAX`].
    pub(crate) bytes: Bytes,
    /// The part of `Content-Type` before any `;`, in lower case; empty if there was none.
    pub(crate) media_type: String,
    /// Present if the request came with an `Idempotency-Key`.
    pub(crate) repeat: Option<Idempotency>,
}

impl RawBody {
    fn is_json(&self) -> bool {
        self.media_type == "application/json" || self.media_type.ends_with("+json")
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let key = idempotency_key(request.method(), request.headers())?;
        let media_type = media_type(request.headers());
        let viewer = request.extensions().get::<Viewer>().cloned();
        let target = format!("{} {}", request.method(), request.uri());
        if content_length(request.headers()).is_some_and(|length| length > BODY_MAX as u64) {
            return Err(too_large());
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                    too_large()
                } else {
                    ApiError::new("malformed-json", "the body could not be read to its end")
                }
            })?;
        let repeat = key.zip(viewer).map(|(key, viewer)| Idempotency {
            key: format!("user:{}/{key}", viewer.holder().user),
            fingerprint: fingerprint(&target, &bytes),
        });
        Ok(RawBody {
            bytes,
            media_type,
            repeat,
        })
    }
}

fn too_large() -> ApiError {
    ApiError::new(
        "payload-too-large",
        format!("the body is larger than {BODY_MAX} bytes"),
    )
}

/// Reads JSON and tells text that is no JSON from JSON that does not fit.
pub(crate) fn json<T: DeserializeOwned>(text: &[u8]) -> ApiResult<T> {
    serde_json::from_slice(text).map_err(|error| match error.classify() {
        Category::Data => ApiError::new("invalid-body", error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => {
            ApiError::new("malformed-json", error.to_string())
        }
    })
}

fn idempotency_key(method: &Method, headers: &HeaderMap) -> ApiResult<Option<String>> {
    let Some(value) = headers
        .get("idempotency-key")
        .filter(|_| *method == Method::POST)
    else {
        return Ok(None);
    };
    let fits = (1..=IDEMPOTENCY_KEY_MAX).contains(&value.len());
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(text) if fits && visible => Ok(Some(text.to_owned())),
        _ => Err(ApiError::new(
            "invalid-header",
            "`Idempotency-Key` must be 1 to 255 visible ASCII characters",
        )),
    }
}

fn fingerprint(target: &str, body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(target.as_bytes());
    hasher.update([0]);
    hasher.update(body);
    hex(&hasher.finalize())
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The parameters of a query; unknown ones are refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let merged = merged(parts.uri.query().unwrap_or_default());
        let uri: Uri = format!("/?{merged}")
            .parse()
            .map_err(|_| ApiError::new("invalid-query", "the query cannot be read"))?;
        axum::extract::Query::try_from_uri(&uri)
            .map(|axum::extract::Query(query)| Query(query))
            .map_err(|rejection| ApiError::new("invalid-query", rejection.body_text()))
    }
}

/// The query with repeated parameters as one, its values separated by commas.
fn merged(query: &str) -> String {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match values.get_mut(name.as_ref()) {
            Some(before) => {
                before.push(',');
                before.push_str(&value);
            }
            None => drop(values.insert(name.into_owned(), value.into_owned())),
        }
    }
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(values)
        .finish()
}

/// Segments of the address; ones that cannot be read lead nowhere.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(segments)) => Ok(Path(segments)),
            Err(_) => Err(ApiError::not_found()),
        }
    }
}

/// What the caller believes to be current, from `If-Match`; none if anything is fine.
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(IfMatch(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(IfMatch(None));
        }
        match tag_version(text) {
            Some(version) => Ok(IfMatch(Some(version))),
            None => Err(ApiError::new(
                "invalid-header",
                "`If-Match` must be an `ETag` of this API, or `*`",
            )),
        }
    }
}

/// The version inside an entity tag: `"7"` and `"7-0f3c…"` both name version 7.
fn tag_version(tag: &str) -> Option<u64> {
    let inner = tag
        .trim_start_matches("W/")
        .strip_prefix('"')?
        .strip_suffix('"')?;
    inner.split('-').next()?.parse().ok()
}

/// Whether `If-None-Match` names this tag.
pub(crate) fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    let Some(value) = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    value
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

/// A release's id; anything else is a release that does not exist.
pub(crate) fn release_id(text: &str) -> ApiResult<ReleaseId> {
    text.parse().map_err(|_| ApiError::unknown_release(text))
}

/// An activity's path; anything else is an activity that does not exist.
pub(crate) fn activity_path(
    release: ReleaseId,
    phase: &str,
    activity: &str,
) -> ApiResult<ActivityPath> {
    format!("{phase}/{activity}")
        .parse()
        .map_err(|_| unknown_activity(release, phase, activity))
}

/// There is no such activity.
pub(crate) fn unknown_activity(release: ReleaseId, phase: &str, activity: &str) -> ApiError {
    let path: String = format!("{phase}/{activity}").chars().take(150).collect();
    ApiError::new(
        "unknown-activity",
        format!("release `{release}` has no activity `{path}`"),
    )
}

/// A kind as it stands in an address; anything else leads nowhere.
pub(crate) fn kind(plural: &str) -> ApiResult<ResourceKind> {
    ResourceKind::ALL
        .into_iter()
        .find(|kind| kind.plural() == plural)
        .ok_or_else(ApiError::not_found)
}

/// A name in a body.
pub(crate) fn name(field: &str, text: &str) -> ApiResult<Name> {
    text.parse()
        .map_err(|error: trainmaster_core::ids::InvalidName| {
            ApiError::invalid_field(field, error.to_string())
        })
}

/// A name in a body that may be absent.
pub(crate) fn name_of(field: &str, text: Option<&str>) -> ApiResult<Option<Name>> {
    text.map(|text| name(field, text)).transpose()
}

/// A name in a query that may be absent.
pub(crate) fn query_name(parameter: &str, text: Option<&str>) -> ApiResult<Option<Name>> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: trainmaster_core::ids::InvalidName| {
                ApiError::invalid_query(parameter, error.to_string())
            })
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// An owner in a body.
pub(crate) fn owner(field: &str, text: &str) -> ApiResult<Owner> {
    text.parse()
        .map_err(|error: trainmaster_core::ids::InvalidName| {
            ApiError::invalid_field(field, error.to_string())
        })
}

/// Owners in a body.
pub(crate) fn owners(field: &str, texts: &[String]) -> ApiResult<Vec<Owner>> {
    texts.iter().map(|text| owner(field, text)).collect()
}

/// An instant in a body, in whole microseconds.
pub(crate) fn instant(field: &str, text: &str) -> ApiResult<Timestamp> {
    let expected = "must be a time such as `2026-12-24T12:00:00Z`";
    let at: Timestamp = text
        .parse()
        .map_err(|_| ApiError::invalid_field(field, expected))?;
    Timestamp::from_microsecond(at.as_microsecond())
        .map_err(|_| ApiError::invalid_field(field, expected))
}

/// An instant in a body that may be absent.
pub(crate) fn instant_of(field: &str, text: Option<&str>) -> ApiResult<Option<Timestamp>> {
    text.map(|text| instant(field, text)).transpose()
}

/// An instant in a query that may be absent.
pub(crate) fn query_instant(parameter: &str, text: Option<&str>) -> ApiResult<Option<Timestamp>> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::invalid_query(parameter, "must be a time such as `2026-12-24T12:00:00Z`")
        })
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_names_a_version_with_or_without_a_digest() {
        assert_eq!(tag_version("\"7\""), Some(7));
        assert_eq!(tag_version("W/\"7-0f3c\""), Some(7));
        assert_eq!(tag_version("7"), None);
        assert_eq!(tag_version("\"seven\""), None);
    }

    #[test]
    fn json_that_does_not_fit_is_told_from_text_that_is_no_json() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[expect(dead_code, reason = "only its name matters here")]
            reason: String,
        }
        let code = |text: &str| {
            json::<Body>(text.as_bytes())
                .expect_err("refused")
                .problem
                .code
                .clone()
        };
        assert_eq!(code("{\"reason\": 7}"), "invalid-body");
        assert_eq!(code("{\"raeson\": \"x\"}"), "invalid-body");
        assert_eq!(code("{\"reason\""), "malformed-json");
    }

    #[test]
    fn a_fingerprint_depends_on_address_and_body() {
        let one = fingerprint("POST /a", b"x");
        assert_ne!(one, fingerprint("POST /b", b"x"));
        assert_ne!(one, fingerprint("POST /a", b"y"));
        assert_eq!(one, fingerprint("POST /a", b"x"));
    }
}
