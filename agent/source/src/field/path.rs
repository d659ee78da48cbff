//! The path of a field: `spec.code[environment=production].image`.

use serde_json::Value;

/// The most steps of a path.
const MAX_STEPS: usize = 32;

/// One step into a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Into a map.
    Key(&'a str),
    /// Into a list, by position.
    Index(usize),
    /// Into a list, to the first entry with this text under this key.
    With(&'a str, &'a str),
}

/// How far a path goes in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<'a> {
    /// How many of its steps lead somewhere.
    pub(super) depth: usize,
    /// Where the last of them leads.
    pub(super) last: &'a Value,
}

impl<'a> Walk<'a> {
    /// The value at the end of the path, if it goes that far.
    pub(super) fn found(&self, steps: &[Step<'_>]) -> Option<&'a Value> {
        (self.depth == steps.len()).then_some(self.last)
    }
}

/// The steps of a path, `None` if it is none. A dot in brackets is one of a text.
pub(super) fn parse(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (key, brackets) = rest.find(['.', '[']).map_or((rest, ""), |end| rest.split_at(end));
        // A list may stand first: `[0].image`.
        if !key.is_empty() {
            steps.push(Step::Key(key));
        } else if !brackets.starts_with('[') || !steps.is_empty() {
            return None;
        }
        rest = brackets;
        while let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']')?;
            steps.push(match inside.split_once('=') {
                Some(("", _) | (_, "")) => return None,
                Some((key, value)) => Step::With(key, value),
                None => Step::Index(inside.parse().ok()?),
            });
            rest = after;
        }
        if steps.len() > MAX_STEPS {
            return None;
        }
        if rest.is_empty() {
            return Some(steps);
        }
        rest = rest.strip_prefix('.')?;
    }
}

/// The same steps as a text again.
pub(super) fn render(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
            Step::With(key, value) => text.extend(["[", key, "=", value, "]"]),
        }
    }
    text
}

/// Goes as far as the path leads.
pub(super) fn walk<'a>(document: &'a Value, steps: &[Step<'_>]) -> Walk<'a> {
    let mut walk = Walk { depth: 0, last: document };
    for step in steps {
        let next = match step {
            Step::Key(key) => walk.last.get(key),
            Step::Index(index) => walk.last.get(index),
            Step::With(key, value) => {
                let fits = |entry: &&Value| entry.get(key).and_then(Value::as_str) == Some(*value);
                walk.last.as_array().and_then(|entries| entries.iter().find(fits))
            }
        };
        let Some(next) = next else { break };
        walk = Walk { depth: walk.depth + 1, last: next };
    }
    walk
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near_text};

    use super::*;

    #[rstest]
    #[case("image", &[Step::Key("image")])]
    #[case("spec.code.image", &[Step::Key("spec"), Step::Key("code"), Step::Key("image")])]
    #[case("a[0][12].b", &[Step::Key("a"), Step::Index(0), Step::Index(12), Step::Key("b")])]
    #[case("[1].b", &[Step::Index(1), Step::Key("b")])]
    #[case("c[environment=prod].i", &[Step::Key("c"), Step::With("environment", "prod"), Step::Key("i")])]
    #[case("images[name=ghcr.io/a/b]", &[Step::Key("images"), Step::With("name", "ghcr.io/a/b")])]
    #[case("c[mountPath=/a/b].i", &[Step::Key("c"), Step::With("mountPath", "/a/b"), Step::Key("i")])]
    fn is_a_path(#[case] path: &str, #[case] steps: &[Step<'_>]) {
        assert_eq!(parse(path).unwrap(), steps);
        assert_eq!(render(steps), path);
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("a..b")]
    #[case("a.")]
    #[case("a[")]
    #[case("a[]")]
    #[case("a[x]")]
    #[case("a[-1]")]
    #[case("a[0]b")]
    #[case("a.[0]")]
    #[case("a[=b]")]
    #[case("a[b=]")]
    fn is_no_path(#[case] path: &str) {
        assert_eq!(parse(path), None);
    }

    #[test]
    fn a_path_has_a_length() {
        assert!(parse(&vec!["a"; MAX_STEPS].join(".")).is_some());
        assert!(parse(&vec!["a"; MAX_STEPS + 1].join(".")).is_none());
    }

    #[test]
    fn fuzz_path_of_a_field() {
        let samples = [
            "spec.code[environment=production].image",
            "[1].b[0][12].c",
            "images[name=ghcr.io/a/b:1]",
            "a.b",
        ];
        let document = serde_json::json!([{"b": [[1]]}, {"b": {"c": [{"name": "x"}]}}]);
        fuzz(near_text(samples), |text| {
            let Some(steps) = parse(&text) else { return false };
            assert!(steps.len() <= MAX_STEPS && walk(&document, &steps).depth <= steps.len());
            assert_eq!(parse(&render(&steps)).unwrap(), steps);
            true
        });
    }
}
