//! Which commit named an image that is kept, also where the status of an older voxsync does not say so.
//!
//! What such a status says of its source is believed only where that very commit names that very image: nothing is judged
//! but what a look would have judged. A tag of Git may have been moved since, so what one named is not found again.

use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, GitObjects},
    commit::is_commit_id,
};
use voxsync_promotion::SourceProblem;

use super::{
    judge::revision,
    query::{Asked, Kept},
};
use crate::look::{
    git_server::Source,
    place::{GitFollow, Place, Want},
    tools::Tools,
};

/// The objects of the Git repository that named what is kept; none where that is not known, or nobody asks for it.
pub(super) async fn named_by(
    tools: &Tools,
    place: &Place,
    kept: &Kept,
) -> Result<Option<GitObjects>, SourceProblem> {
    let Kept { asked: Asked { want, verify }, candidate, .. } = kept;
    let is_asked = verify.as_ref().is_some_and(|query| query.git.is_some());
    if candidate.named_by.is_some() || !is_asked {
        return Ok(candidate.named_by.clone());
    }
    let Place::Git { url, follow: GitFollow::Branch(_) | GitFollow::Commit(_), access } = place else {
        return Ok(None);
    };
    let Some(commit) = candidate.source_revision.as_ref().filter(|commit| is_commit_id(commit)) else {
        return Ok(None);
    };
    let objects = GitObjects { commit: commit.clone(), ..GitObjects::default() };
    let at = revision(&objects);
    let named = match want {
        Want::Named { field, .. } => {
            let read = Box::pin(Source { tools, url, access }.read(&at, field)).await?;
            read.ok().map(|named| named.reference)
        }
        Want::Built { template, .. } => template.image(&at).ok(),
        _ => None,
    };
    Ok(named.filter(|reference| is_of(reference, candidate)).map(|_| objects))
}

/// Whether a reference is what the image was resolved from.
fn is_of(reference: &CodeReference, candidate: &CandidateStatus) -> bool {
    let is_resolved = match reference.digest() {
        Some(digest) => digest == candidate.digest,
        None => reference.tag() == candidate.tag.as_deref(),
    };
    is_resolved && reference.repository() == candidate.repository
}
