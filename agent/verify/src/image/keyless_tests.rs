//! What was signed under the public instance of Sigstore, judged by its own trusted root (`tests/verify/data/README.md`).
//!
//! Who is believed is judged after all evidence held: a refusal of the identity says that it did.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{ImageRules, ImageSignature, SimpleSignature, judge_image};

const ROOT: &[u8] = include_bytes!("../../tests/verify/data/public/trusted_root.json");
const STATEMENT: &str = include_str!("../../tests/verify/data/public/statement.json");
const MESSAGE: &str = include_str!("../../tests/verify/data/public/message.json");

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";
/// The issuer of who signed the message.
const ISSUER_OF_PEOPLE: &str = "https://github.com/login/oauth";
const PACKAGE: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
const TEXT: &[u8] = b"test content for cosign\n";

fn keyless(issuer: &str, subject: &str) -> Keyless {
    let identity = Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
    Keyless::parse("trusted_root.json", ROOT, vec![identity]).unwrap()
}

fn signer(bundle: &str, sealed: Sealed<'_>, (issuer, subject): (&str, &str)) -> Result<String, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::Malformed(error.to_string());
    let bundle: Bundle = serde_json::from_str(bundle).map_err(malformed)?;
    keyless(issuer, subject).signer(&bundle, sealed)
}

#[test]
fn who_signed_a_statement_is_believed() {
    let found = format!("{SUBJECT} ({ISSUER})");
    assert_eq!(signer(STATEMENT, Sealed::Digest(PACKAGE), (ISSUER, SUBJECT)).unwrap(), found);
    let another_branch = SUBJECT.replace("/main", "/other");
    for identity in [(ISSUER_OF_PEOPLE, SUBJECT), (ISSUER, another_branch.as_str()), (SUBJECT, ISSUER)] {
        let refusal = signer(STATEMENT, Sealed::Digest(PACKAGE), identity).unwrap_err();
        assert_eq!(refusal, Refusal::WrongIdentity { found: found.clone() });
    }
    let other = PACKAGE.replace("5430", "5431");
    let refusal = signer(STATEMENT, Sealed::Digest(&other), (ISSUER, SUBJECT)).unwrap_err();
    assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
}

#[test]
fn a_statement_on_a_package_approves_no_image() {
    let rules = ImageRules::Identities(Box::new(keyless(ISSUER, SUBJECT)));
    let refusal = judge_image(&rules, PACKAGE, &[ImageSignature::Bundle(STATEMENT.into())]).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::OfAnother(why) if why.contains("attestations-publish-1")),
        "all else of it is as for an image: {refusal}"
    );
}

/// Whether a refusal says that all held but who signed.
fn is_by_a_person(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::WrongIdentity { found } if found.ends_with(&format!("({ISSUER_OF_PEOPLE})")))
}

#[test]
fn a_message_is_judged_with_its_timestamp() {
    let refusal = signer(MESSAGE, Sealed::Message(TEXT), (ISSUER, SUBJECT)).unwrap_err();
    assert!(is_by_a_person(&refusal), "{refusal}");
    let refusal = signer(MESSAGE, Sealed::Message(b"something else"), (ISSUER, SUBJECT)).unwrap_err();
    assert!(!is_by_a_person(&refusal), "{refusal}");
}

#[test]
fn the_old_form_has_the_same_evidence() {
    let bundle: Value = serde_json::from_str(MESSAGE).unwrap();
    let text = |path: &str| bundle.pointer(path).and_then(Value::as_str).unwrap();
    let number = |path: &str| text(path).parse::<i64>().unwrap();
    let entry = |name: &str| format!("/verificationMaterial/tlogEntries/0/{name}");
    let certificate = text("/verificationMaterial/certificate/rawBytes");
    let logged = json!({
        "SignedEntryTimestamp": text(&entry("inclusionPromise/signedEntryTimestamp")),
        "Payload": {
            "body": text(&entry("canonicalizedBody")), "integratedTime": number(&entry("integratedTime")),
            "logIndex": number(&entry("logIndex")),
            "logID": hex::encode(STANDARD.decode(text(&entry("logId/keyId"))).unwrap()),
        },
    });
    let annotations = [
        ("dev.cosignproject.cosign/signature", text("/messageSignature/signature").to_owned()),
        (
            "dev.sigstore.cosign/certificate",
            format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"),
        ),
        ("dev.sigstore.cosign/bundle", logged.to_string()),
    ];
    let annotations: BTreeMap<String, String> =
        annotations.map(|(name, value)| (name.to_owned(), value)).into();
    let rules = ImageRules::Identities(Box::new(keyless(ISSUER, SUBJECT)));
    let judge = |payload: &[u8]| {
        let signature = SimpleSignature { payload: payload.to_vec(), annotations: annotations.clone() };
        judge_image(&rules, PACKAGE, &[ImageSignature::Simple(signature)]).unwrap_err()
    };
    let refusal = judge(TEXT);
    assert!(is_by_a_person(&refusal), "{refusal}");
    let refusal = judge(b"something else");
    assert!(!is_by_a_person(&refusal), "{refusal}");
}

#[rstest]
#[case::certificate("certificate/rawBytes")]
#[case::time("tlogEntries/0/integratedTime")]
#[case::promise("tlogEntries/0/inclusionPromise/signedEntryTimestamp")]
#[case::proof("tlogEntries/0/inclusionProof/rootHash")]
#[case::path("tlogEntries/0/inclusionProof/hashes/0")]
#[case::entry("tlogEntries/0/canonicalizedBody")]
#[case::timestamp("timestampVerificationData/rfc3161Timestamps/0/signedTimestamp")]
fn evidence_that_was_changed_is_seen(#[case] path: &str) {
    let mut bundle: Value = serde_json::from_str(MESSAGE).unwrap();
    let part = bundle.pointer_mut(&format!("/verificationMaterial/{path}")).unwrap();
    let mut text = part.as_str().unwrap().as_bytes().to_vec();
    let middle = text.len() / 2;
    text[middle] = if text[middle] == b'1' { b'2' } else { b'1' };
    *part = String::from_utf8(text).unwrap().into();
    let refusal = signer(&bundle.to_string(), Sealed::Message(TEXT), (ISSUER, SUBJECT)).unwrap_err();
    assert!(!is_by_a_person(&refusal), "{refusal}");
}
