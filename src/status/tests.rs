use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Value, json};

use super::{json::json as json_of, nothing_in, releases, trouble, view::View};
use voxsync_crds::CodeSync;

pub(super) const OLD: &str =
    "r.io/code:v1.0.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const NEW: &str =
    "r.io/code:v1.1.0@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const COMMIT: &str = "85e7bb0c9f2c1ab04d4be01c7a9f2c1ab04d4be0";

pub(super) fn view() -> View {
    View { now: "2026-11-22T22:51:00Z".parse().unwrap(), colourful: false }
}

pub(super) fn screen(source: &Value, status: &Value) -> String {
    view().code_sync(&code_sync(source, status))
}

pub(super) fn code_sync(source: &Value, status: &Value) -> CodeSync {
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "production", "namespace": "puppet"},
        "spec": {"source": source, "target": {"kind": "Config", "name": "production"}},
        "status": status,
    }))
    .unwrap()
}

pub(super) fn registry() -> Value {
    json!({"registry": {"repository": "r.io/code", "tag": {"semver": "*"}}})
}

pub(super) fn promotion(outcome: &str) -> Value {
    json!({
        "id": "p-2", "trigger": "Source", "startedAt": "2026-11-22T22:50:00Z", "outcome": outcome,
        "candidate": {"name": "v1.1.0", "reference": NEW}, "fromName": "v1.0.0",
        "failure": {"stage": "canary", "server": "canary-1", "reason": "ImagePullBackOff", "message": "m"},
    })
}

#[test]
fn a_namespace_that_is_not_there_is_not_one_without_trouble() {
    let forbidden = "namespaces \"nosuch\" is forbidden";
    for (found, wanted) in [
        (
            Ok(Some(Namespace::default())),
            "no CodeSync in namespace nosuch; `voxsync status -A` looks everywhere",
        ),
        (
            Err(anyhow::anyhow!(forbidden)),
            "whether there is such a namespace cannot be told: namespaces \"nosuch\" is",
        ),
    ] {
        let said = nothing_in("nosuch", found).unwrap();
        assert!(said.starts_with("no CodeSync in namespace nosuch") && said.contains(wanted), "{said}");
    }
    let error = nothing_in("nosuch", Ok(None)).unwrap_err().to_string();
    assert!(error.starts_with("there is no namespace \"nosuch\""), "{error}");
}

#[test]
fn programs_are_told_what_the_screen_shows() {
    let condition = json!({"type": "Ready", "status": "False", "reason": "Failed", "message": "canary cannot run it",
        "lastTransitionTime": "2026-11-22T22:50:46Z"});
    let status = json!({
        "conditions": [condition], "promotion": promotion("Failed"), "deployed": {"name": "v1.0.0", "reference": OLD},
        "history": [{"id": "p-2", "name": "v1.1.0", "reference": NEW, "outcome": "Failed", "endedAt": "2026-11-22T22:50:46Z"}],
    });
    let failed = code_sync(&registry(), &status);
    let releases = releases::releases(failed.status.as_ref().unwrap(), &[]);
    let told = json_of(&view(), &[failed], Some(&releases));
    let first = &told["codeSyncs"][0];
    assert_eq!([&told["apiVersion"], &first["namespace"]], ["status.voxsync.dev/v1", "puppet"]);
    assert_eq!(
        (&first["isWell"], &first["verdict"]),
        (&json!(false), &json!("to look at: Failed: canary cannot run it"))
    );
    assert_eq!([&first["following"], &first["deployed"]["reference"]], ["r.io/code *", OLD]);
    assert_eq!([&first["releases"][0]["from"], &first["releases"][0]["outcome"]], ["v1.0.0", "Failed"]);
    let unseen = json_of(&view(), &[code_sync(&registry(), &Value::Null)], None);
    let first = &unseen["codeSyncs"][0];
    assert!(
        first["isWell"] == true && first["verdict"].as_str().unwrap().contains("not seen it yet"),
        "{unseen}"
    );
    assert!(first["releases"].is_null(), "{unseen}");
}

#[test]
fn says_which_commit_of_the_control_repository_named_the_candidate() {
    let git = json!({"git": {"url": "https://git.example/control-repo.git", "ref": {"branch": "main"},
        "reference": {"path": "version"}}});
    let status = |revision: &str| {
        json!({
            "source": {"revision": revision},
            "candidate": {"name": "v1.1.0", "reference": NEW, "sourceRevision": COMMIT},
        })
    };
    let same = screen(&git, &status(COMMIT));
    assert!(same.contains("named by main@85e7bb0"), "{same}");
    assert!(same.starts_with("puppet/production  ·  following git control-repo@main\n"), "{same}");
    let newer = screen(&git, &status(&COMMIT.replace("85e7bb0", "e4832e9")));
    assert!(
        newer.starts_with("puppet/production  ·  following git control-repo@main, now main@e4832e9\n"),
        "{newer}"
    );
    let registry = screen(&registry(), &status("v1.1.0"));
    assert!(!registry.contains("named by") && !registry.contains(", now"), "{registry}");
}

#[test]
fn two_tags_of_one_image_are_not_taken_for_two_images() {
    let status = |reference: &str| {
        json!({
            "candidate": {"name": "v1.1.1", "tag": "v1.1.1", "reference": NEW.replace("v1.1.0", "v1.1.1")},
            "deployed": {"name": "v1.1.1", "tag": "v1.1.0", "reference": reference},
        })
    };
    let same = screen(&registry(), &status(NEW));
    assert!(same.contains("deployed   v1.1.0@bbbbbbbbbb   the same image as v1.1.1\n"), "{same}");
    let digest_only = NEW.replace(":v1.1.0", "");
    for reference in [OLD, &NEW.replace("v1.1.0", "v1.1.1"), &digest_only] {
        let other = screen(&registry(), &status(reference));
        assert!(!other.contains("the same image"), "{other}");
    }
    let mut untagged = status(NEW);
    untagged["candidate"]["tag"] = Value::Null;
    assert!(!screen(&registry(), &untagged).contains("the same image"), "a digest is no other tag");
}

#[test]
fn says_how_often_the_source_is_looked_at() {
    let said = |more: Value, status: &Value| {
        let mut source = registry();
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let screen = screen(&source, status);
        screen.lines().find_map(|line| line.strip_prefix("  looked at  ")).map(str::to_owned)
    };
    let webhook = json!({"type": "generic", "secretRef": {"name": "hook"}});
    let schedule = json!({"cron": "0 8 * * *", "timeZone": "Europe/Berlin"});
    for (more, wanted) in [
        (json!({}), "every minute"),
        (json!({"interval": "1h", "webhook": webhook}), "every 1 h, and when a webhook comes"),
        (json!({"schedule": schedule}), "next at 2026-11-23 07:00Z, by its schedule"),
    ] {
        assert_eq!(said(more, &json!({})).as_deref(), Some(wanted));
    }
    let stalled = json!([{"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "",
        "lastTransitionTime": "2026-11-22T22:50:46Z"}]);
    assert_eq!(said(json!({}), &json!({"conditions": stalled})), None, "nobody looks");
}

#[test]
fn nothing_is_wrong_while_ci_builds_an_image() {
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "the image of commit 85e7bb0 is not there yet",
            "lastTransitionTime": "2026-11-22T22:50:46Z",
        })
    };
    let of_first = [
        condition("Ready", "False", "ImageUnavailable"),
        condition("Reconciling", "True", "ImageUnavailable"),
        condition("SourceReady", "True", "ImageUnavailable"),
    ];
    let of_next =
        [condition("Ready", "True", "Waiting"), condition("SourceReady", "True", "ImageUnavailable")];
    for (word, conditions) in [("ImageUnavailable", json!(of_first)), ("Waiting", json!(of_next))] {
        let status = json!({"summary": format!("{word}: image of commit 85e7bb0"), "conditions": conditions});
        let said = "nothing is wrong; waits for the image of commit 85e7bb0";
        let screen = screen(&registry(), &status);
        assert!(screen.ends_with(said), "{screen}");
        assert!(trouble(&serde_json::from_value(status).unwrap()).is_none());
    }
}

#[test]
fn says_a_hold_once() {
    let message = "Config/production was changed by \"kubectl-edit\": held, nothing will be written";
    let hold = |target: &str| json!({"target": target, "found": OLD, "manager": "kubectl-edit", "changedAt": "2026-11-21T13:58:02Z"});
    let status = json!({
        "stages": [{"name": "all", "phase": "Held", "ready": 0, "desired": 1}],
        "waiting": [{"stage": "all", "reason": "Held", "message": message}],
        "holds": [hold("Config/production"), hold("Server/canary")],
    });
    let screen = screen(&registry(), &status);
    assert_eq!(screen.matches("Config/production").count(), 1, "{screen}");
    assert!(!screen.contains("Held: Config"), "{screen}");
    let other =
        "held: Server/canary was changed by \"kubectl-edit\" at 2026-11-21 13:58Z to v1.0.0@aaaaaaaaaa";
    assert!(screen.contains(other), "a row names only one of several: {screen}");
}

#[test]
fn shortens_what_a_pod_says() {
    let message =
        format!("Server canary cannot run it: {}: not found. Go on with `voxsync resume a`", NEW.repeat(6));
    let status = json!({
        "stages": [{"name": "all", "phase": "Failed", "ready": 0, "desired": 1}],
        "waiting": [{"stage": "all", "reason": "Failed", "message": message}],
    });
    let screen = screen(&registry(), &status);
    let row = screen.lines().find(|line| line.contains("Failed:")).unwrap();
    assert!(row.chars().count() < 340, "{row}");
    assert!(row.ends_with(": not found. Go on with `voxsync resume a`"), "{row}");
}

#[test]
fn a_check_that_does_not_hold_is_not_nothing() {
    let verdict = |standing: &str, phase: &str| {
        let check =
            json!({"name": "nodes", "standing": standing, "since": "2026-11-22T22:50:00Z", "message": "m"});
        let stage = json!({"name": "all", "phase": phase, "ready": 1, "desired": 1, "checks": [check]});
        let row = json!({"stage": "all", "reason": "Soak", "message": "m", "until": "2026-11-22T22:51:30Z"});
        let screen = screen(&registry(), &json!({"stages": [stage], "waiting": [row]}));
        screen.lines().last().unwrap().trim().to_owned()
    };
    let next = "next thing to happen: the soak ends at 22:51:30Z, in 30 s";
    assert_eq!(verdict("Failed", "Soaking"), format!("a check fails so far, and is asked again; {next}"));
    let silent = format!("a check cannot be asked, and is tried again; {next}");
    assert_eq!(verdict("Unreachable", "Checking"), silent);
    assert_eq!(verdict("Passed", "Soaking"), format!("nothing is wrong; {next}"));
    assert_eq!(verdict("Failed", "Deployed"), format!("nothing is wrong; {next}"), "what it said once");
}

#[test]
fn what_is_followed_and_has_released_nothing_yet_is_waited_for() {
    let of = |reason: &str| {
        json!({
            "summary": "Waiting: first release of staging",
            "conditions": [{"type": "SourceReady", "status": "False", "reason": reason, "message": "m",
                "lastTransitionTime": "2026-11-22T22:50:46Z"}],
        })
    };
    let verdict = |reason: &str| screen(&json!({"codeSync": {"name": "staging"}}), &of(reason));
    let waits = verdict("NothingReleased");
    assert!(waits.ends_with("nothing is wrong; waits for the first release of staging"), "{waits}");
    assert!(verdict("NoSuchCodeSync").ends_with("to look at: NoSuchCodeSync: m"));
}

#[test]
fn a_pin_is_said_once_with_the_way_out() {
    let mut pinned = code_sync(
        &registry(),
        &json!({"waiting": [{"reason": "Pinned", "message": "pinned to r.io/code:v1.0.0 (freeze)"}]}),
    );
    pinned.spec.pin =
        Some(serde_json::from_value(json!({"reference": "r.io/code:v1.0.0", "reason": "freeze"})).unwrap());
    let screen = view().code_sync(&pinned);
    let line = "  pinned     to r.io/code:v1.0.0 (freeze), until `voxsync resume production -n puppet`\n";
    assert!(screen.contains(line) && screen.matches("freeze").count() == 1, "{screen}");
}
