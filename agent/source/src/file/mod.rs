//! Files on this machine: a mounted `ConfigMap`, or any file below the folder that the operator allows.
//!
//! Reads and watches, never writes. Nothing outside of the folder is read, whatever symlinks say; nothing that is not
//! a regular file is opened; and no text of a file is ever in an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use thiserror::Error;
use tokio::{sync::Notify, time::Interval};

/// The largest file.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// How long a read may take: a network file system can hang.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after a first event is waited for the others of the same change.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("file {}: {problem}", path.display())]
pub struct FileError {
    /// As it was asked for.
    pub path: PathBuf,
    /// What went wrong.
    pub problem: FileProblem,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileProblem {
    /// The path leads out of the folder; whether anything is there is not told.
    #[error("is not below {}, the folder for files", .0.display())]
    Outside(PathBuf),
    /// Not there, or not to be read by this process.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// A folder, socket, pipe or device.
    #[error("is not a regular file")]
    NotAFile,
    /// Too large to hold a reference.
    #[error("is {bytes} bytes, the limit for a reference file is {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The file system does not answer.
    #[error("was not read within {0} seconds")]
    TimedOut(u64),
}

/// Where a path is: below the folder, if it is not absolute.
pub fn place(root: &Path, path: &Path) -> PathBuf {
    root.join(path)
}

/// Whether a path is below the folder by its text alone: nothing is asked of the file system.
pub fn is_below(root: &Path, path: &Path) -> bool {
    path.starts_with(root) && path.components().all(|part| part != Component::ParentDir)
}

/// Reads a file below a folder. Symlinks are followed as long as they stay below it, as those of a `ConfigMap` do.
pub async fn read(root: &Path, path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |problem| FileError { path: path.to_owned(), problem };
    let (root, wanted) = (root.to_owned(), place(root, path));
    let task = tokio::task::spawn_blocking(move || read_blocking(&root, &wanted));
    match tokio::time::timeout(READ_TIMEOUT, task).await {
        Ok(Ok(result)) => result.map_err(failed),
        Ok(Err(_)) => Err(failed(FileProblem::Unreadable(io::ErrorKind::Other))),
        Err(_) => Err(failed(FileProblem::TimedOut(READ_TIMEOUT.as_secs()))),
    }
}

fn read_blocking(root: &Path, path: &Path) -> Result<Vec<u8>, FileProblem> {
    let real = resolve(root, path)?;
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(FileProblem::NotAFile);
    }
    let file = File::open(&real).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let too_large = |bytes| FileProblem::TooLarge { bytes, limit: MAX_FILE_BYTES };
    if bytes > MAX_FILE_BYTES {
        return Err(too_large(bytes));
    }
    let mut content = Vec::new();
    // It may have grown since.
    let count = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(unreadable)?;
    if count as u64 > MAX_FILE_BYTES {
        return Err(too_large(count as u64));
    }
    Ok(content)
}

/// The real place of a path below a folder. What is outside is refused in the same words whether it exists or not.
pub(crate) fn resolve(root: &Path, path: &Path) -> Result<PathBuf, FileProblem> {
    let real_root = root.canonicalize().map_err(unreadable)?;
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let below_by_name = !climbs && (path.starts_with(root) || path.starts_with(&real_root));
    match path.canonicalize() {
        Ok(real) if real.starts_with(&real_root) => Ok(real),
        Err(error) if below_by_name => Err(unreadable(error)),
        Ok(_) | Err(_) => Err(FileProblem::Outside(root.to_owned())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the mapping of many errors")]
fn unreadable(error: io::Error) -> FileProblem {
    FileProblem::Unreadable(error.kind())
}

/// The files that changed, told by the system at once, and by a poll in case the system forgets.
///
/// A told change is no promise of new content; a file that is not there yet is watched for.
#[derive(Debug)]
pub struct Changes {
    shared: Arc<Shared>,
    watcher: Option<RecommendedWatcher>,
    /// Folders that could not be watched; tried again with each poll.
    unwatched: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, Option<Fingerprint>>,
    poll: Interval,
}

#[derive(Debug)]
struct Shared {
    paths: BTreeSet<PathBuf>,
    touched: Mutex<BTreeSet<PathBuf>>,
    wake: Notify,
}

/// What of a file changes when its content does; the file that a symlink leads to is a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fingerprint {
    real: PathBuf,
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Watches files. The poll also runs where the system cannot watch at all. A file system that does not answer holds it
/// up: it is for a task of its own.
pub async fn watch(paths: impl IntoIterator<Item = PathBuf>, poll: Duration) -> Changes {
    let paths: BTreeSet<PathBuf> = paths.into_iter().collect();
    let unwatched = paths.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
    let mut seen = BTreeMap::new();
    for path in &paths {
        seen.insert(path.clone(), fingerprint(path).await);
    }
    let shared = Arc::new(Shared { paths, touched: Mutex::default(), wake: Notify::new() });
    let told = shared.clone();
    let watcher = notify::recommended_watcher(move |event| told.told(event));
    let watcher = watcher.inspect_err(|error| tracing::warn!(%error, "files are polled, not watched")).ok();
    let mut changes = Changes { shared, watcher, unwatched, seen, poll: tokio::time::interval(poll) };
    changes.watch_folders();
    changes
}

impl Changes {
    /// Waits for the next change and gives the files it touches. No change is lost if the wait is given up.
    pub async fn next(&mut self) -> BTreeSet<PathBuf> {
        loop {
            if self.shared.touched().is_empty() {
                tokio::select! {
                    () = self.shared.wake.notified() => tokio::time::sleep(DEBOUNCE).await,
                    _ = self.poll.tick() => self.watch_folders(),
                }
            }
            for path in &self.shared.paths {
                let now = fingerprint(path).await;
                if self.seen.get(path) != Some(&now) {
                    self.seen.insert(path.clone(), now);
                    self.shared.touched().insert(path.clone());
                }
            }
            let changed = std::mem::take(&mut *self.shared.touched());
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// Watches the folders rather than the files: a file that is replaced is another one to the system.
    fn watch_folders(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            self.unwatched.retain(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_err());
        }
    }
}

impl Shared {
    fn told(&self, event: notify::Result<notify::Event>) {
        let touched: Vec<PathBuf> = match event {
            Ok(event) if event.need_rescan() => self.paths.iter().cloned().collect(),
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) => event.paths.iter().flat_map(|path| self.behind(path)).cloned().collect(),
            Err(error) => {
                tracing::debug!(%error, "watching files");
                return;
            }
        };
        if !touched.is_empty() {
            self.touched().extend(touched);
            self.wake.notify_one();
        }
    }

    /// The watched files that an event at a path is about: that file, or the whole folder when the
    /// `..data` link of a `ConfigMap` is swapped.
    fn behind<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        let fits =
            move |watched: &&PathBuf| *watched == path || (hidden && watched.parent() == path.parent());
        self.paths.iter().filter(fits)
    }

    fn touched(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let real = tokio::fs::canonicalize(path).await.ok()?;
    let metadata = tokio::fs::metadata(&real).await.ok()?;
    Some(Fingerprint { real, modified: metadata.modified().ok(), bytes: metadata.len() })
}

#[cfg(test)]
mod tests;
