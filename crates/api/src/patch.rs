//! Telling "leave as it is" (absent) from "remove" (null) in a change request.

use serde::{Deserialize, Deserializer};

/// Reads a field that may be absent, null or a value; use with `#[serde(default)]`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
