//! What stages wait for: windows, approvals and checks, by chance; and that none is passed over.
//!
//! It has chances of its own, so that the rest of a story stays as it was.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::json;
use voxsync_crds::{
    code_sync::{
        Approval, CheckStanding, CodeSyncSpec, CodeSyncStatus, PromotionStatus, Stage, StagePhase,
        StageStatus, Trigger, Window,
    },
    reference::is_same_code,
};
use voxsync_promotion::{CheckAnswer, CheckRun, ObservedTarget, Step};

use super::{Chance, Simulation, Snapshot, after_release::after_release, version_of};

/// The second stage starts in the first quarter of each half hour, where it keeps to that.
const QUARTER_MINUTES: i8 = 15;
/// Where there is a break, nothing starts in these minutes of an hour.
const BREAK_MINUTES: std::ops::Range<i8> = 10..13;

/// Who asks, and what is known of it.
pub(super) struct Waits {
    chance: Chance,
    /// What the leader wants to be asked.
    runs: Vec<CheckRun>,
    /// The stages that began in a promotion.
    begun: BTreeSet<(String, String)>,
    /// What was ever promoted in an emergency: it skipped its soak times.
    urgent: BTreeSet<String>,
}

impl Waits {
    /// Gives the stages of a spec something to wait for.
    pub(super) fn new(seed: u64, spec: &mut CodeSyncSpec) -> Self {
        let mut chance = Chance(seed.rotate_left(17) | 1);
        let quarters = json!({"name": "quarters", "allow": {"cron": "*/30 * * * *", "duration": "15m"}});
        let pause = json!({"name": "break", "deny": {"cron": "10 * * * *", "duration": "3m"}});
        let is_watched = after_release(seed).is_some();
        let stages = spec.stages.as_mut().unwrap();
        for (window, percent) in [(quarters, 40), (pause, 20)] {
            if chance.percent(percent) {
                let window: Window = serde_json::from_value(window).unwrap();
                stages[1].windows.extend(window.allow.is_some().then(|| window.name.clone()));
                spec.windows.push(window);
            }
        }
        for stage in stages.iter_mut() {
            stage.approval = chance.percent(20).then_some(Approval::Manual);
            let count = if chance.percent(35) || (is_watched && stage.name == "canary") {
                1 + chance.below(2)
            } else {
                0
            };
            let check = |number: usize| json!({"name": format!("check-{number}"), "failureLimit": 1 + number, "http": {"url": "http://x.example"}});
            stage.checks = (0..count).map(|number| serde_json::from_value(check(number)).unwrap()).collect();
        }
        Self { chance, runs: Vec::new(), begun: BTreeSet::new(), urgent: BTreeSet::new() }
    }
}

/// Some versions run, and are no good.
fn disappoints(reference: &str) -> bool {
    version_of(reference).is_some_and(|version| version % 5 == 3)
}

impl Simulation {
    /// What a person pins is an emergency, sometimes.
    pub(super) fn is_urgent_by_chance(&mut self) {
        if self.waits.chance.percent(25)
            && let Some(pin) = &mut self.world.spec.pin
        {
            pin.emergency = true;
        }
    }

    /// Whether a code did not have to soak in each stage.
    pub(super) fn was_urgent(&self, code: &str) -> bool {
        self.waits.urgent.iter().any(|urgent| is_same_code(urgent, code))
    }

    /// People approve, and checks are answered.
    pub(super) fn others(&mut self) {
        if self.waits.chance.percent(6) {
            self.approve(false);
        }
        self.answer(false);
    }

    /// A person approves the candidate; or another one, or for one stage alone.
    pub(super) fn approve(&mut self, reliably: bool) {
        let status = &self.world.status;
        let Some(candidate) = &status.candidate else { return };
        let (is_late, is_for_one) = (self.waits.chance.percent(25), self.waits.chance.percent(25));
        let late = status.deployed.as_ref().and_then(|deployed| deployed.digest.clone());
        let digest = late.filter(|_| is_late && !reliably).unwrap_or_else(|| candidate.digest.clone());
        let stage = ["canary", "half", "all"][self.waits.chance.below(3)];
        let token = if is_for_one && !reliably { format!("{digest}/{stage}") } else { digest };
        self.tell(format!("a person approves {token}"));
        self.world.observed.approve = Some(token);
    }

    /// The checks that the leader wants are asked. Tells whether an answer changed.
    pub(super) fn answer(&mut self, reliably: bool) -> bool {
        let before = self.world.observed.checks.clone();
        let runs = self.waits.runs.clone();
        let is_wanted = |answer: &CheckAnswer| runs.iter().any(|run| is_to(answer, run));
        self.world.observed.checks.retain(is_wanted);
        for run in &runs {
            if !reliably && self.waits.chance.percent(60) {
                continue;
            }
            let sours = self.sours(run, reliably);
            let standing = match self.waits.chance.below(10) {
                _ if disappoints(&run.reference) || sours => CheckStanding::Failed,
                0 if !reliably => CheckStanding::Unknown,
                1 if !reliably => CheckStanding::Unreachable,
                _ => CheckStanding::Passed,
            };
            let answers = &mut self.world.observed.checks;
            let known =
                answers.iter().position(|answer| is_to(answer, run)).map(|place| answers.swap_remove(place));
            let failures = match standing {
                CheckStanding::Failed => known.map_or(1, |known| known.failures.saturating_add(1).min(9)),
                _ => 0,
            };
            let CheckRun { stage, check, promotion, .. } = run.clone();
            answers.push(CheckAnswer {
                stage,
                check,
                promotion,
                standing,
                failures,
                message: format!("{standing:?}"),
            });
        }
        let order = |answer: &CheckAnswer| (answer.stage.clone(), answer.check.clone());
        self.world.observed.checks.sort_by_key(order);
        self.world.observed.checks != before
    }

    /// Nothing was asked yet.
    pub(super) fn forget_answers(&mut self) {
        self.waits.runs.clear();
        self.world.observed.checks.clear();
    }

    /// What the leader decided is right by what it saw.
    pub(super) fn check_waits(&mut self, snapshot: &Snapshot, taken: &Step) {
        self.waits.runs.clone_from(&taken.checks);
        let active = |status: &CodeSyncStatus| {
            status.promotion.clone().filter(|it| it.outcome.or(it.ending).is_none())
        };
        for run in &taken.checks {
            let Some(stored) = active(&snapshot.status) else {
                self.check_asked_after_release(snapshot, run);
                continue;
            };
            assert_eq!((&run.promotion, snapshot.spec.suspend), (&stored.id, false), "{run:?}");
            let last = snapshot.status.stages.iter().find(|stage| stage.name == run.stage);
            assert!(last.is_some_and(is_watched), "asked before all of it runs: {last:?}");
        }
        let Some(promotion) = active(&snapshot.status) else { return };
        let answers: Vec<&CheckAnswer> =
            snapshot.observed.checks.iter().filter(|answer| answer.promotion == promotion.id).collect();
        for (spec, stage) in snapshot.spec.stages.iter().flatten().zip(&taken.status.stages) {
            let last = snapshot.status.stages.iter().find(|last| last.name == stage.name);
            let passes = |stage: &StageStatus| stage.promotion.as_ref() == Some(&promotion.id);
            let is_news = passes(stage) && !last.is_some_and(passes);
            let of_stage = || answers.iter().filter(|answer| answer.stage == stage.name);
            if is_news && !is_hurried(taken.status.promotion.as_ref().unwrap_or(&promotion)) {
                for check in &spec.checks {
                    let mut said = of_stage().filter(|answer| answer.check == check.name);
                    let holds = said.any(|answer| answer.standing == CheckStanding::Passed);
                    assert!(holds, "stage {} passed, and check {} does not hold", stage.name, check.name);
                    self.coverage.saw("checks that held");
                }
            }
            let is_frozen =
                snapshot.spec.suspend || snapshot.spec.pin.is_some() || snapshot.observed.is_leaving;
            if is_watched(stage)
                && last.is_some_and(is_watched)
                && !is_frozen
                && active(&taken.status).is_some()
            {
                let too_many = |answer: &&&CheckAnswer| {
                    let check = spec.checks.iter().find(|check| check.name == answer.check);
                    let limit = check.and_then(|check| check.failure_limit).unwrap_or(1);
                    answer.standing == CheckStanding::Failed && answer.failures >= limit
                };
                let failed = of_stage().find(too_many);
                assert_eq!(failed, None, "and the stage goes on: {stage:#?}");
            }
        }
        let failure = taken.status.promotion.as_ref().and_then(|after| after.failure.as_ref());
        if let Some(check) = failure.and_then(|failure| failure.check.as_ref()) {
            let mut failed = answers.iter().filter(|answer| answer.check == *check);
            assert!(failed.any(|answer| answer.standing == CheckStanding::Failed), "{failure:?}");
            self.coverage.saw("checks that failed");
        }
        let waits = |reason: &str| usize::from(taken.status.waiting.iter().any(|row| row.reason == reason));
        self.coverage.saw_times("waits for a window", waits("Window"));
        self.coverage.saw_times("waits for an approval", waits("Approval"));
    }

    /// No stage begins before its window and its approval, whoever decided it.
    pub(super) fn check_begins(&mut self, snapshot: &Snapshot, status: &CodeSyncStatus) {
        let spec = &snapshot.spec;
        let Some(promotion) = status.promotion.as_ref().filter(|it| it.outcome.or(it.ending).is_none())
        else {
            return;
        };
        if promotion.emergency {
            let is_new = self.waits.urgent.insert(promotion.candidate.reference.clone());
            self.coverage.saw_times("promotions in an emergency", usize::from(is_new));
        }
        let has_passed = |stage: &&StageStatus| stage.promotion.as_ref() == Some(&promotion.id);
        let Some(stage) = status.stages.iter().find(|stage| !has_passed(stage)) else { return };
        // Where all have it already, only that is recorded.
        let wanted = Some(&promotion.candidate.reference);
        let place = status.stages.iter().position(|it| it.name == stage.name).unwrap();
        // What does not let it in is not written.
        let has_it = |target: &ObservedTarget| {
            target.live.as_ref().is_ok_and(|live| live.image.as_ref() == wanted) || target.live.is_err()
        };
        let begins = matches!(stage.phase, StagePhase::Gating | StagePhase::Writing)
            && !snapshot.observed.stages[place].iter().all(has_it);
        if !begins || !self.waits.begun.insert((promotion.id.clone(), stage.name.clone())) {
            return;
        }
        self.coverage.saw("stages begun");
        if is_hurried(promotion) {
            return;
        }
        let spec_of_stage = spec.stages.iter().flatten().find(|spec| spec.name == stage.name).unwrap();
        assert!(self.is_open(spec, spec_of_stage), "stage {} begins at {}", stage.name, self.world.now);
        let is_approved = status.approvals.iter().any(|approval| {
            let is_for = approval.stage.as_ref().is_none_or(|it| *it == stage.name);
            is_for && approval.digest == promotion.candidate.digest
        });
        let is_asked = spec_of_stage.approval == Some(Approval::Manual);
        assert!(is_approved || !is_asked, "nobody approved {} for {}", promotion.candidate.name, stage.name);
    }

    fn is_open(&self, spec: &CodeSyncSpec, stage: &Stage) -> bool {
        let minute = self.world.now.to_zoned(TimeZone::UTC).minute();
        let has_break = spec.windows.iter().any(|window| window.deny.is_some());
        let is_break = has_break && BREAK_MINUTES.contains(&minute);
        let is_quarter = minute % (2 * QUARTER_MINUTES) < QUARTER_MINUTES;
        !is_break && (stage.windows.is_empty() || is_quarter)
    }
}

fn is_to(answer: &CheckAnswer, run: &CheckRun) -> bool {
    (&answer.stage, &answer.check, &answer.promotion) == (&run.stage, &run.check, &run.promotion)
}

fn is_watched(stage: &StageStatus) -> bool {
    matches!(stage.phase, StagePhase::Checking | StagePhase::Soaking)
}

fn is_hurried(promotion: &PromotionStatus) -> bool {
    promotion.emergency || promotion.trigger == Trigger::Rollback
}
