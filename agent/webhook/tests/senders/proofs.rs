//! Who is believed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{Timestamp, ToSpan as _};
use ring::hmac::{Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512, Key, sign};
use rstest::rstest;
use voxsync_crds::code_sync::WebhookSender::{self, *};
use voxsync_webhook::{Delivery, Refusal, Secret, prove, prove_to_anyone};

pub(crate) const SECRET: &str = "3gEsCfjlV2ugRwgpU-w1-Wa";
pub(crate) const BODY: &[u8] = br#"{"ref": "refs/heads/main"}"#;

pub(crate) fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

pub(crate) fn hexadecimal(algorithm: Algorithm, secret: &str, body: &[u8]) -> String {
    let tag = sign(&Key::new(algorithm, secret.as_bytes()), body);
    tag.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A request to be proven.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) segment: Option<String>,
}

impl Request {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn delivery<'a>(&'a self, body: &'a [u8]) -> Delivery<'a> {
        Delivery { headers: &self.headers, body, last_segment: self.segment.as_deref() }
    }

    pub(crate) fn verdict(&self, sender: WebhookSender, body: &[u8]) -> Result<(), Refusal> {
        let secret = Secret::new(SECRET.as_bytes()).unwrap();
        prove(&sender, self.delivery(body), &secret, now()).map(drop)
    }
}

/// How a proof is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// `sha256=` and digits in this header.
    Prefixed(&'static str),
    /// Digits alone in this header.
    Bare(&'static str),
    /// Standard Webhooks.
    Standard,
    /// The token in this header.
    Header(&'static str),
    /// `Authorization` with this before the token.
    Authorization(&'static str),
    /// `Authorization: Basic`.
    Basic,
    /// The end of the address.
    Address,
}

use Form::{Address, Authorization, Bare, Basic, Header, Prefixed, Standard};

impl Form {
    fn is_signature(self) -> bool {
        matches!(self, Prefixed(_) | Bare(_) | Standard)
    }

    pub(crate) fn request(self, secret: &str, body: &[u8]) -> Request {
        let digits = || hexadecimal(HMAC_SHA256, secret, body);
        let request = Request::default();
        match self {
            Prefixed(header) => request.with(header, &format!("sha256={}", digits())),
            Bare(header) => request.with(header, &digits()),
            Standard => standard(secret.as_bytes(), body, now()),
            Header(header) => request.with(header, secret),
            Authorization(scheme) => request.with("authorization", &format!("{scheme}{secret}")),
            Basic => {
                let login = STANDARD.encode(format!("anybody:{secret}"));
                request.with("authorization", &format!("Basic {login}"))
            }
            Address => Request { segment: Some(secret.to_owned()), ..request },
        }
    }
}

fn standard(key: &[u8], body: &[u8], at: Timestamp) -> Request {
    let (id, time) = ("msg_1", at.as_second().to_string());
    let content = [format!("{id}.{time}.").as_bytes(), body].concat();
    let signature = STANDARD.encode(sign(&Key::new(HMAC_SHA256, key), &content));
    Request::default()
        .with("webhook-id", id)
        .with("webhook-timestamp", &time)
        .with("webhook-signature", &format!("v1,{signature}"))
}

#[rstest]
#[case(Github, Prefixed("X-Hub-Signature-256"))]
#[case(Gitlab, Header("X-Gitlab-Token"))]
#[case(Gitlab, Standard)]
#[case(Gitea, Bare("X-Gitea-Signature"))]
#[case(Gitea, Bare("X-Forgejo-Signature"))]
#[case(Gitea, Prefixed("X-Hub-Signature-256"))]
#[case(Bitbucket, Prefixed("X-Hub-Signature"))]
#[case(BitbucketServer, Prefixed("X-Hub-Signature"))]
#[case(AzureDevops, Basic)]
#[case(AzureDevops, Authorization("Bearer "))]
#[case(Dockerhub, Address)]
#[case(Harbor, Authorization(""))]
#[case(Harbor, Authorization("Bearer "))]
#[case(Quay, Address)]
#[case(Artifactory, Header("X-JFrog-Event-Auth"))]
#[case(Artifactory, Bare("X-JFrog-Event-Auth"))]
#[case(Distribution, Authorization("Bearer "))]
#[case(CloudEvents, Address)]
#[case(CloudEvents, Authorization("Bearer "))]
#[case(Generic, Authorization("bearer "))]
#[case(GenericHmac, Prefixed("X-Signature"))]
fn only_who_knows_the_secret_is_believed(#[case] sender: WebhookSender, #[case] form: Form) {
    let good = form.request(SECRET, BODY);
    assert_eq!(good.verdict(sender, BODY), Ok(()));
    assert_eq!(form.request(SECRET, b"").verdict(sender, b""), Ok(()), "an empty body");
    assert_eq!(Request::default().verdict(sender, BODY), Err(Refusal::Missing));
    for other in ["another secret", "3gEsCfjlV2ugRwgpU-w1-W", "3gEsCfjlV2ugRwgpU-w1-Wa0", " "] {
        assert_eq!(form.request(other, BODY).verdict(sender, BODY), Err(Refusal::Wrong), "{other:?}");
    }
    if form.is_signature() {
        assert_eq!(good.verdict(sender, b"another body"), Err(Refusal::Wrong));
    }
    for (name, value) in &good.headers {
        let value = value.to_str().unwrap();
        let is_of_signature = !matches!(name.as_str(), "webhook-id" | "webhook-timestamp");
        for changed in [&value[..value.len() - 1], &format!("{value}0"), ""] {
            let mut request = form.request(SECRET, BODY);
            request.headers.insert(name, HeaderValue::from_str(changed).unwrap());
            assert!(request.verdict(sender, BODY).is_err() || !is_of_signature, "{name}: {changed}");
        }
        let mut twice = form.request(SECRET, BODY);
        twice.headers.append(name, HeaderValue::from_str(value).unwrap());
        assert_eq!(twice.verdict(sender, BODY), Err(Refusal::Missing), "{name} twice");
    }
}

#[rstest]
#[case("X-Hub-Signature-256", Github)]
#[case("X-Hub-Signature", Github)]
#[case("X-Hub-Signature", Bitbucket)]
#[case("X-Hub-Signature", BitbucketServer)]
#[case("X-Gitea-Signature", Gitea)]
#[case("X-Signature", GenericHmac)]
#[case("X-JFrog-Event-Auth", Artifactory)]
fn no_other_algorithm_counts(#[case] header: &str, #[case] sender: WebhookSender) {
    for (name, algorithm) in [("sha1", HMAC_SHA1_FOR_LEGACY_USE_ONLY), ("sha512", HMAC_SHA512)] {
        let digits = hexadecimal(algorithm, SECRET, BODY);
        for value in [format!("{name}={digits}"), format!("sha256={digits}"), digits] {
            let request = Request::default().with(header, &value);
            assert!(request.verdict(sender, BODY).is_err(), "{header}: {value}");
        }
    }
    let digits = hexadecimal(HMAC_SHA256, SECRET, BODY);
    let sha1 = Request::default().with(header, &format!("sha1={digits}"));
    assert!(sha1.verdict(sender, BODY).is_err());
}

#[test]
fn the_examples_of_the_vendors_are_believed() {
    let believed = |sender, secret: &str, request: Request, body: &[u8], at: i64| {
        let (secret, at) = (Secret::new(secret.as_bytes()).unwrap(), Timestamp::from_second(at).unwrap());
        prove(&sender, request.delivery(body), &secret, at).is_ok()
    };
    let request = |name, value| Request::default().with(name, value);
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    let github = request(
        "x-hub-signature-256",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    );
    assert!(believed(Github, "It's a Secret to Everybody", github, b"Hello, World!", 0));
    // https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/#Examples
    let bitbucket =
        request("x-hub-signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9");
    assert!(believed(Bitbucket, "It's a Secret to Everybody", bitbucket, b"Hello World!", 0));
    // https://docs.svix.com/receiving/verifying-payloads/how-manual, one of the authors of Standard Webhooks.
    let standard = request("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
        .with("webhook-timestamp", "1614265330")
        .with("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(believed(Gitlab, secret, standard, br#"{"test": 2432232314}"#, 1_614_265_330));
}

#[test]
fn what_is_sent_again_later_is_not_believed_where_the_time_is_signed() {
    let verdict = |minutes: i64| {
        let at = now() + minutes.minutes();
        standard(SECRET.as_bytes(), BODY, at).verdict(Gitlab, BODY)
    };
    assert_eq!([-5, 0, 5].map(verdict), [Ok(()); 3]);
    assert_eq!([-6, 6, -1_000_000].map(verdict), [Err(Refusal::Stale); 3]);
    let mut renewed = standard(SECRET.as_bytes(), BODY, now() - 1.hour());
    renewed.headers.insert("webhook-timestamp", HeaderValue::from(now().as_second()));
    assert_eq!(renewed.verdict(Gitlab, BODY), Err(Refusal::Wrong), "the time is a part of what is signed");
    for time in ["", "soon", "99999999999999999999"] {
        let mut odd = standard(SECRET.as_bytes(), BODY, now());
        odd.headers.insert("webhook-timestamp", HeaderValue::from_static(time));
        assert_eq!(odd.verdict(Gitlab, BODY), Err(Refusal::Wrong));
    }
}

#[test]
fn one_of_several_signatures_is_enough() {
    let signed = standard(SECRET.as_bytes(), BODY, now());
    let good = signed.headers["webhook-signature"].to_str().unwrap().to_owned();
    let verdict = |signatures: &str| {
        let mut request = standard(SECRET.as_bytes(), BODY, now());
        request.headers.insert("webhook-signature", HeaderValue::from_str(signatures).unwrap());
        request.verdict(Gitlab, BODY)
    };
    let other = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(verdict(&format!("{other} v1a,nonsense {good}")), Ok(()));
    assert_eq!(verdict(&format!("{other} {}", good.replace("v1,", "v2,"))), Err(Refusal::Wrong));
    assert_eq!(
        verdict(&format!("{}{good}", format!("{other} ").repeat(100))),
        Err(Refusal::Wrong),
        "bounded"
    );
}

#[test]
fn a_webhook_of_gitlab_with_both_proofs_may_have_either_in_the_secret() {
    let with_token = standard(b"the signing token", BODY, now()).with("X-Gitlab-Token", SECRET);
    assert_eq!(with_token.verdict(Gitlab, BODY), Ok(()));
    let with_signature = standard(SECRET.as_bytes(), BODY, now()).with("X-Gitlab-Token", "the secret token");
    assert_eq!(with_signature.verdict(Gitlab, BODY), Ok(()));
    let neither = standard(b"the signing token", BODY, now()).with("X-Gitlab-Token", "the secret token");
    assert_eq!(neither.verdict(Gitlab, BODY), Err(Refusal::Wrong));
}

#[rstest]
#[case(Prefixed("X-Hub-Signature-256"))]
#[case(Prefixed("X-Hub-Signature"))]
#[case(Prefixed("X-Signature"))]
#[case(Bare("X-Gitea-Signature"))]
#[case(Header("X-Gitlab-Token"))]
#[case(Standard)]
#[case(Authorization("Bearer "))]
#[case(Basic)]
fn one_secret_for_all_is_shown_in_any_way(#[case] form: Form) {
    let verdict = |secret: &str| {
        let secret = Secret::new(secret.as_bytes()).unwrap();
        prove_to_anyone(form.request(SECRET, BODY).delivery(BODY), &secret, now()).map(drop)
    };
    assert_eq!((verdict(SECRET), verdict("another")), (Ok(()), Err(Refusal::Wrong)));
}

#[test]
fn a_token_in_the_address_is_not_for_all() {
    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    for request in [Address.request(SECRET, BODY), Request::default()] {
        let verdict = prove_to_anyone(request.delivery(BODY), &secret, now()).map(drop);
        assert_eq!(verdict, Err(Refusal::Missing));
    }
}
