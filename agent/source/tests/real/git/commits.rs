//! Commits by their ids, and how little of a repository is fetched for one.

use std::{fs, sync::atomic::Ordering};

use rstest::rstest;
use voxsync_fixtures::{Access, GitRepository, GitServer, Transport};
use voxsync_source::git::{GitProblem, GitRef, GitRemote, look, read_commit, read_file};

use super::{FILE, between::Between, old_server, production, read, remote, revision, semver, serve};

/// How many bytes one look and one read may take of a repository of 100 MB.
const MAX_TRANSFER_BYTES: u64 = 20_000;

fn at(commit: &str) -> GitRef {
    GitRef::Commit(commit.to_owned())
}

#[rstest]
#[case("http")]
#[case("git")]
#[case("ssh")]
#[case("file")]
#[tokio::test]
async fn an_old_commit_is_read_by_its_id(#[case] kind: &str) {
    let repository = GitRepository::create();
    let old = repository.commit(FILE, "reg.example/code:v1", "one");
    repository.commit(FILE, "reg.example/code:v2", "two");
    let (_server, remote) = serve(kind, &repository);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &at(&old)).await.unwrap();
    assert_eq!(
        (seen.commit.as_str(), seen.reference.as_str(), &seen.tag),
        (old.as_str(), old.as_str(), &None)
    );
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"reg.example/code:v1");
    let facts = read_commit(&remote, &seen, cache.path()).await.unwrap();
    assert_eq!(
        (facts.id.as_str(), facts.author.as_str(), facts.title.as_str()),
        (old.as_str(), "A Tester", "one")
    );
}

#[rstest]
#[case("http")]
#[case("ssh")]
#[case("file")]
#[tokio::test]
async fn a_commit_that_is_not_there_is_said(#[case] kind: &str) {
    let repository = GitRepository::create();
    repository.commit(FILE, "1", "one");
    repository.annotated_tag("v1.0.0", "A release");
    let (_server, remote) = serve(kind, &repository);
    let cache = tempfile::tempdir().unwrap();
    let none = "0123456789abcdef0123456789abcdef01234567";
    let seen = look(&remote, &at(none)).await.unwrap();
    for problem in [
        read(&remote, &seen, &cache).await.unwrap_err().problem,
        read_commit(&remote, &seen, cache.path()).await.unwrap_err().problem,
    ] {
        assert_eq!(problem, GitProblem::CommitMissing(none.to_owned()));
    }
    let tag = repository.git(&["rev-parse", "refs/tags/v1.0.0"]);
    let problem = read(&remote, &revision(&tag), &cache).await.unwrap_err().problem;
    assert_eq!(problem.to_string(), format!("{tag} is a tag, not a commit: give the id of the commit"));
    for text in ["", "main", "0123456", "zz23456789abcdef0123456789abcdef01234567"] {
        assert!(look(&remote, &at(text)).await.is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn a_look_at_a_commit_shows_the_login() {
    let repository = GitRepository::create();
    let commit = repository.commit(FILE, "1", "one");
    let (_server, good) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    read(&good, &revision(&commit), &cache).await.unwrap();
    // What is in the cache was fetched by somebody else.
    let stranger = GitRemote { login: super::login("wrong"), ..good };
    let problem = look(&stranger, &at(&commit)).await.unwrap_err().problem;
    assert!(matches!(problem, GitProblem::LoginRefused(_)), "{problem}");
}

#[tokio::test]
async fn an_old_server_gives_only_what_has_a_name() {
    let repository = GitRepository::create();
    let old = repository.commit(FILE, "1", "one");
    repository.commit(FILE, "2", "two");
    let remote = remote(&old_server(&repository, 3));
    let cache = tempfile::tempdir().unwrap();
    let problem = read(&remote, &revision(&old), &cache).await.unwrap_err().problem;
    assert_eq!(problem, GitProblem::CommitMissing(old));
    let newest = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &newest, &cache).await.unwrap().bytes, b"2");
}

/// How many objects the cache has.
fn cached_objects(cache: &tempfile::TempDir) -> String {
    let mut entries = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path());
    let cached = entries.find(|path| path.is_dir()).unwrap();
    let mut git = std::process::Command::new("git");
    let output = git.arg("--git-dir").arg(cached).args(["count-objects", "-v"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find(|line| line.starts_with("in-pack: ")).unwrap().to_owned()
}

#[rstest]
#[case::new_server(false, "in-pack: 4")]
#[case::old_server(true, "in-pack: 5")]
#[tokio::test]
async fn history_is_not_fetched(#[case] is_old: bool, #[case] objects: &str) {
    let repository = GitRepository::create();
    for round in 0..20 {
        repository.commit(FILE, &round.to_string(), "again");
    }
    let server = GitServer::daemon(&repository);
    let url = if is_old { old_server(&repository, 2) } else { server.url() };
    let remote = remote(&url);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"19");
    assert_eq!(cached_objects(&cache), objects, "the commit, two folders and the file; and a README");
}

#[tokio::test]
async fn only_the_commit_is_fetched_for_its_author() {
    let repository = GitRepository::create();
    repository.commit(FILE, "1", "one");
    repository.annotated_tag("v1.0.0", "A release");
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    read_commit(&remote, &seen, cache.path()).await.unwrap();
    assert_eq!(cached_objects(&cache), "in-pack: 1");
    // The rest is fetched when it is needed.
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"1");

    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &semver("*")).await.unwrap();
    assert_eq!(read_commit(&remote, &seen, cache.path()).await.unwrap().id, seen.commit);
    assert_eq!(cached_objects(&cache), "in-pack: 2", "the tag and its commit");
}

#[rstest]
#[case::not_offered(|repository: &GitRepository| { repository.git(&["config", "uploadpack.allowFilter", "false"]); })]
#[case::not_given(|repository: &GitRepository| { repository.git(&["config", "uploadpackfilter.allow", "false"]); })]
#[tokio::test]
async fn a_server_that_gives_no_parts_gives_it_all(#[case] configure: fn(&GitRepository)) {
    let repository = GitRepository::create();
    repository.commit(FILE, "1", "one");
    configure(&repository);
    for kind in ["http", "ssh"] {
        let (_server, remote) = serve(kind, &repository);
        let cache = tempfile::tempdir().unwrap();
        let seen = look(&remote, &production()).await.unwrap();
        assert_eq!(read_commit(&remote, &seen, cache.path()).await.unwrap().author, "A Tester");
        assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"1");
        assert_eq!(cached_objects(&cache), "in-pack: 5");
    }
}

#[tokio::test]
async fn ids_of_the_other_kind_are_read() {
    let repository = GitRepository::create_with("sha256");
    let commit = repository.commit(FILE, "1", "one");
    assert_eq!(commit.len(), 64);
    for kind in ["http", "git", "ssh", "file"] {
        let (_server, remote) = serve(kind, &repository);
        let cache = tempfile::tempdir().unwrap();
        let seen = look(&remote, &production()).await.unwrap();
        assert_eq!(seen.commit, commit, "{kind}");
        assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"1", "{kind}");
        assert_eq!(
            read(&remote, &look(&remote, &at(&commit)).await.unwrap(), &cache).await.unwrap().bytes,
            b"1"
        );
    }
}

#[tokio::test]
async fn a_repository_made_anew_with_other_ids_is_fetched_anew() {
    let (repository, other) = (GitRepository::create(), GitRepository::create_with("sha256"));
    repository.commit(FILE, "1", "one");
    let wanted = other.commit(FILE, "2", "two");
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"1");
    fs::remove_dir_all(repository.path()).unwrap();
    fs::rename(other.path(), repository.path()).unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    assert_eq!(seen.commit, wanted);
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"2");
}

#[tokio::test]
async fn one_file_of_a_large_repository_is_little() {
    let repository = GitRepository::create();
    let work = tempfile::tempdir().unwrap();
    fs::create_dir_all(work.path().join("deploy")).unwrap();
    fs::write(work.path().join(FILE), "reg.example/code:v1").unwrap();
    for number in 0..10_u64 {
        let mut state = number + 1;
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let bytes: Vec<u8> = noise.take(10 << 17).flatten().collect();
        fs::write(work.path().join(format!("large-{number}.bin")), bytes).unwrap();
    }
    repository.git(&["config", "core.compression", "0"]);
    let tree = work.path().to_str().unwrap();
    repository.git(&["--work-tree", tree, "add", "--all"]);
    repository.git(&["--work-tree", tree, "commit", "--quiet", "--message", "large"]);
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let between = Between::pass_on(&server.url(), |body| body).await;
    let remote = remote(&between.url);
    let cache = tempfile::tempdir().unwrap();
    let seen = look(&remote, &production()).await.unwrap();
    let of_look = between.sent.swap(0, Ordering::Relaxed);
    assert_eq!(read(&remote, &seen, &cache).await.unwrap().bytes, b"reg.example/code:v1");
    let of_read = between.sent.swap(0, Ordering::Relaxed);
    println!(
        "of a repository with 105 MB in other files: {of_look} bytes a look, {of_read} bytes for the file"
    );
    assert!(of_look + of_read < MAX_TRANSFER_BYTES, "{of_look} + {of_read}");
    let missing = read_file(&remote, &seen, "large-0.bin", cache.path()).await.unwrap_err().problem;
    assert!(matches!(missing, GitProblem::FileTooLarge { bytes, .. } if bytes == 10 << 20), "{missing}");
}
