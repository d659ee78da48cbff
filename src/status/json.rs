//! What the screen shows of CodeSyncs, for programs. Pure.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use voxsync_crds::CodeSync;

use super::{releases::Release, trouble, view::View};

/// The CodeSyncs with a version of their form: fields may be added in `v1`, never changed or removed. The last releases are
/// told of one that was asked for by name.
pub fn json(view: &View, code_syncs: &[CodeSync], releases: Option<&[Release]>) -> Value {
    let code_syncs: Vec<Value> = code_syncs.iter().map(|it| code_sync(view, it, releases)).collect();
    json!({"apiVersion": "status.voxsync.dev/v1", "codeSyncs": code_syncs})
}

fn code_sync(view: &View, code_sync: &CodeSync, releases: Option<&[Release]>) -> Value {
    let status = code_sync.status.clone().unwrap_or_default();
    json!({
        "namespace": code_sync.namespace(),
        "name": code_sync.name_any(),
        "following": code_sync.spec.source.summary(),
        "isWell": trouble(&status).is_none(),
        "verdict": view.verdict(code_sync),
        "pin": code_sync.spec.pin,
        "candidate": status.candidate,
        "deployed": status.deployed,
        "stages": status.stages,
        "waiting": status.waiting,
        "holds": status.holds,
        "approvals": status.approvals,
        "quarantine": status.quarantine,
        "rollback": status.rollback,
        "releases": releases,
    })
}
