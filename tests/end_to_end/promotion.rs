//! The main job: a tag becomes the code that the servers run, canary first, and what cannot run stops there.

use serde_json::{Value, json};
use voxsync_fixtures::CodeImage;

use crate::harness::{
    Case, Cluster, Needs, NewServer, Recorder, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server, stages},
    status::{applied_in, assert_says, condition, follow_tags, holds, phase, reference_in, text, waits_for},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_pushed_tag_reaches_the_canary_and_then_production => Needs::BOTH_SHAPES,
    references_are_written_in_the_form_that_is_asked_for => Needs::BOTH_SHAPES,
    pull_secret_and_policy_are_written_beside_the_reference => Needs::BOTH_SHAPES,
    only_the_named_entry_of_a_list_is_written => Needs::LIST,
    code_is_added_where_there_is_none => Needs::BOTH_SHAPES,
    a_candidate_that_cannot_run_stops_at_the_canary,
    a_pin_goes_before_the_source_until_it_is_removed,
    a_deleted_codesync_leaves_its_targets,
    a_killed_voxsync_goes_on_where_it_was,
];

async fn a_pushed_tag_reaches_the_canary_and_then_production(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    let recorder = Recorder::start(cluster, &["Config", "Server", "Deployment"]).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;

    for server in ["canary", "compile"] {
        assert_eq!(cluster.template_of(server).await, [wanted.as_str()], "{server}");
        assert_eq!(cluster.revision_of(server).await, "2", "one rollout of {server}");
    }
    let says_it = |object: &Value| reference_in(object).as_deref() == Some(&wanted);
    let is_rolled_out = |deployment: &Value| {
        let (status, template) = (&deployment["status"], &deployment["spec"]["template"]);
        template.to_string().contains(&wanted)
            && status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|count| status[*count] == 1)
    };
    let steps = [
        recorder.first("Server", "canary", says_it),
        recorder.first("Deployment", "canary", is_rolled_out),
        recorder.first("Config", PRODUCTION, says_it),
        recorder.first("Deployment", "compile", is_rolled_out),
    ];
    assert!(
        steps.is_sorted(),
        "canary written, canary rolled out, production written, rolled out: {steps:?}"
    );

    let release = cluster.release(text(&status["history"][0]["id"])).await;
    let spec = &release["spec"];
    assert_eq!([&spec["outcome"], &spec["trigger"], &spec["fromName"]], ["Released", "Source", "v1.0.0"]);
    assert_eq!(spec["candidate"]["reference"], *wanted);
    for (stage, target, server) in [(0, "Server/canary", "canary"), (1, "Config/production", "compile")] {
        let released = &spec["stages"][stage]["targets"][0];
        let expected = json!({
            "target": target, "reference": wanted, "previous": estate.tagged("v1.0.0"), "servers": [server],
        });
        assert_eq!(*released, expected);
    }
    assert_says(&cluster.event(PRODUCTION, "PromotionStarted").await, &["v1.0.0 → v1.1.0", "the source"]);
    assert_says(&cluster.event(PRODUCTION, "Released").await, &["v1.0.0 → v1.1.0 in all stages"]);
}

async fn references_are_written_in_the_form_that_is_asked_for(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let digest = estate.push("v1.1.0").await;
    let (tag, repository) = (estate.tagged("v1.1.0"), format!("{}/{REPOSITORY}", estate.registry.host()));
    let forms = [
        ("Tag", tag.clone()),
        ("Digest", format!("{repository}@{digest}")),
        ("TagAndDigest", format!("{tag}@{digest}")),
    ];
    for (form, _) in &forms {
        let name = form.to_lowercase();
        bare_server(cluster, &name).await;
        let target = json!({"kind": "Config", "name": name});
        let spec = json!({"source": estate.source(), "target": target, "write": {"form": form}});
        cluster.create_code_sync(&name, spec).await;
    }
    for (form, wanted) in forms {
        let name = form.to_lowercase();
        cluster.deployed(&name, "v1.1.0").await;
        assert_eq!(cluster.code_of("Config", &name).await, wanted);
        assert_eq!(cluster.template_of(&name).await, [wanted]);
    }
}

async fn pull_secret_and_policy_are_written_beside_the_reference(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let policies = ["Always", "IfNotPresent", "Never"];
    for policy in policies {
        let name = policy.to_lowercase();
        cluster.create_config(&name, Some(cluster.code("registry.example/code:v0"))).await;
        cluster
            .create_server(&NewServer {
                name: &name,
                config: &name,
                by_operator: false,
                ..NewServer::default()
            })
            .await;
        let write = json!({"imagePullSecret": "registry-login", "imagePullPolicy": policy});
        let target = json!({"kind": "Config", "name": name});
        cluster
            .create_code_sync(&name, json!({"source": estate.source(), "target": target, "write": write}))
            .await;
    }
    for policy in policies {
        let name = policy.to_lowercase();
        cluster.deployed(&name, "v1.0.0").await;
        let pod = &cluster.get("Deployment", &name).await["spec"]["template"]["spec"];
        let mut volumes = pod["volumes"].as_array().into_iter().flatten();
        let code = volumes.find(|volume| volume["name"] == "code").expect("a code volume");
        assert_eq!(code["image"]["pullPolicy"], policy);
        assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry-login"}]));
    }
}

async fn only_the_named_entry_of_a_list_is_written(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let code = json!([
        {"image": "registry.example/modules:v3", "mountPath": "/srv/modules", "imagePullSecret": "other"},
        {"image": "registry.example/code:v0", "environment": "staging", "imagePullPolicy": "Always"},
    ]);
    let before = cluster.create_config("several", Some(code)).await["spec"]["code"].clone();
    cluster.create_server(&NewServer { name: "several", config: "several", ..NewServer::default() }).await;
    let target = json!({"kind": "Config", "name": "several", "entry": {"environment": "staging"}});
    cluster.create_code_sync("several", json!({"source": estate.source(), "target": target})).await;
    cluster.deployed("several", "v1.0.0").await;
    let code = cluster.get("Config", "several").await["spec"]["code"].clone();
    let wanted = text(&code[1]["image"]).to_owned();
    assert_says(&wanted, &[&estate.tagged("v1.0.0"), "@sha256:"]);
    let staging = json!({"image": wanted, "environment": "staging", "imagePullPolicy": "Always"});
    assert_eq!(code, json!([before[0], staging]));
    assert_eq!(cluster.template_of("several").await, ["registry.example/modules:v3", &wanted]);
}

async fn code_is_added_where_there_is_none(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    cluster.create_config("new", None).await;
    cluster.create_server(&NewServer { name: "inherits", config: "new", ..NewServer::default() }).await;
    let spec = json!({"source": estate.source(), "target": {"kind": "Config", "name": "new"}});
    cluster.create_code_sync("new", spec).await;
    cluster.deployed("new", "v1.0.0").await;
    // A Server's own code starts as a copy of its Config's: it would lose the pull secret otherwise.
    let code = cluster.code_entry(json!({"image": estate.tagged("v1.0.0"), "imagePullSecret": "login"}));
    cluster.patch("Config", PRODUCTION, json!({"spec": {"code": code}})).await;
    let digest = estate.registry.push("other", "v2.0.0", &CodeImage::with_site("v2.0.0")).await;
    let source = follow_tags(&estate.registry, "other", &json!({"semver": "2.x"}));
    let target = json!({"kind": "Server", "name": "compile"});
    cluster.create_code_sync("override", json!({"source": source, "target": target})).await;
    cluster.deployed("override", "v2.0.0").await;
    let wanted = format!("{}@{digest}", estate.registry.reference("other", "v2.0.0"));
    assert_eq!(cluster.code_of("Server", "compile").await, wanted);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
    assert_eq!(cluster.template_of("compile").await, [wanted]);
    let pod = &cluster.get("Deployment", "compile").await["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "login"}]));
}

async fn a_candidate_that_cannot_run_stops_at_the_canary(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    let before = cluster.get("Config", PRODUCTION).await;
    for (tag, reason) in [("v1.1.0-missing", "ImagePullBackOff"), ("v1.2.0-crash", "CrashLoopBackOff")] {
        let wanted = estate.push_and_look(cluster, tag).await;
        let status = cluster
            .status_when(PRODUCTION, &format!("{tag} has failed"), |status| {
                status["candidate"]["name"] == tag && condition(status, "Ready")["reason"] == "RolledBack"
            })
            .await;
        assert_eq!(phase(&status, "canary"), "Failed");
        assert!(!holds(&status, "Ready") && !holds(&status, "Reconciling") && !holds(&status, "Deployed"));
        assert_says(
            waits_for(&status, "RolledBack"),
            &[reason, "canary", "voxsync resume production", "voxsync release-quarantine production sha256:"],
        );
        assert_eq!(status["promotion"]["failure"]["reason"], reason);
        assert_eq!(status["quarantine"][0]["name"], tag, "{status}");
        let given_back = cluster.code_of("Server", "canary").await;
        assert!(given_back.is_empty() || given_back.contains("v1.0.0"), "{given_back}");
        assert_eq!(cluster.get("Config", PRODUCTION).await, before, "production is untouched");
        assert_eq!(cluster.template_of("compile").await, [estate.tagged("v1.0.0")]);
        let release = cluster.release(text(&status["promotion"]["id"])).await;
        assert_eq!(release["spec"]["outcome"], "RolledBack");
        if reason == "ImagePullBackOff" {
            assert_says(text(&release["spec"]["failure"]["message"]), &["the code image", &wanted]);
        }
    }
    assert_says(&cluster.event(PRODUCTION, "RolledBack").await, &["canary", "have what they had before"]);
    let wanted = estate.push_and_look(cluster, "v1.3.0").await;
    cluster.deployed(PRODUCTION, "v1.3.0").await;
    assert_eq!(cluster.template_of("compile").await, [wanted]);
}

async fn a_pin_goes_before_the_source_until_it_is_removed(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let pin = json!({"reference": estate.tagged("v1.0.0"), "reason": "the sales are down"});
    cluster.change_code_sync(PRODUCTION, json!({"pin": pin})).await;
    let status = cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_says(waits_for(&status, "Pinned"), &["the sales are down", "spec.pin"]);
    assert_says(text(&cluster.get("CodeSync", PRODUCTION).await["status"]["summary"]), &["pinned"]);
    let release = cluster.release(text(&status["history"][0]["id"])).await;
    assert_eq!([&release["spec"]["trigger"], &release["spec"]["reason"]], ["Pin", "the sales are down"]);

    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    assert_says(&cluster.template_of("compile").await[0], &[&estate.tagged("v1.0.0"), "@sha256:"]);
    cluster.change_code_sync(PRODUCTION, json!({"pin": null})).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert_eq!(cluster.template_of("compile").await, [wanted]);

    cluster.change_code_sync(PRODUCTION, json!({"pin": {"reference": estate.tagged("v9.9.9")}})).await;
    let status = cluster
        .status_when(PRODUCTION, "the pin is refused", |status| {
            !holds(status, "Ready") && !holds(status, "Reconciling")
        })
        .await;
    assert_says(text(&condition(&status, "Ready")["message"]), &["v9.9.9", "does not exist"]);
}

async fn a_deleted_codesync_leaves_its_targets(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let config = cluster.get("Config", PRODUCTION).await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    cluster.release(text(&status["deployed"]["promotion"])).await;
    cluster.delete("CodeSync", PRODUCTION).await;
    wait_for("the CodeSync is gone", crate::harness::status::DEADLINE, async || {
        let found = cluster.try_get("CodeSync", PRODUCTION).await;
        found.map_or(Ok(()), |found| Err(found["metadata"]["finalizers"].to_string()))
    })
    .await;
    // Its claim has ended: another one takes the target over as it is.
    cluster.create_code_sync("heir", estate.only_config()).await;
    let status = cluster.deployed("heir", "v1.1.0").await;
    assert_eq!(status["deployed"]["promotion"], Value::Null, "nothing was promoted");
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
    assert_eq!(cluster.list("CodeRelease").await.len(), 1, "its release outlives it");
}

async fn a_killed_voxsync_goes_on_where_it_was(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "1h").await;
    let recorder = Recorder::start(cluster, &["Config", "Server"]).await;
    let first = estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    let before = cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    estate.kill();
    estate.start_again(cluster);
    let after = cluster.look(PRODUCTION).await;
    assert_eq!(after["promotion"], before["promotion"], "the same promotion");
    assert_eq!(after["stages"], before["stages"], "and the soak time did not start again");
    // And with a newer tag pushed while it was down.
    estate.kill();
    let digest = estate.push("v1.2.0").await;
    estate.start_again(cluster);
    cluster.look(PRODUCTION).await;
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("0s")})).await;
    let status = cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert!(status["holds"].is_null(), "it took its own write for somebody else's: {status}");
    let second = format!("{}@{digest}", estate.tagged("v1.2.0"));
    for server in ["canary", "compile"] {
        assert_eq!(cluster.template_of(server).await, [second.as_str()]);
    }
    assert_eq!(references_written(&recorder, "Server", "canary"), [&*first, &second]);
    assert_eq!(references_written(&recorder, "Config", PRODUCTION), [second]);
}

/// What was written to a target since the recorder started.
fn references_written(recorder: &Recorder, kind: &str, name: &str) -> Vec<String> {
    let versions = recorder.versions(kind, name);
    let records = versions.iter().map(|version| text(&applied_in(version)["reference"]).to_owned());
    let mut written: Vec<_> = records.filter(|reference| !reference.is_empty()).collect();
    written.dedup();
    written
}
