//! Signatures without a key of one's own: a certificate says who signed, and a log (or a timestamp) when.
//!
//! All of it is judged offline, by a trusted root that is given: the authorities that issue such certificates, the logs
//! of certificates and of signatures, the timestamp authorities (`sigstore_trustroot.proto`).

use std::fmt;

use sigstore_verify::{
    CertificateError, Error, VerificationPolicy, Verifier,
    trust_root::TrustedRoot,
    types::{Bundle, Sha256Hash},
};

use crate::{BadMaterial, Refusal, crypto, text::shown};

/// The largest trusted root; the one of the public instance has 10 KiB.
const ROOT_LIMIT_BYTES: usize = 1 << 20;
/// How many identities are taken.
const IDENTITIES_LIMIT: usize = 16;

/// Who signed, as the certificate says. Both must be equal, letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The issuer of the identity.
    pub issuer: String,
    /// The subject: an e-mail address or a URI.
    pub subject: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", shown(&self.subject), shown(&self.issuer))
    }
}

/// A trusted root, and the identities that are trusted under it.
pub struct Keyless {
    verifier: Verifier,
    identities: Vec<Identity>,
}

/// What a bundle is to be of.
#[derive(Clone, Copy)]
pub(super) enum Sealed<'a> {
    /// A message that is at hand.
    Message(&'a [u8]),
    /// An image, by its digest.
    Digest(&'a str),
}

impl Keyless {
    /// Reads `trusted_root.json`.
    pub fn parse(file: &str, root: &[u8], identities: Vec<Identity>) -> Result<Self, BadMaterial> {
        crypto::install();
        let bad = |problem: String| BadMaterial::new(file, problem);
        if root.len() > ROOT_LIMIT_BYTES {
            return Err(bad(format!("is larger than {ROOT_LIMIT_BYTES} bytes")));
        }
        if identities.is_empty() || identities.len() > IDENTITIES_LIMIT {
            return Err(bad(format!("needs 1 to {IDENTITIES_LIMIT} identities")));
        }
        let unusable = |error: String| {
            bad(format!(
                "is no trusted root of Sigstore ({}): `cosign trusted-root create` makes one, `cosign initialize` fetches \
                 the public one",
                shown(&error)
            ))
        };
        let text = std::str::from_utf8(root).map_err(|_| unusable("it is not text".to_owned()))?;
        let root = TrustedRoot::from_json(text).map_err(|error| unusable(error.to_string()))?;
        let verifier = Verifier::new(&root).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { verifier, identities })
    }

    /// Who signed, if that is one of the identities and all that proves it holds.
    pub(super) fn signer(&self, bundle: &Bundle, sealed: Sealed<'_>) -> Result<String, Refusal> {
        // First whether the signature holds at all, by whomever: an identity in a forged certificate says nothing.
        let policy = VerificationPolicy::any_identity();
        let verified = match sealed {
            Sealed::Message(message) => self.verifier.verify(message, bundle, &policy),
            Sealed::Digest(digest) => {
                let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
                let digest = Sha256Hash::from_hex(hexadecimal)
                    .map_err(|error| Refusal::Malformed(format!("the digest: {}", shown(&error))))?;
                self.verifier.verify(digest, bundle, &policy)
            }
        };
        let verified = verified.map_err(|error| refusal(&error))?;
        if !(verified.certificate_verified() && verified.sct_verified() && verified.tlog_verified()) {
            return Err(Refusal::Tampered("not all of its evidence was there".to_owned()));
        }
        let subject = verified.identity().map(|subject| subject.as_str().to_owned()).unwrap_or_default();
        let found = Identity { issuer: verified.issuer().unwrap_or_default().to_owned(), subject };
        if !self.identities.contains(&found) {
            return Err(Refusal::WrongIdentity { found: found.to_string() });
        }
        Ok(found.to_string())
    }
}

fn refusal(error: &Error) -> Refusal {
    let said = shown(&error);
    match error {
        Error::Certificate(
            CertificateError::Expired { .. }
            | CertificateError::NotYetValid { .. }
            | CertificateError::NoValidAuthority { .. },
        ) => Refusal::Expired(said),
        Error::InvalidBundle(_) | Error::Types(_) | Error::Bundle(_) => Refusal::Malformed(said),
        Error::UnsupportedBundle(_) | Error::UnsupportedArtifact(_) => Refusal::Unsupported(said),
        Error::ArtifactMismatch(_) => Refusal::OfAnother(said),
        _ => Refusal::Tampered(said),
    }
}

#[cfg(test)]
#[path = "keyless_tests.rs"]
mod tests;
