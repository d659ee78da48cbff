//! Consent: in some stories a stage is in another namespace, whose people withdraw their consent, also while something of it
//! is held back, and give it again.
//!
//! It has chances of its own, so that the rest of a story stays as it was.

use super::{Chance, Simulation, cluster::Place};
use crate::world::Target;

const NAMESPACE: &str = "elsewhere";

/// Who lets voxsync in, and who does not.
pub(super) struct Consent {
    chance: Chance,
    /// The stage that is in another namespace, if one is.
    stage: Option<usize>,
}

impl Consent {
    pub(super) fn new(seed: u64, stages: &mut [Vec<Target>]) -> Self {
        let mut chance = Chance::apart(seed, 53);
        let stage = chance.percent(50).then(|| chance.below(stages.len()));
        if let Some(stage) = stage {
            stages[stage].iter_mut().for_each(move_elsewhere);
        }
        Self { chance, stage }
    }
}

fn move_elsewhere(target: &mut Target) {
    target.key.namespace = Some(NAMESPACE.to_owned());
    for server in &mut target.servers {
        server.name = format!("{NAMESPACE}/{}", server.name);
    }
}

impl Simulation {
    /// Who joins the stage of another namespace is there, too.
    pub(super) fn is_where_its_stage_is(&self, stage: usize, target: &mut Target) {
        if self.consent.stage == Some(stage) {
            move_elsewhere(target);
        }
    }

    /// Whether nothing of a Server's target is seen.
    pub(super) fn is_out_of_reach(&self, place: Place) -> bool {
        self.targets(place.stage)[place.target].is_shut()
    }

    /// People withdraw their consent, and give it again.
    pub(super) fn consent_changes(&mut self) {
        let places = self.world.stages.iter().enumerate();
        let elsewhere: Vec<(usize, usize)> = places
            .flat_map(|(stage, targets)| (0..targets.len()).map(move |index| (stage, index)))
            .filter(|(stage, index)| self.world.stages[*stage][*index].key.namespace.is_some())
            .collect();
        for (stage, index) in elsewhere {
            let target = &self.world.stages[stage][index];
            let key = target.key.to_string();
            if target.is_shut() {
                if self.consent.chance.percent(10) {
                    self.world.stages[stage][index].problem = None;
                    self.tell(format!("{key} lets it in again"));
                    self.coverage.saw("consent given again");
                    self.another_order(stage);
                }
                continue;
            }
            let mut servers = target.servers.iter();
            let is_held = servers.any(|server| self.deployments[&server.name].is_gated());
            let is_withdrawn = self.consent.chance.percent(if is_held { 6 } else { 2 });
            if is_withdrawn && target.problem.is_none() {
                self.world.stages[stage][index].shut();
                self.tell(format!("{key} withdraws its consent, held back: {is_held}"));
                self.coverage.saw("consent withdrawn");
                self.coverage
                    .saw_times("consent withdrawn while something is held back", usize::from(is_held));
                let is_other = |place: &Place| place.stage == stage && place.target != index;
                for place in self.places().into_iter().filter(is_other) {
                    let name = self.name(place);
                    self.deployment(&name).is_excused = true;
                }
            }
        }
    }
}
