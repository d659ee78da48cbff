//! How a promotion starts: what is due now, what may follow a failure, and the name that it gets.

use voxsync_crds::code_sync::{CodeSyncStatus, PromotionStatus, Trigger};

use crate::{
    candidate::{Wanted, is_deployed, is_pinned, is_same_code},
    target::changes_ours,
    text::fingerprint,
    view::View,
    walk::{Planned, is_settled, plan},
};

/// The longest name that a CodeRelease gets, in characters; it is a label value, too.
const RELEASE_NAME_LIMIT_CHARACTERS: usize = 63;
const FINGERPRINT_CHARACTERS: usize = 10;

/// What starts after a failure: another candidate, a pin, or the same again if a person says so.
pub(super) fn after_failure(
    failed: &PromotionStatus,
    wanted: Option<&Wanted>,
    resumed: bool,
) -> Option<Wanted> {
    let other = wanted.filter(|wanted| {
        let newly_pinned = is_pinned(&wanted.candidate) && !is_pinned(&failed.candidate);
        // A rollback that could not be done says nothing against what it went back to.
        let chosen_anew = failed.trigger == Trigger::Rollback && wanted.trigger != Trigger::Rollback;
        newly_pinned || chosen_anew || !is_same_code(&wanted.candidate, &failed.candidate)
    });
    other.cloned().or_else(|| {
        let wanted = wanted.filter(|wanted| is_same_code(&wanted.candidate, &failed.candidate));
        let is_kept = wanted.is_some_and(|wanted| wanted.trigger == Trigger::Rollback);
        let went_back = failed.trigger == Trigger::Rollback;
        (resumed && went_back == is_kept).then(|| Wanted {
            candidate: failed.candidate.clone(),
            trigger: if is_kept { Trigger::Rollback } else { Trigger::Resume },
            reason: failed.reason.clone(),
            emergency: wanted.is_some_and(|wanted| wanted.emergency),
        })
    })
}

/// Whether something is to be done for the candidate while no promotion is under way.
pub(super) fn is_due(view: &View<'_>, wanted: &Wanted, after: &CodeSyncStatus) -> bool {
    let candidate = &wanted.candidate;
    let deployed = after.deployed.as_ref().is_some_and(|deployed| is_deployed(view, candidate, deployed));
    if !is_settled(after) || !deployed {
        return true;
    }
    // A target in a stage that no promotion ever passed (a new stage, an adopted one) has nothing to be written from.
    let passed = |planned: &Planned| {
        let mut stages = after.stages.iter().filter(|stage| stage.name == planned.stage);
        stages.any(|stage| stage.reference.is_some() && stage.promotion.is_some())
    };
    let planned = plan(view, after, &candidate.reference, candidate.tag.as_deref());
    // What had something else of ours is not written between two promotions, or all of its Servers would roll at once.
    let changes = |planned: &Planned| planned.writes.iter().any(|write| changes_ours(view, write));
    planned.iter().any(|planned| (!planned.writes.is_empty() && !passed(planned)) || changes(planned))
}

pub(super) fn start(view: &View<'_>, after: &mut CodeSyncStatus, wanted: Wanted) {
    let deployed = after.deployed.as_ref();
    let deployed = deployed.map(|deployed| (deployed.name.clone(), Some(deployed.reference.clone())));
    // Who goes back leaves what may never have run in all stages.
    let left = after.rollback.as_ref().filter(|_| wanted.trigger == Trigger::Rollback);
    let left = left.map(|rollback| (rollback.from_name.clone(), rollback.from.clone()));
    let (from_name, from) = left.or(deployed).unzip();
    after.promotion = Some(PromotionStatus {
        id: id(view, after, &wanted),
        candidate: wanted.candidate,
        trigger: wanted.trigger,
        reason: wanted.reason,
        emergency: wanted.emergency,
        from_name,
        from: from.flatten(),
        started_at: view.now,
        ending: None,
        outcome: None,
        ended_at: None,
        failure: None,
        recorded: false,
    });
}

/// The name of a promotion and of its CodeRelease. The last release is part of it, so that two promotions that
/// start within a millisecond have different names.
fn id(view: &View<'_>, after: &CodeSyncStatus, wanted: &Wanted) -> String {
    let last = after.history.first().map_or("", |last| last.id.as_str());
    let fingerprint =
        fingerprint(&[&view.observed.uid, &view.now.to_string(), &wanted.candidate.reference, last]);
    let room = RELEASE_NAME_LIMIT_CHARACTERS - FINGERPRINT_CHARACTERS - 1;
    let name: String = view.observed.name.chars().take(room).collect();
    format!("{}-{fingerprint}", name.trim_end_matches(['-', '.']))
}
