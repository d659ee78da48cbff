//! Another CodeSync that names some of the same targets, with a mind of its own: the same machine decides for it, upon what
//! it saw a while ago.
//!
//! Whose a target is, both are told by the rule of the agent: of those that exist and name it, the one that wrote it last,
//! or else the oldest. It has chances of its own, so that the rest of a story stays as it was.

use std::collections::BTreeSet;

use serde_json::json;
use voxsync_promotion::{Action, Observed, TargetWrite, step};

use super::{Chance, Simulation, Touched, foreign::OUTSIDE, tag};
use crate::world::{Target, World, candidate_at, staged};

/// The other one, as long as it lives.
pub(super) struct Rival {
    chance: Chance,
    /// Whether there ever is one in this story.
    is_there: bool,
    lives: usize,
    life: Option<Life>,
}

struct Life {
    /// What it knows; its targets as it saw them last.
    world: World,
    names: BTreeSet<String>,
    is_older: bool,
}

impl Rival {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::apart(seed, 23);
        let is_there = chance.percent(50);
        Self { chance, is_there, lives: 0, life: None }
    }

    /// The first one is gone, and made anew.
    pub(super) fn is_older_now(&mut self) {
        if let Some(life) = &mut self.life {
            life.is_older = true;
        }
    }
}

impl Simulation {
    /// What the first one sees, with whose each target is.
    pub(super) fn observe(&self) -> Observed {
        let mut observed = self.world.observe();
        let Some(life) = &self.rival.life else { return observed };
        for target in observed.stages.iter_mut().flatten().filter(|target| target.live.is_ok()) {
            let writer = target.applied.as_ref().map(|record| record.code_sync.as_str());
            let is_ours = writer == Some(&observed.uid);
            let is_its = writer == Some(&life.world.observed.uid) || life.is_older;
            if life.names.contains(&target.key.to_string()) && !is_ours && is_its {
                target.claims =
                    Some(voxsync_promotion::ClaimedBy { code_sync: life.world.observed.name.clone() });
            }
        }
        observed
    }

    /// It comes, acts and goes.
    pub(super) fn rival_acts_by_chance(&mut self) {
        if !self.rival.is_there {
            return;
        }
        let chance = &mut self.rival.chance;
        match (chance.below(100), &self.rival.life) {
            (0..4, None) => self.rival_comes(),
            (0..2, Some(_)) => self.rival_goes(),
            (2..35, Some(_)) => self.rival_acts(),
            _ => {}
        }
    }

    fn rival_comes(&mut self) {
        let Rival { chance, lives, life, .. } = &mut self.rival;
        let keys = self.world.stages.iter().flatten().map(|target| target.key.to_string());
        let names: BTreeSet<String> = keys.filter(|_| chance.percent(40)).collect();
        let spec = staged(&json!([
            {"name": "it", "targets": [{"kind": "Config", "name": "x"}], "allowUnordered": true},
        ]));
        let mut world = World::new(spec, vec![Vec::new()]);
        *lives += 1;
        world.observed.uid = format!("rival-{lives}");
        world.observed.name = "rival".into();
        let told = format!("another CodeSync comes, for {names:?}");
        *life = Some(Life { world, names, is_older: chance.percent(50) });
        self.tell(told);
    }

    /// It leaves all as it is.
    pub(super) fn rival_goes(&mut self) {
        if self.rival.life.take().is_some() {
            self.tell("the other CodeSync goes");
        }
    }

    /// What it saw is void.
    pub(super) fn rival_looks_again(&mut self) {
        if let Some(life) = &mut self.rival.life {
            life.world.stages[0].clear();
        }
    }

    fn rival_acts(&mut self) {
        let uid = self.world.observed.uid.clone();
        let version = 1 + self.rival.chance.below(self.newest);
        let found = candidate_at(&tag(version), &self.pushed(version));
        let Rival { chance, life: Some(life), .. } = &mut self.rival else { return };
        if chance.percent(70) || life.world.stages[0].is_empty() {
            let named = |target: &&Target| life.names.contains(&target.key.to_string());
            let ours = self.world.stages.iter().flatten().filter(named).map(|target| {
                let writer = target.applied.as_ref().map(|record| record.code_sync.as_str());
                let is_its = writer == Some(life.world.observed.uid.as_str());
                let is_ours = !is_its && (writer == Some(uid.as_str()) || !life.is_older);
                Target { claimed_by: is_ours.then(|| "production".to_owned()), ..target.clone() }
            });
            let others = self.foreign.outside.iter().filter(named).cloned();
            life.world.stages = vec![ours.chain(others).collect()];
        }
        if chance.percent(20) || life.world.observed.source.candidate.is_none() {
            life.world.finds_candidate(found);
        }
        life.world.now = self.world.now;
        let World { spec, status, now, .. } = &life.world;
        let taken = step(spec, status, &life.world.observe(), *now);
        life.world.status = taken.status;
        for action in taken.actions {
            let Rival { chance, life: Some(life), .. } = &mut self.rival else { return };
            match action {
                Action::Write(write) if !chance.percent(10) => self.rival_writes(&write),
                Action::Record(release) => life.world.releases.push(*release),
                Action::Finalizer(wanted) => life.world.observed.has_finalizer = wanted,
                Action::Write(_) | Action::Event { .. } => {}
            }
        }
    }

    fn rival_writes(&mut self, write: &TargetWrite) {
        let (key, now) = (write.target.to_string(), self.world.now);
        let Some(place) = self.place(&key) else { return };
        let target = self.target_mut(place);
        let before = target.clone();
        if target.problem.is_some() || !target.accept(write, now) {
            return;
        }
        let names: Vec<String> = target.servers.iter().map(|server| server.name.clone()).collect();
        let is_ours = before.applied.is_some_and(|record| record.code_sync == self.world.observed.uid);
        assert!(!is_ours || place.0 == OUTSIDE, "another CodeSync writes over what is ours: {write:?}");
        let code = write.applied.reference.as_deref();
        for name in names {
            self.deployment(&name).is_written(code, true);
        }
        self.touched.insert(key.clone(), Touched { at_all: true, ..Touched::default() });
        self.tell(format!("another CodeSync writes {key}={code:?}"));
        self.coverage.saw("writes of another CodeSync");
        self.show();
    }
}
