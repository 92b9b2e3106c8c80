//! How attempts end, and what follows: outputs, automatic retry, decisions (2-execution.md, Failure handling).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::effect::Outcome;
use crate::event::{AttemptOutcome, CancelCause, Change, Event};
use crate::ids::{ActivityPath, AttemptId, ReleaseId};
use crate::notice::{Need, NoticeKind};
use crate::plan::{OnFailure, OnUnknown, RetryPolicy};
use crate::rejection::Rejection;
use crate::release::flow::Here;
use crate::release::{Activity, Attempt};
use crate::scope::View;
use crate::status::Importance;
use crate::world::{Asker, World};

/// How often an attempt whose outcome is not known is run again before a person is asked after all.
const UNKNOWN_RETRIES_MAX: u32 = 10;
/// Largest result of one attempt, in bytes of JSON.
const RESULT_BYTES_MAX: usize = 1024 * 1024;
/// Longest error text that is kept, in characters.
const ERROR_LENGTH_MAX: usize = 4_000;

impl World {
    pub(crate) fn decide_handle(
        &self,
        asker: &Asker<'_>,
        id: &AttemptId,
        handle: &Value,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        let (here, position) = self.here(asker, id.release, &id.path)?;
        let attempt = open_attempt(here.state.activity(position), id)?;
        if attempt.handle.as_ref() == Some(handle) {
            return Ok(Vec::new());
        }
        let change = Change::HandleReported {
            attempt: id.number,
            handle: handle.clone(),
        };
        Ok(vec![here.at(position, change)])
    }

    pub(crate) fn decide_finish(
        &self,
        asker: &Asker<'_>,
        id: &AttemptId,
        outcome: &Outcome,
    ) -> Result<Vec<Event>, Rejection> {
        asker.is_the_server()?;
        let (here, position) = self.here(asker, id.release, &id.path)?;
        if here.state.release.quarantine.is_some() {
            let why = "it is quarantined; the outcome is read back once it is in service again";
            return Err(super::lifecycle::wrong(&here.state.release, why));
        }
        let activity = here.state.activity(position);
        if id.number == 0 || id.number > activity.attempts_made {
            return Err(Rejection::StaleAttempt {
                path: id.path.clone(),
                attempt: id.number,
            });
        }
        let Ok(attempt) = open_attempt(activity, id) else {
            let change = Change::LateOutcomeRecorded {
                attempt: id.number,
                outcome: limited(outcome),
            };
            return Ok(vec![here.at(position, change)]);
        };
        Ok(here.outcome(position, attempt, limited(outcome)))
    }

    /// Where an activity of a started release is looked at from, by anybody who may see it.
    pub(crate) fn here<'a>(
        &'a self,
        asker: &Asker<'a>,
        id: ReleaseId,
        path: &ActivityPath,
    ) -> Result<(Here<'a>, u32), Rejection> {
        let state = self.visible(asker, id)?;
        let unknown = || Rejection::UnknownActivity {
            release: id,
            path: path.clone(),
        };
        let position = state.position(path).ok_or_else(unknown)?;
        let system = Asker {
            holder: asker.holder,
            ..self.server(asker.at)
        };
        Ok((
            Here {
                world: self,
                state,
                id,
                system,
                now: asker.at,
            },
            position,
        ))
    }
}

fn open_attempt<'a>(activity: &'a Activity, id: &AttemptId) -> Result<&'a Attempt, Rejection> {
    let open = |attempt: &&Attempt| attempt.number == id.number && attempt.outcome.is_none();
    let stale = || Rejection::StaleAttempt {
        path: id.path.clone(),
        attempt: id.number,
    };
    activity
        .attempt()
        .filter(open)
        .filter(|_| !activity.is_settled())
        .ok_or_else(stale)
}

impl Here<'_> {
    /// What an executor reported about an open attempt.
    fn outcome(&self, position: u32, attempt: &Attempt, outcome: Outcome) -> Vec<Event> {
        let cause = attempt.cancel.map(|cancel| cancel.cause);
        let number = attempt.number;
        match outcome {
            Outcome::Cancelled { confirmed } => {
                // A cancellation that nobody asked for leaves the outcome open.
                match cause {
                    Some(cause) => self.cancelled(position, attempt, confirmed, cause),
                    None => {
                        let error = "was stopped from outside".to_owned();
                        self.ended_badly(position, number, AttemptOutcome::Unknown { error }, None)
                    }
                }
            }
            Outcome::Succeeded { result } => self.ended_well(position, number, result, cause),
            Outcome::Failed { error, result } => {
                let outcome = AttemptOutcome::Failed {
                    error,
                    retryable: false,
                    result,
                };
                self.ended_badly_after(position, number, outcome, cause, None)
            }
            Outcome::Retryable {
                error,
                after,
                result,
            } => {
                let outcome = AttemptOutcome::Failed {
                    error,
                    retryable: true,
                    result,
                };
                self.ended_badly_after(position, number, outcome, cause, after)
            }
            Outcome::Unknown { error } => {
                let outcome = AttemptOutcome::Unknown { error };
                self.ended_badly_after(position, number, outcome, cause, None)
            }
        }
    }

    /// An attempt succeeded: its outputs are evaluated once, here.
    pub(crate) fn ended_well(
        &self,
        position: u32,
        number: u32,
        result: Value,
        cancel: Option<CancelCause>,
    ) -> Vec<Event> {
        let outputs = match self.outputs(position, &result) {
            Ok(outputs) => outputs,
            Err(error) => {
                let outcome = AttemptOutcome::Failed {
                    error,
                    retryable: false,
                    result,
                };
                return self.ended_badly(position, number, outcome, cancel);
            }
        };
        let deployments = self.deployments(position, number, &result, &outputs);
        let outcome = AttemptOutcome::Succeeded { result };
        let finished = Change::AttemptFinished {
            attempt: number,
            outcome,
        };
        // What has truly happened before it could be stopped is told truthfully; the release is aborted all the same.
        let end = match cancel {
            Some(CancelCause::Abort) => Change::ActivityAborted,
            Some(CancelCause::Timeout) | None => Change::ActivitySucceeded { outputs },
        };
        [finished, end]
            .into_iter()
            .chain(deployments)
            .map(|change| self.at(position, change))
            .collect()
    }

    fn outputs(&self, position: u32, result: &Value) -> Result<BTreeMap<String, Value>, String> {
        let planned = self.state.planned(position);
        let activity = self.state.activity(position);
        let mut outputs: BTreeMap<String, Value> = match result.get("outputs") {
            Some(Value::Object(own)) => own.clone().into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let none = BTreeMap::new();
        let attempt = activity.attempt();
        let view = View {
            activity_variables: attempt.map_or(&none, |attempt| &attempt.variables),
            attempt: attempt.map(|attempt| (attempt.number, attempt.key.0.as_str())),
            result: Some(result),
            ..self.view(Some(planned.phase), Some(position))
        };
        for (name, template) in &planned.outputs {
            let value = view
                .value(template)
                .map_err(|error| format!("output `{name}`: {error}"))?;
            outputs.insert(name.clone(), value);
        }
        Ok(outputs)
    }

    pub(crate) fn ended_badly(
        &self,
        position: u32,
        number: u32,
        outcome: AttemptOutcome,
        cancel: Option<CancelCause>,
    ) -> Vec<Event> {
        self.ended_badly_after(position, number, outcome, cancel, None)
    }

    /// An attempt did not succeed: another one by policy, a decision, or the end.
    fn ended_badly_after(
        &self,
        position: u32,
        number: u32,
        outcome: AttemptOutcome,
        cancel: Option<CancelCause>,
        after: Option<SignedDuration>,
    ) -> Vec<Event> {
        let follows = match cancel {
            Some(CancelCause::Abort) => vec![self.at(position, Change::ActivityAborted)],
            Some(CancelCause::Timeout) | None => self.follows_failure(position, &outcome, after),
        };
        let finished = Change::AttemptFinished {
            attempt: number,
            outcome,
        };
        std::iter::once(self.at(position, finished))
            .chain(follows)
            .collect()
    }

    fn follows_failure(
        &self,
        position: u32,
        outcome: &AttemptOutcome,
        after: Option<SignedDuration>,
    ) -> Vec<Event> {
        let planned = self.state.planned(position);
        let activity = self.state.activity(position);
        let unknown = matches!(outcome, AttemptOutcome::Unknown { .. });
        if unknown {
            match planned.on_unknown {
                OnUnknown::Hold => return self.decision(position, true),
                OnUnknown::Retry if activity.attempts_counted < UNKNOWN_RETRIES_MAX => {
                    let delay = delay(&planned.retry, activity, self.id);
                    return self.retry_at(position, delay);
                }
                OnUnknown::Retry => return self.decision(position, true),
                OnUnknown::Fail => (),
            }
        }
        let retryable = match outcome {
            AttemptOutcome::Failed { retryable, .. } => *retryable,
            AttemptOutcome::TimedOut { .. } | AttemptOutcome::Unknown { .. } => true,
            AttemptOutcome::Cancelled { .. } | AttemptOutcome::Succeeded { .. } => false,
        };
        if retryable && let Some(delay) = self.next_delay(position, after) {
            return self.retry_at(position, delay);
        }
        let reason = |text: &str| text.to_owned();
        match (planned.on_failure, planned.importance) {
            (OnFailure::Ignore, _) => vec![self.ignored(position, reason("onFailure: ignore"))],
            (OnFailure::Hold, Importance::Optional) => {
                vec![self.ignored(position, reason("it is optional"))]
            }
            (OnFailure::Hold, _) => self.decision(position, false),
            (OnFailure::Fail, Importance::Optional) => {
                vec![self.ignored(position, reason("it is optional"))]
            }
            (OnFailure::Fail, _) => {
                let reason = error_of(outcome).to_owned();
                vec![self.at(position, Change::ActivityFailed { reason })]
            }
        }
    }

    fn ignored(&self, position: u32, reason: String) -> Event {
        self.at(
            position,
            Change::ActivityIgnored {
                outputs: BTreeMap::new(),
                reason,
            },
        )
    }

    /// A person has to decide; the owners are told once.
    fn decision(&self, position: u32, unknown: bool) -> Vec<Event> {
        let limit = self.state.plan().decision_deadline;
        let deadline = limit.and_then(|limit| self.now.checked_add(limit).ok());
        let what = if unknown {
            "needs you: it is not known how it went"
        } else {
            "failed and needs your decision"
        };
        vec![
            self.at(position, Change::DecisionNeeded { unknown, deadline }),
            self.notice(
                position,
                (NoticeKind::Failure, Need::Decision),
                self.state.owners(position),
                what,
            ),
        ]
    }

    fn retry_at(&self, position: u32, delay: SignedDuration) -> Vec<Event> {
        let retry_at = self.now.checked_add(delay).unwrap_or(Timestamp::MAX);
        vec![self.at(position, Change::RetryScheduled { retry_at })]
    }

    /// The delay before the next automatic attempt, if the policy allows one (reliability.md, 15).
    fn next_delay(&self, position: u32, after: Option<SignedDuration>) -> Option<SignedDuration> {
        let policy = &self.state.planned(position).retry;
        let activity = self.state.activity(position);
        if activity.attempts_counted >= policy.attempts_max {
            return None;
        }
        let asked = after.unwrap_or(SignedDuration::ZERO).min(policy.delay_max);
        let delay = delay(policy, activity, self.id).max(asked);
        let latest = policy
            .deadline
            .and_then(|deadline| activity.counted_since?.checked_add(deadline).ok());
        let start = self.now.checked_add(delay).ok()?;
        latest.is_none_or(|latest| start <= latest).then_some(delay)
    }
}

/// Doubles from the initial delay up to the longest, and spreads by up to half, the same way on every replay.
fn delay(policy: &RetryPolicy, activity: &Activity, release: ReleaseId) -> SignedDuration {
    let doublings = activity.attempts_counted.saturating_sub(1).min(30);
    let initial = policy.delay_initial.as_millis().max(0) as u64;
    let longest = (policy.delay_max.as_millis().max(0) as u64).max(initial);
    let full = initial.saturating_mul(1 << doublings).min(longest);
    let seed = Sha256::digest(format!(
        "{release}/{}/{}",
        activity.path, activity.attempts_made
    ));
    let share = u64::from(u16::from_le_bytes([seed[0], seed[1]]));
    let spread = full / 2 * share / u64::from(u16::MAX);
    SignedDuration::from_millis((full.saturating_add(spread)).min(longest) as i64)
}

fn error_of(outcome: &AttemptOutcome) -> &str {
    match outcome {
        AttemptOutcome::Failed { error, .. }
        | AttemptOutcome::TimedOut { error }
        | AttemptOutcome::Unknown { error } => error,
        AttemptOutcome::Cancelled { .. } => "it was stopped",
        AttemptOutcome::Succeeded { .. } => "it succeeded",
    }
}

/// An outcome no larger than what the journal takes.
fn limited(outcome: &Outcome) -> Outcome {
    let cut = |error: &String| error.chars().take(ERROR_LENGTH_MAX).collect::<String>();
    let fits = |result: &Value| {
        if result.to_string().len() <= RESULT_BYTES_MAX {
            result.clone()
        } else {
            Value::Null
        }
    };
    match outcome {
        Outcome::Succeeded { result } if result.to_string().len() > RESULT_BYTES_MAX => {
            Outcome::Failed {
                error: format!(
                    "it succeeded, but its result is larger than {RESULT_BYTES_MAX} bytes"
                ),
                result: Value::Null,
            }
        }
        Outcome::Succeeded { result } => Outcome::Succeeded {
            result: result.clone(),
        },
        Outcome::Failed { error, result } => Outcome::Failed {
            error: cut(error),
            result: fits(result),
        },
        Outcome::Retryable {
            error,
            after,
            result,
        } => Outcome::Retryable {
            error: cut(error),
            after: *after,
            result: fits(result),
        },
        Outcome::Unknown { error } => Outcome::Unknown { error: cut(error) },
        Outcome::Cancelled { confirmed } => Outcome::Cancelled {
            confirmed: *confirmed,
        },
    }
}
