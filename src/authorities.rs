//! Certificates of authorities from a file that a person names: all are read before anybody is asked, so that what is
//! wrong is said of the file.

use std::path::Path;

use anyhow::{Context as _, bail};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::input;

/// The most that is read: all public authorities are a fifth of it.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// The text of the file, in which there is at least one certificate, and none that is broken.
pub fn read(file: &Path) -> anyhow::Result<String> {
    let text = input::text(file, FILE_LIMIT_BYTES).context("--ca")?;
    check(&text).with_context(|| format!("--ca: {}", file.display()))?;
    Ok(text)
}

fn check(text: &str) -> anyhow::Result<()> {
    let mut known = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let number = known.len() + 1;
        let certificate = certificate.with_context(|| format!("certificate {number} is no PEM"))?;
        known.add(certificate).with_context(|| format!("certificate {number} cannot be read"))?;
    }
    if known.is_empty() {
        bail!("it holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use voxsync_fixtures::CertificateAuthority;

    use super::*;

    fn problem(text: &str) -> String {
        check(text).map_or_else(|error| format!("{error:#}"), |()| "none".to_owned())
    }

    #[test]
    fn all_certificates_of_a_file_must_be_some() {
        let [one, two] = [(); 2].map(|()| CertificateAuthority::create().pem());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(problem(&format!("# ours\n{one}\n{two}")), "none");
        for (text, wanted) in [
            (String::new(), "it holds no certificate in PEM"),
            ("MIIB…".to_owned(), "it holds no certificate in PEM"),
            (format!("{one}{broken}"), "certificate 2 cannot be read: "),
            (format!("{one}-----BEGIN CERTIFICATE-----\nAAAA\n"), "certificate 2 is no PEM: "),
        ] {
            assert!(problem(&text).starts_with(wanted), "{wanted}: {}", problem(&text));
        }
    }
}
