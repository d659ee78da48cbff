//! The login of a GitHub App, at a GitHub of the tests.

use jiff::{SignedDuration, Timestamp};
use voxsync_fixtures::{CertificateAuthority, Fault, GitHub, GitRepository, GitServer, Transport};
use voxsync_source::git::{AppProblem, GitHubApp, GitProblem, GitRemote, github_token, look};

use super::{production, remote};

/// A GitHub with its Git server, and the App that may read there.
fn installed() -> (GitHub, (GitRepository, GitServer), GitRemote, GitHubApp) {
    let (github, repository) = (GitHub::create(), GitRepository::create());
    let authority = CertificateAuthority::create();
    let server = GitServer::github(&repository, &github, Transport::Tls(authority.issue()));
    let remote = GitRemote { ca_pem: Some(authority.pem()), ..remote(&server.url()) };
    let secret = github.secret_at(&server.url());
    let text = |key: &str| secret[key].as_str().unwrap().to_owned();
    let app = GitHubApp {
        app: text("githubAppID"),
        installation: text("githubAppInstallationID").parse().unwrap(),
        private_key_pem: text("githubAppPrivateKey"),
        base_url: Some(text("githubAppBaseURL")),
    };
    (github, (repository, server), remote, app)
}

async fn problem(app: &GitHubApp, remote: &GitRemote) -> GitProblem {
    github_token(app, remote, Timestamp::now()).await.unwrap_err().problem
}

#[tokio::test]
async fn a_key_is_changed_for_a_token_that_reads() {
    let (github, (_repository, server), anonymous, app) = installed();
    let refused = look(&anonymous, &production()).await.unwrap_err().problem;
    assert!(matches!(refused, GitProblem::LoginNeeded(_)), "{refused}");
    let token = github_token(&app, &anonymous, Timestamp::now()).await.unwrap();
    assert!(token.is_good(Timestamp::now()));
    let remote = GitRemote { login: token.login(), ..anonymous.clone() };
    look(&remote, &production()).await.unwrap();
    let with_path = GitHubApp { base_url: Some(format!("{}/api/v3/", origin(&server))), ..app.clone() };
    github_token(&with_path, &anonymous, Timestamp::now()).await.unwrap();
    assert_eq!(github.tokens_given(), 2);
    look(&remote, &production()).await.unwrap_err();

    github.set_token_age(SignedDuration::from_mins(4));
    let brief = github_token(&app, &anonymous, Timestamp::now()).await.unwrap();
    assert!(!brief.is_good(Timestamp::now()), "its end is near");
}

fn origin(server: &GitServer) -> String {
    server.url().rsplit_once('/').unwrap().0.to_owned()
}

#[tokio::test]
async fn who_gets_no_token_is_told_why() {
    let (_github, (_repository, server), remote, app) = installed();
    let (other, ..) = installed();
    let other = other.secret()["githubAppPrivateKey"].as_str().unwrap().to_owned();
    let refused = problem(&GitHubApp { private_key_pem: other, ..app.clone() }, &remote).await;
    assert!(
        matches!(&refused, GitProblem::App(AppProblem::Refused(said)) if said.contains("could not be decoded"))
    );
    assert!(
        refused.to_string().contains("`githubAppID` and `githubAppPrivateKey` must be of one App"),
        "{refused}"
    );
    let another = problem(&GitHubApp { app: "1".to_owned(), ..app.clone() }, &remote).await;
    assert!(matches!(another, GitProblem::App(AppProblem::Refused(_))), "{another}");
    let late = Timestamp::now() - SignedDuration::from_hours(1);
    let late = github_token(&app, &remote, late).await.unwrap_err().problem;
    assert!(late.to_string().contains("the clock of this machine"), "{late}");

    let elsewhere = GitHubApp { base_url: Some("https://evil.example".to_owned()), ..app.clone() };
    assert!(matches!(problem(&elsewhere, &remote).await, GitProblem::App(AppProblem::BaseUrl(_))));
    let untrusted = GitRemote { ca_pem: None, ..remote.clone() };
    assert_eq!(problem(&app, &untrusted).await, GitProblem::CertificateUnknownAuthority);
    let answers = [
        (404, "no installation of this id (HTTP 404"),
        (403, "GitHub gives no token (HTTP 403"),
        (429, "the server wants to be asked later (HTTP 429: no message)"),
        (201, "is not GitHub's API"),
        (302, "GitHub gives no token (HTTP 302"),
    ];
    for (status, message) in answers {
        let headers = vec![("location", "https://evil.example")];
        server.answer(Fault { path: "access_tokens", status, headers, times: 1 });
        let said = problem(&app, &remote).await.to_string();
        assert!(said.contains(message), "{said}");
    }
}
