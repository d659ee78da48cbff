//! When the next look is due. Pure: time is passed in, and chance too.

use std::time::Duration;

use jiff::Timestamp;
use voxsync_crds::{
    code_sync::{Schedule, Source},
    duration::spoken,
};
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::pause;
use voxsync_window::Recurrence;

use super::{
    place::{BAD_CREDENTIALS, IMAGE_UNAVAILABLE, PLATFORM_MISSING, READING_BUILD_TIMES, UNAUTHORIZED},
    tries::Tries,
};

/// How long between two looks if nothing is said.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
/// How long between two looks that are called for, from the begin of the one to that of the next: who calls may be a flood.
const CALL_PAUSE: Duration = Duration::from_secs(1);
/// How long after a first failure the next try is; each further failure doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between retries, if the interval is shorter; and between looks for what is on its way, or that wait
/// for a login that is mended.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The part of a pause that is left to chance, so that looks spread out.
const JITTER: f64 = 0.1;

/// When looks are due.
#[derive(Clone, Debug)]
pub(crate) enum Cadence {
    /// So long after the last one.
    Interval(Duration),
    /// At fixed times.
    Cron(Box<Recurrence>),
    /// Until something was found, which then is true for ever.
    UntilFound,
}

impl Cadence {
    /// What a source says.
    ///
    /// # Errors
    /// A sentence that names the field and says what would be right.
    pub(crate) fn of(source: &Source) -> Result<Self, String> {
        if source.code_sync.is_some() {
            return Ok(Self::UntilFound);
        }
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
            Self::Interval(_) => tries.failures(),
            Self::Cron(_) | Self::UntilFound => tries.incomplete,
        };
        let is_search = tries.is_search(last);
        let regular = match self {
            Self::Interval(interval) if is_search => {
                Some(after(last, spread((*interval).min(LONGEST_RETRY), chance)))
            }
            Self::Interval(interval) => Some(after(last, spread(*interval, chance))),
            Self::Cron(times) => times.next_after(last),
            Self::UntilFound => None,
        };
        if failures == 0 {
            return regular;
        }
        let longest = if tries.of_login > 0 { LONGEST_RETRY } else { self.longest_retry() };
        let retry = after(last, spread(pause(FIRST_RETRY, failures, longest), chance));
        match self {
            // A source that fails is asked less often than one that answers.
            Self::Interval(interval) if retry < after(last, *interval) && *interval <= LONGEST_RETRY => {
                regular.max(Some(retry))
            }
            Self::Interval(_) | Self::UntilFound => Some(retry),
            Self::Cron(_) => Some(regular.map_or(retry, |regular| regular.min(retry))),
        }
    }

    /// A problem that says when it is looked at again, in words that stay the same for as long as the problem does. Where
    /// that is for a server to say, nothing is said.
    pub(crate) fn told(&self, problem: SourceProblem) -> SourceProblem {
        let when = match problem.reason.as_str() {
            IMAGE_UNAVAILABLE | PLATFORM_MISSING | Unverified::MISSING => self.of_a_search(),
            UNAUTHORIZED | BAD_CREDENTIALS => "tried again at least every minute".to_owned(),
            READING_BUILD_TIMES => return problem,
            _ if problem.unreachable => return problem,
            _ => match self {
                Self::Interval(interval) => format!("looked at again {}", every(*interval)),
                Self::Cron(_) => "looked at again by the schedule of the source".to_owned(),
                Self::UntilFound => format!("looked at again {}", every(LONGEST_RETRY)),
            },
        };
        let message = format!("{}; {when}", problem.message.trim_end_matches('.'));
        SourceProblem { message, ..problem }
    }

    fn of_a_search(&self) -> String {
        match self {
            Self::Interval(interval) if *interval <= LONGEST_RETRY => {
                format!("looked for again {}", every(*interval))
            }
            Self::Interval(interval) => {
                format!("looked for again {} for an hour, then {}", every(LONGEST_RETRY), every(*interval))
            }
            Self::Cron(_) | Self::UntilFound => format!("looked for again {}", every(LONGEST_RETRY)),
        }
    }

    /// When to look first after the process started: spread over the interval, but soon.
    pub(crate) fn first_after_start(&self, now: Timestamp, chance: f64) -> Timestamp {
        let span = match self {
            Self::Interval(interval) => (*interval).min(LONGEST_RETRY),
            Self::Cron(_) | Self::UntilFound => FIRST_RETRY,
        };
        after(now, span.mul_f64(chance))
    }

    fn longest_retry(&self) -> Duration {
        match self {
            Self::Interval(interval) => (*interval).max(LONGEST_RETRY),
            Self::Cron(_) | Self::UntilFound => LONGEST_RETRY,
        }
    }
}

/// When to look because somebody outside says that there is news, after a look that began at `last`. A source that fails
/// keeps its pauses, for who says so may be a flood; but none is longer than a minute, for they may be right.
pub(crate) fn of_call(last: Timestamp, tries: Tries, chance: f64) -> Timestamp {
    let wait = match tries.failures() {
        0 => CALL_PAUSE,
        failures => spread(pause(FIRST_RETRY, failures, LONGEST_RETRY), chance).max(CALL_PAUSE),
    };
    after(last, wait)
}

/// When a source that does not fail is looked at next, as far as its spec says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextLook {
    /// So long after the last look, in words: `every 5 m`.
    Every(String),
    /// At the next time of its schedule.
    At(Timestamp),
}

/// When a source that does not fail is looked at next; `None` where its spec cannot be read, or never.
pub fn next_look(source: &Source, now: Timestamp) -> Option<NextLook> {
    match Cadence::of(source).ok()? {
        Cadence::Interval(interval) => Some(NextLook::Every(every(interval))),
        Cadence::Cron(times) => times.next_after(now).map(NextLook::At),
        Cadence::UntilFound => None,
    }
}

fn cron(schedule: &Schedule) -> Result<Cadence, String> {
    let times = Recurrence::of(&schedule.cron, schedule.time_zone.as_deref());
    Ok(Cadence::Cron(Box::new(times.map_err(|error| format!("source.schedule.{error}"))?)))
}

fn every(pause: Duration) -> String {
    if pause == Duration::from_mins(1) {
        "every minute".to_owned()
    } else {
        format!("every {}", spoken(pause))
    }
}

fn spread(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(1.0 - JITTER / 2.0 + JITTER * chance)
}

fn after(time: Timestamp, pause: Duration) -> Timestamp {
    time.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "cadence_tests.rs"]
mod tests;
