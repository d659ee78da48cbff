//! Whether a Server's Deployment is to be held back, or let go.
//!
//! A gate is `spec.paused` and an annotation that says for whom, written and removed together. It is placed while the
//! stage of a promotion asks for gates, before anything of it is written, and lifted only when the pod template has the
//! code that the Server may run now. Pure.

use std::fmt;

use jiff::Timestamp;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use voxsync_cluster::{Heading, Snapshot, has_finalizer};
use voxsync_crds::{
    Server,
    annotations::{GATE, Gate, gate},
};
use voxsync_rollout::{
    resolve::ServerCode,
    state::{is_between_templates, was_rolled_out},
    template::{is_of_server, template, test_resource_version},
};

/// What the cluster says of one Server's gate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GateFacts {
    /// Whether the Deployment is paused, by anybody.
    pub(crate) is_paused: bool,
    /// Whether it is between two templates, so that a pause would leave it without pods.
    pub(crate) is_between: bool,
    /// The gate that is written on it.
    pub(crate) gate: Option<Gate>,
    /// The CodeSync (by uid) and promotion that ask to hold it back now.
    pub(crate) wanted_by: Option<(String, String)>,
    /// Where the code that the Server must run is.
    pub(crate) code: CodeIs,
    /// What became of the promotion that the gate is for.
    pub(crate) holder: Holder,
}

/// Where the code that a Server must run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeIs {
    /// Not in its pod template.
    Missing,
    /// In its pod template.
    InTemplate,
    /// In its pod template, and rolled out before the gate: letting go replaces no pod on account of it.
    RolledOut,
}

/// What became of the promotion that a gate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// It works on the Server's stage.
    Works {
        /// Whether the Server must run already what the stage goes to: its candidate, or what was there before.
        is_served: bool,
        /// Whether it is the Server's turn.
        is_turn: bool,
    },
    /// It works on the Server's stage, which waits for something that may take days, and nothing of it is written.
    Waits,
    /// It is given up: the agent gives the Server back the code that it ran.
    RollsBack,
    /// It is over, or gone, or the Server is no part of it any more.
    Nobody {
        /// Whether all others that take the same code run it well, and it is the Server's turn after them.
        is_proven: bool,
    },
}

/// What to do about a gate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GateStep {
    /// No gate is written, and none is to be.
    Nothing,
    /// It stays as it is for now.
    Keep,
    /// Hold the Deployment back.
    Place(Gate),
    /// The gate is for another promotion now.
    Relabel(Gate),
    /// Let the Deployment go.
    Lift {
        /// The gate.
        gate: Gate,
        /// Why it may be lifted.
        because: Because,
    },
    /// A person let the Deployment go: only the annotation is left.
    Clear(Gate),
    /// Nobody's turn will come for it, and to let it go would replace its pods by what nobody else runs, or its template
    /// does not have the code.
    Orphaned(Gate),
}

impl GateStep {
    /// Whether it rests on a promotion that is over for the Server, of which others may know more.
    pub(crate) fn looks_orphaned(&self) -> bool {
        matches!(self, Self::Lift { because: Because::RolledOut | Because::Proven, .. })
    }
}

/// Why a gate may be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// It is the Server's turn.
    Turn,
    /// Its pods run that code already.
    RolledOut,
    /// The others run that code.
    Proven,
}

impl fmt::Display for Because {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Turn => "it is its turn",
            Self::RolledOut => {
                "nothing has to be held back any more: its pods run the code that they must run"
            }
            // It may go on in other stages: this one may have withdrawn its consent.
            Self::Proven => "no promotion holds it back any more, and the other Servers run the code",
        })
    }
}

/// What to do about a Server's gate now.
pub(crate) fn decide(facts: &GateFacts, now: Timestamp) -> GateStep {
    let GateFacts { is_paused, is_between, gate, wanted_by, code, holder } = facts;
    if let Some((code_sync, promotion)) = wanted_by {
        let wanted = |since| Gate { code_sync: code_sync.clone(), promotion: promotion.clone(), since };
        match gate {
            Some(gate) if *is_paused && gate.code_sync == *code_sync && gate.promotion != *promotion => {
                return GateStep::Relabel(wanted(gate.since));
            }
            // Placed, and let go by a person since: who does that on purpose wins.
            Some(gate) if !is_paused && gate.code_sync == *code_sync && gate.promotion == *promotion => {
                return GateStep::Keep;
            }
            _ if !is_paused && *is_between => return GateStep::Keep,
            _ if !is_paused => return GateStep::Place(wanted(now.into())),
            _ => {}
        }
    }
    let Some(gate) = gate.clone() else { return GateStep::Nothing };
    if !is_paused {
        return GateStep::Clear(gate);
    }
    // A template without the code is not let go: what would roll is not what must.
    let because = match (holder, code) {
        (Holder::Works { is_served: true, is_turn: true }, CodeIs::InTemplate | CodeIs::RolledOut) => {
            Because::Turn
        }
        (Holder::Works { .. }, _)
        | (Holder::Waits | Holder::RollsBack, CodeIs::Missing | CodeIs::InTemplate) => {
            return GateStep::Keep;
        }
        (_, CodeIs::RolledOut) => Because::RolledOut,
        (Holder::Nobody { is_proven: true }, CodeIs::InTemplate) => Because::Proven,
        (Holder::Nobody { .. }, _) => return GateStep::Orphaned(gate),
    };
    GateStep::Lift { gate, because }
}

/// Reads off the cluster what there is to know of a Server's gate; `None` where it has none, and is to have none.
/// `code` is what the Server must run, where that can be told.
pub(crate) fn facts(
    snapshot: &Snapshot,
    server: &Server,
    deployment: Option<&Deployment>,
    code: Option<&ServerCode>,
) -> Option<GateFacts> {
    let namespace = server.metadata.namespace.as_deref()?;
    let name = server.metadata.name.as_deref()?;
    let deployment = deployment.filter(|deployment| is_of_server(deployment, server))?;
    let gate = gate(deployment.metadata.annotations.as_ref());
    let wanted_by = snapshot.gating_in(namespace).find_map(|work| {
        let uid = work.code_sync.metadata.uid.clone()?;
        let known = work.known_as(namespace, name);
        let is_before = snapshot.is_served(&work, &known) == Some(false);
        (is_before && snapshot.to_gate(&work).contains(&known)).then(|| (uid, work.promotion.id.clone()))
    });
    if gate.is_none() && wanted_by.is_none() {
        return None;
    }
    let replica_sets: Vec<_> = snapshot.replica_sets_of(namespace, name).collect();
    let code = match code {
        Some(code) if was_rolled_out(code, server, deployment, &replica_sets) => CodeIs::RolledOut,
        Some(code) if template(deployment, server, code) == Ok(None) => CodeIs::InTemplate,
        _ => CodeIs::Missing,
    };
    let holder = match &gate {
        None => Holder::Nobody { is_proven: false },
        Some(gate) => holder(snapshot, namespace, name, gate, code),
    };
    Some(GateFacts {
        is_paused: is_paused(deployment),
        is_between: is_between_templates(deployment),
        gate,
        wanted_by,
        code,
        holder,
    })
}

/// The gate that holds a Deployment back, if one does.
pub(crate) fn held_by(deployment: &Deployment) -> Option<Gate> {
    gate(deployment.metadata.annotations.as_ref()).filter(|_| is_paused(deployment))
}

/// The patch that does a step to the Deployment that was seen; `None` where there is nothing to do.
pub(crate) fn patch(step: &GateStep, deployment: &Deployment) -> Option<Patch> {
    let paused = PointerBuf::from_tokens(["spec", "paused"]);
    let annotation = || PointerBuf::from_tokens(["metadata", "annotations", GATE]);
    let put = |gate: &Gate| {
        let value = json!(json!(gate).to_string());
        PatchOperation::Add(match &deployment.metadata.annotations {
            Some(_) => AddOperation { path: annotation(), value },
            None => AddOperation {
                path: PointerBuf::from_tokens(["metadata", "annotations"]),
                value: json!({GATE: value}),
            },
        })
    };
    let remove = |path| PatchOperation::Remove(RemoveOperation { path });
    let mut operations = match step {
        GateStep::Nothing | GateStep::Keep | GateStep::Orphaned(_) => return None,
        GateStep::Place(gate) => {
            vec![PatchOperation::Add(AddOperation { path: paused, value: json!(true) }), put(gate)]
        }
        GateStep::Relabel(gate) => vec![put(gate)],
        GateStep::Lift { .. } => vec![remove(paused), remove(annotation())],
        GateStep::Clear(_) => vec![remove(annotation())],
    };
    operations.insert(0, test_resource_version(deployment));
    Some(Patch(operations))
}

fn is_paused(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
}

/// What became of the promotion that a gate is for. To tell whose turn it is takes a look at all Servers of a stage: it
/// is asked only where the answer matters.
fn holder(snapshot: &Snapshot, namespace: &str, name: &str, gate: &Gate, code: CodeIs) -> Holder {
    let code_sync = snapshot.holder_of(namespace, gate);
    let work = code_sync.and_then(|code_sync| snapshot.work_of(code_sync));
    if let Some(work) = work.filter(|work| work.is_for(gate))
        && let known = work.known_as(namespace, name)
        && let Some(is_served) = snapshot.is_served(&work, &known)
    {
        if !is_served && snapshot.needs_no_gates(&work) {
            return Holder::Waits;
        }
        if is_served && work.heading == Heading::Back && code == CodeIs::RolledOut {
            // It never went over: to let it go replaces no pod, whoever else is under way.
            return Holder::RollsBack;
        }
        let is_turn = is_served
            && code != CodeIs::Missing
            && (work.allows_any_order || snapshot.to_lift(&work).contains(&known));
        return Holder::Works { is_served, is_turn };
    }
    let is_given_up = code_sync.is_some_and(|code_sync| {
        let promotion = code_sync.status.as_ref().and_then(|status| status.promotion.as_ref());
        let is_ending = promotion.is_some_and(|one| one.outcome.is_none() && one.ending.is_some());
        is_ending || code_sync.metadata.deletion_timestamp.is_some() && has_finalizer(code_sync)
    });
    if is_given_up {
        return Holder::RollsBack;
    }
    let is_proven = code == CodeIs::InTemplate && snapshot.is_proven_by_others(namespace, name);
    Holder::Nobody { is_proven }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
