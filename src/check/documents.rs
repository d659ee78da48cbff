//! The objects in the text of a file. Pure.

use anyhow::anyhow;
use serde_json::Value;
use serde_saphyr::Error;

/// How much a file may hold.
const DOCUMENTS_LIMIT: usize = 1_024;
const VALUES_LIMIT: usize = 250_000;
const LEVELS_LIMIT: usize = 64;

/// All objects of a YAML stream; of a List, those that are in it.
///
/// # Errors
/// Where in the text it is no YAML, and why; or that it is too much. A line of it is never shown: it may hold a password.
pub fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_LIMIT, max_nodes: VALUES_LIMIT, max_depth: LEVELS_LIMIT,
        },
        with_snippet: false,
    };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| unreadable(&error))?;
    Ok(documents.into_iter().flat_map(members).collect())
}

fn unreadable(error: &Error) -> anyhow::Error {
    match error {
        // Of what an alias repeats, the reader says nothing but this.
        Error::Budget { .. } | Error::AliasError { .. } => anyhow!(
            "it has more than {DOCUMENTS_LIMIT} documents, {VALUES_LIMIT} values or {LEVELS_LIMIT} levels, or its aliases \
             repeat too much: check fewer objects at once"
        ),
        Error::DuplicateMappingKey { key: Some(key), location } => {
            anyhow!("line {}: {key} is there twice", location.line())
        }
        Error::NonFiniteFloat { location, .. } => {
            anyhow!("line {}: a number that is too large: put it in quotes, if it is a text", location.line())
        }
        other => anyhow!("it is not YAML: {other}"),
    }
}

/// The objects of a document: those of a List, or else itself.
fn members(mut document: Value) -> Vec<Value> {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ => vec![document],
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Ten times ten times … a value.
    fn bomb() -> String {
        let levels = ('b'..='j').zip('a'..).map(|(level, below)| {
            let repeated = vec![format!("*{below}"); 10].join(",");
            format!("{level}: &{level} [{repeated}]\n")
        });
        format!("a: &a [x,x,x,x,x,x,x,x,x,x]\n{}", levels.collect::<String>())
    }

    #[rstest]
    #[case::documents(&"kind: A\n---\n".repeat(100_000), "check fewer objects at once")]
    #[case::aliases(&bomb(), "check fewer objects at once")]
    #[case::levels(&format!("a: {}{}", "[".repeat(100), "]".repeat(100)), "check fewer objects at once")]
    #[case::more_levels(&"[".repeat(1_000_000), "it is not YAML: ")]
    #[case::twice("data:\n  password: hunter2\n  password: hunter2", "line 3: password is there twice")]
    #[case::no_yaml("data:\n  password: 'hunter2\n", "it is not YAML: ")]
    #[case::a_token_like_a_number("data:\n  password: 72e8411907", "line 2: a number that is too large")]
    #[case::tabs("data:\n\tpassword: hunter2\n", "it is not YAML: ")]
    #[case::of_a_type("data: {password: !!int hunter2}", "it is not YAML: ")]
    #[case::of_a_second_value("password: \"hunter2\"hunter2", "it is not YAML: ")]
    #[case::without_a_colon("data:\n  password: a\n  hunter2\n  b: c", "it is not YAML: ")]
    fn what_is_not_read_is_said_without_what_is_in_it(#[case] text: &str, #[case] wanted: &str) {
        let said = objects(text).unwrap_err().to_string();
        assert!(said.contains(wanted) && !said.contains("hunter2") && !said.contains("72e84"), "{said}");
        assert!(!said.contains("Options") && said.lines().count() == 1, "{said}");
    }
}
