//! What an API server says of an object that it refuses, in words for people. Pure.

use serde::de::IgnoredAny;

/// How the API server says that it did not go on after what else it says.
const NOTHING_NEW: &str = "some validation rules were not checked because the object was invalid";
/// What stands before the fields that there are not.
const UNKNOWN_FIELDS: &str = "strict decoding error: ";
const UNKNOWN_FIELD: &str = "unknown field ";

/// What is wrong, one a row: the field, and what it should be. What only follows from the rest is left out.
pub fn plain(causes: &[String]) -> Vec<String> {
    causes.iter().filter(|cause| !cause.contains(NOTHING_NEW)).flat_map(|cause| rows(cause)).collect()
}

fn rows(cause: &str) -> Vec<String> {
    if let Some((_, fields)) = cause.split_once(UNKNOWN_FIELDS) {
        let names = fields.split(UNKNOWN_FIELD).map(|field| field.trim_matches(['"', ',', ' ']));
        let rows =
            names.filter(|name| !name.is_empty()).map(|name| format!("{name}: there is no such field"));
        return rows.collect();
    }
    let row = cause.split_once(": ").map(|(field, said)| format!("{field}: {}", about(field, said)));
    vec![row.unwrap_or_else(|| cause.to_owned())]
}

/// What is said of a field.
fn about(field: &str, said: &str) -> String {
    if let Some(rest) = said.strip_prefix("Unsupported value: ")
        && let Some((value, supported)) = rest.split_once(": supported values: ")
    {
        return format!("{value} is none of {}", supported.replace('"', ""));
    }
    if said == "Required value" {
        return "is missing".to_owned();
    }
    let Some(detail) = said.strip_prefix("Invalid value: ").and_then(after_value) else {
        return said.to_owned();
    };
    let detail = detail.strip_prefix(field).and_then(|rest| rest.strip_prefix(" in body ")).unwrap_or(detail);
    match detail.strip_prefix("must be of type ").and_then(|types| types.split_once(": ")) {
        Some((wanted, found)) => format!("must be of type {wanted}, not {}", found.trim_matches('"')),
        None => detail.to_owned(),
    }
}

/// What follows the value, which is JSON and may hold anything.
fn after_value(text: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    text.get(values.byte_offset()..)?.strip_prefix(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_api_server_are_said_plainly() {
        for (said, wanted) in [
            (
                r#"spec.source.webhook.type: Unsupported value: "githubb": supported values: "github", "gitlab""#,
                vec![r#"spec.source.webhook.type: "githubb" is none of github, gitlab"#],
            ),
            (
                r#"spec.stages: Invalid value: "integer": spec.stages in body must be of type array: "integer""#,
                vec!["spec.stages: must be of type array, not integer"],
            ),
            (
                r#"spec.pin.reference: Invalid value: "a: \"b": spec.pin.reference in body should match '^c: $'"#,
                vec!["spec.pin.reference: should match '^c: $'"],
            ),
            (
                r#"spec.source: Invalid value: "object": give exactly one of registry, git, file and codeSync"#,
                vec!["spec.source: give exactly one of registry, git, file and codeSync"],
            ),
            ("spec.source: Required value", vec!["spec.source: is missing"]),
            (
                "spec.stages: Too many: 20: must have at most 16 items",
                vec!["spec.stages: Too many: 20: must have at most 16 items"],
            ),
            (
                r#"CodeSync in version "v1" cannot be handled as a CodeSync: strict decoding error: unknown field "spec.a", unknown field "spec.b""#,
                vec!["spec.a: there is no such field", "spec.b: there is no such field"],
            ),
            (
                r#"<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct"#,
                vec![],
            ),
            ("odd", vec!["odd"]),
        ] {
            assert_eq!(plain(&[said.to_owned()]), wanted);
        }
    }
}
