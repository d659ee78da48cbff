use kube::api::{Patch, PatchParams};
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::Scope;
use voxsync_crds::yaml::{definitions, to_yaml};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::*;
use crate::controller::memory::Memory;

const NAMESPACE: &str = "puppet";

#[tokio::test]
async fn a_status_that_is_refused_for_what_was_seen_already_is_decided_anew() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sandbox = Sandbox::new(SandboxOptions::default());
    for (_, definition) in definitions() {
        sandbox.install_manifests(&to_yaml(&definition).unwrap()).unwrap();
    }
    sandbox
        .install(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
        .unwrap();
    let client = sandbox.client(NAMESPACE);
    let api: Api<CodeSync> = Api::namespaced(client.clone(), NAMESPACE);
    let code_sync = json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "production"},
        "spec": {"source": {"file": {"path": "/etc/voxsync/x"}}, "target": {"kind": "Config", "name": "x"}},
    });
    let code_sync: CodeSync = serde_json::from_value(code_sync).unwrap();
    let seen = api.create(&PostParams::default(), &code_sync).await.unwrap();
    let label = Patch::Merge(json!({"metadata": {"labels": {"touched": "yes"}}}));
    let present = api.patch("production", &PatchParams::default(), &label).await.unwrap();
    // What is there now is in the index: no change of it wakes anybody.
    let cluster = Cluster::watch(client.clone(), Scope::All, CancellationToken::new());
    cluster.apply(present);

    let key = CodeSyncKey::of(&seen);
    let status = CodeSyncStatus { summary: Some("new".to_owned()), ..CodeSyncStatus::default() };
    let pass = Pass { key: key.clone(), code_sync: Box::new(seen), status: Some(status), tasks: Vec::new() };
    let metrics = Metrics::register(&mut Registry::default());
    let ended = carry_out(&client, &cluster, (&metrics, &Notifier::new(metrics.clone()).0), pass).await;
    let (mut memory, now) = (Memory::default(), Timestamp::now());
    memory.row(&key);
    memory.ended(ended, now);
    assert!(memory.wakes.next_due().is_some(), "it is woken again");
}
