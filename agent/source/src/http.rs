//! The HTTP client for servers that are no registries: whom it trusts, that it follows nothing, and what its errors mean.
//!
//! No error shows an address: its path or query may be a secret.

use std::{io, time::Duration};

use reqwest::{Certificate, Client, ClientBuilder, Identity, header::HeaderMap, redirect};
use rustls::{CertificateError, InvalidMessage};

use crate::{
    NoWay,
    causes::{causes, innermost_reason},
    pace,
};

const CLIENT_CERTIFICATE_ALERTS: [&str; 5] =
    ["CertificateRequired", "BadCertificate", "CertificateExpired", "CertificateUnknown", "UnknownCA"];

/// Certificates that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The authorities.
    #[error("the CA cannot be used: {0}")]
    Authorities(String),
    /// The client's own certificate, or its key.
    #[error("tls.crt or tls.key cannot be used: {0}")]
    Identity(String),
    /// Something else, such as the authorities of the system.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// A client that trusts these authorities besides those of the system, shows this certificate, and follows no redirect.
/// It takes the proxies of its environment.
pub fn client(authorities: Option<&str>, identity: Option<&str>) -> Result<Client, Unusable> {
    builder(authorities, identity)?.build().map_err(|error| Unusable::Tls(innermost_reason(&error)))
}

fn builder(authorities: Option<&str>, identity: Option<&str>) -> Result<ClientBuilder, Unusable> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).referer(false);
    if let Some(pem) = authorities {
        let refused = |error: reqwest::Error| Unusable::Authorities(innermost_reason(&error));
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(refused)?;
        if certificates.is_empty() {
            return Err(Unusable::Authorities("no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(pem) = identity {
        let refused = |error: reqwest::Error| Unusable::Identity(innermost_reason(&error));
        builder = builder.identity(Identity::from_pem(pem.as_bytes()).map_err(refused)?);
    }
    Ok(builder)
}

/// Why there was no answer, for people.
pub fn failure(error: &reqwest::Error) -> String {
    if let Some(no_way) = NoWay::of_failure(error) {
        return no_way.to_string();
    }
    for cause in causes(error) {
        // After the handshake an alert comes as a text only.
        if let Some(alert) = client_certificate_alert(&cause.to_string()) {
            return format!("it wants a client certificate that it knows ({alert})");
        }
        if let Some(cause) = cause.downcast_ref::<rustls::Error>() {
            return tls_failure(cause);
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return "it refuses the connection; check the host and the port".to_owned();
        }
        // The library has no type for it.
        if cause.to_string().starts_with("dns error") {
            return "its name cannot be resolved; check the host and DNS".to_owned();
        }
    }
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    format!("the connection failed ({})", innermost_reason(error))
}

/// What a server says that wants a client certificate, or another one (RFC 8446, 6.2).
fn client_certificate_alert(detail: &str) -> Option<&str> {
    let alert = detail.strip_prefix("received fatal alert: ")?;
    CLIENT_CERTIFICATE_ALERTS.contains(&alert).then_some(alert)
}

/// What an error of TLS means, for people.
pub fn tls_failure(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate is expired; renew it there".to_owned(),
        // A bad signature is an authority of the same name with another key.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate is of an unknown CA; name a Secret with its ca.crt".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS on this port".to_owned()
        }
        other => format!("TLS failed ({other})"),
    }
}

/// How long a server asks to be left alone (`Retry-After`), an hour at most.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    pace::retry_after(headers)
}
