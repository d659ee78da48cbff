//! Plans for programs. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};
use voxsync_agent::{StageForecast, WindowForecast};

use super::Plan;

/// The plans with a version of their form: fields may be added in `v1`, never changed or removed.
pub fn json(plans: &[Plan], now: Timestamp) -> Value {
    let plans: Vec<Value> = plans.iter().map(plan).collect();
    json!({"apiVersion": "plan.voxsync.dev/v1", "at": now, "codeSyncs": plans})
}

fn plan(plan: &Plan) -> Value {
    let Plan { namespace, name, pin, notes, forecast } = plan;
    let stages: Vec<Value> = forecast.stages.iter().map(stage).collect();
    json!({
        "namespace": namespace,
        "name": name,
        "pin": pin,
        "notes": notes,
        "candidate": forecast.candidate,
        "deployed": forecast.deployed,
        "summary": forecast.summary,
        "waiting": forecast.waiting,
        "stages": stages,
        "next": forecast.next,
    })
}

fn stage(stage: &StageForecast) -> Value {
    let changes: Vec<Value> = stage
        .changes
        .iter()
        .map(|change| json!({"target": change.target.to_string(), "from": change.from, "to": change.to}))
        .collect();
    let rounds: Vec<Value> = stage
        .rounds
        .iter()
        .map(|round| {
            json!({"servers": round.servers, "atOnce": round.at_once, "authorities": round.is_of_authorities})
        })
        .collect();
    let window = stage.window.as_ref().map(|window| match window {
        WindowForecast::Open(until) => json!({"isOpen": true, "until": until}),
        WindowForecast::Closed(closed) => {
            json!({"isOpen": false, "window": closed.window, "opens": closed.opens, "message": closed.to_string()})
        }
    });
    json!({
        "name": stage.name,
        "phase": stage.phase,
        "writes": changes,
        "obstacles": stage.obstacles,
        "rounds": rounds,
        "earliest": stage.earliest,
        "needsApproval": stage.approval.is_some(),
        "window": window,
        "soak": stage.soak,
        "checks": stage.checks,
    })
}
