//! Sources of each kind, and what becomes of a tag that is pushed again.

use voxsync_crds::code_sync::CodeSyncSpec;
use voxsync_simulation::Expectations;

use crate::{lines, spec, told};

/// A spec with another source; the stages are those of the others.
fn of(source: &str, rest: &str) -> CodeSyncSpec {
    let text = format!("source: {source}\ntarget: {{kind: Config, name: production}}\n{rest}");
    serde_saphyr::from_str(&text).expect(&text)
}

#[test]
fn a_version_that_is_pushed_again_is_told_and_not_taken() {
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, tag: v1.5.0}]";
    let story = told(&spec("", "", ""), &format!("{{deployed: v1.4.2, events: {events}}}"));
    let text = lines(&story);
    assert!(text.ends_with("source » v1.5.0 is pushed again\n11-23 10:00:00 voxsync ✘ TagMoved"), "{text}");
    assert!(story.is_well());
}

#[test]
fn a_tag_that_is_followed_moves() {
    let spec = of("{registry: {repository: r.io/code, tag: {follow: stable}}}", "write: {form: Digest}");
    let events = "[{at: +1h, tag: stable}, {at: +2h, expect: {default: stable}}]";
    let story = told(&spec, &format!("{{deployed: stable, events: {events}}}"));
    let text = lines(&story);
    assert!(text.contains("10:00:30 voxsync ✔ Released"), "{text}");
    assert!(story.is_well(), "{text}");
}

#[test]
fn an_earlier_push_of_a_tag_is_not_what_is_expected() {
    for form in ["Digest", "TagAndDigest"] {
        let spec = of(
            "{registry: {repository: r.io/code, tag: {follow: stable}}}",
            &format!("write: {{form: {form}}}"),
        );
        let events = "[{at: +1h, tag: stable}, {at: +61m, suspend: a holiday}, {at: +2h, tag: stable},
            {at: +3h, expect: {default: stable}}]";
        let story = told(&spec, &format!("{{deployed: stable, events: {events}}}"));
        let text = lines(&story);
        let missed = "default ✘ runs an earlier push of stable, and stable is expected";
        assert!(text.ends_with(missed) && !story.is_well(), "{text}");
    }
}

#[test]
fn what_a_tag_alone_names_is_what_was_pulled() {
    let spec = of("{registry: {repository: r.io/code, tag: {semver: '>=1.0.0'}}}", "write: {form: Tag}");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +30m, expect: {default: v1.5.0}}, {at: +1h, tag: v1.5.0},
        {at: +2h, expect: {default: v1.5.0}}]";
    let story = told(&spec, &format!("{{deployed: v1.4.2, events: {events}}}"));
    assert_eq!(story.expectations, Some(Expectations { met: 1, missed: 1 }), "{}", lines(&story));
}

#[test]
fn a_revert_in_git_goes_back() {
    let git =
        "{git: {url: 'https://git.example/a.git', ref: {branch: main}, reference: {path: version.txt}}}";
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, tag: v1.4.2}, {at: +2h, expect: {default: v1.4.2}}]";
    let story = told(&of(git, ""), &format!("{{deployed: v1.4.2, events: {events}}}"));
    let text = lines(&story);
    assert_eq!(text.matches("Released").count(), 2, "{text}");
    assert!(text.contains("source » it names v1.4.2") && story.is_well(), "{text}");
}

#[test]
fn git_tags_are_elected() {
    let git =
        "{git: {url: 'https://git.example/a.git', ref: {tag: {semver: '^1'}}, image: 'r.io/code:{tag}'}}";
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, tag: v2.0.0}, {at: +1h, tag: v1.4.9}, {at: +2h, expect: {default: v1.5.0}}]";
    let story = told(&of(git, ""), &format!("{{deployed: v1.4.2, events: {events}}}"));
    assert!(story.is_well(), "{}", lines(&story));
}

#[test]
fn nothing_that_fits_is_said() {
    let story = told(&spec("", "", ""), "{for: 1h, events: [{at: +0s, tag: v0.9.0}]}");
    assert!(lines(&story).contains("voxsync ✘ NoMatch"), "{}", lines(&story));
    assert!(!story.is_well());
}

#[test]
fn the_first_code_ever_goes_through_the_stages() {
    let events = "[{at: +0s, tag: v1.0.0}, {at: +1h, expect: {canary: v1.0.0, production: v1.0.0}}]";
    let story = told(&spec("soak: 10m", "", ""), &format!("{{events: {events}}}"));
    assert!(story.is_well(), "{}", lines(&story));
}
