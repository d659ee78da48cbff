//! From the options of the command line to a Kubernetes client.

use std::time::Duration;

use anyhow::Context as _;
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{api_requests::ApiRequests, arguments::Connection, paced::paced};

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where kube finds a proxy besides in the kubeconfig.
const PROXY_VARIABLES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// How long the API server may be silent in the middle of an answer; longer than a watch in which nothing happens.
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// A client, and the namespace that was asked for (or that of the kubeconfig's context).
pub async fn connect(connection: &Connection) -> anyhow::Result<(Client, String)> {
    let (config, namespace) = configure(connection).await?;
    let address = config.cluster_url.to_string();
    let client = Client::try_from(config).with_context(|| format!("a client for {address}"))?;
    Ok((client, namespace))
}

/// A client as [`connect`] makes it, whose requests are counted, and whose watches keep a distance.
pub async fn connect_counted(
    connection: &Connection,
    requests: &ApiRequests,
) -> anyhow::Result<(Client, String)> {
    let (config, namespace) = configure(connection).await?;
    let address = config.cluster_url.to_string();
    let builder = ClientBuilder::try_from(config).with_context(|| format!("a client for {address}"))?;
    Ok((paced(builder.with_layer(requests).build()), namespace))
}

async fn configure(connection: &Connection) -> anyhow::Result<(Config, String)> {
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match (&connection.kubeconfig, &connection.context) {
        (Some(path), _) => {
            let read = Kubeconfig::read_from(path).map_err(|error| match error {
                // It names the file, too.
                KubeconfigError::ReadConfig(why, _) => anyhow::Error::from(why),
                error => error.into(),
            });
            let kubeconfig = read.with_context(|| format!("kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .with_context(|| format!("kubeconfig {}", path.display()))?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.context("kubeconfig")?,
        (None, None) => Config::infer().await.context(
            "no cluster: give --kubeconfig or $KUBECONFIG, or try `voxsync demo`, which needs none",
        )?,
    };
    // `HTTPS_PROXY` is for registries and Git servers: only a kubeconfig's own `proxy-url` is for the API server.
    let is_of_environment = |name: &str| {
        let proxy = std::env::var_os(name).and_then(|proxy| proxy.to_str()?.parse::<axum::http::Uri>().ok());
        proxy.is_some() && proxy == config.proxy_url
    };
    if PROXY_VARIABLES.into_iter().any(is_of_environment) {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE_LIMIT);
    config.reset_reader_on_write = true;
    let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    Ok((config, namespace))
}
