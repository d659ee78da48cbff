//! `voxsync simulate` without a cluster: the shipped example, what cannot be read, and that it says what really happens.

use std::process::Output;

use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use super::{Demo, text, voxsync, voxsync_reading};

/// Events of a promotion that both the agent and a simulation tell.
const STORY: [&str; 7] = [
    "CandidateFound",
    "PromotionStarted",
    "StageGated",
    "StageRolledOut",
    "Released",
    "RollingBack",
    "Quarantined",
];

fn of_timeline(timeline: &str, arguments: &[&str]) -> Output {
    voxsync_reading(timeline, &[&["simulate", "--timeline", "-"][..], arguments].concat())
}

#[test]
fn the_example_comes_true() {
    let files = ["-f", "examples/careful.yaml", "-f", "examples/servers.yaml"];
    let timeline = ["--timeline", "examples/timelines/careful.yaml"];
    let output = voxsync(&[&["simulate"][..], &files, &timeline].concat());
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    for wanted in [
        "production  ·  ghcr.io/example/puppet-code >=1.0.0, simulated from 2026-12-14 15:00Z\n",
        "Mon 2026-12-14\n  15:00:00Z  ",
        "window mornings is closed until Tue 2026-12-15 08:00 CET",
        "compile-1: let go",
        "Thu 2027-01-07\n  07:00:00Z  ",
        "5 of 5 expectations came true",
    ] {
        assert!(told.contains(wanted), "{wanted}:\n{told}");
    }
    let (compilers, authority) = (told.find("compile-2: ready"), told.find("ca: let go"));
    assert!(compilers.is_some() && compilers < authority, "{told}");
}

#[test]
fn the_bad_week_comes_true() {
    let files = ["-f", "examples/careful.yaml", "-f", "examples/servers.yaml"];
    let timeline = ["--timeline", "examples/timelines/incidents.yaml"];
    let output = voxsync(&[&["simulate"][..], &files, &timeline].concat());
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    assert!(told.contains("16 of 16 expectations came true"), "{told}");
}

#[test]
fn what_does_not_come_true_has_exit_code_1() {
    let file = ["-f", "examples/staged.yaml", "-o", "json"];
    let output = of_timeline("{deployed: v1.4.2, events: [{at: +0s, expect: {canary: v1.4.2}}]}", &file);
    let told: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON value");
    assert_eq!((output.status.code(), &told["isWell"]), (Some(0), &Value::Bool(true)), "{told}");
    let missed =
        "{deployed: v1.4.2, events: [{at: +1s, tag: v1.5.0}, {at: +9m, expect: {production: v1.5.0}}]}";
    assert_eq!(of_timeline(missed, &file).status.code(), Some(1));
}

#[test]
fn what_cannot_be_read_has_exit_code_2_and_a_way_out() {
    let cases = [
        (
            "events:\n- {at: +0s, tag: v1}\n- {at: +1h, approve: v2}",
            "examples/staged.yaml",
            "line 3: events[1]: approve:",
        ),
        ("event: []", "examples/staged.yaml", "unknown field `event`"),
        ("", "-", "both --file and --timeline are standard input"),
        ("", "examples/servers.yaml", "there is no CodeSync in examples/servers.yaml"),
        ("", "examples/canary-minimum-age.yaml", "name one of canary, production"),
        ("", "/nowhere", "/nowhere"),
    ];
    for (timeline, file, wanted) in cases {
        let output = of_timeline(timeline, &["-f", file]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wanted}: {said}");
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn all_that_is_wrong_with_a_manifest_is_said_one_a_line() {
    let manifest = "{apiVersion: voxsync.dev/v1alpha1, kind: CodeSync, metadata: {name: production},
        spec: {source: {registri: {}}, suspended: true}}";
    let output = voxsync_reading(manifest, &["simulate", "-f", "-", "--timeline", "/nowhere"]);
    let said = text(&output.stderr);
    let mut rows: Vec<&str> = said.lines().collect();
    rows.get_mut(1..).expect("rows").sort_unstable();
    let wanted = [
        "voxsync: CodeSync default/production would be refused:",
        "  spec.source.registri: there is no such field",
        "  spec.suspended: there is no such field",
    ];
    assert_eq!((output.status.code(), rows), (Some(2), wanted.to_vec()));
}

impl Demo {
    /// A simulation of what the demo did tells the same story: the events of its CodeSync, in their order.
    pub(crate) fn did_what_a_simulation_tells(&self, tag: &str) {
        let (release, _) = tag.rsplit_once('.').expect("a version");
        let timeline = format!(
            "{{deployed: {release}.0, events: [{{at: +0s, tag: {tag}}}, \
              {{at: +1h, tag: {release}.3, fails: {{stage: canary}}}}]}}"
        );
        let files = ["-f", "examples/staged.yaml", "-f", "examples/servers.yaml", "-o", "json"];
        let output = of_timeline(&timeline, &files);
        let told: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON value");
        let reasons = told["ladder"].as_array().expect("a ladder").iter().map(|line| line["reason"].as_str());
        let simulated: Vec<String> = reasons.flatten().map(str::to_owned).collect();
        let simulated = of_promotions(simulated);
        let ends = ["Released", "RollingBack"].map(str::to_owned);
        assert!(ends.iter().all(|end| simulated.contains(end)), "{told:#}");
        assert_eq!(of_promotions(self.events()), simulated);
    }

    /// The events of the CodeSync, in their order.
    fn events(&self) -> Vec<String> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("a kubeconfig");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listed = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let client = Client::try_from(config.expect("a configuration")).expect("a client");
            Api::<Event>::namespaced(client, "puppet").list(&ListParams::default()).await.expect("events")
        });
        let is_of_it = |event: &Event| {
            let regarding = event.regarding.as_ref();
            regarding.is_some_and(|it| {
                it.kind.as_deref() == Some("CodeSync") && it.name.as_deref() == Some("production")
            })
        };
        let mut events: Vec<Event> = listed.items.into_iter().filter(is_of_it).collect();
        events.sort_by(|one, other| {
            one.event_time.as_ref().map(|it| it.0).cmp(&other.event_time.as_ref().map(|it| it.0))
        });
        events.into_iter().filter_map(|event| event.reason).collect()
    }
}

/// Those that tell of promotions, from the first one on: the demo pushes its first tag perhaps before the first look.
fn of_promotions(reasons: Vec<String>) -> Vec<String> {
    let told = reasons.into_iter().filter(|reason| STORY.contains(&reason.as_str()));
    told.skip_while(|reason| reason != "PromotionStarted").collect()
}
