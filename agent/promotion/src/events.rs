//! What people are told: only what this step changed, so that nothing is said twice. What is said of a promotion is in
//! `promotion_events`, and what of its stages in `stage_events`.

use voxsync_crds::code_sync::{CodeSyncStatus, ConditionStatus};

use crate::{
    after_release, approvals, commands,
    decided::{Action, EventKind},
    gates::still_held,
    manual_rollback, quarantine, readiness,
    rollback::{self, but_for},
    rows::{DELETING, PINNED},
    text::{SENTENCE_LIMIT_BYTES, cut, short},
    verified,
    view::View,
};

/// All events of a step: what it changed in the status, and the adoptions that begin.
pub(crate) fn between(view: &View<'_>, after: &CodeSyncStatus, adoptions: &[String]) -> Vec<Action> {
    let mut events =
        Events { before: view.before, after, resume: commands::resume(view), actions: Vec::new() };
    events.switches();
    events.source();
    events.candidate();
    if let Some((kind, reason, message)) = verified::news(view.before, after) {
        events.say(kind, reason, message);
    }
    for (kind, reason, message) in
        manual_rollback::news(view, after).into_iter().chain(quarantine::news(view, after))
    {
        events.say(kind, reason, message);
    }
    for (kind, reason, message) in after_release::news(view, after) {
        events.say(kind, reason, message);
    }
    events.started();
    events.emergency();
    events.approved(view);
    events.approval_needed();
    for sentence in adoptions {
        events.say(EventKind::Normal, "Adopted", sentence);
    }
    events.gated();
    events.stages();
    events.holds();
    events.ends();
    let ended = after.promotion.as_ref().filter(|it| it.ending.is_some() && it.outcome.is_some());
    let left = ended.map(|ended| rollback::left(view, ended)).unwrap_or_default();
    events.ended(&but_for(&left));
    events.goes(view);
    events.actions
}

pub(crate) struct Events<'a> {
    pub before: &'a CodeSyncStatus,
    pub after: &'a CodeSyncStatus,
    /// The command that goes on.
    resume: String,
    actions: Vec<Action>,
}

impl<'a> Events<'a> {
    pub(crate) fn say(&mut self, kind: EventKind, reason: &'static str, message: impl AsRef<str>) {
        let message = cut(message.as_ref(), SENTENCE_LIMIT_BYTES);
        self.actions.push(Action::Event { kind, reason, message });
    }

    /// The CodeSync goes, and what it held back cannot be given its turn any more.
    fn goes(&mut self, view: &View<'_>) {
        let goes = |status: &CodeSyncStatus| {
            status.waiting.iter().any(|row| row.reason == DELETING)
                && status.promotion.as_ref().is_none_or(|promotion| promotion.recorded)
        };
        if goes(self.before) || !goes(self.after) {
            return;
        }
        if let Some(held) = still_held(view, view.observed.stages.iter().flatten(), "") {
            self.say(EventKind::Warning, "StillHeldBack", held);
        }
    }

    fn switches(&mut self) {
        let holds = |status: &'a CodeSyncStatus, kind| status.condition_that_is(kind, ConditionStatus::True);
        let (was, is) = (holds(self.before, "Suspended"), holds(self.after, "Suspended"));
        match (was, is) {
            (None, Some(now)) => self.say(EventKind::Normal, "Suspended", &now.message),
            (Some(_), None) => self.say(EventKind::Normal, "Unsuspended", "voxsync writes again"),
            _ => {}
        }
        if let (None, Some(stalled)) = (holds(self.before, "Stalled"), holds(self.after, "Stalled")) {
            self.say(EventKind::Warning, "Stalled", &stalled.message);
        }
        let pinned = |status: &CodeSyncStatus| {
            status.waiting.iter().find(|row| row.reason == PINNED).map(|row| row.message.clone())
        };
        match (pinned(self.before), pinned(self.after)) {
            (was, Some(now)) if was.as_ref() != Some(&now) => self.say(EventKind::Normal, "Pinned", now),
            (Some(_), None) => self.say(EventKind::Normal, "Unpinned", "the source decides again"),
            _ => {}
        }
        if self.after.last_handled_resume != self.before.last_handled_resume
            && self.before.observed_generation.is_some()
            && self.before.rollback.is_none()
        {
            let count = self.before.holds.len();
            self.say(
                EventKind::Normal,
                "Resumed",
                format!("a person said to go on; targets on hold: {count}"),
            );
        }
    }

    fn source(&mut self) {
        let since =
            |status: &CodeSyncStatus| status.source.as_ref().and_then(|source| source.unreachable_since);
        let message =
            |status: &CodeSyncStatus| status.source.as_ref().and_then(|source| source.message.clone());
        match (since(self.before), since(self.after)) {
            (None, Some(_)) => {
                self.say(EventKind::Warning, "SourceFailed", message(self.after).unwrap_or_default());
            }
            (Some(from), None) => {
                let message = format!("the source can be asked again; it could not since {from}");
                self.say(EventKind::Normal, "SourceRecovered", message);
            }
            _ => {}
        }
        let moved = |status: &CodeSyncStatus| {
            status
                .condition_that_is("SourceReady", ConditionStatus::True)
                .filter(|condition| condition.reason == "TagMoved")
                .map(|condition| condition.message.clone())
        };
        if let Some(sentence) =
            moved(self.after).filter(|sentence| moved(self.before).as_ref() != Some(sentence))
        {
            self.say(EventKind::Warning, "TagMoved", sentence);
        }
    }

    fn candidate(&mut self) {
        let reference = |status: &CodeSyncStatus| status.candidate.as_ref().map(|it| it.reference.clone());
        if let Some(candidate) = &self.after.candidate
            && reference(self.before) != reference(self.after)
        {
            let commit =
                candidate.commit.as_ref().map_or_else(String::new, |commit| format!(", commit {commit}"));
            let message = format!("candidate {}{commit}", short(&candidate.reference));
            self.say(EventKind::Normal, "CandidateFound", message);
        }
    }

    fn approved(&mut self, view: &View<'_>) {
        match approvals::read(view).filter(|_| !view.observed.is_leaving) {
            Some(Ok(approval)) => {
                let sentence = approvals::sentence(self.after, &approval);
                self.say(EventKind::Normal, "Approved", sentence);
            }
            Some(Err(sentence)) => self.say(EventKind::Warning, "BadApproval", sentence),
            None => {}
        }
    }

    /// A stage began to wait for a person.
    fn approval_needed(&mut self) {
        let waits = |status: &'a CodeSyncStatus| {
            status.waiting.iter().filter(|row| row.reason == readiness::APPROVAL)
        };
        let new = waits(self.after).filter(|row| !waits(self.before).any(|before| before == *row));
        for row in new.collect::<Vec<_>>() {
            self.say(EventKind::Normal, "ApprovalNeeded", &row.message);
        }
    }

    fn holds(&mut self) {
        let known = |target: &str, found: &Option<String>| {
            self.before.holds.iter().any(|hold| hold.target == target && hold.found == *found)
        };
        let new: Vec<String> = self
            .after
            .holds
            .iter()
            .filter(|hold| !known(&hold.target, &hold.found))
            .map(|hold| {
                let found = hold.found.as_deref().map_or_else(|| "no code".to_owned(), short);
                let recorded = hold.recorded.as_deref().map_or_else(|| "no code".to_owned(), short);
                let by = hold.manager.as_deref().unwrap_or("somebody");
                let at = hold.changed_at.map_or_else(String::new, |at| format!(" at {at}"));
                format!(
                    "{} was changed by {by}{at} ({recorded} → {found}): held until {}",
                    hold.target, self.resume
                )
            })
            .collect();
        for message in new {
            self.say(EventKind::Warning, "Held", message);
        }
    }
}
