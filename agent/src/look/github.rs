//! The tokens of GitHub Apps, kept until shortly before their end: a look costs no request for one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use voxsync_source::git::{self, GitError, GitHubApp, GitLogin, GitRemote, InstallationToken};

/// How many tokens are remembered; more than that means that most are no longer used.
const REMEMBERED_TOKENS_LIMIT: usize = 1000;

/// The tokens of all Apps.
#[derive(Debug, Default)]
pub(crate) struct AppTokens(Mutex<HashMap<Key, Slot>>);

/// An App, and the host that its token is for.
type Key = (GitHubApp, String);
/// A token. Whoever asks for one holds its lock, so that a thousand looks ask once.
type Slot = Arc<tokio::sync::Mutex<Option<InstallationToken>>>;

impl AppTokens {
    /// A login with a token of the App, for the host of `remote`.
    pub(crate) async fn login(&self, app: &GitHubApp, remote: &GitRemote) -> Result<GitLogin, GitError> {
        let slot = self.slot(app, remote);
        let mut kept = slot.lock().await;
        let now = Timestamp::now();
        if let Some(token) = kept.as_ref().filter(|token| token.is_good(now)) {
            return Ok(token.login());
        }
        let token = git::github_token(app, remote, now).await?;
        let login = token.login();
        *kept = Some(token);
        Ok(login)
    }

    /// Believes a token no longer: the server refused it.
    pub(crate) fn forget(&self, app: &GitHubApp, remote: &GitRemote) {
        self.tokens().remove(&key(app, remote));
    }

    fn slot(&self, app: &GitHubApp, remote: &GitRemote) -> Slot {
        let mut tokens = self.tokens();
        let key = key(app, remote);
        if tokens.len() >= REMEMBERED_TOKENS_LIMIT && !tokens.contains_key(&key) {
            tokens.clear();
        }
        tokens.entry(key).or_default().clone()
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(app: &GitHubApp, remote: &GitRemote) -> Key {
    (app.clone(), remote.url.host().to_owned())
}
