//! The rows that are about the whole CodeSync: what is invalid, pinned, suspended, or not known yet.

use voxsync_crds::{
    code_sync::{CandidateStatus, CodeSyncStatus, Outcome, PromotionStatus, Trigger, Waiting},
    commit::{is_commit_id, short_commit},
};

use crate::{
    adoption::{Adoption, adoption},
    candidate::{Choice, Higher, Sight, is_deployed},
    commands,
    forecast::{Change, Forecast, forecast},
    lifecycle::newer,
    manual_rollback,
    observed::{SourceProblem, Unverified},
    quarantine, readiness,
    rows::{DELETING, DOWNGRADE, PINNED, Row, Rows, Weight},
    source::is_image_built,
    takeover::{Takeover, takeover},
    text::{NAME_LIMIT_BYTES, cut, moment, short_code, with_tail},
    verified,
    view::View,
    walk::is_settled,
};

/// The reason of the row that says that a pin's tag is looked up.
pub(crate) const PIN: &str = "Pin";
/// What is said where a pin cannot be taken.
const BAD_PIN: &str = "Nothing is written before the pin can be taken";
/// How many writes a plan names.
const PLAN_NAMES_LIMIT: usize = 8;

/// The rows that come before those of the stages.
pub(crate) fn rows(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Rows {
    let mut rows = Rows::default();
    if view.observed.is_leaving {
        rows.push(leaving(after));
        return rows;
    }
    if let Some(sentence) = &view.observed.invalid {
        // The sentence begins with the field.
        rows.push(row(Weight::Stalls, "InvalidSpec", sentence.clone(), sentence));
    }
    if let Some(pin) = &view.spec.pin {
        let why = pin.reason.as_deref().unwrap_or("no reason is given");
        let emergency = if pin.emergency { ", in an emergency" } else { "" };
        let message = format!(
            "pinned to {} ({why}){emergency}; the source decides again when spec.pin is removed: {}",
            pin.reference,
            commands::resume(view)
        );
        rows.push(row(Weight::Tells, PINNED, message, "pinned"));
    }
    rows.extend(readiness::idle_row(view.spec));
    rows.extend(manual_rollback::rows(view, after));
    choice(view, sight, after, &mut rows);
    rows.extend(quarantine::row(view, sight, after));
    rows.extend(sight.ripening.row(view));
    rows.extend(verified::row(view, sight, after));
    rows.extend(source_problem(view, sight, after));
    rows.extend(adopting(view, sight, after));
    rows.extend(waits_its_turn(view, sight, after));
    rows.extend(after.promotion.as_ref().and_then(|promotion| ended(view, promotion, after)));
    rows.extend(after.promotion.as_ref().and_then(|promotion| not_recorded(view, promotion)));
    if view.spec.suspend {
        rows.push(suspended(view, after));
    }
    rows
}

/// What a CodeSync says that is deleted, and still has something to do.
fn leaving(after: &CodeSyncStatus) -> Row {
    let is_recorded = after.promotion.as_ref().is_none_or(|promotion| promotion.recorded);
    let what = if is_recorded {
        "it goes now"
    } else {
        "it goes as soon as nothing is held back for it any more, and its promotion is recorded"
    };
    row(Weight::Moves, DELETING, format!("deleted; {what}"), "deleted")
}

/// All targets name the candidate, but it was not brought there by us, and not all run it.
fn adopting(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Option<Row> {
    let Some(Adoption::Rolling { server }) = adoption(view, after, sight.wanted()) else { return None };
    let name = sight.wanted().map_or("", |wanted| wanted.candidate.name.as_str());
    let message = format!(
        "all targets have {name} already; it counts as deployed as soon as all Servers run it, which {server} does not yet"
    );
    // What does not go on by itself needs somebody.
    let weight = if server.is_stopped() { Weight::Blocks } else { Weight::Moves };
    Some(row(weight, "Adopting", message, &format!("{server} does not run {name} yet")))
}

/// What is newer than what is promoted, and has to wait.
fn waits_its_turn(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Option<Row> {
    let promotion = after.promotion.as_ref().filter(|promotion| promotion.outcome.is_none())?;
    let taking = &newer(verified::trusted(view, sight), promotion)?.candidate;
    if quarantine::of(after, taking).is_some() {
        return None;
    }
    let (newer, name) = (&taking.name, &promotion.candidate.name);
    let is_bound = || takeover(view, after, promotion, taking) != Takeover::Now;
    let message = match promotion.ending {
        Some(_) => format!("{newer} starts as soon as {name} is given back"),
        None if view.spec.suspend && !is_bound() => {
            format!("{newer} takes over from {name} as soon as the CodeSync is resumed")
        }
        None => format!(
            "{newer} takes over from {name} as soon as no Deployment of its stage is held back or rolls any more: nothing \
             is left half-way"
        ),
    };
    Some(row(Weight::Moves, "Newer", message, &format!("{newer} waits for {name}")))
}

/// Nothing starts before the last promotion is recorded.
fn not_recorded(view: &View<'_>, promotion: &PromotionStatus) -> Option<Row> {
    let why = view.observed.record_refused.as_ref()?;
    let is_open = promotion.outcome.is_some() && !promotion.recorded;
    is_open.then(|| {
        let message = format!(
            "the record of promotion {} cannot be written, and no other promotion starts before it is: {why}",
            promotion.id
        );
        row(Weight::Blocks, "NotRecorded", message, "no CodeRelease can be written")
    })
}

fn choice(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus, rows: &mut Rows) {
    match &sight.choice {
        Choice::Wanted(_) => {}
        Choice::BadPin(problem) => {
            let message = bad_pin(&problem.message, &commands::resume(view));
            rows.push(row(Weight::Blocks, &problem.reason, message, "spec.pin"));
        }
        Choice::Lower { candidate, lower, higher } => {
            let message = downgrade(view, after, candidate, lower, higher);
            let brief = format!("{lower} is lower than {}", higher.tag);
            rows.push(row(Weight::Waits, DOWNGRADE, message, &brief));
        }
        Choice::Unknown if view.spec.pin.is_some() => {
            rows.push(row(Weight::Moves, PIN, "the pin is being resolved".to_owned(), "resolving the pin"));
        }
        Choice::Unknown => match &view.observed.source.problem {
            _ if is_known(after) => {}
            _ if sight.ripening.is_awaited() => {}
            Some(problem) => {
                let comes_by_itself = [Unverified::MISSING, SourceProblem::NOTHING_RELEASED];
                let (weight, brief) = match comes_by_itself.contains(&problem.reason.as_str()) {
                    _ if is_image_built(view) => (Weight::Moves, built_image(view)),
                    true => (Weight::Waits, awaited_first(view)),
                    false => (Weight::Blocks, "no candidate".to_owned()),
                };
                rows.push(row(weight, &problem.reason, problem.message.clone(), &brief));
            }
            None if view.observed.source.looked => {
                let message = "the source names no candidate".to_owned();
                rows.push(row(Weight::Blocks, "NoCandidate", message, "the source names none"));
            }
            None => rows.push(row(
                Weight::Moves,
                "Source",
                "the first look at the source".to_owned(),
                "first look",
            )),
        },
    }
}

/// Why a pin is not taken, and how to get rid of it.
fn bad_pin(why: &str, resume: &str) -> String {
    let tail = format!(". {BAD_PIN}, or {resume} takes the pin away");
    with_tail(why, &tail)
}

/// Whether a row says that the pin cannot be taken.
pub fn is_bad_pin(row: &Waiting) -> bool {
    row.stage.is_none() && row.message.contains(BAD_PIN)
}

/// That the source names something lower, and what a person can do about it: only what has an effect.
fn downgrade(
    view: &View<'_>,
    after: &CodeSyncStatus,
    candidate: &CandidateStatus,
    lower: &str,
    higher: &Higher,
) -> String {
    let what = if higher.has_failed { "failed" } else { "runs" };
    let why = format!(
        "the source's newest is {lower}, which is lower than {}, which {what}: nothing goes back by itself",
        higher.tag
    );
    let is_deployed = after.deployed.as_ref().is_some_and(|deployed| is_deployed(view, candidate, deployed));
    let is_under_way = after.promotion.as_ref().is_some_and(|promotion| promotion.outcome.is_none());
    if let Some(kept) = quarantine::of(after, candidate) {
        let release = commands::release_quarantine(view, &kept.digest);
        return format!("{why}. {lower} is in quarantine: {release} lets a person promote it");
    }
    match (is_deployed, is_under_way) {
        (true, true) => format!("{why}. Go back to it with {}", commands::rollback(view)),
        (true, false) => format!("{why}. {lower} is what is deployed: there is nothing to do"),
        (false, _) => format!("{why}. Force it with {}", commands::promote(view, candidate)),
    }
}

/// A source that gives nothing new. What is deployed stays, so an outage is only told; but what needs somebody is not
/// ready, or nobody would see it before the next release is missed.
fn source_problem(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Option<Row> {
    let problem = view.observed.source.problem.as_ref()?;
    let is_said = view.is_chosen() || matches!(sight.choice, Choice::Unknown) && !is_known(after);
    if is_said {
        return None;
    }
    let is_under_way = after.promotion.as_ref().is_some_and(|promotion| promotion.outcome.is_none());
    let weight = match problem.needs_somebody() {
        true if !is_under_way => Weight::Blocks,
        false if !problem.unreachable => Weight::Waits,
        _ => Weight::Tells,
    };
    let brief = match weight {
        Weight::Waits if is_image_built(view) => built_image(view),
        Weight::Waits => problem.reason.clone(),
        _ => "the source".to_owned(),
    };
    let since =
        after.source.as_ref().and_then(|source| source.changed_at).filter(|_| weight == Weight::Waits);
    let since = since.map(|since| format!(" (it waits since {})", moment(since))).unwrap_or_default();
    Some(row(weight, &problem.reason, format!("{}{since}", problem.message), &brief))
}

/// The image that CI builds, in a few words.
fn built_image(view: &View<'_>) -> String {
    let revision = view.observed.source.revision.as_deref().unwrap_or("the newest commit");
    let kind = if is_commit_id(revision) { "commit " } else { "" };
    format!("image of {kind}{}", cut(short_commit(revision), NAME_LIMIT_BYTES))
}

/// What comes first from a source that has nothing to take yet.
fn awaited_first(view: &View<'_>) -> String {
    let followed = view.spec.source.code_sync.as_ref();
    followed
        .map_or_else(|| "no candidate".to_owned(), |followed| format!("first release of {}", followed.name))
}

/// What runs is known, or what is under way: nothing waits for a look.
fn is_known(after: &CodeSyncStatus) -> bool {
    after.promotion.is_some() || (after.deployed.is_some() && is_settled(after))
}

/// What a promotion that ended leaves to say, where no stage says it.
fn ended(view: &View<'_>, promotion: &PromotionStatus, after: &CodeSyncStatus) -> Option<Row> {
    let name = &promotion.candidate.name;
    match (promotion.outcome?, &promotion.failure) {
        (Outcome::Superseded, _) => {
            let newer = after.candidate.as_ref().map_or("another candidate", |newer| newer.name.as_str());
            let message = format!("{name} makes way for {newer}, which starts once that is recorded");
            Some(row(Weight::Moves, "Superseded", message, &format!("{newer} instead of {name}")))
        }
        (outcome, Some(failure))
            if outcome.is_failure() && view.stages.iter().all(|stage| stage.name != failure.stage) =>
        {
            let message =
                format!("{name} failed in stage {}, which is gone: {}", failure.stage, failure.message);
            Some(row(Weight::Blocks, "Failed", message, &failure.brief()))
        }
        _ => None,
    }
}

/// That it is suspended, and what it would do if it were resumed now.
fn suspended(view: &View<'_>, after: &CodeSyncStatus) -> Row {
    let why = view.spec.suspend_reason.as_deref().unwrap_or("no reason is given");
    let Forecast { mut stages, trigger, .. } =
        forecast(view.spec, after, view.observed, view.now.timestamp());
    let order = if trigger == Some(Trigger::Rollback) {
        stages.reverse();
        "the last stage first"
    } else {
        "in the order of the stages"
    };
    let planned: Vec<Change> = stages.into_iter().flat_map(|stage| stage.changes).collect();
    let named = planned.iter().take(PLAN_NAMES_LIMIT).map(|change| {
        let [from, to] = [&change.from, &change.to].map(|code| short_code(code.as_deref()));
        format!("{} ({from} → {to})", change.target)
    });
    let mut would = named.collect::<Vec<_>>().join(", ");
    if planned.len() > PLAN_NAMES_LIMIT {
        would = format!("{would} and {} more", planned.len() - PLAN_NAMES_LIMIT);
    }
    let message = match planned.len() {
        0 => format!("suspended ({why}); nothing would be written"),
        _ => format!("suspended ({why}); would write, {order}: {would}"),
    };
    let weight = if planned.is_empty() { Weight::Tells } else { Weight::Waits };
    row(weight, "Suspended", message, why)
}

fn row(weight: Weight, reason: &str, message: String, brief: &str) -> Row {
    Row { weight, stage: None, reason: reason.to_owned(), message, brief: brief.to_owned(), until: None }
}
