//! `voxsync resume`: undoes what stops a CodeSync, the innermost thing only, so that going on after a hold does not throw
//! away a pin that somebody set on purpose. What somebody else stopped or pinned in the meantime is not undone.

use std::process::ExitCode;

use serde_json::{Value, json};
use voxsync_crds::{
    CodeSync,
    annotations::RESUME,
    code_sync::{Outcome, Pin, Quarantined, Trigger},
};

use super::{Subject, followed, image, say, token};
use crate::{
    arguments::{Connection, NamedOptions},
    wait::Goal,
};

/// `voxsync resume NAME`
pub async fn resume(connection: &Connection, options: NamedOptions) -> anyhow::Result<ExitCode> {
    let name = &options.name;
    let subject = Subject::find(connection, name).await?;
    let named = subject.named();
    let stopped = subject.decide_and_patch(|it| Ok(Stopped::of(it)), change).await?;
    for what in said(&stopped, &named) {
        say(name, &what);
    }
    followed(connection, name, Goal::Candidate, options.follow).await
}

/// What was done, and what still stands.
fn said(Stopped { stops, kept_out, .. }: &Stopped, named: &str) -> Vec<String> {
    let what = match stops.first() {
        Some(Stop::Suspended) => "is no longer suspended",
        Some(Stop::Held) => "may write over what somebody else changed",
        Some(Stop::RolledBack) if stops.contains(&Stop::Pinned) => {
            "leaves the release that a person went back to"
        }
        Some(Stop::RolledBack) => {
            "leaves the release that a person went back to: it follows its source again"
        }
        Some(Stop::GoesBack) => "leaves the release that it was going back to, because a check had failed",
        Some(Stop::Failed) => "tries the candidate that failed again",
        Some(Stop::Pinned) => "is no longer pinned: it follows its source again",
        None if kept_out.is_some() => "was not held up by anything that `resume` ends",
        None => "was not held up by anything",
    };
    let next = stops.get(1).map(|next| match next {
        Stop::Suspended | Stop::Held => {
            format!("is held by somebody else's change: `voxsync resume {named}` once more")
        }
        Stop::RolledBack => {
            format!("stays at the release that a person went back to: `voxsync resume {named}` once more ends that")
        }
        Stop::GoesBack => {
            "goes back to an earlier release by itself, because a check failed, until all stages run it".to_owned()
        }
        Stop::Failed => {
            format!("has a candidate that failed: `voxsync resume {named}` once more tries it again")
        }
        Stop::Pinned => format!("is still pinned: `voxsync resume {named}` once more removes the pin"),
    });
    let kept_out = kept_out.as_ref().map(|Quarantined { name, digest, .. }| {
        let image = image(name, digest, None);
        format!("does not take {image}, which is in quarantine: `voxsync release-quarantine {named} {digest}` lets it")
    });
    [Some(what.to_owned()), next, kept_out].into_iter().flatten().collect()
}

/// What is undone by what was seen.
#[derive(Clone, Debug, PartialEq)]
struct Stopped {
    /// The innermost first.
    stops: Vec<Stop>,
    /// Another pin than the one that was seen is not removed, least of all one of an emergency.
    pin: Option<Pin>,
    /// What is in quarantine, and is not taken all the same.
    kept_out: Option<Quarantined>,
}

impl Stopped {
    fn of(code_sync: &CodeSync) -> Self {
        let stops = stops(code_sync);
        let kept_out = kept_out(code_sync, &stops).cloned();
        Self { stops, pin: code_sync.spec.pin.clone(), kept_out }
    }
}

/// What somebody may wait for in vain afterwards: what was left by going back, or what should run. What failed is let out
/// of quarantine by being tried again.
fn kept_out<'c>(code_sync: &'c CodeSync, stops: &[Stop]) -> Option<&'c Quarantined> {
    let status = code_sync.status.as_ref()?;
    let reference = match stops {
        [Stop::RolledBack | Stop::GoesBack, ..] => status.rollback.as_ref()?.from.as_deref()?,
        [] | [Stop::Suspended | Stop::Held] => &status.candidate.as_ref()?.reference,
        _ => return None,
    };
    status.banned_as(reference)
}

/// The patch that undoes the innermost.
fn change(stopped: &Stopped) -> Value {
    match stopped.stops.first() {
        Some(Stop::Suspended) => json!({"spec": {"suspend": null, "suspendReason": null}}),
        Some(Stop::Pinned) => json!({"spec": {"pin": null}}),
        Some(Stop::Held | Stop::RolledBack | Stop::GoesBack | Stop::Failed) | None => {
            json!({"metadata": {"annotations": {RESUME: token()}}})
        }
    }
}

/// What keeps a CodeSync from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Suspended,
    Held,
    /// By a person.
    RolledBack,
    /// By itself, because a check failed after the release.
    GoesBack,
    Failed,
    Pinned,
}

/// All that keeps a CodeSync from going on, the innermost first: nothing else has an effect while it is suspended.
fn stops(code_sync: &CodeSync) -> Vec<Stop> {
    let status = code_sync.status.as_ref();
    let is_held = status.is_some_and(|status| status.holds.iter().any(|hold| !hold.resumed));
    let rollback = status.and_then(|status| status.rollback.as_ref());
    let is_rolled_back = rollback.is_some();
    let goes_back = rollback.is_some_and(|rollback| rollback.failure.is_some());
    let promotion = status.and_then(|status| status.promotion.as_ref());
    let has_failed = promotion
        .and_then(|promotion| promotion.outcome.or(promotion.ending))
        .is_some_and(Outcome::is_failure);
    let is_rollback = promotion.is_some_and(|promotion| promotion.trigger == Trigger::Rollback);
    let all = [
        (code_sync.spec.suspend, Stop::Suspended),
        (is_held, Stop::Held),
        // What was gone back to is tried again before it is left.
        (is_rolled_back && has_failed && is_rollback, Stop::Failed),
        (goes_back, Stop::GoesBack),
        (is_rolled_back && !goes_back, Stop::RolledBack),
        (has_failed && !(is_rolled_back && is_rollback), Stop::Failed),
        (code_sync.spec.pin.is_some(), Stop::Pinned),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, stop)| stop).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::fixtures::{candidate, code_sync, digest, promotion, quarantined};

    #[test]
    fn what_changed_meanwhile_is_something_else() {
        let pinned = |pin: &Value| Stopped::of(&code_sync(&json!({"pin": pin}), &Value::Null));
        let seen = pinned(&json!({"reference": "r.io/a:1"}));
        assert_eq!(change(&seen), json!({"spec": {"pin": null}}));
        assert_eq!(pinned(&json!({"reference": "r.io/a:1"})), seen);
        for other in [
            json!({"reference": "r.io/a:2"}),
            json!({"reference": "r.io/a:1", "reason": "INC-42", "emergency": true}),
            Value::Null,
        ] {
            assert_ne!(pinned(&other), seen, "{other}");
        }
        let suspended = Stopped::of(&code_sync(
            &json!({"pin": {"reference": "r.io/a:1"}, "suspend": true}),
            &Value::Null,
        ));
        assert_ne!(suspended, seen, "who suspends it wants it to stand still");
        assert_eq!(change(&suspended), json!({"spec": {"suspend": null, "suspendReason": null}}));
        let at_rest = change(&Stopped::of(&code_sync(&Value::Null, &Value::Null)));
        assert!(at_rest["metadata"]["annotations"][RESUME].is_string() && at_rest.get("spec").is_none());
    }

    #[test]
    fn the_innermost_stop_comes_first() {
        let pin = json!({"pin": {"reference": "r.io/a:1"}});
        let held = json!({"holds": [{"target": "Config/production"}]});
        let resumed = json!({"holds": [{"target": "Config/production", "resumed": true}]});
        let rollback =
            json!({"candidate": candidate("v1", 'a'), "fromName": "v2", "at": "2026-03-01T10:00:00Z"});
        let mut all = held.clone();
        all["rollback"] = rollback.clone();
        all["promotion"] = promotion("v2", 'b', Some("Failed"));
        let mut suspended = pin.clone();
        suspended["suspend"] = json!(true);
        let in_order = [Stop::Suspended, Stop::Held, Stop::RolledBack, Stop::Failed, Stop::Pinned];
        assert_eq!(stops(&code_sync(&suspended, &all)), in_order);
        assert_eq!(stops(&code_sync(&Value::Null, &json!({"rollback": &rollback}))), [Stop::RolledBack]);
        let mut by_itself = rollback;
        by_itself["failure"] =
            json!({"stage": "canary", "check": "nodes", "reason": "CheckFailed", "message": "4 % failed"});
        assert_eq!(stops(&code_sync(&pin, &json!({"rollback": by_itself}))), [Stop::GoesBack, Stop::Pinned]);
        assert_eq!(stops(&code_sync(&pin, &held)), [Stop::Held, Stop::Pinned]);
        assert_eq!(stops(&code_sync(&pin, &resumed)), [Stop::Pinned]);
        for outcome in [None, Some("Released"), Some("Superseded")] {
            let status = json!({"promotion": promotion("v2", 'b', outcome)});
            assert_eq!(stops(&code_sync(&Value::Null, &status)), [], "{outcome:?}");
        }
    }
    #[test]
    fn what_is_in_quarantine_is_named_with_what_lets_it_out() {
        let said = |spec: &Value, status: &Value| {
            said(&Stopped::of(&code_sync(spec, status)), "production -n puppet")
        };
        let mut status = json!({"candidate": candidate("v2", 'b'), "quarantine": [quarantined("v2", 'b')]});
        let lets = format!(
            "does not take v2 (sha256:bbbbbbbbbb…), which is in quarantine: `voxsync release-quarantine production -n puppet \
             {}` lets it",
            digest('b')
        );
        // Also after a check that failed after the release.
        assert_eq!(
            said(&Value::Null, &status),
            ["was not held up by anything that `resume` ends", lets.as_str()]
        );
        assert_eq!(said(&json!({"suspend": true}), &status), ["is no longer suspended", lets.as_str()]);
        status["promotion"] = promotion("v2", 'b', Some("RolledBack"));
        assert_eq!(said(&Value::Null, &status), ["tries the candidate that failed again"]);
        status["promotion"] = Value::Null;
        status["candidate"] = candidate("v3", 'c');
        assert_eq!(said(&Value::Null, &status), ["was not held up by anything"]);
        status["rollback"] = json!({"candidate": candidate("v1", 'a'), "fromName": "v2",
            "from": candidate("v2", 'b')["reference"], "at": "2026-03-01T10:00:00Z"});
        assert_eq!(
            said(&Value::Null, &status),
            ["leaves the release that a person went back to: it follows its source again", lets.as_str()]
        );
        status["quarantine"] = json!([]);
        assert_eq!(said(&Value::Null, &status).len(), 1, "with --no-quarantine");
    }
}
