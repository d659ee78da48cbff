//! Whose Deployment it is: a Deployment of the right name may be somebody else's.

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::OwnerReference};
use voxsync_crds::{Server, openvox::GROUP};

use crate::template::{SERVER_LABEL, TemplateProblem};

/// Who made a Server's Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// openvox-operator, by the controller owner reference: it writes the whole template.
    Operator,
    /// A person or another tool, for this Server.
    Other,
}

/// Who made this Deployment for this Server.
///
/// # Errors
/// Where it is not this Server's Deployment.
pub(crate) fn maker(deployment: &Deployment, server: &Server) -> Result<Maker, TemplateProblem> {
    let name = server.metadata.name.as_deref().unwrap_or_default();
    let labels = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
    if labels.and_then(|labels| labels.get(SERVER_LABEL)).map(String::as_str) != Some(name) {
        return Err(TemplateProblem::OtherSelector { server: name.to_owned() });
    }
    let owners = deployment.metadata.owner_references.iter().flatten();
    let Some(controller) = owners.into_iter().find(|owner| owner.controller == Some(true)) else {
        return Ok(Maker::Other);
    };
    if is_server(controller, server) {
        Ok(Maker::Operator)
    } else {
        Err(TemplateProblem::ForeignOwner { kind: controller.kind.clone(), name: controller.name.clone() })
    }
}

fn is_server(owner: &OwnerReference, server: &Server) -> bool {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    owner.kind == "Server"
        && group == Some(GROUP)
        && server.metadata.name.as_deref() == Some(&owner.name)
        // The owner of an earlier Server of the same name has another uid.
        && server.metadata.uid.as_deref() == Some(&owner.uid)
}
