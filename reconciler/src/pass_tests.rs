use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::PostParams};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};
use voxsync_cluster::Object;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::*;

/// A version that the API server never comes to: what it says is always older, and each write is a conflict.
const NEVER: &str = "1000000000";

fn apply<K: DeserializeOwned + Into<Object>>(snapshot: &mut Snapshot, value: Value) {
    assert!(snapshot.apply(from_value::<K>(value).unwrap()));
}

/// The Deployment of the Server `stable`, which has `a:1`.
fn deployment(annotations: &Value, is_paused: bool) -> Value {
    let labels = json!({"openvox.voxpupuli.org/server": "stable"});
    let mount = json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
    let pod = json!({
        "containers": [{"name": "openvox-server", "image": "openvox:8", "volumeMounts": [mount]}],
        "volumes": [{"name": "code", "image": {"reference": "a:1", "pullPolicy": "IfNotPresent"}}],
    });
    let of_pods = json!({"openvox.voxpupuli.org/code-image": "a:1"});
    let template = json!({"metadata": {"labels": labels, "annotations": of_pods}, "spec": pod});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "stable", "namespace": "default", "annotations": annotations},
        "spec": {"paused": is_paused, "selector": {"matchLabels": labels}, "template": template},
    })
}

/// A pass over the Server `stable` of a Config with this code. What the reconciler knows of its Deployment, and of the
/// Server where it is installed too, is of a version that the API server does not have.
async fn passed(code: &str, server: &Value, deployment: Value) -> Passed {
    let sandbox = Sandbox::new(SandboxOptions::default());
    for definition in [
        include_str!("../../tests/data/openvox-operator/crds/openvox.voxpupuli.org_configs.yaml"),
        include_str!("../../tests/data/openvox-operator/crds/openvox.voxpupuli.org_servers.yaml"),
    ] {
        sandbox.install_manifests(definition).unwrap();
    }
    let spec = json!({"configRef": "production", "certificateRef": "certificate"});
    let mut metadata = json!({"name": "stable", "namespace": "default"});
    let mut known = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server", "metadata": metadata, "spec": spec,
    });
    sandbox.install(known.clone()).unwrap();
    json_patch::merge(&mut metadata, server);
    known["metadata"] = metadata;
    let client = sandbox.client("default");
    let installed: Deployment = from_value(deployment.clone()).unwrap();
    Api::namespaced(client.clone(), "default").create(&PostParams::default(), &installed).await.unwrap();

    let mut snapshot = Snapshot::default();
    let config = json!({"metadata": {"name": "production", "namespace": "default"}, "spec": {"code": {"image": code}}});
    apply::<Config>(&mut snapshot, config);
    apply::<Server>(&mut snapshot, known);
    let mut deployment = deployment;
    deployment["metadata"]["resourceVersion"] = json!(NEVER);
    apply::<Deployment>(&mut snapshot, deployment);
    let context = Context {
        writer: Writer::new(client.clone()),
        client,
        cluster: Cluster::unwatched(snapshot),
        mode: Mode::Full,
        metrics: Metrics::register(&mut Registry::default()),
        clock: Clock::new(),
    };
    let key = ServerKey { namespace: "default".into(), name: "stable".into() };
    Box::pin(pass(&context, key, Memory::default())).await
}

#[tokio::test]
async fn what_conflicts_is_what_waits() {
    let failures = |memory: &Memory| {
        let template = memory.change.as_ref().map_or(0, |change| change.retry.failures);
        (template, memory.gate.failures, memory.obstacle.failures)
    };
    let template = passed("a:2", &json!({}), deployment(&json!({}), false)).await;
    assert_eq!(failures(&template.memory.unwrap()), (1, 0, 0));

    let gate = json!({"codeSync": "gone", "promotion": "p1", "since": "2026-01-01T00:00:00Z"}).to_string();
    let gate = passed("a:1", &json!({}), deployment(&json!({"voxsync.dev/gate": gate}), false)).await;
    assert_eq!(failures(&gate.memory.unwrap()), (0, 1, 0));

    let obstacle = json!({"code": "a:1", "reason": "PutBack", "message": ""}).to_string();
    let server = json!({"resourceVersion": NEVER, "annotations": {"voxsync.dev/obstacle": obstacle}});
    let obstacle = passed("a:1", &server, deployment(&json!({}), false)).await;
    assert!(obstacle.again.is_some(), "nothing else would bring it there");
    assert_eq!(failures(&obstacle.memory.unwrap()), (0, 0, 1));
}
