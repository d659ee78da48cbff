//! The reconciler on the sandbox: what it writes, how often, and what it leaves alone.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

#[path = "sandbox/gates.rs"]
mod gates;
mod support;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Client, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use rstest::rstest;
use serde_json::{Value, json};
use support::{CODE_IMAGE, MadeBy, NAMESPACE, Shape, World, reference, wait_for};
use voxsync_crds::{Config, Server, annotations::REQUESTED_CODE};
use voxsync_reconciler::Mode;
use voxsync_sandbox::SandboxOptions;

/// A world with one Config on `a:1`, and one Server of it.
async fn world(shape: Shape, made_by: MadeBy) -> World {
    let world = World::new(shape, SandboxOptions::default());
    world.config(NAMESPACE, "production", shape.image("a:1")).await;
    world.server(NAMESPACE, "stable", made_by, json!({}), "a:1").await;
    world
}

fn without_our_part(deployment: &Deployment) -> Value {
    let mut spec = serde_json::to_value(deployment.spec.as_ref().unwrap()).unwrap();
    spec["template"]["metadata"]["annotations"].as_object_mut().unwrap().remove(CODE_IMAGE);
    spec["template"]["spec"]["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "code");
    spec
}

#[rstest]
#[case(Shape::Object)]
#[case(Shape::List)]
#[tokio::test(flavor = "multi_thread")]
async fn a_config_change_rolls_each_server_without_an_override_once(#[case] shape: Shape) {
    let mut world = world(shape, MadeBy::Operator).await;
    world.server(NAMESPACE, "canary", MadeBy::Hand, json!({}), "a:1").await;
    world.server(NAMESPACE, "pinned", MadeBy::Hand, json!({"code": shape.image("p:1")}), "p:1").await;
    world.server(NAMESPACE, "ca", MadeBy::Operator, json!({"ca": true, "server": false}), "").await;
    world.config("other", "production", shape.image("a:1")).await;
    world.server("other", "stable", MadeBy::Operator, json!({}), "a:1").await;
    let untouched = [(NAMESPACE, "pinned"), (NAMESPACE, "ca"), ("other", "stable")];
    let mut before = Vec::new();
    for (namespace, name) in untouched {
        before.push(world.deployment(namespace, name).await);
    }
    let stable_before = world.deployment(NAMESPACE, "stable").await;
    world.reconcile(Mode::Full).await;

    world.set_code(NAMESPACE, "production", shape.image("a:2")).await;
    for name in ["stable", "canary"] {
        let deployment = wait_for("the rollout", || world.rolled(NAMESPACE, name, 2)).await;
        assert_eq!(reference(&deployment), Some("a:2"));
    }
    let stable = world.deployment(NAMESPACE, "stable").await;
    assert_eq!(without_our_part(&stable), without_our_part(&stable_before));

    world.another_pass().await;
    assert_eq!(world.written(), 2);
    let again = world.deployment(NAMESPACE, "stable").await;
    assert_eq!(again.resource_version(), stable.resource_version(), "a second pass writes nothing");
    for (before, (namespace, name)) in before.iter().zip(untouched) {
        let now = world.deployment(namespace, name).await;
        assert_eq!(now.resource_version(), before.resource_version(), "{namespace}/{name}");
    }
    assert_eq!(world.deployment(NAMESPACE, "ca").await.metadata.generation, Some(1));
    world.event("stable", "RolloutComplete").await;
}

#[rstest]
#[case(Shape::Object)]
#[case(Shape::List)]
#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_is_removed_gives_the_configs_code(#[case] shape: Shape) {
    let mut world = world(shape, MadeBy::Hand).await;
    world.server(NAMESPACE, "pinned", MadeBy::Hand, json!({"code": shape.image("p:1")}), "p:1").await;
    world.reconcile(Mode::Full).await;
    world.merge::<Server>(NAMESPACE, "pinned", json!({"spec": {"code": null}})).await;
    let deployment = wait_for("the rollout", || world.rolled(NAMESPACE, "pinned", 2)).await;
    assert_eq!(reference(&deployment), Some("a:1"));
}

#[rstest]
#[case(Shape::Object)]
#[case(Shape::List)]
#[tokio::test(flavor = "multi_thread")]
async fn first_code_policy_path_and_secret_are_the_operators(#[case] shape: Shape) {
    let mut world = World::new(shape, SandboxOptions::default());
    let entry = json!({"image": "a:1", "imagePullPolicy": "Always", "imagePullSecret": "registry"});
    world.config(NAMESPACE, "production", shape.code(entry)).await;
    world
        .merge::<Config>(NAMESPACE, "production", json!({"spec": {"puppet": {"environmentPath": "/code"}}}))
        .await;
    world.server(NAMESPACE, "stable", MadeBy::Hand, json!({}), "").await;
    world.reconcile(Mode::Full).await;
    let deployment = wait_for("the rollout", || world.rolled(NAMESPACE, "stable", 2)).await;
    let pod = serde_json::to_value(deployment.spec.unwrap().template.spec).unwrap();
    assert_eq!(
        pod["volumes"][1],
        json!({"name": "code", "image": {"reference": "a:1", "pullPolicy": "Always"}})
    );
    assert_eq!(
        pod["containers"][0]["volumeMounts"][1],
        json!({"name": "code", "mountPath": "/code", "readOnly": true})
    );
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_entries_of_a_list_are_one_revision() {
    let mut world = world(Shape::List, MadeBy::Hand).await;
    world.reconcile(Mode::Full).await;
    let two =
        json!([{"image": "a:1", "environment": "production"}, {"claimName": "data", "mountPath": "/data"}]);
    world.set_code(NAMESPACE, "production", two).await;
    let deployment = wait_for("the rollout", || world.rolled(NAMESPACE, "stable", 2)).await;
    let template = deployment.spec.unwrap().template;
    let names: Vec<_> =
        template.spec.unwrap().volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(names, ["ssl", "code-0", "code-1", "report-webhook-config"]);
    assert_eq!(template.metadata.unwrap().annotations.unwrap()[CODE_IMAGE], "a:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_asked_writes_itself() {
    let mut world = world(Shape::Object, MadeBy::Operator).await;
    // It reconciles a Server when that changes, and never looks at Configs by itself.
    let servers = watcher(world.api::<Server>(NAMESPACE), watcher::Config::default()).applied_objects();
    let client = world.client.clone();
    let operator = servers.for_each(move |server| {
        let client = client.clone();
        async move {
            if server.unwrap().annotations().contains_key(REQUESTED_CODE) {
                put_image(&client, "stable", "a:2").await;
            }
        }
    });
    let stopped = world.stopped();
    tokio::spawn(async move { stopped.run_until_cancelled(operator).await });
    world.reconcile(Mode::Full).await;

    world.set_code(NAMESPACE, "production", json!({"image": "a:2"})).await;
    let deployment = wait_for("the rollout", || world.rolled(NAMESPACE, "stable", 2)).await;
    assert_eq!(reference(&deployment), Some("a:2"));
    world.another_pass().await;
    assert_eq!(world.written(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn put_back_twice_stops() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let deployments =
        watcher(world.api::<Deployment>(NAMESPACE), watcher::Config::default()).applied_objects();
    let client = world.client.clone();
    let somebody = deployments.for_each(move |deployment| {
        let client = client.clone();
        async move {
            if reference(&deployment.unwrap()) == Some("a:2") {
                put_image(&client, "stable", "a:1").await;
            }
        }
    });
    let stopped = world.stopped();
    tokio::spawn(async move { stopped.run_until_cancelled(somebody).await });
    world.reconcile(Mode::Full).await;

    world.set_code(NAMESPACE, "production", json!({"image": "a:2"})).await;
    let event = world.event("stable", "PutBack").await;
    assert!(event.note.as_deref().unwrap().contains("a:1 back"), "{event:?}");
    world.another_pass().await;
    assert_eq!(world.written(), 2);
    assert_eq!(reference(&world.deployment(NAMESPACE, "stable").await), Some("a:1"));
    let server = world.api::<Server>(NAMESPACE).get("stable").await.unwrap();
    assert_eq!(server.annotations()[REQUESTED_CODE], "a:2", "the Server was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_pause_is_kept() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    world.merge::<Deployment>(NAMESPACE, "stable", json!({"spec": {"paused": true}})).await;
    world.reconcile(Mode::Full).await;
    world.set_code(NAMESPACE, "production", json!({"image": "a:2"})).await;
    let deployment = wait_for("the template", || async {
        let deployment = world.deployment(NAMESPACE, "stable").await;
        if reference(&deployment) == Some("a:2") { Ok(deployment) } else { Err(deployment.spec) }
    })
    .await;
    assert_eq!(deployment.spec.as_ref().unwrap().paused, Some(true));
    world.another_pass().await;
    assert_eq!(world.metric("voxsync_reconciler_servers{state=\"PausedByPerson\"}"), 1);
    let deployment = world.deployment(NAMESPACE, "stable").await;
    assert_eq!(deployment.annotations()["deployment.kubernetes.io/revision"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_config_is_left_alone() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let paused = json!({"metadata": {"annotations": {"openvox.voxpupuli.org/paused": "true"}}, "spec": {"code": {"image": "a:2"}}});
    world.merge::<Config>(NAMESPACE, "production", paused).await;
    let before = world.deployment(NAMESPACE, "stable").await;
    world.reconcile(Mode::Full).await;
    world.another_pass().await;
    assert_eq!(world.deployment(NAMESPACE, "stable").await.resource_version(), before.resource_version());
}

#[rstest]
#[case(Mode::Cooperative, Some("a:2"))]
#[case(Mode::Observe, None)]
#[tokio::test(flavor = "multi_thread")]
async fn other_modes_never_write_deployments(#[case] mode: Mode, #[case] asked: Option<&str>) {
    let mut world = world(Shape::Object, MadeBy::Operator).await;
    world.set_code(NAMESPACE, "production", json!({"image": "a:2"})).await;
    let before = world.deployment(NAMESPACE, "stable").await;
    world.reconcile(mode).await;
    let question = async || {
        let server = world.api::<Server>(NAMESPACE).get("stable").await.unwrap();
        server.annotations().get(REQUESTED_CODE).cloned()
    };
    wait_for("the question", async || {
        let seen = question().await;
        if seen.as_deref() == asked { Ok(()) } else { Err(seen) }
    })
    .await;
    world.another_pass().await;
    assert_eq!(question().await.as_deref(), asked);
    assert_eq!(world.deployment(NAMESPACE, "stable").await.resource_version(), before.resource_version());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_image_volumes_is_told_and_not_broken() {
    let options = SandboxOptions {
        image_volumes: false,
        server_version: "v1.34.1".to_owned(),
        ..SandboxOptions::default()
    };
    let mut world = World::new(Shape::Object, options);
    world.config(NAMESPACE, "production", json!({"image": "a:1"})).await;
    world.server(NAMESPACE, "stable", MadeBy::Hand, json!({}), "").await;
    let before = world.deployment(NAMESPACE, "stable").await;
    world.reconcile(Mode::Full).await;
    let event = world.event("stable", "NoImageVolumes").await;
    assert!(event.note.as_deref().unwrap().contains("v1.34.1"), "{event:?}");
    assert_eq!(world.deployment(NAMESPACE, "stable").await.resource_version(), before.resource_version());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_said_once() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    world.reconcile(Mode::Full).await;
    world.set_code(NAMESPACE, "production", json!({"image": "registry.example/missing:1"})).await;
    let event = world.event("stable", "RolloutStuck").await;
    assert!(event.note.as_deref().unwrap().contains("(the code image)"), "{event:?}");
    world.another_pass().await;
    assert_eq!(world.events("stable", "RolloutStuck").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_told() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let task = world.reconcile(Mode::Full).await;
    world.stopped().cancel();
    assert!(task.await.unwrap().is_ok());
}

async fn put_image(client: &Client, deployment: &str, reference: &str) {
    let image = json!({"name": "code", "image": {"reference": reference}});
    let template =
        json!({"metadata": {"annotations": {CODE_IMAGE: reference}}, "spec": {"volumes": [image]}});
    let parameters = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
    kube::Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .patch(deployment, &parameters, &Patch::Strategic(json!({"spec": {"template": template}})))
        .await
        .unwrap();
}
