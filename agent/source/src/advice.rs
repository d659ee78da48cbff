//! What somebody can do about a problem. The words for it are those of whoever tells it: a spec has fields, the command
//! line has options.

/// What to do about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Give a login.
    GiveLogin,
    /// See whether the login that was given is right.
    CheckLogin,
    /// Give the authority that made the server's certificate.
    GiveAuthority,
    /// Give a client certificate.
    GiveClientCertificate,
    /// Give a client certificate, if that is what the server wants.
    PerhapsGiveClientCertificate,
    /// Give an authority, a client certificate, or both.
    GiveCertificates,
    /// See whether the certificates that were given are right.
    CheckCertificates,
    /// Say that the server has plain HTTP.
    SayPlainHttp,
    /// Do not say that the server has plain HTTP.
    LeaveOutPlainHttp,
}
