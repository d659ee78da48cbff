//! Hostile evidence: certificates, entries of logs, and what a trusted root can be.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use voxsync_hostile::{fuzz, near};

use super::*;

fn is_short(refusal: &Refusal) {
    assert!(refusal.to_string().len() < 2000, "{refusal}");
}

/// One of the fields of a bundle that have something in Base64, and that thing.
const ENCODED: [&str; 5] = [
    "/verificationMaterial/certificate/rawBytes",
    "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
    "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    "/dsseEnvelope/signatures/0/sig",
    "/dsseEnvelope/payload",
];

#[test]
fn fuzz_keyless_bundle() {
    let sigstore = Sigstore::new();
    let rules = rules(&sigstore);
    let statement = statement(DIGEST, "https://sigstore.dev/cosign/sign/v1");
    let bundle = sigstore.sign_statement(&statement, &Signing::default()).bundle(&statement);
    let outside = near([bundle.to_string()]);
    let decoded = ENCODED.map(|path| {
        let bundle = bundle.clone();
        let inside = STANDARD.decode(bundle.pointer(path).unwrap().as_str().unwrap()).unwrap();
        near([inside]).prop_map(move |inside| {
            let mut bundle = bundle.clone();
            *bundle.pointer_mut(path).unwrap() = STANDARD.encode(inside).into();
            bundle.to_string().into_bytes()
        })
    });
    let place = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    let checkpoint = near([bundle.pointer(place).unwrap().as_str().unwrap().to_owned()]);
    let checkpoint = checkpoint.prop_map(move |envelope| {
        let mut bundle = bundle.clone();
        *bundle.pointer_mut(place).unwrap() = String::from_utf8_lossy(&envelope).into();
        bundle.to_string().into_bytes()
    });
    let [certificate, promise, body, signature, payload] = decoded;
    let bundles = prop_oneof![3 => outside, 3 => certificate, 1 => promise, 2 => body, 1 => signature, 2 => payload, 1 => checkpoint];
    fuzz(bundles, |bundle| {
        let verdict = judge_image(&rules, DIGEST, &[ImageSignature::Bundle(bundle)]);
        verdict.as_ref().err().into_iter().for_each(is_short);
        verdict.is_ok()
    });
}

#[test]
fn fuzz_keyless_annotations() {
    let sigstore = Sigstore::new();
    let rules = rules(&sigstore);
    let payload = payload(DIGEST);
    let signed = sigstore.sign(payload.as_bytes(), &Signing::default());
    let [(sig, signature), (cert, certificate), (log, entry)] = signed.annotations();
    let annotations = (near([payload]), near([signature]), near([certificate]), near([entry]), 0..4_usize);
    let good = signed.annotations();
    fuzz(annotations, |(payload, signature, certificate, entry, changed)| {
        let mut annotations: std::collections::BTreeMap<String, String> = good.clone().into();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut of = self::payload(DIGEST).into_bytes();
        match changed {
            0 => of = payload,
            1 => drop(annotations.insert(sig.clone(), text(&signature))),
            2 => drop(annotations.insert(cert.clone(), text(&certificate))),
            _ => drop(annotations.insert(log.clone(), text(&entry))),
        }
        let signature = ImageSignature::Simple(SimpleSignature { payload: of, annotations });
        let verdict = judge_image(&rules, DIGEST, &[signature]);
        verdict.as_ref().err().into_iter().for_each(is_short);
        verdict.is_ok()
    });
}

#[test]
fn fuzz_trusted_root() {
    let root = Sigstore::new().trusted_root();
    let identity = Identity { issuer: "a".to_owned(), subject: "b".to_owned() };
    fuzz(near([root]), |root| match Keyless::parse("trusted_root.json", &root, vec![identity.clone()]) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().len() < 2000, "{error}");
            false
        }
    });
}
