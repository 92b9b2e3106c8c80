//! Signing in through an identity provider: OpenID Connect with code, PKCE, state and nonce (reliability.md, S4).
//!
//! Talking the protocol is work of the `openidconnect` crate; what it leaves open is here: who is asked, what is
//! remembered in the browser meanwhile, which tokens are looked at at all (`token`), and which teams the
//! provider's groups stand for (`claims`).

mod claims;
mod pending;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope,
};
use subtle::ConstantTimeEq as _;
use trainmaster_core::access::Identity;
use trainmaster_core::ids::Name;
use trainmaster_core::signin::{Person, Proof};
use url::Url;

use self::claims::Claims;
pub(crate) use self::pending::Pending;
use crate::error::{ApiError, ApiResult};

/// Largest answer of a provider that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long what a provider says about itself is believed.
const METADATA_KEPT: SignedDuration = SignedDuration::from_mins(60);
/// A key that is not known makes us ask for the keys again, no more often than this.
const KEYS_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// After a provider did not answer, it is left alone for so long.
const FAILED_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Most keys of a provider.
const KEYS_MAX: usize = 100;
/// How long a person may take at the provider, in seconds.
pub(crate) const PENDING_SECONDS: i64 = 600;
/// Longest code and state in a provider's answer, in bytes.
const PARAMETER_BYTES_MAX: usize = 4_096;

/// Fetches from identity providers; who may be reached is judged by whoever made it (reliability.md, S12).
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Sends one request and takes in the answer, without following redirects.
    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError>;
}

/// A provider could not be reached, in words for the server's own log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Who can say who somebody is.
#[derive(Clone, Default)]
pub struct Options {
    /// The providers, each with a name of its own.
    pub providers: Vec<Provider>,
    /// Reaches them.
    pub fetch: Option<Arc<dyn Fetch>>,
}

/// An identity provider as the configuration describes it.
#[derive(Clone)]
pub struct Provider {
    /// Its name in addresses and records.
    pub id: Name,
    /// Its name for people.
    pub title: String,
    /// Its address, exactly as in its tokens.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// What this server proves itself with; none for a public client.
    pub client_secret: Option<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that a new user gets its name from.
    pub name_claim: String,
    /// The claim that holds the groups; without it nobody gets a team.
    pub groups_claim: Option<String>,
    /// Which teams a group stands for.
    pub teams: BTreeMap<String, Vec<Name>>,
    /// Groups that begin like this stand for the team of the rest of their name.
    pub team_prefix: Option<String>,
    /// Whether somebody who was never here becomes a user, without any right.
    pub create_users: bool,
}

impl Provider {
    /// Whether its address may be believed: https, or a provider on this machine.
    ///
    /// # Errors
    /// What is wrong, for whoever wrote the configuration.
    pub fn check(&self) -> Result<(), String> {
        let url =
            Url::parse(&self.issuer).map_err(|error| format!("`{}`: {error}", self.issuer))?;
        if !is_safe(&url) {
            return Err(format!(
                "`{}` must begin with https:// (http:// only on this machine)",
                self.issuer
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "`{}` must have no query and no fragment",
                self.issuer
            ));
        }
        if self.client_id.is_empty() {
            return Err(format!("provider `{}` needs a client id", self.id));
        }
        Ok(())
    }
}

fn is_safe(url: &Url) -> bool {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// Why nobody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such provider.
    UnknownProvider,
    /// The provider does not answer, or nonsense.
    Unreachable(String),
    /// What came does not prove anything; what it was, in words.
    Unproven(String),
}

impl Refused {
    pub(crate) fn unproven(why: impl Into<String>) -> Refused {
        Refused::Unproven(why.into())
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> ApiError {
        match refused {
            Refused::UnknownProvider => ApiError::new(
                "unknown-provider",
                "there is no such identity provider here",
            ),
            Refused::Unreachable(why) => {
                tracing::warn!(%why, "an identity provider does not answer");
                let detail = "the identity provider does not answer; try again later";
                ApiError::new("unavailable", detail).retry_after(10)
            }
            Refused::Unproven(why) => ApiError::new(
                "oidc-refused",
                format!("the identity provider's answer proves nothing: {why}; start again"),
            ),
        }
    }
}

/// The providers with what is known of them.
pub(crate) struct Providers {
    known: BTreeMap<Name, Standing>,
    fetch: Option<Arc<dyn Fetch>>,
    key: [u8; 32],
    /// Sign-ins that were completed, until they would have expired.
    used: Mutex<BTreeMap<String, i64>>,
}

struct Standing {
    provider: Provider,
    cache: tokio::sync::Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    metadata: Option<(Arc<CoreProviderMetadata>, Timestamp)>,
    failed_at: Option<Timestamp>,
}

/// A provider's answer to the browser, as it came in the address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) error: Option<String>,
}

type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

impl Providers {
    /// Nobody has been asked yet; sign-ins under way end with the process, since their key does.
    pub(crate) fn new(options: &Options) -> Providers {
        let standing = |provider: &Provider| {
            let standing = Standing {
                provider: provider.clone(),
                cache: tokio::sync::Mutex::default(),
            };
            (provider.id.clone(), standing)
        };
        Providers {
            known: options.providers.iter().map(standing).collect(),
            fetch: options.fetch.clone(),
            key: pending::new_key(),
            used: Mutex::default(),
        }
    }

    /// The providers, by name.
    pub(crate) fn list(&self) -> impl Iterator<Item = &Provider> {
        self.known.values().map(|standing| &standing.provider)
    }

    /// Where a browser goes to sign in, and what it keeps meanwhile.
    pub(crate) async fn begin(
        &self,
        id: &Name,
        callback: &Url,
        next: String,
        now: Timestamp,
    ) -> Result<(Url, String), Refused> {
        let standing = self.known.get(id).ok_or(Refused::UnknownProvider)?;
        let metadata = self.metadata(standing, now, METADATA_KEPT).await?;
        let client = client(&standing.provider, &metadata, callback)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(
            flow,
            || CsrfToken::new_random_len(32),
            || Nonce::new_random_len(32),
        );
        let scopes = standing.provider.scopes.iter().cloned().map(Scope::new);
        let (url, state, nonce) = request
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        let pending = Pending {
            provider: id.clone(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            next,
            until: now.as_second() + PENDING_SECONDS,
        };
        Ok((url, pending.seal(&self.key)))
    }

    /// What the browser kept, if it is ours and not too old.
    pub(crate) fn pending(&self, cookie: Option<&str>, now: Timestamp) -> Result<Pending, Refused> {
        let cookie = cookie.ok_or_else(|| {
            Refused::unproven("no sign-in is under way in this browser, or it took too long")
        })?;
        Pending::open(cookie, &self.key, now)
            .ok_or_else(|| Refused::unproven("the sign-in was begun elsewhere or too long ago"))
    }

    /// Who somebody is, from the provider's answer.
    pub(crate) async fn finish(
        &self,
        pending: &Pending,
        answer: &Answer,
        callback: &Url,
        now: Timestamp,
    ) -> Result<Proof, Refused> {
        let standing = self
            .known
            .get(&pending.provider)
            .ok_or(Refused::UnknownProvider)?;
        let code = accepted_code(&standing.provider, pending, answer)?;
        self.use_once(pending, now)?;
        let metadata = self.metadata(standing, now, METADATA_KEPT).await?;
        let client = client(&standing.provider, &metadata, callback)?;
        let raw = Arc::new(Mutex::new(Vec::new()));
        let seen = raw.clone();
        let http = move |request: HttpRequest| {
            let (asked, seen) = (self.ask(request), seen.clone());
            async move {
                let response = asked.await?;
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.clone_from(response.body());
                Ok::<_, FetchError>(response)
            }
        };
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| Refused::Unreachable(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()));
        let tokens = match exchange.request_async(&http).await {
            Ok(tokens) => tokens,
            Err(openidconnect::RequestTokenError::Request(error)) => {
                return Err(Refused::Unreachable(error.to_string()));
            }
            Err(openidconnect::RequestTokenError::ServerResponse(_)) => {
                return Err(Refused::unproven("the provider did not take the code"));
            }
            Err(_) => {
                let raw = raw.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Err(token::why_unreadable(
                    &raw,
                    &standing.provider.client_id,
                    now,
                ));
            }
        };
        let raw = raw.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let id_token = token::from_answer(&raw)?;
        let access_token = tokens.access_token();
        let mut claims = self
            .verified(standing, &metadata, &id_token, pending, access_token, now)
            .await?;
        if standing.provider.wants_groups()
            && !claims.has(standing.provider.groups_claim.as_deref())
        {
            self.add_user_info(&metadata, access_token, &mut claims)
                .await?;
        }
        Ok(proof(&standing.provider, &claims))
    }

    /// Verifies an ID token; keys that are not known are asked for once more.
    async fn verified(
        &self,
        standing: &Standing,
        metadata: &CoreProviderMetadata,
        id_token: &str,
        pending: &Pending,
        access_token: &openidconnect::AccessToken,
        now: Timestamp,
    ) -> Result<Claims, Refused> {
        let judged = |metadata: &CoreProviderMetadata| {
            let expected = token::Expected {
                client_id: &standing.provider.client_id,
                metadata,
                nonce: &pending.nonce,
                access_token,
                now,
            };
            token::verify(id_token, &expected)
        };
        match judged(metadata) {
            Err(token::Wrong::UnknownKey) => {
                let newer = self.metadata(standing, now, KEYS_AGAIN).await?;
                judged(&newer).map_err(Refused::from)
            }
            other => other.map_err(Refused::from),
        }
    }

    /// Asks the provider for claims that it does not put into the token; they must be about the same person.
    async fn add_user_info(
        &self,
        metadata: &CoreProviderMetadata,
        access_token: &openidconnect::AccessToken,
        claims: &mut Claims,
    ) -> Result<(), Refused> {
        let Some(url) = metadata.userinfo_endpoint() else {
            return Ok(());
        };
        let unreadable = |_| Refused::unproven("the provider's access token cannot be used");
        let request = http::Request::get(url.url().as_str())
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::AUTHORIZATION,
                format!("Bearer {}", access_token.secret()),
            )
            .body(Vec::new())
            .map_err(unreadable)?;
        let response = self.ask(request).await;
        let response = response.map_err(|error| Refused::Unreachable(error.0))?;
        if response.status() != http::StatusCode::OK {
            return Err(Refused::Unreachable(format!(
                "its user information answers {}",
                response.status()
            )));
        }
        claims.add(response.body())
    }

    /// A sign-in is completed once, whatever the provider says to a code that comes again.
    fn use_once(&self, pending: &Pending, now: Timestamp) -> Result<(), Refused> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_second();
        used.retain(|_, until| *until > now);
        match used.insert(pending.state.clone(), pending.until) {
            None => Ok(()),
            Some(_) => Err(Refused::unproven("this sign-in was completed before")),
        }
    }

    /// What a provider says about itself, asked for again if it is older than `age_max`.
    async fn metadata(
        &self,
        standing: &Standing,
        now: Timestamp,
        age_max: SignedDuration,
    ) -> Result<Arc<CoreProviderMetadata>, Refused> {
        let mut cache = standing.cache.lock().await;
        if let Some((metadata, at)) = &cache.metadata
            && now.duration_since(*at) < age_max
        {
            return Ok(metadata.clone());
        }
        let is_paused = |at: Timestamp| now.duration_since(at).abs() < FAILED_PAUSE;
        if cache.failed_at.is_some_and(is_paused) {
            let why = "it did not answer a moment ago".to_owned();
            return Err(Refused::Unreachable(why));
        }
        match self.discover(&standing.provider).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *cache = Cache {
                    metadata: Some((metadata.clone(), now)),
                    failed_at: None,
                };
                Ok(metadata)
            }
            Err(refused) => {
                cache.failed_at = Some(now);
                Err(refused)
            }
        }
    }

    async fn discover(&self, provider: &Provider) -> Result<CoreProviderMetadata, Refused> {
        let unreachable = |error: &dyn std::fmt::Display| Refused::Unreachable(error.to_string());
        let issuer =
            IssuerUrl::new(provider.issuer.clone()).map_err(|error| unreachable(&error))?;
        let http = |request: HttpRequest| self.ask(request);
        let found = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = found.map_err(|error| match error {
            openidconnect::DiscoveryError::Request(error) => Refused::Unreachable(error.0),
            openidconnect::DiscoveryError::Validation(why) => Refused::Unreachable(format!(
                "it calls itself by another name than the configuration: {why}"
            )),
            other => Refused::Unreachable(format!("its description cannot be used: {other}")),
        })?;
        check_metadata(&metadata)?;
        Ok(metadata)
    }

    fn ask(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, FetchError>> + Send + use<> {
        let fetch = self.fetch.clone();
        async move {
            let fetch =
                fetch.ok_or_else(|| FetchError("there is no way to reach it".to_owned()))?;
            let answer = tokio::time::timeout(PATIENCE, fetch.fetch(request)).await;
            let late = |_| FetchError("it did not answer in time".to_owned());
            let response = answer.map_err(late)??;
            if response.body().len() > ANSWER_BYTES_MAX {
                return Err(FetchError("its answer is too large".to_owned()));
            }
            Ok(response)
        }
    }
}

impl Provider {
    fn wants_groups(&self) -> bool {
        self.groups_claim.is_some() && (!self.teams.is_empty() || self.team_prefix.is_some())
    }
}

/// Every address that is used must be as safe as the provider's own, and keys must be few.
fn check_metadata(metadata: &CoreProviderMetadata) -> Result<(), Refused> {
    let used = [
        Some(metadata.authorization_endpoint().url()),
        metadata.token_endpoint().map(|url| url.url()),
        metadata.userinfo_endpoint().map(|url| url.url()),
        Some(metadata.jwks_uri().url()),
    ];
    if let Some(unsafe_url) = used.into_iter().flatten().find(|url| !is_safe(url)) {
        return Err(Refused::Unreachable(format!(
            "it wants to be asked at `{unsafe_url}`, where everybody reads along"
        )));
    }
    if metadata.jwks().keys().len() > KEYS_MAX {
        return Err(Refused::Unreachable(format!(
            "it has more than {KEYS_MAX} keys"
        )));
    }
    Ok(())
}

fn client(
    provider: &Provider,
    metadata: &CoreProviderMetadata,
    callback: &Url,
) -> Result<Client, Refused> {
    let secret = provider.client_secret.clone().map(ClientSecret::new);
    let id = ClientId::new(provider.client_id.clone());
    let redirect = RedirectUrl::from_url(callback.clone());
    let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
    let takes_post_only = metadata
        .token_endpoint_auth_methods_supported()
        .is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
    let kind = match takes_post_only {
        true => AuthType::RequestBody,
        false => AuthType::BasicAuth,
    };
    Ok(client.set_redirect_uri(redirect).set_auth_type(kind))
}

/// The code of an answer that belongs to the sign-in under way, and to this provider.
fn accepted_code(
    provider: &Provider,
    pending: &Pending,
    answer: &Answer,
) -> Result<String, Refused> {
    let state = answer.state.as_deref().unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(pending.state.as_bytes())) {
        return Err(Refused::unproven("`state` belongs to another sign-in"));
    }
    if answer
        .issuer
        .as_ref()
        .is_some_and(|issuer| *issuer != provider.issuer)
    {
        return Err(Refused::unproven(
            "`iss` names another provider than the one that was asked",
        ));
    }
    if let Some(error) = &answer.error {
        let known = [
            "access_denied",
            "login_required",
            "consent_required",
            "interaction_required",
        ];
        let word = known.into_iter().find(|word| word == error);
        let why = word.unwrap_or("it refused");
        return Err(Refused::unproven(format!("the provider says `{why}`")));
    }
    let code = answer.code.clone().filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| Refused::unproven("it holds no code"))?;
    if code.len() > PARAMETER_BYTES_MAX {
        return Err(Refused::unproven("its code is too long"));
    }
    Ok(code)
}

fn proof(provider: &Provider, claims: &Claims) -> Proof {
    let teams: BTreeSet<Name> = claims.teams(provider);
    Proof::Identity {
        identity: Identity {
            issuer: provider.issuer.clone(),
            subject: claims.subject.clone(),
        },
        provider: provider.id.clone(),
        person: Person {
            name: claims.user_name(&provider.name_claim),
            display_name: claims.text("name").unwrap_or_default(),
            email: claims.email().unwrap_or_default(),
            teams,
            may_be_new: provider.create_users,
        },
    }
}

/// Where a person goes after signing in: a path of this server and nothing else.
pub(crate) fn next_path(asked: Option<&str>) -> ApiResult<String> {
    const BYTES_MAX: usize = 2_048;
    let asked = asked.filter(|asked| !asked.is_empty()).unwrap_or("/");
    let base = Url::parse("http://here.invalid/").map_err(ApiError::internal)?;
    let stays = base
        .join(asked)
        .is_ok_and(|url| url.origin() == base.origin());
    let plain = asked.len() <= BYTES_MAX
        && asked.starts_with('/')
        && !asked.starts_with("//")
        && asked
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if stays && plain {
        Ok(asked.to_owned())
    } else {
        Err(ApiError::invalid_query(
            "next",
            "must be a path of this server, such as `/releases`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_people_stay_on_this_server() {
        for own in ["/", "/releases?status=Running#top", "/a/../b"] {
            assert_eq!(next_path(Some(own)).expect("a path"), own);
        }
        assert_eq!(next_path(None).expect("a path"), "/");
        for other in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "evil",
            "/a\nSet-Cookie: b",
            "/\t/evil.example",
            " /",
        ] {
            assert!(next_path(Some(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn a_provider_is_reached_by_https_or_on_this_machine() {
        let provider = |issuer: &str| Provider {
            id: "house".parse().expect("a name"),
            title: String::new(),
            issuer: issuer.to_owned(),
            client_id: "trainmaster".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            name_claim: "preferred_username".to_owned(),
            groups_claim: None,
            teams: BTreeMap::new(),
            team_prefix: None,
            create_users: true,
        };
        assert!(provider("https://login.example/realms/a").check().is_ok());
        assert!(provider("http://127.0.0.1:9000").check().is_ok());
        for wrong in [
            "http://login.example",
            "https://login.example/?a=b",
            "login.example",
            "ftp://127.0.0.1",
        ] {
            assert!(provider(wrong).check().is_err(), "{wrong}");
        }
    }
}
