//! Label and field selectors, as requests give them.
//!
//! Pure.

use serde_json::Value;

use crate::{json, refusal::Refusal};

/// One condition on labels.
#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In { key: String, values: Vec<String> },
    NotIn { key: String, values: Vec<String> },
    Exists { key: String },
    Absent { key: String },
    Above { key: String, bound: i64 },
    Below { key: String, bound: i64 },
}

/// What a list or watch is restricted to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    /// JSON pointer, wanted value, whether it must be equal.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    pub(crate) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        Ok(Self {
            labels: parse_labels(labels.unwrap_or_default())?,
            fields: parse_fields(fields.unwrap_or_default())?,
        })
    }

    /// The selector of a Deployment or `ReplicaSet`.
    pub(crate) fn of_workload(selector: &Value) -> Self {
        let mut labels: Vec<Requirement> = selector
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement::In {
                key: key.clone(),
                values: vec![value.as_str().unwrap_or_default().to_owned()],
            })
            .collect();
        labels.extend(json::list(selector, "/matchExpressions").iter().map(|expression| {
            let key = json::text(expression, "/key").unwrap_or_default().to_owned();
            let values = json::list(expression, "/values")
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect();
            match json::text(expression, "/operator") {
                Some("In") => Requirement::In { key, values },
                Some("NotIn") => Requirement::NotIn { key, values },
                Some("Exists") => Requirement::Exists { key },
                _ => Requirement::Absent { key },
            }
        }));
        Self { labels, fields: Vec::new() }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|requirement| requirement.holds(label))
            && self.fields.iter().all(|(pointer, wanted, equal)| {
                let found = object.pointer(pointer).map_or_else(String::new, |value| {
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                });
                (found == *wanted) == *equal
            })
    }
}

impl Requirement {
    fn holds<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let among = |values: &[String], value: &str| values.iter().any(|wanted| wanted == value);
        match self {
            Self::In { key, values } => label(key).is_some_and(|value| among(values, value)),
            Self::NotIn { key, values } => label(key).is_none_or(|value| !among(values, value)),
            Self::Exists { key } => label(key).is_some(),
            Self::Absent { key } => label(key).is_none(),
            Self::Above { key, bound } => {
                label(key).and_then(|value| value.parse().ok()).is_some_and(|value: i64| value > *bound)
            }
            Self::Below { key, bound } => {
                label(key).and_then(|value| value.parse().ok()).is_some_and(|value: i64| value < *bound)
            }
        }
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Refusal> {
    outside_parentheses(text).into_iter().map(requirement).collect()
}

/// Splits at commas that are not inside parentheses.
fn outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        character == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, Refusal> {
    let refused = || Refusal::bad_request(format!("unable to parse requirement: {text}"));
    let key = |key: &str| {
        let key = key.trim();
        let readable = !key.is_empty() && !key.contains(|character: char| " !=<>()".contains(character));
        readable.then(|| key.to_owned()).ok_or_else(refused)
    };
    let number = |value: &str| value.trim().parse().map_err(|_| refused());
    let single = |value: &str| vec![value.trim().to_owned()];
    if let Some(rest) = text.strip_suffix(')') {
        let (head, values) = rest.split_once('(').ok_or_else(refused)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let head = head.trim();
        return match (head.strip_suffix(" notin"), head.strip_suffix(" in")) {
            (Some(name), _) => Ok(Requirement::NotIn { key: key(name)?, values }),
            (None, Some(name)) => Ok(Requirement::In { key: key(name)?, values }),
            (None, None) => Err(refused()),
        };
    }
    if let Some((name, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn { key: key(name)?, values: single(value) });
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In { key: key(name)?, values: single(value) });
    }
    if let Some((name, value)) = text.split_once('>') {
        return Ok(Requirement::Above { key: key(name)?, bound: number(value)? });
    }
    if let Some((name, value)) = text.split_once('<') {
        return Ok(Requirement::Below { key: key(name)?, bound: number(value)? });
    }
    match text.strip_prefix('!') {
        Some(name) => Ok(Requirement::Absent { key: key(name)? }),
        None => Ok(Requirement::Exists { key: key(text)? }),
    }
}

fn parse_fields(text: &str) -> Result<Vec<(String, String, bool)>, Refusal> {
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (name, value, equal) = part
                .split_once("!=")
                .map(|(name, value)| (name, value, false))
                .or_else(|| part.split_once("==").map(|(name, value)| (name, value, true)))
                .or_else(|| part.split_once('=').map(|(name, value)| (name, value, true)))
                .ok_or_else(|| {
                    Refusal::bad_request(format!("invalid field selector: {part:?}; can't understand it"))
                })?;
            // The events of `events.k8s.io` are selected by the same field under its other name.
            let stored = name.trim().replace("regarding.", "involvedObject.");
            Ok((format!("/{}", stored.replace('.', "/")), value.trim().to_owned(), equal))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("app=web", true)]
    #[case("app==web", true)]
    #[case("app!=web", false)]
    #[case("tier!=front", true)]
    #[case("app in (web, api)", true)]
    #[case("app notin (web,api)", false)]
    #[case("tier notin (web)", true)]
    #[case("app", true)]
    #[case("!app", false)]
    #[case("!tier", true)]
    #[case("weight>3", true)]
    #[case("weight<3", false)]
    #[case("app=web,weight>9", false)]
    #[case("app in (web),!tier", true)]
    #[case("", true)]
    fn labels(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"app": "web", "weight": "4"}}});
        assert_eq!(Selector::parse(Some(text), None).unwrap().matches(&object), expected);
    }

    #[rstest]
    #[case("metadata.name=a", true)]
    #[case("metadata.name!=a", false)]
    #[case("involvedObject.kind=Pod,metadata.namespace=n", true)]
    #[case("regarding.kind==Pod", true)]
    #[case("status.phase=Running", false)]
    fn fields(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"name": "a", "namespace": "n"}, "involvedObject": {"kind": "Pod"}});
        assert_eq!(Selector::parse(None, Some(text)).unwrap().matches(&object), expected);
    }

    #[rstest]
    #[case("a b=c")]
    #[case("a in b)")]
    #[case("a>b")]
    fn refused(#[case] text: &str) {
        assert_eq!(Selector::parse(Some(text), None).unwrap_err().code, 400);
    }
}
