//! Judges one thing at a time, by the keys of one query. The verdicts are those of `voxsync-verify`; here the
//! signatures are fetched for them.

use jiff::Timestamp;
use voxsync_crds::code_sync::{CandidateStatus, GitObjects, VerifiedStatus};
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::{
    git::Revision,
    registry::{FoundSignature, Subject},
};
use voxsync_verify::{
    ImageSignature, Refusal, Signed, SignedRevision, SimpleSignature, judge_image, judge_revision,
};

use super::{
    keys::{Keys, NoKeys},
    origin::named_by,
    query::{CosignQuery, Judged, Kept, VerifyQuery},
};
use crate::look::{
    git_server::Source,
    memory::Memory,
    place::{Access, Place, UNREACHABLE, problem},
    tools::Tools,
};

/// Why something has no good verdict.
pub(super) enum NoVerdict {
    /// It could not be judged now: what was judged before stays so.
    Failed(SourceProblem),
    /// There is nothing to judge by, so nothing is verified any more.
    NothingToJudgeBy(String),
    /// There is nothing of it that could be judged; another finding may have been.
    NothingToJudge(&'static str),
    /// It was judged.
    Refused {
        refusal: Refusal,
        /// What named an image, where that is what is not good.
        named_by: Option<Box<GitObjects>>,
    },
}

/// Who judges what one look found.
pub(super) struct Judge<'l> {
    pub(super) tools: &'l Tools,
    pub(super) query: &'l VerifyQuery,
    pub(super) keys: &'l Keys,
    pub(super) place: &'l Place,
}

/// An image, and what named it.
pub(super) struct Image<'i> {
    pub(super) repository: &'i str,
    pub(super) digest: &'i str,
    pub(super) named_by: Option<&'i GitObjects>,
    /// Whether somebody waits for its signature: else a refusal is believed for a while.
    pub(super) is_wanted: bool,
}

impl Judge<'_> {
    /// Judges an image by all that is asked for.
    pub(super) async fn verdict(
        &self,
        memory: &mut Memory,
        image: &Image<'_>,
        access: &Access,
    ) -> Result<VerifiedStatus, NoVerdict> {
        let mut signed = Vec::new();
        if self.query.git.is_some() {
            signed.push(self.what_named(memory, image).await?);
        }
        if let Some(cosign) = &self.query.cosign {
            signed.push(self.image(memory, cosign, image, access).await?);
        }
        let until = signed.iter().filter_map(|signed| signed.until).min();
        Ok(VerifiedStatus {
            by: signed.into_iter().map(|signed| signed.by).collect(),
            rules: self.query.rules.clone(),
            keys: self.keys.name.clone(),
            until: until.map(Into::into),
        })
    }

    /// Judges what is promoted or pinned already.
    pub(super) async fn kept(
        &self,
        memory: &mut Memory,
        kept: &Kept,
        access: &Access,
    ) -> Result<CandidateStatus, NoVerdict> {
        let CandidateStatus { repository, digest, .. } = &kept.candidate;
        let named_by = named_by(self.tools, self.place, kept).await.map_err(NoVerdict::Failed)?;
        let image = Image { repository, digest, named_by: named_by.as_ref(), is_wanted: true };
        let verified = Some(self.verdict(memory, &image, access).await?);
        let (repository, digest) = (repository.clone(), digest.clone());
        Ok(CandidateStatus { repository, digest, named_by, verified, ..CandidateStatus::default() })
    }

    async fn what_named(&self, memory: &mut Memory, image: &Image<'_>) -> Result<Signed, NoVerdict> {
        let (Some(objects), Place::Git { url, access, .. }) = (image.named_by, self.place) else {
            return Err(NoVerdict::NothingToJudge(
                "it is not known which commit named it (it never was the candidate, or is known from an older voxsync, \
                 which did not keep the commit or tag), so verify.git has nothing to judge: pin what is the candidate \
                 already, or let a signed commit or tag name it",
            ));
        };
        let judged =
            self.revision(memory, &Source { tools: self.tools, url, access }, &revision(objects)).await;
        judged.map_err(|no_verdict| match no_verdict {
            NoVerdict::Refused { refusal, .. } => {
                NoVerdict::Refused { refusal, named_by: Some(Box::new(objects.clone())) }
            }
            other => other,
        })
    }

    /// Judges a commit, or the tag that led to it.
    pub(super) async fn revision(
        &self,
        memory: &mut Memory,
        source: &Source<'_>,
        revision: &Revision,
    ) -> Result<Signed, NoVerdict> {
        let objects = [Some(&revision.commit), revision.tag.as_ref(), revision.tag_object.as_ref()];
        let what = objects.map(|part| part.map_or("", String::as_str)).join(" ");
        let judged = self.judged(self.keys.git.as_ref().map(|material| material.hash), what);
        let now = Timestamp::now();
        if let Some(signed) = memory.verdict(&judged, now) {
            return Ok(signed);
        }
        let signers = self.keys.signers().map_err(NoVerdict::NothingToJudgeBy)?;
        let objects = Box::pin(source.signed(revision)).await.map_err(NoVerdict::Failed)?;
        let tag = revision.tag.as_deref().map(|name| (name, objects.tag.as_deref()));
        let signed = SignedRevision { id: &revision.commit, commit: &objects.commit, tag };
        let signed = judge_revision(signers, &signed, now).map_err(NoVerdict::from)?;
        memory.judged(judged, signed.clone());
        Ok(signed)
    }

    async fn image(
        &self,
        memory: &mut Memory,
        cosign: &CosignQuery,
        image: &Image<'_>,
        access: &Access,
    ) -> Result<Signed, NoVerdict> {
        let (repository, digest) = (image.repository, image.digest);
        let hash = self.keys.cosign.as_ref().map(|material| material.hash);
        let judged = self.judged(hash, format!("{repository}@{digest}"));
        if let Some(signed) = memory.verdict(&judged, Timestamp::now()) {
            return Ok(signed);
        }
        if let Some(refusal) = memory.refusal(&judged).filter(|_| !image.is_wanted) {
            return Err(refusal.into());
        }
        let rules = self.keys.image_rules(cosign).map_err(NoVerdict::NothingToJudgeBy)?;
        let question = self.tools.ask((repository, access), Subject::Names, |client| async move {
            client.signatures(digest).await
        });
        let found = Box::pin(question).await.map_err(NoVerdict::Failed)?;
        let damaged = found.iter().find_map(|signature| match signature {
            FoundSignature::Damaged(why) => Some(why.clone()),
            _ => None,
        });
        let signatures: Vec<ImageSignature> = found.into_iter().filter_map(signature).collect();
        let by = match (judge_image(rules, digest, &signatures), damaged) {
            (Ok(by), _) => by,
            // It may be the good one.
            (Err(_), Some(why)) => {
                let message = format!("cannot read the signatures of {repository}@{digest}: {why}");
                return Err(NoVerdict::Failed(problem(UNREACHABLE, message, true)));
            }
            (Err(refusal), None) => {
                memory.refused(judged, refusal.clone());
                return Err(refusal.into());
            }
        };
        // It was made while its certificate was good; and a key says nothing of time.
        let signed = Signed { by, until: None };
        memory.judged(judged, signed.clone());
        Ok(signed)
    }

    fn judged(&self, material: Option<[u8; 32]>, what: String) -> Judged {
        Judged { query: self.query.clone(), material: material.unwrap_or_default(), what }
    }
}

impl NoVerdict {
    /// What is said of something, and what is wrong with its source, if that is the reason.
    pub(super) fn of(self, what: &str, named: &str) -> (Unverified, Option<SourceProblem>) {
        let of_it = |why: &str| format!("{named}: {why}");
        let unverified = |reason: &str, message, overrules| Unverified {
            what: Some(what.to_owned()),
            repository: None,
            named_by: None,
            reason: reason.to_owned(),
            message,
            overrules,
        };
        match self {
            Self::Failed(problem) => {
                (unverified(&problem.reason, problem.message.clone(), false), Some(problem))
            }
            Self::NothingToJudgeBy(message) => (unverified(Unverified::REFUSED, message, true), None),
            Self::NothingToJudge(why) => (unverified(Unverified::REFUSED, of_it(why), false), None),
            Self::Refused { refusal, named_by } => {
                let is_missing = refusal == Refusal::Missing;
                let reason = if is_missing { Unverified::MISSING } else { Unverified::REFUSED };
                (Unverified { named_by, ..unverified(reason, of_it(&refusal.to_string()), true) }, None)
            }
        }
    }

    /// What is said of an image.
    pub(super) fn of_image(
        self,
        repository: &str,
        tag: Option<&str>,
        digest: &str,
    ) -> (Unverified, Option<SourceProblem>) {
        let named = tag.map_or_else(|| format!("{repository}@{digest}"), |tag| format!("{repository}:{tag}"));
        let (unverified, failure) = self.of(digest, &named);
        (Unverified { repository: Some(repository.to_owned()), ..unverified }, failure)
    }
}

impl From<Refusal> for NoVerdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, named_by: None }
    }
}

impl From<NoKeys> for NoVerdict {
    fn from(no_keys: NoKeys) -> Self {
        match no_keys {
            NoKeys::Unread(problem) => Self::Failed(problem),
            NoKeys::Nothing(why) => Self::NothingToJudgeBy(why),
        }
    }
}

/// The revision that these objects are of.
pub(super) fn revision(objects: &GitObjects) -> Revision {
    let GitObjects { commit, tag, tag_object } = objects.clone();
    let reference = tag.as_ref().map_or_else(|| commit.clone(), |tag| format!("refs/tags/{tag}"));
    Revision { commit, reference, tag, tag_object }
}

fn signature(found: FoundSignature) -> Option<ImageSignature> {
    Some(match found {
        FoundSignature::Simple { payload, annotations } => {
            ImageSignature::Simple(SimpleSignature { payload, annotations })
        }
        FoundSignature::Bundle(bundle) => ImageSignature::Bundle(bundle),
        FoundSignature::Unreadable(why) => ImageSignature::Unreadable(why),
        FoundSignature::Damaged(_) => return None,
    })
}
