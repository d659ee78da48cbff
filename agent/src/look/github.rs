//! The tokens of GitHub Apps, kept until shortly before their end: a look costs no request for one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use voxsync_source::{
    Pace,
    git::{self, GitError, GitHubApp, GitLogin, GitProblem, GitRemote, InstallationToken},
    pause,
};

/// How many tokens are remembered; more than that means that most are no longer used.
const REMEMBERED_TOKENS_LIMIT: usize = 1000;
/// For so long a first failure is an answer, too, and each further one for twice as long.
const FIRST_FAILURE_AGE: Duration = Duration::from_secs(10);
/// The longest that a failure is an answer.
const LONGEST_FAILURE_AGE: Duration = Duration::from_mins(1);

/// The tokens of all Apps.
#[derive(Debug, Default)]
pub(crate) struct AppTokens {
    slots: Mutex<HashMap<Key, Slot>>,
    /// The manners in which hosts are asked: one that does not answer holds up its own Apps only, and no question of Git.
    pace: Pace,
}

/// An App, the host that its token is for, and with which certificates that is asked.
type Key = (GitHubApp, String, Option<String>, Option<String>);
/// What is known of a token. Whoever asks for one holds its lock, so that a thousand looks ask once.
type Slot = Arc<tokio::sync::Mutex<Kept>>;

#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Token(InstallationToken),
    Failure {
        problem: Box<GitProblem>,
        /// How many on end this is the last of.
        count: u32,
        until: Instant,
    },
}

impl AppTokens {
    /// A login with a token of the App, for the host of `remote`.
    pub(crate) async fn login(&self, app: &GitHubApp, remote: &GitRemote) -> Result<GitLogin, GitError> {
        let slot = self.slot(app, remote);
        let mut kept = slot.lock().await;
        let now = Timestamp::now();
        let failures = match &*kept {
            Kept::Token(token) if token.is_good(now) => return Ok(token.login()),
            Kept::Failure { problem, until, .. } if Instant::now() < *until => {
                return Err(GitError { url: remote.url.clone(), problem: *problem.clone() });
            }
            Kept::Failure { count, .. } => *count,
            Kept::Token(_) | Kept::Nothing => 0,
        };
        let admission = self.pace.admit(remote.url.host()).await;
        let answer = git::github_token(app, remote, Timestamp::now()).await;
        admission.end(&answer);
        match answer {
            Ok(token) => {
                let login = token.login();
                *kept = Kept::Token(token);
                Ok(login)
            }
            Err(error) => {
                let count = failures.saturating_add(1);
                let until = Instant::now() + pause(FIRST_FAILURE_AGE, count, LONGEST_FAILURE_AGE);
                *kept = Kept::Failure { problem: Box::new(error.problem.clone()), count, until };
                Err(error)
            }
        }
    }

    /// Believes a token no longer: the server refused this login.
    pub(crate) fn forget(&self, app: &GitHubApp, remote: &GitRemote, refused: &GitLogin) {
        // Where it is locked, somebody asks for another one already.
        if let Ok(mut kept) = self.slot(app, remote).try_lock()
            && matches!(&*kept, Kept::Token(token) if token.login() == *refused)
        {
            *kept = Kept::Nothing;
        }
    }

    fn slot(&self, app: &GitHubApp, remote: &GitRemote) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let host = remote.url.host().to_owned();
        let key = (app.clone(), host, remote.ca_pem.clone(), remote.identity_pem.clone());
        if slots.len() >= REMEMBERED_TOKENS_LIMIT && !slots.contains_key(&key) {
            slots.clear();
        }
        slots.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use futures::{FutureExt as _, future::join_all};
    use rstest::rstest;
    use voxsync_fixtures::{CertificateAuthority, Fault, GitHub, GitRepository, GitServer, Transport};

    use super::*;

    /// More than may ever be asked at once, of all hosts together.
    const SILENT_HOSTS: u8 = 40;
    /// Less than what hangs here is waited for.
    const PATIENCE: Duration = Duration::from_secs(15);

    fn origin(server: &GitServer) -> String {
        server.url().rsplit_once('/').unwrap().0.to_owned()
    }

    fn remote(url: &str, authority: &CertificateAuthority) -> GitRemote {
        GitRemote {
            url: url.parse().unwrap(),
            login: GitLogin::Anonymous,
            ca_pem: Some(authority.pem()),
            identity_pem: None,
            file_root: None,
            timeout: Duration::from_secs(20),
            traffic: voxsync_source::Traffic::default(),
        }
    }

    /// The App at the host of this URL.
    fn app(github: &GitHub, url: &str) -> GitHubApp {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = github.secret_at(url);
        let text = |key: &str| secret[key].as_str().unwrap().to_owned();
        GitHubApp {
            app: text("githubAppID"),
            installation: text("githubAppInstallationID").parse().unwrap(),
            private_key_pem: text("githubAppPrivateKey"),
            base_url: Some(text("githubAppBaseURL")),
        }
    }

    #[tokio::test]
    async fn hosts_that_give_no_token_hold_up_no_other() {
        let (github, repository) = (GitHub::create(), GitRepository::create());
        let authority = CertificateAuthority::create();
        let server = GitServer::github(&repository, &github, Transport::Tls(authority.issue()));
        let tokens = AppTokens::default();
        // They take connections, and say nothing.
        let silent =
            (1..=SILENT_HOSTS).map(|number| TcpListener::bind((Ipv4Addr::new(127, 0, 1, number), 0)));
        let silent: Vec<TcpListener> = silent.map(Result::unwrap).collect();
        let hung = silent.iter().map(async |silent| {
            let url = format!("https://{}/code.git", silent.local_addr().unwrap());
            tokens.login(&app(&github, &url), &remote(&url, &authority)).await
        });
        let (app, well) = (app(&github, &server.url()), remote(&server.url(), &authority));
        tokio::select! {
            biased;
            _ = join_all(hung) => panic!("what hangs has ended"),
            token = tokio::time::timeout(PATIENCE, tokens.login(&app, &well)) => {
                token.expect("it waits for those that hang").unwrap();
            }
        }
    }

    #[rstest]
    #[case(429, Some("retry-after"), 60)]
    #[case(403, Some("retry-after"), 60)]
    #[case(429, None, 1)]
    #[tokio::test]
    async fn a_github_that_wants_to_be_asked_later_is(
        #[case] status: u16,
        #[case] header: Option<&'static str>,
        #[case] seconds: u64,
    ) {
        let (github, repository) = (GitHub::create(), GitRepository::create());
        let authority = CertificateAuthority::create();
        let server = GitServer::github(&repository, &github, Transport::Tls(authority.issue()));
        let (remote, app) = (remote(&server.url(), &authority), app(&github, &server.url()));
        let tokens = AppTokens::default();
        let headers = header.map(|name| (name, "60")).into_iter().collect();
        server.answer(Fault { path: "access_tokens", status, headers, times: 1 });
        let error = tokens.login(&app, &remote).await.unwrap_err();
        assert!(
            matches!(error.problem, GitProblem::AskLater { retry_after, .. }
                if retry_after.map(|rest| rest.as_secs()) == header.map(|_| seconds)),
            "{error}"
        );
        assert!(tokens.pace.is_resting(remote.url.host()));
        // It is not asked for another App either.
        let other = GitHubApp { installation: 1, ..app };
        assert!(tokens.login(&other, &remote).now_or_never().is_none());
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_an_answer_for_a_while_and_a_token_until_it_is_refused() {
        let (github, repository) = (GitHub::create(), GitRepository::create());
        let authority = CertificateAuthority::create();
        let server = GitServer::github(&repository, &github, Transport::Tls(authority.issue()));
        let (remote, app) = (remote(&server.url(), &authority), app(&github, &server.url()));
        let (tokens, asked) = (AppTokens::default(), || server.requests().len());
        server.answer(Fault { path: "access_tokens", status: 500, headers: vec![], times: 1 });
        let error = tokens.login(&app, &remote).await.unwrap_err();
        assert!(error.to_string().contains("HTTP 500"), "{error}");
        tokens.forget(&app, &remote, &remote.login);
        assert_eq!((tokens.login(&app, &remote).await, asked()), (Err(error), 1));
        let other =
            GitRemote { url: format!("{}/other.git", origin(&server)).parse().unwrap(), ..remote.clone() };
        let error = tokens.login(&app, &other).await.unwrap_err();
        assert_eq!((error.url, asked()), (other.url, 1), "each is told of its own repository");

        // Another App has failures of its own: this one is a name of the same.
        let again = GitHubApp { base_url: Some(format!("{}/api/v3/", origin(&server))), ..app };
        let first = tokens.login(&again, &remote).await.unwrap();
        tokens.forget(&again, &remote, &GitLogin::Anonymous);
        assert_eq!(tokens.login(&again, &remote).await.unwrap(), first);
        tokens.forget(&again, &remote, &first);
        assert_ne!(tokens.login(&again, &remote).await.unwrap(), first);
        assert_eq!(github.tokens_given(), 2);
    }
}
