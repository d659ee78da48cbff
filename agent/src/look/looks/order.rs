//! Who wants what of a place.

use super::super::{
    cadence::Cadence,
    place::{Place, Want},
    verify::VerifyQuery,
};
use crate::key::CodeSyncKey;

/// Who wants a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subscriber {
    pub(crate) key: CodeSyncKey,
    pub(crate) purpose: Purpose,
}

/// What a CodeSync looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Candidates.
    Source,
    /// The image that a person pinned.
    Pin,
}

/// What a subscriber wants, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) place: Place,
    pub(crate) want: Want,
    /// By which signatures what is found is judged.
    pub(crate) verify: Option<VerifyQuery>,
    pub(crate) cadence: Cadence,
}

/// Whether a first look may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It is new: look at once.
    AtOnce,
    /// The process just started: spread.
    Spread,
}
