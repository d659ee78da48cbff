//! Signatures by keys: those of `data`, which cosign made, and what becomes of them when somebody changes a part.

mod fuzz;

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use rstest::rstest;
use serde_json::json;
use voxsync_verify::{
    ImageRules, ImageSignature, PublicKeys, Refusal, SIGNATURES_LIMIT, SimpleSignature, judge_image,
};

const FIRST: &str = "sha256:7be5cf8e781d299ea948bad6ac492f9d18d43b6ce6e9d7387d758aefa781485b";
const SECOND: &str = "sha256:bc729bbe98a4aef35d0e7ac800d22684c1dc8d28c85344edb63969a474638a62";

/// 1024 bits, which anybody with money can factor.
const SHORT_RSA: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDP8wWlr3xdE2yU43OzjPlc+kDd
mcIAPUw+uwKjCT2r4noqF+wEj/kbdFhkm1ypQOvfal44hPtDg1GCN2jyaQVWqKwv
bKZu4S1XNYbFR70BbMFsRpE/QFnJgu1obE7VQ1TaAVp+YFVgou3VxAUfaYZbi2Ba
BfY8lGCEL7KqsLeGAQIDAQAB
-----END PUBLIC KEY-----
";

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keys(names: &[&str]) -> ImageRules {
    let files: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| (format!("{name}.pub"), data(&format!("{name}.pub")))).collect();
    let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    ImageRules::Keys(PublicKeys::parse(files).unwrap())
}

fn simple(payload: Vec<u8>, signature: &str) -> ImageSignature {
    let name = "dev.cosignproject.cosign/signature".to_owned();
    ImageSignature::Simple(SimpleSignature { payload, annotations: [(name, signature.to_owned())].into() })
}

fn simple_of(key: &str) -> ImageSignature {
    let signature = String::from_utf8(data(&format!("simple-{key}.sig"))).unwrap();
    simple(data("simple-payload.json"), &signature)
}

fn bundle_of(key: &str) -> ImageSignature {
    ImageSignature::Bundle(data(&format!("bundle-{key}.json")))
}

#[rstest]
fn what_cosign_signed_is_good(#[values("p256", "p384", "rsa", "ed25519")] key: &str) {
    for (digest, signature) in [(FIRST, simple_of(key)), (SECOND, bundle_of(key))] {
        let by = judge_image(&keys(&[key]), digest, &[signature]).unwrap();
        assert!(by.starts_with(&format!("key {key}.pub (")), "{by}");
    }
}

#[rstest]
fn another_key_is_none(#[values("p256", "p384", "rsa", "ed25519")] key: &str) {
    let all = ["p256", "p384", "rsa", "ed25519"];
    let others: Vec<&str> = all.into_iter().filter(|other| *other != key).collect();
    for (digest, signature) in [(FIRST, simple_of(key)), (SECOND, bundle_of(key))] {
        let refusal = judge_image(&keys(&others), digest, std::slice::from_ref(&signature)).unwrap_err();
        assert!(matches!(refusal, Refusal::WrongKey { .. }), "{refusal}");
        assert!(judge_image(&keys(&all), digest, &[signature]).is_ok(), "one of several keys is enough");
    }
}

#[test]
fn a_signature_of_another_image_is_none() {
    for (digest, signature) in [(SECOND, simple_of("p256")), (FIRST, bundle_of("p256"))] {
        let refusal = judge_image(&keys(&["p256"]), digest, &[signature]).unwrap_err();
        assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
    }
}

#[test]
fn what_is_said_of_an_image_does_not_approve_it() {
    let attestation = ImageSignature::Bundle(data("attestation-p256.json"));
    let refusal = judge_image(&keys(&["p256"]), SECOND, &[attestation]).unwrap_err();
    assert!(matches!(&refusal, Refusal::OfAnother(why) if why.contains("attestation/vuln/v1")), "{refusal}");
}

#[test]
fn a_byte_that_was_changed_is_seen() {
    let signature = String::from_utf8(data("simple-p256.sig")).unwrap();
    for index in 0..data("simple-payload.json").len() {
        let mut payload = data("simple-payload.json");
        payload[index] ^= 1;
        assert!(
            judge_image(&keys(&["p256"]), FIRST, &[simple(payload, &signature)]).is_err(),
            "byte {index}"
        );
    }
}

#[test]
fn none_is_missing_and_the_nearest_is_named() {
    let rules = keys(&["p256"]);
    assert_eq!(judge_image(&rules, FIRST, &[]), Err(Refusal::Missing));
    let unreadable = ImageSignature::Unreadable("too large".to_owned());
    let refusal = judge_image(&rules, FIRST, &[unreadable.clone(), simple_of("rsa")]).unwrap_err();
    assert!(matches!(refusal, Refusal::WrongKey { .. }), "{refusal}");
    assert!(matches!(judge_image(&rules, FIRST, &[unreadable]), Err(Refusal::Malformed(_))));
}

#[test]
fn signatures_are_bounded_in_number_and_size() {
    let rules = keys(&["p256"]);
    let bad = simple_of("rsa");
    let mut many = vec![bad.clone(); SIGNATURES_LIMIT - 1];
    many.push(simple_of("p256"));
    assert!(judge_image(&rules, FIRST, &many).is_ok());
    many.insert(0, bad);
    assert!(judge_image(&rules, FIRST, &many).is_err(), "one too many before it");

    let signer = Signer::new();
    let huge = format!("{}{}", " ".repeat(65 << 10), payload(FIRST));
    assert!(judge_image(&signer.rules(), FIRST, &[signer.simple(&payload(FIRST))]).is_ok());
    let refusal = judge_image(&signer.rules(), FIRST, &[signer.simple(&huge)]).unwrap_err();
    assert!(matches!(&refusal, Refusal::Malformed(why) if why.contains("larger than")), "{refusal}");
}

#[rstest]
#[case::another_type(json!({"critical": {"type": "atomic container signature", "image": {"docker-manifest-digest": FIRST}}}))]
#[case::no_type(json!({"critical": {"image": {"docker-manifest-digest": FIRST}}}))]
#[case::no_digest(json!({"critical": {"type": "cosign container image signature", "image": {}}}))]
#[case::digest_elsewhere(json!({"optional": {"docker-manifest-digest": FIRST}}))]
#[case::no_object(json!([FIRST]))]
fn a_payload_must_be_of_the_right_shape(#[case] payload: serde_json::Value) {
    let signer = Signer::new();
    assert!(judge_image(&signer.rules(), FIRST, &[signer.simple(&payload.to_string())]).is_err());
}

#[rstest]
#[case::private(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "a private key")]
#[case::none(b"hello", "no public key in PEM")]
#[case::binary(&[0xff, 0xfe], "not a public key in PEM")]
#[case::short(SHORT_RSA.as_bytes(), "shorter than 2048 bits")]
#[case::broken(
    b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "no key that voxsync judges by"
)]
fn bad_keys_are_refused(#[case] file: &[u8], #[case] wanted: &str) {
    let error = PublicKeys::parse([("cosign.pub", file)]).err().unwrap().to_string();
    assert!(error.starts_with("cosign.pub: ") && error.contains(wanted), "{error}");
}

/// A key of the test's own.
struct Signer(EcdsaKeyPair, SystemRandom);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        Self(pair, random)
    }

    fn rules(&self) -> ImageRules {
        // RFC 5480: the algorithm with its curve, then the point.
        let mut der = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
        der.pop();
        der.extend_from_slice(self.0.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        ImageRules::Keys(PublicKeys::parse([("own.pub", pem.as_bytes())]).unwrap())
    }

    fn simple(&self, payload: &str) -> ImageSignature {
        simple(payload.as_bytes().to_vec(), &self.sign(payload.as_bytes()))
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&self.1, message).unwrap().as_ref())
    }
}

fn payload(digest: &str) -> String {
    json!({"critical": {
        "identity": {"docker-reference": ""}, "type": "cosign container image signature",
        "image": {"docker-manifest-digest": digest},
    }})
    .to_string()
}

proptest! {
    #[test]
    fn a_bundle_that_signs_something_else_is_refused(at in 0_usize..300, char in "[A-Za-z0-9]") {
        let bundle = String::from_utf8(data("bundle-p256.json")).unwrap();
        let payload = bundle.find("\"payload\":\"").unwrap() + "\"payload\":\"".len() + at;
        let changed = format!("{}{char}{}", &bundle[..payload], &bundle[payload + 1..]);
        prop_assume!(changed != bundle);
        prop_assert!(judge_image(&keys(&["p256"]), SECOND, &[ImageSignature::Bundle(changed.into_bytes())]).is_err());
    }
}
