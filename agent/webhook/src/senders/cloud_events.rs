//! What the registries of the clouds send, in all the wrappings that they come in: CloudEvents
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>; structured, binary and
//! in lists), and as they are.
//!
//! - Amazon ECR by `EventBridge`: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>.
//! - Azure Container Registry by Event Grid (<https://learn.microsoft.com/en-us/azure/event-grid/event-schema-container-registry>)
//!   or by itself (<https://learn.microsoft.com/en-us/azure/container-registry/container-registry-webhook-reference>). Event
//!   Grid first asks whether it may send: <https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema>.
//! - Google Artifact Registry by Pub/Sub: <https://cloud.google.com/artifact-registry/docs/configure-notifications>, in
//!   <https://cloud.google.com/pubsub/docs/push#receive_push>, or without that wrapping
//!   (<https://cloud.google.com/pubsub/docs/payload-unwrapping>).
//! - `CDEvents`, whose artifacts are package URLs: <https://cdevents.dev/docs/cloudevents-binding/>,
//!   <https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md>.
//!
//! None of them signs in a way that all have: the token is in the address, or in `Authorization`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Sender, distribution};
use crate::{
    body::{Found, find},
    delivery::Delivery,
    news::{Change, News},
    proof::Refusal,
};

pub(crate) const SENDER: Sender = Sender {
    name: "cloud-events",
    prove: |claim| match claim.in_address() {
        Err(Refusal::Missing) => claim.authorized(),
        verdict => verdict,
    },
    wanted: &[
        "action",
        "target/repository",
        "target/tag",
        "request/host",
        "data/action",
        "data/target/repository",
        "data/target/tag",
        "data/request/host",
        "eventType",
        "data/validationCode",
        "account",
        "region",
        "detail/action-type",
        "detail/repository-name",
        "detail/image-tag",
        "message/data",
        "data/message/data",
        "tag",
        "digest",
        "subject/id",
        "data/subject/id",
    ],
    read,
};

/// What a message of Artifact Registry says: the images with tag or digest.
const OF_ARTIFACT_REGISTRY: &[&str] = &["action", "tag", "digest"];
/// What Event Grid sends before anything else.
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let messages = ["message/data", "data/message/data"].into_iter().flat_map(|path| found.all(path));
    let messages: Vec<Found> = messages.filter_map(message).collect();
    let of_messages = |path| messages.iter().chain([found]).flat_map(move |message| message.all(path));

    let actions = ["data/action", "detail/action-type"].into_iter().flat_map(|path| found.all(path));
    let actions: Vec<String> = actions.chain(of_messages("action")).map(str::to_lowercase).collect();
    let mut images = distribution::images(found, "");
    images.extend(distribution::images(found, "data/"));
    images.extend(of_amazon(found));
    images.extend(of_messages("tag").chain(of_messages("digest")).map(str::to_owned));
    images.extend(found.all("subject/id").chain(found.all("data/subject/id")).filter_map(of_package));
    let tags =
        ["target/tag", "data/target/tag", "detail/image-tag"].into_iter().flat_map(|path| found.all(path));
    let change = distribution::change(actions.iter().map(String::as_str));
    let mut news = News::new(change, images.iter().map(String::as_str), tags);
    if found.has("eventType", VALIDATION) {
        news.change = Change::Ping;
        news.challenge = found.all("data/validationCode").next().map(str::to_owned);
    }
    news
}

fn message(encoded: &str) -> Option<Found> {
    Some(find(&STANDARD.decode(encoded).ok()?, OF_ARTIFACT_REGISTRY))
}

/// An event of ECR does not say the host: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>.
fn of_amazon(found: &Found) -> Vec<String> {
    let one = |path| found.all(path).next();
    let (Some(account), Some(region)) = (one("account"), one("region")) else { return Vec::new() };
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let image = |name: &str| format!("{account}.dkr.ecr.{region}.{domain}/{name}");
    found.all("detail/repository-name").map(image).collect()
}

/// The image of a package URL, where that says in which registry it is.
fn of_package(url: &str) -> Option<String> {
    let (_, qualifiers) = url.strip_prefix("pkg:oci/")?.split_once('?')?;
    let place =
        qualifiers.split(['&', '#']).find_map(|qualifier| qualifier.strip_prefix("repository_url="))?;
    Some(place.replace("%2F", "/").replace("%3A", ":"))
}
