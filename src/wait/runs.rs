//! Whether a stage still runs what is recorded as deployed. Pure.
//!
//! The record tells what all stages ran last. A promotion that came after it reached some of them, and where it ended
//! half-way, one stage neither passed in it nor was left alone.

use voxsync_crds::{
    code_sync::{CodeSyncStatus, DeployedStatus, Outcome, StagePhase, StageStatus},
    reference::is_same_code,
};

/// Whether the stage that is asked for, or each of them, runs what is deployed, as far as the status can tell.
pub fn runs(status: &CodeSyncStatus, deployed: &DeployedStatus, stage: Option<&str>) -> bool {
    let reached = reached(status, deployed);
    let mut asked = status.stages.iter().filter(|it| stage.is_none_or(|wanted| it.name == wanted));
    !ended_half_way(status, deployed)
        && asked.all(|stage| !passed_with_another(stage, deployed) && reached != Some(stage.name.as_str()))
}

/// Whether what is deployed is what should run.
pub fn is_candidate(status: &CodeSyncStatus, deployed: &DeployedStatus) -> bool {
    let candidate = status.candidate.as_ref();
    candidate.is_some_and(|candidate| is_same_code(&candidate.reference, &deployed.reference))
}

/// Whether what is deployed is what should run, and nothing in the stage moves or is held.
pub fn is_done(status: &CodeSyncStatus, stage: &str) -> bool {
    let is_still = |it: &StageStatus| it.name == stage && it.phase == StagePhase::Deployed;
    status.deployed.as_ref().is_some_and(|deployed| is_candidate(status, deployed))
        && status.stages.iter().any(is_still)
}

fn passed_with_another(stage: &StageStatus, deployed: &DeployedStatus) -> bool {
    let is_another = stage.promotion.is_some() && stage.promotion != deployed.promotion;
    let reference = stage.reference.as_deref();
    is_another && !reference.is_some_and(|reference| is_same_code(reference, &deployed.reference))
}

/// The stage that the last promotion of something else reached without passing it.
fn reached<'a>(status: &'a CodeSyncStatus, deployed: &DeployedStatus) -> Option<&'a str> {
    let promotion = status.promotion.as_ref()?;
    // What was rolled back gave that stage back what it had.
    let is_gone = promotion.outcome == Some(Outcome::RolledBack);
    if is_gone || is_same_code(&promotion.candidate.reference, &deployed.reference) {
        return None;
    }
    let mut stages = status.stages.iter();
    stages.find(|stage| stage.promotion.as_ref() != Some(&promotion.id)).map(|stage| stage.name.as_str())
}

/// Whether a promotion between the deployed one and the last one ended in a stage that nothing names any more.
fn ended_half_way(status: &CodeSyncStatus, deployed: &DeployedStatus) -> bool {
    let last = status.promotion.as_ref().map(|promotion| &promotion.id);
    let later = status.history.iter().take_while(|record| Some(&record.id) != deployed.promotion.as_ref());
    let mut others = later.filter(|record| Some(&record.id) != last);
    others.any(|record| !matches!(record.outcome, Outcome::Released | Outcome::RolledBack))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn reference(version: &str) -> String {
        format!("r.io/code:{version}@sha256:{}", version.trim_start_matches('v').repeat(64))
    }

    /// canary and production passed in these promotions; `promotion` is the last one, `ends` are its and earlier ends.
    fn status(passed: [&str; 2], promotion: &Value, ends: &[(&str, &str)]) -> CodeSyncStatus {
        let at = "2026-03-01T10:00:00Z";
        let stage = |name: &str, promotion: &str| {
            let version = promotion.replace('p', "v");
            json!({"name": name, "phase": "Deployed", "promotion": promotion, "reference": reference(&version), "ready": 1,
                "desired": 1})
        };
        let history: Vec<Value> = ends
            .iter()
            .map(|(id, outcome)| {
                let name = id.replace('p', "v");
                json!({"id": id, "name": name, "reference": reference(&name), "outcome": outcome, "endedAt": at})
            })
            .collect();
        serde_json::from_value(json!({
            "stages": [stage("canary", passed[0]), stage("production", passed[1])],
            "deployed": {"name": "v1", "reference": reference("v1"), "promotion": "p1"},
            "promotion": promotion, "history": history,
        }))
        .unwrap()
    }

    fn promotion(id: &str, outcome: Option<&str>) -> Value {
        let name = id.replace('p', "v");
        let candidate =
            json!({"name": name, "reference": reference(&name), "repository": "r.io/code", "digest": "d"});
        json!({"id": id, "candidate": candidate, "trigger": "Source", "startedAt": "2026-03-01T10:00:00Z",
            "outcome": outcome})
    }

    /// Is v1, which p1 brought, what canary runs, what production runs, and what all run?
    #[rstest]
    #[case::at_rest(["p1", "p1"], Value::Null, &[("p1", "Released")], [true, true, true])]
    #[case::reached_the_first(["p1", "p1"], promotion("p2", None), &[("p1", "Released")], [false, true, false])]
    #[case::passed_the_first(["p2", "p1"], promotion("p2", None), &[("p1", "Released")], [false, false, false])]
    #[case::failed_in_the_first(["p1", "p1"], promotion("p2", Some("Failed")), &[("p2", "Failed"), ("p1", "Released")],
        [false, true, false])]
    #[case::failed_in_the_second(["p2", "p1"], promotion("p2", Some("Failed")), &[("p2", "Failed"), ("p1", "Released")],
        [false, false, false])]
    #[case::rolled_back_in_the_first(["p1", "p1"], promotion("p2", Some("RolledBack")),
        &[("p2", "RolledBack"), ("p1", "Released")], [true, true, true])]
    #[case::rolled_back_in_the_second(["p2", "p1"], promotion("p2", Some("RolledBack")),
        &[("p2", "RolledBack"), ("p1", "Released")], [false, true, false])]
    #[case::after_one_that_was_superseded(["p1", "p1"], promotion("p3", None),
        &[("p2", "Superseded"), ("p1", "Released")], [false, false, false])]
    #[case::what_was_before_does_not_count(["p1", "p1"], Value::Null, &[("p1", "Released"), ("p0", "Failed")],
        [true, true, true])]
    #[case::the_same_again(["p1", "p1"], promotion("p1", None), &[("p1", "Released")], [true, true, true])]
    fn what_is_deployed_runs_where_nothing_else_came(
        #[case] passed: [&str; 2],
        #[case] promotion: Value,
        #[case] ends: &[(&str, &str)],
        #[case] expected: [bool; 3],
    ) {
        let status = status(passed, &promotion, ends);
        let deployed = status.deployed.as_ref().unwrap();
        let asked = [Some("canary"), Some("production"), None];
        assert_eq!(asked.map(|stage| runs(&status, deployed, stage)), expected);
    }

    #[test]
    fn what_was_adopted_runs_in_stages_that_no_promotion_passed() {
        let mut status = status(["p1", "p1"], &Value::Null, &[]);
        let mut deployed = status.deployed.take().unwrap();
        deployed.promotion = None;
        status.stages[0].promotion = None;
        status.stages[1].promotion = Some("p2".to_owned());
        assert!(runs(&status, &deployed, None), "the same code by another promotion");
        status.stages[1].reference = Some(reference("v2"));
        assert!(runs(&status, &deployed, Some("canary")) && !runs(&status, &deployed, Some("production")));
    }
}
