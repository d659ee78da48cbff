//! Fetched objects: one bare repository a remote, in a folder that may be lost at any time.
//!
//! A lock file lets one fetch at a time into each; a repository that has grown too large or is damaged is thrown
//! away and fetched anew, and so are those that were used longest ago where there are too many, or too much in all. No
//! configuration of the user or machine is read, no hook is run, nothing is checked out.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use gix::Repository;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    GitProblem, GitRemote,
    error::clean,
    line::{Line, MIB},
};

/// The most bytes taken for one fetch.
pub(super) const MAX_FETCH_BYTES: u64 = 256 * MIB;
/// The most memory for one object: larger ones make the repository unreadable here. Several are in memory at once where
/// some are kept as differences to others.
pub(super) const MAX_OBJECT_BYTES: u64 = 32 * MIB;
/// A cached repository larger than this is fetched anew.
const MAX_CACHE_BYTES: u64 = 512 * MIB;
/// One of more files than this, too: each fetch leaves a pack and its index.
const MAX_CACHE_FILES: usize = 1000;
/// How many repositories are kept.
const MAX_REPOSITORIES: usize = 256;
/// How large they may be in all, before a fetch: half of the volume that the manifests give them.
const MAX_CACHE_BYTES_IN_ALL: u64 = 1024 * MIB;
/// How often a lock that somebody else holds is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);
/// The longest text of a size.
const MAX_SIZE_BYTES: u64 = 20;
/// How the names of repositories and of their locks end.
const REPOSITORY: &str = "git";
const LOCK: &str = "lock";

/// The cached repository of one remote, for as long as nobody else may use it.
///
/// Its lock holds how large it was when it was used last, so that nobody else has to look. There is nothing in it while
/// the repository is used, nor after somebody died over it.
pub(super) struct Cache {
    path: PathBuf,
    lock: File,
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Without it the size is unknown, and measured where it is needed.
        if let Ok((bytes, _)) = size(&self.path) {
            let _ = self.lock.write_all(bytes.to_string().as_bytes());
        }
    }
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
        let path = folder.join(BASE64.encode(Sha256::digest(remote.url.as_str()))).with_extension(REPOSITORY);
        loop {
            if let Some(lock) = try_lock(&path.with_extension(LOCK)).map_err(unusable)? {
                lock.set_len(0).and_then(|()| mark_used(&lock)).map_err(unusable)?;
                let others = MAX_REPOSITORIES - usize::from(!path.exists());
                make_room(folder, others, MAX_CACHE_BYTES_IN_ALL).map_err(unusable)?;
                return Ok(Self { path, lock });
            }
            let pause = async {
                tokio::time::sleep(LOCK_INTERVAL).await;
                Ok(())
            };
            line.wait(pause).map_err(unusable)?;
        }
    }

    /// The repository, made if it is not there, or not fit.
    pub(super) fn open(&self, hash: gix::hash::Kind) -> Result<Repository, GitProblem> {
        if self.path.exists() {
            if is_small(&self.path)
                && let Ok(repository) = gix::open_opts(&self.path, open_options())
                && repository.object_hash() == hash
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

    /// Throws the repository away: whatever is wrong with it, the next fetch begins with a sound one.
    pub(super) fn discard(&self) -> Result<(), GitProblem> {
        fs::remove_dir_all(&self.path).map_err(|error| cache_problem(&error))
    }
}

/// Takes the lock of this name, unless somebody has it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let lock = File::options().create(true).append(true).open(path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Who made room may have removed the file between the two: then this is a lock of nothing.
    let is_there =
        fs::metadata(path).is_ok_and(|there| lock.metadata().is_ok_and(|one| one.ino() == there.ino()));
    Ok(is_there.then_some(lock))
}

/// The time of the last write of a lock is when its repository was used last.
fn mark_used(lock: &File) -> io::Result<()> {
    lock.set_modified(Timestamp::now().into())
}

/// Removes the repositories that were used longest ago, until no more of them and of their bytes are left than this. Those
/// in use stay.
fn make_room(folder: &Path, most: usize, most_bytes: u64) -> io::Result<()> {
    let mut repositories = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == REPOSITORY) {
            let lock = path.with_extension(LOCK);
            let used = fs::metadata(&lock).and_then(|lock| lock.modified()).ok();
            // In one that is in use, files come and go.
            let bytes = known_size(&lock).or_else(|| Some(size(&path).ok()?.0)).unwrap_or_default();
            repositories.push((used, path, bytes));
        }
    }
    repositories.sort_unstable();
    let mut count = repositories.len();
    let mut bytes_in_all: u64 = repositories.iter().map(|(.., bytes)| bytes).sum();
    for (_, path, bytes) in repositories {
        if count <= most && bytes_in_all <= most_bytes {
            break;
        }
        let name = path.with_extension(LOCK);
        // What is wrong with one of them is no trouble of who makes room.
        if let Ok(Some(_lock)) = try_lock(&name) {
            match fs::remove_dir_all(&path) {
                // Somebody else made room, too.
                Err(error) if error.kind() != io::ErrorKind::NotFound => continue,
                _ => {}
            }
            let _ = fs::remove_file(&name);
            (count, bytes_in_all) = (count - 1, bytes_in_all - bytes);
        }
    }
    Ok(())
}

/// How many bytes the repository of a lock has, if that is known.
fn known_size(lock: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(lock).ok()?.take(MAX_SIZE_BYTES).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Whether a repository may go on growing.
fn is_small(folder: &Path) -> bool {
    size(folder).is_ok_and(|(bytes, files)| bytes <= MAX_CACHE_BYTES && files <= MAX_CACHE_FILES)
}

/// How many bytes and files a folder has in all.
fn size(folder: &Path) -> io::Result<(u64, usize)> {
    let (mut bytes, mut files) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            bytes += metadata.len();
            files += 1;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok((bytes, files))
}

fn cache_problem(error: &io::Error) -> GitProblem {
    GitProblem::Cache(clean(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn repository(folder: &Path, number: usize, used: i64) -> PathBuf {
        let path = folder.join(format!("{number}.{REPOSITORY}"));
        fs::create_dir(&path).unwrap();
        let lock = try_lock(&path.with_extension(LOCK)).unwrap().unwrap();
        lock.set_modified(Timestamp::from_second(used).unwrap().into()).unwrap();
        path
    }

    #[rstest]
    #[case::all_fit(5, 5_000, &[0, 1, 2, 3, 4])]
    #[case::too_many(3, 5_000, &[0, 1, 4])]
    #[case::too_much(5, 4_999, &[0, 1, 2, 4])]
    #[case::both(3, 2_000, &[0, 4])]
    #[case::in_use(0, 0, &[4])]
    fn the_repositories_used_longest_ago_make_room(
        #[case] most: usize,
        #[case] most_bytes: u64,
        #[case] kept: &[usize],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let times = (0..5).zip((0..1_000).rev());
        let paths: Vec<PathBuf> =
            times.map(|(number, used)| repository(folder.path(), number, used)).collect();
        for path in &paths {
            fs::write(path.join("objects"), [0; 1_000]).unwrap();
        }
        let in_use = try_lock(&paths[4].with_extension(LOCK)).unwrap().unwrap();
        make_room(folder.path(), most, most_bytes).unwrap();
        let is_left = |path: &PathBuf| (path.exists(), path.with_extension(LOCK).exists());
        let left: Vec<_> = paths.iter().map(is_left).collect();
        let wanted: Vec<_> = (0..5).map(|number| kept.contains(&number)).map(|kept| (kept, kept)).collect();
        assert_eq!(left, wanted);
        drop(in_use);
        make_room(folder.path(), 0, 0).unwrap();
        assert!(!paths[4].exists(), "nobody uses it any more");
    }

    #[test]
    fn how_large_a_repository_is_is_measured_by_who_used_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = repository(folder.path(), 0, 0);
        let lock = path.with_extension(LOCK);
        let cache = Cache { path: path.clone(), lock: try_lock(&lock).unwrap().unwrap() };
        assert_eq!(known_size(&lock), None);
        fs::write(path.join("objects"), [0; 1_000]).unwrap();
        drop(cache);
        assert_eq!(known_size(&lock), Some(1_000));
        // What came there in no use is not looked for.
        fs::write(path.join("objects"), [0; 5_000]).unwrap();
        make_room(folder.path(), 1, 1_000).unwrap();
        assert!(path.exists());
        // Nothing is known where somebody died.
        fs::write(&lock, "").unwrap();
        make_room(folder.path(), 1, 1_000).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.lock");
        let first = try_lock(&path).unwrap().unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        let second = try_lock(&path).unwrap();
        assert!(second.is_some(), "a new file is a new lock");
        drop(first);
    }
}
