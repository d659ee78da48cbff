//! When the next look is due. Pure: time is passed in, and chance too.

use std::time::Duration;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, tz::TimeZone};
use voxsync_crds::code_sync::{Schedule, Source};

/// How long between two looks if nothing is said.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
/// How long after a first failure the next try is; each further failure doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between retries, if the interval is shorter.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The part of a pause that is left to chance, so that looks spread out.
const JITTER: f64 = 0.1;

/// When looks are due.
#[derive(Clone, Debug)]
pub(crate) enum Cadence {
    /// So long after the last one.
    Interval(Duration),
    /// At fixed times.
    Cron(Box<Cron>, TimeZone),
    /// Until something was found, which then is true for ever.
    UntilFound,
}

/// The looks since the last good one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// Those that failed.
    pub(crate) failed: u32,
    /// Those that failed, or found no image where one is named.
    pub(crate) incomplete: u32,
}

impl Tries {
    /// One more.
    pub(crate) fn count(&mut self, failed: bool, incomplete: bool) {
        let next = |count: u32, more: bool| if more { count.saturating_add(1) } else { 0 };
        *self = Self {
            failed: next(self.failed, failed),
            incomplete: next(self.incomplete, failed || incomplete),
        };
    }
}

impl Cadence {
    /// What a source says.
    ///
    /// # Errors
    /// A sentence that names the field and says what would be right.
    pub(crate) fn of(source: &Source) -> Result<Self, String> {
        if let Some(schedule) = &source.schedule {
            return cron(schedule);
        }
        let Some(interval) = &source.interval else { return Ok(Self::Interval(DEFAULT_INTERVAL)) };
        let interval = interval.to_duration().map_err(|error| format!("source.interval: {error}"))?;
        if interval < Duration::from_secs(1) {
            return Err("source.interval: the shortest interval is 1s".to_owned());
        }
        Ok(Self::Interval(interval))
    }

    /// When to look again after a look that began at `last`; `None` where never. `chance` is between 0 and 1.
    pub(crate) fn next(&self, last: Timestamp, tries: Tries, chance: f64) -> Option<Timestamp> {
        let failures = match self {
            Self::Interval(_) => tries.failed,
            Self::Cron(..) | Self::UntilFound => tries.incomplete,
        };
        let spread = |pause: Duration| pause.mul_f64(1.0 - JITTER / 2.0 + JITTER * chance);
        let regular = match self {
            Self::Interval(interval) => Some(after(last, spread(*interval))),
            Self::Cron(cron, zone) => next_match(cron, zone, last),
            Self::UntilFound => None,
        };
        if failures == 0 {
            return regular;
        }
        let doubled = FIRST_RETRY.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        let retry = after(last, spread(doubled.min(self.longest_retry())));
        match self {
            // A source that fails is asked less often than one that answers.
            Self::Interval(interval) if retry < after(last, *interval) && *interval <= LONGEST_RETRY => {
                regular.max(Some(retry))
            }
            Self::Interval(_) | Self::UntilFound => Some(retry),
            Self::Cron(..) => Some(regular.map_or(retry, |regular| regular.min(retry))),
        }
    }

    /// When to look first after the process started: spread over the interval, but soon.
    pub(crate) fn first_after_start(&self, now: Timestamp, chance: f64) -> Timestamp {
        let span = match self {
            Self::Interval(interval) => (*interval).min(LONGEST_RETRY),
            Self::Cron(..) | Self::UntilFound => FIRST_RETRY,
        };
        after(now, span.mul_f64(chance))
    }

    fn longest_retry(&self) -> Duration {
        match self {
            Self::Interval(interval) => (*interval).max(LONGEST_RETRY),
            Self::Cron(..) | Self::UntilFound => LONGEST_RETRY,
        }
    }
}

fn cron(schedule: &Schedule) -> Result<Cadence, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(&schedule.cron).map_err(|error| {
        format!(
            "source.schedule.cron: {:?} is not a schedule of five fields ({error}); for example \"*/5 * * * *\"",
            schedule.cron
        )
    })?;
    let name = schedule.time_zone.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(name).map_err(|_| {
        format!("source.schedule.timeZone: {name:?} is not an IANA time zone; for example \"Europe/Berlin\"")
    })?;
    Ok(Cadence::Cron(Box::new(cron), zone))
}

fn next_match(cron: &Cron, zone: &TimeZone, last: Timestamp) -> Option<Timestamp> {
    let next = cron.find_next_occurrence(&last.to_zoned(zone.clone()), false).ok()?;
    Some(next.timestamp())
}

fn after(time: Timestamp, pause: Duration) -> Timestamp {
    time.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_crds::duration::DurationText;

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
    #[case::zone_in_winter(
        "0 8 * * *",
        Some("Europe/Berlin"),
        "2026-12-01T00:00:00Z",
        "2026-12-01T07:00:00Z"
    )]
    #[case::the_hour_that_is_not_there(
        "30 2 * * *",
        Some("Europe/Berlin"),
        "2026-03-28T12:00:00Z",
        "2026-03-29T01:00:00Z"
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
    fn cron_in_a_zone(
        #[case] cron: &str,
        #[case] zone: Option<&str>,
        #[case] last: &str,
        #[case] wanted: &str,
    ) {
        let cadence = scheduled(cron, zone).unwrap();
        assert_eq!(cadence.next(at(last), Tries::default(), 0.5), Some(at(wanted)));
    }

    #[rstest]
    #[case("every minute", None, "source.schedule.cron: \"every minute\"")]
    #[case("0 0 0 * * *", None, "source.schedule.cron: \"0 0 0 * * *\"")]
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
        let next = cadence.next(last, Tries { failed: failures, incomplete: failures }, chance).unwrap();
        assert_eq!(next.as_millisecond() - last.as_millisecond(), wanted);
    }

    #[test]
    fn what_was_found_is_not_looked_for_again() {
        let last = at("2026-01-01T00:00:00Z");
        let tries = |incomplete| Tries { failed: 0, incomplete };
        assert_eq!(Cadence::UntilFound.next(last, tries(0), 0.5), None);
        assert_eq!(Cadence::UntilFound.next(last, tries(2), 0.5), Some(at("2026-01-01T00:00:02Z")));
    }

    #[test]
    fn what_is_not_there_yet_is_not_left_until_the_next_scheduled_time() {
        let daily = scheduled("0 8 * * *", None).unwrap();
        let tries = Tries { failed: 0, incomplete: 40 };
        let next = daily.next(at("2026-01-01T09:00:00Z"), tries, 0.5);
        assert_eq!(next, Some(at("2026-01-01T09:01:00Z")));
        let regular = Cadence::Interval(Duration::from_hours(1)).next(at("2026-01-01T09:00:00Z"), tries, 0.5);
        assert_eq!(regular, Some(at("2026-01-01T10:00:00Z")), "an interval is kept");
    }
}
