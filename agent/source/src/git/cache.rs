//! Fetched commits: one bare repository a remote, in a folder that may be lost at any time.
//!
//! A lock file lets one fetch at a time into each; a repository that has grown too large or is damaged is thrown
//! away and fetched anew. No configuration of the user or machine is read, no hook is run, nothing is checked out.

use std::{
    fs::{self, File, TryLockError},
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use gix::{
    ObjectId, Repository,
    remote::{Direction, fetch::Shallow, fetch::Tags},
};
use sha2::{Digest as _, Sha256};

use super::{
    GitProblem, GitRemote, Revision,
    connect::{connect, of_protocol},
    error::clean,
    line::{Line, MIB},
    tree::broken,
};

/// The most bytes taken for one fetch.
pub(super) const MAX_FETCH_BYTES: u64 = 256 * MIB;
/// A cached repository larger than this is fetched anew.
const MAX_CACHE_BYTES: u64 = 512 * MIB;
/// The most memory for one object: larger ones make the repository unreadable here.
const MAX_OBJECT_BYTES: u64 = 256 * MIB;
/// How often a lock that somebody else holds is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);
/// Where the fetched reference is kept, whatever its name is on the server.
const FETCHED: &str = "refs/voxsync/fetched";

/// The cached repository of one remote, for as long as nobody else may use it.
pub(super) struct Cache {
    path: PathBuf,
    _lock: File,
}

/// How every repository is opened: nothing but its own files, and bounds on what it may cost.
pub(super) fn open_options() -> gix::open::Options {
    let limit = format!("gitoxide.objects.allocLimit={MAX_OBJECT_BYTES}");
    gix::open::Options::isolated().config_overrides([limit.as_str(), "pack.threads=1"])
}

impl Cache {
    /// Waits for the lock, up to the deadline of the line.
    pub(super) fn lock(folder: &Path, remote: &GitRemote, line: &Line) -> Result<Self, GitProblem> {
        let unusable = |error: io::Error| line.problem().unwrap_or_else(|| cache_problem(&error));
        fs::create_dir_all(folder).map_err(unusable)?;
        let name = BASE64.encode(Sha256::digest(remote.url.as_str()));
        let file = File::options().create(true).append(true).open(folder.join(format!("{name}.lock")));
        let lock = file.map_err(unusable)?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => line
                    .wait(async {
                        tokio::time::sleep(LOCK_INTERVAL).await;
                        Ok(())
                    })
                    .map_err(unusable)?,
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
        Ok(Self { path: folder.join(format!("{name}.git")), _lock: lock })
    }

    /// The repository, and a commit in it: the one that was seen if it is already there, else what the server has
    /// under that reference now.
    pub(super) fn commit(
        &self,
        remote: &GitRemote,
        revision: &Revision,
        line: &Arc<Line>,
    ) -> Result<(Repository, ObjectId), GitProblem> {
        let seen = ObjectId::from_hex(revision.commit.as_bytes())
            .map_err(|_| GitProblem::Broken("the id of the commit is none".to_owned()))?;
        let repository = self.open(seen.kind())?;
        if repository.has_object(seen) {
            return Ok((repository, seen));
        }
        let fetched = fetch(&repository, remote, &revision.reference, line)?;
        Ok((repository, fetched))
    }

    /// Throws the repository away: whatever is wrong with it, the next fetch begins with a sound one.
    pub(super) fn discard(&self) -> Result<(), GitProblem> {
        fs::remove_dir_all(&self.path).map_err(|error| cache_problem(&error))
    }

    fn open(&self, hash: gix::hash::Kind) -> Result<Repository, GitProblem> {
        if self.path.exists() {
            if size_bytes(&self.path).is_ok_and(|bytes| bytes <= MAX_CACHE_BYTES)
                && let Ok(repository) = gix::open_opts(&self.path, open_options())
            {
                return Ok(repository);
            }
            self.discard()?;
        }
        let create = gix::create::Options { object_hash: Some(hash), ..Default::default() };
        gix::ThreadSafeRepository::init_opts(&self.path, gix::create::Kind::Bare, create, open_options())
            .map(gix::ThreadSafeRepository::into)
            .map_err(|error| GitProblem::Cache(clean(&error.to_string())))
    }
}

/// Fetches the newest commit of one reference, and nothing of its history.
fn fetch(
    repository: &Repository,
    remote: &GitRemote,
    reference: &str,
    line: &Arc<Line>,
) -> Result<ObjectId, GitProblem> {
    let wanted = format!("+{reference}:{FETCHED}");
    let source = repository
        .remote_at(remote.url.as_str())
        .and_then(|source| {
            source.with_fetch_tags(Tags::None).with_refspecs([wanted.as_str()], Direction::Fetch)
        })
        .map_err(broken)?;
    let connected = connect(remote, line)?;
    let prepared = source
        .to_connection_with_transport(connected.transport)
        .with_credentials(|_| Ok(None))
        .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default());
    let prepared = match prepared {
        Ok(prepared) => prepared.with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN)),
        Err(error) => return Err(connected.end.problem().unwrap_or_else(|| of_protocol(&error))),
    };
    if let Err(error) = prepared.receive(gix::progress::Discard, &line.interrupt) {
        return Err(connected.end.problem().unwrap_or_else(|| broken(error)));
    }
    let mut fetched = repository.find_reference(FETCHED).map_err(broken)?;
    Ok(fetched.peel_to_commit().map_err(broken)?.id)
}

/// What the files of a folder take in all.
fn size_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            bytes += metadata.len();
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

fn cache_problem(error: &io::Error) -> GitProblem {
    GitProblem::Cache(clean(&error.to_string()))
}
