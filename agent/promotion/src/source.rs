//! What the status says about the source and its candidate.

use voxsync_crds::code_sync::{CandidateStatus, CodeSyncStatus, SourceStatus};

use crate::{
    candidate::{Choice, Sight, is_deployed},
    observed::SourceProblem,
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, cut},
    view::View,
};

/// The longest summary of a source: a repository and a range.
const SUMMARY_LIMIT_BYTES: usize = 640;

/// Writes down what was seen. An idle look changes nothing here.
pub(crate) fn report(view: &View<'_>, sight: &Sight, after: &mut CodeSyncStatus) {
    after.source = Some(source_status(view, sight));
    after.ripening.clone_from(&sight.ripening.kept);
    match &sight.choice {
        Choice::Wanted(wanted) => after.candidate = Some(wanted.candidate.clone()),
        Choice::Lower { candidate, .. } => {
            after.candidate.get_or_insert_with(|| candidate.clone());
        }
        Choice::Unknown => forget_stale(view, after),
        Choice::BadPin(_) => {}
    }
}

/// Whether the image of a commit is not there yet, and nothing is wrong: CI builds it. What a person named is another
/// thing.
pub(crate) fn is_image_built(view: &View<'_>) -> bool {
    let problem = view.observed.source.problem.as_ref();
    let is_absent = problem.is_some_and(|problem| problem.reason == SourceProblem::IMAGE_UNAVAILABLE);
    is_absent && view.spec.source.git.as_ref().is_some_and(|git| git.image.is_some())
}

/// A candidate that another spec found, and that never ran, is nobody's wish any more.
fn forget_stale(view: &View<'_>, after: &mut CodeSyncStatus) {
    let runs = |candidate: &CandidateStatus| {
        after.deployed.as_ref().is_some_and(|deployed| is_deployed(view, candidate, deployed))
    };
    if !view.is_same_spec() && after.candidate.as_ref().is_some_and(|candidate| !runs(candidate)) {
        after.candidate = None;
    }
}

fn source_status(view: &View<'_>, sight: &Sight) -> SourceStatus {
    let before = view.before.source.clone().unwrap_or_default();
    let source = &view.observed.source;
    let summary = cut(&view.spec.source.summary(), SUMMARY_LIMIT_BYTES);
    if !source.looked {
        return SourceStatus { summary, ..before };
    }
    let seen = source.revision.as_deref().map(|revision| cut(revision, NAME_LIMIT_BYTES));
    let revision = seen.or_else(|| before.revision.clone());
    let changed_at = if revision == before.revision { before.changed_at } else { Some(view.now) };
    let unreachable = source.problem.as_ref().is_some_and(|problem| problem.unreachable);
    let message = source.problem.as_ref().map(|problem| problem.message.as_str()).or(sight.moved.as_deref());
    SourceStatus {
        summary,
        revision,
        changed_at,
        tag_count: source.tag_count.or(before.tag_count),
        unreachable_since: unreachable.then(|| before.unreachable_since.unwrap_or(view.now)),
        message: message.map(|message| cut(message, SENTENCE_LIMIT_BYTES)),
    }
}
