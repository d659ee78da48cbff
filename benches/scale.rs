//! Memory, processor time and time to settle of `voxsync run`: with a large estate, and with as many CodeSyncs but few
//! Servers.
//!
//! `cargo bench --bench scale`; `cargo bench --bench scale -- quick` for a tenth of it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::time::Duration;

use futures::future::BoxFuture;
use kube::{Api, api::ListParams};
use voxsync_crds::CodeSync;
use voxsync_load::{Server, Table, Voxsync, World, run, tag};

const VOXSYNC: &str = env!("CARGO_BIN_EXE_voxsync");
const INTERVAL: Duration = Duration::from_mins(5);
/// After a start the first looks are spread over a minute.
const SPREAD: Duration = Duration::from_secs(65);
const POLL: Duration = Duration::from_millis(200);

/// All repositories are in one registry of one's own, which bears more than the default asks of those of others.
const ONE_OWN_REGISTRY: [&str; 2] = ["--registry-requests-per-second", "2000"];

const LARGE: World = World {
    code_syncs: 1000,
    servers: 10_000,
    tags: 500,
    namespaces: 20,
    interval_seconds: 300,
    rolls: false,
};
const FEW: World = World { servers: 10, ..LARGE };

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "quick");
    let part = |world: World| World {
        code_syncs: world.code_syncs / if is_quick { 10 } else { 1 },
        servers: world.servers / if is_quick { 10 } else { 1 },
        ..world
    };
    let window = if is_quick { INTERVAL / 10 } else { INTERVAL };
    run(async {
        for world in [part(FEW), part(LARGE)] {
            measure(world, window).await;
        }
    });
}

async fn measure(world: World, window: Duration) {
    let server = Server::start(world);
    let mut table = Table::default();
    {
        let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &ONE_OWN_REGISTRY);
        start(&voxsync, &mut table, "first start", Box::pin(all_deployed(&server, world))).await;
    }
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &ONE_OWN_REGISTRY);
    start(&voxsync, &mut table, "restart", Box::pin(async {})).await;
    tokio::time::sleep(SPREAD.saturating_sub(voxsync.started.elapsed())).await;
    let before = voxsync.cpu_seconds();
    tokio::time::sleep(window).await;
    let share = (voxsync.cpu_seconds() - before) / window.as_secs_f64() * 100.0;
    table.row(format!("processor over {window:?} at rest, of a core"), format!("{share:.2} %"));
    table.row("memory then", format!("{:.0} MiB", voxsync.memory("VmRSS")));
    table.row("peak of the memory until then", format!("{:.0} MiB", voxsync.memory("VmHWM")));
    let World { code_syncs, servers, tags, .. } = world;
    table.print(&format!(
        "{code_syncs} CodeSyncs on {code_syncs} repositories of {tags} tags, {code_syncs} Configs, {servers} Servers and \
         Deployments with {} pods",
        world.pods()
    ));
}

/// Measures a start until all is as it must be.
async fn start(voxsync: &Voxsync, table: &mut Table, which: &str, settled: BoxFuture<'_, ()>) {
    let ready = voxsync.ready().await;
    table.row(format!("{which}: the first lists are in after"), seconds(ready));
    settled.await;
    let settled = voxsync.started.elapsed();
    let idle = voxsync.idle().await;
    table.row(format!("{which}: every CodeSync is deployed, as far as is known after"), seconds(settled));
    table.row(format!("{which}: at rest after"), seconds(idle));
    table.row(format!("{which}: processor until then"), format!("{:.2} s", voxsync.cpu_seconds()));
    table.row(format!("{which}: peak of the memory"), format!("{:.0} MiB", voxsync.memory("VmHWM")));
    table.row(format!("{which}: warnings"), voxsync.warnings());
}

async fn all_deployed(server: &Server, world: World) {
    let api = Api::<CodeSync>::all(server.client().await);
    let newest = tag(world.tags - 1);
    loop {
        let all = api.list(&ListParams::default()).await.expect("the CodeSyncs").items;
        let is_deployed = |one: &CodeSync| {
            let deployed = one.status.as_ref().and_then(|status| status.deployed.as_ref());
            deployed.is_some_and(|deployed| deployed.name == newest)
        };
        if all.iter().all(is_deployed) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
