//! What looks found, and what follows from it for the next one.

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, GitObjects, VerifiedStatus},
    reference::short_digest,
};
use voxsync_promotion::{SourceProblem, Unverified, is_named_by};

use super::{
    reason::{
        BAD_CREDENTIALS, IMAGE_UNAVAILABLE, OF_AN_IMAGE, PLATFORM_MISSING, READING_BUILD_TIMES, UNAUTHORIZED,
    },
    want::Want,
};
use crate::look::awaits::Confirmed;

/// What looks found for one want.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Finding {
    /// The last image that was found and could be fetched.
    pub(crate) image: Option<Found>,
    /// The images that could be fetched of those that come after it, the best first, where they were asked for.
    pub(crate) next_best: Vec<Found>,
    /// The tag or commit that was seen.
    pub(crate) revision: Option<String>,
    /// How many tags the repository has.
    pub(crate) tag_count: Option<u32>,
    /// What was wrong with the last look.
    pub(crate) problem: Option<SourceProblem>,
    /// What of it is not verified, where it has to be.
    pub(crate) unverified: Vec<Unverified>,
    /// By what it was judged; none where that could not be read.
    pub(crate) judged_by: Option<JudgedBy>,
    /// What is promoted or pinned already, of all who ask this: its verdict, or why there is none. What the look found
    /// again is here only where it has none.
    pub(crate) kept: Vec<Result<CandidateStatus, Unverified>>,
    /// What the tags are that somebody waits for.
    pub(crate) confirmed: Vec<Confirmed>,
}

/// By what a look judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JudgedBy {
    /// By the keys of this name.
    Keys(String),
    /// There was nothing to judge by, and why.
    Nothing(String),
}

/// An image that can be fetched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Its name in tables.
    pub(crate) name: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: String,
    pub(crate) commit: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) source_revision: Option<String>,
    pub(crate) created: Option<Timestamp>,
    /// The objects of the Git repository that named it.
    pub(crate) named_by: Option<GitObjects>,
    /// Whether what named it has the digest in its text.
    pub(crate) names_digest: bool,
    /// Whose signatures were found good.
    pub(crate) verified: Option<VerifiedStatus>,
}

impl JudgedBy {
    /// What is said where there was nothing: nothing at all is verified then.
    pub(crate) fn problem(self) -> Option<Unverified> {
        let Self::Nothing(message) = self else { return None };
        Some(Unverified {
            what: None,
            reason: Unverified::REFUSED.to_owned(),
            message,
            repository: None,
            named_by: None,
            overrules: true,
        })
    }
}

impl Finding {
    /// A look that gave nothing new.
    pub(crate) fn problem(problem: SourceProblem) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// What is known after a look: what was known stays while looks fail.
    pub(crate) fn after(self, known: Option<&Self>) -> Self {
        let Some(known) = known else { return self };
        let next_best = if self.image.is_some() { self.next_best } else { known.next_best.clone() };
        let is_news = self.image.is_some() || !self.unverified.is_empty();
        // What was judged to be good since is doubted no more, although the source could not be asked.
        let is_open = |doubt: &&Unverified| !self.kept.iter().flatten().any(|good| doubt.is_about(good));
        let open = || known.unverified.iter().filter(is_open).cloned().collect();
        let unverified = if is_news { self.unverified } else { open() };
        let confirmed = if self.confirmed.is_empty() { known.confirmed.clone() } else { self.confirmed };
        Self {
            image: self.image.or_else(|| known.image.clone()),
            next_best,
            revision: self.revision.or_else(|| known.revision.clone()),
            tag_count: self.tag_count.or(known.tag_count),
            problem: self.problem,
            unverified,
            judged_by: self.judged_by.or_else(|| known.judged_by.clone()),
            kept: self.kept,
            confirmed,
        }
    }

    /// Whether a look found this image, named by the same.
    pub(crate) fn has(&self, candidate: &CandidateStatus) -> bool {
        self.image.iter().chain(&self.next_best).any(|found| found.is_of(candidate))
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.unreachable)
    }

    /// Whether a login is refused or cannot be used, of the source or of the image.
    pub(crate) fn is_of_login(&self) -> bool {
        let is_it =
            |problem: &SourceProblem| [UNAUTHORIZED, BAD_CREDENTIALS].contains(&problem.reason.as_str());
        self.problem.as_ref().is_some_and(is_it)
    }

    /// Whether the image that is named, or a signature, may be there at any time.
    pub(crate) fn is_missing(&self) -> bool {
        let is_it = |problem: &SourceProblem| {
            [IMAGE_UNAVAILABLE, PLATFORM_MISSING].contains(&problem.reason.as_str())
        };
        let lacks_signature = |unverified: &Unverified| unverified.reason == Unverified::MISSING;
        self.problem.as_ref().is_some_and(is_it) || self.doubts().any(lacks_signature)
    }

    /// What is not verified and wanted now: the best, or what is promoted or pinned. Older images may never be signed.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = &Unverified> {
        let is_best = |unverified: &&Unverified| match (&unverified.repository, &self.image) {
            (Some(_), Some(image)) => unverified.is_of(&image.repository, &image.digest),
            // Of the source itself, or of all that it names.
            _ => true,
        };
        let kept = self.kept.iter().filter_map(|kept| kept.as_ref().err());
        self.unverified.iter().filter(is_best).chain(kept)
    }

    /// Whether a look had to end before it was done.
    pub(crate) fn is_part(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.reason == READING_BUILD_TIMES)
    }

    /// Whether the next look may well find more, without anything new at the source: it failed, or the image that is
    /// named or its signature is not there yet.
    pub(crate) fn is_incomplete(&self, want: &Want) -> bool {
        let is_missing =
            |problem: &SourceProblem| *want == Want::Image || OF_AN_IMAGE.contains(&problem.reason.as_str());
        let has_no_keys = matches!(self.judged_by, Some(JudgedBy::Nothing(_)));
        let is_doubted = has_no_keys || self.doubts().next().is_some();
        self.is_failure() || is_doubted || self.problem.as_ref().is_some_and(is_missing)
    }
}

impl Found {
    /// One of which nothing else is known.
    #[cfg(test)]
    pub(crate) fn image(repository: &str, digest: &str) -> Self {
        Self {
            name: digest.to_owned(),
            repository: repository.to_owned(),
            tag: None,
            digest: digest.to_owned(),
            commit: None,
            author: None,
            source_revision: None,
            created: None,
            named_by: None,
            names_digest: false,
            verified: None,
        }
    }

    /// Whether a verdict on it is one on this candidate: it is the same image, whatever its tags, and the same named it.
    pub(crate) fn is_of(&self, candidate: &CandidateStatus) -> bool {
        self.repository == candidate.repository
            && self.digest == candidate.digest
            && is_named_by(candidate, self.named_by.as_ref())
    }

    /// As it is in a status; the reference is put into the wanted form by the promotion.
    pub(crate) fn candidate(&self) -> CandidateStatus {
        let digest = Some(self.digest.as_str());
        let reference = CodeReference::new(&self.repository, self.tag.as_deref(), digest);
        CandidateStatus {
            name: self.name.clone(),
            reference: reference.map(|reference| reference.to_string()).unwrap_or_default(),
            repository: self.repository.clone(),
            tag: self.tag.clone(),
            digest: self.digest.clone(),
            commit: self.commit.clone(),
            author: self.author.clone(),
            source_revision: self.source_revision.clone(),
            named_by: self.named_by.clone(),
            created: self.created.map(Into::into),
            first_seen: None,
            replaces: None,
            verified: self.verified.clone(),
        }
    }

    /// The short name of an image: its tag, or ten digits of its digest.
    pub(crate) fn short_name(tag: Option<&str>, digest: &str) -> String {
        tag.unwrap_or_else(|| short_digest(digest)).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::place::{UNREACHABLE, problem};

    fn image(digest: &str, commit: &str) -> CandidateStatus {
        let named_by = GitObjects { commit: commit.to_owned(), ..GitObjects::default() };
        CandidateStatus { named_by: Some(named_by), ..Found::image("a", digest).candidate() }
    }

    fn unsigned(digest: &str, named_by: Option<GitObjects>) -> Unverified {
        Unverified {
            what: Some(digest.to_owned()),
            repository: Some("a".to_owned()),
            named_by: named_by.map(Box::new),
            reason: Unverified::MISSING.to_owned(),
            message: String::new(),
            overrules: true,
        }
    }

    #[test]
    fn a_good_verdict_ends_an_older_doubt_although_the_source_cannot_be_asked() {
        let of_source = Unverified { repository: None, ..unsigned("a commit", None) };
        let known = Finding {
            image: Some(Found::image("a", "best")),
            unverified: vec![
                of_source.clone(),
                unsigned("best", None),
                unsigned("other", None),
                unsigned("best", image("best", "two").named_by),
            ],
            ..Finding::default()
        };
        let away = Finding { kept: vec![Ok(image("best", "one"))], ..away_from_all() };
        let after = away.after(Some(&known));
        let left = vec![of_source, unsigned("other", None), unsigned("best", image("best", "two").named_by)];
        assert_eq!(after.unverified, left);
        let doubted: Vec<Unverified> = after.doubts().cloned().collect();
        assert_eq!(doubted, [left[0].clone(), left[2].clone()], "what another commit named was not judged");
        let refused = Finding { kept: vec![Err(unsigned("best", None))], ..away_from_all() };
        assert_eq!(refused.after(Some(&known)).unverified, known.unverified);
    }

    #[test]
    fn a_doubt_of_the_same_look_stays() {
        let look = Finding {
            image: Some(Found::image("a", "best")),
            unverified: vec![unsigned("best", None)],
            kept: vec![Ok(image("best", "one"))],
            ..Finding::default()
        };
        assert_eq!(look.clone().after(Some(&look)), look);
    }

    fn away_from_all() -> Finding {
        Finding::problem(problem(UNREACHABLE, String::new(), true))
    }
}
