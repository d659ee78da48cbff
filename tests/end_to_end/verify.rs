//! Only signed code: what is signed as it should be comes through, and everything else waits with the reason.

use serde_json::{Value, json};
use voxsync_fixtures::{
    Access, CodeImage, CosignKey, GitRepository, GitServer, GitSigner, Registry, Transport, put_bundles,
    put_simple,
};

use crate::harness::{
    Case, Cluster, Voxsync, cases,
    estate::{Estate, PRODUCTION, REFERENCE_FILE, REPOSITORY, bare_server, create_secret, git_spec},
    status::{assert_says, condition, follow_tags, holds, text, waits_for},
};

pub(crate) const CASES: &[Case] = cases![
    a_signature_that_comes_late_is_waited_for,
    a_bundle_beside_the_image_is_a_signature,
    a_wrong_key_is_never_written_and_a_right_one_is_taken_up,
    what_is_no_signature_of_the_image_is_refused,
    only_signed_commits_name_an_image,
    a_signed_tag_names_an_image,
    a_secret_that_cannot_be_used_is_named,
];

/// `spec.verify` by the keys of a Secret.
pub(crate) fn by_keys(secret: &str) -> Value {
    json!({"cosign": {"keys": {"secretRef": {"name": secret}}}})
}

pub(crate) async fn trust(cluster: &Cluster, secret: &str, key: &CosignKey) {
    create_secret(cluster, secret, json!({"cosign.pub": key.public_key()})).await;
}

/// An estate whose CodeSync has the Config as its only target, and wants signatures by a key.
async fn signed_estate(cluster: &Cluster, key: &CosignKey) -> Estate {
    let estate = Estate::start(cluster).await;
    trust(cluster, "cosign-pub", key).await;
    let mut spec = estate.only_config();
    spec["verify"] = by_keys("cosign-pub");
    cluster.create_code_sync(PRODUCTION, spec).await;
    estate
}

async fn a_signature_that_comes_late_is_waited_for(cluster: &Cluster) {
    let key = CosignKey::new();
    let estate = signed_estate(cluster, &key).await;
    let digest = estate.push("v1.1.0").await;
    let status = cluster
        .status_when(PRODUCTION, "v1.1.0 waits for its signature", |status| {
            waits_for(status, "Signature").contains("v1.1.0") && holds(status, "Ready")
        })
        .await;
    assert_says(waits_for(&status, "Signature"), &[&estate.tagged("v1.1.0"), "no signature yet"]);
    assert_eq!(condition(&status, "Verified")["reason"], "SignatureMissing");
    assert!(status["promotion"].is_null(), "{status}");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
    assert_says(&cluster.event(PRODUCTION, "SignatureMissing").await, &["no signature yet"]);

    key.sign_image(&estate.registry, REPOSITORY, &digest).await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    let verified = &status["candidate"]["verified"];
    assert_says(text(&verified["by"][0]), &["key cosign.pub ("]);
    assert!(holds(&status, "Verified"), "{status}");
    // Two looks that find nothing new read no signatures.
    cluster.look(PRODUCTION).await;
    estate.registry.forget_requests();
    cluster.look(PRODUCTION).await;
    cluster.look(PRODUCTION).await;
    let asked = estate.registry.requests();
    assert!(asked.iter().all(|request| request.path.contains("/tags/list")), "{asked:?}");
}

async fn a_bundle_beside_the_image_is_a_signature(cluster: &Cluster) {
    let key = CosignKey::new();
    let estate = signed_estate(cluster, &key).await;
    let digest = estate.push("v1.1.0").await;
    key.sign_image_by_bundle(&estate.registry, REPOSITORY, &digest).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    // Another one that only says something of the image.
    let digest = estate.push("v1.2.0").await;
    let attestation = key.bundle(&digest, "https://slsa.dev/provenance/v1");
    put_bundles(&estate.registry, REPOSITORY, &digest, std::slice::from_ref(&attestation)).await;
    let status = cluster.condition(PRODUCTION, "Verified", "False", "NotVerified").await;
    assert_says(text(&condition(&status, "Verified")["message"]), &["slsa.dev/provenance", "no approval"]);
    let signature = key.bundle(&digest, "https://sigstore.dev/cosign/sign/v1");
    put_bundles(&estate.registry, REPOSITORY, &digest, &[attestation, signature]).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
}

async fn a_wrong_key_is_never_written_and_a_right_one_is_taken_up(cluster: &Cluster) {
    let (key, other) = (CosignKey::new(), CosignKey::new());
    let estate = signed_estate(cluster, &key).await;
    let digest = estate.push("v1.1.0").await;
    other.sign_image(&estate.registry, REPOSITORY, &digest).await;
    let status = cluster.condition(PRODUCTION, "Verified", "False", "NotVerified").await;
    assert_says(text(&condition(&status, "Verified")["message"]), &["v1.1.0", "cosign.pub", "add the key"]);
    let ready = condition(&status, "Ready");
    assert_eq!((text(&ready["status"]), text(&ready["reason"])), ("False", "NotVerified"));
    assert_says(&cluster.event(PRODUCTION, "NotVerified").await, &["v1.1.0"]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
    // The key is changed in the Secret, without a restart.
    cluster.patch("Secret", "cosign-pub", json!({"stringData": {"cosign.pub": other.public_key()}})).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn what_is_no_signature_of_the_image_is_refused(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    let key = CosignKey::new();
    trust(cluster, "cosign-pub", &key).await;
    let elsewhere = registry.push("elsewhere", "v1.0.0", &CodeImage::with_site("somewhere else")).await;
    let signed = |payload: String| (payload.clone(), key.sign(payload.as_bytes()));
    let of = CosignKey::payload;
    let rows = [
        ("another", "it is the signature of something else: of sha256:"),
        ("changed", "no signature of it is by key cosign.pub"),
        ("garbled", "cannot be read"),
        ("huge", "cannot be read"),
        ("many", "no signature of it is by key cosign.pub"),
    ];
    for (name, said) in rows {
        let image = registry.push(name, "v1.0.0", &CodeImage::with_site(name)).await;
        let all = match name {
            "another" => vec![signed(of(&elsewhere))],
            "changed" => vec![(of(&image), key.sign(of(&elsewhere).as_bytes()))],
            "garbled" => vec![("{".to_owned(), "not Base64".to_owned())],
            "huge" => vec![signed(format!("{}{}", " ".repeat(2 << 20), of(&image)))],
            // The good one is behind more than anybody looks at.
            _ => (0..70).map(|_| (of(&image), key.sign(b"x"))).chain([signed(of(&image))]).collect(),
        };
        put_simple(&registry, name, &image, &all).await;
        cluster.create_config(name, None).await;
        let source = follow_tags(&registry, name, &json!({"semver": "*"}));
        let target = json!({"kind": "Config", "name": name});
        let spec = json!({"source": source, "target": target, "verify": by_keys("cosign-pub")});
        cluster.create_code_sync(name, spec).await;
        let status = cluster.condition(name, "Verified", "False", "NotVerified").await;
        assert_says(text(&condition(&status, "Verified")["message"]), &[said]);
        assert_eq!(cluster.code_of("Config", name).await, "", "{name}");
    }
}

/// A Git source whose commits have to be signed.
async fn signed_source(cluster: &Cluster, server: &GitServer, signers: &[&GitSigner]) {
    let trusted: String = signers.iter().map(|signer| signer.trusted()).collect();
    create_secret(cluster, "signers", json!({"signers": trusted})).await;
    bare_server(cluster, PRODUCTION).await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["verify"] = json!({"git": {"keys": {"secretRef": {"name": "signers"}}}});
    cluster.create_code_sync(PRODUCTION, spec).await;
}

async fn image(registry: &Registry, tag: &str) -> String {
    let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
    format!("{}@{digest}\n", registry.reference(REPOSITORY, tag))
}

async fn only_signed_commits_name_an_image(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    let (signer, stranger) = (GitSigner::ssh("ed25519"), GitSigner::ssh("ed25519"));
    let first = image(&registry, "v1.0.0").await;
    repository.commit(REFERENCE_FILE, &first, "Nobody signs this");
    registry.forget_requests();
    signed_source(cluster, &server, &[&signer]).await;
    let status = cluster.condition(PRODUCTION, "Ready", "False", "NotVerified").await;
    assert_says(text(&condition(&status, "Verified")["message"]), &["no signature", "git commit -S"]);
    assert!(registry.requests().is_empty(), "nothing that an unsigned commit names is asked for");

    let commit = repository.signed_commit(REFERENCE_FILE, &first, &signer);
    let status = cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(status["candidate"]["sourceRevision"], *commit);
    assert_says(
        text(&status["candidate"]["verified"]["by"][0]),
        &["signer@example.com (SHA256:", "on the commit"],
    );

    let second = image(&registry, "v1.1.0").await;
    repository.signed_commit(REFERENCE_FILE, &second, &stranger);
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "NotVerified").await;
    assert_says(
        text(&condition(&status, "SourceReady")["message"]),
        &["it is signed by SHA256:", "signer@example.com"],
    );
    assert_eq!(text(&condition(&status, "Ready")["reason"]), "NotVerified");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first.trim_end());
    repository.signed_commit(REFERENCE_FILE, &second, &signer);
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_signed_tag_names_an_image(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    let signer = GitSigner::gpg();
    repository.commit(REFERENCE_FILE, &image(&registry, "v7.0.0").await, "Seven");
    repository.signed_tag("v1.0.0", &signer);
    signed_source(cluster, &server, &[&signer]).await;
    let tag = json!({"source": {"git": {"ref": {"branch": null, "tag": {"semver": "*"}}}}});
    cluster.change_code_sync(PRODUCTION, tag).await;
    let status = cluster.deployed(PRODUCTION, "v7.0.0").await;
    assert_says(text(&status["candidate"]["verified"]["by"][0]), &["A Signer", "on the tag v1.0.0"]);
    // The old signed tag under a new name, on what it was made for and on something else.
    let old = repository.git(&["rev-parse", "refs/tags/v1.0.0"]);
    repository.git(&["update-ref", "refs/tags/v9.0.0", &old]);
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "NotVerified").await;
    assert_says(text(&condition(&status, "SourceReady")["message"]), &["v1.0.0", "v9.0.0"]);
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &["v7.0.0"]);
}

async fn a_secret_that_cannot_be_used_is_named(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    let key = CosignKey::new();
    let digest = registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("one")).await;
    key.sign_image(&registry, REPOSITORY, &digest).await;
    create_secret(
        cluster,
        "private",
        json!({"cosign.key": "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"}),
    )
    .await;
    cluster.create_config(PRODUCTION, None).await;
    for (name, said) in
        [("absent", "absent does not exist"), ("private", "private: cosign.key: holds a private key")]
    {
        let source = follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}));
        let target = json!({"kind": "Config", "name": PRODUCTION});
        cluster
            .create_code_sync(name, json!({"source": source, "target": target, "verify": by_keys(name)}))
            .await;
        let status = cluster.condition(name, "Verified", "False", "NotVerified").await;
        assert_says(text(&condition(&status, "Verified")["message"]), &[said]);
    }
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, "");
}
