//! Servers and repositories that mean no good: an answer in time, and no panic.

use std::{fs, os::unix::fs::symlink, path::Path};

use rstest::rstest;
use voxsync_fixtures::{Access, Fault, GitRepository, GitServer, Transport};
use voxsync_source::git::{GitProblem, GitRef, GitRemote, look, read_commit, read_file};

use super::{
    FILE,
    between::{Between, packet},
    login, production, read, remote, revision, semver, serve,
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CAPABILITIES: [&str; 3] = ["ls-refs", "fetch=shallow filter", "object-format=sha1"];

/// References without a program for each.
fn pack_references(repository: &Path, commit: &str, count: usize) {
    let mut names: Vec<String> =
        (0..count).map(|number| format!("{commit} refs/tags/v1.0.{number}\n")).collect();
    names.push(format!("{commit} refs/heads/production\n"));
    names.sort_unstable_by(|one, two| one[41..].cmp(&two[41..]));
    let text = format!("# pack-refs with: peeled fully-peeled sorted \n{}", names.concat());
    fs::write(repository.join("packed-refs"), text).unwrap();
    let _ = fs::remove_file(repository.join("refs/heads/production"));
}

#[rstest]
#[case("http")]
#[case("file")]
#[tokio::test]
async fn a_hundred_thousand_references(#[case] kind: &str) {
    let repository = GitRepository::create();
    let commit = repository.commit(FILE, "1", "one");
    let (_server, remote) = serve(kind, &repository);
    pack_references(&repository.path(), &commit, 99_000);
    let seen = look(&remote, &semver("*")).await.unwrap();
    assert_eq!(seen.tag.as_deref(), Some("v1.0.98999"));
    assert_eq!(look(&remote, &production()).await.unwrap().commit, commit);
    pack_references(&repository.path(), &commit, 100_001);
    let problem = look(&remote, &semver("*")).await.unwrap_err().problem;
    assert_eq!(problem, GitProblem::TooManyReferences(100_000));
}

#[tokio::test]
async fn a_server_that_sends_another_commit_is_not_believed() {
    let repository = GitRepository::create();
    let wanted = repository.commit(FILE, "reg.example/code:v1", "one");
    let other = repository.commit(FILE, "reg.example/evil:v1", "two");
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let (from, to) = (wanted.clone(), other);
    let liar = Between::pass_on_with(&server.url(), move |body| body.replace(&from, &to)).await;
    let remote = remote(&liar.url);
    let cache = tempfile::tempdir().unwrap();
    for problem in [
        read(&remote, &revision(&wanted), &cache).await.unwrap_err().problem,
        read_commit(&remote, &revision(&wanted), cache.path()).await.unwrap_err().problem,
    ] {
        assert_eq!(
            problem.to_string(),
            "the repository cannot be read: the server sent other objects than it was asked for"
        );
    }
}

#[rstest]
#[case::of_references(b"".to_vec(), packet(&format!("{COMMIT} refs/heads/a\n")).into_bytes())]
#[case::of_lines(b"".to_vec(), packet("version 1\n").into_bytes())]
#[case::of_capabilities(packet("version 2\n").into_bytes(), packet("x=y\n").into_bytes())]
#[case::of_nothing(b"".to_vec(), b"0000".to_vec())]
#[tokio::test]
async fn a_server_without_end(#[case] start: Vec<u8>, #[case] piece: Vec<u8>) {
    let endless = Between::endless(start, piece.repeat(500)).await;
    let problem = look(&remote(&endless.url), &production()).await.unwrap_err().problem;
    assert!(matches!(problem, GitProblem::TooMuchData(_) | GitProblem::NotGit(_)), "{problem}");
}

#[tokio::test]
async fn names_with_control_characters_are_shown_without() {
    let answer = [packet(&format!("{COMMIT} refs/heads/prod\u{1b}[31m\r\n")), "0000".to_owned()].concat();
    let server = Between::scripted(&CAPABILITIES, answer.into_bytes()).await;
    let problem = look(&remote(&server.url), &production()).await.unwrap_err().problem.to_string();
    assert_eq!(problem, "there is no branch `production`; similar: prod [31m");
}

#[rstest]
#[case::nothing("")]
#[case::junk("junk")]
#[case::a_length_that_is_none("zzzz")]
#[case::a_length_without_end("ffff")]
#[case::half_a_reference("0010 refs/heads/")]
#[case::no_id("0016xyz refs/heads/production0000")]
#[case::an_error("0013ERR go away 0000")]
#[case::a_pack_that_is_none("000dpackfile\n000c\u{1}PACKxxx0000")]
#[case::an_empty_pack("000dpackfile\n0011\u{1}PACK\0\0\0\u{2}\0\0\0\u{0}0000")]
#[case::many_objects("000dpackfile\n0013\u{1}PACK\0\0\0\u{2}\u{7f}\u{7f}\u{7f}\u{7f}ab0000")]
#[case::no_pack("0011shallow-info0000")]
#[tokio::test]
async fn any_answer_ends_in_a_problem(#[case] answer: &str) {
    let server = Between::scripted(&CAPABILITIES, answer.as_bytes().to_vec()).await;
    let remote = remote(&server.url);
    let cache = tempfile::tempdir().unwrap();
    look(&remote, &production()).await.unwrap_err();
    let fetched = read(&remote, &revision(COMMIT), &cache).await.unwrap_err().problem;
    assert!(!matches!(fetched, GitProblem::TimedOut(_)), "{fetched}");
    read_commit(&remote, &revision(COMMIT), cache.path()).await.unwrap_err();
}

#[tokio::test]
async fn unknown_ids_are_refused() {
    let capabilities = ["ls-refs", "fetch=shallow filter", "object-format=md5"];
    let server = Between::scripted(&capabilities, b"0000".to_vec()).await;
    let remote = remote(&server.url);
    let cache = tempfile::tempdir().unwrap();
    look(&remote, &production()).await.unwrap_err();
    read(&remote, &revision(COMMIT), &cache).await.unwrap_err();
}

#[tokio::test]
async fn a_login_does_not_follow_a_redirect() {
    let repository = GitRepository::create();
    let elsewhere = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let (server, remote) = serve("http", &repository);
    let location: &'static str = format!("{}/info/refs?service=git-upload-pack", elsewhere.url()).leak();
    for status in [301, 302, 307, 308] {
        let fault = Fault { path: "", status, headers: vec![("location", location)], times: 1 };
        server.as_ref().unwrap().answer(fault);
        let problem = look(&remote, &production()).await.unwrap_err().problem;
        assert_eq!(problem, GitProblem::Redirected(elsewhere.url()));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_deep_tree_keeps_nobody_from_its_files() {
    let repository = GitRepository::create();
    repository.commit(FILE, "1", "one");
    let deep = format!("{}x", "a/".repeat(1000));
    repository.commit(&deep, "deep", "deep");
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"1");
    let problem = read_file(&remote, &seen, &deep, cache.path()).await.unwrap_err().problem;
    assert!(matches!(problem, GitProblem::PathMalformed { .. }), "{problem}");
}

#[tokio::test]
async fn a_large_file_is_refused_before_it_is_unpacked() {
    let repository = GitRepository::create();
    let work = tempfile::tempdir().unwrap();
    fs::create_dir_all(work.path().join("deploy")).unwrap();
    fs::File::create(work.path().join(FILE)).unwrap().set_len(128 << 20).unwrap();
    repository.git(&["config", "core.bigFileThreshold", "1m"]);
    let tree = work.path().to_str().unwrap();
    repository.git(&["--work-tree", tree, "add", "--all"]);
    repository.git(&["--work-tree", tree, "commit", "--quiet", "--message", "zeros"]);
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    let problem = read(&remote, &seen, &cache).await.unwrap_err().problem;
    assert!(matches!(problem, GitProblem::FileTooLarge { bytes, .. } if bytes == 128 << 20), "{problem}");
    // A commit that mends it is seen at once.
    repository.commit(FILE, "reg.example/code:v1", "mended");
    let seen = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"reg.example/code:v1");
}

#[tokio::test]
async fn a_branch_that_is_none_is_not_asked_for() {
    let repository = GitRepository::create();
    let (server, remote) = serve("http", &repository);
    let remote = GitRemote { login: login("hunter2"), ..remote };
    let odd = GitRef::Branch("a\nref-prefix refs/".to_owned());
    assert!(matches!(look(&remote, &odd).await.unwrap_err().problem, GitProblem::BranchName(_)));
    assert!(server.unwrap().requests().iter().all(|request| request.method == "GET"));
}

/// Everything that a tree can have besides plain files, and a file of 100 MB.
fn hostile_repository() -> (GitRepository, String) {
    let repository = GitRepository::create();
    let inner = repository.commit("x", "x", "x");
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::create_dir_all(at("deploy")).unwrap();
    fs::write(at("deploy/reference.txt"), "reg.example/code:v1").unwrap();
    fs::write(at("deploy/limit"), vec![b'a'; 1 << 20]).unwrap();
    fs::write(at("deploy/huge"), vec![b'a'; 100 << 20]).unwrap();
    symlink("reference.txt", at("deploy/link")).unwrap();
    symlink("deploy", at("folder-link")).unwrap();
    symlink("/etc/passwd", at("outside")).unwrap();
    let tree = work.path().to_str().unwrap();
    repository.git(&["--work-tree", tree, "add", "--all"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{inner},sub")]);
    repository.git(&["--work-tree", tree, "commit", "--quiet", "--message", "hostile"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    (repository, commit.chars().take(10).collect())
}

#[rstest]
#[case("http")]
#[case("file")]
#[tokio::test]
async fn only_plain_small_files_are_read(#[case] kind: &str) {
    let (repository, commit) = hostile_repository();
    let (_server, remote) = serve(kind, &repository);
    let cache = tempfile::tempdir().unwrap();
    let revision = look(&remote, &production()).await.unwrap();
    let root = "folder-link, outside, sub";
    let cases = [
        (
            "deploy/huge",
            "`deploy/huge` is 104857600 bytes, the limit for a reference file is 1048576".to_owned(),
        ),
        ("deploy", format!("`deploy` in commit {commit} is a folder: it must be a plain file")),
        ("deploy/link", format!("`deploy/link` in commit {commit} is a symlink: it must be a plain file")),
        ("outside", format!("`outside` in commit {commit} is a symlink: it must be a plain file")),
        (
            "folder-link/reference.txt",
            format!("`folder-link` in commit {commit} is a symlink: it must be a plain file"),
        ),
        ("sub/x", format!("`sub` in commit {commit} is a submodule: it must be a plain file")),
        (
            "deploy/none.txt",
            format!(
                "`deploy/none.txt` is not in commit {commit}: `deploy/` has huge, limit, link, reference.txt"
            ),
        ),
        ("none/x", format!("`none/x` is not in commit {commit}: the root has deploy, {root}")),
        (
            "deploy/limit/x",
            format!(
                "`deploy/limit/x` is not in commit {commit}: `deploy/` has huge, limit, link, reference.txt"
            ),
        ),
        ("../x", "the path `../x` has a part that no file in a repository can have".to_owned()),
    ];
    for (path, message) in cases {
        let error = read_file(&remote, &revision, path, cache.path()).await.unwrap_err();
        assert_eq!(error.problem.to_string(), message);
    }
    for (path, bytes) in [("deploy/limit", 1 << 20), ("deploy/reference.txt", 19)] {
        let file = read_file(&remote, &revision, path, cache.path()).await.unwrap();
        assert_eq!(file.bytes.len(), bytes);
    }
}
