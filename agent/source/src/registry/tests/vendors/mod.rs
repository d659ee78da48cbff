//! What is peculiar to each vendor's registry, as its documentation or its users have it, played by a registry of our own.

mod clouds;

use rstest::rstest;

use super::*;

/// One vendor.
struct Vendor {
    path: &'static str,
    login: Login,
    answer: fn(&Seen) -> Response,
    /// What is there, or what a person is told.
    wanted: Result<&'static [&'static str], &'static str>,
}

const ROBOT: &str = "Basic cm9ib3QkdGVhbStwdWxsOnNlY3JldA==";

fn refused(challenge: &str) -> Response {
    answer(401, &[("www-authenticate", challenge)], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)
}

/// A token server at `path` for who has this login; the token is good for the scope that it was asked for.
fn with_tokens(
    seen: &Seen,
    (path, service, scope): (&str, &str, &str),
    login: Option<&str>,
    good: fn(&Seen) -> Response,
) -> Response {
    let host = seen.header("host").unwrap();
    if let Some(query) = seen.path.strip_prefix(path) {
        let scoped = query.contains(&format!("scope={}", scope.replace('/', "%2F").replace(':', "%3A")));
        let is_known = seen.header("authorization") == login && query.contains(&format!("service={service}"));
        return if scoped && is_known {
            json_answer(&json!({"token": "good"}))
        } else {
            answer(403, &[], "")
        };
    }
    match seen.header("authorization") {
        Some("Bearer good") => good(seen),
        _ => refused(&format!(r#"Bearer realm="http://{host}{path}",service="{service}",scope="{scope}""#)),
    }
}

fn two_tags(_: &Seen) -> Response {
    tags_answer(&["v1", "v2"], &[])
}

/// Two pages; the link to the second one is made of the host.
fn two_pages(seen: &Seen, cursor: &str, link: impl Fn(&str) -> String) -> Response {
    if seen.path.contains(cursor) {
        return tags_answer(&["v2"], &[]);
    }
    let link = link(seen.header("host").unwrap().split(':').next().unwrap());
    tags_answer(&["v1"], &[("link", &format!("<{link}>; rel=\"next\""))])
}

/// <https://docs.docker.com/docker-hub/usage/pulls/>, <https://distribution.github.io/distribution/spec/auth/token/>: a
/// token is needed for public images, too, and all tags come at once. (`library/` and `registry-1`: `repository.rs`.)
fn docker_hub() -> Vendor {
    Vendor {
        path: "library/code",
        login: Login::Anonymous,
        answer: |seen| {
            with_tokens(
                seen,
                ("/token", "registry.docker.io", "repository:library/code:pull"),
                None,
                two_tags,
            )
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry>:
/// public images need a token for nobody.
fn ghcr_for_nobody() -> Vendor {
    Vendor {
        path: "example/code",
        login: Login::Anonymous,
        answer: |seen| {
            with_tokens(seen, ("/token", "ghcr.io", "repository:example/code:pull"), None, two_tags)
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://github.com/argoproj-labs/argocd-image-updater/issues/303>: a personal access token in base64 is a bearer token.
fn ghcr_with_a_personal_access_token() -> Vendor {
    Vendor {
        path: "example/code",
        login: Login::Bearer("Z2hwX2V4YW1wbGU=".to_owned()),
        answer: |seen| match seen.header("authorization") {
            Some("Bearer Z2hwX2V4YW1wbGU=") => two_tags(seen),
            _ => refused("Bearer realm=\"http://127.0.0.1:1/token\""),
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://github.com/TritonDataCenter/node-docker-registry-client/issues/12>: pages of its own size (50, now 100), and a
/// link with the whole address, whose cursor is `next_page`.
fn quay() -> Vendor {
    Vendor {
        path: "example/code",
        login: Login::Anonymous,
        answer: |seen| {
            two_pages(seen, "next_page=gAAAA%3D%3D", |host| {
                format!("https://{host}/v2/example/code/tags/list?next_page=gAAAA%3D%3D&n=100")
            })
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://goharbor.io/docs/main/working-with-projects/project-configuration/create-robot-accounts/>: robots of projects
/// have a `$` and a `+` in their names; the token server is Harbor's core.
fn harbor() -> Vendor {
    Vendor {
        path: "team/code",
        login: basic("robot$team+pull", "secret"),
        answer: |seen| {
            let server = ("/service/token", "harbor-registry", "repository:team/code:pull");
            with_tokens(seen, server, Some(ROBOT), |seen| {
                two_pages(seen, "last=v1", |_| "/v2/team/code/tags/list?last=v1&n=1000".to_owned())
            })
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://docs.gitlab.com/user/packages/container_registry/>: names of groups, subgroups and projects, and a token server
/// at another path of GitLab itself.
fn gitlab() -> Vendor {
    Vendor {
        path: "group/subgroup/project/code",
        login: basic("robot$team+pull", "secret"),
        answer: |seen| {
            let scope = "repository:group/subgroup/project/code:pull";
            with_tokens(seen, ("/jwt/auth", "container_registry", scope), Some(ROBOT), |seen| {
                two_pages(seen, "last=v1", |_| {
                    "/v2/group/subgroup/project/code/tags/list?n=1000&last=v1".to_owned()
                })
            })
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://github.com/renovatebot/renovate/issues/15080>: with the repository in the path, the link to the next page lacks
/// it.
fn artifactory() -> Vendor {
    Vendor {
        path: "docker-local/team/code",
        login: Login::Anonymous,
        answer: |seen| {
            if !seen.path.starts_with("/v2/docker-local/") {
                return answer(404, &[], "");
            }
            two_pages(seen, "last=1000", |_| "/v2/team/code/tags/list?last=1000&n=1000".to_owned())
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://github.com/sonatype/nexus-public/issues/1011>: the link has a path that the port of the registry does not know.
fn nexus() -> Vendor {
    Vendor {
        path: "team/code",
        login: Login::Anonymous,
        answer: |seen| {
            if !seen.path.starts_with("/v2/") {
                return answer(400, &[], "");
            }
            two_pages(seen, "last=v1", |host| {
                format!("http://{host}:5002/repository/proxy/v2/team/code/tags/list?n=1000&last=v1")
            })
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

#[rstest]
#[case::docker_hub(docker_hub())]
#[case::ghcr_for_nobody(ghcr_for_nobody())]
#[case::ghcr_with_a_personal_access_token(ghcr_with_a_personal_access_token())]
#[case::quay(quay())]
#[case::harbor(harbor())]
#[case::ecr(clouds::ecr())]
#[case::ecr_for_nobody(clouds::ecr_for_nobody())]
#[case::ecr_after_twelve_hours(clouds::ecr_after_twelve_hours())]
#[case::google(clouds::google())]
#[case::azure_with_a_refresh_token(clouds::azure_with_a_refresh_token())]
#[case::azure_with_a_password(clouds::azure_with_a_password())]
#[case::gitlab(gitlab())]
#[case::artifactory(artifactory())]
#[case::nexus(nexus())]
#[tokio::test]
async fn tags_are_listed(#[case] vendor: Vendor) {
    let Vendor { path, login, answer, wanted } = vendor;
    let registry = Registry::start(answer).await;
    let list = registry.client_of(path, login).list_tags(None).await;
    match (list, wanted) {
        (Ok(list), Ok(wanted)) => assert_eq!(list.tags().collect::<Vec<_>>(), wanted),
        (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
        (list, wanted) => panic!("{list:?} is not {wanted:?}"),
    }
}

/// <https://docs.docker.com/docker-hub/usage/pulls/>: manifests come with what is left of the limit.
#[tokio::test]
async fn docker_hub_says_what_is_left() {
    let registry = Registry::start(|_| {
        let digest = format!("sha256:{}", "0".repeat(64));
        let headers = [
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "76;w=21600"),
            ("docker-content-digest", &digest),
        ];
        answer(200, &headers, "")
    })
    .await;
    let told = Arc::<Mutex<Vec<_>>>::default();
    let record = Arc::clone(&told);
    let traffic = crate::Traffic::to(move |exchange| record.lock().unwrap().push(exchange.quota));
    let options = RegistryOptions { plain_http: true, traffic, ..RegistryOptions::default() };
    registry.client_with(options).head("v1").await.unwrap();
    assert_eq!(*told.lock().unwrap(), [Some(crate::Quota { limit: 100, remaining: 76 })]);
}
