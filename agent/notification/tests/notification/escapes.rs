//! What others wrote calls nobody, links nowhere and hides nothing.

use rstest::rstest;
use serde_json::Value;
use voxsync_crds::code_sync::NotificationChannel::{self, *};
use voxsync_notification::{Composed, News, Template, compose};

use crate::news;

/// What a channel makes of a message.
fn said(channel: NotificationChannel, place: &str, message: &str) -> String {
    let news = News { message: message.to_owned(), ..news() };
    let template = Template::parse("{message}").unwrap();
    let Composed::Post { body, .. } = compose(channel, &news, Some(&template), 0) else { panic!("a POST") };
    body.pointer(place).and_then(Value::as_str).unwrap().to_owned()
}

#[rstest]
#[case::channel(
    "<!channel> <@U012> <https://evil.example|ghcr.io>",
    "&lt;!channel&gt; &lt;@U012&gt; &lt;https://evil.example|ghcr.io&gt;"
)]
#[case::escaped("&lt;!here&gt; a && b", "&amp;lt;!here&amp;gt; a &amp;&amp; b")]
#[case::unseen("<\u{200b}!ch\u{202e}annel>", "&lt;!channel&gt;")]
fn slack(#[case] message: &str, #[case] wanted: &str) {
    assert_eq!(said(Slack, "/attachments/0/blocks/0/text/text", message), wanted);
}

#[rstest]
#[case::link("[a](https://evil.example) **b** `c`", r"\[a\]\(https://evil.example\) \*\*b\*\* \`c\`")]
#[case::mention("@all @here", "@\u{200b}all @\u{200b}here")]
#[case::image("![a](b) ~channel #tag", r"\!\[a\]\(b\) \~channel \#tag")]
#[case::backslash(r"\[a\](b)", r"\\\[a\\\]\(b\)")]
#[case::lines("a\n# b\n> c", r"a \# b > c")]
fn mattermost(#[case] message: &str, #[case] wanted: &str) {
    assert_eq!(said(Mattermost, "/attachments/0/text", message), wanted);
}

#[rstest]
#[case::link("[a](https://evil.example) ||b||", r"\[a\]\(https://evil.example\) \|\|b\|\|")]
#[case::mention("@everyone <@&42> <t:1>", "@\u{200b}everyone \\<@\u{200b}&42\\> \\<t:1\\>")]
#[case::underscores("a_b_c", r"a\_b\_c")]
fn discord(#[case] message: &str, #[case] wanted: &str) {
    assert_eq!(said(Discord, "/embeds/0/description", message), wanted);
}

#[rstest]
#[case::mention("@all #general", "@\u{200b}all #\u{200b}general")]
#[case::link(
    "[a](https://evil.example) <https://evil.example|a>",
    "[a]\u{200b}(https://evil.example) <\u{200b}https://evil.example|a>"
)]
fn rocket_chat(#[case] message: &str, #[case] wanted: &str) {
    assert_eq!(said(RocketChat, "/attachments/0/text", message), wanted);
}

#[test]
fn in_teams_nothing_is_markup() {
    let news = News { message: "[a](https://evil.example) <at>b</at>".to_owned(), ..news() };
    let Composed::Post { body, .. } = compose(Teams, &news, None, 0) else { panic!("a POST") };
    let card = &body["attachments"][0]["content"];
    let blocks = card["body"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "a TextBlock would read Markdown");
    assert!(card["msteams"].get("entities").is_none(), "without these nobody is mentioned");
}

#[test]
fn names_are_as_hostile_as_messages() {
    let news = News { name: Some("<!channel>".into()), stage: Some("[a](b)".into()), ..news() };
    let all = |channel| match compose(channel, &news, None, 0) {
        Composed::Post { body, .. } => body.to_string(),
        Composed::Mail { .. } => panic!("a POST"),
    };
    assert!(!all(Slack).contains("<!channel>") && !all(Discord).contains("[a](b)"));
}
