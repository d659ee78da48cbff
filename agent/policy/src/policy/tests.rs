//! What makes a policy, and the order that it gives.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn any_semver() -> TagRule {
    TagRule::semver("*").unwrap()
}

#[test]
fn each_message_names_its_field() {
    let long = "a".repeat(2000);
    let ignore = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let policy = |matching: Option<&str>, texts: &[&str]| {
        TagPolicy::new(any_semver(), matching, &ignore(texts)).unwrap_err().to_string()
    };
    let follow = |matching: Option<&str>, texts: &[&str]| {
        TagPolicy::new(TagRule::follow("v1").unwrap(), matching, &ignore(texts)).unwrap_err().to_string()
    };
    let messages = [
        (TagRule::semver("one").unwrap_err().to_string(), "tag.semver: \"one\" is not a version range"),
        (TagRule::follow("-x").unwrap_err().to_string(), "tag.follow: \"-x\" is not a tag"),
        (TagRule::follow("").unwrap_err().to_string(), "tag.follow: \"\" is not a tag"),
        (TagRule::follow(&long).unwrap_err().to_string(), "tag.follow: \"aaaa"),
        (
            policy(Some("v(.+"), &[]),
            "match: \"v(.+\" is not a regular expression that can be used (unclosed group); for example",
        ),
        (policy(None, &["ok", "["]), "ignore[1]: \"[\" is not a regular expression"),
        (policy(Some(&long), &[]), "match: \"aaaa"),
        (policy(None, &["(a{1000}){1000}"]), "ignore[0]: \"(a{1000}){1000}\" is not a regular expression"),
        (policy(None, &["a"; 33]), "ignore: 33 patterns are more than 32"),
        (follow(Some("a"), &[]), "tag.follow takes one tag as it is: leave match and ignore out"),
        (follow(None, &["a"]), "tag.follow takes one tag as it is: leave match and ignore out"),
    ];
    for (message, start) in messages {
        assert!(message.starts_with(start), "{message:?} starts with {start:?}");
        assert!(message.len() < 300 && !message.contains('\n'), "{message:?} is short");
    }
}

#[rstest]
#[case("v1.2.3", "1.10", Some(Ordering::Less))]
#[case("1.10", "1.10.0", Some(Ordering::Less))]
#[case("1.2.3", "1.2.3", Some(Ordering::Equal))]
#[case("2.0.0", "2.0.0-rc.1", Some(Ordering::Greater))]
#[case("latest", "1.0", None)]
#[case("1.0", "20240101", None)]
fn compared_without_asking_the_range(#[case] a: &str, #[case] b: &str, #[case] expected: Option<Ordering>) {
    let rule = TagRule::semver("^7").unwrap();
    let policy = TagPolicy::new(rule, Some("^7"), &["^1".to_owned()]).unwrap();
    assert_eq!(policy.compare(a, b), expected);
}

#[test]
fn follow_orders_nothing_but_its_own_tag() {
    let policy = TagPolicy::new(TagRule::follow("stable").unwrap(), None, &[]).unwrap();
    assert_eq!(policy.compare("stable", "stable"), Some(Ordering::Equal));
    assert_eq!(policy.compare("stable", "v2"), None);
}

proptest! {
    #[test]
    fn the_order_is_total(tags in prop::collection::vec("v?[0-3](\\.[0-3]){1,2}(-(a|1|10|a\\.1))?", 3)) {
        let policy = TagPolicy::new(any_semver(), None, &[]).unwrap();
        let order = |a: usize, b: usize| policy.compare(&tags[a], &tags[b]).unwrap();
        prop_assert_eq!(order(0, 1), order(1, 0).reverse());
        prop_assert_eq!(order(0, 1) == Ordering::Equal, tags[0] == tags[1]);
        if order(0, 1) != Ordering::Greater && order(1, 2) != Ordering::Greater {
            prop_assert_ne!(order(0, 2), Ordering::Greater);
        }
    }
}
