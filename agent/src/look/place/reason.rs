//! What is wrong with what was looked at: a word for programs, and a sentence.

use voxsync_promotion::SourceProblem;

/// The reason of a problem: what is named is no image that can be fetched, yet.
pub(crate) const IMAGE_UNAVAILABLE: &str = SourceProblem::IMAGE_UNAVAILABLE;
/// The reason of a problem: what is named is for other machines, until another image is pushed.
pub(crate) const PLATFORM_MISSING: &str = "PlatformMissing";
/// The reason of a problem: what is named is there, and cannot be an image.
pub(crate) const BROKEN_IMAGE: &str = "BrokenImage";
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
pub(super) const OF_AN_IMAGE: [&str; 7] = [
    IMAGE_UNAVAILABLE,
    PLATFORM_MISSING,
    BROKEN_IMAGE,
    UNAUTHORIZED,
    BAD_CREDENTIALS,
    UNREACHABLE,
    TOO_MANY_REQUESTS,
];
/// Reasons for which one tag cannot be had, and others of a list that was read can.
pub(crate) const OF_ONE_TAG: [&str; 2] = [UNREACHABLE, UNAUTHORIZED];
/// The reason of a problem: the next look goes on where this one had to end.
pub(crate) const READING_BUILD_TIMES: &str = SourceProblem::READING_BUILD_TIMES;

/// A problem whose reason is this; `unreachable` where what was asked could not answer.
pub(crate) fn problem(reason: &str, message: String, unreachable: bool) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable }
}

/// What is there cannot be used.
pub(crate) fn unusable(reason: &str, message: String) -> SourceProblem {
    problem(reason, message, false)
}
