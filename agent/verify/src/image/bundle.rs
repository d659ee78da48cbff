//! The new form: a Sigstore bundle.

use sigstore_verify::types::{Bundle, DsseEnvelope, SignatureContent};

use super::{Keyless, PublicKeys, keyless::Sealed, payload};
use crate::{Refusal, text::shown};

/// The largest bundle.
const BUNDLE_LIMIT_BYTES: usize = 1 << 20;
const STATEMENT: &str = "application/vnd.in-toto+json";

/// Judges a bundle by public keys. What else it has (the entry of a log, a timestamp) is not looked at: a key that is
/// trusted needs no witness.
pub(super) fn by_key(keys: &PublicKeys, digest: &str, bundle: &[u8]) -> Result<String, Refusal> {
    let bundle = read(bundle)?;
    let envelope = envelope(&bundle)?;
    let wrong = || Refusal::WrongKey { trusted: keys.to_string(), found: None };
    let signer = keys.signer(&envelope.pae(), &envelope.signature.sig).ok_or_else(wrong)?;
    check(envelope, digest)?;
    Ok(signer.to_owned())
}

/// Judges a bundle by identities.
pub(super) fn by_identity(keyless: &Keyless, digest: &str, bundle: &[u8]) -> Result<String, Refusal> {
    let bundle = read(bundle)?;
    let envelope = envelope(&bundle)?;
    let by = keyless.signer(&bundle, Sealed::Digest(digest))?;
    check(envelope, digest)?;
    Ok(by)
}

fn read(bundle: &[u8]) -> Result<Bundle, Refusal> {
    if bundle.len() > BUNDLE_LIMIT_BYTES {
        return Err(Refusal::Malformed(format!("a bundle larger than {BUNDLE_LIMIT_BYTES} bytes")));
    }
    serde_json::from_slice(bundle).map_err(|error| Refusal::Malformed(format!("a bundle: {}", shown(&error))))
}

/// Signs what it says about the image, instead of its bytes: nobody has the bytes of an image in one piece.
fn envelope(bundle: &Bundle) -> Result<&DsseEnvelope, Refusal> {
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Ok(envelope),
        _ => Err(Refusal::Unsupported("a bundle over a message, which names no image".to_owned())),
    }
}

fn check(envelope: &DsseEnvelope, digest: &str) -> Result<(), Refusal> {
    if envelope.payload_type != STATEMENT {
        return Err(Refusal::OfAnother(format!("of type {:?}", shown(&envelope.payload_type))));
    }
    payload::check_statement(envelope.payload.as_bytes(), digest)
}
