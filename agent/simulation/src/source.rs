//! What there is to take: tags that were pushed, and what a look makes of them.
//!
//! A registry's tags are elected by its policy, and so are Git tags. A branch, a file and another CodeSync name one thing
//! at a time: the tag that was pushed last.

use hex::encode;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CodeSyncSpec, CodeSyncStatus},
    reference::short_digest,
};
use voxsync_policy::TagPolicy;
use voxsync_promotion::{ObservedSource, RIPENING_LIMIT, SourceProblem, awaited};

use crate::happening::Fault;

/// The repository where the spec names none.
const REPOSITORY: &str = "registry.example/puppet-code";
/// How long before the start what runs already was pushed.
const EARLIER: SignedDuration = SignedDuration::from_hours(24);

/// A tag of the repository, as it was pushed once.
#[derive(Clone, Debug)]
struct Image {
    tag: String,
    digest: String,
    pushed_at: Timestamp,
    fault: Option<Fault>,
    /// Another push, or somebody, took its tag away.
    is_gone: bool,
}

/// The places of images, and why there is none.
#[derive(Clone, Debug)]
struct Elected {
    best: Vec<usize>,
    problem: Option<SourceProblem>,
}

/// The source of a CodeSync.
#[derive(Debug)]
pub(crate) struct Source {
    repository: String,
    policy: Option<TagPolicy>,
    is_followed: bool,
    asks_age: bool,
    images: Vec<Image>,
    /// What the policy elects of them, the best first, as long as they are the same.
    elected: Option<Elected>,
    /// Until when it cannot be asked.
    silent_until: Option<Timestamp>,
    /// What the last look found.
    seen: ObservedSource,
}

impl Source {
    /// The source of a spec.
    ///
    /// # Errors
    /// Where its policy cannot be read.
    pub(crate) fn of(spec: &CodeSyncSpec) -> Result<Self, String> {
        let registry = spec.source.registry.as_ref();
        let git_tag = spec.source.git.as_ref().and_then(|git| git.revision.tag.as_ref());
        let policy = match (registry, git_tag) {
            (Some(registry), _) => Some(TagPolicy::of(registry)),
            (None, Some(tag)) => Some(TagPolicy::of_git(tag)),
            (None, None) => None,
        };
        let template = spec.source.git.as_ref().and_then(|git| git.image.as_deref());
        let built = template.and_then(|image| image.rsplit_once(':')).map(|(repository, _)| repository);
        let repository = registry.map(|registry| registry.repository.as_str()).or(built);
        let age = spec.minimum_age.as_ref().and_then(|age| age.to_duration().ok());
        Ok(Self {
            repository: repository.unwrap_or(REPOSITORY).to_owned(),
            policy: policy.transpose().map_err(|error| format!("source: {error}"))?,
            is_followed: registry.is_some_and(|registry| registry.tag.follow.is_some()),
            asks_age: age.is_some_and(|age| !age.is_zero()),
            images: Vec::new(),
            elected: None,
            silent_until: None,
            seen: ObservedSource::default(),
        })
    }

    /// A tag that was there before the start.
    pub(crate) fn has(&mut self, tag: &str, start: Timestamp) {
        self.push(tag, None, start.checked_sub(EARLIER).unwrap_or(start));
    }

    /// Whether it names one thing at a time.
    pub(crate) fn names_one(&self) -> bool {
        self.policy.is_none()
    }

    /// A tag is pushed; where it was there before it is another image now. What names one thing at a time names the same
    /// image again.
    pub(crate) fn push(&mut self, tag: &str, fault: Option<Fault>, now: Timestamp) {
        self.elected = None;
        let known = self.images.iter().position(|image| image.tag == tag).filter(|_| self.names_one());
        if let Some(place) = known {
            let image = self.images.remove(place);
            self.images.push(Image { fault, is_gone: false, ..image });
            return;
        }
        let earlier = self.images.iter().filter(|image| image.tag == tag).count();
        let digest = Sha256::digest(format!("{}:{tag}#{earlier}", self.repository));
        self.remove(tag);
        self.images.push(Image {
            tag: tag.to_owned(),
            digest: format!("sha256:{}", encode(digest)),
            pushed_at: now,
            fault,
            is_gone: false,
        });
    }

    /// A tag is taken away.
    pub(crate) fn remove(&mut self, tag: &str) {
        self.elected = None;
        self.images.iter_mut().filter(|image| image.tag == tag).for_each(|image| image.is_gone = true);
    }

    /// It cannot be asked until then.
    pub(crate) fn falls_silent(&mut self, until: Timestamp) {
        self.silent_until = self.silent_until.max(Some(until));
    }

    /// When it can be asked again.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.silent_until.filter(|until| *until > now)
    }

    fn image(&self, reference: &str) -> Option<&Image> {
        let parsed = CodeReference::parse(reference).ok()?;
        let is_it = |image: &&Image| match parsed.digest() {
            Some(digest) => image.digest == digest,
            None => parsed.tag() == Some(image.tag.as_str()) && !image.is_gone,
        };
        self.images.iter().rev().find(is_it)
    }

    /// Why a reference fails, if it does.
    pub(crate) fn fault(&self, reference: &str) -> Option<&Fault> {
        self.image(reference)?.fault.as_ref()
    }

    /// The tag of a reference, whatever its form.
    pub(crate) fn name_of(&self, reference: Option<&str>) -> String {
        let tag = |reference| self.image(reference).map(|image| image.tag.clone());
        reference.map_or_else(
            || "no code".to_owned(),
            |reference| tag(reference).unwrap_or_else(|| reference.to_owned()),
        )
    }

    /// The digest that a reference names now.
    pub(crate) fn digest_of(&self, reference: &str) -> Option<String> {
        self.image(reference).map(|image| image.digest.clone())
    }

    /// The tag that a digest was pushed as, if it still is that tag's newest push.
    pub(crate) fn name_of_push(&self, digest: &str) -> Option<String> {
        let pushed = self.images.iter().find(|image| image.digest == digest)?;
        let newest = self.images.iter().rev().find(|image| image.tag == pushed.tag)?;
        let is_newest = newest.digest == pushed.digest;
        Some(if is_newest { pushed.tag.clone() } else { format!("an earlier push of {}", pushed.tag) })
    }

    /// The newest image of a tag, as a person names it.
    pub(crate) fn named(&self, tag: &str) -> Option<CandidateStatus> {
        let image = self.images.iter().rev().find(|image| image.tag == tag)?;
        Some(CandidateStatus { source_revision: None, ..self.candidate(image) })
    }

    /// What a pin names.
    pub(crate) fn pinned(&self, reference: &str) -> Option<CandidateStatus> {
        self.image(reference).map(|image| CandidateStatus { source_revision: None, ..self.candidate(image) })
    }

    /// Whether a tag was ever pushed.
    pub(crate) fn knows(&self, tag: &str) -> bool {
        self.images.iter().any(|image| image.tag == tag)
    }

    fn candidate(&self, image: &Image) -> CandidateStatus {
        let Image { tag, digest, pushed_at, .. } = image;
        let orders_builds = self.policy.as_ref().is_some_and(TagPolicy::asks_build_time);
        CandidateStatus {
            // All candidates of a followed tag have the same one.
            name: if self.is_followed { short_digest(digest).to_owned() } else { tag.clone() },
            reference: format!("{}:{tag}@{digest}", self.repository),
            repository: self.repository.clone(),
            tag: Some(tag.clone()),
            digest: digest.clone(),
            source_revision: Some(tag.clone()),
            created: orders_builds.then(|| (*pushed_at).into()),
            ..CandidateStatus::default()
        }
    }

    /// What a look finds now.
    pub(crate) fn look(
        &mut self,
        spec: &CodeSyncSpec,
        status: &CodeSyncStatus,
        now: Timestamp,
    ) -> ObservedSource {
        if self.silent_until.is_some_and(|until| now < until) {
            let problem = SourceProblem {
                reason: SourceProblem::UNREACHABLE.to_owned(),
                message: format!("{} cannot be asked: the timeline says so", self.repository),
                unreachable: true,
            };
            return ObservedSource {
                problem: Some(problem),
                confirmed: Vec::new(),
                looked: true,
                ..self.seen.clone()
            };
        }
        let Elected { best, problem } = self.elected();
        let best = best.iter().filter_map(|place| self.images.get(*place));
        let mut candidates = best.clone().map(|image| self.candidate(image));
        let there = self.images.iter().filter(|image| !image.is_gone);
        let seen = ObservedSource {
            candidate: candidates.next(),
            next_best: candidates.collect(),
            confirmed: self.confirmed(spec, status, now),
            revision: best.clone().next().map(|image| image.tag.clone()),
            tag_count: u32::try_from(there.count()).ok(),
            problem,
            names_digest: false,
            looked: true,
        };
        self.seen = seen.clone();
        seen
    }

    /// What is elected now. Nothing but a push or a removal changes it.
    fn elected(&mut self) -> Elected {
        let elected = self.elected.take().unwrap_or_else(|| self.elect());
        self.elected = Some(elected.clone());
        elected
    }

    fn elect(&self) -> Elected {
        let there = || self.images.iter().enumerate().filter(|(_, image)| !image.is_gone);
        let place = |tag: &str| there().find(|(_, image)| image.tag == tag).map(|(place, _)| place);
        let Some(policy) = &self.policy else {
            return Elected {
                best: there().next_back().map(|(place, _)| place).into_iter().collect(),
                problem: None,
            };
        };
        let count = if self.asks_age { RIPENING_LIMIT } else { 1 };
        let built = |tag: &str| there().find(|(_, image)| image.tag == tag).map(|(_, image)| image.pushed_at);
        let election = policy.elect_best(there().map(|(_, image)| image.tag.as_str()), count, built);
        let chosen = election.chosen.iter().chain(&election.next_best);
        let best: Vec<usize> = chosen.filter_map(|chosen| place(&chosen.tag)).collect();
        let problem = best.is_empty().then(|| SourceProblem {
            reason: "NoMatch".to_owned(),
            message: format!("{}: {election}", self.repository),
            unreachable: false,
        });
        Elected { best, problem }
    }

    /// What tags are that are asked for once more, since they are old enough.
    fn confirmed(&self, spec: &CodeSyncSpec, status: &CodeSyncStatus, now: Timestamp) -> Vec<CodeReference> {
        let due =
            awaited(spec, status, true).into_iter().filter(|one| one.from.is_some_and(|from| from <= now));
        due.filter_map(|one| {
            let mut there = self.images.iter().filter(|image| !image.is_gone);
            let image = there.find(|image| one.reference.tag() == Some(image.tag.as_str()));
            let digest = image.map(|image| image.digest.as_str());
            CodeReference::new(one.reference.repository(), one.reference.tag(), digest).ok()
        })
        .collect()
    }
}
