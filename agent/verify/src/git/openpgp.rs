//! Signatures by OpenPGP keys (RFC 9580; gpg writes version 4).
//!
//! A key is judged as it is now, by its own signatures on itself: one that is expired or revoked by now signs nothing
//! any more, whenever it signed; neither does a subkey that is not for signing.

use std::{fmt, io::Cursor};

use jiff::Timestamp;
use pgp::{
    composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey},
    crypto::hash::HashAlgorithm,
    packet::{KeyFlags, Signature, SignatureType},
    types::{Duration, KeyDetails, Tag, VerifyingKey},
};

use super::Signers;
use crate::{BadMaterial, Refusal, text::shown};

/// How many signatures of one commit are looked at.
const SIGNATURES_LIMIT: usize = 8;
/// How many keys a file may have.
const KEYS_LIMIT: usize = 500;
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
const BEGIN: &str = super::PGP_KEY;
/// How far the clock of who signs may be ahead.
const CLOCK_SKEW_SECONDS: i64 = 300;
/// Digests that nobody can forge.
const GOOD_DIGESTS: [HashAlgorithm; 5] = [
    HashAlgorithm::Sha256,
    HashAlgorithm::Sha384,
    HashAlgorithm::Sha512,
    HashAlgorithm::Sha3_256,
    HashAlgorithm::Sha3_512,
];

/// A key with its subkeys.
pub(super) struct PgpKey(SignedPublicKey);

/// Reads armored keys, one block after the other.
pub(super) fn armored(file: &str, text: &str) -> Result<Vec<PgpKey>, BadMaterial> {
    let mut keys = Vec::new();
    for block in text.split_inclusive(END) {
        let Some(begin) = block.find(BEGIN) else { continue };
        let block = block.get(begin..).unwrap_or(block);
        let read = SignedPublicKey::from_armor_many(Cursor::new(block.as_bytes()));
        let (read, _) = read.map_err(|error| unreadable(file, &error))?;
        let before = keys.len();
        take(file, read, &mut keys)?;
        // A revocation on its own would be no key, and the key that it revokes would stay good.
        if keys.len() == before {
            return Err(BadMaterial::new(
                file,
                "has a block without a key; export the revoked key as a whole",
            ));
        }
    }
    Ok(keys)
}

/// Reads keys as they are in a keyring.
pub(super) fn binary(file: &str, bytes: &[u8]) -> Result<Vec<PgpKey>, BadMaterial> {
    let mut keys = Vec::new();
    let read =
        SignedPublicKey::from_bytes_many(Cursor::new(bytes)).map_err(|error| unreadable(file, &error))?;
    take(file, read, &mut keys)?;
    Ok(keys)
}

fn take(
    file: &str,
    read: impl Iterator<Item = pgp::errors::Result<SignedPublicKey>>,
    keys: &mut Vec<PgpKey>,
) -> Result<(), BadMaterial> {
    for key in read {
        if keys.len() >= KEYS_LIMIT {
            return Err(BadMaterial::new(file, format!("has more than {KEYS_LIMIT} keys")));
        }
        keys.push(PgpKey(key.map_err(|error| unreadable(file, &error))?));
    }
    Ok(())
}

fn unreadable(file: &str, error: &pgp::errors::Error) -> BadMaterial {
    BadMaterial::new(file, format!("holds no OpenPGP key that can be read: {}", shown(&error)))
}

/// Judges a signature by the keys; says whose it is.
pub(super) fn judge(
    keys: &[PgpKey],
    signature: &str,
    payload: &[u8],
    now: Timestamp,
    signers: &Signers,
) -> Result<String, Refusal> {
    let malformed =
        |error: pgp::errors::Error| Refusal::Malformed(format!("a signature of OpenPGP: {}", shown(&error)));
    let (signatures, _) =
        DetachedSignature::from_armor_many(Cursor::new(signature.as_bytes())).map_err(malformed)?;
    let mut nearest = Refusal::Missing;
    for signature in signatures.take(SIGNATURES_LIMIT) {
        let signature = signature.map_err(malformed)?.signature;
        for key in keys {
            match key.judge(&signature, payload, now) {
                Ok(()) => return Ok(key.to_string()),
                Err(refusal) => nearest = nearest.max(refusal),
            }
        }
    }
    Err(nearest.or_wrong_key(signers))
}

impl PgpKey {
    fn judge(&self, signature: &Signature, payload: &[u8], now: Timestamp) -> Result<(), Refusal> {
        let key = &self.0;
        let primary = &key.primary_key;
        if is_by(signature, primary) {
            fits(signature, primary, payload, now)?;
            self.primary_is_good(now)?;
            let flags = self.own_signatures().filter(|own| own.key_flags() != KeyFlags::default());
            let may_sign = flags.max_by_key(|own| own.created()).is_none_or(|own| own.key_flags().sign());
            return if may_sign { Ok(()) } else { Err(self.not_for_signing()) };
        }
        let subkey = key.public_subkeys.iter().find(|subkey| is_by(signature, &subkey.key));
        // Not this key's.
        let Some(subkey) = subkey else { return Err(Refusal::Missing) };
        fits(signature, &subkey.key, payload, now)?;
        self.primary_is_good(now)?;
        self.subkey_is_good(subkey, now)
    }

    /// The signatures of the key on itself that hold: on its user ids, and direct ones.
    fn own_signatures(&self) -> impl Iterator<Item = &Signature> {
        let key = &self.0;
        let on_users = key.details.users.iter().flat_map(move |user| {
            let holds = move |own: &&Signature| {
                own.is_certification() && is_by(own, &key.primary_key) && {
                    own.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
                }
            };
            user.signatures.iter().filter(holds)
        });
        let direct = key.details.direct_signatures.iter();
        on_users.chain(direct.filter(|own| own.verify_key(&key.primary_key).is_ok()))
    }

    fn primary_is_good(&self, now: Timestamp) -> Result<(), Refusal> {
        let primary = &self.0.primary_key;
        let revocations = &self.0.details.revocation_signatures;
        if revocations.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
            return Err(Refusal::Expired(format!("{self} is revoked")));
        }
        let newest = self.own_signatures().max_by_key(|own| own.created());
        let newest =
            newest.ok_or_else(|| Refusal::Malformed(format!("{self} has no signature on itself")))?;
        self.not_expired(newest, primary, now)
    }

    fn subkey_is_good(&self, subkey: &SignedPublicSubKey, now: Timestamp) -> Result<(), Refusal> {
        let primary = &self.0.primary_key;
        let holding = || {
            let holds = |own: &&Signature| own.verify_subkey_binding(primary, &subkey.key).is_ok();
            subkey.signatures.iter().filter(holds)
        };
        if holding().any(|own| own.typ() == Some(SignatureType::SubkeyRevocation)) {
            return Err(Refusal::Expired(format!("a subkey of {self} is revoked")));
        }
        let binding = holding().max_by_key(|own| own.created());
        let binding =
            binding.ok_or_else(|| Refusal::Tampered(format!("a subkey that is not bound to {self}")))?;
        let back = binding.embedded_signature();
        // Without the subkey's own word anybody's key could be taken for a part of this one.
        let is_mutual =
            back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        if !binding.key_flags().sign() || !is_mutual {
            return Err(self.not_for_signing());
        }
        self.not_expired(binding, &subkey.key, now)
    }

    fn not_expired(&self, own: &Signature, key: &impl KeyDetails, now: Timestamp) -> Result<(), Refusal> {
        let seconds = own.key_expiration_time().map_or(0, Duration::as_secs);
        let end = i64::from(key.created_at().as_secs()) + i64::from(seconds);
        if seconds != 0 && now.as_second() >= end {
            let end = Timestamp::from_second(end).unwrap_or_default();
            return Err(Refusal::Expired(format!("{self} expired at {end}")));
        }
        Ok(())
    }

    fn not_for_signing(&self) -> Refusal {
        Refusal::OfAnother(format!("made by a part of {self} that is not for signing"))
    }
}

/// Whether a signature says that this key made it.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    fingerprints.contains(&&key.fingerprint())
}

/// Whether a signature fits what it signs.
fn fits(
    signature: &Signature,
    key: &impl VerifyingKey,
    payload: &[u8],
    now: Timestamp,
) -> Result<(), Refusal> {
    if signature.typ() != Some(SignatureType::Binary) {
        return Err(Refusal::Unsupported("a signature of OpenPGP that is not on bytes".to_owned()));
    }
    if !signature.hash_alg().is_some_and(|digest| GOOD_DIGESTS.contains(&digest)) {
        return Err(Refusal::Unsupported("a signature of OpenPGP by a digest that can be forged".to_owned()));
    }
    signature
        .verify(key, payload)
        .map_err(|_| Refusal::Tampered("it does not fit what it signs".to_owned()))?;
    let created = signature.created().map(|created| i64::from(created.as_secs()));
    let created = created.ok_or_else(|| Refusal::Malformed("it does not say when it was made".to_owned()))?;
    if created > now.as_second() + CLOCK_SKEW_SECONDS {
        return Err(Refusal::Expired("made in the future".to_owned()));
    }
    let lasts = signature.signature_expiration_time().map_or(0, Duration::as_secs);
    if lasts != 0 && now.as_second() >= created + i64::from(lasts) {
        return Err(Refusal::Expired("it was made to last a while only".to_owned()));
    }
    Ok(())
}

/// The first user id, and the fingerprint.
impl fmt::Display for PgpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.0.details.users.first().and_then(|user| user.id.as_str());
        write!(
            formatter,
            "{} ({:X})",
            user.map_or_else(|| "OpenPGP key".to_owned(), shown),
            self.0.primary_key.fingerprint()
        )
    }
}
