//! Who gets which answer, and what it causes.

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn a_proven_webhook_is_taken_at_once_and_asks_for_a_look() {
    let mut world = World::start().await;
    assert_eq!((world.push(SECRET).await, world.heard()), (202, ["production".to_owned()].into()));
    let unreadable = signature(SECRET, "{");
    let headers = [("X-Hub-Signature-256", unreadable.as_str())];
    let answer = world.request("POST", "/hooks/puppet/production", &headers, "{").await;
    assert_eq!((answer.status(), world.heard().len()), (202, 1), "what cannot be read is news, too");
    let ping = signature(SECRET, BODY);
    let headers = [("X-Hub-Signature-256", ping.as_str()), ("X-GitHub-Event", "ping")];
    let answer = world.request("POST", "/hooks/puppet/production", &headers, BODY).await;
    assert_eq!((answer.status(), world.heard().len()), (202, 0), "a ping is none");
}

#[tokio::test]
async fn who_has_no_proof_learns_nothing() {
    let mut world = World::start().await;
    let unreadable = json!({"type": "github", "secretRef": {"name": "absent"}});
    world.create("unreadable", unreadable).await;
    until("the CodeSync is known", async || (world.push("wrong").await == 401).then_some(())).await;
    let good = signature(SECRET, BODY);
    let (wrong, cut) = (signature("wrong", BODY), good[..good.len() - 1].to_owned());
    let sha1 = good.replace("sha256", "sha1");
    let requests = [
        ("/hooks/puppet/production", wrong.as_str()),
        ("/hooks/puppet/production", &cut),
        ("/hooks/puppet/production", &sha1),
        ("/hooks/puppet/production", ""),
        ("/hooks/puppet/production/some-token", &wrong),
        ("/hooks/puppet/staging", &good),
        ("/hooks/puppet/unreadable", &good),
        ("/hooks/puppet/absent", &good),
        ("/hooks/elsewhere/production", &good),
        ("/hooks/%70uppet/production", &good),
    ];
    world.are_refused_alike(&requests).await;
    assert_eq!(world.heard().len(), 0);
}

/// An API server that never answers would else tell which CodeSyncs exist.
#[tokio::test]
async fn a_secret_that_cannot_be_read_tells_nothing() {
    let world = World::start_on(
        |_| HooksOptions::default(),
        Value::Null,
        async |request, server| {
            if request.uri().path().contains("/secrets/") {
                std::future::pending::<()>().await;
            }
            server.send(request).await
        },
    )
    .await;
    let good = signature(SECRET, BODY);
    world.are_refused_alike(&[("/hooks/puppet/production", &good), ("/hooks/puppet/absent", &good)]).await;
}

impl World {
    async fn are_refused_alike(&self, requests: &[(&str, &str)]) {
        let answers = requests.iter().map(async |(path, header)| {
            let answer = self.request("POST", path, &[("X-Hub-Signature-256", header)], BODY).await;
            assert_eq!(answer.status(), 401, "{path}: {answer:?}");
            answer.without_date()
        });
        let mut answers = join_all(answers).await;
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_alike() {
    let world = World::start().await;
    for path in ["/hooks/puppet/production", "/hooks/puppet/absent", "/hooks/puppet/absent/token"] {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let answer = world.request(method, path, &[], "").await;
            assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST")), "{method} {path}");
        }
    }
    for path in
        ["/", "/hooks", "/hooks/", "/hooks/puppet", "/hooks/puppet/production/a/b", "/metrics", "/hooksx/a/b"]
    {
        assert_eq!(world.request("POST", path, &[], "").await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_token_may_be_the_end_of_the_address() {
    let mut world = World::start().await;
    world.create("hub", json!({"type": "dockerhub", "secretRef": {"name": "hook"}})).await;
    let post = async |token: &str| {
        world.request("POST", &format!("/hooks/puppet/hub{token}"), &[], "{}").await.status()
    };
    until("it is taken", async || (post(&format!("/{SECRET}")).await == 202).then_some(())).await;
    assert_eq!([post("").await, post("/").await, post("/wrong").await], [401; 3]);
    assert_eq!(world.heard(), ["hub".to_owned()].into());
}

#[tokio::test]
async fn a_renewed_secret_is_taken_up_and_the_old_one_is_not_believed_any_more() {
    let world = World::start().await;
    assert_eq!(world.push(SECRET).await, 202);
    world.patch_secret("renewed").await;
    until("the new secret is taken", async || (world.push("renewed").await == 202).then_some(())).await;
    assert_eq!(world.push(SECRET).await, 401);
}

#[tokio::test]
async fn one_secret_for_all_finds_who_follows_a_repository() {
    let options = |folder: &Path| {
        write(&folder.join("secret"), &format!("{SECRET}\n"));
        HooksOptions { hooks_secret_file: Some(folder.join("secret")), ..HooksOptions::default() }
    };
    let mut world = World::start_with(options, Value::Null).await;
    for (body, wanted) in [
        (r#"{"repository": "GHCR.io/example/staging:v1.2.0"}"#, vec!["staging"]),
        (
            r#"{"repository": ["ghcr.io/example/production", "ghcr.io/example/staging"]}"#,
            vec!["production", "staging"],
        ),
        (r#"{"repository": "ghcr.io/example/another"}"#, vec![]),
        ("nonsense", vec![]),
    ] {
        for (header, value) in [
            ("Authorization", format!("Bearer {SECRET}")),
            ("X-Signature", signature(SECRET, body)),
            ("X-Hub-Signature-256", signature(SECRET, body)),
        ] {
            let answer = world.request("POST", "/hooks", &[(header, &value)], body).await;
            assert_eq!(answer.status(), 202, "{header}: {body}");
            assert_eq!(Vec::from_iter(world.heard()), wanted, "{header}: {body}");
        }
        assert_eq!(
            world.request("POST", "/hooks", &[("Authorization", "Bearer no")], body).await.status(),
            401
        );
    }
    write(&world.file("secret"), "renewed");
    let renewed = [("Authorization", "Bearer renewed")];
    until("the new secret is taken", async || {
        (world.request("POST", "/hooks", &renewed, "{}").await.status() == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn event_grid_may_send_after_it_asked() {
    let mut world = World::start().await;
    world.create("azure", json!({"type": "cloud-events", "secretRef": {"name": "hook"}})).await;
    let path = format!("/hooks/puppet/azure/{SECRET}");
    let origin = [("WebHook-Request-Origin", "eventgrid.azure.net")];
    let answer = until("it is known", async || {
        let answer = world.request("OPTIONS", &path, &origin, "").await;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.header("webhook-allowed-origin"), Some("eventgrid.azure.net"));
    assert_eq!(world.request("OPTIONS", "/hooks/puppet/azure/wrong", &origin, "").await.status(), 401);
    let body = r#"[{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}]"#;
    let answer = world.request("POST", &path, &[], body).await;
    assert!(answer.0.ends_with(r#"{"validationResponse":"512d38b6"}"#), "{answer:?}");
    assert_eq!(world.heard().len(), 0);
}
