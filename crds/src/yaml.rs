//! The CustomResourceDefinitions as YAML: what `voxsync crds` prints and `crds/yaml` holds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

use crate::{CodeRelease, CodeSync};

/// Our CustomResourceDefinitions, with the names of their files in `crds/yaml`.
pub fn definitions() -> [(&'static str, CustomResourceDefinition); 2] {
    [("codesyncs.yaml", CodeSync::crd()), ("codereleases.yaml", CodeRelease::crd())]
}

/// A definition as YAML text.
///
/// # Errors
/// Where it cannot be serialised, which a test excludes.
pub fn to_yaml(definition: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(definition)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_YAML=1 cargo test -p voxsync-crds` writes them anew.
    #[test]
    fn files_are_in_step_with_the_types() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
        for (name, definition) in definitions() {
            let wanted = to_yaml(&definition).unwrap();
            let path = folder.join(name);
            if option_env!("UPDATE_YAML").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &wanted).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(found, wanted, "{}: UPDATE_YAML=1 cargo test -p voxsync-crds", path.display());
        }
    }
}
