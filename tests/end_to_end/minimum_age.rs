//! Candidates that must reach an age: nothing runs too early, a restart starts no age again, and `voxsync tags` says who
//! is too young.

use std::process::Command;

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Voxsync, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server},
    status::{assert_says, condition, text, waits_for},
};

pub(crate) const CASES: &[Case] =
    cases![the_newest_that_is_old_enough_is_taken, a_tag_that_moves_has_an_age_too, each_rule_takes_its_tag];

async fn the_newest_that_is_old_enough_is_taken(cluster: &Cluster) {
    let mut estate = Estate::start(cluster).await;
    let mut spec = estate.only_config();
    spec["minimumAge"] = json!("1h");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;

    estate.push_and_look(cluster, "v1.1.0").await;
    let status =
        cluster.status_when(PRODUCTION, "an age", |status| !waits_for(status, "MinimumAge").is_empty()).await;
    let (ready, deployed) = (condition(&status, "Ready"), condition(&status, "Deployed"));
    assert_eq!(
        (&ready["status"], &ready["reason"], &deployed["status"]),
        (&json!("True"), &json!("Waiting"), &json!("True"))
    );
    assert!(
        condition(&status, "Reconciling").is_null() && status["waiting"][0]["until"].is_string(),
        "{status}"
    );
    assert_says(waits_for(&status, "MinimumAge"), &["v1.1.0 is old enough at ", "minimumAge is 1h"]);
    let first_seen = status["ripening"][0]["firstSeen"].clone();

    estate.kill();
    estate.start_again(cluster);
    estate.push_and_look(cluster, "v1.2.0").await;
    let status =
        cluster.status_when(PRODUCTION, "two that ripen", |status| status["ripening"][1].is_object()).await;
    let ripening: Vec<(&Value, bool)> = status["ripening"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["name"], one["firstSeen"] == first_seen))
        .collect();
    assert_eq!(ripening, [(&json!("v1.2.0"), false), (&json!("v1.1.0"), true)]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"), "nothing was written");

    let judged = tags(cluster, &[PRODUCTION]);
    let seen: Vec<(&Value, &Value)> =
        judged["tags"].as_array().expect("a list").iter().map(|tag| (&tag["tag"], &tag["state"])).collect();
    let (chosen, ripening) = (json!("chosen"), json!("ripening"));
    assert_eq!(
        seen,
        [(&json!("v1.0.0"), &chosen), (&json!("v1.2.0"), &ripening), (&json!("v1.1.0"), &ripening)]
    );

    // Only what is given is another: the age of v1.1.0 is known, and v1.0.0 does not fit.
    for (arguments, chosen) in [
        (&["--semver", "~1.1"][..], Value::Null),
        (&["--semver", "~1.1", "--minimum-age", "0s"], json!("v1.1.0")),
        (&["--minimum-age", "0s"], json!("v1.2.0")),
        (&["--ignore", "nothing"], json!("v1.0.0")),
        (&["--match", r"v1\.[12]"], Value::Null),
    ] {
        let tried = tags(cluster, &[&[PRODUCTION], arguments].concat());
        assert_eq!(tried["chosen"], chosen, "{arguments:?}: {tried}");
    }

    // What was taken back while it was too young does not run.
    let image = CodeImage::with_site("pushed again");
    let again = estate.registry.push(REPOSITORY, "v1.2.0", &image).await;
    cluster.change_code_sync(PRODUCTION, json!({"minimumAge": "1s"})).await;
    let status = cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert!(status["ripening"].is_null() && waits_for(&status, "MinimumAge").is_empty(), "{status}");
    let released =
        status["history"].as_array().expect("a list").iter().map(|release| text(&release["reference"]));
    let released: Vec<&str> = released.filter(|reference| reference.contains(":v1.2.0@")).collect();
    assert_eq!(released, [format!("{}@{again}", estate.tagged("v1.2.0"))]);
}

async fn a_tag_that_moves_has_an_age_too(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    let image = |text| voxsync_fixtures::CodeImage::with_site(text);
    registry.push(REPOSITORY, "stable", &image("one")).await;
    bare_server(cluster, PRODUCTION).await;
    let source = crate::harness::status::follow_tags(&registry, REPOSITORY, &json!({"follow": "stable"}));
    let spec =
        json!({"source": source, "minimumAge": "1h", "target": {"kind": "Config", "name": PRODUCTION}});
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.status_when(PRODUCTION, "an age", |status| !waits_for(status, "MinimumAge").is_empty()).await;
    registry.push(REPOSITORY, "stable", &image("two")).await;
    cluster.look(PRODUCTION).await;
    let status =
        cluster.status_when(PRODUCTION, "two that ripen", |status| status["ripening"][1].is_object()).await;
    assert!(status["deployed"].is_null() && status["promotion"].is_null(), "{status}");
    let newest = status["ripening"][0]["name"].as_str().expect("a name").to_owned();
    cluster.change_code_sync(PRODUCTION, json!({"minimumAge": "1s"})).await;
    cluster.deployed(PRODUCTION, &newest).await;
}

async fn each_rule_takes_its_tag(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for tag in ["2026.02.9", "2026.02.10", "2025.12.1", "latest", "build-9", "build-10"] {
        estate.push(tag).await;
    }
    let registry = |rule: Value, matching: &str| {
        let mut spec = estate.only_config();
        spec["source"]["registry"]["tag"] = rule;
        spec["source"]["registry"]["match"] = json!(matching);
        spec
    };
    cluster.create_code_sync(PRODUCTION, registry(json!({"calver": "YYYY.0M.MICRO"}), "^")).await;
    cluster.deployed(PRODUCTION, "2026.02.10").await;
    for (rule, matching, tag) in [
        (json!({"numerical": {}}), r"^build-(?<version>\d+)$", "build-10"),
        (json!({"alphabetical": {}}), "^build-", "build-9"),
        (json!({"alphabetical": {"select": "Lowest"}}), r"^2026\.", "2026.02.10"),
    ] {
        cluster.delete("CodeSync", PRODUCTION).await;
        cluster.create_code_sync(PRODUCTION, registry(rule, matching)).await;
        cluster.deployed(PRODUCTION, tag).await;
    }
}

/// What `voxsync tags` says of it.
fn tags(cluster: &Cluster, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.arg("tags").args(arguments).args(["-o", "json", "-n", cluster.namespace()]);
    let output = command.env("KUBECONFIG", cluster.kubeconfig()).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}
