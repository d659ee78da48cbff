//! `voxsync tags` without a cluster: lists, and a repository of a real registry.

use std::process::{Command, Output};

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CertificateAuthority, CodeImage, Registry, Transport};

use super::{text, voxsync, voxsync_reading};

const LIST: &str = "v1.4.2\nlatest\n\n  v1.4.1  \nv1.5.0-rc.1\r\nmain\nv0.9.0\nv1.4.2\n";

fn of_list(list: &str, arguments: &[&str]) -> Output {
    voxsync_reading(list, &[&["tags", "--from", "-"][..], arguments].concat())
}

#[test]
fn a_list_is_judged_in_json() {
    let output = of_list(LIST, &["--semver", ">=1.0.0", "-o", "json"]);
    let judged: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON value");
    let tag = |tag: &str, state: &str, why: &str| json!({"tag": tag, "state": state, "why": why});
    let prerelease = "a prerelease, and the range names none (-0 at both of its ends admits those between)";
    let expected = json!({"chosen": "v1.4.2", "tags": [
        tag("v1.4.2", "chosen", "the best that fits"),
        tag("v1.4.1", "ripe", "it fits, and another one is better"),
        tag("v0.9.0", "ignored", "outside the range >=1.0.0"),
        tag("v1.5.0-rc.1", "ignored", prerelease),
        tag("latest", "ignored", "not a version"),
        tag("main", "ignored", "not a version"),
    ]});
    assert_eq!(judged, expected);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn a_list_is_judged_in_a_table_with_the_chosen_one_first() {
    let output = of_list(LIST, &["--semver", ">=1.0.0"]);
    let wanted = "\
v1.4.2 is chosen by >=1.0.0

TAG     STATE   WHY
v1.4.2  chosen  the best that fits
v1.4.1  ripe    it fits, and another one is better

left out (4):
  outside the range >=1.0.0: v0.9.0
  a prerelease, and the range names none (-0 at both of its ends admits those between): v1.5.0-rc.1
  not a version: latest, main
";
    assert_eq!(text(&output.stdout), wanted);
}

#[test]
fn long_lists_are_cut_and_said_so() {
    let list: Vec<String> = (0..100).map(|number| format!("{number}\nbad-{number}")).collect();
    let list = list.join("\n");
    let short = text(&of_list(&list, &["--numerical"]).stdout);
    assert!(short.starts_with("99 is chosen by numerical\n"), "{short}");
    assert!(
        short.contains("and 80 more that fit: --all names them") && short.contains(" and 95 more"),
        "{short}"
    );
    assert!(short.lines().count() < 30, "{short}");
    let long = text(&of_list(&list, &["--numerical", "--all"]).stdout);
    assert!(long.contains("bad-57") && long.lines().count() > 100 && !long.contains("--all"), "{long}");
}

#[test]
fn no_choice_is_an_answer() {
    let output = of_list("latest\n\u{1b}[31mred\n", &["--calver", "YYYY.0M.0D"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(said.starts_with("no tag is chosen by YYYY.0M.0D\n") && !said.contains('\u{1b}'), "{said}");
    assert!(text(&of_list("\n", &["--alphabetical"]).stdout).starts_with("the list is empty"));
    let output = of_list("", &["--alphabetical", "-o", "json"]);
    assert_eq!(
        (text(&output.stdout).trim(), output.status.code()),
        (r#"{"chosen":null,"tags":[]}"#, Some(0))
    );
}

#[test]
fn each_rule_can_be_tried() {
    for (arguments, list, chosen) in [
        (&["--calver", "YYYY.MM.DD"][..], "2024.9.30\n2024.10.1", "2024.10.1"),
        (&["--numerical", "--select", "highest"], "9\n10", "10"),
        (&["--numerical", "--select", "Lowest"], "9\n10", "9"),
        (&["--alphabetical"], "9\n10", "9"),
        (&["--alphabetical", "--select", "lowest"], "9\n10", "10"),
        (&["--follow", "stable"], "latest\nstable", "stable"),
        (&["--numerical", "--match", r"^r(?<version>\d+)$"], "r69\nr100\n200", "r100"),
        (
            &["--semver", "*-0", "--ignore", "-rc", "--ignore", "-beta"],
            "1.0.0-rc.1\n1.0.0-beta\n1.0.0-alpha",
            "1.0.0-alpha",
        ),
    ] {
        let output = of_list(list, &[arguments, &["-o", "json"]].concat());
        let judged: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(judged["chosen"], chosen, "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_said_and_ends_with_2() {
    for (arguments, wanted) in [
        (&["--semver", ">=1.x.y"][..], "tag.semver: \">=1.x.y\" is not a version range"),
        (&["--calver", "YYYYMMDD"], "tag.calver: \"YYYYMMDD\" is not a calver format"),
        (&["--follow=-x"], "tag.follow: \"-x\" is not a tag"),
        (&["--numerical", "--match", "("], "match: \"(\" is not a regular expression"),
        (&["--numerical", "--ignore", "a", "--ignore", "["], "ignore[1]: \"[\" is not a regular expression"),
        (&["--numerical", "--match", r"^r(?<ts>\d+)$"], "match: the group \"ts\" is not asked for"),
        (&["--numerical", "--alphabetical"], "cannot be used with"),
        (&["--semver", "*", "--select", "lowest"], "--select lowest is for"),
        (&["--numerical", "--select", "biggest"], "highest"),
        (&["--newest-build"], "a list has no build times"),
        (&["--numerical", "--minimum-age", "1h"], "--minimum-age is for a CodeSync"),
        (&["--numerical", "--minimum-age", "1 day"], "is not a duration such as"),
        (&[], "--semver"),
    ] {
        let output = of_list("v1\n", arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(wanted) && output.stdout.is_empty(), "{arguments:?}: {said}");
    }
    for (arguments, wanted) in [
        (&["ghcr.io/example/code"][..], "needs a policy: one of --semver"),
        (&["ghcr.io/example/code", "--match", "^v"], "needs a policy: one of --semver"),
        (&["--from", "/nowhere", "--numerical"], "/nowhere"),
        (&["127.0.0.1:1/code", "--numerical", "--insecure"], "127.0.0.1:1"),
        (&["not/a repository", "--numerical"], "\"not/a repository\" is not a repository"),
        (&["oci://ghcr.io/example/code", "--numerical"], "leave out `oci://`"),
        (&["ghcr.io/example/code:v1", "--numerical"], "leave out the tag `:v1`"),
        (&[], "REPOSITORY|CODESYNC"),
    ] {
        let output = voxsync(&[&["tags"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(wanted), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_asked() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let old = CodeImage { created: Some("2026-01-01T00:00:00Z".to_owned()), ..CodeImage::with_site("old") };
    let young =
        CodeImage { created: Some("2026-02-01T00:00:00Z".to_owned()), ..CodeImage::with_site("young") };
    registry.push("code", "v2.0.0", &old).await;
    registry.push("code", "v1.9.0", &young).await;
    let repository = format!("{}/code", registry.host());
    for (rule, chosen) in [(&["--semver", "*"][..], "v2.0.0"), (&["--newest-build"], "v1.9.0")] {
        // It runs where no folder can be written.
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        command.env("TMPDIR", "/nowhere").args(["tags", &repository, "--insecure", "-o", "json"]);
        let output = command.args(rule).output().unwrap();
        let judged: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(judged["chosen"], chosen, "{rule:?}: {}", text(&output.stderr));
    }
    let access = Access::Basic { user: "someone".to_owned(), password: "secret".to_owned() };
    let of_password = Registry::start(access, Transport::Plain);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, of_password.docker_config_json()).unwrap();
    of_password.push("code", "v3.0.0", &old).await;
    let repository = format!("{}/code", of_password.host());
    let refused = voxsync(&["tags", &repository, "--insecure", "--semver", "*"]);
    let said = text(&refused.stderr);
    assert!(said.contains("--docker-config FILE") && !said.contains("secretRef"), "{said}");
    assert_eq!(refused.status.code(), Some(2));
    let login = config.to_str().unwrap();
    let output = voxsync(&["tags", &repository, "--insecure", "--semver", "*", "--docker-config", login]);
    assert!(text(&output.stdout).starts_with("v3.0.0 is chosen by *\n"), "{}", text(&output.stderr));
}

#[test]
fn a_proxy_that_is_not_there_is_not_taken_for_the_registry() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    for name in ["https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.env("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1");
    let output = command.args(["tags", "registry.example/code", "--semver", "*"]).output().unwrap();
    let said = text(&output.stderr);
    for wanted in ["the proxy http://127.0.0.1:1 (`HTTPS_PROXY`", "lead to registry.example: it refuses"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_may_have_an_authority_of_a_file() {
    let [authority, other] = [(); 2].map(|()| CertificateAuthority::create());
    let registry = Registry::start(Access::Anonymous, Transport::Tls(authority.issue()));
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository = format!("{}/code", registry.host());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ask = |arguments: &[&str]| voxsync(&[&["tags", &repository, "--semver", "*"], arguments].concat());

    let both = file("both.crt", &format!("{}{}", other.pem(), authority.pem()));
    let output = ask(&["--ca", &both]);
    assert!(text(&output.stdout).starts_with("v1.0.0 is chosen by *\n"), "{}", text(&output.stderr));

    let of_another = file("other.crt", &other.pem());
    let broken = file("broken.crt", &format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n", other.pem()));
    let none = file("none.crt", "MIIB");
    let large = file("large.crt", &"#".repeat((1 << 20) + 1));
    for (arguments, wanted) in [
        (&[][..], "has a certificate of an unknown CA; name a file with the CA as `--ca FILE`".to_owned()),
        (&["--ca", &of_another], "has a certificate of an unknown CA".to_owned()),
        (&["--ca", &broken], format!("--ca: {broken}: certificate 2 is no PEM: ")),
        (&["--ca", &none], format!("--ca: {none}: it holds no certificate in PEM")),
        (&["--ca", &large], format!("--ca: {large}: it has more than 1048576 bytes")),
        (&["--ca", "/nowhere"], "--ca: /nowhere: No such file".to_owned()),
    ] {
        let output = ask(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(&wanted), "{arguments:?}: {said}");
    }
}
