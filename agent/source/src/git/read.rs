//! Reading of a commit: out of the cache, else from its server, which is asked for no more than what is missing.

use std::{path::Path, sync::Arc};

use gix::{ObjectId, Repository};

use super::{
    FileAtCommit, GitProblem, GitRemote, Revision,
    cache::Cache,
    fetch::{Part, Server},
    line::Line,
    local,
    tree::{self, CommitFacts},
    url::Place,
};

/// One file of a commit.
pub(super) fn file(
    remote: &GitRemote,
    revision: &Revision,
    path: &str,
    folder: &Path,
    line: &Arc<Line>,
) -> Result<FileAtCommit, GitProblem> {
    let parts = tree::parts(path)?;
    let commit = object_id(&revision.commit)?;
    if let Place::File(place) = remote.url.place() {
        let repository = local_commit(remote, place, commit)?;
        let blob = tree::find(&repository, commit, &parts)?.ok_or_else(incomplete)?;
        return tree::read(&repository, commit, blob, path);
    }
    in_cache(folder, remote, commit, line, |repository| {
        let mut server = None;
        let mut blob = tree::find(repository, commit, &parts)?;
        if blob.is_none() {
            server = Some(fetch(None, repository, commit, Part::Folders, remote, line)?);
            blob = tree::find(repository, commit, &parts)?;
        }
        let blob = blob.ok_or_else(incomplete)?;
        if !repository.has_object(blob) {
            server = Some(fetch(server, repository, blob, Part::File(path), remote, line)?);
        }
        server.into_iter().for_each(Server::leave);
        tree::read(repository, commit, blob, path)
    })
}

/// What a commit says of itself.
pub(super) fn facts(
    remote: &GitRemote,
    revision: &Revision,
    folder: &Path,
    line: &Arc<Line>,
) -> Result<CommitFacts, GitProblem> {
    with_commit(remote, revision, folder, line, tree::facts)
}

/// Looks into a repository that has the commit, and the annotated tag that led to it, if one did.
pub(super) fn with_commit<T>(
    remote: &GitRemote,
    revision: &Revision,
    folder: &Path,
    line: &Arc<Line>,
    look: impl FnOnce(&Repository, ObjectId) -> Result<T, GitProblem>,
) -> Result<T, GitProblem> {
    let commit = object_id(&revision.commit)?;
    if let Place::File(place) = remote.url.place() {
        return look(&local_commit(remote, place, commit)?, commit);
    }
    // An annotated tag brings its commit with it.
    let first = revision.tag_object.as_deref().map(object_id).transpose()?.unwrap_or(commit);
    in_cache(folder, remote, commit, line, |repository| {
        if !repository.has_object(first) || !repository.has_object(commit) {
            fetch(None, repository, first, Part::Commit, remote, line)?.leave();
        }
        look(repository, commit)
    })
}

/// A local repository, which has to have the commit.
fn local_commit(remote: &GitRemote, place: &Path, commit: ObjectId) -> Result<Repository, GitProblem> {
    let repository = local::open(remote, place)?;
    let is_there = repository.has_object(commit);
    is_there.then_some(repository).ok_or_else(|| GitProblem::CommitMissing(commit.to_string()))
}

/// The id of an object, as a server or a spec wrote it.
pub(super) fn object_id(text: &str) -> Result<ObjectId, GitProblem> {
    ObjectId::from_hex(text.as_bytes())
        .map_err(|_| GitProblem::Broken("the id of the commit is none".to_owned()))
}

/// Works in the cached repository of a remote; one that turns out to be damaged is thrown away.
fn in_cache<T>(
    folder: &Path,
    remote: &GitRemote,
    commit: ObjectId,
    line: &Arc<Line>,
    work: impl FnOnce(&Repository) -> Result<T, GitProblem>,
) -> Result<T, GitProblem> {
    let cache = Cache::lock(folder, remote, line)?;
    let done = cache.open(commit.kind()).and_then(|repository| work(&repository));
    if let Err(GitProblem::Broken(_)) = done {
        cache.discard()?;
    }
    done
}

/// Fetches over a line that is there already, or a new one. A server that does not give the part that it offers is
/// asked once more, for all of it.
fn fetch(
    server: Option<Server>,
    repository: &Repository,
    wanted: ObjectId,
    part: Part<'_>,
    remote: &GitRemote,
    line: &Arc<Line>,
) -> Result<Server, GitProblem> {
    let server = server.map_or_else(|| Server::greet(remote, line), Ok)?;
    let in_parts = server.gives_parts();
    let fetched = match server.fetch(repository, wanted, part, in_parts)? {
        None => Server::greet(remote, line)?.fetch(repository, wanted, part, false)?,
        fetched => fetched,
    };
    let is_there = |_: &Server| repository.has_object(wanted);
    fetched
        .filter(is_there)
        .ok_or_else(|| GitProblem::Broken("the server sent other objects than it was asked for".to_owned()))
}

fn incomplete() -> GitProblem {
    GitProblem::Broken("it has not all objects of the commit".to_owned())
}
