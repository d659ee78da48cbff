//! Which of the agent's events and rows people are told: each fact once.

use voxsync_crds::code_sync::{CodeSyncStatus, Outcome, Waiting};
use voxsync_promotion::EventKind;

use crate::ladder::{Line, Tone};

/// Events that a row says as well.
const SAID_BY_ROW: [&str; 7] =
    ["ApprovalNeeded", "Held", "Pinned", "PromotionFailed", "RollbackRequested", "SourceFailed", "Suspended"];
/// That it went back: an event, and a row as long as somebody has to know.
const ROLLED_BACK: &str = "RolledBack";
/// The event that says that targets are written over: the lines of the cluster say it as well.
const ADOPTED: &str = "Adopted";
/// Rows of what goes on by itself within a rollout: the lines of the cluster tell it.
const GOES_ON: [&str; 8] =
    ["Rollout", "Gating", "Gated", "Writing", "RollingBack", "Adopting", "Source", "Superseded"];
/// Rows that tell of something that needs somebody.
const NEEDS_SOMEBODY: [&str; 9] = [
    "Held",
    ROLLED_BACK,
    "Failed",
    "Quarantined",
    "NothingToProve",
    "CheckFailed",
    "CheckUnreachable",
    "NoMatch",
    "InvalidSpec",
];
/// Events that end well.
const GOOD: [&str; 3] = ["Released", "ChecksPassed", "StageRolledOut"];
/// The command at the end of a message: nobody can run it here.
const COMMAND: &str = ": `voxsync ";

/// A row of a stage that may not start now.
const WINDOW: &str = "Window";
/// Before the end in its message.
const UNTIL: &str = " is closed until ";

/// How an event is told, if it is; by what the step that it is of stored.
pub(crate) fn event(kind: EventKind, reason: &str, status: &CodeSyncStatus) -> Option<Tone> {
    // The row of what could not run stays. What went back after its release leaves none.
    let could_not_run =
        status.promotion.as_ref().is_some_and(|promotion| promotion.outcome == Some(Outcome::RolledBack));
    let is_in_a_row = reason == ROLLED_BACK && could_not_run;
    let is_adopted = reason == ADOPTED && status.promotion.is_some();
    if SAID_BY_ROW.contains(&reason) || is_in_a_row || is_adopted {
        return None;
    }
    Some(match kind {
        EventKind::Warning => Tone::Bad,
        EventKind::Normal if GOOD.contains(&reason) => Tone::Good,
        EventKind::Normal => Tone::Happens,
    })
}

/// How a row is told, if it is.
pub(crate) fn row(row: &Waiting) -> Option<Tone> {
    match row.reason.as_str() {
        reason if GOES_ON.contains(&reason) => None,
        // A person went back: that is about the whole.
        ROLLED_BACK if row.stage.is_none() => Some(Tone::Waits),
        reason if NEEDS_SOMEBODY.contains(&reason) => Some(Tone::Bad),
        _ => Some(Tone::Waits),
    }
}

/// Whether a row says again what the last line about its stage said: a window that has opened and closed, and nothing came
/// of it. A stage that waits for a person would fill a page with its nights.
pub(crate) fn is_said_again(ladder: &[Line], who: &str, row: &Waiting) -> bool {
    let last = ladder.iter().rfind(|line| line.who == who);
    let without_end = |text: &str| text.split_once(UNTIL).map(|(window, _)| window.to_owned());
    row.reason == WINDOW
        && last.is_some_and(|last| {
            last.reason == WINDOW && without_end(&last.what) == without_end(&message(&row.message))
        })
}

/// A message as it is told.
pub(crate) fn message(text: &str) -> String {
    match text.split_once(COMMAND) {
        Some((said, command)) if command.ends_with('`') && command.matches('`').count() == 1 => {
            said.to_owned()
        }
        _ => text.to_owned(),
    }
}
