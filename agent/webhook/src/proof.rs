//! How senders prove themselves: by a signature over the body, or by a token that only they know. All comparisons take
//! the same time, whatever was sent.

use std::{cell::OnceCell, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hex::FromHex as _;
use jiff::Timestamp;
use ring::hmac::{Context, HMAC_SHA256, Key, Tag, sign, verify};

use crate::delivery::{Delivery, Secret};

/// How far the time of a signed delivery may be from ours: what Standard Webhooks asks for.
const AGE_LIMIT: Duration = Duration::from_mins(5);
/// How many signatures of one delivery are looked at: some senders sign with two secrets while they change them.
const SIGNATURES_LIMIT: usize = 8;
const SHA256_BYTES: usize = 32;

/// Why a delivery is not believed. For the log: who sent it learns nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing that could prove anything, for instance because it was signed with SHA-1.
    #[error("it carries no proof of the kind that its sender has")]
    Missing,
    /// It does not fit to the secret.
    #[error("its proof does not fit to the secret")]
    Wrong,
    /// It fits, but is from another time: perhaps it is sent again by who has seen it.
    #[error("it is signed, but its time is more than 5 minutes away")]
    Stale,
}

/// What a look at a proof comes to.
pub(crate) type Verdict = Result<(), Refusal>;

/// A delivery, and the secret that it has to fit to. The HMAC of its body is computed once, and not before there is
/// something to compare with.
pub(crate) struct Claim<'a> {
    delivery: Delivery<'a>,
    secret: &'a Secret,
    now: Timestamp,
    key: Key,
    signature: OnceCell<Tag>,
}

impl<'a> Claim<'a> {
    pub(crate) fn new(delivery: Delivery<'a>, secret: &'a Secret, now: Timestamp) -> Self {
        let key = Key::new(HMAC_SHA256, secret.bytes());
        Self { delivery, secret, now, key, signature: OnceCell::new() }
    }

    /// A header with `sha256=` and the HMAC of the body in hexadecimal digits.
    pub(crate) fn signed_with_prefix(&self, header: &str) -> Verdict {
        self.signed(self.delivery.header(header).and_then(|value| value.strip_prefix("sha256=")))
    }

    /// A header with the bare hexadecimal digits of the HMAC of the body.
    pub(crate) fn signed_bare(&self, header: &str) -> Verdict {
        self.signed(self.delivery.header(header))
    }

    fn signed(&self, digits: Option<&str>) -> Verdict {
        let given = <[u8; SHA256_BYTES]>::from_hex(digits.ok_or(Refusal::Missing)?);
        let given = given.map_err(|_| Refusal::Wrong)?;
        self.same(&given, self.signature.get_or_init(|| sign(&self.key, self.delivery.body)).as_ref())
    }

    /// As Standard Webhooks has it: `webhook-signature` with `v1,` and the HMAC of id, time and body in Base64, or several
    /// with spaces between them. The secret may begin with `whsec_`: then it is Base64, too.
    pub(crate) fn signed_by_standard(&self) -> Verdict {
        let header = |name| self.delivery.header(name).ok_or(Refusal::Missing);
        let (signatures, id, time) =
            (header("webhook-signature")?, header("webhook-id")?, header("webhook-timestamp")?);
        let encoded = self.secret.bytes().strip_prefix(b"whsec_");
        let encoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = encoded.map_or_else(|| self.key.clone(), |bytes| Key::new(HMAC_SHA256, &bytes));
        let mut context = Context::with_key(&key);
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", self.delivery.body] {
            context.update(part);
        }
        let wanted = context.sign();
        let fits = |signature: &str| {
            let given = signature.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
            given.is_some_and(|given| self.same(&given, wanted.as_ref()).is_ok())
        };
        if !signatures.split(' ').take(SIGNATURES_LIMIT).any(fits) {
            return Err(Refusal::Wrong);
        }
        let signed_at = time.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let is_of_now = signed_at.is_some_and(|at| self.now.duration_since(at).unsigned_abs() <= AGE_LIMIT);
        if is_of_now { Ok(()) } else { Err(Refusal::Stale) }
    }

    /// The header `Authorization`: the token alone, as `Bearer`, or as the password of `Basic`.
    pub(crate) fn authorized(&self) -> Verdict {
        let value = self.delivery.authorization().ok_or(Refusal::Missing)?;
        let (scheme, rest) = value.split_once(' ').unwrap_or_default();
        let decoded = STANDARD.decode(rest).unwrap_or_default();
        let password =
            decoded.iter().position(|byte| *byte == b':').and_then(|colon| decoded.get(colon + 1..));
        let given = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => rest.as_bytes(),
            "basic" => password.unwrap_or_default(),
            _ => value.as_bytes(),
        };
        self.same(given, self.secret.bytes())
    }

    /// The token as a header's whole value.
    pub(crate) fn in_header(&self, header: &str) -> Verdict {
        let given = self.delivery.header(header).ok_or(Refusal::Missing)?;
        self.same(given.as_bytes(), self.secret.bytes())
    }

    /// The token as the last part of the address.
    pub(crate) fn in_address(&self) -> Verdict {
        let given = self.delivery.last_segment.ok_or(Refusal::Missing)?;
        self.same(given.as_bytes(), self.secret.bytes())
    }

    /// Whether the two are the same, in a time that does not depend on how much of it is right.
    fn same(&self, given: &[u8], wanted: &[u8]) -> Verdict {
        verify(&self.key, given, sign(&self.key, wanted).as_ref()).map_err(|_| Refusal::Wrong)
    }
}
