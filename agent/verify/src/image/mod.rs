//! Signatures of cosign on an image.
//!
//! Two forms are read. The old one signs a small JSON payload that names the digest of the image, and has the rest in
//! annotations (cosign, `specs/SIGNATURE_SPEC.md`); the new one is a Sigstore bundle (`sigstore_bundle.proto`, 0.3). Both
//! are judged by public keys or by identities.

mod bundle;
mod keyless;
mod keys;
mod payload;
mod simple;

pub use keyless::{Identity, Keyless};
pub use keys::PublicKeys;
pub use simple::SimpleSignature;

use crate::{Refusal, text::shown};

/// How many signatures of one image are looked at. Who may push may also put any number of them there.
pub const SIGNATURES_LIMIT: usize = 64;

/// By what the signatures of an image are judged.
pub enum ImageRules {
    /// One of these keys must have signed.
    Keys(PublicKeys),
    /// One of these identities must have signed.
    Identities(Box<Keyless>),
}

/// A signature as it is in a registry.
#[derive(Clone, Debug)]
pub enum ImageSignature {
    /// The old form.
    Simple(SimpleSignature),
    /// A Sigstore bundle, JSON.
    Bundle(Vec<u8>),
    /// Something in the place of a signature that cannot be read; why.
    Unreadable(String),
}

/// Judges the signatures of the image with this digest (`sha256:…`); says who made the good one.
pub fn judge_image(
    rules: &ImageRules,
    digest: &str,
    signatures: &[ImageSignature],
) -> Result<String, Refusal> {
    let mut nearest = Refusal::Missing;
    for signature in signatures.iter().take(SIGNATURES_LIMIT) {
        let verdict = match (rules, signature) {
            (_, ImageSignature::Unreadable(why)) => Err(Refusal::Malformed(shown(why))),
            (ImageRules::Keys(keys), ImageSignature::Simple(simple)) => simple.by_key(keys, digest),
            (ImageRules::Keys(keys), ImageSignature::Bundle(bundle)) => bundle::by_key(keys, digest, bundle),
            (ImageRules::Identities(keyless), ImageSignature::Simple(simple)) => {
                simple.by_identity(keyless, digest)
            }
            (ImageRules::Identities(keyless), ImageSignature::Bundle(bundle)) => {
                bundle::by_identity(keyless, digest, bundle)
            }
        };
        match verdict {
            Ok(by) => return Ok(by),
            Err(refusal) => nearest = nearest.max(refusal),
        }
    }
    Err(nearest)
}
