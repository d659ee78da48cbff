//! Whether something runs, or was chosen, that is higher than the candidate: nothing goes back by itself.

use std::cmp::Ordering;

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, GitTag, Outcome},
};
use voxsync_policy::TagPolicy;

use crate::{candidate::Higher, view::View};

/// What is higher than the candidate, with the candidate's own tag: it must not be made undone by a shorter list of
/// tags.
pub(crate) fn higher_running(view: &View<'_>, candidate: &CandidateStatus) -> Option<(String, Higher)> {
    let source = &view.spec.source;
    if let Some(tag) = source.git.as_ref().and_then(|git| git.revision.tag.as_ref()) {
        return higher_git_tag(view, candidate, tag);
    }
    let policy = TagPolicy::of(source.registry.as_ref()?).ok()?;
    if policy.asks_build_time() {
        return later_build(view, candidate);
    }
    let tag = candidate.tag.as_deref()?;
    let order = |(repository, other): &(String, String)| {
        (*repository == candidate.repository).then(|| policy.compare(tag, other)).flatten()
    };
    // What failed blocks no fix, but what was deployed before it is not taken up again by itself.
    let deployed = view.before.deployed.as_ref().and_then(|it| tagged(&it.reference, it.tag.as_deref()));
    let is_fix = deployed.as_ref().and_then(order) == Some(Ordering::Greater);
    let runs = running(view).into_iter().filter(|running| !(is_fix && running.has_failed));
    let mut higher = runs.filter(|running| order(&running.code) == Some(Ordering::Less));
    let Running { code: (_, higher), has_failed } = higher.next()?;
    Some((tag.to_owned(), Higher { tag: higher, has_failed }))
}

/// What was chosen before, if its image was built later than the candidate's.
fn later_build(view: &View<'_>, candidate: &CandidateStatus) -> Option<(String, Higher)> {
    let chosen = view.before.candidate.iter().chain(view.before.promotion.iter().map(|it| &it.candidate));
    let is_older_than = |other| candidate.created.is_none_or(|created| created < other);
    let mut later = chosen.filter(|chosen| {
        chosen.repository == candidate.repository
            && chosen.digest != candidate.digest
            && chosen.created.is_some_and(is_older_than)
    });
    let name = |candidate: &CandidateStatus| candidate.tag.clone().unwrap_or_else(|| candidate.name.clone());
    Some((name(candidate), Higher { tag: name(later.next()?), has_failed: false }))
}

/// The Git tag that was chosen before, if it is higher than the candidate's. Which images they name does not matter.
fn higher_git_tag(view: &View<'_>, candidate: &CandidateStatus, tag: &GitTag) -> Option<(String, Higher)> {
    let policy = TagPolicy::of_git(tag).ok()?;
    let tag = candidate.source_revision.as_deref()?;
    let chosen = view.before.candidate.iter().chain(view.before.promotion.iter().map(|it| &it.candidate));
    let tags = chosen.filter_map(|chosen| chosen.source_revision.as_deref());
    let mut higher = tags.filter(|chosen| policy.compare(tag, chosen) == Some(Ordering::Less));
    Some((tag.to_owned(), Higher { tag: higher.next()?.to_owned(), has_failed: false }))
}

/// Something that runs or is on its way.
struct Running {
    /// Its repository and tag.
    code: (String, String),
    /// A stage could not run it, and nothing was released since.
    has_failed: bool,
}

fn tagged(reference: &str, tag: Option<&str>) -> Option<(String, String)> {
    let parsed = CodeReference::parse(reference).ok()?;
    Some((parsed.repository().to_owned(), parsed.tag().or(tag)?.to_owned()))
}

/// All that runs or is on its way.
fn running(view: &View<'_>) -> Vec<Running> {
    let before = view.before;
    let unreleased = || before.history.iter().take_while(|last| last.outcome != Outcome::Released);
    let has_failed = |reference: &str| {
        let mut failed = unreleased().filter(|last| last.outcome.is_failure());
        failed.any(|failed| voxsync_crds::reference::is_same_code(&failed.reference, reference))
    };
    let mut running = Vec::new();
    let mut add = |reference: &str, tag: Option<&str>, is_started_again: bool| {
        let has_failed = !is_started_again && has_failed(reference);
        running.extend(tagged(reference, tag).map(|code| Running { code, has_failed }));
    };
    if let Some(promotion) = &before.promotion {
        let candidate = &promotion.candidate;
        add(&candidate.reference, candidate.tag.as_deref(), promotion.outcome.is_none());
    }
    if let Some(deployed) = &before.deployed {
        add(&deployed.reference, deployed.tag.as_deref(), false);
    }
    if let Some(last) = unreleased().next() {
        add(&last.reference, Some(&last.name), false);
    }
    let never_deployed = before.deployed.is_none() && before.history.is_empty();
    // What a target that is shut by now carries may be anybody's text.
    for target in view.observed.stages.iter().flatten().filter(|target| !target.is_shut()) {
        // A hand-made change is a hold, not a deployment: the record says what runs by our will.
        match view.record_on(target) {
            Some(record) => record.reference.iter().for_each(|reference| add(reference, None, false)),
            None if never_deployed => target.image().into_iter().for_each(|live| add(live, None, false)),
            None => {}
        }
    }
    running
}
