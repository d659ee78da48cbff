//! The registries of clouds.

use super::*;

const AWS: &str = "Basic QVdTOnRva2Vu";
const JSON_KEY: &str = "Basic X2pzb25fa2V5OnsidHlwZSI6ICJzZXJ2aWNlX2FjY291bnQifQ==";
const NOBODY_AT_AZURE: &str = "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOnJlZnJlc2g=";

fn ecr_answer(seen: &Seen) -> Response {
    match seen.header("authorization") {
        Some(AWS) => two_pages(seen, "last=eyJ0b2tlbiI6", |host| {
            format!("https://{host}/v2/team/code/tags/list?last=eyJ0b2tlbiI6MX0%3D&n=1000")
        }),
        Some(_) => answer(
            403,
            &[],
            r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#,
        ),
        None => {
            refused("Basic realm=\"https://1.dkr.ecr.eu-1.amazonaws.com/\",service=\"ecr.amazonaws.com\"")
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html>: the user `AWS` with a token as password, as
/// basic authentication; the cursor of the second page is no tag.
pub(super) fn ecr() -> Vendor {
    Vendor { path: "team/code", login: basic("AWS", "token"), answer: ecr_answer, wanted: Ok(&["v1", "v2"]) }
}

pub(super) fn ecr_for_nobody() -> Vendor {
    Vendor { login: Login::Anonymous, wanted: Err("it wants a login"), ..ecr() }
}

/// After 12 hours; who asks reads the login afresh then.
pub(super) fn ecr_after_twelve_hours() -> Vendor {
    Vendor { login: basic("AWS", "old"), wanted: Err("may not read this repository"), ..ecr() }
}

/// <https://cloud.google.com/artifact-registry/docs/docker/authentication>: `_json_key` with a whole key file as password (or
/// `oauth2accesstoken` with a token); the path is project, repository and image.
pub(super) fn google() -> Vendor {
    Vendor {
        path: "project/repository/code",
        login: basic("_json_key", r#"{"type": "service_account"}"#),
        answer: |seen| {
            let server = ("/v2/token", "europe-docker.pkg.dev", "repository:project/repository/code:pull");
            with_tokens(seen, server, Some(JSON_KEY), two_tags)
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

fn azure_tags(seen: &Seen) -> Response {
    two_pages(seen, "last=v1", |_| "/v2/team/code/tags/list?last=v1&n=1000&orderby=".to_owned())
}

/// <https://azure.github.io/acr/AAD-OAuth.html>: a refresh token is exchanged in a form, and lists of tags want the right
/// `metadata_read` besides `pull`.
pub(super) fn azure_with_a_refresh_token() -> Vendor {
    Vendor {
        path: "team/code",
        login: Login::Identity("refresh".to_owned()),
        answer: |seen| {
            let is_form = seen.method == Method::POST
                && seen.body.contains("grant_type=refresh_token")
                && seen.body.contains("repository%3Ateam%2Fcode%3Ametadata_read")
                && seen.body.contains("refresh_token=refresh");
            match (seen.path.as_str(), seen.header("authorization")) {
                ("/oauth2/token", _) if is_form => json_answer(&json!({"access_token": "good"})),
                ("/oauth2/token", _) => answer(401, &[], ""),
                (_, Some("Bearer good")) => azure_tags(seen),
                _ => refused(&format!(
                    r#"Bearer realm="http://{0}/oauth2/token",service="{0}",scope="repository:team/code:metadata_read""#,
                    seen.header("host").unwrap(),
                )),
            }
        },
        wanted: Ok(&["v1", "v2"]),
    }
}

/// <https://azure.github.io/acr/Token-BasicAuth.html>: the same token as the password of a user of zeros.
pub(super) fn azure_with_a_password() -> Vendor {
    Vendor {
        path: "team/code",
        login: basic("00000000-0000-0000-0000-000000000000", "refresh"),
        answer: |seen| {
            let server = ("/oauth2/token", "contoso.azurecr.io", "repository:team/code:metadata_read");
            with_tokens(seen, server, Some(NOBODY_AT_AZURE), azure_tags)
        },
        wanted: Ok(&["v1", "v2"]),
    }
}
