//! From the options of the command line to a Kubernetes client.

mod proxy;
mod tunnel;

use std::time::Duration;

use anyhow::Context as _;
use axum::{
    body::{Bytes, HttpBody},
    http::{Request, Response},
};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tower::{BoxError, Service};

use crate::{
    api_requests::ApiRequests,
    arguments::{Connection, names},
    paced::paced,
};
use proxy::Proxy;

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the API server may be silent in the middle of an answer; longer than a watch in which nothing happens.
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// A client, and the namespace that was asked for (or that of the kubeconfig's context).
pub async fn connect(connection: &Connection) -> anyhow::Result<(Client, String)> {
    let (config, proxy) = configure(connection).await?;
    let namespace = namespace(connection, &config)?;
    Ok((client(config, proxy.as_ref(), None)?, namespace))
}

/// A client as [`connect`] makes it, whose requests are counted, and whose watches keep a distance.
pub async fn connect_counted(
    connection: &Connection,
    requests: &ApiRequests,
) -> anyhow::Result<(Client, String)> {
    let (config, proxy) = configure(connection).await?;
    let namespace = namespace(connection, &config)?;
    Ok((paced(client(config, proxy.as_ref(), Some(requests))?), namespace))
}

/// The namespace that was asked for, or that of the context, which nobody has checked yet.
fn namespace(connection: &Connection, config: &Config) -> anyhow::Result<String> {
    if let Some(namespace) = &connection.namespace {
        return Ok(namespace.clone());
    }
    // As kubectl takes it.
    if config.default_namespace.is_empty() {
        return Ok("default".to_owned());
    }
    let namespace = names::namespace(&config.default_namespace).map_err(anyhow::Error::msg);
    namespace.with_context(|| format!("the namespace {:?} of the context", config.default_namespace))
}

fn client(config: Config, proxy: Option<&Proxy>, requests: Option<&ApiRequests>) -> anyhow::Result<Client> {
    let address = config.cluster_url.to_string();
    let client = match proxy {
        None => ClientBuilder::try_from(config).map(|builder| counted(builder, requests)).map_err(Into::into),
        Some(proxy) => tunnel::builder(&config, proxy).map(|builder| counted(builder, requests)),
    };
    client.with_context(|| format!("a client for {address}"))
}

fn counted<S, B>(builder: ClientBuilder<S>, requests: Option<&ApiRequests>) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match requests {
        Some(requests) => builder.with_layer(requests).build(),
        None => builder.build(),
    }
}

async fn configure(connection: &Connection) -> anyhow::Result<(Config, Option<Proxy>)> {
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let found = match (&connection.kubeconfig, &connection.context) {
        (Some(path), _) => {
            let read = Kubeconfig::read_from(path).map_err(|error| match error {
                // It names the file, too.
                KubeconfigError::ReadConfig(why, _) => anyhow::Error::from(why),
                error => error.into(),
            });
            let found = of_kubeconfig(read, &options).await;
            Some(found.with_context(|| format!("kubeconfig {}", path.display()))?)
        }
        (None, Some(_)) => {
            let read = Kubeconfig::read().map_err(Into::into);
            Some(of_kubeconfig(read, &options).await.context("kubeconfig")?)
        }
        (None, None) => of_kubeconfig(Kubeconfig::read().map_err(Into::into), &options).await.ok(),
    };
    let (mut config, proxy) = if let Some((config, proxy_url)) = found {
        let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
        let proxy = proxy::on_the_way(&config.cluster_url, proxy_url.as_deref(), variable)?;
        (config, proxy)
    } else {
        // In a pod the way to the API server leads through no proxy of the environment: those are for registries and Git
        // servers, which are elsewhere.
        let config = Config::infer().await.context(
            "no cluster: give --kubeconfig or $KUBECONFIG, or try `voxsync demo`, which needs none",
        )?;
        (config, None)
    };
    // Not as kube has it: see `tunnel`.
    config.proxy_url = None;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE_LIMIT);
    config.reset_reader_on_write = true;
    Ok((config, proxy))
}

/// What a kubeconfig says, and its `proxy-url`.
async fn of_kubeconfig(
    read: anyhow::Result<Kubeconfig>,
    options: &KubeConfigOptions,
) -> anyhow::Result<(Config, Option<String>)> {
    let kubeconfig = read?;
    let proxy_url = proxy::of_kubeconfig(&kubeconfig, options.context.as_deref()).map(str::to_owned);
    Ok((Config::from_custom_kubeconfig(kubeconfig, options).await?, proxy_url))
}
