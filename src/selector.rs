//! Label selectors as `kubectl --selector` takes them: `team=a`, `team!=a`, `team in (a,b)`, `team notin (a,b)`, `team`,
//! `!team`, several with commas between. Pure.

use voxsync_crds::code_sync::{LabelSelector, Requirement, RequirementOperator};

/// The longest name of a label without its prefix, and the longest value, in bytes (Kubernetes' own).
const NAME_LIMIT_BYTES: usize = 63;
/// The longest prefix of a label's name, in bytes.
const PREFIX_LIMIT_BYTES: usize = 253;

/// Reads a selector. One that selects everything is none.
pub fn parse(text: &str) -> Result<LabelSelector, String> {
    let match_expressions = parts(text).map(requirement).collect::<Result<_, _>>()?;
    Ok(LabelSelector { match_expressions, ..LabelSelector::default() })
}

/// Splits at the commas that are not in parentheses.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    text.split(move |character| {
        match character {
            '(' => is_inside = true,
            ')' => is_inside = false,
            _ => {}
        }
        character == ',' && !is_inside
    })
    .map(str::trim)
}

fn requirement(text: &str) -> Result<Requirement, String> {
    use RequirementOperator::{DoesNotExist, Exists, In, NotIn};
    let (label, operator, values) = if let Some(label) = text.strip_prefix('!') {
        (label, DoesNotExist, None)
    } else if let Some((label, value)) = text.split_once("!=") {
        (label, NotIn, Some(value))
    } else if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (label, In, Some(value))
    } else if let Some((label, set)) = text.split_once(char::is_whitespace) {
        return set_requirement(text, label, set.trim());
    } else {
        (text, Exists, None)
    };
    let values = values.map(|one| value(one.trim())).into_iter().collect::<Result<_, _>>()?;
    Ok(Requirement { key: key(label.trim())?, operator, values })
}

fn set_requirement(text: &str, label: &str, set: &str) -> Result<Requirement, String> {
    let unclear = || {
        format!(
            "{text:?} is no requirement on a label: write team=a, team!=a, team in (a,b), team notin (a,b), team or !team"
        )
    };
    let (operator, values) = set.split_once('(').ok_or_else(unclear)?;
    let operator = match operator.trim() {
        "in" => RequirementOperator::In,
        "notin" => RequirementOperator::NotIn,
        _ => return Err(unclear()),
    };
    let values = values.strip_suffix(')').ok_or_else(unclear)?;
    let values = values.split(',').map(|one| value(one.trim())).collect::<Result<_, _>>()?;
    Ok(Requirement { key: key(label)?, operator, values })
}

fn key(text: &str) -> Result<String, String> {
    let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| {
        prefix.len() <= PREFIX_LIMIT_BYTES
            && prefix
                .split('.')
                .all(|part| is_word(part, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(), b"-"))
    };
    if prefix.is_none_or(is_prefix) && is_name(name) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not the name of a label"))
}

fn value(text: &str) -> Result<String, String> {
    if text.is_empty() || is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not the value of a label"))
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT_BYTES && is_word(text, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

/// Whether it has such characters at both ends, and between them those or one of the others.
fn is_word(text: &str, is_letter: fn(u8) -> bool, others: &[u8]) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_letter))
        && text.bytes().all(|byte| is_letter(byte) || others.contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shard=a", &["shard=a"], &["", "shard=b", "other=a"])]
    #[case("shard == a", &["shard=a"], &["shard=b"])]
    #[case("shard=", &["shard="], &["", "shard=a"])]
    #[case("shard!=a", &["", "shard=b"], &["shard=a"])]
    #[case("example.com/shard in (a, b)", &["example.com/shard=a", "example.com/shard=b"], &["", "shard=a"])]
    #[case("shard notin (a,b)", &["", "shard=c"], &["shard=a", "shard=b"])]
    #[case("shard", &["shard=", "shard=a"], &["", "other=a"])]
    #[case("!shard", &["", "other=a"], &["shard=a"])]
    #[case("shard in (a,b), shard!=b,!off", &["shard=a"], &["shard=b", "shard=a off="])]
    #[case("shard=a,shard=b", &[], &["shard=a", "shard=b"])]
    fn selects(#[case] text: &str, #[case] wanted: &[&str], #[case] others: &[&str]) {
        let selector = parse(text).unwrap();
        for (labels, is_wanted) in
            wanted.iter().map(|it| (it, true)).chain(others.iter().map(|it| (it, false)))
        {
            let pairs = labels.split_whitespace().filter_map(|pair| pair.split_once('='));
            let map: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            assert_eq!(selector.selects(Some(&map)), is_wanted, "{labels:?} by {text:?}");
        }
    }

    #[rstest]
    fn refuses(
        #[values(
            "",
            ",",
            "shard=a,",
            "=a",
            "!",
            "shard in",
            "shard in (a",
            "shard in a)",
            "shard in (a)b",
            "shard between (a,b)",
            "shard>1",
            "a b",
            "-shard",
            "shard=a b",
            "shard=ä",
            "shard=a)",
            "Upper.example/shard",
            "/shard",
            "a/b/c",
            "shard in ((a))"
        )]
        text: &str,
    ) {
        assert!(parse(text).is_err(), "{:?}", parse(text));
    }

    #[test]
    fn a_value_is_no_longer_than_the_api_server_takes_it() {
        assert!(parse(&format!("shard={}", "x".repeat(63))).is_ok());
        assert!(parse(&format!("shard={}", "x".repeat(64))).is_err());
    }
}
