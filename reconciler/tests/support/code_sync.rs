//! A CodeSync whose promotion is under way, as the agent would write it.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use voxsync_crds::CodeSync;

use super::{NAMESPACE, World};

impl World {
    /// A CodeSync on the Config `production` whose promotion `production-1` works on its only stage.
    pub async fn code_sync(&self, reference: &str, phase: &str) -> CodeSync {
        let stage = json!({"name": "all", "targets": [{"kind": "Config", "name": "production"}]});
        let source = json!({"registry": {"repository": "registry.example/code", "tag": {"follow": "main"}}});
        let code_sync = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": "production", "namespace": NAMESPACE, "finalizers": ["voxsync.dev/gates"]},
            "spec": {"source": source, "stages": [stage]},
        });
        let code_sync: CodeSync = serde_json::from_value(code_sync).unwrap();
        let created = self.api(NAMESPACE).create(&PostParams::default(), &code_sync).await.unwrap();
        let candidate = json!({"name": "new", "reference": reference, "repository": reference, "digest": ""});
        let promotion = json!({
            "id": "production-1", "candidate": candidate, "trigger": "Source", "startedAt": "2026-01-01T00:00:00Z",
        });
        self.set_status(json!({"conditions": [], "promotion": promotion, "stages": [{"name": "all", "phase": phase, "ready": 0, "desired": 0}]}))
            .await;
        created
    }

    /// Changes the status of that CodeSync by a merge patch.
    pub async fn set_status(&self, change: Value) {
        let change = Patch::Merge(json!({"status": change}));
        let api = self.api::<CodeSync>(NAMESPACE);
        api.patch_status("production", &PatchParams::default(), &change).await.unwrap();
    }

    /// The stage of that CodeSync goes on.
    pub async fn set_phase(&self, phase: &str) {
        self.set_status(json!({"stages": [{"name": "all", "phase": phase, "ready": 0, "desired": 0}]})).await;
    }
}
