//! The only writes of the reconciler: the code part of a pod template, and an annotation on a Server.
//!
//! Before the first code image of its life is written, the same patch is tried with `dryRun=All`: a cluster without
//! image volumes drops them, and pods would start without code.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::Status,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use voxsync_crds::{
    Server,
    annotations::{OBSTACLE, Obstacle, REQUESTED_CODE},
};
use voxsync_rollout::template::present_references;

use crate::{finding::Finding, plan::Write};

/// Owns what we write, in managed fields: tools that apply manifests are told this name.
const FIELD_MANAGER: &str = "voxsync";
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
    Conflict(Box<Deployment>),
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
        match written.await {
            Err(NotWritten::NotAllowed(Finding::Refused { message })) => {
                // A failed `test` of the patch looks like an invalid patch: only the object itself tells.
                let now = call(api.get_opt(name)).await?.ok_or(NotWritten::Gone)?;
                if now.metadata.resource_version != write.resource_version {
                    return Err(NotWritten::Conflict(Box::new(now)));
                }
                if message.contains(DROPPED_VOLUME) {
                    return Err(self.no_image_volumes().await);
                }
                Err(NotWritten::NotAllowed(Finding::Refused { message }))
            }
            written => written,
        }
    }

    /// Asks the operator to look at a Server.
    pub(crate) async fn touch(&self, namespace: &str, name: &str, value: &str) -> Result<Server, NotWritten> {
        let api = Api::<Server>::namespaced(self.client.clone(), namespace);
        let annotation = json!({"metadata": {"annotations": {REQUESTED_CODE: value}}});
        patch(&api, name, &Patch::Merge(annotation), false).await
    }

    /// Writes on a Server why its code does not come into its pod template, or that nothing is in its way.
    pub(crate) async fn obstacle(
        &self,
        namespace: &str,
        name: &str,
        obstacle: Option<&Obstacle>,
    ) -> Result<Server, NotWritten> {
        let api = Api::<Server>::namespaced(self.client.clone(), namespace);
        let value = obstacle.map(|obstacle| json!(obstacle).to_string());
        let annotation = json!({"metadata": {"annotations": {OBSTACLE: value}}});
        patch(&api, name, &Patch::Merge(annotation), false).await
    }

    async fn no_image_volumes(&self) -> NotWritten {
        let version = call(self.client.apiserver_version()).await.map(|version| version.git_version);
        let version = version.unwrap_or_else(|_| "of unknown version".to_owned());
        NotWritten::NotAllowed(Finding::NoImageVolumes { version })
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
mod tests {
    use rstest::rstest;
    use serde_json::Value;
    use voxsync_sandbox::{Sandbox, SandboxOptions};

    use super::*;

    fn deployment() -> Value {
        let labels = json!({"app": "stable"});
        let pod = json!({
            "containers": [{"name": "openvox-server", "image": "openvox:8"}],
            "volumes": [{"name": "code", "image": {"reference": "a:1"}}],
        });
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        json!({"metadata": {"name": "stable"}, "spec": {"selector": {"matchLabels": labels}, "template": template}})
    }

    fn write(resource_version: Option<String>, place: &str, value: &str) -> Write {
        let operations = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "replace", "path": place, "value": value},
        ]);
        let patch = serde_json::from_value(operations).unwrap();
        let references = vec!["a:2".to_owned()];
        Write { patch, resource_version, references, present: "a:1".into(), wanted: "a:2".into() }
    }

    #[tokio::test]
    async fn a_conflict_is_no_refusal_and_brings_what_is_there_now() {
        let client = Sandbox::new(SandboxOptions::default()).client("default");
        let writer = Writer::new(client.clone());
        let api = Api::<Deployment>::namespaced(client, "default");
        let object = serde_json::from_value(deployment()).unwrap();
        let created = api.create(&kube::api::PostParams::default(), &object).await.unwrap();
        let version = created.metadata.resource_version;
        let reference = "/spec/template/spec/volumes/0/image/reference";

        let write_once = write(version.clone(), reference, "a:2");
        let written = writer.deployment("default", "stable", &write_once).await.unwrap();
        assert_eq!(present_references(&written), ["a:2"]);
        match writer.deployment("default", "stable", &write_once).await {
            Err(NotWritten::Conflict(now)) => assert_eq!(*now, written),
            other => panic!("it is no conflict but {other:?}"),
        }

        let nonsense = write(written.metadata.resource_version, "/spec/selector/matchLabels/app", "x");
        match writer.deployment("default", "stable", &nonsense).await {
            Err(NotWritten::NotAllowed(Finding::Refused { .. })) => {}
            other => panic!("it is not refused but {other:?}"),
        }
        assert!(matches!(writer.deployment("default", "gone", &nonsense).await, Err(NotWritten::Gone)));
    }

    #[rstest]
    #[case(404, "deployments.apps \"stable\" not found", "Gone")]
    #[case(403, "deployments.apps \"stable\" is forbidden: User \"x\" cannot patch", "NotAllowed(Forbidden")]
    #[case(403, "admission webhook \"w\" denied the request: no", "NotAllowed(RefusedByAdmission")]
    #[case(422, "admission webhook \"w\" denied the request: no", "NotAllowed(RefusedByAdmission")]
    #[case(422, "Deployment.apps \"stable\" is invalid", "NotAllowed(Refused {")]
    #[case(429, "too many requests", "Failed")]
    #[case(500, "etcdserver: leader changed", "Failed")]
    fn says_whose_refusal_it_is(#[case] code: u16, #[case] message: &str, #[case] wanted: &str) {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        let text = format!("{:?}", not_written(&status));
        assert!(text.starts_with(wanted), "{text}");
    }
}
