//! What a Secret or a ConfigMap of a file holds, made fit for the sandbox, whose words would name no key. Pure.

use k8s_openapi::ByteString;
use serde_json::Value;

/// Where an object of a kind has its texts, and whether they are in base64.
const PLACES: [(&str, &str, bool); 4] = [
    ("Secret", "data", true),
    ("Secret", "stringData", false),
    ("ConfigMap", "data", false),
    ("ConfigMap", "binaryData", true),
];

/// Takes the line breaks out of what is in base64, as the API server does.
///
/// # Errors
/// The key whose value is no text, or not in base64, or what has no keys; never a value.
pub fn tidy(kind: &str, object: &mut Value) -> Result<(), String> {
    for (_, place, is_encoded) in PLACES.into_iter().filter(|(of_kind, ..)| *of_kind == kind) {
        let texts = match object.get_mut(place) {
            Some(Value::Object(texts)) => texts,
            None | Some(Value::Null) => continue,
            Some(_) => return Err(format!("{place}: not a map of keys and texts")),
        };
        for (key, value) in texts {
            let Value::String(text) = value else {
                return Err(format!("key {key}: not a text: put it in quotes"));
            };
            if is_encoded {
                text.retain(|char| !matches!(char, '\r' | '\n'));
                if serde_json::from_value::<ByteString>(value.clone()).is_err() {
                    let plain = if kind == "Secret" { "stringData" } else { "data" };
                    return Err(format!("key {key}: not base64: what is plain text goes into {plain}"));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_is_named_and_its_value_is_not() {
        for (kind, mut object, wanted) in [
            ("Secret", json!({"data": {"a": "eA=="}, "stringData": {"b": "hunter2!"}}), Ok(())),
            ("Secret", json!({"data": {"a": "eHh4\neHh4\r\n"}}), Ok(())),
            (
                "Secret",
                json!({"data": {"a": "eA==", "b": "hunter2!"}}),
                Err("key b: not base64: what is plain text goes into stringData"),
            ),
            (
                "ConfigMap",
                json!({"data": {"a": "!"}, "binaryData": {"b": "!"}}),
                Err("key b: not base64: what is plain text goes into data"),
            ),
            ("Secret", json!({"stringData": {"pin": 1234}}), Err("key pin: not a text: put it in quotes")),
            ("CodeSync", json!({"data": 5}), Ok(())),
            ("Secret", json!({"data": null}), Ok(())),
            ("Secret", json!({"data": ["hunter2"]}), Err("data: not a map of keys and texts")),
            ("Secret", json!({"stringData": "hunter2"}), Err("stringData: not a map of keys and texts")),
        ] {
            assert_eq!(tidy(kind, &mut object), wanted.map_err(str::to_owned), "{object}");
        }
    }
}
