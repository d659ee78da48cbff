//! Keeps the whole status under its bound. Every text in it was cut when it was made; here the lists are.

use voxsync_crds::code_sync::CodeSyncStatus;

/// The most rows that `status.waiting` has.
const WAITING_LIMIT: usize = 32;
/// What all rows of `status.waiting` take together, in bytes of JSON.
const WAITING_LIMIT_BYTES: usize = 10 * 1024;
/// The most holds that are remembered; a target beyond them is held all the same.
const HOLDS_LIMIT: usize = 64;
/// What all holds take together, in bytes of JSON.
const HOLDS_LIMIT_BYTES: usize = 12 * 1024;

/// Shortens the lists that grow with the number of targets.
pub(crate) fn fit(status: &mut CodeSyncStatus) {
    keep(&mut status.waiting, WAITING_LIMIT, WAITING_LIMIT_BYTES);
    keep(&mut status.holds, HOLDS_LIMIT, HOLDS_LIMIT_BYTES);
}

fn keep<T: serde::Serialize>(list: &mut Vec<T>, limit: usize, limit_bytes: usize) {
    let mut size_bytes = 0;
    let fitting = list.iter().take(limit).take_while(|item| {
        size_bytes += serde_json::to_string(item).map_or(limit_bytes, |json| json.len() + 1);
        size_bytes <= limit_bytes
    });
    let kept = fitting.count();
    list.truncate(kept);
}
