//! People: they edit, resume, pin, suspend, pause, add targets, meddle with Deployments, and delete the CodeSync.

use voxsync_crds::{code_sync::CodeSyncStatus, reference::is_same_code};
use voxsync_promotion::TargetProblem;

use super::{Simulation, Touched, tag, target};
use crate::world::REPOSITORY;

pub(super) const MOST_TARGETS_A_STAGE: usize = 4;

impl Simulation {
    pub(super) fn person(&mut self) {
        let stage = self.chance.below(3);
        let index = self.chance.below(self.world.stages[stage].len());
        match self.chance.below(21) {
            0 | 1 => self.edit(stage, index),
            2..7 => self.resume(),
            7 => self.pin(),
            8..11 => {
                self.world.unpins();
                self.tell("unpinned");
            }
            11 => {
                self.world.spec.suspend = true;
                self.tell("suspended");
            }
            12..15 => self.world.spec.suspend = false,
            15 => self.world.stages[stage][index].paused = true,
            16 => {
                let missing =
                    TargetProblem { reason: "TargetMissing", message: "gone".into(), stalled: false };
                self.world.stages[stage][index].problem = Some(missing);
            }
            17 | 18 => self.mend(),
            19 => self.join(stage),
            _ => self.delete(),
        }
    }

    /// A person pauses a Deployment, lets it go, or takes away one of the two signs of a gate.
    pub(super) fn person_at_a_deployment(&mut self) {
        let places = self.places();
        let place = places[self.chance.below(places.len())];
        let (name, what) = (self.name(place), self.chance.below(4));
        let deployment = self.deployment(&name);
        deployment.is_excused = true;
        match what {
            0 => deployment.is_paused = true,
            1 => deployment.is_paused = false,
            2 => (deployment.gate, deployment.is_paused) = (None, false),
            _ => deployment.gate = None,
        }
        let line =
            format!("a person meddles with {name}: {:?}", (deployment.is_paused, &deployment.gate.is_some()));
        self.tell(line);
        self.show();
    }

    /// All that people did to stop things is undone.
    pub(super) fn mend(&mut self) {
        self.world.spec.suspend = false;
        self.world.observed.source.problem = None;
        self.keys = super::keys::all();
        for target in self.world.stages.iter_mut().flatten() {
            target.paused = false;
            target.problem = None;
        }
        self.deployments.values_mut().for_each(|deployment| deployment.is_stranded = false);
        for deployment in self.deployments.values_mut().filter(|it| it.is_paused && it.gate.is_none()) {
            (deployment.is_paused, deployment.is_excused) = (false, true);
        }
        self.show();
        self.resume();
    }

    pub(super) fn edit(&mut self, stage: usize, index: usize) {
        let record = self.targets(stage)[index].applied.clone();
        let version = 1 + self.chance.below(self.newest);
        let image = match self.chance.below(5) {
            0 => record.as_ref().and_then(|record| record.reference.clone()),
            1 => self.world.status.candidate.as_ref().map(|candidate| candidate.reference.clone()),
            2 => None,
            3 => Some("not a ref!!".to_owned()),
            _ => Some(format!("{REPOSITORY}:{}@{}", tag(version), self.pushed(version))),
        };
        self.changes((stage, index), "kubectl-edit", image.as_deref());
    }

    /// Somebody else writes the code of an object.
    pub(super) fn changes(&mut self, place: (usize, usize), manager: &str, image: Option<&str>) {
        // Managed fields know whole seconds: two changes of one second are one to everybody.
        self.world.passes(1);
        let now = self.world.now;
        let target = self.target_mut(place);
        let record = target.applied.clone();
        if target.live.image.as_deref() == image {
            return;
        }
        target.changed_by(manager, image, now);
        let key = target.key.to_string();
        let names: Vec<String> = target.servers.iter().map(|server| server.name.clone()).collect();
        for name in names {
            self.deployment(&name).is_excused = true;
        }
        let record = record.filter(|record| record.code_sync == self.world.observed.uid);
        let as_recorded = record.as_ref().is_some_and(|record| match (image, record.reference.as_deref()) {
            (Some(image), Some(reference)) => is_same_code(image, reference),
            (image, reference) => image == reference,
        });
        let token_is_open = self.world.observed.resume != self.world.status.last_handled_resume;
        self.touched.insert(
            key.clone(),
            Touched { changed: record.is_some() && !as_recorded, told: token_is_open, at_all: !as_recorded },
        );
        self.tell(format!("{manager} writes {key}={image:?}"));
        self.show();
    }

    pub(super) fn resume(&mut self) {
        self.tokens += 1;
        self.world.observed.resume = Some(self.tokens.to_string());
        self.touched.values_mut().for_each(|touched| touched.told = true);
        self.tell("a person resumes");
    }

    fn pin(&mut self) {
        let version = 1 + self.chance.below(self.newest);
        self.world.pins(&tag(version));
        self.world.observed.pin = None;
        self.is_urgent_by_chance();
        self.pinned_ever.insert(tag(version));
        self.tell(format!("a person pins {}", tag(version)));
        self.look();
    }

    fn join(&mut self, stage: usize) {
        let count = self.world.stages[stage].len();
        if count == MOST_TARGETS_A_STAGE {
            return;
        }
        self.joined += 1;
        let name = format!("joined-{stage}-{}", self.joined);
        let kind = self.world.stages[stage][0].key.kind;
        let mut joined = target(&mut self.chance, &name, kind);
        joined.created = Some(self.world.now);
        self.is_where_its_stage_is(stage, &mut joined);
        self.world.stages[stage].push(joined);
        self.deploy();
        self.another_order(stage);
        self.tell(format!("{name} joins"));
    }

    fn delete(&mut self) {
        if self.world.observed.is_leaving {
            return;
        }
        self.tell("a person deletes the CodeSync");
        self.world.observed.is_leaving = true;
        if !self.world.observed.has_finalizer {
            self.gone();
        }
    }

    /// The CodeSync is gone, and a person makes it anew.
    pub(super) fn gone(&mut self) {
        self.lives += 1;
        self.tell("the CodeSync is gone, and made anew");
        self.world.status = CodeSyncStatus::default();
        self.world.releases.clear();
        self.world.observed.uid = format!("life-{}", self.lives);
        self.world.observed.is_leaving = false;
        self.world.observed.has_finalizer = false;
        self.world.observed.generation = 1;
        self.world.spec.suspend = false;
        self.world.spec.pin = None;
        self.world.observed.pin = None;
        self.version += 1;
        self.snapshots.clear();
        self.rival.is_older_now();
        self.late.clear();
        self.touched.clear();
        self.first_digests.clear();
        self.world.observed.approve = None;
        self.world.observed.rollback = None;
        self.world.observed.release_quarantine = None;
        self.forget_answers();
    }
}
