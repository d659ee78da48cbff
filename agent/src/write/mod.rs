//! The one write that changes what code runs: a JSON patch of a code reference, with its record.
//!
//! Pure. The patch tests everything that the decision was made on (the object and its generation, the entry, its value, our
//! record), so that it applies to exactly what was seen or not at all: also where it arrives late, and somebody has put back
//! by then what was there before. It touches the entry's image, the pull secret and policy where they are asked for, and our
//! annotation; other entries and other people's fields are never in it.
//!
//! In another namespace it tests the consent of the target, too: withdrawn in between, nothing is written.
//!
//! What had no code before is given back none: the entry is taken away, and with the last of its own the whole.
//!
//! Protocol: RFC 6902. A `test` for `null` passes where the member is absent (seen on the real API server).

use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
    jsonptr::PointerBuf,
};
use serde_json::{Value, json};
use voxsync_crds::{
    Code, CodeEntry,
    annotations::{ACCEPTS_FROM, APPLIED, Applied, Beside, applied_records},
    code_sync::{Entry, PullPolicy},
    openvox::{CodeShape, EntryKey},
};
use voxsync_promotion::{TargetProblem, TargetWrite};

use crate::target::Target;

/// Why there is no patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteProblem {
    /// The target no longer says what the decision was made on: decide again.
    Stale,
    /// The target cannot be written.
    Target(TargetProblem),
    /// A record or entry cannot be put into JSON, which no value of ours does.
    NotJson,
}

impl From<serde_json::Error> for WriteProblem {
    fn from(_: serde_json::Error) -> Self {
        Self::NotJson
    }
}

/// The patch that writes a reference with its record.
///
/// # Errors
/// See [`WriteProblem`].
pub(crate) fn reference_patch(
    target: Target<'_>,
    write: &TargetWrite,
    installed: Option<CodeShape>,
) -> Result<Patch, WriteProblem> {
    let entry = write.target.entry.as_ref();
    let live = target.live(entry, installed).map_err(WriteProblem::Target)?;
    let records = applied_records(target.metadata().annotations.as_ref());
    let key = entry.map(ToString::to_string).unwrap_or_default();
    if live != write.expected || records.get(&key) != write.expected_applied.as_ref() {
        return Err(WriteProblem::Stale);
    }
    let metadata = target.metadata();
    let mut operations = vec![
        // The same value again is not the same change: somebody may have written over what we wrote since.
        test(PointerBuf::from_tokens(["metadata", "uid"]), json!(metadata.uid)),
        test(PointerBuf::from_tokens(["metadata", "generation"]), json!(metadata.generation)),
    ];
    operations.extend(match (target.code(), &write.applied.reference) {
        (Some(code), None) => take_away(target, code, entry)?,
        (None, None) => Vec::new(),
        (Some(code), Some(_)) => change_entry(code, entry, write)?,
        (None, Some(_)) => add_code(target, entry, write, installed.unwrap_or(CodeShape::Object))?,
    });
    let mut records = records;
    records.insert(key, noted(target, entry, write));
    operations.extend(change_record(target, &serde_json::to_string(&records)?));
    if write.target.namespace.is_some() {
        let consent = target.metadata().annotations.as_ref().and_then(|all| all.get(ACCEPTS_FROM));
        let at = PointerBuf::from_tokens(["metadata", "annotations", ACCEPTS_FROM]);
        // Before anything is changed; without one, there was no target to be found.
        operations.insert(0, test(at, json!(consent.ok_or(WriteProblem::Stale)?)));
    }
    Ok(Patch(operations))
}

/// The record of a write, with what stands beside the image now where the write changes that: it comes back with it.
fn noted(target: Target<'_>, entry: Option<&Entry>, write: &TargetWrite) -> Applied {
    let mut applied = write.applied.clone();
    let is_kept = applied.beside.is_some() || applied.previous != write.expected.image;
    let place = target.code().and_then(|code| Some((code, code.position(entry).ok().flatten()?)));
    let Some(present) = place.and_then(|(code, place)| code.entries().get(place)).filter(|_| !is_kept) else {
        return applied;
    };
    if wanted_beside(write, present) != [present.image_pull_secret.clone(), present.image_pull_policy.clone()]
    {
        applied.beside = Some(Beside {
            pull_secret: present.image_pull_secret.clone(),
            pull_policy: present.image_pull_policy.clone(),
        });
    }
    applied
}

/// The pull secret and policy that are to stand beside the image of this entry.
fn wanted_beside(write: &TargetWrite, present: &CodeEntry) -> [Option<String>; 2] {
    match &write.restored {
        Some(before) => [before.pull_secret.clone(), before.pull_policy.clone()],
        None => [
            write.pull_secret.clone().or_else(|| present.image_pull_secret.clone()),
            write.pull_policy.map(policy).or_else(|| present.image_pull_policy.clone()),
        ],
    }
}

/// Changes the entry that is there; the others are not touched.
fn change_entry(
    code: &Code,
    entry: Option<&Entry>,
    write: &TargetWrite,
) -> Result<Vec<PatchOperation>, WriteProblem> {
    let place = code.position(entry).ok().flatten().ok_or(WriteProblem::Stale)?;
    let present = code.entries().get(place).ok_or(WriteProblem::Stale)?;
    let base = match code.shape() {
        CodeShape::Object => vec!["spec".to_owned(), "code".to_owned()],
        CodeShape::List => vec!["spec".to_owned(), "code".to_owned(), place.to_string()],
    };
    let at = |field: &str| PointerBuf::from_tokens(base.iter().map(String::as_str).chain([field]));
    let mut operations = Vec::new();
    // What makes the entry this one: its place may be another's by now.
    for (field, value) in [("environment", &present.environment), ("mountPath", &present.mount_path)] {
        if code.shape() == CodeShape::List {
            operations.push(test(at(field), json!(value)));
        }
    }
    operations.push(test(at("image"), json!(present.image)));
    if present.claim_name.is_some() {
        operations.push(test(at("claimName"), json!(present.claim_name)));
        operations.push(PatchOperation::Remove(RemoveOperation { path: at("claimName") }));
    }
    operations.push(add(at("image"), json!(write.applied.reference)));
    let wanted = wanted_beside(write, present);
    let fields =
        [("imagePullSecret", &present.image_pull_secret), ("imagePullPolicy", &present.image_pull_policy)];
    for ((field, present), wanted) in fields.into_iter().zip(wanted) {
        if wanted == *present {
            continue;
        }
        operations.push(test(at(field), json!(present)));
        operations.push(match wanted {
            Some(wanted) => add(at(field), json!(wanted)),
            None => PatchOperation::Remove(RemoveOperation { path: at(field) }),
        });
    }
    Ok(operations)
}

/// Adds code where there is none, in the installed shape. Code is resolved as a whole, so that a Server's own code
/// starts as a copy of its Config's: without, it would lose its pull secret and its other entries.
fn add_code(
    target: Target<'_>,
    entry: Option<&Entry>,
    write: &TargetWrite,
    installed: CodeShape,
) -> Result<Vec<PatchOperation>, WriteProblem> {
    let mut entries = target.inherited_code().map(|code| code.entries().to_vec()).unwrap_or_default();
    let place = target.inherited_code().and_then(|code| code.position(entry).ok().flatten());
    if place.is_none() {
        entries.push(named(entry));
    }
    let meant = place.unwrap_or(entries.len() - 1);
    let meant = entries.get_mut(meant).ok_or(WriteProblem::Stale)?;
    meant.image.clone_from(&write.applied.reference);
    meant.claim_name = None;
    if let Some(secret) = &write.pull_secret {
        meant.image_pull_secret = Some(secret.clone());
    }
    if let Some(wanted) = write.pull_policy {
        meant.image_pull_policy = Some(policy(wanted));
    }
    let code = match installed {
        CodeShape::Object => Code::Object(meant.clone()),
        CodeShape::List => Code::List(entries),
    };
    let at = PointerBuf::from_tokens(["spec", "code"]);
    Ok(vec![test(at.clone(), json!(target.stored_code())), add(at, serde_json::to_value(code)?)])
}

/// Takes an entry away: the whole of the code where nothing is left but what the target would have without it.
fn take_away(
    target: Target<'_>,
    code: &Code,
    entry: Option<&Entry>,
) -> Result<Vec<PatchOperation>, WriteProblem> {
    let place = code.position(entry).ok().flatten().ok_or(WriteProblem::Stale)?;
    let others = |code: &Code, place: Option<usize>| -> Vec<CodeEntry> {
        let entries = code.entries().iter().enumerate();
        entries.filter(|(at, _)| Some(*at) != place).map(|(_, entry)| entry.clone()).collect()
    };
    // A Server's own code began as a copy of its Config's.
    let inherited = target.inherited_code().map(|code| others(code, code.position(entry).ok().flatten()));
    let left = others(code, Some(place));
    let at = PointerBuf::from_tokens(["spec", "code"]);
    let (at, present) = if left.is_empty() || inherited.as_ref() == Some(&left) {
        (at, serde_json::to_value(code)?)
    } else {
        let present = code.entries().get(place).ok_or(WriteProblem::Stale)?;
        (PointerBuf::from_tokens(["spec", "code", &place.to_string()]), serde_json::to_value(present)?)
    };
    Ok(vec![test(at.clone(), present), PatchOperation::Remove(RemoveOperation { path: at })])
}

fn named(entry: Option<&Entry>) -> CodeEntry {
    let (environment, mount_path) = match entry {
        Some(EntryKey::Environment(environment)) => (Some(environment.clone()), None),
        Some(EntryKey::MountPath(path)) => (None, Some(path.clone())),
        None => (None, None),
    };
    CodeEntry { environment, mount_path, ..CodeEntry::default() }
}

fn change_record(target: Target<'_>, records: &str) -> Vec<PatchOperation> {
    let all = PointerBuf::from_tokens(["metadata", "annotations"]);
    let Some(annotations) = &target.metadata().annotations else {
        return vec![test(all.clone(), Value::Null), add(all, json!({ APPLIED: records }))];
    };
    let ours = PointerBuf::from_tokens(["metadata", "annotations", APPLIED]);
    let present = annotations.get(APPLIED);
    let change = if present.is_some() {
        PatchOperation::Replace(ReplaceOperation { path: ours.clone(), value: json!(records) })
    } else {
        add(ours.clone(), json!(records))
    };
    vec![test(ours, json!(present)), change]
}

fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}

fn add(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}

fn policy(policy: PullPolicy) -> String {
    match policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
