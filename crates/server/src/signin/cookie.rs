//! The cookies of browsers: one for the session, one for a sign-in that is under way (reliability.md, S3).
//!
//! Over https a cookie carries the prefix that ties it to this very host; over plain http, which is taken on the
//! loopback only, browsers would not keep such a cookie, so it goes without.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use super::caller::Channel;

/// The session's token.
pub(crate) const SESSION: &str = "trainmaster";
/// What the browser keeps while an identity provider is asked.
pub(crate) const SIGN_IN: &str = "trainmaster-sign-in";

/// How a cookie is called here.
fn name(base: &str, channel: Channel) -> String {
    match channel {
        Channel::Https => format!("__Host-{base}"),
        Channel::Loopback | Channel::Plain => base.to_owned(),
    }
}

/// The value of a cookie; none if there is none, or more than one.
pub(crate) fn read<'a>(headers: &'a HeaderMap, base: &str, channel: Channel) -> Option<&'a str> {
    let name = name(base, channel);
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(given, _)| given.trim() == name)
        .map(|(_, value)| value.trim());
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// A header that sets a cookie for so many seconds.
pub(crate) fn set(base: &str, value: &str, channel: Channel, seconds: i64) -> HeaderValue {
    let cookie = Cookie::build((name(base, channel), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(channel == Channel::Https)
        .max_age(cookie::time::Duration::seconds(seconds));
    HeaderValue::try_from(cookie.build().to_string())
        .expect("names and values of our cookies are letters, digits and signs")
}

/// A header that removes a cookie.
pub(crate) fn clear(base: &str, channel: Channel) -> HeaderValue {
    set(base, "", channel, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_tied_to_the_host_over_https_and_never_read_by_scripts() {
        let secure = set(SESSION, "tm_x", Channel::Https, 60);
        let text = secure.to_str().expect("text");
        assert!(text.starts_with("__Host-trainmaster=tm_x; "), "{text}");
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("Domain"));
        let plain = set(SESSION, "tm_x", Channel::Loopback, 60);
        let text = plain.to_str().expect("text");
        assert!(
            text.starts_with("trainmaster=tm_x; ") && !text.contains("Secure"),
            "{text}"
        );
    }

    #[test]
    fn a_cookie_that_is_there_twice_counts_for_nothing() {
        let headers =
            |line: &str| HeaderMap::from_iter([(header::COOKIE, line.parse().expect("a value"))]);
        let session =
            |line: &str| read(&headers(line), SESSION, Channel::Loopback).map(str::to_owned);
        assert_eq!(session("a=b; trainmaster=tm_1").as_deref(), Some("tm_1"));
        assert_eq!(session("trainmaster=tm_1; trainmaster=tm_2"), None);
        assert_eq!(session("__Host-trainmaster=tm_1"), None);
        assert_eq!(session("xtrainmaster=tm_1"), None);
    }
}
