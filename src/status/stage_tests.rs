//! What the screen says of stages: whose pods are ready on what, and what is waited for.

use serde_json::{Value, json};
use voxsync_crds::{CodeSync, code_sync::Trigger};

use super::tests::{NEW, OLD, promotion, registry, screen, view};

#[test]
fn says_of_which_code_pods_are_counted() {
    let stage = |name: &str, phase: &str, ready: u32| json!({"name": name, "phase": phase, "reference": OLD, "ready": ready, "desired": 1});
    let failed = json!({
        "promotion": promotion("Failed"),
        "stages": [stage("canary", "Failed", 0), stage("production", "Pending", 1)],
    });
    let screen_of_failed = screen(&registry(), &failed);
    assert!(screen_of_failed.contains("failed   0 of 1 ready on v1.1.0@bbbbbbbbbb\n"), "{screen_of_failed}");
    assert!(screen_of_failed.contains("pending   1 of 1 ready on v1.0.0@aaaaaaaaaa\n"), "{screen_of_failed}");

    let given_back = json!({"promotion": promotion("RolledBack"), "stages": [stage("canary", "Failed", 1)]});
    let given_back = screen(&registry(), &given_back);
    let wanted = "failed v1.1.0@bbbbbbbbbb   1 of 1 ready on v1.0.0@aaaaaaaaaa\n";
    assert!(given_back.contains(wanted), "{given_back}");

    let mut going = promotion("Released");
    going.as_object_mut().unwrap().retain(|name, _| !["outcome", "failure"].contains(&name.as_str()));
    let mut half = stage("production", "Pending", 1);
    half["started"] = going["id"].clone();
    let half_written = screen(&registry(), &json!({"promotion": going, "stages": [half]}));
    assert!(half_written.contains("pending   1 of 1 ready on the code that they have\n"), "{half_written}");

    let new = json!({"stages": [{"name": "all", "phase": "Pending", "ready": 1, "desired": 1}]});
    let new = screen(&registry(), &new);
    assert!(new.contains("1 of 1 ready on the code that they have\n"), "{new}");
}

/// A CodeSync whose canary soaks, and what comes after it.
fn soaking() -> CodeSync {
    let digest = |name: &str| name.rsplit('@').next().unwrap().to_owned();
    let check = |name: &str, standing: &str, message: &str| json!({"name": name, "standing": standing, "since": "2026-11-22T22:50:00Z", "message": message});
    let stage = |name: &str| json!({"name": name, "targets": [{"kind": "Config", "name": "production"}]});
    let mut production = stage("production");
    production["windows"] = json!(["office-hours"]);
    production["approval"] = json!("Manual");
    let mut night = stage("night");
    night["windows"] = json!(["nights"]);
    let mut going = promotion("Released");
    going.as_object_mut().unwrap().retain(|name, _| !["outcome", "failure"].contains(&name.as_str()));
    going["candidate"]["digest"] = json!(digest(NEW));
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "production", "namespace": "puppet"},
        "spec": {
            "source": registry(), "stages": [stage("canary"), production, night],
            "windows": [
                {"name": "office-hours", "allow": {"cron": "0 8 * * mon-thu", "duration": "8h", "timeZone": "Europe/Berlin"}},
                {"name": "nights", "allow": {"cron": "0 22 * * *", "duration": "6h"}},
            ],
        },
        "status": {
            "promotion": going,
            "stages": [
                {
                    "name": "canary", "phase": "Soaking", "ready": 1, "desired": 1, "checks": [
                        check("nodes", "Passed", "0.4 % of 250 nodes failed (limit 2 %)"), check("smoke", "Unreachable", "no route"),
                    ],
                },
                {"name": "production", "phase": "Pending", "reference": OLD, "ready": 2, "desired": 2},
                {"name": "night", "phase": "Pending", "reference": OLD, "ready": 2, "desired": 2},
            ],
        },
    }))
    .unwrap()
}

#[test]
fn says_what_checks_said_and_what_later_stages_will_wait_for() {
    let mut going = soaking();
    let lines = |code_sync: &CodeSync| -> Vec<String> {
        let screen = view().code_sync(code_sync);
        let stages = screen.lines().skip_while(|line| !line.starts_with("  1 canary"));
        stages.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(
        lines(&going),
        [
            "  1 canary      ▸ soaking   1 of 1 ready on v1.1.0@bbbbbbbbbb",
            "                  checks: nodes ✔ 0.4 % of 250 nodes failed (limit 2 %), smoke ?",
            "  2 production  ⏸ not begun   2 of 2 ready on v1.0.0@aaaaaaaaaa",
            "                  will wait for: approval, window office-hours (opens 2026-11-23 07:00Z)",
            "  3 night       ⏸ not begun   2 of 2 ready on v1.0.0@aaaaaaaaaa",
            "                  will wait for: window nights (open until 2026-11-23 04:00Z)",
        ]
    );
    let status = going.status.as_mut().unwrap();
    let approval =
        json!({"digest": NEW.rsplit('@').next(), "approver": "jane", "at": "2026-11-22T22:50:00Z"});
    status.approvals = vec![serde_json::from_value(approval).unwrap()];
    assert!(
        lines(&going)[3].contains("will wait for: approval (given by jane), window"),
        "{:?}",
        lines(&going)
    );
    let mut goes_back = going.clone();
    goes_back.status.as_mut().unwrap().promotion.as_mut().unwrap().trigger = Trigger::Rollback;
    assert_eq!(lines(&goes_back).len(), 4, "who goes back waits for none of it");
    going.status.as_mut().unwrap().promotion.as_mut().unwrap().emergency = true;
    assert_eq!(lines(&going).len(), 6, "an emergency lasts as long as its pin");
    let pin = json!({"reference": NEW, "emergency": true});
    going.spec.pin = Some(serde_json::from_value(pin).unwrap());
    assert_eq!(lines(&going).len(), 4, "an emergency waits for none of it");
}

#[test]
fn a_stage_that_has_not_begun_does_not_look_as_if_it_were_down() {
    let mut going = promotion("Released");
    going.as_object_mut().unwrap().retain(|name, _| !["outcome", "failure"].contains(&name.as_str()));
    let stage = |name: &str, phase: &str| json!({"name": name, "phase": phase, "reference": OLD, "ready": 5, "desired": 5});
    let status = json!({"promotion": going, "stages": [stage("a", "Pending"), stage("b", "Held"), stage("c", "Gating")]});
    let shown = screen(&registry(), &status);
    for line in [
        "  1 a  ⏸ not begun   5 of 5 ready on v1.0.0@aaaaaaaaaa",
        "  2 b  ✘ held   5 of 5 ready on the code that they have",
        "  3 c  ▸ gating   5 of 5 ready on v1.0.0@aaaaaaaaaa",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

#[test]
fn a_stage_whose_checks_do_not_hold_has_no_tick() {
    let check =
        json!({"name": "nodes", "standing": "Failed", "since": "2026-11-22T22:50:00Z", "message": "4 %"});
    for phase in ["Checking", "Soaking"] {
        let status =
            json!({"stages": [{"name": "a", "phase": phase, "ready": 1, "desired": 1, "checks": [check]}]});
        let shown = screen(&registry(), &status);
        assert!(
            shown.contains(&format!("  1 a  ▸ {}", phase.to_lowercase())) && !shown.contains('✔'),
            "{shown}"
        );
    }
}

#[test]
fn who_waits_for_a_person_is_not_said_to_go_on_with_the_window() {
    let row = |reason: &str, until: Option<&str>| json!({"stage": "production", "reason": reason, "message": "m", "until": until});
    let rows = [row("Approval", None), row("Window", Some("2026-11-23T07:00:00Z"))];
    let said =
        |rows: &[Value]| screen(&registry(), &json!({"waiting": rows})).lines().last().unwrap().to_owned();
    let person = "  nothing is wrong; waits for a person to approve stage production";
    assert_eq!(said(&rows[..1]), person);
    assert_eq!(said(&rows), format!("{person}; and the window opens at 2026-11-23 07:00Z, in 8 h 9 m"));
    assert_eq!(
        said(&rows[1..]),
        "  nothing is wrong; next thing to happen: the window opens at 2026-11-23 07:00Z, in 8 h 9 m"
    );
}
