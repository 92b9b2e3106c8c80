//! What the success of an activity put where: the facts behind "what is deployed" and "where is this commit".

use serde::{Deserialize, Serialize};

use crate::ids::Name;

/// Longest word of a deployment (a service, a version, a commit), in characters.
pub const WORD_LENGTH_MAX: usize = 500;
/// Most commits or tickets of one deployment.
pub const WORDS_MAX: usize = 1_000;
/// Most deployments that one success may record: services times environments.
pub const DEPLOYMENTS_MAX: usize = 100;

/// One service put to one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The attempt whose success it is.
    pub attempt: u32,
    /// The organization of the release; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// The service or application.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// The version that is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commits it is made of; the one that is there now comes first.
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
}
