//! `voxsync approve`: a person says, in their own name, that a digest may go into a stage.

mod decision;

use std::process::ExitCode;

use jiff::Timestamp;
use voxsync_agent::is_bad_pin;
use voxsync_crds::{CodeSync, code_sync::Waiting};

use super::{Subject, followed, own_name::own_name, say};
use crate::{
    arguments::{ApproveOptions, Connection},
    kinds::named_of,
    output::{self, clock},
    wait::Goal,
};
use decision::{Approved, Decision, change, decide};

/// The reason of the agent's row about a stage that waits for an approval.
const APPROVAL: &str = "Approval";

/// The reasons of those of its rows that are of no stage, and that keep what is approved from every stage.
const OF_ALL_STAGES: [&str; 7] =
    ["Quarantined", "MinimumAge", "RolledBack", "Pin", "NotVerified", "InvalidSpec", "NotRecorded"];

/// `voxsync approve NAME`
pub async fn approve(connection: &Connection, options: ApproveOptions) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(connection, &options.name).await?;
    let name = &options.name;
    let own_name = own_name(subject.client.clone()).await?;
    let before = subject.code_sync.clone();
    let decision = match decide(&before, &options)? {
        Decision::Approve(_) => {
            let decide = |code_sync: &CodeSync| decide(code_sync, &options);
            subject.decide_and_patch(decide, |decision| change(decision, own_name.as_deref())).await?
        }
        nothing => nothing,
    };
    match decision {
        Decision::Approve(approved) => {
            let by = own_name.as_ref().map_or_else(String::new, |own_name| format!(", by {own_name}"));
            say(name, &format!("has an approval of {}{by}", approved.sentence()));
            if own_name.is_none() {
                output::news("the API server does not say who you are: the approval has nobody's name");
            }
            for line in next(&before, &approved, options.follow.wait, Timestamp::now()) {
                say(name, &line);
            }
            followed(connection, name, Goal::Digest(approved.digest), options.follow).await
        }
        Decision::IsApproved(approved, by) => {
            say(name, &format!("has an approval of {} already, by {by}", approved.sentence()));
            followed(connection, name, Goal::Digest(approved.digest), options.follow).await
        }
        Decision::Nothing(why) => {
            output::news(&output::harmless(&format!("codesync {name}: {why}")));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What comes next, and what it still waits for. Whom it is told may follow it already.
fn next(code_sync: &CodeSync, approved: &Approved, follows: bool, now: Timestamp) -> Vec<String> {
    let named = named_of(code_sync);
    if let Some(other) = &approved.instead {
        return vec![format!("is about to run {other} by now, which is not approved by this")];
    }
    if code_sync.spec.suspend {
        return vec![format!("is suspended: nothing is written before `voxsync resume {named}`")];
    }
    let status = code_sync.status.clone().unwrap_or_default();
    let is_its = |row: &&Waiting| row.stage.as_ref().is_some_and(|stage| approved.stages.contains(stage));
    let its: Vec<&Waiting> = status.waiting.iter().filter(is_its).collect();
    let is_of_all = |row: &&Waiting| {
        row.stage.is_none() && (OF_ALL_STAGES.contains(&row.reason.as_str()) || is_bad_pin(row))
    };
    let of_all = status.waiting.iter().filter(is_of_all);
    let mut lines: Vec<String> = of_all
        .chain(its.iter().copied().filter(|row| row.reason != APPROVAL))
        .map(|row| {
            let until = row.until.map(|until| format!(" (until {})", clock(until.timestamp(), now)));
            format!("still waits: {}{}", output::message(&row.message), until.unwrap_or_default())
        })
        .collect();
    if its.is_empty() {
        let summary = status.summary.map_or_else(String::new, |summary| format!(": {summary}"));
        lines.push(format!("has not come to that stage yet{summary}"));
    }
    let then = if lines.is_empty() { "goes on with it" } else { "goes on then" };
    let hint = format!("; follow it with `voxsync wait {named}`");
    lines.push(format!("{then} by itself{}", if follows { "" } else { &hint }));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        arguments::FollowArguments,
        verbs::fixtures::{PRODUCTION, candidate, code_sync, deployed, promotion},
    };

    fn said(spec: &Value, waiting: &Value) -> Vec<String> {
        said_to(false, spec, waiting)
    }

    fn said_to(follows: bool, spec: &Value, waiting: &Value) -> Vec<String> {
        let status = json!({
            "candidate": candidate("v2", 'b'), "deployed": deployed("v1", 'a'), "promotion": promotion("v2", 'b', None),
            "waiting": waiting, "summary": "Waiting: soak of canary until 12:00:00Z",
        });
        let options = ApproveOptions {
            name: PRODUCTION.to_owned(),
            stage: Some(PRODUCTION.to_owned()),
            all_stages: false,
            digest: None,
            follow: FollowArguments::default(),
        };
        let code_sync = code_sync(spec, &status);
        let Decision::Approve(approved) = decide(&code_sync, &options).unwrap() else {
            panic!("nothing is approved");
        };
        next(&code_sync, &approved, follows, "2026-03-01T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn says_what_is_waited_for_besides() {
        let row = |stage: &str, reason: &str| json!({"stage": stage, "reason": reason, "message": format!("the {reason}")});
        let mut window = row(PRODUCTION, "Window");
        window["until"] = json!("2026-03-02T07:00:00Z");
        let approval = row(PRODUCTION, "Approval");
        let hint = "; follow it with `voxsync wait production -n puppet`";
        let goes_on = format!("goes on with it by itself{hint}");
        assert_eq!(said(&json!({}), &json!([approval])), [goes_on]);
        assert_eq!(
            said(&json!({}), &json!([approval, window])),
            ["still waits: the Window (until 2026-03-02 07:00Z)", &format!("goes on then by itself{hint}")]
        );
        let followed = said_to(true, &json!({}), &json!([approval]));
        assert_eq!(followed, ["goes on with it by itself"], "it is followed already");
        let early = said(&json!({}), &json!([row("canary", "Soak")]));
        assert_eq!(early[0], "has not come to that stage yet: Waiting: soak of canary until 12:00:00Z");
        let young = json!([{"reason": "MinimumAge", "message": "v2 is too young"},
            {"reason": "RolledBack", "message": "a person went back"}, {"reason": "Downgrade", "message": "v0 is lower"}]);
        assert_eq!(
            said(&json!({}), &young)[..3],
            [
                "still waits: v2 is too young",
                "still waits: a person went back",
                "has not come to that stage yet: Waiting: soak of canary until 12:00:00Z"
            ]
        );
        let kept_back = json!([
            {"reason": "Unreachable", "message": "no answer. Nothing is written before the pin can be taken, or it goes"},
            {"reason": "Unreachable", "message": "no answer"}, {"reason": "NotVerified", "message": "v2 has no signature"}]);
        let first = "still waits: no answer. Nothing is written before the pin can be taken, or it goes";
        assert_eq!(said(&json!({}), &kept_back)[..2], [first, "still waits: v2 has no signature"]);
        let suspended = said(&json!({"suspend": true}), &json!([approval]));
        assert_eq!(
            suspended,
            ["is suspended: nothing is written before `voxsync resume production -n puppet`"]
        );
    }
}
