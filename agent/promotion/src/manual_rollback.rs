//! A person goes back: to the last good release, at once, and for as long as they want.
//!
//! What they went back to is in `status.rollback`, stored together with the token that asked for it. While it is there it
//! is what should run, whatever the source, a reference file, or a pin that was there before says. `voxsync resume` ends
//! it, and so does a pin that is set or changed after it: a person chose anew.

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome, Pin, RollbackStatus, Trigger},
    reference::{is_same_code, short_digest},
};

use crate::{
    candidate::{Choice, Sight, Wanted, finished},
    commands,
    observed::EventKind,
    quarantine,
    ripening::while_pinned,
    rows::{NO_EARLIER_RELEASE, ROLLED_BACK, Row, Weight},
    text::{NAME_LIMIT_BYTES, cut, fingerprint},
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
    let Some(left) = Left::of(after) else { return false };
    let Some(candidate) = last_good(view, after, &left) else { return false };
    if !keeps {
        let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let why = format!("a person went back to {}{why}", candidate.name);
        let known = left.digest.as_deref().filter(|digest| !digest.is_empty());
        quarantine::add(view, after, (known.unwrap_or(&left.reference), &left.name), &why);
    }
    let pin = view.spec.pin.as_ref().map(name_of);
    let from = Some(left.reference);
    after.rollback =
        Some(RollbackStatus { candidate, from_name: left.name, from, reason, at: view.now, pin });
    // What a person said before they went back was not meant to end it.
    let resume = view.observed.resume.as_deref().map(|token| cut(token, NAME_LIMIT_BYTES));
    after.last_handled_resume = resume.or(after.last_handled_resume.take());
    true
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

/// What is left: what is promoted, or failed to be; else what is deployed.
struct Left {
    name: String,
    reference: String,
    digest: Option<String>,
    /// What all stages ran before it, where it did not get that far.
    before: Option<DeployedStatus>,
}

impl Left {
    fn of(status: &CodeSyncStatus) -> Option<Self> {
        let open = status.promotion.as_ref().filter(|it| it.outcome != Some(Outcome::Released));
        let deployed = status.deployed.as_ref();
        let Some(promotion) = open else {
            let DeployedStatus { name, reference, digest, .. } = deployed?.clone();
            return Some(Self { name, reference, digest, before: None });
        };
        Some(Self {
            name: promotion.candidate.name.clone(),
            reference: promotion.candidate.reference.clone(),
            digest: Some(promotion.candidate.digest.clone()),
            before: deployed.cloned(),
        })
    }

    fn is(&self, candidate: &CandidateStatus) -> bool {
        let digest = self.digest.as_ref().filter(|digest| !digest.is_empty());
        candidate.reference == self.reference || digest == Some(&candidate.digest)
    }
}

/// The last that all stages ran, of another digest, and not in quarantine.
fn last_good(view: &View<'_>, after: &CodeSyncStatus, left: &Left) -> Option<CandidateStatus> {
    let deployed = left.before.iter().filter_map(|it| {
        let known = candidate(&it.reference, Some(&it.name))?;
        let digest = it.digest.clone().unwrap_or_default();
        Some(CandidateStatus { tag: it.tag.clone(), digest, commit: it.commit.clone(), ..known })
    });
    let released = after.history.iter().filter(|release| release.outcome == Outcome::Released);
    let in_short = released.flat_map(|release| {
        // What was adopted has no release of its own.
        let replaced = release.from.as_deref().and_then(|from| candidate(from, None));
        let replaced = replaced.map(|it| with_digest(it, release.from_digest.as_ref()));
        let released = candidate(&release.reference, Some(&release.name));
        released.map(|it| with_digest(it, release.digest.as_ref())).into_iter().chain(replaced)
    });
    let recorded = view.observed.released.iter().filter_map(|it| candidate(&it.to_string(), None));
    // Who goes back once more goes back further.
    let left_before = view.before.rollback.as_ref().and_then(|rollback| rollback.from.as_deref());
    let was_left = |it: &CandidateStatus| left_before.is_some_and(|left| is_same_code(left, &it.reference));
    let is_good = |it: &CandidateStatus| !left.is(it) && !was_left(it) && quarantine::of(after, it).is_none();
    deployed.chain(in_short).chain(recorded).find(is_good)
}

/// With the digest that its reference does not name.
fn with_digest(candidate: CandidateStatus, digest: Option<&String>) -> CandidateStatus {
    CandidateStatus { digest: digest.cloned().unwrap_or(candidate.digest), ..candidate }
}

/// What a reference names. One without a digest was adopted so, and runs so again.
fn candidate(reference: &str, name: Option<&str>) -> Option<CandidateStatus> {
    let parsed = CodeReference::parse(reference).ok()?;
    let digest = parsed.digest().unwrap_or_default();
    let name = name.or(parsed.tag()).map_or_else(|| short_digest(digest).to_string(), str::to_owned);
    Some(CandidateStatus {
        name,
        reference: reference.to_owned(),
        repository: parsed.repository().to_owned(),
        tag: parsed.tag().map(str::to_owned),
        digest: digest.to_owned(),
        ..CandidateStatus::default()
    })
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
        let message = format!(
            "{}; neither the source nor a pin from before decides until {}",
            said(rollback),
            commands::resume(view)
        );
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
    let RollbackStatus { candidate, from_name, reason, at, from: _, pin: _ } = rollback;
    let why = reason.as_deref().unwrap_or("no reason is given");
    format!("a person went back from {from_name} to {} at {at} ({why})", candidate.name)
}

/// What people are told: only what this step changed.
pub(crate) fn news(view: &View<'_>, after: &CodeSyncStatus) -> Option<(EventKind, &'static str, String)> {
    let before = view.before;
    let is_same =
        |one: &RollbackStatus, other: &RollbackStatus| one.at == other.at && one.candidate == other.candidate;
    match (&before.rollback, &after.rollback) {
        (was, Some(now)) if !was.as_ref().is_some_and(|was| is_same(was, now)) => {
            let message = format!("{}: nothing else is taken until {}", said(now), commands::resume(view));
            Some((EventKind::Normal, "RollbackRequested", message))
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
