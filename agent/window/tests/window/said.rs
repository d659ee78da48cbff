//! What is said of windows, and what is said of those that are none.

use jiff::Timestamp;
use rstest::rstest;
use voxsync_crds::{code_sync::Window, duration::DurationText};
use voxsync_window::{Standing, Windows};

use crate::spec::{again, allow, at, deny, once, spec, standing};

fn office_hours() -> Window {
    allow("office-hours", again("0 8 * * mon-thu", "8h", "Europe/Berlin"))
}

fn freeze() -> Window {
    deny("freeze", once("2026-12-18T00:00:00Z", "2027-01-07T00:00:00Z"))
}

fn open_until(until: &str) -> Standing {
    Standing::Open { until: Some(at(until)) }
}

fn closed(standing: Standing) -> (String, Option<Timestamp>) {
    let Standing::Closed(closed) = standing else { panic!("{standing:?}") };
    (closed.to_string(), closed.opens)
}

#[rstest]
#[case::before("2026-11-23T06:59:59Z", "window office-hours is closed until Mon 2026-11-23 08:00 CET")]
#[case::at_its_end("2026-11-23T15:00:00Z", "window office-hours is closed until Tue 2026-11-24 08:00 CET")]
#[case::before_a_freeze(
    "2026-12-17T15:00:00Z",
    "window office-hours is closed until Thu 2027-01-07 08:00 CET"
)]
#[case::in_a_freeze(
    "2026-12-18T00:00:00Z",
    "window freeze lets nothing start until Thu 2027-01-07 08:00 CET"
)]
#[case::at_the_end_of_a_freeze(
    "2027-01-07T00:00:00Z",
    "window office-hours is closed until Thu 2027-01-07 08:00 CET"
)]
fn a_closed_window_says_when_all_are_open(#[case] now: &str, #[case] wanted: &str) {
    let (said, opens) = closed(standing(vec![office_hours(), freeze()], &["office-hours"], now));
    assert_eq!(said, wanted);
    let opens = opens.unwrap().to_string();
    let opened = standing(vec![office_hours(), freeze()], &["office-hours"], &opens);
    assert!(matches!(opened, Standing::Open { .. }), "{opened:?}");
}

#[rstest]
#[case::at_its_begin("2026-11-23T07:00:00Z", "2026-11-23T15:00:00Z")]
#[case::at_its_last_moment("2026-11-23T14:59:59.999Z", "2026-11-23T15:00:00Z")]
fn an_open_window_says_until_when(#[case] now: &str, #[case] until: &str) {
    assert_eq!(standing(vec![office_hours()], &["office-hours"], now), open_until(until));
}

#[test]
fn a_deny_that_no_stage_names_holds_back_all() {
    let (said, opens) = closed(standing(vec![freeze()], &[], "2026-12-24T00:00:00Z"));
    assert_eq!(said, "window freeze lets nothing start until Thu 2027-01-07 00:00 UTC");
    assert_eq!(opens, Some(at("2027-01-07T00:00:00Z")));
    assert_eq!(standing(vec![freeze()], &[], "2026-12-01T00:00:00Z"), open_until("2026-12-18T00:00:00Z"));
    assert_eq!(standing(vec![freeze()], &[], "2027-12-24T00:00:00Z"), Standing::Open { until: None });
}

#[test]
fn a_deny_that_a_stage_names_holds_back_that_stage() {
    let windows = Windows::of(&spec(vec![freeze()], &["freeze"])).unwrap();
    let now = at("2026-12-24T00:00:00Z");
    assert!(matches!(windows.standing(&["freeze".to_owned()], now), Standing::Closed(_)));
    assert_eq!(windows.standing(&[], now), Standing::Open { until: None });
}

#[test]
fn an_allow_holds_back_no_stage_that_does_not_name_it() {
    assert_eq!(standing(vec![office_hours()], &[], "2026-11-22T00:00:00Z"), Standing::Open { until: None });
}

#[test]
fn one_of_several_allows_is_enough_and_one_after_the_other_is_one() {
    let late = allow("late", again("0 16 * * *", "2h", "Europe/Berlin"));
    let names = ["office-hours", "late"];
    let both = || vec![office_hours(), late.clone()];
    assert_eq!(standing(both(), &names, "2026-11-23T09:00:00Z"), open_until("2026-11-23T17:00:00Z"));
    let (said, _) = closed(standing(both(), &names, "2026-11-22T12:00:00Z"));
    assert_eq!(said, "window late is closed until Sun 2026-11-22 16:00 CET");
}

#[test]
fn an_overlap_is_one_time() {
    let nights = allow("nights", again("0 20 * * fri,sat", "36h", "UTC"));
    assert_eq!(
        standing(vec![nights], &["nights"], "2026-11-20T21:00:00Z"),
        open_until("2026-11-23T08:00:00Z")
    );
}

#[test]
fn a_leap_day_comes() {
    let leap = allow("leap", again("0 0 29 2 *", "24h", "UTC"));
    let (said, _) = closed(standing(vec![leap], &["leap"], "2026-11-23T00:00:00Z"));
    assert_eq!(said, "window leap is closed until Tue 2028-02-29 00:00 UTC");
}

#[rstest]
#[case::each_minute("* * * * *", "1m")]
#[case::each_day("0 0 * * *", "25h")]
#[case::longer_than_they_are_apart("0 0 1 * *", "8760h")]
fn what_has_no_end_has_none(#[case] cron: &str, #[case] duration: &str) {
    let always = again(cron, duration, "Europe/Berlin");
    let now = "2026-10-24T12:34:56Z";
    let opened = standing(vec![allow("always", always.clone())], &["always"], now);
    assert_eq!(opened, Standing::Open { until: None });
    let (said, opens) = closed(standing(vec![deny("always", always)], &[], now));
    assert_eq!(
        (said.as_str(), opens),
        ("window always lets nothing start, and no time was found at which all windows are open", None)
    );
}

#[test]
fn a_day_of_25_hours_is_longer_than_24() {
    let days = allow("days", again("0 0 * * *", "24h", "Europe/Berlin"));
    let opened = standing(vec![days.clone()], &["days"], "2026-10-24T12:00:00Z");
    assert_eq!(opened, open_until("2026-10-25T22:00:00Z"));
    let (_, opens) = closed(standing(vec![days], &["days"], "2026-10-25T22:00:00Z"));
    assert_eq!(opens, Some(at("2026-10-25T23:00:00Z")));
}

#[test]
fn windows_that_never_meet_say_so() {
    let windows = vec![office_hours(), deny("days", again("0 6 * * *", "12h", "Europe/Berlin"))];
    let (said, opens) = closed(standing(windows, &["office-hours"], "2026-11-22T00:00:00Z"));
    assert_eq!(opens, None);
    assert!(said.starts_with("window office-hours is closed, and no time was found"), "{said}");
}

#[test]
fn a_time_that_is_past_never_comes() {
    let past = allow("past", once("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"));
    assert_eq!(closed(standing(vec![past], &["past"], "2026-11-22T00:00:00Z")).1, None);
}

#[rstest]
#[case::no_cron(
    again("every day at 8", "1h", "UTC"),
    "windows[it].allow.cron: \"every day at 8\" is not a schedule of five fields ("
)]
#[case::seconds(again("0 0 8 * * *", "1h", "UTC"), "windows[it].allow.cron: \"0 0 8 * * *\" is not")]
#[case::no_such_day(
    again("0 0 30 2 *", "1h", "UTC"),
    "windows[it].allow.cron: \"0 0 30 2 *\" names a day that no month has, so that it would never come"
)]
#[case::no_such_day_either(
    again("0 0 31 4,6,9,11 *", "1h", "UTC"),
    "windows[it].allow.cron: \"0 0 31 4,6,9,11 *\""
)]
#[case::no_such_zone(
    again("0 8 * * *", "1h", "Mars/Olympus"),
    "windows[it].allow.timeZone: \"Mars/Olympus\" is not an IANA time zone; for example \"Europe/Berlin\""
)]
#[case::no_duration(
    again("0 8 * * *", "soon", "UTC"),
    "windows[it].allow.duration: \"soon\" is not a duration"
)]
#[case::too_short(
    again("0 8 * * *", "30s", "UTC"),
    "windows[it].allow.duration: \"30s\" is not between 1m and 8760h"
)]
#[case::too_long(again("0 8 * * *", "9000h", "UTC"), "windows[it].allow.duration: \"9000h\" is not between")]
#[case::backwards(
    once("2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    "windows[it].allow.to: must be after from"
)]
#[case::neither(
    voxsync_crds::code_sync::Period { duration: Some(DurationText::from("1h")), ..Default::default() },
    "windows[it].allow.give cron and duration"
)]
fn what_is_wrong_names_the_field(#[case] period: voxsync_crds::code_sync::Period, #[case] wanted: &str) {
    let error = Windows::of(&spec(vec![allow("it", period)], &["it"])).unwrap_err().to_string();
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn a_window_that_is_not_there_is_missed() {
    let error = Windows::of(&spec(vec![freeze()], &["office-hours"])).unwrap_err();
    assert_eq!(error.to_string(), "stages[named].windows: there is no window \"office-hours\" in windows");
}

/// Each opening of November is denied: more of them than are looked at in one go.
#[test]
fn who_gave_up_says_until_when_it_looked() {
    let each = allow("each", again("*/2 * * * *", "1m", "UTC"));
    let november = deny("november", again("*/2 * * 11 *", "1m", "UTC"));
    let windows = Windows::of(&spec(vec![each, november], &["each", "november"])).unwrap();
    let mut now = at("2026-11-23T00:00:00Z");
    let mut turns = 0;
    let opens = loop {
        let asked = windows.standing(&["each".to_owned(), "november".to_owned()], now);
        let Standing::Closed(closed) = asked else { panic!("{asked:?}") };
        if let Some(opens) = closed.opens {
            break opens;
        }
        let until = closed.searched_until.expect("a time to ask again");
        let day = until.strftime("%a %F %H:%M UTC");
        let said = format!(", and no time was found before {day} at which all windows are open");
        assert!(until > now && closed.to_string().ends_with(&said), "{closed}");
        (now, turns) = (until, turns + 1);
    };
    assert_eq!((opens, turns > 5), (at("2026-12-01T00:00:00Z"), true));
}

#[test]
fn what_never_opens_is_not_asked_for_again() {
    let past = allow("past", once("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"));
    let Standing::Closed(closed) = standing(vec![past], &["past"], "2026-11-23T00:00:00Z") else { panic!() };
    assert_eq!((closed.opens, closed.searched_until), (None, None));
}
