//! Tables without lines.

use std::io::{self, IsTerminal, Write};

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use crate::error::ToolError;

pub(crate) fn new(head: &[&str]) -> Table {
    let mut table = Table::new();
    // Who is no terminal gets a line per row, however long it is.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    table
}

/// Wraps the cells of some columns, but not to less than a width, so that the table is as wide as
/// this if it can be.
pub(crate) fn fit(table: &mut Table, wrapped: &[(usize, u16)], width: u16) {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for column in table.column_iter_mut() {
        let least = wrapped.iter().find(|(index, _)| *index == column.index);
        column.set_constraint(match least {
            Some(&(_, least)) => ColumnConstraint::LowerBoundary(Width::Fixed(least)),
            None => ColumnConstraint::ContentWidth,
        });
    }
}

/// Of the terminal, if standard output is one.
pub(crate) fn width() -> Option<u16> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| terminal_size::terminal_size_of(stdout)).flatten();
    size.map(|(width, _)| width.0)
}

/// Prints a table whose first column is never empty. `style` is that of a row.
pub(crate) fn print(
    table: &Table,
    style: impl Fn(usize) -> Style,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let mut rows = 0;
    for line in table.lines() {
        // A row that is wrapped goes on in lines that start with nothing.
        rows += usize::from(!line.starts_with("  "));
        let style = match rows {
            0 | 1 => Style::new().bold(),
            row => style(row - 2),
        };
        // Cells are padded to the width of their column; nothing is to follow the last of them.
        writeln!(out, "{style}{}{style:#}", line.trim_end())?;
    }
    Ok(())
}
