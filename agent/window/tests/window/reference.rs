//! A slow reference: each minute of some days is looked at for itself, without any search.

use croner::Cron;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use proptest::{collection::vec, prelude::*, sample::select};
use voxsync_crds::code_sync::{Period, Window};
use voxsync_window::{Standing, Windows};

use crate::spec::{again, allow, at, deny, spec};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// How long before the first moment openings are looked for: the longest duration, and a day.
const BEFORE: SignedDuration = SignedDuration::from_hours(24 * 3);
const DAYS: SignedDuration = SignedDuration::from_hours(24 * 4);

/// Days on whose evenings something is about to happen to the clock, each with the zone of that.
const CHANGES: [(&str, &str); 11] = [
    ("Europe/Berlin", "2026-03-28T12:00:00Z"),
    ("Europe/Berlin", "2026-10-24T12:00:00Z"),
    ("America/New_York", "2026-11-01T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T00:00:00Z"),
    // At midnight.
    ("Africa/Cairo", "2026-04-23T12:00:00Z"),
    ("Africa/Cairo", "2026-10-29T12:00:00Z"),
    // The last hour of a day.
    ("America/Nuuk", "2026-03-28T12:00:00Z"),
    ("America/Nuuk", "2026-10-24T12:00:00Z"),
    // A day that was not there.
    ("Pacific/Apia", "2011-12-29T12:00:00Z"),
    ("UTC", "2028-02-28T12:00:00Z"),
];

/// Whether a window is open, for each minute from `from` on.
fn open_minutes(period: &Period, from: Timestamp) -> Vec<bool> {
    let text = period.cron.as_deref().unwrap();
    let cron: Cron = text.parse().unwrap();
    let zone = TimeZone::get(period.time_zone.as_deref().unwrap()).unwrap();
    let each_hour = matches!(text.split(' ').nth(1).unwrap(), "*" | "0-23");
    let duration = period.duration.as_ref().unwrap().to_duration().unwrap().as_secs() / 60;
    let duration = i64::try_from(duration).unwrap();
    let mut local: DateTime = zone.to_datetime(from - BEFORE);
    let mut open = vec![false; usize::try_from(DAYS.as_mins()).unwrap()];
    while local < zone.to_datetime(from + DAYS) {
        if cron.is_time_matching(&local.to_zoned(TimeZone::UTC).unwrap()).unwrap() {
            let moments = zone.to_ambiguous_timestamp(local);
            let first = moments.compatible().unwrap();
            let again = (each_hour && moments.is_ambiguous()).then(|| moments.later().unwrap());
            for opening in [Some(first), again].into_iter().flatten() {
                let opening = opening.duration_since(from).as_mins();
                for minute in opening..opening + duration {
                    if let Some(is_open) =
                        usize::try_from(minute).ok().and_then(|minute| open.get_mut(minute))
                    {
                        *is_open = true;
                    }
                }
            }
        }
        local += MINUTE;
    }
    open
}

fn minutes() -> impl Strategy<Value = &'static str> {
    select(vec!["0", "30", "59", "*", "*/5", "0,30", "15-45/15"])
}

fn hours() -> impl Strategy<Value = &'static str> {
    select(vec!["0", "1", "2", "3", "23", "*", "*/2", "0-6", "2,14", "0-23", "22-23"])
}

fn days() -> impl Strategy<Value = &'static str> {
    select(vec!["* * *", "* * *", "* * sun", "* * mon-fri", "29 * *", "l * *", "1,25 * sat"])
}

fn durations() -> impl Strategy<Value = &'static str> {
    select(vec!["1m", "5m", "30m", "59m", "1h", "90m", "8h", "24h", "25h", "48h"])
}

fn window(zone: &'static str) -> impl Strategy<Value = (Period, bool)> {
    let cron =
        (minutes(), hours(), days()).prop_map(|(minutes, hours, days)| format!("{minutes} {hours} {days}"));
    (cron, durations(), any::<bool>())
        .prop_map(move |(cron, duration, denies)| (again(&cron, duration, zone), denies))
}

fn windows() -> impl Strategy<Value = (Timestamp, Vec<(Period, bool)>)> {
    select(CHANGES.to_vec()).prop_flat_map(|(zone, from)| (Just(at(from)), vec(window(zone), 1..4)))
}

/// Windows under names of their own.
fn named(periods: &[(Period, bool)]) -> (Vec<Window>, Vec<String>) {
    let names: Vec<String> = (0..periods.len()).map(|number| format!("w{number}")).collect();
    let window = |(name, (period, denies)): (&String, &(Period, bool))| {
        if *denies { deny(name, period.clone()) } else { allow(name, period.clone()) }
    };
    (names.iter().zip(periods).map(window).collect(), names)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_minute_is_as_the_slow_reference_has_it((from, periods) in windows()) {
        let (list, names) = named(&periods);
        let spelled: Vec<&str> = names.iter().map(String::as_str).collect();
        let windows = Windows::of(&spec(list, &spelled)).unwrap();
        let open: Vec<(Vec<bool>, bool)> =
            periods.iter().map(|(period, denies)| (open_minutes(period, from), *denies)).collect();
        let has_allows = open.iter().any(|(_, denies)| !denies);
        let is_open = |time: Timestamp| {
            let minute = usize::try_from(time.duration_since(from).as_mins()).unwrap();
            let is_in = |wanted: bool| open.iter().any(|(minutes, denies)| *denies == wanted && minutes[minute]);
            !is_in(true) && (!has_allows || is_in(false))
        };
        let all = |from: Timestamp| std::iter::successors(Some(from), |minute| Some(*minute + MINUTE));
        let last = from + SignedDuration::from_hours(48);
        let mut now = from;
        while now < last {
            let first_other = |wanted: bool| all(now).take_while(|minute| *minute < last).find(|minute| is_open(*minute) == wanted);
            match windows.standing(&names, now) {
                Standing::Open { until } => {
                    prop_assert!(is_open(now), "{now} is said to be open");
                    prop_assert_eq!(until.filter(|until| *until < last), first_other(false), "open until, at {}", now);
                }
                Standing::Closed(closed) => {
                    prop_assert!(!is_open(now), "{now} is said to be closed");
                    prop_assert_eq!(closed.opens.filter(|opens| *opens < last), first_other(true), "opens, at {}", now);
                }
            }
            // Odd, so that all minutes of an hour are come by.
            now += SignedDuration::from_mins(37);
        }
    }
}
