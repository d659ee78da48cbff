//! Signatures of real `git`, `ssh-keygen` and `gpg` on commits and tags.

mod fuzz;

use jiff::Timestamp;
use rstest::rstest;
use voxsync_fixtures::{GitRepository, GitSigner, GpgSigner, SshSigner};
use voxsync_verify::{Refusal, Signed, SignedRevision, Signers, judge_revision};

fn signers(files: &[&str]) -> Signers {
    let names = ["first", "second", "third"];
    Signers::parse(names.into_iter().zip(files.iter().map(|file| file.as_bytes()))).unwrap()
}

fn judge(signers: &Signers, id: &str, commit: &[u8]) -> Result<String, Refusal> {
    judged(signers, id, commit).map(|signed| signed.by)
}

fn judged(signers: &Signers, id: &str, commit: &[u8]) -> Result<Signed, Refusal> {
    judge_revision(signers, &SignedRevision { id, commit, tag: None }, Timestamp::now())
}

/// A commit as `git` writes it, with what signs it.
fn commit(payload: &str, signature: &str) -> Vec<u8> {
    let (headers, message) = payload.split_once("\n\n").unwrap();
    let signature = signature.trim_end().replace('\n', "\n ");
    format!("{headers}\ngpgsig {signature}\n\n{message}").into_bytes()
}

const PAYLOAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> 1700000000 +0000\n\
    committer A <a@example.com> 1700000000 +0000\n\nA commit\n";

#[rstest]
#[case::ssh(|| GitSigner::ssh("ed25519"))]
#[case::ssh_of_a_curve(|| GitSigner::ssh("ecdsa"))]
#[case::ssh_of_rsa(|| GitSigner::ssh("rsa"))]
#[case::gpg(GitSigner::gpg)]
fn what_git_signed_is_good(#[case] signer: fn() -> GitSigner) {
    let (signer, other) = (signer(), GitSigner::ssh("ed25519"));
    for format in ["sha1", "sha256"] {
        let repository = GitRepository::create_with(format);
        let id = repository.signed_commit("a.txt", "a", &signer);
        let object = repository.object("commit", &id);
        let by = judge(&signers(&[&other.trusted(), &signer.trusted()]), &id, &object).unwrap();
        assert!(by.contains("signer@example.com") && by.ends_with("on the commit"), "{by}");
        let refusal = judge(&signers(&[&other.trusted()]), &id, &object).unwrap_err();
        assert!(matches!(&refusal, Refusal::WrongKey { found: Some(_), .. }), "{refusal}");
        assert!(refusal.to_string().starts_with("it is signed by "), "{refusal}");
        let changed = String::from_utf8(object).unwrap().replace("A signed commit", "A changed commit");
        let refusal = judge(&signers(&[&signer.trusted()]), &id, changed.as_bytes()).unwrap_err();
        assert!(matches!(refusal, Refusal::Tampered(_)), "{refusal}");
        let unsigned = repository.commit("b.txt", "b", "Unsigned");
        let unsigned = repository.object("commit", &unsigned);
        let refusal = judge(&signers(&[&signer.trusted()]), &id, &unsigned).unwrap_err();
        assert!(
            refusal.to_string().contains("this commit has no signature")
                && refusal.to_string().contains("git commit -S"),
            "{refusal}"
        );
    }
}

#[rstest]
#[case::ssh(|| GitSigner::ssh("ed25519"))]
#[case::gpg(GitSigner::gpg)]
fn a_signed_tag_is_enough_under_its_own_name(#[case] signer: fn() -> GitSigner) {
    let signer = signer();
    let repository = GitRepository::create();
    let id = repository.signed_tag("v1.0.0", &signer);
    let (commit, tag) = (repository.object("commit", &id), repository.object("tag", "v1.0.0"));
    let trusted = signers(&[&signer.trusted()]);
    let judge = |id: &str, name: &str, tag: &[u8]| {
        let revision = SignedRevision { id, commit: &commit, tag: Some((name, Some(tag))) };
        judge_revision(&trusted, &revision, Timestamp::now())
    };
    let by = judge(&id, "v1.0.0", &tag).unwrap();
    assert!(by.by.ends_with("on the tag v1.0.0"), "{by:?}");
    for (id, name) in [(id.as_str(), "v9.0.0"), ("0000000000000000000000000000000000000000", "v1.0.0")] {
        let refusal = judge(id, name, &tag).unwrap_err();
        assert!(matches!(refusal, Refusal::OfAnother(_)), "an old tag under a new name: {refusal}");
    }
    repository.annotated_tag("v1.1.0", "Unsigned");
    let refusal = judge(&id, "v1.1.0", &repository.object("tag", "v1.1.0")).unwrap_err();
    assert!(refusal.to_string().contains("this annotated tag has no signature"), "{refusal}");
    let signed = repository.signed_commit("a.txt", "a", &signer);
    let object = repository.object("commit", &signed);
    let lightweight = SignedRevision { id: &signed, commit: &object, tag: Some(("v9.0.0", None)) };
    let refusal = judge_revision(&trusted, &lightweight, Timestamp::now()).unwrap_err();
    assert!(
        refusal.to_string().contains("a lightweight tag"),
        "nobody signed that it is this version: {refusal}"
    );
}

#[test]
fn a_signature_of_ssh_counts_for_git_only_and_in_time() {
    let signer = SshSigner::new("ed25519");
    let object = commit(PAYLOAD, &signer.sign("git", PAYLOAD.as_bytes()));
    let by = |options: &str| {
        let line = format!("alice@example.com {options} {}", signer.public_key());
        judge(&signers(&[&line]), "", &object)
    };
    assert!(by("").is_ok() && by("namespaces=\"git\"").is_ok());
    assert!(by("valid-after=\"20230101Z\",valid-before=\"20240101Z\"").is_ok());
    for (options, wanted) in [
        ("namespaces=\"file\"", "something else"),
        ("valid-before=\"20230101Z\"", "out of date"),
        ("valid-after=\"20240101Z\"", "out of date"),
    ] {
        let refusal = by(options).unwrap_err().to_string();
        assert!(refusal.contains(wanted), "{options}: {refusal}");
    }
    let for_a_file = commit(PAYLOAD, &signer.sign("file", PAYLOAD.as_bytes()));
    let refusal = judge(&signers(&[&signer.allowed("a")]), "", &for_a_file).unwrap_err();
    assert!(matches!(refusal, Refusal::OfAnother(_)), "{refusal}");
}

#[test]
fn a_key_of_openpgp_is_judged_as_it_is_now() {
    let (then, expired) = ("20200101T000000", GpgSigner::new("ed25519", "1d", Some("20200101T000000")));
    let signature = expired.sign(PAYLOAD.as_bytes(), Some(then), &[]);
    let refusal = judge(&signers(&[&expired.public_key()]), "", &commit(PAYLOAD, &signature)).unwrap_err();
    assert!(matches!(&refusal, Refusal::Expired(why) if why.contains("expired at 2020-01-02")), "{refusal}");

    let revoked = GpgSigner::new("ed25519", "never", None);
    let object = commit(PAYLOAD, &revoked.sign(PAYLOAD.as_bytes(), None, &[]));
    assert!(judge(&signers(&[&revoked.public_key()]), "", &object).is_ok());
    revoked.revoke();
    let refusal = judge(&signers(&[&revoked.public_key()]), "", &object).unwrap_err();
    assert!(matches!(&refusal, Refusal::Expired(why) if why.contains("is revoked")), "{refusal}");
}

#[rstest]
#[case::of_the_key("1d", "never", Some(1))]
#[case::of_the_subkey("never", "2d", Some(2))]
#[case::the_first_of_both("3d", "2d", Some(2))]
#[case::never("never", "never", None)]
fn a_key_that_expires_is_good_until_then(#[case] key: &str, #[case] subkey: &str, #[case] days: Option<i64>) {
    let began = Timestamp::now().as_second();
    let signer = GpgSigner::new("ed25519", key, None);
    signer.add_subkey("ed25519", "sign", subkey);
    let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
    let until = judged(&signers(&[&signer.public_key()]), "", &object).unwrap().until;
    let made = until.zip(days).map(|(until, days)| until.as_second() - days * 86_400);
    let range = began - 1..=Timestamp::now().as_second();
    assert_eq!(
        (made.is_none_or(|made| range.contains(&made)), until.is_some()),
        (true, days.is_some()),
        "{until:?}"
    );
}

#[test]
fn a_subkey_is_revoked_wherever_that_is_said() {
    let signer = GpgSigner::new("ed25519", "never", None);
    signer.add_subkey("ed25519", "sign", "never");
    let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
    // Another one after it, so that its revocation is amid the key.
    signer.add_subkey("ed25519", "sign", "never");
    let (before, backup) = (signer.public_key_bytes(), signer.public_key_backup());
    signer.revoke_subkey();
    let (after, armored) = (signer.public_key_bytes(), signer.public_key().into_bytes());
    let by = |files: &[&[u8]]| {
        let files = ["first", "second"].into_iter().zip(files.iter().copied());
        judge(&Signers::parse(files).unwrap(), "", &object)
    };
    assert!(by(&[&before]).is_ok() && by(&[&backup]).is_ok());
    let both = [before.clone(), after.clone()].concat();
    let files: [&[&[u8]]; 6] = [
        &[&after],
        &[&armored],
        &[&signer.public_key_backup()],
        &[&both],
        &[&before, &after],
        &[&after, &before],
    ];
    for files in files {
        let refusal = by(files).unwrap_err();
        assert!(matches!(&refusal, Refusal::Expired(why) if why.contains("a subkey of")), "{refusal}");
    }
}

#[rstest]
#[case::of_the_key(0x20, false)]
#[case::of_a_subkey(0x28, true)]
fn a_revocation_that_cannot_be_checked_counts(#[case] kind: u8, #[case] of_subkey: bool) {
    let signer = GpgSigner::new("ed25519", "never", None);
    if of_subkey {
        signer.add_subkey("ed25519", "sign", "never");
    }
    let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
    if of_subkey {
        signer.revoke_subkey();
    } else {
        signer.revoke();
    }
    let mut key = signer.public_key_bytes();
    // RFC 9580, 5.2.3: version 4, the type, EdDSA, and then the digest, which becomes one that nobody has.
    let head = [4, kind, 22];
    let at = key.windows(head.len()).position(|bytes| bytes == head).unwrap() + head.len();
    key[at] = 99;
    let other = GpgSigner::new("ed25519", "never", None);
    let of_other = commit(PAYLOAD, &other.sign(PAYLOAD.as_bytes(), None, &[]));
    let other = other.public_key_bytes();
    let trusted = Signers::parse([("first", key.as_slice()), ("second", other.as_slice())]).unwrap();
    let refusal = judge(&trusted, "", &object).unwrap_err();
    assert!(matches!(&refusal, Refusal::Expired(why) if why.contains("may be revoked")), "{refusal}");
    assert!(judge(&trusted, "", &of_other).is_ok(), "it is none of this key's");
}

#[test]
fn keys_of_all_kinds_and_subkeys_of_openpgp_sign() {
    for algorithm in ["rsa2048", "nistp256", "nistp384"] {
        let signer = GpgSigner::new(algorithm, "never", None);
        let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
        assert!(judge(&signers(&[&signer.public_key()]), "", &object).is_ok(), "{algorithm}");
        let bytes = signer.public_key_bytes();
        let in_packets = Signers::parse([("keyring.gpg", bytes.as_slice())]).unwrap();
        assert!(judge(&in_packets, "", &object).is_ok(), "{algorithm}, not armored");
    }
    let signer = GpgSigner::new("ed25519", "never", None);
    let before = signer.public_key();
    signer.add_subkey("ed25519", "sign", "never");
    // gpg takes the newest key that may sign.
    let object = commit(PAYLOAD, &signer.sign(PAYLOAD.as_bytes(), None, &[]));
    let by = judge(&signers(&[&signer.public_key()]), "", &object);
    assert!(by.is_ok(), "{by:?}");
    let refusal = judge(&signers(&[&before]), "", &object);
    assert!(refusal.is_ok() || matches!(refusal, Err(Refusal::WrongKey { .. })), "{refusal:?}");
}

#[test]
fn a_digest_that_can_be_forged_is_refused() {
    let signer = GpgSigner::new("rsa2048", "never", None);
    let signature = signer.sign(PAYLOAD.as_bytes(), None, &["--digest-algo", "SHA1"]);
    let refusal = judge(&signers(&[&signer.public_key()]), "", &commit(PAYLOAD, &signature)).unwrap_err();
    assert!(matches!(refusal, Refusal::Unsupported(_)), "{refusal}");
}

#[rstest]
#[case::nothing(&[], "names no signers")]
#[case::a_comment(b"# nobody\n", "names no signers")]
#[case::private(b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "a private key")]
#[case::neither(&[0x01, 0xff, 0xfe], "neither allowed signers of SSH nor an OpenPGP key")]
#[case::broken_packets(&[0x99, 0x01, 0x02, 0x03], "no OpenPGP key that can be read")]
#[case::broken_armor(
    b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "signers"
)]
fn bad_signers_are_refused(#[case] file: &[u8], #[case] wanted: &str) {
    let error = Signers::parse([("signers", file)]).err().unwrap().to_string();
    assert!(error.contains(wanted), "{error}");
}
