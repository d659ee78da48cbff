//! The two kinds, with the few fields that voxsync reads.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Code;

/// The operator's API group.
pub const GROUP: &str = "openvox.voxpupuli.org";
/// The version of it that voxsync reads and writes.
pub const VERSION: &str = "v1alpha1";
/// Where the code is mounted if a Config does not say.
pub const DEFAULT_ENVIRONMENT_PATH: &str = "/etc/puppetlabs/code/environments";
/// Set to `"true"` on a Config or Server by people: newer operators, and voxsync, then leave it alone.
pub const PAUSED_ANNOTATION: &str = "openvox.voxpupuli.org/paused";

/// What a Config says that voxsync reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigSpec {
    /// The code of all Servers of this Config that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Puppet's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puppet: Option<PuppetSpec>,
    /// Everything else, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Puppet's settings that voxsync reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PuppetSpec {
    /// Where the environments are inside the server container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_path: Option<String>,
    /// Everything else, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a Server says that voxsync reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// The name of its Config, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_ref: Option<String>,
    /// Code of its own, which replaces the Config's as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Whether it is a certificate authority: then every restart is an outage of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<bool>,
    /// Whether it compiles catalogs, and so has code (default: yes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<bool>,
    /// Everything else, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ConfigSpec {
    /// Where the environments are inside the server container.
    pub fn environment_path(&self) -> &str {
        self.puppet
            .as_ref()
            .and_then(|puppet| puppet.environment_path.as_deref())
            .filter(|path| !path.is_empty())
            .unwrap_or(DEFAULT_ENVIRONMENT_PATH)
    }
}

impl ServerSpec {
    /// Whether it compiles catalogs, and so has code.
    pub fn serves_code(&self) -> bool {
        self.server.unwrap_or(true)
    }

    /// Whether it is a certificate authority.
    pub fn is_ca(&self) -> bool {
        self.ca.unwrap_or(false)
    }
}

macro_rules! openvox_kind {
    ($kind:ident, $spec:ident, $plural:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $kind {
            /// Always the operator's group and version.
            #[serde(default = "api_version")]
            pub api_version: String,
            /// The kind's name; lists leave it out of their items.
            #[serde(default)]
            pub kind: String,
            /// Name, namespace, annotations and so on.
            pub metadata: ObjectMeta,
            /// What is wanted.
            #[serde(default)]
            pub spec: $spec,
            /// Everything else (the status), kept as it is.
            #[serde(flatten)]
            pub other: Map<String, Value>,
        }

        impl $kind {
            /// Whether a person asked every tool to leave this object alone.
            pub fn is_paused(&self) -> bool {
                let annotations = self.metadata.annotations.as_ref();
                annotations.and_then(|all| all.get(PAUSED_ANNOTATION)).is_some_and(|value| value == "true")
            }
        }

        impl kube::Resource for $kind {
            type DynamicType = ();
            type Scope = kube::core::NamespaceResourceScope;

            fn kind(_: &()) -> Cow<'_, str> {
                stringify!($kind).into()
            }
            fn group(_: &()) -> Cow<'_, str> {
                GROUP.into()
            }
            fn version(_: &()) -> Cow<'_, str> {
                VERSION.into()
            }
            fn plural(_: &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

openvox_kind!(Config, ConfigSpec, "configs", "Settings, among them the code, that several Servers share.");
openvox_kind!(Server, ServerSpec, "servers", "A group of equal OpenVox server pods: one Deployment.");

fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_every_field_it_does_not_know() {
        let value = json!({
            "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server",
            "metadata": {"name": "stable", "namespace": "openvox"},
            "spec": {"configRef": "production", "certificateRef": "c", "replicas": 2, "server": true, "new": {"a": [1, null]}},
            "status": {"phase": "Running"}, "later": 1,
        });
        let server: Server = serde_json::from_value(value.clone()).unwrap();
        assert!(server.spec.serves_code() && !server.spec.is_ca());
        assert_eq!(serde_json::to_value(server).unwrap(), value);
    }

    #[test]
    fn has_the_operators_default_for_the_environment_path() {
        for (puppet, wanted) in [
            (json!({}), DEFAULT_ENVIRONMENT_PATH),
            (json!({"puppet": {"environmentPath": ""}}), DEFAULT_ENVIRONMENT_PATH),
            (json!({"puppet": {"environmentPath": "/code"}}), "/code"),
        ] {
            let spec: ConfigSpec = serde_json::from_value(puppet).unwrap();
            assert_eq!(spec.environment_path(), wanted);
        }
    }
}
