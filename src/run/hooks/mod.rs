//! Receives webhooks on a port of its own, and asks for looks. A webhook does nothing else: what is new, the look finds.
//!
//! - `listen`: connections, their bounds (`places`), and TLS (`certificate`).
//! - `receiver`: from a request to an answer. Whoever has no proof learns nothing, not even what exists.
//! - `secrets`: the secrets, read by name.
//! - `relay`: what this process received and another one has to look at, passed on when `outbox` says so.
//!
//! The last part of an address may be a secret: no address is ever logged.

mod body;
mod certificate;
mod listen;
mod metrics;
mod options;
mod outbox;
mod places;
mod receiver;
mod refusals;
mod relay;
mod rereads;
mod secrets;
mod subjects;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;
use voxsync_agent::LookBell;
use voxsync_cluster::Cluster;
use voxsync_crds::code_sync::LabelSelector;

use certificate::Certificate;
pub use metrics::Metrics;
pub use options::HooksOptions;
use receiver::Receiver;
use relay::Relay;
use secrets::Secrets;

/// What the receiver works with.
pub struct Parts {
    pub client: Client,
    pub cluster: Cluster,
    /// The CodeSyncs that the agent of this process looks at; all where none is given.
    pub selector: Option<LabelSelector>,
    /// By which that agent is asked.
    pub bell: LookBell,
    pub metrics: Metrics,
}

/// A receiver that has its port, and does not answer yet.
pub struct Hooks {
    listener: TcpListener,
    certificate: Option<Certificate>,
    receiver: Receiver,
    relay: Relay,
}

impl Hooks {
    /// Takes the port, and reads the certificate.
    pub async fn bind(address: SocketAddr, options: &HooksOptions, parts: Parts) -> anyhow::Result<Self> {
        let certificate = match (&options.hooks_tls_cert, &options.hooks_tls_key) {
            (Some(certificate), Some(key)) => Some(Certificate::read(certificate, key).await?),
            _ => None,
        };
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("--hooks-address {address}"))?;
        let Parts { client, cluster, selector, bell, metrics } = parts;
        let others = LookBell::default();
        let relay = Relay::new(client.clone(), others.listen());
        let receiver = Receiver {
            cluster,
            selector,
            bell,
            others,
            secrets: Secrets::new(client),
            file: options.hooks_secret_file.clone(),
            refusals: refusals::Refusals::default(),
            metrics,
        };
        Ok(Self { listener, certificate, receiver, relay })
    }

    /// Where it answers.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until cancelled.
    pub async fn serve(self, cancel: CancellationToken) -> anyhow::Result<()> {
        let configuration = self.certificate.as_ref().map(Certificate::configuration);
        info!(hooks_address = %self.address()?, tls = configuration.is_some(), "receiving webhooks at /hooks");
        let Self { listener, certificate, receiver, mut relay } = self;
        let renewal = async {
            match certificate {
                Some(certificate) => certificate.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = listen::serve(listener, configuration, Arc::new(receiver), cancel) => {}
            () = renewal => {}
            () = relay.run() => {}
        }
        relay.finish().await;
        Ok(())
    }
}
