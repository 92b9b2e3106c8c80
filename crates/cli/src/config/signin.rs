//! What the configuration says about signing in: hosts, proxies, sessions, identity providers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trainmaster_core::ids::Name;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_server::signin::oidc::{self, Fetch, FetchError};
use url::Url;

use crate::args::SignInArgs;
use crate::failure::Failure;

/// How long an identity provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest file with a secret, in bytes.
const SECRET_BYTES_MAX: usize = 4_096;
/// The longest a session may last.
const SESSION_LONGEST: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The shortest session that anybody can work with.
const SESSION_SHORTEST: SignedDuration = SignedDuration::from_mins(1);

/// What holds about signing in, as it is written and printed; secrets are named by their files only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct SignIn {
    /// Names under which the server answers, besides the usual ones.
    pub(crate) allowed_hosts: Vec<String>,
    /// Networks of proxies whose word is taken.
    pub(crate) trusted_proxies: Vec<String>,
    /// A session that was not used for so long ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_idle: Option<String>,
    /// A session ends after so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_max: Option<String>,
    /// Identity providers.
    pub(crate) providers: Vec<Provider>,
}

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Provider {
    /// Its name in addresses and records.
    pub(crate) id: Name,
    /// Its name for people.
    #[serde(default)]
    pub(crate) title: String,
    /// Its address, exactly as in its tokens.
    pub(crate) issuer: String,
    /// What it calls this server.
    pub(crate) client_id: String,
    /// File with the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// What is asked for besides `openid`.
    #[serde(default = "usual_scopes")]
    pub(crate) scopes: Vec<String>,
    /// The claim that a new user gets its name from.
    #[serde(default = "usual_name_claim")]
    pub(crate) name_claim: String,
    /// The claim that holds the groups.
    #[serde(default = "usual_groups_claim")]
    pub(crate) groups_claim: String,
    /// Which teams a group stands for.
    #[serde(default)]
    pub(crate) teams: BTreeMap<String, Vec<Name>>,
    /// Groups that begin like this stand for the team of the rest of their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) team_prefix: Option<String>,
    /// Whether somebody who was never here becomes a user, without any right.
    #[serde(default = "yes")]
    pub(crate) create_users: bool,
}

fn usual_scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn usual_name_claim() -> String {
    "preferred_username".to_owned()
}

fn usual_groups_claim() -> String {
    "groups".to_owned()
}

fn yes() -> bool {
    true
}

impl SignIn {
    /// What flags and environment say goes before what the file says; a provider of the flags comes on top.
    pub(crate) fn with(mut self, args: &SignInArgs) -> SignIn {
        if !args.allowed_hosts.is_empty() {
            self.allowed_hosts.clone_from(&args.allowed_hosts);
        }
        if !args.trusted_proxies.is_empty() {
            self.trusted_proxies.clone_from(&args.trusted_proxies);
        }
        self.session_idle = args.session_idle.clone().or(self.session_idle);
        self.session_max = args.session_max.clone().or(self.session_max);
        if let (Some(issuer), Some(client_id)) = (&args.oidc_issuer, &args.oidc_client_id) {
            self.providers.push(Provider {
                id: "oidc".parse().expect("`oidc` is a name"),
                title: String::new(),
                issuer: issuer.clone(),
                client_id: client_id.clone(),
                client_secret_file: args.oidc_client_secret_file.clone(),
                scopes: usual_scopes(),
                name_claim: usual_name_claim(),
                groups_claim: args
                    .oidc_groups_claim
                    .clone()
                    .unwrap_or_else(usual_groups_claim),
                teams: BTreeMap::new(),
                team_prefix: args.oidc_team_prefix.clone(),
                create_users: true,
            });
        }
        self
    }

    /// Checks what is written, and makes of it what the server works with.
    ///
    /// # Errors
    /// What cannot hold, with the field it stands in.
    pub(crate) fn options(
        &self,
        address: SocketAddr,
        public_url: &str,
        egress: &[Allow],
    ) -> Result<trainmaster_server::signin::Options, Failure> {
        let public_url = Url::parse(public_url)
            .map_err(|error| Failure::usage(format!("--public-url `{public_url}`: {error}")))?;
        let usual = trainmaster_server::signin::Options::default();
        let session_idle = session(
            "session-idle",
            self.session_idle.as_deref(),
            usual.session_idle,
        )?;
        let session_max = session(
            "session-max",
            self.session_max.as_deref(),
            usual.session_max,
        )?;
        Ok(trainmaster_server::signin::Options {
            allowed_hosts: Some(self.hosts(address, &public_url)),
            trusted_proxies: self.proxies()?,
            public_url: Some(public_url),
            session_idle: session_idle.min(session_max),
            session_max,
            oidc: self.oidc(egress)?,
            ..usual
        })
    }

    /// Listening on every address, the server answers to each of them, but not to names that nobody has listed.
    fn hosts(&self, address: SocketAddr, public_url: &Url) -> Vec<String> {
        let own = match address.ip() {
            ip if ip.is_unspecified() => "*".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let public = public_url.host_str().map(str::to_owned);
        let listed = self.allowed_hosts.iter().cloned();
        listed.chain([own]).chain(public).collect()
    }

    fn proxies(&self) -> Result<Vec<ipnet::IpNet>, Failure> {
        let network = |text: &String| {
            let one = text.parse::<IpAddr>().map(ipnet::IpNet::from);
            one.or_else(|_| text.parse()).map_err(|_| {
                Failure::usage(format!(
                    "--trusted-proxy `{text}` is no address and no network"
                ))
                .hint("write for example `10.0.0.0/8`")
            })
        };
        self.trusted_proxies.iter().map(network).collect()
    }

    fn oidc(&self, egress: &[Allow]) -> Result<oidc::Options, Failure> {
        let mut providers: Vec<oidc::Provider> = Vec::new();
        let mut allow = egress.to_vec();
        for provider in &self.providers {
            if providers.iter().any(|other| other.id == provider.id) {
                let twice = format!("identity provider `{}` is there twice", provider.id);
                return Err(Failure::usage(twice));
            }
            let made = provider.made()?;
            // The operator names the provider, so its own address may be inside of the house.
            let url = Url::parse(&made.issuer).map_err(Failure::usage)?;
            if let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) {
                let host = host.to_string();
                allow.push(Allow::Endpoint(host.trim_end_matches('.').to_owned(), port));
            }
            providers.push(made);
        }
        Ok(oidc::Options {
            providers,
            fetch: Some(Arc::new(Guarded(Egress::new(allow)))),
        })
    }
}

impl Provider {
    fn made(&self) -> Result<oidc::Provider, Failure> {
        let secret = self.client_secret_file.as_deref().map(read_secret);
        let made = oidc::Provider {
            id: self.id.clone(),
            title: self.title.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: secret.transpose()?,
            scopes: self.scopes.clone(),
            name_claim: self.name_claim.clone(),
            groups_claim: Some(self.groups_claim.clone()).filter(|claim| !claim.is_empty()),
            teams: self.teams.clone(),
            team_prefix: self.team_prefix.clone(),
            create_users: self.create_users,
        };
        let wrong = |why| Failure::usage(format!("identity provider `{}`: {why}", self.id));
        made.check().map_err(wrong)?;
        Ok(made)
    }
}

fn read_secret(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the client secret `{}` cannot be read", path.display()))?;
    let secret = text.trim();
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
        let wrong = format!(
            "the client secret `{}` is empty or too long",
            path.display()
        );
        return Err(Failure::error(wrong));
    }
    Ok(secret.to_owned())
}

fn session(
    flag: &str,
    text: Option<&str>,
    usual: SignedDuration,
) -> Result<SignedDuration, Failure> {
    let Some(text) = text else { return Ok(usual) };
    let parsed = crate::when::parse_length(text).ok();
    let fits = parsed.filter(|length| (SESSION_SHORTEST..=SESSION_LONGEST).contains(length));
    fits.ok_or_else(|| {
        Failure::usage(format!("--{flag} `{text}` is no duration from 1m to 30d"))
            .hint("write for example `8h`")
    })
}

/// Reaches identity providers and nothing else inside of the house.
struct Guarded(Egress);

#[async_trait]
impl Fetch for Guarded {
    async fn fetch(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, FetchError> {
        trainmaster_executors::ask(&self.0, request, PATIENCE, oidc::ANSWER_BYTES_MAX)
            .await
            .map_err(FetchError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> SignIn {
        serde_saphyr::from_str(yaml).expect("it reads")
    }

    #[test]
    fn the_server_answers_to_its_own_names_and_to_listed_ones() {
        let public: Url = "https://trains.example".parse().expect("an address");
        let hosts = |address: &str| {
            let sign_in = read("allowedHosts: [other.example]");
            sign_in.hosts(address.parse().expect("an address"), &public)
        };
        assert_eq!(
            hosts("10.1.2.3:7420"),
            ["other.example", "10.1.2.3", "trains.example"]
        );
        assert_eq!(hosts("0.0.0.0:7420")[1], "*");
        assert_eq!(hosts("[::1]:7420")[1], "[::1]");
    }

    #[test]
    fn providers_are_read_with_what_is_usual_and_their_secrets_are_never_printed() {
        let directory = tempfile::tempdir().expect("a directory");
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "s3cr3t-of-the-house\n").expect("written");
        let sign_in = read(&format!(
            "providers:\n- {{id: house, issuer: 'https://login.example/a', clientId: trains, clientSecretFile: {}, teams: {{Quality: [qa]}}}}",
            secret.display()
        ));
        let made = sign_in.oidc(&[]).expect("it holds");
        let provider = &made.providers[0];
        assert_eq!(
            provider.client_secret.as_deref(),
            Some("s3cr3t-of-the-house")
        );
        assert_eq!(provider.scopes, ["profile", "email"]);
        assert_eq!(provider.groups_claim.as_deref(), Some("groups"));
        assert!(provider.create_users);
        let printed = crate::output::yaml(&sign_in).expect("YAML");
        assert!(!printed.contains("s3cr3t"), "{printed}");
    }

    #[test]
    fn what_cannot_hold_is_refused_in_words() {
        for wrong in [
            "providers: [{id: a, issuer: 'http://login.example', clientId: x}]",
            "providers: [{id: a, issuer: 'https://a.example', clientId: x}, {id: a, issuer: 'https://b.example', clientId: x}]",
            "providers: [{id: a, issuer: 'https://a.example', clientId: x, clientSecretFile: /nowhere/at/all}]",
        ] {
            assert!(read(wrong).oidc(&[]).is_err(), "{wrong}");
        }
        let failure = read("trustedProxies: [proxy.example]")
            .proxies()
            .expect_err("refused");
        assert!(failure.lines()[0].contains("proxy.example"));
        assert_eq!(
            read("trustedProxies: [10.0.0.0/8, '::1']")
                .proxies()
                .expect("two")
                .len(),
            2
        );
        for wrong in ["eight hours", "1s", "400d"] {
            assert!(session("session-max", Some(wrong), SignedDuration::from_hours(8)).is_err());
        }
        assert!(session("session-max", Some("12h"), SignedDuration::from_hours(8)).is_ok());
    }
}
