//! Whether the agent has taken up what it was told last: before that, its status answers nothing. Pure.

use voxsync_crds::{
    CodeSync,
    annotations::{RELEASE_QUARANTINE, REQUESTED_AT, RESUME, ROLLBACK},
    code_sync::CodeSyncStatus,
};

/// The status, if it is about all that the agent was told, or what it has not taken up yet.
pub fn taken_up(code_sync: &CodeSync) -> Result<&CodeSyncStatus, String> {
    let metadata = &code_sync.metadata;
    let unseen = "the agent has not seen it yet: does `voxsync run` serve this namespace?";
    let status = code_sync.status.as_ref().ok_or(unseen)?;
    if status.observed_generation != metadata.generation {
        return Err("the agent has not taken up the present spec yet".to_owned());
    }
    let told = [
        (REQUESTED_AT, &status.last_handled_reconcile_at, "the look that was asked for is not done yet"),
        (ROLLBACK, &status.last_handled_rollback, "the rollback that was asked for has not begun yet"),
        (
            RELEASE_QUARANTINE,
            &status.last_handled_release_quarantine,
            "the release from quarantine that was asked for is not done yet",
        ),
        (RESUME, &status.last_handled_resume, "the resume is not taken up yet"),
    ];
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
    for (name, handled, what) in told {
        if annotation(name).is_some_and(|token| !is_echo(handled.as_deref(), token)) {
            return Err(what.to_owned());
        }
    }
    Ok(status)
}

/// Whether a token was handled: the status keeps the beginning of a long one.
pub fn is_echo(handled: Option<&str>, token: &str) -> bool {
    handled.is_some_and(|handled| !handled.is_empty() && token.starts_with(handled))
}
