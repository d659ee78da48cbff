//! What a promotion of 500 Servers through three stages costs, and its way back: time, writes to the Kubernetes API,
//! processor and memory. Servers with code of their own and such with that of a Config; all at once and by gates.
//!
//! `cargo bench --bench promotion`; `cargo bench --bench promotion -- quick` for a tenth of the Servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::Instant;
use voxsync_crds::{
    CodeSync,
    code_sync::{CodeSyncStatus, Outcome},
};
use voxsync_load::{BENCH, Order, Server, Staged, Table, Targets, Voxsync, run, tag};

const VOXSYNC: &str = env!("CARGO_BIN_EXE_voxsync");
const POLL: Duration = Duration::from_millis(250);
const DEADLINE: Duration = Duration::from_mins(20);
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(30);
const TAGS: usize = 10;
const GATE: &str = "voxsync.dev/gate";

const CODE: [&str; 2] = ["configs", "servers"];
const DEPLOYMENTS: [&str; 1] = ["deployments"];
const STATUS: [&str; 1] = ["codesyncs/status"];
const TOLD: [&str; 2] = ["codereleases", "events"];
/// Who leads says so every few seconds, whatever happens.
const LEASES: [&str; 1] = ["leases"];

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "quick");
    let scale = if is_quick { 10 } else { 1 };
    let servers = [5, 95, 400].map(|count: usize| count.div_ceil(scale));
    let by_gates = Order::Gated([1, 10, 40].map(|count: usize| count.div_ceil(scale)));
    run(async move {
        for targets in [Targets::Servers, Targets::Configs] {
            for order in [Order::Free, by_gates] {
                measure(Staged { targets, order, servers, tags: TAGS }).await;
            }
        }
    });
}

async fn measure(staged: Staged) {
    let server = Server::start(staged);
    let client = server.client().await;
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &[]);
    let mut bench = Bench { server, client, voxsync, staged, table: Table::default() };
    bench.until("what is there is known", |status| runs(status, TAGS - 1)).await;
    bench.voxsync.idle().await;
    bench.server.take_writes().await;

    bench.promote("promotion", |status| runs(status, TAGS)).await;
    bench.all_run(TAGS).await;
    bench.server.fall_ill().await;
    bench.promote("rollback", is_back).await;
    bench.all_run(TAGS).await;
    bench.rest().await;
    bench.table.row("warnings", bench.voxsync.warnings());
    let Staged { targets, order, servers, .. } = staged;
    bench.table.print(&format!("{targets:?} as targets, {order:?}: stages of {servers:?} Servers"));
}

/// A world and voxsync in it.
struct Bench {
    server: Server,
    client: Client,
    voxsync: Voxsync,
    staged: Staged,
    table: Table,
}

impl Bench {
    /// Measures from a new tag until it came to an end.
    async fn promote(&mut self, what: &str, is_over: fn(&CodeSyncStatus) -> bool) {
        let cpu = self.voxsync.cpu_seconds();
        let began = Instant::now();
        self.server.push(0).await;
        let asked = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": what}}});
        let parameters = PatchParams { field_manager: Some(BENCH.to_owned()), ..PatchParams::default() };
        let code_syncs = self.code_syncs();
        code_syncs.patch(Staged::CODE_SYNC, &parameters, &Patch::Merge(asked)).await.expect("a request");
        self.until(what, is_over).await;
        self.table.row(format!("{what}: takes"), format!("{:.1} s", began.elapsed().as_secs_f64()));
        self.voxsync.idle().await;
        let writes = self.server.take_writes().await;
        let (code, deployments) = (writes.of(&CODE), writes.of(&DEPLOYMENTS));
        let mut row = |name: &str, figure: String| self.table.row(format!("{what}: {name}"), figure);
        row("writes of code", format!("{}, at most {} a target", code.count, code.most_of_one));
        row(
            "writes of Deployments",
            format!("{}, at most {} a Server", deployments.count, deployments.most_of_one),
        );
        let status = writes.of(&STATUS);
        let size = status.bytes as f64 / status.count.max(1) as f64 / 1024.0;
        row("writes of status", format!("{}, {size:.0} KiB each", status.count));
        row("CodeReleases and events", writes.of(&TOLD).count.to_string());
        let known = [&CODE[..], &DEPLOYMENTS, &STATUS, &TOLD, &LEASES].concat();
        row("other writes, without leases", format!("{:?}", writes.besides(&known)));
        row("refused writes", format!("{:?}", writes.refused()));
        let all = code.count + deployments.count + status.count + writes.of(&TOLD).count;
        row("writes a Server", format!("{:.2}", all as f64 / self.staged.total() as f64));
        row("processor", format!("{:.1} s", self.voxsync.cpu_seconds() - cpu));
        row("peak of the memory until then", format!("{:.0} MiB", self.voxsync.memory("VmHWM")));
    }

    /// What is written where nothing happens.
    async fn rest(&mut self) {
        let cpu = self.voxsync.cpu_seconds();
        self.server.take_writes().await;
        tokio::time::sleep(REST).await;
        let writes = self.server.take_writes().await;
        let count: usize = writes.besides(&LEASES).values().sum();
        self.table.row(format!("at rest, {REST:?}: writes"), count);
        let share = (self.voxsync.cpu_seconds() - cpu) / REST.as_secs_f64() * 100.0;
        self.table.row(format!("at rest, {REST:?}: processor, of a core"), format!("{share:.2} %"));
        self.table.row("memory then", format!("{:.0} MiB", self.voxsync.memory("VmRSS")));
    }

    async fn until(&self, what: &str, is_so: impl Fn(&CodeSyncStatus) -> bool) {
        let code_syncs = self.code_syncs();
        let wait = async {
            loop {
                let found = code_syncs.get(Staged::CODE_SYNC).await.expect("the CodeSync");
                if found.status.as_ref().is_some_and(&is_so) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            let found = code_syncs.get(Staged::CODE_SYNC).await.expect("the CodeSync");
            panic!(
                "{what}: waited in vain, {:?}",
                found.status.map(|status| (status.summary, status.stages))
            );
        }
    }

    /// Makes sure that all Deployments have a tag, and that nothing holds them back.
    async fn all_run(&self, number: usize) {
        let wanted = format!(":{}@", tag(number));
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), Staged::NAMESPACE);
        let all = deployments.list(&ListParams::default()).await.expect("the Deployments").items;
        assert_eq!(all.len(), self.staged.total());
        for deployment in all {
            let is_held = deployment.metadata.annotations.iter().flatten().any(|(name, _)| name == GATE);
            let spec = deployment.spec.expect("a spec");
            let volumes = spec.template.spec.and_then(|pod| pod.volumes).unwrap_or_default();
            let mut images = volumes.iter().filter_map(|volume| volume.image.as_ref()?.reference.as_ref());
            let runs = images.any(|reference| reference.contains(&wanted));
            assert!(runs && !is_held && spec.paused != Some(true), "{:?}", deployment.metadata.name);
        }
    }

    fn code_syncs(&self) -> Api<CodeSync> {
        Api::namespaced(self.client.clone(), Staged::NAMESPACE)
    }
}

fn runs(status: &CodeSyncStatus, number: usize) -> bool {
    status.deployed.as_ref().is_some_and(|deployed| deployed.name == tag(number))
}

fn is_back(status: &CodeSyncStatus) -> bool {
    status.promotion.as_ref().is_some_and(|promotion| promotion.outcome == Some(Outcome::RolledBack))
}
