//! What is said, before a channel makes its own form of it.

use voxsync_crds::code_sync::NotificationOccasion;

use crate::{
    News, Template,
    text::{Escape, Text},
};

/// The longest title, in UTF-16 units: Discord takes 256 of an embed, and no mail program shows more.
const TITLE_LIMIT_UNITS: usize = 200;
/// The longest text, in UTF-16 units: Slack takes 3,000 of a section, Discord 4,096 of an embed.
const BODY_LIMIT_UNITS: usize = 2_800;
/// The longest value beside it, in UTF-16 units: Discord takes 1,024 of a field, Slack 2,000.
const FACT_LIMIT_UNITS: usize = 600;

/// What is said: escaped and bounded.
#[derive(Debug)]
pub(crate) struct Said {
    /// One line.
    pub(crate) title: String,
    /// What happened.
    pub(crate) body: String,
    /// What else is known; nothing beside a text that a CodeSync asks for.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// How many were left out before it, in words.
    pub(crate) more: Option<String>,
}

impl Said {
    pub(crate) fn of(news: &News, template: Option<&Template>, more: usize, escape: Escape) -> Self {
        let body = Text::new(BODY_LIMIT_UNITS, escape);
        let body = match template {
            Some(template) => template.fill(news, body),
            None => body.outside(&news.message),
        };
        let fact = |name, value: &Option<String>| {
            let value = Text::new(FACT_LIMIT_UNITS, escape).outside(value.as_deref()?).end();
            // Discord refuses a field without a value.
            (!value.trim().is_empty()).then_some((name, value))
        };
        let facts =
            [fact("from", &news.from), fact("stage", &news.stage), fact("reference", &news.reference)];
        let (title, body) = (title(news, escape), body.end());
        Self {
            // Slack refuses a section without a text.
            body: if body.trim().is_empty() { title.clone() } else { body },
            title,
            facts: if template.is_some() { Vec::new() } else { facts.into_iter().flatten().collect() },
            more: (more > 0).then(|| format!("and {more} more before this one")),
        }
    }

    /// The body, and in a line of its own how many were left out.
    pub(crate) fn body_and_more(&self) -> String {
        match &self.more {
            Some(more) => format!("{}\n({more})", self.body),
            None => self.body.clone(),
        }
    }
}

fn title(news: &News, escape: Escape) -> String {
    let text = Text::new(TITLE_LIMIT_UNITS, escape).own(occasion_words(news.occasion)).own(": ");
    let text = text.outside(&news.namespace).own("/").outside(&news.code_sync);
    match &news.name {
        Some(name) => text.own(" ").outside(name).end(),
        None => text.end(),
    }
}

/// The name of an occasion, as it is in a CodeSync.
pub(crate) fn occasion_name(occasion: NotificationOccasion) -> &'static str {
    match occasion {
        NotificationOccasion::Started => "Started",
        NotificationOccasion::Waiting => "Waiting",
        NotificationOccasion::Released => "Released",
        NotificationOccasion::Failed => "Failed",
        NotificationOccasion::RolledBack => "RolledBack",
        NotificationOccasion::Held => "Held",
        NotificationOccasion::Source => "Source",
    }
}

fn occasion_words(occasion: NotificationOccasion) -> &'static str {
    match occasion {
        NotificationOccasion::RolledBack => "Rolled back",
        other => occasion_name(other),
    }
}

/// The colour of an occasion, red, green and blue: good, somebody should look, bad, or only to know.
pub(crate) fn colour(occasion: NotificationOccasion) -> u32 {
    match occasion {
        NotificationOccasion::Started => 0x1f_6f_eb,
        NotificationOccasion::Released => 0x2d_a4_4e,
        NotificationOccasion::Waiting | NotificationOccasion::Held | NotificationOccasion::Source => {
            0xd2_99_22
        }
        NotificationOccasion::Failed | NotificationOccasion::RolledBack => 0xcf_22_2e,
    }
}

/// The same as the services of chats want it.
pub(crate) fn hex_colour(occasion: NotificationOccasion) -> String {
    format!("#{:06x}", colour(occasion))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{example::news, text::plain};

    #[test]
    fn all_that_is_known_is_said_in_short() {
        let news = News { message: "it <fails>".to_owned(), ..news() };
        let said = Said::of(&news, None, 12, plain);
        assert_eq!(said.title, "Failed: puppet/production v1.1.0");
        assert_eq!(said.body_and_more(), "it <fails>\n(and 12 more before this one)");
        let facts: Vec<_> = said.facts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(facts, [("from", "v1.0.0"), ("stage", "canary"), ("reference", "r.example/code:v1.1.0")]);
        let template = Template::parse("{message}!").unwrap();
        let said = Said::of(&news, Some(&template), 0, plain);
        assert_eq!((said.body_and_more().as_str(), said.facts.len()), ("it <fails>!", 0));
    }

    #[test]
    fn what_is_long_is_bounded() {
        let long = "👍".repeat(5_000);
        let news = News { name: Some(long.clone()), from: Some(long.clone()), message: long, ..news() };
        let template = Template::parse(&"{message}".repeat(100)).unwrap();
        let units = |text: &str| text.encode_utf16().count();
        let said = Said::of(&news, Some(&template), 0, plain);
        assert!(units(&said.title) <= TITLE_LIMIT_UNITS && units(&said.body) <= BODY_LIMIT_UNITS);
        assert!(units(&Said::of(&news, None, 0, plain).facts[0].1) <= FACT_LIMIT_UNITS);
    }
}
