//! What changes of the clock do to a window, line by line: `local opening | UTC opening | UTC end`.

use jiff::{Timestamp, ToSpan};
use rstest::rstest;
use voxsync_window::{Standing, Windows};

use crate::spec::{again, allow, at, spec};

/// Each time that the window is open within three days from `from` on; a midnight, at which it may be open already.
fn table(cron: &str, duration: &str, zone: &str, from: &str) -> String {
    let windows = Windows::of(&spec(vec![allow("it", again(cron, duration, zone))], &["it"])).unwrap();
    let names = ["it".to_owned()];
    let mut now: Timestamp = at(from);
    let end = now.checked_add(72.hours()).unwrap();
    let mut lines = Vec::new();
    while now < end {
        now = match windows.standing(&names, now) {
            Standing::Closed(closed) => closed.opens.unwrap(),
            Standing::Open { until } => {
                let local = now.to_zoned(zone_of(zone)).strftime("%a %H:%M %Z").to_string();
                let utc = |moment: Timestamp| moment.strftime("%a %H:%M").to_string();
                lines.push(format!("{local} | {} | {}", utc(now), utc(until.unwrap())));
                until.unwrap()
            }
        };
    }
    lines.join("\n")
}

fn zone_of(name: &str) -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get(name).unwrap()
}

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

// Berlin, Sunday 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
const BERLIN_SPRING: &str = "2026-03-27T23:00:00Z";
// Berlin, Sunday 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
const BERLIN_AUTUMN: &str = "2026-10-23T22:00:00Z";
// New York, Sunday 2026-03-08: 02:00 EST becomes 03:00 EDT at 07:00 UTC.
const NEW_YORK_SPRING: &str = "2026-03-07T05:00:00Z";
// New York, Sunday 2026-11-01: 02:00 EDT becomes 01:00 EST at 06:00 UTC.
const NEW_YORK_AUTUMN: &str = "2026-10-31T04:00:00Z";
// Lord Howe, Sunday 2026-10-04: 02:00 +10:30 becomes 02:30 +11 on Saturday at 15:30 UTC.
const LORD_HOWE_SPRING: &str = "2026-10-02T13:30:00Z";
// Lord Howe, Sunday 2026-04-05: 02:00 +11 becomes 01:30 +10:30 on Saturday at 15:00 UTC.
const LORD_HOWE_AUTUMN: &str = "2026-04-03T13:00:00Z";

#[rstest]
#[case::begins_in_the_hour_that_is_not_there(
    "30 2 * * *",
    "1h",
    BERLIN,
    BERLIN_SPRING,
    "Sat 02:30 CET | Sat 01:30 | Sat 02:30\n\
     Sun 03:30 CEST | Sun 01:30 | Sun 02:30\n\
     Mon 02:30 CEST | Mon 00:30 | Mon 01:30"
)]
#[case::begins_as_the_clock_is_changed(
    "0 2 * * *",
    "4h",
    BERLIN,
    BERLIN_SPRING,
    "Sat 02:00 CET | Sat 01:00 | Sat 05:00\n\
     Sun 03:00 CEST | Sun 01:00 | Sun 05:00\n\
     Mon 02:00 CEST | Mon 00:00 | Mon 04:00"
)]
#[case::is_open_as_the_clock_is_changed(
    "0 22 * * *",
    "8h",
    BERLIN,
    BERLIN_SPRING,
    "Sat 00:00 CET | Fri 23:00 | Sat 05:00\n\
     Sat 22:00 CET | Sat 21:00 | Sun 05:00\n\
     Sun 22:00 CEST | Sun 20:00 | Mon 04:00\n\
     Mon 22:00 CEST | Mon 20:00 | Tue 04:00"
)]
#[case::begins_in_the_hour_that_comes_twice(
    "30 2 * * *",
    "1h",
    BERLIN,
    BERLIN_AUTUMN,
    "Sat 02:30 CEST | Sat 00:30 | Sat 01:30\n\
     Sun 02:30 CEST | Sun 00:30 | Sun 01:30\n\
     Mon 02:30 CET | Mon 01:30 | Mon 02:30"
)]
#[case::two_times_a_day_are_two_times(
    "0 2,14 * * *",
    "30m",
    BERLIN,
    BERLIN_AUTUMN,
    "Sat 02:00 CEST | Sat 00:00 | Sat 00:30\n\
     Sat 14:00 CEST | Sat 12:00 | Sat 12:30\n\
     Sun 02:00 CEST | Sun 00:00 | Sun 00:30\n\
     Sun 14:00 CET | Sun 13:00 | Sun 13:30\n\
     Mon 02:00 CET | Mon 01:00 | Mon 01:30\n\
     Mon 14:00 CET | Mon 13:00 | Mon 13:30"
)]
#[case::two_times_a_day_are_two_times_in_spring(
    "0 2,14 * * *",
    "30m",
    BERLIN,
    BERLIN_SPRING,
    "Sat 02:00 CET | Sat 01:00 | Sat 01:30\n\
     Sat 14:00 CET | Sat 13:00 | Sat 13:30\n\
     Sun 03:00 CEST | Sun 01:00 | Sun 01:30\n\
     Sun 14:00 CEST | Sun 12:00 | Sun 12:30\n\
     Mon 02:00 CEST | Mon 00:00 | Mon 00:30\n\
     Mon 14:00 CEST | Mon 12:00 | Mon 12:30"
)]
#[case::many_times_of_one_hour_are_there(
    "*/5 2 * * sun",
    "5m",
    BERLIN,
    BERLIN_SPRING,
    "Sun 03:00 CEST | Sun 01:00 | Sun 02:00"
)]
#[case::many_times_of_one_hour_come_once(
    "*/5 2 * * sun",
    "5m",
    BERLIN,
    BERLIN_AUTUMN,
    "Sun 02:00 CEST | Sun 00:00 | Sun 01:00"
)]
#[case::new_york_spring(
    "0 2 * * *",
    "1h",
    NEW_YORK,
    NEW_YORK_SPRING,
    "Sat 02:00 EST | Sat 07:00 | Sat 08:00\n\
     Sun 03:00 EDT | Sun 07:00 | Sun 08:00\n\
     Mon 02:00 EDT | Mon 06:00 | Mon 07:00"
)]
#[case::new_york_autumn(
    "0 1 * * *",
    "1h",
    NEW_YORK,
    NEW_YORK_AUTUMN,
    "Sat 01:00 EDT | Sat 05:00 | Sat 06:00\n\
     Sun 01:00 EDT | Sun 05:00 | Sun 06:00\n\
     Mon 01:00 EST | Mon 06:00 | Mon 07:00"
)]
#[case::new_york_over_the_change(
    "0 0 * * sun",
    "6h",
    NEW_YORK,
    NEW_YORK_AUTUMN,
    "Sun 00:00 EDT | Sun 04:00 | Sun 10:00"
)]
#[case::lord_howe_spring(
    "15 2 * * *",
    "1h",
    LORD_HOWE,
    LORD_HOWE_SPRING,
    "Sat 02:15 +1030 | Fri 15:45 | Fri 16:45\n\
     Sun 02:45 +11 | Sat 15:45 | Sat 16:45\n\
     Mon 02:15 +11 | Sun 15:15 | Sun 16:15"
)]
#[case::lord_howe_autumn(
    "45 1 * * *",
    "1h",
    LORD_HOWE,
    LORD_HOWE_AUTUMN,
    "Sat 01:45 +11 | Fri 14:45 | Fri 15:45\n\
     Sun 01:45 +11 | Sat 14:45 | Sat 15:45\n\
     Mon 01:45 +1030 | Sun 15:15 | Sun 16:15"
)]
fn a_change_of_the_clock_neither_skips_nor_doubles(
    #[case] cron: &str,
    #[case] duration: &str,
    #[case] zone: &str,
    #[case] from: &str,
    #[case] wanted: &str,
) {
    let table = table(cron, duration, zone, from);
    println!("{zone}, {cron:?} for {duration}\n{table}\n");
    assert_eq!(table, wanted);
}

/// What a cron that names each hour opens between two moments.
fn openings(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let recurrence = voxsync_window::Recurrence::of(cron, Some(zone)).unwrap();
    let next = |moment: &Timestamp| recurrence.next_after(*moment);
    let first = next(&at(from));
    let all = std::iter::successors(first, next).take_while(|moment| *moment <= at(to));
    all.map(|moment| moment.to_zoned(zone_of(zone)).strftime("%H:%M %Z").to_string()).collect()
}

#[rstest]
#[case::berlin_spring(
    "30 * * * *", BERLIN, "2026-03-28T23:45:00Z", "2026-03-29T02:00:00Z",
    &["01:30 CET", "03:30 CEST"]
)]
#[case::berlin_autumn(
    "30 * * * *", BERLIN, "2026-10-24T23:00:00Z", "2026-10-25T02:45:00Z",
    &["01:30 CEST", "02:30 CEST", "02:30 CET", "03:30 CET"]
)]
#[case::new_york_spring(
    "30 * * * *", NEW_YORK, "2026-03-08T06:15:00Z", "2026-03-08T08:45:00Z",
    &["01:30 EST", "03:30 EDT", "04:30 EDT"]
)]
#[case::new_york_autumn(
    "30 * * * *", NEW_YORK, "2026-11-01T04:45:00Z", "2026-11-01T07:45:00Z",
    &["01:30 EDT", "01:30 EST", "02:30 EST"]
)]
#[case::lord_howe_spring(
    "0 * * * *", LORD_HOWE, "2026-10-03T14:00:00Z", "2026-10-03T16:30:00Z",
    &["01:00 +1030", "02:30 +11", "03:00 +11"]
)]
#[case::lord_howe_autumn(
    "45 * * * *", LORD_HOWE, "2026-04-04T13:30:00Z", "2026-04-04T16:30:00Z",
    &["00:45 +11", "01:45 +11", "01:45 +1030", "02:45 +1030"]
)]
fn each_hour_that_passes_is_named(
    #[case] cron: &str,
    #[case] zone: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] wanted: &[&str],
) {
    let openings = openings(cron, zone, from, to);
    println!("{zone}, {cron:?}: {}", openings.join(", "));
    assert_eq!(openings, wanted);
}

/// The zone files of a machine are not asked: the tests of this file would answer otherwise where it has none.
#[test]
fn all_zones_are_built_in() {
    let names: Vec<_> =
        jiff::tz::TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    assert!(names.len() > 500, "{}", names.len());
    for name in names.iter().filter(|name| *name != "Etc/Unknown") {
        assert!(voxsync_window::Recurrence::of("0 2 * * *", Some(name)).is_ok(), "{name}");
    }
}
