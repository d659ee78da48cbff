//! Gates on the sandbox, the reconciler alone: a test writes what the agent would.

use crate::support::{MadeBy, NAMESPACE, Shape, World, reference, wait_for};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{ResourceExt as _, api::DeleteParams};
use rstest::rstest;
use serde_json::json;
use voxsync_crds::{
    CodeSync, Server,
    annotations::{OBSTACLE, gate},
};
use voxsync_reconciler::Mode;
use voxsync_sandbox::SandboxOptions;

const GATE: &str = "voxsync.dev/gate";

/// A world with one Config on `a:1`, and the Servers `stable` and, a certificate authority, `ca`.
async fn world(shape: Shape, made_by: MadeBy) -> World {
    let world = World::new(shape, SandboxOptions::default());
    world.config(NAMESPACE, "production", shape.image("a:1")).await;
    world.server(NAMESPACE, "stable", made_by, json!({}), "a:1").await;
    world.server(NAMESPACE, "ca", made_by, json!({"ca": true}), "a:1").await;
    world
}

/// The Deployment of the authority, once it is as wanted.
async fn ca_when(world: &World, what: &str, wanted: impl Fn(&Deployment) -> bool) -> Deployment {
    wait_for(what, || async {
        let found = world.deployment(NAMESPACE, "ca").await;
        if wanted(&found) { Ok(found) } else { Err((found.metadata.annotations, found.status)) }
    })
    .await
}

fn is_paused(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
}

fn is_held(deployment: &Deployment) -> bool {
    is_paused(deployment) && deployment.annotations().contains_key(GATE)
}

/// Holds the authority back for that promotion of the CodeSync with that uid.
async fn hold(world: &World, uid: &str, promotion: &str) {
    let gate = json!({"codeSync": uid, "promotion": promotion, "since": "2026-01-01T00:00:00Z"}).to_string();
    let change = json!({"metadata": {"annotations": {GATE: gate}}, "spec": {"paused": true}});
    world.merge::<Deployment>(NAMESPACE, "ca", change).await;
}

#[rstest]
#[case::object(Shape::Object, MadeBy::Hand)]
#[case::list_and_operator(Shape::List, MadeBy::Operator)]
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_held_back_until_the_others_run_the_code(
    #[case] shape: Shape,
    #[case] made_by: MadeBy,
) {
    let mut world = world(shape, made_by).await;
    world.reconcile(Mode::Full).await;
    let code_sync = world.code_sync("a:2", "Gating").await;
    let held = ca_when(&world, "the gate", is_held).await;
    let written = gate(Some(held.annotations())).unwrap();
    assert_eq!((Some(written.code_sync), written.promotion.as_str()), (code_sync.uid(), "production-1"));
    assert!(!is_paused(&world.deployment(NAMESPACE, "stable").await), "the first to roll is not held back");
    world.event("ca", "GatePlaced").await;

    world.merge::<Deployment>(NAMESPACE, "stable", json!({"spec": {"paused": true}})).await;
    world.set_phase("Rolling").await;
    world.set_code(NAMESPACE, "production", shape.image("a:2")).await;
    ca_when(&world, "the template", |found| reference(found) == Some("a:2")).await;
    wait_for("the state", || async {
        let gated = world.metric("voxsync_reconciler_servers{state=\"Gated\"}");
        let gates = world.metric("voxsync_reconciler_gates");
        if (gated, gates) == (1, 1) { Ok(()) } else { Err((gated, gates)) }
    })
    .await;
    world.another_pass().await;
    assert!(is_held(&world.deployment(NAMESPACE, "ca").await), "the other does not run it yet");

    world.merge::<Deployment>(NAMESPACE, "stable", json!({"spec": {"paused": null}})).await;
    wait_for("the first rollout", || world.rolled(NAMESPACE, "stable", 2)).await;
    let last = wait_for("the last rollout", || world.rolled(NAMESPACE, "ca", 2)).await;
    assert!(!last.annotations().contains_key(GATE) && !is_paused(&last));
    assert!(world.event("ca", "GateLifted").await.note.unwrap().contains("its turn"));
    wait_for("no gate", || async {
        match world.metric("voxsync_reconciler_gates") {
            0 => Ok(()),
            gates => Err(gates),
        }
    })
    .await;
}

/// While gates are placed its annotation stays, and says to the agent that it is not to come again.
#[rstest]
#[case::undone_later("Rolling", false)]
#[case::undone_before_anything_is_written("Gating", true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_undone_by_hand_is_not_placed_again(#[case] phase: &str, #[case] is_kept: bool) {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let code_sync = world.code_sync("a:2", phase).await;
    hold(&world, &code_sync.uid().unwrap(), "production-1").await;
    world.reconcile(Mode::Full).await;
    world.merge::<Deployment>(NAMESPACE, "ca", json!({"spec": {"paused": null}})).await;
    let has_gate = |found: &Deployment| found.annotations().contains_key(GATE);
    ca_when(&world, "what becomes of it", |found| has_gate(found) == is_kept).await;
    world.another_pass().await;
    let found = world.deployment(NAMESPACE, "ca").await;
    assert_eq!((is_paused(&found), has_gate(&found)), (false, is_kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspended_before_anything_is_written_holds_nothing_back() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    world.reconcile(Mode::Full).await;
    world.code_sync("a:2", "Gating").await;
    ca_when(&world, "the gate", is_held).await;
    let suspend = |is: bool| json!({"spec": {"suspend": is}});
    world.merge::<CodeSync>(NAMESPACE, "production", suspend(true)).await;
    world.another_pass().await;
    assert!(is_held(&world.deployment(NAMESPACE, "ca").await), "the agent may be writing already");

    world.set_phase("Pending").await;
    let found = ca_when(&world, "no gate", |found| !is_paused(found)).await;
    assert!(!found.annotations().contains_key(GATE));
    assert_eq!(reference(&found), Some("a:1"));

    world.merge::<CodeSync>(NAMESPACE, "production", suspend(false)).await;
    world.set_phase("Gating").await;
    ca_when(&world, "the gate again", is_held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_promotion_takes_the_gate_over() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let code_sync = world.code_sync("a:2", "Gating").await;
    hold(&world, &code_sync.uid().unwrap(), "production-0").await;
    let before = world.deployment(NAMESPACE, "ca").await.spec;
    world.reconcile(Mode::Full).await;
    let found = ca_when(&world, "the promotion", |found| {
        gate(Some(found.annotations())).is_some_and(|gate| gate.promotion == "production-1")
    })
    .await;
    assert_eq!(found.spec, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_pause_gets_no_gate() {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    world.merge::<Deployment>(NAMESPACE, "ca", json!({"spec": {"paused": true}})).await;
    world.code_sync("a:2", "Gating").await;
    let before = world.deployment(NAMESPACE, "ca").await.resource_version();
    world.reconcile(Mode::Full).await;
    world.another_pass().await;
    assert_eq!(world.deployment(NAMESPACE, "ca").await.resource_version(), before);
}

/// What is to become of a gate without a promotion.
#[rstest]
#[case::its_pods_run_that_code("a:1", "a:1", "lifted")]
#[case::others_prove_the_code("a:2", "a:1", "lifted")]
#[case::nobody_proves_the_code("a:missing", "a:1", "reported")]
#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_gate_is_resolved_at_start(
    #[case] declared: &str,
    #[case] runs: &str,
    #[case] wanted: &str,
) {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    assert_eq!(reference(&world.deployment(NAMESPACE, "ca").await), Some(runs));
    hold(&world, "gone", "production-7").await;
    world.set_code(NAMESPACE, "production", json!({"image": declared})).await;
    world.reconcile(Mode::Full).await;
    if wanted == "lifted" {
        let revision = if declared == runs { 1 } else { 2 };
        ca_when(&world, "no gate", |found| !is_paused(found) && !found.annotations().contains_key(GATE))
            .await;
        wait_for("the rollout", || world.rolled(NAMESPACE, "ca", revision)).await;
        return;
    }
    let event = world.event("ca", "OrphanedGate").await.note.unwrap();
    for part in ["production-7", "2026-01-01", "kubectl patch deployment ca -n openvox --type merge"] {
        assert!(event.contains(part), "{part} is not in {event}");
    }
    let is_marked = || async {
        let server = world.api::<Server>(NAMESPACE).get("ca").await.unwrap();
        let obstacle = server.annotations().get(OBSTACLE).cloned().unwrap_or_default();
        if obstacle.contains("OrphanedGate") { Ok(()) } else { Err(obstacle) }
    };
    wait_for("the obstacle", is_marked).await;
    assert!(is_held(&world.deployment(NAMESPACE, "ca").await));

    // As the message says.
    let by_hand = json!({"spec": {"paused": null}, "metadata": {"annotations": {GATE: null}}});
    world.merge::<Deployment>(NAMESPACE, "ca", by_hand).await;
    wait_for("nothing in its way", || async {
        let server = world.api::<Server>(NAMESPACE).get("ca").await.unwrap();
        match server.annotations().get(OBSTACLE) {
            None => Ok(()),
            Some(obstacle) => Err(obstacle.clone()),
        }
    })
    .await;
}

#[rstest]
#[case::the_code_is_given_back(true)]
#[case::and_then_the_finalizer(false)]
#[tokio::test(flavor = "multi_thread")]
async fn on_deletion_first_the_reference_then_the_template_then_the_gate(#[case] is_leaving: bool) {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    let code_sync = world.code_sync("a:missing", "Rolling").await;
    hold(&world, &code_sync.uid().unwrap(), "production-1").await;
    world.set_code(NAMESPACE, "production", json!({"image": "a:missing"})).await;
    world.reconcile(Mode::Full).await;
    ca_when(&world, "the new template", |found| reference(found) == Some("a:missing")).await;
    if is_leaving {
        world.api::<CodeSync>(NAMESPACE).delete("production", &DeleteParams::default()).await.unwrap();
    } else {
        world.set_status(json!({"promotion": {"ending": "RolledBack"}})).await;
    }
    world.another_pass().await;
    assert!(is_held(&world.deployment(NAMESPACE, "ca").await), "its code is not given back yet");

    world.set_code(NAMESPACE, "production", json!({"image": "a:1"})).await;
    let found = ca_when(&world, "no gate", |found| !is_held(found)).await;
    assert_eq!(
        (reference(&found), found.annotations()["deployment.kubernetes.io/revision"].as_str()),
        (Some("a:1"), "1")
    );
}

#[rstest]
#[case(Mode::Cooperative)]
#[case(Mode::Observe)]
#[tokio::test(flavor = "multi_thread")]
async fn other_modes_only_report_a_gate(#[case] mode: Mode) {
    let mut world = world(Shape::Object, MadeBy::Hand).await;
    hold(&world, "gone", "production-7").await;
    world.code_sync("a:2", "Gating").await;
    let before = world.deployment(NAMESPACE, "ca").await.resource_version();
    world.reconcile(mode).await;
    world.event("ca", "OrphanedGate").await;
    world.another_pass().await;
    assert_eq!(world.deployment(NAMESPACE, "ca").await.resource_version(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_roll_at_once() {
    let mut world = World::new(Shape::Object, SandboxOptions::default());
    world.config(NAMESPACE, "production", json!({"image": "a:1"})).await;
    for name in ["stable", "second", "third"] {
        world.server(NAMESPACE, name, MadeBy::Hand, json!({}), "a:1").await;
    }
    world.code_sync("a:2", "Gating").await;
    let stages =
        json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}], "maxConcurrent": 1}]);
    world.merge::<CodeSync>(NAMESPACE, "production", json!({"spec": {"stages": stages}})).await;
    world.reconcile(Mode::Full).await;
    for name in ["stable", "second", "third"] {
        wait_for("the gate", || async {
            let found = world.deployment(NAMESPACE, name).await;
            if is_held(&found) { Ok(()) } else { Err(found.metadata.annotations) }
        })
        .await;
    }
    world.set_phase("Rolling").await;
    world.set_code(NAMESPACE, "production", json!({"image": "a:2"})).await;
    for name in ["second", "stable", "third"] {
        let found = wait_for("the rollout", || world.rolled(NAMESPACE, name, 2)).await;
        assert!(!found.annotations().contains_key(GATE));
    }
}
