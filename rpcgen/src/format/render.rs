//! Lines to text.

use super::comment::{column_behind, moved};
use super::lines::{Kind, Line};
use super::{INDENT, MAX_WIDTH};

/// The text of a file.
pub(super) fn text(lines: &[Line]) -> String {
    let codes: Vec<_> = lines.iter().map(Code::of).collect();
    let mut out = String::new();
    let mut start = 0;
    while start < lines.len() {
        let rest = lines[start..].iter().zip(&codes[start..]).skip(1);
        let first = (&lines[start], &codes[start]);
        let count = 1 + rest.take_while(|next| continues(first, *next)).count();
        write_run(&lines[start..start + count], &codes[start..start + count], &mut out);
        start += count;
    }
    out.truncate(out.trim_end_matches('\n').len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A line's code, indented.
struct Code {
    text: String,
    /// Of the last of its lines.
    width: usize,
    /// The comment behind it may begin in one column with those of its neighbours.
    alike: bool,
}

impl Code {
    fn of(line: &Line) -> Self {
        let whole = !line.code.contains('\n');
        let width = column_behind(&line.code, line.indent);
        let code = line.kind == Kind::Code && whole && width <= MAX_WIDTH;
        let breaks = line.arguments.breaks().filter(|_| whole && width > MAX_WIDTH);
        let blanks = " ".repeat(line.indent);
        let text = match breaks {
            Some(breaks) => broken_at(line, &breaks),
            None if line.code.is_empty() => String::new(),
            None => format!("{blanks}{}", line.code),
        };
        // The lines around a body stand for themselves.
        let alike = code && !line.opens && !line.code.starts_with('}');
        Self { width: column_behind(&text, 0), text, alike }
    }
}

/// Puts each argument on a line of its own.
fn broken_at(line: &Line, breaks: &[usize]) -> String {
    let outer = " ".repeat(line.indent);
    let inner = " ".repeat(line.indent + INDENT);
    let mut text = outer.clone();
    let mut at = 0;
    for end in breaks {
        text.push_str(line.code[at..*end].trim());
        text.push('\n');
        text.push_str(if end == breaks.last().unwrap_or(end) { &outer } else { &inner });
        at = *end;
    }
    text.push_str(&line.code[at..]);
    text
}

/// Whether the comments of two lines, one some lines below the other, begin in the same column.
fn continues((first, first_code): (&Line, &Code), (line, code): (&Line, &Code)) -> bool {
    if line.blank || first.kind != Kind::Code {
        return false;
    }
    let alike = first_code.alike && code.alike && line.indent == first.indent;
    alike || line.kind == Kind::Behind
}

/// Writes lines whose comments begin in the same column.
fn write_run(lines: &[Line], codes: &[Code], out: &mut String) {
    let commented = lines.iter().zip(codes).filter(|(line, _)| !line.comment.is_empty());
    let column = commented.map(|(_, code)| code.width + 1).max().unwrap_or_default();
    for (line, code) in lines.iter().zip(codes) {
        if line.blank {
            out.push('\n');
        }
        out.push_str(&code.text);
        if !line.comment.is_empty() {
            out.push_str(&" ".repeat(column - code.width));
            out.push_str(&moved(&line.comment, line.column, column));
        }
        out.push('\n');
    }
}
