//! The conditions, by the rules of kstatus: a tool that waits for Ready gets an answer that is true.
//!
//! Always there: Ready, SourceReady, Held, Suspended, Deployed. Only while true: Reconciling, Stalled. Only where
//! signatures are asked for: Verified.

use voxsync_crds::code_sync::{CodeSyncStatus, Condition, ConditionStatus, Outcome};

use crate::{
    candidate::{Sight, is_deployed, is_same_code},
    readiness::{APPROVAL, WINDOW},
    rows::{CHECK_FAILED, CHECKING, DOWNGRADE, GATING, HELD, MINIMUM_AGE, ROLLING_BACK, Row, Rows, Weight},
    source::is_image_built,
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, cut, summary},
    verified::{doubt, verdict},
    view::View,
};

/// One condition before it has its times.
struct Says {
    kind: &'static str,
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Says {
    fn new(kind: &'static str, status: bool, reason: &str, message: impl Into<String>) -> Self {
        let status = if status { ConditionStatus::True } else { ConditionStatus::False };
        Self { kind, status, reason: reason.to_owned(), message: message.into() }
    }
}

/// Sets conditions, summary and stage from the rows.
pub(crate) fn conclude(view: &View<'_>, sight: &Sight, rows: &Rows, after: &mut CodeSyncStatus) {
    let (mut says, line) = readiness(view, rows, after);
    says.push(source_ready(view, sight));
    says.extend(verified(view, after));
    says.push(match rows.worst_of(|row| row.reason == HELD) {
        Some((_, sentence)) => Says::new("Held", true, "Changed", sentence),
        None => Says::new("Held", false, "NotHeld", "no target was changed by somebody else"),
    });
    says.push(suspended(view));
    says.push(deployed(view, rows, after));
    after.conditions = says.iter().map(|says| dated(view, says)).collect();
    after.summary = Some(summary(&cut(&line, NAME_LIMIT_BYTES)));
    after.stage = stage(view, rows, after);
}

/// Ready, with Reconciling and Stalled where they hold, and the line for the table.
fn readiness(view: &View<'_>, rows: &Rows, after: &CodeSyncStatus) -> (Vec<Says>, String) {
    let worst = rows.worst();
    let rests = |weight: Weight| weight >= Weight::Moves;
    if view.spec.suspend && worst.as_ref().is_none_or(|(row, _)| rests(row.weight)) {
        let reason = suspend_reason(view);
        return (vec![Says::new("Ready", true, "Suspended", reason)], format!("Suspended: {reason}"));
    }
    let Some((row, message)) = worst.filter(|(row, _)| row.weight != Weight::Tells) else {
        return deployed_or_pinned(view, after);
    };
    match row.weight {
        Weight::Stalls => (
            vec![
                Says::new("Ready", false, &row.reason, message.clone()),
                Says::new("Stalled", true, &row.reason, message),
            ],
            format!("{}: {}", row.reason, row.brief),
        ),
        Weight::Blocks => {
            (vec![Says::new("Ready", false, &row.reason, message)], format!("{}: {}", row.reason, row.brief))
        }
        Weight::Moves => {
            let is_named =
                row.stage.is_none() || [GATING, CHECKING, ROLLING_BACK].contains(&row.reason.as_str());
            let reason = if is_named { &row.reason } else { "Rolling" };
            let says = vec![
                Says::new("Ready", false, reason, message.clone()),
                Says::new("Reconciling", true, reason, message),
            ];
            (says, format!("{reason}: {}", row.brief))
        }
        Weight::Waits | Weight::Tells => {
            let (brief, message) = with_window(rows, row, message);
            (vec![Says::new("Ready", true, "Waiting", message)], format!("Waiting: {brief}"))
        }
    }
}

/// The few words and the message of a row that waits. A stage that waits for a person and for a window says both: neither
/// ends the wait alone.
fn with_window(rows: &Rows, row: &Row, message: String) -> (String, String) {
    let is_window = |other: &Row| other.stage == row.stage && other.reason == WINDOW;
    let both = rows.worst_of(is_window).filter(|_| row.reason == APPROVAL);
    let Some((opens, (_, of_window))) = both.and_then(|both| Some((both.0.until?, both))) else {
        return (row.brief.clone(), message);
    };
    let opens = opens.timestamp().strftime("%F %H:%MZ");
    (format!("approval, window from {opens}"), format!("{message}. {of_window}"))
}

fn deployed_or_pinned(view: &View<'_>, after: &CodeSyncStatus) -> (Vec<Says>, String) {
    let name = after.deployed.as_ref().map_or("", |deployed| deployed.name.as_str());
    let line = match &view.observed.source.problem {
        _ if after.rollback.is_some() => "Deployed: rolled back".to_owned(),
        _ if view.spec.pin.is_some() => "Deployed: pinned".to_owned(),
        Some(problem) => format!("Deployed: source {}", problem.reason),
        None => "Deployed".to_owned(),
    };
    (vec![Says::new("Ready", true, "Deployed", format!("all stages run {name}"))], line)
}

fn source_ready(view: &View<'_>, sight: &Sight) -> Says {
    let source = &view.observed.source;
    if !source.looked {
        return view.before.condition("SourceReady").map_or_else(
            || Says {
                kind: "SourceReady",
                status: ConditionStatus::Unknown,
                reason: "Looking".to_owned(),
                message: "the source was not looked at yet".to_owned(),
            },
            |before| Says {
                kind: "SourceReady",
                status: before.status,
                reason: before.reason.clone(),
                message: before.message.clone(),
            },
        );
    }
    match (&source.problem, &sight.moved) {
        (Some(problem), _) => {
            Says::new("SourceReady", is_image_built(view), &problem.reason, problem.message.as_str())
        }
        (None, Some(moved)) => Says::new("SourceReady", true, "TagMoved", moved.as_str()),
        (None, None) => Says::new("SourceReady", true, "Seen", "the source can be read"),
    }
}

fn suspended(view: &View<'_>) -> Says {
    if view.spec.suspend {
        Says::new("Suspended", true, "Suspended", suspend_reason(view))
    } else {
        Says::new("Suspended", false, "NotSuspended", "voxsync writes what it decides")
    }
}

/// Only where signatures are asked for.
fn verified(view: &View<'_>, after: &CodeSyncStatus) -> Option<Says> {
    view.spec.verify.as_ref()?;
    let Some(candidate) = &after.candidate else {
        let unverified = view.observed.unverified.first();
        let (reason, message) = unverified.map_or(("NoCandidate", "no candidate is known"), |unverified| {
            (unverified.reason.as_str(), unverified.message.as_str())
        });
        return Some(Says::new("Verified", false, reason, message));
    };
    if let Some(doubt) = doubt(view, candidate) {
        return Some(Says::new("Verified", false, doubt.reason, doubt.message));
    }
    let name = &candidate.name;
    let Some(verified) = verdict(view, candidate).and_then(|known| known.verified.as_ref()) else {
        let went_back = match &after.rollback {
            Some(rollback) if rollback.failure.is_none() => "a person went back to it",
            _ => "it was gone back to",
        };
        let message = format!(
            "{name} ran before, and {went_back}: it runs without a signature that is good by the present rules \
             and keys"
        );
        return Some(Says::new("Verified", false, "RanBefore", message));
    };
    let by = verified.by.join("; and by ");
    Some(Says::new("Verified", true, "Verified", format!("{name} is signed by {by}")))
}

/// Why people suspended it.
fn suspend_reason<'a>(view: &View<'a>) -> &'a str {
    view.spec.suspend_reason.as_deref().unwrap_or("spec.suspend is true; no reason is given")
}

fn deployed(view: &View<'_>, rows: &Rows, after: &CodeSyncStatus) -> Says {
    let Some(deployed) = &after.deployed else {
        return Says::new("Deployed", false, "NeverDeployed", "nothing was deployed yet");
    };
    let Some(candidate) = &after.candidate else {
        return Says::new(
            "Deployed",
            false,
            "NoCandidate",
            format!("{} is deployed; no candidate is known", deployed.name),
        );
    };
    let under_way = after.promotion.as_ref().filter(|promotion| promotion.outcome != Some(Outcome::Released));
    let is_it = is_deployed(view, candidate, deployed);
    if under_way.is_some() || !is_it {
        let other = under_way.map(|it| &it.candidate).filter(|it| is_it && !is_same_code(it, candidate));
        let message = match other {
            Some(other) => format!(
                "{} is deployed and should run; {} was begun, and some stages may run it",
                deployed.name, other.name
            ),
            None => format!("{} is deployed, {} is the candidate", deployed.name, candidate.name),
        };
        return Says::new("Deployed", false, "CandidateNotDeployed", message);
    }
    let of_source = view.observed.source.problem.as_ref().map(|problem| problem.reason.as_str());
    let is_of_source = |row: &Row| {
        // What fails after the release runs everywhere all the same.
        [DOWNGRADE, MINIMUM_AGE, CHECK_FAILED].contains(&row.reason.as_str())
            || Some(row.reason.as_str()) == of_source
    };
    match rows.worst_of(|row| row.weight != Weight::Tells && !is_of_source(row)) {
        Some((_, message)) => Says::new("Deployed", false, "NotEverywhere", message),
        None => Says::new("Deployed", true, "Deployed", format!("all stages run {}", deployed.name)),
    }
}

/// The stage of the worst row; the first that is not done; or the last.
fn stage(view: &View<'_>, rows: &Rows, after: &CodeSyncStatus) -> Option<String> {
    let of_row = rows.worst().and_then(|(row, _)| row.stage.clone());
    let first_not_done = || {
        use voxsync_crds::code_sync::StagePhase::Deployed;
        after.stages.iter().find(|stage| stage.phase != Deployed).map(|stage| stage.name.clone())
    };
    of_row.or_else(first_not_done).or_else(|| view.stages.last().map(|stage| stage.name.clone()))
}

fn dated(view: &View<'_>, says: &Says) -> Condition {
    let before = view.before.condition(says.kind);
    let unchanged = before.filter(|before| before.status == says.status);
    Condition {
        kind: says.kind.to_owned(),
        status: says.status,
        reason: cut(&says.reason, NAME_LIMIT_BYTES),
        message: cut(&says.message, SENTENCE_LIMIT_BYTES),
        last_transition_time: unchanged.map_or(view.now, |before| before.last_transition_time),
        observed_generation: Some(view.observed.generation),
    }
}
