//! What is waited for, and whether a record of the CodeSync is about it. Pure.

use std::collections::BTreeSet;

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, DeployedStatus, Quarantined, ReleaseSummary},
};

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Whatever is the candidate, also if another one becomes it meanwhile.
    Present,
    /// A commit, or its first digits, in lower case.
    Commit(String),
    /// A digest.
    Digest(String),
    /// A tag of the image, or of the Git repository that names it; and the digest that it names, where only the registry
    /// knows that.
    Tag(String, Option<String>),
}

/// What a record says of the code that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    pub reference: String,
    tag: Option<String>,
    digest: Option<String>,
    commit: Option<String>,
    source_revision: Option<String>,
    /// The commit of the repository that named it.
    naming_commit: Option<String>,
}

impl Selector {
    /// Whether the record is about what is waited for. Nothing is known to be the present candidate by its facts.
    pub fn fits(&self, facts: &Facts) -> bool {
        let Facts { tag, digest, source_revision, .. } = facts;
        match self {
            Self::Present => false,
            Self::Commit(commit) => facts.commits().any(|known| known.starts_with(commit)),
            Self::Digest(wanted) => digest.as_ref() == Some(wanted),
            Self::Tag(wanted, names) => {
                let is_known = [tag, source_revision].into_iter().any(|known| known.as_ref() == Some(wanted));
                is_known || names.is_some() && digest == names
            }
        }
    }

    /// Whether the record is about what is waited for by nothing but its image, which another tag may name, too.
    pub fn fits_image_only(&self, facts: &Facts) -> bool {
        match self {
            Self::Present | Self::Commit(_) => false,
            Self::Digest(_) => self.fits(facts),
            Self::Tag(tag, _) => self.fits(facts) && !Self::Tag(tag.clone(), None).fits(facts),
        }
    }

    /// What to say where the first digits of a commit fit several of the commits that are known.
    pub fn ambiguity(&self, known: impl Iterator<Item = Facts>) -> Option<String> {
        let Self::Commit(wanted) = self else { return None };
        let commits = known.flat_map(|facts| facts.commits().collect::<Vec<_>>());
        let fitting: BTreeSet<String> = commits.filter(|commit| commit.starts_with(wanted)).collect();
        let fitting: Vec<String> = fitting.into_iter().collect();
        (fitting.len() > 1)
            .then(|| format!("{wanted} is the beginning of several commits: {}", fitting.join(", ")))
    }

    /// As people say it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Present => "the candidate".to_owned(),
            Self::Commit(commit) => format!("commit {commit}"),
            Self::Digest(digest) => format!("digest {digest}"),
            Self::Tag(tag, _) => format!("tag {tag}"),
        }
    }
}

impl Facts {
    /// All that is known of what a source names before it is a candidate: the tag or commit.
    pub fn of_source(revision: &str) -> Self {
        Self { name: revision.to_owned(), source_revision: Some(revision.to_owned()), ..Self::default() }
    }

    /// All that is known of code by its reference, and by its short name where there is one.
    pub fn of_reference(name: Option<&String>, reference: &str) -> Self {
        let parsed = CodeReference::parse(reference).ok();
        let part = |of: fn(&CodeReference) -> Option<&str>| parsed.as_ref().and_then(of).map(str::to_owned);
        let tag = part(CodeReference::tag).or_else(|| name.cloned());
        let short = || tag.clone().or_else(|| parsed.as_ref().map(CodeReference::short));
        Self {
            name: name.cloned().or_else(short).unwrap_or_else(|| reference.to_owned()),
            reference: reference.to_owned(),
            digest: part(CodeReference::digest),
            tag,
            ..Self::default()
        }
    }

    /// The commits that it names: of the code, and of the repository that names the image.
    pub fn commits(&self) -> impl Iterator<Item = String> {
        let known = self.commit.iter().chain(&self.source_revision).chain(&self.naming_commit);
        known
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(|it| it.to_ascii_lowercase())
    }

    /// Whether it is the code of this digest.
    pub fn has_digest(&self, digest: &str) -> bool {
        self.digest.as_deref() == Some(digest)
    }

    /// The tag by which the source orders its candidates.
    pub fn ordering_tag(&self, is_of_git: bool) -> Option<&str> {
        if is_of_git { self.source_revision.as_deref() } else { self.tag.as_deref() }
    }
}

impl From<&CandidateStatus> for Facts {
    fn from(candidate: &CandidateStatus) -> Self {
        let candidate = candidate.clone();
        let CandidateStatus { name, reference, tag, digest, commit, source_revision, named_by, .. } =
            candidate;
        let naming_commit = named_by.map(|named_by| named_by.commit);
        Self { name, reference, tag, digest: Some(digest), commit, source_revision, naming_commit }
    }
}

impl From<&DeployedStatus> for Facts {
    fn from(deployed: &DeployedStatus) -> Self {
        let DeployedStatus { name, reference, tag, digest, commit, .. } = deployed.clone();
        Self { name, reference, tag, digest, commit, ..Self::default() }
    }
}

impl From<&ReleaseSummary> for Facts {
    fn from(summary: &ReleaseSummary) -> Self {
        Self::of_reference(Some(&summary.name), &summary.reference)
    }
}

impl From<&Quarantined> for Facts {
    fn from(kept: &Quarantined) -> Self {
        let Quarantined { digest, name, .. } = kept.clone();
        Self { tag: Some(name.clone()), name, digest: Some(digest), ..Self::default() }
    }
}
