//! What people are told of a Server: in its events, in the log, and by the count of Servers in each state.

use voxsync_crds::{Server, annotations::Obstacle};
use voxsync_rollout::state::{RolloutState, StuckImage};

use crate::{
    event::{self, Event, Severity},
    finding::Finding,
    memory::{Memory, Retry},
    mode::Mode,
    pass::{Context, ServerKey, What, Written, missed},
    plan::names,
};

/// Says a finding, once.
pub(crate) async fn report(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    finding: &Finding,
) -> Written {
    let mut marked = Written::Settled(None);
    if !finding.is_plain() {
        let ServerKey { namespace, name } = key;
        let code = context.cluster.read(|snapshot| snapshot.server_code(namespace, name));
        let code = code.and_then(Result::ok).and_then(|code| code.annotation()).unwrap_or_default();
        let reason = finding.reason().to_owned();
        let obstacle = Obstacle { code, reason, message: finding.to_string() };
        marked = mark(context, key, server, memory, Some(obstacle)).await;
        if !matches!(marked, Written::Settled(_)) {
            return marked;
        }
    }
    let event = Event { severity: Severity::Warning, reason: finding.reason(), note: finding.to_string() };
    say(context, server, memory, &finding.to_string(), event).await;
    marked
}

/// Writes on the Server what is in the way of its code, where that says something new. Who only observes writes
/// nothing.
pub(crate) async fn mark(
    context: &Context,
    key: &ServerKey,
    server: &Server,
    memory: &mut Memory,
    obstacle: Option<Obstacle>,
) -> Written {
    let present = voxsync_crds::annotations::obstacle(server.metadata.annotations.as_ref());
    if present == obstacle || context.mode == Mode::Observe {
        return Written::Settled(None);
    }
    let again = memory.obstacle.at.filter(|at| *at > context.clock.now());
    if again.is_some() {
        return Written::Settled(again);
    }
    match context.writer.obstacle(server, obstacle.as_ref()).await {
        Ok(server) => {
            memory.obstacle = Retry::default();
            context.cluster.apply(server);
            Written::Settled(None)
        }
        Err(problem) => missed(context, key, memory, What::Obstacle, problem).unwrap_or_else(|finding| {
            // A finding about this would have to be written to the same place.
            let namespace = &key.namespace;
            tracing::warn!(namespace, server = key.name, %finding, "cannot write on the Server what is in its way");
            memory.obstacle.refused(context.clock.now(), key);
            Written::Settled(memory.obstacle.at)
        }),
    }
}

/// Counts the Server under the state of its rollout, and says how that goes.
pub(crate) async fn follow(context: &Context, key: &ServerKey, server: &Server, memory: &mut Memory) {
    let ServerKey { namespace, name } = key;
    let seen = context.cluster.read(|snapshot| {
        let code = snapshot.server_code(namespace, name)?.ok().unwrap_or_default();
        Some((snapshot.rollout_of(namespace, name)?, code))
    });
    let Some((state, code)) = seen else {
        return;
    };
    let before = memory.state.replace(label(&state));
    if before != memory.state {
        context.metrics.moved(before, memory.state);
    }
    // How pods without code go is not our business.
    if code.mounts.is_empty() {
        return;
    }
    let code = names(&code).join(",");
    let is_news = match &state {
        // A gate takes a Server from complete to complete with the code it had.
        RolloutState::Complete(_) => {
            memory.completed.replace(code.clone()).as_ref() != Some(&code) && before.is_some()
        }
        RolloutState::Progressing(_) if memory.completed.as_ref() == Some(&code) => false,
        RolloutState::Gated(_) => false,
        _ => {
            memory.completed = None;
            true
        }
    };
    let Some(event) = rollout_event(state, &code).filter(|_| is_news) else {
        return;
    };
    // The same trouble has several names in turn (ErrImagePull, ImagePullBackOff): it is said once.
    let what = format!("{} {code}", event.reason);
    say(context, server, memory, &what, event).await;
}

fn rollout_event(state: RolloutState, code: &str) -> Option<Event> {
    let event = |severity, reason, note| Some(Event { severity, reason, note });
    match state {
        RolloutState::Stuck(stuck) => {
            let which = match stuck.image {
                StuckImage::Code => " (the code image)",
                StuckImage::Server => " (the server's own image)",
                StuckImage::Unknown => "",
            };
            let note = format!("{} cannot start: {}{which}: {}", stuck.pod, stuck.reason, stuck.message);
            event(Severity::Warning, "RolloutStuck", note)
        }
        RolloutState::TimedOut { message } => event(Severity::Warning, "RolloutTimedOut", message),
        RolloutState::Complete(progress) => {
            event(Severity::Normal, "RolloutComplete", format!("all pods run {code}: {progress}"))
        }
        RolloutState::Pending
        | RolloutState::Gated(_)
        | RolloutState::PausedByPerson
        | RolloutState::Progressing(_)
        | RolloutState::Impossible { .. } => None,
    }
}

/// Says something, if it was not the last thing said.
async fn say(context: &Context, server: &Server, memory: &mut Memory, what: &str, event: Event) {
    if memory.said.as_deref() == Some(what) {
        return;
    }
    memory.said = Some(what.to_owned());
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let name = server.metadata.name.as_deref().unwrap_or_default();
    let Event { severity, reason, note } = &event;
    match severity {
        Severity::Normal => tracing::info!(namespace, server = name, reason, "{note}"),
        Severity::Warning => tracing::warn!(namespace, server = name, reason, "{note}"),
    }
    event::publish(&context.client, server, &event, context.clock.now()).await;
}

fn label(state: &RolloutState) -> &'static str {
    match state {
        RolloutState::Pending => "Pending",
        RolloutState::Gated(_) => "Gated",
        RolloutState::PausedByPerson => "PausedByPerson",
        RolloutState::Progressing(_) => "Progressing",
        RolloutState::Complete(_) => "Complete",
        RolloutState::Stuck(_) => "Stuck",
        RolloutState::TimedOut { .. } => "TimedOut",
        RolloutState::Impossible { .. } => "Impossible",
    }
}
