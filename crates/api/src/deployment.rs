//! Deployments: what is where, how that came about, and where a commit is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One service put to one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// Its id; none within an activity, where it has no address of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The environment.
    pub environment: String,
    /// The service or application.
    pub service: String,
    /// The organization; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The version that is there since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commits that were named; the one that is there comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
    /// The container image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The tickets it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<String>,
    /// The release that brought it.
    pub release: String,
    /// The release's name; none where the release was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// The release's status; none where the release was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_status: Option<String>,
    /// The activity whose success it is.
    pub path: String,
    /// The attempt.
    pub attempt: u32,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Through whom.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// The commits of a deployment, or of everything that is deployed to an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedCommits {
    /// The deployments that were looked at.
    pub deployments: Vec<DeploymentView>,
    /// Their commits, in the order of the deployments.
    pub commits: Vec<CommitView>,
    /// Position of the journal that the answer shows at least.
    pub as_of: u64,
}

/// A commit that is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitView {
    /// The commit.
    pub commit: String,
    /// Where it was named: `deployment`, `link` or `input`.
    pub sources: Vec<String>,
    /// The services that it is deployed with.
    pub services: Vec<String>,
    /// The releases that brought it.
    pub releases: Vec<String>,
}

/// Where a commit, an image, an artifact or a ticket is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhereView {
    /// `commit`, `image`, `artifact` or `ticket`.
    pub kind: String,
    /// What was asked for.
    pub sought: String,
    /// The releases that carry it, the newest first.
    pub releases: Vec<WhereRelease>,
    /// Whether there is more than is shown.
    pub cut: bool,
    /// Position of the journal that the answer shows at least.
    pub as_of: u64,
}

/// A release that carries what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhereRelease {
    /// Its id.
    pub release: String,
    /// Its name; none where it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What was found, as it was written.
    pub values: Vec<String>,
    /// Where it was found: `deployment`, `link` or `input`.
    pub sources: Vec<String>,
    /// The environments it brought it to.
    pub environments: Vec<StayView>,
}

/// A stay in an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StayView {
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The version it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The deployment that brought it.
    pub deployment: u64,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// Until something else was deployed there; none while it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
}
