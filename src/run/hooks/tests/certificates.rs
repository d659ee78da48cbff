//! TLS, and a certificate that is replaced while the process runs.

use voxsync_fixtures::{CertificateAuthority, ServerCertificate};

use super::*;

fn options(folder: &Path) -> HooksOptions {
    HooksOptions {
        hooks_tls_cert: Some(folder.join("tls.crt")),
        hooks_tls_key: Some(folder.join("tls.key")),
        ..HooksOptions::default()
    }
}

fn put(folder: &Path, certificate: &ServerCertificate) {
    write(&folder.join("tls.crt"), &certificate.certificate_pem);
    write(&folder.join("tls.key"), &certificate.key_pem);
}

/// The status that a client gets who trusts this authority alone.
async fn post(world: &World, authority: &CertificateAuthority) -> Result<u16, reqwest::Error> {
    let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
    let client = reqwest::Client::builder().tls_certs_only([trusted]).timeout(PATIENCE).build()?;
    let url = format!("https://{}/hooks/puppet/production", world.address);
    let answer =
        client.post(url).header("X-Hub-Signature-256", signature(SECRET, BODY)).body(BODY).send().await?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn a_replaced_certificate_is_taken_up_and_a_bad_one_is_not() {
    let [first, second] = [(); 2].map(|()| CertificateAuthority::create());
    let certificate = first.issue();
    let mut world = World::start_with(
        |folder| {
            put(folder, &certificate);
            options(folder)
        },
        Value::Null,
    )
    .await;
    assert_eq!(post(&world, &first).await.unwrap(), 202);
    assert!(post(&world, &second).await.is_err());
    let plain = world.send(b"POST /hooks/puppet/production HTTP/1.1\r\n\r\n").await.into_bytes();
    assert!(!plain.starts_with(b"HTTP"), "plain HTTP is not spoken");

    put(world.folder.path(), &second.issue());
    until("the new certificate is used", async || post(&world, &second).await.ok()).await;
    assert!(post(&world, &first).await.is_err());

    // The key of another certificate, then nonsense, then good again: the last good one stays until then.
    write(&world.file("tls.key"), &certificate.key_pem);
    assert_eq!(post(&world, &second).await.unwrap(), 202);
    put(world.folder.path(), &certificate);
    until("the first certificate is used again", async || post(&world, &first).await.ok()).await;
    assert_eq!(world.heard().len(), 1);
}

#[tokio::test]
async fn what_is_no_certificate_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let issued = CertificateAuthority::create().issue();
    for (certificate, key, wanted) in [
        (issued.certificate_pem.as_str(), "nonsense", "tls.key holds no private key in PEM"),
        ("nonsense", &issued.key_pem, "tls.crt holds no certificate in PEM"),
    ] {
        write(&folder.path().join("tls.crt"), certificate);
        write(&folder.path().join("tls.key"), key);
        let options = options(folder.path());
        let (certificate, key) = (options.hooks_tls_cert.unwrap(), options.hooks_tls_key.unwrap());
        let error = super::super::certificate::Certificate::read(&certificate, &key).await.err().unwrap();
        assert!(format!("{error:#}").contains(wanted), "{error:#}");
    }
}
