//! Text as printf(3) lays it out.

/// What was given on the command line.
pub(super) fn of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `%-WIDTHs`: filled up on the right. C counts bytes.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.len())))
}

/// What a server says: its control characters must not steer the terminal.
pub(super) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            tamed.extend(c.escape_debug());
        } else {
            tamed.push(c);
        }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_filled_up_and_tamed() {
        assert_eq!(left("ab", 4), "ab  ");
        assert_eq!(left("abcde", 4), "abcde");
        assert_eq!(left("é", 3), "é ");
        assert_eq!(tame("a\x1b[2J\nb'é"), "a\\u{1b}[2J\\nb'é");
    }
}
