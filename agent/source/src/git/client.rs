//! The HTTP client of a remote, and what its errors mean.

use reqwest::Client;
use rustls::{CertificateError, InvalidMessage};

use super::{GitProblem, GitRemote, error::clean};
use crate::{
    NoWay,
    causes::{causes, innermost_reason},
    http::{self, Unusable},
};

/// A client that trusts whom the remote trusts, and follows nothing. It takes the proxies of its environment.
pub(super) fn open(remote: &GitRemote) -> Result<Client, GitProblem> {
    http::client(remote.ca_pem.as_deref(), remote.identity_pem.as_deref()).map_err(
        |unusable| match unusable {
            Unusable::Authorities(reason) => GitProblem::CertificateSecret("the CA", clean(&reason)),
            Unusable::Identity(reason) => GitProblem::CertificateSecret("tls.crt or tls.key", clean(&reason)),
            Unusable::Tls(reason) => GitProblem::Tls(clean(&reason)),
        },
    )
}

/// What an error of the client means.
pub(super) fn problem_of(error: &reqwest::Error) -> GitProblem {
    if let Some(no_way) = NoWay::of_failure(error) {
        return GitProblem::Proxy(no_way);
    }
    match causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => GitProblem::CertificateExpired,
        // A bad signature is an authority of the same name with another key: one that was made anew, or a false one.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => GitProblem::CertificateUnknownAuthority,
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => GitProblem::NotTls,
        Some(other) => GitProblem::Tls(clean(&other.to_string())),
        None => GitProblem::Unreachable(root_cause(error)),
    }
}

/// The innermost words: the outer ones repeat the URL and say little.
fn root_cause(error: &reqwest::Error) -> String {
    clean(&innermost_reason(error))
}
