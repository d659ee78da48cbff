//! Whether what a look found is signed as a CodeSync wants it, and what is promoted or pinned already.
//!
//! A verdict is remembered with a hash of what it was given by: an idle look reads no signatures, and a key that was
//! changed leads to another verdict. Whatever is wanted and not good is judged again at each look.
//!
//! Reading order: `query` (what is asked), `keys` (by what), `judge` (one verdict), `origin` (what named an image), `lapses`
//! (when a look is called for).

mod judge;
mod keys;
mod lapses;
mod origin;
mod query;

use std::collections::HashSet;

use voxsync_crds::code_sync::CandidateStatus;
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::git::Revision;

use self::{
    judge::{Image, Judge},
    keys::{Keyring, Keys, NoKeys},
};
pub(crate) use self::{
    lapses::Lapses,
    query::{Asked, Judged, Kept, VerifyQuery},
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
        let kept: Vec<&Kept> = kept.iter().filter(|kept| kept.asked == *asked).collect();
        let access = access_of(self.place, &asked.want);
        for (rank, found) in finding.image.iter_mut().chain(&mut finding.next_best).enumerate() {
            let Some(access) = access else { continue };
            let image = Image {
                repository: &found.repository,
                digest: &found.digest,
                named_by: found.named_by.as_ref(),
                is_wanted: rank == 0 || kept.iter().any(|kept| found.is_of(&kept.candidate)),
            };
            let verdict = match &judge {
                Ok(judge) => judge.verdict(memory, &image, access).await,
                Err(no_keys) => Err(no_keys.clone().into()),
            };
            match verdict {
                Ok(verified) => found.verified = Some(verified),
                Err(no_verdict) => {
                    let (unverified, failure) =
                        no_verdict.of_image(&found.repository, found.tag.as_deref(), &found.digest);
                    finding.unverified.push(unverified);
                    finding.problem = finding.problem.or(failure);
                }
            }
        }
        if let Ok(judge) = &judge {
            let mut done = HashSet::new();
            for kept in kept {
                let CandidateStatus { repository, digest, named_by, source_revision, .. } = &kept.candidate;
                let objects = named_by.as_ref().map(|it| (&it.commit, &it.tag, &it.tag_object));
                let named_by = objects.ok_or(source_revision);
                // Many may ask the same, and what they keep is judged once.
                if !done.insert((repository, digest, kept.access(self.place), named_by)) {
                    continue;
                }
                if finding.has(&kept.candidate) {
                    let of_kept = finding.unverified.iter().find(|it| it.is_of(repository, digest));
                    finding.kept.extend(of_kept.cloned().map(Err));
                } else {
                    finding.kept.extend(self.kept(judge, memory, kept).await);
                }
            }
            // Who asks comes in any order; the same finding is no news.
            finding.kept.sort_by_cached_key(|kept| format!("{kept:?}"));
            finding.kept.dedup();
        }
        if judge.is_err() || finding.doubts().next().is_some() {
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
        let CandidateStatus { repository, digest, tag, .. } = &kept.candidate;
        let judged = judge.kept(memory, kept, kept.access(self.place)?).await;
        Some(judged.map_err(|no_verdict| no_verdict.of_image(repository, tag.as_deref(), digest).0))
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

#[cfg(test)]
mod tests;
