//! The raw commit and annotated tag of a revision, for whoever judges their signatures.

use gix::{ObjectId, Repository, objs::Kind};

use super::{GitProblem, Revision, read::object_id, tree::broken};

/// The largest commit or tag.
const MAX_OBJECT_BYTES: u64 = 1 << 20;

/// The objects of a revision as they are in the repository, each with the id that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedObjects {
    /// The commit.
    pub commit: Vec<u8>,
    /// The annotated tag, if one led to the commit.
    pub tag: Option<Vec<u8>>,
}

/// Reads them.
pub(super) fn objects(
    repository: &Repository,
    commit: ObjectId,
    revision: &Revision,
) -> Result<SignedObjects, GitProblem> {
    let tag = revision.tag_object.as_deref().map(|tag| raw(repository, object_id(tag)?, Kind::Tag));
    Ok(SignedObjects { commit: raw(repository, commit, Kind::Commit)?, tag: tag.transpose()? })
}

/// An object, hashed anew: what is judged must be what the id stands for, wherever it came from.
fn raw(repository: &Repository, id: ObjectId, kind: Kind) -> Result<Vec<u8>, GitProblem> {
    let header = repository.find_header(id).map_err(broken)?;
    if header.kind() != kind || header.size() > MAX_OBJECT_BYTES {
        return Err(GitProblem::Broken(format!("{id} is no {kind} of a sound size")));
    }
    let data = repository.find_object(id).map_err(broken)?.detach().data;
    let actual = gix::objs::compute_hash(id.kind(), kind, &data).map_err(|_| not_it(id))?;
    if actual == id { Ok(data) } else { Err(not_it(id)) }
}

fn not_it(id: ObjectId) -> GitProblem {
    GitProblem::Broken(format!("what is stored as {id} is something else"))
}
