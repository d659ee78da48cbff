//! The secrets that senders know: from Secrets, read by name, and from the file of the process.
//!
//! What was read is believed for a minute, and read again at once when a proof does not fit to it, for it may have been
//! renewed. Since anybody can send what does not fit, that happens at most every few seconds.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use tokio::time::{Instant, timeout};
use voxsync_webhook::Secret;

use super::certificate::read_file;

/// How long a secret is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long after a read the next one may come.
const READ_PAUSE: Duration = Duration::from_secs(2);
/// How long a read may take.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// How many secrets are remembered.
const REMEMBERED_LIMIT: usize = 10_000;
/// Where in a Secret it is.
const KEY: &str = "token";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// In a Secret.
    Secret { namespace: String, name: String },
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { namespace, name } => write!(formatter, "Secret {namespace}/{name}"),
            Self::File(path) => write!(formatter, "--hooks-secret-file {}", path.display()),
        }
    }
}

/// Reads secrets.
pub(super) struct Secrets {
    client: Client,
    kept: Mutex<HashMap<Origin, Arc<tokio::sync::Mutex<Kept>>>>,
}

/// A secret as it was read last, or why it could not be.
#[derive(Default)]
struct Kept {
    read_at: Option<Instant>,
    secret: Option<Result<Arc<Secret>, String>>,
}

impl Secrets {
    pub(super) fn new(client: Client) -> Self {
        Self { client, kept: Mutex::default() }
    }

    /// A secret as it was at most a minute ago.
    ///
    /// # Errors
    /// Why there is none, for the log.
    pub(super) async fn get(&self, origin: &Origin) -> Result<Arc<Secret>, String> {
        let is_old = |kept: &Kept, age| match kept.secret {
            Some(Ok(_)) => age >= BELIEVED,
            Some(Err(_)) | None => age >= READ_PAUSE,
        };
        self.read(origin, is_old).await
    }

    /// The secret that took the place of one that does not fit, if there is another.
    pub(super) async fn newer(&self, origin: &Origin, than: &Secret) -> Option<Arc<Secret>> {
        let read = self.read(origin, |_, age| age >= READ_PAUSE).await.ok()?;
        (*read != *than).then_some(read)
    }

    /// What is remembered, unless it is too old. One at a time reads it, the others wait for that.
    async fn read(
        &self,
        origin: &Origin,
        is_old: impl Fn(&Kept, Duration) -> bool,
    ) -> Result<Arc<Secret>, String> {
        let kept = self.kept(origin);
        let mut kept = kept.lock().await;
        let is_needed = kept.read_at.is_none_or(|read_at| is_old(&kept, read_at.elapsed()));
        if is_needed {
            let read = self.read_now(origin).await;
            kept.read_at = Some(Instant::now());
            match read {
                Ok(secret) => kept.secret = Some(secret.map(Arc::new)),
                // The last one is better than none while nobody can be asked.
                Err(why) => _ = kept.secret.get_or_insert(Err(why)),
            }
        }
        kept.secret.clone().unwrap_or_else(|| Err(format!("{origin} was not read")))
    }

    fn kept(&self, origin: &Origin) -> Arc<tokio::sync::Mutex<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED_LIMIT {
            kept.clear();
        }
        Arc::clone(kept.entry(origin.clone()).or_default())
    }

    /// What is there, or what is wrong with it; outside, why nobody could tell.
    async fn read_now(&self, origin: &Origin) -> Result<Result<Secret, String>, String> {
        let bytes = match origin {
            Origin::File(path) => match read_file(path).await {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Err(format!("--hooks-secret-file: {error:#}"))),
            },
            Origin::Secret { namespace, name } => {
                let api: Api<v1::Secret> = Api::namespaced(self.client.clone(), namespace);
                match timeout(READ_LIMIT, api.get(name)).await {
                    Ok(Ok(mut secret)) => {
                        secret.data.as_mut().and_then(|data| data.remove(KEY)).unwrap_or_default().0
                    }
                    Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
                        return Ok(Err(format!("{origin} does not exist: create it with the key {KEY}")));
                    }
                    Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                        return Ok(Err(format!(
                            "{origin} cannot be read: add its name to voxsync's Role for Secrets"
                        )));
                    }
                    _ => return Err(format!("{origin} cannot be read: the API server did not give it")),
                }
            }
        };
        Ok(Secret::new(&bytes).ok_or_else(|| match origin {
            Origin::Secret { .. } => format!("{origin} has no key {KEY}, or an empty one"),
            Origin::File(_) => format!("{origin} is empty"),
        }))
    }
}
