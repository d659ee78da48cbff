//! The conditions, by the rules of kstatus: a tool that waits for Ready gets an answer that is true.

use serde_json::{Value, json};
use voxsync_fixtures::CodeImage;

use crate::{
    argocd::health,
    harness::{
        Case, Cluster, Needs, NewServer, cases,
        estate::{Estate, PRODUCTION, REPOSITORY},
        status::{condition, follow_tags, text},
    },
};

pub(crate) const CASES: &[Case] = cases![
    conditions_say_what_holds,
    kubectl_wait_is_told_the_truth => Needs::OBJECT.and_kubectl(),
];

/// A situation that a CodeSync of this name is brought into.
struct Situation {
    name: &'static str,
    /// The tag to be found, beside v1.0.0, which runs.
    tag: &'static str,
    /// What its spec has besides.
    extra: Value,
    ready: &'static str,
    /// What Argo CD shows.
    health: &'static str,
    /// Ready, Reconciling, Stalled, SourceReady, Held, Suspended, Deployed; `-` where absent.
    conditions: &'static str,
}

fn situations() -> Vec<Situation> {
    let stages = |name: &str| {
        json!([
            {"name": "first", "targets": [{"kind": "Config", "name": name}], "soak": "1h"},
            {"name": "last", "targets": [{"kind": "Server", "name": name}]},
        ])
    };
    let rows = [
        ("deployed", "v1.1.0", json!({}), "Deployed", "Healthy", "True - - True False False True"),
        (
            "soaking",
            "v1.1.0",
            json!({"target": null, "stages": stages("soaking")}),
            "Waiting",
            "Healthy",
            "True - - True False False False",
        ),
        (
            "rolling",
            "v1.1.0-unready",
            json!({}),
            "Rolling",
            "Progressing",
            "False True - True False False False",
        ),
        ("failed", "v1.1.0-missing", json!({}), "RolledBack", "Degraded", "False - - True False False False"),
        ("held", "v1.1.0", json!({}), "Held", "Degraded", "False - - True True False False"),
        (
            "suspended",
            "v1.1.0",
            json!({"suspend": true}),
            "Suspended",
            "Suspended",
            "True - - True False True False",
        ),
        (
            "lower",
            "v0.9.0",
            json!({"source": {"registry": {"tag": {"semver": "<1.0.0"}}}}),
            "Waiting",
            "Healthy",
            "True - - True False False -",
        ),
        (
            "stalled",
            "v1.1.0",
            json!({"source": {"registry": {"match": "("}}}),
            "InvalidSpec",
            "Degraded",
            "False - True - False False False",
        ),
        (
            "unknown",
            "v1.1.0",
            json!({"source": {"registry": {"tag": {"semver": ">9"}}}}),
            "NoMatch",
            "Degraded",
            "False - - False False False False",
        ),
        (
            "lost",
            "v1.1.0",
            json!({"target": {"kind": "Config", "name": "nowhere"}}),
            "TargetMissing",
            "Degraded",
            "False - - True False False False",
        ),
    ];
    rows.map(|(name, tag, extra, ready, health, conditions)| Situation {
        name,
        tag,
        extra,
        ready,
        health,
        conditions,
    })
    .into()
}

async fn conditions_say_what_holds(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for Situation { name, tag, extra, .. } in situations() {
        estate.registry.push(name, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
        estate.registry.push(name, tag, &CodeImage::with_site(tag)).await;
        let running = cluster.code(&estate.registry.reference(name, "v1.0.0"));
        cluster.create_config(name, Some(running)).await;
        cluster
            .create_server(&NewServer { name, config: name, by_operator: false, ..NewServer::default() })
            .await;
        let source = follow_tags(&estate.registry, name, &json!({"semver": ">=1.0.0-0"}));
        let mut spec = json!({"source": source, "target": {"kind": "Config", "name": name}});
        json_patch::merge(&mut spec, &extra);
        cluster.create_code_sync(name, spec).await;
    }
    cluster.deployed("held", "v1.1.0").await;
    cluster
        .patch("Config", "held", json!({"spec": {"code": cluster.code("registry.example/by-hand:v1")}}))
        .await;
    for Situation { name, ready, health: wanted_health, conditions, .. } in situations() {
        let status = cluster
            .status_when(name, &format!("Ready says {ready}"), |status| {
                condition(status, "Ready")["reason"] == ready
            })
            .await;
        let kinds = ["Ready", "Reconciling", "Stalled", "SourceReady", "Held", "Suspended", "Deployed"];
        for (kind, wanted) in kinds.iter().zip(conditions.split(' ')) {
            let found = text(&condition(&status, kind)["status"]);
            assert!(wanted == "-" || found == wanted, "{name}: {kind} is {found:?}, not {wanted}: {status}");
            let only_while_true = ["Reconciling", "Stalled"].contains(kind);
            assert!(
                !only_while_true || wanted == "True" || found.is_empty(),
                "{name}: {kind} is there: {status}"
            );
        }
        for condition in status["conditions"].as_array().expect("conditions") {
            assert!(
                !text(&condition["message"]).is_empty() && !text(&condition["reason"]).is_empty(),
                "{condition}"
            );
            assert_eq!(condition["observedGeneration"], status["observedGeneration"]);
        }
        assert!(text(&status["summary"]).chars().count() <= 64, "{name}: {}", status["summary"]);
        let found =
            health(&json!({"metadata": {"generation": status["observedGeneration"]}, "status": status}));
        assert_eq!(found.0, wanted_health, "{name}: {found:?}");
    }
}

async fn kubectl_wait_is_told_the_truth(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    estate.registry.push(REPOSITORY, "v1.2.0", &CodeImage::with_site("v1.2.0")).await;
    cluster.look(PRODUCTION).await;
    cluster.kubectl(&[
        "wait",
        "csync/production",
        "--for=jsonpath={.status.deployed.name}=v1.2.0",
        "--timeout=60s",
    ]);
    cluster.kubectl(&["wait", "csync/production", "--for=condition=Ready", "--timeout=60s"]);
    cluster.kubectl(&["wait", "csync/production", "--for=condition=Deployed", "--timeout=60s"]);
}
