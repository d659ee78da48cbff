//! Commits of Git: what their ids look like, and how much of one people are shown.

/// How many digits of a commit people are shown.
const SHORT_DIGITS: usize = 7;

/// Whether the text is the whole id of a commit, by SHA-1 or SHA-256, as Git writes it.
pub fn is_commit_id(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first digits of the id of a commit; what is none, as the name of a tag, stays as it is.
pub fn short_commit(text: &str) -> &str {
    text.get(..SHORT_DIGITS).filter(|_| is_commit_id(text)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_commit_is_shortened() {
        for id in ["4be01c7a".repeat(5), "4be01c7a".repeat(8)] {
            assert_eq!(short_commit(&id), "4be01c7");
            assert_eq!(short_commit(&id[1..]), &id[1..], "a digit is missing");
            let shouted = id.to_uppercase();
            assert_eq!(short_commit(&shouted), shouted, "Git does not write it so");
        }
        for text in ["v1.4.2", "", "production", &"ä".repeat(20)] {
            assert_eq!(short_commit(text), text);
        }
    }
}
