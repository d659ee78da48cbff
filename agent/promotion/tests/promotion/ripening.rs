//! `minimumAge`: the newest that is old enough is taken, what runs stays, and nothing is written meanwhile.

use super::world::{
    REPOSITORY, Target, World, at, canary_and_production, candidate, candidate_at, digest, reference,
};
use serde_json::json;
use voxsync_crds::{
    code_sync::{CandidateStatus, CodeSyncSpec, TargetKind},
    duration::DurationText,
};
use voxsync_promotion::{ObservedSource, RIPENING_LIMIT, SourceProblem};

const MINUTE: i64 = 60;

/// Both stages run v1.4.2, promoted by us, and candidates must be an hour old.
fn aging() -> World {
    let mut world = World::promoted();
    world.spec.minimum_age = Some(DurationText("1h".into()));
    world.observed.generation += 1;
    world.lists(&["v1.4.2"]);
    world.settle();
    assert_eq!((world.condition("Ready"), world.reasons()), ("True Deployed".into(), vec![]));
    world.forget();
    world
}

/// The same, following one tag that moves.
fn following() -> World {
    let mut world = World::promoted();
    world.spec = serde_json::from_value::<CodeSyncSpec>(json!({
        "source": {"registry": {"repository": REPOSITORY, "tag": {"follow": "stable"}}},
        "minimumAge": "1h", "stages": serde_json::to_value(canary_and_production().stages).unwrap(),
    }))
    .unwrap();
    world.observed.generation += 1;
    world.settle();
    world.forget();
    world
}

impl World {
    /// The next look finds these tags, the best first.
    fn lists(&mut self, tags: &[&str]) {
        self.lists_candidates(tags.iter().map(|tag| candidate(tag)).collect());
    }

    fn lists_candidates(&mut self, candidates: Vec<CandidateStatus>) {
        let mut candidates = candidates.into_iter();
        self.finds_candidate(candidates.next().unwrap());
        self.observed.source.next_best = candidates.collect();
    }

    /// The best tag is pushed again; gives back its digest.
    fn pushes_again(&mut self, tag: &str) -> String {
        let digest = digest("evil");
        self.finds_candidate(candidate_at(tag, &digest));
        digest
    }

    fn ripening(&self) -> Vec<&str> {
        self.status.ripening.iter().map(|candidate| candidate.name.as_str()).collect()
    }

    /// Lets time pass up to the time at which the last step wanted to be called again.
    fn wakes(&mut self) {
        self.now = self.wake_at.unwrap();
        self.settle();
    }
}

#[test]
fn what_is_too_young_waits_and_what_runs_stays() {
    let mut world = aging();
    let seen = world.now;
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    assert_eq!(
        (world.tags(), world.writes.len(), world.deployed()),
        (vec!["v1.4.2".to_owned(); 2], 0, "v1.4.2")
    );
    assert_eq!(
        (world.condition("Ready"), world.condition("Reconciling"), world.condition("Deployed")),
        ("True Waiting".into(), "-".into(), "True Deployed".into())
    );
    let time = |minutes: i64| {
        seen.checked_add(jiff::Span::new().minutes(minutes)).unwrap().strftime("%F %H:%M:%SZ").to_string()
    };
    assert_eq!(
        world.message("MinimumAge"),
        format!(
            "v1.5.0 is old enough at {}: minimumAge is 1h, and it was first seen at {}; `voxsync promote production v1.5.0 \
             -n puppet` takes it at once",
            time(60),
            time(0)
        )
    );
    assert_eq!(world.summary(), format!("Waiting: age of v1.5.0 until {}", &time(60)[11..]));
    assert_eq!(world.status.waiting[0].until.unwrap().timestamp(), world.wake_at.unwrap());

    world.forget();
    for _ in 0..10 {
        world.passes(5 * MINUTE);
        world.settle();
    }
    assert_eq!((world.status_writes, world.writes.len()), (0, 0), "to wait writes nothing");

    world.wakes();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.ripening(), [""; 0]);
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));
}

#[test]
fn the_newest_that_is_old_enough_is_taken_each_time() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    world.passes(30 * MINUTE);
    world.lists(&["v1.5.1", "v1.5.0", "v1.4.2"]);
    world.settle();
    assert_eq!(world.ripening(), ["v1.5.1", "v1.5.0"]);
    assert!(world.message("MinimumAge").starts_with("v1.5.0 is old enough at "));
    assert!(world.message("MinimumAge").contains(" (1 more wait for their age)"));
    world.passes(30 * MINUTE);
    world.settle();
    assert_eq!((world.tags()[0].as_str(), world.ripening()), ("v1.5.0", vec!["v1.5.1"]));
    world.passes(30 * MINUTE);
    world.settle();
    assert_eq!((world.tags(), world.ripening()), (vec!["v1.5.1".to_owned(), "v1.4.2".to_owned()], vec![]));
}

#[test]
fn what_is_taken_back_while_it_is_young_never_runs() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    world.lists(&["v1.4.2"]);
    world.settle();
    assert_eq!((world.ripening(), world.reasons()), (vec![], vec![]));
    world.passes(600 * MINUTE);
    world.settle();
    assert_eq!(world.writes.len(), 0);
}

#[test]
fn a_restart_starts_no_age_again() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    world.forget();
    let source = std::mem::take(&mut world.observed.source);
    world.passes(30 * MINUTE);
    world.settle();
    assert_eq!(world.status_writes, 0, "{:?}", world.status.waiting);
    world.passes(30 * MINUTE);
    world.settle();
    assert_eq!(world.writes.len(), 0, "the source may have taken it back meanwhile");
    world.observed.source = source;
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
}

#[test]
fn an_image_can_make_itself_younger_but_not_older() {
    for (created, ripe) in [
        ("2020-01-01T00:00:00Z", "2026-11-23T11:00:00Z"),
        ("2026-11-23T10:30:00Z", "2026-11-23T11:30:00Z"),
        ("2099-01-01T00:00:00Z", "2099-01-01T01:00:00Z"),
        ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
    ] {
        let mut world = aging();
        world.now = at("2026-11-23T10:00:00Z");
        let young = CandidateStatus { created: Some(at(created).into()), ..candidate("v1.5.0") };
        world.lists_candidates(vec![young, candidate("v1.4.2")]);
        world.settle();
        let until = world.status.waiting[0].until.unwrap().timestamp();
        assert_eq!(until.as_second(), at(ripe).as_second(), "{created}");
        let says = world.message("MinimumAge").contains("its image says that it was made at ");
        assert_eq!(says, created != "2020-01-01T00:00:00Z", "{}", world.message("MinimumAge"));
        world.passes(59 * MINUTE);
        world.settle();
        assert_eq!(world.writes.len(), 0);
    }
}

#[test]
fn a_source_that_names_one_at_a_time_ripens_in_the_order_that_was_seen() {
    let mut world = following();
    for name in ["b", "c"] {
        world.finds(name);
        world.settle();
        world.passes(30 * MINUTE);
    }
    assert_eq!(world.ripening(), ["c", "b"]);
    world.settle();
    assert_eq!((world.tags()[0].as_str(), world.ripening()), ("b", vec!["c"]));
    world.finds("d");
    world.settle();
    world.finds("c");
    world.settle();
    assert_eq!(world.ripening(), ["c", "d"], "seen again it is the newest");
    world.passes(30 * MINUTE);
    world.settle();
    assert_eq!((world.tags()[0].as_str(), world.ripening()), ("c", vec![]), "with the age that it had");
}

#[test]
fn however_fast_they_come_one_is_always_the_next_to_be_old_enough() {
    let mut world = following();
    let mut taken = Vec::new();
    for minute in 0..600 {
        world.finds(&format!("c{minute}"));
        world.settle();
        assert!(world.ripening().len() <= RIPENING_LIMIT);
        let tag = world.tags()[0].clone();
        if taken.last() != Some(&tag) {
            taken.push(tag);
        }
        world.passes(MINUTE);
    }
    assert!(taken.len() > 60, "about one in five minutes: {taken:?}");
}

#[test]
fn what_another_spec_saw_is_not_taken() {
    let mut world = following();
    world.finds("b");
    world.settle();
    world.observed.generation += 1;
    world.observed.source = ObservedSource::default();
    world.settle();
    world.finds("x");
    world.observed.source.looked = true;
    world.settle();
    assert_eq!(world.ripening(), ["x"]);
    world.passes(59 * MINUTE);
    world.settle();
    assert_eq!(world.writes.len(), 0);
}

#[test]
fn a_spec_that_looks_at_the_same_starts_no_age_again() {
    let mut world = following();
    world.finds("b");
    world.settle();
    world.observed.generation += 1;
    world.passes(60 * MINUTE);
    world.settle();
    assert_eq!(world.tags()[0], "b");
}

#[test]
fn what_all_targets_run_already_needs_no_age() {
    let live = Some(reference("v1.4.2"));
    let stages = vec![
        vec![Target::new(TargetKind::Server, "canary", live.clone(), &["canary"])],
        vec![Target::new(TargetKind::Config, "production", live, &["compile"])],
    ];
    let mut world = World::new(canary_and_production(), stages);
    world.spec.minimum_age = Some(DurationText("1h".into()));
    world.lists(&["v1.4.2"]);
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.4.2", "True Deployed".into()));

    world.canary().changed_by("kubectl-edit", Some(&reference("v1.5.0")), at("2026-11-22T14:00:00Z"));
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    assert_eq!(world.ripening(), ["v1.5.0"], "one target alone makes nothing old");
}

#[test]
fn the_first_of_all_waits_too() {
    let stages = vec![
        vec![Target::new(TargetKind::Server, "canary", None, &["canary"])],
        vec![Target::new(TargetKind::Config, "production", None, &["compile"])],
    ];
    let mut world = World::new(canary_and_production(), stages);
    world.spec.minimum_age = Some(DurationText("1h".into()));
    world.lists(&["v1.5.0"]);
    world.settle();
    assert_eq!((world.reasons(), world.condition("Ready")), (vec!["MinimumAge"], "True Waiting".into()));
    world.wakes();
    assert_eq!(world.tags()[0], "v1.5.0");
}

#[test]
fn a_look_that_ends_too_soon_starts_no_age_again() {
    let mut world = aging();
    world.lists(&["v1.6.0", "v1.5.0"]);
    world.settle();
    world.passes(30 * MINUTE);
    world.lists(&["v1.6.0"]);
    world.observed.source.problem = Some(voxsync_promotion::SourceProblem {
        reason: "Unreachable".into(),
        message: "no route".into(),
        unreachable: true,
    });
    world.settle();
    assert_eq!(world.ripening(), ["v1.6.0", "v1.5.0"]);
    world.lists(&["v1.6.0", "v1.5.0"]);
    world.observed.source.problem = None;
    world.passes(31 * MINUTE);
    world.settle();
    assert_eq!(world.tags()[0], "v1.6.0", "both were old enough at the same time");
}

#[test]
fn a_pin_is_not_delayed_and_ages_go_on_under_it() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    world.pins("v1.3.0");
    world.settle();
    assert_eq!(world.tags()[0], "v1.3.0");
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.ripening()), ("v1.3.0", vec!["v1.5.0", "v1.4.2"]));
    world.forget();
    world.passes(60 * MINUTE);
    world.settle();
    assert_eq!(
        (world.status_writes, world.writes.len()),
        (1, 0),
        "only v1.5.0 is old enough now: v1.4.2 is of no use"
    );
    world.unpins();
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
}

#[test]
fn a_pin_loses_no_age_of_what_ran_before_although_much_is_younger() {
    let mut world = aging();
    world.pins("v1.3.0");
    let younger: Vec<String> = (0..=RIPENING_LIMIT).rev().map(|number| format!("v1.5.{number}")).collect();
    let tags: Vec<&str> = younger.iter().map(String::as_str).chain(["v1.4.2"]).collect();
    world.lists(&tags);
    for _ in 0..3 {
        world.settle();
        assert_eq!(world.ripening().len(), RIPENING_LIMIT);
        assert_eq!(world.ripening().last(), Some(&"v1.4.2"), "{:?}", world.ripening());
        world.passes(10 * MINUTE);
    }
}

#[test]
fn what_is_lower_than_what_runs_does_not_grow_young_again() {
    let mut world = aging();
    world.lists(&["v1.4.1"]);
    world.settle();
    world.passes(60 * MINUTE);
    world.settle();
    assert_eq!((world.reasons(), world.tags()), (vec!["Downgrade"], vec!["v1.4.2".to_owned(); 2]));
    world.forget();
    for _ in 0..5 {
        world.passes(60 * MINUTE);
        world.settle();
    }
    assert_eq!((world.status_writes, world.writes.len()), (0, 0));
}

#[test]
fn what_is_lower_than_what_runs_takes_no_time_from_what_is_told() {
    let mut world = aging();
    let mut tags = vec!["v1.4.1".to_owned()];
    // One minute apart, and then two.
    for number in 0..RIPENING_LIMIT {
        world.lists(&tags.iter().map(String::as_str).collect::<Vec<_>>());
        world.settle();
        world.passes(if number < 2 { MINUTE } else { 2 * MINUTE });
        tags.insert(0, format!("v1.5.{number}"));
    }
    world.now = world.wake_at.unwrap();
    world.lists(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    world.step();
    let [best, worst] = [world.ripening()[0], *world.ripening().last().unwrap()];
    assert_eq!((best, worst, world.ripening().len()), ("v1.5.19", "v1.4.1", RIPENING_LIMIT));
    assert_eq!(world.reasons(), ["Downgrade", "MinimumAge"]);
    assert!(
        world.message("MinimumAge").starts_with("v1.5.1 is old enough at "),
        "{}",
        world.message("MinimumAge")
    );
}

#[test]
fn an_age_that_is_asked_for_later_calls_nothing_back() {
    let mut world = World::promoted();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.spec.minimum_age = Some(DurationText("1h".into()));
    world.observed.generation += 1;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn a_tag_is_asked_for_once_more_before_it_is_taken() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.confirms = false;
    world.settle();
    world.wakes();
    assert_eq!((world.writes.len(), world.ripening(), world.wake_at), (0, vec!["v1.5.0"], None));
    assert!(
        world.message("MinimumAge").contains("Its tag is asked for once more"),
        "{:?}",
        world.status.waiting
    );
    assert_eq!(world.condition("Ready"), "True Waiting");
    world.confirms = true;
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
}

#[test]
fn a_tag_that_is_pushed_again_while_it_is_young_starts_its_age_again() {
    for is_taken in [false, true] {
        let mut world = aging();
        world.lists(&["v1.5.0", "v1.4.2"]);
        world.settle();
        world.confirms = is_taken;
        world.wakes();
        if is_taken {
            // It was taken: what it was stays.
            world.pushes_again("v1.5.0");
            world.settle();
            assert_eq!(world.canary().live.image.as_deref(), Some(reference("v1.5.0").as_str()));
            assert!(world.event("TagMoved").contains("Code stays at the digest that was seen first"));
            continue;
        }
        world.confirms = true;
        let again = world.pushes_again("v1.5.0");
        world.settle();
        assert_eq!((world.condition("SourceReady"), world.writes.len()), ("True TagMoved".into(), 0));
        assert!(world.event("TagMoved").contains("Its age counts from when that was first seen"));
        assert_eq!(world.status.ripening[0].first_seen.unwrap().timestamp(), world.now);
        world.passes(59 * MINUTE);
        world.settle();
        assert_eq!((world.condition("SourceReady"), world.writes.len()), ("True TagMoved".into(), 0));
        world.wakes();
        assert!(world.canary().live.image.as_deref().unwrap().ends_with(&again));
        assert_eq!(world.condition("SourceReady"), "True Seen");
        world.event("TagMoved");
    }
}

#[test]
fn a_tag_that_a_file_names_is_asked_for_once_more_too() {
    let mut world = following();
    world.spec.source = serde_json::from_value(json!({"file": {"path": "x"}})).unwrap();
    world.observed.generation += 1;
    world.settle();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    world.confirms = false;
    world.settle();
    world.wakes();
    assert_eq!((world.tags()[0].as_str(), world.ripening()), ("v1.4.2", vec!["v1.6.0", "v1.5.0"]));
    let other = format!("{REPOSITORY}:v1.5.0@{}", digest("evil"));
    world.observed.source.confirmed = vec![other.parse().unwrap()];
    world.settle();
    assert_eq!(
        (world.tags()[0].as_str(), world.ripening()),
        ("v1.4.2", vec!["v1.6.0"]),
        "it is gone for good"
    );
    // Who wrote the digest meant it.
    world.observed.source.names_digest = true;
    world.settle();
    assert_eq!(world.tags()[0], "v1.6.0");
}

#[test]
fn an_outage_is_told_beside_the_age() {
    let mut world = aging();
    world.lists(&["v1.5.0", "v1.4.2"]);
    world.observed.source.problem =
        Some(SourceProblem { reason: "Unreachable".into(), message: "no route".into(), unreachable: true });
    world.settle();
    assert_eq!(
        (world.reasons(), world.condition("Ready")),
        (vec!["MinimumAge", "Unreachable"], "True Waiting".into())
    );
}

#[test]
fn many_with_long_names_do_not_make_the_status_large() {
    let mut world = aging();
    let long = |number: usize| CandidateStatus {
        repository: format!("ghcr.io/{}", "r".repeat(300)),
        commit: Some("c".repeat(5000)),
        author: Some("\"\\".repeat(5000)),
        ..candidate(&format!("v2.0.{number}-{}", "x".repeat(110)))
    };
    world.lists_candidates((0..RIPENING_LIMIT).rev().map(long).collect());
    world.settle();
    let size = serde_json::to_string(&world.status).unwrap().len();
    assert!(size < 32 * 1024 && !world.status.ripening.is_empty(), "{size}");
}
