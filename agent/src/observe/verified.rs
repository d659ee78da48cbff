//! What looks judged, as far as it is one CodeSync's own. Pure.
//!
//! Others may ask the same of the source, and keep something else; or the same image, that another commit named.

use voxsync_crds::{CodeSync, code_sync::CandidateStatus};
use voxsync_promotion::{SourceProblem, Unverified, is_named_by, is_same};

use super::{Sight, told};
use crate::look::{
    Cadence,
    place::{Finding, Found, JudgedBy},
};

/// What a look judged besides what it found.
type Kept = Result<CandidateStatus, Unverified>;

/// What names the keys that all is judged by: those of the last look at the source.
pub(super) fn keys(source: &Finding) -> Option<String> {
    match &source.judged_by {
        Some(JudgedBy::Keys(name)) => Some(name.clone()),
        Some(JudgedBy::Nothing(_)) | None => None,
    }
}

/// Of what was judged besides, what is this CodeSync's own.
pub(super) fn kept<'s>(code_sync: &CodeSync, sight: &Sight<'s>) -> Vec<&'s Kept> {
    let status = code_sync.status.as_ref();
    let wanted = status.and_then(|status| status.candidate.as_ref());
    let promoted = status.and_then(|status| status.promotion.as_ref()).map(|promotion| &promotion.candidate);
    let pinned = sight.pin.and_then(|pin| pin.image.as_ref()).map(Found::candidate);
    let own: Vec<&CandidateStatus> = wanted.into_iter().chain(promoted).chain(&pinned).collect();
    let is_own = |kept: &&Kept| {
        own.iter().any(|own| match kept {
            Ok(judged) => is_same(judged, own) && is_named_by(own, judged.named_by.as_ref()),
            Err(unverified) => unverified.is_about(own),
        })
    };
    sight.source.into_iter().flat_map(|source| &source.kept).filter(is_own).collect()
}

/// What of a finding is not verified; what is not signed yet says when it is looked for again.
pub(super) fn unverified(
    finding: Option<&Finding>,
    kept: &[&Kept],
    cadence: Option<&Cadence>,
) -> Vec<Unverified> {
    let Some(finding) = finding else { return Vec::new() };
    let all = finding.judged_by.clone().and_then(JudgedBy::problem);
    let kept = kept.iter().filter_map(|kept| kept.as_ref().err());
    let all = all.into_iter().chain(finding.unverified.iter().chain(kept).cloned());
    let told = all.map(|unverified| match unverified.reason.as_str() {
        Unverified::MISSING => {
            let SourceProblem { message, .. } = told(cadence, SourceProblem::from(&unverified));
            Unverified { message, ..unverified }
        }
        _ => unverified,
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use voxsync_crds::code_sync::{CodeSyncStatus, GitObjects};

    use super::*;

    fn objects(commit: &str) -> GitObjects {
        GitObjects { commit: commit.to_owned(), ..GitObjects::default() }
    }

    /// The one image, as this commit named it; none where that is not known.
    fn named_by(commit: Option<&str>) -> CandidateStatus {
        let (repository, digest) = ("a".to_owned(), "1".to_owned());
        CandidateStatus { repository, digest, named_by: commit.map(objects), ..CandidateStatus::default() }
    }

    fn refused(commit: Option<&str>) -> Unverified {
        Unverified {
            what: Some("1".to_owned()),
            repository: Some("a".to_owned()),
            named_by: commit.map(objects).map(Box::new),
            reason: Unverified::REFUSED.to_owned(),
            message: String::new(),
            overrules: true,
        }
    }

    /// Of what others keep, too: what a CodeSync with this candidate and this pin takes as its own.
    fn own(candidate: Option<CandidateStatus>, pin: Option<Found>) -> Vec<Kept> {
        let all = [None, Some("one"), Some("two")];
        let good = all.into_iter().map(|commit| Ok(named_by(commit)));
        let source = Finding {
            kept: good.chain(all.into_iter().map(|commit| Err(refused(commit)))).collect(),
            ..Finding::default()
        };
        let pin = Finding { image: pin, ..Finding::default() };
        let sight = Sight { source: Some(&source), pin: Some(&pin), ..Sight::default() };
        let spec = serde_json::from_value(serde_json::json!({"source": {}})).unwrap();
        let mut code_sync = CodeSync::new("mine", spec);
        code_sync.status = Some(CodeSyncStatus { candidate, ..CodeSyncStatus::default() });
        kept(&code_sync, &sight).into_iter().cloned().collect()
    }

    #[test]
    fn what_another_commit_named_is_judged_for_itself() {
        let of = |commits: &[Option<&str>]| -> Vec<Kept> {
            let good = commits.iter().map(|commit| Ok(named_by(*commit)));
            good.chain(commits.iter().map(|commit| Err(refused(*commit)))).collect()
        };
        assert_eq!(own(Some(named_by(Some("one"))), None), of(&[None, Some("one")]));
        // As an older voxsync kept it.
        let older = CandidateStatus { source_revision: Some("two".to_owned()), ..named_by(None) };
        assert_eq!(own(Some(older), None), of(&[None, Some("two")]));
        let pin = Found::image("a", "1");
        assert_eq!(own(None, Some(pin)), of(&[None, Some("one"), Some("two")]), "any commit may name a pin");
        assert_eq!(own(None, Some(Found::image("b", "1"))), of(&[]));
    }
}
