//! Requests never reach the inside of the house, however its addresses are spelled (reliability.md, S12).

mod house;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use house::{Known, Story, lock};
use serde_json::json;
use tokio::net::TcpListener;
use trainmaster_core::effect::Outcome;
use trainmaster_core::uses::ActivityType;
use trainmaster_executors::egress::{Allow, Egress, Lookup};
use trainmaster_executors::http::Http;

/// Listens everywhere on this machine and remembers who came.
async fn listener() -> (u16, Arc<Mutex<Vec<SocketAddr>>>) {
    let visitors: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    let listener = TcpListener::bind("[::]:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = visitors.clone();
    tokio::spawn(async move {
        while let Ok((_, visitor)) = listener.accept().await {
            lock(&seen).push(visitor);
        }
    });
    (port, visitors)
}

fn http(egress: Egress) -> Http {
    Http {
        egress,
        secrets: Known::new(&[]),
        public_url: "https://trainmaster.example".into(),
        callback_secret: b"server secret".to_vec(),
    }
}

async fn outcome(http: &Http, url: &str) -> Outcome {
    let limits = json!({"connect": "300ms", "firstByte": "100ms", "total": "1s"});
    let config = json!({"url": url, "timeouts": limits});
    Story::new(ActivityType::Http, config).begins(http).await
}

/// Ways to write an address of this machine or its surroundings; `PORT` is where the listener is.
const SPELLINGS: [&str; 82] = [
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.127.127.127:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7F.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://127.0.0.0x1:PORT/",
    "http://00000177.0x0.0.1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://127｡0｡0｡1:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0.0:PORT/",
    "http://00:PORT/",
    "http://0x0:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://local\u{ad}host:PORT/",
    "http://localhost\t:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::]:PORT/",
    "http://[0::0]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://user:word@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://example.com%23@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http:\\\\127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "hTTp://127.0.0.1:PORT/",
    " http://127.0.0.1:PORT/ ",
    "http://127.0.0.1:0PORT/",
    "https://127.0.0.1:PORT/",
    "https://[::1]:PORT/",
    "ftp://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET",
    "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "//127.0.0.1:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://10.0.0.1:PORT/",
    "http://172.16.0.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/",
];

#[tokio::test]
async fn no_spelling_of_an_inner_address_is_connected_to() {
    let (port, visitors) = listener().await;
    let http = http(Egress::new([]));
    for spelling in SPELLINGS {
        let url = spelling.replace("PORT", &port.to_string());
        let outcome = outcome(&http, &url).await;
        let refused = matches!(outcome, Outcome::Failed { .. });
        // A name that nobody knows is no way in either.
        let unresolved =
            matches!(&outcome, Outcome::Retryable { error, .. } if error.contains("resolve"));
        assert!(refused || unresolved, "{spelling}: {outcome:?}");
    }
    assert_eq!(*lock(&visitors), []);
}

#[tokio::test]
async fn what_the_configuration_allows_is_connected_to() {
    for (allow, url) in [
        ("loopback", "http://127.0.0.1:PORT/"),
        ("loopback", "http://localhost:PORT/"),
        ("127.0.0.0/8", "http://127.1:PORT/"),
        ("::1", "http://[::1]:PORT/"),
    ] {
        let (port, visitors) = listener().await;
        let rule: Allow = allow.parse().expect(allow);
        outcome(
            &http(Egress::new([rule])),
            &url.replace("PORT", &port.to_string()),
        )
        .await;
        assert_eq!(lock(&visitors).len(), 1, "{allow} and {url}");
    }
    let (port, visitors) = listener().await;
    let rule: Allow = format!("localhost:{port}").parse().expect("a rule");
    let http = http(Egress::new([rule]));
    outcome(&http, &format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(
        lock(&visitors).len(),
        0,
        "another name for the same place is not listed"
    );
    outcome(&http, &format!("http://localhost:{port}/")).await;
    assert_eq!(lock(&visitors).len(), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_after_the_check_gains_nothing() {
    let (port, visitors) = listener().await;
    let asked = Arc::new(Mutex::new(0));
    let counted = asked.clone();
    // Documentation addresses are allowed here to stand for the public internet; nobody answers there.
    let public: Allow = "192.0.2.0/24".parse().expect("a rule");
    let lookup: Lookup = Arc::new(move |_, port| {
        let mut asked = lock(&counted);
        *asked += 1;
        let address: [u8; 4] = if *asked == 1 {
            [192, 0, 2, 1]
        } else {
            [127, 0, 0, 1]
        };
        Box::pin(async move { Ok(vec![SocketAddr::from((address, port))]) })
    });
    let http = http(Egress::with_lookup([public], lookup));
    let url = format!("http://rebinding.example:{port}/");
    let first = outcome(&http, &url).await;
    assert!(matches!(first, Outcome::Retryable { .. }), "{first:?}");
    assert_eq!(*lock(&asked), 1, "the name is resolved once per request");
    let second = outcome(&http, &url).await;
    assert!(matches!(second, Outcome::Failed { .. }), "{second:?}");
    assert_eq!(*lock(&visitors), []);
}
