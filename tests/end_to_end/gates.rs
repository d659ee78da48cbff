//! The order of a stage: certificate authorities last and alone, and only so many at once, by Deployments that are held
//! back until it is their turn.

use serde_json::{Value, json};

use crate::{
    audit::audit_when,
    harness::{
        Case, Cluster, Needs, Operator, Recorder, Release, cases,
        estate::PRODUCTION,
        gated::{assert_free, at_rest, half_way, has_gate, is_complete, is_held, pause, replay, rolls_to},
        recorder::version_number,
        rollouts::{code_images, revision},
        status::{DEADLINE, assert_says, phase, reference_in, text, waits_for},
        wait_for,
    },
};

pub(crate) const CASES: &[Case] = cases![
    ca_comes_last_and_alone => Needs::BOTH_SHAPES,
    a_bad_image_never_takes_the_ca_down => Needs::BOTH_SHAPES,
    a_ca_that_fails_on_its_own_turn_gets_its_old_code_back => Needs::BOTH_SHAPES,
    a_gate_is_lifted_only_when_the_template_is_right => Needs::BOTH_SHAPES,
    the_finalizer_is_there_while_gates_are_held,
    a_persons_pause_is_kept_and_blocks => Needs::BOTH_SHAPES,
    a_gate_undone_by_hand_is_not_fought,
    gated_in_status_and_audit => Needs::BOTH_SHAPES,
    max_concurrent_one_rolls_one_by_one => Needs::BOTH_SHAPES,
    beside_an_operator_each_server_is_rolled_once => Needs::BOTH_SHAPES,
    beside_a_newer_operator_each_server_is_rolled_once => Needs::BOTH_SHAPES,
];

const FINALIZER: &str = "voxsync.dev/gates";

async fn ca_comes_last_and_alone(cluster: &Cluster) {
    let servers = ["compile", "other", "ca", "second-ca"];
    let estate = at_rest(cluster, &servers, false, json!({})).await;
    let recorder = Recorder::start(cluster, &["Deployment", "Config"]).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    for server in servers {
        assert_free(cluster, server, &wanted, "2").await;
    }

    let written = recorder
        .first("Config", PRODUCTION, |config| reference_in(config).as_deref() == Some(wanted.as_str()));
    for authority in ["ca", "second-ca"] {
        assert!(recorder.first("Deployment", authority, is_held) < written, "first the gates, then the code");
    }
    for server in ["compile", "other"] {
        let held = recorder.versions("Deployment", server).into_iter().filter(has_gate).count();
        assert_eq!(held, 0, "{server} rolls first");
    }
    let runs = |deployment: &Value| code_images(deployment) == [wanted.as_str()] && is_complete(deployment);
    replay(&recorder, &servers, |all| {
        let [compile, other, ca, second] = all else { unreachable!("four Deployments") };
        if rolls_to(ca, &wanted) {
            assert!(runs(compile) && runs(other), "it comes last: {compile} {other}");
            assert!(!rolls_to(second, &wanted), "it is alone");
        }
        if rolls_to(second, &wanted) {
            assert!(runs(compile) && runs(other) && runs(ca), "one after the other");
        }
    });
    let told = async |code: &str| {
        let events = cluster.list("Event").await;
        let is_meant = |event: &&Value| {
            let [reason, about] = [&event["reason"], &event["involvedObject"]["name"]];
            reason == "RolloutComplete" && about == "ca" && text(&event["message"]).contains(code)
        };
        events.iter().filter(is_meant).map(|event| event["series"].clone()).collect::<Vec<_>>()
    };
    wait_for("the rollout to be told", DEADLINE, async || {
        let now = told("v1.1.0").await;
        if now == [Value::Null] { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let before = told("v1.0.0").await;
    assert!(
        before.iter().all(Value::is_null) && before.len() <= 1,
        "to be held back completes nothing: {before:?}"
    );
}

async fn a_bad_image_never_takes_the_ca_down(cluster: &Cluster) {
    let estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    let recorder = Recorder::start(cluster, &["Deployment", "Pod"]).await;
    let first = estate.tagged("v1.0.0");
    let wanted = estate.push_and_look(cluster, "v1.1.0-missing").await;
    let status = cluster
        .status_when(PRODUCTION, "it is given back", |status| status["promotion"]["outcome"] == "RolledBack")
        .await;
    assert_eq!(status["promotion"]["failure"]["server"], "compile", "{status}");
    assert_eq!(status["promotion"]["failure"]["reason"], "ImagePullBackOff", "{status}");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);
    assert_free(cluster, "ca", &first, "1").await;
    // What it had is its newest template again.
    assert_free(cluster, "compile", &first, "3").await;

    let of_ca = |object: &Value| object["metadata"]["labels"]["openvox.voxpupuli.org/server"] == "ca";
    let pods = recorder.versions_where(|object| object["kind"] == "Pod" && of_ca(object));
    let mut names: Vec<_> = pods.iter().map(|pod| &pod["metadata"]["name"]).collect();
    names.dedup();
    assert_eq!(names.len(), 1, "one pod from beginning to end");
    for pod in pods {
        let conditions = pod["status"]["conditions"].as_array().expect("conditions");
        let is_ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        assert!(is_ready && pod["metadata"].get("deletionTimestamp").is_none(), "{pod}");
    }
    let versions = recorder.versions("Deployment", "ca");
    assert!(versions.iter().any(|version| code_images(version) == [wanted.as_str()]), "its template had it");
    for version in versions {
        assert_eq!(version["status"]["availableReplicas"], 1, "{version}");
    }
}

async fn a_ca_that_fails_on_its_own_turn_gets_its_old_code_back(cluster: &Cluster) {
    let (estate, _) = half_way(cluster).await;
    let first = estate.tagged("v1.0.0");
    // Only it cannot start: by the image of the server itself, which nobody tries before its turn.
    let ca = cluster.get("Deployment", "ca").await;
    let containers = ca["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
    let place = containers.iter().position(|one| one["name"] == "openvox-server").expect("the server");
    let image = |image: &str| {
        let path = format!("/spec/template/spec/containers/{place}/image");
        json!([{"op": "replace", "path": path, "value": image}])
    };
    let present = containers[place]["image"].as_str().expect("an image");
    cluster.json_patch("Deployment", "ca", image("registry.example/missing:1")).await;
    cluster.patch("Deployment", "compile", pause(false)).await;

    let cannot_run_either =
        |status: &Value| waits_for(status, "RollingBack").contains("had before cannot run either");
    let status =
        cluster.status_when(PRODUCTION, "it says what nobody can mend for it", cannot_run_either).await;
    assert_eq!(status["promotion"]["failure"]["server"], "ca", "{status}");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);
    cluster.json_patch("Deployment", "ca", image(present)).await;
    let is_back = |status: &Value| status["promotion"]["outcome"] == "RolledBack";
    cluster.status_when(PRODUCTION, "it is given back", is_back).await;
    for server in ["compile", "ca"] {
        cluster.rolled(server, &[&first]).await;
    }
    let ca = cluster.get("Deployment", "ca").await;
    assert!(!is_held(&ca) && !has_gate(&ca), "{ca}");
}

async fn a_gate_is_lifted_only_when_the_template_is_right(cluster: &Cluster) {
    let (_estate, wanted) = half_way(cluster).await;
    // Somebody takes the code out of the template again, as often as it is written.
    let foreign = "registry.example/foreign:v1";
    let somebody = cluster.puts_back("ca", &wanted, foreign);
    cluster.event("ca", "PutBack").await;
    cluster.patch("Deployment", "compile", pause(false)).await;
    cluster.rolled("compile", &[&wanted]).await;
    cluster.everything_was_seen().await;
    let ca = cluster.get("Deployment", "ca").await;
    assert!(is_held(&ca), "it is its turn, but not with that template: {ca}");
    assert_eq!((code_images(&ca), revision(&ca)), (vec![foreign], "1"));
    somebody.abort();

    cluster.put_code("ca", &wanted).await;
    assert_free(cluster, "ca", &wanted, "2").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn the_finalizer_is_there_while_gates_are_held(cluster: &Cluster) {
    let estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    let recorder = Recorder::start(cluster, &["CodeSync", "Deployment"]).await;
    let has_finalizer = |code_sync: &Value| {
        let all = code_sync["metadata"]["finalizers"].as_array();
        all.into_iter().flatten().any(|one| one == FINALIZER)
    };
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    wait_for("no finalizer", DEADLINE, async || {
        let code_sync = cluster.get("CodeSync", PRODUCTION).await;
        if has_finalizer(&code_sync) { Err(code_sync["metadata"].to_string()) } else { Ok(()) }
    })
    .await;
    let put = recorder.first("CodeSync", PRODUCTION, has_finalizer);
    let held = recorder.first("Deployment", "ca", is_held);
    let last_held =
        recorder.versions("Deployment", "ca").iter().filter(|one| is_held(one)).map(version_number).max();
    let taken =
        recorder.first("CodeSync", PRODUCTION, |found| version_number(found) > put && !has_finalizer(found));
    assert!(put < held && last_held < Some(taken), "{put} {held} {last_held:?} {taken}");
}

async fn a_persons_pause_is_kept_and_blocks(cluster: &Cluster) {
    let estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    cluster.patch("Deployment", "ca", pause(true)).await;
    // Its status says later that it is paused.
    let written = async || {
        let [ca, config] = [cluster.get("Deployment", "ca").await, cluster.get("Config", PRODUCTION).await];
        (ca["spec"].clone(), ca["metadata"]["annotations"].clone(), config)
    };
    let before = written().await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let status = cluster
        .status_when(PRODUCTION, "it waits for the person", |status| {
            !waits_for(status, "PausedByPerson").is_empty()
        })
        .await;
    assert_says(waits_for(&status, "PausedByPerson"), &["kubectl rollout resume deployment/ca"]);
    cluster.everything_was_seen().await;
    assert_eq!(written().await, before, "nothing is written before");

    cluster.patch("Deployment", "ca", pause(false)).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_free(cluster, "ca", &wanted, "2").await;
}

async fn a_gate_undone_by_hand_is_not_fought(cluster: &Cluster) {
    let (_estate, wanted) = half_way(cluster).await;
    cluster.patch("Deployment", "ca", pause(false)).await;
    assert_free(cluster, "ca", &wanted, "2").await;
    cluster.patch("Deployment", "compile", pause(false)).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_free(cluster, "ca", &wanted, "2").await;
}

async fn gated_in_status_and_audit(cluster: &Cluster) {
    let (_estate, wanted) = half_way(cluster).await;
    let status = cluster
        .status_when(PRODUCTION, "one is held back, and one waits for a person", |status| {
            status["stages"][0]["gates"]["held"] == 1 && !waits_for(status, "PausedByPerson").is_empty()
        })
        .await;
    assert_eq!(phase(&status, "all"), "Rolling", "{status}");
    assert_says(waits_for(&status, "PausedByPerson"), &["compile"]);
    let rows = audit_when(cluster, "the gate and the pause", |verdicts, _| {
        verdicts["ca"] == "Gated" && verdicts["compile"] == "PausedByPerson"
    })
    .await;
    let row = |name: &str| rows.iter().find(|row| row["server"] == name).expect("one row a Server");
    assert_says(row("ca")["message"].as_str().expect("text"), &["CodeSync production", "since", "its turn"]);
    assert!(row("ca")["gatedSince"].is_string(), "{}", row("ca"));
    assert_eq!(row("ca")["template"], json!([wanted]));
    assert_says(row("compile")["message"].as_str().expect("text"), &["kubectl rollout resume"]);
}

async fn max_concurrent_one_rolls_one_by_one(cluster: &Cluster) {
    let servers = ["one", "two", "three", "ca"];
    let estate = at_rest(cluster, &servers, false, json!({"maxConcurrent": 1})).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    for server in servers {
        assert_free(cluster, server, &wanted, "2").await;
    }
    replay(&recorder, &servers, |all| {
        let rolling = all.iter().filter(|deployment| rolls_to(deployment, &wanted)).count();
        assert!(rolling <= 1, "{rolling} at once: {all:?}");
        assert!(
            !rolls_to(all[3], &wanted) || all[..3].iter().all(|one| code_images(one) == [wanted.as_str()])
        );
    });
}

async fn beside_an_operator_each_server_is_rolled_once(cluster: &Cluster) {
    beside(cluster, Release::V0_6).await;
}

async fn beside_a_newer_operator_each_server_is_rolled_once(cluster: &Cluster) {
    beside(cluster, Release::Newer).await;
}

async fn beside(cluster: &Cluster, release: Release) {
    let estate = at_rest(cluster, &["compile", "ca"], true, json!({})).await;
    let _operator = Operator::start(cluster, release);
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    for (tag, revisions) in [("v1.1.0", "2"), ("v1.2.0", "3")] {
        let wanted = estate.push_and_look(cluster, tag).await;
        cluster.deployed(PRODUCTION, tag).await;
        for server in ["compile", "ca"] {
            assert_free(cluster, server, &wanted, revisions).await;
        }
        replay(&recorder, &["compile", "ca"], |all| {
            let is_first = code_images(all[0]) == [wanted.as_str()] && is_complete(all[0]);
            assert!(!rolls_to(all[1], &wanted) || is_first, "{all:?}");
        });
    }
}
