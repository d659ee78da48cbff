use rstest::rstest;
use serde_json::{Value, json};
use voxsync_source::Advice;

use super::*;

fn planned(spec: Value) -> Result<Plan, String> {
    let mut spec = spec;
    spec["target"] = json!({"kind": "Config", "name": "production"});
    plan(&serde_json::from_value(spec).unwrap(), "puppet", Some("pull"), None)
}

#[rstest]
#[case::range(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": ">=1.x.y"}}}}),
    "source.registry.tag.semver: "
)]
#[case::calendar(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"calver": "YYYYMMDD"}}}}),
    "source.registry.tag.calver: \"YYYYMMDD\" is not a calver format "
)]
#[case::two_rules(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*", "numerical": {}}}}}),
    "source.registry.tag: give exactly one of "
)]
#[case::young(
    json!({"minimumAge": "1d", "source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}}}}),
    "minimumAge: "
)]
#[case::window(
    json!({
        "windows": [{"name": "never", "deny": {"cron": "0 9 30 2 *", "duration": "1h"}}],
        "source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}}},
    }),
    "windows[never].deny.cron: "
)]
#[case::slow_check(
    json!({
        "target": null,
        "stages": [{"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "checks": [
            {"name": "job", "timeout": "1h", "job": {"image": "i"}},
            {"name": "longest", "timeout": "1m", "http": {"url": "http://host"}},
            {"name": "slow", "timeout": "61s", "http": {"url": "http://host"}},
        ]}],
        "source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}}},
    }),
    "stages[0].checks[slow].timeout: "
)]
#[case::regex(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "match": "("}}}),
    "source.registry.match: "
)]
#[case::ignored(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "ignore": ["a", "["]}}}),
    "source.registry.ignore[1]: "
)]
#[case::repository(
    json!({"source": {"registry": {"repository": "ghcr.io/a/b:v1", "tag": {"semver": "*"}}}}),
    "source.registry.repository: \"ghcr.io/a/b:v1\" is not a repository"
)]
#[case::password_in_url(
    json!({"source": {"git": {"url": "https://me:hunter2@git.example/a.git", "ref": {"branch": "main"}, "reference": {"path": "x"}}}}),
    "source.git.url "
)]
#[case::git_range(
    json!({"source": {"git": {"url": "https://git.example/a.git", "ref": {"tag": {"semver": "latest"}}, "reference": {"path": "x"}}}}),
    "source.git.ref.tag.semver: "
)]
#[case::git_match(
    json!({"source": {"git": {"url": "https://git.example/a.git", "ref": {"tag": {"semver": "*", "match": "("}}, "reference": {"path": "x"}}}}),
    "source.git.ref.tag.match: "
)]
#[case::git_image(
    json!({"source": {"git": {"url": "https://git.example/a.git", "ref": {"branch": "main"}, "image": "h.example/a:{branch}"}}}),
    "source.git.image names the same image for every commit"
)]
#[case::platform(
    json!({"image": {"platform": "linux"}, "source": {"file": {"path": "/etc/voxsync/x"}}}),
    "image.platform: "
)]
#[case::pin(
    json!({"pin": {"reference": "not a ref !!"}, "source": {"file": {"path": "/etc/voxsync/x"}}}),
    "pin.reference: "
)]
#[case::tag_without_a_signature(
    json!({"verify": {"cosign": {"keys": {"secretRef": {"name": "keys"}}}}, "write": {"form": "Tag"},
           "source": {"file": {"path": "/etc/voxsync/x"}}}),
    "write.form: verify needs Digest or TagAndDigest"
)]
#[case::age(
    json!({"history": {"maximumAge": "90d"}, "source": {"file": {"path": "/etc/voxsync/x"}}}),
    "history.maximumAge: "
)]
fn what_is_wrong_is_said_with_the_field(#[case] spec: Value, #[case] wanted: &str) {
    let error = planned(spec).map(drop).unwrap_err();
    assert!(error.starts_with(wanted) && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_file_system_of_the_process_is_read_where_it_says_so() {
    let of = |url: &str| {
        let git = json!({"url": url, "ref": {"branch": "main"}, "reference": {"path": "x"}});
        planned(json!({"source": {"git": git}})).unwrap()
    };
    let error = of("file:///srv/code.git").allowed(None).map(drop).unwrap_err();
    assert!(error.starts_with("source.git.url: ") && error.contains("--git-file-root"), "{error}");
    assert!(of("file:///srv/code.git").allowed(Some(Path::new("/srv"))).is_ok());
    assert!(of("https://git.example/code.git").allowed(None).is_ok());
}

#[test]
fn a_git_source_and_the_image_have_logins_of_their_own() {
    let git = json!({"url": "https://git.example/a.git", "ref": {"branch": "main"},
                     "secretRef": {"name": "git"}, "reference": {"path": "x"}});
    let plan_of = |spec| planned(spec).unwrap().source.unwrap();
    let told = plan_of(json!({"source": {"git": git}, "image": {"secretRef": {"name": "registry"}}}));
    let Place::Git { access, .. } = &told.place else { panic!("{:?}", told.place) };
    assert_eq!(access.login().unwrap().name, "git");
    let Want::Named { image, .. } = &told.want else { panic!("{:?}", told.want) };
    assert_eq!((image.login().unwrap().name, image.lenient, image.only_bound), ("registry", false, true));
    let advised = |access: &Access| access.advised(String::new(), Some(Advice::GiveLogin));
    assert_eq!(advised(image), "; name a Secret with a login in `spec.image.secretRef`");
    assert_eq!(advised(access), "; name a Secret with a login in `spec.source.git.secretRef`");

    let untold = plan_of(json!({"source": {"git": git}}));
    let Want::Named { image, .. } = &untold.want else { panic!("{:?}", untold.want) };
    assert_eq!((image.login().unwrap().name, image.lenient, image.only_bound), ("pull", true, true));
    assert_eq!(advised(image), "; name a Secret with a login in `spec.image.secretRef`");
}

#[test]
fn a_platform_is_wanted_of_all_images_and_changes_no_login() {
    let image = json!({"platform": "linux/arm64"});
    let registry =
        json!({"repository": "ghcr.io/a/b", "tag": {"newestBuild": {}}, "secretRef": {"name": "r"}});
    let pin = json!({"reference": "ghcr.io/a/b:v1"});
    let plan = planned(json!({"pin": pin, "source": {"registry": registry}, "image": image})).unwrap();
    let source = plan.source.unwrap();
    let Place::Registry { access, .. } = &source.place else { panic!("{:?}", source.place) };
    let Place::Image { access: of_pin, .. } = &plan.pin.unwrap().place else { panic!("no image") };
    assert_eq!((access, access.dated), (of_pin, true));
    assert_eq!(access.platform, Some("linux/arm64".parse().unwrap()));
    assert_eq!(access.login().unwrap().name, "r");
    let advised = access.advised(String::new(), Some(Advice::CheckLogin));
    assert_eq!(advised, "; check the Secret that `secretRef` names", "there is only one");

    let plan = planned(json!({"source": {"file": {"path": "x"}}, "image": image})).unwrap();
    let source = plan.source.unwrap();
    let Want::Named { image, .. } = &source.want else { panic!("{:?}", source.want) };
    assert_eq!(image.platform, access.platform);
    assert_eq!((image.login().unwrap().name, image.lenient, image.dated), ("pull", true, false));
}

#[test]
fn authorities_of_a_config_map_are_in_the_code_sync_s_namespace() {
    let registry =
        json!({"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "certConfigMapRef": {"name": "ca"}});
    let plan = planned(json!({"source": {"registry": registry}})).unwrap();
    let source = plan.source.unwrap();
    let Place::Registry { access, .. } = &source.place else { panic!("{:?}", source.place) };
    let authorities = access.authorities().unwrap();
    assert_eq!((authorities.namespace, authorities.name), ("puppet", "ca"));
    assert!(access.login().is_none() && access.certificate().is_none());
}

#[test]
fn a_pin_in_the_followed_repository_is_looked_at_like_it() {
    let registry = json!({"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "secretRef": {"name": "r"}});
    for (reference, secret, foreign) in [("ghcr.io/a/b:v1", "r", false), ("ghcr.io/other/b:v1", "pull", true)]
    {
        let plan = planned(json!({"pin": {"reference": reference}, "source": {"registry": registry}}));
        let Place::Image { access, .. } = plan.unwrap().pin.unwrap().place else { panic!("no image") };
        assert_eq!((access.login().unwrap().name, access.only_bound), (secret, foreign));
    }
}
