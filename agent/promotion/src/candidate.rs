//! Which candidate should run: the pin's, or else the source's, unless that would be an accident.
//!
//! Two accidents are looked for: a version tag that was pushed again after it was taken (its digest stays the one that was
//! first seen), and a lower version than what runs (it starts nothing, unless the reference file of a branch says so).

use voxsync_crds::{
    CodeReference,
    code_sync::{
        CandidateStatus, CodeSyncSpec, CodeSyncStatus, DeployedStatus, GitObjects, Pin, Trigger, WriteForm,
    },
    reference::{WRITTEN_LIMIT_BYTES, is_only_tag, short_digest},
};

use crate::{
    commands,
    higher::higher_running,
    manual_rollback,
    observed::ImageProblem,
    ripening::{Harvest, Ripening, harvest, minimum_age, while_pinned},
    text::{NAME_LIMIT_BYTES, cut},
    verified::verdict,
    view::View,
};

/// What should run, and why.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub candidate: CandidateStatus,
    pub trigger: Trigger,
    /// The reason that a person gave with a pin.
    pub reason: Option<String>,
    /// A person said that it waits for nothing that can be skipped.
    pub emergency: bool,
}

/// What people and the source want.
pub(crate) enum Choice {
    Wanted(Wanted),
    /// Nobody looked yet, or no look ever found anything.
    Unknown,
    /// The pin names nothing that could run.
    BadPin(ImageProblem),
    /// The source's candidate is lower than what runs.
    Lower {
        candidate: CandidateStatus,
        /// Its tag: the image's, or the Git tag that names the image.
        lower: String,
        higher: Higher,
    },
}

/// What is higher than the source's candidate.
pub(crate) struct Higher {
    pub tag: String,
    /// It does not run: the stage that was given it could not.
    pub has_failed: bool,
}

/// The choice, and what was odd.
pub(crate) struct Sight {
    pub choice: Choice,
    /// A sentence about a version tag that was pushed again.
    pub moved: Option<String>,
    /// What is too young.
    pub ripening: Ripening,
}

impl Sight {
    pub(crate) fn wanted(&self) -> Option<&Wanted> {
        match &self.choice {
            Choice::Wanted(wanted) => Some(wanted),
            _ => None,
        }
    }
}

/// Whether a candidate was chosen by a pin: only what a source named has a revision of it.
pub(crate) fn is_pinned(candidate: &CandidateStatus) -> bool {
    candidate.source_revision.is_none()
}

/// Decides what should run.
pub(crate) fn look(view: &View<'_>) -> Sight {
    if let Some(rollback) = &view.before.rollback {
        return manual_rollback::look(view, rollback);
    }
    match &view.spec.pin {
        Some(pin) => Sight { choice: pinned(view, pin), moved: None, ripening: while_pinned(view) },
        None => sourced(view),
    }
}

/// A pin's tag is resolved once: what it named first stays, also while the registry cannot be asked.
fn pinned(view: &View<'_>, pin: &Pin) -> Choice {
    let known = view.before.candidate.as_ref().filter(|known| is_pinned(known) && pin.names(known));
    let candidate = match (known, &view.observed.pin) {
        (Some(known), _) => known,
        (None, Some(Ok(candidate))) => candidate,
        (None, Some(Err(problem))) => return Choice::BadPin(problem.clone()),
        (None, None) => return Choice::Unknown,
    };
    let candidate = CandidateStatus { source_revision: None, ..finished(view, candidate.clone()) };
    Choice::Wanted(Wanted {
        candidate,
        trigger: Trigger::Pin,
        reason: pin.reason.clone(),
        emergency: pin.emergency,
    })
}

/// What the status says of the source's candidate: after a restart it goes on, if the spec still is the one that it was
/// found by.
pub(crate) fn known<'a>(view: &View<'a>) -> Option<&'a CandidateStatus> {
    let known = view.before.candidate.as_ref().filter(|_| view.is_same_spec());
    known.filter(|known| !is_pinned(known))
}

fn sourced(view: &View<'_>) -> Sight {
    let source = &view.observed.source;
    let first = source.candidate.as_ref().and_then(|named| Some((named, digest_seen_first(view, named)?)));
    let moved = first.as_ref().map(|(named, first)| moved_sentence(view, named, first));
    let (named, mut ripening) = match minimum_age(view) {
        None => (first.map(|(_, first)| first).or_else(|| source.candidate.clone()), Ripening::default()),
        Some(age) => {
            let Harvest { ripe, ripening } = harvest(view, age);
            (ripe, ripening)
        }
    };
    let moved = moved.or_else(|| ripening.replaced());
    let named = named.map(|named| under_known_tag(view, named));
    let Some(mut candidate) = named.or_else(|| known(view).cloned()) else {
        return Sight { choice: Choice::Unknown, moved, ripening };
    };
    candidate
        .source_revision
        .get_or_insert_with(|| source.revision.clone().unwrap_or_else(|| candidate.digest.clone()));
    let candidate = finished(view, candidate);
    let choice = match higher_running(view, &candidate) {
        Some((lower, higher)) => {
            // What is not taken for another reason does not grow young again.
            if let Some(age) = minimum_age(view) {
                ripening.keep(view, &candidate, age);
            }
            Choice::Lower { candidate, lower, higher }
        }
        None => {
            Choice::Wanted(Wanted { candidate, trigger: Trigger::Source, reason: None, emergency: false })
        }
    };
    Sight { choice, moved, ripening }
}

/// The image that was built last may have several tags: it keeps the one that it was taken by.
fn under_known_tag(view: &View<'_>, named: CandidateStatus) -> CandidateStatus {
    let known = known(view).filter(|known| view.takes_newest_build() && is_same(known, &named));
    known.cloned().unwrap_or(named)
}

fn moved_sentence(view: &View<'_>, pushed: &CandidateStatus, first: &CandidateStatus) -> String {
    format!(
        "the tag {} of {} was pushed again: it was {} and is {} now. Code stays at the digest that was seen first; \
         take the new one with {}, or push a new tag",
        pushed.tag.as_deref().unwrap_or_default(),
        pushed.repository,
        short_digest(&first.digest),
        short_digest(&pushed.digest),
        commands::promote(view, pushed),
    )
}

/// The candidate with the digest that its tag had when it was first seen, where that is another one.
pub(crate) fn digest_seen_first(view: &View<'_>, candidate: &CandidateStatus) -> Option<CandidateStatus> {
    if view.observed.source.names_digest {
        return None;
    }
    let first = taken_first(view.spec, view.before, candidate)?;
    let (source_revision, name) = (candidate.source_revision.clone(), candidate.name.clone());
    Some(CandidateStatus { source_revision, name, ..first })
}

/// What the candidate's tag was when it was taken, where that is another digest. A tag that is followed may move, and the
/// image that was built last is the newest whatever its tag was before.
pub fn taken_first(
    spec: &CodeSyncSpec,
    status: &CodeSyncStatus,
    candidate: &CandidateStatus,
) -> Option<CandidateStatus> {
    let rule = spec.source.registry.as_ref().map(|registry| &registry.tag);
    if rule.is_some_and(|rule| rule.follow.is_some() || rule.newest_build.is_some()) {
        return None;
    }
    let tag = candidate.tag.as_ref()?;
    let first = seen_before(status)
        .find(|seen| seen.repository == candidate.repository && seen.tag.as_ref() == Some(tag))?;
    (first.digest != candidate.digest).then_some(first)
}

/// All candidates that the status still knows and that were taken, the newest first.
fn seen_before(before: &CodeSyncStatus) -> impl Iterator<Item = CandidateStatus> {
    let named = |reference: &str, name: Option<&str>| {
        let parsed = CodeReference::parse(reference).ok()?;
        Some(CandidateStatus {
            repository: parsed.repository().to_owned(),
            tag: parsed.tag().or(name).map(str::to_owned),
            digest: parsed.digest()?.to_owned(),
            ..CandidateStatus::default()
        })
    };
    let deployed = before.deployed.as_ref().and_then(|it| named(&it.reference, it.tag.as_deref()));
    let history = before.history.iter().filter_map(move |it| named(&it.reference, Some(&it.name)));
    let stages = before.stages.iter().filter_map(move |it| named(it.reference.as_deref()?, None));
    let candidates = before.candidate.iter().chain(before.promotion.iter().map(|it| &it.candidate));
    candidates.cloned().chain(stages).chain(deployed).chain(history)
}

/// The candidate in the form in which it is written, bounded, with the time at which it was first seen.
pub(crate) fn finished(view: &View<'_>, mut candidate: CandidateStatus) -> CandidateStatus {
    let known = view.before.candidate.iter().chain(view.before.promotion.iter().map(|it| &it.candidate));
    let first_seen = known
        .clone()
        .filter(|known| is_same(known, &candidate) && known.tag == candidate.tag)
        .find_map(|known| known.first_seen);
    candidate.first_seen = first_seen.or(candidate.first_seen).or(Some(view.now));
    let (tag, digest) = (candidate.tag.as_deref(), Some(candidate.digest.as_str()));
    let (tag, digest) = match view.spec.write_form() {
        WriteForm::Tag if tag.is_some() => (tag, None),
        WriteForm::Digest | WriteForm::Tag => (None, digest),
        WriteForm::TagAndDigest => (tag, digest),
    };
    let written = |tag| CodeReference::new(&candidate.repository, tag, digest).map(|it| it.to_string()).ok();
    // Where the operator takes no reference that long, a digest goes without its tag.
    let fitting = written(tag).filter(|written| written.len() <= WRITTEN_LIMIT_BYTES);
    if let Some(reference) = fitting.or_else(|| written(None)).or_else(|| written(tag)) {
        candidate.reference = reference;
    }
    note_verdict(view, &mut candidate);
    let of_source = view.observed.source.candidate.iter().chain(&view.observed.judged);
    let mut known = of_source.chain(known).filter(|known| is_same(known, &candidate));
    let named_by = candidate.named_by.clone().or_else(|| known.find_map(|known| known.named_by.clone()));
    candidate.named_by = named_by.filter(is_short);
    for text in [&mut candidate.commit, &mut candidate.author, &mut candidate.source_revision] {
        *text = text.as_deref().map(|text| cut(text, NAME_LIMIT_BYTES));
    }
    candidate
}

/// Notes the good verdict on a candidate, if there is one, with what it stands on: several commits may name one image.
pub(crate) fn note_verdict(view: &View<'_>, candidate: &mut CandidateStatus) {
    let judged = verdict(view, candidate);
    let named_by = judged.and_then(|judged| judged.named_by.clone()).or_else(|| candidate.named_by.clone());
    candidate.verified = judged.and_then(|judged| judged.verified.clone());
    candidate.named_by = named_by.filter(is_short);
}

/// Whether it can be kept whole: cut, it would name something else.
fn is_short(objects: &GitObjects) -> bool {
    let parts = [Some(&objects.commit), objects.tag.as_ref(), objects.tag_object.as_ref()];
    parts.into_iter().flatten().all(|part| cut(part, NAME_LIMIT_BYTES) == *part)
}

/// Whether two candidates are the same image, whatever its tags.
pub fn is_same(one: &CandidateStatus, other: &CandidateStatus) -> bool {
    one.repository == other.repository && one.digest == other.digest
}

/// Whether these objects named the image of a candidate, as far as that is known: an older voxsync kept the commit alone,
/// and what a person pinned may have been named by anything. Where they are none, it does not matter.
pub fn is_named_by(candidate: &CandidateStatus, objects: Option<&GitObjects>) -> bool {
    let Some(objects) = objects else { return true };
    match &candidate.named_by {
        Some(named_by) => named_by == objects,
        None => candidate.source_revision.as_ref().is_none_or(|revision| *revision == objects.commit),
    }
}

/// Whether two candidates would be the same code in a target.
pub(crate) fn is_same_code(one: &CandidateStatus, other: &CandidateStatus) -> bool {
    voxsync_crds::reference::is_same_code(&one.reference, &other.reference)
}

/// Whether a candidate is what is deployed: the same code, or its tag, adopted as it was.
pub(crate) fn is_deployed(view: &View<'_>, candidate: &CandidateStatus, deployed: &DeployedStatus) -> bool {
    voxsync_crds::reference::is_same_code(&candidate.reference, &deployed.reference)
        || (view.keeps_tags()
            && deployed.promotion.is_none()
            && is_only_tag(&deployed.reference, &candidate.repository, candidate.tag.as_deref()))
}
