//! The text that a CodeSync asks for: placeholders by name, all else as it is.

use thiserror::Error;

use crate::{News, said::occasion_name, text::Text};

/// What stands for what is not known.
const NONE: &str = "none";

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Own(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    CodeSync,
    Namespace,
    Occasion,
    Name,
    Reference,
    From,
    Stage,
    Message,
}

const PLACEHOLDERS: [(&str, Placeholder); 8] = [
    ("codeSync", Placeholder::CodeSync),
    ("namespace", Placeholder::Namespace),
    ("occasion", Placeholder::Occasion),
    ("name", Placeholder::Name),
    ("reference", Placeholder::Reference),
    ("from", Placeholder::From),
    ("stage", Placeholder::Stage),
    ("message", Placeholder::Message),
];

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// There is no such placeholder.
    #[error("there is no {{{0}}}; there are {known}; a brace of the text itself is written twice", known = known())]
    Unknown(String),
    /// A brace that stands alone.
    #[error("a `{0}` stands alone; a brace of the text itself is written twice")]
    Brace(char),
}

fn known() -> String {
    PLACEHOLDERS.map(|(name, _)| format!("{{{name}}}")).join(", ")
}

impl Template {
    /// Reads a template. `{{` and `}}` are braces of the text itself.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut own) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            own.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                own.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                own.push('}');
                rest = after;
            } else if let Some(inner) = from.strip_prefix('{') {
                let (name, after) = inner.split_once('}').ok_or(TemplateError::Brace('{'))?;
                let known = PLACEHOLDERS.into_iter().find(|(known, _)| *known == name);
                let (_, placeholder) = known.ok_or_else(|| TemplateError::Unknown(shown(name)))?;
                parts.extend((!own.is_empty()).then(|| Part::Own(std::mem::take(&mut own))));
                parts.push(Part::Placeholder(placeholder));
                rest = after;
            } else {
                return Err(TemplateError::Brace('}'));
            }
        }
        own.push_str(rest);
        parts.extend((!own.is_empty()).then_some(Part::Own(own)));
        Ok(Self(parts))
    }

    /// The text with what is known of the news in it.
    pub(crate) fn fill(&self, news: &News, text: Text) -> Text {
        self.0.iter().fold(text, |text, part| match part {
            Part::Own(own) => text.own(own),
            Part::Placeholder(placeholder) => text.outside(placeholder.of(news)),
        })
    }
}

impl Placeholder {
    fn of(self, news: &News) -> &str {
        match self {
            Self::CodeSync => &news.code_sync,
            Self::Namespace => &news.namespace,
            Self::Occasion => occasion_name(news.occasion),
            Self::Name => news.name.as_deref().unwrap_or(NONE),
            Self::Reference => news.reference.as_deref().unwrap_or(NONE),
            Self::From => news.from.as_deref().unwrap_or(NONE),
            Self::Stage => news.stage.as_deref().unwrap_or(NONE),
            Self::Message => &news.message,
        }
    }
}

/// A name as it may be in an error.
fn shown(name: &str) -> String {
    Text::new(40, crate::text::plain).outside(name).end()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::example::news;

    #[rstest]
    #[case::all(
        "{codeSync} {namespace} {occasion} {name} {reference} {from} {stage}: {message}",
        "production puppet Failed v1.1.0 r.example/code:v1.1.0 v1.0.0 canary: v1.1.0 failed in stage canary: manifest unknown"
    )]
    #[case::twice("{name}{name}", "v1.1.0v1.1.0")]
    #[case::braces("{{{name}}} {{}}", "{v1.1.0} {}")]
    #[case::none("no placeholder", "no placeholder")]
    fn placeholders_are_filled(#[case] template: &str, #[case] wanted: &str) {
        let template = Template::parse(template).unwrap();
        assert_eq!(template.fill(&news(), Text::new(500, crate::text::plain)).end(), wanted);
    }

    #[rstest]
    #[case::unknown("{names}", "there is no {names}; there are {codeSync}, ")]
    #[case::empty("{}", "there is no {}")]
    #[case::cased("{Name}", "there is no {Name}")]
    #[case::open("{name", "a `{` stands alone")]
    #[case::shut("name}", "a `}` stands alone")]
    fn what_is_wrong_is_said(#[case] template: &str, #[case] wanted: &str) {
        let error = Template::parse(template).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }

    #[test]
    fn what_is_not_known_is_none() {
        let news = News { from: None, ..news() };
        let template = Template::parse("{from}").unwrap();
        assert_eq!(template.fill(&news, Text::new(500, crate::text::plain)).end(), "none");
    }
}
