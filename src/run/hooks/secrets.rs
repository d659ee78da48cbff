//! The secrets that senders know: from Secrets, read by name, and from the file of the process.
//!
//! What was read is believed for a minute, and read again at once when a proof does not fit to it, for it may have been
//! renewed. Since anybody can send what does not fit, that happens at most every few seconds, and for all together seldom
//! enough (`rereads`). When the minute is over it is read again for anybody: a flood of what does not fit would else keep a
//! renewed secret out for as long as it lasts.
//!
//! The agent reads Secrets, too, but for itself: it forgets what a server refused, where this keeps what anybody refuses.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use tokio::time::{Instant, timeout, timeout_at};
use voxsync_crds::code_sync::Webhook;
use voxsync_webhook::{Refusal, Secret};

use super::{certificate::read_file, rereads::Rereads};

/// How long a secret is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long after a read the next one may come.
const READ_PAUSE: Duration = Duration::from_secs(2);
/// How long a read may take.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// How many secrets are remembered.
const REMEMBERED_LIMIT: usize = 10_000;
/// Where in a Secret it is.
const KEY: &str = Webhook::SECRET_KEY;

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
    kept: Mutex<HashMap<Origin, Arc<Kept>>>,
    rereads: Rereads,
}

/// A secret as it was read last. Whoever reads it holds the lock of `reading`.
#[derive(Default)]
struct Kept {
    read: Mutex<Option<Read>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Read {
    at: Instant,
    /// Why there is none, else.
    secret: Result<Arc<Secret>, String>,
}

/// Whether a secret is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    None,
    /// As are all who have no proof.
    OfAnyone,
    Own,
}

impl Secrets {
    pub(super) fn new(client: Client) -> Self {
        Self { client, kept: Mutex::default(), rereads: Rereads::default() }
    }

    /// Holds a proof against a secret, and against what took its place if that may be; it is not waited for longer than
    /// until then.
    ///
    /// # Errors
    /// Why the proof is none, for the log.
    pub(super) async fn prove<T>(
        &self,
        origin: &Origin,
        prove: impl Fn(&Secret) -> Result<T, Refusal>,
        by: Instant,
    ) -> Result<T, String> {
        let kept = self.kept(origin);
        let known = kept.known();
        let verdict = |read: &Read| {
            let secret = read.secret.as_ref().map_err(String::clone)?;
            prove(secret).map_err(|refusal| refusal.to_string())
        };
        let before = known.as_ref().map_or_else(|| Err(format!("{origin} was not read in time")), verdict);
        let need = need(known.as_ref().map(|read| read.at.elapsed()), before.is_ok());
        let known_at = known.map(|read| read.at);
        match timeout_at(by, self.read_after(known_at, need, &kept, origin)).await {
            Ok(Some(read)) => verdict(&read),
            // The last one is better than none while nobody can be asked.
            Ok(None) | Err(_) => before,
        }
    }

    /// What was read after this. One at a time reads it, the others wait for that.
    async fn read_after(
        &self,
        known_at: Option<Instant>,
        need: Need,
        kept: &Arc<Kept>,
        origin: &Origin,
    ) -> Option<Read> {
        if need == Need::None {
            return None;
        }
        let turn = Arc::clone(&kept.reading).lock_owned().await;
        let known = kept.known();
        if known.as_ref().map(|read| read.at) != known_at {
            return known;
        }
        if need == Need::OfAnyone && !self.rereads.take(Instant::now()) {
            return None;
        }
        let (client, kept, origin) = (self.client.clone(), Arc::clone(kept), origin.clone());
        // Who asked may not wait to its end: the next one finds it.
        let reading = tokio::spawn(async move {
            let _turn = turn;
            let read = read_now(&client, &origin).await;
            kept.keep(read, Instant::now())
        });
        reading.await.ok()
    }

    fn kept(&self, origin: &Origin) -> Arc<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED_LIMIT && !kept.contains_key(origin) {
            kept.clear();
        }
        Arc::clone(kept.entry(origin.clone()).or_default())
    }
}

/// Whether a secret of this age is read again for who has, or has no, proof by it.
fn need(age: Option<Duration>, is_proven: bool) -> Need {
    match age {
        None => Need::Own,
        Some(age) if age >= BELIEVED => Need::Own,
        Some(age) if !is_proven && age >= READ_PAUSE => Need::OfAnyone,
        Some(_) => Need::None,
    }
}

impl Kept {
    fn known(&self) -> Option<Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was read; what could not be read, only where nothing was before.
    fn keep(&self, read: Result<Result<Secret, String>, String>, at: Instant) -> Read {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = match (read, known.take()) {
            (Ok(secret), _) => secret.map(Arc::new),
            (Err(_), Some(known)) => known.secret,
            (Err(why), None) => Err(why),
        };
        known.insert(Read { at, secret }).clone()
    }
}

/// What is there, or what is wrong with it; outside, why nobody could tell.
async fn read_now(client: &Client, origin: &Origin) -> Result<Result<Secret, String>, String> {
    let bytes = match origin {
        Origin::File(path) => match read_file(path).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(format!("--hooks-secret-file: {error:#}"))),
        },
        Origin::Secret { namespace, name } => {
            let api: Api<v1::Secret> = Api::namespaced(client.clone(), namespace);
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

#[cfg(test)]
mod tests;
