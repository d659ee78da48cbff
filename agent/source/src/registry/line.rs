//! Connections, and the manners in which they are used: what clients of several repositories share.

use std::{sync::Arc, time::Duration};

use reqwest::{Certificate, Client, Identity, RequestBuilder, Response, Url, redirect};

use super::{Problem, RegistryOptions};
use crate::{
    Pace, Traffic,
    causes::innermost_reason,
    pace::{Wish, wish},
    traffic::host_and_port,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the usual interval between looks, so that the next one finds the connection open.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);

/// What clients of several repositories may share.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) http: Client,
    /// Shows no client certificate: that is for the registry and its token server.
    pub(super) anonymous: Client,
    traffic: Traffic,
    pace: Pace,
}

impl Line {
    pub(super) fn open(options: RegistryOptions) -> Result<Self, Problem> {
        let RegistryOptions {
            ca_pem, client_identity_pem, user_agent, request_timeout, traffic, pace, ..
        } = options;
        let unusable = |what: &str| Problem::Certificates { detail: what.to_owned() };
        let authorities = match ca_pem {
            Some(pem) => {
                let found = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
                found.ok_or_else(|| unusable("the CA holds no PEM certificate"))?
            }
            None => Vec::new(),
        };
        let identity = client_identity_pem.map(|pem| Identity::from_pem(&pem)).transpose();
        let identity =
            identity.map_err(|_| unusable("`tls.crt` and `tls.key` are no PEM certificate with its key"))?;
        let client = |identity: Option<Identity>| {
            let builder = Client::builder()
                .user_agent(&user_agent)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(request_timeout)
                .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
                .redirect(redirect::Policy::none())
                .referer(false)
                .tls_certs_merge(authorities.clone());
            let builder = identity.into_iter().fold(builder, reqwest::ClientBuilder::identity);
            builder.build().map_err(|error| {
                let reason = innermost_reason(&error);
                unusable(&format!("the certificates cannot be used ({reason})"))
            })
        };
        let anonymous = client(None)?;
        let http = if identity.is_some() { client(identity)? } else { anonymous.clone() };
        Ok(Self { http, anonymous, traffic, pace })
    }

    /// Whether the host of an address asked to be left alone.
    pub(super) fn is_resting(&self, address: &Url) -> bool {
        self.pace.is_resting(&host_and_port(address))
    }

    /// Sends a request when its host may be asked. The host counts as asked until the answer is dropped.
    pub(super) async fn send(&self, request: RequestBuilder, address: &Url) -> reqwest::Result<Response> {
        let mut admission = self.pace.admit(&host_and_port(address)).await;
        let mut sent = request.send().await;
        self.traffic.exchanged(address, &sent);
        if let Ok(response) = &mut sent {
            match wish(response.status(), response.headers()) {
                Wish::Rest(asked) => admission.refused(asked),
                Wish::Nothing => admission.answered(),
            }
            response.extensions_mut().insert(Arc::new(admission));
        }
        sent
    }
}
