//! The HTTP client of a remote, and what its errors mean.

use reqwest::{Client, redirect};
use rustls::{CertificateError, InvalidMessage};

use super::{GitProblem, GitRemote, error::clean};
use crate::{
    NoWay,
    causes::{causes, innermost_reason},
};

/// A client that trusts whom the remote trusts, and follows nothing. It takes the proxies of its environment.
pub(super) fn open(remote: &GitRemote) -> Result<Client, GitProblem> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).referer(false);
    if let Some(pem) = &remote.ca_pem {
        let refused = |error: reqwest::Error| GitProblem::CertificateSecret("the CA", root_cause(&error));
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(refused)?;
        if certificates.is_empty() {
            return Err(GitProblem::CertificateSecret("the CA", "no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(pem) = &remote.identity_pem {
        let identity = reqwest::Identity::from_pem(pem.as_bytes())
            .map_err(|error| GitProblem::CertificateSecret("tls.crt or tls.key", root_cause(&error)))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| GitProblem::Tls(root_cause(&error)))
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
