//! What takes place when: `calendar`, `calendar check`, `calendar capacity`, `calendar feed`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Method;
use serde_json::Value;
use trainmaster_api::{
    CalendarCheck, CalendarEntry, CalendarMark, CalendarView, CapacityView, CheckCalendar,
    ConflictView, CreateFeed, FeedView, IssuedFeed, TouchesView,
};

use super::{Column, Session, age, column, distance, release, status};
use crate::args::{
    CalendarArgs, CalendarCapacityArgs, CalendarCheckArgs, CalendarCommand, CalendarFilterArgs,
    CalendarShowArgs, CalendarSpan, FeedCommand, Format,
};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output::{self, Columns, Tone};
use crate::{values, when};

/// How many conflicts of one release are named in a line.
const CONFLICTS_SHOWN: usize = 2;

/// Runs `calendar` and what is below it.
pub(crate) async fn run(session: &Session, args: CalendarArgs) -> Done {
    match args.command {
        None => show(session, &args.show).await,
        Some(CalendarCommand::Check(args)) => check(session, &args).await,
        Some(CalendarCommand::Capacity(args)) => capacity(session, &args).await,
        Some(CalendarCommand::Feed(command)) => feed(session, command).await,
    }
}

/// The zone of the days: the one that is named, else the system's where it has a name.
fn zone(name: Option<&str>) -> Result<(TimeZone, String), Failure> {
    let zone = when::time_zone(name)?;
    let known = name.map(str::to_owned);
    let known = known.or_else(|| zone.iana_name().map(str::to_owned));
    Ok(match known {
        Some(name) => (zone, name),
        None => (TimeZone::UTC, "UTC".to_owned()),
    })
}

async fn show(session: &Session, args: &CalendarShowArgs) -> Done {
    let (zone, zone_name) = zone(args.zone.as_deref())?;
    let mut query = filter(&args.filter);
    let view = match args.view {
        CalendarSpan::Day => "day",
        CalendarSpan::Week => "week",
        CalendarSpan::Month => "month",
        CalendarSpan::Quarter => "quarter",
    };
    query.extend([
        ("view", view.to_owned()),
        ("zone", zone_name),
        ("limit", args.limit.to_string()),
    ]);
    query.extend(args.from.clone().map(|from| ("from", from)));
    query.extend(args.to.clone().map(|to| ("to", to)));
    let answer: Value = session
        .client
        .get(&["api", "v1", "calendar"], &query)
        .await?;
    let names = |view: &CalendarView| {
        let ids = view.items.iter().map(|entry| entry.id.clone());
        ids.collect::<Vec<_>>().join("\n")
    };
    session.print(&answer, names, |view: &CalendarView| {
        print_view(session, view, &zone);
        Ok(())
    })
}

fn filter(args: &CalendarFilterArgs) -> Vec<(&'static str, String)> {
    let lists = [
        ("status", &args.status),
        ("type", &args.release_type),
        ("process", &args.process),
        ("group", &args.group),
        ("team", &args.team),
        ("service", &args.service),
        ("environment", &args.environment),
        ("label", &args.labels),
    ];
    let lists = lists.into_iter().filter(|(_, words)| !words.is_empty());
    let mut query: Vec<(&'static str, String)> =
        lists.map(|(name, words)| (name, words.join(","))).collect();
    query.extend(args.org.clone().map(|org| ("organization", org)));
    query.extend(args.manager.clone().map(|owner| ("manager", owner)));
    query.extend(args.search.clone().map(|text| ("search", text)));
    if args.hide_completed {
        query.push(("completed", "false".to_owned()));
    }
    if args.drafts {
        query.push(("drafts", "true".to_owned()));
    }
    query
}

fn print_view(session: &Session, view: &CalendarView, zone: &TimeZone) {
    let day = |instant: &str| local(instant, zone, "%a %-d %b %Y");
    let first = day(&view.from);
    output::note(format_args!("{first} to {} ({})", day(&view.to), view.zone));
    for band in &view.bands {
        let times = times(&band.from, &band.to, zone);
        let text = format!(
            "frozen {} {times}: {}",
            day(&band.from),
            output::plain(&band.reason)
        );
        output::data(output::paint(Tone::Attention, &text));
    }
    if view.items.is_empty() {
        output::note("nothing takes place");
    } else {
        print_entries(session, view, zone);
    }
    let more: u64 = view.days.iter().map(|day| day.more).sum();
    if more > 0 {
        for day in view.days.iter().filter(|day| day.more > 0) {
            output::note(format_args!("{}  +{} more", day.date, day.more));
        }
        output::hint("`--limit` shows more, filters show fewer");
    }
    if let Some(next) = &view.next_from {
        output::hint(format_args!("`--from {next}` goes on"));
    }
}

fn print_entries(session: &Session, view: &CalendarView, zone: &TimeZone) {
    let wide = session.format == Format::Wide;
    let mut headings = vec![
        "DAY",
        "TIME",
        "STATUS",
        "ID",
        "NAME",
        "PROCESS",
        "AT THE SAME TIME",
    ];
    if wide {
        headings.extend(["ORGANIZATION", "GROUP", "TEAMS", "TOUCHES"]);
    }
    let mut table = Columns::new(&headings);
    let mut last_day = String::new();
    for entry in &view.items {
        let day = local(&entry.start, zone, "%a %-d %b");
        let shown = match day == last_day {
            true => String::new(),
            false => day.clone(),
        };
        last_day = day;
        let mut cells = vec![
            shown,
            times(&entry.start, &entry.end, zone),
            status(entry.status.as_str()),
            entry.id.clone(),
            output::plain(&entry.name),
            entry.process.clone(),
            company(entry),
        ];
        if wide {
            cells.extend([
                entry.organization.clone().unwrap_or_default(),
                entry.group.clone().unwrap_or_default(),
                entry.teams.join(","),
                touched(&entry.touches),
            ]);
        }
        table.row(cells);
    }
    table.print();
}

/// What else takes place at the time of a release.
fn company(entry: &CalendarEntry) -> String {
    match entry.mark {
        None => String::new(),
        Some(CalendarMark::Overlap) => format!("~ {} other(s)", entry.overlaps),
        Some(CalendarMark::Conflict) => {
            let shown = entry.conflicts.iter().take(CONFLICTS_SHOWN).map(conflict);
            let mut text = format!("✗ {}", shown.collect::<Vec<_>>().join("; "));
            let rest = entry.conflicts.len().saturating_sub(CONFLICTS_SHOWN);
            if rest > 0 || entry.more_conflicts {
                text.push_str("; and more");
            }
            output::paint(Tone::Bad, &text)
        }
    }
}

fn conflict(conflict: &ConflictView) -> String {
    let shared = touched(&conflict.shared);
    format!("{} ({shared})", conflict.release)
}

fn touched(touches: &TouchesView) -> String {
    let all = touches
        .services
        .iter()
        .chain(&touches.environments)
        .chain(&touches.exclusive);
    let all: Vec<&str> = all.map(String::as_str).collect();
    output::plain(&all.join(","))
}

/// `10:00–12:00`, with the day of the end where that is another one.
fn times(from: &str, to: &str, zone: &TimeZone) -> String {
    let end = match local(from, zone, "%Y-%m-%d") == local(to, zone, "%Y-%m-%d") {
        true => local(to, zone, "%H:%M"),
        false => local(to, zone, "%-d %b %H:%M"),
    };
    format!("{}–{end}", local(from, zone, "%H:%M"))
}

fn local(instant: &str, zone: &TimeZone, format: &str) -> String {
    match instant.parse::<Timestamp>() {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => output::plain(instant),
    }
}

async fn check(session: &Session, args: &CalendarCheckArgs) -> Done {
    let (zone, zone_name) = zone(args.zone.as_deref())?;
    let body = asked(session, args, &zone_name).await?;
    let answer: Value = session
        .client
        .post(&["api", "v1", "calendar", "check"], &body)
        .await?;
    let mark = |check: &CalendarCheck| match check.mark {
        None => "free".to_owned(),
        Some(CalendarMark::Overlap) => "overlap".to_owned(),
        Some(CalendarMark::Conflict) => "conflict".to_owned(),
    };
    session.print(&answer, mark, |check: &CalendarCheck| {
        print_check(check, &zone);
        Ok(())
    })
}

async fn asked(
    session: &Session,
    args: &CalendarCheckArgs,
    zone: &str,
) -> Result<CheckCalendar, Failure> {
    let release = match &args.release {
        Some(text) => Some(release::resolve(&session.client, text).await?),
        None => None,
    };
    let start = args.at.as_deref();
    let start = start
        .map(|text| when::parse_instant(text, Some(zone), session.now))
        .transpose()?;
    let length = args.length.as_deref().map(when::parse_length).transpose()?;
    let end = match (start, length) {
        (Some(start), Some(length)) => Some(start.checked_add(length).map_err(Failure::usage)?),
        _ => None,
    };
    let inputs: BTreeMap<String, Value> = values::parse_pairs(&args.inputs, &BTreeMap::new())?
        .into_iter()
        .collect();
    Ok(CheckCalendar {
        release,
        process: args.process.clone(),
        organization: args.org.clone(),
        inputs,
        touches: TouchesView {
            services: args.services.clone(),
            environments: args.environments.clone(),
            exclusive: args.exclusive.clone(),
        },
        start_at: start.map(|start| start.to_string()),
        expected_end_at: end.map(|end| end.to_string()),
        zone: Some(zone.to_owned()),
        slots: Some(args.slots),
        ..CheckCalendar::default()
    })
}

fn print_check(check: &CalendarCheck, zone: &TimeZone) {
    let slot = |from: &str, to: &str| {
        let day = local(from, zone, "%a %-d %b %Y");
        format!("{day} {}", times(from, to, zone))
    };
    let found = match check.mark {
        None => output::paint(Tone::Good, "nothing else takes place"),
        Some(CalendarMark::Overlap) => {
            format!(
                "{} other(s) at the same time share nothing with it",
                check.overlaps
            )
        }
        Some(CalendarMark::Conflict) => {
            let number = check.conflicts.len();
            output::paint(Tone::Bad, &format!("conflicts with {number} release(s)"))
        }
    };
    output::fields(&[
        ("When", slot(&check.from, &check.to)),
        ("Touches", touched(&check.touches)),
        ("Calendar", found),
    ]);
    for warning in &check.warnings {
        output::data(format_args!("! {}", output::plain(&warning.message)));
    }
    if !check.free.is_empty() {
        output::data("Free:");
        for free in &check.free {
            output::data(format_args!("  {}", slot(&free.from, &free.to)));
        }
    }
}

async fn capacity(session: &Session, args: &CalendarCapacityArgs) -> Done {
    let (_, zone_name) = zone(args.zone.as_deref())?;
    let mut query = filter(&args.filter);
    query.extend([("per", args.per.clone()), ("zone", zone_name)]);
    query.extend(args.from.clone().map(|from| ("from", from)));
    query.extend(args.to.clone().map(|to| ("to", to)));
    let address = ["api", "v1", "calendar", "capacity"];
    let answer: Value = session.client.get(&address, &query).await?;
    let dates = |view: &CapacityView| {
        let dates = view.items.iter().map(|period| period.date.clone());
        dates.collect::<Vec<_>>().join("\n")
    };
    session.print(&answer, dates, |view: &CapacityView| {
        let mut table = Columns::new(&["FROM", "STARTING", "ACTIVE", "LIMIT"]);
        for period in &view.items {
            let limit = view.limit.map(|limit| limit.to_string());
            let limit = limit.unwrap_or_default();
            table.row([
                period.date.clone(),
                period.starting.to_string(),
                period.active.to_string(),
                match period.over {
                    true => output::paint(Tone::Bad, &format!("{limit} (over)")),
                    false => limit,
                },
            ]);
        }
        table.print();
        Ok(())
    })
}

async fn feed(session: &Session, command: FeedCommand) -> Done {
    match command {
        FeedCommand::Create {
            description,
            expires,
        } => create_feed(session, description, expires.as_deref()).await,
        FeedCommand::List => {
            let path = ["api", "v1", "calendar", "feeds"];
            let items = client::list(&session.client, &path, &[], 10_000).await?;
            session.print_list(items, |feed: &FeedView| feed.id.clone(), FEEDS)
        }
        FeedCommand::Revoke { feed } => {
            let path = ["api", "v1", "calendar", "feeds", &feed];
            let request = session.client.request(Method::DELETE, &path, &[]);
            session.client.send(request).await?;
            output::data(format_args!("{feed} revoked"));
            Ok(())
        }
    }
}

const FEEDS: &[Column<FeedView>] = &[
    column("ID", |feed, _| feed.id.clone()),
    column("EXPIRES", |feed, now| {
        distance(feed.expires_at.as_deref(), now)
    }),
    column("AGE", |feed, now| age(&feed.issued_at, now)),
    column("DESCRIPTION", |feed, _| output::plain(&feed.description)),
];

async fn create_feed(session: &Session, description: String, expires: Option<&str>) -> Done {
    let expires = expires.map(|text| super::token::expiry(session.now, text));
    let request = CreateFeed {
        description,
        expires_at: expires.transpose()?,
    };
    let path = ["api", "v1", "calendar", "feeds"];
    let answer: Value = session.client.post(&path, &request).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let issued: IssuedFeed = serde_json::from_value(answer)?;
    if session.format == Format::Name {
        output::data(&issued.view.id);
        return Ok(());
    }
    let Some(path) = issued.path else {
        return Err(Failure::error(format!(
            "feed `{}` was made, but its address cannot be shown again",
            issued.view.id
        )));
    };
    output::note(format_args!(
        "feed {}: whoever has this address sees the calendar as you do; it is shown only now:",
        issued.view.id
    ));
    output::data(format_args!(
        "{}{path}",
        session.client.server().trim_end_matches('/')
    ));
    Ok(())
}
