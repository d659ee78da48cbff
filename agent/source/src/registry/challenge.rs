//! `WWW-Authenticate` (RFC 9110, 11.6.1): what a registry wants in place of a 401. Pure.

use std::iter::Peekable;
use std::str::Chars;

const MAX_CHALLENGE_BYTES: usize = 4096;

/// One scheme with its parameters; names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Reads all challenges of one header. What cannot be read ends the reading: the challenges before it stand.
pub(super) fn challenges(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > MAX_CHALLENGE_BYTES {
        return challenges;
    }
    let mut rest = header.chars().peekable();
    loop {
        while rest.next_if(|character| matches!(character, ' ' | '\t' | ',')).is_some() {}
        let word = token(&mut rest);
        if word.is_empty() {
            return challenges;
        }
        if rest.next_if_eq(&'=').is_none() {
            challenges.push(Challenge { scheme: word, parameters: Vec::new() });
            continue;
        }
        let Some(value) = value(&mut rest) else { return challenges };
        if let Some(challenge) = challenges.last_mut() {
            challenge.parameters.push((word, value));
        }
    }
}

fn token(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut token = String::new();
    while let Some(character) = rest.next_if(|character| !matches!(character, ' ' | '\t' | ',' | '=' | '"')) {
        token.push(character.to_ascii_lowercase());
    }
    token
}

/// A word, or a quoted string with escapes. `None` for a string without an end.
fn value(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    if rest.next_if_eq(&'"').is_none() {
        while let Some(character) = rest.next_if(|character| !matches!(character, ' ' | '\t' | ',')) {
            value.push(character);
        }
        return Some(value);
    }
    loop {
        match rest.next()? {
            '"' => return Some(value),
            '\\' => value.push(rest.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use voxsync_hostile::{fuzz, near_text};

    use super::*;

    #[test]
    fn the_registries_own() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let [challenge] = &challenges(header)[..] else { panic!("one challenge") };
        assert_eq!(challenge.scheme, "bearer");
        assert_eq!(challenge.parameter("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(challenge.parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(challenge.parameter("error"), None);
    }

    #[test]
    fn several_in_one_header() {
        let found = challenges(r#"Negotiate, BASIC Realm="a \"b\" = c", bearer service=x , realm=y"#);
        let schemes: Vec<&str> = found.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(found[1].parameter("realm"), Some(r#"a "b" = c"#));
        assert_eq!((found[2].parameter("service"), found[2].parameter("realm")), (Some("x"), Some("y")));
    }

    #[test]
    fn broken_ones_end_the_reading() {
        assert_eq!(challenges("Basic realm=\"x"), [Challenge { scheme: "basic".into(), parameters: vec![] }]);
        assert_eq!(challenges("realm=x"), []);
        assert_eq!(challenges(&"a ".repeat(5000)), []);
    }

    #[test]
    fn fuzz_challenge() {
        let samples = [
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            r#"Negotiate, BASIC Realm="a \"b\" = c", bearer service=x , realm=y"#,
            r#"Basic realm="Registry", charset="UTF-8""#,
        ];
        fuzz(near_text(samples), |header| {
            let found = challenges(&header);
            let read: usize = found.iter().map(|one| one.scheme.len() + one.parameters.len()).sum();
            assert!(read <= header.len().min(MAX_CHALLENGE_BYTES));
            found.iter().any(|challenge| challenge.parameter("realm").is_some())
        });
    }
}
