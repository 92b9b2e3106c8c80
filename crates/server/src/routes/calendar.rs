//! The calendar: what takes place when, how much there is, what would be, and when there is room.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use trainmaster_api::{
    CalendarBand, CalendarCheck, CalendarDay, CalendarView, CapacityPeriod, CapacityView,
    CheckCalendar, WarningView,
};
use trainmaster_core::account::Capacity;
use trainmaster_core::calendar::conflict::{Clash, Planned, clash, clashes};
use trainmaster_core::calendar::period::{Count, Period, View, counts, day_count, days, periods};
use trainmaster_core::calendar::slots::{HORIZON_DAYS, Neighbour, Obstacles, SLOTS_MAX};
use trainmaster_core::calendar::span::{LENGTH_DEFAULT, Span};
use trainmaster_core::calendar::touch::Touches;
use trainmaster_core::command::NewRelease;
use trainmaster_core::freeze::{Freeze, FreezeEffect, Subject};
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_store::read::{CalendarFilter, CalendarRow, PageRequest, ROWS_MAX};

use super::freezes;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Payload, Query, instant_of, name_of, release_id};
use crate::rows;
use crate::state::App;
use crate::views::{calendar as shown, instant};

/// How many releases a page of the calendar holds if nobody says.
const LIMIT_DEFAULT: u64 = 500;
/// How many releases a page of the calendar holds at most.
const LIMIT_MAX: u64 = 1_000;
/// How many days are shown at once.
const RANGE_DAYS_MAX: i64 = 400;
/// How many periods are counted at once.
const PERIODS_MAX: usize = 400;
/// With how many releases the ones that are shown are compared.
const OTHERS_MAX: u64 = 5_000;
/// How far beyond what is shown others are looked for.
const BEYOND: SignedDuration = SignedDuration::from_hours(24 * 92);
/// How many bands of freezes are drawn at most.
const BANDS_MAX: usize = 1_000;
/// How many free slots are named if nobody says.
const SLOTS_DEFAULT: u64 = 5;

/// Which part of the calendar.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ShowCalendar {
    /// A day to jump to, such as `2026-12-24`, or a time; today if absent.
    from: Option<String>,
    /// The day or time after the last one; absent shows the whole view that holds `from`.
    to: Option<String>,
    /// `day`, `week`, `month` (the default) or `quarter`.
    view: Option<String>,
    /// The IANA zone of the days; UTC if absent.
    zone: Option<String>,
    /// How many releases to show per day, 1 to 100; the others are counted.
    #[param(minimum = 1, maximum = 100)]
    per_day: Option<u64>,
    /// How many releases at most, 1 to 1000; 500 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    filter: FilterCalendar,
}

/// Which releases of the calendar; several words of one parameter are separated by commas and mean any of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct FilterCalendar {
    /// `false`: hide what has ended.
    completed: Option<String>,
    /// `true`: show drafts that have a time too.
    drafts: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only with one of these statuses.
    status: Option<String>,
    /// Only of these types.
    r#type: Option<String>,
    /// Only of these processes, or with a subprocess of them.
    process: Option<String>,
    /// The same as `process`.
    pipeline: Option<String>,
    /// Only of these release groups.
    group: Option<String>,
    /// Only those that involve one of these teams.
    team: Option<String>,
    /// Only those that touch one of these services.
    service: Option<String>,
    /// Only those that touch one of these environments.
    environment: Option<String>,
    /// Only those with this release manager, such as `user:ada`.
    manager: Option<String>,
    /// Only with all of these labels: `key=value`.
    label: Option<String>,
    /// Only with all of these tags.
    tag: Option<String>,
    /// Only with these words, or parts of words, in name or labels.
    search: Option<String>,
}

/// A stretch of time as it was asked for.
struct Asked {
    view: Option<View>,
    zone: TimeZone,
    zone_name: String,
    first: Date,
    range: Span,
}

/// What takes place in a day, a week, a month, a quarter or any range.
#[utoipa::path(get, path = "/api/v1/calendar", tag = "calendar", params(ShowCalendar, FilterCalendar),
    responses((status = 200, description = "The calendar", body = CalendarView)))]
pub(crate) async fn show_calendar(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ShowCalendar>,
) -> ApiResult<Json<CalendarView>> {
    let as_of = app.position();
    let now = app.now();
    let asked = asked(&app, &query)?;
    let page = page(&query)?;
    let filter = query.filter.read(&viewer)?;
    let found = app
        .store()
        .list_calendar(&filter, asked.range, now, &page)
        .await?;
    let whole = page.cursor.is_none() && found.next.is_none();
    let others = others(&app, &viewer, &found.items, now).await?;
    let planned: Vec<Planned<'_>> = others.iter().map(|row| planned(row, now)).collect();
    let clashes = clashes(&planned);
    let list = periods(asked.range, View::Day, &asked.zone, PERIODS_MAX);
    let spans: Vec<Span> = match whole {
        true => found.items.iter().map(|row| row.place.at(now)).collect(),
        false => {
            let places = app.store().calendar_places(&filter, asked.range, now);
            places.await?.iter().map(|place| place.at(now)).collect()
        }
    };
    let incomplete = spans.len() as u64 >= ROWS_MAX || others.len() as u64 >= OTHERS_MAX;
    let all = counts(&list, spans);
    let items = per_day(found.items, &list, query.per_day, now);
    let shown_spans = items.iter().map(|row| row.place.at(now));
    let days = overflow(&list, &all, &counts(&list, shown_spans));
    let none = Clash::default();
    let items = items.iter().map(|row| {
        let index = others.iter().position(|other| other.release == row.release);
        let clash = index.map_or(&none, |index| &clashes[index]);
        shown::entry(row, clash, &others, now, |permission| {
            viewer.may(permission, row.organization.as_ref())
        })
    });
    let items = items.collect();
    let step = |steps| {
        let view = asked.view?;
        Some(view.step(asked.first, steps).to_string())
    };
    Ok(Json(CalendarView {
        view: asked.view.map(|view| view.as_str().to_owned()),
        from: instant(asked.range.start),
        to: instant(asked.range.end),
        previous_from: step(-1),
        next_from: step(1),
        zone: asked.zone_name,
        items,
        next: found.next,
        days,
        bands: bands(&app, &viewer, asked.range, |_| true).await?.0,
        legend: shown::legend(),
        incomplete,
        as_of,
    }))
}

fn page(query: &ShowCalendar) -> ApiResult<PageRequest> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let message = format!("must be a number from 1 to {LIMIT_MAX}");
        return Err(ApiError::invalid_query("limit", message));
    }
    if query
        .per_day
        .is_some_and(|count| !(1..=100).contains(&count))
    {
        let message = "must be a number from 1 to 100";
        return Err(ApiError::invalid_query("perDay", message));
    }
    Ok(PageRequest {
        limit,
        cursor: query.cursor.clone(),
    })
}

fn asked(app: &App, query: &ShowCalendar) -> ApiResult<Asked> {
    let (zone, zone_name) = zone(app, query.zone.as_deref())?;
    let named = query.view.as_deref().unwrap_or("month");
    let view = View::ALL.into_iter().find(|view| view.as_str() == named);
    let view = view.ok_or_else(|| {
        ApiError::invalid_query("view", "must be `day`, `week`, `month` or `quarter`")
    })?;
    let today = app.now().to_zoned(zone.clone()).date();
    let from = match &query.from {
        Some(text) => when("from", text, &zone)?,
        None => When::Day(today),
    };
    let day = match from {
        When::Day(day) => day,
        When::Instant(at) => at.to_zoned(zone.clone()).date(),
    };
    let Some(to) = &query.to else {
        let range = view.around(day, &zone);
        return Ok(Asked {
            view: Some(view),
            first: view.first(day),
            zone,
            zone_name,
            range: limited(range)?,
        });
    };
    let begin = from.instant(&zone);
    let end = when("to", to, &zone)?.instant(&zone);
    if end <= begin {
        return Err(ApiError::invalid_query("to", "must lie after `from`"));
    }
    Ok(Asked {
        view: None,
        first: day,
        zone,
        zone_name,
        range: limited(Span::new(begin, end))?,
    })
}

fn limited(range: Span) -> ApiResult<Span> {
    if day_count(&range) > RANGE_DAYS_MAX || range.is_empty() {
        let message = format!("at most {RANGE_DAYS_MAX} days are shown at once");
        return Err(ApiError::invalid_query("to", message));
    }
    Ok(range)
}

fn zone(app: &App, name: Option<&str>) -> ApiResult<(TimeZone, String)> {
    let name = name.unwrap_or("UTC");
    match app.zones().get(name) {
        Ok(zone) => Ok((zone, name.to_owned())),
        Err(_) => Err(ApiError::invalid_query(
            "zone",
            "must be an IANA zone such as `Europe/Berlin`",
        )),
    }
}

/// A day or an instant, as written in a query.
enum When {
    Day(Date),
    Instant(Timestamp),
}

impl When {
    fn instant(&self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Day(day) => days(*day, *day, zone).start,
            When::Instant(at) => *at,
        }
    }
}

fn when(parameter: &str, text: &str, zone: &TimeZone) -> ApiResult<When> {
    let expected = "must be a day such as `2026-12-24` or a time such as `2026-12-24T12:00:00Z`";
    let refused = || ApiError::invalid_query(parameter, expected);
    let found = match (text.len(), text.parse::<Date>()) {
        (10, Ok(day)) => When::Day(day),
        _ => When::Instant(text.parse().map_err(|_| refused())?),
    };
    // Far from the ends of the calendar every view has a beginning and an end.
    let year = found.instant(zone).to_zoned(zone.clone()).year();
    match (1900..=9000).contains(&year) {
        true => Ok(found),
        false => Err(refused()),
    }
}

impl FilterCalendar {
    /// The filter of the store, within what the viewer may see.
    pub(super) fn read(&self, viewer: &Viewer) -> ApiResult<CalendarFilter> {
        let names = |parameter: &str, text: Option<&str>| -> ApiResult<Vec<Name>> {
            let names = list(text).map(|word| {
                word.parse()
                    .map_err(|error: trainmaster_core::ids::InvalidName| {
                        ApiError::invalid_query(parameter, error.to_string())
                    })
            });
            names.collect()
        };
        let touched = |text: Option<&str>| -> Vec<String> {
            list(text)
                .filter_map(trainmaster_core::calendar::touch::normal)
                .collect()
        };
        let mut processes = names("process", self.process.as_deref())?;
        processes.extend(names("pipeline", self.pipeline.as_deref())?);
        let mut labels = rows::labels(self.label.as_deref());
        labels.extend(rows::labels(self.tag.as_deref()));
        let manager = self.manager.as_deref().filter(|text| !text.is_empty());
        let manager = manager.map(str::parse::<Owner>).transpose();
        Ok(CalendarFilter {
            organizations: rows::organizations(viewer, self.organization.as_deref())?,
            statuses: self.statuses()?,
            types: rows::words("type", self.r#type.as_deref())?,
            processes,
            groups: names("group", self.group.as_deref())?,
            teams: names("team", self.team.as_deref())?,
            services: touched(self.service.as_deref()),
            environments: touched(self.environment.as_deref()),
            manager: manager
                .map_err(|error| ApiError::invalid_query("manager", error.to_string()))?,
            labels,
            search: self.search.clone().unwrap_or_default(),
            announced: false,
        })
    }

    /// Whether nothing is said about which statuses to show.
    pub(super) fn shows_every_status(&self) -> bool {
        let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        empty(&self.status) && self.completed.as_deref() != Some("false")
    }

    /// The statuses that are named, else all but drafts; without the ended ones if those are to be hidden.
    fn statuses(&self) -> ApiResult<Vec<ReleaseStatus>> {
        let completed = flag("completed", self.completed.as_deref())?.unwrap_or(true);
        let drafts = flag("drafts", self.drafts.as_deref())?.unwrap_or(false);
        let named: Vec<ReleaseStatus> = rows::words("status", self.status.as_deref())?;
        let is_wanted = |status: &ReleaseStatus| match named.is_empty() {
            true => drafts || *status != ReleaseStatus::Draft,
            false => named.contains(status),
        };
        let wanted = ReleaseStatus::ALL.into_iter().filter(is_wanted);
        let wanted: Vec<ReleaseStatus> = wanted
            .filter(|status| completed || !status.is_terminal())
            .collect();
        match wanted.is_empty() {
            true => Err(ApiError::invalid_query(
                "status",
                "nothing is left: what has ended is hidden",
            )),
            false => Ok(wanted),
        }
    }
}

fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    let words = text.unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).take(100)
}

fn flag(parameter: &str, text: Option<&str>) -> ApiResult<Option<bool>> {
    match text {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::invalid_query(
            parameter,
            "must be `true` or `false`",
        )),
    }
}

/// Everything but drafts that the viewer sees around what is shown, to compare it with.
async fn others(
    app: &App,
    viewer: &Viewer,
    items: &[CalendarRow],
    now: Timestamp,
) -> ApiResult<Vec<CalendarRow>> {
    let spans = || items.iter().map(|row| row.place.at(now));
    let (Some(first), Some(last)) = (
        spans().map(|span| span.start).min(),
        spans().map(|span| span.end).max(),
    ) else {
        return Ok(Vec::new());
    };
    let starts = spans().map(|span| span.start).max().unwrap_or(last);
    let range = Span::new(first, last.min(starts.checked_add(BEYOND).unwrap_or(last)));
    let mut others = app
        .store()
        .calendar_rows(&settled(viewer)?, range, now, OTHERS_MAX)
        .await?;
    // Drafts that are shown themselves are compared as well.
    let known: BTreeSet<ReleaseId> = others.iter().map(|row| row.release).collect();
    let lacking = items.iter().filter(|row| !known.contains(&row.release));
    others.extend(lacking.cloned());
    Ok(others)
}

/// Everything but drafts that the viewer sees: what others may count on.
fn settled(viewer: &Viewer) -> ApiResult<CalendarFilter> {
    let mut filter = CalendarFilter::seen(rows::organizations(viewer, None)?);
    filter.statuses = ReleaseStatus::ALL
        .into_iter()
        .filter(|status| *status != ReleaseStatus::Draft)
        .collect();
    Ok(filter)
}

fn planned(row: &CalendarRow, now: Timestamp) -> Planned<'_> {
    Planned {
        span: row.place.at(now),
        touches: &row.touches,
    }
}

/// Those that are among the first few on at least one of their days.
fn per_day(
    items: Vec<CalendarRow>,
    list: &[Period],
    per_day: Option<u64>,
    now: Timestamp,
) -> Vec<CalendarRow> {
    let Some(most) = per_day else {
        return items;
    };
    let mut room = vec![most; list.len()];
    let mut takes_room = |row: &CalendarRow| {
        let span = row.place.at(now);
        let first = list.partition_point(|day| day.span.end <= span.start);
        let end = list.partition_point(|day| day.span.start < span.end);
        let days = first..end.max(first + 1).min(list.len());
        let mut has_room = false;
        for day in days {
            has_room |= room[day] > 0;
            room[day] = room[day].saturating_sub(1);
        }
        has_room
    };
    items.into_iter().filter(|row| takes_room(row)).collect()
}

fn overflow(list: &[Period], all: &[Count], shown: &[Count]) -> Vec<CalendarDay> {
    let day = |((day, all), shown): ((&Period, &Count), &Count)| CalendarDay {
        date: day.first.to_string(),
        count: all.active as u64,
        more: all.active.saturating_sub(shown.active) as u64,
    };
    list.iter().zip(all).zip(shown).map(day).collect()
}

/// Which periods to count.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct CountCalendar {
    /// A day, or a time; today if absent.
    from: Option<String>,
    /// The day or time after the last one; absent counts a quarter.
    to: Option<String>,
    /// `day`, `week` (the default) or `month`.
    per: Option<String>,
    /// The IANA zone of the days; UTC if absent.
    zone: Option<String>,
    #[serde(flatten)]
    #[param(ignore)]
    filter: FilterCalendar,
}

/// How many releases begin and take place in each day, week or month.
#[utoipa::path(get, path = "/api/v1/calendar/capacity", tag = "calendar", params(CountCalendar, FilterCalendar),
    responses((status = 200, description = "The counts", body = CapacityView)))]
pub(crate) async fn get_capacity(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<CountCalendar>,
) -> ApiResult<Json<CapacityView>> {
    let as_of = app.position();
    let now = app.now();
    let per = query.per.as_deref().unwrap_or("week");
    let view = [View::Day, View::Week, View::Month];
    let view = view.into_iter().find(|view| view.as_str() == per);
    let view =
        view.ok_or_else(|| ApiError::invalid_query("per", "must be `day`, `week` or `month`"))?;
    let asked = asked(
        &app,
        &ShowCalendar {
            from: query.from,
            to: query.to,
            view: Some("quarter".to_owned()),
            zone: query.zone,
            ..ShowCalendar::default()
        },
    )?;
    let filter = query.filter.read(&viewer)?;
    let list = periods(asked.range, view, &asked.zone, PERIODS_MAX);
    // Weeks and months are counted whole, though the range may begin or end inside of one.
    let whole = list.first().zip(list.last());
    let range = whole.map_or(asked.range, |(first, last)| {
        Span::new(first.span.start, last.span.end)
    });
    let places = app.store().calendar_places(&filter, range, now).await?;
    let counts = counts(&list, places.iter().map(|place| place.at(now)));
    let limit = app.capacity().await?.of(view);
    let over = |count: &Count| limit.is_some_and(|limit| count.starting > limit as usize);
    let period = |(period, count): (&Period, &Count)| CapacityPeriod {
        date: period.first.to_string(),
        from: instant(period.span.start),
        to: instant(period.span.end),
        starting: count.starting as u64,
        active: count.active as u64,
        over: over(count),
    };
    Ok(Json(CapacityView {
        per: per.to_owned(),
        zone: asked.zone_name,
        items: list.iter().zip(&counts).map(period).collect(),
        limit,
        incomplete: places.len() as u64 >= ROWS_MAX,
        as_of,
    }))
}

impl App {
    /// How many releases the account's settings allow for in a period.
    async fn capacity(&self) -> ApiResult<Capacity> {
        Ok(self.account().await?.capacity)
    }
}

/// What would be if a release took place at another time, and when there is room for it.
#[utoipa::path(post, path = "/api/v1/calendar/check", tag = "calendar", request_body = CheckCalendar,
    responses((status = 200, description = "What would be", body = CalendarCheck)))]
pub(crate) async fn check_calendar(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CheckCalendar>,
) -> ApiResult<Json<CalendarCheck>> {
    let plan = plan(&app, &viewer, payload.body).await?;
    Ok(Json(check(&app, &viewer, &plan).await?))
}

/// A release at a time.
pub(super) struct Plan {
    release: Option<ReleaseId>,
    organization: Option<Name>,
    labels: BTreeMap<String, String>,
    touches: Touches,
    span: Span,
    after: Vec<ReleaseId>,
    followers: Vec<ReleaseId>,
    zone: TimeZone,
    slots: usize,
}

async fn plan(app: &App, viewer: &Viewer, asked: CheckCalendar) -> ApiResult<Plan> {
    let start = instant_of("startAt", asked.start_at.as_deref())?;
    let end = instant_of("expectedEndAt", asked.expected_end_at.as_deref())?;
    let slots = asked.slots.unwrap_or(SLOTS_DEFAULT).min(SLOTS_MAX as u64);
    let after: ApiResult<Vec<ReleaseId>> = asked.after.iter().map(|id| release_id(id)).collect();
    let mut plan = match &asked.release {
        Some(id) => existing(app, viewer, release_id(id)?, start, end).await?,
        None => new(app, viewer, &asked, start, end).await?,
    };
    plan.slots = usize::try_from(slots).unwrap_or(SLOTS_MAX);
    plan.after.extend(after?);
    if let Some(name) = &asked.zone {
        plan.zone = app.zones().get(name).map_err(|_| {
            ApiError::invalid_field("zone", "must be an IANA zone such as `Europe/Berlin`")
        })?;
    }
    let normal = |names: &[String]| -> BTreeSet<String> {
        names
            .iter()
            .filter_map(|name| trainmaster_core::calendar::touch::normal(name))
            .take(trainmaster_core::calendar::touch::TOUCHES_MAX)
            .collect()
    };
    plan.touches
        .services
        .extend(normal(&asked.touches.services));
    plan.touches
        .environments
        .extend(normal(&asked.touches.environments));
    plan.touches
        .exclusive
        .extend(normal(&asked.touches.exclusive));
    Ok(plan)
}

/// An existing release, at the time that is asked about or else its own.
async fn existing(
    app: &App,
    viewer: &Viewer,
    id: ReleaseId,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> ApiResult<Plan> {
    let snapshot = app.release(viewer, id).await?;
    let now = app.now();
    let found = snapshot.ask(viewer, |world| world.release(id).cloned())?;
    let release = found.ok_or_else(|| ApiError::unknown_release(&id.to_string()))?;
    let own = release.place().map(|place| place.at(now));
    let span = span(start, end, own)?;
    let (zone, _) = zone(app, Some(&release.zone))?;
    let open = release.after.iter().filter(|(_, satisfied)| !**satisfied);
    Ok(Plan {
        release: Some(id),
        organization: release.organization.clone(),
        labels: release.labels.clone(),
        touches: release.touches().clone(),
        span,
        after: open.map(|(before, _)| *before).collect(),
        followers: release.followers.iter().copied().collect(),
        zone,
        slots: 0,
    })
}

/// A release that is not there yet.
async fn new(
    app: &App,
    viewer: &Viewer,
    asked: &CheckCalendar,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> ApiResult<Plan> {
    let organization = name_of("organization", asked.organization.as_deref())?;
    if !viewer.sees(organization.as_ref()) {
        let message = "there is no such organization that you may see";
        return Err(ApiError::invalid_field("organization", message));
    }
    let process = name_of("process", asked.process.as_deref())?;
    let new = NewRelease {
        process,
        organization,
        inputs: asked.inputs.clone(),
        input_set: name_of("inputSet", asked.input_set.as_deref())?,
        labels: asked.labels.clone(),
        ..NewRelease::default()
    };
    let touches = match &new.process {
        Some(_) => app.touches_of_new(&new).await?,
        None => Touches::of(&new.labels, &[], |_| None),
    };
    Ok(Plan {
        release: None,
        organization: new.organization,
        labels: new.labels,
        touches,
        span: span(start, end, None)?,
        after: Vec::new(),
        followers: Vec::new(),
        zone: TimeZone::UTC,
        slots: 0,
    })
}

/// The time that is asked about: what is not said is as it is, or as long as it is.
fn span(start: Option<Timestamp>, end: Option<Timestamp>, own: Option<Span>) -> ApiResult<Span> {
    let Some(begin) = start.or(own.map(|own| own.start)) else {
        return Err(ApiError::invalid_field(
            "startAt",
            "say when it would start",
        ));
    };
    let length = own.map_or(LENGTH_DEFAULT, |own| own.length());
    match end {
        None => Ok(Span::lasting(begin, length)),
        Some(end) if end > begin => Ok(Span::new(begin, end)),
        Some(_) => Err(ApiError::invalid_field(
            "expectedEndAt",
            "lies before the start",
        )),
    }
}

async fn check(app: &App, viewer: &Viewer, plan: &Plan) -> ApiResult<CalendarCheck> {
    let as_of = app.position();
    let now = app.now();
    let span = plan.span;
    let ahead = SignedDuration::from_hours(24 * HORIZON_DAYS) + span.length();
    let end = match plan.slots {
        0 => span.end,
        _ => span.start.checked_add(ahead).unwrap_or(span.end),
    };
    let range = Span::new(span.start, end.max(span.end));
    let mut rows = app
        .store()
        .calendar_rows(&settled(viewer)?, range, now, OTHERS_MAX)
        .await?;
    rows.retain(|row| Some(row.release) != plan.release && !row.status.is_terminal());
    let others: Vec<Planned<'_>> = rows.iter().map(|row| planned(row, now)).collect();
    let found = clash(
        Planned {
            span,
            touches: &plan.touches,
        },
        &others,
    );
    let neighbours = neighbours(app, viewer, plan, now).await?;
    let mut warnings = clash_warnings(&found, &rows);
    warnings.extend(
        neighbours
            .iter()
            .filter(|(neighbour, _)| neighbour.contradicts(&span))
            .map(|(neighbour, row)| contradiction(neighbour, row)),
    );
    let subject = Subject {
        organization: plan.organization.as_ref(),
        services: &plan.touches.services,
        environments: &plan.touches.environments,
        labels: &plan.labels,
    };
    let concerns = |freeze: &Freeze| freeze.concerns(&subject);
    let (mut drawn, frozen) = bands(app, viewer, range, concerns).await?;
    let (begins, ends) = (instant(span.start), instant(span.end));
    drawn.retain(|band| band.from < ends && band.to > begins);
    let obstacles = Obstacles::new(
        &plan.touches,
        others.iter().copied(),
        frozen,
        neighbours.iter().map(|(neighbour, _)| *neighbour),
    );
    // Rows that were not read may stand in the way, so nothing is promised behind the last one that was.
    let known_until = (rows.len() as u64 + 1 >= OTHERS_MAX)
        .then(|| rows.last().map(|row| row.place.span.start))
        .flatten();
    let free = obstacles.free(span.start, span.length(), &plan.zone, plan.slots);
    let free = free
        .into_iter()
        .filter(|slot| known_until.is_none_or(|until| slot.end <= until));
    Ok(CalendarCheck {
        from: instant(span.start),
        to: instant(span.end),
        touches: shown::touches(&plan.touches),
        mark: shown::mark(&found),
        conflicts: shown::conflicts(&found, &rows, now),
        more_conflicts: found.more,
        overlaps: found.overlaps as u64,
        bands: drawn,
        warnings,
        free: free.map(shown::slot).collect(),
        as_of,
    })
}

/// Freezes of a range that the viewer sees: as bands, and when nothing may start because of them.
async fn bands(
    app: &App,
    viewer: &Viewer,
    range: Span,
    concerns: impl Fn(&Freeze) -> bool,
) -> ApiResult<(Vec<CalendarBand>, Vec<Span>)> {
    let mut drawn = Vec::new();
    let mut frozen = Vec::new();
    for (freeze, scope) in freezes::seen(app, viewer).await? {
        if !concerns(&freeze) {
            continue;
        }
        let room = BANDS_MAX.saturating_sub(drawn.len());
        for stretch in freeze.windows.between(range.start, range.end, room) {
            if freeze.effect == FreezeEffect::Defer {
                frozen.push(Span::new(stretch.from, stretch.to));
            }
            drawn.push(shown::band(&freeze, &scope, stretch));
        }
    }
    drawn.sort_by(|one, other| (&one.from, &one.freeze).cmp(&(&other.from, &other.freeze)));
    Ok((drawn, frozen))
}

fn clash_warnings(found: &Clash, rows: &[CalendarRow]) -> Vec<WarningView> {
    let warning = |conflict: &trainmaster_core::calendar::conflict::Conflict| {
        let other = &rows[conflict.other];
        WarningView {
            code: "conflict".to_owned(),
            field: Some("startAt".to_owned()),
            message: format!(
                "takes place at the same time as `{}` ({}): {}",
                other.release, other.name, conflict.shared
            ),
        }
    };
    found.conflicts.iter().map(warning).collect()
}

/// Releases that the order of `after` puts before or behind it, as far as the viewer sees them in the calendar.
async fn neighbours(
    app: &App,
    viewer: &Viewer,
    plan: &Plan,
    now: Timestamp,
) -> ApiResult<Vec<(Neighbour, CalendarRow)>> {
    let before = plan.after.iter().map(|id| (*id, true));
    let behind = plan.followers.iter().map(|id| (*id, false));
    let mut found = Vec::new();
    for (id, is_before) in before.chain(behind).take(100) {
        let row = app.store().calendar_row(id).await?;
        let seen = row.filter(|row| viewer.sees(row.organization.as_ref()));
        let Some(row) = seen.filter(|row| !row.status.is_terminal()) else {
            continue;
        };
        let span = row.place.at(now);
        let neighbour = match is_before {
            true => Neighbour::Before(span),
            false => Neighbour::After(span),
        };
        found.push((neighbour, row));
    }
    Ok(found)
}

fn contradiction(neighbour: &Neighbour, row: &CalendarRow) -> WarningView {
    let (code, message) = match neighbour {
        Neighbour::Before(span) => (
            "planned-before-predecessor",
            format!(
                "would begin before `{}` ({}) ends at {}, which it comes after",
                row.release, row.name, span.end
            ),
        ),
        Neighbour::After(span) => (
            "planned-after-follower",
            format!(
                "would end after `{}` ({}) begins at {}, which comes after it",
                row.release, row.name, span.start
            ),
        ),
    };
    WarningView {
        code: code.to_owned(),
        message,
        field: Some("startAt".to_owned()),
    }
}

/// Other releases that want the same at the same time as this one, a sentence each.
pub(super) async fn conflicts(app: &App, viewer: &Viewer, id: ReleaseId) -> ApiResult<Vec<String>> {
    let found = warnings(app, viewer, id).await?.into_iter();
    Ok(found
        .filter(|warning| warning.code == "conflict")
        .map(|warning| warning.message)
        .collect())
}

/// What there is to think about when a release takes place when it does.
pub(super) async fn warnings(
    app: &App,
    viewer: &Viewer,
    id: ReleaseId,
) -> ApiResult<Vec<WarningView>> {
    match existing(app, viewer, id, None, None).await {
        Ok(plan) => Ok(check(app, viewer, &plan).await?.warnings),
        // A release without a time collides with nothing.
        Err(error) if error.problem.code == "invalid-body" => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
