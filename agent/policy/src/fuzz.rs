//! Hostile specs, and hostile tags.

use voxsync_crds::code_sync::Select;
use voxsync_hostile::{fuzz, near_text};

use crate::{PolicyError, TagPolicy, TagRule, Version};

/// As registries have them, and as nobody should.
const TAGS: [&str; 16] = [
    "v1.10.0",
    "1.2.3-rc.1+build.7",
    "v5",
    "2024.01.05-rc1",
    "24.04.17",
    "20240105",
    "2024.12.31-build.7",
    "main-89abcde-1767348061",
    "r69",
    "latest",
    "00018446744073709551616",
    "sha256-45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2.sig",
    "1.2.3-1.a.1",
    "_",
    "v0.0.0-0",
    "2024.02.29",
];

fn is_short(error: &PolicyError) {
    assert!(error.to_string().len() < 1000, "{error}");
}

/// What a policy says of tags fits together.
fn holds_together(policy: &TagPolicy, tags: &[&str]) {
    let election = policy.elect(tags.iter().copied());
    let verdicts = policy.verdicts(tags.iter().copied(), |_| None);
    let first = verdicts.first().filter(|verdict| verdict.left_out.is_none()).map(|verdict| verdict.tag);
    assert_eq!(election.chosen.as_ref().map(|chosen| chosen.tag.as_str()), first);
    for pair in tags.windows(2) {
        let order = policy.compare(pair[0], pair[1]);
        assert_eq!(order, policy.compare(pair[1], pair[0]).map(std::cmp::Ordering::reverse));
    }
}

/// Whether a text is a rule; one is what it was read from, and any other is refused in short.
fn is_sound(text: &str, rule: Result<TagRule, PolicyError>) -> bool {
    match rule {
        Ok(rule) => {
            assert_eq!(rule.to_string(), text);
            holds_together(&TagPolicy::new(rule, None, &[]).unwrap(), &TAGS);
            true
        }
        Err(error) => {
            is_short(&error);
            false
        }
    }
}

#[test]
fn fuzz_semver_range() {
    let samples = [
        ">=1.2.0 <2.0.0",
        "^1.2.x || ~0.2.3-rc.1 || 2 - 3.4.5",
        ">= 1.1    < 2 , != 1.2.3+build.7",
        "*-0",
        "=>v1.2.3 =<4.x",
    ];
    fuzz(near_text(samples), |text| is_sound(&text, TagRule::semver(&text)));
}

#[test]
fn fuzz_calver_format() {
    let samples = [
        "YYYY.0M.0D-MODIFIER",
        "YY.MM.MICRO",
        "YYYY0M0D",
        "release-0Y_WW",
        "MAJOR.YY.0M.DD.MINORMODIFIER",
        "YYYY.MM.DD-build.MICRO",
    ];
    fuzz(near_text(samples), |text| is_sound(&text, TagRule::calver(&text)));
}

#[test]
fn fuzz_patterns() {
    let samples = [
        r"^main-[0-9a-f]+-(?<version>\d+)$",
        r"^v(?P<version>.+)$",
        r"-(rc|alpha|beta)[.]?\d{1,9}$",
        r"(?i)^(a*)*[[:alpha:]&&[^x-z]]{2,5}\b",
        r"\p{Greek}|\x{10FFFF}|.*?",
    ];
    fuzz(near_text(samples), |text| {
        match TagPolicy::new(TagRule::numerical(Select::Highest), Some(&text), std::slice::from_ref(&text)) {
            Ok(policy) => {
                holds_together(&policy, &TAGS);
                true
            }
            Err(error) => {
                is_short(&error);
                false
            }
        }
    });
}

#[test]
fn fuzz_tags() {
    let policies = [
        TagRule::semver("*-0"),
        TagRule::semver(">=1.2 <3 || ^5"),
        TagRule::calver("YYYY.0M.0D-MODIFIER"),
        TagRule::calver("YY.0M.MICRO"),
        Ok(TagRule::numerical(Select::Lowest)),
        Ok(TagRule::alphabetical(Select::Highest)),
    ];
    let policies = policies.map(|rule| TagPolicy::new(rule.unwrap(), None, &["^x".to_owned()]).unwrap());
    let extracting =
        TagPolicy::new(TagRule::semver("*").unwrap(), Some(r"(?<version>\d[\w.-]*)"), &[]).unwrap();
    let tags = (near_text(TAGS), near_text(TAGS));
    fuzz(tags, |(one, other)| {
        for policy in policies.iter().chain([&extracting]) {
            holds_together(policy, &[&one, &other]);
        }
        Version::from_tag(&one).is_some()
    });
}
