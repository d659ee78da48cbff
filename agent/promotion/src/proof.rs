//! What the rollouts of a stage prove: that it runs its code, that it cannot, or nothing.

use voxsync_crds::{
    annotations::ACCEPTS_FROM,
    code_sync::{PromotionFailure, Stage},
};
use voxsync_rollout::state::{Progress, RolloutState, StuckImage};

use crate::{
    observed::{ObservedTarget, ServerRollout, TargetProblem},
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, cut, names},
};

/// What the Servers of a stage that serve code say together.
pub(crate) enum Proof {
    /// All run it, and at least one pod is ready.
    Complete,
    /// Pods are on their way.
    Rolling {
        ready: Progress,
        /// What one of the Servers waits for, where it says so: a reason and a sentence.
        waits_for: Option<(String, String)>,
    },
    /// A Server that cannot run it.
    Failed(PromotionFailure),
    /// A Server of which it cannot be told, or that a person paused, or its Deployment or Config.
    Waits { reason: String, message: String, paused: bool },
    /// Nothing would prove that the code runs; the sentence says why.
    Nothing(String),
}

/// The ready and wanted pods of the Servers that serve code.
pub(crate) fn count<'a>(targets: impl IntoIterator<Item = &'a ObservedTarget>) -> Progress {
    let servers = targets.into_iter().flat_map(|target| &target.servers).filter(|server| server.serves_code);
    servers.fold(Progress::default(), |sum, server| Progress {
        updated: sum.updated.saturating_add(server.progress.updated),
        ready: sum.ready.saturating_add(server.progress.ready),
        wanted: sum.wanted.saturating_add(server.progress.wanted),
    })
}

/// What the targets of a CodeSync in `namespace` prove, which must all say what they should.
pub(crate) fn prove(namespace: &str, stage: &Stage, targets: &[&ObservedTarget]) -> Proof {
    let servers = || targets.iter().flat_map(|target| &target.servers).filter(|server| server.serves_code);
    if let Some(failure) = servers().find_map(|server| failure_of(stage, server)) {
        return Proof::Failed(failure);
    }
    if let Some(waits) = servers().find_map(|server| waits_for(namespace, server)) {
        return waits;
    }
    if !servers().all(|server| matches!(server.state, RolloutState::Complete(_))) {
        let ready = count(targets.iter().copied());
        return Proof::Rolling { ready, waits_for: servers().find_map(rolls_later) };
    }
    if stage.allow_empty || count(targets.iter().copied()).ready > 0 {
        return Proof::Complete;
    }
    Proof::Nothing(why_nothing(namespace, stage, targets))
}

/// Why a Server cannot run what it should, where it cannot.
pub(crate) fn failure_of(stage: &Stage, server: &ServerRollout) -> Option<PromotionFailure> {
    let (reason, message) = match &server.state {
        RolloutState::Stuck(stuck) if !stuck.may_heal() => {
            let about = match stuck.image {
                StuckImage::Code => "the code image: ",
                StuckImage::Server => "the image of the server itself, not the code image: ",
                StuckImage::Unknown => "",
            };
            (stuck.reason.as_str(), format!("pod {}: {about}{}", stuck.pod, stuck.message))
        }
        RolloutState::TimedOut { message } => ("ProgressDeadlineExceeded", message.clone()),
        _ => return None,
    };
    Some(PromotionFailure {
        stage: stage.name.clone(),
        server: Some(cut(&server.name, NAME_LIMIT_BYTES)),
        check: None,
        reason: cut(reason, NAME_LIMIT_BYTES),
        message: cut(&message, SENTENCE_LIMIT_BYTES),
    })
}

/// What a Server that does not roll yet waits for; what may heal is bounded by its Deployment's progress deadline.
fn rolls_later(server: &ServerRollout) -> Option<(String, String)> {
    let name = &server.name;
    match &server.state {
        RolloutState::Stuck(stuck) => {
            let message = format!("Server {name}: pod {}: {}: {}", stuck.pod, stuck.reason, stuck.message);
            Some((stuck.reason.clone(), message))
        }
        RolloutState::Pending => Some((
            "Rollout".to_owned(),
            format!("the Deployment of Server {name} does not have the code yet"),
        )),
        _ => None,
    }
}

fn waits_for(namespace: &str, server: &ServerRollout) -> Option<Proof> {
    match &server.state {
        RolloutState::Impossible { reason, message } => Some(Proof::Waits {
            reason: (*reason).to_owned(),
            message: format!("Server {}: {message}", server.name),
            paused: *reason == "Paused",
        }),
        RolloutState::PausedByPerson => Some(Proof::Waits {
            reason: "PausedByPerson".to_owned(),
            message: format!(
                "the Deployment of Server {} is paused by a person: `kubectl rollout resume {}`",
                server.name,
                server.deployment(namespace)
            ),
            paused: true,
        }),
        _ => None,
    }
}

fn why_nothing(namespace: &str, stage: &Stage, targets: &[&ObservedTarget]) -> String {
    let servers: Vec<_> = targets.iter().flat_map(|target| &target.servers).collect();
    let servers_named = || names(servers.iter().map(|server| server.name.as_str()));
    if targets.is_empty() {
        let goes_elsewhere = stage.targets.iter().any(|target| target.other_namespace(namespace).is_some());
        let consent =
            format!("; of other namespaces only what lets this one in is selected ({ACCEPTS_FROM})");
        format!("{}{}", TargetProblem::NOTHING_SELECTED, if goes_elsewhere { &consent } else { "" })
    } else if servers.is_empty() {
        let targets: Vec<_> = targets.iter().map(|target| target.key.to_string()).collect();
        format!(
            "no Server takes its code from {} (each has code of its own, or there is none)",
            names(targets.iter().map(String::as_str))
        )
    } else if !servers.iter().any(|server| server.serves_code) {
        format!("its Servers ({}) are certificate authorities only and serve no code", servers_named())
    } else {
        format!("its Servers ({}) have 0 replicas", servers_named())
    }
}
