//! What is signed: the payload of the old form, and the statement in a bundle. Both must name the digest of the image.

use serde::Deserialize;

use crate::{Refusal, text::shown};

/// The most bytes of a payload or statement.
pub(super) const PAYLOAD_LIMIT_BYTES: usize = 64 << 10;
const SIMPLE_TYPE: &str = "cosign container image signature";
const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/// What says that an image is approved. Any other is a statement about it (what is in it, who built it, how it was
/// tested), which may well say that it is bad.
const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Cosign, `SIGNATURE_SPEC.md`, "Payload": simple signing.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// In-toto attestation framework, `Statement`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// Checks that a payload of the old form is about the image.
pub(super) fn check_simple(payload: &[u8], digest: &str) -> Result<(), Refusal> {
    let payload: Payload = read(payload)?;
    let Critical { kind, image } = payload.critical;
    if kind != SIMPLE_TYPE {
        return Err(Refusal::OfAnother(format!("its type is {:?}", shown(&kind))));
    }
    same(&image.digest, digest)
}

/// Checks that the statement of a bundle is a signature of the image.
pub(super) fn check_statement(statement: &[u8], digest: &str) -> Result<(), Refusal> {
    let Statement { kind, subject, predicate_type } = read(statement)?;
    if !STATEMENT_TYPES.contains(&kind.as_str()) {
        return Err(Refusal::Malformed(format!("a statement of type {:?}", shown(&kind))));
    }
    if predicate_type != SIGNATURE_PREDICATE {
        return Err(Refusal::OfAnother(format!(
            "it states {:?} of an image, which is no approval (that is {SIGNATURE_PREDICATE})",
            shown(&predicate_type)
        )));
    }
    let [subject] = subject.as_slice() else {
        return Err(Refusal::OfAnother(format!("it has {} subjects instead of one", subject.len())));
    };
    same(&format!("sha256:{}", subject.digest.sha256.as_deref().unwrap_or_default()), digest)
}

fn read<'p, T: Deserialize<'p>>(payload: &'p [u8]) -> Result<T, Refusal> {
    if payload.len() > PAYLOAD_LIMIT_BYTES {
        return Err(Refusal::Malformed(format!("what it signs is larger than {PAYLOAD_LIMIT_BYTES} bytes")));
    }
    serde_json::from_slice(payload).map_err(|error| {
        Refusal::Malformed(format!("what it signs is not of the right shape: {}", shown(&error)))
    })
}

fn same(signed: &str, digest: &str) -> Result<(), Refusal> {
    if signed == digest { Ok(()) } else { Err(Refusal::OfAnother(format!("of {}", shown(&signed)))) }
}
