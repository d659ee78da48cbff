//! What would happen now, and why: for people who want to see it before it does. Nothing here is decided.
//!
//! It asks the same [`step`] as the agent, again and again while the world stands still, and then says of the
//! stages that are not done what would be written, who would roll, and what each waits for.

use std::{collections::BTreeMap, num::NonZeroU32};

use jiff::Timestamp;
use voxsync_crds::{
    code_sync::{
        Approval, CandidateStatus, CodeSyncSpec, CodeSyncStatus, PromotionStatus, Stage, StagePhase,
        StageStatus, TargetKey, Trigger, Waiting,
    },
    time::Time,
};
use voxsync_rollout::{
    order::{Member, Way},
    rounds::{Round, rounds},
};
use voxsync_window::{Closed, Standing as WindowStanding, Windows};

use crate::{
    approvals::has_approval,
    commands,
    decided::Action,
    lifecycle::is_hurried,
    observed::{Observed, ObservedTarget, ServerRollout, TargetProblem},
    overview::{PIN, is_bad_pin},
    step,
    target::{Goal, Standing, judge},
    text::later,
    view::View,
};

/// So many steps are taken while the world stands still: a few are enough to end one promotion and begin the next.
const STEPS_LIMIT: usize = 8;

/// What would happen now.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// What is promoted, or would be as soon as nothing stops it; none where it is not known what a pin names.
    pub candidate: Option<CandidateStatus>,
    /// What began it, where something is promoted or would be: who goes back begins with the last stage.
    pub trigger: Option<Trigger>,
    /// What all stages run now.
    pub deployed: Option<String>,
    /// Why the candidate is not further, as the status would say it.
    pub waiting: Vec<Waiting>,
    /// The stages, in their order.
    pub stages: Vec<StageForecast>,
    /// The status in a few words.
    pub summary: String,
    /// When something that is waited for is over, if nothing happens before.
    pub next: Option<Timestamp>,
}

/// What would happen in one stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageForecast {
    /// Its name.
    pub name: String,
    /// Where it would be.
    pub phase: StagePhase,
    /// What would be written, or is not written yet.
    pub changes: Vec<Change>,
    /// What keeps targets from being written.
    pub obstacles: Vec<String>,
    /// The Servers that would roll, in their order.
    pub rounds: Vec<Round>,
    /// Before which time it does not start, as far as soak times and windows say it: rollouts and people take longer.
    pub earliest: Option<Timestamp>,
    /// Whose approval it waits for: what to run.
    pub approval: Option<String>,
    /// What its windows say at the earliest time.
    pub window: Option<WindowForecast>,
    /// How long it would soak.
    pub soak: Option<String>,
    /// The checks that it would have to pass.
    pub checks: Vec<String>,
}

/// What its windows say to a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowForecast {
    /// It could start, until then if ever.
    Open(Option<Timestamp>),
    /// It could not.
    Closed(Closed),
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is written.
    pub target: TargetKey,
    /// What it says now; none where it has no code.
    pub from: Option<String>,
    /// What it would say; none where its code would be removed.
    pub to: Option<String>,
}

/// What would happen now. `observed` is what the agent would see; a suspended `CodeSync` is seen as if it were resumed.
pub fn forecast(
    spec: &CodeSyncSpec,
    status: &CodeSyncStatus,
    observed: &Observed,
    now: Timestamp,
) -> Forecast {
    let mut spec = spec.clone();
    // Its status says that it is suspended, and why; here it is told what for.
    spec.suspend = false;
    let before = status;
    let Rest { mut status, observed, writes, next } = at_rest(&spec, status, observed, now);
    let is_pin_open = tell_of_pin(before, &observed, &mut status);
    let view = View::new(&spec, &status, &observed, now);
    let active = status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none());
    let going = active.filter(|promotion| promotion.ending.is_none() && !is_pin_open);
    let mut clock = Some(now);
    let windows = Windows::of(&spec).unwrap_or_default();
    let stages = view.stages().map(|(stage, targets)| {
        let last = status.stages.iter().find(|last| last.name == stage.name);
        let phase = last.map_or(StagePhase::Pending, |last| last.phase);
        let mut told = StageForecast { name: stage.name.clone(), phase, ..StageForecast::default() };
        let Some(promotion) = going else {
            let is_of_stage = |change: &&Change| targets.iter().any(|target| target.key == change.target);
            told.changes = writes.iter().filter(is_of_stage).cloned().collect();
            return told;
        };
        if last.is_some_and(|last| last.promotion.as_ref() == Some(&promotion.id)) {
            return told;
        }
        told.tell_targets(&view, last, (stage, targets), promotion);
        if is_hurried(&view, promotion) {
            return told;
        }
        let soak = stage.soak.as_ref().filter(|soak| !soak.to_duration().is_ok_and(|soak| soak.is_zero()));
        told.soak = soak.map(|soak| soak.0.clone());
        told.checks = stage.checks.iter().map(|check| check.name.clone()).collect();
        if matches!(phase, StagePhase::Pending | StagePhase::Held) {
            told.approval = missing_approval(&view, &status, stage, promotion);
            told.tell_window(clock, windows.standing(&stage.windows, clock.unwrap_or(now)), stage);
            clock = told.earliest;
        }
        let soaks_since = last.filter(|_| phase == StagePhase::Soaking).and_then(|last| last.since);
        let begun = soaks_since.map(Time::timestamp).or(clock);
        let soak = soak.and_then(|soak| soak.to_duration().ok()).unwrap_or_default();
        clock = begun.map(|begun| later(begun.into(), soak).timestamp().max(now));
        told
    });
    let stages: Vec<StageForecast> = stages.collect();
    let promoted = active.map(|promotion| promotion.candidate.clone()).or_else(|| status.candidate.clone());
    Forecast {
        candidate: promoted.filter(|_| !is_pin_open),
        trigger: going.map(|promotion| promotion.trigger),
        deployed: status.deployed.as_ref().map(|deployed| deployed.reference.clone()),
        waiting: status.waiting.clone(),
        stages,
        summary: status.summary.clone().unwrap_or_default(),
        next,
    }
}

/// Whether it is not known what the pin names, so that nothing goes on; why not, only the status can tell.
fn tell_of_pin(before: &CodeSyncStatus, observed: &Observed, status: &mut CodeSyncStatus) -> bool {
    let is_sought = |row: &&mut Waiting| row.stage.is_none() && row.reason == PIN;
    let Some(row) = status.waiting.iter_mut().find(is_sought) else { return false };
    let is_of_spec = before.observed_generation == Some(observed.generation);
    if let Some(known) = before.waiting.iter().find(|row| is_bad_pin(row)).filter(|_| is_of_spec) {
        *row = known.clone();
        status.summary.clone_from(&before.summary);
    }
    true
}

/// Where the agent would be after some steps in which nothing of the world changes.
struct Rest {
    status: CodeSyncStatus,
    observed: Observed,
    writes: Vec<Change>,
    next: Option<Timestamp>,
}

fn at_rest(spec: &CodeSyncSpec, status: &CodeSyncStatus, observed: &Observed, now: Timestamp) -> Rest {
    let mut rest =
        Rest { status: status.clone(), observed: observed.clone(), writes: Vec::new(), next: None };
    for _ in 0..STEPS_LIMIT {
        let taken = step(spec, &rest.status, &rest.observed, now);
        let of_promotion = |status: &CodeSyncStatus| status.promotion.as_ref().map(|it| it.id.clone());
        let is_record = |action: &Action| matches!(action, Action::Record(_));
        let is_same_promotion = of_promotion(&taken.status) == of_promotion(&rest.status);
        let recorded = taken.actions.iter().any(is_record) || (rest.observed.recorded && is_same_promotion);
        rest.writes = taken.actions.into_iter().filter_map(change).collect();
        rest.next = taken.wake_at;
        let is_still = taken.status == rest.status && recorded == rest.observed.recorded;
        rest.status = taken.status;
        rest.observed.recorded = recorded;
        if is_still {
            break;
        }
    }
    rest
}

fn change(action: Action) -> Option<Change> {
    let Action::Write(write) = action else { return None };
    Some(Change { target: write.target, from: write.expected.image, to: write.applied.reference })
}

impl StageForecast {
    /// What would be written, what is in the way of it, and who would roll.
    fn tell_targets(
        &mut self,
        view: &View<'_>,
        last: Option<&StageStatus>,
        (stage, targets): (&Stage, &[ObservedTarget]),
        promotion: &PromotionStatus,
    ) {
        let candidate = &promotion.candidate;
        let goal = Goal::of(promotion);
        let mut rolling: BTreeMap<&str, Member<'_>> = BTreeMap::new();
        for target in targets {
            match judge(view, target, last, Some(goal), Some(&candidate.reference)).standing {
                Standing::Due(write) => {
                    self.changes.extend(change(Action::Write(write)));
                    let servers = target.servers.iter().filter(|it| it.serves_code && it.has_deployment);
                    rolling.extend(servers.map(|server| (server.name.as_str(), member(stage, server))));
                }
                Standing::Blocked(blocker) => self.obstacles.push(blocker.message),
                Standing::Held(sentence) => self.obstacles.push(sentence),
                Standing::Settled | Standing::Idle => {}
            }
        }
        if targets.is_empty() {
            self.obstacles.push(TargetProblem::NOTHING_SELECTED.to_owned());
        }
        let members: Vec<Member<'_>> = rolling.into_values().collect();
        let most = stage.max_concurrent.filter(|_| !stage.allow_unordered).and_then(NonZeroU32::new);
        self.rounds = rounds(&members, most);
    }

    /// What its windows say at the earliest time at which they are asked.
    fn tell_window(&mut self, earliest: Option<Timestamp>, standing: WindowStanding, stage: &Stage) {
        (self.window, self.earliest) = match standing {
            WindowStanding::Open { until: None } if stage.windows.is_empty() => (None, earliest),
            WindowStanding::Open { until } => (Some(WindowForecast::Open(until)), earliest),
            WindowStanding::Closed(closed) => {
                let opens = earliest.and(closed.opens);
                (Some(WindowForecast::Closed(closed)), opens)
            }
        };
    }
}

fn missing_approval(
    view: &View<'_>,
    status: &CodeSyncStatus,
    stage: &Stage,
    promotion: &PromotionStatus,
) -> Option<String> {
    let is_asked = stage.approval == Some(Approval::Manual);
    let is_missing = is_asked && !has_approval(status, &promotion.candidate.digest, &stage.name);
    is_missing.then(|| commands::approve(view, &promotion.candidate, &stage.name))
}

fn member<'s>(stage: &Stage, server: &'s ServerRollout) -> Member<'s> {
    Member {
        name: &server.name,
        is_authority: server.is_authority && !stage.allow_unordered,
        is_gated: false,
        has_pods: server.progress.wanted > 0,
        way: Way::Before,
    }
}
