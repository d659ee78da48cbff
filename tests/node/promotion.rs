//! From a commit to what servers serve, and what stops on the way.

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    estate::{Estate, PODS, is, push, tagged, text},
    installed::audit,
    node::lose_layer,
};

pub(crate) async fn a_commit_over_ssh_becomes_what_servers_serve(estate: &mut Estate) {
    estate.commit("v1");
    estate.follow();
    assert_eq!(estate.deployed("v1").await, tagged("v1"), "adopted as it is");
    promote(estate, "v1", "v2").await;
}

pub(crate) async fn an_image_that_cannot_be_pulled_stops_and_the_old_code_is_served(estate: &mut Estate) {
    let reader = estate.reader().await;
    push("v3", "# v3");
    lose_layer("code", "v3").await;
    let began = Instant::now();
    estate.commit("v3");
    let status = estate.status_when("v3 has failed", |status| {
        status["candidate"]["name"] == "v3"
            && is(status, "Ready", "False")
            && !status["promotion"]["failure"].is_null()
    });
    let status = status.await;
    let failure = &status["promotion"]["failure"];
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&text(&failure["reason"])), "{failure}");
    // The kubelet's own words, and which of the pod's images it is.
    for part in ["the code image", text(&status["candidate"]["digest"]), "not found"] {
        assert!(text(&failure["message"]).contains(part), "{part}: {failure}");
    }
    println!("  {:.1} s after the commit: {}", began.elapsed().as_secs_f32(), text(&failure["message"]));
    let report: Value = serde_json::from_str(&audit(estate, &["-o", "json"])).expect("one JSON value");
    assert_eq!(report["servers"][0]["verdict"], "Stuck", "{report}");
    assert!(text(&report["servers"][0]["message"]).contains(text(&failure["reason"])), "{report}");
    assert_eq!(estate.read_pods(PODS).await, ["# v2", "# v2"]);
    reader.end().await.stayed("# v2");
}

pub(crate) async fn the_next_commit_goes_on(estate: &mut Estate) {
    promote(estate, "v2", "v4").await;
}

/// Pushes and commits the one version while servers serve the other, and sees it come.
pub(crate) async fn promote(estate: &Estate, from: &str, to: &str) {
    let reader = estate.reader().await;
    push(to, &format!("# {to}"));
    let began = Instant::now();
    estate.commit(to);
    let reference = estate.deployed(to).await;
    println!("  {:.1} s after the commit: {reference}", began.elapsed().as_secs_f32());
    assert!(reference.starts_with(&format!("{}@sha256:", tagged(to))), "{reference}");
    for pod in estate.settled(PODS, 2).await {
        assert_eq!(pod["spec"]["volumes"][0]["image"]["reference"], *reference);
    }
    let served = format!("# {to}");
    assert_eq!(estate.read_pods(PODS).await, [served.as_str(), &served]);
    reader.end().await.went(&format!("# {from}"), &served);
}
