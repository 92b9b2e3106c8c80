//! Errors as the API writes them: `application/problem+json` (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the pages about codes are; a problem's `type` is this and the code.
pub const PROBLEM_BASE: &str = "https://trainmaster.dev/errors/";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The address of the page about the code.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// What kind of problem it is, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code, for programs.
    pub code: String,
    /// What holds here and now, and what would help.
    pub detail: String,
    /// The address that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Names the request in the server's own log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// The field, for example `inputs.environment`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Line in the request, from one, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// Every code with its status and title; each has a page in `docs/errors/`.
pub const CODES: &[(&str, u16, &str)] = &[
    // The request is not from somebody who may ask.
    ("unauthenticated", 401, "Not signed in"),
    ("invalid-token", 401, "The token is not valid"),
    (
        "sign-in-refused",
        401,
        "Not signed in: user or password is wrong",
    ),
    (
        "oidc-refused",
        401,
        "The identity provider's answer proves nothing",
    ),
    (
        "insecure-connection",
        403,
        "The connection can be overheard",
    ),
    ("cross-origin", 403, "The request comes from another page"),
    ("forbidden", 403, "Not permitted"),
    ("not-yours", 403, "Somebody else decides here"),
    // There is no such thing.
    ("not-found", 404, "No such address"),
    ("unknown-release", 404, "No such release"),
    ("unknown-activity", 404, "No such activity"),
    ("unknown-resource", 404, "No such definition"),
    ("unknown-token", 404, "No such token"),
    ("unknown-secret", 404, "No such secret"),
    ("unknown-delivery", 404, "No such delivery"),
    ("unknown-provider", 404, "No such identity provider"),
    ("unknown-host", 421, "The server has another name"),
    ("unknown-user", 404, "No such user"),
    ("unknown-callback", 404, "No such callback"),
    // The request is not understood.
    ("method-not-allowed", 405, "Method not allowed"),
    ("malformed-json", 400, "Not valid JSON"),
    ("malformed-yaml", 400, "Not valid YAML"),
    ("invalid-query", 400, "The query is not valid"),
    ("invalid-header", 400, "A header is not valid"),
    ("cursor-invalid", 400, "The cursor is not valid"),
    ("unsupported-media-type", 415, "Unsupported media type"),
    ("payload-too-large", 413, "The request is too large"),
    ("uri-too-long", 414, "The address is too long"),
    ("headers-too-large", 431, "The headers are too large"),
    // What is asked does not fit what holds.
    ("invalid-body", 422, "The request does not fit"),
    ("invalid-input", 422, "Values do not fit"),
    ("weak-password", 422, "The password is not taken"),
    (
        "invalid-definition",
        422,
        "The definition does not hold together",
    ),
    ("reason-needed", 422, "A reason is needed"),
    (
        "idempotency-key-reused",
        422,
        "The idempotency key belongs to another request",
    ),
    (
        "wrong-release-status",
        409,
        "The release's status does not allow it",
    ),
    (
        "wrong-activity-status",
        409,
        "The activity's status does not allow it",
    ),
    (
        "not-permitted-by-process",
        409,
        "The process does not permit it",
    ),
    ("stale-digest", 409, "What you were shown has changed"),
    ("stale-attempt", 409, "The attempt is closed"),
    (
        "dependent-started",
        409,
        "Something that depends on it has started",
    ),
    ("not-ready", 409, "Something has to be ready first"),
    ("exclusive-level", 409, "Releases are kept to one level"),
    ("in-use", 409, "It is in use"),
    ("limit-reached", 409, "A limit was reached"),
    ("stale-version", 412, "It has been changed meanwhile"),
    // The server cannot do it now.
    ("too-many-requests", 429, "Too many requests"),
    ("busy", 503, "The server is busy"),
    ("unavailable", 503, "The server cannot do this now"),
    (
        "outcome-unknown",
        503,
        "Nobody knows yet whether it happened",
    ),
    ("timeout", 504, "It took too long"),
    ("internal", 500, "Something went wrong in the server"),
];

impl Problem {
    /// A problem with a code of [`CODES`]; an unknown code would be `internal`.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let known = CODES.iter().find(|(known, ..)| *known == code);
        let (code, status, title) =
            *known.unwrap_or(&("internal", 500, "Something went wrong in the server"));
        Problem {
            problem_type: format!("{PROBLEM_BASE}{code}"),
            title: title.to_owned(),
            status,
            code: code.to_owned(),
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// The same problem with the fields that are wrong.
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_named_once_and_has_an_error_status() {
        let codes: BTreeSet<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(
            CODES
                .iter()
                .all(|(_, status, _)| (400..600).contains(status))
        );
    }

    #[test]
    fn the_list_of_codes_for_the_documentation_is_current() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        let listed = include_str!("../codes.txt");
        assert_eq!(
            listed.lines().collect::<Vec<_>>(),
            codes,
            "write the codes, sorted, to codes.txt"
        );
    }

    #[test]
    fn a_problem_carries_the_status_and_the_page_of_its_code() {
        let problem = Problem::new("stale-version", "you have version 2, the current one is 3");
        assert_eq!(problem.status, 412);
        assert!(problem.problem_type.ends_with("/stale-version"));
    }
}
