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

/// What the whole status takes, in bytes of JSON.
const STATUS_LIMIT_BYTES: usize = 63 * 1024;

/// Shortens the lists that grow with the number of targets: what all else leaves is theirs, half each.
pub(crate) fn fit(status: &mut CodeSyncStatus) {
    let grows = size_bytes(&status.waiting) + size_bytes(&status.holds);
    let room_bytes = STATUS_LIMIT_BYTES.saturating_sub(size_bytes(status).saturating_sub(grows)) / 2;
    keep(&mut status.waiting, WAITING_LIMIT, WAITING_LIMIT_BYTES.min(room_bytes));
    keep(&mut status.holds, HOLDS_LIMIT, HOLDS_LIMIT_BYTES.min(room_bytes));
}

fn size_bytes<T: serde::Serialize>(part: &T) -> usize {
    serde_json::to_string(part).map_or(0, |json| json.len())
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
