//! The windows of a `CodeSync`, and what they say to a stage.

use std::{cmp::Ordering, fmt};

use jiff::{Timestamp, tz::TimeZone};
use voxsync_crds::code_sync::{self, CodeSyncSpec};

use crate::{
    REACH_DAYS,
    period::{End, Period, PeriodError},
};

/// After so many openings that something else holds shut no other is looked for.
const SEARCH_STEPS: usize = 1000;

/// The windows of a `CodeSync`.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    windows: Vec<Window>,
}

#[derive(Clone, Debug)]
struct Window {
    name: String,
    effect: Effect,
    period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    /// Of stages that name it.
    Deny,
    /// Of all stages: none names it.
    DenyAll,
}

/// What the windows say to a stage at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may start.
    Open {
        /// From when on it may not; none where that is never, or more than a year away.
        until: Option<Timestamp>,
    },
    /// It may not start.
    Closed(Closed),
}

/// What holds a stage back; as text, a part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The name of the window: a `deny` that is open, or else the `allow` that opens next.
    pub window: String,
    /// Whether that is a `deny`.
    pub is_denied: bool,
    /// From when on the stage may start by all of its windows; none where there is none, or it is too far away to be found.
    pub opens: Option<Timestamp>,
    /// Where there is none because looking for it took too long: before this moment it may not start, and it is to be asked
    /// again then.
    pub searched_until: Option<Timestamp>,
    /// The time zone that the times of this are told in.
    pub zone: TimeZone,
}

/// Why the windows cannot be read: names the field and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A period is not one.
    #[error("windows[{window}].{effect}.{error}")]
    Period {
        /// The window's name.
        window: String,
        /// `allow` or `deny`.
        effect: &'static str,
        /// What is wrong.
        error: PeriodError,
    },
    /// A window says neither when it is open nor when it is not, or both.
    #[error("windows[{0}]: give exactly one of allow and deny")]
    Neither(String),
    /// A stage names a window that is not there.
    #[error("stages[{stage}].windows: there is no window {window:?} in windows")]
    NoSuchWindow {
        /// The stage's name.
        stage: String,
        /// The window that it names.
        window: String,
    },
}

impl Windows {
    /// The windows of a spec.
    ///
    /// # Errors
    /// Names the field and says what would be right.
    pub fn of(spec: &CodeSyncSpec) -> Result<Self, WindowError> {
        let stages = spec.stages.iter().flatten();
        let is_named = |name: &String| stages.clone().any(|stage| stage.windows.contains(name));
        let windows = spec.windows.iter().map(|window| Window::of(window, is_named(&window.name)));
        let windows: Vec<Window> = windows.collect::<Result<_, _>>()?;
        let mut named = stages.flat_map(|stage| stage.windows.iter().map(move |window| (stage, window)));
        match named.find(|(_, name)| !windows.iter().any(|window| window.name == **name)) {
            Some((stage, window)) => {
                Err(WindowError::NoSuchWindow { stage: stage.name.clone(), window: window.clone() })
            }
            None => Ok(Self { windows }),
        }
    }

    /// What they say to a stage that names these.
    pub fn standing(&self, names: &[String], now: Timestamp) -> Standing {
        Stage { windows: self.windows.iter().filter(|window| window.concerns(names)).collect() }.standing(now)
    }
}

impl Window {
    fn of(window: &code_sync::Window, is_named: bool) -> Result<Self, WindowError> {
        let code_sync::Window { name, allow, deny } = window;
        let (effect, period) = match (allow, deny) {
            (Some(allow), None) => (Effect::Allow, allow),
            (None, Some(deny)) if is_named => (Effect::Deny, deny),
            (None, Some(deny)) => (Effect::DenyAll, deny),
            _ => return Err(WindowError::Neither(name.clone())),
        };
        let field = if effect == Effect::Allow { "allow" } else { "deny" };
        let period = Period::of(period);
        let period =
            period.map_err(|error| WindowError::Period { window: name.clone(), effect: field, error })?;
        Ok(Self { name: name.clone(), effect, period })
    }

    fn concerns(&self, names: &[String]) -> bool {
        self.effect == Effect::DenyAll || names.contains(&self.name)
    }
}

/// When a stage may start.
enum Found {
    At(Timestamp),
    /// There is none, or it is too far away.
    Never,
    /// Not before this moment; what comes then was not looked at any more.
    GaveUp {
        at: Timestamp,
    },
}

/// The windows that concern one stage.
struct Stage<'w> {
    windows: Vec<&'w Window>,
}

impl<'w> Stage<'w> {
    fn standing(&self, now: Timestamp) -> Standing {
        let denied = self.denies().filter_map(|window| Some((window, window.period.open_until(now)?)));
        if let Some((window, _)) =
            denied.max_by(|(_, one), (_, other)| one.cmp(other).then(Ordering::Greater))
        {
            return Standing::Closed(self.closed(window, now));
        }
        if self.is_allowed(now) {
            return Standing::Open { until: self.open_until(now) };
        }
        let opens = |window: &Window| window.period.opens_after(now).unwrap_or(Timestamp::MAX);
        match self.allows().min_by_key(|window| opens(window)) {
            Some(window) => Standing::Closed(self.closed(window, now)),
            // Not reached: without an allow all that is not denied is allowed.
            None => Standing::Open { until: None },
        }
    }

    fn closed(&self, window: &Window, now: Timestamp) -> Closed {
        let mut zones = std::iter::once(window).chain(self.allows()).chain(self.denies());
        let (opens, searched_until) = match self.opens(now) {
            Found::At(time) => (Some(time), None),
            Found::GaveUp { at } => (None, Some(at)),
            Found::Never => (None, None),
        };
        Closed {
            window: window.name.clone(),
            is_denied: window.effect != Effect::Allow,
            opens,
            searched_until,
            zone: zones.find_map(|window| window.period.zone()).cloned().unwrap_or(TimeZone::UTC),
        }
    }

    /// The first moment from `now` on at which it may start.
    fn opens(&self, now: Timestamp) -> Found {
        let mut time = now;
        // Each turn leads to a later moment, before which it may not start.
        for _ in 0..SEARCH_STEPS {
            let denied = self.denies().filter_map(|window| window.period.open_until(time)).max();
            time = match denied {
                Some(End::At(end)) => end,
                Some(End::OutOfReach) => return Found::Never,
                None if self.is_allowed(time) => return Found::At(time),
                None => match self.allows().filter_map(|window| window.period.opens_after(time)).min() {
                    Some(opens) => opens,
                    None => return Found::Never,
                },
            };
            if time.duration_since(now).as_hours() > 24 * i64::from(REACH_DAYS) {
                return Found::Never;
            }
        }
        Found::GaveUp { at: time }
    }

    /// The first moment after `now`, at which it may start, at which it may not.
    fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let denied = self.denies().filter_map(|window| window.period.opens_after(now)).min();
        let mut time = now;
        // One window may open while another still is.
        for _ in 0..SEARCH_STEPS {
            if denied.is_some_and(|denied| denied <= time) {
                return denied;
            }
            let end = self.allows().filter_map(|window| window.period.open_within(time, denied)).max();
            time = match end {
                Some(End::At(end)) => end,
                Some(End::OutOfReach) => return denied,
                None if time == now => return denied,
                None => return Some(time),
            };
        }
        denied
    }

    fn is_allowed(&self, time: Timestamp) -> bool {
        self.allows().next().is_none() || self.allows().any(|window| window.period.is_open(time))
    }

    fn allows(&self) -> impl Iterator<Item = &'w Window> {
        self.windows.iter().copied().filter(|window| window.effect == Effect::Allow)
    }

    fn denies(&self) -> impl Iterator<Item = &'w Window> {
        self.windows.iter().copied().filter(|window| window.effect != Effect::Allow)
    }
}

/// For instance `window office-hours is closed until Mon 2026-11-30 08:00 CET`.
impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, is_denied, opens, searched_until, zone } = self;
        let says = if *is_denied { "lets nothing start" } else { "is closed" };
        write!(formatter, "window {window} {says}")?;
        let local = |time: &Timestamp| time.to_zoned(zone.clone()).strftime("%a %F %H:%M %Z").to_string();
        match (opens, searched_until) {
            (Some(opens), _) => write!(formatter, " until {}", local(opens)),
            (None, Some(until)) => {
                let until = local(until);
                write!(formatter, ", and no time was found before {until} at which all windows are open")
            }
            (None, None) => formatter.write_str(", and no time was found at which all windows are open"),
        }
    }
}
