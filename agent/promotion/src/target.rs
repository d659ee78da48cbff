//! How one target stands to the code that it should run: there, to be written, blocked, or held.
//!
//! This is where people win: what somebody else changed is never written over until told.

use voxsync_crds::{
    CodeReference, FIELD_MANAGER,
    annotations::Applied,
    code_sync::{Hold, PromotionStatus, StagePhase, StageStatus},
    reference::{is_only_tag, is_same_code},
};

use crate::{
    commands,
    decided::TargetWrite,
    observed::{Live, ObservedTarget},
    rollback,
    text::{NAME_LIMIT_BYTES, cut, moment, short, short_code},
    view::View,
};

/// The longest reference that a hold keeps, in bytes of JSON; a reference that the operator accepts is shorter.
const HELD_REFERENCE_LIMIT_BYTES: usize = 520;

/// What a target should run; without a reference, no code.
#[derive(Clone, Copy)]
pub(crate) struct Goal<'a> {
    pub reference: Option<&'a str>,
    /// The tag, which the reference has only in some forms.
    pub tag: Option<&'a str>,
    /// The promotion that a write is recorded under.
    pub promotion: &'a str,
    pub reach: Reach,
}

impl<'a> Goal<'a> {
    /// What a promotion brings to all targets of a stage.
    pub(crate) fn of(promotion: &'a PromotionStatus) -> Self {
        Self {
            reference: Some(&promotion.candidate.reference),
            tag: promotion.candidate.tag.as_deref(),
            promotion: &promotion.id,
            reach: Reach::All,
        }
    }
}

/// Which targets a goal is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of the stage.
    All,
    /// Only those that voxsync has not written yet: they joined a stage whose turn it is not.
    Joiners,
    /// Only those that the promotion wrote: they are given back what they had.
    Written,
}

/// How a target stands.
pub(crate) enum Standing {
    /// It says what it should.
    Settled,
    /// It is to be written.
    Due(Box<TargetWrite>),
    /// It cannot be written.
    Blocked(Blocker),
    /// Somebody else changed it; the sentence says who and what to do.
    Held(String),
    /// Nothing is to be done with it now.
    Idle,
}

/// Why a target cannot be written.
pub(crate) struct Blocker {
    pub reason: &'static str,
    pub message: String,
    pub kind: BlockerKind,
}

impl Blocker {
    /// The API server does not take the write.
    pub(crate) fn refused(message: String) -> Self {
        Self { reason: "WriteRefused", message, kind: BlockerKind::Cluster }
    }
}

/// Who can end it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockerKind {
    /// A change of a spec.
    Specification,
    /// A change in the cluster.
    Cluster,
    /// A person, who wanted it so.
    Pause,
}

/// How a target stands, and the hold on it, which stays until its code is ours again.
pub(crate) struct Judgement {
    pub standing: Standing,
    pub hold: Option<Hold>,
}

impl From<Standing> for Judgement {
    fn from(standing: Standing) -> Self {
        Self { standing, hold: None }
    }
}

/// Judges a target. `stage` is the stage as it was last; `coming` is the candidate where the stage's turn has not
/// come yet.
pub(crate) fn judge(
    view: &View<'_>,
    target: &ObservedTarget,
    stage: Option<&StageStatus>,
    goal: Option<Goal<'_>>,
    coming: Option<&str>,
) -> Judgement {
    let live = match &target.live {
        Ok(live) => live,
        Err(problem) => {
            let kind = if problem.stalled { BlockerKind::Specification } else { BlockerKind::Cluster };
            return blocked(problem.reason, problem.message.clone(), kind);
        }
    };
    if let Some(owner) = &target.claims {
        return blocked("Claimed", owner.refusal(&target.key), BlockerKind::Specification);
    }
    if let Some(claim) = &live.claim {
        let message = format!(
            "the code of {} is the PersistentVolumeClaim {}, which voxsync does not replace: remove its spec.code, or \
             take it out of this CodeSync",
            target.key,
            cut(claim, NAME_LIMIT_BYTES)
        );
        return blocked("External", message, BlockerKind::Cluster);
    }
    let runs = |reference: &str| live.image.as_deref().is_some_and(|image| is_same_code(image, reference));
    let has = |goal: Goal<'_>| goal.reference.map_or(live.image.is_none(), runs);
    let goal_for_all = goal.filter(|goal| goal.reach != Reach::Joiners);
    let Some(record) = view.record_on(target) else {
        if goal.is_some_and(|goal| has(goal) || runs_its_tag(view, live, goal)) {
            return Standing::Settled.into();
        }
        return match reference_before_change(view, target, stage)
            .filter(|before| !before.iter().any(|it| runs(it)))
        {
            Some([deployed, _]) => held(view, (target, stage), live, goal_for_all, Some(deployed), coming),
            None => due(view, (target, stage), live, goal).into(),
        };
    };
    if record.reference.as_deref() == live.image.as_deref() || record.reference.as_deref().is_some_and(runs) {
        return match goal {
            Some(goal) if has(goal) => Standing::Settled,
            _ => due(view, (target, stage), live, goal_for_all),
        }
        .into();
    }
    let is_pinned_as_it_is =
        view.spec.pin.as_ref().is_some_and(|pin| live.image.as_ref() == Some(&pin.reference));
    match goal_for_all {
        // Somebody else wrote what we would write: the record must say so, or the next change would look like theirs.
        Some(goal) if has(goal) => {
            let as_it_is = Goal { reference: live.image.as_deref(), ..goal };
            due(view, (target, stage), live, Some(as_it_is)).into()
        }
        // A person pinned what somebody wrote by hand: it is wanted, and gets its digest.
        Some(goal) if is_pinned_as_it_is && goal.reach == Reach::All => {
            due(view, (target, stage), live, Some(goal)).into()
        }
        _ => held(view, (target, stage), live, goal_for_all, record.reference.as_deref(), coming),
    }
}

/// Whether a write would replace other code that we wrote: the target was skipped, or was elsewhere, while that changed
/// for the others. It did not join its stage, and somebody's hand-made change is not over ours.
pub(crate) fn changes_ours(view: &View<'_>, write: &TargetWrite) -> bool {
    let record = write.expected_applied.as_ref().filter(|record| record.code_sync == view.observed.uid);
    let references =
        record.and_then(|record| record.reference.as_deref()).zip(write.applied.reference.as_deref());
    references.is_some_and(|(one, other)| !is_same_code(one, other))
}

fn blocked(reason: &'static str, message: String, kind: BlockerKind) -> Judgement {
    Standing::Blocked(Blocker { reason, message, kind }).into()
}

/// Whether the target runs the goal's tag without a digest, and may stay so.
fn runs_its_tag(view: &View<'_>, live: &Live, goal: Goal<'_>) -> bool {
    let reference = goal.reference.and_then(|reference| CodeReference::parse(reference).ok());
    view.keeps_tags()
        && live.image.as_deref().zip(reference).is_some_and(|(image, reference)| {
            is_only_tag(image, reference.repository(), goal.tag.or(reference.tag()))
        })
}

/// For a target without our record that somebody changed after it was adopted: what it ran then.
///
/// An adopted target has no record. But if it existed when its stage was settled, and its code was written after
/// that by somebody else, it did not join the stage: it was changed.
pub(crate) fn reference_before_change<'a>(
    view: &View<'a>,
    target: &ObservedTarget,
    stage: Option<&'a StageStatus>,
) -> Option<[&'a str; 2]> {
    let (stage, deployed) = (stage?, view.before.deployed.as_ref()?);
    let settled_at = deployed.since.filter(|_| stage.promotion == deployed.promotion)?.timestamp();
    let writer = target.writer.as_ref().filter(|writer| writer.manager != FIELD_MANAGER)?;
    let changed = target.created? < settled_at && writer.time? > settled_at;
    changed.then_some([deployed.reference.as_str(), stage.reference.as_deref()?])
}

fn due(
    view: &View<'_>,
    (target, stage): (&ObservedTarget, Option<&StageStatus>),
    live: &Live,
    goal: Option<Goal<'_>>,
) -> Standing {
    let Some(goal) = goal else { return Standing::Idle };
    if target.paused {
        let message = format!(
            "{} is paused by a person: remove its annotation openvox.voxpupuli.org/paused to let it have {}",
            target.key,
            short_code(goal.reference)
        );
        return Standing::Blocked(Blocker { reason: "Paused", message, kind: BlockerKind::Pause });
    }
    let reference = goal.reference.map(str::to_owned);
    let is_back = goal.reach == Reach::Written;
    let record = view.record_on(target);
    let (previous, beside) =
        if is_back { (reference.clone(), None) } else { rollback::previous(view, target, stage, live) };
    // What a target is given back was there with a pull secret and policy of its own.
    let write = view.spec.write.as_ref().filter(|_| !is_back);
    Standing::Due(Box::new(TargetWrite {
        target: target.key.clone(),
        expected: live.clone(),
        expected_applied: target.applied.clone(),
        applied: Applied {
            code_sync: view.observed.uid.clone(),
            promotion: goal.promotion.to_owned(),
            reference,
            previous,
            beside,
        },
        restored: record.filter(|_| is_back).and_then(|record| record.beside.clone()),
        pull_secret: write.and_then(|write| write.image_pull_secret.clone()),
        pull_policy: write.and_then(|write| write.image_pull_policy),
    }))
}

fn held(
    view: &View<'_>,
    (target, stage): (&ObservedTarget, Option<&StageStatus>),
    live: &Live,
    goal: Option<Goal<'_>>,
    recorded: Option<&str>,
    coming: Option<&str>,
) -> Judgement {
    let mut hold = Hold {
        target: target.key.to_string(),
        found: live.image.as_deref().map(|image| cut(image, HELD_REFERENCE_LIMIT_BYTES)),
        recorded: recorded.map(|recorded| cut(recorded, HELD_REFERENCE_LIMIT_BYTES)),
        manager: target.writer.as_ref().map(|writer| cut(&writer.manager, NAME_LIMIT_BYTES)),
        changed_at: target.writer.as_ref().and_then(|writer| writer.time).map(Into::into),
        resumed: true,
    };
    let known = view.before.holds.iter().find(|it| it.target == hold.target && it.found == hold.found);
    // A person resumed this change. Who changed it and when may move by an edit of another field. But once it may have
    // been written over, the same change made again is another one.
    let may_be_over =
        stage.is_some_and(|stage| matches!(stage.phase, StagePhase::Writing | StagePhase::RollingBack));
    hold.resumed = known.is_some_and(|known| known.resumed && (!may_be_over || *known == hold));
    let resumed = hold.resumed;
    let standing = if resumed {
        due(view, (target, stage), live, goal)
    } else {
        Standing::Held(held_sentence(view, &hold, coming))
    };
    Judgement { standing, hold: Some(hold) }
}

fn held_sentence(view: &View<'_>, hold: &Hold, coming: Option<&str>) -> String {
    let by = hold.manager.as_ref().map_or_else(String::new, |manager| format!(" by \"{manager}\""));
    let at = hold.changed_at.map_or_else(String::new, |at| format!(" at {}", moment(at)));
    let recorded = hold.recorded.as_deref().map_or_else(|| "no code".to_owned(), short);
    let found = hold.found.as_deref().map_or_else(|| "no code".to_owned(), short);
    let target = &hold.target;
    if hold.found.as_deref().zip(coming).is_some_and(|(found, coming)| is_same_code(found, coming)) {
        return format!(
            "{target} was given the candidate{by}{at} ({recorded} → {found}) before its turn: another tool applies the \
             reference that voxsync reads. Nothing is written until the turn of its stage; leave spec.code out of what \
             the other tool applies"
        );
    }
    let keep = hold.found.as_deref().unwrap_or("REFERENCE");
    format!(
        "{target} was changed{by}{at} ({recorded} → {found}): held, nothing will be written. Go on with {}, or keep it \
         with {}",
        commands::resume(view),
        commands::promote_reference(view, keep)
    )
}
