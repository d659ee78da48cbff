//! What is there before voxsync comes: the Servers' Deployments, as openvox-operator makes them. No operator runs
//! in the demo, so none owns them, and the reconciler need not wait for one.

use json_patch::PatchOperation;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt as _, api::PostParams};
use serde_json::json;
use voxsync_cluster::{Scope, Snapshot};
use voxsync_crds::Server;
use voxsync_rollout::template::template;

/// Creates the Deployment of every Server in the namespace, with the code that is declared now.
pub async fn create_deployments(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let snapshot = Snapshot::fetch(client.clone(), &Scope::Namespace(namespace.to_owned())).await?;
    let servers: Api<Server> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    for server in servers.list(&kube::api::ListParams::default()).await? {
        let mut deployment: Deployment = serde_json::from_value(bare(&server))?;
        if let Some(code) = snapshot.server_code(namespace, &server.name_any())
            && let Some(mut patch) = template(&deployment, &server, &code?)?
        {
            // It asks for the version that was read; this one is not stored yet.
            patch.0.retain(|operation| !matches!(operation, PatchOperation::Test(_)));
            let mut value = serde_json::to_value(&deployment)?;
            json_patch::patch(&mut value, &patch)?;
            deployment = serde_json::from_value(value)?;
        }
        deployments.create(&PostParams::default(), &deployment).await?;
    }
    Ok(())
}

/// The Deployment but for its code.
fn bare(server: &Server) -> serde_json::Value {
    let name = server.name_any();
    let labels = json!({"openvox.voxpupuli.org/server": name});
    // An operator stops a certificate authority before it starts the new one: two would write one volume.
    let strategy = if server.spec.is_ca() { "Recreate" } else { "RollingUpdate" };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": server.namespace(), "labels": labels},
        "spec": {
            "replicas": server.spec.other.get("replicas").cloned().unwrap_or(json!(1)),
            "strategy": {"type": strategy},
            "selector": {"matchLabels": {"openvox.voxpupuli.org/server": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "openvox-server", "image": "ghcr.io/example/openvox-server:8.12.1",
                    "ports": [{"name": "https", "containerPort": 8140}],
                }]},
            },
        },
    })
}
