//! Being called back by the other side of an activity; the address itself is the proof.

use axum::Json;
use axum::extract::State;
use trainmaster_api::{CallbackAnswer, CallbackReport, CallbackStatus};
use trainmaster_core::effect::Outcome;
use trainmaster_core::{Actor, Change, Command, Rejection};
use trainmaster_engine::{Request, SubmitError};

use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, RawBody, json};
use crate::state::{App, refused};

/// Largest report that is read, in bytes; it becomes part of the journal.
const REPORT_MAX: usize = 256 << 10;

/// Report how the work behind an activity ended; an empty body says that it succeeded.
#[utoipa::path(post, path = "/api/v1/callbacks/{token}", tag = "callbacks", security(()), request_body = CallbackReport,
    params(("token" = String, Path, description = "The last segment of the callback address")),
    responses((status = 200, description = "Whether the attempt took it", body = CallbackAnswer)))]
pub(crate) async fn receive_callback(
    State(app): State<App>,
    Path(token): Path<String>,
    body: RawBody,
) -> ApiResult<Json<CallbackAnswer>> {
    let read = app.options().callbacks.clone();
    let attempt = read.and_then(|read| read(&token)).ok_or_else(unknown)?;
    if body.bytes.len() > REPORT_MAX {
        return Err(ApiError::new(
            "payload-too-large",
            format!("a report is limited to {REPORT_MAX} bytes"),
        ));
    }
    let report: CallbackReport = if body.bytes.is_empty() {
        CallbackReport::default()
    } else {
        json(&body.bytes)?
    };
    let command = Command::FinishAttempt {
        attempt,
        outcome: outcome(report),
    };
    let request = Request {
        actor: Actor::System,
        command,
        idempotency: None,
        answer: Box::new(|_, events| {
            let taken = events
                .iter()
                .any(|event| matches!(event.change, Change::AttemptFinished { .. }));
            serde_json::to_string(&CallbackAnswer { accepted: taken }).unwrap_or_default()
        }),
    };
    match app.engine().submit(request).await {
        Ok(answer) => serde_json::from_str(&answer.body)
            .map(Json)
            .map_err(ApiError::internal),
        Err(SubmitError::Rejected(rejection)) if is_about_nothing(&rejection) => Err(unknown()),
        Err(error) => Err(refused(error)),
    }
}

fn outcome(report: CallbackReport) -> Outcome {
    let CallbackReport {
        status,
        result,
        error,
    } = report;
    let error = if error.is_empty() {
        "the other side reported a failure".to_owned()
    } else {
        error
    };
    match status {
        CallbackStatus::Succeeded => Outcome::Succeeded { result },
        CallbackStatus::Failed => Outcome::Failed { error, result },
        CallbackStatus::Retryable => Outcome::Retryable {
            error,
            after: None,
            result,
        },
    }
}

fn is_about_nothing(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::UnknownRelease(_) | Rejection::UnknownActivity { .. }
    )
}

fn unknown() -> ApiError {
    ApiError::new(
        "unknown-callback",
        "this callback address is not valid, or not any more",
    )
}
