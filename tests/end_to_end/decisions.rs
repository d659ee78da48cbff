//! The decisions of a promotion that a person would be surprised to find otherwise.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use voxsync_fixtures::CodeImage;

use crate::harness::{
    Case, Cluster, Needs, NewServer, Recorder, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, stages},
    status::{
        DEADLINE, applied_in, assert_says, condition, follow_tags, holds, phase, reference_in, text,
        waits_for,
    },
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_newer_tag_takes_the_place_of_one_that_soaks,
    a_shrunken_tag_list_never_downgrades,
    a_version_tag_that_is_pushed_again_is_reported_and_never_deployed,
    a_followed_tag_is_deployed_when_it_moves,
    a_reference_and_its_record_are_one_write => Needs::BOTH_SHAPES,
    a_stage_that_proves_nothing_waits,
    a_server_that_joins_later_gets_the_reference_of_its_stage,
    a_suspended_codesync_plans_and_writes_nothing,
    a_promotion_that_is_suspended_in_the_middle_rests,
    releases_are_chained_and_only_the_last_are_kept,
];

async fn a_newer_tag_takes_the_place_of_one_that_soaks(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1h").await;
    let recorder = Recorder::start(cluster, &["Config"]).await;
    estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    let status = cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    let first = text(&status["promotion"]["id"]).to_owned();

    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    let of_second = |status: &Value| soaks(status) && status["promotion"]["candidate"]["name"] == "v1.2.0";
    cluster.status_when(PRODUCTION, "the canary soaks with v1.2.0", of_second).await;
    assert_eq!(cluster.template_of("canary").await, [wanted.as_str()]);
    assert_eq!(cluster.release(&first).await["spec"]["outcome"], "Superseded");
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("0s")})).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    let written: Vec<_> = recorder.versions("Config", PRODUCTION).iter().filter_map(reference_in).collect();
    assert_eq!(written.last(), Some(&wanted));
    assert!(written.iter().all(|reference| !reference.contains("v1.1.0")), "{written:?}");
}

async fn a_shrunken_tag_list_never_downgrades(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let config = cluster.get("Config", PRODUCTION).await;
    estate.registry.delete(REPOSITORY, "v1.1.0").await;
    let status = cluster.look(PRODUCTION).await;
    assert_says(
        waits_for(&status, "Downgrade"),
        &["v1.0.0", "lower than v1.1.0", "voxsync promote production"],
    );
    assert!(holds(&status, "Ready"), "{status}");
    assert_eq!(status["deployed"]["name"], "v1.1.0");
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
}

async fn a_version_tag_that_is_pushed_again_is_reported_and_never_deployed(cluster: &Cluster) {
    let mut estate = Estate::single(cluster).await;
    let config = cluster.get("Config", PRODUCTION).await;
    estate.registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("another v1.1.0")).await;
    // While it runs, a tag that was resolved is not asked for again.
    estate.kill();
    estate.start_again(cluster);
    cluster.look(PRODUCTION).await;
    let status = cluster.condition(PRODUCTION, "SourceReady", "True", "TagMoved").await;
    let message = text(&condition(&status, "SourceReady")["message"]);
    assert_says(message, &["v1.1.0", "pushed again", "voxsync promote production v1.1.0 -n "]);
    assert_eq!(status["deployed"]["name"], "v1.1.0");
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
    cluster.event(PRODUCTION, "TagMoved").await;
    estate.push_and_look(cluster, "v1.2.0").await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
}

async fn a_followed_tag_is_deployed_when_it_moves(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    estate.registry.retag(REPOSITORY, "v1.0.0", "stable").await;
    let source = follow_tags(&estate.registry, REPOSITORY, &json!({"follow": "stable"}));
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync(PRODUCTION, json!({"source": source, "target": target})).await;
    for text in ["one", "two"] {
        let digest = estate.registry.push(REPOSITORY, "stable", &CodeImage::with_site(text)).await;
        cluster.look(PRODUCTION).await;
        cluster.deployed(PRODUCTION, &digest["sha256:".len()..][..10]).await;
        assert_eq!(cluster.template_of("compile").await, [format!("{}@{digest}", estate.tagged("stable"))]);
    }
    // Back to what was there before: a followed tag may.
    let digest = estate.registry.retag(REPOSITORY, "v1.0.0", "stable").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, &digest["sha256:".len()..][..10]).await;
    let refused = json!({"source": source, "target": target, "write": {"form": "Tag"}});
    let error = cluster
        .try_create_code_sync("tag-only", refused)
        .await
        .expect_err("follow with a form without digest");
    assert_says(&error.to_string(), &["write.form Digest or TagAndDigest"]);
}

async fn a_reference_and_its_record_are_one_write(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    let recorder = Recorder::start(cluster, &["Config", "Server"]).await;
    for tag in ["v1.1.0", "v1.2.0"] {
        estate.push_and_look(cluster, tag).await;
        cluster.deployed(PRODUCTION, tag).await;
    }
    let uid = cluster.get("CodeSync", PRODUCTION).await["metadata"]["uid"].clone();
    for (kind, name) in [("Config", PRODUCTION), ("Server", "canary")] {
        let versions = recorder.versions(kind, name);
        let mut previous = estate.tagged("v1.0.0");
        let mut changes = 0;
        for version in &versions {
            let reference = reference_in(version).expect("a reference");
            if reference == previous {
                continue;
            }
            changes += 1;
            let record = applied_in(version);
            assert_eq!(record["reference"], *reference, "{kind} {name}: {record}");
            assert_eq!(record["previous"], *previous, "{kind} {name}: {record}");
            assert_eq!(record["codeSync"], uid);
            let release = cluster.release(text(&record["promotion"])).await;
            assert_eq!(release["spec"]["candidate"]["reference"], *reference);
            previous = reference;
        }
        assert_eq!(changes, 2, "{kind} {name}: {versions:?}");
    }
}

async fn a_stage_that_proves_nothing_waits(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let own = Some(cluster.code("registry.example/code:v0"));
    let ring = json!({"kind": "Server", "selector": {"matchLabels": {"ring": "none"}}});
    let config = |name: &str| json!({"kind": "Config", "name": name});
    let rows = [
        ("asleep", config("asleep"), Some(NewServer { replicas: 0, ..NewServer::default() }), "0 replicas"),
        (
            "authority",
            config("authority"),
            Some(NewServer { ca: true, server: false, ..NewServer::default() }),
            "certificate authorities only",
        ),
        (
            "overridden",
            config("overridden"),
            Some(NewServer { code: own, ..NewServer::default() }),
            "no Server takes its code",
        ),
        ("nobody", ring, None, "match no Config and no Server"),
    ];
    let stages =
        |target: &Value, allow: bool| json!([{"name": "only", "targets": [target], "allowEmpty": allow}]);
    for (name, target, server, _) in &rows {
        cluster.create_config(name, None).await;
        if let Some(server) = server {
            cluster.create_server(&NewServer { name, config: name, ..server.clone() }).await;
        }
        cluster
            .create_code_sync(name, json!({"source": estate.source(), "stages": stages(target, false)}))
            .await;
    }
    for (name, target, _, why) in &rows {
        let status = cluster.condition(name, "Ready", "False", "NothingToProve").await;
        assert_says(waits_for(&status, "NothingToProve"), &[why, "allowEmpty"]);
        assert_eq!(phase(&status, "only"), "NothingToProve");
        assert!(!holds(&status, "Deployed"));
        cluster.change_code_sync(name, json!({"stages": stages(target, true)})).await;
        cluster.deployed(name, "v1.0.0").await;
    }
}

async fn a_server_that_joins_later_gets_the_reference_of_its_stage(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let ring = &[("ring", "canary")];
    let first = NewServer { name: "first", labels: ring, ..NewServer::default() };
    cluster.create_server(&first).await;
    let target = json!({"kind": "Server", "selector": {"matchLabels": {"ring": "canary"}}});
    let spec = json!({"source": estate.source(), "stages": [{"name": "canaries", "targets": [target]}]});
    cluster.create_code_sync("canaries", spec).await;
    estate.push("v1.1.0").await;
    cluster.look("canaries").await;
    let status = cluster.deployed("canaries", "v1.1.0").await;
    cluster.release(text(&status["deployed"]["promotion"])).await;
    let wanted = cluster.code_of("Server", "first").await;
    let releases = cluster.list("CodeRelease").await.len();

    cluster.create_server(&NewServer { name: "second", ..first }).await;
    cluster.template_becomes("second", &wanted).await;
    cluster.deployed("canaries", "v1.1.0").await;
    assert_eq!(cluster.list("CodeRelease").await.len(), releases, "no new promotion");
    let [first, second] =
        [cluster.applied_on("Server", "first").await, cluster.applied_on("Server", "second").await];
    assert_eq!(first["promotion"], second["promotion"]);
}

async fn a_suspended_codesync_plans_and_writes_nothing(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let targets = async || {
        let mut all = cluster.list("Config").await;
        all.extend(cluster.list("Server").await);
        all
    };
    let before = targets().await;
    let mut spec = estate.stages("0s");
    spec["suspend"] = json!(true);
    spec["suspendReason"] = json!("freeze of December");
    cluster.create_code_sync(PRODUCTION, spec).await;
    let digest = estate.push("v1.1.0").await;
    let status = cluster.look(PRODUCTION).await;
    assert_eq!(status["candidate"]["name"], "v1.1.0");
    let plan = waits_for(&status, "Suspended");
    assert_says(
        plan,
        &["freeze of December", "would write", "Server/canary", "Config/production", "v1.0.0 → v1.1.0"],
    );
    assert_says(text(&condition(&status, "Suspended")["message"]), &["freeze of December"]);
    assert!(
        holds(&status, "Ready") && holds(&status, "Suspended") && !holds(&status, "Reconciling"),
        "{status}"
    );
    assert!(status["promotion"].is_null());
    assert_eq!(targets().await, before, "nothing was written");

    cluster.change_code_sync(PRODUCTION, json!({"suspend": false})).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(cluster.template_of("compile").await, [format!("{}@{digest}", estate.tagged("v1.1.0"))]);
}

async fn a_promotion_that_is_suspended_in_the_middle_rests(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1h").await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    let config = cluster.get("Config", PRODUCTION).await;
    cluster.change_code_sync(PRODUCTION, json!({"suspend": true, "stages": stages("0s")})).await;
    let status = cluster.look(PRODUCTION).await;
    assert_says(waits_for(&status, "Suspended"), &["would write", "Config/production"]);
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
    cluster.change_code_sync(PRODUCTION, json!({"suspend": false})).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(cluster.template_of("compile").await, [wanted]);
}

async fn releases_are_chained_and_only_the_last_are_kept(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let mut spec = estate.only_config();
    spec["history"] = json!({"keep": 2});
    cluster.create_code_sync(PRODUCTION, spec).await;
    let mut last = Value::Null;
    for tag in ["v1.1.0", "v1.2.0", "v1.3.0"] {
        estate.push_and_look(cluster, tag).await;
        let status = cluster.deployed(PRODUCTION, tag).await;
        let release = cluster.release(text(&status["history"][0]["id"])).await["spec"].clone();
        assert_eq!(release["previousHash"], last, "{tag}");
        last = json!(hexadecimal(&Sha256::digest(release.to_string())));
    }
    wait_for("the oldest release is pruned", DEADLINE, async || {
        let mut kept: Vec<String> = cluster
            .list("CodeRelease")
            .await
            .iter()
            .map(|it| it["spec"]["candidate"]["name"].to_string())
            .collect();
        kept.sort();
        if kept == ["\"v1.2.0\"", "\"v1.3.0\""] { Ok(()) } else { Err(format!("{kept:?}")) }
    })
    .await;
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
