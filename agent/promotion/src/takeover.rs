//! When a newer candidate may take the place of one that is promoted: never while nobody would be left to see how a stage
//! ends that is being rolled.

use voxsync_crds::{
    code_sync::{
        Approval, CandidateStatus, CodeSyncStatus, PromotionStatus, Stage, StagePhase, StageStatus, Window,
    },
    reference::is_same_code,
};

use crate::{
    candidate::is_pinned,
    gate_age::{self, rolls_after_gates},
    gates::held,
    observed::ObservedTarget,
    proof::{Proof, prove},
    rollback::carries,
    view::View,
};

/// What a stage that the promotion has not passed says to a newer candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// Nothing of it is left behind.
    Free,
    /// Its pods go over right now: they arrive, or are given back, before the source's next candidate starts.
    Rolling,
    /// Deployments of it are held back, or were a short while ago: it only goes on, or back.
    HalfWay,
}

/// When another candidate takes the place of the one that is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// At once.
    Now,
    /// As soon as the stage that is half-way has gone back.
    AfterGoingBack,
    /// As soon as the stage is through.
    Later,
}

/// When a newer candidate takes over: the source's waits for a stage that is rolled, a person's does not.
pub(crate) fn takeover(
    view: &View<'_>,
    after: &CodeSyncStatus,
    promotion: &PromotionStatus,
    newer: &CandidateStatus,
) -> Takeover {
    let is_by_person = is_pinned(newer) || is_pinned(&promotion.candidate);
    match bond(view, after, promotion) {
        Bond::HalfWay if is_by_person => Takeover::AfterGoingBack,
        Bond::Free => Takeover::Now,
        Bond::Rolling if is_by_person => Takeover::Now,
        Bond::HalfWay | Bond::Rolling => Takeover::Later,
    }
}

/// What binds the promotion most.
fn bond(view: &View<'_>, after: &CodeSyncStatus, promotion: &PromotionStatus) -> Bond {
    let bonds = open_stages(view, after, promotion).map(|open| {
        let Open { last, targets, .. } = open;
        if !targets.iter().any(|target| carries(view, target, promotion)) {
            Bond::Free
        } else if !held(view, targets).is_empty() || rolls_after_gates(view, last, targets) {
            Bond::HalfWay
        } else if is_rolling(view, &open, promotion) && !takes_newer_at_once(view, &open) {
            Bond::Rolling
        } else {
            Bond::Free
        }
    });
    bonds.max().unwrap_or(Bond::Free)
}

/// Whether a part of the stage that the promotion works on is held back.
pub(crate) fn is_held_back(view: &View<'_>, after: &CodeSyncStatus, promotion: &PromotionStatus) -> bool {
    open_stages(view, after, promotion).any(|open| !held(view, open.targets).is_empty())
}

/// A stage that the promotion has not passed.
struct Open<'a, 's> {
    index: usize,
    stage: &'s Stage,
    /// As it was last.
    last: Option<&'s StageStatus>,
    targets: &'a [ObservedTarget],
}

fn open_stages<'a, 's>(
    view: &'s View<'a>,
    after: &'s CodeSyncStatus,
    promotion: &PromotionStatus,
) -> impl Iterator<Item = Open<'a, 's>> {
    let stages = view.stages().enumerate().map(|(index, (stage, targets))| {
        let last = after.stages.iter().find(|last| last.name == stage.name);
        Open { index, stage, last, targets }
    });
    let has_passed = |last: &StageStatus| last.promotion.as_ref() == Some(&promotion.id);
    stages.filter(move |open| !open.last.is_some_and(has_passed))
}

/// Whether pods go over to what the promotion brings, or cannot, which is decided by who works on the stage; also where it
/// cannot write another target of the stage. What a person paused, and what shows no end for too long, binds nobody.
fn is_rolling(view: &View<'_>, open: &Open<'_, '_>, promotion: &PromotionStatus) -> bool {
    use StagePhase::{Held, Pending, Rolling, Writing};
    let is_begun = |last: &&StageStatus| {
        last.started.as_ref() == Some(&promotion.id)
            && matches!(last.phase, Writing | Rolling | Held | Pending)
    };
    let Some(since) = open.last.filter(is_begun).and_then(|last| last.since) else { return false };
    let has_it = |target: &&ObservedTarget| {
        target.image().is_some_and(|image| is_same_code(image, &promotion.candidate.reference))
    };
    let written = open.targets.iter().filter(|target| carries(view, target, promotion));
    let written: Vec<_> = written.filter(has_it).collect();
    let proof = prove(&view.observed.namespace, open.stage, &written);
    view.now < gate_age::limit(since) && matches!(proof, Proof::Rolling { .. } | Proof::Failed(_))
}

/// Whether a newer candidate goes to the same Servers with its first write, so that it sees what becomes of them: it begins
/// with this stage, which waits for no window and no person.
fn takes_newer_at_once(view: &View<'_>, open: &Open<'_, '_>) -> bool {
    let is_denial = |window: &Window| window.deny.is_some();
    open.index == 0
        && open.stage.windows.is_empty()
        && open.stage.approval != Some(Approval::Manual)
        && !view.spec.windows.iter().any(is_denial)
}
