//! How long a candidate took to where it is now: what two stored statuses say. Pure.

use voxsync_crds::{
    code_sync::{CodeSyncStatus, Outcome},
    time::Time,
};

/// What was reached between two statuses, in seconds from the first sight of the candidate.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The stages that passed, by their place; the first is 1.
    pub(crate) passed: Vec<(u32, f64)>,
    /// The release on all stages.
    pub(crate) released: Option<f64>,
}

/// Compares a status with the one that was stored before.
pub(crate) fn progress(before: Option<&CodeSyncStatus>, after: &CodeSyncStatus) -> Progress {
    let Some(promotion) = &after.promotion else { return Progress::default() };
    let first_seen = promotion.candidate.first_seen.unwrap_or(promotion.started_at).timestamp();
    let seconds = |at: Time| at.timestamp().duration_since(first_seen).as_secs_f64().max(0.0);
    let was_there = |name: &str| {
        let mut stages = before.iter().flat_map(|before| &before.stages);
        stages.any(|stage| stage.name == name && stage.promotion.as_ref() == Some(&promotion.id))
    };
    let passed = (1..).zip(&after.stages).filter_map(|(place, stage)| {
        let has_passed = stage.promotion.as_ref() == Some(&promotion.id) && !was_there(&stage.name);
        has_passed.then_some((place, seconds(stage.since?)))
    });
    let earlier = before.and_then(|before| before.promotion.as_ref());
    let was_over = earlier.is_some_and(|it| it.id == promotion.id && it.outcome.is_some());
    let is_released = promotion.outcome == Some(Outcome::Released) && !was_over;
    let released = promotion.ended_at.filter(|_| is_released).map(seconds);
    Progress { passed: passed.collect(), released }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(promotions: [&str; 2], outcome: &Value) -> CodeSyncStatus {
        let stage = |name: &str, promotion: &str, at: &str| json!({"name": name, "promotion": promotion, "since": at});
        serde_json::from_value(json!({
            "promotion": {
                "id": "new", "candidate": {"firstSeen": "2026-03-01T10:00:00Z"}, "trigger": "Source",
                "startedAt": "2026-03-01T10:00:01Z", "outcome": outcome, "endedAt": "2026-03-01T10:05:00Z",
            },
            "stages": [
                stage("canary", promotions[0], "2026-03-01T10:00:30Z"),
                stage("production", promotions[1], "2026-03-01T10:05:00Z"),
            ],
        }))
        .unwrap()
    }

    #[test]
    fn says_what_is_new_once() {
        let (started, canary) = (status(["old", "old"], &Value::Null), status(["new", "old"], &Value::Null));
        let released = status(["new", "new"], &json!("Released"));
        let nothing = Progress::default();
        assert_eq!(progress(None, &started), nothing);
        assert_eq!(progress(Some(&started), &canary), Progress { passed: vec![(1, 30.0)], released: None });
        assert_eq!(progress(Some(&canary), &canary), nothing);
        let end = Progress { passed: vec![(2, 300.0)], released: Some(300.0) };
        assert_eq!(progress(Some(&canary), &released), end);
        assert_eq!(progress(Some(&released), &released), nothing);
        assert_eq!(progress(Some(&canary), &status(["new", "old"], &json!("Failed"))), nothing);
        assert_eq!(progress(Some(&released), &CodeSyncStatus::default()), nothing);
    }
}
