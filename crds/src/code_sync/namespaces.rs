//! The namespaces that a CodeSync names besides its own.

use std::collections::BTreeSet;

use super::{CodeSyncSpec, Target};

impl CodeSyncSpec {
    /// What it names in other namespaces than its own: each with the field that does.
    pub fn other_namespaces<'a>(&'a self, own: &'a str) -> impl Iterator<Item = (String, &'a str)> {
        let followed = self.source.code_sync.iter().filter_map(|source| source.namespace.as_deref());
        let followed = followed.map(|place| (None, "source.codeSync", place));
        let of_stages = self.stages.iter().flatten().flat_map(|stage| {
            let targets = stage.targets.iter().filter_map(|target| target.namespace.as_deref());
            targets.map(|place| (Some(stage.name.as_str()), "targets", place))
        });
        let target = self.target.iter().filter_map(|target| target.namespace.as_deref());
        let all = followed.chain(of_stages).chain(target.map(|place| (None, "target", place)));
        all.filter(move |(_, _, place)| *place != own).map(|(stage, field, place)| {
            let stage = stage.map_or_else(String::new, |stage| format!("stages[{stage}]."));
            (format!("{stage}{field}.namespace"), place)
        })
    }

    /// The namespaces that its targets name, one for each; its own may be among them.
    pub fn target_namespaces(&self) -> impl Iterator<Item = &str> {
        self.all_targets().filter_map(|target| target.namespace.as_deref())
    }

    /// The namespaces in which the kubelet pulls what a CodeSync of `own` deploys: those of its targets, where
    /// `write.imagePullSecret` must be.
    pub fn pulling_namespaces<'a>(&'a self, own: &'a str) -> BTreeSet<&'a str> {
        self.all_targets().map(|target| target.namespace.as_deref().unwrap_or(own)).collect()
    }

    fn all_targets(&self) -> impl Iterator<Item = &Target> {
        self.stages.iter().flatten().flat_map(|stage| &stage.targets).chain(&self.target)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_elsewhere_is_named_with_its_field() {
        let of = |namespace: &str| json!({"kind": "Config", "name": "a", "namespace": namespace});
        let spec: CodeSyncSpec = serde_json::from_value(json!({
            "source": {"codeSync": {"name": "a", "namespace": "upstream"}},
            "stages": [
                {"name": "one", "targets": [{"kind": "Config", "name": "a"}, of("dev"), of("prod")]},
                {"name": "two", "targets": [of("prod")]},
            ],
        }))
        .unwrap();
        let found: Vec<(String, &str)> = spec.other_namespaces("dev").collect();
        let wanted = [
            ("source.codeSync.namespace", "upstream"),
            ("stages[one].targets.namespace", "prod"),
            ("stages[two].targets.namespace", "prod"),
        ];
        assert_eq!(found, wanted.map(|(field, place)| (field.to_owned(), place)));
        let spec: CodeSyncSpec =
            serde_json::from_value(json!({"source": {"file": {"path": "x"}}, "target": of("prod")})).unwrap();
        let found: Vec<(String, &str)> = spec.other_namespaces("dev").collect();
        assert_eq!(found, [("target.namespace".to_owned(), "prod")]);
        assert_eq!(spec.other_namespaces("prod").count(), 0);
    }
}
