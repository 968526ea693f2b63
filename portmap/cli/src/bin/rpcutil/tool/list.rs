//! `rpcutil list`: the table of a portmapper, a line per program.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::thread;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use farcall::bind::Entry;
use farcall::{Program, Version};

use super::{Asked, ToolError};
use farcall_portmap::programs::Programs;

/// A program, as it is listed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    versions: Vec<Version>,
    transports: Vec<String>,
    ports: Vec<String>,
    owners: Vec<String>,
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// With a heading, a line per program.
    #[default]
    Table,
    /// Name, versions and transports, a line per program.
    Short,
    /// An array with an object per registration.
    Json,
}

/// Prints what is registered at a portmapper.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn list(
    asked: &Asked,
    form: Form,
    programs: &Programs,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    print(&dump(asked)?, form, programs, out)
}

/// Prints what is registered, and then a line for each change, until the output is closed: `+` for
/// a registration that came, `-` for one that went, `!` for a portmapper that does not answer.
///
/// # Errors
/// It cannot be asked at first; the output is closed.
pub(crate) fn watch(
    asked: &Asked,
    interval: Duration,
    programs: &Programs,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let mut entries = dump(asked)?;
    print(&entries, Form::Table, programs, out)?;
    let mut is_lost = false;
    loop {
        out.flush()?;
        thread::sleep(interval);
        match dump(asked) {
            Ok(now) => {
                if is_lost {
                    writeln!(out, "! portmapper at {} answers again", asked.name)?;
                }
                for line in changes(&entries, &now) {
                    writeln!(out, "{line}")?;
                }
                (entries, is_lost) = (now, false);
            }
            Err(error) if !is_lost => {
                writeln!(out, "! {error}")?;
                is_lost = true;
            }
            Err(_) => {}
        }
    }
}

fn dump(asked: &Asked) -> Result<Vec<Entry>, ToolError> {
    asked.portmapper.dump().map_err(|error| ToolError::portmapper(&asked.name, error))
}

fn changes(before: &[Entry], now: &[Entry]) -> Vec<String> {
    let (old, new): (HashSet<_>, HashSet<_>) = (before.iter().collect(), now.iter().collect());
    let gone = before.iter().filter(|entry| !new.contains(entry)).map(|entry| format!("- {entry}"));
    let come = now.iter().filter(|entry| !old.contains(entry)).map(|entry| format!("+ {entry}"));
    gone.chain(come).collect()
}

fn print(
    entries: &[Entry],
    form: Form,
    programs: &Programs,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    match form {
        Form::Table => {
            // Cells are padded to the width of their column; nothing is to follow the last of them.
            for line in table(entries, programs).lines() {
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        Form::Short => {
            for (program, row) in rows(entries) {
                let name =
                    programs.name(program).map_or_else(|| program.to_string(), str::to_owned);
                let versions = ranges(&row.versions);
                writeln!(out, "{name} {versions} {}", row.transports.join(" "))?;
            }
        }
        Form::Json => {
            let entries: Vec<_> = entries.iter().map(|entry| object(entry, programs)).collect();
            writeln!(out, "{:#}", serde_json::Value::from(entries))?;
        }
    }
    Ok(())
}

/// As it was registered: JSON has escapes of its own.
fn object(entry: &Entry, programs: &Programs) -> serde_json::Value {
    serde_json::json!({
        "program": entry.program.0,
        "name": programs.name(entry.program),
        "version": entry.version.0,
        "netid": entry.netid,
        "address": entry.address,
        "owner": entry.owner,
    })
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

    fn printed(form: Form, entries: &[Entry]) -> String {
        let mut out = Vec::new();
        print(entries, form, &Programs::default(), &mut out).expect("memory takes it");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn other_forms_are_for_programs() {
        let entries = [
            entry(100_003, 3, "tcp", "0.0.0.0.8.1", "superuser"),
            entry(7, 1, "\x1b[2J", "a\"b", "unknown"),
            entry(100_003, 4, "udp", "0.0.0.0.8.1", "superuser"),
        ];
        assert_eq!(printed(Form::Short, &entries), "7 1 \\u{1b}[2J\nnfs 3-4 tcp udp\n");
        let expected = r#"[
  {
    "address": "a\"b",
    "name": null,
    "netid": "\u001b[2J",
    "owner": "unknown",
    "program": 7,
    "version": 1
  }
]
"#;
        assert_eq!(printed(Form::Json, &entries[1..2]), expected);
        assert_eq!(printed(Form::Json, &[]), "[]\n");
    }

    #[test]
    fn what_came_and_went_is_told() {
        let [a, b, c] = ["tcp", "udp", "a\nb"].map(|netid| entry(7, 1, netid, "x", "o"));
        let before = [a.clone(), b.clone()];
        assert_eq!(changes(&before, &[a, c]), ["- 7 1 udp x o", "+ 7 1 a\\nb x o"]);
        assert_eq!(changes(&before, &before), [""; 0]);
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
