//! What people approved: read from `voxsync.dev/approve`, kept by digest, and counted for the promotions of that digest.
//!
//! An approval of one candidate says nothing about the next. It may come before the stage's turn, and before the candidate
//! is promoted at all.

use voxsync_crds::{
    code_sync::{Approval, ApprovalStatus, CodeSyncStatus, PromotionStatus, Trigger},
    reference::{is_digest, short_digest},
    time::Time,
};

use crate::{
    text::{NAME_LIMIT_BYTES, cut},
    view::View,
};

/// How many approvals are kept.
const APPROVALS_LIMIT: usize = 16;
/// The longest name of an approver that is kept, in bytes of JSON.
const APPROVER_LIMIT_BYTES: usize = 128;
/// The approver, where nobody vouches for the name.
const UNAUTHENTICATED: &str = "unauthenticated";

/// Takes a new token of `voxsync.dev/approve`. It starts nothing by itself, so that it counts also while nothing is decided.
pub(crate) fn take(view: &View<'_>, after: &mut CodeSyncStatus) {
    let Some(token) = new_token(view) else { return };
    if let Some(Ok(approval)) = read(view) {
        after.approvals.retain(|known| {
            let is_same = known.digest == approval.digest && known.stage == approval.stage;
            !(is_same && known.approver == approval.approver)
        });
        after.approvals.insert(0, approval);
        after.approvals.truncate(APPROVALS_LIMIT);
    }
    after.last_handled_approve = Some(token);
}

fn new_token(view: &View<'_>) -> Option<String> {
    let token = cut(view.observed.approve.as_deref()?, NAME_LIMIT_BYTES);
    (view.before.last_handled_approve.as_ref() != Some(&token)).then_some(token)
}

/// What a new token approves, or why it approves nothing.
pub(crate) fn read(view: &View<'_>) -> Option<Result<ApprovalStatus, String>> {
    let token = new_token(view)?;
    // An object without status was restored or copied, with a token that was meant for another life.
    view.before.observed_generation?;
    // Whatever follows only says the same once more.
    let said = token.split_once(' ').map_or(token.as_str(), |(said, _)| said);
    let (digest, stage) = match said.split_once('/') {
        Some((digest, stage)) => (digest, Some(stage)),
        None => (said, None),
    };
    let says = || format!("the annotation voxsync.dev/approve says {token:?}, and nothing is approved by it");
    if !is_digest(digest) {
        return Some(Err(format!(
            "{}: it must be a digest (sha256: and 64 digits), or a digest and a stage with a slash between",
            says()
        )));
    }
    if let Some(stage) = stage.filter(|stage| view.stages.iter().all(|known| known.name != *stage)) {
        return Some(Err(format!("{}: there is no stage {stage:?}", says())));
    }
    let approver = view.observed.approved_by.as_deref().unwrap_or(UNAUTHENTICATED);
    Some(Ok(ApprovalStatus {
        digest: digest.to_owned(),
        stage: stage.map(str::to_owned),
        approver: cut(approver, APPROVER_LIMIT_BYTES),
        at: view.now,
    }))
}

/// Whether somebody approved a digest for a stage.
pub(crate) fn has_approval(status: &CodeSyncStatus, digest: &str, stage: &str) -> bool {
    status.approvals.iter().any(|approval| approval.digest == digest && is_for(approval, stage))
}

fn is_for(approval: &ApprovalStatus, stage: &str) -> bool {
    approval.stage.as_deref().is_none_or(|it| it == stage)
}

/// What was approved of a digest until then counts no more: it failed, or a person left it.
pub(crate) fn spend(after: &mut CodeSyncStatus, digest: &str, until: Time) {
    after.approvals.retain(|approval| approval.digest != digest || approval.at > until);
}

/// The approvals that a promotion stood on, for its record.
pub(crate) fn counted(
    view: &View<'_>,
    status: &CodeSyncStatus,
    promotion: &PromotionStatus,
) -> Vec<ApprovalStatus> {
    // An emergency waits for none, but those that were given before it are of the record.
    if promotion.trigger == Trigger::Rollback {
        return Vec::new();
    }
    let asks = |approval: &ApprovalStatus| {
        let mut stages = view.stages.iter().filter(|stage| stage.approval == Some(Approval::Manual));
        stages.any(|stage| is_for(approval, &stage.name))
    };
    // What is read while the record is written came too late.
    let is_in_time = |approval: &ApprovalStatus| promotion.ended_at.is_none_or(|ended| approval.at <= ended);
    let of_digest = status.approvals.iter().filter(|it| it.digest == promotion.candidate.digest);
    of_digest.filter(|approval| is_in_time(approval) && asks(approval)).cloned().collect()
}

/// What a person reads of an approval that was taken.
pub(crate) fn sentence(after: &CodeSyncStatus, approval: &ApprovalStatus) -> String {
    let promoted = after.promotion.iter().map(|promotion| &promotion.candidate);
    let mut known = after.candidate.iter().chain(promoted).chain(&after.ripening);
    let name = known.find(|known| known.digest == approval.digest).map(|known| format!("{} ", known.name));
    let digest = short_digest(&approval.digest);
    let stages = approval.stage.as_ref().map_or("all stages".to_owned(), |stage| format!("stage {stage}"));
    format!("{}({digest}) is approved for {stages} by {}", name.unwrap_or_default(), approval.approver)
}
