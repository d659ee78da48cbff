//! The way back: what fails is given back, or stays, by chance; people go back and release what is in quarantine; and what
//! must hold of it.
//!
//! It has chances of its own, so that the rest of a story stays as it was.

use std::collections::BTreeSet;

use voxsync_crds::{
    code_sync::{CodeSyncSpec, CodeSyncStatus, Outcome, Rollback, RollbackMode, Trigger},
    duration::DurationText,
};
use voxsync_promotion::{Action, Step};
use voxsync_rollout::{
    order::{Member, Way, to_gate},
    state::RolloutState,
};

use super::{Chance, Simulation, Snapshot, after_release::after_release};

/// Who goes back, and what is known of it.
pub(super) struct Backwards {
    chance: Chance,
    tokens: usize,
    /// Promotions that a person asked for by going back.
    asked_for: BTreeSet<String>,
    /// Digests that a person released, ever.
    released: BTreeSet<String>,
}

impl Backwards {
    /// Who gives back what fails, and how long a rollout may show no progress.
    pub(super) fn new(seed: u64, spec: &mut CodeSyncSpec) -> Self {
        let mut chance = Chance(seed.rotate_left(29) | 1);
        let mode = chance.percent(25).then_some(RollbackMode::Manual);
        let deadline = chance.percent(50).then(|| DurationText("4h".into()));
        spec.rollback =
            Some(Rollback { mode, progress_deadline: deadline, after_release: after_release(seed) });
        Self { chance, tokens: 0, asked_for: BTreeSet::new(), released: BTreeSet::new() }
    }

    /// Whether a person asked for a promotion by going back.
    pub(super) fn was_asked_for(&self, promotion: &str) -> bool {
        self.asked_for.contains(promotion)
    }
}

fn is_automatic(spec: &CodeSyncSpec) -> bool {
    spec.rollback.as_ref().and_then(|rollback| rollback.mode).unwrap_or_default() == RollbackMode::Automatic
}

impl Simulation {
    /// A person goes back, or releases what is in quarantine.
    pub(super) fn go_back_by_chance(&mut self) {
        if self.backwards.chance.percent(2) {
            self.backwards.tokens += 1;
            let keep = if self.backwards.chance.percent(30) { " no-quarantine" } else { "" };
            let token = format!("{}{keep} because", self.backwards.tokens);
            self.tell(format!("a person goes back: {token}"));
            self.world.observed.rollback = Some(token);
        }
        if self.backwards.chance.percent(2) && !self.world.status.quarantine.is_empty() {
            let place = self.backwards.chance.below(self.world.status.quarantine.len());
            let digest = self.world.status.quarantine[place].digest.clone();
            self.backwards.tokens += 1;
            self.tell(format!("a person releases {digest}"));
            self.backwards.released.insert(digest.clone());
            self.world.observed.release_quarantine = Some(format!("{digest} {}", self.backwards.tokens));
        }
    }

    /// At rest, a person goes back: at once, and until they resume; what they left is not taken again, but what is newer is.
    pub(super) fn goes_back_and_forth(&mut self) {
        let good = self.world.deployed().to_owned();
        self.releases_the_next();
        let left = self.world.status.deployed.as_ref().unwrap().digest.clone();
        self.tell("a person goes back at the end");
        self.world.observed.rollback = Some("the end".into());
        self.rest();
        self.is_at_rest_on(&good);
        assert_eq!(self.world.status.quarantine.first().map(|it| it.digest.clone()), left);
        self.world.passes(86_400);
        assert!(!self.world.step(), "it stays there");
        self.resume();
        self.rest();
        self.is_at_rest_on(&good);
        assert_eq!(self.world.condition("Ready"), "False Quarantined");
        self.releases_the_next();
    }

    /// Takes note of what people asked for, whoever carries it out.
    pub(super) fn note_backwards(&mut self, status: &CodeSyncStatus) {
        let before = &self.world.status;
        if let Some(promotion) = status.promotion.as_ref().filter(|it| it.trigger == Trigger::Rollback) {
            let is_new = self.backwards.asked_for.insert(promotion.id.clone());
            self.coverage.saw_times("a person goes back", usize::from(is_new));
        }
        let (had, has) = (before.quarantine.len(), status.quarantine.len());
        self.coverage.saw_times("digests released from quarantine by a person", usize::from(had > has));
        self.coverage.saw_times("digests put into quarantine", has.saturating_sub(had));
    }

    /// What must hold of a step that gives back.
    pub(super) fn check_backwards_step(&mut self, snapshot: &Snapshot, taken: &Step) {
        let after = taken.status.promotion.as_ref();
        let before = snapshot.status.promotion.as_ref();
        if let Some(after) = after.filter(|it| it.trigger == Trigger::Rollback) {
            let is_back = [after.ending, after.outcome].contains(&Some(Outcome::RolledBack));
            assert!(!is_back, "a rollback is rolled back: {after:#?}");
            let was_open = before.is_some_and(|before| before.outcome.is_none());
            let is_released = after.outcome == Some(Outcome::Released) && was_open;
            self.coverage.saw_times("a person goes back, and that is released", usize::from(is_released));
        }
        if taken.status.rollback.is_some() {
            let says = taken.status.waiting.iter().any(|row| row.reason == "RolledBack");
            assert!(
                says || snapshot.status.rollback.is_none() || snapshot.observed.is_leaving,
                "{:#?}",
                taken.status
            );
        }
        let is_stuck =
            taken.status.waiting.iter().any(|row| row.message.contains("had before cannot run either"));
        self.coverage.saw_times("stuck: what was there before cannot run either", usize::from(is_stuck));
        self.check_order_of_giving_back(snapshot, taken);
        self.check_all_given_back(snapshot, taken);
    }

    /// Who runs the candidate well, and must not go back with the others, is held back before its target is written.
    fn check_order_of_giving_back(&mut self, snapshot: &Snapshot, taken: &Step) {
        let Some(promotion) = snapshot.status.promotion.as_ref().filter(|it| it.outcome.is_none()) else {
            return;
        };
        if promotion.ending.is_none() {
            return;
        }
        for action in &taken.actions {
            let Action::Write(write) = action else { continue };
            if write.applied.promotion != promotion.id || write.applied.reference != write.applied.previous {
                continue;
            }
            let (stage, index) = self.place(&write.target.to_string()).unwrap();
            let spec = &snapshot.spec.stages.as_ref().unwrap()[stage];
            if spec.allow_unordered {
                continue;
            }
            let targets = &snapshot.observed.stages[stage];
            let members: Vec<Member<'_>> = targets
                .iter()
                .flat_map(|target| {
                    let live = target.live.as_ref().ok().and_then(|live| live.image.clone());
                    let record = target.applied.as_ref().filter(|it| it.code_sync == snapshot.observed.uid);
                    let carries = record
                        .is_some_and(|it| it.gives_back(promotion, &snapshot.status) && it.reference == live);
                    let is_due = carries && !target.paused;
                    target.servers.iter().map(move |server| {
                        let is_well =
                            matches!(server.state, RolloutState::Complete(_)) && server.paused.is_none();
                        let may_restart = is_due && (is_well || server.gate().is_some());
                        Member {
                            name: &server.name,
                            is_authority: server.is_authority,
                            is_gated: false,
                            has_pods: true,
                            way: if may_restart { Way::Before } else { Way::Under },
                        }
                    })
                })
                .collect();
            let needed = to_gate(&members, self.most(stage));
            for server in targets[index].servers.iter().filter(|server| needed.contains(server.name.as_str()))
            {
                let is_ours = server.gate().is_some_and(|gate| gate.promotion == promotion.id);
                assert!(is_ours, "{} is given back, and {} is not held back", write.target, server.name);
                self.coverage.saw("writes that give back after Servers were held back");
            }
        }
    }

    /// Once it is over, all that carries the promotion is named.
    fn check_all_given_back(&mut self, snapshot: &Snapshot, taken: &Step) {
        let ended = taken.status.promotion.as_ref().filter(|it| it.outcome == Some(Outcome::RolledBack));
        let was_open = snapshot.status.promotion.as_ref().is_some_and(|it| it.outcome.is_none());
        let Some(ended) = ended.filter(|_| was_open && is_automatic(&snapshot.spec)) else { return };
        self.coverage.saw("rolled back, everywhere");
        let said = taken.actions.iter().find_map(|action| match action {
            Action::Event { reason: "RolledBack", message, .. } => Some(message.as_str()),
            _ => None,
        });
        let said = said.expect("people are told");
        for target in snapshot.observed.stages.iter().flatten() {
            let ours = target.applied.as_ref().filter(|it| it.code_sync == snapshot.observed.uid);
            let carries = ours.is_some_and(|record| record.gives_back(ended, &snapshot.status));
            let is_named =
                said.contains(&format!("{} (", target.key)) || said.contains(" more") || said.ends_with('…');
            assert!(!carries || is_named, "{} has it still, and nobody says so: {said}", target.key);
        }
        for (before, after) in snapshot.status.stages.iter().zip(&taken.status.stages) {
            assert_ne!(after.promotion.as_ref(), Some(&ended.id), "it passed with what was given back");
            let had_passed = before.promotion.as_ref() == Some(&ended.id);
            self.coverage
                .saw_times("rolled back, stages that had passed among them", usize::from(had_passed));
        }
        let deployed = taken.status.deployed.as_ref().and_then(|deployed| deployed.digest.as_ref());
        let is_kept = taken.status.quarantine.iter().any(|it| it.digest == ended.candidate.digest);
        let was_released = self.backwards.released.contains(&ended.candidate.digest);
        assert!(
            is_kept || was_released || deployed == Some(&ended.candidate.digest),
            "it may be taken again: {ended:#?}"
        );
    }
}
