//! The last look at the source: what it named, and why something of that is nothing to take.

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, GitObjects},
};

use crate::candidate::is_named_by;

/// How many candidates wait for their age: the most that the status has, and the best that a look hands over.
pub const RIPENING_LIMIT: usize = 20;

/// The last look at the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedSource {
    /// The elected candidate, resolved and fetchable; what was known stays while looks fail.
    pub candidate: Option<CandidateStatus>,
    /// Those that come after it by the policy, the best first: resolved and fetchable, the best [`RIPENING_LIMIT`]
    /// in all and those of [`awaited`](crate::awaited()) that still fit.
    /// None where the CodeSync asks for no age, or the source names one at a time.
    pub next_best: Vec<CandidateStatus>,
    /// What tags are that were asked for again since [`Awaited::from`](crate::Awaited::from): each with the digest that it has now.
    pub confirmed: Vec<CodeReference>,
    /// The tag or commit that was seen.
    pub revision: Option<String>,
    /// How many tags the repository has.
    pub tag_count: Option<u32>,
    /// Why the last look failed, or why what it found is no candidate.
    pub problem: Option<SourceProblem>,
    /// Whether the source itself names the digest (a reference file that has one): then a person chose it, and a
    /// tag that points elsewhere than before is no accident.
    pub names_digest: bool,
    /// Whether there was a look at all since the process started.
    pub looked: bool,
}

/// Why a look gave nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProblem {
    /// A word for programs: `Unreachable`, `Unauthorized`, `NotFound`, `NoMatch`, `BadReference`, `ImageUnavailable`, ….
    pub reason: String,
    /// What was tried, on what, why it failed, what to do.
    pub message: String,
    /// Whether the source itself could not be asked (then its age is counted), or it answered something unusable.
    pub unreachable: bool,
}

/// Reasons of problems that end without anybody who does something: an outage, or what is on its way.
const PASSING_REASONS: [&str; 6] = [
    SourceProblem::UNREACHABLE,
    SourceProblem::TOO_MANY_REQUESTS,
    SourceProblem::IMAGE_UNAVAILABLE,
    SourceProblem::NOTHING_RELEASED,
    SourceProblem::READING_BUILD_TIMES,
    Unverified::MISSING,
];

impl SourceProblem {
    /// It could not be asked.
    pub const UNREACHABLE: &str = "Unreachable";
    /// It was asked too often.
    pub const TOO_MANY_REQUESTS: &str = "TooManyRequests";
    /// The next look goes on where this one had to end.
    pub const READING_BUILD_TIMES: &str = "ReadingBuildTimes";
    /// The source answered, and the image that it names is not there yet.
    pub const IMAGE_UNAVAILABLE: &str = "ImageUnavailable";

    /// The CodeSync that is followed has released nothing yet.
    pub const NOTHING_RELEASED: &str = "NothingReleased";

    /// Whether somebody has to do something; the others end by themselves.
    pub(crate) fn needs_somebody(&self) -> bool {
        !PASSING_REASONS.contains(&self.reason.as_str())
    }
}

/// Something that a look found and that is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The digest of an image, or the tag or commit of a source; none where it is all of them.
    pub what: Option<String>,
    /// Where that image is: a copy of it elsewhere has signatures of its own.
    pub repository: Option<String>,
    /// What named that image, where that is what is not good: a verdict on something else that named it stands.
    pub named_by: Option<Box<GitObjects>>,
    /// A word for programs: [`Unverified::MISSING`], [`Unverified::REFUSED`], or why it could not be judged.
    pub reason: String,
    /// What was judged, why it is not good, what to do.
    pub message: String,
    /// Whether a good verdict that was given before counts no more.
    pub overrules: bool,
}

impl Unverified {
    /// There is no signature yet.
    pub const MISSING: &str = "SignatureMissing";
    /// It is not good, or there is nothing to judge it by.
    pub const REFUSED: &str = "NotVerified";

    /// Whether it is of this image.
    pub fn is_of(&self, repository: &str, digest: &str) -> bool {
        self.repository.as_deref() == Some(repository) && self.what.as_deref() == Some(digest)
    }

    /// Whether it is of the image of this candidate, and of what named that.
    pub fn is_about(&self, candidate: &CandidateStatus) -> bool {
        self.is_of(&candidate.repository, &candidate.digest)
            && is_named_by(candidate, self.named_by.as_deref())
    }

    /// Whether it takes a verdict away: what that stands on is not known to be something else.
    pub(crate) fn strikes(&self, judged: &CandidateStatus) -> bool {
        self.overrules
            && self.named_by.as_deref().zip(judged.named_by.as_ref()).is_none_or(|(bad, it)| bad == it)
    }
}

/// The source answered, and what it named is not to be taken.
impl From<&Unverified> for SourceProblem {
    fn from(unverified: &Unverified) -> Self {
        let Unverified { reason, message, .. } = unverified.clone();
        Self { reason, message, unreachable: false }
    }
}

/// Why a named image is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageProblem {
    /// A word for programs.
    pub reason: String,
    /// What was tried, on what, why it failed, what to do.
    pub message: String,
}
