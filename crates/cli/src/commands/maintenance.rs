//! Looking after things: `doctor`, `version`, `completion`.

use clap::CommandFactory;
use clap_complete::Shell;
use jiff::Timestamp;
use serde_json::{Value, json};
use trainmaster_api::{Health, Version, Whoami};

use super::word;
use crate::args::{Cli, Globals};
use crate::client::Client;
use crate::context::Target;
use crate::failure::{Done, Exit, Failure};
use crate::output::{self, Tone, paint};

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `completion`.
pub(crate) fn completion(shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trainmaster", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}

/// `version`.
pub(crate) async fn version(globals: &Globals, client_only: bool) -> Done {
    let server = if client_only {
        None
    } else {
        server_version(globals).await?
    };
    if output::is_structured(globals.output) {
        let answer = json!({"client": {"version": VERSION}, "server": server});
        return output::structured(globals.output, &answer);
    }
    output::data(format_args!("client  {VERSION}"));
    match server {
        Some(server) => output::data(format_args!(
            "server  {}  (API {})",
            server.version, server.api
        )),
        None if client_only => (),
        None => output::note("the server is not asked: nobody is signed in"),
    }
    Ok(())
}

/// The server's version, which it tells to those who are signed in.
async fn server_version(globals: &Globals) -> Result<Option<Version>, Failure> {
    let target = Target::resolve(globals)?;
    if target.token.is_none() {
        return Ok(None);
    }
    let client = Client::for_target(&target)?;
    Ok(Some(client.get(&["api", "v1", "version"], &[]).await?))
}

/// One thing that `doctor` looked at.
struct Finding {
    what: &'static str,
    verdict: Result<String, Failure>,
}

/// `doctor`: looks at everything between here and a working server, and says what would help.
pub(crate) async fn doctor(globals: &Globals) -> Done {
    let findings = examine(globals).await;
    let well = findings.iter().all(|finding| finding.verdict.is_ok());
    if output::is_structured(globals.output) {
        let checks: Vec<Value> = findings.iter().map(as_value).collect();
        output::structured(globals.output, &json!({"ok": well, "checks": checks}))?;
    } else {
        findings.iter().for_each(print_finding);
    }
    if well {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Error))
    }
}

fn as_value(finding: &Finding) -> Value {
    match &finding.verdict {
        Ok(text) => json!({"check": finding.what, "ok": true, "text": text}),
        Err(failure) => {
            json!({"check": finding.what, "ok": false, "text": failure.lines().join("\n")})
        }
    }
}

fn print_finding(finding: &Finding) {
    match &finding.verdict {
        Ok(text) => output::data(format_args!(
            "{} {:10} {text}",
            paint(Tone::Good, "✓"),
            finding.what
        )),
        Err(failure) => {
            let lines = failure.lines();
            let (first, rest) = lines
                .split_first()
                .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
            let first = first.trim_start_matches("error: ");
            output::data(format_args!(
                "{} {:10} {first}",
                paint(Tone::Bad, "✗"),
                finding.what
            ));
            rest.iter()
                .for_each(|line| output::data(format_args!("             {line}")));
        }
    }
}

/// Looks from near to far, and stops where nothing further can be seen.
async fn examine(globals: &Globals) -> Vec<Finding> {
    let mut findings = Vec::new();
    let target = match Target::resolve(globals) {
        Ok(target) => target,
        Err(failure) => {
            return vec![Finding {
                what: "context",
                verdict: Err(failure),
            }];
        }
    };
    findings.push(Finding {
        what: "context",
        verdict: Ok(target.server.clone()),
    });
    let client = match Client::for_target(&target) {
        Ok(client) => client,
        Err(failure) => {
            findings.push(Finding {
                what: "address",
                verdict: Err(failure),
            });
            return findings;
        }
    };
    let live = client.get::<Value>(&["healthz", "live"], &[]).await;
    let is_reachable = live.is_ok();
    findings.push(Finding {
        what: "server",
        verdict: live.map(|_| "answers".to_owned()),
    });
    if !is_reachable {
        return findings;
    }
    findings.push(Finding {
        what: "health",
        verdict: health(&client).await,
    });
    findings.push(Finding {
        what: "clock",
        verdict: clock(&client).await,
    });
    findings.push(Finding {
        what: "token",
        verdict: token(&client, &target).await,
    });
    if target.token.is_some() {
        let version = client.get::<Version>(&["api", "v1", "version"], &[]).await;
        findings.push(Finding {
            what: "version",
            verdict: version.map(|version| same_version(&version)),
        });
    }
    findings
}

fn same_version(server: &Version) -> String {
    if server.version == VERSION {
        format!("{VERSION}, as this program")
    } else {
        format!("{}; this program is {VERSION}", server.version)
    }
}

async fn health(client: &Client) -> Result<String, Failure> {
    let health: Health = client.get(&["healthz", "ready"], &[]).await?;
    let ill: Vec<&str> = health
        .checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| check.name.as_str())
        .collect();
    if ill.is_empty() {
        Ok(format!("ready ({})", health.status))
    } else {
        Err(Failure::error(format!("not well: {}", ill.join(", "))))
    }
}

/// Clocks that differ make tokens, schedules and deadlines look wrong.
async fn clock(client: &Client) -> Result<String, Failure> {
    let request = client.request(reqwest::Method::GET, &["healthz", "live"], &[]);
    let answer = client.send(request).await?;
    let date = answer
        .headers
        .get("date")
        .and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        return Ok("the server does not say its time".to_owned());
    };
    let seconds = Timestamp::now().duration_since(date.timestamp()).as_secs();
    if seconds.abs() <= 5 {
        return Ok("agrees with the server's".to_owned());
    }
    Err(
        Failure::error(format!("differs from the server's by {seconds} seconds"))
            .hint("let both machines keep time by NTP"),
    )
}

async fn token(client: &Client, target: &Target) -> Result<String, Failure> {
    if target.token.is_none() {
        return Err(Failure::error("there is no token").hint(
            "`trainmaster login URL` signs in; `--token` and `TRAINMASTER_TOKEN` hold a token",
        ));
    }
    let whoami: Whoami = client.get(&["api", "v1", "whoami"], &[]).await?;
    let roles: Vec<String> = whoami.token.roles.iter().map(word).collect();
    let expires = whoami.token.expires_at.as_deref();
    let expires = super::distance(expires, Timestamp::now());
    let expires = if expires.is_empty() {
        "never ends".to_owned()
    } else {
        format!("ends {expires}")
    };
    Ok(format!(
        "{} ({}), {expires}",
        whoami.token.user,
        roles.join(", ")
    ))
}
