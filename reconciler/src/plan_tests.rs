use rstest::rstest;
use serde_json::{Value, json};
use voxsync_crds::{Config, annotations::Gate};
use voxsync_rollout::resolve::resolve;

use super::*;
use crate::{finding::Finding, gate::Because};

#[path = "plan_gate_tests.rs"]
mod gates;

const START: i64 = 1_000_000;

/// One Server that the plans are for, with what is remembered of it.
struct Scene {
    server: Value,
    config: Value,
    deployment: Option<Value>,
    gate: GateStep,
    memory: Memory,
    mode: Mode,
}

impl Scene {
    /// A Config that names new code, and a Deployment of the operator that has the old.
    fn new(mode: Mode) -> Self {
        let server = json!({
            "kind": "Server", "metadata": {"name": "stable", "namespace": "openvox", "uid": "u"},
            "spec": {"configRef": "production"},
        });
        let config =
            json!({"kind": "Config", "metadata": {"name": "production"}, "spec": {"code": {"image": "a:2"}}});
        let mut scene = Self {
            server,
            config,
            deployment: None,
            gate: GateStep::Nothing,
            memory: Memory::default(),
            mode,
        };
        scene.deploy("a:1");
        scene
    }

    fn of_nobody(mode: Mode) -> Self {
        let mut scene = Self::new(mode);
        scene.change_deployment("/metadata/ownerReferences", json!([]));
        scene
    }

    fn deploy(&mut self, reference: &str) {
        let owners = match &self.deployment {
            Some(deployment) => deployment["metadata"]["ownerReferences"].clone(),
            None => json!([{
                "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server", "name": "stable", "uid": "u",
                "controller": true,
            }]),
        };
        let mount =
            json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
        let pod = json!({
            "containers": [{"name": "openvox-server", "volumeMounts": [mount]}],
            "volumes": [{"name": "code", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}}],
        });
        let annotations = json!({"openvox.voxpupuli.org/code-image": reference});
        self.deployment = Some(json!({
            "metadata": {"name": "stable", "resourceVersion": "7", "ownerReferences": owners},
            "spec": {
                "selector": {"matchLabels": {"openvox.voxpupuli.org/server": "stable"}},
                "template": {"metadata": {"annotations": annotations}, "spec": pod},
            },
        }));
    }

    fn change_deployment(&mut self, place: &str, value: Value) {
        *self.deployment.as_mut().and_then(|deployment| deployment.pointer_mut(place)).unwrap() = value;
    }

    fn at(&mut self, millisecond: i64) -> Plan {
        let server: Server = serde_json::from_value(self.server.clone()).unwrap();
        let config: Config = serde_json::from_value(self.config.clone()).unwrap();
        let deployment: Option<Deployment> =
            self.deployment.clone().map(|deployment| serde_json::from_value(deployment).unwrap());
        let facts = Facts {
            server: &server,
            config_is_paused: config.is_paused(),
            code: &resolve(&server, Some(&config)),
            deployment: deployment.as_ref(),
            gate: &self.gate,
        };
        plan(self.mode, facts, &mut self.memory, moment(millisecond))
    }

    /// voxsync holds the Deployment back.
    fn hold(&mut self, step: fn(Gate) -> GateStep) {
        let deployment = self.deployment.as_mut().unwrap();
        deployment["spec"]["paused"] = json!(true);
        deployment["metadata"]["annotations"] = json!({"voxsync.dev/gate": json!(gate()).to_string()});
        self.gate = step(gate());
    }

    /// What the shell does after a touch.
    fn touched(&mut self, value: &str, millisecond: i64) {
        self.server["metadata"]["annotations"] = json!({"voxsync.dev/requested-code": value});
        self.memory.change.as_mut().unwrap().asked_at = Some(moment(millisecond));
    }

    /// What the shell does after a write.
    fn written(&mut self, millisecond: i64) {
        self.memory.change.as_mut().unwrap().written(moment(millisecond));
        self.deploy("a:2");
    }
}

fn gate() -> Gate {
    Gate { code_sync: "uid".into(), promotion: "production-1".into(), since: moment(0).into() }
}

fn moment(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(START * 1000 + millisecond).unwrap()
}

fn is_write(plan: &Plan) -> bool {
    matches!(plan, Plan::Write(write) if write.references == ["a:2"] && write.present == "a:1")
}

fn reason(plan: &Plan) -> &'static str {
    match plan {
        Plan::Report(finding) => finding.reason(),
        other => panic!("it reports nothing, but plans {other:?}"),
    }
}

#[test]
fn an_operator_is_asked_first_and_has_two_seconds() {
    let mut scene = Scene::new(Mode::Full);
    assert_eq!(scene.at(0), Plan::TouchServer("a:2".into()));
    scene.touched("a:2", 100);
    assert_eq!(scene.at(200), Plan::Wait(moment(2100)));
    assert_eq!(scene.at(2099), Plan::Wait(moment(2100)));
    assert!(is_write(&scene.at(2100)));
}

#[test]
fn an_operator_that_follows_leaves_nothing_to_write() {
    let mut scene = Scene::new(Mode::Full);
    scene.at(0);
    scene.touched("a:2", 0);
    scene.deploy("a:2");
    assert_eq!(scene.at(700), Plan::Nothing);
    assert_eq!(scene.memory, Memory::default());
}

#[test]
fn without_an_operator_it_is_written_at_once() {
    assert!(is_write(&Scene::of_nobody(Mode::Full).at(0)));
}

#[test]
fn after_a_restart_a_question_that_was_asked_is_not_asked_again() {
    let mut scene = Scene::new(Mode::Full);
    scene.server["metadata"]["annotations"] = json!({"voxsync.dev/requested-code": "a:2"});
    assert!(is_write(&scene.at(0)));
}

#[test]
fn put_back_twice_stops() {
    let mut scene = Scene::of_nobody(Mode::Full);
    assert!(is_write(&scene.at(0)));
    scene.written(0);
    assert_eq!(scene.at(1), Plan::Nothing);

    scene.deploy("a:1");
    assert_eq!(scene.at(500), Plan::Wait(moment(2000)));
    assert!(is_write(&scene.at(2000)));
    scene.written(2000);
    assert_eq!(scene.at(2001), Plan::Nothing);

    scene.deploy("a:1");
    assert_eq!(scene.at(2500), Plan::TouchServer("a:2".into()));
    scene.touched("a:2", 2500);
    assert_eq!(reason(&scene.at(2600)), "PutBack");
    assert_eq!(reason(&scene.at(100_000_000)), "PutBack");

    scene.config["spec"]["code"]["image"] = json!("a:3");
    assert!(matches!(scene.at(100_000_001), Plan::Write(_)), "other code is another change");
}

#[test]
fn who_won_and_then_follows_is_trusted_again() {
    let mut scene = Scene::of_nobody(Mode::Full);
    for second in [0, 10] {
        scene.at(second * 1000);
        scene.written(second * 1000);
        scene.deploy("a:1");
    }
    scene.at(20_000);
    scene.touched("a:2", 20_000);
    assert_eq!(reason(&scene.at(20_001)), "PutBack");
    scene.deploy("a:2");
    assert_eq!(scene.at(30_000), Plan::Nothing);
    scene.deploy("a:1");
    assert!(is_write(&scene.at(40_000)));
}

#[rstest]
#[case(Mode::Full)]
#[case(Mode::Cooperative)]
#[case(Mode::Observe)]
fn what_is_right_needs_nothing(#[case] mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.deploy("a:2");
    assert_eq!(scene.at(0), Plan::Nothing);
}

#[test]
fn cooperative_only_asks_and_then_reports() {
    for mut scene in [Scene::new(Mode::Cooperative), Scene::of_nobody(Mode::Cooperative)] {
        assert_eq!(scene.at(0), Plan::TouchServer("a:2".into()));
        scene.touched("a:2", 0);
        assert_eq!(scene.at(1), Plan::Wait(moment(30_000)));
        assert_eq!(reason(&scene.at(30_000)), "NotRolledOut");
    }
}

#[test]
fn observe_only_reports() {
    let mut scene = Scene::new(Mode::Observe);
    assert_eq!(scene.at(0), Plan::Wait(moment(30_000)));
    let plan = scene.at(30_000);
    assert_eq!(reason(&plan), "NotRolledOut");
    let Plan::Report(Finding::NotFollowed { present, wanted, .. }) = plan else {
        panic!("it reports something else")
    };
    assert_eq!((present.as_str(), wanted.as_str()), ("a:1", "a:2"));
}

#[test]
fn a_refusal_is_not_tried_again_before_its_time() {
    let mut scene = Scene::of_nobody(Mode::Full);
    scene.at(0);
    scene.memory.change.as_mut().unwrap().retry.at = Some(moment(5000));
    assert_eq!(scene.at(4999), Plan::Wait(moment(5000)));
    assert!(is_write(&scene.at(5000)));
    scene.config["spec"]["code"]["image"] = json!("a:3");
    scene.memory.change.as_mut().unwrap().retry.at = Some(moment(50_000));
    assert!(matches!(scene.at(5001), Plan::Write(_)), "other code is tried at once");
}

#[rstest]
#[case::config("config", json!({"annotations": {"openvox.voxpupuli.org/paused": "true"}}))]
#[case::server("server", json!({"name": "stable", "uid": "u", "annotations": {"openvox.voxpupuli.org/paused": "true"}}))]
#[case::on_its_way_out("server", json!({"name": "stable", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}))]
fn what_a_person_paused_or_deletes_is_left_alone(#[case] object: &str, #[case] metadata: Value) {
    let mut scene = Scene::of_nobody(Mode::Full);
    match object {
        "config" => scene.config["metadata"] = metadata,
        _ => scene.server["metadata"] = metadata,
    }
    assert_eq!(scene.at(0), Plan::Nothing);
}

#[test]
fn a_deployment_that_a_person_paused_is_still_written() {
    let mut scene = Scene::of_nobody(Mode::Full);
    scene.deployment.as_mut().unwrap()["spec"]["paused"] = json!(true);
    let Plan::Write(write) = scene.at(0) else { panic!("it is not written") };
    assert!(!serde_json::to_string(&write.patch).unwrap().contains("paused"));
}

#[test]
fn what_is_impossible_is_reported_and_never_written() {
    let mut scene = Scene::new(Mode::Full);
    scene.change_deployment("/metadata/ownerReferences/0/uid", json!("earlier"));
    assert_eq!(reason(&scene.at(0)), "ForeignOwner");
    scene.deployment = None;
    assert_eq!(scene.at(0), Plan::Wait(moment(5000)), "perhaps its watch is only late");
    assert_eq!(scene.at(4999), Plan::Wait(moment(5000)));
    assert_eq!(reason(&scene.at(5000)), "DeploymentMissing");
    scene.config["spec"]["code"] = json!({"image": ""});
    assert_eq!(reason(&scene.at(0)), "InvalidCode");
}

#[test]
fn a_server_without_code_needs_no_deployment_of_its_own() {
    let mut scene = Scene::new(Mode::Full);
    scene.server["spec"]["server"] = json!(false);
    scene.change_deployment("/metadata/ownerReferences/0/uid", json!("earlier"));
    assert_eq!(scene.at(0), Plan::Nothing);
    scene.deployment = None;
    assert_eq!(scene.at(0), Plan::Nothing);
}
