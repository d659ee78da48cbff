//! Clients of registries: each with the login and the certificates that are right for it, and kept between looks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{Login, RegistryClient, RegistryOptions, Repository, Subject};

use super::{
    place::Access,
    tools::{bad_credentials, credential_problem, problem_of},
};
use crate::{
    Options,
    credentials::{CredentialProblem, Secrets, Tls, registry_login},
    registries::Registries,
};

/// How many connections are kept.
const KEPT_CLIENTS_LIMIT: usize = 4096;

/// Clients of registries.
pub(super) struct Clients {
    registries: Registries,
    options: RegistryOptions,
    kept: Mutex<HashMap<(Repository, Access), Kept>>,
}

/// A client, and what it was made with.
type Kept = (Credentials, Arc<RegistryClient>);

/// What a client was made with; another needs another client.
#[derive(Clone, Debug, PartialEq)]
struct Credentials {
    login: Login,
    tls: Tls,
}

impl Clients {
    pub(super) fn new(options: &Options) -> Self {
        let registries = options.registries.clone();
        let options = RegistryOptions {
            user_agent: options.user_agent.clone(),
            traffic: options.metrics.traffic(),
            pace: registries.pace.clone(),
            ..RegistryOptions::default()
        };
        Self { registries, options, kept: Mutex::default() }
    }

    /// The client of a repository.
    pub(super) async fn of(
        &self,
        secrets: &Secrets,
        repository: &Repository,
        access: &Access,
    ) -> Result<Arc<RegistryClient>, SourceProblem> {
        let login = match named_login(secrets, repository, access).await {
            Ok(login) => login,
            Err(problem) if access.lenient && problem.is_absence() => None,
            Err(problem) => return Err(credential_problem(&problem)),
        };
        let tls = secrets.tls(access).await.map_err(|problem| credential_problem(&problem))?;
        let login = match login {
            Some(login) => login,
            None => self.own_login(repository).await?,
        };
        self.keep(repository, access, Credentials { login, tls })
    }

    /// The clients of what may be asked about a subject before a repository, in their order. None gets a login or a client
    /// certificate that is for another host, and one that wants to be left alone is left out.
    pub(super) async fn of_mirrors(
        &self,
        secrets: &Secrets,
        repository: &Repository,
        access: &Access,
        subject: Subject,
    ) -> Vec<Arc<RegistryClient>> {
        let mut clients = Vec::new();
        let mirrors = self.registries.mirrors.iter().filter_map(|mirror| mirror.of(repository, subject));
        for (mirror, plain_http) in mirrors {
            let access = access.clone().only_bound().in_plain_http(plain_http);
            let login = match named_login(secrets, &mirror, &access).await {
                Ok(Some(login)) => Ok(login),
                Ok(None) | Err(_) => self.own_login(&mirror).await,
            };
            let authorities = secrets.tls(&access).await.ok().and_then(|tls| tls.authorities);
            let client = login.and_then(|login| {
                let tls = Tls { authorities, identity: None };
                self.keep(&mirror, &access, Credentials { login, tls })
            });
            match client {
                Ok(client) if !client.is_resting() => clients.push(client),
                Ok(_) => {}
                Err(problem) => tracing::warn!(%mirror, "the mirror is left out: {}", problem.message),
            }
        }
        clients
    }

    /// Believes no login of the process for a repository any longer.
    pub(super) fn forget_login(&self, repository: &Repository) {
        self.registries.logins.forget(repository);
    }

    /// Where else the login for a repository may be, of which none is got.
    pub(super) async fn store_for(&self, repository: &Repository) -> Option<String> {
        self.registries.logins.store_for(repository).await
    }

    async fn own_login(&self, repository: &Repository) -> Result<Login, SourceProblem> {
        let login = self.registries.logins.login_for(repository).await;
        login.map(Option::unwrap_or_default).map_err(|error| bad_credentials(error.to_string()))
    }

    fn keep(
        &self,
        repository: &Repository,
        access: &Access,
        credentials: Credentials,
    ) -> Result<Arc<RegistryClient>, SourceProblem> {
        let key = (repository.clone(), access.of_any_image());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((present, client)) = kept.get(&key)
            && *present == credentials
        {
            return Ok(client.clone());
        }
        let of_equal = kept.values().find(|(present, _)| present.tls == credentials.tls);
        let (repository, login) = (repository.clone(), credentials.login.clone());
        let client = match of_equal {
            Some((_, equal)) => equal.beside(repository, access.insecure, login),
            None => RegistryClient::new(
                repository,
                RegistryOptions {
                    plain_http: access.insecure,
                    ca_pem: credentials.tls.authorities.clone().map(String::into_bytes),
                    client_identity_pem: credentials.tls.identity.clone().map(String::into_bytes),
                    login,
                    ..self.options.clone()
                },
            ),
        };
        let client = Arc::new(client.map_err(|error| problem_of(&error, access))?);
        if kept.len() >= KEPT_CLIENTS_LIMIT {
            kept.clear();
        }
        kept.insert(key, (credentials, client.clone()));
        Ok(client)
    }
}

/// The login in the Secret that an access names.
async fn named_login(
    secrets: &Secrets,
    repository: &Repository,
    access: &Access,
) -> Result<Option<Login>, CredentialProblem> {
    let Some(name) = access.login() else { return Ok(None) };
    registry_login(&*secrets.get(name).await?, repository, access.only_bound).map(Some)
}
