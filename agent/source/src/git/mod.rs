//! Git repositories: which commit a branch or tag has now, and one file of that commit.
//!
//! A look ([`look`]) asks a server for names and moves no objects. A read ([`read_file`], [`read_commit`], [`read_signed`]) fetches one
//! commit without its history, of it what is needed, and only if it is not in the cache. Both end at the timeout of the [`GitRemote`], whatever the server
//! does, and take a bounded number of bytes. This module never writes to a repository of others, runs no hook,
//! follows no symlink, submodule or redirect, and reads no Git configuration of the user or machine.
//!
//! Reading order: `url`, `remote`, `image`, `error` (the values); `refs` (what a look decides); `line`, `client`, `http`, `ssh`, `github`,
//! `connect`, `fetch` (how bytes get here); `manners` (when not to ask); `cache`, `local`, `tree`, `read` (what is done with them).

mod cache;
mod client;
mod connect;
mod error;
mod fetch;
#[cfg(test)]
mod fuzz;
mod github;
mod http;
mod image;
mod line;
mod local;
mod manners;
mod private_key;
mod read;
mod refs;
mod remote;
mod signed;
mod ssh;
mod tree;
mod url;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, time::Instant};

pub use self::{
    error::{GitError, GitProblem},
    github::{AppProblem, GitHubApp, InstallationToken, token as github_token},
    image::{Follows, ImageTemplate, TemplateError},
    private_key::{PRIVATE_KEY_NAMES, has_passphrase},
    refs::{GitRef, Revision},
    remote::{GitLogin, GitRemote},
    signed::SignedObjects,
    tree::{CommitFacts, FileAtCommit, MAX_FILE_BYTES},
    url::{GitUrl, GitUrlError},
};
use self::{line::Line, url::Place};

/// How long after its deadline work on another thread may take to notice it.
const GRACE: Duration = Duration::from_secs(5);

/// Where the branch or the best tag is now: one request for names.
pub async fn look(remote: &GitRemote, reference: &GitRef) -> Result<Revision, GitError> {
    let reference = reference.clone();
    in_time(remote, refs::MAX_LOOK_BYTES, move |remote, line| match remote.url.place() {
        Place::File(path) => local::look(&local::open(remote, path)?, &reference),
        _ => refs::look(fetch::Server::greet(remote, line)?, &reference),
    })
    .await
}

/// One file of the commit that a look has found. `cache` is a folder for fetched objects; it is made if it is missing,
/// and everything in it may be deleted while nobody reads.
pub async fn read_file(
    remote: &GitRemote,
    revision: &Revision,
    path: &str,
    cache: &Path,
) -> Result<FileAtCommit, GitError> {
    let (revision, path, folder) = (revision.clone(), path.to_owned(), cache.to_owned());
    in_time(remote, cache::MAX_FETCH_BYTES, move |remote, line| {
        read::file(remote, &revision, &path, &folder, line)
    })
    .await
}

/// What the commit that a look has found says of itself.
pub async fn read_commit(
    remote: &GitRemote,
    revision: &Revision,
    cache: &Path,
) -> Result<CommitFacts, GitError> {
    let (revision, folder) = (revision.clone(), cache.to_owned());
    in_time(remote, cache::MAX_FETCH_BYTES, move |remote, line| read::facts(remote, &revision, &folder, line))
        .await
}

/// The raw commit that a look has found, and the annotated tag that led to it.
pub async fn read_signed(
    remote: &GitRemote,
    revision: &Revision,
    cache: &Path,
) -> Result<SignedObjects, GitError> {
    let (revision, folder) = (revision.clone(), cache.to_owned());
    in_time(remote, cache::MAX_FETCH_BYTES, move |remote, line| {
        read::with_commit(remote, &revision, &folder, line, |repository, commit| {
            signed::objects(repository, commit, &revision)
        })
    })
    .await
}

/// Runs blocking work on a thread for it, and sees to its end: by deadline, or because nobody waits any more.
async fn in_time<T: Send + 'static>(
    remote: &GitRemote,
    limit_bytes: u64,
    work: impl FnOnce(&GitRemote, &Arc<Line>) -> Result<T, GitProblem> + Send + 'static,
) -> Result<T, GitError> {
    let failed = |problem| GitError { url: remote.url.clone(), problem };
    let deadline = Instant::now() + remote.timeout;
    let interrupt = InterruptOnDrop(Arc::default());
    let (_caller, gone) = watch::channel(());
    let line = Line::new(Handle::current(), deadline, remote.timeout, interrupt.0.clone(), gone, limit_bytes);
    let owned = remote.clone();
    let mut task = tokio::task::spawn_blocking(move || work(&owned, &Arc::new(line)));
    let mut outcome = tokio::time::timeout_at(deadline, &mut task).await;
    if outcome.is_err() {
        interrupt.0.store(true, Ordering::Relaxed);
        outcome = tokio::time::timeout(GRACE, task).await;
    }
    match outcome {
        Err(_) => Err(failed(GitProblem::TimedOut(remote.timeout.as_secs()))),
        Ok(Ok(result)) => result.map_err(failed),
        // gix panicked on what it got. The words of a panic are for us, not for the user: they are in the log.
        Ok(Err(_)) => Err(failed(GitProblem::Broken("reading it failed unexpectedly".to_owned()))),
    }
}

/// Tells the work to stop when the one who waits for it is gone.
struct InterruptOnDrop(Arc<AtomicBool>);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
