//! The HTTP client of a remote, and what its errors mean.

use std::{error::Error as StdError, io};

use reqwest::{Client, redirect};
use rustls::{CertificateError, InvalidMessage};

use super::{GitProblem, GitRemote, error::clean};

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
    match tls_error(error) {
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

/// The TLS error inside of an HTTP error. I/O errors hide what they wrap from `source`, so they are opened.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// The innermost words: the outer ones repeat the URL and say little.
fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    clean(&innermost.to_string())
}
