//! Reads a few strings out of a body of JSON, and keeps nothing else: however it is made, its reading needs little
//! memory and never fails. Lists are looked through, so that a path names the same in each of their elements.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many different strings are kept.
const STRINGS_LIMIT: usize = 256;
/// The longest string that is kept.
const STRING_LIMIT_BYTES: usize = 4096;

/// What was found at the wanted paths.
#[derive(Debug)]
pub(crate) struct Found {
    wanted: &'static [&'static str],
    strings: Vec<BTreeSet<String>>,
    count: usize,
    /// Whether the body could be read to its end, and all that was wanted is here.
    pub(crate) is_complete: bool,
}

/// Reads the strings at these paths, whose parts are separated by `/`; a last part `*` means
/// the keys of an object.
pub(crate) fn find(body: &[u8], wanted: &'static [&'static str]) -> Found {
    let mut found =
        Found { wanted, strings: vec![BTreeSet::new(); wanted.len()], count: 0, is_complete: true };
    let rest: Vec<_> = wanted.iter().copied().enumerate().collect();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let walked = Walk { rest: &rest, found: &mut found }.deserialize(&mut deserializer);
    if walked.and_then(|()| deserializer.end()).is_err() {
        found.is_complete = false;
    }
    found
}

impl Found {
    /// All different strings at a path.
    pub(crate) fn all(&self, path: &str) -> impl Iterator<Item = &str> {
        let place = self.wanted.iter().position(|wanted| *wanted == path);
        let strings = place.and_then(|place| self.strings.get(place));
        strings.into_iter().flatten().map(String::as_str)
    }

    /// Whether this string is at a path.
    pub(crate) fn has(&self, path: &str, text: &str) -> bool {
        self.all(path).any(|found| found == text)
    }

    fn keep(&mut self, place: usize, text: &str) {
        let Some(strings) = self.strings.get_mut(place) else { return };
        if strings.contains(text) {
            return;
        }
        if text.len() > STRING_LIMIT_BYTES || self.count >= STRINGS_LIMIT {
            self.is_complete = false;
            return;
        }
        self.count += 1;
        strings.insert(text.to_owned());
    }
}

/// A value on the way to what is wanted: for each path that leads through it, its number and what is left of it.
struct Walk<'a> {
    rest: &'a [(usize, &'static str)],
    found: &'a mut Found,
}

impl Walk<'_> {
    /// Keeps a text for those whose path ends so.
    fn keep(&mut self, end: &str, text: &str) {
        for (place, _) in self.rest.iter().filter(|(_, rest)| *rest == end) {
            self.found.keep(*place, text);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            self.keep("*", &key);
            let step = |(place, rest): &(usize, &'static str)| {
                let (head, tail) = rest.split_once('/').unwrap_or((rest, ""));
                (head == key && !head.is_empty()).then_some((*place, tail))
            };
            let rest: Vec<_> = self.rest.iter().filter_map(step).collect();
            if rest.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { rest: &rest, found: self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Walk { rest: self.rest, found: self.found })?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.keep("", text);
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.keep("", if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &[&str] = &["a/b", "list/name", "tags", "tags/*", "flag"];

    fn read(body: &str) -> (Vec<(&'static str, String)>, bool) {
        let found = find(body.as_bytes(), WANTED);
        let strings = WANTED.iter().flat_map(|path| found.all(path).map(|text| (*path, text.to_owned())));
        (strings.collect(), found.is_complete)
    }

    #[test]
    fn keeps_what_is_wanted_and_looks_through_lists() {
        let body = r#"{"a": {"b": "one", "c": "two", "b/x": 1}, "b": "three", "flag": true,
            "list": [{"name": "x"}, [{"name": "y"}, {"other": {}}], 7, null, {"name": {"deep": 1.5}}],
            "tags": {"latest": "an id", "v1": null}}"#;
        let wanted = [
            ("a/b", "one"),
            ("list/name", "x"),
            ("list/name", "y"),
            ("tags/*", "latest"),
            ("tags/*", "v1"),
            ("flag", "true"),
        ];
        let wanted = wanted.map(|(path, text)| (path, text.to_owned())).to_vec();
        assert_eq!(read(body), (wanted.clone(), true));
        assert_eq!(read(&format!("[{body}, 1]")), (wanted, true), "a list of such bodies is the same");
    }

    #[test]
    fn what_cannot_be_read_is_read_as_far_as_it_goes() {
        for body in [r#"{"flag": "x", "#, r#"{"flag": "x"} {}"#, r#"{"flag": "x", "a": nonsense}"#] {
            assert_eq!(read(body), (vec![("flag", "x".to_owned())], false), "{body}");
        }
        assert!(!read(&"[".repeat(1 << 20)).1);
        assert!(!read(&r#"{"a":"#.repeat(100_000)).1);
    }

    #[test]
    fn keeps_little() {
        let many: Vec<String> = (0..10_000).map(|number| format!("\"{number}\"")).collect();
        let (strings, is_complete) = read(&format!("{{\"tags\": [{}]}}", many.join(",")));
        assert_eq!((strings.len(), is_complete), (STRINGS_LIMIT, false));
        let same = vec!["\"same\""; 10_000].join(",");
        assert_eq!(read(&format!("{{\"tags\": [{same}]}}")), (vec![("tags", "same".to_owned())], true));
        let long = "x".repeat(STRING_LIMIT_BYTES + 1);
        assert_eq!(read(&format!("{{\"tags\": \"{long}\"}}")), (vec![], false));
    }
}
