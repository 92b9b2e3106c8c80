//! Which release a person means: an id, a number, or a name that only one release has.

use trainmaster_api::ReleaseSummary;
use trainmaster_core::ids::ReleaseId;

use crate::client::{self, Client};
use crate::failure::Failure;

/// How many releases with the searched words are looked at.
const CANDIDATES_MAX: usize = 200;
/// How many of them are shown when the name is not clear.
const CANDIDATES_SHOWN: usize = 10;

/// The id of the release that is meant.
pub(crate) async fn resolve(client: &Client, text: &str) -> Result<String, Failure> {
    if let Some(id) = as_id(text) {
        return Ok(id);
    }
    let query = [
        ("search", text.to_owned()),
        ("archived", "true".to_owned()),
        ("children", "true".to_owned()),
    ];
    let found = client::list(client, &["api", "v1", "releases"], &query, CANDIDATES_MAX).await?;
    let found: Vec<ReleaseSummary> = found
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    let named: Vec<&ReleaseSummary> = found
        .iter()
        .filter(|release| release.name == text || release.slug == text)
        .collect();
    match named.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(with_candidates(
            Failure::error(format!("no release is called `{text}`")),
            &found.iter().collect::<Vec<_>>(),
        )
        .hint("`trainmaster release list` shows the releases that you may see")),
        several => Err(with_candidates(
            Failure::usage(format!("{} releases are called `{text}`", several.len())),
            several,
        )
        .hint("name the one that you mean by its id")),
    }
}

/// `rel-00000042`, or `42` for short.
fn as_id(text: &str) -> Option<String> {
    if let Ok(id) = text.parse::<ReleaseId>() {
        return Some(id.to_string());
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten()?;
    Some(ReleaseId(number).to_string())
}

fn with_candidates(failure: Failure, candidates: &[&ReleaseSummary]) -> Failure {
    candidates
        .iter()
        .take(CANDIDATES_SHOWN)
        .fold(failure, |failure, release| {
            let name = crate::output::plain(&release.name);
            failure.detail(format!(
                "{}  {}  {name}",
                release.id,
                release.status.as_str()
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::as_id;

    #[test]
    fn a_number_stands_for_the_id() {
        assert_eq!(as_id("42").as_deref(), Some("rel-00000042"));
        assert_eq!(as_id("rel-00000042").as_deref(), Some("rel-00000042"));
        assert_eq!(as_id("week-42"), None);
        assert_eq!(as_id(""), None);
    }
}
