//! Kinds as tests name them.

use kube::api::{ApiResource, GroupVersionKind};

/// The group and version of a kind.
pub(super) fn api_version(kind: &str) -> &'static str {
    match kind {
        "Config" | "Server" => "openvox.voxpupuli.org/v1alpha1",
        "CodeSync" | "CodeRelease" => "voxsync.dev/v1alpha1",
        "Deployment" | "ReplicaSet" => "apps/v1",
        "Job" => "batch/v1",
        "Lease" => "coordination.k8s.io/v1",
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
        "ValidatingAdmissionPolicy" => "admissionregistration.k8s.io/v1",
        _ => "v1",
    }
}

/// What the API calls a kind.
pub(super) fn resource(kind: &str) -> ApiResource {
    let version = api_version(kind);
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// Whether objects of a kind are in a namespace.
pub(super) fn is_namespaced(kind: &str) -> bool {
    !["Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"].contains(&kind)
}
