//! The part of Kubernetes' `JSONPath` that printer columns use: members, indices, `[*]`, and equality filters.
//!
//! Pure.

use serde_json::Value;

/// A parsed path, as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Member(String),
    Index(usize),
    All,
    Filter { path: JsonPath, literal: Value, equal: bool },
}

/// A path that is outside the subset.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "cannot read the JSONPath {path:?}: {why}; the sandbox knows members, indices, [*] and filters as [?(@.a==\"b\")]"
)]
pub(crate) struct JsonPathError {
    path: String,
    why: &'static str,
}

impl JsonPath {
    pub(crate) fn parse(path: &str) -> Result<Self, JsonPathError> {
        let trimmed = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
        steps(trimmed).map(|steps| Self { steps }).map_err(|why| JsonPathError { path: path.to_owned(), why })
    }

    /// Everything in the value that the path leads to.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.steps
            .iter()
            .fold(vec![value], |found, step| found.into_iter().flat_map(|value| step.follow(value)).collect())
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Member(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => value.get(*index).into_iter().collect(),
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(members) => members.values().collect(),
                _ => Vec::new(),
            },
            Self::Filter { path, literal, equal } => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| (path.find(item).first() == Some(&literal)) == *equal)
                .collect(),
        }
    }
}

fn steps(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = closing_bracket(after).ok_or("a bracket is not closed")?;
            let (inside, after) = after.split_at(end);
            steps.push(bracket(inside.trim())?);
            rest = after.strip_prefix(']').unwrap_or(after);
        } else {
            let (name, after) = member(rest.strip_prefix('.').unwrap_or(rest));
            if name == "*" {
                steps.push(Step::All);
            } else if !name.is_empty() {
                steps.push(Step::Member(name));
            } else if !after.starts_with('[') && !after.is_empty() {
                return Err("a member has no name");
            }
            rest = after;
        }
    }
    Ok(steps)
}

/// A member's name up to the next `.` or `[`; a backslash takes the next character as it is.
fn member(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = path.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '.' | '[' => return (name, path.get(position..).unwrap_or_default()),
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name, "")
}

fn closing_bracket(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    for (position, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(position),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Result<Step, &'static str> {
    if inside == "*" {
        return Ok(Step::All);
    }
    if let Ok(index) = inside.parse() {
        return Ok(Step::Index(index));
    }
    if let Value::String(name) = literal(inside) {
        return Ok(Step::Member(name));
    }
    let filter = inside
        .strip_prefix("?(")
        .and_then(|filter| filter.strip_suffix(')'))
        .ok_or("the bracket is neither an index, a name, * nor a filter")?;
    let (left, right, equal) = filter
        .split_once("==")
        .map(|(left, right)| (left, right, true))
        .or_else(|| filter.split_once("!=").map(|(left, right)| (left, right, false)))
        .ok_or("the filter is neither == nor !=")?;
    let path = left.trim().strip_prefix('@').ok_or("the left side of the filter does not start with @")?;
    Ok(Step::Filter { path: JsonPath { steps: steps(path)? }, literal: literal(right.trim()), equal })
}

/// A quoted string, or a JSON literal; `null` for what is neither.
fn literal(text: &str) -> Value {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Value::String(inside.to_owned());
        }
    }
    serde_json::from_str(text).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(".spec.image", json!(["a"]))]
    #[case("{.spec.image}", json!(["a"]))]
    #[case(".spec['image']", json!(["a"]))]
    #[case(".status.conditions[?(@.type==\"Ready\")].status", json!(["True"]))]
    #[case(".status.conditions[?(@.type=='Ready')].status", json!(["True"]))]
    #[case(".status.conditions[?(@.type!=\"Ready\")].status", json!(["False"]))]
    #[case(".status.conditions[*].type", json!(["Ready", "Held"]))]
    #[case(".status.conditions[1].type", json!(["Held"]))]
    #[case(".metadata.annotations.voxsync\\.dev/applied", json!(["yes"]))]
    #[case(".spec.nothing.there", json!([]))]
    fn finds(#[case] path: &str, #[case] expected: Value) {
        let object = json!({
            "metadata": {"annotations": {"voxsync.dev/applied": "yes"}},
            "spec": {"image": "a"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Held", "status": "False"}]},
        });
        let path = JsonPath::parse(path).unwrap();
        assert_eq!(json!(path.find(&object)), expected);
    }

    #[rstest]
    #[case(".a[")]
    #[case(".a[?(b==1)]")]
    #[case(".a[?(@.b>1)]")]
    #[case(".a[b c]")]
    fn refuses(#[case] path: &str) {
        assert!(JsonPath::parse(path).is_err());
    }
}
