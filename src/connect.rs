//! From the options of the command line to a Kubernetes client.

use std::time::Duration;

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::arguments::Connection;

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client, and the namespace that was asked for (or that of the kubeconfig's context).
pub async fn connect(connection: &Connection) -> anyhow::Result<(Client, String)> {
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match (&connection.kubeconfig, &connection.context) {
        (Some(path), _) => {
            let kubeconfig =
                Kubeconfig::read_from(path).with_context(|| format!("kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .with_context(|| format!("kubeconfig {}", path.display()))?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.context("kubeconfig")?,
        (None, None) => Config::infer().await.context(
            "no cluster: give --kubeconfig or $KUBECONFIG, or try `voxsync demo`, which needs none",
        )?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let address = config.cluster_url.to_string();
    let client = Client::try_from(config).with_context(|| format!("a client for {address}"))?;
    Ok((client, namespace))
}
