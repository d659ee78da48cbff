//! Worlds that tests begin with, and how they get to a place in them.

use serde_json::json;
use voxsync_crds::code_sync::{StagePhase, TargetKind};

use super::{Server, Target, World, canary_and_production, reference, staged};

impl World {
    /// Canary and production, each with one Server, both on v1.4.2, adopted.
    pub fn canary_and_production() -> Self {
        let mut world = Self::new(
            canary_and_production(),
            vec![
                vec![Target::new(TargetKind::Server, "canary", Some(reference("v1.4.2")), &["canary"])],
                vec![Target::new(TargetKind::Config, "production", Some(reference("v1.4.2")), &["compile"])],
            ],
        );
        world.finds("v1.4.2");
        world.settle();
        world
    }

    /// The same, after v1.4.2 was promoted by us, so that there are records.
    pub fn promoted() -> Self {
        let mut world = Self::new(
            canary_and_production(),
            vec![
                vec![Target::new(TargetKind::Server, "canary", None, &["canary"])],
                vec![Target::new(TargetKind::Config, "production", None, &["compile"])],
            ],
        );
        world.finds("v1.4.2");
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.deployed(), "v1.4.2");
        world.forget();
        world
    }

    /// One stage: a Config with a Server and a certificate authority, on v1.4.2, adopted.
    pub fn with_authority() -> Self {
        let stages = json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}]}]);
        let live = Some(reference("v1.4.2"));
        let target = Target::new(TargetKind::Config, "production", live, &["compile", "ca"]);
        let mut world = Self::new(staged(&stages), vec![vec![target]]);
        world.server("ca").is_authority = true;
        world.finds("v1.4.2");
        world.settle();
        world.forget();
        world
    }

    /// As [`World::with_authority`]; v1.5.0 was released after v1.4.2.
    pub fn released_with_authority() -> Self {
        let mut world = Self::with_authority();
        world.finds("v1.5.0");
        world.settle_gating(&["ca"]);
        world.server("ca").lift();
        world.settle();
        assert_eq!(world.deployed(), "v1.5.0");
        world
    }

    /// What fails stays as it is: only a person gives it back.
    pub fn gives_back_by_hand(&mut self) {
        self.spec.rollback = Some(serde_json::from_value(json!({"mode": "Manual"})).unwrap());
    }

    pub fn server(&mut self, name: &str) -> &mut Server {
        let mut servers = self.stages.iter_mut().flatten().flat_map(|target| &mut target.servers);
        servers.find(|server| server.name == name).expect("such a Server")
    }

    /// The reconciler holds these back for the promotion under way.
    pub fn hold_back(&mut self, servers: &[&str]) {
        let (now, promotion) = (self.now, self.status.promotion.as_ref().expect("a promotion").id.clone());
        for name in servers {
            self.server(name).hold_back(&promotion, now);
        }
    }

    /// Settles, and settles again with these held back.
    pub fn settle_gating(&mut self, servers: &[&str]) {
        self.settle();
        assert!(self.phases().contains(&StagePhase::Gating), "{:?}", self.status.waiting);
        self.hold_back(servers);
        self.settle();
    }

    /// Steps until the promotion goes back.
    pub fn settle_until_rolling_back(&mut self) {
        self.settle_until_rolling_back_but_for(|_| {});
    }

    /// Steps until the promotion goes back; then somebody does something, and it settles.
    pub fn settle_until_rolling_back_but_for(&mut self, does: impl FnOnce(&mut Self)) {
        while self.status.promotion.as_ref().is_none_or(|promotion| promotion.ending.is_none()) {
            assert!(self.step(), "it does not go back: {:#?}", self.status);
        }
        does(self);
        if self.spec.suspend {
            self.settle();
        }
    }

    /// How many are held back, as the status of the stage says it.
    pub fn held(&self, stage: usize) -> u32 {
        self.status.stages[stage].gates.as_ref().map_or(0, |gates| gates.held)
    }

    pub fn canary(&mut self) -> &mut Target {
        &mut self.stages[0][0]
    }

    pub fn production(&mut self) -> &mut Target {
        &mut self.stages[1][0]
    }
}
