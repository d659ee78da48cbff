//! What a look needs besides its place: logins, connections that are kept, and manners.

use std::{
    collections::HashMap,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{Login, Problem, RegistryClient, RegistryError, RegistryOptions, Repository};

use super::{
    permits::{Permit, Permits},
    place::{Access, IMAGE_UNAVAILABLE, Place},
};
use crate::{
    Options,
    credentials::{CredentialProblem, SecretKeys, Secrets, Tls, registry_login, tls},
    metrics::Metrics,
};

/// How long one question to a registry may take, all pages of an answer included.
const QUESTION_TIMEOUT: Duration = Duration::from_mins(2);
/// How many connections are kept.
const KEPT_CLIENTS_LIMIT: usize = 4096;

/// What a look needs besides its place.
pub(crate) struct Tools {
    pub(crate) secrets: Secrets,
    pub(crate) file_root: PathBuf,
    pub(crate) git_file_root: Option<PathBuf>,
    /// Whether there is somebody who can hold Deployments back.
    pub(crate) gatekeeper: voxsync_promotion::Gatekeeper,
    pub(crate) cache_folder: PathBuf,
    pub(crate) metrics: Metrics,
    user_agent: String,
    permits: Permits,
    /// Of looks, where the permits are of requests.
    turns: Permits,
    clients: Mutex<HashMap<(Repository, Access), Kept>>,
    /// Until when a host asked to be left alone.
    resting: Mutex<HashMap<String, Instant>>,
}

/// A client, and what it was made with.
type Kept = (Credentials, Arc<RegistryClient>);

/// What a client was made with; another needs another client.
#[derive(Clone, Debug, PartialEq)]
struct Credentials {
    login: Login,
    tls: Tls,
}

impl Tools {
    pub(crate) fn new(client: Client, options: &Options) -> Self {
        Self {
            secrets: Secrets::new(client),
            file_root: options.file_root.clone(),
            git_file_root: options.git_file_root.clone(),
            gatekeeper: options.gatekeeper,
            cache_folder: options.cache_folder.clone(),
            metrics: options.metrics.clone(),
            user_agent: options.user_agent.clone(),
            permits: Permits::new(),
            turns: Permits::new(),
            clients: Mutex::default(),
            resting: Mutex::default(),
        }
    }

    /// Asks a registry one question: not before its host wants to be asked again, and once more with a Secret read
    /// afresh if it refuses the login.
    pub(crate) async fn ask<T, F>(
        &self,
        repository: &str,
        access: &Access,
        question: impl Fn(Arc<RegistryClient>) -> F,
    ) -> Result<T, SourceProblem>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let repository: Repository = repository.parse().map_err(|error| SourceProblem {
            reason: "BadReference".to_owned(),
            message: format!("{repository:?} is not a repository: {error}"),
            unreachable: false,
        })?;
        let client = self.client(&repository, access).await?;
        let refused = match self.in_turn(&repository, question(client.clone())).await {
            Err(error) if is_refusal(&error.problem) && access.login().is_some() => error,
            answer => return answer.map_err(|error| problem_of(&error)),
        };
        if let Some(login) = access.login() {
            self.secrets.forget(login);
        }
        let renewed = self.client(&repository, access).await?;
        if Arc::ptr_eq(&client, &renewed) {
            return Err(self.with_keys(problem_of(&refused), access).await);
        }
        match self.in_turn(&repository, question(renewed)).await {
            Ok(answer) => Ok(answer),
            Err(error) if is_refusal(&error.problem) => Err(self.with_keys(problem_of(&error), access).await),
            Err(error) => Err(problem_of(&error)),
        }
    }

    /// A look's turn at a place, where all that it asks is one host. A thousand looks that wait for one host are small
    /// until they begin.
    pub(crate) async fn turn(&self, place: &Place) -> Option<OwnedSemaphorePermit> {
        match place {
            Place::Registry { repository, .. } => {
                self.turns.of_host(repository.split('/').next().unwrap_or_default()).await
            }
            // These may name images of other hosts: one that does not answer must not hold up the rest.
            Place::Git { .. } | Place::File { .. } | Place::Image { .. } => None,
        }
    }

    /// A permit to send something to a host; held while it is under way.
    pub(crate) async fn permit(&self, host: &str) -> Option<Permit<'_>> {
        self.permits.of(host).await
    }

    /// The certificates that an access names.
    pub(crate) async fn tls(&self, access: &Access) -> Result<Tls, CredentialProblem> {
        match access.certificate() {
            Some(name) => tls(&*self.secrets.get(name).await?),
            None => Ok(Tls::default()),
        }
    }

    /// The Secret with the login that an access names.
    pub(crate) async fn login_keys(
        &self,
        access: &Access,
    ) -> Result<Option<Arc<SecretKeys>>, CredentialProblem> {
        match access.login() {
            Some(name) => self.secrets.get(name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Says which keys the refused login was made of.
    pub(crate) async fn with_keys(&self, problem: SourceProblem, access: &Access) -> SourceProblem {
        match self.login_keys(access).await {
            Ok(Some(keys)) => SourceProblem { message: format!("{}. {keys}.", problem.message), ..problem },
            _ => problem,
        }
    }

    async fn client(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<Arc<RegistryClient>, SourceProblem> {
        let credentials =
            self.credentials(repository, access).await.map_err(|error| credential_problem(&error))?;
        let key = (repository.clone(), access.clone());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((present, client)) = clients.get(&key)
            && *present == credentials
        {
            return Ok(client.clone());
        }
        let of_equal = clients.values().find(|(present, _)| present.tls == credentials.tls);
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
                    user_agent: self.user_agent.clone(),
                    traffic: self.metrics.traffic(),
                    ..RegistryOptions::default()
                },
            ),
        };
        let client = client.map_err(|error| problem_of(&error))?;
        let client = Arc::new(client);
        if clients.len() >= KEPT_CLIENTS_LIMIT {
            clients.clear();
        }
        clients.insert(key, (credentials, client.clone()));
        Ok(client)
    }

    async fn credentials(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<Credentials, CredentialProblem> {
        let keys = match self.login_keys(access).await {
            Err(problem) if access.lenient && problem.is_absence() => None,
            keys => keys?,
        };
        let login = match keys.map(|keys| registry_login(&keys, repository, access.only_bound)) {
            None => Login::Anonymous,
            Some(Err(problem)) if access.lenient && problem.is_absence() => Login::Anonymous,
            Some(login) => login?,
        };
        Ok(Credentials { login, tls: self.tls(access).await? })
    }

    async fn in_turn<T>(
        &self,
        repository: &Repository,
        answer: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let host = repository.host();
        let rest = self.resting.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied();
        if let Some(end) = rest {
            tokio::time::sleep_until(end).await;
        }
        let _permit = self.permit(host).await;
        let answer = match tokio::time::timeout(QUESTION_TIMEOUT, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(RegistryError {
                repository: repository.to_string(),
                attempt: voxsync_source::registry::Attempt::Prepare,
                problem: Problem::Timeout { host: host.to_owned() },
            }),
        };
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.as_ref().err().and_then(RegistryError::retry_after) {
            Some(pause) => {
                resting.insert(host.to_owned(), Instant::now() + pause);
            }
            None => {
                resting.remove(host);
            }
        }
        answer
    }
}

/// A Secret that is not there, or not as it must be.
pub(crate) fn credential_problem(error: &CredentialProblem) -> SourceProblem {
    SourceProblem { reason: "BadCredentials".to_owned(), message: error.to_string(), unreachable: true }
}

fn problem_of(error: &RegistryError) -> SourceProblem {
    let (reason, unreachable) = sort(&error.problem);
    SourceProblem { reason: reason.to_owned(), message: error.to_string(), unreachable }
}

fn is_refusal(problem: &Problem) -> bool {
    sort(problem).0 == "Unauthorized"
}

/// A word for programs, and whether the registry could not be asked at all.
fn sort(problem: &Problem) -> (&'static str, bool) {
    match problem {
        Problem::LoginMissing
        | Problem::LoginRefused { .. }
        | Problem::LoginUnusable
        | Problem::Forbidden => ("Unauthorized", true),
        Problem::RepositoryNotFound => ("NotFound", true),
        Problem::TagNotFound { .. } | Problem::DigestNotFound { .. } => (IMAGE_UNAVAILABLE, false),
        Problem::NotAnImage { .. } => ("NotAnImage", false),
        Problem::TooManyRequests { .. } => ("TooManyRequests", true),
        _ => ("Unreachable", true),
    }
}
