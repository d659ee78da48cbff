//! The shell: wakes the right Servers, and looks at few at a time.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::{Change, Changed, Cluster, CrossNamespace, Kind, Work};
use voxsync_crds::code_sync::place_and_name;

use crate::{
    clock::Clock,
    memory::Memory,
    metrics::Metrics,
    mode::Mode,
    pass::{Context, Passed, ServerKey, pass},
    queue::Queue,
    write::Writer,
};

/// How many Servers are looked at, and so written, at the same time.
const PASSES_LIMIT: usize = 8;

/// How long changes are gathered before it is looked whose turn it is in their namespace: in a rollout there are many.
const GATES_PAUSE: Duration = Duration::from_millis(100);

/// How the reconciler is to work.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much it may write.
    pub mode: Mode,
    /// Where it counts.
    pub metrics: Metrics,
}

/// Why the reconciler ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing tells it of changes any more.
    #[error("the cluster is no longer watched, so the reconciler cannot go on: start it again")]
    Unwatched,
}

/// Reconciles all Servers of the cluster until cancelled; then what has begun is ended.
///
/// Only one may run for a Server at a time: who calls holds the Lease. Two would not break anything, but write twice.
///
/// # Errors
/// Where the cluster is no longer watched.
pub async fn run(
    client: Client,
    cluster: Cluster,
    options: Options,
    cancel: CancellationToken,
) -> Result<(), Error> {
    let mut changes = cluster.changes();
    if cancel.run_until_cancelled(cluster.ready()).await.is_none() {
        return Ok(());
    }
    let Options { mode, metrics } = options;
    tracing::info!(%mode, "the reconciler starts");
    let context =
        Context { writer: Writer::new(client.clone()), client, cluster, mode, metrics, clock: Clock::new() };
    // What the last run left, if it was dropped.
    context.metrics.forget();
    let mut queue = Queue::new();
    let mut namespaces = Queue::new();
    let mut memories = HashMap::<ServerKey, Memory>::new();
    let mut passes = FuturesUnordered::new();
    wake(&context, &mut queue, &mut namespaces, &memories, Changed::Everything);
    loop {
        while let Some(namespace) = namespaces.take(Instant::now()) {
            namespaces.done(&namespace);
            wake_gated(&context, &mut queue, &namespace);
        }
        while passes.len() < PASSES_LIMIT
            && let Some(key) = queue.take(Instant::now())
        {
            let memory = memories.remove(&key).unwrap_or_default();
            passes.push(pass(&context, key, memory));
        }
        let has_room = passes.len() < PASSES_LIMIT;
        let next_at = queue.next_at().filter(|_| has_room).into_iter().chain(namespaces.next_at()).min();
        tokio::select! {
            () = cancel.cancelled() => break,
            news = changes.next() => {
                wake(&context, &mut queue, &mut namespaces, &memories, news.ok_or(Error::Unwatched)?);
            }
            Some(ended) = passes.next() => {
                settle(&context, &mut queue, &mut memories, ended);
                // Thousands may have nothing to wait for, and the Lease is to be renewed meanwhile.
                tokio::task::consume_budget().await;
            }
            () = tokio::time::sleep_until(next_at.unwrap_or_else(Instant::now)), if next_at.is_some() => {}
        }
    }
    // Each call has a limit of its own.
    while passes.next().await.is_some() {}
    context.metrics.forget();
    Ok(())
}

fn settle(
    context: &Context,
    queue: &mut Queue<ServerKey>,
    memories: &mut HashMap<ServerKey, Memory>,
    passed: Passed,
) {
    let Passed { key, memory, again } = passed;
    queue.done(&key);
    if let Some(again) = again {
        queue.push(key.clone(), context.clock.instant(again));
    }
    if let Some(memory) = memory {
        memories.insert(key, memory);
    }
    context.metrics.passed(queue.len(), context.cluster.read(voxsync_cluster::Snapshot::gates_count));
}

/// Puts the Servers of a namespace into the queue whose gates something may have to be done about.
fn wake_gated(context: &Context, queue: &mut Queue<ServerKey>, namespace: &str) {
    let now = Instant::now();
    for name in context.cluster.read(|snapshot| snapshot.gates_to_look_at(namespace)) {
        queue.push(ServerKey { namespace: namespace.to_owned(), name }, now);
    }
}

/// Puts the Servers that a change is about into the queue, and its namespace where Deployments are held back in it.
fn wake(
    context: &Context,
    queue: &mut Queue<ServerKey>,
    namespaces: &mut Queue<String>,
    memories: &HashMap<ServerKey, Memory>,
    changed: Changed,
) {
    let now = Instant::now();
    let mut push = |namespace: &str, name: &str| {
        queue.push(ServerKey { namespace: namespace.to_owned(), name: name.to_owned() }, now);
    };
    match changed {
        Changed::Everything => {
            context.cluster.read(|snapshot| {
                for server in snapshot.servers() {
                    push(
                        server.metadata.namespace.as_deref().unwrap_or_default(),
                        server.metadata.name.as_deref().unwrap_or_default(),
                    );
                }
            });
            // Among them may be Servers that are gone.
            for key in memories.keys() {
                push(&key.namespace, &key.name);
            }
        }
        Changed::One(Change { kind, namespace, name, owner }) => {
            // Whose turn it is depends on the pods of others, and perhaps on those of other namespaces.
            context.cluster.read(|snapshot| {
                let is_concerned = |gated: &&str| {
                    *gated == namespace || snapshot.cross_namespace() == CrossNamespace::Allowed
                };
                for gated in snapshot.namespaces_with_gates().filter(is_concerned) {
                    namespaces.push(gated.to_owned(), now + GATES_PAUSE);
                }
            });
            match kind {
                Kind::Server => push(&namespace, &name),
                Kind::Config => context.cluster.read(|snapshot| {
                    for server in snapshot.servers_of_config(&namespace, &name) {
                        push(&namespace, server.metadata.name.as_deref().unwrap_or_default());
                    }
                }),
                // A Deployment without an owner may be in the way of the Server of its name.
                Kind::Deployment => push(&namespace, owner.as_deref().unwrap_or(&name)),
                Kind::ReplicaSet | Kind::Pod => {
                    if let Some(server) = owner {
                        push(&namespace, &server);
                    }
                }
                Kind::CodeSync => context.cluster.read(|snapshot| {
                    let code_sync = snapshot.code_sync(&namespace, &name);
                    let work = code_sync.and_then(|code_sync| snapshot.work_of(code_sync));
                    if let Some(work) = work.filter(Work::places_gates) {
                        for known in snapshot.to_gate(&work) {
                            let (place, server) = place_and_name(&known);
                            push(place.unwrap_or(&namespace), server);
                        }
                    }
                }),
                Kind::CodeRelease => {}
            }
        }
    }
}
