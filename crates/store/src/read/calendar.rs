//! The calendar: what takes place in a stretch of time.
//!
//! Each class of lengths is one piece of the table's own order, so a page costs what it shows,
//! however many releases are stored before and after it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sea_orm::QueryResult;
use sea_orm::sea_query::{
    Alias, Cond, Expr, ExprTrait as _, Order, Query, SelectStatement, UnionType,
};
use trainmaster_core::calendar::span::{Place, Span};
use trainmaster_core::calendar::touch::Touches;
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_core::release::ReleaseType;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_engine::ports::StoreError;

use super::releases::{organization_text, type_text};
use super::{Page, PageRequest, ReadError, column, holding, one_more};
use crate::calendar::{CLASSES, OPEN, length_max};
use crate::commit::big;
use crate::{SqlStore, words};

/// The name of the list in its cursors.
const CALENDAR: &str = "calendar";

/// How many rows are looked at to count or to find conflicts, whatever is asked for.
pub const ROWS_MAX: u64 = 50_000;

/// Which releases of the calendar; everything that is given must hold, and of each list one word.
#[derive(Clone, Debug, Default)]
pub struct CalendarFilter {
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only with one of these statuses; all if empty.
    pub statuses: Vec<ReleaseStatus>,
    /// Only of these types; all if empty.
    pub types: Vec<ReleaseType>,
    /// Only of these processes, or with a subprocess of them.
    pub processes: Vec<Name>,
    /// Only of these groups.
    pub groups: Vec<Name>,
    /// Only those that involve one of these teams.
    pub teams: Vec<Name>,
    /// Only those that touch one of these services.
    pub services: Vec<String>,
    /// Only those that touch one of these environments.
    pub environments: Vec<String>,
    /// Only those with this release manager.
    pub manager: Option<Owner>,
    /// Only with all of these labels, key and value.
    pub labels: Vec<(String, String)>,
    /// Only with all of these words somewhere in name or labels.
    pub search: String,
    /// Only those that were ever finalized.
    pub announced: bool,
}

impl CalendarFilter {
    /// Everything that somebody sees.
    pub fn seen(organizations: Option<Vec<Option<Name>>>) -> CalendarFilter {
        CalendarFilter {
            organizations,
            ..CalendarFilter::default()
        }
    }
}

/// A release as the calendar knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct CalendarRow {
    /// The release.
    pub release: ReleaseId,
    /// Where it lives.
    pub organization: Option<Name>,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// Its type.
    pub release_type: ReleaseType,
    /// Its process.
    pub process: Name,
    /// Its group.
    pub group: Option<Name>,
    /// Its release manager.
    pub manager: Option<Owner>,
    /// Its labels, in order.
    pub labels: Vec<(String, String)>,
    /// Teams that it involves.
    pub teams: Vec<Name>,
    /// When it takes place.
    pub place: Place,
    /// Planned start.
    pub start_at: Option<Timestamp>,
    /// Planned end.
    pub expected_end_at: Option<Timestamp>,
    /// Actual start.
    pub started_at: Option<Timestamp>,
    /// Actual end.
    pub ended_at: Option<Timestamp>,
    /// What it touches.
    pub touches: Touches,
    /// How often subscribers had something to learn about it.
    pub changes: u32,
    /// When they had so last.
    pub changed_at: Timestamp,
}

/// An announced release that was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    /// The release.
    pub release: ReleaseId,
    /// Its name.
    pub name: String,
    /// When it would have taken place.
    pub span: Span,
    /// How often subscribers had something to learn about it, this last time included.
    pub changes: u32,
    /// When it was deleted.
    pub gone_at: Timestamp,
}

impl SqlStore {
    /// What overlaps a stretch of time (or begins in it), by start; what is under way lasts until `now` at least.
    pub async fn list_calendar(
        &self,
        filter: &CalendarFilter,
        range: Span,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<CalendarRow>, ReadError> {
        let after = page.key::<(i64, i64)>(CALENDAR)?;
        let select = overlapping(filter, range, now, after, one_more(page.limit()));
        let rows = self.rows(&select).await?;
        let items = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, page.limit(), CALENDAR, |last| {
            (last.place.span.start.as_microsecond(), big(last.release.0))
        }))
    }

    /// Everything that overlaps a stretch of time, by start, at most `limit`; more than that is not read.
    pub async fn calendar_rows(
        &self,
        filter: &CalendarFilter,
        range: Span,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CalendarRow>, StoreError> {
        let select = overlapping(filter, range, now, None, limit.clamp(1, ROWS_MAX));
        self.rows(&select).await?.iter().map(row).collect()
    }

    /// When everything takes place that overlaps a stretch of time, to be counted; at most [`ROWS_MAX`].
    pub async fn calendar_places(
        &self,
        filter: &CalendarFilter,
        range: Span,
        now: Timestamp,
    ) -> Result<Vec<Place>, StoreError> {
        let parts = parts(filter, range, now).map(|mut part| {
            part.clear_selects()
                .columns(["class", "start_at", "end_at"])
                .to_owned()
        });
        let mut select = union(parts, None);
        select.limit(ROWS_MAX);
        self.rows(&select).await?.iter().map(place).collect()
    }

    /// One release of the calendar; none if it does not stand in it.
    pub async fn calendar_row(
        &self,
        release: ReleaseId,
    ) -> Result<Option<CalendarRow>, StoreError> {
        let select = Query::select()
            .columns(COLUMNS)
            .from("calendar_entry")
            .and_where(Expr::col("release").eq(big(release.0)))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first().map(row).transpose()
    }

    /// Announced releases that were deleted since a time, newest first.
    pub async fn calendar_gone(
        &self,
        organizations: Option<&[Option<Name>]>,
        since: Timestamp,
        limit: u64,
    ) -> Result<Vec<Gone>, StoreError> {
        let mut select = Query::select()
            .columns([
                "release", "name", "start_at", "end_at", "changes", "gone_at",
            ])
            .from("calendar_gone")
            .and_where(Expr::col("gone_at").gte(since.as_microsecond()))
            .order_by("gone_at", Order::Desc)
            .limit(limit)
            .to_owned();
        if let Some(organizations) = organizations {
            let texts = organizations.iter().map(organization_text);
            select.and_where(Expr::col("organization").is_in(texts));
        }
        let gone = |row: &QueryResult| {
            Ok(Gone {
                release: release_id(row)?,
                name: column(row, "name")?,
                span: Span::new(instant(row, "start_at")?, instant(row, "end_at")?),
                changes: count(row, "changes")?,
                gone_at: instant(row, "gone_at")?,
            })
        };
        self.rows(&select).await?.iter().map(gone).collect()
    }
}

const COLUMNS: [&str; 22] = [
    "class",
    "start_at",
    "release",
    "end_at",
    "organization",
    "name",
    "status",
    "type",
    "process",
    "release_group",
    "manager",
    "labels",
    "teams",
    "services",
    "environments",
    "exclusive",
    "planned_start",
    "planned_end",
    "started_at",
    "ended_at",
    "changes",
    "changed_at",
];

/// One page of what overlaps a stretch of time.
pub(super) fn overlapping(
    filter: &CalendarFilter,
    range: Span,
    now: Timestamp,
    after: Option<(i64, i64)>,
    limit: u64,
) -> SelectStatement {
    let here = || Expr::tuple([Expr::col("start_at"), Expr::col("release")]);
    let parts = parts(filter, range, now).map(|mut part| {
        if let Some((start, release)) = after {
            part.and_where(here().gt(Expr::tuple([Expr::val(start), Expr::val(release)])));
        }
        part.order_by("start_at", Order::Asc)
            .order_by("release", Order::Asc)
            .limit(limit)
            .to_owned()
    });
    union(parts, Some(limit))
}

/// One select for each class of lengths: how long its rows are at most says how far back it begins.
fn parts(
    filter: &CalendarFilter,
    range: Span,
    now: Timestamp,
) -> impl Iterator<Item = SelectStatement> {
    let (from, to) = (range.start.as_microsecond(), range.end.as_microsecond());
    let conditions = conditions(filter);
    let is_running = now > range.start;
    std::iter::once(OPEN).chain(CLASSES).map(move |class| {
        let mut part = Query::select()
            .columns(COLUMNS)
            .from("calendar_entry")
            .and_where(Expr::col("class").eq(class))
            .and_where(Expr::col("start_at").lt(to))
            .cond_where(conditions.clone())
            .to_owned();
        if class != OPEN || !is_running {
            let reaches = Cond::any()
                .add(Expr::col("end_at").gt(from))
                .add(Expr::col("start_at").gte(from));
            part.cond_where(reaches);
        }
        if class != OPEN {
            let least = from.saturating_sub(length_max(class));
            part.and_where(Expr::col("start_at").gte(least));
        }
        part
    })
}

fn union(parts: impl Iterator<Item = SelectStatement>, limit: Option<u64>) -> SelectStatement {
    let wrapped = |part: SelectStatement| {
        let mut outer = Query::select();
        outer
            .expr(Expr::col(sea_orm::sea_query::Asterisk))
            .from_subquery(part, Alias::new("part"));
        outer
    };
    let mut parts = parts.map(wrapped);
    let mut all = parts.next().expect("there are classes");
    all.unions(parts.map(|part| (UnionType::All, part)));
    let mut outer = Query::select();
    outer
        .expr(Expr::col(sea_orm::sea_query::Asterisk))
        .from_subquery(all, Alias::new("parts"));
    if let Some(limit) = limit {
        outer
            .order_by("start_at", Order::Asc)
            .order_by("release", Order::Asc)
            .limit(limit);
    }
    outer
}

fn conditions(filter: &CalendarFilter) -> Cond {
    let mut all = Cond::all();
    if let Some(organizations) = &filter.organizations {
        let texts = organizations.iter().map(organization_text);
        all = all.add(Expr::col("organization").is_in(texts));
    }
    if !filter.statuses.is_empty() {
        let texts = filter.statuses.iter().map(|status| status.as_str());
        all = all.add(Expr::col("status").is_in(texts));
    }
    if !filter.types.is_empty() {
        let texts = filter.types.iter().map(|kind| type_text(*kind));
        all = all.add(Expr::col("type").is_in(texts));
    }
    if !filter.groups.is_empty() {
        let texts = filter.groups.iter().map(Name::as_str);
        all = all.add(Expr::col("release_group").is_in(texts));
    }
    if let Some(manager) = &filter.manager {
        all = all.add(Expr::col("manager").eq(manager.to_string()));
    }
    let names = |names: &[Name]| names.iter().map(Name::to_string).collect::<Vec<_>>();
    for (list, wanted) in [
        ("processes", names(&filter.processes)),
        ("teams", names(&filter.teams)),
        ("services", filter.services.clone()),
        ("environments", filter.environments.clone()),
    ] {
        if !wanted.is_empty() {
            let one = |word: &String| Expr::col(list).like(holding(&format!(" {word} ")));
            all = all.add(
                wanted
                    .iter()
                    .fold(Cond::any(), |any, word| any.add(one(word))),
            );
        }
    }
    for (key, value) in &filter.labels {
        all = all.add(Expr::col("labels").like(holding(&format!(" {key}={value} "))));
    }
    for word in words::sought(&filter.search) {
        all = all.add(Expr::col("search").like(holding(&word)));
    }
    if filter.announced {
        all = all.add(Expr::col("announced").eq(1));
    }
    all
}

fn row(row: &QueryResult) -> Result<CalendarRow, StoreError> {
    let labels: String = column(row, "labels")?;
    let labels = labels
        .split_whitespace()
        .map(|label| label.split_once('=').unwrap_or((label, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let kind: String = column(row, "type")?;
    Ok(CalendarRow {
        release: release_id(row)?,
        organization: name_of(row, "organization")?,
        name: column(row, "name")?,
        status: status(row)?,
        release_type: serde_json::from_value(kind.into())
            .map_err(|error| StoreError::Damaged(error.to_string()))?,
        process: name_of(row, "process")?
            .ok_or_else(|| StoreError::Damaged("a release of no process".to_owned()))?,
        group: name_of(row, "release_group")?,
        manager: read(row, "manager")?,
        labels: labels.collect(),
        teams: listed(row, "teams")?
            .iter()
            .filter_map(|team| team.parse().ok())
            .collect(),
        place: place(row)?,
        start_at: instant_of(row, "planned_start")?,
        expected_end_at: instant_of(row, "planned_end")?,
        started_at: instant_of(row, "started_at")?,
        ended_at: instant_of(row, "ended_at")?,
        touches: Touches {
            services: listed(row, "services")?,
            environments: listed(row, "environments")?,
            exclusive: listed(row, "exclusive")?,
        },
        changes: count(row, "changes")?,
        changed_at: instant(row, "changed_at")?,
    })
}

fn place(row: &QueryResult) -> Result<Place, StoreError> {
    Ok(Place {
        span: Span::new(instant(row, "start_at")?, instant(row, "end_at")?),
        open: column::<i64>(row, "class")? == OPEN,
    })
}

fn release_id(row: &QueryResult) -> Result<ReleaseId, StoreError> {
    Ok(ReleaseId(column::<i64>(row, "release")?.unsigned_abs()))
}

fn count(row: &QueryResult, name: &str) -> Result<u32, StoreError> {
    Ok(u32::try_from(column::<i64>(row, name)?).unwrap_or(u32::MAX))
}

fn status(row: &QueryResult) -> Result<ReleaseStatus, StoreError> {
    let name: String = column(row, "status")?;
    let known = ReleaseStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == name);
    known.ok_or_else(|| StoreError::Damaged(format!("`{name}` is not a status of a release")))
}

fn listed(row: &QueryResult, name: &str) -> Result<BTreeSet<String>, StoreError> {
    let words: String = column(row, name)?;
    Ok(words.split_whitespace().map(str::to_owned).collect())
}

/// A word that may be absent, which is the empty text.
fn read<T: std::str::FromStr>(row: &QueryResult, name: &str) -> Result<Option<T>, StoreError> {
    let text: String = column(row, name)?;
    if text.is_empty() {
        return Ok(None);
    }
    let read = text.parse().map(Some);
    read.map_err(|_| StoreError::Damaged(format!("`{text}` does not fit `{name}`")))
}

fn name_of(row: &QueryResult, name: &str) -> Result<Option<Name>, StoreError> {
    read(row, name)
}

fn instant(row: &QueryResult, name: &str) -> Result<Timestamp, StoreError> {
    at(column(row, name)?)
}

fn instant_of(row: &QueryResult, name: &str) -> Result<Option<Timestamp>, StoreError> {
    column::<Option<i64>>(row, name)?.map(at).transpose()
}

fn at(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::Damaged(error.to_string()))
}
