//! A POST, and what its answer means. No redirect is followed, and of a body no more than a word is read.

use std::time::Duration;

use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, USER_AGENT},
};
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::Value;
use voxsync_crds::code_sync::NotificationChannel;
use voxsync_source::http::{self, Unusable};

use super::{Again, Failure, LONGEST_WAIT, Sender};
use crate::destination::Post;

/// How long a request may take, with its answer.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read.
const ANSWER_LIMIT_BYTES: usize = 4 << 10;
/// The longest word of Slack that is shown, such as `channel_is_archived`.
const WORD_LIMIT_BYTES: usize = 40;
/// Where the signature is, in the form that senders of Flux have, too.
const SIGNATURE: &str = "X-Signature";

pub(super) fn request(
    post: &Post,
    authorities: Option<&str>,
    sender: &Sender,
) -> Result<RequestBuilder, Failure> {
    let unusable = |unusable: Unusable| Failure::passing(format!("{}: {unusable}", host(post)));
    let client = http::client(authorities, None).map_err(unusable)?;
    let request = client.post(post.address.clone()).timeout(sender.request_timeout);
    Ok(request.header(USER_AGENT, &sender.user_agent))
}

fn host(post: &Post) -> &str {
    post.address.host_str().unwrap_or("its host")
}

pub(super) async fn send(
    request: RequestBuilder,
    post: &Post,
    content_type: &str,
    body: String,
) -> Result<(), Failure> {
    let host = host(post);
    let mut request = request.header(CONTENT_TYPE, content_type);
    if let Some(token) = &post.token {
        request = request.bearer_auth(token);
    }
    if let Some(key) = &post.hmac_key {
        let signature = sign(&Key::new(HMAC_SHA256, key), body.as_bytes());
        request = request.header(SIGNATURE, format!("sha256={}", hex::encode(signature)));
    }
    let response = request.body(body).send().await.map_err(|error| {
        if error.is_builder() {
            return Failure::refused(format!("{host}: the token has characters that no header can have"));
        }
        Failure::passing(format!("{host}: {}", http::failure(&error)))
    })?;
    if response.status().is_success() {
        return Ok(());
    }
    Err(refusal(host, post.channel, response).await)
}

async fn refusal(host: &str, channel: NotificationChannel, response: Response) -> Failure {
    let status = response.status();
    if status.is_redirection() {
        return Failure::refused(format!(
            "{host} redirects ({}), which is not followed: name the address that it leads to",
            status.as_u16()
        ));
    }
    let is_passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        );
    let asked = http::retry_after(response.headers()).map(|asked| asked.min(LONGEST_WAIT));
    let message = format!("{host} answers {}", status.as_u16());
    match channel {
        NotificationChannel::Discord if asked.is_none() && status == StatusCode::TOO_MANY_REQUESTS => {
            let asked = retry_after(&answer(response).await);
            Failure { message, again: Again::Later(asked) }
        }
        _ if is_passing => Failure { message, again: Again::Later(asked) },
        NotificationChannel::Slack => {
            let word = word(&answer(response).await).map(|word| format!(" {word}")).unwrap_or_default();
            Failure::refused(format!("{message}{word}"))
        }
        _ => Failure::refused(message),
    }
}

/// The begin of an answer; what comes later or not at all is left out.
async fn answer(mut response: Response) -> Vec<u8> {
    let mut begin = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        begin.extend_from_slice(&chunk);
        if begin.len() >= ANSWER_LIMIT_BYTES {
            break;
        }
    }
    begin.truncate(ANSWER_LIMIT_BYTES);
    begin
}

/// The word that Slack says why
/// (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>, "Handling errors"). Nothing else of an
/// answer is shown: who names an address must not read with it what is there.
fn word(answer: &[u8]) -> Option<&str> {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let is_known = !answer.is_empty() && answer.len() <= WORD_LIMIT_BYTES && answer.iter().all(is_word);
    is_known.then(|| std::str::from_utf8(answer).ok())?
}

/// The seconds that Discord asks for
/// (<https://discord.com/developers/docs/topics/rate-limits>, "Exceeding A Rate Limit"), bounded: what comes from outside may
/// be more than a clock can count.
fn retry_after(answer: &[u8]) -> Option<Duration> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let asked = Duration::try_from_secs_f64(answer.get("retry_after")?.as_f64()?).ok()?;
    Some(asked.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near};

    use super::*;

    #[rstest]
    #[case(b"channel_is_archived", Some("channel_is_archived"))]
    #[case(b"<html>secret</html>", None)]
    #[case(b"root:x:0:0", None)]
    #[case(b"", None)]
    #[case(&[b'a'; 41], None)]
    fn of_an_answer_only_a_word_is_shown(#[case] answer: &[u8], #[case] wanted: Option<&str>) {
        assert_eq!(word(answer), wanted);
    }

    #[rstest]
    #[case(
        r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#,
        Some(64_570)
    )]
    #[case(r#"{"retry_after": -1}"#, None)]
    #[case(r#"{"retry_after": 1e300}"#, None)]
    #[case::more_than_a_clock_counts(r#"{"retry_after": 1e19}"#, Some(3_600_000))]
    #[case("[]", None)]
    fn discord_says_how_long(#[case] answer: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(retry_after(answer.as_bytes()), milliseconds.map(Duration::from_millis));
    }

    #[test]
    fn fuzz_answers() {
        fuzz(near([r#"{"message": "limited", "retry_after": 64.57}"#, "invalid_payload"]), |answer| {
            retry_after(&answer).is_some() || word(&answer).is_some()
        });
    }
}
