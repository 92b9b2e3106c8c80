//! Signing in through an identity provider: one that tells the truth, and the same one telling lies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey,
};
use openidconnect::{HttpRequest, HttpResponse, JsonWebKeyId, PrivateSigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trainmaster_server::Options;
use trainmaster_server::signin;
use trainmaster_server::signin::oidc::{Fetch, FetchError, Provider};

use crate::support::{Browser, Client, TestApp};

const ISSUER: &str = "https://login.example/house";
const CLIENT: &str = "trains";
const HOME: &str = "198.51.100.7";
const RSA: &str = include_str!("data/issuer-rsa.pem");
const STRANGER: &str = include_str!("data/stranger-rsa.pem");
const ED25519: &str = include_str!("data/issuer-ed25519.pem");

/// A provider in the process: it answers what the test has told it to.
#[derive(Clone, Default)]
struct Issuer(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    /// The ID token that is given for the next code.
    token: String,
    /// Where the browser was sent with; the verifier must fit it.
    challenge: String,
    access_token: String,
    user_info: Option<Value>,
    asked: BTreeMap<String, u32>,
    is_down: bool,
    says_other_issuer: bool,
}

fn rsa(pem: &str, kid: &str) -> CoreRsaPrivateSigningKey {
    let kid = Some(JsonWebKeyId::new(kid.to_owned()));
    CoreRsaPrivateSigningKey::from_pem(pem, kid).expect("a key")
}

fn ed25519() -> CoreEdDsaPrivateSigningKey {
    let kid = Some(JsonWebKeyId::new("ed".to_owned()));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(ED25519, kid).expect("a key")
}

fn json_answer(status: u16, body: &Value) -> HttpResponse {
    let response = http::Response::builder()
        .status(status)
        .header("content-type", "application/json");
    response
        .body(body.to_string().into_bytes())
        .expect("an answer")
}

#[async_trait]
impl Fetch for Issuer {
    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let mut told = self.0.lock().expect("no test panics in here");
        if told.is_down {
            return Err(FetchError("nobody answers at 10.9.8.7".to_owned()));
        }
        let path = request.uri().path().to_owned();
        *told.asked.entry(path.clone()).or_default() += 1;
        let issuer = if told.says_other_issuer {
            "https://evil.example"
        } else {
            ISSUER
        };
        Ok(match path.as_str() {
            "/house/.well-known/openid-configuration" => json_answer(
                200,
                &json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{ISSUER}/authorize"),
                    "token_endpoint": format!("{ISSUER}/token"),
                    "userinfo_endpoint": format!("{ISSUER}/me"),
                    "jwks_uri": format!("{ISSUER}/keys"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
                }),
            ),
            "/house/keys" => json_answer(
                200,
                &json!({"keys": [
                    rsa(RSA, "rsa").as_verification_key(), ed25519().as_verification_key(),
                ]}),
            ),
            "/house/token" => {
                let form: BTreeMap<String, String> = url::form_urlencoded::parse(request.body())
                    .into_owned()
                    .collect();
                let verifier = form.get("code_verifier").cloned().unwrap_or_default();
                let challenge = BASE64.encode(Sha256::digest(verifier.as_bytes()));
                if challenge != told.challenge
                    || form.get("code").map(String::as_str) != Some("the-code")
                {
                    return Ok(json_answer(400, &json!({"error": "invalid_grant"})));
                }
                json_answer(
                    200,
                    &json!({
                        "access_token": told.access_token, "token_type": "Bearer", "expires_in": 60, "id_token": told.token,
                    }),
                )
            }
            "/house/me" => match &told.user_info {
                Some(claims) => json_answer(200, claims),
                None => json_answer(403, &json!({})),
            },
            _ => json_answer(404, &json!({})),
        })
    }
}

fn provider() -> Provider {
    Provider {
        id: "house".parse().expect("a name"),
        title: "The house".to_owned(),
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some("s3cr3t-of-the-client".to_owned()),
        scopes: vec!["profile".to_owned(), "groups".to_owned()],
        name_claim: "preferred_username".to_owned(),
        groups_claim: Some("groups".to_owned()),
        teams: [("Quality".to_owned(), vec!["qa".parse().expect("a name")])].into(),
        team_prefix: Some("trains-".to_owned()),
        create_users: true,
    }
}

async fn server(issuer: &Issuer, providers: Vec<Provider>) -> TestApp {
    let sign_in = signin::Options {
        oidc: signin::oidc::Options {
            providers,
            fetch: Some(Arc::new(issuer.clone())),
        },
        ..signin::Options::default()
    };
    TestApp::with(Options {
        sign_in,
        ..Options::default()
    })
    .await
}

/// What the browser was sent to the provider with.
struct Sent {
    url: url::Url,
    state: String,
    nonce: String,
}

async fn begin(browser: &Browser<'_>, issuer: &Issuer, path: &str) -> Sent {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{reply:?}");
    let url: url::Url = reply
        .header("location")
        .expect("a place")
        .parse()
        .expect("an address");
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let mut told = issuer.0.lock().expect("no test panics in here");
    told.challenge.clone_from(&query["code_challenge"]);
    told.access_token = "access-1".to_owned();
    Sent {
        state: query["state"].clone(),
        nonce: query["nonce"].clone(),
        url,
    }
}

fn claims(test: &TestApp, sent: &Sent) -> Value {
    let now = test.clock_now().as_second();
    json!({
        "iss": ISSUER, "sub": "0815", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": sent.nonce,
        "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.com",
        "groups": ["Quality", "trains-ops", "administrators"],
    })
}

fn unsigned(head: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(head), BASE64.encode(claims))
}

fn sign_ed(head: &str, claims: &str) -> String {
    let text = unsigned(head, claims);
    let signature = ed25519().sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes());
    format!("{text}.{}", BASE64.encode(signature.expect("signed")))
}

fn sign_rsa(key: &CoreRsaPrivateSigningKey, head: &str, claims: &str) -> String {
    let text = unsigned(head, claims);
    let signature = key.sign(
        &CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        text.as_bytes(),
    );
    format!("{text}.{}", BASE64.encode(signature.expect("signed")))
}

fn hmac(head: &str, claims: &str, key: &[u8]) -> String {
    let text = unsigned(head, claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

const ED: &str = r#"{"alg":"EdDSA","kid":"ed","typ":"JWT"}"#;

fn tell(issuer: &Issuer, token: String) {
    issuer.0.lock().expect("no test panics in here").token = token;
}

async fn come_back(browser: &Browser<'_>, sent: &Sent) -> crate::support::Reply {
    let path = format!("/api/v1/oidc/callback?code=the-code&state={}", sent.state);
    browser.get(&path).await
}

async fn failures(root: &Client<'_>) -> Vec<Value> {
    let page = root
        .get("/api/v1/audit?type=SignInFailed&limit=100")
        .await
        .expect(StatusCode::OK);
    page["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn somebody_comes_from_the_provider_with_teams_for_their_groups() {
    let issuer = Issuer::default();
    let test = server(&issuer, vec![provider()]).await;
    let root = test.administrator().await;
    let browser = Browser::new(&test, HOME);
    let providers = browser
        .get("/api/v1/oidc/providers")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        providers["items"],
        json!([{"id": "house", "title": "The house"}])
    );
    let sent = begin(
        &browser,
        &issuer,
        "/api/v1/oidc/login?next=/releases%3Fa%3Db",
    )
    .await;
    let query: BTreeMap<String, String> = sent.url.query_pairs().into_owned().collect();
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["response_type"], "code");
    assert_eq!(
        query["redirect_uri"],
        "http://localhost:7420/api/v1/oidc/callback"
    );
    assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
    assert!(query["state"].len() >= 32 && query["nonce"].len() >= 32);
    tell(&issuer, sign_ed(ED, &claims(&test, &sent).to_string()));
    let reply = come_back(&browser, &sent).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{reply:?}");
    assert_eq!(reply.header("location"), Some("/releases?a=b"));
    assert_eq!(browser.cookie("trainmaster-sign-in"), None);
    let session = browser.get("/api/v1/session").await.expect(StatusCode::OK);
    assert_eq!(session["user"], "ada");
    let user = root.get("/api/v1/users/ada").await.expect(StatusCode::OK);
    assert_eq!(
        user["identities"],
        json!([{"issuer": ISSUER, "subject": "0815"}])
    );
    assert_eq!(user["claimedTeams"], json!(["ops", "qa"]));
    assert_eq!(user["hasPassword"], false);
    // Without a binding the teams give nothing, and no claim makes an administrator.
    browser.get("/api/v1/users").await.problem("forbidden");
    let whoami = browser.get("/api/v1/whoami").await.expect(StatusCode::OK);
    assert_eq!(whoami["permissions"], json!([]));
    let binding = "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: ops-look}\nspec: {role: viewer, subjects: ['team:ops']}\n";
    root.apply(binding).await.expect(StatusCode::OK);
    let whoami = browser.get("/api/v1/whoami").await.expect(StatusCode::OK);
    assert!(
        whoami["permissions"]
            .as_array()
            .expect("a list")
            .contains(&json!("release:read"))
    );
    // A group that is gone at the provider is gone here with the next sign-in; the person stays the same one.
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    let mut later = claims(&test, &sent);
    later["groups"] = json!([]);
    later["preferred_username"] = json!("countess");
    tell(
        &issuer,
        sign_rsa(
            &rsa(RSA, "rsa"),
            r#"{"alg":"RS256","kid":"rsa"}"#,
            &later.to_string(),
        ),
    );
    assert_eq!(
        come_back(&browser, &sent).await.status,
        StatusCode::SEE_OTHER
    );
    let whoami = browser.get("/api/v1/whoami").await.expect(StatusCode::OK);
    assert_eq!(whoami["permissions"], json!([]));
    assert_eq!(whoami["token"]["user"], "ada");
    let asked = issuer
        .0
        .lock()
        .expect("no test panics in here")
        .asked
        .clone();
    assert_eq!(
        asked["/house/keys"], 1,
        "what the provider says about itself is remembered"
    );
    let out = browser.call(Method::DELETE, "/api/v1/session", None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    browser
        .get("/api/v1/session")
        .await
        .problem("unauthenticated");
    assert!(failures(&root).await.is_empty());
}

#[tokio::test]
async fn a_stranger_with_a_known_name_or_mail_becomes_somebody_else() {
    let issuer = Issuer::default();
    let test = server(&issuer, vec![provider()]).await;
    let root = test.administrator().await;
    let body = json!({"name": "ada", "email": "ada@example.com", "password": "plum tree behind the house"});
    root.post("/api/v1/users", body)
        .await
        .expect(StatusCode::CREATED);
    let binding = "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {name: boss}\nspec: {role: administrator, subjects: ['user:ada', 'user:grace']}\n";
    root.apply(binding).await.expect(StatusCode::OK);
    let browser = Browser::new(&test, HOME);
    let sign_in = async |subject: &str, name: &str| {
        let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
        let mut claims = claims(&test, &sent);
        claims["sub"] = json!(subject);
        claims["preferred_username"] = json!(name);
        tell(&issuer, sign_ed(ED, &claims.to_string()));
        assert_eq!(
            come_back(&browser, &sent).await.status,
            StatusCode::SEE_OTHER
        );
        let session = browser.get("/api/v1/session").await.expect(StatusCode::OK);
        session["user"].as_str().expect("a name").to_owned()
    };
    assert_eq!(sign_in("1", "ada").await, "ada-2");
    browser.get("/api/v1/users").await.problem("forbidden");
    // A name that a binding waits for is not taken by whoever comes first.
    assert_eq!(sign_in("2", "grace").await, "grace-2");
    assert_eq!(sign_in("1", "anything").await, "ada-2");
    // Only somebody who manages users says that a person of the provider is a user of old.
    let identity = json!({"issuer": ISSUER, "subject": "3"});
    root.post("/api/v1/users/ada/identities", identity.clone())
        .await
        .expect(StatusCode::OK);
    assert_eq!(sign_in("3", "whoever").await, "ada");
    browser.get("/api/v1/users").await.expect(StatusCode::OK);
    let twice = root
        .post("/api/v1/users/grace-2/identities", identity)
        .await;
    assert!(twice.status.is_client_error());
}

#[tokio::test]
async fn what_a_provider_may_not_do_and_whom_it_may_not_bring() {
    let issuer = Issuer::default();
    let closed = Provider {
        create_users: false,
        ..provider()
    };
    let test = server(&issuer, vec![closed]).await;
    let root = test.administrator().await;
    let browser = Browser::new(&test, HOME);
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    tell(&issuer, sign_ed(ED, &claims(&test, &sent).to_string()));
    come_back(&browser, &sent).await.problem("sign-in-refused");
    let body = json!({"name": "ada", "identity": {"issuer": ISSUER, "subject": "0815"}});
    root.post("/api/v1/users", body)
        .await
        .expect(StatusCode::CREATED);
    root.post("/api/v1/users/ada/disable", json!({}))
        .await
        .expect(StatusCode::OK);
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    tell(&issuer, sign_ed(ED, &claims(&test, &sent).to_string()));
    come_back(&browser, &sent).await.problem("sign-in-refused");
    assert_eq!(failures(&root).await.len(), 2);
    assert_eq!(browser.cookie("trainmaster"), None);
    for next in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let reply = browser
            .get(&format!("/api/v1/oidc/login?next={next}"))
            .await;
        reply.problem("invalid-query");
    }
    browser
        .get("/api/v1/oidc/login?provider=other")
        .await
        .problem("unknown-provider");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_lets_nobody_in_and_holds_nobody_up() {
    let issuer = Issuer::default();
    issuer.0.lock().expect("no test panics in here").is_down = true;
    let test = server(&issuer, vec![provider()]).await;
    let browser = Browser::new(&test, HOME);
    let reply = browser.get("/api/v1/oidc/login").await;
    assert!(reply.header("retry-after").is_some());
    let problem = reply.problem("unavailable");
    assert!(!problem.to_string().contains("10.9.8.7"), "{problem}");
    issuer.0.lock().expect("no test panics in here").is_down = false;
    issuer
        .0
        .lock()
        .expect("no test panics in here")
        .says_other_issuer = true;
    browser
        .get("/api/v1/oidc/login")
        .await
        .problem("unavailable");
    test.clock.advance(jiff::SignedDuration::from_secs(11));
    browser
        .get("/api/v1/oidc/login")
        .await
        .problem("unavailable");
    issuer
        .0
        .lock()
        .expect("no test panics in here")
        .says_other_issuer = false;
    test.clock.advance(jiff::SignedDuration::from_secs(11));
    begin(&browser, &issuer, "/api/v1/oidc/login").await;
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let issuer = Issuer::default();
    let test = server(&issuer, vec![provider()]).await;
    let browser = Browser::new(&test, HOME);
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    tell(&issuer, sign_ed(ED, &claims(&test, &sent).to_string()));
    let victim = Browser::new(&test, HOME);
    come_back(&victim, &sent).await.problem("oidc-refused");
    let kept = browser.cookie("trainmaster-sign-in").expect("a cookie");
    for wrong in [
        "/api/v1/oidc/callback".to_owned(),
        "/api/v1/oidc/callback?code=the-code".to_owned(),
        "/api/v1/oidc/callback?code=the-code&state=other".to_owned(),
        format!(
            "/api/v1/oidc/callback?code=the-code&state={}&iss=https://evil.example",
            sent.state
        ),
        format!(
            "/api/v1/oidc/callback?error=access_denied&state={}",
            sent.state
        ),
    ] {
        browser.get(&wrong).await.problem("oidc-refused");
    }
    assert_eq!(
        come_back(&browser, &sent).await.status,
        StatusCode::SEE_OTHER
    );
    browser.set_cookie("trainmaster-sign-in", &kept);
    come_back(&browser, &sent).await.problem("oidc-refused");
    let late = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    tell(&issuer, sign_ed(ED, &claims(&test, &late).to_string()));
    test.clock.advance(jiff::SignedDuration::from_mins(11));
    come_back(&browser, &late).await.problem("oidc-refused");
}

/// Every way in which a token lies, with the word by which its refusal is recognized.
fn lies(test: &TestApp, sent: &Sent) -> Vec<(&'static str, String, &'static str)> {
    let now = test.clock_now().as_second();
    let with = |change: &[(&str, Value)]| {
        let mut claims = claims(test, sent);
        for (name, value) in change {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("claims").remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        claims.to_string()
    };
    let good = with(&[]);
    let ed = |change: &[(&str, Value)]| sign_ed(ED, &with(change));
    let own = rsa(RSA, "rsa");
    let stranger = rsa(STRANGER, "rsa");
    let jwk = serde_json::to_string(&stranger.as_verification_key()).expect("JSON");
    let public = serde_json::to_value(own.as_verification_key()).expect("JSON");
    let modulus = BASE64
        .decode(public["n"].as_str().expect("a number"))
        .expect("bytes");
    let doubled = format!("{{\"sub\":\"0001\",{}", &good[1..]);
    let doubled_group = format!("{{\"groups\":[],{}", &good[1..]);
    let doubled_head = r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#;
    let mut flipped = sign_ed(ED, &good);
    let last = flipped
        .pop()
        .map_or('A', |last| if last == 'A' { 'g' } else { 'A' });
    flipped.push(last);
    let grafted = {
        let signature = sign_ed(ED, &good)
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        format!(
            "{}.{signature}",
            unsigned(ED, &with(&[("sub", json!("0001"))]))
        )
    };
    vec![
        (
            "no signature",
            format!("{}.", unsigned(r#"{"alg":"none"}"#, &good)),
            "not signed",
        ),
        (
            "algorithm none with a signature",
            sign_ed(r#"{"alg":"none","kid":"ed"}"#, &good),
            "not taken",
        ),
        (
            "algorithm None in other letters",
            sign_ed(r#"{"alg":"nOnE","kid":"ed"}"#, &good),
            "not taken",
        ),
        (
            "HS256 with the public key",
            hmac(r#"{"alg":"HS256","kid":"rsa"}"#, &good, &modulus),
            "not taken",
        ),
        (
            "HS256 with the client's secret",
            hmac(r#"{"alg":"HS256"}"#, &good, b"s3cr3t-of-the-client"),
            "not taken",
        ),
        (
            "an algorithm nobody knows",
            sign_ed(r#"{"alg":"PS512","kid":"ed"}"#, &good),
            "not taken",
        ),
        (
            "signed by a stranger under a known key id",
            sign_rsa(&stranger, r#"{"alg":"RS256","kid":"rsa"}"#, &good),
            "signature",
        ),
        (
            "signed by a stranger under an own key id",
            sign_rsa(&stranger, r#"{"alg":"RS256","kid":"mine"}"#, &good),
            "key",
        ),
        (
            "its own key in the head",
            sign_rsa(
                &stranger,
                &format!(r#"{{"alg":"RS256","jwk":{jwk}}}"#),
                &good,
            ),
            "`jwk`",
        ),
        (
            "an address of keys in the head",
            sign_rsa(
                &stranger,
                r#"{"alg":"RS256","jku":"https://evil.example/keys"}"#,
                &good,
            ),
            "`jku`",
        ),
        (
            "a certificate in the head",
            sign_ed(
                r#"{"alg":"EdDSA","kid":"ed","x5u":"https://evil.example"}"#,
                &good,
            ),
            "`x5u`",
        ),
        (
            "something critical that nobody knows",
            sign_ed(
                r#"{"alg":"EdDSA","kid":"ed","crit":["b64"],"b64":false}"#,
                &good,
            ),
            "not taken",
        ),
        ("a signature with another last letter", flipped, "signature"),
        ("the signature of another token", grafted, "signature"),
        (
            "another algorithm than the key's",
            sign_ed(r#"{"alg":"RS256","kid":"rsa"}"#, &good),
            "signature",
        ),
        (
            "somebody else's audience",
            ed(&[("aud", json!("other"))]),
            "`aud`",
        ),
        (
            "a second audience",
            ed(&[("aud", json!([CLIENT, "other"]))]),
            "`aud`",
        ),
        ("no audience", ed(&[("aud", Value::Null)]), "`aud`"),
        (
            "another authorized party",
            ed(&[("azp", json!("other"))]),
            "`azp`",
        ),
        ("expired", ed(&[("exp", json!(now - 120))]), "expired"),
        ("no end", ed(&[("exp", Value::Null)]), "form"),
        ("not valid yet", ed(&[("nbf", json!(now + 3_600))]), "`nbf`"),
        (
            "issued in the future",
            ed(&[("iat", json!(now + 3_600))]),
            "`iat`",
        ),
        (
            "another issuer",
            ed(&[("iss", json!("https://evil.example"))]),
            "`iss`",
        ),
        (
            "the issuer with a slash",
            ed(&[("iss", json!(format!("{ISSUER}/")))]),
            "`iss`",
        ),
        ("no issuer", ed(&[("iss", Value::Null)]), "form"),
        (
            "another sign-in's nonce",
            ed(&[("nonce", json!("n".repeat(43)))]),
            "`nonce`",
        ),
        ("no nonce", ed(&[("nonce", Value::Null)]), "`nonce`"),
        ("no subject", ed(&[("sub", Value::Null)]), "`sub`"),
        ("an empty subject", ed(&[("sub", json!(""))]), "`sub`"),
        (
            "a number for a subject",
            ed(&[("sub", json!(815))]),
            "`sub`",
        ),
        (
            "a subject with a line end",
            ed(&[("sub", json!("a\nb"))]),
            "`sub`",
        ),
        ("two subjects", sign_ed(ED, &doubled), "twice"),
        ("two lists of groups", sign_ed(ED, &doubled_group), "twice"),
        ("two algorithms", sign_ed(doubled_head, &good), "twice"),
        (
            "another access token's hash",
            ed(&[("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"))]),
            "`at_hash`",
        ),
        ("an encrypted token", "a.b.c.d.e".to_owned(), "three parts"),
        ("no token at all", "nonsense".to_owned(), "three parts"),
    ]
}

#[tokio::test]
async fn no_lie_of_a_token_lets_anybody_in_and_each_is_written_down() {
    let issuer = Issuer::default();
    let test = server(&issuer, vec![provider()]).await;
    let root = test.administrator().await;
    let count = {
        let browser = Browser::new(&test, HOME);
        let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
        lies(&test, &sent).len()
    };
    assert!(count >= 20);
    let mut unclear = Vec::new();
    for number in 0..count {
        let browser = Browser::new(&test, &format!("192.0.2.{number}"));
        let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
        let (lie, token, word) = lies(&test, &sent).swap_remove(number);
        tell(&issuer, token);
        let reply = come_back(&browser, &sent).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{lie}: {reply:?}");
        let problem = reply.problem("oidc-refused");
        let detail = problem["detail"].as_str().expect("text").to_owned();
        if !detail.contains(word) {
            unclear.push(format!("{lie}: {detail}"));
        }
        assert_eq!(browser.cookie("trainmaster"), None, "{lie}");
        assert_eq!(failures(&root).await.len(), number + 1, "{lie}");
    }
    assert!(unclear.is_empty(), "{unclear:#?}");
    // And still the truth is believed.
    let browser = Browser::new(&test, HOME);
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
    tell(&issuer, sign_ed(ED, &claims(&test, &sent).to_string()));
    assert_eq!(
        come_back(&browser, &sent).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn groups_that_are_told_apart_from_the_token_count_if_they_are_the_same_persons() {
    let issuer = Issuer::default();
    let test = server(&issuer, vec![provider()]).await;
    let root = test.administrator().await;
    for (subject, status) in [
        ("4711", StatusCode::UNAUTHORIZED),
        ("0815", StatusCode::SEE_OTHER),
    ] {
        issuer.0.lock().expect("no test panics in here").user_info =
            Some(json!({"sub": subject, "groups": ["trains-ops"]}));
        let browser = Browser::new(&test, HOME);
        let sent = begin(&browser, &issuer, "/api/v1/oidc/login").await;
        let mut claims = claims(&test, &sent);
        claims.as_object_mut().expect("claims").remove("groups");
        tell(&issuer, sign_ed(ED, &claims.to_string()));
        assert_eq!(come_back(&browser, &sent).await.status, status);
    }
    let user = root.get("/api/v1/users/ada").await.expect(StatusCode::OK);
    assert_eq!(user["claimedTeams"], json!(["ops"]));
}

#[tokio::test]
async fn of_two_providers_neither_speaks_for_the_other() {
    let issuer = Issuer::default();
    let other = Provider {
        id: "other".parse().expect("a name"),
        issuer: "https://other.example".to_owned(),
        ..provider()
    };
    let test = server(&issuer, vec![provider(), other]).await;
    let browser = Browser::new(&test, HOME);
    browser
        .get("/api/v1/oidc/login")
        .await
        .problem("invalid-query");
    let sent = begin(&browser, &issuer, "/api/v1/oidc/login?provider=house").await;
    let mut foreign = claims(&test, &sent);
    foreign["iss"] = json!("https://other.example");
    tell(&issuer, sign_ed(ED, &foreign.to_string()));
    come_back(&browser, &sent).await.problem("oidc-refused");
}
