//! The calendar's rows: how long they are decides where they lie, so that a stretch of time is found by an index.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::ports::ReleaseColumns;

use crate::commit::big;
use crate::script::Cell;

/// How long it is told that a release has gone from the calendar, in microseconds: 60 days.
pub(crate) const GONE_KEPT_MICROS: i64 = 60 * 24 * HOUR;

const HOUR: i64 = 3_600_000_000;

/// The class of what is under way: it lasts until now at least, whatever its row says.
pub(crate) const OPEN: i64 = -1;

/// The classes of all others.
pub(crate) const CLASSES: std::ops::RangeInclusive<i64> = 0..=13;

/// How long the rows of a class are at most, in microseconds: an hour, four, sixteen and so on; the last has no limit.
pub(crate) fn length_max(class: i64) -> i64 {
    match u32::try_from(class) {
        Ok(power) if class < *CLASSES.end() => HOUR * 4_i64.pow(power),
        _ => i64::MAX,
    }
}

fn class(length: i64) -> i64 {
    CLASSES
        .into_iter()
        .find(|class| length <= length_max(*class))
        .unwrap_or(*CLASSES.end())
}

/// Tells whether the row of a release may have changed.
pub(crate) fn digest(columns: &ReleaseColumns) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ReleaseColumns {
        organization,
        name,
        process,
        status,
        release_type,
        labels,
        start_at,
        ended_at,
        group,
        calendar,
        ..
    } = columns;
    (organization, name, process, status, release_type, labels).hash(&mut hasher);
    (start_at, ended_at, group, calendar).hash(&mut hasher);
    hasher.finish()
}

/// The row of a release; none if it does not stand in the calendar.
pub(crate) fn cells(release: ReleaseId, columns: &ReleaseColumns) -> Option<Vec<Cell>> {
    let calendar = columns.calendar.as_ref()?;
    let class = match calendar.open {
        true => OPEN,
        false => class(calendar.end - calendar.start),
    };
    let search = format!("{} {}", columns.name, columns.labels).to_lowercase();
    Some(vec![
        Cell::from(class),
        Cell::from(calendar.start),
        Cell::from(big(release.0)),
        Cell::from(calendar.end),
        Cell::from(&columns.organization),
        Cell::from(&columns.name),
        Cell::from(search),
        Cell::from(&columns.status),
        Cell::from(&columns.release_type),
        Cell::from(&columns.process),
        Cell::from(&columns.group),
        Cell::from(&calendar.manager),
        Cell::from(&columns.labels),
        Cell::from(&calendar.teams),
        Cell::from(&calendar.processes),
        Cell::from(&calendar.services),
        Cell::from(&calendar.environments),
        Cell::from(&calendar.exclusive),
        Cell::from(columns.start_at),
        Cell::from(calendar.expected_end_at),
        Cell::from(calendar.started_at),
        Cell::from(columns.ended_at),
        Cell::from(i64::from(calendar.changes)),
        Cell::from(calendar.changed_at),
        Cell::from(calendar.announced),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_is_at_most_as_long_as_it_says() {
        assert_eq!((class(0), class(HOUR), class(HOUR + 1)), (0, 0, 1));
        assert_eq!(class(48 * HOUR), 3);
        assert_eq!(class(i64::MAX), 13);
        for class in CLASSES.skip(1) {
            assert!(length_max(class) > length_max(class - 1));
        }
    }
}
