//! When things recur: held against counting through every day and every change of the clocks.

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use trainmaster_core::calendar::cadence::{CadenceSpec, DayWords};
use trainmaster_core::calendar::recurrence::{ClockChange, Recurrence};

/// Zones with every habit there is: none, half hours, southern summers, Ramadan, half-hour summers, far east and west.
const ZONES: [&str; 50] = [
    "UTC",
    "Africa/Abidjan",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "Africa/Nairobi",
    "America/Adak",
    "America/Anchorage",
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Bogota",
    "America/Chicago",
    "America/Denver",
    "America/Halifax",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Nuuk",
    "America/Phoenix",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Dubai",
    "Asia/Gaza",
    "Asia/Hong_Kong",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Seoul",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Kiritimati",
];

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect(name)
}

fn day(text: &str) -> Date {
    text.parse().expect(text)
}

fn every(every: &str, on: &[&str]) -> CadenceSpec {
    let on = on.iter().map(|word| (*word).to_owned()).collect();
    CadenceSpec {
        every: Some(every.to_owned()),
        on: Some(DayWords::Several(on)),
        ..CadenceSpec::default()
    }
}

fn rrule(text: &str) -> CadenceSpec {
    CadenceSpec {
        rrule: Some(text.to_owned()),
        ..CadenceSpec::default()
    }
}

fn recurrence(cadence: &CadenceSpec, start: &str, time: &str, zone: TimeZone) -> Recurrence {
    let start = day(start);
    Recurrence {
        rule: cadence.read(start, None).expect("a cadence that matches"),
        except: cadence.except.iter().copied().collect(),
        start,
        end: None,
        time: time.parse::<Time>().expect(time),
        zone,
    }
}

/// The first days of a cadence, as text.
fn days(cadence: &CadenceSpec, start: &str, count: usize) -> Vec<String> {
    recurrence(cadence, start, "09:00", TimeZone::UTC)
        .numbered(None)
        .take(count)
        .map(|numbered| numbered.occurrence.date.to_string())
        .collect()
}

/// Counting by hand, without the library that the calendar is built on.
mod by_hand {
    /// Year, month and day of a day since 1970-01-01.
    pub(super) fn civil(number: i64) -> (i64, i64, i64) {
        let mut rest = number;
        let mut year = 1970;
        while rest >= year_length(year) {
            rest -= year_length(year);
            year += 1;
        }
        let mut month = 1;
        while rest >= month_length(year, month) {
            rest -= month_length(year, month);
            month += 1;
        }
        (year, month, rest + 1)
    }

    pub(super) fn month_length(year: i64, month: i64) -> i64 {
        match month {
            2 if year_length(year) == 366 => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn year_length(year: i64) -> i64 {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        if leap { 366 } else { 365 }
    }

    /// Monday is 1; the first of January 1970 was a Thursday.
    pub(super) fn weekday(number: i64) -> i64 {
        (number + 3) % 7 + 1
    }
}

/// Every change of a zone's clock within some years: when, and the offsets before and after in seconds.
///
/// Found by looking at the clock every six hours and halving where it changed, not by asking for changes.
fn changes(zone: &TimeZone, from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let offset = |second: i64| {
        let at = Timestamp::from_second(second).expect("in range");
        i64::from(zone.to_offset(at).seconds())
    };
    let mut found = Vec::new();
    let (mut last, mut second) = (offset(from), from);
    while second < to {
        let next = second + 6 * 3600;
        let now = offset(next);
        if now != last {
            let (mut low, mut high) = (second, next);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                match offset(middle) == last {
                    true => low = middle,
                    false => high = middle,
                }
            }
            found.push((high, last, now));
        }
        (last, second) = (now, next);
    }
    found
}

/// The second of a local time (in seconds as if it were UTC): shifted in a gap, the first one in a fold.
fn instant(local: i64, first_offset: i64, changes: &[(i64, i64, i64)]) -> i64 {
    let mut offset = first_offset;
    for (at, before, after) in changes {
        // Until the change the clock shows less than this.
        let shown_until = at + before;
        if local < shown_until {
            return local - before;
        }
        // In the gap: as if the clock had not been changed.
        if local < at + after {
            return local - before;
        }
        offset = *after;
    }
    local - offset
}

const SECONDS: i64 = 86_400;

/// Ten years in one zone, day by day.
fn ten_years(
    cadence: &CadenceSpec,
    start: &str,
    time: &str,
    zone_name: &str,
    fits: &dyn Fn(i64) -> bool,
) {
    let zone = zone(zone_name);
    let clock = time.parse::<Time>().expect(time);
    let seconds = i64::from(clock.hour()) * 3600 + i64::from(clock.minute()) * 60;
    let first = day(start).duration_since(day("1970-01-01")).as_secs() / SECONDS;
    let last = first + 3653;
    let from = (first - 3) * SECONDS;
    let changes = changes(&zone, from, (last + 3) * SECONDS);
    let at_first = Timestamp::from_second(from).expect("in range");
    let first_offset = i64::from(zone.to_offset(at_first).seconds());
    let expected: Vec<i64> = (first..last)
        .filter(|number| fits(*number))
        .map(|number| instant(number * SECONDS + seconds, first_offset, &changes))
        .collect();
    let recurrence = recurrence(cadence, start, time, zone);
    let found: Vec<i64> = recurrence
        .numbered(None)
        .take(expected.len())
        .map(|numbered| numbered.occurrence.at.as_second())
        .collect();
    assert_eq!(found, expected, "{cadence:?} in {zone_name}");
    let after: Vec<i64> = recurrence
        .occurrences_after(at_first, expected.len())
        .iter()
        .map(|occurrence| occurrence.at.as_second())
        .collect();
    assert_eq!(after, expected, "{cadence:?} in {zone_name}");
}

fn everywhere(cadence: &CadenceSpec, start: &str, time: &str, fits: &dyn Fn(i64) -> bool) {
    for zone in ZONES {
        ten_years(cadence, start, time, zone, fits);
    }
}

#[test]
fn every_thursday_at_fourteen_holds_over_ten_years_in_fifty_zones() {
    let thursday = |number| by_hand::weekday(number) == 4;
    everywhere(
        &every("weekly", &["thursday"]),
        "2026-11-23",
        "14:00",
        &thursday,
    );
    everywhere(
        &rrule("FREQ=WEEKLY;BYDAY=TH"),
        "2026-11-23",
        "14:00",
        &thursday,
    );
}

#[test]
fn the_first_monday_of_the_month_holds_over_ten_years_in_fifty_zones() {
    let first_monday = |number| by_hand::weekday(number) == 1 && by_hand::civil(number).2 <= 7;
    everywhere(
        &every("monthly", &["first monday"]),
        "2027-01-01",
        "09:00",
        &first_monday,
    );
    everywhere(
        &rrule("FREQ=MONTHLY;BYDAY=1MO"),
        "2027-01-01",
        "02:30",
        &first_monday,
    );
}

#[test]
fn the_first_week_of_a_quarter_holds_over_ten_years_in_fifty_zones() {
    let quarter = |number| [1, 4, 7, 10].contains(&by_hand::civil(number).1);
    let first_week =
        |number| quarter(number) && by_hand::weekday(number) == 1 && by_hand::civil(number).2 <= 7;
    everywhere(
        &every("quarterly", &["first week"]),
        "2026-12-01",
        "08:00",
        &first_week,
    );
    // The first day from Monday to Friday: the first of the month, or what comes right after its weekend.
    let first_weekday = |number| {
        let (_, _, month_day) = by_hand::civil(number);
        let before_is_weekend = (1..month_day).all(|back| by_hand::weekday(number - back) > 5);
        quarter(number) && by_hand::weekday(number) <= 5 && before_is_weekend
    };
    everywhere(
        &every("quarterly", &["first weekday"]),
        "2026-12-01",
        "02:15",
        &first_weekday,
    );
    everywhere(
        &every("quarterly", &[]),
        "2026-12-01",
        "02:15",
        &first_weekday,
    );
}

#[test]
fn every_ten_days_and_every_other_week_hold_over_ten_years_in_fifty_zones() {
    let start = day("2026-11-25")
        .duration_since(day("1970-01-01"))
        .as_secs()
        / SECONDS;
    let tenth = |number: i64| (number - start) % 10 == 0;
    everywhere(&every("10 days", &[]), "2026-11-25", "02:30", &tenth);
    let fortnight = |number: i64| (number - start) % 14 == 0;
    everywhere(&every("biweekly", &[]), "2026-11-25", "23:45", &fortnight);
    let last_of_month = |number: i64| {
        let (year, month, month_day) = by_hand::civil(number);
        month_day == by_hand::month_length(year, month)
    };
    everywhere(
        &every("monthly", &["last day"]),
        "2026-11-25",
        "00:00",
        &last_of_month,
    );
    everywhere(&every("daily", &[]), "2026-11-25", "02:30", &|_| true);
}

#[test]
fn short_forms_mean_what_they_say() {
    for (cadence, start, expected) in [
        (
            every("weekly", &[]),
            "2026-11-26",
            "2026-11-26 2026-12-03 2026-12-10",
        ),
        (
            every("weekly", &["mon", "Friday"]),
            "2026-11-26",
            "2026-11-27 2026-11-30 2026-12-04",
        ),
        (
            every("daily", &["weekdays"]),
            "2026-11-26",
            "2026-11-26 2026-11-27 2026-11-30",
        ),
        (
            every("biweekly", &["thursday"]),
            "2026-11-24",
            "2026-11-26 2026-12-10 2026-12-24",
        ),
        (
            every("3 weeks", &["tuesday"]),
            "2026-11-24",
            "2026-11-24 2026-12-15 2027-01-05",
        ),
        (
            every("monthly", &[]),
            "2026-11-15",
            "2026-11-15 2026-12-15 2027-01-15",
        ),
        (
            every("monthly", &["day 1", "day 15"]),
            "2026-11-15",
            "2026-11-15 2026-12-01 2026-12-15",
        ),
        (
            every("monthly", &["last friday"]),
            "2026-11-15",
            "2026-11-27 2026-12-25 2027-01-29",
        ),
        (
            every("monthly", &["last weekday"]),
            "2027-01-15",
            "2027-01-29 2027-02-26 2027-03-31",
        ),
        (
            every("2 months", &["second tuesday"]),
            "2026-11-01",
            "2026-11-10 2027-01-12 2027-03-09",
        ),
        (
            every("quarterly", &["day 1"]),
            "2026-11-01",
            "2027-01-01 2027-04-01 2027-07-01",
        ),
        (
            CadenceSpec {
                except: vec![day("2026-12-24"), day("2026-12-31")],
                ..every("weekly", &["thursday"])
            },
            "2026-12-17",
            "2026-12-17 2027-01-07 2027-01-14",
        ),
    ] {
        assert_eq!(days(&cadence, start, 3).join(" "), expected, "{cadence:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (cadence, path, message) in [
        (CadenceSpec::default(), "", "write `every`"),
        (
            CadenceSpec {
                every: Some("weekly".into()),
                ..rrule("FREQ=DAILY")
            },
            "",
            "either `rrule` or `every`",
        ),
        (
            CadenceSpec {
                on: Some(DayWords::One("monday".into())),
                ..rrule("FREQ=DAILY")
            },
            "",
            "`on` belongs to `every`",
        ),
        (rrule("FREQ=NOW"), "rrule", "`FREQ=NOW`"),
        (
            rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
            "",
            "no day from 2026-11-30 to 2199-12-31 matches",
        ),
        (rrule("FREQ=WEEKLY;UNTIL=20200101"), "", "no day from"),
        (
            rrule("FREQ=YEARLY;INTERVAL=1000;BYMONTH=1"),
            "",
            "no day from",
        ),
        (every("weakly", &[]), "every", "`weakly`"),
        (every("0 days", &[]), "every", "from 1 to 1000"),
        (every("99999 days", &[]), "every", "nor a count"),
        (
            every("weekly", &["first monday"]),
            "on[0]",
            "does not fit here",
        ),
        (every("weekly", &["thorsday"]), "on[0]", "is not a day"),
        (every("monthly", &["monday"]), "on[0]", "does not fit here"),
        (every("monthly", &["day 32"]), "on[0]", "is not a day"),
        (
            every("monthly", &["day 3", "first monday"]),
            "on",
            "cannot stand together",
        ),
        (
            every("monthly", &["first weekday", "first monday"]),
            "on",
            "cannot stand together",
        ),
        (every("monthly", &[]), "on", "not every month has a day 30"),
        (every("monthly", &["day 1"; 32]), "on", "at most 31"),
        (
            CadenceSpec {
                except: vec![day("2027-01-01"); 367],
                ..every("daily", &[])
            },
            "except",
            "at most 366",
        ),
    ] {
        let problems = cadence.read(day("2026-11-30"), None).expect_err("refused");
        assert_eq!(problems[0].path, path, "{cadence:?}: {problems:?}");
        assert!(
            problems[0].message.contains(message),
            "{cadence:?}: {problems:?}"
        );
    }
}

/// The examples of RFC 5545, section 3.8.5.3, as far as they are about days.
#[test]
fn the_examples_of_the_standard_come_out() {
    for (rule, start, expected) in [
        (
            "FREQ=DAILY;INTERVAL=10;COUNT=5",
            "1997-09-02",
            "1997: 0902 0912 0922 1002 1012 end",
        ),
        (
            "FREQ=DAILY;INTERVAL=2",
            "1997-09-02",
            "1997: 0902 0904 0906",
        ),
        (
            "FREQ=WEEKLY;COUNT=10",
            "1997-09-02",
            "1997: 0902 0909 0916 0923 0930 1007 1014 1021 1028 1104 end",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
            "1997-09-02",
            "1997: 0902 0916 0930 1014 1028 1111 1125 1209 1223 1998: 0106 0120 0203",
        ),
        (
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            "1997-09-02",
            "1997: 0902 0904 0909 0911 0916 0918 0923 0925 0930 1002 end",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
            "1997-09-01",
            "1997: 0901 0903 0905 0915 0917 0919 0929 1001 1003 1013 1015 1017 1027 1029 1031 \
             1110 1112 1114 1124 1126 1128 1208 1210 1212 1222 end",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
            "1997-09-02",
            "1997: 0902 0904 0916 0918 0930 1002 1014 1016 end",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            "1997-09-05",
            "1997: 0905 1003 1107 1205 1998: 0102 0206 0306 0403 0501 0605 end",
        ),
        (
            "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
            "1997-09-05",
            "1997: 0905 1003 1107 1205 end",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            "1997-09-07",
            "1997: 0907 0928 1102 1130 1998: 0104 0125 0301 0329 0503 0531 end",
        ),
        (
            "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
            "1997-09-22",
            "1997: 0922 1020 1117 1222 1998: 0119 0216 end",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-3",
            "1997-09-28",
            "1997: 0928 1029 1128 1229 1998: 0129 0226",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
            "1997-09-02",
            "1997: 0902 0915 1002 1015 1102 1115 1202 1215 1998: 0102 0115 end",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "1997-09-30",
            "1997: 0930 1001 1031 1101 1130 1201 1231 1998: 0101 0131 0201 end",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            "1997-09-10",
            "1997: 0910 0911 0912 0913 0914 0915 1999: 0310 0311 0312 0313 end",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
            "1997-09-02",
            "1997: 0902 0909 0916 0923 0930 1104 1111 1118 1125 1998: 0106 0113 0120 0127 0303",
        ),
        (
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            "1997-06-10",
            "1997: 0610 0710 1998: 0610 0710 1999: 0610 0710 2000: 0610 0710 2001: 0610 0710 end",
        ),
        (
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
            "1997-03-10",
            "1997: 0310 1999: 0110 0210 0310 2001: 0110 0210 0310 2003: 0110 0210 0310 end",
        ),
        (
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            "1997-01-01",
            "1997: 0101 0410 0719 2000: 0101 0409 0718 2003: 0101 0410 0719 2006: 0101 end",
        ),
        (
            "FREQ=YEARLY;BYDAY=20MO",
            "1997-05-19",
            "1997: 0519 1998: 0518 1999: 0517",
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "1997-05-12",
            "1997: 0512 1998: 0511 1999: 0517",
        ),
        (
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            "1997-03-13",
            "1997: 0313 0320 0327 1998: 0305 0312 0319 0326 1999: 0304 0311 0318 0325",
        ),
        (
            "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
            "1997-06-05",
            "1997: 0605 0612 0619 0626 0703 0710 0717 0724 0731 0807 0814 0821 0828 1998: 0604",
        ),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "1997-09-02",
            "1998: 0213 0313 1113 1999: 0813 2000: 1013",
        ),
        (
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "1997-09-13",
            "1997: 0913 1011 1108 1213 1998: 0110 0207 0307 0411 0509 0613",
        ),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "1996-11-05",
            "1996: 1105 2000: 1107 2004: 1102",
        ),
        (
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            "1997-09-04",
            "1997: 0904 1007 1106 end",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "1997-09-29",
            "1997: 0929 1030 1127 1230 1998: 0129 0226 0330",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "1997-08-05",
            "1997: 0805 0810 0819 0824 end",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "1997-08-05",
            "1997: 0805 0817 0819 0831 end",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
            "2007-01-15",
            "2007: 0115 0130 0215 0315 0330 end",
        ),
    ] {
        let (mut expected_days, mut year) = (Vec::new(), "");
        let mut ends = false;
        for word in expected.split_whitespace() {
            match word.strip_suffix(':') {
                Some(next) => year = next,
                None if word == "end" => ends = true,
                None => expected_days.push(format!("{year}-{}-{}", &word[..2], &word[2..])),
            }
        }
        let count = expected_days.len() + usize::from(ends);
        let recurrence = recurrence(&rrule(rule), start, "09:00", zone("America/New_York"));
        let found: Vec<String> = recurrence
            .numbered(None)
            .take(count)
            .map(|numbered| numbered.occurrence.date.to_string())
            .collect();
        assert_eq!(found, expected_days, "{rule}");
    }
}

#[test]
fn a_rule_until_an_instant_counts_by_the_clock_of_its_zone() {
    let until = rrule("FREQ=DAILY;UNTIL=19971224T000000Z");
    let new_york = recurrence(&until, "1997-09-02", "09:00", zone("America/New_York"));
    let all: Vec<_> = new_york.numbered(None).collect();
    assert_eq!(all.len(), 113);
    assert_eq!(all[112].occurrence.date, day("1997-12-23"));
    assert_eq!(all[112].number, 113);
    let offsets: Vec<i32> = [53, 54]
        .map(|index| all[index].occurrence.offset.seconds())
        .into();
    assert_eq!(offsets, [-4 * 3600, -5 * 3600], "25 and 26 October");
    let kiritimati = recurrence(&until, "1997-09-02", "09:00", zone("Pacific/Kiritimati"));
    assert_eq!(
        kiritimati
            .numbered(None)
            .last()
            .expect("some")
            .occurrence
            .date,
        day("1997-12-24")
    );
    let inclusive = rrule("FREQ=DAILY;UNTIL=19970904T090000");
    assert_eq!(days(&inclusive, "1997-09-02", 9).len(), 3);
}

#[test]
fn a_time_in_a_gap_is_shifted_and_one_in_a_fold_comes_once() {
    let daily = recurrence(
        &every("daily", &[]),
        "2026-03-28",
        "02:30",
        zone("Europe/Berlin"),
    );
    let spring: Vec<_> = daily
        .numbered(None)
        .take(3)
        .map(|numbered| numbered.occurrence)
        .collect();
    let at: Vec<String> = spring
        .iter()
        .map(|occurrence| occurrence.at.to_string())
        .collect();
    assert_eq!(
        at,
        [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-30T00:30:00Z"
        ]
    );
    assert_eq!(spring[1].clock, ClockChange::Gap);
    assert_eq!(spring[1].offset.seconds(), 7200, "03:30 by the clock");
    let autumn = recurrence(
        &every("daily", &[]),
        "2026-10-24",
        "02:30",
        zone("Europe/Berlin"),
    );
    let autumn: Vec<_> = autumn
        .numbered(None)
        .take(3)
        .map(|numbered| numbered.occurrence)
        .collect();
    let at: Vec<String> = autumn
        .iter()
        .map(|occurrence| occurrence.at.to_string())
        .collect();
    assert_eq!(
        at,
        [
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z"
        ]
    );
    assert_eq!(autumn[1].clock, ClockChange::Fold);
    assert_eq!(autumn[2].clock, ClockChange::None);
}

#[test]
fn a_day_that_a_zone_left_out_comes_once() {
    // Samoa went from the 29th to the 31st of December 2011.
    let daily = recurrence(
        &every("daily", &[]),
        "2011-12-28",
        "14:00",
        zone("Pacific/Apia"),
    );
    let found: Vec<String> = daily
        .numbered(None)
        .take(4)
        .map(|numbered| format!("{} {}", numbered.number, numbered.occurrence.at))
        .collect();
    assert_eq!(
        found,
        [
            "1 2011-12-29T00:00:00Z",
            "2 2011-12-30T00:00:00Z",
            "3 2011-12-31T00:00:00Z",
            "4 2012-01-01T00:00:00Z",
        ]
    );
}

#[test]
fn the_leap_day_and_the_end_of_the_calendar_are_no_surprise() {
    let leap = rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29");
    assert_eq!(
        days(&leap, "2027-01-01", 3).join(" "),
        "2028-02-29 2032-02-29 2036-02-29"
    );
    let recurrence = recurrence(
        &every("daily", &[]),
        "1970-01-01",
        "09:00",
        zone("Asia/Tokyo"),
    );
    assert_eq!(
        recurrence
            .numbered(None)
            .last()
            .expect("many")
            .occurrence
            .date,
        day("2199-12-31")
    );
    let beyond = "2300-01-01T00:00:00Z".parse().expect("an instant");
    assert_eq!(recurrence.occurrences_after(beyond, 5), []);
    let around_2038 = "2038-01-19T03:14:07Z".parse().expect("an instant");
    let next = recurrence.occurrences_after(around_2038, 1)[0];
    assert_eq!(next.at.to_string(), "2038-01-20T00:00:00Z");
}

fn some_rule() -> impl Strategy<Value = String> {
    let interval = prop_oneof![4 => 1..4u16, 1 => 1..1000u16];
    let weekday = prop::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"]);
    let weekdays = prop::collection::btree_set(weekday.clone(), 1..4)
        .prop_map(|days| days.into_iter().collect::<Vec<_>>().join(","));
    let body = prop_oneof![
        Just("FREQ=DAILY".to_owned()),
        weekdays
            .clone()
            .prop_map(|days| format!("FREQ=WEEKLY;BYDAY={days}")),
        (-31..=31i8)
            .prop_filter("no zero", |day| *day != 0)
            .prop_map(|day| format!("FREQ=MONTHLY;BYMONTHDAY={day}")),
        (-5..=5i8, weekday)
            .prop_filter("no zero", |(nth, _)| *nth != 0)
            .prop_map(|(nth, day)| format!("FREQ=MONTHLY;BYDAY={nth}{day}")),
        (weekdays, 1..12u8)
            .prop_map(|(days, month)| format!("FREQ=YEARLY;BYMONTH={month};BYDAY={days}")),
        (-366..=366i16)
            .prop_filter("no zero", |day| *day != 0)
            .prop_map(|day| format!("FREQ=YEARLY;BYYEARDAY={day}")),
        (1..=53i8).prop_map(|week| format!("FREQ=YEARLY;BYWEEKNO={week};BYDAY=MO,SU")),
    ];
    let end = prop_oneof![
        3 => Just(String::new()),
        1 => (1..40u32).prop_map(|count| format!(";COUNT={count}")),
        1 => Just(";UNTIL=20401231T000000Z".to_owned()),
    ];
    let weeks = prop::sample::select(vec!["MO", "SU", "WE"]);
    (body, interval, end, weeks).prop_map(|(body, interval, end, week)| {
        format!("{body};INTERVAL={interval}{end};WKST={week}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Strictly increasing, and the same whether counted through, taken up again anywhere, or asked about an instant.
    #[test]
    fn occurrences_increase_and_can_be_taken_up_again(
        rule in some_rule(),
        zone_index in 0..ZONES.len(),
        first in 0..4000i64,
        minutes in 0..1440i16,
        resume in 0..30usize,
    ) {
        let start = day("2020-01-01") + SignedDuration::from_hours(24 * first);
        let Ok(rule) = rrule(&rule).read(start, None) else { return Ok(()) };
        let recurrence = Recurrence {
            rule,
            except: [start].into(),
            start,
            end: None,
            time: Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).expect("a time"),
            zone: zone(ZONES[zone_index]),
        };
        let all: Vec<_> = recurrence.numbered(None).take(40).collect();
        for (index, pair) in all.windows(2).enumerate() {
            prop_assert!(pair[0].occurrence.at < pair[1].occurrence.at, "{pair:?}");
            prop_assert!(pair[0].occurrence.date < pair[1].occurrence.date);
            prop_assert_eq!(pair[1].number as usize, index + 2);
        }
        let resume = resume.min(all.len());
        let rest = &all[resume..];
        let last = all[..resume].last().copied();
        let again: Vec<_> = recurrence.numbered(last).take(rest.len()).collect();
        prop_assert_eq!(&again[..], rest);
        let after = last.map_or(Timestamp::UNIX_EPOCH, |last| last.occurrence.at);
        let asked = recurrence.occurrences_after(after, rest.len());
        let expected: Vec<_> = rest.iter().map(|numbered| numbered.occurrence).collect();
        prop_assert_eq!(&asked, &expected);
        if let (Some(first), Some(end)) = (expected.first(), expected.last()) {
            let between = recurrence.occurrences_between(first.at, end.at, 1000);
            prop_assert_eq!(&between[..], &expected[..expected.len() - 1]);
        }
    }

    /// No text brings the reader down or makes it slow.
    #[test]
    fn no_rule_brings_the_calendar_down(text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z]{2,10}=[-+A-Z0-9,]{0,12}){0,4}|.{0,80})") {
        if let Ok(rule) = rrule(&text).read(day("2027-01-01"), None) {
            let printed = rule.to_string();
            prop_assert_eq!(printed.parse(), Ok(rule));
        }
    }
}
