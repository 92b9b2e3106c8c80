//! What a release carries by its names elsewhere: commits, images, artifacts and tickets, found in its links, its
//! inputs and what it deployed (2-execution.md, Deployments).
//!
//! "Where is this commit" is answered from these words; how two spellings of one thing become one word is said here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deployment::{Deployment, WORD_LENGTH_MAX};
use crate::ids::ReleaseId;
use crate::release::{Link, LinkKind, Release};

/// Most words of one release.
pub const WORDS_MAX: usize = 2_000;
/// How deep lists and objects of inputs are looked through.
const DEPTH_MAX: usize = 4;

/// What a word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TraceKind {
    /// A commit.
    Commit,
    /// A container image.
    Image,
    /// Another artifact.
    Artifact,
    /// A ticket.
    Ticket,
}

/// Where a word was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TraceSource {
    /// In a recorded deployment.
    Deployment,
    /// In a link of the release.
    Link,
    /// In an input value, or in the context of the release.
    Input,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    /// What it names.
    pub kind: TraceKind,
    /// The word as it was written.
    pub value: String,
    /// Where it was found.
    pub source: TraceSource,
}

impl TraceKind {
    /// Every kind.
    pub const ALL: [TraceKind; 4] = [
        TraceKind::Commit,
        TraceKind::Image,
        TraceKind::Artifact,
        TraceKind::Ticket,
    ];

    /// The kind as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            TraceKind::Commit => "commit",
            TraceKind::Image => "image",
            TraceKind::Artifact => "artifact",
            TraceKind::Ticket => "ticket",
        }
    }

    /// The one spelling under which a word is kept and looked for: case does not tell two things apart.
    pub fn term(self, value: &str) -> String {
        value.trim().to_lowercase()
    }

    /// What a name of an input or a field says about its value, for example `gitCommit` or `tickets`.
    fn named(name: &str) -> Option<TraceKind> {
        let name: String = name
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .collect::<String>()
            .to_lowercase();
        let name = name.strip_suffix('s').unwrap_or(&name);
        let endings = [
            ("commit", TraceKind::Commit),
            ("commitsha", TraceKind::Commit),
            ("commitid", TraceKind::Commit),
            ("sha", TraceKind::Commit),
            ("image", TraceKind::Image),
            ("artifact", TraceKind::Artifact),
            ("ticket", TraceKind::Ticket),
            ("ticketid", TraceKind::Ticket),
            ("ticketkey", TraceKind::Ticket),
        ];
        let found = endings.iter().find(|(ending, _)| name.ends_with(ending));
        found.map(|(_, kind)| *kind)
    }
}

impl TraceSource {
    /// The source as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            TraceSource::Deployment => "deployment",
            TraceSource::Link => "link",
            TraceSource::Input => "input",
        }
    }
}

/// The words of a release: from its links, its inputs and its context.
pub fn of_release(release: &Release) -> BTreeSet<Trace> {
    let mut found = BTreeSet::new();
    for link in &release.links {
        of_link(link, &mut found);
    }
    let resolved = release
        .inputs
        .iter()
        .map(|(name, input)| (name, &input.value));
    let given = release.given.iter();
    match release.inputs.is_empty() {
        true => given.for_each(|(name, value)| of_field(name, value, 0, &mut found)),
        false => resolved.for_each(|(name, value)| of_field(name, value, 0, &mut found)),
    }
    for (name, value) in &release.context {
        of_field(name, value, 0, &mut found);
    }
    found
}

/// A deployment of one service to one environment, as far as stays are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Environment, service and organization.
    pub place: (String, String, String),
    /// The release that brought it.
    pub release: ReleaseId,
    /// When.
    pub at: Timestamp,
    /// Whether it carries what is looked for.
    pub carries: bool,
}

/// How long something has been in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The deployment that brought it there: its index in the history.
    pub brought_by: usize,
    /// When something else was deployed there; none while it is there.
    pub until: Option<Timestamp>,
}

/// Where something has been, from the deployments of those places, oldest first.
///
/// Each release that brought it is told once per stay. Only what a deployment or its release names counts as carried:
/// a later deployment may hold a commit that nobody has named.
pub fn stays(history: &[Placed]) -> Vec<Stay> {
    let mut open: BTreeMap<&(String, String, String), Vec<usize>> = BTreeMap::new();
    let mut stays = Vec::new();
    for (index, deployment) in history.iter().enumerate() {
        let here = open.entry(&deployment.place).or_default();
        if deployment.carries {
            let known = |one: &usize| history[stays_of(&stays, *one)].release == deployment.release;
            if !here.iter().any(known) {
                here.push(stays.len());
                stays.push(Stay {
                    brought_by: index,
                    until: None,
                });
            }
            continue;
        }
        for stay in here.drain(..) {
            stays[stay].until = Some(deployment.at);
        }
    }
    stays
}

fn stays_of(stays: &[Stay], stay: usize) -> usize {
    stays[stay].brought_by
}

/// The words of a deployment.
pub fn of_deployment(deployment: &Deployment) -> BTreeSet<Trace> {
    let mut found = BTreeSet::new();
    let mut all = |kind: TraceKind, values: &mut dyn Iterator<Item = &String>| {
        for value in values {
            add(kind, value, TraceSource::Deployment, &mut found);
        }
    };
    all(TraceKind::Commit, &mut deployment.commits.iter());
    all(TraceKind::Image, &mut deployment.image.iter());
    all(TraceKind::Artifact, &mut deployment.artifact.iter());
    all(TraceKind::Ticket, &mut deployment.tickets.iter());
    found
}

/// A link names its thing by the end of its address, and where that is no name by its title.
fn of_link(link: &Link, found: &mut BTreeSet<Trace>) {
    let kind = match link.kind {
        LinkKind::Commit => TraceKind::Commit,
        LinkKind::Ticket => TraceKind::Ticket,
        LinkKind::Artifact => TraceKind::Artifact,
        _ => return,
    };
    let address = link.url.split(['?', '#']).next().unwrap_or_default();
    let last = address.trim_end_matches('/').rsplit('/').next();
    let last = last.unwrap_or_default();
    let is_name = match kind {
        TraceKind::Commit => is_commit(last),
        _ => !last.is_empty(),
    };
    if is_name {
        add(kind, last, TraceSource::Link, found);
    }
    let title = link.title.split_whitespace().next().unwrap_or_default();
    let title = title.trim_end_matches([':', ',']);
    let names = match kind {
        TraceKind::Commit => is_commit(title),
        TraceKind::Ticket => is_ticket(title),
        TraceKind::Image | TraceKind::Artifact => !title.is_empty(),
    };
    if names {
        add(kind, title, TraceSource::Link, found);
    }
}

fn of_field(name: &str, value: &Value, depth: usize, found: &mut BTreeSet<Trace>) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => {
            if let Some(kind) = TraceKind::named(name) {
                add(kind, text, TraceSource::Input, found);
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| of_field(name, element, depth + 1, found)),
        Value::Object(fields) => {
            // Below `commits: {checkout: 4f2a}` the name of the whole says what the parts are.
            let outer = TraceKind::named(name);
            for (field, value) in fields {
                let says = match (outer, TraceKind::named(field), value) {
                    (Some(_), None, Value::String(_)) => name,
                    _ => field,
                };
                of_field(says, value, depth + 1, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

fn add(kind: TraceKind, value: &str, source: TraceSource, found: &mut BTreeSet<Trace>) {
    let value = value.trim();
    let fits = !value.is_empty() && value.chars().count() <= WORD_LENGTH_MAX;
    if fits && found.len() < WORDS_MAX {
        found.insert(Trace {
            kind,
            value: value.to_owned(),
            source,
        });
    }
}

/// Seven or more hexadecimal digits, as hashes of commits are written.
fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `SHOP-12` or `#12`.
fn is_ticket(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (text.rsplit_once('-'), text.strip_prefix('#')) {
        (Some((project, number)), _) => !project.is_empty() && digits(number),
        (None, Some(number)) => digits(number),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(name: &str, value: Value) -> Vec<String> {
        let mut found = BTreeSet::new();
        of_field(name, &value, 0, &mut found);
        found
            .iter()
            .map(|trace| format!("{} {}", trace.kind.as_str(), trace.value))
            .collect()
    }

    #[test]
    fn inputs_say_by_their_names_what_they_hold() {
        assert_eq!(words("commit", json!("4f2a")), ["commit 4f2a"]);
        assert_eq!(words("git_sha", json!("4f2a")), ["commit 4f2a"]);
        assert_eq!(
            words("commits", json!(["a1", "b2"])),
            ["commit a1", "commit b2"]
        );
        assert_eq!(
            words(
                "images",
                json!({"cart": "shop/cart:1", "pay": "shop/pay:2"})
            ),
            ["image shop/cart:1", "image shop/pay:2"]
        );
        assert_eq!(
            words(
                "services",
                json!([{"name": "cart", "image": "shop/cart:1", "ticket": "SHOP-1"}])
            ),
            ["image shop/cart:1", "ticket SHOP-1"]
        );
        assert!(words("title", json!("a commit")).is_empty());
        assert!(words("replicas", json!(3)).is_empty());
    }

    #[test]
    fn links_name_their_thing_by_address_or_title() {
        let words = |kind: LinkKind, title: &str, url: &str| {
            let mut found = BTreeSet::new();
            let (title, url) = (title.to_owned(), url.to_owned());
            of_link(&Link { kind, title, url }, &mut found);
            found
                .into_iter()
                .map(|trace| trace.value)
                .collect::<Vec<_>>()
        };
        let commit = "https://git.example/shop/commit/4f2a91bb";
        assert_eq!(words(LinkKind::Commit, "the fix", commit), ["4f2a91bb"]);
        let ticket = "https://tickets.example/browse/SHOP-7?focus=1";
        assert_eq!(
            words(LinkKind::Ticket, "SHOP-7: pay faster", ticket),
            ["SHOP-7"]
        );
        assert!(words(LinkKind::Document, "plan", "https://docs.example/4f2a91bb").is_empty());
    }

    #[test]
    fn a_stay_ends_with_the_first_deployment_that_does_not_carry_it() {
        let placed = |release: u64, hour: u32, service: &str, carries: bool| Placed {
            place: ("production".to_owned(), service.to_owned(), String::new()),
            release: ReleaseId(release),
            at: format!("2026-01-05T{hour:02}:00:00Z")
                .parse()
                .expect("an instant"),
            carries,
        };
        let history = [
            placed(1, 1, "cart", true),
            placed(1, 2, "pay", true),
            placed(1, 3, "cart", true),
            placed(2, 4, "cart", true),
            placed(3, 5, "cart", false),
            placed(2, 6, "cart", true),
        ];
        let found: Vec<(usize, bool)> = stays(&history)
            .iter()
            .map(|stay| (stay.brought_by, stay.until.is_some()))
            .collect();
        assert_eq!(found, [(0, true), (1, false), (3, true), (5, false)]);
    }

    #[test]
    fn nothing_is_looked_for_without_end() {
        let mut deep = json!("4f2a");
        for _ in 0..10 {
            deep = json!([deep]);
        }
        assert!(words("commit", deep).is_empty());
        let many: Vec<String> = (0..5_000).map(|number| format!("c{number}")).collect();
        assert_eq!(words("commits", json!(many)).len(), WORDS_MAX);
    }
}
