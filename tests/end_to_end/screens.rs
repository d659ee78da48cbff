//! What people see for each reason to wait: `kubectl get csync`, `voxsync status` and `voxsync plan`, each produced for
//! real.
//!
//! With `VOXSYNC_SCREENS=FOLDER` the screens are written there as `screens.md`, for the documentation.

mod hints;
mod reasons;
mod scenes;

use std::{fmt::Write as _, fs, panic::AssertUnwindSafe, path::PathBuf, process::Command, time::Duration};

use futures::FutureExt as _;
use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, CosignKey, Registry, Transport};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Halves, Needs, Voxsync, cases,
    estate::{REPOSITORY, create_secret},
    message,
    status::follow_tags,
    wait_for,
};
use hints::Hints;
use scenes::{Scene, an_hour_passes, build, by_themselves, of_people, without_gates};

pub(crate) const CASES: &[Case] =
    cases![each_reason_to_wait_is_shown => Needs::OBJECT.and_kubectl().in_sandbox_only()];

/// The folder that the screens are written to.
const FOLDER: &str = "VOXSYNC_SCREENS";
/// How long each may take until it waits.
const PATIENCE: Duration = Duration::from_mins(1);
/// The widest line of `kubectl get csync`.
const COLUMNS: usize = 120;

async fn each_reason_to_wait_is_shown(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    for (repository, tags) in [
        (REPOSITORY, &["v0.9.0", "v1.0.0", "v1.1.0"][..]),
        ("code-missing", &["v1.0.0", "v1.1.0"]),
        ("code-unready", &["v1.1.0"]),
    ] {
        for tag in tags {
            registry.push(repository, tag, &CodeImage::with_site(tag)).await;
        }
    }
    let files = tempfile::tempdir().expect("a temporary folder");
    fs::write(files.path().join("version"), registry.reference(REPOSITORY, "v9.9.9")).expect("write a file");
    create_secret(cluster, "cosign-pub", json!({"cosign.pub": CosignKey::new().public_key()})).await;
    let halves = Halves { files: Some(files.path().to_owned()), ..Halves::default() };
    let voxsync = Voxsync::start_with(cluster, halves);
    let mut screens = Screens::default();
    let scenes = prepared(cluster, &registry, &mut screens.hints).await;
    for scene in &scenes {
        screens.look(cluster, scene).await;
    }
    screens.tabulate(cluster);
    drop(voxsync);
    let ungated = without_gates();
    build(cluster, &registry, &ungated).await;
    let observing = Halves { reconciler: Some(Mode::Observe), ..Halves::default() };
    let _voxsync = Voxsync::start_with(cluster, observing);
    screens.look(cluster, &ungated).await;
    screens.write(cluster);
    let all: Vec<Scene> = scenes.into_iter().chain([ungated]).collect();
    reasons::assert_complete(&all);
    screens.wrong.extend(screens.hints.wrong(cluster.namespace()));
    assert!(screens.wrong.is_empty(), "{}", screens.wrong.join("\n\n"));
}

/// Brings all scenes about, as far as it needs somebody.
async fn prepared(cluster: &Cluster, registry: &Registry, hints: &mut Hints) -> Vec<Scene> {
    let first = json!({"source": follow_tags(registry, REPOSITORY, &json!({"semver": "1.0.0"}))});
    let (by_themselves, of_people) = (by_themselves(registry), of_people(&first));
    for scene in by_themselves.iter().chain(&of_people) {
        build(cluster, registry, scene).await;
    }
    let newest = json!({"source": follow_tags(registry, REPOSITORY, &json!({"semver": "*"}))});
    let are_to_move = || of_people.iter().filter(|scene| scene.name != "nothing-before");
    for scene in &of_people {
        cluster.deployed(scene.name, "v1.0.0").await;
    }
    for scene in are_to_move() {
        cluster.change_code_sync(scene.name, newest.clone()).await;
    }
    for scene in are_to_move() {
        cluster.deployed(scene.name, "v1.1.0").await;
    }
    let edit = json!({"spec": {"code": cluster.code(&registry.reference(REPOSITORY, "v1.0.0"))}});
    cluster.patch("Config", "by-hand", edit).await;
    for name in ["went-back", "quarantined"] {
        hints.take(&said(cluster, &["rollback", name, "--reason", "broken hiera"]), name);
        cluster.deployed(name, "v1.0.0").await;
    }
    let pinned = said(cluster, &["promote", "quarantined", "v1.1.0", "--reason", "it was not that"]);
    hints.take(&pinned, "quarantined");
    // The verb would say so, and ask for nothing.
    let asked = json!({"metadata": {"annotations": {"voxsync.dev/rollback": "1"}}});
    cluster.patch("CodeSync", "nothing-before", asked).await;
    for (name, reason, time) in [
        ("check-lost", "Check", "/stages/0/checks/0/since"),
        ("held-too-long", "Gated", "/stages/0/gates/since"),
    ] {
        waits(cluster, name, reason).await;
        an_hour_passes(cluster, name, time).await;
    }
    let is_stuck = |status: &Value| status["waiting"].to_string().contains("Nothing more is given back");
    cluster.status_when("goes-back", "what was there before cannot run either", is_stuck).await;
    by_themselves.into_iter().chain(of_people).collect()
}

/// Waits until it waits for that.
async fn waits(cluster: &Cluster, name: &str, reason: &str) {
    wait_for(&format!("{name} waits for {reason}"), PATIENCE, async || {
        let status = cluster.get("CodeSync", name).await["status"].take();
        let mut rows = status["waiting"].as_array().into_iter().flatten();
        let is_there = rows.any(|row| row["reason"] == *reason);
        if is_there { Ok(()) } else { Err(status["waiting"].to_string()) }
    })
    .await;
}

/// What was seen.
#[derive(Default)]
struct Screens {
    table: String,
    page: String,
    hints: Hints,
    wrong: Vec<String>,
}

impl Screens {
    /// Waits until it waits for that, and looks at its screens.
    async fn look(&mut self, cluster: &Cluster, scene: &Scene) {
        let waits = AssertUnwindSafe(waits(cluster, scene.name, scene.reason));
        self.wrong.extend(waits.catch_unwind().await.err().map(|panic| message(&*panic)));
        let Scene { name, reason, says, .. } = scene;
        let row = cluster.kubectl(&["get", "csync", name]);
        let [status, plan] = ["status", "plan"].map(|verb| said(cluster, &[verb, name]));
        let missing = says.iter().filter(|word| !status.contains(**word));
        self.wrong.extend(missing.map(|word| format!("{name}: no {word:?} in\n{status}")));
        let wide = row.lines().filter(|line| line.trim_end().chars().count() > COLUMNS);
        self.wrong.extend(wide.map(|line| format!("{name}: more than {COLUMNS} columns: {line}")));
        for screen in [&status, &plan] {
            self.hints.take(screen, name);
        }
        let _ = write!(
            self.page,
            "\n## {reason} ({name})\n\n```console\n$ kubectl get csync {name}\n{row}\n$ voxsync status {name}\n{status}\n\
             $ voxsync plan {name}\n{plan}```\n"
        );
    }

    /// Looks at all of them in one table.
    fn tabulate(&mut self, cluster: &Cluster) {
        self.table = cluster.kubectl(&["get", "csync"]);
        let wide = self.table.lines().filter(|line| line.trim_end().chars().count() > COLUMNS);
        self.wrong.extend(wide.map(|line| format!("more than {COLUMNS} columns: {line}")));
    }

    /// Writes them, where somebody wants that.
    fn write(&self, cluster: &Cluster) {
        let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        let Self { table, page, .. } = self;
        let page = format!(
            "# What each reason to wait looks like\n\n```console\n$ kubectl get csync\n{table}```\n{page}"
        );
        let page = page.replace(cluster.namespace(), "puppet");
        fs::write(folder.join("screens.md"), page).expect("write the screens");
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
