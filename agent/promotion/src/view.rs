//! What one step looks at, and the few questions that every decision asks of it.

use std::borrow::Cow;

use jiff::Timestamp;
use voxsync_crds::{
    annotations::Applied,
    code_sync::{Adopt, CodeSyncSpec, CodeSyncStatus, Stage},
    time::Time,
};

use crate::{
    observed::{Observed, ObservedTarget},
    verified::verify_rules,
};

/// The inputs of one step.
pub(crate) struct View<'a> {
    pub spec: &'a CodeSyncSpec,
    pub stages: Cow<'a, [Stage]>,
    /// The status as stored; what is decided in this step is elsewhere.
    pub before: &'a CodeSyncStatus,
    pub observed: &'a Observed,
    /// What names `spec.verify` in a verdict; none where nothing must be signed.
    pub rules: Option<String>,
    pub now: Time,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        spec: &'a CodeSyncSpec,
        before: &'a CodeSyncStatus,
        observed: &'a Observed,
        now: Timestamp,
    ) -> Self {
        let rules = spec.verify.as_ref().map(verify_rules);
        Self { spec, stages: spec.ordered_stages(), before, observed, rules, now: now.into() }
    }

    /// Each stage with its targets, in order.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (&Stage, &'a [ObservedTarget])> {
        self.stages
            .iter()
            .enumerate()
            .map(|(index, stage)| (stage, self.observed.stages.get(index).map_or(&[][..], Vec::as_slice)))
    }

    /// Our record on a target.
    pub(crate) fn record_on<'t>(&self, target: &'t ObservedTarget) -> Option<&'t Applied> {
        target.applied.as_ref().filter(|applied| applied.code_sync == self.observed.uid)
    }

    /// Whether the status is of this very spec.
    pub(crate) fn is_same_spec(&self) -> bool {
        self.before.observed_generation == Some(self.observed.generation)
    }

    /// Whether a person chose what runs, and the source does not decide.
    pub(crate) fn is_chosen(&self) -> bool {
        self.spec.pin.is_some() || self.before.rollback.is_some()
    }

    /// Whether the source is one tag that may point elsewhere at any time.
    pub(crate) fn follows_tag(&self) -> bool {
        self.spec.source.registry.as_ref().is_some_and(|registry| registry.tag.follow.is_some())
    }

    /// Whether the source is the image that was built last, whatever its tags.
    pub(crate) fn takes_newest_build(&self) -> bool {
        self.spec.source.registry.as_ref().is_some_and(|registry| registry.tag.newest_build.is_some())
    }

    /// Whether the source says itself which candidate comes after which.
    pub(crate) fn is_ranked(&self) -> bool {
        self.spec.source.registry.is_some() && !self.follows_tag()
    }

    /// Whether nothing may be written. A CodeSync that is deleted goes its last steps all the same.
    pub(crate) fn is_suspended(&self) -> bool {
        self.spec.suspend && !self.observed.is_leaving
    }

    /// Whether a target that runs the wanted tag without a digest stays as it is.
    pub(crate) fn keeps_tags(&self) -> bool {
        self.spec.adopt.unwrap_or_default() == Adopt::Keep
    }
}
