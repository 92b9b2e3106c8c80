//! Requests under an idempotency key, as a careful client sends them.

use serde_json::Value;

/// What was answered, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyed {
    /// The HTTP status; 0 if there was no answer.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

/// Posts once under a key; the path begins behind `/api/v1`.
pub(crate) fn keyed(url: &str, token: &str, path: &str, key: &str, body: &Value) -> Keyed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let request = reqwest::Client::new()
            .post(format!("{url}/api/v1{path}"))
            .bearer_auth(token)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.to_string());
        let Ok(response) = request.send().await else {
            return Keyed {
                status: 0,
                body: String::new(),
            };
        };
        let status = response.status().as_u16();
        match response.text().await {
            Ok(body) => Keyed { status, body },
            Err(_) => Keyed {
                status: 0,
                body: String::new(),
            },
        }
    })
}
