//! Where requests may go: a guard against requests into the house itself (reliability.md, S12).
//!
//! A name is resolved once, every address is checked, and the connection goes to exactly the checked addresses,
//! so a name that changes its mind in between gains nothing.
//! Addresses written as such are checked here too, since an HTTP client never asks its resolver about them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use futures::future::BoxFuture;
use url::{Host, Url};

/// Which addresses requests may go to: public ones, and what the server's configuration allows besides.
#[derive(Clone)]
pub struct Egress {
    allow: Vec<Allow>,
    lookup: Lookup,
}

/// Resolves a name and a port.
pub type Lookup =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

impl Egress {
    /// Public addresses and what is listed, resolved by the system.
    pub fn new(allow: impl IntoIterator<Item = Allow>) -> Self {
        Egress::with_lookup(allow, Arc::new(|host, port| Box::pin(system(host, port))))
    }

    /// The same with another way to resolve names.
    pub fn with_lookup(allow: impl IntoIterator<Item = Allow>, lookup: Lookup) -> Self {
        Egress {
            allow: allow.into_iter().collect(),
            lookup,
        }
    }

    /// Resolves the address of a request and checks where it leads.
    pub async fn check(&self, url: &Url) -> Result<Checked, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let host = url.host().ok_or(Refusal::NoHost)?;
        let port = url.port_or_known_default().ok_or(Refusal::NoHost)?;
        let (name, found) = match host {
            Host::Ipv4(address) => (None, vec![SocketAddr::from((address, port))]),
            Host::Ipv6(address) => (None, vec![SocketAddr::from((address, port))]),
            Host::Domain(name) => {
                let found = (self.lookup)(name.to_owned(), port).await;
                let found = found.map_err(|error| Refusal::Unresolved {
                    host: name.to_owned(),
                    error,
                })?;
                (Some(name.to_owned()), found)
            }
        };
        let listed = self.lists_endpoint(&host.to_string(), port);
        let addresses: Vec<SocketAddr> = found
            .into_iter()
            .map(|address| SocketAddr::new(address.ip(), port))
            .filter(|address| listed || self.permits(address.ip()))
            .collect();
        if addresses.is_empty() {
            return Err(Refusal::Forbidden {
                host: host.to_string(),
            });
        }
        Ok(Checked { name, addresses })
    }

    fn lists_endpoint(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.');
        self.allow.iter().any(|allow| match allow {
            Allow::Endpoint(name, number) => name == host && *number == port,
            Allow::Network(..) | Allow::Loopback => false,
        })
    }

    fn permits(&self, address: IpAddr) -> bool {
        is_public(address)
            || self.allow.iter().any(|allow| match allow {
                Allow::Network(network, bits) => contains(*network, *bits, address),
                Allow::Loopback => is_loopback(address),
                Allow::Endpoint(..) => false,
            })
    }
}

/// Something that is allowed besides public addresses: `10.0.0.0/8`, `10.1.2.3`, `jenkins.internal:8080`, `loopback`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Every address of a network, by its first bits.
    Network(IpAddr, u8),
    /// One name or address with its port, wherever the name leads.
    Endpoint(String, u16),
    /// This machine.
    Loopback,
}

/// A text that says nothing that could be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network such as `10.0.0.0/8`, nor `host:port`, nor `loopback`")]
pub struct InvalidAllow(String);

impl FromStr for Allow {
    type Err = InvalidAllow;
    fn from_str(text: &str) -> Result<Self, InvalidAllow> {
        let invalid = || InvalidAllow(text.to_owned());
        if text == "loopback" {
            return Ok(Allow::Loopback);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Allow::Network(address, width(address)));
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| invalid())?;
            let bits: u8 = bits.parse().map_err(|_| invalid())?;
            let fits = bits <= width(address);
            return fits
                .then_some(Allow::Network(address, bits))
                .ok_or_else(invalid);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port: u16 = port.parse().map_err(|_| invalid())?;
        // Written the way an address is read later, so that the two can be compared.
        let host = Host::parse(host).map_err(|_| invalid())?.to_string();
        Ok(Allow::Endpoint(host.trim_end_matches('.').to_owned(), port))
    }
}

/// Where a request may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The name that was resolved; none if the address was written as such.
    pub name: Option<String>,
    /// The addresses, in the order of the resolver.
    pub addresses: Vec<SocketAddr>,
}

/// Why a request may not go where it wants to.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another scheme than `http` and `https`.
    #[error("requests go by http or https, not by `{0}`")]
    Scheme(String),
    /// A user or password in the address.
    #[error("the address holds a user or password; send it in a header")]
    Credentials,
    /// An address that leads nowhere.
    #[error("the address names no host")]
    NoHost,
    /// A name without an address; trying later may help.
    #[error("`{host}` cannot be resolved: {error}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// An address inside.
    #[error("`{host}` is not a public address, and the server's configuration does not allow it")]
    Forbidden {
        /// The host as written.
        host: String,
    },
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

async fn system(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let same = |one: u128, two: u128, width: u8| {
        bits == 0 || one >> (width - bits) == two >> (width - bits)
    };
    match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(two)) => same(one.to_bits().into(), two.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(two)) => same(one.to_bits(), two.to_bits(), 128),
        _ => false,
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    }
}

/// Whether an address is an ordinary one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const SPECIAL: [([u8; 4], u8); 16] = [
        ([0, 0, 0, 0], 8),        // this network
        ([10, 0, 0, 0], 8),       // private
        ([100, 64, 0, 0], 10),    // shared by carriers
        ([127, 0, 0, 0], 8),      // loopback
        ([169, 254, 0, 0], 16),   // link-local, with the metadata services of clouds
        ([172, 16, 0, 0], 12),    // private
        ([192, 0, 0, 0], 24),     // protocol assignments
        ([192, 0, 2, 0], 24),     // documentation
        ([192, 88, 99, 0], 24),   // 6to4 relays
        ([192, 168, 0, 0], 16),   // private
        ([198, 18, 0, 0], 15),    // measurements
        ([198, 51, 100, 0], 24),  // documentation
        ([203, 0, 113, 0], 24),   // documentation
        ([224, 0, 0, 0], 4),      // multicast
        ([240, 0, 0, 0], 4),      // reserved, with the broadcast address
        ([168, 63, 129, 16], 32), // a cloud's host, reachable from its guests only
    ];
    !SPECIAL
        .iter()
        .any(|(network, bits)| contains(Ipv4Addr::from(*network).into(), *bits, address.into()))
}

/// Only global unicast, and of that nothing that wraps another address or leads nowhere.
fn is_public_v6(address: Ipv6Addr) -> bool {
    const GLOBAL: (u16, u8) = (0x2000, 3);
    const SPECIAL: [([u16; 4], u8); 4] = [
        ([0x2001, 0, 0, 0], 23), // protocol assignments, with Teredo, ORCHID and benchmarks
        ([0x2001, 0xdb8, 0, 0], 32), // documentation
        ([0x2002, 0, 0, 0], 16), // 6to4, which wraps an IPv4 address
        ([0x3fff, 0, 0, 0], 20), // documentation
    ];
    let network = |first: [u16; 4]| {
        let [a, b, c, d] = first;
        IpAddr::from(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
    };
    contains(network([GLOBAL.0, 0, 0, 0]), GLOBAL.1, address.into())
        && !SPECIAL
            .iter()
            .any(|(first, bits)| contains(network(*first), *bits, address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(texts: &[&str]) -> Vec<Allow> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn only_ordinary_addresses_are_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(inside.parse().expect(inside)), "{inside}");
        }
    }

    #[test]
    fn the_configuration_can_allow_networks_endpoints_and_this_machine() {
        assert_eq!(
            allow(&[
                "10.0.0.0/8",
                "fd00::/8",
                "10.1.2.3",
                "Jenkins.internal:8080",
                "[::1]:80",
                "loopback"
            ]),
            [
                Allow::Network([10, 0, 0, 0].into(), 8),
                Allow::Network("fd00::".parse().expect("address"), 8),
                Allow::Network([10, 1, 2, 3].into(), 32),
                Allow::Endpoint("jenkins.internal".into(), 8080),
                Allow::Endpoint("[::1]".into(), 80),
                Allow::Loopback,
            ]
        );
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "host",
            "host:",
            "host:99999",
            "a/8",
            "*:80 ",
        ] {
            assert!(wrong.parse::<Allow>().is_err(), "{wrong}");
        }
    }

    async fn verdict(
        allowed: &[&str],
        found: &[&str],
        url: &str,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        let found: Vec<IpAddr> = found
            .iter()
            .map(|text| text.parse().expect("address"))
            .collect();
        let lookup: Lookup = Arc::new(move |_, port| {
            let found = found
                .iter()
                .map(|address| SocketAddr::new(*address, port))
                .collect();
            Box::pin(async move { Ok(found) })
        });
        let egress = Egress::with_lookup(allow(allowed), lookup);
        let checked = egress.check(&url.parse().expect("address")).await?;
        Ok(checked.addresses)
    }

    #[tokio::test]
    async fn a_name_leads_only_to_its_permitted_addresses() {
        let mixed = verdict(&[], &["10.0.0.1", "1.1.1.1"], "http://a.example/").await;
        assert_eq!(
            mixed.expect("addresses"),
            ["1.1.1.1:80".parse().expect("address")]
        );
        let inside = verdict(&[], &["10.0.0.1", "::1"], "https://a.example/").await;
        assert!(matches!(inside, Err(Refusal::Forbidden { .. })));
    }

    #[tokio::test]
    async fn an_endpoint_is_allowed_with_its_port_only() {
        let rule = &["jenkins.internal:8080"];
        assert!(
            verdict(rule, &["10.0.0.1"], "http://jenkins.internal:8080/")
                .await
                .is_ok()
        );
        assert!(
            verdict(rule, &["10.0.0.1"], "http://JENKINS.internal.:8080/")
                .await
                .is_ok()
        );
        assert!(
            verdict(rule, &["10.0.0.1"], "http://jenkins.internal:8081/")
                .await
                .is_err()
        );
        assert!(
            verdict(rule, &["10.0.0.1"], "http://other.internal:8080/")
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn other_schemes_and_credentials_are_refused() {
        for url in [
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "gopher://1.1.1.1/",
            "data:text/plain,a",
        ] {
            assert!(
                matches!(verdict(&[], &[], url).await, Err(Refusal::Scheme(_))),
                "{url}"
            );
        }
        let named = verdict(&[], &[], "http://user:word@1.1.1.1/").await;
        assert!(matches!(named, Err(Refusal::Credentials)));
    }
}
