//! Asking a Git server: with the login of a Secret, made afresh when it is refused, and one question at a time.

use std::{future::Future, time::Duration};

use voxsync_promotion::SourceProblem;
use voxsync_source::git::{GitError, GitHubApp, GitLogin, GitProblem, GitRemote, GitUrl};

use super::{
    place::{
        Access, BAD_CREDENTIALS, BAD_REFERENCE, NOT_FOUND, TOO_MANY_REQUESTS, UNAUTHORIZED, UNREACHABLE,
        problem,
    },
    tools::{Tools, credential_problem},
};
use crate::credentials::{git_login, github_app};

/// How long one look or read may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A repository, and how to get in.
pub(super) struct Source<'a> {
    pub(super) tools: &'a Tools,
    pub(super) url: &'a GitUrl,
    pub(super) access: &'a Access,
}

impl Source<'_> {
    /// Asks the server something, and once more with a login made afresh if it refuses the first.
    pub(super) async fn ask<T, F>(&self, question: impl Fn(GitRemote) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, GitError>>,
    {
        let first = self.remote().await?;
        let refused = match self.put(&first, &question).await {
            Err(failure) if failure.problem.reason == UNAUTHORIZED => failure,
            answer => return answer,
        };
        let Some(login) = self.access.login() else { return Err(refused) };
        self.tools.secrets.forget(login);
        let renewed = self.remote().await?;
        // The token of an App may be another one by now.
        let is_other = renewed != first || renewed.app.is_some();
        let answer = if is_other { self.put(&renewed, &question).await } else { Err(refused) };
        match answer {
            Err(failure) if failure.problem.reason == UNAUTHORIZED => {
                Err(Failure { problem: self.tools.with_keys(failure.problem, self.access).await, ..failure })
            }
            answer => answer,
        }
    }

    async fn put<T, F>(&self, entry: &Entry, question: impl Fn(GitRemote) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, GitError>>,
    {
        let mut remote = entry.remote.clone();
        if let Some(app) = &entry.app {
            remote.login = self.tools.apps.login(app, &remote).await.map_err(|error| self.failure(&error))?;
        }
        // Who waits for a login holds up nobody.
        let admission = self.tools.git_pace.admit(self.url.host()).await;
        let login = remote.login.clone();
        let answer = question(remote).await;
        admission.end(&answer);
        let answer = answer.map_err(|error| self.failure(&error));
        if let (Err(failure), Some(app)) = (&answer, &entry.app)
            && failure.problem.reason == UNAUTHORIZED
        {
            self.tools.apps.forget(app, &entry.remote, &login);
        }
        answer
    }

    fn failure(&self, error: &GitError) -> Failure {
        let (reason, unreachable) = sort(&error.problem);
        let message = self.access.advised(error.to_string(), error.problem.advice());
        let may_end = unreachable || matches!(error.problem, GitProblem::CommitMissing(_));
        Failure { problem: problem(reason, message, unreachable), may_end }
    }

    async fn remote(&self) -> Result<Entry, Failure> {
        let keys = self.tools.login_keys(self.access).await;
        let tls = self.tools.tls(self.access).await;
        let made = keys.and_then(|keys| {
            let Some(keys) = keys else { return Ok((GitLogin::Anonymous, None)) };
            match github_app(&keys)? {
                Some(app) => Ok((GitLogin::Anonymous, Some(app))),
                None => Ok((git_login(&keys)?, None)),
            }
        });
        let failed = |error| Failure { problem: credential_problem(&error), may_end: true };
        let ((login, app), tls) = (made.map_err(failed)?, tls.map_err(failed)?);
        let remote = GitRemote {
            url: self.url.clone(),
            login,
            ca_pem: tls.authorities,
            identity_pem: tls.identity,
            file_root: self.tools.git_file_root.clone(),
            timeout: TIMEOUT,
            traffic: self.tools.metrics.traffic(),
        };
        Ok(Entry { remote, app })
    }
}

/// A remote, and the App whose token is its login.
#[derive(PartialEq)]
struct Entry {
    remote: GitRemote,
    app: Option<GitHubApp>,
}

/// Why a question has no answer.
pub(super) struct Failure {
    pub(super) problem: SourceProblem,
    /// Whether the same question may have an answer later, without a new commit.
    pub(super) may_end: bool,
}

impl Failure {
    pub(super) fn into_problem(self) -> SourceProblem {
        self.problem
    }
}

/// A word for programs, and whether the repository could not be asked at all.
fn sort(problem: &GitProblem) -> (&'static str, bool) {
    match problem {
        GitProblem::LoginNeeded(_)
        | GitProblem::LoginRefused(_)
        | GitProblem::Forbidden
        | GitProblem::LoginMismatch(_)
        | GitProblem::App(_)
        | GitProblem::HostKeyUnknown { .. }
        | GitProblem::HostKeyChanged { .. } => (UNAUTHORIZED, true),
        GitProblem::RepositoryMissing(_) => (NOT_FOUND, true),
        GitProblem::BranchMissing { .. } | GitProblem::BranchName(_) | GitProblem::CommitMissing(_) => {
            (NOT_FOUND, false)
        }
        GitProblem::NoTag(_) => ("NoMatch", false),
        GitProblem::PathMalformed { .. }
        | GitProblem::PathMissing { .. }
        | GitProblem::NotAFile { .. }
        | GitProblem::NotACommit { .. }
        | GitProblem::FileTooLarge { .. }
        | GitProblem::FileRefused(_) => (BAD_REFERENCE, false),
        GitProblem::CertificateSecret(..) => (BAD_CREDENTIALS, true),
        GitProblem::AskLater { status: 400..500, .. } => (TOO_MANY_REQUESTS, true),
        _ => (UNREACHABLE, true),
    }
}
