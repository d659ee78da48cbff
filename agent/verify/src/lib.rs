//! Whether a signature is good: bytes in, verdict out.
//!
//! It opens no connection and reads no file: who calls it has fetched the signatures and the keys. All that comes in is
//! hostile, the signatures more than the keys: every size and count has a bound.
//!
//! [`judge_image`] judges the signatures of cosign on an image: by public keys ([`PublicKeys`]) or by identities and a
//! trusted root ([`Keyless`]). [`judge_revision`] judges the signature of Git on a commit or an annotated tag, of SSH
//! or OpenPGP ([`Signers`]). One good signature is enough; where there is none, a [`Refusal`] says which way the nearest
//! one is not good, and what to do.
//!
//! Reading order: `refusal` (what can be wrong), `image` (what is judged how), `git` (the same for Git).

mod crypto;
mod git;
mod image;
mod refusal;
mod text;

pub use git::{Signed, SignedRevision, Signers, judge_revision};
pub use image::{
    Identity, ImageRules, ImageSignature, Keyless, PublicKeys, SIGNATURES_LIMIT, SimpleSignature, judge_image,
};
pub use refusal::{BadMaterial, Refusal};
