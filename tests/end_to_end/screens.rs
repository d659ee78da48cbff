//! What people see for each reason to wait: `kubectl get csync`, `voxsync status` and `voxsync plan`, each produced for
//! real.
//!
//! With `VOXSYNC_SCREENS=FOLDER` the screens are written there as `screens.md`, for the documentation.

use std::{fmt::Write as _, fs, panic::AssertUnwindSafe, path::PathBuf, process::Command, time::Duration};

use futures::FutureExt as _;
use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, CosignKey, Registry, Transport};

use crate::harness::{
    Case, Cluster, Halves, Needs, NewServer, Voxsync, cases,
    estate::{REPOSITORY, create_secret},
    message,
    status::follow_tags,
    wait_for,
};

pub(crate) const CASES: &[Case] =
    cases![each_reason_to_wait_is_shown => Needs::OBJECT.and_kubectl().in_sandbox_only()];

/// The folder that the screens are written to.
const FOLDER: &str = "VOXSYNC_SCREENS";
/// How long each may take until it waits.
const PATIENCE: Duration = Duration::from_mins(1);
/// A window that opens once in a year.
const YEARLY: &str = "0 3 1 1 *";

/// A CodeSync that waits, which is also the name of its Config.
struct Scene {
    /// The CodeSync, and its Config and Server.
    name: &'static str,
    /// What it waits for, as `status.waiting` has it.
    reason: &'static str,
    /// What its spec has besides source and target.
    spec: Value,
    /// Words that a person must find on the screen of `voxsync status`: why, until when, what to do.
    says: &'static [&'static str],
}

fn scene(name: &'static str, reason: &'static str, spec: Value, says: &'static [&'static str]) -> Scene {
    Scene { name, reason, spec, says }
}

/// One stage with something of its own.
fn stage(name: &str, more: &Value) -> Value {
    let mut stage = json!({"name": "all", "targets": [{"kind": "Config", "name": name}]});
    stage.as_object_mut().expect("a stage").extend(more.as_object().expect("fields").clone());
    json!([stage])
}

/// Everything that waits by its spec alone.
fn scenes(registry: &Registry) -> Vec<Scene> {
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
            &["▸ checking", "smoke ✘", "smoke: fails since"],
        ),
        scene(
            "check-silent",
            "Check",
            json!({"stages": stage("check-silent", &json!({"checks": silent("http://127.0.0.1:1/")}))}),
            &["smoke ?", "cannot be asked since"],
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
            "image-not-there",
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
            "nothing-released",
            "NothingReleased",
            json!({"source": {"codeSync": {"name": "no-match"}}, "image": {"insecure": true}}),
            &["no-match"],
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
        scene("claimed", "Claimed", json!({"stages": stage("soak", &json!({}))}), &["CodeSync soak"]),
        scene("paused", "Paused", json!({}), &["openvox.voxpupuli.org/paused"]),
        scene("no-pods", "NothingToProve", json!({}), &["0 replicas", "allowEmpty: true"]),
        scene(
            "held-back",
            "Gated",
            json!({"source": source("code-unready", json!({"semver": "*"}))}),
            &["held-back-ca"],
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
            json!({"source": missing}),
            &[
                "ImagePullBackOff",
                "`voxsync resume rolled-back -n ",
                "`voxsync release-quarantine rolled-back ",
            ],
        ),
        scene(
            "failed",
            "Failed",
            json!({"source": missing, "rollback": {"mode": "Manual"}}),
            &["0 of 1 ready on v1.1.0", "try again with `voxsync resume failed -n "],
        ),
        scene(
            "invalid",
            "InvalidSpec",
            json!({"windows": [{"name": "never", "allow": {"cron": "0 0 30 2 *", "duration": "8h"}}]}),
            &["windows[never].allow.cron"],
        ),
    ]
}

async fn each_reason_to_wait_is_shown(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    for (repository, tags) in [
        (REPOSITORY, &["v0.9.0", "v1.0.0", "v1.1.0"][..]),
        ("code-missing", &["v1.1.0"]),
        ("code-unready", &["v1.1.0"]),
    ] {
        for tag in tags {
            registry.push(repository, tag, &CodeImage::with_site(tag)).await;
        }
    }
    let files = tempfile::tempdir().expect("a temporary folder");
    fs::write(files.path().join("version"), registry.reference(REPOSITORY, "v9.9.9")).expect("write a file");
    create_secret(cluster, "cosign-pub", json!({"cosign.pub": CosignKey::new().public_key()})).await;
    let _voxsync =
        Voxsync::start_with(cluster, Halves { files: Some(files.path().to_owned()), ..Halves::default() });
    let first = json!({"source": follow_tags(&registry, REPOSITORY, &json!({"semver": "1.0.0"}))});
    let (by_themselves, of_people) = (scenes(&registry), scenes_of_people(&first));
    for scene in by_themselves.iter().chain(&of_people) {
        build(cluster, &registry, scene).await;
    }
    let newest = json!({"source": follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}))});
    for scene in &of_people {
        cluster.deployed(scene.name, "v1.0.0").await;
        cluster.change_code_sync(scene.name, newest.clone()).await;
    }
    for scene in &of_people {
        cluster.deployed(scene.name, "v1.1.0").await;
    }
    let edit = json!({"spec": {"code": cluster.code(&registry.reference(REPOSITORY, "v1.0.0"))}});
    cluster.patch("Config", "by-hand", edit).await;
    for name in ["went-back", "quarantined"] {
        said(cluster, &["rollback", name, "--reason", "broken hiera"]);
        cluster.deployed(name, "v1.0.0").await;
    }
    said(cluster, &["promote", "quarantined", "v1.1.0", "--reason", "it was not that"]);
    let scenes: Vec<Scene> = by_themselves.into_iter().chain(of_people).collect();
    let mut wrong = Vec::new();
    for scene in &scenes {
        wrong.extend(
            AssertUnwindSafe(shows(cluster, scene)).catch_unwind().await.err().map(|panic| message(&*panic)),
        );
    }
    write(cluster, &scenes);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What only people bring about.
fn scenes_of_people(first: &Value) -> Vec<Scene> {
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
                "RolledBack  went back: broken hiera",
            ],
        ),
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
async fn build(cluster: &Cluster, registry: &Registry, scene: &Scene) {
    let name = scene.name;
    let code = cluster.code(&registry.reference(REPOSITORY, "v1.0.0"));
    cluster.create_config(name, Some(code)).await;
    let replicas = u32::from(name != "no-pods");
    let server = NewServer { name, config: name, replicas, by_operator: false, ..NewServer::default() };
    cluster.create_server(&server).await;
    if name == "held-back" {
        let authority = NewServer { name: "held-back-ca", ca: true, ..server };
        cluster.create_server(&authority).await;
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

/// Waits until it waits for that, and looks at the screens.
async fn shows(cluster: &Cluster, scene: &Scene) {
    let Scene { name, reason, says, .. } = scene;
    let is_there = |status: &Value| {
        let mut rows = status["waiting"].as_array().into_iter().flatten();
        rows.any(|row| row["reason"] == *reason)
    };
    wait_for(&format!("{name} waits for {reason}"), PATIENCE, async || {
        let status = cluster.get("CodeSync", name).await["status"].take();
        if is_there(&status) { Ok(()) } else { Err(status["waiting"].to_string()) }
    })
    .await;
    let screen = said(cluster, &["status", name]);
    for word in *says {
        assert!(screen.contains(word), "{name}: no {word:?} in\n{screen}");
    }
}

/// What a command of voxsync prints.
fn said(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.args(["--namespace", cluster.namespace(), "--kubeconfig"]).arg(cluster.kubeconfig());
    let output = command.args(arguments).output().expect("the binary starts");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_ne!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Writes all screens, where somebody wants them.
fn write(cluster: &Cluster, scenes: &[Scene]) {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let table = cluster.kubectl(&["get", "csync"]);
    let mut page =
        format!("# What each reason to wait looks like\n\n```console\n$ kubectl get csync\n{table}```\n");
    for Scene { name, reason, .. } in scenes {
        let row =
            table.lines().filter(|line| line.starts_with("NAME") || line.split(' ').next() == Some(*name));
        let row = row.collect::<Vec<_>>().join("\n");
        let [status, plan] = ["status", "plan"].map(|verb| said(cluster, &[verb, name]));
        let _ = write!(
            page,
            "\n## {reason} ({name})\n\n```console\n$ kubectl get csync {name}\n{row}\n\n$ voxsync status {name}\n{status}\n\
             $ voxsync plan {name}\n{plan}```\n"
        );
    }
    fs::write(folder.join("screens.md"), page.replace(cluster.namespace(), "puppet"))
        .expect("write the screens");
}
