//! Where a request comes from and under which name the server was asked (reliability.md, S18).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::{Host, Url};

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// What the caller of a request is known by, besides a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The address it comes from, as failures are counted: one IPv4 address or one IPv6 network of 64 bits.
    pub(crate) source: String,
    /// How the request came.
    pub(crate) channel: Channel,
    /// The host that was asked, in lower case with its port if it has one; empty if the request names none.
    pub(crate) host: String,
}

/// How far what is sent can be overheard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Nobody on the way reads along.
    Https,
    /// It does not leave the machine.
    Loopback,
    /// Everybody on the way reads along.
    Plain,
}

/// The names under which the server answers.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHosts(Option<Vec<String>>);

impl AllowedHosts {
    /// These names and the loopback ones; without a list every name.
    pub(crate) fn new(names: Option<&[String]>) -> AllowedHosts {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let with_loopback = |names: &[String]| {
            let names = names.iter().map(|name| name.to_ascii_lowercase());
            names.chain(loopback.clone()).collect()
        };
        AllowedHosts(names.map(with_loopback))
    }

    /// Whether a host is one of them, whatever its port; `*` stands for every address written in numbers,
    /// since only a name can be made to lead somewhere else.
    fn allow(&self, host: &str) -> bool {
        let Some(names) = &self.0 else { return true };
        let name = without_port(host);
        let is_number = name.parse::<IpAddr>().is_ok() || name.starts_with('[');
        names
            .iter()
            .any(|allowed| allowed == name || (is_number && allowed == "*"))
    }
}

fn without_port(host: &str) -> &str {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    match host[end..].rfind(':') {
        Some(colon) => &host[..end + colon],
        None => host,
    }
}

/// Finds out who calls, and refuses requests that were meant for another host.
///
/// A page of another name that was made to lead here gets no answer; health checks answer under every name,
/// because whoever watches the process asks by address.
pub(crate) async fn locate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let options = &app.options().sign_in;
    let host = host(request.uri(), request.headers());
    if !app.sign_in().hosts.allow(&host) && !request.uri().path().starts_with("/healthz/") {
        let detail = "the server does not answer under this name; `serve --allowed-host` adds one";
        return ApiError::new("unknown-host", detail).into_response();
    }
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip().to_canonical());
    let is_proxy = |address: &IpAddr| {
        let networks = &options.trusted_proxies;
        networks.iter().any(|network| network.contains(address))
    };
    let through_proxy = peer.as_ref().is_some_and(is_proxy);
    let address = match peer {
        Some(_) if through_proxy => forwarded_for(request.headers(), is_proxy).or(peer),
        other => other,
    };
    let said_https = through_proxy && forwarded_proto(request.headers()) == Some("https");
    let caller = Caller {
        source: address.map_or_else(|| "local".to_owned(), source),
        channel: channel(&host, options.public_url.as_ref(), said_https),
        host,
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn host(uri: &Uri, headers: &HeaderMap) -> String {
    let header = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let named = uri
        .authority()
        .map(|authority| authority.as_str())
        .or(header);
    named.unwrap_or_default().to_ascii_lowercase()
}

/// The address that failures are counted of.
fn source(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The last address of `X-Forwarded-For` that is no trusted proxy: what stands before it anybody may have written.
fn forwarded_for(headers: &HeaderMap, is_proxy: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    let hops = lines.iter().flat_map(|line| line.split(',')).rev();
    for hop in hops {
        let address: IpAddr = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
        if !is_proxy(&address) {
            return Some(address);
        }
    }
    None
}

fn forwarded_proto(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("x-forwarded-proto")?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

fn channel(host: &str, public_url: Option<&Url>, said_https: bool) -> Channel {
    let is_public = |url: &&Url| authority(url).is_some_and(|public| public == host);
    let is_secure = |url: &Url| url.scheme() == "https";
    if said_https || public_url.filter(is_public).is_some_and(is_secure) {
        return Channel::Https;
    }
    if is_loopback(without_port(host)) {
        Channel::Loopback
    } else {
        Channel::Plain
    }
}

/// A request without a host was made within the process.
fn is_loopback(name: &str) -> bool {
    if name.is_empty() || name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    match Host::parse(name) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Ok(Host::Domain(_)) | Err(_) => false,
    }
}

/// The host of an address with its port, as browsers write it.
pub(crate) fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Refuses a change that a page of another origin has sent with the caller's cookie.
///
/// Browsers say by themselves where a request comes from, and no page can make them say otherwise.
pub(crate) fn same_origin(
    caller: &Caller,
    public_url: Option<&Url>,
    headers: &HeaderMap,
) -> ApiResult<()> {
    let refused = |detail: &str| Err(ApiError::new("cross-origin", detail));
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let origin = text("origin");
    if site.is_some_and(|site| site != "same-origin") {
        return refused("the request was made by a page of another origin");
    }
    match origin {
        Some(origin) if is_own(caller, public_url, origin) => Ok(()),
        Some(_) => refused("`Origin` names another origin than this server's"),
        None if site.is_some() => Ok(()),
        None => refused("a change with a cookie needs `Origin` or `Sec-Fetch-Site`"),
    }
}

fn is_own(caller: &Caller, public_url: Option<&Url>, origin: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else {
        return false;
    };
    if public_url.is_some_and(|url| url.origin() == origin.origin()) {
        return true;
    }
    let fits = match caller.channel {
        Channel::Https => origin.scheme() == "https",
        Channel::Loopback | Channel::Plain => matches!(origin.scheme(), "http" | "https"),
    };
    fits && authority(&origin).is_some_and(|authority| authority == caller.host)
}

/// Refuses bodies of the kinds that a form of another page can send without asking.
pub(crate) fn no_form(headers: &HeaderMap, method: &Method) -> ApiResult<()> {
    const FORMS: [&str; 3] = [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ];
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    let is_form = FORMS.contains(&kind.as_str()) || (kind.is_empty() && has_body);
    if *method != Method::GET && is_form {
        return Err(ApiError::new(
            "unsupported-media-type",
            "send `Content-Type: application/json`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                name.parse().expect("a name"),
                value.parse().expect("a value"),
            )
        });
        pairs.collect()
    }

    #[test]
    fn only_listed_names_and_loopback_are_answered() {
        let hosts = AllowedHosts::new(Some(&["Trains.example".to_owned()]));
        for allowed in [
            "trains.example",
            "trains.example:7420",
            "localhost:7420",
            "127.0.0.1",
            "[::1]:80",
        ] {
            assert!(hosts.allow(allowed), "{allowed}");
        }
        for other in [
            "",
            "evil.example",
            "trains.example.evil.example",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(!hosts.allow(other), "{other}");
        }
        assert!(AllowedHosts::new(None).allow("anything.example"));
        let numbers = AllowedHosts::new(Some(&["*".to_owned()]));
        assert!(numbers.allow("10.0.0.1:7420") && numbers.allow("[2001:db8::1]:1"));
        assert!(!numbers.allow("evil.example"));
    }

    #[test]
    fn the_last_word_of_a_trusted_proxy_counts_and_what_a_caller_wrote_before_does_not() {
        let proxy = |address: &IpAddr| address.to_string().starts_with("10.");
        let forwarded = |line: &str| forwarded_for(&headers(&[("x-forwarded-for", line)]), proxy);
        let expected = "203.0.113.9".parse().ok();
        assert_eq!(forwarded("203.0.113.9"), expected);
        assert_eq!(forwarded("1.2.3.4, 203.0.113.9, 10.0.0.7"), expected);
        assert_eq!(forwarded("nonsense"), None);
        assert_eq!(forwarded("10.0.0.1"), None);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let one = source("2001:db8:1:2:aaaa::1".parse().expect("an address"));
        let other = source("2001:db8:1:2:bbbb::2".parse().expect("an address"));
        assert_eq!(one, other);
        assert_eq!(one, "2001:db8:1:2::/64");
        assert_eq!(source([198, 51, 100, 7].into()), "198.51.100.7");
    }

    #[test]
    fn a_password_is_safe_on_https_and_within_the_machine_only() {
        let public: Url = "https://trains.example".parse().expect("an address");
        let of = |host: &str| channel(host, Some(&public), false);
        assert_eq!(of("trains.example"), Channel::Https);
        assert_eq!(of("localhost:7420"), Channel::Loopback);
        assert_eq!(of("127.0.0.1:7420"), Channel::Loopback);
        assert_eq!(of("[::1]:7420"), Channel::Loopback);
        assert_eq!(of("10.0.0.1:7420"), Channel::Plain);
        assert_eq!(of("localhost.evil.example"), Channel::Plain);
        assert_eq!(channel("10.0.0.1", None, true), Channel::Https);
    }

    #[test]
    fn only_a_page_of_the_same_origin_changes_anything_with_a_cookie() {
        let public: Url = "https://trains.example".parse().expect("an address");
        let caller = |host: &str, channel| Caller {
            source: "local".to_owned(),
            channel,
            host: host.to_owned(),
        };
        let outside = caller("trains.example", Channel::Https);
        let judge = |pairs: &[(&'static str, &str)]| {
            same_origin(&outside, Some(&public), &headers(pairs)).is_ok()
        };
        assert!(judge(&[("origin", "https://trains.example")]));
        assert!(judge(&[("sec-fetch-site", "same-origin")]));
        for cross in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "http://trains.example")],
            &[("origin", "https://trains.example:444")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://trains.example"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
        ] {
            assert!(!judge(cross), "{cross:?}");
        }
        let inside = caller("localhost:7420", Channel::Loopback);
        let own = headers(&[("origin", "http://localhost:7420")]);
        assert!(same_origin(&inside, None, &own).is_ok());
        let other_port = headers(&[("origin", "http://localhost:7421")]);
        assert!(same_origin(&inside, None, &other_port).is_err());
    }

    #[test]
    fn what_a_form_can_send_is_not_read() {
        let judge = |kind: &str| {
            let pairs = headers(&[("content-type", kind), ("content-length", "7")]);
            no_form(&pairs, &Method::POST).is_ok()
        };
        assert!(judge("application/json") && judge("application/yaml"));
        for form in [
            "text/plain",
            "text/plain;charset=utf-8",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!judge(form), "{form}");
        }
        let untyped = headers(&[("content-length", "7")]);
        assert!(no_form(&untyped, &Method::POST).is_err());
        assert!(no_form(&headers(&[]), &Method::POST).is_ok());
    }
}
