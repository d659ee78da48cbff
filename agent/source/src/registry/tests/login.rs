//! Logins and tokens: who gets them, how often, and who never does.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::Advice;

const LIST: &str = "GET /v2/team/code/tags/list?n=1000";
const TOKEN: &str = "GET /token?scope=repository%3Ateam%2Fcode%3Apull&service=test";
/// base64 of `user:hunter2`.
const USER: &str = "Basic dXNlcjpodW50ZXIy";

/// A registry with a token server. A token is good while its number is the current one.
async fn token_registry(current: Arc<AtomicU32>) -> Registry {
    Registry::start(move |seen| {
        let current = current.load(Ordering::SeqCst);
        if seen.path.starts_with("/token") {
            return match seen.header("authorization") {
                Some(USER) => json_answer(&json!({"access_token": format!("t{current}"), "expires_in": 300})),
                _ => answer(401, &[], ""),
            };
        }
        if seen.header("authorization") == Some(&format!("Bearer t{current}")) {
            return tags_answer(&["v1"], &[]);
        }
        let host = seen.header("host").unwrap();
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="test",scope="repository:team/code:pull repository:other:pull""#
        );
        answer(401, &[("www-authenticate", &challenge)], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept_until_it_is_refused() {
    let current = Arc::new(AtomicU32::new(1));
    let registry = token_registry(Arc::clone(&current)).await;
    let client = registry.client(basic("user", "hunter2"));

    client.list_tags(None).await.unwrap();
    assert_eq!(registry.take_requests(), [LIST, TOKEN, LIST]);
    client.list_tags(None).await.unwrap();
    assert_eq!(registry.take_requests(), [LIST]);

    current.store(2, Ordering::SeqCst);
    client.list_tags(None).await.unwrap();
    assert_eq!(registry.take_requests(), [LIST, TOKEN, LIST]);
    client.list_tags(None).await.unwrap();
    assert_eq!(registry.take_requests(), [LIST]);
}

#[tokio::test]
async fn every_request_is_told_of() {
    let registry = token_registry(Arc::new(AtomicU32::new(1))).await;
    let told = Arc::<Mutex<Vec<_>>>::default();
    let traffic = |told: &Arc<Mutex<Vec<_>>>| {
        let told = Arc::clone(told);
        crate::Traffic::to(move |one| told.lock().unwrap().push((one.host.to_owned(), one.code)))
    };
    let options = RegistryOptions {
        plain_http: true,
        login: basic("user", "hunter2"),
        traffic: traffic(&told),
        ..RegistryOptions::default()
    };
    registry.client_with(options).list_tags(None).await.unwrap();
    let host = &registry.host;
    let wanted = [401, 200, 200].map(|code| (host.clone(), Some(code)));
    assert_eq!(*std::mem::take(&mut *told.lock().unwrap()), wanted);

    let gone = RegistryOptions { plain_http: true, traffic: traffic(&told), ..RegistryOptions::default() };
    let gone = RegistryClient::new("127.0.0.1:1/team/code".parse().unwrap(), gone).unwrap();
    gone.list_tags(None).await.unwrap_err();
    assert_eq!(*told.lock().unwrap(), [("127.0.0.1:1".to_owned(), None)]);
}

#[tokio::test]
async fn a_token_that_does_not_help_is_refreshed_once_only() {
    let registry = Registry::start(|seen| {
        if seen.path.starts_with("/token") {
            return json_answer(&json!({"token": "useless"}));
        }
        let challenge = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
        answer(401, &[("www-authenticate", &challenge)], "")
    })
    .await;
    let error = registry.client(basic("user", "hunter2")).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::LoginRefused { host: registry.host.clone() });
    assert_eq!(registry.take().len(), 3);
}

#[tokio::test]
async fn a_wrong_password_says_what_to_do_and_not_itself() {
    let registry = token_registry(Arc::default()).await;
    let client = registry.client(basic("user", "wrong-password"));
    let error = client.list_tags(None).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("cannot list the tags of {}/team/code: ", registry.host)),
        "{message}"
    );
    assert!(message.contains("wrong user name, password or token"), "{message}");
    assert_eq!(error.problem.advice(), Some(Advice::CheckLogin));
    assert!(!format!("{message}{error:?}{client:?}").contains("wrong-password"));
}

#[tokio::test]
async fn without_a_login_it_says_that_one_is_missing() {
    let registry = token_registry(Arc::default()).await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::LoginMissing);
    assert_eq!(error.problem.advice(), Some(Advice::GiveLogin));
}

#[tokio::test]
async fn basic_is_sent_only_when_asked_for_and_then_kept() {
    let registry = Registry::start(|seen| match seen.header("authorization") {
        Some(USER) => tags_answer(&["v1"], &[]),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    })
    .await;
    let client = registry.client(basic("user", "hunter2"));
    client.list_tags(None).await.unwrap();
    client.list_tags(None).await.unwrap();
    let sent: Vec<_> = registry.take().iter().map(|seen| seen.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true]);

    let wrong = registry.client(basic("user", "x")).list_tags(None).await.unwrap_err();
    assert_eq!(wrong.problem, Problem::LoginRefused { host: registry.host.clone() });
}

#[tokio::test]
async fn a_registry_token_is_sent_at_once() {
    let registry = Registry::start(|seen| match seen.header("authorization") {
        Some("Bearer mine") => tags_answer(&["v1"], &[]),
        _ => answer(401, &[("www-authenticate", "Bearer realm=\"http://127.0.0.1:1/token\"")], ""),
    })
    .await;
    registry.client(Login::Bearer("mine".to_owned())).list_tags(None).await.unwrap();
    assert_eq!(registry.take_requests(), [LIST]);
    let wrong = registry.client(Login::Bearer("other".to_owned())).list_tags(None).await.unwrap_err();
    assert_eq!(wrong.problem, Problem::LoginRefused { host: registry.host.clone() });
    assert_eq!(registry.take_requests(), [LIST]);
}

#[tokio::test]
async fn a_login_with_a_line_break_is_refused_at_once() {
    let registry = Registry::start(|_| answer(500, &[], "")).await;
    let options = RegistryOptions { login: Login::Bearer("a\nb".to_owned()), ..RegistryOptions::default() };
    let refused = RegistryClient::new(format!("{}/x", registry.host).parse().unwrap(), options).unwrap_err();
    assert_eq!(refused.problem, Problem::LoginUnusable);
}

#[tokio::test]
async fn an_identity_token_is_posted_and_never_in_an_address() {
    let registry = Registry::start(|seen| {
        if seen.path.starts_with("/token") {
            return json_answer(&json!({"access_token": "fresh"}));
        }
        if seen.header("authorization") == Some("Bearer fresh") {
            return tags_answer(&["v1"], &[]);
        }
        let challenge =
            format!(r#"Bearer realm="http://{}/token",service="s""#, seen.header("host").unwrap());
        answer(401, &[("www-authenticate", &challenge)], "")
    })
    .await;
    registry.client(Login::Identity("refresh me".to_owned())).list_tags(None).await.unwrap();
    let seen = registry.take();
    let asked = seen.iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    assert_eq!(
        asked.body,
        "service=s&scope=repository%3Ateam%2Fcode%3Apull&grant_type=refresh_token&client_id=voxsync&refresh_token=refresh+me"
    );
}

#[tokio::test]
async fn further_rights_on_this_repository_are_asked_for_too() {
    let registry = Registry::start(|seen| {
        let host = seen.header("host").unwrap();
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",scope="repository:team/code:metadata_read repository:x:*""#
        );
        if seen.path.starts_with("/token") {
            return json_answer(&json!({"token": "t"}));
        }
        answer(401, &[("www-authenticate", &challenge)], "")
    })
    .await;
    registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    let expected =
        "GET /token?scope=repository%3Ateam%2Fcode%3Apull&scope=repository%3Ateam%2Fcode%3Ametadata_read";
    assert_eq!(registry.take_requests()[1], expected);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_login_stays_here() {
    let elsewhere = Registry::start(|_| tags_answer(&["v9"], &[])).await;
    let target = format!("http://{}/v2/team/code/tags/list?token=secret", elsewhere.host);
    let registry = Registry::start(move |_| answer(307, &[("location", &target)], "")).await;
    let error = registry.client(Login::Bearer("mine".to_owned())).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::Redirected { to: format!("http://{}", elsewhere.host) });
    assert!(!error.to_string().contains("secret"));
    assert_eq!(elsewhere.take().len(), 0);
}

#[tokio::test]
async fn a_token_server_without_a_token_is_an_error() {
    for token in [json!({}), json!({"token": ""}), json!({"token": "a\nb"}), json!("token")] {
        let registry = Registry::start(move |seen| {
            if seen.path.starts_with("/token") {
                return json_answer(&token);
            }
            let challenge = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
            answer(401, &[("www-authenticate", &challenge)], "")
        })
        .await;
        let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
        let expected = matches!(error.problem, Problem::InvalidAnswer { .. });
        assert!(expected, "{error}");
    }
}
