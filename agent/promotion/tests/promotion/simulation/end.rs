//! The end of each story: all is mended, and everything comes to rest.

use super::{
    SOAK_SECONDS, Simulation,
    cluster::{Place, Pod},
    tag,
};

const MOST_PASSES: usize = 300;
const HOUR_SECONDS: i64 = 3600;

impl Simulation {
    /// All is mended, and time passes: everything must come to rest on the newest tag.
    pub(super) fn ends_well(&mut self) {
        self.tell("all is mended");
        self.others_stop();
        self.rival_goes();
        self.mend();
        self.world.unpins();
        self.late.clear();
        self.strands_percent = 0;
        self.rest();
        // What waits for gates to go waits an hour at most.
        for _ in 0..3 {
            self.world.passes(HOUR_SECONDS);
            self.rest();
        }
        assert!(!self.world.observed.is_leaving, "deleted, it has to go: {:#?}", self.world.status);
        self.lift_by_hand();
        // The first ends a rollback, and does nothing else.
        for _ in 0..2 {
            self.resume();
            self.rest();
        }
        self.releases_the_next();
        self.turns_sour();
        self.goes_back_and_forth();
        self.world.passes(86_400);
        assert!(!self.world.step(), "at rest, nothing changes");
    }

    /// A good version is pushed, and all comes to rest on it.
    pub(super) fn releases_the_next(&mut self) {
        self.newest = self.newest / 5 * 5 + 6;
        self.tags.insert(self.newest, 0);
        self.look();
        self.rest();
        // What a person wrote of a candidate that never got its approval is somebody else's code beside the next.
        if !self.world.status.holds.is_empty() {
            self.resume();
        }
        // Stages wait for their windows, too.
        for _ in 0..16 {
            self.approve(true);
            self.rest();
            self.world.passes(SOAK_SECONDS);
        }
        self.rest();
        self.is_at_rest_on(&tag(self.newest));
        assert_eq!(
            (self.world.condition("Ready"), self.world.summary()),
            ("True Deployed".into(), "Deployed")
        );
    }

    pub(super) fn is_at_rest_on(&self, name: &str) {
        assert_eq!(self.world.deployed(), name, "{:#?}", self.world.status);
        assert!(self.world.tags().iter().all(|tag| *tag == name), "{:?}", self.world.tags());
        assert_eq!((&self.world.status.holds.len(), &self.world.status.promotion), (&0, &None));
        for release in &self.world.status.history {
            let recorded = self.world.releases.iter().any(|recorded| recorded.promotion == release.id);
            assert!(recorded, "{} was never recorded", release.id);
        }
        for (name, deployment) in &self.deployments {
            let is_at_rest =
                deployment.gate.is_none() && !deployment.is_paused && deployment.pod == Pod::Ready;
            assert!(is_at_rest && deployment.newest == deployment.template, "{name}: {deployment:#?}");
        }
        assert!(!self.world.observed.has_finalizer, "nothing is held back, and the finalizer is there");
    }

    /// Agent, reconciler and cluster go on until nobody has anything to do.
    pub(super) fn rest(&mut self) {
        for _ in 0..MOST_PASSES {
            let leads = self.lead(true);
            let reconciles = self.reconcile(true);
            let rolls = self.roll(true);
            let answers = self.answer(true);
            if !(leads || reconciles || rolls || answers) {
                return;
            }
        }
        panic!("no rest after {MOST_PASSES} passes: {:#?}", self.world.status);
    }

    /// A gate of a promotion that is over, on a Deployment that nobody proves the code for, is left to people.
    fn lift_by_hand(&mut self) {
        let names: Vec<(Place, String)> =
            self.places().into_iter().map(|place| (place, self.name(place))).collect();
        let seen = self.snapshot();
        let under_way = seen.status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none());
        for (place, name) in &names {
            let Some(gate) = self.deployments[name].gate.clone() else { continue };
            let is_for = |id: &String| gate.code_sync == self.world.observed.uid && gate.promotion == *id;
            if under_way.is_some_and(|promotion| is_for(&promotion.id)) {
                continue;
            }
            assert!(!self.may_lift(&seen, *place, &gate, &names), "{name} is not let go: {gate:?}");
            self.tell(format!("a person lets {name} go, as the reconciler says it"));
            let deployment = self.deployment(name);
            (deployment.gate, deployment.is_paused, deployment.is_excused) = (None, false, true);
        }
        self.show();
    }
}
