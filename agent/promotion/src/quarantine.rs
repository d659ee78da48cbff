//! Quarantine: what failed and was given back, or what a person left, is not taken again until a person releases it.
//!
//! A digest in it is promoted by nobody: not by the source, a reference file or a pin; nor is a target given it back.
//! Nothing lower is taken in its place: nobody chose that.

use voxsync_crds::{
    code_sync::{CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome, PromotionStatus, Quarantined},
    reference::short_digest,
};

use crate::{
    approvals,
    candidate::{Sight, is_deployed},
    commands,
    decided::{EventKind, TargetWrite},
    rows::{QUARANTINED, Row, Weight},
    target::{Blocker, BlockerKind},
    text::{NAME_LIMIT_BYTES, cut, moment, short_code},
    view::View,
};

/// The most digests that are in it; the oldest makes room.
const LIMIT: usize = 32;
/// The longest reason that is kept, in bytes of JSON; the release has the whole one.
const REASON_LIMIT_BYTES: usize = 200;
/// The longest name that is kept, in bytes of JSON.
const SHORT_NAME_LIMIT_BYTES: usize = 128;

/// What is known of a digest, where it is in quarantine.
pub(crate) fn entry<'s>(status: &'s CodeSyncStatus, digest: &str) -> Option<&'s Quarantined> {
    status.quarantine.iter().find(|quarantined| quarantined.digest == digest)
}

/// What is known of a candidate, where it is in quarantine: by its digest, or by its reference, tag or name where one of both
/// has no digest.
pub(crate) fn of<'s>(status: &'s CodeSyncStatus, candidate: &CandidateStatus) -> Option<&'s Quarantined> {
    if candidate.digest.is_empty() {
        let has_its_name = |it: &&Quarantined| it.name == candidate.name;
        let named = || status.quarantine.iter().find(has_its_name);
        return status.banned_as(&candidate.reference).or_else(named);
    }
    let named = || status.quarantine.iter().find(|it| it.bans(&candidate.reference));
    entry(status, &candidate.digest).or_else(named)
}

/// Whether a write is of something that may run: the last line before it.
pub(crate) fn lets_through(after: &CodeSyncStatus, write: &TargetWrite) -> bool {
    write.applied.reference.as_deref().is_none_or(|reference| !after.bans(reference))
}

/// Why a target is not given what is in quarantine.
pub(crate) fn blocker(view: &View<'_>, after: &CodeSyncStatus, write: &TargetWrite) -> Blocker {
    let reference = write.applied.reference.as_deref();
    let quarantined = reference.and_then(|reference| after.banned_as(reference));
    let release = commands::release_quarantine(view, quarantined.map_or("DIGEST", |it| &it.digest));
    let message = format!(
        "{} is not given {}, which is in quarantine{}: {release} lets it run again",
        write.target,
        short_code(reference),
        quarantined.map_or_else(String::new, |it| format!(" since {} ({})", moment(it.since), it.reason)),
    );
    Blocker { reason: QUARANTINED, message, kind: BlockerKind::Cluster }
}

/// Puts a digest into quarantine: to run again, it has to be approved again.
pub(crate) fn add(view: &View<'_>, after: &mut CodeSyncStatus, (digest, name): (&str, &str), reason: &str) {
    if digest.is_empty() || entry(after, digest).is_some() {
        return;
    }
    let quarantined = Quarantined {
        digest: digest.to_owned(),
        name: cut(name, SHORT_NAME_LIMIT_BYTES),
        reason: cut(reason, REASON_LIMIT_BYTES),
        since: view.now,
    };
    spend_approvals(view, after, digest);
    after.quarantine.insert(0, quarantined);
    after.quarantine.truncate(LIMIT);
}

/// What failed and goes back is not taken again; but for what is deployed, which runs elsewhere.
pub(crate) fn add_failed(view: &View<'_>, after: &mut CodeSyncStatus, failed: &PromotionStatus) {
    let candidate = &failed.candidate;
    if !after.deployed.as_ref().is_some_and(|deployed| runs_elsewhere(view, candidate, deployed)) {
        let why =
            failed.failure.as_ref().map(|failure| format!("stage {}: {}", failure.stage, failure.cause()));
        add(view, after, (&candidate.digest, &candidate.name), &why.unwrap_or_default());
    }
}

/// Whether a candidate is what all stages run. A tag may have been pushed again: it tells only where no digest does.
fn runs_elsewhere(view: &View<'_>, candidate: &CandidateStatus, deployed: &DeployedStatus) -> bool {
    match &deployed.digest {
        Some(digest) => *digest == candidate.digest,
        None => is_deployed(view, candidate, deployed),
    }
}

/// A digest may be taken again; but who approved it before did not approve this.
pub(crate) fn release(view: &View<'_>, after: &mut CodeSyncStatus, digest: &str) {
    if entry(after, digest).is_some() {
        // Also where the promotion that stood on them is not recorded yet: it is taken again without any, or not at all.
        approvals::spend(after, digest, view.now);
        after.quarantine.retain(|quarantined| quarantined.digest != digest);
    }
}

/// What was approved of a digest counts no more. What its promotion stood on is kept until that is recorded, and ends then.
fn spend_approvals(view: &View<'_>, after: &mut CodeSyncStatus, digest: &str) {
    let is_open = |it: &PromotionStatus| it.candidate.digest == digest && !it.recorded;
    if !after.promotion.as_ref().is_some_and(is_open) {
        approvals::spend(after, digest, view.now);
    }
}

/// Takes a new token of `voxsync.dev/release-quarantine`: the digest, and perhaps another word to say it once more. Says
/// whether what failed last was released by it: then it is to be tried again.
pub(crate) fn take_release(view: &View<'_>, after: &mut CodeSyncStatus) -> bool {
    let Some(text) = &view.observed.release_quarantine else { return false };
    let token = cut(text, NAME_LIMIT_BYTES);
    if after.last_handled_release_quarantine.as_ref() == Some(&token) {
        return false;
    }
    let digest = text.split_whitespace().next();
    let is_ending = |it: &PromotionStatus| {
        let fails = it.ending.or(it.outcome).is_some_and(Outcome::is_failure);
        fails && !it.recorded && digest == Some(&*it.candidate.digest)
    };
    if after.promotion.as_ref().is_some_and(is_ending) {
        // It is tried again as soon as that is over.
        return false;
    }
    after.last_handled_release_quarantine = Some(token);
    // An object without status was restored or copied, with a token that was meant for another life.
    let digest =
        digest.filter(|digest| view.before.observed_generation.is_some() && entry(after, digest).is_some());
    let Some(digest) = digest else { return false };
    release(view, after, digest);
    let failed = after.promotion.as_ref().filter(|it| it.outcome.is_some_and(Outcome::is_failure));
    failed.is_some_and(|failed| failed.candidate.digest == digest)
}

/// What is said where what should run is in quarantine, and no stage says it.
pub(crate) fn row(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Option<Row> {
    let candidate = &sight.wanted()?.candidate;
    let quarantined = of(after, candidate)?;
    let is_said = |promotion: &PromotionStatus| promotion.candidate.digest == candidate.digest;
    if after.promotion.as_ref().is_some_and(is_said) {
        return None;
    }
    let name = &candidate.name;
    let release = commands::release_quarantine(view, &quarantined.digest);
    let onward = if view.spec.pin.is_some() {
        let resume = commands::resume(view);
        format!(
            "It is pinned, and nothing is taken in its place: {release} lets it run again, {resume} lets the source decide"
        )
    } else {
        format!("Nothing is taken in its place but a newer candidate; {release} lets it run again")
    };
    let message = format!(
        "{name} ({}) is in quarantine since {}: {}. {onward}",
        short_digest(&candidate.digest),
        moment(quarantined.since),
        quarantined.reason,
    );
    Some(Row {
        weight: Weight::Blocks,
        stage: None,
        reason: QUARANTINED.to_owned(),
        message,
        brief: cut(name, NAME_LIMIT_BYTES),
        until: None,
    })
}

/// What people are told: only what this step changed.
pub(crate) fn news(view: &View<'_>, after: &CodeSyncStatus) -> Vec<(EventKind, &'static str, String)> {
    let before = view.before;
    let put = after.quarantine.iter().filter(|it| entry(before, &it.digest).is_none()).map(|it| {
        let (name, command) = (&it.name, commands::release_quarantine(view, &it.digest));
        let message = format!("{name} is not taken again before {command}: {}", it.reason);
        (EventKind::Warning, QUARANTINED, message)
    });
    let is_out = |it: &&Quarantined| entry(after, &it.digest).is_none();
    let released = before.quarantine.iter().filter(is_out).map(|it| {
        let message = format!("{} ({}) may be taken again", it.name, short_digest(&it.digest));
        (EventKind::Normal, "QuarantineReleased", message)
    });
    put.chain(released).collect()
}
