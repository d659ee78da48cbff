//! The checks of a stage: what is to be asked, and what the answers mean.
//!
//! They are asked from when all Servers of the stage run the candidate until the stage passes. Until all of them hold at
//! once the stage is `Checking`; then its soak time counts. When that is over, each must hold by its last answer. Who asks
//! is a shell: here are only its answers, and after a restart there are none until it asked again. What is asked after the
//! release is in `after_release`.

use std::{collections::BTreeSet, time::Duration};

use voxsync_crds::{
    code_sync::{Check, CheckStanding, CheckStatus, PromotionFailure, PromotionStatus, StagePhase},
    time::Time,
};

use crate::{
    after_release,
    decided::CheckRun,
    lifecycle::is_hurried,
    observed::{CheckAnswer, ServerRollout},
    rows::{CHECKING, Row, Weight},
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, clock, cut, later},
    visit::{Position, Visit},
    walk::Walk,
};

/// How long a check may be out of reach before somebody should have a look.
const UNREACHABLE_PATIENCE_SECONDS: u64 = 900;
/// The longest message of a check in the status, in bytes of JSON.
pub(crate) const MESSAGE_LIMIT_BYTES: usize = 256;

/// A check, its last answer to this promotion, and what the status says of it.
struct Asked<'a> {
    check: &'a Check,
    answer: Option<&'a CheckAnswer>,
    status: Option<CheckStatus>,
}

impl Asked<'_> {
    fn holds(&self) -> bool {
        self.answer.is_some_and(|answer| answer.standing == CheckStanding::Passed)
    }

    fn was_good(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.standing == CheckStanding::Passed)
    }

    /// Until when nobody has to do something about it, where it cannot be asked.
    fn patience_ends(&self) -> Option<Time> {
        let status = self.status.as_ref().filter(|status| status.standing == CheckStanding::Unreachable)?;
        Some(later(status.since, Duration::from_secs(UNREACHABLE_PATIENCE_SECONDS)))
    }

    /// What is said of it while it does not hold.
    fn says(&self, promotion: &PromotionStatus, now: Time) -> (Weight, String) {
        let name = &self.check.name;
        let Some(status) = self.status.as_ref().filter(|_| !self.was_good()) else {
            return (Weight::Moves, format!("{name}: no answer yet"));
        };
        let CheckStatus { standing, since, message, .. } = status;
        let at = clock(*since, promotion.started_at);
        match standing {
            CheckStanding::Unreachable => {
                let is_new = self.patience_ends().is_some_and(|ends| now < ends);
                let weight = if is_new { Weight::Waits } else { Weight::Blocks };
                (weight, format!("{name}: cannot be asked since {at}: {message}"))
            }
            CheckStanding::Failed => {
                let limit = self.limit();
                (
                    Weight::Moves,
                    format!("{name}: fails since {at}, and {limit} in a row are too many: {message}"),
                )
            }
            CheckStanding::Unknown | CheckStanding::Passed => {
                (Weight::Waits, format!("{name}: {message} ({at})"))
            }
        }
    }

    fn limit(&self) -> u16 {
        limit(self.check)
    }

    fn failure(&self, stage: &str) -> Option<PromotionFailure> {
        let answer = self.answer.filter(|answer| has_failed(answer, self.check))?;
        Some(failure(stage, &self.check.name, &answer.message))
    }
}

/// How many failures in a row are too many.
fn limit(check: &Check) -> u16 {
    check.failure_limit.unwrap_or(1).max(1)
}

/// Whether a check failed too often.
pub(crate) fn has_failed(answer: &CheckAnswer, check: &Check) -> bool {
    answer.standing == CheckStanding::Failed && answer.failures >= limit(check)
}

/// That a check of a stage failed too often.
pub(crate) fn failure(stage: &str, check: &str, message: &str) -> PromotionFailure {
    PromotionFailure {
        stage: stage.to_owned(),
        server: None,
        check: Some(cut(check, NAME_LIMIT_BYTES)),
        reason: PromotionFailure::CHECK.to_owned(),
        message: cut(message, SENTENCE_LIMIT_BYTES),
    }
}

/// What the status says of a check.
pub(crate) fn status(check: &Check, answer: &CheckAnswer, now: Time) -> CheckStatus {
    CheckStatus {
        name: check.name.clone(),
        standing: answer.standing,
        since: now,
        message: cut(&answer.message, MESSAGE_LIMIT_BYTES),
    }
}

impl Visit<'_, '_> {
    /// All Servers run the candidate: waits until the checks hold and the soak time has passed.
    pub(crate) fn watch<'p>(
        &self,
        promotion: &'p PromotionStatus,
        walk: &mut Walk,
    ) -> (StagePhase, Option<&'p PromotionStatus>) {
        if !self.has_checks(promotion) {
            return self.soak(promotion, walk);
        }
        let is_soaking = self.last.is_some_and(|last| last.phase == StagePhase::Soaking);
        if self.frozen {
            return (if is_soaking { StagePhase::Soaking } else { StagePhase::Checking }, None);
        }
        let asked = self.asked(promotion);
        if let Some(failure) = asked.iter().find_map(|asked| asked.failure(&self.stage.name)) {
            return (self.failed(failure, walk), None);
        }
        walk.checks.extend(self.runs(promotion));
        let all_hold = asked.iter().all(Asked::holds);
        let (phase, passed) =
            if all_hold || is_soaking { self.soak(promotion, walk) } else { (StagePhase::Checking, None) };
        // What was good and is only asked again after a restart is nothing to speak of before it has to be good.
        let is_open = |asked: &&Asked<'_>| {
            let is_asked_again = phase == StagePhase::Soaking && asked.was_good();
            !asked.holds() && !is_asked_again
        };
        let open: Vec<&Asked<'_>> = asked.iter().filter(is_open).collect();
        let row = self.checks_row(promotion, &open, walk);
        walk.rows.extend(row);
        if phase == StagePhase::Deployed && !all_hold { (StagePhase::Soaking, None) } else { (phase, passed) }
    }

    fn has_checks(&self, promotion: &PromotionStatus) -> bool {
        !self.stage.checks.is_empty() && !is_hurried(self.view, promotion)
    }

    /// Since when all Servers of the stage run the candidate, as it is stored: only then is anything asked.
    fn asked_since(&self, promotion: &PromotionStatus) -> Option<Time> {
        let is_its = self.view.before.promotion.as_ref().is_some_and(|before| before.id == promotion.id);
        self.last.filter(|_| is_its)?.healthy_since
    }

    fn asked(&self, promotion: &PromotionStatus) -> Vec<Asked<'_>> {
        let is_asked = self.asked_since(promotion).is_some();
        let asked = |check| {
            let answers = self.view.observed.checks.iter().filter(|_| is_asked);
            let answer = answers.clone().find(|answer| is_of(answer, &self.stage.name, check, &promotion.id));
            let known = self.last.filter(|_| is_asked).into_iter().flat_map(|last| &last.checks);
            let known = known.into_iter().find(|known| known.name == check.name).cloned();
            let status = match answer {
                Some(answer) if known.as_ref().is_none_or(|known| known.standing != answer.standing) => {
                    Some(status(check, answer, self.view.now))
                }
                _ => known,
            };
            Asked { check, answer, status }
        };
        self.stage.checks.iter().map(asked).collect()
    }

    fn runs(&self, promotion: &PromotionStatus) -> Vec<CheckRun> {
        let Some(since) = self.asked_since(promotion) else { return Vec::new() };
        let code = (promotion.id.as_str(), promotion.candidate.reference.as_str());
        self.stage.checks.iter().map(|check| self.run_of(check, code, since)).collect()
    }

    /// A check that is asked about a promotion and its reference, which the stage runs since then.
    pub(crate) fn run_of(
        &self,
        check: &Check,
        (promotion, reference): (&str, &str),
        since: Time,
    ) -> CheckRun {
        let servers = self.targets.iter().flat_map(|target| &target.servers);
        let serving = servers.filter(|server| server.serves_code).map(ServerRollout::bare_name);
        let serving: BTreeSet<&str> = serving.collect();
        CheckRun {
            stage: self.stage.name.clone(),
            check: check.name.clone(),
            promotion: promotion.to_owned(),
            reference: reference.to_owned(),
            since: since.timestamp(),
            servers: serving.into_iter().map(str::to_owned).collect(),
        }
    }

    /// What the status says of the checks once the stage is in this phase, and since when they are asked.
    pub(crate) fn checks_status(
        &self,
        phase: StagePhase,
        walk: &mut Walk,
    ) -> (Option<Time>, Vec<CheckStatus>) {
        let is_watched = matches!(phase, StagePhase::Checking | StagePhase::Soaking);
        let is_asked_on = phase == StagePhase::Deployed && after_release::of(self.view.spec).is_some();
        let last = || self.last.map(|last| last.checks.clone()).unwrap_or_default();
        match self.position {
            Position::Working(promotion) if self.has_checks(promotion) => {
                let since = self.asked_since(promotion).or(Some(self.view.now));
                let since = since.filter(|_| is_watched || is_asked_on);
                let is_kept = is_watched || matches!(phase, StagePhase::Failed | StagePhase::RollingBack);
                let checks = match () {
                    () if !is_kept => Vec::new(),
                    () if self.frozen => last(),
                    () => self.asked(promotion).into_iter().filter_map(|asked| asked.status).collect(),
                };
                (since, checks)
            }
            Position::RollingBack(_) | Position::GoingBack | Position::Failed(..) => (None, last()),
            Position::Passed(_) | Position::Resting => self.after_release(phase, walk),
            _ => (None, Vec::new()),
        }
    }

    /// What is said of checks that do not hold, by what the status has of them: it is the same as long as nothing changes.
    fn checks_row(&self, promotion: &PromotionStatus, open: &[&Asked<'_>], walk: &mut Walk) -> Option<Row> {
        let (name, now) = (&self.stage.name, self.view.now);
        let (weights, said): (Vec<Weight>, Vec<String>) =
            open.iter().map(|asked| asked.says(promotion, now)).unzip();
        let weight = weights.into_iter().min()?;
        let ends = open.iter().filter_map(|asked| asked.patience_ends());
        ends.filter(|ends| now < *ends).for_each(|ends| walk.wake_by(ends));
        let message = format!(
            "stage {name} runs {}, and not all of its checks hold: {}",
            promotion.candidate.name,
            said.join("; ")
        );
        let checks: Vec<&str> = open.iter().map(|asked| asked.check.name.as_str()).collect();
        let checks = checks.join(", ");
        let (reason, brief) = match weight {
            Weight::Waits => ("Check", format!("check {checks} of {name}")),
            Weight::Moves => (CHECKING, format!("{name} {checks}")),
            _ => ("CheckUnreachable", format!("{name} {checks}")),
        };
        Some(self.row(weight, reason, message, brief))
    }
}

pub(crate) fn is_of(answer: &CheckAnswer, stage: &str, check: &Check, promotion: &str) -> bool {
    answer.stage == stage && answer.check == check.name && answer.promotion == promotion
}
