//! What is looked at, and what for: the values that say whether two looks are one.

use std::path::PathBuf;

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, GitObjects, GitTag, VerifiedStatus},
    reference::short_digest,
};
use voxsync_policy::{PolicyError, TagPolicy, TagRule};
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::{
    git::{GitUrl, ImageTemplate},
    registry::Platform,
};

use super::awaits::Confirmed;

/// The reason of a problem: what is named is no image that can be fetched, yet.
pub(crate) const IMAGE_UNAVAILABLE: &str = SourceProblem::IMAGE_UNAVAILABLE;
/// The reason of a problem: what is named is for other machines, until another image is pushed.
pub(crate) const PLATFORM_MISSING: &str = "PlatformMissing";
/// The reason of a problem: the login is refused.
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";
/// The reason of a problem: there is no such repository.
pub(crate) const NOT_FOUND: &str = "NotFound";
/// The reason of a problem: it could not be asked.
pub(crate) const UNREACHABLE: &str = SourceProblem::UNREACHABLE;
/// The reason of a problem: it was asked too often.
pub(crate) const TOO_MANY_REQUESTS: &str = SourceProblem::TOO_MANY_REQUESTS;
/// The reason of a problem: what is named there names no image.
pub(crate) const BAD_REFERENCE: &str = "BadReference";
/// The reason of a problem: the login cannot be used.
pub(crate) const BAD_CREDENTIALS: &str = "BadCredentials";
/// Reasons for which an image that is named may be there at the next look.
const OF_AN_IMAGE: [&str; 6] =
    [IMAGE_UNAVAILABLE, PLATFORM_MISSING, UNAUTHORIZED, BAD_CREDENTIALS, UNREACHABLE, TOO_MANY_REQUESTS];
/// The reason of a problem: the next look goes on where this one had to end.
pub(crate) const READING_BUILD_TIMES: &str = SourceProblem::READING_BUILD_TIMES;

/// The fields of a spec that say how to get in, as messages begin to quote them.
const FIELDS: [&str; 4] = ["secretRef", "certSecretRef", "certConfigMapRef", "insecure"];

/// A problem whose reason is this; `unreachable` where what was asked could not answer.
pub(crate) fn problem(reason: &str, message: String, unreachable: bool) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable }
}

/// What is there cannot be used.
pub(crate) fn unusable(reason: &str, message: String) -> SourceProblem {
    problem(reason, message, false)
}

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
    /// A branch, tags or a commit of a Git repository.
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
    /// How to get in, where that takes anything.
    pub(crate) fn access(&self) -> Option<&Access> {
        match self {
            Self::Registry { access, .. } | Self::Git { access, .. } | Self::Image { access, .. } => {
                Some(access)
            }
            Self::File { .. } => None,
        }
    }

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
    /// The best tag by this rule.
    Tag(GitTag),
    /// This commit.
    Commit(String),
}

/// How to get into a place, and what its images must be: names of Secrets, never what is in them.
#[expect(clippy::struct_excessive_bools, reason = "manners that have nothing to do with each other")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The namespace of the Secrets; none where none is named, so that anonymous looks of all namespaces are one.
    namespace: Option<String>,
    login: Option<String>,
    certificate: Option<String>,
    /// A ConfigMap with authorities.
    authorities: Option<String>,
    /// Which part of the spec says all this, where another part has fields of the same names.
    part: &'static str,
    /// Plain HTTP.
    pub(crate) insecure: bool,
    /// Whether a Secret that is missing, or has no login for the place, is as good as none. The kubelet takes an
    /// `imagePullSecret` so.
    pub(crate) lenient: bool,
    /// Whether the login must say itself for which host it is: who names the place is not who named the Secret.
    pub(crate) only_bound: bool,
    /// The platform that an image must have.
    pub(crate) platform: Option<Platform>,
    /// Whether it must be known when an image was made, even where only its configuration says that.
    pub(crate) dated: bool,
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
            ..Self::default()
        }
    }

    /// The same, with authorities of a ConfigMap besides those of the Secret.
    pub(crate) fn with_authorities(self, namespace: &str, config_map: Option<&str>) -> Self {
        let authorities = config_map.map(str::to_owned);
        let namespace = self.namespace.or(config_map.map(|_| namespace.to_owned()));
        Self { namespace, authorities, ..self }
    }

    /// The same, as this part of the spec says it.
    pub(crate) fn said_by(self, part: &'static str) -> Self {
        Self { part, ..self }
    }

    /// A message with the whole paths of the fields that it advises.
    pub(crate) fn with_paths(&self, message: &str) -> String {
        let part = self.part;
        FIELDS.iter().filter(|_| !part.is_empty()).fold(message.to_owned(), |message, field| {
            message.replace(&format!("`{field}"), &format!("`{part}.{field}"))
        })
    }

    /// The same, for images of which this is wanted.
    pub(crate) fn for_images(self, platform: Option<Platform>, dated: bool) -> Self {
        Self { platform, dated, ..self }
    }

    /// The same, whatever is wanted of the image, and whatever says so.
    pub(crate) fn of_any_image(&self) -> Self {
        self.clone().for_images(None, false).said_by("")
    }

    /// The same, for a place that is named elsewhere than the Secret.
    pub(crate) fn only_bound(self) -> Self {
        Self { only_bound: true, ..self }
    }

    /// The same, in plain HTTP or over TLS.
    pub(crate) fn in_plain_http(self, insecure: bool) -> Self {
        Self { insecure, ..self }
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

    /// The ConfigMap with authorities.
    pub(crate) fn authorities(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.authorities.as_deref()? })
    }
}

/// Names a Secret, or a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretName<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What one CodeSync wants of a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// The best tag of a repository by this rule.
    Best(TagQuery),
    /// The image that a tag of a repository is now.
    Follow(String),
    /// The image that a file names.
    Named {
        /// Which file and which field.
        field: FieldQuery,
        /// How to get to the image.
        image: Access,
    },
    /// The image that CI builds of a commit.
    Built {
        /// Which image.
        template: ImageTemplate,
        /// How to get to it.
        image: Access,
    },
    /// The image itself.
    Image,
}

/// Which tags are candidates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagQuery {
    pub(crate) rule: TagRule,
    pub(crate) matching: Option<String>,
    pub(crate) ignore: Vec<String>,
    /// How many of the best are wanted: more than one where they have to reach an age.
    pub(crate) count: usize,
}

impl TagQuery {
    pub(crate) fn policy(&self) -> Result<TagPolicy, PolicyError> {
        TagPolicy::new(self.rule.clone(), self.matching.as_deref(), &self.ignore)
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
    /// What is promoted or pinned already, where the look did not find it again: its verdict, or why there is none.
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
        Some(Unverified { what: None, reason: Unverified::REFUSED.to_owned(), message, overrules: true })
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
        let unverified = if is_news { self.unverified } else { known.unverified.clone() };
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

    /// Whether a look found this image.
    pub(crate) fn has(&self, candidate: &CandidateStatus) -> bool {
        let is_it =
            |found: &Found| found.repository == candidate.repository && found.digest == candidate.digest;
        self.image.iter().chain(&self.next_best).any(is_it)
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
        let kept = self.kept.iter().filter_map(|kept| kept.as_ref().err());
        let lacks_signature = |unverified: &Unverified| unverified.reason == Unverified::MISSING;
        self.problem.as_ref().is_some_and(is_it) || self.unverified.iter().chain(kept).any(lacks_signature)
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
        let is_doubted = has_no_keys || !self.unverified.is_empty() || self.kept.iter().any(Result::is_err);
        self.is_failure() || is_doubted || self.problem.as_ref().is_some_and(is_missing)
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
