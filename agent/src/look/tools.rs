//! What a look needs besides its place: logins, connections that are kept, and manners.

use std::{future::Future, path::PathBuf, sync::Arc};

use kube::Client;
use tracing::debug;
use voxsync_promotion::SourceProblem;
use voxsync_source::{
    Pace,
    registry::{Problem, RegistryClient, RegistryError, Repository, RepositoryError, Subject},
};

use super::{
    clients::Clients,
    github::AppTokens,
    place::{
        Access, BAD_CREDENTIALS, BAD_REFERENCE, BROKEN_IMAGE, IMAGE_UNAVAILABLE, NOT_FOUND, PLATFORM_MISSING,
        TOO_MANY_REQUESTS, UNAUTHORIZED, UNREACHABLE, problem, unusable,
    },
};
use crate::{
    Options,
    checks::CheckTools,
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
    /// The manners towards Git servers.
    pub(crate) git_pace: Pace,
    /// What checks need besides Secrets.
    pub(crate) checks: CheckTools,
    clients: Clients,
}

impl Tools {
    pub(crate) fn new(client: Client, options: &Options) -> Self {
        Self {
            secrets: Secrets::new(client.clone(), options.authorities.clone()),
            apps: AppTokens::default(),
            file_root: options.file_root.clone(),
            git_file_root: options.git_file_root.clone(),
            gatekeeper: options.gatekeeper,
            cache_folder: options.cache_folder.clone(),
            metrics: options.metrics.clone(),
            git_pace: Pace::default(),
            checks: CheckTools::new(client, options),
            clients: Clients::new(options),
        }
    }

    /// Asks a registry one question: first its mirrors that may be asked about such a subject, and itself where none of
    /// them has an answer.
    pub(crate) async fn ask<T, F>(
        &self,
        (repository, access): (&str, &Access),
        subject: Subject,
        question: impl Fn(Arc<RegistryClient>) -> F,
    ) -> Result<T, SourceProblem>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let refused = |error: RepositoryError| unusable(BAD_REFERENCE, error.to_string());
        let repository: Repository = repository.parse().map_err(refused)?;
        let mut of_mirrors = String::new();
        for mirror in self.clients.of_mirrors(&self.secrets, &repository, access, subject).await {
            match Box::pin(question(mirror)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    debug!(%error, "a mirror has no answer");
                    of_mirrors = format!("{of_mirrors} (its mirror: {error})");
                }
            }
        }
        let answer = Box::pin(self.ask_itself(&repository, access, question)).await;
        answer.map_err(|problem| SourceProblem {
            message: format!("{}{of_mirrors}", problem.message),
            ..problem
        })
    }

    /// Asks a registry itself; and once more with credentials read afresh if it refuses the login.
    async fn ask_itself<T, F>(
        &self,
        repository: &Repository,
        access: &Access,
        question: impl Fn(Arc<RegistryClient>) -> F,
    ) -> Result<T, SourceProblem>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let client = self.clients.of(&self.secrets, repository, access).await?;
        let refused = match Box::pin(question(client.clone())).await {
            Err(error) if is_refusal(&error.problem) || error.problem.is_of_certificates() => error,
            answer => return answer.map_err(|error| problem_of(&error, access)),
        };
        self.secrets.forget_all(access);
        self.clients.forget_login(repository);
        let renewed = self.clients.of(&self.secrets, repository, access).await?;
        if Arc::ptr_eq(&client, &renewed) {
            return Err(self.explained(&refused, repository, access).await);
        }
        match Box::pin(question(renewed)).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.explained(&error, repository, access).await),
        }
    }

    async fn explained(
        &self,
        error: &RegistryError,
        repository: &Repository,
        access: &Access,
    ) -> SourceProblem {
        let problem = problem_of(error, access);
        if error.problem == Problem::LoginMissing
            && let Some(store) = self.clients.store_for(repository).await
        {
            let message = format!(
                "{}. The login of {} may be in the credential store {store:?} of the Docker configuration, which voxsync \
                 does not start: use --image-credential-provider-config, or a file with `auth`",
                problem.message,
                repository.host()
            );
            return SourceProblem { message, ..problem };
        }
        if is_refusal(&error.problem) { self.with_keys(problem, access).await } else { problem }
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
    problem(BAD_CREDENTIALS, message, true)
}

pub(super) fn problem_of(error: &RegistryError, access: &Access) -> SourceProblem {
    let (reason, unreachable) = sort(&error.problem);
    problem(reason, access.advised(error.to_string(), error.problem.advice()), unreachable)
}

fn is_refusal(problem: &Problem) -> bool {
    sort(problem).0 == UNAUTHORIZED
}

/// A word for programs, and whether the registry could not be asked at all.
fn sort(problem: &Problem) -> (&'static str, bool) {
    match problem {
        Problem::LoginMissing
        | Problem::LoginRefused { .. }
        | Problem::LoginUnusable
        | Problem::Forbidden => (UNAUTHORIZED, true),
        Problem::Certificates { .. } => (BAD_CREDENTIALS, true),
        Problem::RepositoryNotFound => (NOT_FOUND, true),
        Problem::TagNotFound { .. } | Problem::DigestNotFound { .. } => (IMAGE_UNAVAILABLE, false),
        Problem::NotAnImage { .. } => ("NotAnImage", false),
        Problem::BrokenContent { .. } | Problem::DigestMismatch { .. } => (BROKEN_IMAGE, false),
        Problem::PlatformMissing { .. } => (PLATFORM_MISSING, false),
        Problem::TooManyRequests { .. } => (TOO_MANY_REQUESTS, true),
        _ => (UNREACHABLE, true),
    }
}

#[cfg(test)]
#[path = "tools_tests.rs"]
pub(super) mod tests;
