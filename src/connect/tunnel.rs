//! A client whose connections lead through a proxy.
//!
//! kube makes none that fits: with its own proxies a `NO_PROXY` with an empty entry, which everybody else takes, makes a
//! kubeconfig unreadable, and a SOCKS proxy gets no login. So the connection is made here; what is above it is as kube
//! has it.

use std::{error::Error, fmt};

use axum::http::{Request, Response, Uri};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{
            Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::TokioExecutor,
};
use kube::{
    Config,
    client::{Body, ClientBuilder, ConfigExt as _, retry::RetryPolicy},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, retry::RetryLayer, util::BoxService};

use super::proxy::Proxy;

type Requests = BoxService<Request<Body>, Response<Incoming>, BoxError>;

/// A builder of a client for this configuration.
pub(super) fn builder(config: &Config, proxy: &Proxy) -> anyhow::Result<ClientBuilder<Requests>> {
    let address = proxy.at.uri().clone();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    match address.scheme_str() {
        Some("http") => over(config, proxy, with_login(Tunnel::new(address, tcp), proxy)),
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp)?;
            over(config, proxy, with_login(Tunnel::new(address, tls), proxy))
        }
        _ => {
            let socks = SocksV5::new(address, tcp);
            let login = proxy.at.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned()));
            over(
                config,
                proxy,
                login.into_iter().fold(socks, |socks, (user, password)| socks.with_auth(user, password)),
            )
        }
    }
}

fn with_login<C>(tunnel: Tunnel<C>, proxy: &Proxy) -> Tunnel<C> {
    proxy.at.basic_auth().cloned().into_iter().fold(tunnel, Tunnel::with_auth)
}

fn over<C>(config: &Config, proxy: &Proxy, connector: C) -> anyhow::Result<ClientBuilder<Requests>>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Error + Send + Sync + 'static,
{
    let proxy = proxy.clone();
    let connector = connector.map_err(move |error| NoWay { proxy: proxy.clone(), error: Box::new(error) });
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let requests = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(RetryLayer::new(RetryPolicy::server_retry()))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(requests.boxed(), config.default_namespace.clone()))
}

/// A proxy that does not lead to the API server.
#[derive(Debug)]
struct NoWay {
    proxy: Proxy,
    error: BoxError,
}

impl fmt::Display for NoWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} does not lead to the API server", self.proxy)
    }
}

impl Error for NoWay {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}
