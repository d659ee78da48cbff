//! Hostile keys and signatures. What is signed is signed with the right key, so that it is read, too.

use voxsync_hostile::{fuzz, heavy, is_frugal, near};

use super::*;

const ALL: [&str; 4] = ["p256", "p384", "rsa", "ed25519"];

fn is_short(refusal: &Refusal) {
    assert!(refusal.to_string().len() < 2000, "{refusal}");
}

#[test]
fn fuzz_public_keys() {
    let texts = ALL.map(|key| data(&format!("{key}.pub")));
    let in_der = |text: &Vec<u8>| {
        let lines = std::str::from_utf8(text).unwrap().lines().filter(|line| !line.starts_with('-'));
        STANDARD.decode(lines.collect::<String>()).unwrap()
    };
    let in_pem = |der: Vec<u8>| {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
            .into_bytes()
    };
    let keys = near(texts.iter().map(in_der).collect::<Vec<_>>()).prop_map(in_pem);
    let several = near([texts.concat(), texts[0].clone()]);
    let signatures = [simple_of("p256"), bundle_of("ed25519")];
    fuzz(prop_oneof![keys, several], |file| match PublicKeys::parse([("cosign.pub", file.as_slice())]) {
        Ok(keys) => {
            assert!(keys.to_string().len() < 1000, "{keys}");
            let _ = judge_image(&ImageRules::Keys(keys), FIRST, &signatures);
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 2000, "{error}");
            false
        }
    });
}

#[test]
fn fuzz_simple_signature() {
    let signer = Signer::new();
    let rules = signer.rules();
    let payloads = near([payload(FIRST).into_bytes(), data("simple-payload.json")]);
    let annotations = near(ALL.map(|key| data(&format!("simple-{key}.sig"))));
    fuzz((payloads, annotations, any::<bool>()), |(payload, annotation, is_signed)| {
        let signature =
            if is_signed { signer.sign(&payload) } else { String::from_utf8_lossy(&annotation).into_owned() };
        let verdict = judge_image(&rules, FIRST, &[simple(payload.clone(), &signature)]);
        verdict.as_ref().err().into_iter().for_each(is_short);
        // The digest is in it letter by letter, or as the escapes of JSON, which nothing here makes.
        let names_it = String::from_utf8_lossy(&payload).contains(FIRST);
        assert!(verdict.is_err() || (is_signed && names_it), "{verdict:?}");
        verdict.is_ok()
    });
}

#[test]
fn fuzz_bundle() {
    let signer = Signer::new();
    let rules = signer.rules();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
        "subject": [{"name": "", "digest": {"sha256": SECOND.trim_start_matches("sha256:"), "sha512": "00"}}],
    });
    let kind = "application/vnd.in-toto+json";
    let of_statement = near([statement.to_string()]).prop_map(move |statement| {
        let encoded =
            [format!("DSSEv1 {} {kind} {} ", kind.len(), statement.len()).as_bytes(), &statement].concat();
        let mut bundle: serde_json::Value = serde_json::from_slice(&data("bundle-p256.json")).unwrap();
        bundle["dsseEnvelope"]["payload"] = STANDARD.encode(&statement).into();
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = signer.sign(&encoded).into();
        bundle.to_string().into_bytes()
    });
    let of_cosign = near(["p256", "ed25519"].map(|key| data(&format!("bundle-{key}.json"))));
    let all = keys(&["p256", "ed25519"]);
    fuzz(prop_oneof![of_statement, of_cosign], |bundle| {
        let signature = [ImageSignature::Bundle(bundle)];
        let verdicts = [judge_image(&rules, SECOND, &signature), judge_image(&all, SECOND, &signature)];
        verdicts.iter().filter_map(|verdict| verdict.as_ref().err()).for_each(is_short);
        verdicts.iter().any(Result::is_ok)
    });
}

#[test]
fn fuzz_largest_signatures() {
    let signer = Signer::new();
    let all = keys(&["p256", "ed25519"]);
    for text in heavy(1 << 20) {
        let _ = PublicKeys::parse([("cosign.pub", text.as_bytes())]);
        let signatures = [signer.simple(&text), ImageSignature::Bundle(text.clone().into_bytes())];
        assert!(judge_image(&signer.rules(), FIRST, &signatures).is_err());
        let content = format!("{{\"mediaType\":\"a\",\"verificationMaterial\":{text}}}").into_bytes();
        assert!(judge_image(&all, FIRST, &[ImageSignature::Bundle(content)]).is_err());
    }
    is_frugal();
}
