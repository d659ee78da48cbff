//! The command line, as a person or a script uses it: the real binary, against the demo's sandbox.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

/// How long anything here may take to come true.
const DEADLINE: Duration = Duration::from_mins(1);

fn voxsync(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voxsync"))
        .args(arguments)
        .env_remove("KUBECONFIG")
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn demo_comes_true_for_another_seed_and_prints_only_json() {
    let output = voxsync(&["demo", "--once", "-o", "json", "--seed", "2"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON value");
    assert_eq!(report["ok"], true, "{report}");
    let names: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for step in report["steps"].as_array().unwrap() {
        assert!(step["ok"] == true && step["seconds"].as_f64().unwrap() > 0.0, "{step}");
    }
    assert!(output.status.success());
}

#[test]
fn demo_fails_where_nobody_brings_the_code_into_the_deployments() {
    let output = voxsync(&["demo", "--once", "-o", "json", "--reconciler", "off"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON value");
    assert_eq!(report["ok"], false, "{report}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn crds_are_the_ones_that_are_checked_in() {
    let output = voxsync(&["crds"]);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds/yaml");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let wanted = format!("---\n{}---\n{}", file("codesyncs.yaml"), file("codereleases.yaml"));
    assert_eq!(text(&output.stdout), wanted);
}

#[test]
fn completions_are_scripts_that_the_shell_can_read() {
    let output = voxsync(&["completions", "bash"]);
    let script = text(&output.stdout);
    assert!(script.contains("_voxsync()") && script.contains("promote"), "{script}");
    let checked = Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(checked.success());
}

#[test]
fn wrong_words_get_a_way_out() {
    for (arguments, wanted) in [
        (&["promotes"][..], "promote"),
        (&["run", "--reconciler", "half"], "cooperative"),
        (&["run", "-A", "-n", "puppet"], "cannot be used with"),
        (&["run", "--shard", "north"], "--shard-selector"),
        (&["run", "--shard", "North", "--shard-selector", "a"], "lower-case letters"),
        (&["run", "--shard", "north", "--shard-selector", "team between (a,b)"], "write team=a"),
        (&["audit", "--fail-on", "Sad"], "NotRolledOut"),
        (&["status", "--kubeconfig", "/nowhere"], "/nowhere"),
    ] {
        let output = voxsync(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(wanted), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_person_plays_on_after_the_demo() {
    let demo = Demo::start();
    let tag = demo.deployed();

    let status = demo.run(&["status", "production"]);
    assert_eq!(status.status.code(), Some(1), "the demo ends with a failed canary: {}", text(&status.stdout));
    for wanted in ["puppet/production", "deployed", &tag, "1 canary", "failed", "ImagePullBackOff"] {
        assert!(text(&status.stdout).contains(wanted), "{wanted}: {}", text(&status.stdout));
    }

    let audit = demo.run(&["audit", "-o", "json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let verdict = |name: &str| {
        let servers = audit["servers"].as_array().unwrap();
        servers.iter().find(|server| server["server"] == name).unwrap()["verdict"].clone()
    };
    assert_eq!((verdict("ca"), verdict("canary")), ("InSync".into(), "Rolling".into()), "{audit}");
    assert_eq!(demo.run(&["audit", "--fail-on", "rolling"]).status.code(), Some(1));
    assert_eq!(demo.run(&["audit", "--fail-on", "Mixed,Held"]).status.code(), Some(0));

    let promoted = demo.run(&["promote", "production", &tag, "--reason", "back to what ran"]);
    assert!(promoted.status.success(), "{}", text(&promoted.stderr));
    demo.wait_for("the pin to be deployed", || demo.run(&["status", "production"]).status.success());
    let status = text(&demo.run(&["status", "production"]).stdout);
    assert!(status.contains("pinned") && status.contains("back to what ran"), "{status}");

    assert!(demo.run(&["suspend", "production", "--reason", "freeze"]).status.success());
    demo.wait_for("the reason of the suspension", || {
        text(&demo.run(&["status", "production"]).stdout).contains("freeze")
    });
    let resumed = text(&demo.run(&["resume", "production"]).stdout);
    assert!(resumed.contains("no longer suspended") && resumed.contains("still pinned"), "{resumed}");
    let resumed = text(&demo.run(&["resume", "production"]).stdout);
    assert!(resumed.contains("no longer pinned"), "{resumed}");
    assert!(demo.run(&["reconcile", "production"]).status.success());

    let missing = demo.run(&["resume", "nobody"]);
    assert!(text(&missing.stderr).contains("there is no codesync \"nobody\""), "{}", text(&missing.stderr));
    let odd = demo.run(&["promote", "production", "not a ref !!"]);
    assert!(text(&odd.stderr).contains("nor a whole reference"), "{}", text(&odd.stderr));
}

/// A demo that stays up after its steps.
struct Demo {
    child: Child,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_voxsync"))
            .args(["demo", "--folder"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // From here on it is ended with the test, however the test ends.
        let mut demo = Self { child, folder };
        let lines = BufReader::new(demo.child.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        for line in lines {
            seen.push(line.unwrap());
            if seen.last().unwrap().contains("Play on") {
                return demo;
            }
        }
        panic!("the demo ended before its last line:\n{}", seen.join("\n"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let kubeconfig = kubeconfig.to_str().unwrap();
        voxsync(&[&["--kubeconfig", kubeconfig, "--namespace", "puppet"], arguments].concat())
    }

    /// The tag that all stages run.
    fn deployed(&self) -> String {
        let audit = self.run(&["audit", "-o", "json"]);
        let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
        let ca = audit["servers"].as_array().unwrap().iter().find(|server| server["server"] == "ca").unwrap();
        let declared = ca["declared"][0].as_str().unwrap();
        declared.rsplit_once('@').unwrap().0.rsplit_once(':').unwrap().1.to_owned()
    }

    fn wait_for(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_true() {
            let state = text(&self.run(&["status", "production"]).stdout);
            assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}; last seen:\n{state}");
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
