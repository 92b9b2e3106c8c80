//! Turning what went wrong into a problem document.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use trainmaster_api::{FieldError, Problem};
use trainmaster_core::Rejection;
use trainmaster_core::definition;
use trainmaster_engine::ports::StoreError;

/// What a handler answers when it cannot do what was asked.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The problem document.
    pub(crate) problem: Box<Problem>,
    retry_after_s: Option<u32>,
}

/// What a handler answers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A problem with a code of [`trainmaster_api::CODES`].
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        ApiError {
            problem: Box::new(Problem::new(code, detail)),
            retry_after_s: None,
        }
    }

    /// The same with the fields that are wrong.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.problem.errors = errors;
        self
    }

    /// The same with when to try again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// There is nothing at the address.
    pub(crate) fn not_found() -> Self {
        ApiError::new("not-found", "there is nothing at this address")
    }

    /// A release that does not exist, or may not be seen: the answers are the same.
    pub(crate) fn unknown_release(id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        ApiError::new("unknown-release", format!("release `{id}` does not exist"))
    }

    /// A definition that does not exist, or may not be seen: the answers are the same.
    pub(crate) fn unknown_resource(name: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        ApiError::new("unknown-resource", format!("`{name}` does not exist"))
    }

    /// One field of the body that does not fit.
    pub(crate) fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = FieldError {
            field: field.to_owned(),
            message: message.clone(),
            line: None,
            column: None,
        };
        ApiError::new("invalid-body", format!("`{field}`: {message}")).with_errors(vec![error])
    }

    /// One parameter of the query that does not fit.
    pub(crate) fn invalid_query(parameter: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = FieldError {
            field: parameter.to_owned(),
            message: message.clone(),
            line: None,
            column: None,
        };
        ApiError::new("invalid-query", format!("`{parameter}`: {message}")).with_errors(vec![error])
    }

    /// Something broke; the cause goes to the log and not to the caller.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a reason that is not the caller's");
        ApiError::new(
            "internal",
            "something went wrong in the server; its log knows more under the request id",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        problem_response(*self.problem, self.retry_after_s)
    }
}

/// A problem as a response; the outermost layer adds address and request id.
pub(crate) fn problem_response(problem: Problem, retry_after_s: Option<u32>) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(&problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"trainmaster\""),
        );
    }
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(problem);
    response
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let error = ApiError::new(rejection.code(), rejection.to_string());
        match rejection {
            Rejection::InvalidInput(problems) => error.with_errors(
                problems
                    .into_iter()
                    .map(|problem| FieldError {
                        field: problem.field,
                        message: problem.message,
                        line: None,
                        column: None,
                    })
                    .collect(),
            ),
            Rejection::InvalidDefinition(problems) => {
                error.with_errors(problems.iter().map(field_error).collect())
            }
            Rejection::InvalidToken
            | Rejection::Forbidden { .. }
            | Rejection::NotYours(_)
            | Rejection::UnknownRelease(_)
            | Rejection::UnknownActivity { .. }
            | Rejection::UnknownResource(_)
            | Rejection::UnknownToken(_)
            | Rejection::SignInRefused
            | Rejection::UnknownUser(_)
            | Rejection::WrongReleaseStatus { .. }
            | Rejection::WrongActivityStatus { .. }
            | Rejection::NotPermittedByProcess { .. }
            | Rejection::ReasonNeeded
            | Rejection::StaleVersion { .. }
            | Rejection::StaleDigest
            | Rejection::StaleAttempt { .. }
            | Rejection::DependentStarted { .. }
            | Rejection::NotReady { .. }
            | Rejection::ExclusiveLevel(_)
            | Rejection::InUse(_)
            | Rejection::LimitReached { .. } => error,
        }
    }
}

/// A definition's problem as a field that is wrong.
pub(crate) fn field_error(problem: &definition::Problem) -> FieldError {
    let message = match &problem.suggestion {
        Some(suggestion) => format!("{} (did you mean `{suggestion}`?)", problem.message),
        None => problem.message.clone(),
    };
    FieldError {
        field: problem.path.clone(),
        message,
        line: problem.place.as_ref().map(|place| u64::from(place.line)),
        column: problem.place.as_ref().map(|place| u64::from(place.column)),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store did not answer a request");
        let detail = match error {
            StoreError::Full(_) => "the database is full; reading still works",
            StoreError::Locked(_) => "the database is in use by another process",
            StoreError::Damaged(_) => return ApiError::internal("the store is damaged"),
            StoreError::Sync(_) | StoreError::Unavailable(_) => "the database does not answer",
        };
        ApiError::new("unavailable", detail).retry_after(5)
    }
}

#[cfg(test)]
mod tests {
    use trainmaster_api::CODES;

    use super::*;

    #[test]
    fn every_rejection_of_the_domain_has_a_problem_code() {
        for code in Rejection::CODES {
            assert!(
                CODES.iter().any(|(known, ..)| *known == code),
                "`{code}` has no problem code"
            );
        }
    }
}
