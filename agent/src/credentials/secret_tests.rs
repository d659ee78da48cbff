use k8s_openapi::ByteString;
use rstest::rstest;

use super::*;

fn keys(pairs: &[(&str, &str)]) -> SecretKeys {
    let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
    let secret = Secret { data: Some(data.collect()), ..Secret::default() };
    SecretKeys::of(SecretName { namespace: "puppet", name: "login" }, secret)
}

const DOCKER: &str = r#"{"auths": {"ghcr.io": {"username": "u", "password": "hunter2"}}}"#;

#[rstest]
#[case::docker(&[(".dockerconfigjson", DOCKER)], Ok(Login::Basic { username: "u".into(), password: "hunter2".into() }))]
#[case::basic(&[("username", "u"), ("password", "hunter2\n")], Ok(Login::Basic { username: "u".into(), password: "hunter2".into() }))]
#[case::token(&[("token", "hunter2")], Ok(Login::Bearer("hunter2".into())))]
#[case::half(&[("username", "u")], Err("Secret puppet/login has the keys username; what is needed: .dockerconfigjson, or username and password, or token"))]
#[case::empty(&[], Err("Secret puppet/login has no keys; what is needed: .dockerconfigjson, or username and password, or token"))]
#[case::empty_token(&[("token", "")], Err("Secret puppet/login has the keys token (is empty); what is needed: .dockerconfigjson, or username and password, or token"))]
#[case::empty_line(&[("username", "u"), ("password", "\n")], Err("Secret puppet/login has the keys password (is empty), username; what is needed: .dockerconfigjson, or username and password, or token"))]
#[case::not_json(&[(".dockerconfigjson", "-----BEGIN CERTIFICATE-----")], Err("Secret puppet/login cannot be used: it is not a Docker configuration, which is JSON with logins in `auths`; make one with `kubectl create secret docker-registry`"))]
#[case::other_host(&[(".dockerconfigjson", r#"{"auths": {}}"#)], Err("Secret puppet/login has no login for ghcr.io/a/b: add one for its host"))]
fn registries(#[case] pairs: &[(&str, &str)], #[case] wanted: Result<Login, &str>) {
    let repository = "ghcr.io/a/b".parse().unwrap();
    let login = registry_login(&keys(pairs), &repository, false).map_err(|problem| problem.to_string());
    assert_eq!(login, wanted.map_err(str::to_owned));
}

#[rstest]
#[case::basic(&[("username", "u"), ("password", "p")], Ok(GitLogin::Basic { username: "u".into(), password: "p".into() }))]
#[case::ssh(&[("identity", "k\n"), ("known_hosts", "h")], Ok(GitLogin::Ssh { private_key_pem: "k\n".into(), known_hosts: "h".into() }))]
#[case::kubernetes_type(&[("ssh-privatekey", "k\n"), ("known_hosts", "h")], Ok(GitLogin::Ssh { private_key_pem: "k\n".into(), known_hosts: "h".into() }))]
#[case::no_hosts(&[("identity", "k")], Err("Secret puppet/login has the keys identity; what is needed: known_hosts"))]
#[case::passphrase(&[("identity", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), ("known_hosts", "h")], Err("Secret puppet/login cannot be used: identity has a passphrase, which voxsync cannot be asked for: give it a key without one (`ssh-keygen -p`)"))]
fn git(#[case] pairs: &[(&str, &str)], #[case] wanted: Result<GitLogin, &str>) {
    let login = git_login(&keys(pairs)).map_err(|problem| problem.to_string());
    assert_eq!(login, wanted.map_err(str::to_owned));
}

#[rstest]
#[case::none(&[("token", "x")], Ok(None))]
#[case::whole(&[("githubAppID", "12\n"), ("githubAppInstallationID", "34\n"), ("githubAppPrivateKey", "k")], Ok(Some(("12", 34))))]
#[case::half(&[("githubAppID", "12")], Err("Secret puppet/login has the keys githubAppID; what is needed: githubAppID, githubAppInstallationID and githubAppPrivateKey"))]
#[case::odd(&[("githubAppID", "12"), ("githubAppInstallationID", "x"), ("githubAppPrivateKey", "k")], Err("Secret puppet/login cannot be used: githubAppInstallationID is not a number"))]
fn github_apps(#[case] pairs: &[(&str, &str)], #[case] wanted: Result<Option<(&str, u64)>, &str>) {
    let app = github_app(&keys(pairs)).map_err(|problem| problem.to_string());
    let app = app.map(|app| app.map(|app| (app.app, app.installation)));
    assert_eq!(app, wanted.map(|app| app.map(|(app, id)| (app.to_owned(), id))).map_err(str::to_owned));
}

#[rstest]
#[case::basic(&[("username", "u"), ("password", "hunter2")])]
#[case::token(&[("token", "hunter2")])]
#[case::nothing(&[])]
#[case::other_host(&[(".dockerconfigjson", r#"{"auths": {"other.example": {"username": "u", "password": "p"}}}"#)])]
fn a_host_that_a_file_names_gets_no_login_that_is_not_for_it(#[case] pairs: &[(&str, &str)]) {
    let evil = "evil.example/a".parse().unwrap();
    let problem = registry_login(&keys(pairs), &evil, true).unwrap_err().to_string();
    assert!(problem.contains("evil.example/a") && !problem.contains("hunter2"), "{problem}");
    let bound =
        registry_login(&keys(&[(".dockerconfigjson", DOCKER)]), &"ghcr.io/a/b".parse().unwrap(), true);
    assert!(bound.is_ok(), "{bound:?}");
}

#[test]
fn the_message_about_git_names_the_keys_that_are_read() {
    assert!(PRIVATE_KEY_NAMES.iter().all(|name| FOR_GIT.contains(name)), "{FOR_GIT}");
}

#[test]
fn nothing_shows_a_value() {
    let keys = keys(&[("password", "hunter2"), ("tls.crt", "hunter2"), ("tls.key", "hunter2")]);
    let shown = format!("{keys} {keys:?} {:?}", tls(&keys).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[rstest]
#[case::of_kubernetes(["ca.crt", "tls.crt", "tls.key"])]
#[case::of_openvox_operator(["ca_crt.pem", "cert.pem", "key.pem"])]
fn certificates_are_found_by_their_names(#[case] names: [&str; 3]) {
    let pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----";
    let [ca, certificate, key] = names;
    let found = tls(&keys(&[(ca, pem), (certificate, "one"), (key, "two")])).unwrap();
    assert_eq!(found, Tls { authorities: Some(pem.to_owned()), identity: Some("one\ntwo\n".to_owned()) });
    assert_eq!(
        tls(&keys(&[(certificate, "one"), (ca, pem)])).unwrap().identity,
        None,
        "a half of one is none"
    );
    let problem = tls(&keys(&[(ca, "hunter2")])).unwrap_err().to_string();
    assert!(problem.contains(&format!("{ca} holds no PEM")) && !problem.contains("hunter2"), "{problem}");
}

#[rstest]
#[case::basic(&[("username", "u"), ("password", "hunter2")], "Basic(…)")]
#[case::token(&[("token", "hunter2")], "Bearer(…)")]
fn servers_of_checks_get_a_login(#[case] pairs: &[(&str, &str)], #[case] shown: &str) {
    assert_eq!(format!("{:?}", server_login(&keys(pairs)).unwrap()), shown);
    let problem = server_login(&keys(&[("password", "hunter2")])).unwrap_err().to_string();
    assert!(problem.contains("username and password, or token") && !problem.contains("hunter2"), "{problem}");
}

#[test]
fn a_config_map_has_authorities() {
    let name = SecretName { namespace: "puppet", name: "company" };
    let keys = |key: &str, text: &str| {
        let data = [(key.to_owned(), text.to_owned())];
        SecretKeys::of_config_map(name, ConfigMap { data: Some(data.into()), ..ConfigMap::default() })
    };
    let pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----";
    assert_eq!(authorities(&keys("ca.crt", &format!("{pem}\n"))), Ok(pem.to_owned()));
    let error = authorities(&keys("ca-bundle.crt", pem)).unwrap_err().to_string();
    assert_eq!(error, "ConfigMap puppet/company has the keys ca-bundle.crt; what is needed: ca.crt");
    let error = authorities(&keys("ca.crt", "hunter2")).unwrap_err().to_string();
    assert!(
        error.starts_with("ConfigMap puppet/company cannot be used: ca.crt holds no PEM certificate"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}
