//! Where an App asks for its tokens, and what becomes of an answer.

use rstest::rstest;

use super::*;

fn app(base_url: Option<&str>) -> GitHubApp {
    GitHubApp {
        app: "12".to_owned(),
        installation: 34,
        private_key_pem: "hunter2".to_owned(),
        base_url: base_url.map(str::to_owned),
    }
}

#[rstest]
#[case("https://github.com/a/b.git", None, "https://api.github.com/app/installations/34/access_tokens")]
#[case(
    "https://git.example:8443/a/b",
    Some("https://git.example:8443/api/v3"),
    "https://git.example:8443/api/v3/app/installations/34/access_tokens"
)]
#[case(
    "https://x.ghe.com/a/b",
    Some("https://api.x.ghe.com/"),
    "https://api.x.ghe.com/app/installations/34/access_tokens"
)]
#[case(
    "https://git.example/a/b",
    Some("https://git.example/api/v3/"),
    "https://git.example/api/v3/app/installations/34/access_tokens"
)]
fn where_tokens_are(#[case] repository: &str, #[case] base: Option<&str>, #[case] expected: &str) {
    assert_eq!(address(&app(base), repository).unwrap().as_str(), expected);
}

#[rstest]
#[case("http://github.com/a/b.git", None)]
#[case("ssh://git@github.com/a/b.git", None)]
#[case("git@github.com:a/b.git", None)]
#[case("https://evil.example/a/b.git", None)]
#[case("https://evil.example/a/b.git", Some("https://api.github.com"))]
#[case("https://github.com/a/b.git", Some("https://evil.example"))]
#[case("https://github.com/a/b.git", Some("http://api.github.com"))]
#[case("https://github.com/a/b.git", Some("https://u:p@api.github.com"))]
#[case("https://github.com/a/b.git", Some("api.github.com"))]
fn nothing_is_signed_for_another_host(#[case] repository: &str, #[case] base: Option<&str>) {
    assert!(address(&app(base), repository).is_err());
}

#[test]
fn a_key_that_is_none_is_said_and_not_shown() {
    let problem = statement(&app(None), Timestamp::UNIX_EPOCH).unwrap_err();
    let shown = format!("{problem} {problem:?} {:?}", app(None));
    assert!(shown.contains("not an RSA private key") && !shown.contains("hunter2"), "{shown}");
}

#[rstest]
#[case("You have exceeded a secondary rate limit. Please wait a few minutes before you try again.", true)]
#[case("API rate limit exceeded for installation ID 34.", true)]
#[case("Resource not accessible by integration", false)]
fn too_many_requests_are_told_from_what_is_forbidden(#[case] said: &str, #[case] is_limit: bool) {
    let wanted = if is_limit {
        let (said, retry_after) = (Some(said.to_owned()), Some(Duration::from_mins(1)));
        GitProblem::AskLater { status: 403, said, retry_after }
    } else {
        AppProblem::Answer(403, said.to_owned()).into()
    };
    assert_eq!(refusal(StatusCode::FORBIDDEN, &HeaderMap::new(), said.to_owned()), wanted);
}

#[test]
fn a_token_ends_early_and_shows_nothing() {
    let expires = Timestamp::from_second(3600).unwrap();
    let token = InstallationToken { token: "hunter2".to_owned(), expires };
    let at = |second| Timestamp::from_second(second).unwrap();
    assert!(token.is_good(at(3299)) && !token.is_good(at(3300)));
    assert!(!format!("{token:?} {:?}", token.login()).contains("hunter2"));
}
