//! Names that reach the API server as part of an address: what is none would mean something else there.

/// The longest name of an object, in characters.
const NAME_LIMIT_CHARACTERS: usize = 253;
/// The longest name of a namespace, in characters.
const LABEL_LIMIT_CHARACTERS: usize = 63;

/// The name of an object, as Kubernetes has them (RFC 1123: a subdomain).
pub fn name(text: &str) -> Result<String, String> {
    checked(text, "a name", NAME_LIMIT_CHARACTERS, |text| text.split('.').all(is_label))
}

/// The name of a namespace (RFC 1123: a label).
pub fn namespace(text: &str) -> Result<String, String> {
    checked(text, "a namespace", LABEL_LIMIT_CHARACTERS, is_label)
}

/// What can be a part of an object's name.
pub fn label(text: &str) -> Result<String, String> {
    checked(text, "this", LABEL_LIMIT_CHARACTERS, is_label)
}

fn checked(text: &str, what: &str, limit: usize, is_right: impl Fn(&str) -> bool) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("{what} has at least one character: is a variable of your shell unset?"));
    }
    if text.len() > limit {
        return Err(format!("{what} has at most {limit} characters"));
    }
    if !is_right(text) {
        let is_of_object = limit == NAME_LIMIT_CHARACTERS;
        let dots = if is_of_object { ", '-' and '.'" } else { " and '-'" };
        let hint = if is_of_object && text.contains('/') { "; its namespace is given by -n" } else { "" };
        return Err(format!(
            "{what} has lower-case letters, digits{dots}, and begins and ends with a letter or a digit{hint}"
        ));
    }
    Ok(text.to_owned())
}

fn is_label(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use rstest::rstest;

    use super::*;
    use crate::arguments::Arguments;

    /// What is said of the arguments, if anything is.
    fn said(arguments: &[&str]) -> Option<String> {
        let all = std::iter::once(&"voxsync").chain(arguments);
        Arguments::try_parse_from(all).err().map(|error| error.to_string())
    }

    const VERBS: [&[&str]; 12] = [
        &["status"],
        &["plan"],
        &["check"],
        &["wait"],
        &["reconcile"],
        &["approve"],
        &["rollback"],
        &["resume"],
        &["suspend"],
        &["promote", "--reason", "a", "v1"],
        &["release-quarantine", "--", "v1"],
        &["simulate", "-f", "a", "-t", "b"],
    ];

    /// A verb about this CodeSync, in this namespace.
    fn about(verb: &[&str], name: &str, namespace: &str) -> Option<String> {
        let (verb, rest) = verb.split_first().unwrap();
        let (last, options) = rest.split_last().map_or((None, rest), |(last, rest)| (Some(*last), rest));
        let is_option = options.last().is_some_and(|option| option.starts_with('-') && *option != "--");
        let (before, after) = if is_option { (last, None) } else { (None, last) };
        let names = [Some(*verb), Some("-n"), Some(namespace)];
        let all =
            names.into_iter().chain(options.iter().copied().map(Some)).chain([before, Some(name), after]);
        said(&all.flatten().collect::<Vec<_>>())
    }

    #[test]
    fn what_is_part_of_an_address_is_a_name_in_every_verb() {
        for verb in VERBS {
            for name in ["production", "a", "a.b-c.9", &"a".repeat(253)] {
                assert_eq!(about(verb, name, "puppet"), None, "{verb:?}");
            }
            for name in
                ["production/status", "production#x", "production?dryRun=All", "../x", "a..b", ".", "A", "ä"]
            {
                let said = about(verb, name, "puppet").unwrap_or_else(|| panic!("{verb:?} takes {name:?}"));
                assert!(said.contains("a name has lower-case letters, digits, '-' and '.'"), "{said}");
            }
            let said = about(verb, "production", "puppet/codesyncs/production#").unwrap();
            assert!(said.contains("a namespace has lower-case letters, digits and '-'"), "{said}");
        }
    }

    #[test]
    fn names_of_shards_fit_into_names_of_leases() {
        assert!(label("north-1").is_ok());
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(64)] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }

    #[rstest]
    #[case(&["status", ""], "is a variable of your shell unset?")]
    #[case(&["status", "-n", "", "production"], "is a variable of your shell unset?")]
    #[case(&["audit", "-n", "a.b"], "a namespace has lower-case letters")]
    #[case(&["resume", "puppet/production"], "its namespace is given by -n")]
    #[case(&["status", "-n", &"a".repeat(64)], "at most 63 characters")]
    fn it_is_said_what_is_wrong(#[case] arguments: &[&str], #[case] wanted: &str) {
        let said = said(arguments).unwrap();
        assert!(said.contains(wanted), "{said}");
    }
}
