//! The checks of a stage after the release, where `rollback.afterRelease` asks for it: for how long they are asked, what
//! is said of one that fails, and that a release goes back because of it.
//!
//! Only a release whose checks held is asked about: what an emergency, a rollback or nobody brought here never is, so that
//! a rollback cannot lead to another one. And only by the checks that held: once they are changed, none is asked. As long as
//! all hold, nothing is stored. One that cannot be asked, or cannot tell, says nothing: what it said before stays.
//!
//! One that failed is called well again only when it held for a while, without a single failure: one that fails now and
//! then is told once.

use std::time::Duration;

use voxsync_crds::{
    code_sync::{
        AfterRelease, AfterReleaseAction, CheckStanding, CheckStatus, CodeSyncSpec, CodeSyncStatus,
        DeployedStatus, PromotionFailure, Stage, StagePhase, StageStatus,
    },
    duration::DurationText,
    time::Time,
};

use crate::{
    checks::{MESSAGE_LIMIT_BYTES, failure, has_failed, is_of, status},
    commands,
    decided::EventKind,
    last_good::last_good,
    lifecycle::is_hurried,
    manual_rollback,
    rows::{CHECK_FAILED, Row, Weight},
    text::{clock, cut, fingerprint, later},
    view::View,
    visit::{Position, Visit},
    walk::Walk,
};

/// How long a check that failed after the release has to hold before it is called well again.
const RECOVERY: Duration = Duration::from_mins(10);

/// What is to be done with checks after a release, if anything.
pub(crate) fn of(spec: &CodeSyncSpec) -> Option<&AfterRelease> {
    spec.rollback.as_ref()?.after_release.as_ref()
}

/// The failed check for which the release is to go back, where that is asked for and the last step stored that it failed.
/// Starts it, if there is something to go back to.
pub(crate) fn goes_back(view: &View<'_>, after: &mut CodeSyncStatus) -> bool {
    if after.promotion.is_some() || after.rollback.is_some() || !is_rolled_back(view.spec) {
        return false;
    }
    stored_failure(view, after).is_some_and(|failure| manual_rollback::begin_for(view, after, failure))
}

fn is_rolled_back(spec: &CodeSyncSpec) -> bool {
    of(spec).and_then(|after| after.action).unwrap_or_default() == AfterReleaseAction::Rollback
}

fn stored_failure(view: &View<'_>, after: &CodeSyncStatus) -> Option<PromotionFailure> {
    let deployed = after.deployed.as_ref()?;
    let mut failed = view.before.stages.iter().flat_map(|last| {
        let is_its = last.phase == StagePhase::Deployed && is_release_of(deployed, last);
        last.checks.iter().filter(move |_| is_its).map(move |check| (last, check))
    });
    let fails = |last: &StageStatus, known: &CheckStatus| {
        let mut stages = view.stages.iter().filter(|stage| stage.name == last.name);
        let asked = stages.find(|stage| has_passed_with(last, stage));
        let check = asked.and_then(|stage| stage.checks.iter().find(|check| check.name == known.name));
        // What was stored long ago may hold by now: only an answer tells.
        let still_fails = check.zip(last.promotion.as_ref()).is_some_and(|(check, promotion)| {
            let mut answers = view.observed.checks.iter();
            answers.any(|answer| is_of(answer, &last.name, check, promotion) && has_failed(answer, check))
        });
        still_fails && known.standing == CheckStanding::Failed
    };
    let (last, check) = failed.find(|(last, check)| fails(last, check))?;
    Some(failure(&last.name, &check.name, &check.message))
}

fn is_good(standing: CheckStanding) -> bool {
    standing == CheckStanding::Passed
}

/// The checks of a stage, as they are.
fn present_checks(stage: &Stage) -> String {
    fingerprint(&[&serde_json::to_string(&stage.checks).unwrap_or_default()])
}

/// Whether the checks of a stage are those that it passed with: others never held for what it runs.
fn has_passed_with(last: &StageStatus, stage: &Stage) -> bool {
    last.passed_checks.as_ref() == Some(&present_checks(stage))
}

/// Whether a stage passed with what is deployed.
fn is_release_of(deployed: &DeployedStatus, last: &StageStatus) -> bool {
    deployed.promotion.is_some() && deployed.promotion == last.promotion
}

impl Visit<'_, '_> {
    /// What is kept of the checks that the stage passed with, as long as they are asked after the release.
    pub(crate) fn passed_checks(&self, phase: StagePhase, healthy_since: Option<Time>) -> Option<String> {
        healthy_since?;
        match self.position {
            Position::Working(_) => (phase == StagePhase::Deployed).then(|| present_checks(self.stage)),
            _ => self.last.and_then(|last| last.passed_checks.clone()),
        }
    }

    /// Since when the stage runs what it passed with, as long as somebody wants to know, and the checks of it that fail.
    pub(crate) fn after_release(
        &self,
        phase: StagePhase,
        walk: &mut Walk,
    ) -> (Option<Time>, Vec<CheckStatus>) {
        let last = self.last.filter(|last| last.healthy_since.is_some());
        let Some((asked, last)) = of(self.view.spec).zip(last) else { return (None, Vec::new()) };
        if !has_passed_with(last, self.stage) {
            return (None, Vec::new());
        }
        if let Position::Passed(promotion) = self.position {
            // The others have not passed yet. Once it is an emergency, they pass no check.
            return (last.healthy_since.filter(|_| !is_hurried(self.view, promotion)), Vec::new());
        }
        let deployed = self.after.deployed.as_ref().filter(|deployed| is_release_of(deployed, last));
        let (Some(deployed), Some(healthy_since)) = (deployed, last.healthy_since) else {
            return (None, Vec::new());
        };
        if self.frozen || phase != StagePhase::Deployed {
            return (Some(healthy_since), last.checks.clone());
        }
        let failed = self.ask_on(asked, deployed, (last, healthy_since), walk);
        walk.rows.extend(self.release_row(deployed, &failed));
        (Some(healthy_since), failed)
    }

    /// Asks what is still to be asked; gives back what fails.
    fn ask_on(
        &self,
        asked: &AfterRelease,
        deployed: &DeployedStatus,
        (last, healthy_since): (&StageStatus, Time),
        walk: &mut Walk,
    ) -> Vec<CheckStatus> {
        let code = (deployed.promotion.as_deref().unwrap_or_default(), deployed.reference.as_str());
        let until = later(deployed.since.unwrap_or(healthy_since), length(&asked.duration));
        let is_over = until <= self.view.now;
        let mut failed = Vec::new();
        for check in self.stage.checks.iter().filter(|check| check.job.is_none()) {
            let mut answers = self.view.observed.checks.iter();
            let answer = answers.find(|answer| is_of(answer, &self.stage.name, check, code.0));
            let known = last.checks.iter().find(|known| known.name == check.name).cloned();
            let says = match answer {
                Some(answer) if is_good(answer.standing) => known.and_then(|known| self.recovering(known)),
                Some(answer) if answer.standing == CheckStanding::Failed => {
                    let counts = known.is_some() || has_failed(answer, check);
                    let fails_already = known.filter(|known| !is_good(known.standing));
                    fails_already.or_else(|| counts.then(|| status(check, answer, self.view.now)))
                }
                _ => known,
            };
            let ends = says.as_ref().and_then(recovery_ends).filter(|ends| self.view.now < *ends);
            if let Some(ends) = ends {
                walk.wake_by(ends);
            }
            if !is_over {
                walk.wake_by(until);
            }
            if !is_over || says.is_some() {
                walk.checks.push(self.run_of(check, code, healthy_since));
            }
            failed.extend(says);
        }
        failed
    }

    /// A check that failed, and holds: none once it held for long enough.
    fn recovering(&self, known: CheckStatus) -> Option<CheckStatus> {
        match recovery_ends(&known) {
            None => {
                let message = cut(&format!("failed before: {}", known.message), MESSAGE_LIMIT_BYTES);
                let (standing, since) = (CheckStanding::Passed, self.view.now);
                Some(CheckStatus { standing, since, message, ..known })
            }
            Some(ends) => (self.view.now < ends).then_some(known),
        }
    }

    fn release_row(&self, deployed: &DeployedStatus, failed: &[CheckStatus]) -> Option<Row> {
        let first = failed.first()?;
        let (name, now) = (&self.stage.name, self.view.now);
        let said = failed.iter().map(|check| {
            let since = clock(check.since, deployed.since.unwrap_or(now));
            match recovery_ends(check) {
                None => format!("check {} fails since {since}: {}", check.name, check.message),
                Some(ends) => format!(
                    "check {} holds since {since}, and is called well again at {} if it still does; it {}",
                    check.name,
                    clock(ends, check.since),
                    check.message
                ),
            }
        });
        let said = said.collect::<Vec<_>>().join("; ");
        let brief = failure(name, &first.name, "").brief();
        if failed.iter().all(|check| recovery_ends(check).is_some()) {
            let message = format!("stage {name} runs {}, which is released: {said}", deployed.name);
            return Some(self.row(Weight::Blocks, CHECK_FAILED, message, brief));
        }
        let has_last_good = || last_good(self.after, &self.view.observed.released).is_ok();
        let what = if is_rolled_back(self.view.spec) && has_last_good() {
            // Nothing else starts before it is recorded.
            let is_recorded = self.after.promotion.is_none();
            let goes_back =
                if is_recorded { "it goes back" } else { "it goes back once its release is recorded" };
            goes_back.to_owned()
        } else if is_rolled_back(self.view.spec) {
            "there is no earlier release to go back to".to_owned()
        } else {
            format!("go back with {}", commands::rollback(self.view))
        };
        let message = format!(
            "stage {name} runs {}, which is released, and does not do well any more: {said}; {what}",
            deployed.name,
        );
        Some(self.row(Weight::Blocks, CHECK_FAILED, message, brief))
    }
}

/// When a check is called well again that failed, where it holds.
fn recovery_ends(check: &CheckStatus) -> Option<Time> {
    is_good(check.standing).then(|| later(check.since, RECOVERY))
}

/// What cannot be read was refused before.
fn length(text: &DurationText) -> Duration {
    text.to_duration().unwrap_or_default()
}

/// What people are told: only what this step changed.
pub(crate) fn news(view: &View<'_>, after: &CodeSyncStatus) -> Vec<(EventKind, &'static str, String)> {
    let mut news = Vec::new();
    for (stage, _) in view.stages() {
        let of_stage = |status: &CodeSyncStatus| {
            let rests = |it: &&StageStatus| it.name == stage.name && it.phase == StagePhase::Deployed;
            status.stages.iter().find(rests).cloned().filter(|it| it.healthy_since.is_some())
        };
        let (Some(was), Some(is)) = (of_stage(view.before), of_stage(after)) else { continue };
        let fails = |of: &StageStatus, name: &str| of.checks.iter().any(|check| check.name == name);
        let release = after.deployed.as_ref().map_or("what is released", |deployed| deployed.name.as_str());
        for check in is.checks.iter().filter(|check| !fails(&was, &check.name)) {
            let clause = failure(&stage.name, &check.name, &check.message).clause();
            let message = format!("after the release of {release}, {clause}");
            news.push((EventKind::Warning, CHECK_FAILED, message));
        }
        let is_asked = |check: &&CheckStatus| stage.checks.iter().any(|asked| asked.name == check.name);
        for check in was.checks.iter().filter(is_asked).filter(|check| !fails(&is, &check.name)) {
            let message = format!("stage {}: check {} of {release} holds again", stage.name, check.name);
            news.push((EventKind::Normal, "ChecksPassed", message));
        }
    }
    news
}
