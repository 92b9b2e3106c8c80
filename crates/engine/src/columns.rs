//! What a row holds besides its body: the columns that pages filter and sort by.

use serde_json::Value;
use std::collections::BTreeSet;

use trainmaster_core::access::TokenKind;
use trainmaster_core::entity::EntityRef;
use trainmaster_core::event::Work;
use trainmaster_core::release::{Activity, Life, Release};
use trainmaster_core::trace;

use crate::ports::{CalendarColumns, Columns, ReleaseColumns, Row};

/// A row as it is written.
pub(crate) fn row(entity: EntityRef<'_>) -> Row {
    Row {
        body: entity.body(),
        columns: columns(entity),
    }
}

fn columns(entity: EntityRef<'_>) -> Columns {
    match entity {
        EntityRef::Meta(_) | EntityRef::Revision(_) | EntityRef::User(_) | EntityRef::Group(_) => {
            Columns::None
        }
        EntityRef::Resource(resource) => Columns::Resource {
            deleted: resource.deleted,
            revision: resource.revision,
        },
        EntityRef::Token(holder) => Columns::Token {
            digest: holder.digest.clone(),
            revoked: holder.revoked,
            person: match holder.kind {
                TokenKind::Service => String::new(),
                TokenKind::Personal | TokenKind::Session | TokenKind::Feed => {
                    holder.user.as_str().to_owned()
                }
            },
        },
        EntityRef::Release(release) => Columns::Release(Box::new(of_release(release))),
        EntityRef::Activity(_, activity) => of_activity(activity),
    }
}

fn of_release(release: &Release) -> ReleaseColumns {
    let status = release.status();
    let text = |name: &Option<trainmaster_core::ids::Name>| {
        name.as_ref()
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default()
    };
    ReleaseColumns {
        organization: text(&release.organization),
        name: release.name.clone(),
        search: search(release),
        process: release.process.name.as_str().to_owned(),
        status: status.as_str().to_owned(),
        stage: status.stage().as_str().to_owned(),
        release_type: release_type(release),
        labels: words(
            release
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}")),
        ),
        ended: matches!(release.life, Life::Ended { .. }),
        archived: release.archived,
        parent: release.parent.as_ref().map(|parent| parent.release.0),
        created_at: release.created_at.as_microsecond(),
        start_at: release.start_at.map(|at| at.as_microsecond()),
        started_at: release.started_at.map(|at| at.as_microsecond()),
        expected_end_at: release.expected_end_at.map(|at| at.as_microsecond()),
        ended_at: release.ended_at.map(|at| at.as_microsecond()),
        needs_input: release.counters.needs_input,
        traces: trace::of_release(release).into_iter().collect(),
        group: release
            .group
            .as_ref()
            .map(|group| group.group.to_string())
            .unwrap_or_default(),
        planned_at: release
            .group
            .as_ref()
            .map(|group| group.planned_at.as_microsecond()),
        calendar: calendar(release),
    }
}

/// A child is part of its parent's time, and what was put out of the way stands in no calendar.
fn calendar(release: &Release) -> Option<CalendarColumns> {
    let place = release.place()?;
    if release.archived || release.parent.is_some() {
        return None;
    }
    let touches = release.touches();
    let names = |names: &BTreeSet<String>| words(names.iter().cloned());
    let processes = [&release.process.name]
        .into_iter()
        .chain(&release.involves.subprocesses);
    let changed_at = release.changes.last_at.unwrap_or(release.created_at);
    Some(CalendarColumns {
        start: place.span.start.as_microsecond(),
        end: place.span.end.as_microsecond(),
        open: place.open,
        expected_end_at: release.expected_end_at.map(|at| at.as_microsecond()),
        started_at: release.started_at.map(|at| at.as_microsecond()),
        manager: release
            .manager
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        teams: words(release.involves.teams.iter().map(ToString::to_string)),
        processes: words(processes.map(ToString::to_string)),
        services: names(&touches.services),
        environments: names(&touches.environments),
        exclusive: names(&touches.exclusive),
        changes: release.changes.count,
        changed_at: changed_at.as_microsecond(),
        announced: release.changes.announced,
    })
}

fn of_activity(activity: &Activity) -> Columns {
    Columns::Activity {
        path: activity.path.as_str().to_owned(),
        status: format!("{:?}", activity.status()),
        needs: words(activity.needs.iter().map(ToString::to_string)),
        approval: approval(activity),
    }
}

/// From when to when an approval was waited for.
fn approval(activity: &Activity) -> Option<(i64, i64)> {
    let attempt = activity.attempt()?;
    let is_approval = matches!(attempt.work, Work::Approval { .. });
    let ended = attempt.ended_at.filter(|_| is_approval)?;
    Some((attempt.started_at.as_microsecond(), ended.as_microsecond()))
}

/// The type as written everywhere.
fn release_type(release: &Release) -> String {
    use trainmaster_core::release::ReleaseType;
    let word = match release.release_type {
        ReleaseType::Standard => "standard",
        ReleaseType::Hotfix => "hotfix",
        ReleaseType::Feature => "feature",
        ReleaseType::System => "system",
    };
    word.to_owned()
}

fn search(release: &Release) -> String {
    let mut text = format!("{} {}", release.name, release.slug);
    let description = &release.description;
    let labels = release
        .labels
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let rest = release
        .software_version
        .as_deref()
        .into_iter()
        .chain(labels)
        .chain([
            description.purpose.as_str(),
            description.scope.as_str(),
            description.risks.as_str(),
            description.rollback_plan.as_str(),
            description.stakeholders.as_str(),
        ]);
    for part in rest.filter(|part| !part.is_empty()) {
        text.push(' ');
        text.push_str(part);
    }
    for (key, value) in &release.context {
        text.push(' ');
        text.push_str(key);
        context_words(value, &mut text);
    }
    for link in &release.links {
        // The last part of an address is what people call the thing there.
        let last = link.url.trim_end_matches('/').rsplit('/').next();
        for part in [link.title.as_str(), last.unwrap_or_default()] {
            text.push(' ');
            text.push_str(part);
        }
    }
    text.to_lowercase()
}

/// The texts, numbers and field names of a structured value.
fn context_words(value: &Value, text: &mut String) {
    match value {
        Value::String(word) => {
            text.push(' ');
            text.push_str(word);
        }
        Value::Number(number) => {
            text.push(' ');
            text.push_str(&number.to_string());
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| context_words(element, text)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            text.push(' ');
            text.push_str(name);
            context_words(field, text);
        }),
        Value::Null | Value::Bool(_) => (),
    }
}

/// Words with a blank on both sides of each, so that ` word ` finds exactly one; empty if there is none.
fn words(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for word in words {
        text.push(' ');
        text.push_str(&word);
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_release_is_found_by_its_words_and_filtered_by_its_labels() {
        let release = sample::release(7, "Ended");
        let row = row(EntityRef::Release(&release));
        let Columns::Release(columns) = row.columns else {
            panic!("columns of a release")
        };
        assert_eq!(
            columns.search,
            "week 7 release week-7-release v7.0 hotfix team shop über umlauts"
        );
        assert_eq!(columns.labels, " hotfix= team=shop ");
        assert_eq!(
            (columns.status.as_str(), columns.stage.as_str()),
            ("Success", "Completed")
        );
        assert!(columns.ended && !columns.archived);
        assert_eq!(columns.created_at, release.created_at.as_microsecond());
        assert_eq!(columns.release_type, "standard");
    }

    #[test]
    fn a_release_stands_in_the_calendar_unless_it_is_put_away_or_part_of_another() {
        let mut release = sample::release(7, "Draft");
        release.touches.environments.insert("production".to_owned());
        release.involves.teams.insert("qa".parse().expect("a name"));
        let subprocess = "rollout".parse().expect("a name");
        release.involves.subprocesses.insert(subprocess);
        let stands = of_release(&release).calendar.expect("it has a start");
        let hour = 3_600_000_000;
        assert_eq!(
            stands.end - stands.start,
            hour,
            "without an end it is an hour"
        );
        assert_eq!(
            (stands.environments.as_str(), stands.teams.as_str()),
            (" production ", " qa ")
        );
        assert_eq!(stands.processes, " train rollout ");
        release.archived = true;
        assert_eq!(of_release(&release).calendar, None);
    }

    #[test]
    fn an_activity_is_found_by_whom_it_needs() {
        let release = sample::release(7, "Underway");
        let mut activity = sample::activity("build/compile");
        assert_eq!(
            columns(EntityRef::Activity(&release, &activity)),
            Columns::Activity {
                path: "build/compile".to_owned(),
                status: "Pending".to_owned(),
                needs: String::new(),
                approval: None,
            }
        );
        activity.needs = vec![
            "user:ada".parse().expect("an owner"),
            "team:qa".parse().expect("an owner"),
        ];
        let Columns::Activity { needs, .. } = columns(EntityRef::Activity(&release, &activity))
        else {
            panic!("columns of an activity")
        };
        assert_eq!(needs, " user:ada team:qa ");
    }
}
