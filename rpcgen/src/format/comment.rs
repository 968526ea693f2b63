//! Comments that move.

use super::scan::column_after;

/// The other lines of a comment that begins behind this column stay where they are.
const MAX_COLUMN: usize = 400;

/// A comment whose first line moves from column `from` to column `to`: its other lines move with
/// it, or, if any of them begins left of it, so that all come to stand below it.
pub(super) fn moved(text: &str, from: usize, to: usize) -> String {
    let mut lines = text.split('\n').map(str::trim_end);
    let first = lines.next().unwrap_or_default();
    let rest: Vec<_> = lines.map(indented).collect();
    if rest.is_empty() {
        return first.to_owned();
    }
    let (from, to) = if to > MAX_COLUMN { (0, 0) } else { (from, to) };
    let left = rest.iter().filter(|(indent, line)| *indent < from && !line.is_empty()).min();
    let (old, new) = left.map_or((from, to), |(indent, line)| (*indent, to + text_indent(line)));
    let mut moved = placed(first, from, to);
    for (indent, line) in rest {
        moved.push('\n');
        if !line.is_empty() {
            let ends = line == "*/" && old != from && new > to + 1;
            let column = if ends { to } else { new + indent - old };
            moved.push_str(&" ".repeat(column));
            moved.push_str(&placed(line, indent, column));
        }
    }
    moved
}

/// How far from its `/*` a line of a comment usually is.
fn text_indent(line: &str) -> usize {
    if line.starts_with('*') { 1 } else { 3 }
}

/// A line that moves: where tab stops no longer are where they were, blanks keep what was below
/// each other there.
fn placed(line: &str, from: usize, to: usize) -> String {
    if from == to { line.to_owned() } else { untabbed(line, from) }
}

/// A line's indentation and the rest.
fn indented(line: &str) -> (usize, &str) {
    let rest = line.trim_start_matches([' ', '\t']);
    (column_after(&line[..line.len() - rest.len()], 0), rest)
}

/// `line`, which begins at `column`, with blanks for tabs.
fn untabbed(line: &str, column: usize) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut at = column;
    for part in line.split_inclusive('\t') {
        let text = part.trim_end_matches('\t');
        plain.push_str(text);
        let end = column_after(part, at);
        plain.extend(std::iter::repeat_n(' ', end - column_after(text, at)));
        at = end;
    }
    plain
}

/// A comment behind a member, without the blanks that put its end below others.
pub(super) fn behind(text: &str) -> String {
    let text = text.trim_end();
    let body = text.strip_prefix("/*").and_then(|text| text.strip_suffix("*/"));
    match body {
        Some(body) if !text.contains('\n') && body.ends_with(char::is_whitespace) => {
            format!("/*{} */", body.trim_end())
        }
        _ => text.to_owned(),
    }
}

/// The column behind `code`, which begins at column `indent`.
pub(super) fn column_behind(code: &str, indent: usize) -> usize {
    match code.rsplit_once('\n') {
        Some((_, last)) => column_after(last, 0),
        None => column_after(code, indent),
    }
}
