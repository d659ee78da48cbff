//! The command line, as a person or a script uses it: the real binary, against the demo's sandbox.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

mod check;
mod follow;
mod proxy;
mod simulate;
mod tags;
mod watch;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use voxsync_sandbox::{Sandbox, SandboxOptions};

/// How long anything here may take to come true.
const DEADLINE: Duration = Duration::from_mins(1);

fn voxsync(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voxsync"))
        .args(arguments)
        .env_remove("KUBECONFIG")
        .output()
        .expect("the binary starts")
}

/// With an input, and without a cluster.
fn voxsync_reading(input: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_voxsync"))
        .args(arguments)
        .env("KUBECONFIG", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // What is wrong elsewhere may be refused before the input is read.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
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
fn a_kubeconfig_that_cannot_be_read_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd");
    std::fs::write(&odd, "clusters: 7").unwrap();
    for path in ["/nowhere", folder.path().to_str().unwrap(), odd.to_str().unwrap()] {
        let said = text(&voxsync(&["status", "--kubeconfig", path]).stderr);
        assert!(said.starts_with(&format!("voxsync: kubeconfig {path}: ")), "{said}");
        assert_eq!(said.matches(path).count(), 1, "{said}");
    }
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
        (&["promote", "production", "v1", "--now"], "--reason"),
        (&["rollback", "production", "--reason", " "], "a reason has words"),
        (&["approve", "production", "--digest", "abc"], "a digest is sha256:"),
        (&["approve", "production", "--stage", "a", "--all-stages"], "cannot be used with"),
        (&["audit", "--fail-on", "Sad"], "NotRolledOut"),
        (&["status", "--kubeconfig", "/nowhere"], "/nowhere"),
    ] {
        let output = voxsync(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(wanted), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_person_plays_on_after_the_demo() {
    let demo = Demo::start();
    let tag = demo.deployed();
    demo.did_what_a_simulation_tells(&tag);

    let status = demo.run(&["status", "production"]);
    assert_eq!(
        status.status.code(),
        Some(1),
        "the demo ends with a canary that was rolled back: {}",
        text(&status.stdout)
    );
    let release = format!("{tag}  v");
    for wanted in [
        "puppet/production",
        "deployed",
        "1 canary",
        "✘ failed ",
        &format!("1 of 1 ready on {tag}@"),
        "quarantine",
        &format!("5 of 5 ready on {tag}@"),
        "ImagePullBackOff",
        "a layer that is not there",
        "WHY\n",
        &release,
        "canary: ImagePullBackOff of canary",
    ] {
        assert!(text(&status.stdout).contains(wanted), "{wanted}: {}", text(&status.stdout));
    }

    let told = demo.run(&["status", "production", "-o", "json"]);
    assert_eq!(told.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let told = &told["codeSyncs"][0];
    assert!(told["isWell"] == false && told["releases"][0]["outcome"] == "RolledBack", "{told}");

    let audit = demo.run(&["audit", "-o", "json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let verdict = |name: &str| {
        let servers = audit["servers"].as_array().unwrap();
        servers.iter().find(|server| server["server"] == name).unwrap()["verdict"].clone()
    };
    assert_eq!((verdict("ca"), verdict("canary")), ("InSync".into(), "InSync".into()), "{audit}");
    assert_eq!(demo.run(&["audit", "--fail-on", "insync"]).status.code(), Some(1));
    assert_eq!(demo.run(&["audit", "--fail-on", "Mixed,Held,Rolling"]).status.code(), Some(0));

    let tried = text(&demo.run(&["tags", "production", "--semver", "~1"]).stdout);
    assert!(
        tried.contains("tried on codesync puppet/production") && !tried.contains("minimumAge"),
        "{tried}"
    );
    let tried = text(&demo.run(&["tags", "production", "--match", "^nothing"]).stdout);
    assert!(
        tried.starts_with("no tag is chosen by ") && tried.contains(", match ^nothing, tried on"),
        "{tried}"
    );
    demo.knows_its_namespaces();

    let checked = demo.run(&["check", "production"]);
    let said = text(&checked.stdout);
    assert!(said.contains("✘ image      v") && !said.contains("✔ image"), "{said}");
    let failed = "✘ image      Failed: Server canary of stage canary could not run it: ImagePullBackOff. ";
    assert!(said.contains(failed), "{said}");
    assert_eq!(checked.status.code(), Some(1), "{said}");

    demo.follows_a_promotion(&tag);
    demo.waits_on_the_way_back_and_on_again(&tag);
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

    demo.plays_on_as_it_says();

    let waited = demo.run(&["wait", "production", "--timeout", "0s"]);
    assert_eq!(waited.status.code(), Some(1), "what is in quarantine: {}", text(&waited.stderr));
    for (arguments, code, wanted) in [
        (&["approve", "production"][..], 1, "none of its stages asks for approval"),
        (&["release-quarantine", "production", "v9"], 1, "quarantine"),
        (&["rollback", "production", "--reason", "no-quarantine of it"], 2, "that is an option"),
    ] {
        let output = demo.run(arguments);
        let said = text(&output.stderr);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
    demo.has_one_exit_code_for_what_is_not_there();
    let odd = demo.run(&["promote", "production", "not a ref !!"]);
    assert!(text(&odd.stderr).contains("nor a whole reference"), "{}", text(&odd.stderr));
    demo.takes_what_a_person_pushes();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kinds_are_not_installed_each_verb_says_how_to_install_them() {
    let sandbox = Sandbox::new(SandboxOptions::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, sandbox.kubeconfig(listener.local_addr().unwrap(), "puppet")).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(sandbox.serve(listener, stop.clone()));
    for (arguments, code) in [
        (&["status"][..], 2),
        (&["status", "production"], 2),
        (&["status", "-A"], 2),
        (&["suspend", "production"], 2),
        (&["resume", "production"], 2),
        (&["approve", "production"], 2),
        (&["promote", "production", "v1"], 2),
        (&["rollback", "production"], 2),
        (&["release-quarantine", "production", "v1"], 2),
        (&["reconcile", "production"], 2),
        (&["wait", "production"], 2),
    ] {
        let arguments = [&["--kubeconfig", kubeconfig.to_str().unwrap()], arguments].concat();
        let output = voxsync(&arguments);
        let said = text(&output.stderr);
        assert!(said.contains("`voxsync crds | kubectl apply --server-side -f -`"), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
    stop.cancel();
}

/// A demo that stays up after its steps.
struct Demo {
    child: Child,
    folder: tempfile::TempDir,
    /// The lines about playing on.
    hints: Vec<String>,
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
        let mut demo = Self { child, folder, hints: Vec::new() };
        let mut lines = BufReader::new(demo.child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let seen: Vec<String> = lines.by_ref().take_while(|line| !line.contains("Play on")).collect();
        for line in lines {
            demo.hints.push(line);
            if demo.hints.last().unwrap().contains("promote") {
                return demo;
            }
        }
        panic!("the demo ended before its last line:\n{}", seen.join("\n"));
    }

    /// What it says to a shell works there, without the program in PATH.
    fn plays_on_as_it_says(&self) {
        let hint = |start: &str| self.hints.iter().find(|line| line.trim_start().starts_with(start)).unwrap();
        let script =
            ["export ", "alias ", "voxsync status", "voxsync check"].map(hint).map(String::as_str).join("\n");
        let output = Command::new("/bin/bash")
            .args(["-O", "expand_aliases", "-c", &script])
            .env("PATH", "/nowhere")
            .env_remove("VOXSYNC_NAMESPACE")
            .output()
            .unwrap();
        assert!(text(&output.stdout).contains("puppet/production"), "{script}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("5 servers"), "{script}: {}", text(&output.stdout));
        let checked = "git control-repo@production\n  ✔ spec       valid\n  ✔ source     now ";
        assert!(text(&output.stdout).contains(checked), "{script}: {}", text(&output.stdout));
    }

    /// What it says about pushing works as it is typed, and voxsync takes it, or gives it back.
    fn takes_what_a_person_pushes(&self) {
        let pushes = self.hints.iter().filter(|line| line.trim_start().starts_with("sh "));
        let mut outcomes = Vec::new();
        for hint in pushes {
            let output = Command::new("/bin/sh").args(["-c", hint]).output().unwrap();
            assert!(output.status.success(), "{hint}: {}", text(&output.stderr));
            self.wait_for(hint, || {
                let told = self.run(&["status", "production", "-o", "json"]);
                let told: Value = serde_json::from_slice(&told.stdout).unwrap();
                let release = &told["codeSyncs"][0]["releases"][0];
                let is_it = hint.split_whitespace().nth(2) == release["to"].as_str();
                outcomes.extend(is_it.then(|| release["outcome"].as_str().unwrap().to_owned()));
                is_it
            });
        }
        assert_eq!(outcomes, ["Released", "RolledBack"]);
        assert_eq!(self.deployed(), "v1.99.0");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_in("puppet", arguments)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn run_in(&self, namespace: &str, arguments: &[&str]) -> Output {
        let kubeconfig = self.kubeconfig();
        let kubeconfig = kubeconfig.to_str().unwrap();
        voxsync(&[&["--kubeconfig", kubeconfig, "--namespace", namespace], arguments].concat())
    }

    fn has_one_exit_code_for_what_is_not_there(&self) {
        for verb in [
            &["status", "nobody"][..],
            &["wait", "nobody"],
            &["resume", "nobody"],
            &["reconcile", "nobody"],
            &["approve", "nobody"],
            &["rollback", "nobody"],
            &["release-quarantine", "nobody", "v1"],
        ] {
            let missing = self.run(verb);
            let said = text(&missing.stderr);
            assert!(said.contains("there is no codesync \"nobody\""), "{verb:?}: {said}");
            assert_eq!(missing.status.code(), Some(2), "{verb:?}");
        }
    }

    /// A namespace that is empty is well, and one that is not there is a typing error.
    fn knows_its_namespaces(&self) {
        let said = "no CodeSync in namespace default; `voxsync status -A` looks everywhere";
        for (namespace, code, wanted) in
            [("default", 0, said), ("nosuch", 2, "there is no namespace \"nosuch\"")]
        {
            let output = self.run_in(namespace, &["status"]);
            let said = text(&output.stderr);
            assert!(said.contains(wanted) && output.stdout.is_empty(), "{namespace}: {said}");
            assert_eq!(output.status.code(), Some(code), "{namespace}: {said}");
        }
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
