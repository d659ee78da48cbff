//! Public keys in PEM, as `cosign generate-key-pair` and OpenSSL write them.

use std::fmt;

use ed25519_dalek::{Digest as _, Sha512, Signature};
use sha2::Sha256;
use sigstore_verify::{
    crypto::{KeyAlgorithm, SigningScheme, VerificationKey},
    types::{DerPublicKey, SignatureBytes},
};

use crate::{BadMaterial, crypto, text::shown};

/// How many keys a Secret may hold.
const KEYS_LIMIT: usize = 32;
/// How long a key may be, in PEM.
const KEY_LIMIT_BYTES: usize = 16 << 10;
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// How many bytes of a fingerprint are shown.
const FINGERPRINT_BYTES: usize = 8;

/// Public keys: ECDSA on P-256 and P-384, Ed25519, RSA (PKCS #1 v1.5 with SHA-256) from 2048 bits.
pub struct PublicKeys(Vec<PublicKey>);

struct PublicKey {
    name: String,
    /// The key, with each scheme that cosign uses it with.
    schemes: Vec<VerificationKey>,
    /// An Ed25519 key as cosign uses it since 2.5: on a digest (RFC 8032, Ed25519ph).
    prehashed: Option<ed25519_dalek::VerifyingKey>,
}

impl PublicKeys {
    /// Reads the files of a Secret; each holds one or more keys.
    pub fn parse<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<Self, BadMaterial> {
        crypto::install();
        let mut keys = Vec::new();
        for (file, bytes) in files {
            let bad = |problem: &str| BadMaterial::new(file, problem);
            let text = std::str::from_utf8(bytes).map_err(|_| bad("is not a public key in PEM"))?;
            if text.contains("PRIVATE KEY-----") {
                return Err(bad("holds a private key: voxsync needs the public one alone (cosign.pub)"));
            }
            let blocks: Vec<&str> = text.split_inclusive(END).filter(|block| block.contains(BEGIN)).collect();
            if blocks.is_empty() {
                return Err(bad("holds no public key in PEM (-----BEGIN PUBLIC KEY-----)"));
            }
            for block in blocks {
                if keys.len() >= KEYS_LIMIT {
                    return Err(bad("is one key too many: at most 32 are taken"));
                }
                keys.push(PublicKey::parse(file, block)?);
            }
        }
        if keys.is_empty() {
            return Err(BadMaterial::new("the Secret", "holds no public keys"));
        }
        Ok(Self(keys))
    }

    /// Who signed the message, if it was one of these keys.
    pub(super) fn signer(&self, message: &[u8], signature: &SignatureBytes) -> Option<&str> {
        self.0.iter().find(|key| key.has_signed(message, signature)).map(|key| key.name.as_str())
    }
}

impl PublicKey {
    fn parse(file: &str, block: &str) -> Result<Self, BadMaterial> {
        let bad = |problem: String| BadMaterial::new(file, problem);
        if block.len() > KEY_LIMIT_BYTES {
            return Err(bad(format!("is longer than {KEY_LIMIT_BYTES} bytes")));
        }
        let begin = block.find(BEGIN).unwrap_or_default();
        let pem = block.get(begin..).unwrap_or(block);
        let der =
            DerPublicKey::from_pem(pem).map_err(|error| bad(format!("is not PEM: {}", shown(&error))))?;
        let unusable = |error: sigstore_verify::crypto::Error| {
            bad(format!(
                "is no key that voxsync judges by (ECDSA P-256 or P-384, Ed25519, RSA): {}",
                shown(&error)
            ))
        };
        let key = VerificationKey::from_spki(&der).map_err(unusable)?;
        sigstore_verify::crypto::validate_raw_public_key(key.scheme(), key.as_bytes())
            .map_err(|_| bad("is no sound key, or of RSA and shorter than 2048 bits".to_owned()))?;
        let bytes = key.as_bytes().try_into().ok().filter(|_| key.scheme() == SigningScheme::Ed25519);
        let prehashed = bytes.and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok());
        let mut schemes = vec![key];
        if KeyAlgorithm::from_spki(&der).map_err(unusable)? == KeyAlgorithm::EcdsaP384 {
            // cosign signs with SHA-256 in the old form whatever the curve, and with that of the curve in the new one.
            let old = VerificationKey::from_spki_with_scheme(&der, SigningScheme::EcdsaP384Sha256);
            schemes.push(old.map_err(unusable)?);
        }
        let digest = <Sha256 as sha2::Digest>::digest(der.as_bytes());
        let fingerprint = hex::encode(digest.get(..FINGERPRINT_BYTES).unwrap_or_default());
        Ok(Self { name: format!("key {} ({fingerprint})", shown(&file)), schemes, prehashed })
    }

    fn has_signed(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        let prehashed = || {
            let (key, signature) = self.prehashed.zip(Signature::from_slice(signature.as_bytes()).ok())?;
            key.verify_prehashed_strict(Sha512::new().chain_update(message), None, &signature).ok()
        };
        self.schemes.iter().any(|scheme| scheme.verify(message, signature).is_ok()) || prehashed().is_some()
    }
}

/// The keys by name.
impl fmt::Display for PublicKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED_LIMIT: usize = 4;
        let names: Vec<&str> = self.0.iter().take(NAMED_LIMIT).map(|key| key.name.as_str()).collect();
        formatter.write_str(&names.join(" or "))?;
        match self.0.len().saturating_sub(NAMED_LIMIT) {
            0 => Ok(()),
            more => write!(formatter, " or {more} more"),
        }
    }
}
