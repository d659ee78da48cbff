//! What the pod template of a Server's Deployment must say.
//!
//! The patch holds exactly the code part: one annotation, the code volumes, their mounts in the server container,
//! and the code's pull secrets, with the values that openvox-operator would write, so that neither undoes the
//! other. It never touches anything else, and never creates a Deployment.

use std::collections::BTreeMap;

use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
    jsonptr::{PointerBuf, Token},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodTemplateSpec};
use serde_json::json;
use voxsync_crds::{Server, reference::ReferenceError};

use crate::{
    owner::{self, Maker},
    part::Part,
    resolve::ServerCode,
};

/// On pod templates: the code references of the code volumes, joined with commas (openvox-operator).
pub const CODE_IMAGE_ANNOTATION: &str = "openvox.voxpupuli.org/code-image";
/// In the selector of a Server's Deployment: the Server's name (openvox-operator).
pub const SERVER_LABEL: &str = "openvox.voxpupuli.org/server";
/// The container that the code is mounted in (openvox-operator).
pub const MAIN_CONTAINER: &str = "openvox-server";

/// Why the pod template of a Deployment cannot be made right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// The code is to be mounted in a container that is not there.
    #[error(
        "the Deployment has no container {MAIN_CONTAINER:?}, in which the code must be mounted: name the server's container so"
    )]
    NoMainContainer,
    /// Another controller made the Deployment.
    #[error("the Deployment belongs to the {kind} {name:?} and not to this Server: rename one of them")]
    ForeignOwner {
        /// The owner's kind.
        kind: String,
        /// The owner's name.
        name: String,
    },
    /// The Deployment has the Server's name, but its pods are not this Server's.
    #[error(
        "the Deployment does not select {SERVER_LABEL}={server}: it is not this Server's, rename one of them"
    )]
    OtherSelector {
        /// The Server's name.
        server: String,
    },
    /// What is in the way cannot be moved away without breaking somebody else's mount.
    #[error(
        "the volume {volume:?} is mounted at {path} in {MAIN_CONTAINER:?}, where the code must be: unmount it there"
    )]
    PathTaken {
        /// The path.
        path: String,
        /// The volume that has it.
        volume: String,
    },
    /// A pod with this reference could never start.
    #[error("spec.code: {0}")]
    BadReference(#[from] ReferenceError),
}

impl TemplateProblem {
    /// A word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoMainContainer => "NoMainContainer",
            Self::ForeignOwner { .. } => "ForeignOwner",
            Self::OtherSelector { .. } => "OtherSelector",
            Self::PathTaken { .. } => "PathTaken",
            Self::BadReference(_) => "BadReference",
        }
    }
}

/// The smallest JSON patch that makes the code part of the Deployment's pod template right; `None` if it is.
///
/// The patch tests the resource version, so it applies to exactly this Deployment.
///
/// # Errors
/// See [`TemplateProblem`]. A bad reference is a problem only where it would be written: if it is already in the
/// template, its pods tell what is wrong with it.
pub fn template(
    deployment: &Deployment,
    server: &Server,
    code: &ServerCode,
) -> Result<Option<Patch>, TemplateProblem> {
    let maker = owner::maker(deployment, server)?;
    let spec = deployment.spec.as_ref().ok_or(TemplateProblem::NoMainContainer)?;
    let part = Part::find(&spec.template, code, maker)?;
    if part.is_right() {
        return Ok(None);
    }
    code.check_references()?;
    let mut operations = vec![test_resource_version(deployment)];
    operations.extend(annotation_operation(&spec.template, &part));
    operations.extend(part.volumes.operations(&pointer(["spec", "volumes"])));
    let container = part.container.to_string();
    operations.extend(part.mounts.operations(&pointer(["spec", "containers", &container, "volumeMounts"])));
    operations.extend(part.secrets.operations(&pointer(["spec", "imagePullSecrets"])));
    Ok(Some(Patch(operations)))
}

/// The code references that a Deployment's pod template has now, joined as in its annotation; for messages and tables.
pub fn present_references(deployment: &Deployment) -> Vec<&str> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let volumes = pod.and_then(|pod| pod.volumes.as_deref()).unwrap_or_default();
    volumes
        .iter()
        .filter(|volume| crate::part::is_code_volume_name(&volume.name))
        .filter_map(|volume| volume.image.as_ref()?.reference.as_deref())
        .collect()
}

/// Whether openvox-operator made the Deployment for this Server: then it writes the whole pod template.
pub fn is_made_by_operator(deployment: &Deployment, server: &Server) -> bool {
    owner::maker(deployment, server) == Ok(Maker::Operator)
}

/// Whether the Deployment is this Server's own, whoever made it.
pub fn is_of_server(deployment: &Deployment, server: &Server) -> bool {
    owner::maker(deployment, server).is_ok()
}

/// The operation that makes a patch apply to exactly this version of a Deployment.
pub fn test_resource_version(deployment: &Deployment) -> PatchOperation {
    // Without a version nothing passes the test: what did not come from the API is not patched.
    let version = deployment.metadata.resource_version.as_deref().unwrap_or_default();
    let path = PointerBuf::from_tokens(["metadata", "resourceVersion"]);
    PatchOperation::Test(TestOperation { path, value: json!(version) })
}

fn annotation_operation(template: &PodTemplateSpec, part: &Part<'_>) -> Option<PatchOperation> {
    let path = pointer(["metadata", "annotations", CODE_IMAGE_ANNOTATION]);
    match (part.annotation, &part.wanted_annotation) {
        (present, Some(wanted)) if present == Some(wanted) => None,
        (None, None) => None,
        (Some(_), None) => Some(PatchOperation::Remove(RemoveOperation { path })),
        (Some(_), Some(wanted)) => {
            Some(PatchOperation::Replace(ReplaceOperation { path, value: json!(wanted) }))
        }
        (None, Some(wanted)) => {
            let annotation = BTreeMap::from([(CODE_IMAGE_ANNOTATION, wanted)]);
            let (path, value) = match &template.metadata {
                None => (pointer(["metadata"]), json!({ "annotations": annotation })),
                Some(metadata) if metadata.annotations.is_none() => {
                    (pointer(["metadata", "annotations"]), json!(annotation))
                }
                Some(_) => (path, json!(wanted)),
            };
            Some(PatchOperation::Add(AddOperation { path, value }))
        }
    }
}

/// A place in the pod template.
fn pointer<'token>(tokens: impl IntoIterator<Item = &'token str>) -> PointerBuf {
    let tokens = ["spec", "template"].into_iter().chain(tokens);
    PointerBuf::from_tokens(tokens.map(Token::new))
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
