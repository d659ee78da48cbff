//! Several `voxsync run`: one works and the others are ready to, by Leases; and shards of the agent.

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Process, Recorder, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server, stages},
    status::{DEADLINE, assert_says, condition, follow_tags, phase, text},
    wait_for,
};

const AGENT: &str = "voxsync-agent";
const RECONCILER: &str = "voxsync-reconciler";

pub(crate) const CASES: &[Case] = cases![
    one_works_and_hands_over_in_the_middle_of_a_promotion,
    shards_do_their_own_and_respect_the_claims_of_others,
];

async fn one_works_and_hands_over_in_the_middle_of_a_promotion(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "1h").await;
    estate.kill();
    let recorder = Recorder::start(cluster, &["Lease"]).await;
    let one = start(cluster, "one", &[]);
    leads(cluster, AGENT, "one").await;
    leads(cluster, RECONCILER, "one").await;
    let two = start(cluster, "two", &[]);
    wait_for("/readyz of the follower", DEADLINE, async || {
        two.get("/readyz").await.map_err(|error| error.to_string())
    })
    .await;

    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    let metrics = two.get("/metrics").await.unwrap();
    assert_eq!((leader(&metrics, AGENT), leader(&metrics, RECONCILER)), ("0", "0"), "{metrics}");
    let acts = |line: &&str| {
        let is_write = ["create", "update", "patch", "delete"]
            .iter()
            .any(|verb| line.contains(&format!("verb=\"{verb}\"")));
        is_write || line.starts_with("voxsync_source_looks_total{")
    };
    assert_eq!(metrics.lines().find(acts), None, "a follower neither looks nor writes");

    one.signal("-TERM");
    let status = wait_for("the leader to end", DEADLINE, async || {
        one.ended().ok_or_else(|| "it still runs".to_owned())
    })
    .await;
    assert!(status.success(), "{status}");
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("0s")})).await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert!(status["holds"].is_null(), "{status}");
    for server in ["canary", "compile"] {
        assert_eq!(cluster.template_of(server).await, [wanted.as_str()]);
        assert_eq!(cluster.revision_of(server).await, "2", "one rollout of {server}");
    }
    let metrics = two.get("/metrics").await.unwrap();
    assert_eq!((leader(&metrics, AGENT), leader(&metrics, RECONCILER)), ("1", "1"), "{metrics}");
    for lease in [AGENT, RECONCILER] {
        let versions = recorder.versions("Lease", lease);
        let mut holders: Vec<_> =
            versions.iter().map(|lease| text(&lease["spec"]["holderIdentity"])).collect();
        holders.dedup();
        assert_eq!(holders, ["one", "", "two"], "the Lease was given up, so nobody waited for it to run out");
        let transitions: Vec<_> = versions.iter().map(|lease| &lease["spec"]["leaseTransitions"]).collect();
        assert_eq!((transitions.first(), transitions.last()), (Some(&&json!(0)), Some(&&json!(1))));
    }
}

async fn shards_do_their_own_and_respect_the_claims_of_others(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    push(&registry, "v1.0.0").await;
    for config in ["one", "two"] {
        bare_server(cluster, config).await;
        create(cluster, &registry, config, config, config).await;
    }
    let one = ["--shard", "one", "--shard-selector", "shard=one"];
    let two = ["--shard", "two", "--shard-selector", "shard notin (one,none)"];
    let _one = start(cluster, "one", &one);
    let second = start(cluster, "two", &two);
    leads(cluster, "voxsync-agent-one", "one").await;
    leads(cluster, "voxsync-agent-two", "two").await;
    for name in ["one", "two"] {
        cluster.deployed(name, "v1.0.0").await;
    }

    create(cluster, &registry, "claimant", "two", "one").await;
    let status = cluster.condition("claimant", "Stalled", "True", "Claimed").await;
    assert_says(text(&condition(&status, "Ready")["message"]), &["Config/one belongs to CodeSync one"]);
    cluster.delete("CodeSync", "claimant").await;
    // The event about it: from here on nobody has to say that a CodeSync was deleted.
    cluster.event("claimant", "Deleted").await;

    // Nobody does what its shard would do.
    second.signal("-TERM");
    wait_for("the process to end", DEADLINE, async || {
        second.ended().ok_or_else(|| "it still runs".to_owned())
    })
    .await;
    push(&registry, "v1.1.0").await;
    rests(cluster, "two", "v1.0.0").await;
    // Unless another shard gets it, without a word of its deletion.
    label(cluster, "two", "one").await;
    cluster.deployed("two", "v1.1.0").await;
    label(cluster, "two", "none").await;
    push(&registry, "v1.2.0").await;
    rests(cluster, "two", "v1.1.0").await;
    let events = cluster.list("Event").await;
    let deleted = |event: &&Value| event["reason"] == "Deleted" && event["involvedObject"]["name"] == "two";
    assert_eq!(events.iter().find(deleted), None);
}

/// A process under this name.
fn start(cluster: &Cluster, identity: &str, options: &[&str]) -> Process {
    let mut command = Process::command(cluster.voxsync_kubeconfig(), cluster.namespace());
    command.args(["--identity", identity]).args(options);
    Process::spawn(command)
}

async fn leads(cluster: &Cluster, lease: &str, identity: &str) {
    wait_for(&format!("{identity} holds the Lease {lease}"), DEADLINE, async || {
        let found = cluster.try_get("Lease", lease).await.unwrap_or_default();
        let is_held = found["spec"]["holderIdentity"] == identity;
        if is_held { Ok(()) } else { Err(found["spec"].to_string()) }
    })
    .await;
}

/// What the metrics say of a Lease: 1 where the process leads.
fn leader<'a>(metrics: &'a str, lease: &str) -> &'a str {
    let name = format!("voxsync_leader{{lease=\"{lease}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default()
}

async fn push(registry: &Registry, tag: &str) {
    registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
}

async fn create(cluster: &Cluster, registry: &Registry, name: &str, shard: &str, config: &str) {
    let source = follow_tags(registry, REPOSITORY, &json!({"semver": "*"}));
    let target = json!({"kind": "Config", "name": config});
    let metadata = json!({"name": name, "labels": {"shard": shard}});
    cluster
        .create(
            json!({"kind": "CodeSync", "metadata": metadata, "spec": {"source": source, "target": target}}),
        )
        .await;
}

async fn label(cluster: &Cluster, name: &str, shard: &str) {
    cluster.patch("CodeSync", name, json!({"metadata": {"labels": {"shard": shard}}})).await;
}

/// A look is asked for, and not carried out, although the other CodeSync's later one is.
async fn rests(cluster: &Cluster, name: &str, deployed: &str) {
    let token = format!("while {deployed} is deployed");
    let annotation = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": token}}});
    cluster.patch("CodeSync", name, annotation).await;
    cluster.look("one").await;
    let status = cluster.get("CodeSync", name).await["status"].clone();
    assert_ne!(status["lastHandledReconcileAt"], *token, "{status}");
    assert_eq!(status["deployed"]["name"], deployed, "{status}");
}
