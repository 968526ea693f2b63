//! `rpcutil list`: the table of a portmapper, a line per program.

use std::collections::BTreeMap;
use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use farcall::bind::{Entry, Portmapper};
use farcall::{Program, Version};

use super::ToolError;
use crate::programs::Programs;

/// A program, as it is listed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    versions: Vec<Version>,
    transports: Vec<String>,
    ports: Vec<String>,
    owners: Vec<String>,
}

/// Prints what is registered at a portmapper.
///
/// # Errors
/// It cannot be asked.
pub fn list(
    portmapper: &Portmapper,
    asked: &str,
    programs: &Programs,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let entries = portmapper
        .dump()
        .map_err(|error| ToolError::Call { asked: format!("portmapper at {asked}"), error })?;
    // Cells are padded to the width of their column; nothing is to follow the last of them.
    for line in table(&entries, programs).lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn table(entries: &[Entry], programs: &Programs) -> Table {
    let mut table = Table::new();
    // Whole, however narrow the terminal is: it may be read by a program.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["PROGRAM", "NAME", "VERS", "TRANSPORTS", "PORT", "OWNER"]);
    for (program, row) in rows(entries) {
        table.add_row([
            program.to_string(),
            programs.name(program).unwrap_or("-").to_owned(),
            ranges(&row.versions),
            row.transports.join(" "),
            if row.ports.is_empty() { "-".to_owned() } else { row.ports.join(" ") },
            row.owners.join(" "),
        ]);
    }
    table
}

/// By program number; within a row, in the order of the table.
fn rows(entries: &[Entry]) -> BTreeMap<Program, Row> {
    let mut rows = BTreeMap::<_, Row>::new();
    for entry in entries {
        let row = rows.entry(entry.program).or_default();
        row.versions.push(entry.version);
        // The text is from anybody on that host: it must not steer the terminal.
        push_new(&mut row.transports, entry.netid.escape_debug().to_string());
        push_new(&mut row.owners, entry.owner.escape_debug().to_string());
        if let Some(addr) = entry.uaddr().ok().and_then(|address| address.ip()) {
            push_new(&mut row.ports, addr.port().to_string());
        }
    }
    for row in rows.values_mut() {
        row.versions.sort_unstable();
        row.versions.dedup();
    }
    rows
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

/// `2-4` or `1,3`: versions in ascending order.
fn ranges(versions: &[Version]) -> String {
    let follows = |a: &Version, b: &Version| a.0.checked_add(1) == Some(b.0);
    let runs = versions.chunk_by(follows).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(Version::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(program: u32, version: u32, netid: &str, address: &str, owner: &str) -> Entry {
        Entry {
            program: Program(program),
            version: Version(version),
            netid: netid.to_owned(),
            address: address.to_owned(),
            owner: owner.to_owned(),
        }
    }

    #[test]
    fn a_program_is_a_line() {
        let entries = [
            entry(100_000, 4, "tcp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 3, "tcp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 2, "udp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 3, "local", "/run/rpcbind.sock", "superuser"),
            entry(536_871_065, 1, "udp", "0.0.0.0.156.187", "1001"),
            entry(536_871_065, 3, "tcp", "0.0.0.0.156.188", "unknown"),
            entry(100_005, 1, "local", "/run/m", "0"),
            entry(7, 1, "\x1b[2J", "garbage", "a\nb"),
        ];
        let table = table(&entries, &Programs::default());
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(
            lines,
            [
                " PROGRAM    NAME        VERS  TRANSPORTS     PORT         OWNER",
                " 7          -           1     \\u{1b}[2J      -            a\\nb",
                " 100000     portmapper  2-4   tcp udp local  111          superuser",
                " 100005     mountd      1     local          -            0",
                " 536871065  -           1,3   udp tcp        40123 40124  1001 unknown",
            ]
        );
    }

    #[test]
    fn versions_are_listed_by_runs() {
        let ranges = |list: &[u32]| ranges(&list.iter().map(|&v| Version(v)).collect::<Vec<_>>());
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[2, 3, 4]), "2-4");
        assert_eq!(ranges(&[1, 3, 4, 7]), "1,3-4,7");
        assert_eq!(ranges(&[u32::MAX - 1, u32::MAX]), "4294967294-4294967295");
    }
}
