//! One look at one Server: plan, write, remember, say.

use jiff::Timestamp;
use kube::Client;
use tracing::Instrument as _;
use voxsync_cluster::{Cluster, Snapshot};
use voxsync_crds::{Config, Server};

use crate::{
    clock::Clock,
    event::{self, Event, Severity},
    finding::Finding,
    gate::{self, GateStep},
    hold::{ask_for_holder, write_gate},
    memory::{Memory, Retry},
    metrics::Metrics,
    mode::Mode,
    plan::{Facts, Plan, Write, plan},
    tell::{follow, mark, report},
    trace,
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
    let mut holder_is_known = false;
    let mut conflicts = 0;
    loop {
        let Some((server, plan)) = look(context, &key, &mut memory) else {
            context.metrics.moved(memory.state, None);
            return Passed { key, memory: None, again: None };
        };
        let again = match act(context, &key, &server, &mut memory, plan, holder_is_known).await {
            Written::Settled(again) => again,
            Written::Learnt => {
                holder_is_known = true;
                continue;
            }
            Written::Conflict(what) => {
                conflicts += 1;
                if conflicts < CONFLICT_LIMIT {
                    continue;
                }
                failed(context, &key, &mut memory, what, "it changes faster than it can be written")
            }
        };
        follow(context, &key, &server, &mut memory).await;
        return Passed { key, memory: Some(memory), again };
    }
}

async fn act(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    plan: Plan,
    holder_is_known: bool,
) -> Written {
    match plan {
        Plan::Nothing => mark(context, key, server, memory, None).await,
        Plan::Wait(until) => Written::Settled(Some(until)),
        Plan::Report(finding) => report(context, key, server, memory, &finding).await,
        Plan::TouchServer(value) => touch(context, key, server, memory, &value).await,
        Plan::Write(write) => {
            write_template(context, key, server, memory, &write)
                .instrument(trace::write(context, key, &write.wanted))
                .await
        }
        Plan::Gate(write) if write.step.looks_orphaned() && !holder_is_known => {
            ask_for_holder(context, key, server, memory, &write).await
        }
        Plan::Gate(write) => write_gate(context, key, server, memory, &write).await,
    }
}

/// How a write ended.
pub(crate) enum Written {
    /// Nothing more is to be done now, and it is looked at again then.
    Settled(Option<Timestamp>),
    /// What was known of what was to be written was old. What it is now is known: it is decided anew.
    Conflict(What),
    /// More is known than before: it is decided anew.
    Learnt,
}

/// What is written, each with its own retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The pod template, or the question for it.
    Template,
    /// The gate.
    Gate,
    /// What is in the way of a Server.
    Obstacle,
}

/// What is to be done about the Server; `None` where there is none.
fn look(context: &Context, key: &ServerKey, memory: &mut Memory) -> Option<(Server, Plan)> {
    let ServerKey { namespace, name } = key;
    context.cluster.read(|snapshot: &Snapshot| {
        let server = snapshot.server(namespace, name)?;
        let code = snapshot.server_code(namespace, name)?;
        let config = server.spec.config_ref.as_deref().and_then(|config| snapshot.config(namespace, config));
        let deployment = snapshot.deployment_of(namespace, name);
        let now = context.clock.now();
        let gate = gate::facts(snapshot, server, deployment.as_ref(), code.as_ref().ok())
            .map_or(GateStep::Nothing, |facts| gate::decide(&facts, now));
        let facts = Facts {
            server,
            config_is_paused: config.is_some_and(Config::is_paused),
            code: &code,
            deployment: deployment.as_ref(),
            gate: &gate,
        };
        Some((server.clone(), plan(context.mode, facts, memory, now)))
    })
}

async fn touch(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    value: &str,
) -> Written {
    let ServerKey { namespace, name } = key;
    match context.writer.touch(server, value).await {
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
                change.retry = Retry::default();
            }
            context.cluster.apply(server);
            Written::Settled(Some(context.clock.now()))
        }
        Err(problem) => not_written(context, key, server, memory, What::Template, problem).await,
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
        Err(problem) => not_written(context, key, server, memory, What::Template, problem).await,
    }
}

/// Takes note of a write that was not done, and says when to try again.
pub(crate) async fn not_written(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    what: What,
    problem: NotWritten,
) -> Written {
    let finding = match missed(context, key, memory, what, problem) {
        Ok(written) => return written,
        Err(finding) => finding,
    };
    context.metrics.wrote("refused");
    let reported = report(context, key, server, memory, &finding).await;
    let Written::Settled(again) = reported else { return reported };
    let at = retry(memory, what).and_then(|retry| {
        retry.refused(context.clock.now(), key);
        retry.at
    });
    Written::Settled(at.into_iter().chain(again).min())
}

/// As [`not_written`], but gives back what a person has to know.
pub(crate) fn missed(
    context: &Context,
    key: &ServerKey,
    memory: &mut Memory,
    what: What,
    problem: NotWritten,
) -> Result<Written, Box<Finding>> {
    match problem {
        // Its watch will tell.
        NotWritten::Gone => Ok(Written::Settled(None)),
        NotWritten::Conflict(now) => {
            context.metrics.wrote("conflict");
            context.cluster.apply(*now);
            Ok(Written::Conflict(what))
        }
        NotWritten::Failed(error) => Ok(Written::Settled(failed(context, key, memory, what, &error))),
        NotWritten::NotAllowed(finding) => Err(Box::new(finding)),
    }
}

fn failed(
    context: &Context,
    key: &ServerKey,
    memory: &mut Memory,
    what: What,
    error: &str,
) -> Option<Timestamp> {
    let ServerKey { namespace, name } = key;
    context.metrics.wrote("failed");
    let retry = retry(memory, what)?;
    retry.failed(context.clock.now(), key);
    let failures = retry.failures;
    tracing::warn!(namespace, server = name, ?what, error, failures, "cannot write; will try again");
    retry.at
}

fn retry(memory: &mut Memory, what: What) -> Option<&mut Retry> {
    match what {
        What::Template => memory.change.as_mut().map(|change| &mut change.retry),
        What::Gate => Some(&mut memory.gate),
        What::Obstacle => Some(&mut memory.obstacle),
    }
}

#[cfg(test)]
#[path = "pass_tests.rs"]
mod tests;
