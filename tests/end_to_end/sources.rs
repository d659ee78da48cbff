//! Where candidates come from: registries and files, how often they are looked at, and what a look costs.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Voxsync, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server},
    status::{DEADLINE, assert_says, condition, follow_tags, holds, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_file_names_the_code_and_is_watched,
    a_configmap_like_swap_of_symlinks_is_a_change,
    two_codesyncs_on_one_repository_are_one_look,
    an_unchanged_look_is_one_request,
    a_schedule_waits_but_a_person_does_not,
    tags_are_matched_and_ignored,
];

async fn a_file_names_the_code_and_is_watched(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let voxsync = Voxsync::start(cluster);
    let file = voxsync.files().join("reference.txt");
    bare_server(cluster, PRODUCTION).await;
    let mut is_known = false;
    for tag in ["v1.0.0", "v1.1.0"] {
        let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
        fs::write(&file, format!("{reference}\n")).expect("write the file");
        if !std::mem::replace(&mut is_known, true) {
            cluster.create_code_sync(PRODUCTION, file_spec("reference.txt")).await;
        }
        cluster.deployed(PRODUCTION, tag).await;
        assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    }
    fs::write(&file, "a-password-in-the-wrong-file !!\n").expect("write the file");
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "BadReference").await;
    assert!(!status.to_string().contains("a-password"), "a file's text is never in a message: {status}");
    assert_eq!(status["deployed"]["name"], "v1.1.0");
    assert!(!holds(&status, "Ready") && holds(&status, "Deployed"), "somebody must mend it: {status}");
}

async fn a_configmap_like_swap_of_symlinks_is_a_change(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let voxsync = Voxsync::start(cluster);
    let folder = voxsync.files();
    bare_server(cluster, PRODUCTION).await;
    // As the kubelet does: files are links into `..data`, which is a link to a folder of its own.
    symlink("..data/reference", folder.join("reference")).expect("a link");
    for (number, tag) in ["v1.0.0", "v1.1.0"].into_iter().enumerate() {
        let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
        let version = format!("..version-{number}");
        fs::create_dir(folder.join(&version)).expect("a folder");
        fs::write(folder.join(&version).join("reference"), &reference).expect("write the file");
        symlink(&version, folder.join("..data_tmp")).expect("a link");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("swap the links");
        if number == 0 {
            cluster.create_code_sync(PRODUCTION, file_spec("reference")).await;
        }
        cluster.deployed(PRODUCTION, tag).await;
        assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    }
}

async fn two_codesyncs_on_one_repository_are_one_look(cluster: &Cluster) {
    const LOOKS: usize = 3;
    let estate = Estate::start(cluster).await;
    let source = estate.source();
    let names: Vec<String> = (0..10).map(|number| format!("many-{number}")).collect();
    for name in &names {
        let target = json!({"kind": "Config", "name": name});
        cluster.create_code_sync(name, json!({"source": source, "target": target})).await;
    }
    cluster.condition(&names[0], "Ready", "False", "TargetMissing").await;
    for name in &names {
        cluster.create_config(name, Some(cluster.code(&estate.tagged("v1.0.0")))).await;
    }
    for name in &names {
        let status = cluster.deployed(name, "v1.0.0").await;
        assert!(status["deployed"]["promotion"].is_null(), "it is taken over, not promoted: {status}");
    }
    let before = cluster.list("CodeSync").await;
    estate.registry.forget_requests();
    let begin = tokio::time::Instant::now();
    wait_for("some looks", DEADLINE, async || {
        let looks = estate.registry.requests().len();
        if looks >= LOOKS { Ok(()) } else { Err(format!("{looks} requests")) }
    })
    .await;
    // Ten on their own would need less than a second for that.
    assert!(begin.elapsed().as_millis() > 1_500, "{LOOKS} looks within {:?}", begin.elapsed());
    assert_eq!(cluster.list("CodeSync").await, before, "an idle look writes nothing");
    estate.push("v1.1.0").await;
    cluster.look(&names[0]).await;
    for name in &names {
        cluster.status_when(name, "v1.1.0 was found", |status| status["candidate"]["name"] == "v1.1.0").await;
    }
}

async fn an_unchanged_look_is_one_request(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for (name, rule, method) in
        [("semver", json!({"semver": "*"}), "GET"), ("follow", json!({"follow": "v1.0.0"}), "HEAD")]
    {
        let mut source = follow_tags(&estate.registry, REPOSITORY, &rule);
        source["interval"] = json!("1h");
        let spec =
            json!({"suspend": true, "source": source, "target": {"kind": "Config", "name": PRODUCTION}});
        cluster.create_code_sync(name, spec).await;
        cluster.status_when(name, "v1.0.0 was found", |status| !status["candidate"].is_null()).await;
        estate.registry.forget_requests();
        let before = cluster.look(name).await;
        let after = cluster.look(name).await;
        let methods: Vec<_> = estate.registry.requests().into_iter().map(|request| request.method).collect();
        assert_eq!(methods, [method, method], "two looks of {name}");
        assert_eq!(before["source"], after["source"], "an idle look writes nothing");
        cluster.delete("CodeSync", name).await;
    }
}

async fn a_schedule_waits_but_a_person_does_not(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let mut spec = estate.only_config();
    spec["source"]["interval"] = Value::Null;
    spec["source"]["schedule"] = json!({"cron": "30 4 1 1 *", "timeZone": "Europe/Berlin"});
    let spec: Value = without_nulls(spec);
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    estate.push("v1.1.0").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let bad = json!({"source": {"schedule": {"cron": "30 4 1 1 *", "timeZone": "Mars/Olympus"}}});
    cluster.change_code_sync(PRODUCTION, bad).await;
    let status = cluster.condition(PRODUCTION, "Stalled", "True", "InvalidSpec").await;
    assert_says(
        text(&condition(&status, "Stalled")["message"]),
        &["source.schedule.timeZone", "Mars/Olympus"],
    );
}

async fn tags_are_matched_and_ignored(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for tag in ["release-1.2.0", "release-1.10.0", "release-1.11.0-rc1", "other-9.0.0", "v3.0.0", "latest"] {
        estate.push(tag).await;
    }
    let mut spec = estate.only_config();
    spec["source"]["registry"]["match"] = json!("^release-(?<version>.+)$");
    spec["source"]["registry"]["ignore"] = json!(["-rc\\d+$"]);
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.deployed(PRODUCTION, "release-1.10.0").await;
    assert_eq!(status["source"]["tagCount"], 7);
}

fn file_spec(path: &str) -> Value {
    json!({
        "source": {"interval": "1h", "file": {"path": path}}, "image": {"insecure": true},
        "target": {"kind": "Config", "name": PRODUCTION},
    })
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(|field| *field = without_nulls(field.take()));
    }
    value
}
