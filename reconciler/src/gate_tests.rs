use rstest::rstest;
use serde_json::{Value, from_value};

use super::*;

const WORKS: Holder = Holder::Works { is_served: true, is_turn: false };
const TURN: Holder = Holder::Works { is_served: true, is_turn: true };
const EARLY: Holder = Holder::Works { is_served: false, is_turn: true };
const GONE: Holder = Holder::Nobody { is_proven: false };
const PROVEN: Holder = Holder::Nobody { is_proven: true };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn gate_of(promotion: &str) -> Gate {
    Gate { code_sync: "uid".into(), promotion: promotion.into(), since: at(1).into() }
}

/// The step in short, for a Deployment by its words: `paused`, `between` (two templates), `gate` (for p1), `other` (of another CodeSync), `code`
/// (in the template), `rolled` (out before), and `wanted` or `next` for promotion p1 or p2 that asks for a gate.
fn step(words: &str, holder: Holder) -> String {
    let has = |word: &str| words.split(' ').any(|one| one == word);
    let other = Gate { code_sync: "other".into(), ..gate_of("p1") };
    let gate = if has("gate") { Some(gate_of("p1")) } else { has("other").then_some(other) };
    let promotion = if has("next") { Some("p2") } else { has("wanted").then_some("p1") };
    let facts = GateFacts {
        is_paused: has("paused"),
        is_between: has("between"),
        gate,
        wanted_by: promotion.map(|promotion| ("uid".to_owned(), promotion.to_owned())),
        code: match (has("code"), has("rolled")) {
            (true, true) => CodeIs::RolledOut,
            (true, false) => CodeIs::InTemplate,
            (false, _) => CodeIs::Missing,
        },
        holder,
    };
    match decide(&facts, at(5)) {
        GateStep::Place(gate) => format!("place {} {}", gate.promotion, gate.since),
        GateStep::Relabel(gate) => format!("relabel {} {}", gate.promotion, gate.since),
        GateStep::Lift { because, .. } => format!("lift {because:?}"),
        GateStep::Orphaned(_) => "orphaned".to_owned(),
        GateStep::Clear(_) => "clear".to_owned(),
        GateStep::Keep => "keep".to_owned(),
        GateStep::Nothing => "nothing".to_owned(),
    }
}

#[rstest]
#[case::asked_for("wanted", GONE, "place p1 1970-01-01T00:00:05Z")]
#[case::a_pause_would_leave_no_pods("wanted between", GONE, "keep")]
#[case::there_already("wanted paused gate code rolled", EARLY, "keep")]
#[case::undone_while_gates_are_placed("wanted gate", EARLY, "keep")]
#[case::left_behind_by_the_last_promotion("next gate", GONE, "place p2 1970-01-01T00:00:05Z")]
#[case::for_the_next_promotion("next paused gate code rolled", GONE, "relabel p2 1970-01-01T00:00:01Z")]
#[case::of_another_code_sync("wanted paused other code", WORKS, "keep")]
#[case::of_another_code_sync_whose_turn_it_is("wanted paused between other code", TURN, "lift Turn")]
#[case::a_persons_pause("wanted paused", GONE, "nothing")]
#[case::nobody_asks("", GONE, "nothing")]
#[case::nobody_asks_and_a_person_paused("paused", GONE, "nothing")]
#[case::undone_later("gate code", WORKS, "clear")]
#[case::undone_and_orphaned("gate", GONE, "clear")]
#[case::before_the_code_is_written("paused gate code rolled", EARLY, "keep")]
#[case::before_its_turn("paused gate code", WORKS, "keep")]
#[case::before_the_template("paused gate", TURN, "keep")]
#[case::its_turn("paused gate code", TURN, "lift Turn")]
#[case::rolled_back("paused gate code rolled", Holder::RollsBack, "lift RolledOut")]
#[case::not_rolled_back_yet("paused gate code", Holder::RollsBack, "keep")]
#[case::the_old_reference_is_not_in_the_template_yet("paused gate", Holder::RollsBack, "keep")]
#[case::nothing_to_hold_back("paused gate code rolled", GONE, "lift RolledOut")]
#[case::others_run_it("paused gate code", PROVEN, "lift Proven")]
#[case::the_stage_waits_for_days("paused gate code rolled", Holder::Waits, "lift RolledOut")]
#[case::the_stage_waits_but_the_code_would_roll("paused gate code", Holder::Waits, "keep")]
#[case::the_stage_waits_and_the_template_is_old("paused gate", Holder::Waits, "keep")]
#[case::others_run_it_but_the_template_is_old("paused gate", PROVEN, "orphaned")]
#[case::nobody_brings_the_code("paused gate", GONE, "orphaned")]
#[case::nobody_runs_it("paused gate code", GONE, "orphaned")]
fn decides(#[case] words: &str, #[case] holder: Holder, #[case] wanted: &str) {
    assert_eq!(step(words, holder), wanted);
}

#[rstest]
#[case(Because::Turn, false)]
#[case(Because::RolledOut, true)]
#[case(Because::Proven, true)]
fn what_may_be_old_news_is_asked_for_again(#[case] because: Because, #[case] wanted: bool) {
    assert_eq!(GateStep::Lift { gate: gate_of("p1"), because }.looks_orphaned(), wanted);
}

#[rstest]
#[case::place(GateStep::Place(gate_of("p1")), json!({"a": "b"}), json!([true, {"a": "b", "gate": "p1"}]))]
#[case::place_the_first_annotation(GateStep::Place(gate_of("p1")), Value::Null, json!([true, {"gate": "p1"}]))]
#[case::relabel(GateStep::Relabel(gate_of("p2")), json!({"gate": "p1"}), json!([true, {"gate": "p2"}]))]
#[case::lift(GateStep::Lift { gate: gate_of("p1"), because: Because::Turn }, json!({"a": "b", "gate": "p1"}), json!([null, {"a": "b"}]))]
#[case::clear(GateStep::Clear(gate_of("p1")), json!({"gate": "p1"}), json!([true, {}]))]
fn writes_the_pause_and_its_annotation_and_no_more(
    #[case] step: GateStep,
    #[case] annotations: Value,
    #[case] wanted: Value,
) {
    // `gate` stands for the annotation with its promotion alone.
    let long = |annotations: &Value| match annotations.as_object() {
        None => Value::Null,
        Some(all) => all
            .iter()
            .map(|(name, value)| match name.as_str() {
                "gate" => (GATE.to_owned(), json!(json!(gate_of(value.as_str().unwrap())).to_string())),
                name => (name.to_owned(), value.clone()),
            })
            .collect(),
    };
    let is_held = matches!(step, GateStep::Relabel(_) | GateStep::Lift { .. } | GateStep::Clear(_));
    let mut before = json!({
        "metadata": {"name": "ca", "resourceVersion": "7"},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
    });
    if !annotations.is_null() {
        before["metadata"]["annotations"] = long(&annotations);
    }
    if is_held {
        before["spec"]["paused"] = json!(true);
    }
    let patch = patch(&step, &from_value(before.clone()).unwrap()).unwrap();
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    assert_eq!(
        (&after["spec"]["paused"], &after["metadata"]["annotations"]),
        (&wanted[0], &long(&wanted[1]))
    );
    for value in [&mut before, &mut after] {
        value["spec"]["paused"] = Value::Null;
        value["metadata"]["annotations"] = Value::Null;
    }
    assert_eq!(after, before);
    after["metadata"]["resourceVersion"] = json!("8");
    assert!(json_patch::patch(&mut after, &patch).is_err(), "another version is not patched");
}

/// What is read off a cluster in which promotion p1 gave `a:2` to all of a stage, and in which a promotion holds a Server with
/// this code back.
fn holder_with(runs: &str, gate: &str) -> Holder {
    let server =
        json!({"metadata": {"name": "ca", "namespace": "n", "uid": "u"}, "spec": {"configRef": "all"}});
    let server: Server = from_value(server).unwrap();
    let config = json!({"metadata": {"name": "all", "namespace": "n"}, "spec": {"code": {"image": "a:2"}}});
    let config: voxsync_crds::Config = from_value(config).unwrap();
    let stage =
        json!({"name": "all", "targets": [{"kind": "Config", "name": "all"}], "allowUnordered": true});
    let candidate = json!({"name": "new", "reference": "a:2", "repository": "a", "digest": ""});
    let promotion = json!({
        "id": "p1", "candidate": candidate, "trigger": "Source", "startedAt": "2026-01-01T00:00:00Z",
    });
    let source = json!({"registry": {"repository": "a", "tag": {"follow": "main"}}});
    let code_sync = json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "all", "namespace": "n", "uid": "uid"},
        "spec": {"source": source, "stages": [stage]},
        "status": {"promotion": promotion, "stages": [{"name": "all", "phase": "Rolling"}], "conditions": []},
    });
    let code_sync: voxsync_crds::CodeSync = from_value(code_sync).unwrap();
    let mount = json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
    let pod = json!({
        "containers": [{"name": "openvox-server", "volumeMounts": [mount]}],
        "volumes": [{"name": "code", "image": {"reference": runs, "pullPolicy": "IfNotPresent"}}],
    });
    let of_pods = json!({"annotations": {"openvox.voxpupuli.org/code-image": runs}});
    let gate = json!(gate_of(gate)).to_string();
    let deployment = json!({
        "metadata": {"name": "ca", "namespace": "n", "annotations": {GATE: gate}},
        "spec": {
            "paused": true, "selector": {"matchLabels": {"openvox.voxpupuli.org/server": "ca"}},
            "template": {"metadata": of_pods, "spec": pod},
        },
    });
    let deployment: Deployment = from_value(deployment).unwrap();
    let mut snapshot = Snapshot::default();
    assert!(snapshot.apply(server.clone()) && snapshot.apply(config) && snapshot.apply(code_sync));
    assert!(snapshot.apply(deployment.clone()));
    let code = snapshot.server_code("n", "ca").unwrap().unwrap();
    facts(&snapshot, &server, Some(&deployment), Some(&code)).unwrap().holder
}

#[test]
fn whose_turn_it_is_is_only_asked_for_who_could_go() {
    assert_eq!(holder_with("a:2", "p1"), TURN);
    assert_eq!(holder_with("a:1", "p1"), WORKS);
}

#[test]
fn a_gate_of_an_earlier_promotion_waits_for_proof_even_where_another_works_on_the_stage() {
    assert_eq!(holder_with("a:2", "p0"), GONE);
}
