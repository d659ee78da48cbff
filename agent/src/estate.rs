//! What a CodeSync has to do with, for people who try it before it is live. Nothing is looked at but a snapshot. Pure.

use kube::ResourceExt as _;
use voxsync_cluster::Snapshot;
use voxsync_crds::CodeSync;
use voxsync_promotion::ObservedTarget;

use crate::{
    look::plan,
    observe::{Sight, observe},
};

/// What is wrong with a spec that the API server cannot see: a sentence that names the field and says what would be right.
pub fn spec_problem(code_sync: &CodeSync) -> Option<String> {
    plan(&code_sync.spec, &code_sync.namespace().unwrap_or_default(), None, None).err()
}

/// The targets of each stage, with the Servers that take their code from them.
pub fn targets_of(snapshot: &Snapshot, code_sync: &CodeSync) -> Vec<Vec<ObservedTarget>> {
    let (observed, _) = observe(snapshot, code_sync, Sight::default(), |_| None);
    observed.stages
}
