//! Looks and reads at real Git servers: `git daemon`, `git http-backend`, `sshd`, and a repository in the file system.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::{
    fs,
    io::Read as _,
    os::{fd::OwnedFd, unix::fs::symlink},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rstest::rstest;
use tempfile::TempDir;
use tokio::net::TcpListener;
use voxsync_fixtures::{Access, CertificateAuthority, GitRepository, GitServer, Transport};
use voxsync_policy::{TagPolicy, TagRule};
use voxsync_source::{
    Traffic,
    git::{FileAtCommit, GitError, GitLogin, GitProblem, GitRef, GitRemote, Revision, look, read_file},
};

mod app;
mod between;
mod cache;
mod commits;
mod hostile;
mod logins;

const FILE: &str = "deploy/reference.txt";

/// A remote without a login, that waits long enough for a busy machine.
fn remote(url: &str) -> GitRemote {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    GitRemote {
        url: url.parse().unwrap(),
        login: GitLogin::Anonymous,
        ca_pem: None,
        identity_pem: None,
        file_root: None,
        traffic: Traffic::default(),
        timeout: Duration::from_mins(1),
    }
}

/// What a look sees of a commit of the branch `production`.
fn revision(commit: &str) -> Revision {
    let reference = "refs/heads/production".to_owned();
    Revision { commit: commit.to_owned(), reference, tag: None, tag_object: None }
}

fn production() -> GitRef {
    GitRef::Branch("production".to_owned())
}

fn semver(range: &str) -> GitRef {
    GitRef::Tag(TagPolicy::new(TagRule::semver(range).unwrap(), None, &[]).unwrap())
}

fn access() -> Access {
    Access::Basic { user: "deploy".into(), password: "hunter2".into() }
}

fn login(password: &str) -> GitLogin {
    GitLogin::Basic { username: "deploy".to_owned(), password: password.to_owned() }
}

fn ssh_login(server: &GitServer, known_hosts: String) -> GitLogin {
    GitLogin::Ssh { private_key_pem: server.identity(), known_hosts }
}

async fn problem(remote: &GitRemote) -> GitProblem {
    look(remote, &production()).await.unwrap_err().problem
}

async fn read(remote: &GitRemote, revision: &Revision, cache: &TempDir) -> Result<FileAtCommit, GitError> {
    read_file(remote, revision, FILE, cache.path()).await
}

/// A server of each kind with what is needed to use it. The local repository needs no server.
fn serve(kind: &str, repository: &GitRepository) -> (Option<GitServer>, GitRemote) {
    match kind {
        "http" => {
            let server = GitServer::http(repository, access(), Transport::Plain);
            let remote = GitRemote { login: login("hunter2"), ..remote(&server.url()) };
            (Some(server), remote)
        }
        "https" => {
            let authority = CertificateAuthority::create();
            let server = GitServer::http(repository, access(), Transport::Tls(authority.issue()));
            let ca_pem = Some(authority.pem());
            let remote = GitRemote { login: login("hunter2"), ca_pem, ..remote(&server.url()) };
            (Some(server), remote)
        }
        "git" => {
            let server = GitServer::daemon(repository);
            let remote = remote(&server.url());
            (Some(server), remote)
        }
        "ssh" => {
            let server = GitServer::ssh(repository);
            let login = ssh_login(&server, server.known_hosts());
            let remote = GitRemote { login, ..remote(&server.url()) };
            (Some(server), remote)
        }
        _ => {
            let file_root = repository.path().parent().map(Path::to_owned);
            (None, GitRemote { file_root, ..remote(&repository.file_url()) })
        }
    }
}

#[rstest]
#[case("http")]
#[case("https")]
#[case("git")]
#[case("ssh")]
#[case("file")]
#[tokio::test]
async fn a_commit_is_seen_and_its_file_is_read(#[case] kind: &str) {
    let repository = GitRepository::create();
    let (mut server, remote) = serve(kind, &repository);
    let cache = tempfile::tempdir().unwrap();

    let first = repository.commit(FILE, "reg.example/code:v1\n", "Deploy v1\n\nBecause.");
    let old = look(&remote, &production()).await.unwrap();
    let expected = revision(&first);
    assert_eq!(old, expected);
    let file = read(&remote, &old, &cache).await.unwrap();
    assert_eq!(
        (file.bytes.as_slice(), file.commit.id.as_str()),
        (&b"reg.example/code:v1\n"[..], first.as_str())
    );
    let commit = &file.commit;
    assert_eq!((commit.author.as_str(), commit.title.as_str()), ("A Tester", "Deploy v1"));
    assert!(commit.time.unwrap() > "2024-01-01T00:00:00Z".parse().unwrap());

    let second = repository.commit(FILE, "reg.example/code:v2\n", "Deploy v2");
    let new = look(&remote, &production()).await.unwrap();
    assert_eq!(new.commit, second);
    assert_eq!(read(&remote, &new, &cache).await.unwrap().bytes, b"reg.example/code:v2\n");

    // What is in the cache is read without the server.
    if let Some(server) = &mut server {
        server.stop();
        assert_eq!(read(&remote, &old, &cache).await.unwrap().bytes, b"reg.example/code:v1\n");
        let away = problem(&remote).await;
        assert!(matches!(away, GitProblem::Unreachable(_)), "{away}");
        server.start_again();
        assert_eq!(look(&remote, &production()).await.unwrap(), new);
    }
}

#[rstest]
#[case("http")]
#[case("git")]
#[case("ssh")]
#[case("file")]
#[tokio::test]
async fn tags_are_elected_and_followed_to_their_commit(#[case] kind: &str) {
    let repository = GitRepository::create();
    let (_server, remote) = serve(kind, &repository);
    let cache = tempfile::tempdir().unwrap();
    let one = repository.commit(FILE, "1", "one");
    repository.tag("v1.9.0");
    repository.tag("latest");
    let two = repository.commit(FILE, "2", "two");
    repository.annotated_tag("v1.10.0", "A release");
    repository.commit(FILE, "3", "three");
    repository.tag("v2.0.0-rc.1");

    for (range, tag, commit) in [("~1.9", "v1.9.0", &one), ("*", "v1.10.0", &two)] {
        let revision = look(&remote, &semver(range)).await.unwrap();
        let reference = format!("refs/tags/{tag}");
        let object = repository.git(&["rev-parse", &reference]);
        let tag_object = (object != *commit).then_some(object);
        assert_eq!(tag_object.is_some(), tag == "v1.10.0", "an annotated tag has an object of its own");
        let tag = Some(tag.to_owned());
        assert_eq!(revision, Revision { commit: commit.clone(), reference, tag, tag_object });
        let file = read(&remote, &revision, &cache).await.unwrap();
        assert_eq!(&file.commit.id, commit);
    }
    let error = look(&remote, &semver(">=3")).await.unwrap_err().to_string();
    assert!(error.contains(": no tag fits (3 out of range, 1 not versions, 0 ignored)"), "{error}");
}

#[rstest]
#[case("http")]
#[case("ssh")]
#[case("file")]
#[tokio::test]
async fn a_missing_branch_is_named_with_its_neighbours(#[case] kind: &str) {
    let repository = GitRepository::create();
    repository.commit_on("staging", &[("a", Some("b"))], "staging");
    let (_server, remote) = serve(kind, &repository);
    let error = look(&remote, &GitRef::Branch("prodution".to_owned())).await.unwrap_err();
    let expected =
        format!("Git {}: there is no branch `prodution`; similar: production, staging", remote.url);
    assert_eq!(error.to_string(), expected);
}

/// Method, path and whether a login was sent of what a server saw since it was last asked.
fn seen(server: &GitServer) -> Vec<(String, String, bool)> {
    let requests = server.requests();
    server.forget_requests();
    let seen = requests.into_iter().map(|request| {
        assert_eq!(request.status, 200, "{request:?}");
        let path = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        (request.method, path, request.headers.contains_key("authorization"))
    });
    seen.collect()
}

#[tokio::test]
async fn an_unchanged_look_asks_for_names_only() {
    let repository = GitRepository::create();
    repository.commit(FILE, "reg.example/code:v1", "one");
    let (server, remote) = serve("http", &repository);
    let server = server.unwrap();
    let cache = tempfile::tempdir().unwrap();
    let greeting = ("GET".to_owned(), "refs?service=git-upload-pack".to_owned(), true);
    let command = ("POST".to_owned(), "git-upload-pack".to_owned(), true);

    let revision = look(&remote, &production()).await.unwrap();
    assert_eq!(seen(&server), [greeting.clone(), command.clone()]);
    read(&remote, &revision, &cache).await.unwrap();
    assert_eq!(
        seen(&server),
        [greeting.clone(), command.clone(), command.clone()],
        "the folders, and the file"
    );
    assert_eq!(look(&remote, &production()).await.unwrap(), revision);
    assert_eq!(seen(&server), [greeting, command]);
    read(&remote, &revision, &cache).await.unwrap();
    assert_eq!(seen(&server), []);
}

#[tokio::test]
async fn every_http_request_is_told_of() {
    let repository = GitRepository::create();
    repository.commit(FILE, "one", "First");
    let (server, remote) = serve("http", &repository);
    let told = Arc::<Mutex<Vec<_>>>::default();
    let kept = Arc::clone(&told);
    let traffic = Traffic::to(move |it| kept.lock().unwrap().push((it.host.to_owned(), it.code)));
    look(&GitRemote { traffic: traffic.clone(), ..remote.clone() }, &production()).await.unwrap();
    let server = server.unwrap();
    let url = server.url();
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    let first = std::mem::take(&mut *told.lock().unwrap());
    assert!(!first.is_empty() && first.iter().all(|it| *it == (host.to_owned(), Some(200))), "{first:?}");
    problem(&GitRemote { login: login("hunter3"), traffic, ..remote }).await;
    assert_eq!(*told.lock().unwrap(), [(host.to_owned(), Some(401))]);
}

#[rstest]
#[case("http")]
#[case("git")]
#[case("ssh")]
#[tokio::test]
async fn a_silent_server_ends_in_time(#[case] scheme: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}/a.git", listener.local_addr().unwrap());
    let login = match scheme {
        "ssh" => {
            GitLogin::Ssh { private_key_pem: "x".to_owned(), known_hosts: "h ssh-ed25519 AAAA".to_owned() }
        }
        _ => GitLogin::Anonymous,
    };
    let silent = GitRemote { login, timeout: Duration::from_millis(500), ..remote(&url) };
    let looked = tokio::time::timeout(Duration::from_secs(20), problem(&silent)).await;
    assert_eq!(looked.expect("waited 20 s for a look with a timeout of 0.5 s"), GitProblem::TimedOut(0));
}

/// `git upload-pack` behind a socket, for so many connections, asked for no version of the protocol: what an sshd
/// answers that does not let `GIT_PROTOCOL` through.
fn old_server(repository: &GitRepository, connections: usize) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/any", listener.local_addr().unwrap());
    let path = repository.path();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let length = usize::from_str_radix(std::str::from_utf8(&length).unwrap(), 16).unwrap();
            stream.read_exact(&mut vec![0; length - 4]).unwrap();
            let (input, output) = (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
            let mut upload = Command::new("git");
            upload.arg("upload-pack").arg(&path).stdin(Stdio::from(input)).stdout(Stdio::from(output));
            upload.status().unwrap();
        }
    });
    url
}

#[tokio::test]
async fn servers_of_the_first_protocol_are_understood() {
    let repository = GitRepository::create();
    let commit = repository.commit(FILE, "1", "one");
    repository.annotated_tag("v1.0.0", "A release");
    let old = remote(&old_server(&repository, 4));
    let cache = tempfile::tempdir().unwrap();
    let revision = look(&old, &production()).await.unwrap();
    assert_eq!(revision.commit, commit);
    assert_eq!(look(&old, &semver("*")).await.unwrap().commit, commit);
    assert_eq!(read(&old, &revision, &cache).await.unwrap().bytes, b"1");
    let missing = look(&old, &GitRef::Branch("product".to_owned())).await.unwrap_err().to_string();
    assert!(missing.ends_with("there is no branch `product`; similar: production"), "{missing}");
}

#[tokio::test]
async fn a_reference_that_moved_since_the_look_is_read_where_it_was() {
    let repository = GitRepository::create();
    let (_server, remote) = serve("http", &repository);
    let cache = tempfile::tempdir().unwrap();
    repository.commit(FILE, "reg.example/code:v1", "one");
    let seen = look(&remote, &production()).await.unwrap();
    repository.commit(FILE, "reg.example/code:v2", "two");
    let file = read(&remote, &seen, &cache).await.unwrap();
    assert_eq!((file.commit.id, file.bytes.as_slice()), (seen.commit, &b"reg.example/code:v1"[..]));
}

#[tokio::test]
async fn local_repositories_stay_below_their_folder() {
    let repository = GitRepository::create();
    let (_, good) = serve("file", &repository);
    let off = GitRemote { file_root: None, ..good.clone() };
    assert_eq!(problem(&off).await.to_string(), "file URLs are off: no folder for them is set");

    let root = tempfile::tempdir().unwrap();
    symlink(repository.path(), root.path().join("link.git")).unwrap();
    fs::create_dir(root.path().join("worktree")).unwrap();
    fs::write(root.path().join("worktree/.git"), format!("gitdir: {}", repository.path().display())).unwrap();
    let below = |name: &str| format!("file://{}/{name}", root.path().display());
    for url in [repository.file_url(), below("link.git"), below("worktree"), below("../missing")] {
        let url = url.parse().unwrap();
        let outside = GitRemote { url, file_root: Some(root.path().to_owned()), ..good.clone() };
        let seen = problem(&outside).await.to_string();
        assert_eq!(seen, "the repository is not below the folder for file URLs", "{}", outside.url);
    }
    let file_root = Some(root.path().to_owned());
    let missing = GitRemote { url: below("missing").parse().unwrap(), file_root, ..good };
    assert!(matches!(problem(&missing).await, GitProblem::RepositoryMissing(_)));
}
