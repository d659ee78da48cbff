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

/// What a Deployment says of whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Ownership {
    /// The Server that its pods are of.
    selects: Option<String>,
    controller: Option<OwnerReference>,
}

impl Ownership {
    /// What this Deployment says.
    pub fn of(deployment: &Deployment) -> Self {
        let labels = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
        let mut owners = deployment.metadata.owner_references.iter().flatten();
        Self {
            selects: labels.and_then(|labels| labels.get(SERVER_LABEL)).cloned(),
            controller: owners.find(|owner| owner.controller == Some(true)).cloned(),
        }
    }

    /// Whether it is this Server's own, whoever made it.
    pub fn is_of(&self, server: &Server) -> bool {
        self.maker(server).is_ok()
    }

    fn maker(&self, server: &Server) -> Result<Maker, TemplateProblem> {
        let name = server.metadata.name.as_deref().unwrap_or_default();
        if self.selects.as_deref() != Some(name) {
            return Err(TemplateProblem::OtherSelector { server: name.to_owned() });
        }
        match &self.controller {
            None => Ok(Maker::Other),
            Some(controller) if is_server(controller, server) => Ok(Maker::Operator),
            Some(OwnerReference { kind, name, .. }) => {
                Err(TemplateProblem::ForeignOwner { kind: kind.clone(), name: name.clone() })
            }
        }
    }
}

/// Who made this Deployment for this Server.
///
/// # Errors
/// Where it is not this Server's Deployment.
pub(crate) fn maker(deployment: &Deployment, server: &Server) -> Result<Maker, TemplateProblem> {
    Ownership::of(deployment).maker(server)
}

fn is_server(owner: &OwnerReference, server: &Server) -> bool {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    owner.kind == "Server"
        && group == Some(GROUP)
        && server.metadata.name.as_deref() == Some(&owner.name)
        // The owner of an earlier Server of the same name has another uid.
        && server.metadata.uid.as_deref() == Some(&owner.uid)
}
