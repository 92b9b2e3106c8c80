//! What the address of a link tells by itself: which system it leads into, what it is, what to call it.
//!
//! Nothing is fetched; an address that is not recognised stays as people wrote it.

use crate::release::{Link, LinkKind};

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The system, in lower case: `jira`, `servicenow`, `github`.
    pub system: &'static str,
    /// What it leads to.
    pub kind: LinkKind,
    /// What people call it there, such as `PAY-123`.
    pub title: Option<String>,
}

/// Longest title that is made from an address, in characters.
const TITLE_LENGTH_MAX: usize = 100;

/// The link with kind and title filled in where its address tells them and nobody said otherwise.
pub(crate) fn told(mut link: Link) -> Link {
    link.title = link.title.trim().to_owned();
    let recognised = recognise(&link.url);
    if link.kind == LinkKind::Other
        && let Some(recognised) = &recognised
    {
        link.kind = recognised.kind;
    }
    if link.title.is_empty() {
        let title = recognised.and_then(|recognised| recognised.title);
        link.title = title.unwrap_or_else(|| shown(&link.url));
    }
    link
}

/// An address without its scheme, for a link that nobody named.
fn shown(url: &str) -> String {
    let text = url.split_once("://").map_or(url, |(_, rest)| rest);
    cut(text.trim_end_matches('/'))
}

fn cut(text: &str) -> String {
    text.chars().take(TITLE_LENGTH_MAX).collect()
}

/// An address in its parts.
struct Address<'a> {
    host: String,
    segments: Vec<&'a str>,
    query: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Address<'a>> {
        let (_, rest) = url.split_once("://")?;
        let rest = rest.split('#').next()?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parts = rest.split('/');
        let authority = parts.next()?;
        let host = authority.rsplit('@').next()?.split(':').next()?;
        Some(Address {
            host: host.to_ascii_lowercase(),
            segments: parts.filter(|part| !part.is_empty()).collect(),
            query,
        })
    }

    /// The segment behind another one.
    fn after(&self, segment: &str) -> Option<&'a str> {
        let position = self.segments.iter().position(|part| *part == segment)?;
        self.segments.get(position + 1).copied()
    }

    /// A parameter of the query, also one inside another address, as ServiceNow writes them.
    fn parameter(&self, name: &str) -> Option<&'a str> {
        let start = self.query.find(&format!("{name}="))? + name.len() + 1;
        let value = self.query[start..].split(['&', '^', '%']).next()?;
        Some(value).filter(|value| !value.is_empty())
    }

    fn is(&self, part: &str) -> bool {
        self.host.contains(part)
    }
}

fn known(system: &'static str, kind: LinkKind, title: Option<String>) -> Option<Recognised> {
    let title = title.map(|title| cut(&title));
    Some(Recognised {
        system,
        kind,
        title,
    })
}

/// What an address tells by itself; none if it leads to nothing that is known here.
pub fn recognise(url: &str) -> Option<Recognised> {
    let address = Address::of(url)?;
    let finders = [
        atlassian,
        service_now,
        asana,
        github,
        gitlab,
        bitbucket,
        other_trackers,
        monitoring,
        documents,
    ];
    finders.into_iter().find_map(|find| find(&address))
}

fn atlassian(address: &Address<'_>) -> Option<Recognised> {
    let cloud = address.host.ends_with("atlassian.net");
    if address.is("confluence") || (cloud && address.segments.first() == Some(&"wiki")) {
        let title = address.segments.last().map(|part| part.replace('+', " "));
        return known("confluence", LinkKind::Document, title);
    }
    if !cloud && !address.is("jira") {
        return None;
    }
    let ticket = address
        .after("browse")
        .or_else(|| address.parameter("selectedIssue"));
    known("jira", LinkKind::Ticket, ticket.map(str::to_owned))
}

fn service_now(address: &Address<'_>) -> Option<Recognised> {
    if !address.host.ends_with("service-now.com") && !address.is("servicenow") {
        return None;
    }
    let number = address.parameter("number");
    let text = format!("{}?{}", address.segments.join("/"), address.query);
    let incident = match number {
        Some(number) => number.starts_with("INC"),
        None => text.contains("incident"),
    };
    let kind = if incident {
        LinkKind::Incident
    } else {
        LinkKind::Ticket
    };
    known("servicenow", kind, number.map(str::to_owned))
}

fn asana(address: &Address<'_>) -> Option<Recognised> {
    if !address.host.ends_with("asana.com") {
        return None;
    }
    let is_number = |part: &&&str| part.len() > 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let task = address.segments.iter().rev().find(is_number);
    known(
        "asana",
        LinkKind::Ticket,
        task.map(|task| format!("Asana {task}")),
    )
}

/// The first characters of a commit's name, as people quote it.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

fn github(address: &Address<'_>) -> Option<Recognised> {
    if !address.is("github") {
        return None;
    }
    let repository = address.segments.get(..2)?.join("/");
    let behind = address.segments.get(2..).unwrap_or_default();
    let (kind, title) = match behind {
        ["commit" | "commits", commit, ..] => {
            (LinkKind::Commit, format!("{repository}@{}", short(commit)))
        }
        ["pull", number, ..] => (LinkKind::PullRequest, format!("{repository}#{number}")),
        ["issues", number, ..] => (LinkKind::Ticket, format!("{repository}#{number}")),
        ["tree", branch @ ..] if !branch.is_empty() => (
            LinkKind::Branch,
            format!("{repository} {}", branch.join("/")),
        ),
        ["actions", "runs", run, ..] => (LinkKind::Build, format!("{repository} run {run}")),
        ["releases", ..] | ["packages", ..] => (LinkKind::Artifact, repository),
        ["blob" | "wiki", ..] => (LinkKind::Document, address.segments.last()?.to_string()),
        _ => return None,
    };
    known("github", kind, Some(title))
}

fn gitlab(address: &Address<'_>) -> Option<Recognised> {
    let split = address.segments.iter().position(|part| *part == "-");
    let split = split.filter(|_| address.is("gitlab"))?;
    let repository = address.segments[..split].join("/");
    let (kind, title) = match &address.segments[split + 1..] {
        ["commit", commit, ..] => (LinkKind::Commit, format!("{repository}@{}", short(commit))),
        ["merge_requests", number, ..] => (LinkKind::PullRequest, format!("{repository}!{number}")),
        ["issues" | "work_items", number, ..] => {
            (LinkKind::Ticket, format!("{repository}#{number}"))
        }
        ["tree", branch @ ..] if !branch.is_empty() => (
            LinkKind::Branch,
            format!("{repository} {}", branch.join("/")),
        ),
        ["pipelines" | "jobs", number, ..] => {
            (LinkKind::Build, format!("{repository} run {number}"))
        }
        ["releases" | "packages", ..] => (LinkKind::Artifact, repository),
        ["blob" | "wikis", ..] => (LinkKind::Document, address.segments.last()?.to_string()),
        _ => return None,
    };
    known("gitlab", kind, Some(title))
}

fn bitbucket(address: &Address<'_>) -> Option<Recognised> {
    if !address.is("bitbucket") {
        return None;
    }
    if let Some(commit) = address.after("commits") {
        return known("bitbucket", LinkKind::Commit, Some(short(commit)));
    }
    if let Some(number) = address.after("pull-requests") {
        return known(
            "bitbucket",
            LinkKind::PullRequest,
            Some(format!("#{number}")),
        );
    }
    let branch = address.after("branch")?;
    known("bitbucket", LinkKind::Branch, Some(branch.to_owned()))
}

fn other_trackers(address: &Address<'_>) -> Option<Recognised> {
    if address.host == "linear.app" {
        let ticket = address.after("issue").map(str::to_owned);
        return known("linear", LinkKind::Ticket, ticket);
    }
    if address.host == "dev.azure.com" || address.host.ends_with("visualstudio.com") {
        if let Some(number) = address.after("edit") {
            return known("azure", LinkKind::Ticket, Some(format!("#{number}")));
        }
        if let Some(number) = address.after("pullrequest") {
            return known("azure", LinkKind::PullRequest, Some(format!("!{number}")));
        }
        let commit = address.after("commit")?;
        return known("azure", LinkKind::Commit, Some(short(commit)));
    }
    if address.is("jenkins") {
        let job = address.after("job").map(str::to_owned);
        return known("jenkins", LinkKind::Build, job);
    }
    None
}

fn monitoring(address: &Address<'_>) -> Option<Recognised> {
    let has = |part: &str| address.segments.contains(&part);
    let last = || address.segments.last().map(|part| (*part).to_owned());
    if address.is("pagerduty") {
        let incident = address.after("incidents").map(str::to_owned);
        return known("pagerduty", LinkKind::Incident, incident);
    }
    if address.is("opsgenie") {
        return known("opsgenie", LinkKind::Alert, last());
    }
    if address.is("grafana") {
        let kind = if has("alerting") {
            LinkKind::Alert
        } else {
            LinkKind::Dashboard
        };
        return known("grafana", kind, last());
    }
    if address.is("datadoghq") {
        let kind = if has("monitors") {
            LinkKind::Alert
        } else {
            LinkKind::Dashboard
        };
        return known("datadog", kind, last());
    }
    if address.is("kibana") {
        return known("kibana", LinkKind::Dashboard, None);
    }
    None
}

fn documents(address: &Address<'_>) -> Option<Recognised> {
    let system = match address.host.as_str() {
        "docs.google.com" | "drive.google.com" => "google",
        "miro.com" => "miro",
        "lucid.app" => "lucid",
        host if host.ends_with("notion.so") || host.ends_with("notion.site") => "notion",
        host if host.ends_with("sharepoint.com") => "sharepoint",
        _ => return None,
    };
    known(system, LinkKind::Document, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_code_hosts_and_monitors_are_known_by_their_addresses() {
        let long = "0123456789abcdef0123456789abcdef01234567";
        for (url, system, kind, title) in [
            (
                "https://acme.atlassian.net/browse/PAY-123",
                "jira",
                LinkKind::Ticket,
                "PAY-123",
            ),
            (
                "https://jira.example.com/browse/OPS-7?focused=1",
                "jira",
                LinkKind::Ticket,
                "OPS-7",
            ),
            (
                "https://acme.service-now.com/nav_to.do?uri=change_request.do?sysparm_query=number=CHG0030001",
                "servicenow",
                LinkKind::Ticket,
                "CHG0030001",
            ),
            (
                "https://acme.service-now.com/incident.do?number=INC42",
                "servicenow",
                LinkKind::Incident,
                "INC42",
            ),
            (
                "https://app.asana.com/0/120001/120002",
                "asana",
                LinkKind::Ticket,
                "Asana 120002",
            ),
            (
                &format!("https://github.com/acme/shop/commit/{long}"),
                "github",
                LinkKind::Commit,
                "acme/shop@0123456789ab",
            ),
            (
                "https://github.com/acme/shop/pull/17",
                "github",
                LinkKind::PullRequest,
                "acme/shop#17",
            ),
            (
                "https://gitlab.com/acme/eu/shop/-/tree/release/1.2",
                "gitlab",
                LinkKind::Branch,
                "acme/eu/shop release/1.2",
            ),
            (
                "https://grafana.example.com/d/abc/latency",
                "grafana",
                LinkKind::Dashboard,
                "latency",
            ),
            (
                "https://acme.pagerduty.com/incidents/Q1",
                "pagerduty",
                LinkKind::Incident,
                "Q1",
            ),
        ] {
            let found = recognise(url).unwrap_or_else(|| panic!("{url} is known"));
            let told = (found.system, found.kind, found.title.as_deref());
            assert_eq!(told, (system, kind, Some(title)), "{url}");
        }
        assert_eq!(recognise("https://example.com/browse"), None);
        assert_eq!(recognise("no address"), None);
    }

    #[test]
    fn what_people_say_is_stronger_than_the_address() {
        let link = |kind, title: &str, url: &str| {
            told(Link {
                kind,
                title: title.to_owned(),
                url: url.to_owned(),
            })
        };
        let jira = "https://acme.atlassian.net/browse/PAY-123";
        let own = link(LinkKind::Document, "The decision", jira);
        assert_eq!(
            (own.kind, own.title.as_str()),
            (LinkKind::Document, "The decision")
        );
        let found = link(LinkKind::Other, "", jira);
        assert_eq!(
            (found.kind, found.title.as_str()),
            (LinkKind::Ticket, "PAY-123")
        );
        let unknown = link(LinkKind::Other, " ", "https://example.com/wall/");
        assert_eq!(
            (unknown.kind, unknown.title.as_str()),
            (LinkKind::Other, "example.com/wall")
        );
    }
}
