//! A policy with the parts that the command line gives: those of a CodeSync are replaced one by one, what is not given
//! stays. Pure.

use anyhow::bail;
use voxsync_crds::code_sync::{NewestBuild, Ordered, RegistrySource, Select, TagRule};

use crate::arguments::{PolicyArguments, SelectArgument};

/// The source with the parts of its policy replaced that are given.
pub fn tried(source: &RegistrySource, given: &PolicyArguments) -> anyhow::Result<RegistrySource> {
    let mut source = source.clone();
    if given.has_rule() {
        source.tag = TagRule {
            semver: given.semver.clone(),
            calver: given.calver.clone(),
            numerical: given.numerical.then(Ordered::default),
            alphabetical: given.alphabetical.then(Ordered::default),
            newest_build: given.newest_build.then_some(NewestBuild {}),
            follow: given.follow.clone(),
        };
        // What is followed now is one tag as it is: patterns that were for others say nothing about it.
        if given.follow.is_some() {
            (source.matching, source.ignore) = (None, Vec::new());
        }
    }
    if let Some(select) = given.select {
        let select = match select {
            SelectArgument::Highest => Select::Highest,
            SelectArgument::Lowest => Select::Lowest,
        };
        let TagRule { numerical, alphabetical, .. } = &mut source.tag;
        match numerical.as_mut().or(alphabetical.as_mut()) {
            Some(ordered) => ordered.select = Some(select),
            None if select == Select::Lowest => {
                bail!("--select lowest is for numerical and alphabetical: other rules have only one end")
            }
            None => {}
        }
    }
    if given.matching.is_some() {
        source.matching.clone_from(&given.matching);
    }
    if !given.ignore.is_empty() {
        source.ignore.clone_from(&given.ignore);
    }
    Ok(source)
}

/// What is given, but for the rule, as people read it behind that.
pub fn parts(given: &PolicyArguments) -> String {
    let matching = given.matching.iter().map(|pattern| format!(", match {pattern}"));
    let ignore = given.ignore.iter().map(|pattern| format!(", ignore {pattern}"));
    let age = given.minimum_age.iter().map(|age| format!(", minimumAge {}", age.0));
    matching.chain(ignore).chain(age).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn given(arguments: &[&str]) -> PolicyArguments {
        let Verb::Tags(options) =
            Arguments::parse_from([&["voxsync", "tags", "production"], arguments].concat()).verb
        else {
            panic!("another verb")
        };
        options.policy
    }

    /// The policy of the CodeSync, what is given, and what is tried.
    #[rstest]
    #[case::nothing(json!({"tag": {"semver": "1.x"}, "match": "^v"}), &[], json!({"tag": {"semver": "1.x"}, "match": "^v"}))]
    #[case::another_match(
        json!({"tag": {"semver": "1.x"}, "match": "^v", "ignore": ["-rc"]}), &["--match", "^r"],
        json!({"tag": {"semver": "1.x"}, "match": "^r", "ignore": ["-rc"]})
    )]
    #[case::other_ignores(
        json!({"tag": {"semver": "1.x"}, "match": "^v", "ignore": ["-rc"]}), &["--ignore", "a", "--ignore", "b"],
        json!({"tag": {"semver": "1.x"}, "match": "^v", "ignore": ["a", "b"]})
    )]
    #[case::another_range(
        json!({"tag": {"semver": "1.x"}, "match": "^v", "ignore": ["-rc"]}), &["--semver", "2.x"],
        json!({"tag": {"semver": "2.x"}, "match": "^v", "ignore": ["-rc"]})
    )]
    #[case::another_rule(
        json!({"tag": {"semver": "1.x"}, "match": "^v"}), &["--alphabetical", "--match", "^r"],
        json!({"tag": {"alphabetical": {}}, "match": "^r"})
    )]
    #[case::the_other_end(
        json!({"tag": {"numerical": {}}, "match": "^v"}), &["--select", "lowest"],
        json!({"tag": {"numerical": {"select": "Lowest"}}, "match": "^v"})
    )]
    #[case::back_to_the_first_end(
        json!({"tag": {"alphabetical": {"select": "Lowest"}}}), &["--select", "highest"],
        json!({"tag": {"alphabetical": {"select": "Highest"}}})
    )]
    #[case::a_rule_has_its_own_end(
        json!({"tag": {"alphabetical": {"select": "Lowest"}}}), &["--numerical"], json!({"tag": {"numerical": {}}})
    )]
    #[case::the_only_end(json!({"tag": {"semver": "*"}}), &["--select", "highest"], json!({"tag": {"semver": "*"}}))]
    #[case::one_tag_has_no_patterns(
        json!({"tag": {"semver": "*"}, "match": "^v", "ignore": ["-rc"]}), &["--follow", "stable"],
        json!({"tag": {"follow": "stable"}})
    )]
    #[case::unless_they_are_given(
        json!({"tag": {"follow": "stable"}}), &["--match", "^v"], json!({"tag": {"follow": "stable"}, "match": "^v"})
    )]
    fn only_what_is_given_is_replaced(
        #[case] policy: Value,
        #[case] arguments: &[&str],
        #[case] wanted: Value,
    ) {
        let source = |mut policy: Value| -> RegistrySource {
            policy["repository"] = json!("r.io/code");
            policy["secretRef"] = json!({"name": "login"});
            serde_json::from_value(policy).unwrap()
        };
        assert_eq!(tried(&source(policy), &given(arguments)).unwrap(), source(wanted));
    }

    #[test]
    fn what_has_one_end_has_no_lowest() {
        let source =
            serde_json::from_value(json!({"repository": "r.io/code", "tag": {"semver": "*"}})).unwrap();
        let error = tried(&source, &given(&["--select", "lowest"])).unwrap_err().to_string();
        assert!(error.starts_with("--select lowest is for numerical"), "{error}");
    }

    #[test]
    fn what_is_given_is_said() {
        let all = given(&[
            "--semver",
            "*",
            "--match",
            "^v",
            "--ignore",
            "a",
            "--ignore",
            "b",
            "--minimum-age",
            "24h",
        ]);
        assert_eq!(parts(&all), ", match ^v, ignore a, ignore b, minimumAge 24h");
        assert_eq!(parts(&given(&[])), "");
    }
}
