//! What a timeline may say, and what is said of those that do not.

use rstest::rstest;
use voxsync_simulation::Timeline;

use crate::spec;

const CHECK: &str = "checks: [{name: nodes, http: {url: 'https://canary/'}}]";

#[rstest]
#[case::a_field("starts: 2026-01-01T00:00:00Z", "unknown field `starts`")]
#[case::a_field_of_an_event("events:\n- {at: +0s, tag: v1}\n- {at: +0s, tags: v1}", "line 3")]
#[case::a_time("start: yesterday", "start: \"yesterday\" is not a moment, for instance 2026-12-17T15:00:00Z")]
#[case::an_end("until: +2h", "until: \"+2h\" is not a moment, for instance 2026-12-17T15:00:00Z")]
#[case::no_verb("events:\n\n- {at: +0s}", "line 3: events[0]: give exactly one of tag, remove, outage,")]
#[case::two_verbs("events: [{at: +0s, tag: v1, resume: true}]", "give exactly one of tag")]
#[case::a_stage(
    "events: [{at: +0s, tag: v1, fails: {stage: canari}}]",
    "fails.stage: there is no stage \"canari\"; there are canary, production"
)]
#[case::a_tag(
    "events: [{at: +0s, tag: v1}, {at: +1h, approve: v2}]",
    "events[1]: approve: no event pushes the tag \"v2\"; there are v1"
)]
#[case::a_check(
    "events: [{at: +0s, check: node, stage: canary, says: Failed}]",
    "check: stage canary has no check \"node\"; there are nodes"
)]
#[case::no_check_at_all(
    "events: [{at: +0s, check: node, stage: production, says: Failed}]",
    "check: stage production has no check \"node\"; there are none"
)]
#[case::a_part("events: [{at: +0s, tag: v1, by: maria}]", "by: it belongs to approve or change, not to tag")]
#[case::an_emergency("{deployed: v1, events: [{at: +0s, promote: v1, now: true}]}", "reason: an emergency")]
#[case::before_the_start(
    "{start: 2026-01-02T00:00:00Z, events: [{at: '2026-01-01T00:00:00Z', tag: v1}]}",
    "is before the start"
)]
#[case::no_time(
    "events: [{at: soon, tag: v1}]",
    "at: \"soon\" is neither so long after the start (+2h) nor a moment"
)]
#[case::days("events: [{at: +2d, tag: v1}]", "at: \"+2d\" is neither")]
#[case::no_tag("events: [{at: +0s, tag: 'a b'}]", "tag: \"a b\" is not a tag")]
#[case::both_ends("{until: 2027-01-01T00:00:00Z, for: 1h}", "until: give `until` or `for`, not both")]
#[case::an_early_end("{for: 1h, events: [{at: +2h, tag: v1}]}", "for: ")]
#[case::too_long("for: 30000h", "for: ")]
#[case::a_size(
    "servers: {x: {compile: 1}}",
    "servers: there is no stage \"x\"; there are canary, production"
)]
#[case::fewer_than_none(
    "servers: {production: {compile: -1}}",
    "servers: production.compile: -1 is no number of Servers: give 0 to 500, for instance production: {compile: 4, ca: 1}"
)]
#[case::too_many_to_count(
    "servers: {production: {ca: 65536}}",
    "servers: production.ca: 65536 is no number of Servers"
)]
#[case::no_number(
    "servers: {production: {ca: one}}",
    "servers: production.ca: \"one\" is no number of Servers"
)]
#[case::nobody("servers: {canary: {}}", "servers: canary must have 1 to 500 Servers")]
#[case::more_than_are_named(
    "servers: {canary: {compile: 2}}",
    "servers: canary names its Servers itself, and has no others: take it out of `servers`"
)]
#[case::no_time_to_roll("rollout: 0s", "rollout: 0s is too short: give 1s or more")]
#[case::nothing_expected(
    "events: [{at: +0s, expect: {}}]",
    "events[0]: expect: name at least one stage, and the tag that it should run"
)]
#[case::a_control_character(
    "{events: [{at: +0s, suspend: \"a\\u0007\"}]}",
    "suspend: give 1 to 256 characters"
)]
fn what_cannot_be_is_said_with_its_place(#[case] text: &str, #[case] wanted: &str) {
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    let said = Timeline::read(text, &spec(CHECK, "", ""), now).unwrap_err().to_string();
    assert!(said.contains(wanted), "{said}");
    assert!(said.lines().count() == 1 && said.len() < 600, "{said}");
}

#[test]
fn a_timeline_is_bounded() {
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    let read = |text: &str| Timeline::read(text, &spec("", "", ""), now).map(drop);
    let events = |count: usize| format!("events:\n{}", "- {at: +1s, tag: v1}\n".repeat(count));
    assert!(read(&events(500)).is_ok());
    assert!(
        read(&events(501)).unwrap_err().to_string().starts_with("events: there are 501, and 500 at most")
    );
    assert!(read(&events(50_000)).is_err());
}
