//! What differs between two texts.

use similar::{ChangeTag, TextDiff};

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The difference as `diff -u` shows it, of at most `max_lines`.
pub(crate) fn unified(name: &str, old: &str, new: &str, max_lines: usize) -> String {
    let diff = TextDiff::from_lines(old, new);
    let text = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header(name, name)
        .missing_newline_hint(false)
        .to_string();
    let lines = text.lines().count();
    if lines <= max_lines {
        return text;
    }
    let mut short: String = text.split_inclusive('\n').take(max_lines).collect();
    let changed = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    short += &format!("({} lines more; {} changed in all)\n", lines - max_lines, changed.count());
    short
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn a_long_difference_is_cut() {
        assert_eq!(
            unified("a", "1\n2\n", "1\n3\n", 10),
            "--- a\n+++ a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"
        );
        assert_eq!(
            unified("a", "1\n2\n", "1\n3\n", 4),
            "--- a\n+++ a\n@@ -1,2 +1,2 @@\n 1\n(2 lines more; 2 changed in all)\n"
        );
        assert_eq!(unified("a", "1\n", "1\n", 10), "");
    }
}
