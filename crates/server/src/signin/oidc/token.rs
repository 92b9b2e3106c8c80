//! Which ID tokens prove anything.
//!
//! The signature, issuer, audience, end and nonce are verified by the `openidconnect` crate.
//! Before that the token is read strictly here, because what a lenient reader passes over is where forgeries hide:
//! claims that are there twice, keys that a token brings along itself, times that lie ahead.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use jiff::Timestamp;
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, Nonce,
    SignatureVerificationError,
};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::Refused;
use super::claims::Claims;

/// Signatures that are believed: never none, never ones whose key both sides know.
const ALGORITHMS: [(&str, CoreJwsSigningAlgorithm); 3] = [
    ("RS256", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
    ("ES256", CoreJwsSigningAlgorithm::EcdsaP256Sha256),
    ("EdDSA", CoreJwsSigningAlgorithm::EdDsa),
];
/// What a token's head may say; anything else would have to be understood.
const HEAD: [&str; 3] = ["alg", "kid", "typ"];
/// Longest token, in bytes.
const BYTES_MAX: usize = 64 << 10;
/// Longest subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 255;
/// How far two clocks may be apart, in seconds.
const SKEW_S: i64 = 60;

/// What a token is compared with.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    pub(super) metadata: &'a CoreProviderMetadata,
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a AccessToken,
    pub(super) now: Timestamp,
}

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is signed by a key that the provider did not have when it was asked; perhaps it has it now.
    UnknownKey,
    /// Something else.
    Because(String),
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Refused {
        match wrong {
            Wrong::UnknownKey => {
                Refused::unproven("the token is signed by a key that the provider does not have")
            }
            Wrong::Because(why) => Refused::Unproven(why),
        }
    }
}

fn wrong(why: impl Into<String>) -> Wrong {
    Wrong::Because(why.into())
}

/// A JSON object in which every name is there once.
pub(super) struct Unique(pub(super) BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut found = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if found.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                }
                Ok(Unique(found))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The ID token in the answer of a token endpoint.
pub(super) fn from_answer(answer: &[u8]) -> Result<String, Refused> {
    let unreadable = |_| Refused::unproven("the provider's tokens cannot be read");
    let Unique(fields) = serde_json::from_slice(answer).map_err(unreadable)?;
    match fields.get("id_token") {
        Some(Value::String(token)) => Ok(token.clone()),
        _ => Err(Refused::unproven("the provider sent no ID token")),
    }
}

/// Why the answer of a token endpoint was not understood at all.
pub(super) fn why_unreadable(answer: &[u8], client_id: &str, now: Timestamp) -> Refused {
    let token = match from_answer(answer) {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    match look(&token, client_id, now) {
        Err(wrong) => wrong.into(),
        Ok(_) => Refused::unproven("the token's claims do not have the form of the standard"),
    }
}

/// Verifies a token and gives its claims.
pub(super) fn verify(token: &str, expected: &Expected<'_>) -> Result<Claims, Wrong> {
    let claims = look(token, expected.client_id, expected.now)?;
    verify_signed(token, expected)?;
    Ok(claims)
}

/// Reads a token strictly; that it is signed by the provider is not known yet.
fn look(token: &str, client_id: &str, now: Timestamp) -> Result<Claims, Wrong> {
    let claims = read_strictly(token)?;
    check_times(&claims, now)?;
    let party = claims.get("azp");
    if party.is_some_and(|party| party.as_str() != Some(client_id)) {
        return Err(wrong("the token was made for another program (`azp`)"));
    }
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.unwrap_or_default().to_owned();
    let plain = subject.chars().all(|letter| !letter.is_control());
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !plain {
        return Err(wrong("the token does not say for whom it is (`sub`)"));
    }
    Ok(Claims {
        subject,
        all: claims,
    })
}

fn read_strictly(token: &str) -> Result<BTreeMap<String, Value>, Wrong> {
    if token.len() > BYTES_MAX {
        return Err(wrong("the token is too long"));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        return Err(wrong("the token does not have three parts"));
    };
    if signature.is_empty() {
        return Err(wrong("the token is not signed"));
    }
    let Unique(head) = part(head, "head")?;
    if let Some(name) = head.keys().find(|name| !HEAD.contains(&name.as_str())) {
        let name: String = name
            .chars()
            .take(40)
            .filter(|letter| !letter.is_control())
            .collect();
        return Err(wrong(format!(
            "the token's head says `{name}`, which is not taken"
        )));
    }
    let algorithm = head.get("alg").and_then(Value::as_str).unwrap_or_default();
    if !ALGORITHMS.iter().any(|(name, _)| *name == algorithm) {
        return Err(wrong(
            "the token is signed in a way that is not taken (RS256, ES256, EdDSA are)",
        ));
    }
    let Unique(claims) = part(claims, "claims")?;
    Ok(claims)
}

fn part(text: &str, what: &str) -> Result<Unique, Wrong> {
    let bytes = BASE64.decode(text).ok();
    let read = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| {
        wrong(format!(
            "the token's {what} cannot be read, or says something twice"
        ))
    })
}

fn check_times(claims: &BTreeMap<String, Value>, now: Timestamp) -> Result<(), Wrong> {
    let latest = (now.as_second() + SKEW_S) as f64;
    for (name, why) in [
        ("nbf", "the token does not hold yet (`nbf`)"),
        ("iat", "the token was issued in the future (`iat`)"),
    ] {
        match claims.get(name) {
            None => (),
            Some(time) if time.as_f64().is_some_and(|time| time <= latest) => (),
            Some(_) => return Err(wrong(why)),
        }
    }
    Ok(())
}

fn verify_signed(token: &str, expected: &Expected<'_>) -> Result<(), Wrong> {
    let unreadable = |_| wrong("the token's claims do not have the form of the standard");
    let token = CoreIdToken::from_str(token).map_err(unreadable)?;
    let now: Option<DateTime<Utc>> = DateTime::from_timestamp(expected.now.as_second() - SKEW_S, 0);
    let now = now.ok_or_else(|| wrong("the clock shows no time"))?;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(expected.client_id.to_owned()),
        expected.metadata.issuer().clone(),
        expected.metadata.jwks().clone(),
    )
    .set_allowed_algs(ALGORITHMS.map(|(_, algorithm)| algorithm))
    .set_time_fn(move || now);
    let nonce = Nonce::new(expected.nonce.to_owned());
    let claims = token
        .claims(&verifier, &nonce)
        .map_err(|error| explained(&error))?;
    let Some(hash) = claims.access_token_hash() else {
        return Ok(());
    };
    let algorithm = token
        .signing_alg()
        .map_err(|_| wrong("the token is not signed"))?;
    let key = token
        .signing_key(&verifier)
        .map_err(|_| Wrong::UnknownKey)?;
    match AccessTokenHash::from_token(expected.access_token, algorithm, key) {
        Ok(own) if own == *hash => Ok(()),
        _ => Err(wrong(
            "the access token belongs to another ID token (`at_hash`)",
        )),
    }
}

/// The crate's verdict in words of ours, without anything that the token says.
fn explained(error: &ClaimsVerificationError) -> Wrong {
    use ClaimsVerificationError as Error;
    match error {
        Error::Expired(_) => wrong("the token has expired"),
        Error::InvalidAudience(_) => wrong("the token was made for somebody else (`aud`)"),
        Error::InvalidIssuer(_) => wrong("the token was made by another provider (`iss`)"),
        Error::InvalidNonce(_) => wrong("the token belongs to another sign-in (`nonce`)"),
        Error::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Wrong::UnknownKey
        }
        Error::SignatureVerification(_) => wrong("the token's signature is wrong"),
        _ => wrong("the token's claims do not hold together"),
    }
}
