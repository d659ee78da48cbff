//! A repository in the same file system (`file://`), read in place: no server, no program, no copy.
//!
//! Only below the folder that the operator of voxsync named: a CodeSync must not read the files of the process.

use std::path::Path;

use gix::{Repository, bstr::ByteSlice as _};

use super::{
    GitProblem, GitRef, GitRemote, Revision,
    cache::open_options,
    error::clean,
    read::object_id,
    refs::{self, Advertised, MAX_REFERENCES},
    tree::broken,
};
use crate::file::{FileProblem, resolve};

const OUTSIDE: GitProblem = GitProblem::FileRefused("the repository is not below the folder for file URLs");

/// Opens the repository at a path below the root.
pub(super) fn open(remote: &GitRemote, path: &Path) -> Result<Repository, GitProblem> {
    let Some(root) = &remote.file_root else {
        return Err(GitProblem::FileRefused("file URLs are off: no folder for them is set"));
    };
    let path = resolve(root, path).map_err(|problem| match problem {
        FileProblem::Outside(_) => OUTSIDE,
        other => GitProblem::RepositoryMissing(other.to_string()),
    })?;
    let repository = gix::open_opts(path, open_options())
        .map_err(|error| GitProblem::RepositoryMissing(clean(&error.to_string())))?;
    // A repository can name other folders as its own: a `.git` file, a worktree, alternates.
    let alternates = repository.objects.store_ref().alternate_db_paths().map_err(broken)?;
    let places = [repository.git_dir(), repository.common_dir()].into_iter().map(Path::to_owned);
    for place in places.chain(alternates) {
        resolve(root, &place).map_err(|_| OUTSIDE)?;
    }
    Ok(repository)
}

/// The same look as at a server.
pub(super) fn look(repository: &Repository, wanted: &GitRef) -> Result<Revision, GitProblem> {
    let Some(prefix) = refs::prefix(wanted)? else { return refs::choose(Vec::new(), wanted) };
    let folder = if prefix.starts_with(refs::TAGS) { refs::TAGS } else { refs::BRANCHES };
    let platform = repository.references().map_err(broken)?;
    let mut found = Vec::new();
    for reference in platform.prefixed(folder).map_err(broken)? {
        // One broken reference says nothing about the others.
        let Ok(reference) = reference else { continue };
        let Ok(name) = reference.name().as_bstr().to_str().map(str::to_owned) else { continue };
        if found.len() >= MAX_REFERENCES {
            return Err(GitProblem::TooManyReferences(MAX_REFERENCES));
        }
        if let Some(id) = reference.try_id() {
            found.push(Advertised { name, object: id.to_string(), tag_object: None });
        }
    }
    let chosen = refs::choose(found, wanted)?;
    let object = repository.find_object(object_id(&chosen.commit)?).map_err(broken)?;
    let commit = object.peel_tags_to_end().map_err(broken)?.id.to_string();
    let tag_object = (commit != chosen.commit).then_some(chosen.commit);
    Ok(Revision { commit, tag_object, ..chosen })
}
