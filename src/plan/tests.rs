use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use voxsync_cluster::{SERVER_LABEL, Shapes, Snapshot};
use voxsync_crds::{CodeSync, Config, Server, openvox::CodeShape};

use super::{Plan, json::json as json_of, plan, text::View};

const OLD: &str = "r.io/code:v1.4.2@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "r.io/code:v1.5.0@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A Sunday.
fn now() -> Timestamp {
    "2026-11-22T14:14:00Z".parse().unwrap()
}

/// A canary, and a Config with three compilers and a certificate authority.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let config =
        json!({"metadata": {"name": "production", "namespace": "puppet"}, "spec": {"code": {"image": OLD}}});
    snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
    for name in ["canary", "compile-1", "compile-2", "compile-3", "ca"] {
        let mut server =
            json!({"metadata": {"name": name, "namespace": "puppet"}, "spec": {"configRef": "production"}});
        server["spec"]["ca"] = json!(name == "ca");
        if name == "canary" {
            server["spec"]["code"] = json!({"image": OLD});
        }
        snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
        let deployment = json!({
            "metadata": {"name": name, "namespace": "puppet"},
            "spec": {
                "selector": {"matchLabels": {SERVER_LABEL: name}},
                "template": {"spec": {"containers": [{"name": "openvox-server"}]}},
            },
        });
        snapshot.apply(serde_json::from_value::<Deployment>(deployment).unwrap());
    }
    snapshot.set_shapes(Shapes { config: Some(CodeShape::Object), server: Some(CodeShape::Object) });
    snapshot
}

fn candidate() -> Value {
    json!({"name": "v1.5.0", "reference": NEW, "repository": "r.io/code", "tag": "v1.5.0",
        "digest": NEW.split_once('@').unwrap().1, "sourceRevision": "v1.5.0"})
}

fn code_sync(spec: &Value) -> CodeSync {
    let mut whole = json!({
        "source": {"registry": {"repository": "r.io/code", "tag": {"semver": "*"}}},
        "stages": [
            {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "soak": "10m"},
            {"name": "production", "targets": [{"kind": "Config", "name": "production"}], "maxConcurrent": 2,
                "approval": "Manual", "windows": ["office-hours"]},
        ],
        "windows": [{"name": "office-hours",
            "allow": {"cron": "0 8 * * mon-thu", "duration": "8h", "timeZone": "Europe/Berlin"}}],
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "production", "namespace": "puppet", "uid": "u-1", "generation": 1},
        "spec": whole,
        "status": {
            "observedGeneration": 1,
            "source": {"summary": "r.io/code *", "revision": "v1.5.0"},
            "candidate": candidate(),
            "deployed": {"name": "v1.4.2", "reference": OLD},
        },
    }))
    .unwrap()
}

fn screen(plan: &Plan) -> String {
    View { now: now(), colourful: false }.plan(plan)
}

fn planned(spec: &Value) -> Plan {
    let code_sync = code_sync(spec);
    plan(&snapshot(), Some(&code_sync), &code_sync, now())
}

#[test]
fn a_person_sees_what_would_happen() {
    assert_eq!(
        screen(&planned(&json!({}))),
        "\
puppet/production  ·  v1.4.2@aaaaaaaaaa → v1.5.0@bbbbbbbbbb

  1 canary      ▸ writing
                writes Server/canary: v1.4.2@aaaaaaaaaa → v1.5.0@bbbbbbbbbb
                rolls canary
                then soaks 10m
  2 production  ⏸ pending, not before 2026-11-23 07:00Z
                waits for approval: `voxsync approve production -n puppet --digest sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`
                waits for its windows: window office-hours is closed until Mon 2026-11-23 08:00 CET
                writes Config/production: v1.4.2@aaaaaaaaaa → v1.5.0@bbbbbbbbbb
                rolls compile-1, compile-2, compile-3 (2 at once), then ca (alone: Recreate)

  now: Rolling: canary is written"
    );
}

#[test]
fn programs_are_told_what_the_screen_shows() {
    let told = json_of(&[planned(&json!({}))], now());
    let first = &told["codeSyncs"][0];
    assert_eq!([&told["apiVersion"], &first["namespace"]], ["plan.voxsync.dev/v1", "puppet"]);
    assert_eq!(first["candidate"]["reference"], NEW);
    let production = &first["stages"][1];
    assert_eq!(
        [&production["writes"], &production["rounds"], &production["window"]["opens"]],
        [
            &json!([{"target": "Config/production", "from": OLD, "to": NEW}]),
            &json!([
                {"servers": ["compile-1", "compile-2", "compile-3"], "atOnce": 2, "authorities": false},
                {"servers": ["ca"], "atOnce": 1, "authorities": true},
            ]),
            &json!("2026-11-23T07:00:00Z"),
        ]
    );
    assert_eq!(
        [&production["earliest"], &production["needsApproval"], &production["phase"]],
        [&json!("2026-11-23T07:00:00Z"), &json!(true), &json!("Pending")]
    );
}

#[test]
fn an_emergency_waits_for_nothing() {
    let pin = json!({"pin": {"reference": NEW, "reason": "CVE", "emergency": true}});
    let screen = screen(&planned(&pin));
    assert!(screen.contains("\n  pinned to r.io/code:v1.5.0@sha256:bbbb"), "{screen}");
    assert!(!["office-hours", "approve", "soaks"].iter().any(|word| screen.contains(word)), "{screen}");
}

#[test]
fn a_pin_that_names_nothing_is_not_told_as_what_was_promoted_before() {
    let mut code_sync =
        code_sync(&json!({"pin": {"reference": "r.io/code:v9.9.9", "reason": "CVE", "emergency": true}}));
    let why = "r.io/code:v9.9.9: there is no such tag. Nothing is written before the pin can be taken, or \
               `voxsync resume production -n puppet` takes the pin away";
    let status = code_sync.status.as_mut().unwrap();
    status.summary = Some("NotFound: spec.pin".to_owned());
    status.waiting = vec![serde_json::from_value(json!({"reason": "NotFound", "message": why})).unwrap()];
    let screen = screen(&plan(&snapshot(), Some(&code_sync), &code_sync, now()));
    assert!(
        screen.starts_with("puppet/production  ·  v1.4.2@aaaaaaaaaa, pinned to r.io/code:v9.9.9\n"),
        "{screen}"
    );
    assert!(
        screen.contains(&format!("  NotFound: {why}\n")) && screen.ends_with("now: NotFound: spec.pin"),
        "{screen}"
    );
    assert!(!screen.contains("v1.5.0") && !screen.contains("writes "), "{screen}");
}

#[test]
fn a_suspended_one_says_that_it_is_one() {
    let screen = screen(&planned(&json!({"suspend": true})));
    assert!(
        screen.contains("\n  it is suspended: this is what would happen if it were resumed\n"),
        "{screen}"
    );
    assert!(screen.contains("writes Server/canary: "), "{screen}");
    assert!(screen.ends_with("\n  then: Rolling: canary is written"), "{screen}");
}

#[test]
fn a_bad_spec_says_what_is_wrong_with_it() {
    let windows = json!([{"name": "office-hours", "allow": {"cron": "0 0 30 2 *", "duration": "8h"}}]);
    let screen = screen(&planned(&json!({"windows": windows})));
    assert!(
        screen.contains("  InvalidSpec: windows[office-hours].allow.cron: \"0 0 30 2 *\" names a day"),
        "{screen}"
    );
    assert!(!screen.contains("writes "), "{screen}");
}

#[test]
fn an_edited_one_is_told_with_the_status_of_the_old_one() {
    let live = code_sync(&json!({}));
    let mut edited = code_sync(&json!({"windows": [], "stages": [
        {"name": "all", "targets": [{"kind": "Server", "name": "canary"}, {"kind": "Config", "name": "production"}]},
    ]}));
    edited.status = None;
    let edited_screen = screen(&plan(&snapshot(), Some(&live), &edited, now()));
    assert!(edited_screen.contains("  1 all  ▸ gating"), "{edited_screen}");
    assert!(
        edited_screen.contains("writes Config/production: v1.4.2@aaaaaaaaaa → v1.5.0@bbbbbbbbbb"),
        "{edited_screen}"
    );
    assert!(
        edited_screen.contains(
            "rolls canary, compile-1, compile-2, compile-3 (all at once), then ca (alone: Recreate)"
        ),
        "{edited_screen}"
    );

    edited.spec.source.registry.as_mut().unwrap().repository = "r.io/other".to_owned();
    let other = screen(&plan(&snapshot(), Some(&live), &edited, now()));
    assert!(other.contains("  its source is another one than in the cluster"), "{other}");
    let new = screen(&plan(&snapshot(), None, &edited, now()));
    assert!(new.contains("  it is not in the cluster: "), "{new}");
}

#[test]
fn an_edited_one_that_has_nothing_to_do_says_what_shows_more() {
    let mut live = code_sync(&json!({}));
    let status = live.status.as_mut().unwrap();
    let candidate = status.candidate.as_mut().unwrap();
    (candidate.name, candidate.reference) = ("v1.4.2".to_owned(), OLD.to_owned());
    (candidate.tag, candidate.digest) =
        (Some("v1.4.2".to_owned()), OLD.split_once('@').unwrap().1.to_owned());
    let mut edited = live.clone();
    edited.spec.windows = Vec::new();
    edited.spec.stages.as_mut().unwrap()[1].windows = Vec::new();
    let edited = screen(&plan(&snapshot(), Some(&live), &edited, now()));
    assert!(edited.contains("\n  all stages run the candidate: `voxsync simulate -f FILE"), "{edited}");
    let same = screen(&plan(&snapshot(), Some(&live), &live, now()));
    assert!(!same.contains("voxsync simulate"), "{same}");
}
