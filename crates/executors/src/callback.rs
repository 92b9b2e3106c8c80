//! Tokens by which the other side of an `http` activity may call back.
//!
//! A token names one attempt and is signed by the server, so nothing needs to be stored for it.
//! It works once, because the attempt is closed by the first call.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use trainmaster_core::ids::AttemptId;

/// The token for an attempt: `cb_` and two parts of Base64 for addresses, joined by a dot.
pub fn token(attempt: &AttemptId, secret: &[u8]) -> String {
    let name = BASE64.encode(attempt.to_string());
    let signature = BASE64.encode(signed(&name, secret).finalize().into_bytes());
    format!("cb_{name}.{signature}")
}

/// The attempt that a token was made for; none if this server did not make it.
pub fn verify(token: &str, secret: &[u8]) -> Option<AttemptId> {
    let (name, signature) = token.strip_prefix("cb_")?.split_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    signed(name, secret).verify_slice(&signature).ok()?;
    let name = String::from_utf8(BASE64.decode(name).ok()?).ok()?;
    let (activity, number) = name.rsplit_once('#')?;
    let (release, path) = activity.split_once('/')?;
    Some(AttemptId {
        release: release.parse().ok()?,
        path: path.parse().ok()?,
        number: number.parse().ok()?,
    })
}

/// A key of its own purpose, so that no other signature by the same secret passes as a token.
fn signed(name: &str, secret: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("every length of key is taken");
    mac.update(b"trainmaster callback\n");
    mac.update(name.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainmaster_core::ids::ReleaseId;

    fn attempt() -> AttemptId {
        AttemptId {
            release: ReleaseId(42),
            path: "deploy/rollout[2]".parse().expect("a path"),
            number: 3,
        }
    }

    #[test]
    fn a_token_leads_back_to_its_attempt() {
        let token = token(&attempt(), b"server secret");
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        );
        assert_eq!(verify(&token, b"server secret"), Some(attempt()));
    }

    #[test]
    fn a_token_that_was_changed_or_made_elsewhere_is_refused() {
        let token = token(&attempt(), b"server secret");
        assert_eq!(verify(&token, b"other secret"), None);
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("text");
            assert_eq!(verify(&changed, b"server secret"), None, "{position}");
        }
        for text in ["", "cb_", "cb_.", "cb_a", "cb_YQ.YQ"] {
            assert_eq!(verify(text, b"server secret"), None, "{text}");
        }
    }
}
