//! `voxsync check -f FILE --cluster`: what is not among the files is taken from the cluster, which is only read.

use std::collections::BTreeSet;

use anyhow::Context as _;
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ListParams, ObjectMeta, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use voxsync_cluster::{CrossNamespace, Object, Scope, Snapshot};
use voxsync_crds::{CodeSync, Config, Server};

use super::{Subjects, elsewhere};
use crate::{arguments::Connection, connect::connect, kinds};

/// The same subjects, with what the cluster has besides.
pub async fn complete(connection: &Connection, subjects: Subjects) -> anyhow::Result<Subjects> {
    let Subjects { client: of_files, mut code_syncs, refused, .. } = subjects;
    let (cluster, _) = connect(connection).await?;
    let mut snapshot = read(&cluster, &code_syncs).await?;
    for code_sync in &mut code_syncs {
        let live: Api<CodeSync> =
            Api::namespaced(cluster.clone(), &code_sync.namespace().unwrap_or_default());
        if let Some(live) = live.get_opt(&code_sync.name_any()).await.map_err(kinds::explained)? {
            code_sync.status = live.status;
            code_sync.metadata.uid = live.metadata.uid;
            code_sync.metadata.creation_timestamp = live.metadata.creation_timestamp;
        }
        snapshot.apply(newest(code_sync.clone()));
        take_over(&cluster, &of_files, code_sync).await?;
    }
    apply_all::<Config>(&of_files, &mut snapshot).await?;
    apply_all::<Server>(&of_files, &mut snapshot).await?;
    Ok(Subjects { client: of_files, snapshot, code_syncs, refused, held: None })
}

/// All that the cluster says of the namespaces that these CodeSyncs are in, or name.
async fn read(cluster: &Client, code_syncs: &[CodeSync]) -> anyhow::Result<Snapshot> {
    let places = code_syncs.iter().flat_map(|code_sync| {
        let own = code_sync.namespace().unwrap_or_default();
        let others = code_sync.spec.other_namespaces(&own).map(|(_, place)| place.to_owned());
        let others: Vec<String> = others.collect();
        std::iter::once(own).chain(others)
    });
    let mut places = places.collect::<BTreeSet<_>>().into_iter();
    let first = places.next().unwrap_or_default();
    let mut snapshot = Snapshot::fetch(cluster.clone(), &Scope::Namespace(first)).await?;
    snapshot.set_cross_namespace(CrossNamespace::Allowed);
    for place in places {
        let read = snapshot.fetch_also(cluster, &Scope::Namespace(place.clone())).await;
        read.with_context(|| format!("namespace {place} of the cluster"))?;
    }
    Ok(snapshot)
}

/// What the files have of a kind.
async fn apply_all<Kind>(of_files: &Client, snapshot: &mut Snapshot) -> anyhow::Result<()>
where
    Kind: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Into<Object>,
{
    let found = Api::<Kind>::all(of_files.clone()).list(&ListParams::default()).await?;
    for object in found.items {
        snapshot.apply(newest(object));
    }
    Ok(())
}

/// What is from a file goes before what the cluster has, whose versions are those of another server.
fn newest<Kind: Resource>(mut object: Kind) -> Kind {
    object.meta_mut().resource_version = None;
    object
}

/// The Secrets and `ConfigMap`s that a CodeSync names and that no file has.
async fn take_over(cluster: &Client, of_files: &Client, code_sync: &CodeSync) -> anyhow::Result<()> {
    let own = code_sync.namespace().unwrap_or_default();
    let of_pods = code_sync.spec.write.as_ref().and_then(|write| write.image_pull_secret.clone());
    let places = code_sync.spec.pulling_namespaces(&own).into_iter().filter(|place| *place != own);
    let of_pods = of_pods.map(|name| ("Secret", name));
    let others = places.filter_map(|place| Some((place, of_pods.clone()?)));
    let named = elsewhere::named(&code_sync.spec).into_iter().map(|named| (own.as_str(), named));
    for (place, (kind, name)) in named.chain(others) {
        let copied = if kind == "Secret" {
            copy::<Secret>(cluster, of_files, place, &name).await
        } else {
            copy::<ConfigMap>(cluster, of_files, place, &name).await
        };
        copied
            .with_context(|| format!("{kind} {place}/{name} of the cluster (or put it among the files)"))?;
    }
    Ok(())
}

async fn copy<Kind>(cluster: &Client, of_files: &Client, place: &str, name: &str) -> kube::Result<()>
where
    Kind: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let here: Api<Kind> = Api::namespaced(of_files.clone(), place);
    if here.get_opt(name).await?.is_some() {
        return Ok(());
    }
    if let Some(mut found) = Api::<Kind>::namespaced(cluster.clone(), place).get_opt(name).await? {
        *found.meta_mut() = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        here.create(&PostParams::default(), &found).await?;
    }
    Ok(())
}
