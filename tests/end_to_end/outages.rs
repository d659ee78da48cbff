//! What is away for a while changes nothing but the condition that says so, and is caught up with afterwards.

use serde_json::{Value, json};
use voxsync_fixtures::{Access, Fault, GitRepository, GitServer, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, Voxsync, cases,
    estate::{Estate, PRODUCTION, bare_server, commit, git_spec, stages},
    status::{assert_says, condition, holds, phase, text},
};

pub(crate) const CASES: &[Case] = cases![
    the_registry_goes_and_comes_back,
    a_registry_that_asks_for_patience_is_given_it,
    the_git_server_goes_and_comes_back,
    the_api_server_goes_and_comes_back_in_the_middle => Needs::EXCLUSIVE,
];

async fn the_registry_goes_and_comes_back(cluster: &Cluster) {
    let mut estate = Estate::single(cluster).await;
    let config = cluster.get("Config", PRODUCTION).await;
    estate.registry.stop();
    let status = cluster.look(PRODUCTION).await;
    assert_unreachable(&status, &[&estate.registry.host(), "refuses the connection"]);
    assert_eq!(status["deployed"]["name"], "v1.1.0");
    assert!(holds(&status, "Ready") && holds(&status, "Deployed"), "what runs stays: {status}");
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
    cluster.event(PRODUCTION, "SourceFailed").await;

    // Also for a voxsync that starts while it is away.
    estate.kill();
    estate.start_again(cluster);
    let again = cluster.look(PRODUCTION).await;
    assert_eq!(
        again["source"]["unreachableSince"], status["source"]["unreachableSince"],
        "it is the same outage"
    );
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);

    estate.push("v1.2.0").await;
    estate.registry.start_again();
    let status = cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert!(holds(&status, "SourceReady") && status["source"]["unreachableSince"].is_null(), "{status}");
    cluster.event(PRODUCTION, "SourceRecovered").await;
}

async fn a_registry_that_asks_for_patience_is_given_it(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let fault = |status| Fault { path: "tags/list", status, headers: vec![("retry-after", "2")], times: 1 };
    for (code, tag) in [(429, "v1.2.0"), (503, "v1.3.0")] {
        estate.push(tag).await;
        estate.registry.answer(fault(code));
        let status =
            cluster.status_when(PRODUCTION, "a failed look", |status| !holds(status, "SourceReady")).await;
        assert_unreachable(&status, &[&code.to_string(), "asks again later"]);
        estate.registry.forget_requests();
        let status = cluster.deployed(PRODUCTION, tag).await;
        assert!(holds(&status, "SourceReady"), "{status}");
    }
}

async fn the_git_server_goes_and_comes_back(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let mut server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    commit(&registry, &repository, "v1.0.0").await;
    cluster.create_code_sync(PRODUCTION, git_spec(&server.url(), PRODUCTION)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let config = cluster.get("Config", PRODUCTION).await;

    server.stop();
    let (reference, _) = commit(&registry, &repository, "v1.1.0").await;
    let status = cluster.look(PRODUCTION).await;
    assert_unreachable(&status, &[&server.url(), "cannot be reached"]);
    assert!(holds(&status, "Ready") && holds(&status, "Deployed"), "what runs stays: {status}");
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);

    server.start_again();
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert!(holds(&status, "SourceReady"), "{status}");
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
}

async fn the_api_server_goes_and_comes_back_in_the_middle(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1h").await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    cluster.stop_api().await;
    cluster.start_api().await;
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("0s")})).await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert!(status["holds"].is_null(), "{status}");
    for server in ["canary", "compile"] {
        assert_eq!(cluster.template_of(server).await, [wanted.as_str()]);
        assert_eq!(cluster.revision_of(server).await, "2", "one rollout of {server}");
    }
    // And when it goes right after a look was asked for.
    estate.push("v1.2.0").await;
    let annotation = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": "before the outage"}}});
    cluster.patch("CodeSync", PRODUCTION, annotation).await;
    cluster.stop_api().await;
    cluster.start_api().await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
}

#[track_caller]
fn assert_unreachable(status: &Value, message: &[&str]) {
    let source = condition(status, "SourceReady");
    assert_eq!(source["status"], "False", "{status}");
    assert_says(text(&source["message"]), message);
    assert!(status["source"]["unreachableSince"].is_string(), "{status}");
}
