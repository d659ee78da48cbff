//! The record of a promotion that ended: what its CodeRelease says.

use voxsync_crds::{
    annotations::Applied,
    code_release::{CodeReleaseSpec, ReleasedStage, ReleasedTarget},
    code_sync::{CodeSyncStatus, PromotionStatus},
    reference::is_same_code,
};

use crate::{approvals, view::View};

/// At most so many targets are named in a record; it must fit into one object.
const TARGETS_LIMIT: usize = 256;
/// At most so many Servers are named in a record.
const SERVERS_LIMIT: usize = 1024;

/// The record of a promotion, once it ended and until it was seen.
pub(crate) fn record(
    view: &View<'_>,
    after: &CodeSyncStatus,
    promotion: &PromotionStatus,
) -> Option<CodeReleaseSpec> {
    let (outcome, ended_at) = (promotion.outcome?, promotion.ended_at?);
    if promotion.recorded {
        return None;
    }
    Some(CodeReleaseSpec {
        code_sync: view.observed.name.clone(),
        code_sync_uid: view.observed.uid.clone(),
        promotion: promotion.id.clone(),
        trigger: promotion.trigger,
        reason: promotion.reason.clone(),
        emergency: promotion.emergency,
        approvals: approvals::counted(view, after, promotion),
        candidate: promotion.candidate.clone(),
        from_name: promotion.from_name.clone(),
        from: promotion.from.clone(),
        outcome,
        failure: promotion.failure.clone(),
        started_at: promotion.started_at,
        ended_at,
        stages: released_stages(view, promotion),
        previous_hash: view.observed.last_release_hash.clone(),
    })
}

/// What runs the candidate by our writing, read from the records on the targets. What an earlier promotion of the same
/// code wrote (this one resumed it) counts, too.
fn released_stages(view: &View<'_>, promotion: &PromotionStatus) -> Vec<ReleasedStage> {
    let (mut targets_left, mut servers_left) = (TARGETS_LIMIT, SERVERS_LIMIT);
    let mut stages = Vec::new();
    for (stage, targets) in view.stages() {
        let mut released = Vec::new();
        // What one that is shut by now carries may be anybody's text.
        for target in targets.iter().filter(|target| !target.is_shut()) {
            let is_released = |applied: &&Applied| {
                applied.promotion == promotion.id
                    || applied
                        .reference
                        .as_ref()
                        .is_some_and(|it| is_same_code(it, &promotion.candidate.reference))
            };
            let Some(applied) = view.record_on(target).filter(is_released) else {
                continue;
            };
            if targets_left == 0 {
                break;
            }
            targets_left -= 1;
            let servers: Vec<_> =
                target.servers.iter().take(servers_left).map(|server| server.name.clone()).collect();
            servers_left -= servers.len();
            released.push(ReleasedTarget {
                target: target.key.to_string(),
                previous: applied.previous.clone(),
                reference: applied.reference.clone(),
                servers,
            });
        }
        stages.push(ReleasedStage { name: stage.name.clone(), targets: released });
    }
    stages
}
