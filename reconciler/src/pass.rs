//! One look at one Server: plan, write, remember, say.

use jiff::Timestamp;
use kube::Client;
use voxsync_cluster::{Cluster, Snapshot};
use voxsync_crds::{Config, Server};

use crate::{
    clock::Clock,
    event::{self, Event, Severity},
    memory::{Change, Memory},
    metrics::Metrics,
    mode::Mode,
    plan::{Facts, Plan, Write, plan},
    tell::{follow, mark, report},
    write::{NotWritten, Writer},
};

/// How often one pass reads again after a conflict before it waits.
const CONFLICT_LIMIT: u32 = 3;

/// Names one Server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServerKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What passes share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) cluster: Cluster,
    pub(crate) mode: Mode,
    pub(crate) writer: Writer,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

/// How a pass ended.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) key: ServerKey,
    /// None where the Server is gone.
    pub(crate) memory: Option<Memory>,
    /// When to look again, if nothing changes before.
    pub(crate) again: Option<Timestamp>,
}

/// Looks at one Server, and does what is to do.
pub(crate) async fn pass(context: &Context, key: ServerKey, mut memory: Memory) -> Passed {
    for _ in 0..CONFLICT_LIMIT {
        let Some((server, plan)) = look(context, &key, &mut memory) else {
            context.metrics.moved(memory.state, None);
            return Passed { key, memory: None, again: None };
        };
        let again = match plan {
            Plan::Nothing => {
                mark(context, &server, None).await;
                None
            }
            Plan::Wait(until) => Some(until),
            Plan::Report(finding) => {
                report(context, &server, &mut memory, &finding).await;
                None
            }
            Plan::TouchServer(value) => touch(context, &key, &server, &mut memory, &value).await,
            Plan::Write(write) => match write_template(context, &key, &server, &mut memory, &write).await {
                Written::Settled(again) => again,
                // What it is now is known: decide anew.
                Written::Conflict => continue,
            },
        };
        follow(context, &key, &server, &mut memory).await;
        return Passed { key, memory: Some(memory), again };
    }
    let again = failed(context, &key, &mut memory, "the Deployment changes faster than it can be written");
    Passed { key, memory: Some(memory), again }
}

enum Written {
    Settled(Option<Timestamp>),
    Conflict,
}

/// What is to be done about the Server; `None` where there is none.
fn look(context: &Context, key: &ServerKey, memory: &mut Memory) -> Option<(Server, Plan)> {
    let ServerKey { namespace, name } = key;
    context.cluster.read(|snapshot: &Snapshot| {
        let server = snapshot.server(namespace, name)?;
        let code = snapshot.server_code(namespace, name)?;
        let config = server.spec.config_ref.as_deref().and_then(|config| snapshot.config(namespace, config));
        let facts = Facts {
            server,
            config_is_paused: config.is_some_and(Config::is_paused),
            code: &code,
            deployment: snapshot.deployment_of(namespace, name),
        };
        Some((server.clone(), plan(context.mode, facts, memory, context.clock.now())))
    })
}

async fn touch(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    value: &str,
) -> Option<Timestamp> {
    let ServerKey { namespace, name } = key;
    match context.writer.touch(namespace, name, value).await {
        Ok(server) => {
            tracing::info!(
                namespace,
                server = name,
                code = value,
                "asked openvox-operator to bring in the code"
            );
            context.metrics.wrote("asked");
            if let Some(change) = &mut memory.change {
                change.asked_at = Some(context.clock.now());
                change.failures = 0;
            }
            context.cluster.apply(server);
            Some(context.clock.now())
        }
        Err(problem) => not_written(context, key, server, memory, problem).await,
    }
}

async fn write_template(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    write: &Write,
) -> Written {
    let ServerKey { namespace, name } = key;
    match context.writer.deployment(namespace, name, write).await {
        Ok(deployment) => {
            let Write { present, wanted, .. } = write;
            tracing::info!(
                namespace,
                server = name,
                code = wanted,
                before = present,
                "wrote the pod template"
            );
            context.metrics.wrote("written");
            let now = context.clock.now();
            if let Some(change) = &mut memory.change {
                change.written(now);
            }
            memory.said = None;
            context.cluster.apply(deployment);
            let note =
                format!("wrote {wanted} into the pod template of Deployment {name}, which had {present}");
            let event = Event { severity: Severity::Normal, reason: "CodeWritten", note };
            event::publish(&context.client, server, &event, now).await;
            Written::Settled(None)
        }
        Err(NotWritten::Conflict(now)) => {
            context.metrics.wrote("conflict");
            context.cluster.apply(*now);
            Written::Conflict
        }
        Err(problem) => Written::Settled(not_written(context, key, server, memory, problem).await),
    }
}

async fn not_written(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    problem: NotWritten,
) -> Option<Timestamp> {
    match problem {
        // Its watch will tell.
        NotWritten::Gone | NotWritten::Conflict(_) => None,
        NotWritten::Failed(error) => failed(context, key, memory, &error),
        NotWritten::NotAllowed(finding) => {
            context.metrics.wrote("refused");
            let now = context.clock.now();
            let retry_at = memory.change.as_mut().map(|change: &mut Change| {
                change.refused(now, key);
                change.retry_at
            });
            report(context, server, memory, &finding).await;
            retry_at.flatten()
        }
    }
}

fn failed(context: &Context, key: &ServerKey, memory: &mut Memory, error: &str) -> Option<Timestamp> {
    let ServerKey { namespace, name } = key;
    context.metrics.wrote("failed");
    let change = memory.change.as_mut()?;
    change.failed(context.clock.now(), key);
    tracing::warn!(
        namespace,
        server = name,
        error,
        failures = change.failures,
        "cannot write; will try again"
    );
    change.retry_at
}
