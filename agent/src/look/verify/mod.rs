//! Whether what a look found is signed as a CodeSync wants it, and what is promoted or pinned already.
//!
//! A good verdict is remembered with a hash of what it was given by: an idle look reads no signatures, and a key that was
//! changed leads to another verdict. Whatever is not good is judged again at each look.
//!
//! Reading order: `query` (what is asked), `keys` (by what), `judge` (one verdict).

mod judge;
mod keys;
mod query;

use voxsync_crds::code_sync::CandidateStatus;
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::git::Revision;

pub(crate) use self::query::{Asked, Judged, Kept, VerifyQuery};
use self::{
    judge::{Image, Judge},
    keys::{Keyring, Keys, NoKeys},
};
use super::{
    git_server::Source,
    memory::Memory,
    place::{Access, Finding, JudgedBy, Place, Want},
    tools::Tools,
};

/// Judges what one look finds.
pub(crate) struct Verifier<'l> {
    tools: &'l Tools,
    place: &'l Place,
    keyring: Keyring,
}

impl<'l> Verifier<'l> {
    /// For what is asked of a place; reads the keys.
    pub(crate) async fn new(
        tools: &'l Tools,
        memory: &mut Memory,
        place: &'l Place,
        asked: &[Asked],
    ) -> Self {
        Self { tools, place, keyring: Keyring::read(tools, memory, asked).await }
    }

    /// Judges the commit or tag that a look found; gives the finding where it is not good.
    pub(crate) async fn revision(
        &self,
        memory: &mut Memory,
        query: Option<&VerifyQuery>,
        source: &Source<'_>,
        (revision, shown): (&Revision, String),
    ) -> Option<Finding> {
        let query = query.filter(|query| query.git.is_some())?;
        let verdict = match self.keyring.of(query) {
            Ok(keys) => self.judge(query, keys).revision(memory, source, revision).await,
            Err(no_keys) => Err(no_keys.into()),
        };
        let (unverified, failure) = verdict.err()?.of(&shown, &format!("Git {shown}"));
        let problem = Some(failure.unwrap_or_else(|| SourceProblem::from(&unverified)));
        let (revision, unverified) = (Some(shown), vec![unverified]);
        Some(Finding { revision, problem, unverified, ..Finding::default() })
    }

    /// Judges the images of a finding, and what is kept besides.
    pub(crate) async fn images(
        &self,
        memory: &mut Memory,
        (asked, kept): (&Asked, &[Kept]),
        mut finding: Finding,
    ) -> Finding {
        let Some(query) = &asked.verify else { return finding };
        let judge = self.keyring.of(query).map(|keys| self.judge(query, keys));
        finding.judged_by = match &judge {
            Ok(judge) => Some(JudgedBy::Keys(judge.keys.name.clone())),
            Err(NoKeys::Nothing(why)) => Some(JudgedBy::Nothing(why.clone())),
            Err(NoKeys::Unread(_)) => None,
        };
        let access = access_of(self.place, &asked.want);
        for found in finding.image.iter_mut().chain(&mut finding.next_best) {
            let Some(access) = access else { continue };
            let named_by = found.named_by.as_ref();
            let image = Image { repository: &found.repository, digest: &found.digest, named_by };
            let verdict = match &judge {
                Ok(judge) => judge.verdict(memory, &image, access).await,
                Err(no_keys) => Err(no_keys.clone().into()),
            };
            match verdict {
                Ok(verified) => found.verified = Some(verified),
                Err(no_verdict) => {
                    let named = image_named(&found.repository, found.tag.as_ref(), &found.digest);
                    let (unverified, failure) = no_verdict.of(&found.digest, &named);
                    finding.unverified.push(unverified);
                    finding.problem = finding.problem.or(failure);
                }
            }
        }
        if let Ok(judge) = &judge {
            for kept in kept.iter().filter(|kept| kept.asked == *asked) {
                if !finding.has(&kept.candidate) {
                    finding.kept.extend(self.kept(judge, memory, kept).await);
                }
            }
        }
        if judge.is_err() || !finding.unverified.is_empty() || finding.kept.iter().any(Result::is_err) {
            // Until it is good, each look judges by the Secrets as they are then.
            query.secrets().for_each(|secret| self.tools.secrets.forget(secret));
        }
        finding
    }

    /// Judges what is promoted or pinned already; none where it is of somewhere else.
    async fn kept(
        &self,
        judge: &Judge<'_>,
        memory: &mut Memory,
        kept: &Kept,
    ) -> Option<Result<CandidateStatus, Unverified>> {
        let CandidateStatus { repository, digest, tag, named_by, .. } = &kept.candidate;
        let access = kept.access(self.place)?;
        let image = Image { repository, digest, named_by: named_by.as_ref() };
        let verdict = judge.verdict(memory, &image, access).await;
        let verdict = verdict.map(|verified| CandidateStatus {
            repository: repository.clone(),
            digest: digest.clone(),
            verified: Some(verified),
            ..CandidateStatus::default()
        });
        let named = || image_named(repository, tag.as_ref(), digest);
        Some(verdict.map_err(|no_verdict| no_verdict.of(digest, &named()).0))
    }

    fn judge<'j>(&'j self, query: &'j VerifyQuery, keys: &'j Keys) -> Judge<'j> {
        Judge { tools: self.tools, query, keys, place: self.place }
    }
}

/// How to get at the signatures of an image: as at the image itself.
pub(super) fn access_of<'a>(place: &'a Place, want: &'a Want) -> Option<&'a Access> {
    match (place, want) {
        (_, Want::Named { image, .. } | Want::Built { image, .. }) => Some(image),
        (Place::Registry { access, .. } | Place::Image { access, .. }, _) => Some(access),
        (Place::Git { .. } | Place::File { .. }, _) => None,
    }
}

fn image_named(repository: &str, tag: Option<&String>, digest: &str) -> String {
    let tag = tag.map_or_else(|| format!("@{digest}"), |tag| format!(":{tag}"));
    format!("{repository}{tag}")
}

#[cfg(test)]
mod tests;
