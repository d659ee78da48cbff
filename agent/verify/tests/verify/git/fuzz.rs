//! Hostile commits, tags, signatures and signers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use voxsync_hostile::{fuzz, heavy, is_frugal, near};

use super::*;

/// The bytes in an armored text.
fn unarmored(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with(['-', '=']) && !line.contains(':'));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// Bytes as an armored text.
fn armored(kind: &str, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let blank = if kind.starts_with("PGP") { "\n" } else { "" };
    format!("-----BEGIN {kind}-----\n{blank}{}\n-----END {kind}-----\n", lines.join("\n"))
}

#[test]
fn fuzz_signature_of_ssh() {
    let kinds = ["ed25519", "ecdsa", "rsa"].map(SshSigner::new);
    let trusted = signers(&[&kinds.each_ref().map(|signer| signer.allowed("a@example.com")).concat()]);
    let signatures = kinds.each_ref().map(|signer| signer.sign("git", PAYLOAD.as_bytes()));
    let texts = near(signatures.clone());
    let blobs = near(signatures.map(|signature| unarmored(&signature)));
    let blobs = blobs.prop_map(|bytes| armored("SSH SIGNATURE", &bytes).into_bytes());
    fuzz(prop_oneof![texts, blobs], |signature| {
        let object = commit(PAYLOAD, &String::from_utf8_lossy(&signature));
        is_judged(&trusted, &SignedRevision { id: "1", commit: &object, tag: None })
    });
}

#[test]
fn fuzz_signature_of_openpgp() {
    let kinds = ["ed25519", "nistp256"].map(|kind| GpgSigner::new(kind, "never", None));
    let trusted = kinds.each_ref().map(GpgSigner::public_key);
    let trusted = signers(&[&trusted[0], &trusted[1]]);
    let signatures = kinds.each_ref().map(|signer| signer.sign(PAYLOAD.as_bytes(), None, &[]));
    let texts = near(signatures.clone());
    let blobs = near(signatures.map(|signature| unarmored(&signature)));
    let blobs = blobs.prop_map(|bytes| armored("PGP SIGNATURE", &bytes).into_bytes());
    fuzz(prop_oneof![texts, blobs], |signature| {
        let object = commit(PAYLOAD, &String::from_utf8_lossy(&signature));
        is_judged(&trusted, &SignedRevision { id: "1", commit: &object, tag: None })
    });
}

#[test]
fn fuzz_signed_commits_and_tags() {
    let signer = SshSigner::new("ed25519");
    let trusted = signers(&[&signer.allowed("a@example.com")]);
    let id = "89abcdef0123456789abcdef0123456789abcdef";
    let tag = format!(
        "object {id}\ntype commit\ntag v1.0.0\ntagger T <t@example.com> 1700000000 +0000\n\nRelease\n"
    );
    let tag = format!("{tag}{}", signer.sign("git", tag.as_bytes()));
    let commits = near([commit(PAYLOAD, &signer.sign("git", PAYLOAD.as_bytes()))]);
    fuzz((commits, near([tag])), |(commit, tag)| {
        let of_commit = is_judged(&trusted, &SignedRevision { id, commit: &commit, tag: None });
        let of_tag =
            is_judged(&trusted, &SignedRevision { id, commit: &commit, tag: Some(("v1.0.0", Some(&tag))) });
        of_commit || of_tag
    });
}

fn is_judged(trusted: &Signers, revision: &SignedRevision<'_>) -> bool {
    let verdict = judge_revision(trusted, revision, Timestamp::now());
    if let Err(refusal) = &verdict {
        assert!(refusal.to_string().len() < 4000, "{refusal}");
    }
    verdict.is_ok()
}

/// Whether a file of signers is taken, and no message is long.
fn is_taken(file: &[u8], signed: &[u8]) -> bool {
    match Signers::parse([("signers", file)]) {
        Ok(signers) => {
            assert!(signers.to_string().len() < 4000, "{signers}");
            is_judged(&signers, &SignedRevision { id: "1", commit: signed, tag: None });
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 2000, "{error}");
            false
        }
    }
}

#[test]
fn fuzz_allowed_signers() {
    let signers = ["ed25519", "ecdsa"].map(SshSigner::new);
    let [one, other] = signers.each_ref().map(SshSigner::public_key);
    let signed = commit(PAYLOAD, &signers[0].sign("git", PAYLOAD.as_bytes()));
    let lines = [
        format!(
            "# who\n\n\"alice b\",*@example.com namespaces=\"git,f?le,!x*\",valid-after=\"20200101Z\" {one}\n* {other}"
        ),
        format!("bob@example.com valid-before=\"202701311530Z\",NameSpaces=\"*\" {one}\r\n"),
        format!("a {one}"),
    ];
    fuzz(near(lines), |file| is_taken(&file, &signed));
}

#[test]
fn fuzz_keys_of_openpgp() {
    let signer = GpgSigner::new("ed25519", "2y", None);
    let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
    let before = [signer.public_key_bytes(), signer.public_key().into_bytes()];
    signer.add_subkey("ed25519", "sign", "never");
    signer.add_subkey("cv25519", "encrypt", "1y");
    let after = [signer.public_key_bytes(), signer.public_key().into_bytes()];
    let blocks = near([before[0].clone(), after[0].clone()])
        .prop_map(|packets| armored("PGP PUBLIC KEY BLOCK", &packets).into_bytes());
    fuzz(prop_oneof![near([before, after].concat()), blocks], |file| is_taken(&file, &object));
}

#[test]
fn fuzz_largest_objects_and_signers() {
    let trusted =
        signers(&["a ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"]);
    for text in heavy(1 << 20) {
        for kind in ["SSH SIGNATURE", "PGP SIGNATURE"] {
            for object in [commit(PAYLOAD, &armored(kind, text.as_bytes())), text.clone().into_bytes()] {
                let tag = Some(("v1.0.0", Some(object.as_slice())));
                assert!(!is_judged(&trusted, &SignedRevision { id: "1", commit: &object, tag: None }));
                assert!(!is_judged(&trusted, &SignedRevision { id: "1", commit: &object, tag }));
            }
        }
        assert!(!is_taken(text.as_bytes(), b""));
        assert!(!is_taken(armored("PGP PUBLIC KEY BLOCK", text.as_bytes()).as_bytes(), b""));
        assert!(!is_taken(&[b"\x99\xff\xff", text.as_bytes()].concat(), b""));
    }
    // Empty user ids, and whatever else is a packet of OpenPGP in two bytes.
    for tag in 0..64 {
        assert!(!is_taken(&[0xc0 | tag, 0].repeat(1 << 19), b""));
    }
    is_frugal();
}
