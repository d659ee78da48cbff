//! Logins and certificates, from each Secret and ConfigMap that is named.
//!
//! They are read one by one, by name: no right to list or watch all of them is needed. What was read is believed
//! for a minute, and read again at once when a server refuses it. Values never get into messages or logs; names of
//! keys do.

mod problem;
mod remembered;
mod secret;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::time::Instant;

pub(crate) use problem::CredentialProblem;
use remembered::{Key, Remembered};
use secret::{Kind, authorities};
pub(crate) use secret::{
    SecretKeys, Tls, check_pull_secret, check_webhook_secret, git_login, github_app,
    notification_destination, registry_login, server_login, tls,
};

use crate::{
    call::call,
    look::place::{Access, SecretName},
};

/// Reads each Secret and ConfigMap by its name.
pub(crate) struct Secrets {
    client: Client,
    /// Authorities that all may have.
    authorities: Option<String>,
    read: Mutex<Remembered>,
}

impl Secrets {
    pub(crate) fn new(client: Client, authorities: Option<String>) -> Self {
        Self { client, authorities, read: Mutex::default() }
    }

    /// A Secret, as it was at most a minute ago.
    pub(crate) async fn get(&self, name: SecretName<'_>) -> Result<Arc<SecretKeys>, CredentialProblem> {
        self.read(Kind::Secret, name).await
    }

    /// The certificates that an access names: a ConfigMap adds authorities to those of the Secret, as the process itself
    /// does.
    pub(crate) async fn tls(&self, access: &Access) -> Result<Tls, CredentialProblem> {
        let mut found = match access.certificate() {
            Some(name) => tls(&*self.get(name).await?)?,
            None => Tls::default(),
        };
        let of_config_map = match access.authorities() {
            Some(name) => Some(authorities(&*self.read(Kind::ConfigMap, name).await?)?),
            None => None,
        };
        let all = [found.authorities.take(), of_config_map, self.authorities.clone()];
        found.authorities = all.into_iter().flatten().reduce(|all, more| format!("{all}\n{more}"));
        Ok(found)
    }

    async fn read(&self, kind: Kind, name: SecretName<'_>) -> Result<Arc<SecretKeys>, CredentialProblem> {
        let key = key_of(kind, name);
        let asked_at = Instant::now();
        let known = self.remembered().get(&key, asked_at);
        if let Some(keys) = known {
            return Ok(keys);
        }
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
        self.remembered().keep(key, keys.clone(), asked_at);
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
            self.remembered().forget(key_of(kind, name), Instant::now());
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(kind: Kind, name: SecretName<'_>) -> Key {
    (kind, name.namespace.to_owned(), name.name.to_owned())
}
