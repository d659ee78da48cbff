//! A person goes back: to the last good release, at once, and for as long as they want.
//!
//! What they went back to is in `status.rollback`, stored together with the token that asked for it. While it is there it
//! is what should run, whatever the source, a reference file, or a pin that was there before says. `voxsync resume` ends
//! it, and so does a pin that is set or changed after it: a person chose anew.
//!
//! What goes back because a check failed after the release goes the same way, but ends as soon as all stages are back: then
//! the source decides again, and what failed is in quarantine.

use voxsync_crds::{
    code_sync::{
        CandidateStatus, CodeSyncStatus, DeployedStatus, Pin, PromotionFailure, RollbackStatus, Trigger,
    },
    reference::is_same_code,
};

use crate::{
    candidate::{Choice, Sight, Wanted, finished},
    commands,
    decided::EventKind,
    last_good::{LastGood, Left, last_good},
    quarantine,
    ripening::while_pinned,
    rows::{NO_EARLIER_RELEASE, ROLLED_BACK, Row, Weight},
    text::{NAME_LIMIT_BYTES, cut, fingerprint, moment},
    view::View,
};

/// The word that keeps what is left out of quarantine.
const NO_QUARANTINE: &str = "no-quarantine";

/// What a person went back to is what should run.
pub(crate) fn look(view: &View<'_>, rollback: &RollbackStatus) -> Sight {
    let candidate = CandidateStatus { source_revision: None, ..finished(view, rollback.candidate.clone()) };
    let wanted =
        Wanted { candidate, trigger: Trigger::Rollback, reason: rollback.reason.clone(), emergency: false };
    Sight { choice: Choice::Wanted(wanted), moved: None, ripening: while_pinned(view) }
}

/// Takes a new token of `voxsync.dev/rollback`. Tells whether it changed what should run: nothing else is decided in the
/// same step.
pub(crate) fn take(view: &View<'_>, after: &mut CodeSyncStatus) -> bool {
    let Some(text) = view.observed.rollback.as_deref() else { return false };
    let token = cut(text, NAME_LIMIT_BYTES);
    let id = |text: &str| text.split_whitespace().next().map(str::to_owned);
    if id(&token).is_none() || after.last_handled_rollback.as_deref().and_then(id) == id(&token) {
        return false;
    }
    after.last_handled_rollback = Some(token);
    // An object without status was restored or copied, with a token that was meant for another life.
    if view.before.observed_generation.is_none() {
        return false;
    }
    let words = text.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
    let (keeps, reason) = match words.strip_prefix(NO_QUARANTINE) {
        Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => (true, rest.trim()),
        _ => (false, words),
    };
    let reason = (!reason.is_empty()).then(|| cut(reason, NAME_LIMIT_BYTES));
    let Ok(way) = last_good(after, &view.observed.released) else { return false };
    if !keeps {
        let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        leave(view, after, &way.left, &format!("a person went back to {}{why}", way.candidate.name));
    }
    begin(view, after, way, (reason, None));
    // What a person said before they went back was not meant to end it.
    let resume = view.observed.resume.as_deref().map(|token| cut(token, NAME_LIMIT_BYTES));
    after.last_handled_resume = resume.or(after.last_handled_resume.take());
    true
}

/// Goes back because a check failed after the release; that goes to quarantine. Tells whether there is something to go back
/// to.
pub(crate) fn begin_for(view: &View<'_>, after: &mut CodeSyncStatus, failure: PromotionFailure) -> bool {
    let Ok(way) = last_good(after, &view.observed.released) else { return false };
    let why = format!("stage {}, after the release: {}", failure.stage, failure.cause());
    leave(view, after, &way.left, &why);
    begin(view, after, way, (Some(cut(&why, NAME_LIMIT_BYTES)), Some(failure)));
    true
}

/// What is left goes to quarantine.
fn leave(view: &View<'_>, after: &mut CodeSyncStatus, left: &Left, why: &str) {
    let known = left.digest.as_deref().filter(|digest| !digest.is_empty());
    quarantine::add(view, after, (known.unwrap_or(&left.reference), &left.name), why);
}

fn begin(
    view: &View<'_>,
    after: &mut CodeSyncStatus,
    LastGood { left, candidate }: LastGood,
    (reason, failure): (Option<String>, Option<PromotionFailure>),
) {
    let pin = view.spec.pin.as_ref().map(name_of);
    let (from_name, from) = (left.name, Some(left.reference));
    after.rollback = Some(RollbackStatus { candidate, from_name, from, reason, at: view.now, pin, failure });
}

/// Ends a rollback that no person asked for, once all stages run what it went back to. Tells whether it did.
pub(crate) fn ends_by_itself(after: &mut CodeSyncStatus) -> bool {
    let is_over = after.promotion.is_none() && after.rollback.as_ref().is_some_and(|it| is_back(it, after));
    if is_over {
        after.rollback = None;
    }
    is_over
}

/// Whether all stages run what was gone back to without a person who asked for it. It may be written in another form than
/// when it was released: its digest is the same.
fn is_back(rollback: &RollbackStatus, status: &CodeSyncStatus) -> bool {
    let CandidateStatus { reference, digest, .. } = &rollback.candidate;
    let is_it = |deployed: &DeployedStatus| {
        let has_digest = !digest.is_empty() && deployed.digest.as_ref() == Some(digest);
        has_digest || is_same_code(&deployed.reference, reference)
    };
    rollback.failure.is_some() && status.deployed.as_ref().is_some_and(is_it)
}

/// Ends the rollback where a pin was set or changed after it. Tells whether it did.
pub(crate) fn ends_by_pin(view: &View<'_>, after: &mut CodeSyncStatus) -> bool {
    let Some(rollback) = &mut after.rollback else { return false };
    let pin = view.spec.pin.as_ref().map(name_of);
    if pin.is_some() && pin != rollback.pin {
        after.rollback = None;
        return true;
    }
    rollback.pin = pin;
    false
}

fn name_of(pin: &Pin) -> String {
    fingerprint(&[&serde_json::to_string(pin).unwrap_or_default()])
}

/// Whether a candidate is what a person went back to: it ran before.
pub(crate) fn is_target(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    let under_way = view.before.promotion.as_ref().filter(|it| it.trigger == Trigger::Rollback);
    let kept = view.before.rollback.iter().map(|rollback| &rollback.candidate);
    let mut known = kept.chain(under_way.map(|promotion| &promotion.candidate));
    let is_known = |known: &CandidateStatus| {
        known.digest == candidate.digest
            && (!known.digest.is_empty() || known.reference == candidate.reference)
    };
    known.any(|known| known.repository == candidate.repository && is_known(known))
}

/// The rows of a rollback: that it is there, and that one was asked for which there is nothing to go back to for.
pub(crate) fn rows(view: &View<'_>, after: &CodeSyncStatus) -> Vec<Row> {
    let row = |reason: &str, message: String, brief: &str| Row {
        weight: Weight::Tells,
        stage: None,
        reason: reason.to_owned(),
        message,
        brief: brief.to_owned(),
        until: None,
    };
    let kept = after.rollback.as_ref().map(|rollback| {
        let until = if rollback.failure.is_some() {
            "all stages run it again".to_owned()
        } else {
            commands::resume(view)
        };
        let message =
            format!("{}; neither the source nor a pin from before decides until {until}", said(rollback));
        row(ROLLED_BACK, message, "rolled back")
    });
    let refused = is_refused(view, after).then(|| {
        let message = "a rollback was asked for, and no other release that all stages ran is known, or all of them are in \
                       quarantine: there is nothing to go back to";
        row(NO_EARLIER_RELEASE, message.to_owned(), "no earlier release")
    });
    kept.into_iter().chain(refused).collect()
}

/// Whether the last token found nothing; that stays to be read until something else is promoted.
fn is_refused(view: &View<'_>, after: &CodeSyncStatus) -> bool {
    let before = view.before;
    let id = |status: &CodeSyncStatus| status.promotion.as_ref().map(|promotion| promotion.id.clone());
    if after.last_handled_rollback != before.last_handled_rollback {
        return after.rollback == before.rollback && before.observed_generation.is_some();
    }
    let was_said = before.waiting.iter().any(|row| row.reason == NO_EARLIER_RELEASE);
    was_said && id(before) == id(after) && after.last_handled_resume == before.last_handled_resume
}

fn said(rollback: &RollbackStatus) -> String {
    let RollbackStatus { candidate, from_name, reason, at, from: _, pin: _, failure } = rollback;
    let (name, at) = (&candidate.name, moment(*at));
    if let Some(failure) = failure {
        let clause = failure.clause();
        return format!("after the release of {from_name}, {clause}; it goes back to {name} since {at}");
    }
    let why = reason.as_deref().unwrap_or("no reason is given");
    format!("a person went back from {from_name} to {name} at {at} ({why})")
}

/// What people are told: only what this step changed.
pub(crate) fn news(view: &View<'_>, after: &CodeSyncStatus) -> Option<(EventKind, &'static str, String)> {
    let before = view.before;
    let is_same =
        |one: &RollbackStatus, other: &RollbackStatus| one.at == other.at && one.candidate == other.candidate;
    match (&before.rollback, &after.rollback) {
        (was, Some(now)) if !was.as_ref().is_some_and(|was| is_same(was, now)) => {
            if now.failure.is_some() {
                return Some((EventKind::Warning, "RollingBack", said(now)));
            }
            let message = format!("{}: nothing else is taken until {}", said(now), commands::resume(view));
            Some((EventKind::Normal, "RollbackRequested", message))
        }
        (Some(was), None) if is_back(was, after) => {
            let why = was.failure.as_ref().map(PromotionFailure::clause).unwrap_or_default();
            let (from, name) = (&was.from_name, &was.candidate.name);
            let message = format!("after the release of {from}, {why}; all stages run {name} again");
            Some((EventKind::Warning, "RolledBack", message))
        }
        (Some(was), None) => {
            let name = &was.candidate.name;
            Some((
                EventKind::Normal,
                "RollbackEnded",
                format!("{name} is not kept any more: the source, or a pin, decides again"),
            ))
        }
        _ if is_refused(view, after) && after.last_handled_rollback != before.last_handled_rollback => {
            let message =
                "nothing to go back to: no other release that all stages ran is known and out of quarantine";
            Some((EventKind::Warning, NO_EARLIER_RELEASE, message.to_owned()))
        }
        _ => None,
    }
}
