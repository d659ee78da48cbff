//! Texts of others, made fit for a message.

/// The longest text of somebody else in a message.
const SHOWN_LIMIT_CHARACTERS: usize = 200;

/// One line, bounded, without control characters.
pub(crate) fn shown(text: &(impl ToString + ?Sized)) -> String {
    let text = text.to_string();
    let mut characters = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut shown: String = characters.by_ref().take(SHOWN_LIMIT_CHARACTERS).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
