//! What is to say of what no promotion was about: it may have run before one, found there or adopted. Pure.

use voxsync_crds::{code_release::CodeReleaseSpec, code_sync::Trigger};

use super::{
    answer::{Known, Verdict},
    selector::Facts,
    verdict::Asked,
};

/// What was there before a promotion.
struct Predecessor {
    facts: Facts,
    /// Where, and before what.
    was: String,
}

impl Predecessor {
    fn of_all(name: Option<&String>, reference: Option<&String>, next: &str) -> Option<Self> {
        let facts = Facts::of_reference(name, reference?);
        Some(Self { facts, was: format!("was deployed in all stages before {next}") })
    }
}

impl Asked<'_> {
    /// What is to say where no record is about it.
    pub(super) fn unrecorded(&self, releases: &[&CodeReleaseSpec], was_seen: bool) -> Known {
        let fits = |it: &Predecessor| self.is_about(&it.facts);
        let Some(Predecessor { facts, was }) = self.predecessors(releases).into_iter().find(fits) else {
            return self.unknown(was_seen, None);
        };
        if let Some(deployed) = self.deployed_as(&facts.reference) {
            return deployed;
        }
        if self.proves(was_seen) {
            return Known::of(&facts.name, Verdict::Superseded, format!("{was}; {}", self.now()));
        }
        self.unknown(was_seen, Some(&format!("{} {was}", facts.name)))
    }

    /// What runs now.
    pub(super) fn now(&self) -> String {
        let deployed = self.status.deployed.as_ref();
        deployed.map_or_else(
            || "what runs now, `voxsync audit` says".to_owned(),
            |deployed| format!("{} is deployed now", deployed.name),
        )
    }

    /// What was there before each promotion, the last one first.
    fn predecessors(&self, releases: &[&CodeReleaseSpec]) -> Vec<Predecessor> {
        // What a person left may never have run in all stages; if it did, it has a record of its own.
        let last = self.status.promotion.iter().filter(|it| it.trigger != Trigger::Rollback);
        let last = last.filter_map(|it| {
            Predecessor::of_all(it.from_name.as_ref(), it.from.as_ref(), &it.candidate.name)
        });
        let mut releases = releases.to_vec();
        releases.sort_by_key(|release| std::cmp::Reverse(release.started_at));
        let ended = releases.iter().flat_map(|release| {
            let next = &release.candidate.name;
            let replaced = release.from.as_ref().filter(|_| release.trigger != Trigger::Rollback);
            let of_all = Predecessor::of_all(release.from_name.as_ref(), replaced, next);
            let targets = release.stages.iter().flat_map(|stage| &stage.targets);
            let of_targets = targets.filter_map(move |it| {
                let facts = Facts::of_reference(None, it.previous.as_ref()?);
                Some(Predecessor { facts, was: format!("was the code of {} before {next}", it.target) })
            });
            of_all.into_iter().chain(of_targets)
        });
        last.chain(ended).collect()
    }
}
