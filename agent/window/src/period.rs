//! From when until when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use voxsync_crds::{code_sync, duration::DurationError};

use crate::recurrence::{Recurrence, RecurrenceError, at};

/// What is open for longer than that without a break is held to be open for ever.
const RUN_DAYS: i64 = 370;
const SHORTEST_DURATION: Duration = Duration::from_mins(1);
const LONGEST_DURATION: Duration = Duration::from_hours(8760);

/// A time that comes again, or one that comes once; each begins at a moment and is over at one.
#[derive(Clone, Debug)]
pub(crate) enum Period {
    Again(Box<Again>),
    Once { from: Timestamp, to: Timestamp },
}

/// A time that comes again.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    openings: Recurrence,
    duration: SignedDuration,
    /// The openings of a day, in minutes since midnight: the first and the last of those that go over into each other.
    runs: Vec<(u16, u16)>,
}

/// When something that is open will be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    At(Timestamp),
    /// Not within [a year](RUN_DAYS).
    OutOfReach,
}

/// Why it is no period: names the field and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The times that it begins.
    #[error(transparent)]
    Recurrence(#[from] RecurrenceError),
    /// How long it takes is no duration.
    #[error("duration: {0}")]
    NotADuration(#[from] DurationError),
    /// How long it takes is too short or too long.
    #[error("duration: {0:?} is not between 1m and 8760h")]
    DurationOutOfBounds(String),
    /// It is over before it begins.
    #[error("to: must be after from")]
    Backwards,
    /// It says neither.
    #[error("give cron and duration, or from and to")]
    Neither,
}

impl Period {
    pub(crate) fn of(period: &code_sync::Period) -> Result<Self, PeriodError> {
        let code_sync::Period { cron, duration, time_zone, from, to } = period;
        match (cron, duration, from, to) {
            (Some(cron), Some(duration), None, None) => {
                let openings = Recurrence::of(cron, time_zone.as_deref())?;
                let length = duration.to_duration()?;
                let out_of_bounds =
                    || PeriodError::DurationOutOfBounds(duration.0.chars().take(40).collect());
                if !(SHORTEST_DURATION..=LONGEST_DURATION).contains(&length) {
                    return Err(out_of_bounds());
                }
                let duration = SignedDuration::try_from(length).map_err(|_| out_of_bounds())?;
                let runs = runs_of(openings.minutes(), |from, to| {
                    SignedDuration::from_mins(i64::from(to) - i64::from(from)) <= duration
                });
                Ok(Self::Again(Box::new(Again { openings, duration, runs })))
            }
            (None, None, Some(from), Some(to)) if from < to => {
                Ok(Self::Once { from: from.timestamp(), to: to.timestamp() })
            }
            (None, None, Some(_), Some(_)) => Err(PeriodError::Backwards),
            _ => Err(PeriodError::Neither),
        }
    }

    /// Whether it is open at this moment. Until when, takes far longer to find.
    pub(crate) fn is_open(&self, time: Timestamp) -> bool {
        match self {
            Self::Once { from, to } => *from <= time && time < *to,
            Self::Again(again) => again.latest_end(time).is_some(),
        }
    }

    /// Until when it is open without a break, if it is open at this moment.
    pub(crate) fn open_until(&self, time: Timestamp) -> Option<End> {
        self.open_within(time, None)
    }

    /// As [`Self::open_until`]; what lies after the limit may be out of reach.
    pub(crate) fn open_within(&self, time: Timestamp, limit: Option<Timestamp>) -> Option<End> {
        match self {
            Self::Once { to, .. } => self.is_open(time).then_some(End::At(*to)),
            Self::Again(again) => again.open_within(time, limit),
        }
    }

    /// When it opens next after this moment, whether it is open or not.
    pub(crate) fn opens_after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, .. } => (*from > time).then_some(*from),
            Self::Again(again) => again.openings.next_after(time),
        }
    }

    /// The zone that it is said in, if it is in one.
    pub(crate) fn zone(&self) -> Option<&TimeZone> {
        match self {
            Self::Once { .. } => None,
            Self::Again(again) => Some(again.openings.zone()),
        }
    }
}

impl Again {
    fn open_within(&self, time: Timestamp, limit: Option<Timestamp>) -> Option<End> {
        let reach = time.checked_add(SignedDuration::from_hours(24 * RUN_DAYS)).ok();
        let reach = reach.map(|reach| limit.map_or(reach, |limit| reach.min(limit)));
        let mut end = self.latest_end(time)?;
        // It opens again while it is open: each turn gets further by a day or by its duration, whichever is more.
        while let Some(further) = self.latest_end(end) {
            if reach.is_none_or(|reach| further > reach) {
                return Some(End::OutOfReach);
            }
            end = further;
        }
        Some(End::At(end))
    }

    /// The latest end of what begins at this moment or before, if that is after it.
    fn latest_end(&self, time: Timestamp) -> Option<Timestamp> {
        let earliest = time.checked_sub(self.duration).unwrap_or(Timestamp::MIN);
        // What a change of the clock moves may get into the next day, and there meets only its like.
        let first = self.openings.date_of(earliest).yesterday().ok()?;
        let last = self.openings.date_of(time);
        let mut days =
            std::iter::successors(Some(last), |day| day.yesterday().ok()).take_while(|day| *day >= first);
        days.find_map(|day| self.latest_end_on(day, time)).filter(|end| *end > time)
    }

    fn latest_end_on(&self, day: Date, time: Timestamp) -> Option<Timestamp> {
        if !self.openings.is_on(day) {
            return None;
        }
        let last = if let Some(offset) = self.openings.steady(day) {
            let is_past = |minute: u16| at(day, minute, offset).is_some_and(|moment| moment <= time);
            let begun = self.runs.partition_point(|(first, _)| is_past(*first));
            let (_, last) = self.runs.get(begun.checked_sub(1)?)?;
            at(day, *last, offset)?
        } else {
            let moments = self.openings.changing_times_on(day);
            let runs = runs_of(&moments, |from, to| to.duration_since(from) <= self.duration);
            runs.into_iter().rev().find(|(first, _)| *first <= time)?.1
        };
        last.checked_add(self.duration).ok()
    }
}

/// The first and the last of each row of moments that go over into each other.
fn runs_of<M: Copy>(moments: &[M], goes_over: impl Fn(M, M) -> bool) -> Vec<(M, M)> {
    let runs = moments.chunk_by(|from, to| goes_over(*from, *to));
    runs.filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
}
