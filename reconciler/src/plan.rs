//! What to do about one Server now.
//!
//! A pure decision of what the cluster says, what is remembered and the time. It never says to write what is right
//! already, and never more than the mode allows.

use std::time::Duration;

use jiff::Timestamp;
use json_patch::Patch;
use k8s_openapi::api::apps::v1::Deployment;
use voxsync_crds::{
    Server,
    annotations::{Gate, REQUESTED_CODE},
};
use voxsync_rollout::{
    resolve::{CodeSource, ResolveProblem, ServerCode},
    template::{is_made_by_operator, present_references, template},
};

use crate::{
    finding::Finding,
    gate::{GateStep, held_by, patch},
    memory::{Change, Memory, PUT_BACK_LIMIT},
    mode::Mode,
};

/// How long an operator has to bring a change into the template itself, in its own single write. It takes 0.5 s to
/// 1.3 s (v0.6.0).
const OPERATOR_LIMIT_SECONDS: u64 = 2;
/// How long nobody is told of a template that others have to change.
const UNFOLLOWED_LIMIT_SECONDS: u64 = 30;

/// How long nobody is told of an object that is not there: of several that are made at once, the watches tell in any
/// order.
const MISSING_LIMIT_SECONDS: u64 = 5;

/// What the cluster says of one Server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'cluster> {
    pub(crate) server: &'cluster Server,
    /// Whether a person paused its Config.
    pub(crate) config_is_paused: bool,
    pub(crate) code: &'cluster Result<ServerCode, ResolveProblem>,
    pub(crate) deployment: Option<&'cluster Deployment>,
    /// What to do about its gate.
    pub(crate) gate: &'cluster GateStep,
}

/// What to do about a Server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// All is as it must be, or a person paused it, or it is on its way out.
    Nothing,
    /// Look again then.
    Wait(Timestamp),
    /// Ask the operator, by this value of the annotation on the Server.
    TouchServer(String),
    /// Write the Deployment.
    Write(Write),
    /// Hold the Deployment back, or let it go.
    Gate(GateWrite),
    /// Nothing can be done: a person must know.
    Report(Finding),
}

/// One write of a Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) patch: Patch,
    /// The version of the Deployment that the patch is for.
    pub(crate) resource_version: Option<String>,
    /// The code images that the patch brings in.
    pub(crate) references: Vec<String>,
    /// What the template had, for people.
    pub(crate) present: String,
    /// What it has then, for people.
    pub(crate) wanted: String,
}

/// One write of a Deployment's gate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GateWrite {
    pub(crate) patch: Patch,
    /// The version of the Deployment that the patch is for.
    pub(crate) resource_version: Option<String>,
    pub(crate) step: GateStep,
}

/// What to do about a Server now; the memory takes note of what is seen.
pub(crate) fn plan(mode: Mode, facts: Facts<'_>, memory: &mut Memory, now: Timestamp) -> Plan {
    let Facts { server, deployment, gate: step, .. } = facts;
    if server.metadata.deletion_timestamp.is_some() {
        return Plan::Nothing;
    }
    if let Some((deployment, patch)) = deployment.and_then(|it| Some((it, patch(step, it)?)))
        && mode == Mode::Full
    {
        let resource_version = deployment.metadata.resource_version.clone();
        return wait_or(memory.gate.at, now, || {
            Plan::Gate(GateWrite { patch, resource_version, step: step.clone() })
        });
    }
    let plan = settled(plan_template(mode, facts, memory, now), memory, now);
    let is_nobodys = mode != Mode::Full || matches!(step, GateStep::Orphaned(_));
    match (deployment.and_then(held_by).filter(|_| is_nobodys), plan) {
        (Some(gate), Plan::Nothing) => Plan::Report(orphaned(server, &gate, mode)),
        // What is plain to see does not say that the Deployment is held back.
        (Some(gate), Plan::Report(finding)) if finding.is_plain() => {
            Plan::Report(orphaned(server, &gate, mode))
        }
        (_, plan) => plan,
    }
}

/// The plan, once it is sure that what it misses does not come a moment later.
fn settled(plan: Plan, memory: &mut Memory, now: Timestamp) -> Plan {
    match plan {
        Plan::Report(finding) if finding.is_of_what_is_missing() => {
            let since = *memory.missing_since.get_or_insert(now);
            wait_or(Some(after(since, MISSING_LIMIT_SECONDS)), now, || Plan::Report(finding))
        }
        plan => {
            memory.missing_since = None;
            plan
        }
    }
}

/// What to do about the pod template.
fn plan_template(mode: Mode, facts: Facts<'_>, memory: &mut Memory, now: Timestamp) -> Plan {
    let Facts { server, config_is_paused, code, deployment, .. } = facts;
    if config_is_paused || server.is_paused() {
        return Plan::Nothing;
    }
    let code = match code {
        Ok(code) => code,
        Err(problem) => return Plan::Report(Finding::Unresolved(problem.clone())),
    };
    let has_code = !code.mounts.is_empty();
    let Some(deployment) = deployment else {
        return if has_code { Plan::Report(Finding::DeploymentMissing) } else { Plan::Nothing };
    };
    let patch = match template(deployment, server, code) {
        Ok(Some(patch)) => patch,
        Ok(None) => {
            memory.right(code);
            return Plan::Nothing;
        }
        // A Server without code has nothing to be wrong about.
        Err(_) if !has_code => return Plan::Nothing,
        Err(problem) => return Plan::Report(Finding::Template(problem)),
    };

    let change = memory.behind(code, now);
    let present = text(&present_references(deployment));
    let wanted = text(&names(code));
    let request = names(code).join(",");
    let annotations = server.metadata.annotations.as_ref();
    let is_asked = annotations.and_then(|all| all.get(REQUESTED_CODE)) == Some(&request);
    match mode {
        Mode::Cooperative if !is_asked => wait_or(change.retry.at, now, || Plan::TouchServer(request)),
        Mode::Cooperative | Mode::Observe => {
            let limit = after(change.since, UNFOLLOWED_LIMIT_SECONDS);
            wait_or(Some(limit), now, || Plan::Report(Finding::NotFollowed { present, wanted, mode }))
        }
        Mode::Full if change.writes >= PUT_BACK_LIMIT => {
            change.given_up = true;
            if !is_asked {
                return wait_or(change.retry.at, now, || Plan::TouchServer(request));
            }
            Plan::Report(Finding::PutBack { present, wanted, times: change.writes })
        }
        Mode::Full => {
            // What is held back does not roll, so nothing is gained by letting the operator write it.
            let is_operators = is_made_by_operator(deployment, server) && held_by(deployment).is_none();
            if is_operators && !is_asked && change.writes == 0 {
                return wait_or(change.retry.at, now, || Plan::TouchServer(request));
            }
            wait_or(next_write(change, is_operators), now, || {
                let references = code.references().map(str::to_owned).collect();
                let resource_version = deployment.metadata.resource_version.clone();
                Plan::Write(Write { patch, resource_version, references, present, wanted })
            })
        }
    }
}

/// When the template may be written.
fn next_write(change: &Change, is_operators: bool) -> Option<Timestamp> {
    let asked_at = change.asked_at.filter(|_| is_operators);
    // Who put it back has the same time to take the change in.
    let settled_at = asked_at.max(change.written_at).map(|at| after(at, OPERATOR_LIMIT_SECONDS));
    settled_at.max(change.retry.at)
}

fn orphaned(server: &Server, gate: &Gate, mode: Mode) -> Finding {
    Finding::OrphanedGate {
        namespace: server.metadata.namespace.clone().unwrap_or_default(),
        deployment: server.metadata.name.clone().unwrap_or_default(),
        gate: gate.clone(),
        why: match mode {
            Mode::Full => {
                "that is over, or may not have it any more, and either its template does not have the code that it must \
                 run, or no other Server shows that this can run"
            }
            Mode::Cooperative | Mode::Observe => "and a reconciler in this mode never lets it go",
        },
    }
}

fn wait_or(until: Option<Timestamp>, now: Timestamp, act: impl FnOnce() -> Plan) -> Plan {
    match until {
        Some(until) if until > now => Plan::Wait(until),
        _ => act(),
    }
}

fn after(moment: Timestamp, seconds: u64) -> Timestamp {
    moment.saturating_add(Duration::from_secs(seconds)).unwrap_or(moment)
}

/// The images and claims of the code, as people know them.
pub(crate) fn names(code: &ServerCode) -> Vec<&str> {
    let names = code.mounts.iter().map(|mount| match &mount.source {
        CodeSource::Image { reference, .. } => reference.as_str(),
        CodeSource::Claim { name } => name.as_str(),
    });
    names.collect()
}

fn text(names: &[&str]) -> String {
    if names.is_empty() { "no code image".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
