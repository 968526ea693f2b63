//! Comments and text of the `.x` file to doc comments.

use proc_macro2::TokenStream;
use quote::quote;

use crate::docs::Docs;

/// The doc comment of an item: its comment or `title`, `more`, and its text in the `.x` file.
pub(super) fn item(title: &str, more: &[&str], docs: &Docs) -> TokenStream {
    let mut lines = comment_or(title, docs);
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    if !docs.idl.is_empty() {
        lines.extend([String::new(), "```text".to_owned()]);
        lines.extend(docs.idl.iter().map(|line| line.replace("```", "'''")));
        lines.push("```".to_owned());
    }
    attributes(&lines)
}

/// The doc comment of a part of an item: its comment, or its text in the `.x` file.
pub(super) fn part(docs: &Docs) -> TokenStream {
    let text = docs.idl.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let title = format!("`{}`", text.trim_end_matches([',', ';']).replace('`', "'"));
    attributes(&comment_or(&title, docs))
}

/// The comment's lines, or `title`.
fn comment_or(title: &str, docs: &Docs) -> Vec<String> {
    if docs.comment.is_empty() {
        vec![title.to_owned()]
    } else {
        docs.comment.iter().map(|line| escaped(line)).collect()
    }
}

fn attributes(lines: &[String]) -> TokenStream {
    let lines =
        lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote!(#(#[doc = #lines])*)
}

/// The line such that rustdoc shows it as it is: a comment is text, not Markdown.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for word in line.split_inclusive(' ') {
        if word.starts_with("http://") || word.starts_with("https://") {
            let (address, rest) =
                word.split_at(word.trim_end_matches(['.', ',', ';', ')', ' ']).len());
            text.push_str(&format!("<{address}>{rest}"));
        } else {
            for c in word.chars() {
                if matches!(c, '[' | ']' | '<' | '>' | '`' | '*' | '\\' | '|' | '~') {
                    text.push('\\');
                }
                text.push(c);
            }
        }
    }
    // At the start of a line these make a list, a heading or a quotation.
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if text.starts_with(['-', '+', '#', '=']) {
        text.insert(0, '\\');
    } else if digits > 0 && text[digits..].starts_with(['.', ')']) {
        text.insert(digits, '\\');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn comments_are_not_markdown() {
        for (line, expected) in [
            ("the key", "the key"),
            ("kv_entry[0] <none>", "kv_entry\\[0\\] \\<none\\>"),
            ("- one", "\\- one"),
            ("10. ten", "10\\. ten"),
            ("# heading", "\\# heading"),
            ("see http://example.org/a_b.", "see <http://example.org/a_b>."),
        ] {
            assert_eq!(escaped(line), expected);
        }
    }
}
