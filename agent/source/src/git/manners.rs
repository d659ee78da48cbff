//! What a Git server's answer means for its other requests.

use super::{AppProblem, GitError, GitProblem};
use crate::Admission;

impl Admission {
    /// Ends with what was asked of a Git server: one that wants to be left alone is.
    pub fn end<T>(mut self, answer: &Result<T, GitError>) {
        match answer {
            Err(GitError { problem: GitProblem::AskLater { retry_after, .. }, .. }) => {
                self.refused(*retry_after);
            }
            Err(error) if !is_said_by_server(&error.problem) => {}
            _ => self.answered(),
        }
    }
}

/// Whether a problem shows that the server took the request.
fn is_said_by_server(problem: &GitProblem) -> bool {
    !matches!(
        problem,
        GitProblem::Unreachable(_)
            | GitProblem::Proxy(_)
            | GitProblem::TimedOut(_)
            | GitProblem::LoginMismatch(_)
            | GitProblem::CertificateExpired
            | GitProblem::CertificateUnknownAuthority
            | GitProblem::NotTls
            | GitProblem::Tls(_)
            | GitProblem::CertificateSecret(..)
            | GitProblem::HostKeyUnknown { .. }
            | GitProblem::HostKeyChanged { .. }
            | GitProblem::SshAlgorithms(_)
            | GitProblem::Ssh(_)
            | GitProblem::App(
                AppProblem::NotHttps | AppProblem::NoBaseUrl(_) | AppProblem::BaseUrl(_) | AppProblem::Key
            )
            | GitProblem::Cache(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pace;

    fn failed(problem: GitProblem) -> GitError {
        GitError { url: "https://git.example/a.git".parse().unwrap(), problem }
    }

    #[tokio::test]
    async fn a_server_rests_until_it_answers() {
        let pace = Pace::new(1);
        let later = GitProblem::AskLater { status: 429, said: None, retry_after: None };
        pace.admit("busy").await.end::<()>(&Err(failed(later)));
        assert!(pace.is_resting("busy"));
        // After the rest one goes alone; where it has no answer, the next one does.
        pace.admit("busy").await.end::<()>(&Err(failed(GitProblem::TimedOut(1))));
        assert!(pace.is_resting("busy"));
        let missing = GitProblem::RepositoryMissing("HTTP 404".to_owned());
        pace.admit("busy").await.end::<()>(&Err(failed(missing)));
        assert!(!pace.is_resting("busy"));
    }
}
