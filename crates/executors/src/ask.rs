//! Asks an address that the server's configuration names, such as an identity provider's, within the limits that
//! hold for every request into the world.

use std::time::Duration;

use reqwest::Url;

use crate::client::{self, Limits, Request};
use crate::egress::Egress;

/// Sends a request without following redirects, and takes in the answer.
///
/// # Errors
/// Why there is no whole answer, without the address: it may hold secrets.
pub async fn ask(
    egress: &Egress,
    request: http::Request<Vec<u8>>,
    within: Duration,
    bytes_max: usize,
) -> Result<http::Response<Vec<u8>>, String> {
    let (head, body) = request.into_parts();
    let url = Url::parse(&head.uri.to_string()).map_err(|error| error.to_string())?;
    let request = Request {
        method: head.method,
        url,
        headers: head.headers,
        body: (!body.is_empty()).then_some(body),
        limits: Limits::within(within, bytes_max),
        redirects_max: 0,
    };
    let answer = client::send(egress, request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let mut response = http::Response::new(answer.body);
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).map_err(|error| error.to_string())?;
    *response.headers_mut() = answer.headers;
    Ok(response)
}
