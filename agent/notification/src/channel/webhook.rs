//! A CloudEvents 1.0 event in the structured mode of HTTP: all of it is in the body, so that a signature is over all of it.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>, "Required Attributes", and
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>, "Structured Content Mode".

use serde_json::{Value, json};

use crate::{
    News,
    said::{Said, occasion_name},
    text::{Text, plain},
};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The longest name, in UTF-16 units. The specification wants an event of 64 KiB to be taken everywhere.
const NAME_LIMIT_UNITS: usize = 600;

pub(super) fn body(news: &News, said: &Said, more: usize) -> Value {
    let News {
        occasion,
        reason,
        namespace,
        code_sync,
        uid: _,
        name,
        reference,
        from,
        stage,
        promotion,
        message: _,
        at,
    } = news;
    let fit = |text: &Option<String>| {
        text.as_ref().map(|text| Text::new(NAME_LIMIT_UNITS, plain).outside(text).end())
    };
    json!({
        "specversion": "1.0",
        "id": news.id(),
        "source": format!("/apis/voxsync.dev/v1alpha1/namespaces/{namespace}/codesyncs/{code_sync}"),
        "type": format!("dev.voxsync.codesync.{}", occasion_name(*occasion).to_lowercase()),
        "subject": code_sync,
        "time": at.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "occasion": occasion,
            "reason": reason,
            "namespace": namespace,
            "codeSync": code_sync,
            "name": fit(name),
            "reference": fit(reference),
            "from": fit(from),
            "stage": fit(stage),
            "promotion": fit(promotion),
            "message": said.body,
            "leftOut": more,
        },
    })
}
