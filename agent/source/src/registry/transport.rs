//! From the errors of the HTTP and TLS libraries to problems that a person can do something about.

use std::io;

use reqwest::Url;
use rustls::{CertificateError, InvalidMessage};

use super::Problem;
pub(super) use crate::traffic::host_and_port;
use crate::{
    NoWay,
    causes::{causes, innermost_reason},
};

const MAX_REASON_CHARACTERS: usize = 200;
/// What a server says that wants a client certificate, or another one (RFC 8446, 6.2).
const CLIENT_CERTIFICATE_ALERTS: [&str; 5] =
    ["CertificateRequired", "BadCertificate", "CertificateExpired", "CertificateUnknown", "UnknownCA"];

/// Why a request to this address had no answer.
pub(super) fn problem(error: &reqwest::Error, address: &Url) -> Problem {
    if let Some(no_way) = NoWay::of_failure(error) {
        return Problem::Proxy(no_way);
    }
    let host = host_and_port(address);
    for cause in causes(error) {
        // After the handshake an alert comes as a text only.
        let detail = cause.to_string();
        if CLIENT_CERTIFICATE_ALERTS.iter().any(|alert| detail == format!("received fatal alert: {alert}")) {
            return Problem::ClientCertificate { host, detail };
        }
        if let Some(cause) = cause.downcast_ref::<rustls::Error>() {
            return tls_problem(cause, host);
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Problem::ConnectionRefused { host };
        }
        // The library has no type for it.
        if detail.starts_with("dns error") {
            return Problem::NameNotResolved { host };
        }
    }
    if error.is_timeout() {
        return Problem::Timeout { host };
    }
    // In TLS 1.3 a server refuses the client after the handshake, and the connection may end before its reason is read.
    let after_handshake = address.scheme() == "https" && !error.is_connect();
    Problem::Connection { host, reason: innermost_reason(error), after_handshake }
}

fn tls_problem(error: &rustls::Error, host: String) -> Problem {
    let detail = error.to_string().chars().take(MAX_REASON_CHARACTERS).collect();
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let detail = certificate.to_string();
                Problem::CertificateExpired { host, detail }
            }
            // Another CA of the same name shows as a bad signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Problem::CertificateUnknownAuthority { host }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Problem::CertificateForAnotherName { host }
            }
            _ => Problem::Tls { host, detail },
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Problem::NotTls { host },
        _ => Problem::Tls { host, detail },
    }
}
