//! What looks have to go on asking for, so that what waits for its age can reach it.

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CodeSyncSpec, CodeSyncStatus},
    duration::DurationText,
};

use crate::ripening::ripe_at;

/// A tag that a look has to go on asking for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The tag, in its repository.
    pub reference: CodeReference,
    /// From when on the tag is to be asked for once more; none where nothing would be taken.
    pub from: Option<Timestamp>,
}

/// The tags that wait for their age, and the one that was taken: better ones may come so fast that these are none of the
/// best any more. `is_same_spec` says whether the status is of this very spec: what another one saw of a branch, Git tags
/// or a file is of no interest.
pub fn awaited(spec: &CodeSyncSpec, status: &CodeSyncStatus, is_same_spec: bool) -> Vec<Awaited> {
    let age = spec.minimum_age.as_ref().map(DurationText::to_duration);
    let Some(Ok(age)) = age.filter(|age| age.as_ref().is_ok_and(|age| !age.is_zero())) else {
        return Vec::new();
    };
    let is_meant = |candidate: &&CandidateStatus| match &spec.source.registry {
        Some(registry) => registry.tag.follow.is_none() && registry.repository == candidate.repository,
        None => is_same_spec,
    };
    let reference = |candidate: &CandidateStatus| {
        CodeReference::new(&candidate.repository, Some(candidate.tag.as_deref()?), None).ok()
    };
    let ripening = status.ripening.iter().map(|candidate| {
        let from = spec.pin.is_none().then(|| ripe_at(candidate, age).timestamp());
        (candidate, from)
    });
    let all = ripening.chain(status.candidate.iter().map(|candidate| (candidate, None)));
    all.filter(|(candidate, _)| is_meant(candidate))
        .filter_map(|(candidate, from)| Some(Awaited { reference: reference(candidate)?, from }))
        .collect()
}
