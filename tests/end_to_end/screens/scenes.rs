//! The scenes: CodeSyncs that wait, each for something else, and what has to be there for it.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use voxsync_fixtures::Registry;

use crate::harness::{Cluster, NewServer, estate::REPOSITORY, status::follow_tags};

/// A window that opens once in a year.
const YEARLY: &str = "0 3 1 1 *";
/// The certificate authorities of those scenes whose names they begin with.
const AUTHORITIES: [&str; 3] = ["held-back-ca", "held-too-long-ca", "no-gates-ca"];

/// A CodeSync that waits, which is also the name of its Config.
pub(super) struct Scene {
    /// The CodeSync, and its Config and Server.
    pub(super) name: &'static str,
    /// What it waits for, as `status.waiting` has it.
    pub(super) reason: &'static str,
    /// What its spec has besides source and target.
    spec: Value,
    /// What runs before it comes, of the registry.
    runs: &'static str,
    /// Words that a person must find on the screen of `voxsync status`: why, until when, what to do.
    pub(super) says: &'static [&'static str],
}

fn scene(name: &'static str, reason: &'static str, spec: Value, says: &'static [&'static str]) -> Scene {
    Scene { name, reason, spec, runs: "puppet-code:v1.0.0", says }
}

/// One stage with something of its own.
fn stage(name: &str, more: &Value) -> Value {
    let mut stage = json!({"name": "all", "targets": [{"kind": "Config", "name": name}]});
    stage.as_object_mut().expect("a stage").extend(more.as_object().expect("fields").clone());
    json!([stage])
}

/// Everything that waits by its spec alone.
pub(super) fn by_themselves(registry: &Registry) -> Vec<Scene> {
    [of_stages(registry), of_sources(registry), of_targets(registry)].into_iter().flatten().collect()
}

/// A stage is told to wait.
fn of_stages(registry: &Registry) -> Vec<Scene> {
    let windows = json!([{"name": "new-year", "allow": {"cron": YEARLY, "duration": "4h"}}]);
    let silent =
        |url: &str| json!([{"name": "smoke", "interval": "1s", "failureLimit": 100, "http": {"url": url}}]);
    let not_there = format!("http://{}/nothing", registry.host());
    vec![
        scene("soak", "Soak", json!({"stages": stage("soak", &json!({"soak": "1h"}))}), &["soaks until"]),
        scene(
            "window",
            "Window",
            json!({"windows": windows, "stages": stage("window", &json!({"windows": ["new-year"]}))}),
            &["not begun   1 of 1 ready on", "window new-year", "the window opens"],
        ),
        scene(
            "approval",
            "Approval",
            json!({"stages": stage("approval", &json!({"approval": "Manual"}))}),
            &[
                "not begun   1 of 1 ready on",
                "`voxsync approve approval -n ",
                "waits for a person to approve",
            ],
        ),
        scene(
            "both",
            "Approval",
            json!({"windows": windows, "stages": stage("both", &json!({"approval": "Manual", "windows": ["new-year"]}))}),
            &["`voxsync approve both -n ", "window new-year", "; and "],
        ),
        scene(
            "age",
            "MinimumAge",
            json!({"minimumAge": "24h"}),
            &["is old enough at", "`voxsync promote age v1.1.0 -n "],
        ),
        scene(
            "check-fails",
            "Checking",
            json!({"stages": stage("check-fails", &json!({"checks": silent(&not_there)}))}),
            &["▸ checking", "smoke ✘", "smoke: fails since", "a check fails so far"],
        ),
        scene(
            "check-silent",
            "Check",
            json!({"stages": stage("check-silent", &json!({"checks": silent("http://127.0.0.1:1/")}))}),
            &["smoke ?", "cannot be asked since", "a check cannot be asked"],
        ),
        scene(
            "check-lost",
            "CheckUnreachable",
            json!({"stages": stage("check-lost", &json!({"checks": silent("http://127.0.0.1:1/")}))}),
            &["smoke ?", "127.0.0.1:1: it refuses the connection", "to look at: CheckUnreachable"],
        ),
    ]
}

/// Nothing is to be taken, or something else.
fn of_sources(registry: &Registry) -> Vec<Scene> {
    let source = |repository: &str, rule: Value| follow_tags(registry, repository, &rule);
    vec![
        scene(
            "signature",
            "Signature",
            json!({"verify": {"cosign": {"keys": {"secretRef": {"name": "cosign-pub"}}}}}),
            &["v1.1.0"],
        ),
        scene(
            "suspended",
            "Suspended",
            json!({"suspend": true, "suspendReason": "freeze"}),
            &["(freeze)", "would write"],
        ),
        scene(
            "pinned",
            "Pinned",
            json!({"pin": {"reference": registry.reference(REPOSITORY, "v1.0.0"), "reason": "the last with Ruby 3.2"}}),
            &["pinned to v1.0.0", "`voxsync resume pinned -n "],
        ),
        scene(
            "pin-missing",
            "ImageUnavailable",
            json!({"pin": {"reference": registry.reference(REPOSITORY, "v9.9.9"), "reason": "INC-42", "emergency": true}}),
            &["v9.9.9", "`voxsync resume pin-missing -n "],
        ),
        scene(
            "unreachable",
            "Unreachable",
            json!({"source": {"interval": "1s", "registry": {"repository": "127.0.0.1:1/code", "tag": {"semver": "*"}, "insecure": true}}}),
            &["127.0.0.1:1"],
        ),
        scene(
            "no-image",
            "ImageUnavailable",
            json!({"source": {"interval": "1s", "file": {"path": "version"}}, "image": {"insecure": true}}),
            &["v9.9.9"],
        ),
        scene(
            "no-match",
            "NoMatch",
            json!({"source": source(REPOSITORY, json!({"semver": ">=7"}))}),
            &[">=7"],
        ),
        scene(
            "chained",
            "NothingReleased",
            json!({"source": {"codeSync": {"name": "no-match"}}, "image": {"insecure": true}}),
            &["nothing is wrong; waits for the first release of no-match"],
        ),
        scene(
            "chain-broken",
            "NoSuchCodeSync",
            json!({"source": {"codeSync": {"name": "nobody"}}, "image": {"insecure": true}}),
            &["nobody", "to look at"],
        ),
    ]
}

/// A target is in the way, or what runs on it.
fn of_targets(registry: &Registry) -> Vec<Scene> {
    let source = |repository: &str, rule: Value| follow_tags(registry, repository, &rule);
    let missing = source("code-missing", json!({"semver": "*"}));
    vec![
        scene(
            "target-missing",
            "TargetMissing",
            json!({"stages": stage("gone", &json!({}))}),
            &["Config/gone"],
        ),
        scene(
            "elsewhere",
            "OtherNamespace",
            json!({"stages": [{"name": "all", "targets": [{"kind": "Config", "namespace": "prod", "name": "production"}]}]}),
            &["--allow-cross-namespace"],
        ),
        scene("claimed", "Claimed", json!({"stages": stage("soak", &json!({}))}), &["CodeSync soak"]),
        scene("paused", "Paused", json!({}), &["openvox.voxpupuli.org/paused"]),
        scene(
            "paused-pods",
            "PausedByPerson",
            json!({}),
            &["`kubectl rollout resume deployment/paused-pods -n "],
        ),
        scene("no-pods", "NothingToProve", json!({}), &["0 replicas", "allowEmpty: true"]),
        scene(
            "held-back",
            "Gated",
            json!({"source": source("code-unready", json!({"semver": "*"}))}),
            &["held-back-ca"],
        ),
        scene(
            "held-too-long",
            "RolledBack",
            json!({"source": source("code-unready", json!({"semver": "*"}))}),
            &["GateTooOld: held back since", "held-too-long-ca"],
        ),
        scene(
            "downgrade",
            "Downgrade",
            json!({"source": source(REPOSITORY, json!({"semver": "<1.0.0"}))}),
            &["Force it with"],
        ),
        scene(
            "rolls",
            "Rollout",
            json!({"source": source("code-unready", json!({"semver": "*"}))}),
            &["0 of 1 ready on v1.1.0"],
        ),
        scene(
            "rolled-back",
            "RolledBack",
            json!({"source": &missing}),
            &[
                "ImagePullBackOff",
                "`voxsync resume rolled-back -n ",
                "`voxsync release-quarantine rolled-back ",
            ],
        ),
        scene(
            "failed",
            "Failed",
            json!({"source": &missing, "rollback": {"mode": "Manual"}}),
            &["0 of 1 ready on v1.1.0", "try again with `voxsync resume failed -n "],
        ),
        Scene {
            runs: "code-missing:v1.0.0",
            ..scene(
                "goes-back",
                "RollingBack",
                json!({"source": missing}),
                &["▸ rolling back v1.1.0", "Nothing more is given back: mend that"],
            )
        },
        scene(
            "invalid",
            "InvalidSpec",
            json!({"windows": [{"name": "never", "allow": {"cron": "0 0 30 2 *", "duration": "8h"}}]}),
            &["windows[never].allow.cron", "IdleWindow: no stage keeps to never"],
        ),
    ]
}

/// What only people bring about.
pub(super) fn of_people(first: &Value) -> Vec<Scene> {
    vec![
        scene(
            "by-hand",
            "Held",
            first.clone(),
            &[
                "kubectl-edit",
                "`voxsync resume by-hand -n ",
                "✘ held   1 of 1 ready on the code that they have",
            ],
        ),
        scene(
            "went-back",
            "RolledBack",
            first.clone(),
            &[
                "back at v1.0.0 by a person",
                "`voxsync resume went-back -n ",
                "Released  went back: broken hiera",
            ],
        ),
        scene("nothing-before", "NoEarlierRelease", first.clone(), &["there is nothing to go back to"]),
        scene(
            "quarantined",
            "Quarantined",
            first.clone(),
            &[
                "It is pinned",
                "`voxsync release-quarantine quarantined sha256:",
                "`voxsync resume quarantined -n ",
            ],
        ),
    ]
}

/// Its Config, its Server and itself; what waits by itself has v1.0.0 already.
pub(super) async fn build(cluster: &Cluster, registry: &Registry, scene: &Scene) {
    let name = scene.name;
    let (repository, tag) = scene.runs.split_once(':').expect("a tag");
    let code = cluster.code(&registry.reference(repository, tag));
    cluster.create_config(name, Some(code)).await;
    let replicas = u32::from(name != "no-pods");
    let server = NewServer { name, config: name, replicas, by_operator: false, ..NewServer::default() };
    cluster.create_server(&server).await;
    if let Some(authority) = AUTHORITIES.iter().find(|authority| authority.starts_with(name)) {
        cluster.create_server(&NewServer { name: authority, ca: true, ..server }).await;
    }
    if name == "paused-pods" {
        cluster.patch("Deployment", name, json!({"spec": {"paused": true}})).await;
    }
    if name == "paused" {
        let paused = json!({"metadata": {"annotations": {"openvox.voxpupuli.org/paused": "true"}}});
        cluster.patch("Config", name, paused).await;
    }
    let mut spec = json!({"source": follow_tags(registry, REPOSITORY, &json!({"semver": "*"}))});
    spec.as_object_mut().expect("a spec").extend(scene.spec.as_object().expect("fields").clone());
    if spec["stages"].is_null() {
        spec["target"] = json!({"kind": "Config", "name": name});
    }
    cluster.create_code_sync(name, spec).await;
}

/// What waits where the reconciler never holds Deployments back.
pub(super) fn without_gates() -> Scene {
    scene(
        "no-gates",
        "NoGates",
        json!({}),
        &["needs an order", "allowUnordered: true", "to look at: NoGates"],
    )
}

/// Lets an hour pass: a time in its status is made older.
pub(super) async fn an_hour_passes(cluster: &Cluster, name: &str, time: &str) {
    let status = cluster.get("CodeSync", name).await["status"].take();
    let since: jiff::Timestamp =
        status.pointer(time).and_then(Value::as_str).expect(time).parse().expect("a time");
    let before = since - jiff::SignedDuration::from_mins(61);
    let change = json!([{"op": "replace", "path": format!("/status{time}"), "value": before}]);
    let patch: json_patch::Patch = serde_json::from_value(change).expect("a JSON patch");
    let (api, patch) = (cluster.api("CodeSync"), Patch::<Value>::Json(patch));
    api.patch_status(name, &PatchParams::default(), &patch).await.expect("change the status");
}
