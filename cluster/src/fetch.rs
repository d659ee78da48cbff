//! A snapshot by lists: for the command line, which asks once and needs no right to watch.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::{Client, api::ListParams};
use voxsync_crds::{CodeRelease, CodeSync, Config, Server};

use crate::{Error, Scope, Snapshot, arrived::Arrived, error::is_not_found, kind::Indexed, shape};

/// How many objects a page of a list has.
pub(crate) const PAGE_OBJECTS: u32 = 500;

impl Snapshot {
    /// Reads the cluster once, with lists in pages.
    ///
    /// # Errors
    /// Where a list fails. Our own kinds may be missing: then there are none.
    pub async fn fetch(client: Client, scope: &Scope) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        if let Some(address) = shape::address(&client).await? {
            snapshot.set_shapes(shape::read(&client, &address).await?);
        }
        snapshot.fetch_also(&client, scope).await?;
        Ok(snapshot)
    }

    /// Reads another part of the cluster.
    ///
    /// # Errors
    /// Where a list fails.
    pub async fn fetch_also(&mut self, client: &Client, scope: &Scope) -> Result<(), Error> {
        list::<Config>(self, client, scope).await?;
        list::<Server>(self, client, scope).await?;
        list::<Deployment>(self, client, scope).await?;
        list::<ReplicaSet>(self, client, scope).await?;
        list::<Pod>(self, client, scope).await?;
        list::<CodeSync>(self, client, scope).await?;
        list::<CodeRelease>(self, client, scope).await
    }
}

async fn list<K: Indexed>(snapshot: &mut Snapshot, client: &Client, scope: &Scope) -> Result<(), Error> {
    let api = scope.api::<Arrived<K>>(client.clone());
    let mut parameters = ListParams::default().limit(PAGE_OBJECTS);
    parameters.label_selector = K::LABEL.map(str::to_owned);
    loop {
        let page = match api.list(&parameters).await {
            Ok(page) => page,
            Err(error) if K::KIND.is_ours() && is_not_found(&error) => return Ok(()),
            Err(source) => return Err(Error::List { kind: K::KIND, source: Box::new(source) }),
        };
        for arrived in page.items {
            match arrived.content {
                Some(Ok(kept)) => _ = snapshot.take(kept),
                Some(Err(noted)) => snapshot.note_unreadable(noted),
                None => {}
            }
        }
        let Some(next) = page.metadata.continue_.filter(|token| !token.is_empty()) else { return Ok(()) };
        parameters = parameters.continue_token(&next);
    }
}
