//! Two replicas: the other one takes over in the middle of a promotion, and what an old leader still sends is refused.
//!
//! Each replica has a proxy of its own, which says who wrote what.

use std::sync::Arc;

use voxsync_fixtures::{Access, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, Process, cases,
    estate::PRODUCTION,
    proxy::{Catch, Fate, Proxy, Write},
    staged::{Staged, are_within},
    status::{DEADLINE, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_killed_leader_is_followed_in_the_middle_of_a_promotion => Needs::OBJECT.on_control_plane_only(),
    a_late_reference_of_an_old_leader_is_refused => Needs::BOTH_SHAPES.on_control_plane_only(),
    a_late_pod_template_of_an_old_leader_is_refused => Needs::OBJECT.on_control_plane_only(),
    a_late_gate_of_an_old_leader_is_refused => Needs::OBJECT.on_control_plane_only(),
    a_late_finalizer_of_an_old_leader_is_refused => Needs::OBJECT.on_control_plane_only(),
];

const LEASES: [&str; 2] = ["voxsync-agent", "voxsync-reconciler"];
/// Who leads at first, and who takes over.
const FIRST: &str = "first";
const SECOND: &str = "second";

async fn a_killed_leader_is_followed_in_the_middle_of_a_promotion(cluster: &Cluster) {
    let replicas = Replicas::start(cluster, is_reference).await;
    replicas.staged.push("v1.1.0").await;
    replicas.first.proxy.catches().await;
    replicas.first.process.kill();
    // The process is gone, and what it sent last arrives.
    assert_eq!(replicas.first.proxy.release().await.fate, Fate::Answered(200));
    assert!(replicas.second.proxy.writes().is_empty(), "only one works at a time");
    replicas.staged.rests_on("v1.1.0").await;
    replicas.are_led_by(SECOND).await;
    replicas.ended_with(&["v1.0.0", "v1.1.0"]).await;
}

async fn a_late_reference_of_an_old_leader_is_refused(cluster: &Cluster) {
    is_refused(cluster, is_reference, ("Config", PRODUCTION), Loss::CutOff).await;
}

async fn a_late_pod_template_of_an_old_leader_is_refused(cluster: &Cluster) {
    is_refused(cluster, is_pod_template, ("Deployment", "worker-1"), Loss::Stopped).await;
}

async fn a_late_gate_of_an_old_leader_is_refused(cluster: &Cluster) {
    is_refused(cluster, is_gate, ("Deployment", "ca"), Loss::CutOff).await;
}

async fn a_late_finalizer_of_an_old_leader_is_refused(cluster: &Cluster) {
    is_refused(cluster, is_finalizer, ("CodeSync", PRODUCTION), Loss::Stopped).await;
}

fn is_reference(write: &Write) -> bool {
    is_patch(write, "configs/production")
}

fn is_pod_template(write: &Write) -> bool {
    is_patch(write, "deployments/worker-1")
}

fn is_gate(write: &Write) -> bool {
    is_patch(write, "deployments/ca") && write.body.contains("voxsync.dev~1gate")
}

fn is_finalizer(write: &Write) -> bool {
    is_patch(write, "codesyncs/production") && write.body.contains("finalizers")
}

fn is_patch(write: &Write, object: &str) -> bool {
    write.name.verb == "PATCH" && write.name.object == object
}

/// Why a leader does not renew its Leases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Nothing that it sends arrives.
    CutOff,
    /// It is stopped as a whole, and does not know that time passes.
    Stopped,
}

/// A write of the first leader is under way while the second takes over and brings a newer tag to the end.
async fn is_refused(cluster: &Cluster, held: fn(&Write) -> bool, (kind, name): (&str, &str), loss: Loss) {
    let replicas = Replicas::start(cluster, held).await;
    let Replicas { staged, first, .. } = &replicas;
    staged.push("v1.1.0").await;
    first.proxy.catches().await;
    match loss {
        Loss::CutOff => first.proxy.close(),
        Loss::Stopped => first.process.signal("-STOP"),
    }
    staged.push("v1.2.0").await;
    staged.rests_on("v1.2.0").await;
    replicas.are_led_by(SECOND).await;

    let before = cluster.get(kind, name).await;
    let late = first.proxy.release().await;
    assert!(matches!(late.fate, Fate::Answered(409 | 422)), "{late:?}");
    assert_eq!(cluster.get(kind, name).await, before);

    let written = first.proxy.writes().len();
    match loss {
        Loss::CutOff => first.proxy.open(),
        Loss::Stopped => first.process.signal("-CONT"),
    }
    replicas.first_knows_that_it_follows().await;
    let writes = first.proxy.writes();
    assert_eq!(writes.len(), written, "{:?}", writes.get(written..));
    replicas.ended_with(&["v1.0.0", "v1.1.0", "v1.2.0"]).await;
}

/// Two replicas beside one estate at rest on v1.0.0; the first leads, and a write of its own will be held.
struct Replicas<'cluster> {
    staged: Staged<'cluster>,
    first: Replica,
    second: Replica,
}

struct Replica {
    proxy: Proxy,
    process: Process,
}

impl<'cluster> Replicas<'cluster> {
    async fn start(cluster: &'cluster Cluster, held: fn(&Write) -> bool) -> Self {
        let registry = Arc::new(Registry::start(Access::Anonymous, Transport::Plain));
        let staged = Staged::create(cluster, registry).await;
        let first = Replica::start(&staged, FIRST).await;
        staged.rests_on("v1.0.0").await;
        let second = Replica::start(&staged, SECOND).await;
        first.proxy.catch(Catch::Hold(held));
        let replicas = Self { staged, first, second };
        replicas.are_led_by(FIRST).await;
        replicas
    }

    async fn are_led_by(&self, identity: &str) {
        for lease in LEASES {
            wait_for(&format!("{identity} holds {lease}"), DEADLINE, async || {
                let lease = self.staged.cluster.get("Lease", lease).await;
                let holder = text(&lease["spec"]["holderIdentity"]);
                if holder == identity { Ok(()) } else { Err(holder.to_owned()) }
            })
            .await;
        }
    }

    async fn first_knows_that_it_follows(&self) {
        wait_for("the first replica to know that it follows", DEADLINE, async || {
            let log = self.first.process.log();
            let is_said = |lease: &&str| {
                log.iter()
                    .any(|line| line.contains(*lease) && line.contains("this process is ready to take over"))
            };
            if LEASES.iter().all(is_said) { Ok(()) } else { Err(log.join("\n")) }
        })
        .await;
    }

    /// Nothing was ever wrong, and no Server was let run anything twice or out of order. A Server that did not run a tag
    /// before the next one was there may go without it.
    async fn ended_with(&self, tags: &[&str]) {
        assert_eq!(self.staged.faults().await, Vec::<String>::new());
        for (server, codes) in self.staged.codes().await {
            assert!(are_within(&codes, tags), "{server}: {codes:?}");
        }
    }
}

impl Replica {
    async fn start(staged: &Staged<'_>, identity: &str) -> Self {
        let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
        let process = staged.start(&proxy.kubeconfig(), &["--identity", identity]).await;
        Self { proxy, process }
    }
}
