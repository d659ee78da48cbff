//! What people write: when which tag is pushed, who approves what, and what goes wrong. YAML, read strictly.
//!
//! ```yaml
//! start: 2026-12-17T15:00:00Z
//! deployed: v1.4.2
//! servers:
//!   production: {compile: 4, ca: 1}
//! events:
//!   - {at: +0s, tag: v1.5.0}
//!   - {at: +2h, tag: v1.6.0, fails: {stage: canary, reason: ImagePullBackOff}}
//!   - {at: +3h, approve: v1.5.0, by: maria}
//!   - {at: +1h, expect: {canary: v1.5.0, production: v1.4.2}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use voxsync_crds::{
    code_sync::{CheckStanding, CodeSyncSpec, Stage},
    duration::{DurationText, go_duration},
    reference::is_tag,
};

use crate::{
    estate::{SERVERS_LIMIT, Size, may_have},
    happening::{Event, Happening, Known},
};

/// How many events a timeline may have.
const EVENTS_LIMIT: usize = 500;
/// How many values its text may have, aliases followed.
const VALUES_LIMIT: usize = 20_000;
/// How much of what is wrong is shown, in characters.
const SHOWN_CHARACTERS: usize = 40;
/// How long one rollout takes where nobody says it.
const DEFAULT_ROLLOUT: SignedDuration = SignedDuration::from_secs(30);
/// The shortest that one may take: that of many, one after the other, is no single moment.
const SHORTEST_ROLLOUT: SignedDuration = SignedDuration::from_secs(1);
/// How long after its last event a timeline ends where nobody says it.
const DEFAULT_REACH: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The longest that it may last.
const LONGEST: SignedDuration = SignedDuration::from_hours(3 * 366 * 24);

/// A timeline that hangs together.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// Whether it ends before that, as soon as nothing more can happen by itself.
    pub ends_early: bool,
    /// The tag that all targets run at the beginning.
    pub deployed: Option<String>,
    /// How long a Deployment takes to run other code.
    pub rollout: SignedDuration,
    /// How many Servers stages have.
    pub sizes: BTreeMap<String, Size>,
    pub(crate) happenings: Vec<(Timestamp, Happening)>,
}

/// Why a text is no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// It is not YAML, or has a field that there is not.
    #[error("{0}")]
    Unreadable(String),
    /// A field says what cannot be.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// An event says what cannot be.
    #[error("line {line}: events[{number}]: {why}")]
    Event {
        /// Where it is in the text.
        line: u64,
        /// Which it is, from 0.
        number: usize,
        /// What is wrong and what would be right.
        why: String,
    },
}

/// A timeline as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    start: Option<String>,
    until: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<DurationText>,
    deployed: Option<String>,
    rollout: Option<DurationText>,
    #[serde(default)]
    servers: BTreeMap<String, SizeText>,
    #[serde(default)]
    events: Vec<Spanned<EventText>>,
}

/// How many Servers a stage has; what is no number is said with an example.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeText {
    #[serde(default)]
    compile: Value,
    #[serde(default)]
    ca: Value,
}

/// An event as it is written: `at`, one verb, and what belongs to that.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EventText {
    pub(crate) at: String,
    pub(crate) tag: Option<String>,
    pub(crate) remove: Option<String>,
    pub(crate) outage: Option<DurationText>,
    pub(crate) approve: Option<String>,
    pub(crate) promote: Option<String>,
    pub(crate) rollback: Option<String>,
    pub(crate) release_quarantine: Option<String>,
    pub(crate) resume: Option<bool>,
    pub(crate) suspend: Option<String>,
    pub(crate) change: Option<String>,
    pub(crate) check: Option<String>,
    pub(crate) expect: Option<BTreeMap<String, String>>,
    pub(crate) fails: Option<FailsText>,
    pub(crate) stage: Option<String>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) now: Option<bool>,
    pub(crate) to: Option<String>,
    pub(crate) says: Option<CheckStanding>,
}

/// How the code of a tag fails.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FailsText {
    pub(crate) stage: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) check: Option<String>,
    pub(crate) after: Option<DurationText>,
}

impl Timeline {
    /// Reads a timeline for a spec. `now` is when it begins where it does not say that itself.
    ///
    /// # Errors
    /// Where the text is not one: the place and the field, and what would be right.
    pub fn read(text: &str, spec: &CodeSyncSpec, now: Timestamp) -> Result<Self, TimelineError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_documents: 1, max_nodes: VALUES_LIMIT },
            with_snippet: false,
        };
        let text: Text = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| TimelineError::Unreadable(error.to_string()))?;
        let Text { start, until, lasts, deployed, rollout, servers, events } = text;
        let start = start.map_or(Ok(now), |text| named_moment("start", &text))?;
        let until = until.map(|text| named_moment("until", &text)).transpose()?;
        if events.len() > EVENTS_LIMIT {
            return Err(field("events", format!("there are {}, and {EVENTS_LIMIT} at most", events.len())));
        }
        let stages: Vec<String> = spec.ordered_stages().iter().map(|stage| stage.name.clone()).collect();
        let pushed = events.iter().filter_map(|event| event.value.tag.clone());
        let tags: BTreeSet<String> = pushed.chain(deployed.clone()).collect();
        if let Some(tag) = deployed.as_deref().filter(|tag| !is_tag(tag)) {
            return Err(field("deployed", format!("{tag:?} is not a tag")));
        }
        let known = Known { spec, stages: &stages, tags: &tags };
        let mut happenings = Vec::with_capacity(events.len());
        for (number, event) in events.into_iter().enumerate() {
            let (line, event) = (event.referenced.line(), event.value);
            let refused = |why: String| TimelineError::Event { line, number, why };
            let at = moment(&event.at, start).map_err(refused)?;
            let Event(happening) = known.read(event).map_err(refused)?;
            happenings.push((at, happening));
        }
        happenings.sort_by_key(|(at, _)| *at);
        let last = happenings.last().map_or(start, |(at, _)| *at);
        let (end, ends_early) = end(start, last, until, lasts.as_ref())?;
        let ordered = spec.ordered_stages();
        let sizes = servers.into_iter().map(|(stage, size)| sized(stage, &size, &ordered));
        let rollout = rollout.map_or(Ok(DEFAULT_ROLLOUT), |text| duration("rollout", &text))?;
        if rollout < SHORTEST_ROLLOUT {
            return Err(field("rollout", format!("{rollout:#} is too short: give 1s or more")));
        }
        Ok(Self {
            start,
            end,
            ends_early,
            deployed,
            rollout,
            sizes: sizes.collect::<Result<_, _>>()?,
            happenings,
        })
    }
}

fn field(field: &'static str, why: String) -> TimelineError {
    TimelineError::Field { field, why }
}

/// When it ends, and whether it does so earlier where nothing more can happen.
fn end(
    start: Timestamp,
    last: Timestamp,
    until: Option<Timestamp>,
    lasts: Option<&DurationText>,
) -> Result<(Timestamp, bool), TimelineError> {
    let longest = start.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
    let (name, end) = match (until, lasts) {
        (Some(_), Some(_)) => return Err(field("until", "give `until` or `for`, not both".to_owned())),
        (Some(until), None) => ("until", until),
        (None, Some(lasts)) => {
            ("for", start.saturating_add(duration("for", lasts)?).unwrap_or(Timestamp::MAX))
        }
        (None, None) => {
            return Ok((last.saturating_add(DEFAULT_REACH).unwrap_or(Timestamp::MAX).min(longest), true));
        }
    };
    if end < last || end > longest {
        let why = format!(
            "{end} must not be before the last event ({last}), nor more than three years after the start"
        );
        return Err(field(name, why));
    }
    Ok((end, false))
}

fn sized(name: String, size: &SizeText, stages: &[Stage]) -> Result<(String, Size), TimelineError> {
    let Some(stage) = stages.iter().find(|stage| stage.name == name) else {
        let there: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(field("servers", format!("there is no stage {name:?}; there are {}", there.join(", "))));
    };
    let count = |part: &str, value: &Value| {
        let count =
            if value.is_null() { Some(0) } else { value.as_u64().and_then(|it| u16::try_from(it).ok()) };
        count.ok_or_else(|| {
            let value: String = value.to_string().chars().take(SHOWN_CHARACTERS).collect();
            let example = format!("for instance {name}: {{compile: 4, ca: 1}}");
            field(
                "servers",
                format!(
                    "{name}.{part}: {value} is no number of Servers: give 0 to {SERVERS_LIMIT}, {example}"
                ),
            )
        })
    };
    let (compile, ca) = (count("compile", &size.compile)?, count("ca", &size.ca)?);
    if compile.saturating_add(ca) == 0 || compile.saturating_add(ca) > SERVERS_LIMIT {
        return Err(field("servers", format!("{name} must have 1 to {SERVERS_LIMIT} Servers")));
    }
    let size = Size { compilers: compile, authorities: ca };
    if !may_have(stage, size) {
        let why = format!("{name} names its Servers itself, and has no others: take it out of `servers`");
        return Err(field("servers", why));
    }
    Ok((name, size))
}

fn duration(name: &'static str, text: &DurationText) -> Result<SignedDuration, TimelineError> {
    length(text).map_err(|why| field(name, why))
}

/// A duration as it is written.
pub(crate) fn length(text: &DurationText) -> Result<SignedDuration, String> {
    let length = text.to_duration().map_err(|error| error.to_string())?;
    Ok(SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX))
}

/// A moment of a field that takes nothing else.
fn named_moment(name: &'static str, text: &str) -> Result<Timestamp, TimelineError> {
    let shown = || text.chars().take(SHOWN_CHARACTERS).collect::<String>();
    text.parse()
        .map_err(|_| field(name, format!("{:?} is not a moment, for instance 2026-12-17T15:00:00Z", shown())))
}

/// A moment, or so long after the start.
fn moment(text: &str, start: Timestamp) -> Result<Timestamp, String> {
    let after = text.strip_prefix('+').map(go_duration);
    let at = match after {
        Some(after) => after.ok().and_then(|after| start.checked_add(after).ok()),
        None => text.parse::<Timestamp>().ok(),
    };
    let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
    match at {
        Some(at) if at < start => Err(format!("at: {shown} is before the start, {start}")),
        Some(at) => Ok(at),
        None => Err(format!(
            "at: {shown:?} is neither so long after the start (+2h) nor a moment (2026-12-17T15:00:00Z)"
        )),
    }
}
