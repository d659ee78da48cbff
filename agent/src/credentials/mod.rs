//! Logins and certificates, from each Secret and ConfigMap that is named.
//!
//! They are read one by one, by name: no right to list or watch all of them is needed. What was read is believed
//! for a minute, and read again at once when a server refuses it. Values never get into messages or logs; names of
//! keys do.

mod secret;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::time::Instant;

pub(crate) use secret::{
    CredentialProblem, SecretKeys, Tls, check_pull_secret, check_webhook_secret, git_login, github_app,
    registry_login,
};
use secret::{Kind, authorities, tls};

use crate::{
    call::call,
    look::place::{Access, SecretName},
};

/// How long a Secret is believed.
const SECRET_AGE_LIMIT: Duration = Duration::from_mins(1);
/// How many Secrets are remembered; more than that means that most are no longer used.
const REMEMBERED_SECRETS_LIMIT: usize = 10_000;

/// Reads each Secret and ConfigMap by its name.
pub(crate) struct Secrets {
    client: Client,
    read: Mutex<HashMap<Key, Remembered>>,
}

/// Kind, namespace and name.
type Key = (Kind, String, String);

/// What was read, and when.
type Remembered = (Instant, Arc<SecretKeys>);

impl Secrets {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, read: Mutex::default() }
    }

    /// A Secret, as it was at most a minute ago.
    pub(crate) async fn get(&self, name: SecretName<'_>) -> Result<Arc<SecretKeys>, CredentialProblem> {
        self.read(Kind::Secret, name).await
    }

    /// The certificates that an access names: a ConfigMap adds authorities to those of the Secret.
    pub(crate) async fn tls(&self, access: &Access) -> Result<Tls, CredentialProblem> {
        let mut found = match access.certificate() {
            Some(name) => tls(&*self.get(name).await?)?,
            None => Tls::default(),
        };
        if let Some(name) = access.authorities() {
            let more = authorities(&*self.read(Kind::ConfigMap, name).await?)?;
            found.authorities = Some(found.authorities.map_or(more.clone(), |own| format!("{own}\n{more}")));
        }
        Ok(found)
    }

    async fn read(&self, kind: Kind, name: SecretName<'_>) -> Result<Arc<SecretKeys>, CredentialProblem> {
        let key = (kind, name.namespace.to_owned(), name.name.to_owned());
        let remembered = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((since, keys)) = remembered
            && since.elapsed() < SECRET_AGE_LIMIT
        {
            return Ok(keys);
        }
        // It is as old as the question: it may be changed before the answer is here.
        let begun = Instant::now();
        let (client, unread) = (self.client.clone(), |error| CredentialProblem::of_api(kind, name, &error));
        let keys = match kind {
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(client, name.namespace);
                SecretKeys::of(name, call(api.get(name.name)).await.map_err(unread)?)
            }
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(client, name.namespace);
                SecretKeys::of_config_map(name, call(api.get(name.name)).await.map_err(unread)?)
            }
        };
        let keys = Arc::new(keys);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= REMEMBERED_SECRETS_LIMIT {
            read.clear();
        }
        read.insert(key, (begun, keys.clone()));
        Ok(keys)
    }

    /// Believes a Secret no longer: a server refused what is in it.
    pub(crate) fn forget(&self, name: SecretName<'_>) {
        self.forget_one(Kind::Secret, Some(name));
    }

    /// Believes nothing that an access names any longer.
    pub(crate) fn forget_all(&self, access: &Access) {
        self.forget_one(Kind::Secret, access.login());
        self.forget_one(Kind::Secret, access.certificate());
        self.forget_one(Kind::ConfigMap, access.authorities());
    }

    fn forget_one(&self, kind: Kind, name: Option<SecretName<'_>>) {
        if let Some(name) = name {
            let key = (kind, name.namespace.to_owned(), name.name.to_owned());
            self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}
