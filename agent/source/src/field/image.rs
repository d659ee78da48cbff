//! An image that is named in parts, as other tools write it. Pure.

use serde_json::{Map, Value};

/// The keys that name an image in parts.
struct Shape {
    /// The host, where it stands apart.
    registry: Option<&'static str>,
    /// The repository, the one that counts first.
    repositories: &'static [&'static str],
    tag: &'static str,
}

const DIGEST: &str = "digest";

/// Of `images` in a kustomization
/// (<https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/>), which Kargo writes, and of the
/// values of most Helm charts, in which the host may stand apart.
const SHAPES: [Shape; 2] = [
    Shape { registry: None, repositories: &["newName", "name"], tag: "newTag" },
    Shape { registry: Some("registry"), repositories: &["repository"], tag: "tag" },
];

/// Why parts that name an image make no reference.
#[derive(Debug, PartialEq)]
pub(super) enum PartsProblem<'m> {
    /// This key has something else than a text, which would be lost: a number, for instance, that lost its zeros.
    NotText(&'static str, &'m Value),
    /// There is this key, but none of these two.
    OnlyRepository(&'static str, [&'static str; 2]),
}

/// The reference that the parts make; none where the map does not name an image.
pub(super) fn in_parts(map: &Map<String, Value>) -> Result<Option<String>, PartsProblem<'_>> {
    for shape in &SHAPES {
        let Some(repository) = shape.repository(map)? else { continue };
        let host = shape.registry.map(|key| text(map, key)).transpose()?.flatten();
        let mut reference = host.map(|host| format!("{host}/")).unwrap_or_default();
        reference.push_str(repository);
        for (mark, key) in [(':', shape.tag), ('@', DIGEST)] {
            if let Some(part) = text(map, key)? {
                reference.push(mark);
                reference.push_str(part);
            }
        }
        return Ok(Some(reference));
    }
    Ok(None)
}

impl Shape {
    fn repository<'m>(&self, map: &'m Map<String, Value>) -> Result<Option<&'m str>, PartsProblem<'m>> {
        let names_image = [self.tag, DIGEST].into_iter().any(|key| map.contains_key(key));
        for key in self.repositories {
            match text(map, key)? {
                Some(repository) if names_image => return Ok(Some(repository)),
                // Many things have a `name`.
                Some(_) if *key != "name" => {
                    return Err(PartsProblem::OnlyRepository(key, [self.tag, DIGEST]));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

fn text<'m>(map: &'m Map<String, Value>, key: &'static str) -> Result<Option<&'m str>, PartsProblem<'m>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(PartsProblem::NotText(key, other)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"name": "h.x/a", "newTag": "v1"}), Some("h.x/a:v1"))]
    #[case(json!({"name": "code", "newName": "h.x/a", "newTag": "v1"}), Some("h.x/a:v1"))]
    #[case(json!({"name": "h.x/a", "digest": "sha256:0"}), Some("h.x/a@sha256:0"))]
    #[case(json!({"name": "h.x/a", "newTag": "v1", "digest": "sha256:0"}), Some("h.x/a:v1@sha256:0"))]
    #[case(json!({"repository": "h.x/a", "tag": "v1", "pullPolicy": "Always"}), Some("h.x/a:v1"))]
    #[case(json!({"repository": "h.x/a", "tag": "v1", "digest": ""}), Some("h.x/a:v1"))]
    #[case(json!({"registry": "h.x:5000", "repository": "b/a", "tag": "v1"}), Some("h.x:5000/b/a:v1"))]
    #[case(json!({"registry": "", "repository": "h.x/a", "tag": "v1"}), Some("h.x/a:v1"))]
    #[case(json!({"name": "production"}), None)]
    #[case(json!({"newTag": "v1"}), None)]
    #[case(json!({}), None)]
    fn parts(#[case] value: Value, #[case] expected: Option<&str>) {
        assert_eq!(in_parts(value.as_object().unwrap()), Ok(expected.map(str::to_owned)));
    }

    #[rstest]
    #[case(json!({"name": "h.x/a", "newTag": 1.10}), PartsProblem::NotText("newTag", &json!(1.10)))]
    #[case(json!({"registry": 5, "repository": "a", "tag": "v1"}), PartsProblem::NotText("registry", &json!(5)))]
    #[case(json!({"registry": "h.x", "repository": "a"}), PartsProblem::OnlyRepository("repository", ["tag", "digest"]))]
    #[case(json!({"name": "a", "newName": "h.x/a"}), PartsProblem::OnlyRepository("newName", ["newTag", "digest"]))]
    fn parts_that_make_no_reference(#[case] value: Value, #[case] expected: PartsProblem<'_>) {
        assert_eq!(in_parts(value.as_object().unwrap()), Err(expected));
    }
}
