//! What a look needs besides its place: logins, connections that are kept, and manners.

use std::{future::Future, path::PathBuf, sync::Arc};

use kube::Client;
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{Problem, RegistryClient, RegistryError, Repository};

use super::{
    clients::Clients,
    github::AppTokens,
    permits::{Permit, Permits},
    place::{Access, IMAGE_UNAVAILABLE, PLATFORM_MISSING, Place},
};
use crate::{
    Options,
    credentials::{CredentialProblem, SecretKeys, Secrets, Tls},
    metrics::Metrics,
};

/// What a look needs besides its place.
pub(crate) struct Tools {
    pub(crate) secrets: Secrets,
    pub(crate) apps: AppTokens,
    pub(crate) file_root: PathBuf,
    pub(crate) git_file_root: Option<PathBuf>,
    /// Whether there is somebody who can hold Deployments back.
    pub(crate) gatekeeper: voxsync_promotion::Gatekeeper,
    pub(crate) cache_folder: PathBuf,
    pub(crate) metrics: Metrics,
    /// Of questions to Git servers.
    permits: Permits,
    /// Of looks at registries.
    turns: Permits,
    clients: Clients,
}

impl Tools {
    pub(crate) fn new(client: Client, options: &Options) -> Self {
        Self {
            secrets: Secrets::new(client),
            apps: AppTokens::default(),
            file_root: options.file_root.clone(),
            git_file_root: options.git_file_root.clone(),
            gatekeeper: options.gatekeeper,
            cache_folder: options.cache_folder.clone(),
            metrics: options.metrics.clone(),
            permits: Permits::new(),
            turns: Permits::new(),
            clients: Clients::new(options),
        }
    }

    /// Asks a registry one question: its mirrors first, and itself where none of them has an answer; and once more with
    /// credentials read afresh if it refuses the login.
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
        for mirror in self.clients.of_mirrors(&self.secrets, &repository, access).await {
            match Box::pin(question(mirror)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => debug!(%error, "a mirror has no answer"),
            }
        }
        let client = self.clients.of(&self.secrets, &repository, access).await?;
        let refused = match Box::pin(question(client.clone())).await {
            Err(error) if is_refusal(&error.problem) || error.problem.is_of_certificates() => error,
            answer => return answer.map_err(|error| problem_of(&error)),
        };
        self.secrets.forget_all(access);
        self.clients.forget_login(&repository).await;
        let renewed = self.clients.of(&self.secrets, &repository, access).await?;
        if Arc::ptr_eq(&client, &renewed) {
            return Err(self.explained(&refused, access).await);
        }
        match Box::pin(question(renewed)).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.explained(&error, access).await),
        }
    }

    async fn explained(&self, error: &RegistryError, access: &Access) -> SourceProblem {
        let problem = problem_of(error);
        if is_refusal(&error.problem) { self.with_keys(problem, access).await } else { problem }
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
        self.secrets.tls(access).await
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
}

/// A Secret that is not there, or not as it must be.
pub(crate) fn credential_problem(error: &CredentialProblem) -> SourceProblem {
    bad_credentials(error.to_string())
}

pub(super) fn bad_credentials(message: String) -> SourceProblem {
    SourceProblem { reason: "BadCredentials".to_owned(), message, unreachable: true }
}

pub(super) fn problem_of(error: &RegistryError) -> SourceProblem {
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
        Problem::PlatformMissing { .. } => (PLATFORM_MISSING, false),
        Problem::TooManyRequests { .. } => ("TooManyRequests", true),
        _ => ("Unreachable", true),
    }
}
