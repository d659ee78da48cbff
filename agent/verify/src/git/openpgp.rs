//! Signatures by OpenPGP keys (RFC 9580; gpg writes version 4).
//!
//! A key is judged as it is now, by its own signatures on itself: one that is expired or revoked by now signs nothing
//! any more, whenever it signed; neither does a subkey that is not for signing.

use std::io::Cursor;

use jiff::Timestamp;
use pgp::{
    composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey},
    crypto::hash::HashAlgorithm,
    packet::{KeyFlags, Signature, SignatureType},
    types::{Duration, KeyDetails, Tag, VerifyingKey},
};

use super::{Signed, Signers, keyring::Keyring};
use crate::{Refusal, text::shown};

/// How many signatures of one commit are looked at.
const SIGNATURES_LIMIT: usize = 8;
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

/// A key with its subkeys, and the revocations of all keys.
struct PgpKey<'k> {
    key: &'k SignedPublicKey,
    revocations: &'k [Signature],
}

/// Judges a signature by the keys; says whose it is.
pub(super) fn judge(
    keyring: &Keyring,
    signature: &str,
    payload: &[u8],
    now: Timestamp,
    signers: &Signers,
) -> Result<Signed, Refusal> {
    let malformed =
        |error: pgp::errors::Error| Refusal::Malformed(format!("a signature of OpenPGP: {}", shown(&error)));
    let (signatures, _) =
        DetachedSignature::from_armor_many(Cursor::new(signature.as_bytes())).map_err(malformed)?;
    let (mut nearest, mut found) = (Refusal::Missing, None);
    for signature in signatures.take(SIGNATURES_LIMIT) {
        let signature = signature.map_err(malformed)?.signature;
        found = found.or_else(|| Some(format!("{:X}", signature.issuer_fingerprint().first()?)));
        for key in &keyring.keys {
            let key = PgpKey { key, revocations: &keyring.revocations };
            match key.judge(&signature, payload, now) {
                Ok(until) => return Ok(Signed { by: named(key.key), until }),
                Err(refusal) => nearest = nearest.max(refusal),
            }
        }
    }
    Err(nearest.or_wrong_key(signers, found))
}

/// The first user id, and the fingerprint.
pub(super) fn named(key: &SignedPublicKey) -> String {
    let user = key.details.users.first().and_then(|user| user.id.as_str());
    let user = user.map_or_else(|| "OpenPGP key".to_owned(), shown);
    format!("{user} ({:X})", key.primary_key.fingerprint())
}

impl PgpKey<'_> {
    /// Until when the signature is good, if it is.
    fn judge(
        &self,
        signature: &Signature,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let key = self.key;
        let primary = &key.primary_key;
        let of_all = |ends: [Option<Timestamp>; 3]| ends.into_iter().flatten().min();
        if is_by(signature, primary) {
            let ends = [fits(signature, primary, payload, now)?, self.primary_is_good(now)?, None];
            let flags = self.own_signatures().filter(|own| own.key_flags() != KeyFlags::default());
            let may_sign = flags.max_by_key(|own| own.created()).is_none_or(|own| own.key_flags().sign());
            return if may_sign { Ok(of_all(ends)) } else { Err(self.not_for_signing()) };
        }
        let subkey = key.public_subkeys.iter().find(|subkey| is_by(signature, &subkey.key));
        // Not this key's.
        let Some(subkey) = subkey else { return Err(Refusal::Missing) };
        Ok(of_all([
            fits(signature, &subkey.key, payload, now)?,
            self.primary_is_good(now)?,
            self.subkey_is_good(subkey, now)?,
        ]))
    }

    /// The signatures of the key on itself that hold: on its user ids, and direct ones.
    fn own_signatures(&self) -> impl Iterator<Item = &Signature> {
        let key = self.key;
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

    /// Refuses what is revoked. A revocation by the key itself that cannot be checked counts, too: nobody knows that it is none.
    fn not_revoked(
        &self,
        kind: SignatureType,
        what: &str,
        holds: impl Fn(&Signature) -> bool,
    ) -> Result<(), Refusal> {
        for revocation in self.revocations.iter().filter(|one| one.typ() == Some(kind)) {
            if holds(revocation) {
                return Err(Refusal::Expired(format!("{what} is revoked")));
            }
            let can_be_checked = revocation.hash_alg().is_some_and(|digest| digest.new_hasher().is_ok());
            if !can_be_checked && is_by(revocation, &self.key.primary_key) {
                return Err(Refusal::Expired(format!(
                    "{what} may be revoked: it has a revocation by a digest that voxsync cannot check; sign with another key"
                )));
            }
        }
        Ok(())
    }

    /// Until when it is good, if it is.
    fn primary_is_good(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let primary = &self.key.primary_key;
        let holds = |revocation: &Signature| revocation.verify_key(primary).is_ok();
        self.not_revoked(SignatureType::KeyRevocation, &named(self.key), holds)?;
        let newest = self.own_signatures().max_by_key(|own| own.created());
        let newest = newest
            .ok_or_else(|| Refusal::Malformed(format!("{} has no signature on itself", named(self.key))))?;
        self.not_expired(newest, primary, now)
    }

    /// Until when it is good, if it is.
    fn subkey_is_good(
        &self,
        subkey: &SignedPublicSubKey,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let primary = &self.key.primary_key;
        let holds = |own: &Signature| own.verify_subkey_binding(primary, &subkey.key).is_ok();
        let what = format!("a subkey of {}", named(self.key));
        self.not_revoked(SignatureType::SubkeyRevocation, &what, holds)?;
        let bindings = subkey.signatures.iter().filter(|own| holds(own));
        let binding = bindings.max_by_key(|own| own.created());
        let binding = binding
            .ok_or_else(|| Refusal::Tampered(format!("a subkey that is not bound to {}", named(self.key))))?;
        let back = binding.embedded_signature();
        // Without the subkey's own word anybody's key could be taken for a part of this one.
        let is_mutual =
            back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        if !binding.key_flags().sign() || !is_mutual {
            return Err(self.not_for_signing());
        }
        self.not_expired(binding, &subkey.key, now)
    }

    /// When the key expires, where it is to.
    fn not_expired(
        &self,
        own: &Signature,
        key: &impl KeyDetails,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let end = end(i64::from(key.created_at().as_secs()), own.key_expiration_time());
        match end.filter(|end| now >= *end) {
            Some(end) => Err(Refusal::Expired(format!("{} expired at {end}", named(self.key)))),
            None => Ok(end),
        }
    }

    fn not_for_signing(&self) -> Refusal {
        Refusal::OfAnother(format!("made by a part of {} that is not for signing", named(self.key)))
    }
}

/// When something ends that lasts so long, where it does not last for ever.
fn end(created_second: i64, lasts: Option<Duration>) -> Option<Timestamp> {
    let seconds = lasts.map(Duration::as_secs).filter(|seconds| *seconds != 0)?;
    Timestamp::from_second(created_second + i64::from(seconds)).ok()
}

/// Whether a signature says that this key made it.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    fingerprints.contains(&&key.fingerprint())
}

/// Whether a signature fits what it signs; until when it does, where it is to end.
fn fits(
    signature: &Signature,
    key: &impl VerifyingKey,
    payload: &[u8],
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
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
    let end = end(created, signature.signature_expiration_time());
    if end.is_some_and(|end| now >= end) {
        return Err(Refusal::Expired("it was made to last a while only".to_owned()));
    }
    Ok(end)
}
