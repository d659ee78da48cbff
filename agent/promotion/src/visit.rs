//! One stage of the walk: its targets judged, its rollouts weighed, its phase.

use std::time::Duration;

use voxsync_crds::{
    code_sync::{PromotionFailure, PromotionStatus, Stage, StagePhase, StageStatus, Trigger},
    duration::DurationText,
    time::Time,
};

use crate::{
    observed::{ObservedTarget, TargetWrite},
    proof::{Proof, count, prove},
    rows::{HELD, Row, Weight},
    target::{Blocker, BlockerKind, Goal, Judgement, Reach, Standing, judge},
    text::{clock, cut, later, short},
    view::View,
    walk::Walk,
};

/// How long a resumed promotion bears pods that still cannot start: the longest back-off of the kubelet.
const RESUME_GRACE_SECONDS: u64 = 300;
/// The longest sentence of a stage, in bytes of JSON; the whole one is in the row.
const STAGE_MESSAGE_LIMIT_BYTES: usize = 256;

/// Where a stage is, seen from the promotion.
#[derive(Clone, Copy)]
pub(crate) enum Position<'a> {
    /// The promotion works on it.
    Working(&'a PromotionStatus),
    /// The promotion under way passed it.
    Passed(&'a PromotionStatus),
    /// Its turn in the promotion under way comes later.
    Later(&'a PromotionStatus),
    /// No promotion is under way, and its targets should run what it passed with.
    Resting,
    /// The last promotion ended before its turn came.
    Abandoned,
    /// The last promotion failed in it.
    Failed(&'a PromotionFailure),
}

/// The targets of a stage, by how they stand.
#[derive(Default)]
struct Standings<'a> {
    settled: Vec<&'a ObservedTarget>,
    idle: Vec<&'a ObservedTarget>,
    writes: Vec<TargetWrite>,
    /// Writes that were refused before and are tried again: what is said of them stays as it is.
    retries: Vec<TargetWrite>,
    held: bool,
    blocked: bool,
}

impl<'a> Standings<'a> {
    /// The targets on which nothing is to be done.
    fn running(&self) -> Vec<&'a ObservedTarget> {
        self.settled.iter().chain(&self.idle).copied().collect()
    }
}

/// What one stage is asked with.
pub(crate) struct Visit<'a, 'v> {
    pub view: &'v View<'a>,
    pub stage: &'v Stage,
    pub targets: &'a [ObservedTarget],
    pub last: Option<&'v StageStatus>,
    pub position: Position<'v>,
    pub frozen: bool,
}

impl<'a> Visit<'a, '_> {
    /// Looks at the stage: adds what it found to the walk, and gives the stage's new status.
    pub(crate) fn run(&self, walk: &mut Walk) -> StageStatus {
        let standings = self.judge_all(walk);
        let passed_before =
            self.last.and_then(|last| last.reference.clone().map(|it| (it, last.promotion.clone())));
        let (phase, passed) = match self.position {
            Position::Working(promotion) => self.work(promotion, &standings, walk),
            Position::Passed(_) | Position::Resting => (self.rest(&standings, walk), None),
            Position::Failed(failure) => {
                walk.rows.push(self.failed_row(failure));
                (StagePhase::Failed, None)
            }
            Position::Later(_) | Position::Abandoned => (aside(&standings), None),
        };
        walk.adoptions.extend(self.adoptions(phase, &standings.writes));
        let passed =
            passed.map(|promotion| (promotion.candidate.reference.clone(), Some(promotion.id.clone())));
        let (reference, promotion) = passed.or(passed_before).unzip();
        let running = count(standings.running());
        if !self.frozen && phase != StagePhase::Failed {
            walk.writes.extend(standings.writes.into_iter().chain(standings.retries));
        }
        StageStatus {
            name: self.stage.name.clone(),
            phase,
            reference,
            promotion: promotion.flatten(),
            since: self.since(phase),
            ready: running.ready,
            desired: count(self.targets).wanted,
            message: walk.rows.of_stage(&self.stage.name).map(|text| cut(text, STAGE_MESSAGE_LIMIT_BYTES)),
        }
    }

    fn goal(&self) -> Option<Goal<'_>> {
        let deployed_tag = self.view.before.deployed.as_ref().and_then(|deployed| deployed.tag.as_deref());
        let passed_with = |reach| {
            let last = self.last?;
            let (reference, promotion) = (last.reference.as_deref()?, last.promotion.as_deref()?);
            Some(Goal { reference, tag: deployed_tag, promotion, reach })
        };
        match self.position {
            Position::Working(promotion) | Position::Passed(promotion) => Some(Goal {
                reference: &promotion.candidate.reference,
                tag: promotion.candidate.tag.as_deref(),
                promotion: &promotion.id,
                reach: Reach::All,
            }),
            Position::Resting => passed_with(Reach::All),
            Position::Later(_) | Position::Abandoned => passed_with(Reach::Joiners),
            Position::Failed(_) => None,
        }
    }

    fn judge_all(&self, walk: &mut Walk) -> Standings<'a> {
        let mut standings = Standings::default();
        let coming = match self.position {
            Position::Later(promotion) => Some(promotion.candidate.reference.as_str()),
            _ => None,
        };
        let goal = self.goal();
        for target in self.targets {
            let Judgement { standing, hold } = judge(self.view, target, self.last, goal, coming);
            match standing {
                Standing::Settled => standings.settled.push(target),
                Standing::Idle => standings.idle.push(target),
                Standing::Due(write) => match &target.refused {
                    None => standings.writes.push(*write),
                    Some(refused) => {
                        standings.retries.extend(refused.is_retry_due.then_some(*write));
                        let message = refused.message.clone();
                        self.block(&mut standings, walk, target, Blocker::refused(message));
                    }
                },
                Standing::Held(sentence) => {
                    standings.held = true;
                    let manager = hold.as_ref().and_then(|hold| hold.manager.as_deref());
                    let brief = format!("changed by {}", manager.unwrap_or("somebody"));
                    walk.rows.push(self.row(Weight::Blocks, HELD, sentence, brief));
                }
                Standing::Blocked(blocker) => self.block(&mut standings, walk, target, blocker),
            }
            walk.holds.extend(hold);
        }
        standings
    }

    fn block(
        &self,
        standings: &mut Standings<'_>,
        walk: &mut Walk,
        target: &ObservedTarget,
        blocker: Blocker,
    ) {
        standings.blocked = true;
        let weight = match blocker.kind {
            BlockerKind::Specification => Weight::Stalls,
            BlockerKind::Cluster => Weight::Blocks,
            BlockerKind::Pause => Weight::Waits,
        };
        // What only the cluster or a person must mend is said when the stage's turn comes.
        if weight == Weight::Stalls || !self.is_aside() {
            let brief = format!("{}: {}", self.stage.name, target.key);
            walk.rows.push(self.row(weight, blocker.reason, blocker.message, brief));
        }
    }

    fn is_aside(&self) -> bool {
        matches!(self.position, Position::Later(_) | Position::Abandoned | Position::Failed(_))
    }

    /// The phase of the stage that the promotion works on, and the promotion if the stage passed.
    fn work<'p>(
        &self,
        promotion: &'p PromotionStatus,
        standings: &Standings<'_>,
        walk: &mut Walk,
    ) -> (StagePhase, Option<&'p PromotionStatus>) {
        let proof = prove(self.stage, &standings.settled);
        if let Proof::Failed(failure) = proof {
            return (self.fail(promotion, failure, walk), None);
        }
        if let Some(phase) = self.unsettled(standings, walk) {
            return (phase, None);
        }
        match proof {
            Proof::Complete => self.soak(promotion, walk),
            Proof::Nothing(sentence) => {
                walk.rows.push(self.row(Weight::Blocks, "NothingToProve", sentence, self.stage.name.clone()));
                (StagePhase::NothingToProve, None)
            }
            Proof::Waits { .. } | Proof::Rolling { .. } | Proof::Failed(_) => {
                walk.rows.extend(self.rolling_row(proof));
                (StagePhase::Rolling, None)
            }
        }
    }

    /// The phase of a stage in which not all targets say what they should.
    fn unsettled(&self, standings: &Standings<'_>, walk: &mut Walk) -> Option<StagePhase> {
        if standings.held {
            return Some(StagePhase::Held);
        }
        if let Some(write) = standings.writes.first() {
            if self.frozen {
                return Some(StagePhase::Pending);
            }
            let message = format!("{} is being given {}", write.target, short(&write.applied.reference));
            walk.rows.push(self.row(
                Weight::Moves,
                "Writing",
                message,
                format!("{} is written", self.stage.name),
            ));
            return Some(StagePhase::Writing);
        }
        standings.blocked.then_some(StagePhase::Pending)
    }

    fn fail(&self, promotion: &PromotionStatus, failure: PromotionFailure, walk: &mut Walk) -> StagePhase {
        let grace_ends = later(promotion.started_at, Duration::from_secs(RESUME_GRACE_SECONDS));
        if promotion.trigger == Trigger::Resume && self.view.now < grace_ends {
            let message = format!(
                "Server {} still has {} from before the resume: {}",
                failure.server, failure.reason, failure.message
            );
            let brief = format!("{} still {}", self.stage.name, failure.reason);
            walk.rows
                .push(Row { until: Some(grace_ends), ..self.row(Weight::Moves, "Rollout", message, brief) });
            return StagePhase::Rolling;
        }
        walk.rows.push(self.failed_row(&failure));
        walk.failure = Some(failure);
        StagePhase::Failed
    }

    /// All run the candidate: waits for the soak time to pass.
    fn soak<'p>(
        &self,
        promotion: &'p PromotionStatus,
        walk: &mut Walk,
    ) -> (StagePhase, Option<&'p PromotionStatus>) {
        let soak = match self.stage.soak.as_ref().map(DurationText::to_duration).transpose() {
            Ok(soak) => soak.unwrap_or_default(),
            Err(error) => {
                let message = format!("stages[{}].soak: {error}", self.stage.name);
                walk.rows.push(self.row(Weight::Stalls, "InvalidSpec", message, "soak".to_owned()));
                return (StagePhase::Soaking, None);
            }
        };
        let since = self.since(StagePhase::Soaking).unwrap_or(self.view.now);
        let until = later(since, soak);
        if self.frozen {
            return (StagePhase::Soaking, None);
        }
        if self.view.now >= until {
            return (StagePhase::Deployed, Some(promotion));
        }
        let name = &self.stage.name;
        let message = format!(
            "stage {name} runs {} and soaks until {}",
            promotion.candidate.name,
            until.timestamp().strftime("%F %H:%M:%SZ")
        );
        let brief = format!("soak of {name} until {}", clock(until, since));
        walk.rows.push(Row { until: Some(until), ..self.row(Weight::Waits, "Soak", message, brief) });
        (StagePhase::Soaking, None)
    }

    /// The phase of a stage that has passed: what is not as it was is said, and mended where a target joined.
    fn rest(&self, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        if self.last.is_none_or(|last| last.reference.is_none()) {
            return aside(standings);
        }
        if let Some(phase) = self.unsettled(standings, walk) {
            return phase;
        }
        match prove(self.stage, &standings.running()) {
            Proof::Complete | Proof::Nothing(_) => StagePhase::Deployed,
            proof => {
                walk.rows.extend(self.rolling_row(proof));
                StagePhase::Rolling
            }
        }
    }

    fn since(&self, phase: StagePhase) -> Option<Time> {
        let moving = |phase| matches!(phase, StagePhase::Writing | StagePhase::Rolling);
        let kept = self.last.filter(|last| last.phase == phase || (moving(last.phase) && moving(phase)));
        kept.and_then(|last| last.since).or(Some(self.view.now))
    }
}

/// The phase of a stage whose turn it is not.
fn aside(standings: &Standings<'_>) -> StagePhase {
    if standings.held { StagePhase::Held } else { StagePhase::Pending }
}
