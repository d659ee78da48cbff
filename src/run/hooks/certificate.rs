//! The certificate, read again when its files change: whoever renews it tells nobody.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::AsyncReadExt as _,
    sync::watch,
    time::{Instant, interval_at},
};
use tracing::{info, warn};

/// How often the files are read. They are small.
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// The largest file that is read.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// A certificate and its key, in files.
pub(super) struct Certificate {
    paths: [PathBuf; 2],
    /// As they were read last, good or not.
    read: [Vec<u8>; 2],
    configuration: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the files, which must be good to begin with.
    pub(super) async fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let paths = [certificate.to_owned(), key.to_owned()];
        let read = read_both(&paths).await?;
        let configuration = watch::Sender::new(configuration(&paths, &read)?);
        Ok(Self { paths, read, configuration })
    }

    /// How TLS is spoken, now and later.
    pub(super) fn configuration(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.configuration.subscribe()
    }

    /// Takes what the files hold when they change. What is not good is said once, and the one before it stays.
    pub(super) async fn follow(mut self) {
        let mut ticks = interval_at(Instant::now() + READ_INTERVAL, READ_INTERVAL);
        loop {
            ticks.tick().await;
            // While they are replaced, they may not be there.
            let Ok(read) = read_both(&self.paths).await else { continue };
            if read == self.read {
                continue;
            }
            match configuration(&self.paths, &read) {
                Ok(configuration) => {
                    self.configuration.send_replace(configuration);
                    info!("the certificate for webhooks is renewed");
                }
                Err(error) => warn!("the new certificate for webhooks is not used: {error:#}"),
            }
            self.read = read;
        }
    }
}

async fn read_both([certificate, key]: &[PathBuf; 2]) -> anyhow::Result<[Vec<u8>; 2]> {
    let certificate = read_file(certificate).await.context("--hooks-tls-cert")?;
    Ok([certificate, read_file(key).await.context("--hooks-tls-key")?])
}

/// A small file.
pub(super) async fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let what = || path.display().to_string();
    let file = tokio::fs::File::open(path).await.with_context(what)?;
    file.take(FILE_LIMIT_BYTES).read_to_end(&mut bytes).await.with_context(what)?;
    Ok(bytes)
}

fn configuration(
    [certificate_path, key_path]: &[PathBuf; 2],
    [certificate, key]: &[Vec<u8>; 2],
) -> anyhow::Result<Arc<ServerConfig>> {
    let what = || format!("--hooks-tls-cert {}", certificate_path.display());
    let chain =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().with_context(what)?;
    if chain.is_empty() {
        bail!("{} holds no certificate in PEM", what());
    }
    // Its error could show a part of the key.
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else {
        bail!("--hooks-tls-key {} holds no private key in PEM", key_path.display());
    };
    let mut configuration =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).with_context(what)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
