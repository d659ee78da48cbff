//! What was signed under the public and the staging instance of Sigstore, each judged by the trusted root of its own
//! (`tests/verify/data/README.md`).
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

/// Of the staging instance, the first that wrote into a log of the second generation: its entries have no time of their
/// own, a timestamp says when.
const REKOR_2_ROOT: &[u8] = include_bytes!("../../tests/verify/data/rekor2/trusted_root.json");
const REKOR_2_STATEMENT: &str = include_str!("../../tests/verify/data/rekor2/statement.json");
const REKOR_2_FILE: &str = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
const REKOR_2_SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";

fn keyless(root: &[u8], issuer: &str, subject: &str) -> Keyless {
    let identity = Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
    Keyless::parse("trusted_root.json", root, vec![identity]).unwrap()
}

fn signer(bundle: &str, sealed: Sealed<'_>, identity: (&str, &str)) -> Result<String, Refusal> {
    signer_under(ROOT, bundle, sealed, identity)
}

fn signer_under(
    root: &[u8],
    bundle: &str,
    sealed: Sealed<'_>,
    (issuer, subject): (&str, &str),
) -> Result<String, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::Malformed(error.to_string());
    let bundle: Bundle = serde_json::from_str(bundle).map_err(malformed)?;
    keyless(root, issuer, subject).signer(&bundle, sealed)
}

/// The same with one character of a text changed.
fn changed(bundle: &str, path: &str) -> String {
    let mut bundle: Value = serde_json::from_str(bundle).unwrap();
    let part = bundle.pointer_mut(&format!("/verificationMaterial/{path}")).unwrap();
    let mut text = part.as_str().unwrap().as_bytes().to_vec();
    let middle = text.len() / 2;
    text[middle] = if text[middle] == b'1' { b'2' } else { b'1' };
    *part = String::from_utf8(text).unwrap().into();
    bundle.to_string()
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
    let rules = ImageRules::Identities(Box::new(keyless(ROOT, ISSUER, SUBJECT)));
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
    let rules = ImageRules::Identities(Box::new(keyless(ROOT, ISSUER, SUBJECT)));
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
    let refusal = signer(&changed(MESSAGE, path), Sealed::Message(TEXT), (ISSUER, SUBJECT)).unwrap_err();
    assert!(!is_by_a_person(&refusal), "{refusal}");
}

#[test]
fn an_entry_of_a_second_log_is_believed() {
    let judge =
        |digest, identity| signer_under(REKOR_2_ROOT, REKOR_2_STATEMENT, Sealed::Digest(digest), identity);
    let found = format!("{REKOR_2_SUBJECT} ({ISSUER})");
    assert_eq!(judge(REKOR_2_FILE, (ISSUER, REKOR_2_SUBJECT)).unwrap(), found);
    let refusal = judge(REKOR_2_FILE, (ISSUER, SUBJECT)).unwrap_err();
    assert_eq!(refusal, Refusal::WrongIdentity { found });
    let refusal = judge(PACKAGE, (ISSUER, REKOR_2_SUBJECT)).unwrap_err();
    assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
    // The other instance is not trusted.
    let identity = (ISSUER, REKOR_2_SUBJECT);
    let refusal = signer(REKOR_2_STATEMENT, Sealed::Digest(REKOR_2_FILE), identity).unwrap_err();
    assert!(matches!(refusal, Refusal::Tampered(_)), "{refusal}");
}

#[rstest]
#[case::certificate("certificate/rawBytes")]
#[case::path("tlogEntries/0/inclusionProof/hashes/0")]
#[case::entry("tlogEntries/0/canonicalizedBody")]
#[case::timestamp("timestampVerificationData/rfc3161Timestamps/0/signedTimestamp")]
fn evidence_of_a_second_log_that_was_changed_is_seen(#[case] path: &str) {
    let (bundle, identity) = (changed(REKOR_2_STATEMENT, path), (ISSUER, REKOR_2_SUBJECT));
    let judged = signer_under(REKOR_2_ROOT, &bundle, Sealed::Digest(REKOR_2_FILE), identity);
    let refusal = judged.unwrap_err();
    assert!(matches!(refusal, Refusal::Tampered(_) | Refusal::Malformed(_)), "{refusal}");
}

/// Its checkpoint has the hash that the proof leads to; witnesses sign it beside the log and may be unknown.
#[test]
fn the_checkpoint_of_a_second_log_is_signed() {
    let mut bundle: Value = serde_json::from_str(REKOR_2_STATEMENT).unwrap();
    let checkpoint = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    let checkpoint = bundle.pointer_mut(checkpoint).unwrap();
    *checkpoint = checkpoint.as_str().unwrap().replacen("\n\n", "\none line more\n\n", 1).into();
    let identity = (ISSUER, REKOR_2_SUBJECT);
    let judged = signer_under(REKOR_2_ROOT, &bundle.to_string(), Sealed::Digest(REKOR_2_FILE), identity);
    let refusal = judged.unwrap_err();
    assert!(matches!(&refusal, Refusal::Tampered(why) if why.contains("checkpoint")), "{refusal}");
}

#[test]
fn an_entry_of_a_second_log_needs_a_timestamp() {
    let mut bundle: Value = serde_json::from_str(REKOR_2_STATEMENT).unwrap();
    *bundle.pointer_mut("/verificationMaterial/timestampVerificationData/rfc3161Timestamps").unwrap() =
        json!([]);
    let identity = (ISSUER, REKOR_2_SUBJECT);
    let judged = signer_under(REKOR_2_ROOT, &bundle.to_string(), Sealed::Digest(REKOR_2_FILE), identity);
    let refusal = judged.unwrap_err();
    assert!(matches!(&refusal, Refusal::Tampered(why) if why.contains("timestamp")), "{refusal}");
}
