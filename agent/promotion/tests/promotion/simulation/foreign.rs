//! Other tools and the cluster's own life: a tool that puts its code back, again and again; objects that are relabelled
//! into another stage, leave the selector and come again; and those that are deleted and made again with the same name.
//!
//! It has chances of its own, so that the rest of a story stays as it was.

use std::collections::{BTreeMap, BTreeSet};

use voxsync_promotion::LastWriter;

use super::{
    Chance, Simulation, Touched,
    cluster::{Deployment, Pod},
    people::MOST_TARGETS_A_STAGE,
};
use crate::world::Target;

/// The stage of those that no selector means: behind all others.
pub(super) const OUTSIDE: usize = 3;

/// What others do, and what is known of it.
pub(super) struct Foreign {
    chance: Chance,
    /// Whether they are in this story at all.
    is_there: bool,
    /// What tools write again as soon as it is not there, by target.
    tools: BTreeMap<String, Option<String>>,
    /// Objects that no stage means.
    pub outside: Vec<Target>,
    /// Those that are in another stage than when somebody last wrote them.
    moved: BTreeSet<String>,
}

impl Foreign {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::apart(seed, 11);
        let is_there = chance.percent(50);
        Self { chance, is_there, tools: BTreeMap::new(), outside: Vec::new(), moved: BTreeSet::new() }
    }

    /// Whether a target is in another stage than when a write was decided; asked once.
    pub(super) fn was_moved(&mut self, key: &str) -> bool {
        self.moved.remove(key)
    }
}

impl Simulation {
    /// The objects of a stage; behind all others, those that no stage means.
    pub(super) fn targets(&self, stage: usize) -> &[Target] {
        self.world.stages.get(stage).unwrap_or(&self.foreign.outside)
    }

    pub(super) fn target_mut(&mut self, (stage, index): (usize, usize)) -> &mut Target {
        &mut self.world.stages.get_mut(stage).unwrap_or(&mut self.foreign.outside)[index]
    }

    /// What others do to targets.
    pub(super) fn others_meddle(&mut self) {
        if !self.foreign.is_there {
            return;
        }
        let stage = self.foreign.chance.below(OUTSIDE);
        let index = self.foreign.chance.below(self.world.stages[stage].len());
        match self.foreign.chance.below(100) {
            0..3 => {
                let Target { key, live, .. } = &self.world.stages[stage][index];
                let (key, image) = (key.to_string(), live.image.clone());
                self.tell(format!("a tool applies {key}={image:?} from now on"));
                self.foreign.tools.insert(key, image);
            }
            3 => self.leaves_for(stage, index, None),
            4 => {
                let to = self.foreign.chance.below(OUTSIDE);
                self.leaves_for(stage, index, Some(to));
            }
            5 => self.is_made_again(stage, index),
            6..12 => self.comes_back(),
            12 if !self.foreign.outside.is_empty() => {
                let index = self.foreign.chance.below(self.foreign.outside.len());
                self.edit(OUTSIDE, index);
            }
            _ => {}
        }
        self.tools_put_back();
    }

    /// They are gone, and all objects are where a stage means them.
    pub(super) fn others_stop(&mut self) {
        self.foreign.tools.clear();
        while !self.foreign.outside.is_empty() {
            self.comes_back();
        }
        self.foreign.is_there = false;
    }

    fn tools_put_back(&mut self) {
        let tools: Vec<_> = self.foreign.tools.clone().into_iter().collect();
        for (key, image) in tools {
            if self.foreign.chance.percent(4) {
                self.foreign.tools.remove(&key);
            } else if self.foreign.chance.percent(20)
                && let Some(place) = self.place(&key)
                && self.targets(place.0)[place.1].live.image != image
            {
                self.changes(place, "helm-controller", image.as_deref());
                self.coverage.saw("a tool puts its own code back");
            }
        }
    }

    /// A person gives an object the labels of another stage, or of none.
    fn leaves_for(&mut self, stage: usize, index: usize, to: Option<usize>) {
        let is_full = to.is_some_and(|to| to == stage || self.world.stages[to].len() == MOST_TARGETS_A_STAGE);
        if self.world.stages[stage].len() == 1 || is_full {
            return;
        }
        let target = self.world.stages[stage].remove(index);
        let key = target.key.to_string();
        self.tell(format!("{key} leaves stage {stage} for {to:?}"));
        self.coverage.saw(match to {
            Some(_) => "targets relabelled into another stage",
            None => "targets that left the selector",
        });
        self.foreign.moved.insert(key);
        match to {
            Some(to) => self.world.stages[to].push(target),
            None => self.foreign.outside.push(target),
        }
        self.another_order(stage);
        self.comes_to(to.unwrap_or(OUTSIDE));
    }

    /// One that no stage means gets the labels of one.
    fn comes_back(&mut self) {
        let has_room = |stage: &usize| self.world.stages[*stage].len() < MOST_TARGETS_A_STAGE;
        let stages: Vec<usize> = (0..OUTSIDE).filter(has_room).collect();
        let Some(target) = self.foreign.outside.pop() else { return };
        // At the end all stages may be full.
        let stage = stages.get(self.foreign.chance.below(stages.len().max(1))).copied().unwrap_or(0);
        let key = target.key.to_string();
        self.tell(format!("{key} comes back, to stage {stage}"));
        self.foreign.moved.insert(key);
        self.world.stages[stage].push(target);
        self.comes_to(stage);
        self.rival_looks_again();
    }

    /// An object is deleted and made again with the same name: without code, with old code, or as it was, from a copy.
    fn is_made_again(&mut self, stage: usize, index: usize) {
        let (now, what) = (self.world.now, self.foreign.chance.below(3));
        let first = format!("{}:v1.1.0@{}", crate::world::REPOSITORY, crate::world::digest("v1.1.0#0"));
        let target = &mut self.world.stages[stage][index];
        let image = match what {
            0 => None,
            1 => Some(first),
            _ => target.live.image.take(),
        };
        // A write names the object by its uid, too: no generation of the new one is one of the old one.
        target.says(image);
        if what < 2 {
            target.applied = None;
        }
        target.created = Some(now);
        target.writer = Some(LastWriter { manager: "kubectl-create".into(), time: Some(now) });
        let (key, live) = (target.key.to_string(), target.live.image.clone());
        let names: Vec<String> = target.servers.iter().map(|server| server.name.clone()).collect();
        self.tell(format!("{key} is deleted and made again with {live:?}"));
        self.coverage.saw("targets deleted and made again");
        let touched = self.touched.entry(key.clone()).or_default();
        // A copy is as much somebody's change as what was copied.
        *touched = Touched { at_all: true, changed: touched.changed && what == 2, ..*touched };
        if key.starts_with("Server/") {
            // Its Deployment went with it.
            for name in names {
                let pulled = live.iter().cloned().collect();
                let (template, newest) = (live.clone(), live.clone());
                let deployment = Deployment { template, newest, pulled, ..Deployment::default() };
                self.deployments.insert(name, deployment);
            }
            self.ran.extend(live.map(|code| (stage, code)));
        }
        self.another_order(stage);
        self.show();
    }

    /// Who comes to a stage brings what runs there by now.
    fn comes_to(&mut self, stage: usize) {
        for place in self.places().into_iter().filter(|place| place.stage == stage) {
            let deployment = &self.deployments[&self.name(place)];
            if deployment.pod == Pod::Ready {
                self.ran.extend(deployment.newest.clone().map(|code| (stage, code)));
            }
        }
        self.another_order(stage);
    }

    /// An order that was right without somebody may be wrong with them.
    pub(super) fn another_order(&mut self, stage: usize) {
        for place in self.places().into_iter().filter(|place| place.stage == stage) {
            let name = self.name(place);
            self.deployment(&name).is_excused = true;
        }
    }
}
