//! Keys: who signed what, whom the Secret trusts, and what a look makes of it.
//!
//! The name of the keys says which they are, so that every write can be held against them.

use serde_json::json;
use voxsync_crds::{
    code_sync::{CandidateStatus, VerifiedStatus, Verify},
    reference::is_same_code,
};
use voxsync_promotion::{Step, TargetWrite, Unverified, verify_rules};

use super::{Simulation, Snapshot};

/// Those who sign.
const SIGNERS: usize = 3;

/// Whose signature an image has.
fn signer(digest: &str) -> usize {
    digest.bytes().map(usize::from).sum::<usize>() % SIGNERS
}

fn trusts(keys: &str, digest: &str) -> bool {
    keys.contains(&signer(digest).to_string())
}

/// The rules of a story in which only signed code may be written.
pub(super) fn verify() -> Verify {
    serde_json::from_value(json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}})).unwrap()
}

/// All of them.
pub(super) fn all() -> String {
    (0..SIGNERS).map(|signer| signer.to_string()).collect()
}

impl Simulation {
    /// A person adds a key to the Secret, or takes one away.
    pub(super) fn rotate(&mut self) {
        let key = self.chance.below(SIGNERS).to_string();
        let is_there = self.keys.contains(&key);
        self.keys = if is_there { self.keys.replace(&key, "") } else { format!("{}{key}", self.keys) };
        self.tell(format!("the Secret holds {:?}", self.keys));
    }

    /// A look reads the keys also where it cannot ask the source.
    pub(super) fn read_keys(&mut self) {
        if self.world.spec.verify.is_some() {
            self.world.observed.keys = Some(self.keys.clone());
            self.world.observed.judged.clear();
        }
    }

    /// What was found, and what is promoted or pinned, is judged by what the look read.
    pub(super) fn judge(&mut self) {
        let Some(verify) = &self.world.spec.verify else { return };
        let (rules, keys) = (verify_rules(verify), self.keys.clone());
        let status = &self.world.status;
        let promoted = status.promotion.iter().map(|promotion| &promotion.candidate);
        let observed = &mut self.world.observed;
        observed.judged = status.candidate.iter().chain(promoted).cloned().collect();
        observed.unverified.clear();
        let pinned = observed.pin.as_mut().and_then(|pin| pin.as_mut().ok());
        let found = observed.source.candidate.iter_mut().chain(&mut observed.source.next_best);
        for candidate in found.chain(&mut observed.judged).chain(pinned) {
            let verified = VerifiedStatus {
                by: vec!["a key".into()],
                rules: rules.clone(),
                keys: keys.clone(),
                until: None,
            };
            candidate.verified = trusts(&keys, &candidate.digest).then_some(verified);
            if candidate.verified.is_none() {
                observed.unverified.push(refusal(candidate));
            }
        }
    }

    /// What the promotion brings is by the keys that the last look read; all else ran before.
    pub(super) fn check_verified(&mut self, snapshot: &Snapshot, taken: &Step, write: &TargetWrite) {
        let Some(reference) = write.applied.reference.as_deref().filter(|_| snapshot.spec.verify.is_some())
        else {
            return;
        };
        let status = &snapshot.status;
        if self.backwards.was_asked_for(&write.applied.promotion) {
            return;
        }
        // Once this step ended it, what its stages passed with is what ran.
        let promoted = taken.status.promotion.as_ref().filter(|it| it.outcome.or(it.ending).is_none());
        let promoted = promoted.map(|it| &it.candidate).filter(|it| is_same_code(&it.reference, reference));
        if let Some(promoted) = promoted.filter(|_| write.applied.previous.as_deref() != Some(reference)) {
            let before = status.promotion.as_ref().and_then(|before| before.candidate.verified.as_ref());
            let kept = before.map(|verified| &verified.keys);
            let keys = snapshot.observed.keys.as_ref().or(kept);
            let is_signed = keys.is_some_and(|keys| trusts(keys, &promoted.digest));
            assert!(is_signed, "{} is written, by none of {keys:?}", promoted.name);
            self.coverage.saw("writes of what had to be signed");
            return;
        }
        let stages = status.stages.iter().filter_map(|stage| stage.reference.as_ref());
        let ran = stages.chain(status.deployed.iter().map(|it| &it.reference)).chain(&write.applied.previous);
        let has_run = ran.into_iter().any(|ran| is_same_code(ran, reference));
        assert!(has_run, "{reference} is written, and neither promoted nor did it run");
    }
}

fn refusal(candidate: &CandidateStatus) -> Unverified {
    Unverified {
        what: Some(candidate.digest.clone()),
        repository: Some(candidate.repository.clone()),
        named_by: None,
        reason: Unverified::REFUSED.into(),
        message: format!("{} is by a stranger", candidate.name),
        overrules: true,
    }
}
