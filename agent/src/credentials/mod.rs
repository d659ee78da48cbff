//! Logins and certificates, from Secrets that are named.
//!
//! Secrets are read one by one, by name: no right to list or watch all of them is needed. What was read is believed
//! for a minute, and read again at once when a server refuses it. Values never get into messages or logs; names of
//! keys do.

mod secret;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::Instant;

pub(crate) use secret::{CredentialProblem, SecretKeys, Tls, git_login, registry_login, tls};

use crate::{call::call, look::place::SecretName};

/// How long a Secret is believed.
const SECRET_AGE_LIMIT: Duration = Duration::from_mins(1);
/// How many Secrets are remembered; more than that means that most are no longer used.
const REMEMBERED_SECRETS_LIMIT: usize = 10_000;

/// Reads Secrets.
pub(crate) struct Secrets {
    client: Client,
    read: Mutex<HashMap<(String, String), Remembered>>,
}

/// A Secret, and when it was read.
type Remembered = (Instant, Arc<SecretKeys>);

impl Secrets {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, read: Mutex::default() }
    }

    /// A Secret, as it was at most a minute ago.
    pub(crate) async fn get(&self, name: SecretName<'_>) -> Result<Arc<SecretKeys>, CredentialProblem> {
        let key = (name.namespace.to_owned(), name.name.to_owned());
        let remembered = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((since, keys)) = remembered
            && since.elapsed() < SECRET_AGE_LIMIT
        {
            return Ok(keys);
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), name.namespace);
        let secret =
            call(api.get(name.name)).await.map_err(|error| CredentialProblem::of_api(name, &error))?;
        let keys = Arc::new(SecretKeys::of(name, secret));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= REMEMBERED_SECRETS_LIMIT {
            read.clear();
        }
        read.insert(key, (Instant::now(), keys.clone()));
        Ok(keys)
    }

    /// Believes a Secret no longer: a server refused what is in it.
    pub(crate) fn forget(&self, name: SecretName<'_>) {
        let key = (name.namespace.to_owned(), name.name.to_owned());
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}
