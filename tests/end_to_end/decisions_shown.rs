//! Which test shows which decision of a promotion: each is shown on the real control plane, by its name.
//!
//! The decisions are those of `docs/promotion.md`, `docs/rollback.md` and `docs/how-it-works.md`. [`check`] runs before all
//! tests: one that is renamed or taken out may leave no decision without a test.

use crate::harness::Case;

/// A decision, and the tests that show it, as `file::name`.
type Decision = (&'static str, &'static [&'static str]);

const DECISIONS: &[Decision] = &[
    (
        "1. The newest ripe candidate wins",
        &[
            "decisions::a_newer_tag_takes_the_place_of_one_that_soaks",
            "gates_ending::while_gates_are_awaited_a_newer_candidate_takes_over",
            "gates_ending::half_way_a_newer_candidate_waits_for_the_stage",
            "minimum_age::the_newest_that_is_old_enough_is_taken",
            "checks::a_newer_candidate_does_not_start_while_a_rollback_runs",
        ],
    ),
    (
        "2. No downgrade by accident",
        &[
            "decisions::a_shrunken_tag_list_never_downgrades",
            "decisions::a_version_tag_that_is_pushed_again_is_reported_and_never_deployed",
            "decisions::a_followed_tag_is_deployed_when_it_moves",
            "git::a_revert_commit_goes_back",
            "promotion::a_pin_goes_before_the_source_until_it_is_removed",
        ],
    ),
    (
        "3. No moment between a write and its record",
        &[
            "decisions::a_reference_and_its_record_are_one_write",
            "each_write::killed_after_each_write_a_promotion_is_brought_to_its_end",
            "each_write::killed_after_each_write_a_failed_promotion_is_given_back",
            "each_write::killed_after_each_write_a_person_goes_back",
            "crash::killed_at_any_write_it_goes_on_to_the_newest_tag",
            "failover::a_late_reference_of_an_old_leader_is_refused",
        ],
    ),
    (
        "4. What somebody else changed is held",
        &[
            "holds::a_hand_made_change_is_held_until_somebody_resumes",
            "holds::removed_code_is_held_too",
            "holds::a_tool_that_writes_the_candidate_before_its_turn_is_named",
            "holds::a_tag_that_runs_already_is_adopted_as_it_is",
            "holds::adoption_writes_the_digest_where_asked",
            "holds::another_reference_is_adopted_with_a_word",
        ],
    ),
    (
        "5. A stage proves something only if a pod that serves code is ready on the candidate",
        &[
            "decisions::a_stage_that_proves_nothing_waits",
            "decisions::a_server_that_joins_later_gets_the_reference_of_its_stage",
            "gates_ending::who_is_scaled_down_proves_nothing",
        ],
    ),
    (
        "6. What fails is given back, and no certificate authority goes down for it",
        &[
            "promotion::a_candidate_that_cannot_run_stops_at_the_canary",
            "gates::a_bad_image_never_takes_the_ca_down",
            "gates::a_ca_that_fails_on_its_own_turn_gets_its_old_code_back",
            "gates_ending::a_server_without_code_before_has_none_again",
            "each_write::killed_after_each_write_a_failed_promotion_is_given_back",
            "verbs::a_person_approves_goes_back_and_on_again",
        ],
    ),
    (
        "7. Windows hold back the start of a stage, no rollback and no emergency",
        &["verbs::a_freeze_holds_back_stages_but_no_rollback_and_no_emergency"],
    ),
    (
        "8. An approval names a digest",
        &[
            "verbs::a_release_names_who_approved_it",
            "verbs::a_person_approves_goes_back_and_on_again",
            "people::people_do_what_their_verbs_allow",
        ],
    ),
    (
        "9. Checks decide, and silence is no success",
        &[
            "checks::a_canary_whose_check_fails_goes_back_and_production_is_untouched",
            "checks::a_job_decides_about_a_canary",
        ],
    ),
    (
        "10. Suspended, it looks and writes nothing",
        &[
            "decisions::a_suspended_codesync_plans_and_writes_nothing",
            "decisions::a_promotion_that_is_suspended_in_the_middle_rests",
        ],
    ),
    (
        "11. An outage of the source changes nothing",
        &["outages::the_registry_goes_and_comes_back", "outages::the_git_server_goes_and_comes_back"],
    ),
    (
        "12. Deleted, it leaves the targets as they are",
        &[
            "promotion::a_deleted_codesync_leaves_its_targets",
            "gates_ending::deleted_half_way_the_authority_keeps_what_it_runs",
            "gates_ending::deleted_half_way_without_a_process_it_goes_when_one_comes",
        ],
    ),
];

/// Ends the process where a decision names a test that is not there.
pub(crate) fn check(files: &[(&'static str, &'static [Case])]) {
    let is_there = |test: &str| {
        let (file, name) = test.split_once("::").unwrap_or_default();
        files.iter().any(|(found, cases)| *found == file && cases.iter().any(|case| case.name == name))
    };
    for (decision, tests) in DECISIONS {
        assert!(!tests.is_empty(), "no test shows {decision:?}");
        for test in *tests {
            assert!(is_there(test), "{test}, which shows {decision:?}, is not there");
        }
    }
}
