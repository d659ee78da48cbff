//! The source: tags that come, vanish and move, and a registry that cannot be asked.

use voxsync_crds::{CodeReference, code_sync::CandidateStatus};
use voxsync_promotion::{RIPENING_LIMIT, SourceProblem};

use super::{Simulation, tag, version_of};
use crate::world::{candidate_at, digest};

impl Simulation {
    pub(super) fn source_changes(&mut self) {
        match self.chance.below(if self.world.spec.verify.is_some() { 12 } else { 10 }) {
            10.. => self.rotate(),
            0..5 => {
                self.newest += 1;
                self.tags.insert(self.newest, 0);
                self.tell(format!("{} is pushed", tag(self.newest)));
            }
            5 => {
                let newest = self.tags.keys().next_back().copied();
                if let Some(newest) = newest.filter(|_| self.tags.len() > 1) {
                    self.tags.remove(&newest);
                    self.tell(format!("{} vanishes", tag(newest)));
                }
            }
            6 => {
                if let Some((version, pushes)) = self.tags.iter_mut().next_back() {
                    *pushes += 1;
                    let line = format!("{} is pushed again", tag(*version));
                    self.tell(line);
                }
            }
            _ => {
                let source = &mut self.world.observed.source;
                source.problem = match source.problem {
                    Some(_) => None,
                    None => Some(SourceProblem {
                        reason: "Unreachable".into(),
                        message: "no route".into(),
                        unreachable: true,
                    }),
                };
            }
        }
        self.look();
    }

    pub(super) fn pushed(&self, version: usize) -> String {
        digest(&format!("{}#{}", tag(version), self.tags.get(&version).copied().unwrap_or_default()))
    }

    pub(super) fn look(&mut self) {
        self.world.observed.source.looked = true;
        self.read_keys();
        if self.world.observed.source.problem.is_some() {
            return;
        }
        let best: Vec<usize> = self.tags.keys().rev().take(RIPENING_LIMIT).copied().collect();
        let mut found = best.iter().map(|version| candidate_at(&tag(*version), &self.pushed(*version)));
        let highest = found.next().unwrap_or_else(|| candidate_at(&tag(1), &self.pushed(1)));
        let next_best: Vec<CandidateStatus> = found.collect();
        for candidate in next_best.iter().chain([&highest]) {
            self.seen.entry(candidate.digest.clone()).or_insert(self.world.now);
        }
        self.world.finds_candidate(highest);
        self.world.observed.source.next_best = next_best;
        if let Some(pin) = &self.world.spec.pin {
            let reference = CodeReference::parse(&pin.reference).unwrap();
            let version = version_of(&pin.reference).unwrap();
            let pinned = candidate_at(reference.tag().unwrap(), &self.pushed(version));
            self.world.observed.pin = Some(Ok(pinned));
        }
        self.judge();
    }
}
