//! A story for programs. Pure.

use serde_json::{Value, json};
use voxsync_simulation::{Line, Story};

/// The story with a version of its form: fields may be added in `v1`, never changed or removed.
pub fn json(namespace: &str, name: &str, story: &Story) -> Value {
    let ladder: Vec<Value> = story.ladder.iter().map(line).collect();
    let Story { start, end, is_cut_off, status, expectations, .. } = story;
    json!({
        "apiVersion": "simulation.voxsync.dev/v1",
        "namespace": namespace,
        "name": name,
        "start": start,
        "end": end,
        "isCutOff": is_cut_off,
        "isWell": story.is_well(),
        "expectations": expectations.map(|it| json!({"met": it.met, "missed": it.missed})),
        "ladder": ladder,
        "status": status,
    })
}

fn line(line: &Line) -> Value {
    let Line { at, who, what, reason, tone } = line;
    json!({"at": at, "who": who, "what": what, "reason": reason, "tone": tone.word()})
}
