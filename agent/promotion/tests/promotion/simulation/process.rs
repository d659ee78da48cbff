//! The agent: it looks, decides, and does some of it; it crashes, loses answers, and does not know that it is old.

use voxsync_crds::{
    code_sync::{Hold, Outcome},
    reference::is_same_code,
};
use voxsync_promotion::{Action, Step, TargetWrite, step};

use super::{Simulation, Snapshot, Touched, cluster::Pod, foreign::OUTSIDE};

impl Simulation {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            spec: self.world.spec.clone(),
            status: self.world.status.clone(),
            version: self.version,
            observed: self.observe(),
        }
    }

    /// The leader looks at the present, decides, and does it, or some of it. Tells whether there was anything to do.
    pub(super) fn lead(&mut self, reliably: bool) -> bool {
        self.see_health();
        let snapshot = self.snapshot();
        if self.chance.percent(20) && !reliably {
            self.snapshots.push(snapshot.clone());
        }
        let taken = step(&snapshot.spec, &snapshot.status, &snapshot.observed, self.world.now);
        self.note_sight(&snapshot, &taken);
        self.check_step(&snapshot, &taken);
        self.check_patience(&snapshot, &taken);
        self.check_waits(&snapshot, &taken);
        self.check_backwards_step(&snapshot, &taken);
        self.check_after_release(&snapshot, &taken);
        let is_idle = taken.status == snapshot.status && taken.actions.is_empty();
        self.act(&snapshot, taken, true, reliably);
        self.check_holds();
        !is_idle
    }

    /// A leader that lost its lease, but does not know it, decides upon what it saw long ago.
    pub(super) fn lead_with_old_eyes(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let index = self.chance.below(self.snapshots.len());
        let snapshot = self.snapshots.swap_remove(index);
        let taken = step(&snapshot.spec, &snapshot.status, &snapshot.observed, self.world.now);
        self.tell("an old leader acts");
        // What it saw healthy may have soaked by now.
        self.note_proofs();
        self.coverage.saw("steps that an old leader decided");
        self.act(&snapshot, taken, false, false);
    }

    fn act(&mut self, snapshot: &Snapshot, taken: Step, is_leader: bool, reliably: bool) {
        let mut version = snapshot.version;
        if taken.status != snapshot.status {
            if version != self.version {
                return;
            }
            self.version += 1;
            version = self.version;
            self.tell(format!("status: {}", taken.status.summary.as_deref().unwrap_or_default()));
            self.note_end(&taken);
            if !is_leader {
                self.patience.forget(self.world.now);
            }
            self.check_begins(snapshot, &taken.status);
            self.note_backwards(&taken.status);
            self.world.status = taken.status;
            self.note_digests();
        }
        let mut actions = taken.actions;
        while !actions.is_empty() {
            let action = actions.swap_remove(self.chance.below(actions.len()));
            match self.chance.below(20) {
                0 if !reliably => {
                    self.coverage.saw(crash_before(&action));
                    return self.tell("crash between two actions");
                }
                1 if !reliably => {
                    self.coverage.saw(loss_of(&action));
                    self.tell("an action is lost");
                }
                2 if !reliably => {
                    if let Action::Write(write) = action {
                        self.late.push(*write);
                    }
                }
                3 => {
                    self.coverage.saw("answers lost, and the action done twice");
                    self.carry_out(action.clone(), version, is_leader);
                    self.carry_out(action, version, is_leader);
                }
                _ => self.carry_out(action, version, is_leader),
            }
        }
    }

    /// Takes note of what a leader saw and decided.
    fn note_sight(&mut self, snapshot: &Snapshot, taken: &Step) {
        self.coverage.saw("steps that the leader decided");
        let targets = snapshot.observed.stages.iter().flatten();
        let claimed = targets.filter(|target| target.claims.is_some()).count();
        self.coverage.saw_times("targets that another CodeSync has", claimed);
        let is_new = |hold: &&Hold| snapshot.status.holds.iter().all(|known| known.target != hold.target);
        self.coverage.saw_times("held targets", taken.status.holds.iter().filter(is_new).count());
    }

    fn note_end(&mut self, taken: &Step) {
        let ended = taken.status.promotion.as_ref().and_then(|promotion| promotion.outcome);
        let before = self.world.status.promotion.as_ref().and_then(|promotion| promotion.outcome);
        if before.is_none() {
            self.coverage.saw_times(
                "rolled back, failed by an authority on its turn",
                usize::from(self.fell_on_its_turn(taken)),
            );
            if let Some(ended) = ended {
                self.coverage.saw(end_as(ended));
            }
            let was_ending = self.world.status.promotion.as_ref().is_some_and(|it| it.ending.is_some());
            let is_deleted = ended == Some(Outcome::Abandoned) && was_ending;
            self.coverage.saw_times("CodeSyncs deleted half-way", usize::from(is_deleted));
        }
    }

    fn carry_out(&mut self, action: Action, version: usize, is_leader: bool) {
        match action {
            Action::Write(write) => self.write(&write, is_leader),
            // A write on the CodeSync itself is for the version that was read.
            Action::Finalizer(wanted) if version == self.version => {
                if self.world.observed.has_finalizer != wanted {
                    self.tell(format!("finalizer: {wanted}"));
                    self.world.observed.has_finalizer = wanted;
                    if self.world.observed.is_leaving && !wanted {
                        self.gone();
                    }
                }
            }
            Action::Finalizer(_) | Action::Event { .. } => {}
            Action::Record(release) => {
                let known = self.world.releases.iter().find(|known| known.promotion == release.promotion);
                match known {
                    Some(known) => assert_eq!(known.outcome, release.outcome, "a promotion ends once"),
                    None if release.code_sync_uid == self.world.observed.uid => {
                        self.world.releases.push(*release);
                    }
                    None => {}
                }
            }
        }
    }

    pub(super) fn late_write(&mut self) {
        if let Some(write) = self.late.pop() {
            self.tell("a late write arrives");
            self.write(&write, false);
        }
    }

    pub(super) fn crash(&mut self) {
        self.tell("the process starts again");
        self.coverage.saw("the process starts again");
        self.world.observed.source.looked = false;
        self.world.observed.source.candidate = None;
        self.world.observed.source.next_best.clear();
        self.world.observed.keys = None;
        self.world.observed.judged.clear();
        self.world.observed.unverified.clear();
        self.forget_answers();
        if self.world.spec.pin.is_some() {
            self.world.observed.pin = None;
        }
    }

    fn write(&mut self, write: &TargetWrite, is_leader: bool) {
        let now = self.world.now;
        let place = self.place(&write.target.to_string()).expect("the object is somewhere");
        let target = self.target_mut(place);
        let before = target.clone();
        if target.problem.is_some() || !target.accept(write, now) {
            return self.coverage.saw("writes that were refused: somebody was faster");
        }
        let names: Vec<String> = target.servers.iter().map(|server| server.name.clone()).collect();
        let code = write.applied.reference.as_deref();
        let same = match (before.live.image.as_deref(), code) {
            (Some(live), Some(code)) => is_same_code(live, code),
            (live, code) => live == code,
        };
        let record = before.applied.as_ref().filter(|record| record.code_sync == write.applied.code_sync);
        let is_back = record.is_some_and(|record| {
            let is_given_back = write.applied.previous.as_deref() == code;
            record.previous.as_deref() == code
                && (is_given_back || record.promotion == write.applied.promotion)
        });
        // What nobody of the stage ever ran was written by a person, and is given back.
        let has_run = self.ran.iter().any(|(stage, ran)| *stage == place.0 && Some(ran.as_str()) == code);
        let under_way = self.world.status.promotion.as_ref().filter(|it| it.outcome.is_none());
        let is_joiner = under_way.is_none_or(|it| it.id != write.applied.promotion);
        for name in names {
            // Where somebody meddled before, and the Server may still go over to what it was given then.
            let deployment = self.deployment(&name);
            let was_meddled_with = ((same || is_back) && deployment.is_excused) || (is_back && !has_run);
            let ran_well = deployment.newest == before.live.image && deployment.pod == Pod::Ready;
            let goes_at_once = is_back && !deployment.is_gated() && !ran_well;
            deployment.is_written(code, !is_leader || was_meddled_with);
            deployment.went_back_at_once = goes_at_once;
            deployment.is_joiner = is_joiner;
        }
        self.show();
        self.coverage.saw("writes");
        if !is_leader {
            self.coverage.saw("writes of an old leader, or late ones, that were taken");
        }
        self.tell(format!("write {}={code:?}", write.target));
        let key = write.target.to_string();
        let touched = self.touched.insert(key.clone(), Touched::default()).unwrap_or_default();
        assert!(!touched.changed || touched.told || same, "{key} is held and was written: {before:#?}");
        assert_eq!(before.live.claim, None, "a claim was replaced");
        if is_back {
            self.coverage.saw("writes that give back");
            return;
        }
        let code = code.expect("code is only taken away to give back that there was none");
        if self.backwards.was_asked_for(&write.applied.promotion) {
            // A person chose it, and it ran everywhere before.
            return;
        }
        let is_elsewhere = self.foreign.was_moved(&key) || place.0 == OUTSIDE;
        if !self.was_urgent(code) && (is_leader || !is_elsewhere) {
            self.check_order(place.0, code);
        }
        self.check_backwards(&before, code);
        self.check_digest(code);
    }

    /// Where an object is: its stage, or behind all of them, and its place there.
    pub(super) fn place(&self, key: &str) -> Option<(usize, usize)> {
        let mut places = (0..=OUTSIDE).flat_map(|stage| {
            self.targets(stage)
                .iter()
                .enumerate()
                .map(move |(index, target)| ((stage, index), target.key.to_string()))
        });
        places.find(|(_, name)| name == key).map(|(place, _)| place)
    }
}

fn crash_before(action: &Action) -> &'static str {
    match action {
        Action::Write(_) => "crashes before a Write",
        Action::Finalizer(_) => "crashes before a Finalizer",
        Action::Record(_) => "crashes before a Record",
        Action::Event { .. } => "crashes before an Event",
    }
}

fn loss_of(action: &Action) -> &'static str {
    match action {
        Action::Write(_) => "actions lost: Write",
        Action::Finalizer(_) => "actions lost: Finalizer",
        Action::Record(_) => "actions lost: Record",
        Action::Event { .. } => "actions lost: Event",
    }
}

fn end_as(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Released => "promotions that ended Released",
        Outcome::RolledBack => "promotions that ended RolledBack",
        Outcome::Failed => "promotions that ended Failed",
        Outcome::Superseded => "promotions that ended Superseded",
        Outcome::Abandoned => "promotions that ended Abandoned",
    }
}
