//! What is looked at, and what for: the values that say whether two looks are one.

use std::path::PathBuf;

use jiff::Timestamp;
use voxsync_crds::{CodeReference, code_sync::CandidateStatus, reference::short_digest};
use voxsync_policy::{PolicyError, TagPolicy, TagRule};
use voxsync_promotion::SourceProblem;
use voxsync_source::git::GitUrl;

/// The reason of a problem: what is named is no image that can be fetched, yet.
pub(crate) const IMAGE_UNAVAILABLE: &str = "ImageUnavailable";

/// One place that is looked at. Equal places are looked at once, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A repository of a registry.
    Registry {
        /// Host and path, as written.
        repository: String,
        /// How to get in.
        access: Access,
    },
    /// A branch or tags of a Git repository.
    Git {
        /// Where it is.
        url: GitUrl,
        /// What is followed.
        follow: GitFollow,
        /// How to get in.
        access: Access,
    },
    /// A file on this machine.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// An image that a person named.
    Image {
        /// The reference.
        reference: CodeReference,
        /// How to get in.
        access: Access,
    },
}

impl Place {
    /// What kind of place it is, for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "registry",
            Self::Git { .. } => "git",
            Self::File { .. } => "file",
            Self::Image { .. } => "image",
        }
    }
}

/// What is followed in a Git repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GitFollow {
    /// A branch.
    Branch(String),
    /// The highest tag in this range.
    Tag(String),
}

/// How to get into a place: names of Secrets, never what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The namespace of the Secrets; none where none is named, so that anonymous looks of all namespaces are one.
    namespace: Option<String>,
    login: Option<String>,
    certificate: Option<String>,
    /// Plain HTTP.
    pub(crate) insecure: bool,
    /// Whether a Secret that is missing, or has no login for the place, is as good as none. The kubelet takes an
    /// `imagePullSecret` so.
    pub(crate) lenient: bool,
    /// Whether the login must say itself for which host it is: who names the place is not who named the Secret.
    pub(crate) only_bound: bool,
}

impl Access {
    /// Access by Secrets of a namespace.
    pub(crate) fn new(
        namespace: &str,
        login: Option<&str>,
        certificate: Option<&str>,
        insecure: bool,
    ) -> Self {
        Self {
            namespace: login.or(certificate).map(|_| namespace.to_owned()),
            login: login.map(str::to_owned),
            certificate: certificate.map(str::to_owned),
            insecure,
            lenient: false,
            only_bound: false,
        }
    }

    /// The same, for a place that is named elsewhere than the Secret.
    pub(crate) fn only_bound(self) -> Self {
        Self { only_bound: true, ..self }
    }

    /// Access as the kubelet has it.
    pub(crate) fn of_pull_secret(namespace: &str, secret: Option<&str>) -> Self {
        Self { lenient: true, ..Self::new(namespace, secret, None, false) }
    }

    /// The Secret with the login.
    pub(crate) fn login(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.login.as_deref()? })
    }

    /// The Secret with certificates.
    pub(crate) fn certificate(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.certificate.as_deref()? })
    }
}

/// Names a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretName<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What one CodeSync wants of a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// The highest tag of a repository by this rule.
    Highest(TagQuery),
    /// The image that a tag of a repository is now.
    Follow(String),
    /// The image that a file names.
    Named {
        /// Which file and which field.
        field: FieldQuery,
        /// How to get to the image.
        image: Access,
    },
    /// The image itself.
    Image,
}

/// Which tags are candidates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagQuery {
    pub(crate) semver: String,
    pub(crate) matching: Option<String>,
    pub(crate) ignore: Vec<String>,
}

impl TagQuery {
    pub(crate) fn policy(&self) -> Result<TagPolicy, PolicyError> {
        TagPolicy::new(TagRule::semver(&self.semver)?, self.matching.as_deref(), &self.ignore)
    }
}

/// Where in a repository or file the reference is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FieldQuery {
    /// The path in a Git repository; empty for files of this machine, whose path is the place.
    pub(crate) path: String,
    pub(crate) field: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
}

/// What looks found for one want.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Finding {
    /// The last image that was found and could be fetched.
    pub(crate) image: Option<Found>,
    /// The tag or commit that was seen.
    pub(crate) revision: Option<String>,
    /// How many tags the repository has.
    pub(crate) tag_count: Option<u32>,
    /// What was wrong with the last look.
    pub(crate) problem: Option<SourceProblem>,
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
    /// Whether what named it has the digest in its text.
    pub(crate) names_digest: bool,
}

impl Finding {
    /// A look that gave nothing new.
    pub(crate) fn problem(problem: SourceProblem) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// What is known after a look: what was known stays while looks fail.
    pub(crate) fn after(self, known: Option<&Self>) -> Self {
        let Some(known) = known else { return self };
        Self {
            image: self.image.or_else(|| known.image.clone()),
            revision: self.revision.or_else(|| known.revision.clone()),
            tag_count: self.tag_count.or(known.tag_count),
            problem: self.problem,
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.unreachable)
    }

    /// Whether the next look may well find more, without anything new at the source: it failed, or the image that is
    /// named is not there yet.
    pub(crate) fn is_incomplete(&self, want: &Want) -> bool {
        let is_missing =
            |problem: &SourceProblem| *want == Want::Image || problem.reason == IMAGE_UNAVAILABLE;
        self.is_failure() || self.problem.as_ref().is_some_and(is_missing)
    }
}

impl Found {
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
            created: self.created.map(Into::into),
            first_seen: None,
        }
    }

    /// The short name of an image: its tag, or ten digits of its digest.
    pub(crate) fn short_name(tag: Option<&str>, digest: &str) -> String {
        tag.unwrap_or_else(|| short_digest(digest)).to_owned()
    }
}
