//! `rpcutil list`: the table of a portmapper, a line per program.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use comfy_table::Table;
use farcall::bind::Entry;
use farcall::{Program, Version};
use farcall_portmap::programs::Programs;
use nix::unistd::{Uid, User};

use crate::error::ToolError;
use crate::health::{self, Health};
use crate::place::millis;
use crate::portmapper::{Asked, PortmapperArgs};
use crate::service::{MOST, PROGRAMS};
use crate::words::seconds;
use crate::{table, watch};

const HEAD: [&str; 8] = ["PROGRAM", "NAME", "VERS", "TRANSPORTS", "PORT", "OWNER", "HEALTH", "RTT"];

/// The columns that may have several words, and the width of one, with what is around it.
const WRAPPED: [(usize, u16); 3] = [(3, 12), (4, 7), (6, 10)];

/// Show what is registered at a host, or at this one, and whether it answers.
///
/// Procedure 0 is called of everything that can be reached from here. HEALTH is ok if all of a
/// program's versions and transports answer, else how many do not, and how they fail; RTT is the
/// fastest answer's.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    portmapper: PortmapperArgs,
    /// Call nothing.
    #[arg(long)]
    no_health: bool,
    /// Go on, and print what comes (`+`) and goes (`-`), fails (`!`) and is well again (`=`); look
    /// every SECS.
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true,
          default_missing_value = "2", value_parser = seconds, conflicts_with_all = ["json", "short"])]
    watch: Option<Duration>,
    /// Print JSON, an object for each registration.
    #[arg(long)]
    json: bool,
    /// Print name, versions and transports only, a line per program; call nothing.
    #[arg(long, conflicts_with = "json")]
    short: bool,
}

/// What is registered, and how each of it is.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    /// As many, unless nothing was called.
    pub(crate) health: Option<Vec<Health>>,
}

/// A program, as it is listed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    versions: Vec<Version>,
    transports: Vec<String>,
    ports: Vec<String>,
    owners: Vec<String>,
    health: Vec<Health>,
}

/// Prints what is registered at a portmapper.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn run(
    args: &ListArgs,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let asked = args.portmapper.asked(timeout)?;
    let calls = !args.no_health && !args.short;
    let listed = Listed::of(&asked, calls)?;
    if args.json {
        let objects = objects(&listed, &PROGRAMS);
        writeln!(out, "{:#}", serde_json::Value::from(objects))?;
    } else if args.short {
        for line in short(&listed.entries, &PROGRAMS) {
            writeln!(out, "{line}")?;
        }
    } else {
        print(&listed, &asked, out)?;
    }
    match args.watch {
        Some(interval) => watch::watch(&asked, listed, interval, out),
        None => Ok(()),
    }
}

impl Listed {
    /// Asks the portmapper, and if it is wanted `calls` what it lists.
    pub(crate) fn of(asked: &Asked, calls: bool) -> Result<Self, ToolError> {
        let entries = asked.dump()?;
        let health = calls.then(|| health::of_all(asked, &entries));
        Ok(Self { entries, health })
    }

    pub(crate) fn set(&self) -> HashSet<&Entry> {
        self.entries.iter().collect()
    }
}

fn print(listed: &Listed, asked: &Asked, out: &mut impl Write) -> Result<(), ToolError> {
    let rows = rows(listed, if asked.remote().is_none() { user } else { |_| None });
    let fails: Vec<_> = rows.values().map(Row::fails).collect();
    let style = |row: usize| {
        let fails = fails.get(row).is_some_and(|&fails| fails);
        if fails { AnsiColor::Red.on_default() } else { Style::new() }
    };
    let mut table = table(&rows, listed.health.is_some(), &PROGRAMS);
    if let Some(width) = table::width() {
        table::fit(&mut table, &WRAPPED, width);
    }
    table::print(&table, style, out)
}

/// What a user of this host is called.
fn user(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// As it was registered: JSON has escapes of its own.
fn objects(listed: &Listed, programs: &Programs) -> Vec<serde_json::Value> {
    let object = |(at, entry): (usize, &Entry)| {
        let health = listed.health.as_ref().map_or(&Health::Unknown, |all| &all[at]);
        let (text, rtt) = match health {
            Health::Unknown => (None, None),
            Health::Answers(rtt) => (Some("ok"), Some(millis(*rtt))),
            Health::Fails(how) => (Some(how.as_str()), None),
        };
        serde_json::json!({
            "program": entry.program.0,
            "name": programs.name(entry.program),
            "version": entry.version.0,
            "netid": entry.netid,
            "address": entry.address,
            "owner": entry.owner,
            "health": text,
            "rtt_ms": rtt,
        })
    };
    listed.entries.iter().enumerate().map(object).collect()
}

/// `nfs 3-4 tcp udp`.
pub(crate) fn short(entries: &[Entry], programs: &Programs) -> Vec<String> {
    let listed = Listed { entries: entries.to_vec(), health: None };
    let line = |(program, row): (Program, Row)| {
        let name = programs.name(program).map_or_else(|| program.to_string(), str::to_owned);
        format!("{name} {} {}", ranges(&row.versions), row.transports.join(" "))
    };
    rows(&listed, |_| None).into_iter().map(line).collect()
}

fn table(rows: &BTreeMap<Program, Row>, has_health: bool, programs: &Programs) -> Table {
    let mut table = table::new(if has_health { &HEAD } else { &HEAD[..6] });
    for (program, row) in rows {
        let mut cells = vec![
            program.to_string(),
            programs.name(*program).unwrap_or("-").to_owned(),
            ranges(&row.versions),
            row.transports.join(" "),
            if row.ports.is_empty() { "-".to_owned() } else { row.ports.join(" ") },
            row.owners.join(" "),
        ];
        if has_health {
            cells.extend([row.health(), row.rtt()]);
        }
        table.add_row(cells);
    }
    table
}

/// By program number; within a row, in the order of the table. `user` names a uid.
fn rows(listed: &Listed, user: impl Fn(u32) -> Option<String>) -> BTreeMap<Program, Row> {
    let mut rows = BTreeMap::<_, Row>::new();
    for (at, entry) in listed.entries.iter().enumerate() {
        let row = rows.entry(entry.program).or_default();
        row.versions.push(entry.version);
        // The text is from anybody on that host: it must not steer the terminal.
        push_new(&mut row.transports, entry.netid.escape_debug().to_string());
        push_new(&mut row.owners, owner(&entry.owner, &user));
        if let Some(addr) = entry.uaddr().ok().and_then(|address| address.ip()) {
            push_new(&mut row.ports, addr.port().to_string());
        }
        row.health.extend(listed.health.as_ref().map(|all| all[at].clone()));
    }
    for row in rows.values_mut() {
        row.versions.sort_unstable();
        row.versions.dedup();
    }
    rows
}

/// Portmappers have a word for root.
fn owner(owner: &str, user: impl Fn(u32) -> Option<String>) -> String {
    if owner == "superuser" {
        return "root".to_owned();
    }
    let name = owner.parse().ok().and_then(user);
    name.unwrap_or_else(|| owner.escape_debug().to_string())
}

impl Row {
    fn fails(&self) -> bool {
        self.health.iter().any(|health| matches!(health, Health::Fails(_)))
    }

    /// How it fails; if not all of it does, how much of it.
    fn health(&self) -> String {
        let failures = || {
            self.health.iter().filter_map(|health| match health {
                Health::Fails(how) => Some(how.as_str()),
                _ => None,
            })
        };
        let called = self.health.iter().filter(|&health| *health != Health::Unknown).count();
        match (failures().next(), failures().count()) {
            (None, _) if called == 0 => "-".to_owned(),
            (None, _) => "ok".to_owned(),
            (Some(how), failed) if failed == called => how.to_owned(),
            (Some(how), failed) => format!("{failed} of {called}: {how}"),
        }
    }

    fn rtt(&self) -> String {
        let answers = self.health.iter().filter_map(|health| match health {
            Health::Answers(rtt) => Some(rtt),
            _ => None,
        });
        let text = |rtt: &Duration| format!("{:.2}ms", millis(*rtt));
        answers.min().map_or_else(|| "-".to_owned(), text)
    }
}

/// A list that nobody could read ends in dots.
fn push_new(list: &mut Vec<String>, text: String) {
    if list.len() <= MOST && !list.contains(&text) {
        list.push(if list.len() < MOST { text } else { "...".to_owned() });
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

    fn lines(listed: &Listed) -> Vec<String> {
        let user = |uid| (uid == 1001).then(|| "alice".to_owned());
        let has_health = listed.health.is_some();
        let table = table(&rows(listed, user), has_health, &Programs::default());
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_program_is_a_line() {
        let entries = vec![
            entry(100_000, 4, "tcp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 3, "tcp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 2, "udp", "0.0.0.0.0.111", "superuser"),
            entry(100_000, 3, "local", "/run/rpcbind.sock", "superuser"),
            entry(536_871_065, 1, "udp", "0.0.0.0.156.187", "1001"),
            entry(536_871_065, 3, "tcp", "0.0.0.0.156.188", "unknown"),
            entry(100_005, 1, "local", "/run/m", "1002"),
            entry(7, 1, "\x1b[2J", "garbage", "a\nb"),
        ];
        assert_eq!(
            lines(&Listed { entries, health: None }),
            [
                " PROGRAM    NAME        VERS  TRANSPORTS     PORT         OWNER",
                " 7          -           1     \\u{1b}[2J      -            a\\nb",
                " 100000     portmapper  2-4   tcp udp local  111          root",
                " 100005     mountd      1     local          -            1002",
                " 536871065  -           1,3   udp tcp        40123 40124  alice unknown",
            ]
        );
    }

    #[test]
    fn the_health_of_a_program_is_that_of_all_its_registrations() {
        let fails = |how: &str| Health::Fails(how.to_owned());
        let answers = |micros| Health::Answers(Duration::from_micros(micros));
        let table = [
            (vec![Health::Unknown], "-", "-"),
            (vec![answers(84), Health::Unknown, answers(1350)], "ok", "0.08ms"),
            (vec![fails("no reply (3 tries, 1.5s)"); 2], "no reply (3 tries, 1.5s)", "-"),
            (vec![answers(5), fails("a"), fails("b"), Health::Unknown], "2 of 3: a", "0.01ms"),
        ];
        for (health, text, rtt) in table {
            let row = Row { health, ..Row::default() };
            assert_eq!((row.health().as_str(), row.rtt().as_str()), (text, rtt));
        }
        let entries = vec![
            entry(100_003, 3, "tcp", "0.0.0.0.8.1", "superuser"),
            entry(100_003, 4, "tcp", "0.0.0.0.8.1", "superuser"),
        ];
        let health = Some(vec![answers(210), fails("nobody listens")]);
        assert_eq!(
            lines(&Listed { entries, health }),
            [
                " PROGRAM  NAME  VERS  TRANSPORTS  PORT  OWNER  HEALTH                  RTT",
                " 100003   nfs   3-4   tcp         2049  root   1 of 2: nobody listens  0.21ms",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_has_more_lines() {
        let netids = ["tcp6", "udp6", "tcp", "udp", "local"];
        let entries = netids.map(|netid| entry(100_000, 4, netid, "0.0.0.0.0.111", "superuser"));
        let health = Some(vec![Health::Fails("no reply (3 tries, 1.5s)".to_owned()); 5]);
        let listed = Listed { entries: entries.to_vec(), health };
        let mut table = table(&rows(&listed, |_| None), true, &Programs::default());
        table::fit(&mut table, &WRAPPED, 80);
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(
            lines,
            [
                " PROGRAM  NAME        VERS  TRANSPORTS          PORT   OWNER  HEALTH        RTT",
                " 100000   portmapper  4     tcp6 udp6 tcp udp   111    root   no reply (3   -",
                "                            local                             tries, 1.5s)",
            ]
        );
    }

    #[test]
    fn other_forms_are_for_programs() {
        let entries = vec![
            entry(100_003, 3, "tcp", "0.0.0.0.8.1", "superuser"),
            entry(7, 1, "\x1b[2J", "a\"b", "unknown"),
            entry(100_003, 4, "udp", "0.0.0.0.8.1", "superuser"),
        ];
        assert_eq!(short(&entries, &Programs::default()), ["7 1 \\u{1b}[2J", "nfs 3-4 tcp udp"]);
        let expected = r#"{
  "address": "a\"b",
  "health": "ok",
  "name": null,
  "netid": "\u001b[2J",
  "owner": "unknown",
  "program": 7,
  "rtt_ms": 0.25,
  "version": 1
}"#;
        let health = Some(vec![Health::Answers(Duration::from_micros(250))]);
        let listed = Listed { entries: vec![entries[1].clone()], health };
        assert_eq!(format!("{:#}", objects(&listed, &Programs::default())[0]), expected);
        let listed = Listed { entries, health: None };
        let all = objects(&listed, &Programs::default());
        assert_eq!((all.len(), &all[0]["health"]), (3, &serde_json::Value::Null));
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
