//! What goes out by itself, and the secrets that it needs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryStatus {
    /// Waits for its turn, or for the next try.
    Pending,
    /// Its bytes may be on the way.
    Sending,
    /// It is there.
    Delivered,
    /// Given up.
    Failed,
    /// It may be there or not; it is sent again by hand only.
    Unknown,
    /// Not sent, because its channel is turned off or its rule is gone.
    Withheld,
}

/// One message to one channel of one notification rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Its id, the same over all tries; a webhook gets it as `webhook-id`.
    pub id: String,
    /// Position of its event in the journal.
    pub position: u64,
    /// The rule.
    pub rule: String,
    /// Where the rule lives; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Which channel of the rule, from one.
    pub channel: u32,
    /// What kind of channel: `email`, `slack`, `teams` or `webhook`.
    pub kind: String,
    /// What the event is called.
    pub event: String,
    /// The release; absent for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// What was said, in one sentence.
    pub text: String,
    /// To which mailbox or address; addresses of chats are secrets and not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub next_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last tried or ended.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// The status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The beginning of the last answer, or what went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// What became of a test of a notification rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTest {
    /// One entry per message that was sent; in-app channels need no test and have none.
    pub items: Vec<DeliveryView>,
    /// Whether all of them got through.
    pub delivered: bool,
}

/// The value of a secret; it is taken in and never given out.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSecret {
    /// The value, 1 to 32768 bytes.
    #[schema(write_only)]
    pub value: String,
}

impl std::fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetSecret")
    }
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// Its name, as in `${secrets.NAME}`.
    pub name: String,
    /// Where it holds; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Which value, counted from one.
    pub version: u32,
    /// When it was written.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Through whom.
    pub updated_by: String,
}
