//! Where a person goes back to: asked by the decision, and by who announces it before. Pure.

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome},
    reference::{is_same_code, short_digest},
};

use crate::quarantine;

/// From where to where a person goes back.
#[derive(Clone, Debug, PartialEq)]
pub struct LastGood {
    /// What is left.
    pub left: Left,
    /// The last good release before it.
    pub candidate: CandidateStatus,
}

/// Why there is nothing to go back to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoLastGood {
    /// Nothing is promoted or deployed.
    #[error("nothing is deployed: there is nothing to go back from")]
    NothingDeployed,
    /// Nothing else ran in all stages, or all that did is left or in quarantine.
    #[error(
        "no other release that all stages ran is known and out of quarantine: there is nothing to go back to"
    )]
    NothingBefore(Box<Left>),
}

/// What is left: what is promoted, or failed to be; else what is deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// As a table shows it.
    pub name: String,
    /// What targets say.
    pub reference: String,
    /// Its digest, as far as it is known.
    pub digest: Option<String>,
    /// The commit that its image claims.
    pub commit: Option<String>,
    /// What all stages ran before it, where it did not get that far.
    before: Option<DeployedStatus>,
}

/// From where to where a rollback goes. `released` is what records of releases name, the newest first: the status keeps
/// only the last ones.
///
/// # Errors
/// Why there is nothing to go back to.
pub fn last_good(status: &CodeSyncStatus, released: &[CodeReference]) -> Result<LastGood, NoLastGood> {
    let left = Left::of(status).ok_or(NoLastGood::NothingDeployed)?;
    match before(status, released, &left) {
        Some(candidate) => Ok(LastGood { left, candidate }),
        None => Err(NoLastGood::NothingBefore(Box::new(left))),
    }
}

impl Left {
    fn of(status: &CodeSyncStatus) -> Option<Self> {
        let open = status.promotion.as_ref().filter(|it| it.outcome != Some(Outcome::Released));
        let deployed = status.deployed.as_ref();
        let Some(promotion) = open else {
            let DeployedStatus { name, reference, digest, commit, .. } = deployed?.clone();
            return Some(Self { name, reference, digest, commit, before: None });
        };
        let CandidateStatus { name, reference, digest, commit, .. } = promotion.candidate.clone();
        Some(Self { name, reference, digest: Some(digest), commit, before: deployed.cloned() })
    }

    fn is(&self, candidate: &CandidateStatus) -> bool {
        let digest = self.digest.as_ref().filter(|digest| !digest.is_empty());
        candidate.reference == self.reference || digest == Some(&candidate.digest)
    }
}

/// The last that all stages ran, of another digest, and not in quarantine.
fn before(status: &CodeSyncStatus, released: &[CodeReference], left: &Left) -> Option<CandidateStatus> {
    let deployed = left.before.iter().filter_map(|it| {
        let known = candidate(&it.reference, Some(&it.name))?;
        let digest = it.digest.clone().unwrap_or_default();
        Some(CandidateStatus { tag: it.tag.clone(), digest, commit: it.commit.clone(), ..known })
    });
    let in_status = status.history.iter().filter(|release| release.outcome == Outcome::Released);
    let in_short = in_status.flat_map(|release| {
        // What was adopted has no release of its own.
        let replaced = release.from.as_deref().and_then(|from| candidate(from, None));
        let replaced = replaced.map(|it| with_digest(it, release.from_digest.as_ref()));
        let released = candidate(&release.reference, Some(&release.name));
        released.map(|it| with_digest(it, release.digest.as_ref())).into_iter().chain(replaced)
    });
    let recorded = released.iter().filter_map(|it| candidate(&it.to_string(), None));
    // Who goes back once more goes back further.
    let left_before = status.rollback.as_ref().and_then(|rollback| rollback.from.as_deref());
    let was_left = |it: &CandidateStatus| left_before.is_some_and(|left| is_same_code(left, &it.reference));
    let is_good =
        |it: &CandidateStatus| !left.is(it) && !was_left(it) && quarantine::of(status, it).is_none();
    deployed.chain(in_short).chain(recorded).find(is_good)
}

/// With the digest that its reference does not name.
fn with_digest(candidate: CandidateStatus, digest: Option<&String>) -> CandidateStatus {
    CandidateStatus { digest: digest.cloned().unwrap_or(candidate.digest), ..candidate }
}

/// What a reference names. One without a digest was adopted so, and runs so again.
fn candidate(reference: &str, name: Option<&str>) -> Option<CandidateStatus> {
    let parsed = CodeReference::parse(reference).ok()?;
    let digest = parsed.digest().unwrap_or_default();
    let name = name.or(parsed.tag()).map_or_else(|| short_digest(digest).to_string(), str::to_owned);
    Some(CandidateStatus {
        name,
        reference: reference.to_owned(),
        repository: parsed.repository().to_owned(),
        tag: parsed.tag().map(str::to_owned),
        digest: digest.to_owned(),
        ..CandidateStatus::default()
    })
}
