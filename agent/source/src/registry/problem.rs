//! What can be wrong between us and a registry. Every message says what to do, or has an advice beside it; none holds a
//! secret, a query or a body.

use std::time::Duration;

use crate::{Advice, NoWay};

/// Why a look failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// 401 without a login, or the token server gives no token to nobody.
    #[error("it wants a login, or there is no such repository")]
    LoginMissing,
    /// 401 in spite of a login, from the registry or from its token server.
    #[error("{host} refuses the login: wrong user name, password or token")]
    LoginRefused {
        /// Who refuses.
        host: String,
    },
    /// The login has characters that no header can have.
    #[error("the login cannot be sent: it has line breaks or other control characters")]
    LoginUnusable,
    /// 403.
    #[error(
        "the login may not read this repository, or there is none (403); let it pull, or name another login"
    )]
    Forbidden,
    /// 404 for the repository.
    #[error("there is no such repository, or the login cannot see it (404); check its name")]
    RepositoryNotFound,
    /// 404 for a tag.
    #[error("tag {tag} does not exist there (404)")]
    TagNotFound {
        /// The tag.
        tag: String,
    },
    /// 404 for a digest.
    #[error("{digest} is not there (404); an index can be listed before its manifests are uploaded")]
    DigestNotFound {
        /// The digest.
        digest: String,
    },
    /// 429; or 403 with a time, as of a registry that counts what one address asks.
    #[error("too many requests ({status}); voxsync asks again later")]
    TooManyRequests {
        /// The status.
        status: u16,
        /// What the registry asks for.
        retry_after: Option<Duration>,
    },
    /// 500, 502, 503, 504.
    #[error("the registry is out of order ({status}); voxsync asks again later")]
    Unavailable {
        /// The status.
        status: u16,
        /// What the registry asks for.
        retry_after: Option<Duration>,
    },
    /// Any other status.
    #[error("{host} answers {status}{}", code.as_deref().map(|code| format!(" {code}")).unwrap_or_default())]
    Status {
        /// Who answers.
        host: String,
        /// The status.
        status: u16,
        /// The code of the specification's error body, if there is one.
        code: Option<String>,
    },
    /// A redirect; logins are for one host.
    #[error("it redirects to {to}; voxsync follows no redirects with a login, so name that registry itself")]
    Redirected {
        /// Scheme, host and port of where to.
        to: String,
    },
    /// No answer in time.
    #[error("{host} does not answer in time; check the network and `HTTPS_PROXY`")]
    Timeout {
        /// Who is silent.
        host: String,
    },
    /// DNS has no such name.
    #[error("the name {host} cannot be resolved; check the repository's host and DNS")]
    NameNotResolved {
        /// The name.
        host: String,
    },
    /// Nobody listens there.
    #[error("{host} refuses the connection; check the host and the port")]
    ConnectionRefused {
        /// The host.
        host: String,
    },
    /// The connection failed in another way.
    #[error("the connection to {host} failed ({reason})")]
    Connection {
        /// The host.
        host: String,
        /// The innermost reason.
        reason: String,
        /// Whether it broke off after the handshake of TLS: a server may refuse a client so, in TLS 1.3.
        after_handshake: bool,
    },
    /// The server's certificate is too old.
    #[error("{host} has a certificate that is expired ({detail}); renew it there")]
    CertificateExpired {
        /// The host.
        host: String,
        /// What the verifier says.
        detail: String,
    },
    /// The server's certificate is of a CA that nobody knows.
    #[error("{host} has a certificate of an unknown CA")]
    CertificateUnknownAuthority {
        /// The host.
        host: String,
    },
    /// The server's certificate is for another name.
    #[error("{host} has a certificate for another name; use a name that is in it, or renew it with this one")]
    CertificateForAnotherName {
        /// The host.
        host: String,
    },
    /// The server wants to see a certificate of ours, or does not like it.
    #[error("{host} wants a client certificate that it knows ({detail})")]
    ClientCertificate {
        /// The host.
        host: String,
        /// The server's alert.
        detail: String,
    },
    /// The server does not speak TLS.
    #[error("{host} does not speak TLS")]
    NotTls {
        /// The host.
        host: String,
    },
    /// The server speaks TLS, and was asked without.
    #[error("{host} answers 400 to plain HTTP")]
    SpeaksTls {
        /// The host.
        host: String,
    },
    /// Another fault of TLS.
    #[error("TLS with {host} failed ({detail})")]
    Tls {
        /// The host.
        host: String,
        /// What the library says.
        detail: String,
    },
    /// The CA or client certificate that we were given cannot be used, or there are no system CAs.
    #[error("{detail}")]
    Certificates {
        /// Which one, and why.
        detail: String,
    },
    /// The reference is neither a tag nor a digest.
    #[error("it is neither a tag nor a sha256 digest")]
    NotAReference,
    /// The answer is larger than any good one.
    #[error("{host} answers with more than {limit_bytes} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The bound.
        limit_bytes: usize,
    },
    /// The list of tags has no end.
    #[error("the list of tags is longer than {limit}; voxsync takes no part of a list for the list")]
    ListTooLong {
        /// The bound, in words.
        limit: String,
    },
    /// The list of tags leads in a circle.
    #[error(
        "page {page} of the tags leads back to an earlier page; the registry or a proxy before it is broken"
    )]
    PagesInACircle {
        /// The page, counted from 1.
        page: usize,
    },
    /// The list goes on at another host.
    #[error("the list goes on at {host}; voxsync follows no link to another host")]
    LinkElsewhere {
        /// The host.
        host: String,
    },
    /// The list of tags as a whole took too long.
    #[error("the list of tags is not complete after {limit_seconds} s")]
    ListTooSlow {
        /// The bound.
        limit_seconds: u64,
    },
    /// Content that is not what its digest says.
    #[error(
        "the content has the digest {actual}, not {expected}; the registry or a proxy before it is broken"
    )]
    DigestMismatch {
        /// Asked for, or announced.
        expected: String,
        /// Of what came.
        actual: String,
    },
    /// A manifest or a blob that cannot be one. Who gives it may be well, and so may all else that is there.
    #[error(
        "what is there is broken ({detail}); push it again, or see what a proxy before the registry makes of it"
    )]
    BrokenContent {
        /// What is wrong with it.
        detail: String,
    },
    /// Something else than an image.
    #[error(
        "it is not an image but {what}; code images are built with `COPY environments/ /` and pushed as images"
    )]
    NotAnImage {
        /// What it is.
        what: String,
    },
    /// An image that is not for the wanted machines.
    #[error("it is not for {wanted} but for {present}; push one that is, or correct `spec.image.platform`")]
    PlatformMissing {
        /// What is wanted.
        wanted: String,
        /// What is there.
        present: String,
    },
    /// The proxy on the way does not let us through, or is not there.
    #[error("{0}")]
    Proxy(NoWay),
    /// An answer that the protocol does not know.
    #[error("{host} gives an answer that is none ({detail}); is it a registry?")]
    InvalidAnswer {
        /// Who answers.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Problem {
    /// What to do about it, where its own text does not say so.
    pub fn advice(&self) -> Option<Advice> {
        Some(match self {
            Self::LoginMissing => Advice::GiveLogin,
            Self::LoginRefused { .. } | Self::LoginUnusable => Advice::CheckLogin,
            Self::CertificateUnknownAuthority { .. } => Advice::GiveAuthority,
            Self::ClientCertificate { .. } => Advice::GiveClientCertificate,
            Self::Connection { after_handshake: true, .. } => Advice::PerhapsGiveClientCertificate,
            Self::Tls { .. } => Advice::GiveCertificates,
            Self::Certificates { .. } => Advice::CheckCertificates,
            Self::NotTls { .. } => Advice::SayPlainHttp,
            Self::SpeaksTls { .. } => Advice::LeaveOutPlainHttp,
            _ => return None,
        })
    }

    /// Whether other certificates of ours could help.
    pub fn is_of_certificates(&self) -> bool {
        matches!(
            self,
            Self::CertificateUnknownAuthority { .. }
                | Self::ClientCertificate { .. }
                | Self::Certificates { .. }
                | Self::Tls { .. }
        )
    }
}
