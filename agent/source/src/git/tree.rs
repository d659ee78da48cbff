//! One file out of a commit, straight from the object database: nothing is checked out, no link is followed.
//!
//! What is in a repository is hostile: sizes are looked up before anything is unpacked.

use gix::{
    Commit, ObjectId, Repository, Tree,
    bstr::ByteSlice as _,
    objs::{Kind, tree::EntryKind},
};
use jiff::Timestamp;

use super::{GitProblem, error::clean};

/// The largest reference file.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// The largest commit object: its message is text of somebody else.
const MAX_COMMIT_BYTES: u64 = 1 << 20;
/// The largest single folder.
pub(super) const MAX_TREE_BYTES: u64 = 32 << 20;
/// The longest path.
const MAX_PATH_BYTES: usize = 1024;
/// The deepest path.
const MAX_PATH_DEPTH: usize = 64;
/// How many names of a folder a message shows.
const MAX_SHOWN_ENTRIES: usize = 10;
/// How many characters of a commit id a message shows.
const SHORT_COMMIT: usize = 10;

/// A file as a commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAtCommit {
    /// The content, at most [`MAX_FILE_BYTES`].
    pub bytes: Vec<u8>,
    /// The commit it was read from.
    pub commit: CommitFacts,
}

/// What a commit says of itself. Nobody has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The full id.
    pub id: String,
    /// The author's name.
    pub author: String,
    /// When it was committed; `None` if the commit has no readable time.
    pub time: Option<Timestamp>,
    /// The first line of the message, shortened.
    pub title: String,
}

/// The parts of a path that can be looked up in a tree.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, GitProblem> {
    let malformed = |reason| GitProblem::PathMalformed { path: clean(path), reason };
    let parts: Vec<&str> = path.split('/').collect();
    if path.len() > MAX_PATH_BYTES || parts.len() > MAX_PATH_DEPTH {
        return Err(malformed("is too long"));
    }
    if path.starts_with('/') {
        return Err(malformed("is absolute: it begins at the root of the repository, without a slash"));
    }
    if parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.chars().any(char::is_control)) {
        return Err(malformed("has a part that no file in a repository can have"));
    }
    Ok(parts)
}

/// What the commit says of itself.
pub(super) fn facts(repository: &Repository, commit: ObjectId) -> Result<CommitFacts, GitProblem> {
    let commit = commit_at(repository, commit)?;
    let author = commit.author().map_err(broken)?;
    let message = commit.message_raw().map_err(broken)?.to_str_lossy().into_owned();
    Ok(CommitFacts {
        id: commit.id.to_string(),
        author: clean(&author.name.to_str_lossy()),
        time: commit.time().ok().and_then(|time| Timestamp::from_second(time.seconds).ok()),
        title: clean(message.trim_start().lines().next().unwrap_or_default()),
    })
}

/// Reads a file that was found.
pub(super) fn read(
    repository: &Repository,
    commit: ObjectId,
    blob: ObjectId,
    path: &str,
) -> Result<FileAtCommit, GitProblem> {
    let header = repository.find_header(blob).map_err(broken)?;
    if header.kind() != Kind::Blob {
        return Err(GitProblem::Broken(format!("`{path}` is a {} under the name of a file", header.kind())));
    }
    if header.size() > MAX_FILE_BYTES {
        let path = path.to_owned();
        return Err(GitProblem::FileTooLarge { path, bytes: header.size(), limit: MAX_FILE_BYTES });
    }
    let bytes = std::mem::take(&mut repository.find_blob(blob).map_err(broken)?.data);
    Ok(FileAtCommit { bytes, commit: facts(repository, commit)? })
}

/// The id of the file at a path; none where the repository has not all that leads to it.
pub(super) fn find(
    repository: &Repository,
    commit: ObjectId,
    parts: &[&str],
) -> Result<Option<ObjectId>, GitProblem> {
    if !repository.has_object(commit) {
        return Ok(None);
    }
    let commit = commit_at(repository, commit)?;
    let id = commit.id.to_string();
    let short = id.get(..SHORT_COMMIT).unwrap_or(&id);
    let mut folder = commit.tree_id().map_err(broken)?.detach();
    let mut depth = 0;
    for part in parts {
        if !repository.has_object(folder) {
            return Ok(None);
        }
        within(repository, folder, "a folder", MAX_TREE_BYTES)?;
        let tree = repository.find_tree(folder).map_err(broken)?;
        let Some(entry) = tree.find_entry(*part) else {
            return Err(missing(&tree, parts, depth, short));
        };
        depth += 1;
        let last = depth == parts.len();
        let what = match (entry.mode().kind(), last) {
            (EntryKind::Blob | EntryKind::BlobExecutable, true) => return Ok(Some(entry.object_id())),
            (EntryKind::Tree, false) => {
                folder = entry.object_id();
                continue;
            }
            (EntryKind::Blob | EntryKind::BlobExecutable, false) => {
                return Err(missing(&tree, parts, depth - 1, short));
            }
            (EntryKind::Tree, true) => "folder",
            (EntryKind::Link, _) => "symlink",
            (EntryKind::Commit, _) => "submodule",
        };
        let path = parts.get(..depth).unwrap_or(parts).join("/");
        return Err(GitProblem::NotAFile { path, commit: short.to_owned(), what });
    }
    Err(GitProblem::PathMalformed { path: String::new(), reason: "is empty" })
}

fn commit_at(repository: &Repository, id: ObjectId) -> Result<Commit<'_>, GitProblem> {
    let kind = repository.find_header(id).map_err(broken)?.kind();
    if kind != Kind::Commit {
        return Err(GitProblem::NotACommit { id: id.to_string(), what: kind.to_string() });
    }
    within(repository, id, "the commit", MAX_COMMIT_BYTES)?;
    repository.find_commit(id).map_err(broken)
}

/// Refuses an object that is larger than any sound repository has it, before it is unpacked.
fn within(repository: &Repository, id: ObjectId, what: &str, limit: u64) -> Result<(), GitProblem> {
    let size = repository.find_header(id).map_err(broken)?.size();
    if size > limit {
        return Err(GitProblem::Broken(format!("{what} is {size} bytes, the limit is {limit}")));
    }
    Ok(())
}

fn missing(tree: &Tree<'_>, parts: &[&str], depth: usize, commit: &str) -> GitProblem {
    let names = tree.iter().filter_map(Result::ok).map(|entry| clean(&entry.filename().to_str_lossy()));
    let mut entries: Vec<String> = names.take(MAX_SHOWN_ENTRIES + 1).collect();
    if let Some(one_more) = entries.get_mut(MAX_SHOWN_ENTRIES) {
        "…".clone_into(one_more);
    }
    let folder = match parts.get(..depth) {
        Some(above) if !above.is_empty() => format!("`{}/`", above.join("/")),
        _ => "the root".to_owned(),
    };
    GitProblem::PathMissing { path: parts.join("/"), commit: commit.to_owned(), folder, entries }
}

/// An error of gix about a repository's content.
#[expect(clippy::needless_pass_by_value, reason = "it is the mapping of many errors")]
pub(super) fn broken(error: gix::Error) -> GitProblem {
    let said = error.iter_errors().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    GitProblem::Broken(clean(&said))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a", &["a"])]
    #[case("deploy/production.yaml", &["deploy", "production.yaml"])]
    #[case("ä b/…", &["ä b", "…"])]
    fn is_a_path(#[case] path: &str, #[case] expected: &[&str]) {
        assert_eq!(parts(path).unwrap(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("/etc/passwd")]
    #[case("../a")]
    #[case("a/../../b")]
    #[case("./a")]
    #[case("a//b")]
    #[case("a/")]
    #[case("a\0b")]
    fn is_no_path(#[case] path: &str) {
        assert!(matches!(parts(path), Err(GitProblem::PathMalformed { .. })), "{path}");
    }

    #[test]
    fn a_path_has_bounds() {
        let deep = |depth: usize| vec!["a"; depth].join("/");
        assert!(parts(&deep(MAX_PATH_DEPTH)).is_ok());
        assert!(parts(&deep(MAX_PATH_DEPTH + 1)).is_err());
        assert!(parts(&"a".repeat(MAX_PATH_BYTES + 1)).is_err());
    }
}
