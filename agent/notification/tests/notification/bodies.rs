//! The body of each channel, as its vendor documents it.

use rstest::rstest;
use serde_json::{Value, json};
use voxsync_crds::code_sync::NotificationChannel::{self, *};
use voxsync_notification::{Composed, News, Template, compose};

use crate::news;

fn body(channel: NotificationChannel, template: Option<&str>, more: usize) -> (&'static str, Value) {
    let template = template.map(|text| Template::parse(text).unwrap());
    match compose(channel, &news(), template.as_ref(), more) {
        Composed::Post { content_type, body } => (content_type, body),
        Composed::Mail { .. } => panic!("{channel:?} is a POST"),
    }
}

#[rstest]
#[case::cloud_event(
    Webhook,
    "application/cloudevents+json",
    json!({
        "specversion": "1.0",
        "id": "d0b77d293935126bb74a14c4dabfd18a",
        "source": "/apis/voxsync.dev/v1alpha1/namespaces/puppet/codesyncs/production",
        "type": "dev.voxsync.codesync.failed",
        "subject": "production",
        "time": "2026-11-23T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "occasion": "Failed", "reason": "PromotionFailed", "namespace": "puppet", "codeSync": "production",
            "name": "v1.1.0", "reference": "r.example/code:v1.1.0", "from": "v1.0.0", "stage": "canary",
            "promotion": "production-1", "message": "v1.1.0 failed in stage canary: manifest unknown", "leftOut": 2,
        },
    })
)]
#[case::slack(
    Slack,
    "application/json",
    json!({
        "text": "Failed: puppet/production v1.1.0",
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{
            "color": "#cf222e",
            "fallback": "Failed: puppet/production v1.1.0",
            "blocks": [
                {"type": "section", "text": {
                    "type": "mrkdwn", "verbatim": true,
                    "text": "v1.1.0 failed in stage canary: manifest unknown\n(and 2 more before this one)",
                }},
                {"type": "section", "fields": [
                    {"type": "mrkdwn", "verbatim": true, "text": "*from*\nv1.0.0"},
                    {"type": "mrkdwn", "verbatim": true, "text": "*stage*\ncanary"},
                    {"type": "mrkdwn", "verbatim": true, "text": "*reference*\nr.example/code:v1.1.0"},
                ]},
            ],
        }],
    })
)]
#[case::teams(
    Teams,
    "application/json",
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": [
                    {"type": "RichTextBlock", "inlines": [{
                        "type": "TextRun", "text": "Failed: puppet/production v1.1.0",
                        "weight": "Bolder", "size": "Medium", "color": "Attention",
                    }]},
                    {"type": "RichTextBlock", "inlines": [
                        {"type": "TextRun", "text": "v1.1.0 failed in stage canary: manifest unknown"},
                    ]},
                    {"type": "RichTextBlock", "inlines": [
                        {"type": "TextRun", "text": "from: ", "weight": "Bolder"}, {"type": "TextRun", "text": "v1.0.0"},
                    ]},
                    {"type": "RichTextBlock", "inlines": [
                        {"type": "TextRun", "text": "stage: ", "weight": "Bolder"}, {"type": "TextRun", "text": "canary"},
                    ]},
                    {"type": "RichTextBlock", "inlines": [
                        {"type": "TextRun", "text": "reference: ", "weight": "Bolder"},
                        {"type": "TextRun", "text": "r.example/code:v1.1.0"},
                    ]},
                    {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "and 2 more before this one"}]},
                ],
            },
        }],
    })
)]
#[case::rocket_chat(
    RocketChat,
    "application/json",
    json!({
        "text": "Failed: puppet/production v1.1.0",
        "parseUrls": false,
        "attachments": [{
            "color": "#cf222e",
            "text": "v1.1.0 failed in stage canary: manifest unknown\n(and 2 more before this one)",
            "fields": [
                {"title": "from", "value": "v1.0.0", "short": true},
                {"title": "stage", "value": "canary", "short": true},
                {"title": "reference", "value": "r.example/code:v1.1.0", "short": false},
            ],
        }],
    })
)]
#[case::mattermost(
    Mattermost,
    "application/json",
    json!({
        "attachments": [{
            "fallback": "Failed: puppet/production v1.1.0",
            "color": "#cf222e",
            "title": "Failed: puppet/production v1.1.0",
            "text": "v1.1.0 failed in stage canary: manifest unknown\n(and 2 more before this one)",
            "fields": [
                {"title": "from", "value": "v1.0.0", "short": true},
                {"title": "stage", "value": "canary", "short": true},
                {"title": "reference", "value": "r.example/code:v1.1.0", "short": false},
            ],
        }],
    })
)]
#[case::discord(
    Discord,
    "application/json",
    json!({
        "embeds": [{
            "title": "Failed: puppet/production v1.1.0",
            "description": "v1.1.0 failed in stage canary: manifest unknown\n(and 2 more before this one)",
            "color": 0xcf_22_2e,
            "timestamp": "2026-11-23T10:00:00Z",
            "fields": [
                {"name": "from", "value": "v1.0.0", "inline": true},
                {"name": "stage", "value": "canary", "inline": true},
                {"name": "reference", "value": "r.example/code:v1.1.0", "inline": false},
            ],
        }],
        "allowed_mentions": {"parse": []},
    })
)]
fn of_a_failure(#[case] channel: NotificationChannel, #[case] content_type: &str, #[case] wanted: Value) {
    assert_eq!(body(channel, None, 2), (content_type, wanted));
}

#[rstest]
#[case(Webhook, "/data/message", "canary does not run v1.1.0 <!here> @all")]
#[case(Slack, "/attachments/0/blocks/0/text/text", "canary does not run v1.1.0 <!here> @all")]
#[case(Teams, "/attachments/0/content/body/1/inlines/0/text", "canary does not run v1.1.0 <!here> @all")]
#[case(RocketChat, "/attachments/0/text", "canary does not run v1.1.0 <!here> @all")]
#[case(Mattermost, "/attachments/0/text", "canary does not run v1.1.0 <!here> @all")]
#[case(Discord, "/embeds/0/description", "canary does not run v1.1.0 <!here> @all")]
fn the_markup_of_a_template_is_its_author_s(
    #[case] channel: NotificationChannel,
    #[case] place: &str,
    #[case] wanted: &str,
) {
    let (_, body) = body(channel, Some("{stage} does not run {name} <!here> @all"), 0);
    assert_eq!(body.pointer(place), Some(&json!(wanted)));
    let has_facts = body.to_string().contains("r.example");
    assert_eq!(has_facts, channel == Webhook, "people get only what it asks for: {body}");
}

#[test]
fn each_news_has_an_id_of_its_own_and_keeps_it() {
    let id = |news: &News| match compose(Webhook, news, None, 0) {
        Composed::Post { body, .. } => body["id"].as_str().unwrap().to_owned(),
        Composed::Mail { .. } => panic!("a POST"),
    };
    let later = News { at: "2026-11-23T10:00:01Z".parse().unwrap(), ..news() };
    let other = News { uid: "2c3d".to_owned(), ..news() };
    assert_eq!(id(&news()), id(&news()));
    assert!(id(&news()) != id(&later) && id(&news()) != id(&other));
}

#[test]
fn what_is_not_known_is_left_out() {
    let news = News {
        name: None,
        from: None,
        stage: None,
        reference: None,
        message: "\u{200b} \n".into(),
        ..news()
    };
    let Composed::Post { body, .. } = compose(Slack, &news, None, 0) else { panic!("a POST") };
    let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0]["text"]["text"], "Failed: puppet/production", "Slack refuses an empty text");
}
