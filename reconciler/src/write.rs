//! The only writes of the reconciler: the code part of a pod template, a gate, and an annotation on a Server.
//!
//! Before the first code image of its life is written, the same patch is tried with `dryRun=All`: a cluster without
//! image volumes drops them, and pods would start without code.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams},
    core::Status,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use voxsync_cluster::{Object, Scope};
use voxsync_crds::{
    CodeSync, FIELD_MANAGER, Server,
    annotations::{OBSTACLE, Obstacle, REQUESTED_CODE},
};
use voxsync_rollout::template::present_references;

use crate::{
    finding::Finding,
    plan::{GateWrite, Write},
};

/// How many objects a page of a list has.
const PAGE_OBJECTS: u32 = 500;
/// The longest wait for one answer of the API server.
const CALL_LIMIT_SECONDS: u64 = 15;
/// The longest answer that is kept; webhooks write it.
const MESSAGE_LIMIT_BYTES: usize = 1024;
/// What the API server says of a volume whose image it dropped.
const DROPPED_VOLUME: &str = "must specify a volume type";

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// The object changed meanwhile: this is what it is now.
    Conflict(Box<Object>),
    /// The object is gone; its watch will tell.
    Gone,
    /// It is not allowed; only a person can change that.
    NotAllowed(Finding),
    /// It failed and may work later.
    Failed(String),
}

/// Writes to one cluster.
pub(crate) struct Writer {
    client: Client,
    /// Whether a dry run showed it.
    has_image_volumes: AtomicBool,
}

impl Writer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, has_image_volumes: AtomicBool::new(false) }
    }

    /// Writes the code part of a pod template.
    pub(crate) async fn deployment(
        &self,
        namespace: &str,
        name: &str,
        write: &Write,
    ) -> Result<Deployment, NotWritten> {
        let api = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let written = async {
            if !write.references.is_empty() && !self.has_image_volumes.load(Ordering::Relaxed) {
                let tried = patch(&api, name, &json_patch(write), true).await?;
                if present_references(&tried) != write.references {
                    return Err(self.no_image_volumes().await);
                }
                self.has_image_volumes.store(true, Ordering::Relaxed);
            }
            patch(&api, name, &json_patch(write), false).await
        };
        match or_conflict(&api, name, write.resource_version.as_ref(), written.await).await {
            Err(NotWritten::NotAllowed(Finding::Refused { message })) if message.contains(DROPPED_VOLUME) => {
                Err(self.no_image_volumes().await)
            }
            written => written,
        }
    }

    /// Holds a Deployment back, or lets it go.
    pub(crate) async fn gate(
        &self,
        namespace: &str,
        name: &str,
        write: &GateWrite,
    ) -> Result<Deployment, NotWritten> {
        let api = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let written = patch(&api, name, &Patch::<()>::Json(write.patch.clone()), false).await;
        or_conflict(&api, name, write.resource_version.as_ref(), written).await
    }

    /// The CodeSync of a uid as it is now, if it is still there; its namespace and name may be known, else it is looked for.
    pub(crate) async fn code_sync(
        &self,
        scope: &Scope,
        uid: &str,
        known: Option<(String, String)>,
    ) -> Result<Option<CodeSync>, NotWritten> {
        let place = match known {
            None => place_of(&scope.api(self.client.clone()), uid).await?,
            known => known,
        };
        match place {
            Some((namespace, name)) => {
                let api = Api::<CodeSync>::namespaced(self.client.clone(), &namespace);
                call(api.get_opt(&name)).await
            }
            None => Ok(None),
        }
    }

    /// Asks the operator to look at a Server.
    pub(crate) async fn touch(&self, server: &Server, value: &str) -> Result<Server, NotWritten> {
        self.annotate(server, REQUESTED_CODE, Some(value.to_owned())).await
    }

    /// Writes on a Server why its code does not come into its pod template, or that nothing is in its way.
    pub(crate) async fn obstacle(
        &self,
        server: &Server,
        obstacle: Option<&Obstacle>,
    ) -> Result<Server, NotWritten> {
        self.annotate(server, OBSTACLE, obstacle.map(|obstacle| json!(obstacle).to_string())).await
    }

    /// Changes an annotation of exactly the Server that was seen: who decided long ago, and perhaps leads no more, must
    /// not undo what was decided since.
    async fn annotate(
        &self,
        server: &Server,
        annotation: &str,
        value: Option<String>,
    ) -> Result<Server, NotWritten> {
        let ObjectMeta { namespace, name, resource_version, .. } = &server.metadata;
        let api = Api::<Server>::namespaced(self.client.clone(), namespace.as_deref().unwrap_or_default());
        let name = name.as_deref().unwrap_or_default();
        let metadata = json!({"resourceVersion": resource_version, "annotations": {annotation: value}});
        let written = patch(&api, name, &Patch::Merge(json!({"metadata": metadata})), false).await;
        or_conflict(&api, name, resource_version.as_ref(), written).await
    }

    async fn no_image_volumes(&self) -> NotWritten {
        let version = call(self.client.apiserver_version()).await.map(|version| version.git_version);
        let version = version.unwrap_or_else(|_| "of unknown version".to_owned());
        NotWritten::NotAllowed(Finding::NoImageVolumes { version })
    }
}

/// A failed `test` of a patch looks like an invalid patch: only the object itself tells.
async fn or_conflict<K>(
    api: &Api<K>,
    name: &str,
    seen: Option<&String>,
    written: Result<K, NotWritten>,
) -> Result<K, NotWritten>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Into<Object>,
{
    if !matches!(written, Err(NotWritten::NotAllowed(Finding::Refused { .. }))) {
        return written;
    }
    let now = call(api.get_opt(name)).await?.ok_or(NotWritten::Gone)?;
    if now.meta().resource_version.as_ref() == seen {
        return written;
    }
    Err(NotWritten::Conflict(Box::new(now.into())))
}

/// Namespace and name of the CodeSync of a uid. Of the others only names are read: one that cannot be decoded is in nobody's
/// way.
async fn place_of(api: &Api<CodeSync>, uid: &str) -> Result<Option<(String, String)>, NotWritten> {
    let mut parameters = ListParams::default().limit(PAGE_OBJECTS);
    loop {
        let page = call(api.list_metadata(&parameters)).await?;
        let found = page.items.into_iter().find(|one| one.metadata.uid.as_deref() == Some(uid));
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        match (found, next) {
            (Some(found), _) => return Ok(found.metadata.namespace.zip(found.metadata.name)),
            (None, Some(next)) => parameters = parameters.continue_token(&next),
            (None, None) => return Ok(None),
        }
    }
}

fn json_patch(write: &Write) -> Patch<()> {
    Patch::Json(write.patch.clone())
}

async fn patch<K, P>(api: &Api<K>, name: &str, patch: &Patch<P>, dry_run: bool) -> Result<K, NotWritten>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
    P: Serialize + std::fmt::Debug,
{
    let parameters =
        PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    call(api.patch(name, &parameters, patch)).await
}

async fn call<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, NotWritten> {
    match tokio::time::timeout(Duration::from_secs(CALL_LIMIT_SECONDS), answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(not_written(&status)),
        Ok(Err(error)) => Err(NotWritten::Failed(error.to_string())),
        Err(_) => Err(NotWritten::Failed(format!("the API server did not answer in {CALL_LIMIT_SECONDS} s"))),
    }
}

fn not_written(status: &Status) -> NotWritten {
    let end = status.message.floor_char_boundary(MESSAGE_LIMIT_BYTES);
    let message = status.message.get(..end).unwrap_or_default().to_owned();
    // Webhooks answer with any code they like, 403 if they name none.
    let is_admission = message.contains("admission webhook") || message.contains("ValidatingAdmissionPolicy");
    match status.code {
        _ if is_admission => NotWritten::NotAllowed(Finding::RefusedByAdmission { message }),
        404 => NotWritten::Gone,
        401 | 403 => NotWritten::NotAllowed(Finding::Forbidden { message }),
        400 | 409 | 422 => NotWritten::NotAllowed(Finding::Refused { message }),
        _ => NotWritten::Failed(message),
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
