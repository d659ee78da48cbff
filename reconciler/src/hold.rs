//! Holds a Server's Deployment back, or lets it go, and says so.

use voxsync_cluster::{CrossNamespace, Scope};
use voxsync_crds::Server;

use crate::{
    event::{self, Event, Severity},
    gate::GateStep,
    memory::{Memory, Retry},
    pass::{Context, ServerKey, What, Written, not_written},
    plan::GateWrite,
};

/// Asks the API server for the CodeSync of a gate that seems to be nobody's: its watch may be behind that of the
/// Deployments. What is answered is taken in, so that it can be decided anew.
pub(crate) async fn ask_for_holder(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    write: &GateWrite,
) -> Written {
    let GateStep::Lift { gate, .. } = &write.step else { return Written::Learnt };
    let (known, scope) = context.cluster.read(|snapshot| {
        let known = snapshot.holder_of(&key.namespace, gate).and_then(|code_sync| {
            Some((code_sync.metadata.namespace.clone()?, code_sync.metadata.name.clone()?))
        });
        let scope = match snapshot.cross_namespace() {
            CrossNamespace::Refused => Scope::Namespace(key.namespace.clone()),
            CrossNamespace::Allowed => Scope::All,
        };
        (known, scope)
    });
    match context.writer.code_sync(&scope, &gate.code_sync, known).await {
        Ok(found) => {
            if let Some(code_sync) = found {
                context.cluster.apply(code_sync);
            }
            Written::Learnt
        }
        Err(problem) => not_written(context, key, server, memory, What::Gate, problem).await,
    }
}

/// Writes a gate, and says so.
pub(crate) async fn write_gate(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    write: &GateWrite,
) -> Written {
    let ServerKey { namespace, name } = key;
    match context.writer.gate(namespace, name, write).await {
        Ok(deployment) => {
            memory.gate = Retry::default();
            context.cluster.apply(deployment);
            let (result, event) = said(name, &write.step);
            context.metrics.wrote(result);
            tracing::info!(namespace, server = name, step = ?write.step, "wrote the gate");
            if let Some((reason, note)) = event {
                let event = Event { severity: Severity::Normal, reason, note };
                event::publish(&context.client, server, &event, context.clock.now()).await;
            }
            Written::Settled(None)
        }
        Err(problem) => not_written(context, key, server, memory, What::Gate, problem).await,
    }
}

/// What a write is counted as, and what people are told of it.
fn said(name: &str, step: &GateStep) -> (&'static str, Option<(&'static str, String)>) {
    match step {
        GateStep::Place(gate) => {
            let note =
                format!("holds Deployment {name} back until it is its turn in promotion {}", gate.promotion);
            ("gated", Some(("GatePlaced", note)))
        }
        GateStep::Lift { because, .. } => {
            ("lifted", Some(("GateLifted", format!("lets Deployment {name} go: {because}"))))
        }
        GateStep::Clear(_) => ("lifted", None),
        GateStep::Relabel(_) | GateStep::Nothing | GateStep::Keep | GateStep::Orphaned(_) => ("gated", None),
    }
}
