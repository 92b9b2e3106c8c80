//! Checks what people write about a release: names, texts, labels, links, owners, times.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::definition::is_hidden;
use crate::ids::{Owner, ReleaseId};
use crate::plan::Plan;
use crate::rejection::{FieldProblem, Rejection};
use crate::release::{Link, Release, StartMode};
use crate::world::{Asker, World};

/// Longest name of a release, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// Longest free text (reason, note, description field), in characters.
pub(super) const TEXT_LENGTH_MAX: usize = 10_000;
/// Most labels, links, owners entries, stakeholders or predecessors of one release.
pub(super) const LIST_MAX: usize = 100;
/// Largest structured context of a release, in bytes of JSON.
const CONTEXT_BYTES_MAX: usize = 64 * 1024;

/// A reason that must not be empty, and not too long.
pub(crate) fn needed(reason: &str) -> Result<(), Rejection> {
    if reason.trim().is_empty() {
        return Err(Rejection::ReasonNeeded);
    }
    text("reason", reason)
}

pub(crate) fn text(name: &str, value: &str) -> Result<(), Rejection> {
    if value.chars().count() > TEXT_LENGTH_MAX {
        return Err(field(
            name,
            &format!("is longer than {TEXT_LENGTH_MAX} characters"),
        ));
    }
    Ok(())
}

/// Labels with tags written `key:value` taken apart; a plain tag stays a key without a value.
pub(super) fn tagged(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let pair = |(key, value): (&String, &String)| match key.split_once(':') {
        Some((key, tag)) if value.is_empty() && !key.is_empty() => (key.to_owned(), tag.to_owned()),
        _ => (key.clone(), value.clone()),
    };
    labels.iter().map(pair).collect()
}

pub(crate) fn field(name: &str, message: &str) -> Rejection {
    Rejection::InvalidInput(vec![FieldProblem {
        field: name.to_owned(),
        message: message.to_owned(),
    }])
}

/// Collects everything that is wrong with what people wrote about a release.
#[derive(Default)]
pub(super) struct Problems(Vec<FieldProblem>);

impl Problems {
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldProblem {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// What another check found, its own fields included.
    pub(super) fn refused(&mut self, field: &str, rejection: Rejection) {
        match rejection {
            Rejection::InvalidInput(problems) => self.0.extend(problems),
            other => self.add(field, other.to_string()),
        }
    }

    pub(super) fn done(self) -> Result<(), Rejection> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Rejection::InvalidInput(self.0))
        }
    }

    pub(super) fn name(&mut self, name: &str) {
        if name.is_empty() {
            self.add("name", "must not be empty");
        }
        self.plain("name", name, NAME_LENGTH_MAX);
    }

    pub(super) fn plain(&mut self, field: &str, value: &str, length_max: usize) {
        if value.chars().count() > length_max {
            self.add(field, format!("is longer than {length_max} characters"));
        }
        if value
            .chars()
            .any(|letter| letter.is_whitespace() && letter != ' ' || is_hidden(letter))
        {
            self.add(field, "holds control or direction characters");
        }
    }

    pub(super) fn version(&mut self, version: Option<&str>) {
        self.plain("version", version.unwrap_or_default(), NAME_LENGTH_MAX);
    }

    pub(super) fn zone(&mut self, world: &World, zone: &str) {
        if world.zones.get(zone).is_err() {
            self.add(
                "zone",
                format!("`{zone}` is not an IANA time zone such as `Europe/Berlin`"),
            );
        }
    }

    pub(super) fn length(&mut self, field: &str, length: usize) {
        if length > LIST_MAX {
            self.add(field, format!("has more than {LIST_MAX} entries"));
        }
    }

    pub(super) fn labels(&mut self, labels: &BTreeMap<String, String>) {
        self.length("labels", labels.len());
        for (key, value) in labels {
            let field = format!("labels.{key}");
            if key.is_empty()
                || key
                    .chars()
                    .any(|letter| letter.is_whitespace() || letter == '=')
            {
                self.add(&field, "a label's key holds no blanks and no `=`");
            }
            if value.chars().any(char::is_whitespace) {
                self.add(&field, "a label's value holds no blanks");
            }
            self.plain(&field, key, 100);
            self.plain(&field, value, 200);
        }
    }

    pub(super) fn links(&mut self, links: &[Link]) {
        self.length("links", links.len());
        for (index, link) in links.iter().enumerate() {
            self.link(&format!("links[{index}]"), link);
        }
    }

    pub(super) fn link(&mut self, field: &str, link: &Link) {
        let scheme = link.url.starts_with("https://") || link.url.starts_with("http://");
        if !scheme {
            self.add(
                &format!("{field}.url"),
                "must begin with `https://` or `http://`",
            );
        }
        self.plain(&format!("{field}.url"), &link.url, 2_000);
        self.plain(&format!("{field}.title"), &link.title, NAME_LENGTH_MAX);
    }

    pub(super) fn context(&mut self, context: &BTreeMap<String, Value>) {
        self.length("context", context.len());
        for (key, value) in context {
            let field = format!("context.{key}");
            if key.trim().is_empty() {
                self.add(&field, "a key must not be empty");
            }
            self.plain(&field, key, 100);
            if let Some(why) = crate::inputs::refused_text(value) {
                self.add(&field, why);
            }
        }
        let length: usize = context
            .iter()
            .map(|(key, value)| key.len() + value.to_string().len())
            .sum();
        if length > CONTEXT_BYTES_MAX {
            self.add(
                "context",
                format!("is larger than {CONTEXT_BYTES_MAX} bytes of JSON"),
            );
        }
    }

    pub(super) fn description(&mut self, description: &super::ReleaseDescription) {
        let super::ReleaseDescription {
            purpose,
            scope,
            risks,
            rollback_plan,
            stakeholders,
        } = description;
        for (field, value) in [
            ("description.purpose", purpose),
            ("description.scope", scope),
            ("description.risks", risks),
            ("description.rollbackPlan", rollback_plan),
            ("description.stakeholders", stakeholders),
        ] {
            if value.chars().count() > TEXT_LENGTH_MAX {
                self.add(
                    field,
                    format!("is longer than {TEXT_LENGTH_MAX} characters"),
                );
            }
        }
    }

    pub(super) fn owners(&mut self, owners: &BTreeMap<String, Vec<Owner>>, plan: Option<&Plan>) {
        self.length("owners", owners.len());
        let Some(plan) = plan else { return };
        let known: BTreeSet<&str> = plan
            .phases
            .iter()
            .map(|phase| phase.id.as_str())
            .chain(plan.paths.keys().map(|path| path.as_str()))
            .collect();
        for place in owners
            .keys()
            .filter(|place| !known.contains(place.as_str()))
        {
            self.add(
                &format!("owners.{place}"),
                "is neither a phase nor an activity (`phase/activity`) of the process",
            );
        }
    }

    pub(super) fn predecessors(
        &mut self,
        world: &World,
        asker: &Asker<'_>,
        after: &[ReleaseId],
        own: Option<ReleaseId>,
    ) {
        self.length("after", after.len());
        for predecessor in after {
            if world.visible(asker, *predecessor).is_err() {
                self.add("after", format!("release `{predecessor}` does not exist"));
            } else if own.is_some_and(|own| world.comes_after(*predecessor, own)) {
                self.add(
                    "after",
                    format!("`{predecessor}` itself waits for this release"),
                );
            }
        }
    }

    pub(super) fn times(
        &mut self,
        start_at: Option<Timestamp>,
        expected_end_at: Option<Timestamp>,
    ) {
        if let (Some(start), Some(end)) = (start_at, expected_end_at)
            && end <= start
        {
            self.add("expectedEndAt", "lies before the start");
        }
    }
}

impl World {
    /// Whether a release waits, directly or through others, for another one (or is it).
    pub(super) fn comes_after(&self, release: ReleaseId, other: ReleaseId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![release];
        while let Some(id) = open.pop() {
            if id == other {
                return true;
            }
            if seen.insert(id)
                && let Some(release) = self.release(id)
            {
                open.extend(release.after.keys().copied());
            }
        }
        false
    }

    /// Whether a finalized release waits for a person rather than for time.
    pub(crate) fn waits_for_a_start(release: &Release, now: Timestamp) -> bool {
        match release.start_mode {
            StartMode::Auto => release.start_at.is_none(),
            StartMode::Manual => release.start_at.is_none_or(|at| at <= now),
        }
    }
}
