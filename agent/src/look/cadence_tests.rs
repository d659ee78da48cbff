use proptest::{prelude::*, sample::select};
use rstest::rstest;
use voxsync_crds::duration::DurationText;
use voxsync_hostile::{fuzz, near_text};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scheduled(cron: &str, zone: Option<&str>) -> Result<Cadence, String> {
    let schedule = Schedule { cron: cron.to_owned(), time_zone: zone.map(str::to_owned) };
    Cadence::of(&Source { schedule: Some(schedule), ..Source::default() })
}

#[rstest]
#[case::utc("0 8 * * mon-thu", None, "2026-11-20T12:00:00Z", "2026-11-23T08:00:00Z")]
#[case::zone("0 8 * * *", Some("Europe/Berlin"), "2026-07-01T00:00:00Z", "2026-07-01T06:00:00Z")]
#[case::zone_in_winter("0 8 * * *", Some("Europe/Berlin"), "2026-12-01T00:00:00Z", "2026-12-01T07:00:00Z")]
#[case::the_hour_that_is_not_there(
    "30 2 * * *",
    Some("Europe/Berlin"),
    "2026-03-28T12:00:00Z",
    "2026-03-29T01:30:00Z"
)]
#[case::the_hour_that_comes_twice(
    "30 2 * * *",
    Some("Europe/Berlin"),
    "2026-10-24T12:00:00Z",
    "2026-10-25T00:30:00Z"
)]
#[case::only_once("30 2 * * *", Some("Europe/Berlin"), "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
#[case::steps_go_on_through_it(
    "*/30 * * * *",
    Some("Europe/Berlin"),
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:00:00Z"
)]
fn cron_in_a_zone(#[case] cron: &str, #[case] zone: Option<&str>, #[case] last: &str, #[case] wanted: &str) {
    let cadence = scheduled(cron, zone).unwrap();
    assert_eq!(cadence.next(at(last), Tries::default(), 0.5), Some(at(wanted)));
}

#[rstest]
#[case("every minute", None, "source.schedule.cron: \"every minute\"")]
#[case("0 0 0 * * *", None, "source.schedule.cron: \"0 0 0 * * *\"")]
#[case("0 0 30 2 *", None, "source.schedule.cron: \"0 0 30 2 *\" names a day that no month has")]
#[case("* * * * *", Some("Mars/Olympus"), "source.schedule.timeZone: \"Mars/Olympus\"")]
fn bad_schedules_name_the_field(#[case] cron: &str, #[case] zone: Option<&str>, #[case] wanted: &str) {
    let error = scheduled(cron, zone).map(|_| ()).unwrap_err();
    assert!(error.starts_with(wanted), "{error}");
}

#[rstest]
#[case::regular("1m", 0, 0.5, 60_000)]
#[case::early("1m", 0, 0.0, 57_000)]
#[case::late("1m", 0, 1.0, 63_000)]
#[case::a_long_interval_is_retried_soon("1h", 1, 0.5, 1_000)]
#[case::then_later("1h", 4, 0.5, 8_000)]
#[case::at_most_the_interval("1h", 30, 0.5, 3_600_000)]
#[case::a_short_interval_gets_longer("1s", 4, 0.5, 8_000)]
#[case::but_not_for_ever("1s", 40, 0.5, 60_000)]
fn intervals(#[case] interval: &str, #[case] failures: u32, #[case] chance: f64, #[case] wanted: i64) {
    let source = Source { interval: Some(DurationText::from(interval)), ..Source::default() };
    let cadence = Cadence::of(&source).unwrap();
    let last = at("2026-01-01T00:00:00Z");
    let tries = Tries { failed: failures, incomplete: failures, ..Tries::default() };
    let next = cadence.next(last, tries, chance).unwrap();
    assert_eq!(next.as_millisecond() - last.as_millisecond(), wanted);
}

#[test]
fn what_was_found_is_not_looked_for_again() {
    let last = at("2026-01-01T00:00:00Z");
    let tries = |incomplete| Tries { incomplete, ..Tries::default() };
    assert_eq!(Cadence::UntilFound.next(last, tries(0), 0.5), None);
    assert_eq!(Cadence::UntilFound.next(last, tries(2), 0.5), Some(at("2026-01-01T00:00:02Z")));
}

#[test]
fn what_is_not_there_yet_is_not_left_until_the_next_scheduled_time() {
    let daily = scheduled("0 8 * * *", None).unwrap();
    let tries = Tries { incomplete: 40, ..Tries::default() };
    let next = daily.next(at("2026-01-01T09:00:00Z"), tries, 0.5);
    assert_eq!(next, Some(at("2026-01-01T09:01:00Z")));
    let regular = Cadence::Interval(Duration::from_hours(1)).next(at("2026-01-01T09:00:00Z"), tries, 0.5);
    assert_eq!(regular, Some(at("2026-01-01T10:00:00Z")), "an interval is kept");
}

/// Looks after one at which nothing else was wrong, in milliseconds.
fn next_in(interval: &str, tries: Tries, last: &str) -> i64 {
    let source = Source { interval: Some(DurationText::from(interval)), ..Source::default() };
    let next = Cadence::of(&source).unwrap().next(at(last), tries, 0.5).unwrap();
    next.as_millisecond() - at(last).as_millisecond()
}

#[rstest]
#[case::at_once("1h", 1, 1_000)]
#[case::never_longer_than_a_minute("1h", 40, 60_000)]
#[case::nor_sooner_than_it_is_told_to("30s", 1, 30_000)]
fn a_login_that_is_mended_is_not_left_for_long(
    #[case] interval: &str,
    #[case] of_login: u32,
    #[case] wanted: i64,
) {
    let refused = Tries { of_login, failed: of_login, incomplete: of_login, ..Tries::default() };
    let of_image = Tries { failed: 0, ..refused };
    for tries in [refused, of_image] {
        assert_eq!(next_in(interval, tries, "2026-01-01T00:00:00Z"), wanted);
    }
}

#[rstest]
#[case::each_minute("1h", "2026-01-01T00:00:00Z", 60_000)]
#[case::for_an_hour("1h", "2026-01-01T00:59:59Z", 60_000)]
#[case::then_as_told("1h", "2026-01-01T01:00:00Z", 3_600_000)]
#[case::as_often_as_told("5s", "2026-01-01T00:00:00Z", 5_000)]
fn what_is_on_its_way_is_looked_for(#[case] interval: &str, #[case] last: &str, #[case] wanted: i64) {
    let tries = Tries { missing_since: Some(at("2026-01-01T00:00:00Z")), ..Tries::default() };
    assert_eq!(next_in(interval, tries, last), wanted);
}

#[rstest]
#[case::search("1h", IMAGE_UNAVAILABLE, false, "; looked for again every minute for an hour, then every 1 h")]
#[case::signature(
    "90s",
    Unverified::MISSING,
    false,
    "; looked for again every minute for an hour, then every 1 m 30 s"
)]
#[case::search_often("1m", IMAGE_UNAVAILABLE, false, "; looked for again every minute")]
#[case::login("1h", UNAUTHORIZED, false, "; tried again at least every minute")]
#[case::secret("1h", BAD_CREDENTIALS, true, "; tried again at least every minute")]
#[case::any_other("10m", "NoMatch", false, "; looked at again every 10 m")]
#[case::outage("10m", "Unreachable", true, ".")]
#[case::goes_on("10m", READING_BUILD_TIMES, false, ".")]
fn a_problem_says_when_it_is_looked_at_again(
    #[case] interval: &str,
    #[case] reason: &str,
    #[case] unreachable: bool,
    #[case] wanted: &str,
) {
    let source = Source { interval: Some(DurationText::from(interval)), ..Source::default() };
    let problem = SourceProblem { reason: reason.to_owned(), message: "It is so.".to_owned(), unreachable };
    let told = Cadence::of(&source).unwrap().told(problem).message;
    assert_eq!(told, format!("It is so{wanted}"));
    let scheduled = scheduled("0 8 * * *", None).unwrap();
    let problem = SourceProblem { reason: "NoMatch".to_owned(), message: String::new(), unreachable: false };
    assert_eq!(scheduled.told(problem).message, "; looked at again by the schedule of the source");
}

#[test]
fn what_is_not_signed_yet_says_once_that_it_is_looked_for() {
    let message = voxsync_verify::Refusal::Missing.to_string();
    let problem = SourceProblem { reason: Unverified::MISSING.to_owned(), message, unreachable: false };
    assert_eq!(
        Cadence::Interval(DEFAULT_INTERVAL).told(problem).message,
        "it has no signature yet, and goes on when it has one; looked for again every minute"
    );
}

#[test]
fn fuzz_schedule() {
    let crons = [
        "0 8 * * mon-thu",
        "*/5 1-23/2 1,15 jan-mar 0",
        "30 2 29 2 ?",
        "0 0 l * 5#2",
        "15 10 15w * *",
        "@daily",
    ];
    let zones = ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"];
    let last = at("2026-01-01T00:00:00Z");
    let zones = prop_oneof![3 => select(zones.to_vec()).prop_map(str::to_owned), 1 => near_text(zones)];
    fuzz((near_text(crons), zones), |(cron, zone)| match scheduled(&cron, Some(&zone)) {
        Ok(cadence) => {
            let next = cadence.next(last, Tries::default(), 0.5);
            assert!(next.is_none_or(|next| next > last), "{next:?}");
            true
        }
        Err(message) => {
            assert!(message.len() < 1000, "{message}");
            false
        }
    });
}
