//! What goes on in the demo: definitions, a train, a hotfix beside it, a draft, and the next train.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};
use trainmaster_core::command::{ActivityCommand, Decision, NewRelease};
use trainmaster_core::definition;
use trainmaster_core::ids::{ActivityPath, Name, ReleaseId, TokenId};
use trainmaster_core::release::{ReleaseDescription, ReleaseType};
use trainmaster_core::{Actor, Command};
use trainmaster_engine::{Engine, Idempotency, Request, SubmitError};

use super::people::ORGANIZATION;

/// Where the train waits for people.
pub(crate) const SIGN_OFF: &str = "qa-sign-off/approve";
/// The phase in which developers bring fixes.
pub(crate) const FIXES: &str = "alpha-fixes";
/// The branch that the sample train cuts.
pub(crate) const BRANCH: &str = "release/2.4.0";

/// One of the demo's people at the keyboard.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) engine: Engine,
    pub(crate) token: TokenId,
}

impl Hand {
    /// Applies every definition of the texts; what is there already stays as it is.
    pub(crate) async fn apply(&self, texts: &[(&'static str, String)]) -> anyhow::Result<()> {
        for (name, text) in texts {
            let parsed = definition::parse(text, Some(name)).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("{}", lines.join("\n"))
            })?;
            for one in parsed {
                let command = Command::ApplyResource {
                    definition: Box::new(one.definition),
                    if_revision: None,
                };
                self.ask(command, None).await?;
            }
        }
        Ok(())
    }

    /// Makes the sample releases, once each however often it is asked, and answers the id of the train.
    pub(crate) async fn make_releases(&self, start: Timestamp) -> anyhow::Result<String> {
        let train = self.create("train", train(start)?).await?;
        self.create("hotfix", hotfix(start)?).await?;
        self.create("next", next_train(start)?).await?;
        self.create("draft", draft()?).await?;
        Ok(train)
    }

    /// Says yes to the sign-off of a release; false if there is nothing to say any more.
    pub(crate) async fn approve(&self, release: ReleaseId, comment: &str) -> anyhow::Result<bool> {
        let command = Command::Activity {
            release,
            path: SIGN_OFF.parse::<ActivityPath>()?,
            action: ActivityCommand::Decide {
                decision: Decision::Approve,
                comment: comment.to_owned(),
                digest: None,
            },
        };
        let request = Request {
            actor: Actor::Token(self.token),
            ..Request::system(command)
        };
        match self.engine.submit(request).await {
            Ok(_) => Ok(true),
            Err(SubmitError::Rejected(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&self, what: &str, new: NewRelease) -> anyhow::Result<String> {
        let idempotency = Idempotency {
            key: format!("demo/{what}"),
            fingerprint: "demo".to_owned(),
        };
        self.ask(Command::CreateRelease(Box::new(new)), Some(idempotency))
            .await
    }

    /// Asks, and answers the id of the release that the first event is about, if it is about one.
    async fn ask(
        &self,
        command: Command,
        idempotency: Option<Idempotency>,
    ) -> anyhow::Result<String> {
        let request = Request {
            actor: Actor::Token(self.token),
            command,
            idempotency,
            answer: Box::new(|_, events| {
                let release = events.first().and_then(|event| event.release);
                release.map(|id| id.to_string()).unwrap_or_default()
            }),
        };
        Ok(self.engine.submit(request).await?.body)
    }
}

/// The morning on which the train of the demo starts: its sign-off, on day 4 at 16:00, is the last one before now.
pub(crate) fn first_morning(now: Timestamp) -> anyhow::Result<Timestamp> {
    let sign_off_day = now.to_zoned(TimeZone::UTC).checked_sub(16.hours())?.date();
    let first_day = sign_off_day.checked_sub(3.days())?;
    Ok(first_day
        .at(9, 0, 0, 0)
        .to_zoned(TimeZone::UTC)?
        .timestamp())
}

fn inputs(values: Value) -> BTreeMap<String, Value> {
    match values {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

fn name(text: &str) -> anyhow::Result<Option<Name>> {
    let parsed = text.parse();
    parsed.map(Some).with_context(|| format!("`{text}`"))
}

/// What all sample releases have in common.
fn release(process: &str, title: &str, version: &str) -> anyhow::Result<NewRelease> {
    Ok(NewRelease {
        process: name(process)?,
        organization: name(ORGANIZATION)?,
        name: Some(title.to_owned()),
        version: Some(version.to_owned()),
        manager: Some("user:rita".parse()?),
        ..NewRelease::default()
    })
}

fn train(start: Timestamp) -> anyhow::Result<NewRelease> {
    Ok(NewRelease {
        description: ReleaseDescription {
            purpose: "What was finished in the last two weeks, for everybody.".to_owned(),
            scope: "payment-service and user-service, from QA to Prod 3".to_owned(),
            risks: "Fees are computed in another way.".to_owned(),
            rollback_plan: "The rollback phase puts the version before back into every cluster."
                .to_owned(),
            stakeholders: "Anna speaks for the customers.".to_owned(),
        },
        release_type: ReleaseType::System,
        labels: BTreeMap::from([("train".to_owned(), "weekly".to_owned())]),
        inputs: inputs(json!({"releaseVersion": "2.4.0"})),
        input_set: name("train-defaults")?,
        expected_end_at: Some(start.checked_add(SignedDuration::from_hours(21 * 24 + 3))?),
        stakeholders: vec!["team:stakeholders".parse()?],
        start: true,
        ..release("system-release-train", "System release 2.4.0", "2.4.0")?
    })
}

fn hotfix(start: Timestamp) -> anyhow::Result<NewRelease> {
    Ok(NewRelease {
        release_type: ReleaseType::Hotfix,
        description: ReleaseDescription {
            purpose: "Small payments were charged no fee.".to_owned(),
            ..ReleaseDescription::default()
        },
        inputs: inputs(json!({"releaseVersion": "2.3.1", "service": "payment-service"})),
        input_set: name("hotfix-defaults")?,
        start_at: Some(start.checked_add(SignedDuration::from_hours(29))?),
        finalize: true,
        ..release("hotfix", "Hotfix: fee of small payments", "2.3.1")?
    })
}

fn next_train(start: Timestamp) -> anyhow::Result<NewRelease> {
    let four_weeks = start.to_zoned(TimeZone::UTC).checked_add(28.days())?;
    Ok(NewRelease {
        release_type: ReleaseType::System,
        labels: BTreeMap::from([("train".to_owned(), "weekly".to_owned())]),
        inputs: inputs(json!({"releaseVersion": "2.5.0"})),
        input_set: name("train-defaults")?,
        start_at: Some(four_weeks.timestamp()),
        finalize: true,
        ..release("system-release-train", "System release 2.5.0", "2.5.0")?
    })
}

fn draft() -> anyhow::Result<NewRelease> {
    Ok(NewRelease {
        release_type: ReleaseType::System,
        input_set: name("train-defaults")?,
        ..release("system-release-train", "System release 2.6.0", "2.6.0")?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_off_of_the_sample_train_is_less_than_a_day_ago() {
        for (now, morning) in [
            ("2026-11-21T03:00:00Z", "2026-11-17T09:00:00Z"),
            ("2026-11-19T15:59:00Z", "2026-11-15T09:00:00Z"),
            ("2026-11-19T16:00:00Z", "2026-11-16T09:00:00Z"),
            ("2027-01-01T23:00:00Z", "2026-12-29T09:00:00Z"),
        ] {
            let now: Timestamp = now.parse().expect("a time");
            let found = first_morning(now).expect("a morning");
            assert_eq!(found, morning.parse().expect("a time"), "{now}");
        }
    }
}
