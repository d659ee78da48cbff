//! How a promotion ends: as the stages say, because another candidate takes its place, or because its CodeSync goes.

use voxsync_crds::code_sync::{
    CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome, PromotionFailure, PromotionStatus,
    ReleaseSummary, Trigger,
};

use super::{eligible, newer};
use crate::{
    candidate::Sight,
    quarantine,
    rollback::is_automatic,
    rows::Rows,
    takeover::{Takeover, is_held_back, takeover},
    text::{NAME_LIMIT_BYTES, cut},
    view::View,
    walk::{Walk, WayBack, through_stages},
};

/// How many releases the status keeps in short.
const HISTORY_LIMIT: usize = 5;

/// Ends the promotion under way if the stages say so. What goes back is finished whatever froze the rest, unless
/// nothing may be written at all.
pub(crate) fn conclude(
    view: &View<'_>,
    sight: &Sight,
    walk: &Walk,
    frozen: bool,
    after: &mut CodeSyncStatus,
) {
    let is_replaced = is_replaced(view, sight, after);
    let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) else {
        return;
    };
    if let Some(ending) = promotion.ending {
        let is_over = match walk.way_back {
            WayBack::Done => true,
            WayBack::Going => false,
            WayBack::Stuck => is_replaced,
        };
        if is_over && !view.is_suspended() {
            let failure = promotion.failure.clone();
            end(view, after, ending, failure);
        }
    } else if frozen {
        // Nothing is decided.
    } else if let Some(failure) = walk.failure.clone() {
        if walk.rolls_back {
            promotion.ending = Some(Outcome::RolledBack);
            promotion.failure = Some(failure);
            if is_automatic(view.spec) {
                let failed = promotion.clone();
                quarantine::add_failed(view, after, &failed);
            }
        } else {
            end(view, after, Outcome::Failed, Some(failure));
        }
    } else if walk.passed_all {
        end(view, after, Outcome::Released, None);
    }
}

/// Whether something else waits for what ends: another candidate, or a person who said to go on.
fn is_replaced(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> bool {
    let Some(promotion) = after.promotion.as_ref().filter(|_| !view.observed.is_leaving) else {
        return false;
    };
    let token = view.observed.resume.as_deref().map(|token| cut(token, NAME_LIMIT_BYTES));
    let is_told = token.is_some() && token != after.last_handled_resume;
    is_told || newer(eligible(view, sight, after), promotion).is_some()
}

/// Another candidate takes the place of the one that is promoted, if it is time. What passes its last stage at this moment
/// has nobody to make way for.
pub(super) fn supersede(view: &View<'_>, after: &mut CodeSyncStatus, newer: &CandidateStatus) {
    let Some(promotion) = after.promotion.as_ref().filter(|promotion| promotion.ending.is_none()) else {
        return;
    };
    // It runs everywhere: it is released in this step, and a rollback knows it.
    if through_stages(view, after, Rows::default(), false).passed_all {
        return;
    }
    match takeover(view, after, promotion, newer) {
        Takeover::Now => end(view, after, Outcome::Superseded, None),
        Takeover::AfterGoingBack => ends_with(after, Outcome::Superseded),
        Takeover::Later => {}
    }
}

/// The CodeSync is deleted: what is held back gets what it had first; all else stays as it is.
pub(super) fn leave(view: &View<'_>, after: &mut CodeSyncStatus) {
    let is_open = |it: &&PromotionStatus| it.outcome.is_none() && it.ending.is_none();
    let Some(promotion) = after.promotion.as_ref().filter(is_open) else { return };
    if is_held_back(view, after, promotion) {
        ends_with(after, Outcome::Abandoned);
    } else {
        end(view, after, Outcome::Abandoned, None);
    }
}

fn ends_with(after: &mut CodeSyncStatus, ending: Outcome) {
    if let Some(promotion) = &mut after.promotion {
        promotion.ending = Some(ending);
    }
}

fn end(view: &View<'_>, after: &mut CodeSyncStatus, outcome: Outcome, failure: Option<PromotionFailure>) {
    let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) else {
        return;
    };
    promotion.outcome = Some(outcome);
    promotion.ended_at = Some(view.now);
    promotion.failure = failure;
    let candidate = &promotion.candidate;
    let unnamed = |digest: Option<&String>, reference: &str| {
        digest.filter(|digest| !digest.is_empty() && !reference.contains('@')).cloned()
    };
    let is_replaced = |it: &&DeployedStatus| {
        Some(&it.reference) == promotion.from.as_ref() && promotion.trigger != Trigger::Rollback
    };
    let replaced = after.deployed.as_ref().filter(is_replaced);
    let from_digest = replaced.and_then(|it| unnamed(it.digest.as_ref(), &it.reference));
    if outcome == Outcome::Released {
        after.deployed = Some(DeployedStatus {
            name: candidate.name.clone(),
            reference: candidate.reference.clone(),
            tag: candidate.tag.clone(),
            // What was adopted by its tag alone is gone back to as it was.
            digest: Some(candidate.digest.clone()).filter(|digest| !digest.is_empty()),
            commit: candidate.commit.clone(),
            promotion: Some(promotion.id.clone()),
            since: Some(view.now),
        });
    }
    let summary = ReleaseSummary {
        id: promotion.id.clone(),
        name: candidate.name.clone(),
        reference: candidate.reference.clone(),
        digest: unnamed(Some(&candidate.digest), &candidate.reference),
        // What a person left is nothing to go back to.
        from: promotion.from.clone().filter(|_| promotion.trigger != Trigger::Rollback),
        from_digest,
        trigger: Some(promotion.trigger),
        outcome,
        ended_at: view.now,
    };
    after.history.insert(0, summary);
    after.history.truncate(HISTORY_LIMIT);
}
