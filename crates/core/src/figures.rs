//! How well releases go over a period: each figure with its definition, computed from what the store counted.
//!
//! Definitions stand here and nowhere else; [`DEFINITIONS`] hands them to whoever shows the figures.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::ReleaseId;
use crate::release::ReleaseType;
use crate::status::ReleaseStatus;

/// What each figure means, by its field.
pub const DEFINITIONS: [(&str, &str); 12] = [
    (
        "releases",
        "Releases that ended in the period, by how they ended. Children of other releases count with their parent.",
    ),
    (
        "successRate",
        "Releases that ended as Success, divided by all that ended in the period.",
    ),
    (
        "deployments",
        "Deployments recorded in the period: one per service and environment.",
    ),
    (
        "deploymentsPerDay",
        "Deployments of the period divided by its length in days of 24 hours.",
    ),
    (
        "leadTime",
        "From when the oldest commit of a deployment was first seen here (the creation of the first release that \
         carried it, or its first deployment anywhere) to the deployment. Without commits: from the creation of the release.",
    ),
    (
        "changeFailureRate",
        "Deployments of the period that failed, divided by those of which it is known: a deployment failed if its \
         release ended otherwise than as Success, or if the next deployment of the same service to the same \
         environment came from a hotfix. A deployment whose release has not ended and that was not replaced is not counted.",
    ),
    (
        "timeToRestore",
        "From a failed deployment of the period to the next deployment of the same service to the same environment \
         whose release ended as Success.",
    ),
    (
        "approvalWait",
        "From when an approval was asked for to its end, for approvals that ended in the period.",
    ),
    (
        "startDelay",
        "From the planned to the actual start of releases that ended in the period; early starts count as zero.",
    ),
    (
        "startedOnTime",
        "Releases that started no later than five minutes after their planned start, divided by those with one.",
    ),
    (
        "duration",
        "From the actual start to the end of releases that ended in the period.",
    ),
    (
        "overrun",
        "How much longer a release took than planned (its expected end minus its planned start); shorter counts as zero.",
    ),
];

/// How late a release may start and still be on time.
const ON_TIME: SignedDuration = SignedDuration::from_mins(5);

/// A stretch of time, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
}

/// A release that ended in the period.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseFact {
    /// Which.
    pub id: ReleaseId,
    /// How it ended.
    pub status: ReleaseStatus,
    /// When it was to start.
    pub start_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it was expected to end.
    pub expected_end_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// A deployment of the period, or a later one that tells how an earlier one went.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentFact {
    /// Which release brought it.
    pub release: ReleaseId,
    /// Where it lives; the empty text is the account level.
    pub organization: String,
    /// What.
    pub service: String,
    /// Where to.
    pub environment: String,
    /// When.
    pub at: Timestamp,
    /// How its release stands.
    pub status: ReleaseStatus,
    /// What kind of release it is.
    pub release_type: ReleaseType,
    /// When its release was created.
    pub created_at: Timestamp,
    /// When a commit of it was first seen anywhere.
    pub seen_at: Option<Timestamp>,
}

/// How long things took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many were counted.
    pub count: u64,
    /// Half of them took no longer, in seconds.
    pub median_seconds: f64,
    /// On average, in seconds.
    pub mean_seconds: f64,
    /// Nine of ten took no longer, in seconds.
    pub p90_seconds: f64,
    /// The longest, in seconds.
    pub max_seconds: f64,
}

/// The figures of a period; a rate is none where nothing was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Releases by how they ended.
    pub releases: BTreeMap<String, u64>,
    /// See [`DEFINITIONS`].
    pub success_rate: Option<f64>,
    /// See [`DEFINITIONS`].
    pub deployments: u64,
    /// See [`DEFINITIONS`].
    pub deployments_per_day: f64,
    /// See [`DEFINITIONS`].
    pub lead_time: Option<Spread>,
    /// See [`DEFINITIONS`].
    pub change_failure_rate: Option<f64>,
    /// See [`DEFINITIONS`].
    pub time_to_restore: Option<Spread>,
    /// See [`DEFINITIONS`].
    pub approval_wait: Option<Spread>,
    /// See [`DEFINITIONS`].
    pub start_delay: Option<Spread>,
    /// See [`DEFINITIONS`].
    pub started_on_time: Option<f64>,
    /// See [`DEFINITIONS`].
    pub duration: Option<Spread>,
    /// See [`DEFINITIONS`].
    pub overrun: Option<Spread>,
}

/// Computes the figures of a period.
///
/// `releases` ended in it; `deployments` are those of it and all later ones, oldest first; `waits` are how long
/// approvals that ended in it took.
pub fn figures(
    period: Period,
    releases: &[ReleaseFact],
    deployments: &[DeploymentFact],
    waits: &[SignedDuration],
) -> Figures {
    let mut by_status = BTreeMap::new();
    for release in releases {
        *by_status
            .entry(release.status.as_str().to_owned())
            .or_insert(0) += 1;
    }
    let succeeded = releases
        .iter()
        .filter(|release| release.status == ReleaseStatus::Success);
    let own: Vec<usize> = (0..deployments.len())
        .filter(|index| (period.from..period.to).contains(&deployments[*index].at))
        .collect();
    let days = period.to.duration_since(period.from).as_secs_f64() / 86_400.0;
    let verdicts = judged(&own, deployments);
    let failed = verdicts.iter().filter(|verdict| verdict.failed).count();
    let planned: Vec<SignedDuration> = releases.iter().filter_map(start_delay).collect();
    let on_time = planned.iter().filter(|delay| **delay <= ON_TIME).count();
    Figures {
        success_rate: rate(succeeded.count(), releases.len()),
        releases: by_status,
        deployments: own.len() as u64,
        deployments_per_day: if days > 0.0 {
            own.len() as f64 / days
        } else {
            0.0
        },
        lead_time: spread(own.iter().map(|index| lead_time(&deployments[*index]))),
        change_failure_rate: rate(failed, verdicts.len()),
        time_to_restore: spread(verdicts.iter().filter_map(|verdict| verdict.restored)),
        approval_wait: spread(waits.iter().copied()),
        start_delay: spread(planned.iter().copied()),
        started_on_time: rate(on_time, planned.len()),
        duration: spread(releases.iter().filter_map(duration)),
        overrun: spread(releases.iter().filter_map(overrun)),
    }
}

fn start_delay(release: &ReleaseFact) -> Option<SignedDuration> {
    Some(positive(
        release.started_at?.duration_since(release.start_at?),
    ))
}

fn duration(release: &ReleaseFact) -> Option<SignedDuration> {
    Some(positive(
        release.ended_at.duration_since(release.started_at?),
    ))
}

fn overrun(release: &ReleaseFact) -> Option<SignedDuration> {
    let planned = release.expected_end_at?.duration_since(release.start_at?);
    Some(positive(duration(release)? - planned))
}

fn lead_time(deployment: &DeploymentFact) -> SignedDuration {
    let since = deployment.seen_at.unwrap_or(deployment.created_at);
    positive(deployment.at.duration_since(since))
}

fn positive(span: SignedDuration) -> SignedDuration {
    span.max(SignedDuration::ZERO)
}

/// Whether a deployment failed, and how long it took to be put right.
struct Verdict {
    failed: bool,
    restored: Option<SignedDuration>,
}

/// Deployments of which it is known how they went.
fn judged(own: &[usize], deployments: &[DeploymentFact]) -> Vec<Verdict> {
    let mut places: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
    for (index, deployment) in deployments.iter().enumerate() {
        places.entry(place(deployment)).or_default().push(index);
    }
    let verdict = |index: &usize| {
        let deployment = &deployments[*index];
        let here = &places[&place(deployment)];
        let later = here.partition_point(|other| other <= index);
        let next = here[later..].first().map(|next| &deployments[*next]);
        let replaced = next.is_some_and(|next| next.release_type == ReleaseType::Hotfix);
        let ended = deployment.status.is_terminal();
        let failed = replaced || ended && deployment.status != ReleaseStatus::Success;
        if !ended && !replaced {
            return None;
        }
        let good = here[later..]
            .iter()
            .map(|next| &deployments[*next])
            .find(|next| next.status == ReleaseStatus::Success);
        let restored = good.map(|good| positive(good.at.duration_since(deployment.at)));
        Some(Verdict {
            failed,
            restored: restored.filter(|_| failed),
        })
    };
    own.iter().filter_map(verdict).collect()
}

fn place(deployment: &DeploymentFact) -> (&str, &str, &str) {
    (
        &deployment.organization,
        &deployment.service,
        &deployment.environment,
    )
}

fn rate(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn spread(spans: impl Iterator<Item = SignedDuration>) -> Option<Spread> {
    let mut seconds: Vec<f64> = spans.map(|span| span.as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let last = *seconds.last()?;
    let count = seconds.len();
    let middle = count / 2;
    let median = match count % 2 {
        1 => seconds[middle],
        _ => f64::midpoint(seconds[middle - 1], seconds[middle]),
    };
    // The smallest value that nine of ten do not exceed.
    let p90 = seconds[(count * 9).div_ceil(10).max(1) - 1];
    Some(Spread {
        count: count as u64,
        median_seconds: median,
        mean_seconds: seconds.iter().sum::<f64>() / count as f64,
        p90_seconds: p90,
        max_seconds: last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn week() -> Period {
        Period {
            from: at("2026-01-05T00:00:00Z"),
            to: at("2026-01-12T00:00:00Z"),
        }
    }

    fn release(id: u64, status: ReleaseStatus, started: &str, ended: &str) -> ReleaseFact {
        ReleaseFact {
            id: ReleaseId(id),
            status,
            start_at: Some(at("2026-01-06T08:00:00Z")),
            started_at: Some(at(started)),
            expected_end_at: Some(at("2026-01-06T10:00:00Z")),
            ended_at: at(ended),
        }
    }

    fn deployment(release: u64, status: ReleaseStatus, when: &str) -> DeploymentFact {
        DeploymentFact {
            release: ReleaseId(release),
            organization: String::new(),
            service: "cart".to_owned(),
            environment: "production".to_owned(),
            at: at(when),
            status,
            release_type: ReleaseType::Standard,
            created_at: at("2026-01-05T08:00:00Z"),
            seen_at: None,
        }
    }

    #[test]
    fn nothing_makes_no_rates() {
        let none = figures(week(), &[], &[], &[]);
        assert_eq!(none, Figures::default());
    }

    #[test]
    fn releases_are_counted_by_how_they_ended_and_held_against_their_plan() {
        use ReleaseStatus::{Failed, Success};
        let found = figures(
            week(),
            &[
                release(1, Success, "2026-01-06T08:04:00Z", "2026-01-06T09:04:00Z"),
                release(2, Success, "2026-01-06T07:00:00Z", "2026-01-06T08:00:00Z"),
                release(3, Success, "2026-01-06T08:30:00Z", "2026-01-06T09:30:00Z"),
                release(4, Failed, "2026-01-06T09:00:00Z", "2026-01-06T14:00:00Z"),
            ],
            &[],
            &[SignedDuration::from_mins(10), SignedDuration::from_mins(20)],
        );
        assert_eq!(found.releases["Success"], 3);
        assert_eq!(found.success_rate, Some(0.75));
        assert_eq!(found.started_on_time, Some(0.5));
        let delay = found.start_delay.expect("delays");
        assert_eq!((delay.median_seconds, delay.max_seconds), (1020.0, 3600.0));
        let overrun = found.overrun.expect("overruns");
        assert_eq!(
            (overrun.median_seconds, overrun.max_seconds),
            (0.0, 10800.0)
        );
        let wait = found.approval_wait.expect("waits");
        assert_eq!((wait.median_seconds, wait.p90_seconds), (900.0, 1200.0));
    }

    #[test]
    fn a_failed_deployment_is_put_right_by_the_next_good_one() {
        use ReleaseStatus::{Failed, Running, Success};
        let hotfix = DeploymentFact {
            release_type: ReleaseType::Hotfix,
            ..deployment(4, Success, "2026-01-13T08:00:00Z")
        };
        let found = figures(
            week(),
            &[],
            &[
                deployment(1, Success, "2026-01-06T08:00:00Z"),
                deployment(2, Failed, "2026-01-07T08:00:00Z"),
                deployment(3, Success, "2026-01-07T10:00:00Z"),
                hotfix,
                deployment(5, Running, "2026-01-14T08:00:00Z"),
            ],
            &[],
        );
        // The hotfix came after the period and says that the third one failed.
        assert_eq!(found.deployments, 3);
        assert_eq!(found.change_failure_rate, Some(2.0 / 3.0));
        let restored = found.time_to_restore.expect("restored");
        assert_eq!(restored.count, 2);
        assert_eq!(restored.max_seconds, 5.0 * 86_400.0 + 22.0 * 3_600.0);
        assert!((found.deployments_per_day - 3.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn lead_time_counts_from_the_first_sight_of_a_commit() {
        let seen = DeploymentFact {
            seen_at: Some(at("2026-01-05T20:00:00Z")),
            ..deployment(1, ReleaseStatus::Success, "2026-01-06T08:00:00Z")
        };
        let plain = deployment(2, ReleaseStatus::Success, "2026-01-06T08:00:00Z");
        let found = figures(week(), &[], &[seen, plain], &[]);
        let lead = found.lead_time.expect("lead times");
        assert_eq!(
            (lead.median_seconds, lead.max_seconds),
            (64_800.0, 86_400.0)
        );
    }

    #[test]
    fn what_is_still_open_is_not_judged() {
        let open = deployment(1, ReleaseStatus::Running, "2026-01-06T08:00:00Z");
        assert_eq!(figures(week(), &[], &[open], &[]).change_failure_rate, None);
    }

    #[test]
    fn every_figure_has_its_definition() {
        let shown = serde_json::to_value(Figures::default()).expect("figures are JSON");
        let shown = shown.as_object().expect("an object");
        for name in shown.keys() {
            assert!(DEFINITIONS.iter().any(|(known, _)| known == name), "{name}");
        }
        assert_eq!(shown.len(), DEFINITIONS.len());
    }
}
