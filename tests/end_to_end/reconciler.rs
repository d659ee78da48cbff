//! Whom the reconciler gives which code, and what it leaves alone.

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Halves, Needs, NewServer, Recorder, Voxsync, cases,
    rollouts::{code_annotation, code_images, code_mounts, code_volumes, revision, without_code},
    status::DEADLINE,
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_config_change_rolls_each_of_its_servers_once => Needs::BOTH_SHAPES,
    reference_and_annotation_change_in_one_write => Needs::BOTH_SHAPES,
    an_override_holds_until_it_is_removed => Needs::BOTH_SHAPES,
    a_server_that_is_only_a_ca_gets_no_code => Needs::BOTH_SHAPES,
    equal_names_in_another_namespace_are_untouched => Needs::EXCLUSIVE,
    nothing_else_of_a_deployment_changes => Needs::BOTH_SHAPES,
    a_second_pass_writes_nothing => Needs::BOTH_SHAPES,
    an_applier_of_the_same_manifest_causes_nothing => Needs::BOTH_SHAPES,
];

const FIRST: &str = "registry.example/code:v1";
const SECOND: &str = "registry.example/code:v2";
const OWN: &str = "registry.example/own:v1";

async fn a_config_change_rolls_each_of_its_servers_once(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_config("staging", Some(cluster.code(FIRST))).await;
    for (name, config) in [("one", "production"), ("two", "production"), ("other", "staging")] {
        cluster.create_server(&NewServer { name, config, ..NewServer::default() }).await;
        cluster.rolled(name, &[FIRST]).await;
    }
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.versions(&["other"]).await;

    cluster.set_code("production", cluster.code(SECOND)).await;
    for name in ["one", "two"] {
        assert_eq!(revision(&cluster.rolled(name, &[SECOND]).await), "2", "{name}");
    }
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["other"]).await, before);
    for name in ["one", "two"] {
        assert_eq!(revision(&cluster.get("Deployment", name).await), "2", "{name}");
    }
}

async fn reference_and_annotation_change_in_one_write(cluster: &Cluster) {
    at_rest(cluster, &[NewServer::default()]).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.rolled("server", &[SECOND]).await;
    recorder.first("Deployment", "server", |found| code_images(found) == [FIRST]);
    recorder.first("Deployment", "server", |found| code_images(found) == [SECOND]);
    for version in recorder.versions("Deployment", "server") {
        assert_eq!(*code_annotation(&version), code_images(&version).join(","));
    }
}

async fn an_override_holds_until_it_is_removed(cluster: &Cluster) {
    let own = NewServer { name: "own", code: Some(cluster.code(OWN)), ..NewServer::default() };
    at_rest(cluster, &[NewServer::default(), own]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.versions(&["own"]).await;

    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.rolled("server", &[SECOND]).await;
    assert_eq!(cluster.versions(&["own"]).await, before);

    cluster.patch("Server", "own", json!({"spec": {"code": null}})).await;
    assert_eq!(revision(&cluster.rolled("own", &[SECOND]).await), "2");
}

async fn a_server_that_is_only_a_ca_gets_no_code(cluster: &Cluster) {
    let ca = NewServer { name: "ca", ca: true, server: false, ..NewServer::default() };
    let both = NewServer { name: "both", ca: true, ..NewServer::default() };
    at_rest(cluster, &[both]).await;
    cluster.create_server(&ca).await;
    cluster.rolled("ca", &[]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.versions(&["ca"]).await;

    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.rolled("both", &[SECOND]).await;
    assert_eq!(cluster.versions(&["ca"]).await, before);
    let deployment = cluster.get("Deployment", "ca").await;
    assert_eq!(deployment["metadata"]["generation"], 1);
    assert_eq!((code_volumes(&deployment).len(), code_mounts(&deployment).len()), (0, 0));
    assert_eq!(*code_annotation(&deployment), Value::Null);
}

async fn equal_names_in_another_namespace_are_untouched(cluster: &Cluster) {
    let cluster = &cluster.another_with("cluster", "all-namespaces").await;
    let namespace = format!("{}-other", cluster.namespace());
    cluster.create(json!({"kind": "Namespace", "metadata": {"name": namespace}})).await;
    at_rest(cluster, &[NewServer::default()]).await;
    let other = |kind: &str| in_namespace(cluster, &namespace, kind);
    for (kind, name) in [("Config", "production"), ("Server", "server"), ("Deployment", "server")] {
        let mut object = cluster.get(kind, name).await;
        object["metadata"] = json!({"name": name});
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        other(kind).create(&PostParams::default(), &object).await.expect("a copy in the other namespace");
    }
    let code_in_other = async || {
        let found = other("Deployment").get("server").await.expect("the other Deployment");
        let found = serde_json::to_value(found).expect("JSON");
        (code_images(&found).join(","), found["metadata"]["generation"].clone())
    };
    let _voxsync =
        Voxsync::start_with(cluster, Halves { agent: false, all_namespaces: true, ..Halves::default() });

    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.rolled("server", &[SECOND]).await;
    assert_eq!(code_in_other().await, (FIRST.to_owned(), json!(1)));

    // It is watched all the same.
    let change = json!({"spec": {"code": cluster.code(OWN)}});
    other("Config")
        .patch("production", &PatchParams::default(), &Patch::Merge(change))
        .await
        .expect("a change");
    wait_for("the other namespace has its own code", DEADLINE, async || {
        let found = code_in_other().await;
        if found == (OWN.to_owned(), json!(2)) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(code_images(&cluster.get("Deployment", "server").await), [SECOND]);
    cluster.delete("Namespace", &namespace).await;
}

async fn nothing_else_of_a_deployment_changes(cluster: &Cluster) {
    let servers = [NewServer::default(), NewServer { name: "ca", ca: true, ..NewServer::default() }];
    at_rest(cluster, &servers).await;
    // An autoscaler, and a person who gave it more.
    let scaled = json!({"spec": {"replicas": 5, "progressDeadlineSeconds": 120, "minReadySeconds": 0}});
    cluster.patch("Deployment", "server", scaled).await;
    let mut before = Vec::new();
    for server in &servers {
        before.push(cluster.rolled(server.name, &[FIRST]).await);
    }
    assert_eq!(before[0]["spec"]["replicas"], 5);
    assert_eq!(before[1]["spec"]["strategy"], json!({"type": "Recreate"}));
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);

    cluster.set_code("production", cluster.code(SECOND)).await;
    for (server, before) in servers.iter().zip(before) {
        let after = cluster.rolled(server.name, &[SECOND]).await;
        assert_eq!(revision(&after), "2", "{}", server.name);
        assert_eq!(without_code(&after), without_code(&before), "{}", server.name);
    }
}

async fn a_second_pass_writes_nothing(cluster: &Cluster) {
    at_rest(cluster, &[NewServer::default()]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.rolled("server", &[SECOND]).await;
    // What wakes it: each kind that it watches.
    for (kind, name) in [("Config", "production"), ("Server", "server"), ("Deployment", "server")] {
        cluster.patch(kind, name, json!({"metadata": {"annotations": {"example.org/note": "1"}}})).await;
    }
    cluster.rolled("server", &[SECOND]).await;
    let before = cluster.versions(&["server"]).await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server"]).await, before);
}

async fn an_applier_of_the_same_manifest_causes_nothing(cluster: &Cluster) {
    at_rest(cluster, &[NewServer::default()]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(SECOND)).await;
    let deployment = cluster.rolled("server", &[SECOND]).await;
    let before = cluster.versions(&["server"]).await;
    apply(cluster, "Config", "production", json!({"spec": {"code": cluster.code(SECOND)}})).await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server"]).await, before, "an applied Config");

    let container = json!({
        "name": "openvox-server", "image": deployment["spec"]["template"]["spec"]["containers"][0]["image"],
        "volumeMounts": code_mounts(&deployment),
    });
    let template = json!({
        "metadata": {"annotations": {"openvox.voxpupuli.org/code-image": SECOND}},
        "spec": {"containers": [container], "volumes": code_volumes(&deployment)},
    });
    apply(cluster, "Deployment", "server", json!({"spec": {"template": template}})).await;
    let before = cluster.versions(&["server"]).await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server"]).await, before, "an applied Deployment");
    assert_eq!(cluster.get("Deployment", "server").await["metadata"]["generation"], 2);
}

/// The Config `production` on the first code, and these Servers of it, rolled out.
async fn at_rest(cluster: &Cluster, servers: &[NewServer<'_>]) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    for server in servers {
        cluster.create_server(server).await;
    }
    for server in servers {
        cluster.rolled(server.name, &[if server.code.is_some() { OWN } else { FIRST }]).await;
    }
}

/// Server-side apply, as a GitOps tool does it.
async fn apply(cluster: &Cluster, kind: &str, name: &str, mut manifest: Value) {
    let found = cluster.get(kind, name).await;
    manifest["apiVersion"] = found["apiVersion"].clone();
    manifest["kind"] = json!(kind);
    manifest["metadata"] = json!({"name": name});
    let parameters = PatchParams::apply("argocd-controller").force();
    let applied = cluster.api(kind).patch(name, &parameters, &Patch::Apply(&manifest)).await;
    applied.unwrap_or_else(|error| panic!("apply {manifest}: {error}"));
}

fn in_namespace(cluster: &Cluster, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = match kind {
        "Deployment" => ("apps", "v1"),
        _ => ("openvox.voxpupuli.org", "v1alpha1"),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(cluster.client(), namespace, &resource)
}
