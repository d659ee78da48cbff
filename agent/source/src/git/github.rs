//! The login of a GitHub App: its private key signs a statement, which GitHub changes for a token of an hour.
//!
//! Protocol: "Generating a JSON Web Token (JWT) for a GitHub App" and "Create an installation access token for an app" of
//! <https://docs.github.com/en/rest/apps/apps>. The token is a password for Git over https, and is kept by whoever
//! asked for it. It comes from the host that it is for, and that the Secret of the App names: nothing is signed for another one.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, HeaderMap, USER_AGENT},
};
use rustls::{
    SignatureScheme,
    crypto::ring::sign::RsaSigningKey,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::SigningKey as _,
};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use url::Url;

use super::{GitError, GitLogin, GitProblem, GitRemote, client, error::clean};
use crate::pace::{Wish, wish};

/// The user name that goes with a token.
const USER: &str = "x-access-token";
/// How far the clock of GitHub may be behind ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How long a signed statement holds; GitHub takes ten minutes at most.
const STATEMENT_AGE: SignedDuration = SignedDuration::from_mins(8);
/// How long before its end a token is no longer used: a fetch may take a while.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// What GitHub says where it refuses with 403 because there are too many requests, and perhaps no header says so.
const RATE_LIMIT: &str = "rate limit";
/// How long it wants to be left alone then ("Rate limits for the REST API" of <https://docs.github.com/en/rest>).
const RATE_LIMIT_REST: Duration = Duration::from_mins(1);
/// The largest answer taken.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A GitHub App that is installed where the repository is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitHubApp {
    /// The App's id (or its client id).
    pub app: String,
    /// Which of its installations.
    pub installation: u64,
    /// The RSA key that GitHub made for it, in PEM.
    pub private_key_pem: String,
    /// Where the API is; none for that of github.com.
    pub base_url: Option<String>,
}

impl fmt::Debug for GitHubApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, installation, private_key_pem: _, base_url: _ } = self;
        write!(formatter, "GitHubApp({app}, {installation})")
    }
}

/// A token of an installation. Shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct InstallationToken {
    token: String,
    expires: Timestamp,
}

impl InstallationToken {
    /// Whether it may still be used.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires.saturating_sub(EARLY).unwrap_or(self.expires)
    }

    /// The login that it is.
    pub fn login(&self) -> GitLogin {
        GitLogin::Basic { username: USER.to_owned(), password: self.token.clone() }
    }
}

impl fmt::Debug for InstallationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InstallationToken(until {})", self.expires)
    }
}

/// Why a GitHub App gets no token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppProblem {
    /// Not over https.
    #[error("a GitHub App needs an https URL: its token is a password for https")]
    NotHttps,
    /// The API is elsewhere than the repository.
    #[error("`githubAppBaseURL` must be an https URL on the repository's host {0}, or on api.{0}")]
    BaseUrl(String),
    /// The API is not said, and the repository is not at github.com.
    #[error(
        "the Secret does not say that its App is one of {0}: without `githubAppBaseURL` it is one of github.com. Put there \
         where the API of that host is, mostly https://{0}/api/v3"
    )]
    NoBaseUrl(String),
    /// The key cannot sign.
    #[error(
        "`githubAppPrivateKey` is not an RSA private key in PEM: take the file that GitHub made for the App"
    )]
    Key,
    /// The statement is not believed.
    #[error(
        "GitHub does not know this App by its key (HTTP 401: {0}): `githubAppID` and `githubAppPrivateKey` must be of one \
         App, and the clock of this machine must be right"
    )]
    Refused(String),
    /// No such installation.
    #[error(
        "the App has no installation of this id (HTTP 404: {0}): `githubAppInstallationID` is the number at the end of \
         the address of the installation's settings"
    )]
    NoInstallation(String),
    /// Any other answer.
    #[error("GitHub gives no token (HTTP {0}: {1})")]
    Answer(u16, String),
    /// An answer that is none.
    #[error("what answers at {0} is not GitHub's API")]
    NotGitHub(String),
}

/// What GitHub answers.
#[derive(Deserialize)]
struct Granted {
    token: String,
    expires_at: Timestamp,
}

/// What GitHub answers instead.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Asks for a token that reads the repository of `remote`, over its certificates and within its timeout. Its login is
/// not looked at.
pub async fn token(
    app: &GitHubApp,
    remote: &GitRemote,
    now: Timestamp,
) -> Result<InstallationToken, GitError> {
    let asked = tokio::time::timeout(remote.timeout, ask(app, remote, now));
    let answer = asked.await.unwrap_or(Err(GitProblem::TimedOut(remote.timeout.as_secs())));
    answer.map_err(|problem| GitError { url: remote.url.clone(), problem })
}

async fn ask(app: &GitHubApp, remote: &GitRemote, now: Timestamp) -> Result<InstallationToken, GitProblem> {
    let address = address(app, remote.url.as_str())?;
    let statement = statement(app, now)?;
    let request = client::open(remote)?
        .post(address.clone())
        .header(ACCEPT, "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28")
        .header(USER_AGENT, concat!("voxsync/", env!("CARGO_PKG_VERSION")))
        .bearer_auth(statement);
    let answer = request.send().await;
    remote.traffic.exchanged(&address, &answer);
    let mut answer = answer.map_err(|error| client::problem_of(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = body(&mut answer).await?;
    if status == StatusCode::CREATED {
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| AppProblem::NotGitHub(crate::traffic::host_and_port(&address)))?;
        return Ok(InstallationToken { token: granted.token, expires: granted.expires_at });
    }
    let said = serde_json::from_slice(&body)
        .map_or_else(|_| "no message".to_owned(), |refusal: Refusal| clean(&refusal.message));
    Err(refusal(status, &headers, said))
}

fn refusal(status: StatusCode, headers: &HeaderMap, said: String) -> GitProblem {
    let wish = match wish(status, headers) {
        Wish::Nothing if status == StatusCode::FORBIDDEN && said.contains(RATE_LIMIT) => {
            Wish::Rest(Some(RATE_LIMIT_REST))
        }
        wish => wish,
    };
    if let Wish::Rest(retry_after) = wish {
        return GitProblem::AskLater { status: status.as_u16(), said: Some(said), retry_after };
    }
    match status {
        StatusCode::UNAUTHORIZED => AppProblem::Refused(said),
        StatusCode::NOT_FOUND => AppProblem::NoInstallation(said),
        _ => AppProblem::Answer(status.as_u16(), said),
    }
    .into()
}

/// Where the tokens of an App are. A statement shown to another host could be changed there for a token of ours.
fn address(app: &GitHubApp, repository: &str) -> Result<Url, AppProblem> {
    let is_https = |url: &Url| url.scheme() == "https";
    let repository = Url::parse(repository).ok().filter(is_https).ok_or(AppProblem::NotHttps)?;
    let host = repository.host_str().unwrap_or_default();
    let elsewhere = || AppProblem::BaseUrl(host.to_owned());
    let base = match (&app.base_url, host) {
        (Some(base), _) => Url::parse(base).map_err(|_| elsewhere())?,
        (None, "github.com") => Url::parse("https://api.github.com").map_err(|_| elsewhere())?,
        // Whoever may name a repository would choose who gets the statement.
        (None, _) => return Err(AppProblem::NoBaseUrl(host.to_owned())),
    };
    let of_host = base.host_str().is_some_and(|base| base == host || base.strip_prefix("api.") == Some(host));
    if !is_https(&base) || !of_host || !base.username().is_empty() || base.password().is_some() {
        return Err(elsewhere());
    }
    let path =
        format!("{}/app/installations/{}/access_tokens", base.path().trim_end_matches('/'), app.installation);
    base.join(&path).map_err(|_| elsewhere())
}

/// The signed statement (a JSON Web Token, RFC 7519, with RS256 of RFC 7518) of who the App is.
fn statement(app: &GitHubApp, now: Timestamp) -> Result<String, AppProblem> {
    let seconds = |time: Result<Timestamp, jiff::Error>| time.unwrap_or(now).as_second();
    let head = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({
        "iat": seconds(now.checked_sub(CLOCK_SKEW)), "exp": seconds(now.checked_add(STATEMENT_AGE)), "iss": app.app,
    });
    let text = [head, claims].map(|part| BASE64.encode(part.to_string())).join(".");
    let key = PrivateKeyDer::from_pem_slice(app.private_key_pem.as_bytes()).map_err(|_| AppProblem::Key)?;
    let key = RsaSigningKey::new(&key).map_err(|_| AppProblem::Key)?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or(AppProblem::Key)?;
    let signature = signer.sign(text.as_bytes()).map_err(|_| AppProblem::Key)?;
    Ok(format!("{text}.{}", BASE64.encode(signature)))
}

async fn body(answer: &mut Response) -> Result<Vec<u8>, GitProblem> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| client::problem_of(&error))? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(AppProblem::NotGitHub(crate::traffic::host_and_port(answer.url())).into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
#[path = "github_tests.rs"]
mod tests;
