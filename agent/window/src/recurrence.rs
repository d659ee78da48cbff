//! The times that a cron names in a time zone.
//!
//! The search is in local time, where there are no changes of the clock: first the day, then its times, and only then what
//! moments these are.

use std::fmt;

use croner::{
    Cron, Weekday,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use crate::{REACH_DAYS, zone::zone};

/// How much of a text an error quotes.
const QUOTED_CHARACTERS: usize = 100;
const MINUTES_AN_HOUR: u16 = 60;
const HOURS_A_DAY: u16 = 24;
/// After so many years each date has fallen on each day of the week that it ever falls on.
const CALENDAR_YEARS: i16 = 400;
const FIRST_YEAR: i16 = 2000;

/// Times that come again.
#[derive(Clone)]
pub struct Recurrence {
    cron: Cron,
    zone: TimeZone,
    /// The times of each of its days, in minutes since midnight, in their order.
    minutes: Vec<u16>,
    /// Whether it names each hour of the day: then each that passes is meant, also one that comes again.
    is_of_each_hour: bool,
}

/// Why a text names no times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    /// It is no cron.
    #[error("cron: {cron:?} is not a schedule of five fields ({why}); for example \"*/5 * * * *\"")]
    NotACron {
        /// Its beginning.
        cron: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such day.
    #[error("cron: {0:?} names a day that no month has, so that it would never come")]
    Never(String),
    /// There is no such zone.
    #[error("timeZone: {0:?} is not an IANA time zone; for example \"Europe/Berlin\"")]
    NoSuchZone(String),
}

impl Recurrence {
    /// What a cron names in a zone (without a name UTC).
    ///
    /// # Errors
    /// Names the field, `cron` or `timeZone`, and says what would be right.
    pub fn of(text: &str, zone_name: Option<&str>) -> Result<Self, RecurrenceError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let not_a_cron =
            |why: String| RecurrenceError::NotACron { cron: start_of(text), why: start_of(&why) };
        let cron = parser.parse(text).map_err(|error| not_a_cron(error.to_string()))?;
        let is_of_hour = |hour: &u16| cron.pattern.hour_match(u32::from(*hour)).unwrap_or(false);
        let is_of_minute = |minute: &u16| cron.pattern.minute_match(u32::from(*minute)).unwrap_or(false);
        let hours: Vec<u16> = (0..HOURS_A_DAY).filter(is_of_hour).collect();
        let of_hour: Vec<u16> = (0..MINUTES_AN_HOUR).filter(is_of_minute).collect();
        let minutes =
            hours.iter().flat_map(|hour| of_hour.iter().map(move |minute| hour * MINUTES_AN_HOUR + minute));
        let minutes: Vec<u16> = minutes.collect();
        let is_of_each_hour = hours.len() == usize::from(HOURS_A_DAY);
        let name = zone_name.unwrap_or("UTC");
        let zone = zone(name).ok_or_else(|| RecurrenceError::NoSuchZone(start_of(name)))?;
        let recurrence = Self { cron, zone, minutes, is_of_each_hour };
        if recurrence.never_comes() {
            return Err(RecurrenceError::Never(start_of(text)));
        }
        Ok(recurrence)
    }

    /// The first of its times after a moment; none where it does not come within ten years.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // What a change of the clock moves may get into the next day, and there meets only its like.
        let first = self.date_of(time).yesterday().ok()?;
        let mut days = days(first).take(REACH_DAYS as usize);
        days.find_map(|day| self.first_on(day, time))
    }

    /// Its time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The times of each of its days, in minutes since midnight.
    pub(crate) fn minutes(&self) -> &[u16] {
        &self.minutes
    }

    /// The day that it is in its zone.
    pub(crate) fn date_of(&self, time: Timestamp) -> Date {
        self.zone.to_datetime(time).date()
    }

    /// The first of the moments that it names on a day which is after this one.
    fn first_on(&self, day: Date, time: Timestamp) -> Option<Timestamp> {
        if !self.is_on(day) {
            return None;
        }
        let Some(offset) = self.steady(day) else {
            return self.changing_times_on(day).into_iter().find(|next| *next > time);
        };
        // A search for an open window asks a thousand times, and a day may have 1,440 of them.
        let is_past = |minute: &u16| at(day, *minute, offset).is_some_and(|moment| moment <= time);
        let next = self.minutes.partition_point(is_past);
        self.minutes.get(next).and_then(|minute| at(day, *minute, offset))
    }

    /// Whether it names times of this day.
    pub(crate) fn is_on(&self, day: Date) -> bool {
        let number = |number: i8| u32::try_from(number).unwrap_or_default();
        let weekday = Weekday::from_days_from_sunday(number(day.weekday().to_sunday_zero_offset()));
        let is_named = || {
            let year = i32::from(day.year());
            self.cron
                .pattern
                .day_match(year, number(day.month()), number(day.day()), weekday)
                .unwrap_or(false)
        };
        self.is_in_month(day.month()) && is_named()
    }

    fn is_in_month(&self, month: i8) -> bool {
        u32::try_from(month).is_ok_and(|month| self.cron.pattern.month_match(month).unwrap_or(false))
    }

    /// The offset of a day on which the clock is not changed.
    pub(crate) fn steady(&self, day: Date) -> Option<Offset> {
        let offset_at = |midnight: DateTime| match self.zone.to_ambiguous_timestamp(midnight).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(offset),
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Fold { .. } => None,
        };
        let offset = offset_at(day.to_datetime(Time::midnight()))?;
        // Clocks are changed at most once a day.
        let next = offset_at(day.tomorrow().ok()?.to_datetime(Time::midnight()))?;
        (offset == next).then_some(offset)
    }

    /// The moments that it names on a day on which the clock is changed.
    pub(crate) fn changing_times_on(&self, day: Date) -> Vec<Timestamp> {
        let mut times = Vec::new();
        for minute in &self.minutes {
            let Some(local) = local(day, *minute) else { continue };
            let (first, second) = match self.zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => (offset, None),
                AmbiguousOffset::Gap { before, .. } => (before, None),
                AmbiguousOffset::Fold { before, after } => (before, self.is_of_each_hour.then_some(after)),
            };
            times.extend(
                std::iter::once(first).chain(second).filter_map(|offset| offset.to_timestamp(local).ok()),
            );
        }
        times.sort_unstable();
        times.dedup();
        times
    }

    /// Whether it names only days that no year has. Most crons answer at the first of theirs.
    fn never_comes(&self) -> bool {
        let years = FIRST_YEAR..FIRST_YEAR + CALENDAR_YEARS;
        let months = years.flat_map(|year| (1..=12).map(move |month| (year, month)));
        let named = months.filter(|(_, month)| self.is_in_month(*month));
        let firsts = named.filter_map(|(year, month)| Date::new(year, month, 1).ok());
        !firsts
            .flat_map(|first| days(first).take(usize::from(first.days_in_month().unsigned_abs())))
            .any(|day| self.is_on(day))
    }
}

/// So that an error of a test names what it is about.
impl fmt::Debug for Recurrence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} in {:?}", self.cron.as_str(), self.zone.iana_name())
    }
}

/// A day and those after it.
fn days(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}

fn local(day: Date, minute: u16) -> Option<DateTime> {
    day.to_datetime(Time::midnight()).checked_add(SignedDuration::from_mins(i64::from(minute))).ok()
}

/// The moment of a local time with this offset.
pub(crate) fn at(day: Date, minute: u16, offset: Offset) -> Option<Timestamp> {
    offset.to_timestamp(local(day, minute)?).ok()
}

/// What an error quotes of a text.
fn start_of(text: &str) -> String {
    text.chars().take(QUOTED_CHARACTERS).collect()
}
