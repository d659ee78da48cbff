//! Signatures without a key of one's own, judged offline by a trusted root that is given.

mod authority;
mod der;
mod fuzz;

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::json;
use voxsync_verify::{Identity, ImageRules, ImageSignature, Keyless, Refusal, SimpleSignature, judge_image};

use self::authority::{Signed, Signing, Sigstore};

const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The forms in which such a signature may be beside an image.
#[derive(Clone, Copy, Debug)]
enum Form {
    Annotations,
    Bundle,
}

fn rules(sigstore: &Sigstore) -> ImageRules {
    let Signing { issuer, subject, .. } = Signing::default();
    let trusted = [("https://accounts.example.com", "alice@example.com"), (issuer, subject)];
    let identity =
        |(issuer, subject): (&str, &str)| Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
    let root = sigstore.trusted_root();
    let identities = trusted.into_iter().map(identity).collect();
    ImageRules::Identities(Box::new(
        Keyless::parse("trusted_root.json", root.as_bytes(), identities).unwrap(),
    ))
}

fn statement(digest: &str, predicate: &str) -> String {
    json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {},
        "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
    })
    .to_string()
}

fn payload(digest: &str) -> String {
    json!({"critical": {
        "identity": {"docker-reference": ""}, "type": "cosign container image signature",
        "image": {"docker-manifest-digest": digest},
    }})
    .to_string()
}

fn simple(payload: &str, signed: &Signed) -> ImageSignature {
    let annotations = signed.annotations().into_iter().collect();
    ImageSignature::Simple(SimpleSignature { payload: payload.as_bytes().to_vec(), annotations })
}

fn signature(sigstore: &Sigstore, form: Form, signing: &Signing<'_>) -> ImageSignature {
    match form {
        Form::Annotations => {
            let payload = payload(DIGEST);
            simple(&payload, &sigstore.sign(payload.as_bytes(), signing))
        }
        Form::Bundle => {
            let statement = statement(DIGEST, "https://sigstore.dev/cosign/sign/v1");
            let signed = sigstore.sign_statement(&statement, signing);
            ImageSignature::Bundle(signed.bundle(&statement).to_string().into_bytes())
        }
    }
}

fn judge(sigstore: &Sigstore, digest: &str, signature: ImageSignature) -> Result<String, Refusal> {
    judge_image(&rules(sigstore), digest, &[signature])
}

#[rstest]
fn a_good_one_is_by_its_identity(#[values(Form::Annotations, Form::Bundle)] form: Form) {
    let sigstore = Sigstore::new();
    let by = judge(&sigstore, DIGEST, signature(&sigstore, form, &Signing::default())).unwrap();
    let Signing { issuer, subject, .. } = Signing::default();
    assert_eq!(by, format!("{subject} ({issuer})"));
    let refusal = judge(&sigstore, OTHER, signature(&sigstore, form, &Signing::default())).unwrap_err();
    assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
    let stranger =
        judge(&Sigstore::new(), DIGEST, signature(&sigstore, form, &Signing::default())).unwrap_err();
    assert!(matches!(stranger, Refusal::Tampered(_)), "of another Sigstore: {stranger}");
}

#[rstest]
#[case::subject(Signing { subject: "https://github.com/example/fork/.github/workflows/build.yaml@refs/heads/production", ..Signing::default() })]
#[case::issuer(Signing { issuer: "https://evil.example", ..Signing::default() })]
#[case::prefix(Signing { subject: "https://github.com/example/control-repo/.github/workflows/build.yaml@refs/heads/production2", ..Signing::default() })]
#[case::mixed(Signing { issuer: "https://accounts.example.com", ..Signing::default() })]
fn another_identity_is_none(
    #[case] signing: Signing<'_>,
    #[values(Form::Annotations, Form::Bundle)] form: Form,
) {
    let sigstore = Sigstore::new();
    let refusal = judge(&sigstore, DIGEST, signature(&sigstore, form, &signing)).unwrap_err();
    let Refusal::WrongIdentity { found } = &refusal else { panic!("{refusal}") };
    assert_eq!(*found, format!("{} ({})", signing.subject, signing.issuer));
}

fn later(seconds: i64) -> Timestamp {
    Signing::default().certified.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

#[rstest]
#[case::after_the_certificate(3600)]
#[case::before_the_certificate(-60)]
fn it_is_made_while_the_certificate_lasts(
    #[case] seconds: i64,
    #[values(Form::Annotations, Form::Bundle)] form: Form,
) {
    let sigstore = Sigstore::new();
    let signing = Signing { logged: later(seconds), ..Signing::default() };
    let refusal = judge(&sigstore, DIGEST, signature(&sigstore, form, &signing)).unwrap_err();
    assert!(matches!(refusal, Refusal::Expired(_) | Refusal::Tampered(_)), "{refusal}");
}

#[rstest]
fn a_certificate_that_was_not_logged_is_none(#[values(Form::Annotations, Form::Bundle)] form: Form) {
    let sigstore = Sigstore::new();
    let signing = Signing { with_sct: false, ..Signing::default() };
    let refusal = judge(&sigstore, DIGEST, signature(&sigstore, form, &signing)).unwrap_err();
    assert!(matches!(refusal, Refusal::Tampered(_)), "{refusal}");
}

#[rstest]
#[case::entry(&["verificationMaterial", "tlogEntries"], json!([]))]
#[case::time(&["verificationMaterial", "tlogEntries", "0", "integratedTime"], json!("1767348061"))]
#[case::proof(&["verificationMaterial", "tlogEntries", "0", "inclusionProof", "rootHash"], json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))]
#[case::promise(&["verificationMaterial", "tlogEntries", "0", "inclusionPromise", "signedEntryTimestamp"], json!("AAAA"))]
#[case::signature(&["dsseEnvelope", "signatures", "0", "sig"], json!("AAAA"))]
fn evidence_that_was_changed_is_seen(#[case] path: &[&str], #[case] value: serde_json::Value) {
    let sigstore = Sigstore::new();
    let statement = statement(DIGEST, "https://sigstore.dev/cosign/sign/v1");
    let mut bundle = sigstore.sign_statement(&statement, &Signing::default()).bundle(&statement);
    *bundle.pointer_mut(&format!("/{}", path.join("/"))).unwrap() = value;
    let refusal =
        judge(&sigstore, DIGEST, ImageSignature::Bundle(bundle.to_string().into_bytes())).unwrap_err();
    assert!(!matches!(refusal, Refusal::Missing | Refusal::WrongIdentity { .. }), "{refusal}");
}

#[test]
fn a_proof_of_another_signature_is_none() {
    let sigstore = Sigstore::new();
    let (one, other) = (payload(DIGEST), payload(OTHER));
    let logged = sigstore.sign(other.as_bytes(), &Signing::default());
    let mut borrowed = logged.annotations();
    let fresh = sigstore.sign(one.as_bytes(), &Signing::default()).annotations();
    borrowed[0] = fresh[0].clone();
    borrowed[1] = fresh[1].clone();
    let signature =
        SimpleSignature { payload: one.into_bytes(), annotations: borrowed.into_iter().collect() };
    let refusal = judge(&sigstore, DIGEST, ImageSignature::Simple(signature)).unwrap_err();
    assert!(!matches!(refusal, Refusal::Missing), "{refusal}");
}

#[test]
fn what_is_said_of_an_image_does_not_approve_it() {
    let sigstore = Sigstore::new();
    let statement = statement(DIGEST, "https://slsa.dev/provenance/v1");
    let bundle = sigstore.sign_statement(&statement, &Signing::default()).bundle(&statement);
    let refusal =
        judge(&sigstore, DIGEST, ImageSignature::Bundle(bundle.to_string().into_bytes())).unwrap_err();
    assert!(matches!(&refusal, Refusal::OfAnother(why) if why.contains("slsa.dev")), "{refusal}");
}

#[rstest]
#[case::none(b"", "no trusted root")]
#[case::other_json(b"{}", "no trusted root")]
#[case::binary(&[0xff], "no trusted root")]
fn a_bad_root_is_refused(#[case] root: &[u8], #[case] wanted: &str) {
    let identity = Identity { issuer: "a".to_owned(), subject: "b".to_owned() };
    let error = Keyless::parse("trusted_root.json", root, vec![identity]).err().unwrap().to_string();
    assert!(error.starts_with("trusted_root.json: ") && error.contains(wanted), "{error}");
}
