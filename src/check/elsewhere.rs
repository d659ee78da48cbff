//! Each Secret, ConfigMap or target that a CodeSync names and that is among the files in another namespace than its
//! own. Pure.

use std::collections::BTreeSet;

use serde_json::Value;
use voxsync_agent::CheckedTarget;
use voxsync_crds::code_sync::CodeSyncSpec;

/// Each object of the files.
#[derive(Debug, Default)]
pub struct Held {
    /// The kind, the name and the namespace of each.
    objects: BTreeSet<(String, String, String)>,
}

/// One that is in another namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub kind: &'static str,
    pub name: String,
    pub namespace: String,
}

impl Held {
    /// Notes an object of the files.
    pub fn note(&mut self, kind: &str, name: &str, namespace: &str) {
        self.objects.insert((kind.to_owned(), name.to_owned(), namespace.to_owned()));
    }

    /// What a CodeSync of a namespace names and only others have.
    pub fn elsewhere(&self, namespace: &str, spec: &CodeSyncSpec) -> Vec<Elsewhere> {
        let pull_secret = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_ref());
        let goes_elsewhere = spec.pulling_namespaces(namespace).into_iter().any(|place| place != namespace);
        let elsewhere = |(kind, name): (&'static str, String)| {
            // The pull secret belongs where the targets are, and is looked for there.
            if kind == "Secret" && Some(&name) == pull_secret && goes_elsewhere {
                return None;
            }
            let other = self.other_place(kind, &name, namespace)?.to_owned();
            Some(Elsewhere { kind, name, namespace: other })
        };
        named(spec).into_iter().filter_map(elsewhere).collect()
    }

    /// Says of a target of a CodeSync of this namespace that only another namespace has it.
    pub fn place(&self, namespace: &str, target: &mut CheckedTarget) {
        let (Some(key), Err(fault)) = (&target.key, &mut target.image) else { return };
        let kind = key.kind.as_str();
        let place = key.namespace_in(namespace);
        let other = self.other_place(kind, &key.name, place).filter(|_| fault.is_missing);
        if let Some(other) = other {
            fault.is_missing = false;
            fault.message = format!(
                "it is among the files in namespace {other} only, and the target is in {place}: correct one of the two, or \
                 name its namespace in the target (-n says where objects without a namespace are)"
            );
        }
    }

    /// Another namespace that has an object, where this one has not.
    fn other_place(&self, kind: &str, name: &str, namespace: &str) -> Option<&str> {
        let of = |object: &&(String, String, String)| object.0 == kind && object.1 == name;
        let mut places = self.objects.iter().filter(of).map(|(_, _, place)| place.as_str());
        let first = places.next()?;
        let is_here = first == namespace || places.any(|place| place == namespace);
        (!is_here).then_some(first)
    }
}

/// The Secrets and `ConfigMap`s that a spec names.
pub fn named(spec: &CodeSyncSpec) -> BTreeSet<(&'static str, String)> {
    let mut named = BTreeSet::new();
    collect(&serde_json::to_value(spec).unwrap_or_default(), &mut named);
    named
}

/// What a spec names: each field is called after what it names.
fn collect(value: &Value, named: &mut BTreeSet<(&'static str, String)>) {
    // Those of checks and notifications are in lists.
    value.as_array().into_iter().flatten().for_each(|member| collect(member, named));
    for (field, member) in value.as_object().into_iter().flatten() {
        let reference = match field.to_lowercase().as_str() {
            "imagepullsecret" => Some(("Secret", member)),
            field if field.ends_with("secretref") => member.get("name").map(|name| ("Secret", name)),
            field if field.ends_with("configmapref") => member.get("name").map(|name| ("ConfigMap", name)),
            _ => None,
        };
        if let Some((kind, name)) = reference {
            named.extend(name.as_str().map(|name| (kind, name.to_owned())));
        } else {
            collect(member, named);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_and_only_elsewhere_is_found() {
        let spec = json!({
            "source": {
                "registry": {
                    "repository": "ghcr.io/a/b", "tag": {"semver": "*"},
                    "secretRef": {"name": "login"}, "certConfigMapRef": {"name": "ca"},
                },
                "webhook": {"type": "github", "secretRef": {"name": "hook"}},
            },
            "verify": {"cosign": {"keys": {"secretRef": {"name": "keys"}}}},
            "write": {"imagePullSecret": "pull"},
            "target": {"kind": "Config", "name": "login"},
            "notifications": [{"type": "slack", "secretRef": {"name": "chat"}}],
        });
        let spec = serde_json::from_value(spec).unwrap();
        let mut held = Held::default();
        for (kind, name, namespace) in [
            ("Secret", "login", "a"),
            ("Secret", "login", "puppet"),
            ("Secret", "login", "z"),
            ("Secret", "hook", "a"),
            ("Secret", "hook", "z"),
            ("Secret", "pull", "z"),
            ("Secret", "chat", "b"),
            ("Secret", "ca", "z"),
            ("ConfigMap", "ca", "b"),
            ("ConfigMap", "keys", "b"),
            ("Secret", "unused", "b"),
        ] {
            held.note(kind, name, namespace);
        }
        let found = |kind, name: &str, namespace: &str| Elsewhere {
            kind,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        };
        let wanted = [
            found("ConfigMap", "ca", "b"),
            found("Secret", "chat", "b"),
            found("Secret", "hook", "a"),
            found("Secret", "pull", "z"),
        ];
        assert_eq!(held.elsewhere("puppet", &spec), wanted);
        // Where a target is elsewhere, its pull secret is, too.
        let mut elsewhere = spec;
        elsewhere.target.as_mut().unwrap().namespace = Some("z".to_owned());
        let found = held.elsewhere("puppet", &elsewhere);
        assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["ca", "chat", "hook"]);
    }
}
