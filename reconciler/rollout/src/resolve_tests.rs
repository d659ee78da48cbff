use rstest::rstest;
use serde_json::json;

use super::*;
use crate::fixtures::{ENVIRONMENTS, code, config, server};

fn image(reference: &str, pull_policy: &str) -> CodeSource {
    CodeSource::Image { reference: reference.into(), pull_policy: pull_policy.into() }
}

#[rstest]
#[case::config(json!({}), json!({"image": "a:1"}), Some(Origin::Config), &["a:1"])]
#[case::override_wins(json!({"code": {"image": "b:1"}}), json!({"image": "a:1"}), Some(Origin::Server), &["b:1"])]
#[case::override_list(json!({"code": [{"image": "b:1"}]}), json!([{"image": "a:1"}]), Some(Origin::Server), &["b:1"])]
#[case::an_empty_list_overrides_nothing(json!({"code": []}), json!([{"image": "a:1"}]), Some(Origin::Config), &["a:1"])]
#[case::no_code(json!({}), json!(null), None, &[])]
#[case::ca_only(json!({"server": false, "ca": true}), json!({"image": "a:1"}), None, &[])]
#[case::ca_and_server(json!({"ca": true}), json!({"image": "a:1"}), Some(Origin::Config), &["a:1"])]
#[case::claim(json!({"code": {"claimName": "c"}}), json!({"image": "a:1"}), Some(Origin::Server), &[])]
fn takes_the_code_as_a_whole(
    #[case] server_spec: Value,
    #[case] config_code: Value,
    #[case] origin: Option<Origin>,
    #[case] references: &[&str],
) {
    let code = resolve(&server(server_spec), Some(&config(json!({"code": config_code})))).unwrap();
    assert_eq!(code.origin, origin);
    assert_eq!(code.references().collect::<Vec<_>>(), references);
}

#[test]
fn an_override_loses_the_secret_and_policy_of_the_config() {
    let config =
        config(json!({"code": {"image": "a:1", "imagePullSecret": "s", "imagePullPolicy": "Always"}}));
    let code = resolve(&server(json!({"code": {"image": "b:1"}})), Some(&config)).unwrap();
    assert_eq!(code.pull_secrets(), Vec::<&str>::new());
    assert_eq!(code.mounts[0].source, image("b:1", "IfNotPresent"));
    let code = resolve(&server(json!({})), Some(&config)).unwrap();
    assert_eq!(code.pull_secrets(), ["s"]);
    assert_eq!(code.mounts[0].source, image("a:1", "Always"));
}

#[test]
fn names_volumes_and_paths_as_the_operator_does() {
    let list = json!([
        {"image": "a:1", "environment": "production", "imagePullSecret": "s"},
        {"claimName": "data", "mountPath": "/srv/data"},
        {"image": "b:1", "environment": "testing", "imagePullSecret": "s"},
    ]);
    let list = code(list);
    let places: Vec<_> =
        list.mounts.iter().map(|mount| (mount.volume.as_str(), mount.path.as_str())).collect();
    assert_eq!(
        places,
        [
            ("code-0", "/etc/puppetlabs/code/environments/production"),
            ("code-1", "/srv/data"),
            ("code-2", "/etc/puppetlabs/code/environments/testing"),
        ]
    );
    assert_eq!(list.annotation().as_deref(), Some("a:1,b:1"));
    assert_eq!(list.pull_secrets(), ["s"]);
    assert_eq!(list.mounts[1].entry, Some(EntryKey::MountPath("/srv/data".into())));
}

#[rstest]
#[case::object(json!({"image": "a:1"}), "code", ENVIRONMENTS)]
#[case::the_object_shape_has_no_environments(json!({"image": "a:1", "environment": "production"}), "code", ENVIRONMENTS)]
#[case::one_entry(json!([{"image": "a:1"}]), "code", ENVIRONMENTS)]
#[case::one_entry_with_empty_fields(json!([{"image": "a:1", "environment": "", "mountPath": ""}]), "code", ENVIRONMENTS)]
#[case::one_named_entry(json!([{"image": "a:1", "environment": "dev"}]), "code-0", "/etc/puppetlabs/code/environments/dev")]
fn places_the_only_entry(#[case] spec_code: Value, #[case] volume: &str, #[case] path: &str) {
    let code = code(spec_code);
    assert_eq!((code.mounts[0].volume.as_str(), code.mounts[0].path.as_str()), (volume, path));
}

#[test]
fn mounts_at_the_configs_environment_path() {
    let config = config(json!({"code": {"image": "a:1"}, "puppet": {"environmentPath": "/code"}}));
    assert_eq!(resolve(&server(json!({})), Some(&config)).unwrap().mounts[0].path, "/code");
}

#[test]
fn knows_which_secrets_are_for_the_server_image() {
    let config = config(json!({"image": {"pullSecrets": [{"name": "of-config"}]}}));
    let code =
        resolve(&server(json!({"image": {"pullSecrets": [{"name": "of-server"}]}})), Some(&config)).unwrap();
    assert_eq!(code.server_image_secrets, ["of-config".to_owned(), "of-server".to_owned()].into());
}

#[rstest]
#[case::neither(json!({"imagePullPolicy": "Always"}), ResolveProblem::EmptyEntry { place: 0 })]
#[case::empty_strings(json!([{"image": "", "claimName": ""}]), ResolveProblem::EmptyEntry { place: 0 })]
#[case::unplaced(json!([{"image": "a:1", "environment": "x"}, {"image": "b:1"}]), ResolveProblem::UnplacedEntry { place: 1 })]
fn refuses_code_that_cannot_be_mounted(#[case] spec_code: Value, #[case] problem: ResolveProblem) {
    assert_eq!(resolve(&server(json!({})), Some(&config(json!({"code": spec_code})))), Err(problem));
}

#[test]
fn a_missing_config_is_a_problem_even_with_an_override_but_not_for_a_ca() {
    let missing = ResolveProblem::ConfigMissing { name: "production".into() };
    assert_eq!(resolve(&server(json!({"code": {"image": "a:1"}})), None), Err(missing));
    assert_eq!(resolve(&server(json!({"server": false})), None), Ok(ServerCode::default()));
}

#[rstest]
#[case(json!({"image": "ghcr.io/a/b:1"}), true)]
#[case(json!({"image": "not a ref !!"}), false)]
#[case(json!([{"image": "a:1", "environment": "x"}, {"image": "nothing", "environment": "y"}]), false)]
#[case(json!({"claimName": "c"}), true)]
fn checks_references(#[case] spec_code: Value, #[case] is_good: bool) {
    assert_eq!(code(spec_code).check_references().is_ok(), is_good);
}
