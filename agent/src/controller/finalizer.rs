//! The finalizer of a CodeSync that holds Deployments back: put on before the first gate, taken away after the last.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tracing::warn;
use voxsync_cluster::Snapshot;
use voxsync_crds::{CodeSync, FIELD_MANAGER, annotations::GATES_FINALIZER};

use super::pass::{Doer, TaskOutcome};
use crate::call::call;

impl Doer<'_> {
    /// Nothing is done where the CodeSync changed in between or is gone: it is decided on anew. The index has it as
    /// it is with the status that was stored just now.
    pub(super) async fn finalizer(&self, wanted: bool) -> TaskOutcome {
        let read = |snapshot: &Snapshot| {
            let present = snapshot.code_sync(&self.key.namespace, &self.key.name)?;
            (present.metadata.uid.as_deref() == Some(self.uid)).then(|| present.metadata.clone())
        };
        let Some(present) = self.cluster.read(read) else { return TaskOutcome::Done };
        let mut finalizers = present.finalizers.unwrap_or_default();
        finalizers.retain(|one| one != GATES_FINALIZER);
        finalizers.extend(wanted.then(|| GATES_FINALIZER.to_owned()));
        let metadata = json!({"finalizers": finalizers, "resourceVersion": present.resource_version});
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api: Api<CodeSync> = Api::namespaced(self.client.clone(), &self.key.namespace);
        match call(api.patch(&self.key.name, &parameters, &patch)).await {
            Ok(written) => {
                self.metrics.wrote("CodeSync", "ok");
                // Without its last finalizer a deleted one is gone, which its watch tells.
                if written.metadata.deletion_timestamp.is_none() || !finalizers.is_empty() {
                    self.cluster.apply(written);
                }
                TaskOutcome::Done
            }
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() || refusal.is_not_found() => {
                self.metrics.wrote("CodeSync", "conflict");
                if let Ok(present) = call(api.get(&self.key.name)).await {
                    self.cluster.apply(present);
                }
                // It is tried again, should it be unchanged.
                TaskOutcome::Failed
            }
            Err(error) => {
                warn!(code_sync = %self.key, %error, "the finalizers of the CodeSync could not be written");
                self.metrics.wrote("CodeSync", "failed");
                TaskOutcome::Failed
            }
        }
    }
}
