//! Whoever tries to get code in that nobody signed: each way at once, with all that was ever written looked at in the end.

use serde_json::{Value, json};
use voxsync_fixtures::{CodeImage, CosignKey};

use crate::{
    harness::{
        Case, Cluster, Recorder, cases,
        estate::{Estate, PRODUCTION, REPOSITORY},
        status::{condition, reference_in, waits_for},
    },
    verify::{by_keys, trust},
};

pub(crate) const CASES: &[Case] = cases![
    nothing_unsigned_gets_through,
    rules_that_come_half_way_stop_the_next_stage,
    a_key_that_was_changed_is_believed_no_longer,
];

/// All code that the Config and the canary ever had.
fn all_code(recorder: &Recorder) -> Vec<String> {
    let versions = [recorder.versions("Config", PRODUCTION), recorder.versions("Server", "canary")];
    versions.iter().flatten().filter_map(reference_in).collect()
}

async fn nothing_unsigned_gets_through(cluster: &Cluster) {
    let (key, stranger) = (CosignKey::new(), CosignKey::new());
    let mut estate = Estate::start(cluster).await;
    let recorder = Recorder::start(cluster, &["Config", "Server"]).await;
    trust(cluster, "cosign-pub", &key).await;
    let mut spec = estate.stages("0s");
    spec["verify"] = by_keys("cosign-pub");
    cluster.create_code_sync(PRODUCTION, spec).await;
    let good = estate.push("v1.1.0").await;
    key.sign_image(&estate.registry, REPOSITORY, &good).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    // The signed tag is moved to something that nobody signed; and the signature of what it was is put beside that.
    let bad = estate.registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("evil")).await;
    let payload = CosignKey::payload(&good);
    let copied = [(payload.clone(), key.sign(payload.as_bytes()))];
    voxsync_fixtures::put_simple(&estate.registry, REPOSITORY, &bad, &copied).await;
    cluster.look(PRODUCTION).await;

    // A higher tag, by a stranger; pinned by digest, by tag, and followed.
    let worse = estate.push("v1.2.0").await;
    stranger.sign_image(&estate.registry, REPOSITORY, &worse).await;
    cluster.condition(PRODUCTION, "Verified", "False", "NotVerified").await;
    let repository = estate.tagged("v1.2.0").replace(":v1.2.0", "");
    for reference in
        [format!("{repository}@{bad}"), format!("{repository}:v1.2.0"), format!("{repository}@{worse}")]
    {
        cluster.change_code_sync(PRODUCTION, json!({"pin": {"reference": reference}})).await;
        cluster.condition(PRODUCTION, "Verified", "False", "NotVerified").await;
    }
    cluster.change_code_sync(PRODUCTION, json!({"pin": null})).await;
    cluster.look(PRODUCTION).await;

    // A restart; another CodeSync that wants signatures by the same key; a resume.
    estate.kill();
    estate.start_again(cluster);
    cluster.look(PRODUCTION).await;
    cluster.resume(PRODUCTION).await;
    let mut other = estate.stages("0s");
    other["verify"] = by_keys("cosign-pub");
    cluster.create_code_sync("another", other).await;
    cluster.look("another").await;

    // The Secret is taken away, and the process forgets.
    cluster.delete("Secret", "cosign-pub").await;
    estate.kill();
    estate.start_again(cluster);
    let has_no_keys =
        |status: &Value| condition(status, "Verified")["message"].to_string().contains("does not exist");
    cluster.status_when(PRODUCTION, "there is nothing to judge by", has_no_keys).await;
    let unsigned = estate.push("v1.3.0").await;
    cluster.look(PRODUCTION).await;

    let written = all_code(&recorder);
    for digest in [bad, worse, unsigned] {
        assert!(!written.iter().any(|code| code.contains(&digest)), "{digest} in {written:?}");
    }
    assert!(written.iter().any(|code| code.contains(&good)), "{written:?}");
    assert!(cluster.code_of("Config", PRODUCTION).await.contains(&good));
}

async fn rules_that_come_half_way_stop_the_next_stage(cluster: &Cluster) {
    let key = CosignKey::new();
    let mut estate = Estate::staged(cluster, "1h").await;
    let recorder = Recorder::start(cluster, &["Config"]).await;
    let unsigned = estate.push("v1.1.0").await;
    let soaks = |status: &Value| !waits_for(status, "Soak").is_empty();
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    trust(cluster, "cosign-pub", &key).await;
    let stages = crate::harness::estate::stages("0s");
    cluster.change_code_sync(PRODUCTION, json!({"verify": by_keys("cosign-pub"), "stages": stages})).await;
    let is_waiting = |status: &Value| !waits_for(status, "Signature").is_empty();
    cluster.status_when(PRODUCTION, "it waits for a signature", is_waiting).await;
    estate.kill();
    estate.start_again(cluster);
    let status = cluster.look(PRODUCTION).await;
    assert!(is_waiting(&status) && !status["promotion"].is_null(), "{status}");
    let written: Vec<_> = recorder.versions("Config", PRODUCTION).iter().filter_map(reference_in).collect();
    assert!(!written.iter().any(|code| code.contains(&unsigned)), "{written:?}");
    key.sign_image(&estate.registry, REPOSITORY, &unsigned).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_key_that_was_changed_is_believed_no_longer(cluster: &Cluster) {
    let (key, other) = (CosignKey::new(), CosignKey::new());
    let mut estate = Estate::start(cluster).await;
    trust(cluster, "cosign-pub", &key).await;
    let mut spec = estate.stages("1h");
    spec["verify"] = by_keys("cosign-pub");
    cluster.create_code_sync(PRODUCTION, spec).await;
    let digest = estate.push("v1.1.0").await;
    key.sign_image(&estate.registry, REPOSITORY, &digest).await;
    let soaks = |status: &Value| !waits_for(status, "Soak").is_empty();
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    cluster.patch("Secret", "cosign-pub", json!({"stringData": {"cosign.pub": other.public_key()}})).await;
    estate.kill();
    estate.start_again(cluster);
    cluster.condition(PRODUCTION, "Verified", "False", "NotVerified").await;
    cluster.change_code_sync(PRODUCTION, json!({"stages": crate::harness::estate::stages("0s")})).await;
    cluster.look(PRODUCTION).await;
    cluster.condition(PRODUCTION, "Ready", "False", "NotVerified").await;
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
    other.sign_image(&estate.registry, REPOSITORY, &digest).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}
