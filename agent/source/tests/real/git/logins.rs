//! Logins, certificates and host keys, and what a server may say instead of an answer.

use rstest::rstest;
use voxsync_fixtures::{CertificateAuthority, Fault, GitRepository, GitServer, Transport};
use voxsync_source::git::{GitLogin, GitProblem, GitRemote, look};

use super::{access, login, problem, production, remote, serve, ssh_login};

#[tokio::test]
async fn logins_over_http() {
    let repository = GitRepository::create();
    let (server, good) = serve("http", &repository);
    let bad = GitRemote { login: login("wrong"), ..good.clone() };
    let error = look(&bad, &production()).await.unwrap_err();
    let expected = format!("Git {}: the server does not know this login (HTTP 401)", bad.url);
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");

    let none = GitRemote { login: GitLogin::Anonymous, ..good.clone() };
    assert_eq!(problem(&none).await, GitProblem::LoginNeeded("HTTP 401".to_owned()));
    let ssh = GitLogin::Ssh { private_key_pem: String::new(), known_hosts: String::new() };
    let key = GitRemote { login: ssh, ..good.clone() };
    assert!(matches!(problem(&key).await, GitProblem::LoginMismatch(_)));

    let server = server.unwrap();
    server.forget_requests();
    let bearer = GitRemote { login: GitLogin::Bearer("abc\n".to_owned()), ..good };
    assert!(matches!(problem(&bearer).await, GitProblem::LoginRefused(_)));
    let sent = server.requests().remove(0).headers.remove("authorization").unwrap();
    assert_eq!(sent, "Bearer abc");
}

#[rstest]
#[case(403, None, "does not let this login read the repository (HTTP 403)")]
#[case(404, None, "there is no such repository, or this login may not see it (HTTP 404)")]
#[case(503, None, "the server answers HTTP 503")]
#[case(503, Some(("retry-after", "7")), "the server wants to be asked later (HTTP 503)")]
#[case(429, None, "the server wants to be asked later (HTTP 429)")]
#[case(403, Some(("retry-after", "7")), "the server wants to be asked later (HTTP 403)")]
#[case(200, None, "what answers there is not a Git server: it sends no content type")]
#[case(200, Some(("content-type", "text/html")), "not a Git server: it sends text/html")]
#[case(
    301,
    Some(("location", "https://u:p@elsewhere.example/b.git/info/refs?service=git-upload-pack")),
    "the server redirects to https://elsewhere.example/b.git: if that is right"
)]
#[tokio::test]
async fn what_else_a_server_may_answer(
    #[case] status: u16,
    #[case] header: Option<(&'static str, &'static str)>,
    #[case] message: &str,
) {
    let repository = GitRepository::create();
    let (server, remote) = serve("http", &repository);
    let headers = header.into_iter().collect();
    let server = server.unwrap();
    server.answer(Fault { path: "", status, headers, times: 1 });
    let error = look(&remote, &production()).await.unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[tokio::test]
async fn certificates_are_checked() {
    let repository = GitRepository::create();
    let authority = CertificateAuthority::create();
    let server = GitServer::http(&repository, access(), Transport::Tls(authority.issue_expired()));
    let expired = GitRemote { ca_pem: Some(authority.pem()), ..remote(&server.url()) };
    assert_eq!(problem(&expired).await, GitProblem::CertificateExpired);

    let (_server, good) = serve("https", &repository);
    let unknown = GitRemote { ca_pem: None, ..good.clone() };
    assert_eq!(problem(&unknown).await, GitProblem::CertificateUnknownAuthority);
    let other = GitRemote { ca_pem: Some(CertificateAuthority::create().pem()), ..good.clone() };
    assert_eq!(problem(&other).await, GitProblem::CertificateUnknownAuthority);
    let junk = GitRemote { ca_pem: Some("junk".to_owned()), ..good };
    assert!(matches!(problem(&junk).await, GitProblem::CertificateSecret("the CA", _)));
}

#[tokio::test]
async fn ssh_talks_to_known_hosts_only() {
    let repository = GitRepository::create();
    let (server, good) = serve("ssh", &repository);
    let (server, other) = (server.unwrap(), GitServer::ssh(&repository));
    let url = server.url();
    let address = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    let (name, port) = address.split_once(':').unwrap();
    let host = format!("[{name}]:{port}");

    let unknown = GitRemote { login: ssh_login(&server, other.known_hosts()), ..good.clone() };
    assert_eq!(problem(&unknown).await, GitProblem::HostKeyUnknown { host: host.clone() });
    let empty = GitRemote { login: ssh_login(&server, String::new()), ..good.clone() };
    let shown = problem(&empty).await.to_string();
    assert!(shown.contains(&format!("the SSH host key of {host} is not known")), "{shown}");
    assert!(shown.contains("add it to `known_hosts` of the Secret"), "{shown}");

    let (_, foreign_key) =
        other.known_hosts().split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let changed = GitRemote { login: ssh_login(&server, format!("{host} {foreign_key}")), ..good.clone() };
    assert_eq!(problem(&changed).await, GitProblem::HostKeyChanged { host });

    let stranger = GitRemote { login: ssh_login(&other, server.known_hosts()), ..good.clone() };
    assert!(matches!(problem(&stranger).await, GitProblem::LoginRefused(_)));
    let nobody = GitRemote { login: GitLogin::Anonymous, ..good.clone() };
    assert!(matches!(problem(&nobody).await, GitProblem::LoginMismatch(_)));
    let elsewhere = GitRemote { url: format!("{url}-missing").parse().unwrap(), ..good };
    assert!(matches!(problem(&elsewhere).await, GitProblem::RepositoryMissing(_)));
}

#[tokio::test]
async fn a_repository_that_is_not_exported_is_missing() {
    let repository = GitRepository::create();
    let (_server, good) = serve("git", &repository);
    let missing = GitRemote { url: format!("{}-missing", good.url).parse().unwrap(), ..good.clone() };
    let seen = problem(&missing).await;
    assert!(matches!(seen, GitProblem::RepositoryMissing(_)), "{seen}");
    let with_login = GitRemote { login: login("hunter2"), ..good };
    assert!(matches!(problem(&with_login).await, GitProblem::LoginMismatch(_)));
}
