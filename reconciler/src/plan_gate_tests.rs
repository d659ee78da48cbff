use super::*;

#[test]
fn a_template_that_is_held_back_is_written_at_once() {
    let mut scene = Scene::new(Mode::Full);
    scene.hold(|_| GateStep::Keep);
    assert!(is_write(&scene.at(0)), "nothing rolls: the operator need not come first");
    scene.memory.change.as_mut().unwrap().written(moment(0));
    assert_eq!(scene.at(1), Plan::Wait(moment(2000)), "who put it back has time to take the change in");
}

#[test]
fn a_gate_comes_before_all_else_and_is_tried_again_in_time() {
    let mut scene = Scene::new(Mode::Full);
    scene.hold(GateStep::Place);
    scene.config["metadata"]["annotations"] = json!({"openvox.voxpupuli.org/paused": "true"});
    assert!(matches!(scene.at(0), Plan::Gate(write) if write.resource_version.as_deref() == Some("7")));
    scene.memory.gate.at = Some(moment(50));
    assert_eq!(scene.at(49), Plan::Wait(moment(50)));
    assert!(matches!(scene.at(50), Plan::Gate(_)));
}

#[test]
fn an_orphan_is_reported_once_its_template_is_right() {
    let mut scene = Scene::of_nobody(Mode::Full);
    scene.hold(GateStep::Orphaned);
    assert!(is_write(&scene.at(0)));
    scene.deploy("a:2");
    scene.hold(GateStep::Orphaned);
    let plan = scene.at(1);
    assert_eq!(reason(&plan), "OrphanedGate");
    let Plan::Report(finding) = plan else { panic!("it reports nothing") };
    let text = finding.to_string();
    for part in ["production-1", "1970-01-12T13:46:40Z", "kubectl patch deployment stable -n openvox"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn an_orphan_is_reported_whatever_keeps_the_code_away() {
    let mut paused = Scene::of_nobody(Mode::Full);
    paused.hold(GateStep::Orphaned);
    paused.config["metadata"]["annotations"] = json!({"openvox.voxpupuli.org/paused": "true"});
    assert_eq!(reason(&paused.at(0)), "OrphanedGate");

    let mut impossible = Scene::of_nobody(Mode::Full);
    impossible.hold(GateStep::Orphaned);
    impossible.config["spec"]["code"] = json!({"image": ""});
    assert_eq!(reason(&impossible.at(0)), "OrphanedGate");
}

#[rstest]
#[case(Mode::Cooperative)]
#[case(Mode::Observe)]
fn other_modes_only_report_a_gate(#[case] mode: Mode) {
    let mut scene = Scene::new(mode);
    scene.deploy("a:2");
    scene.hold(|gate| GateStep::Lift { gate, because: Because::Turn });
    assert_eq!(reason(&scene.at(0)), "OrphanedGate");
}

#[test]
fn nothing_is_held_back_for_a_server_on_its_way_out() {
    let mut scene = Scene::new(Mode::Full);
    scene.hold(GateStep::Place);
    scene.server["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(scene.at(0), Plan::Nothing);
}
