//! A CodeSync run through a timeline, before it is live: what would be taken when, and what it would wait for.
//!
//! The decisions are the agent's: [`voxsync_promotion::step`] is asked whenever something happens, tags are elected by
//! [`voxsync_policy::TagPolicy`], and Deployments are held back and let go by [`voxsync_rollout::order`]. The world around them is a
//! model: rollouts take as long as the timeline says, looks see a tag as soon as it is pushed, and nothing is ever late.
//!
//! Pure: no clock, no network, no Kubernetes client. Each loop has a bound.
//!
//! Reading order: [`timeline`] (what people write), [`estate`] (who gets the code), `source` (what there is to take),
//! `cluster` (who runs what), `order` (who is held back), `checks` (what checks say), `world` (all of it, step by step) with
//! `given` (what the timeline says) and `told` (what people are told), [`ladder`] (one line of that).

mod checks;
mod cluster;
pub mod estate;
mod given;
mod happening;
pub mod ladder;
mod order;
mod source;
pub mod timeline;
mod told;
mod world;

use jiff::Timestamp;
use voxsync_crds::code_sync::{CodeSyncSpec, CodeSyncStatus, ConditionStatus};

pub use estate::{Estate, EstateServer, EstateTarget};
pub use ladder::{Line, Tone};
pub use timeline::{Timeline, TimelineError};

/// The condition that all stages run what should run, and the reason of Ready where nothing else is to be said.
const DEPLOYED: &str = "Deployed";

/// What is run through a timeline.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The CodeSync's name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its spec. Signatures are taken as good: `verify` is not asked.
    pub spec: &'a CodeSyncSpec,
    /// Who gets the code.
    pub estate: Estate,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Story {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Whether something could still come by itself when it ended.
    pub is_cut_off: bool,
    /// Line by line.
    pub ladder: Vec<Line>,
    /// The status at the end.
    pub status: CodeSyncStatus,
    /// How many of the timeline's expectations came true, and how many did not; none where it has none.
    pub expectations: Option<Expectations>,
}

/// What became of the timeline's expectations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// So many came true.
    pub met: usize,
    /// So many did not.
    pub missed: usize,
}

impl Story {
    /// Whether it went as people want it: by what the timeline expects, or else by how it ended: all stages run what
    /// should run, nobody has to do anything, and nothing is waited for.
    pub fn is_well(&self) -> bool {
        let holds = |kind| self.status.condition_that_is(kind, ConditionStatus::True);
        match self.expectations {
            Some(expectations) => expectations.missed == 0,
            // What is suspended, or waits, is Ready for another reason.
            None => holds("Ready").is_some_and(|ready| ready.reason == DEPLOYED) && holds(DEPLOYED).is_some(),
        }
    }
}

/// Why a simulation ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// More happened than anybody would read.
    #[error(
        "more than {limit} things happened until {at} (each opening of a window that somebody waits for is one): end it earlier \
         with `until` or `for`, or take events out of the timeline"
    )]
    TooMuch {
        /// How many are told.
        limit: usize,
        /// When that was reached.
        at: Timestamp,
    },
    /// The rules did not come to rest.
    #[error("nothing came to rest at {at}: this is a defect of voxsync, please report it with both files")]
    Restless {
        /// When.
        at: Timestamp,
    },
    /// There are more Servers than a simulation can have.
    #[error("there are {there} Servers, and {limit} at most in all stages together")]
    TooManyServers {
        /// How many there are.
        there: usize,
        /// How many there may be.
        limit: u16,
    },
    /// An event changes a target that there is not.
    #[error("change: there is no target {target:?}; there are {there}")]
    NoSuchTarget {
        /// What is named.
        target: String,
        /// All that there are.
        there: String,
    },
    /// The policy of the source cannot be read.
    #[error("{0}")]
    Policy(String),
}

/// Runs a CodeSync through a timeline.
///
/// # Errors
/// Where the source's policy cannot be read, or more happens than anybody would read.
pub fn simulate(subject: Subject<'_>, timeline: &Timeline) -> Result<Story, SimulationError> {
    simulate_telling(subject, timeline, &mut |_| ())
}

/// As [`simulate`]; tells each moment that it comes to, so that people see how far it is.
///
/// # Errors
/// Those of [`simulate`].
pub fn simulate_telling(
    subject: Subject<'_>,
    timeline: &Timeline,
    tell: &mut dyn FnMut(Timestamp),
) -> Result<Story, SimulationError> {
    world::World::new(subject, timeline)?.run(timeline, tell)
}
