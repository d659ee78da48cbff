//! An image that is named in parts, as other tools write it. Pure.

use serde_json::{Map, Value};

/// The keys of a repository, the one that counts first, with those of its tag: of `images` in a kustomization
/// (<https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/>), which Kargo writes, and of the
/// values of most Helm charts.
const SHAPES: [(&[&str], &str); 2] = [(&["newName", "name"], "newTag"), (&["repository"], "tag")];

/// The reference that the parts make; none where they make none.
pub(super) fn in_parts(map: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| map.get(key)?.as_str().filter(|text| !text.is_empty());
    SHAPES.into_iter().find_map(|(repositories, tag)| {
        let is_meant = map.contains_key(tag) || map.contains_key("digest");
        let mut reference = repositories.iter().find_map(|key| text(key)).filter(|_| is_meant)?.to_owned();
        for (mark, key) in [(':', tag), ('@', "digest")] {
            // A part that is there and is no text would be lost: a number, for instance, that lost its zeros.
            match map.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::String(part)) if part.is_empty() => {}
                Some(Value::String(part)) => {
                    reference.push(mark);
                    reference.push_str(part);
                }
                Some(_) => return None,
            }
        }
        Some(reference)
    })
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
    #[case(json!({"name": "h.x/a", "newTag": 1.10}), None)]
    #[case(json!({"repository": "h.x/a"}), None)]
    #[case(json!({"name": "production"}), None)]
    #[case(json!({"newTag": "v1"}), None)]
    #[case(json!({}), None)]
    fn parts(#[case] value: Value, #[case] expected: Option<&str>) {
        assert_eq!(in_parts(value.as_object().unwrap()).as_deref(), expected);
    }
}
