//! `rpcutil list --watch`: what changes.

use std::collections::HashMap;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use farcall::bind::Entry;

use crate::error::ToolError;
use crate::health::Health;
use crate::list::Listed;
use crate::portmapper::Asked;

/// Prints a line for each change of what was `listed`, until the output is closed.
///
/// # Errors
/// The output is closed.
pub(crate) fn watch(
    asked: &Asked,
    mut listed: Listed,
    interval: Duration,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let calls = listed.health.is_some();
    let mut is_lost = false;
    loop {
        out.flush()?;
        thread::sleep(interval);
        let mut lines = Vec::new();
        match Listed::of(asked, calls) {
            Ok(now) => {
                lines.extend(is_lost.then(|| format!("= portmapper at {}: ok", asked.name)));
                lines.extend(changes(&listed, &now));
                (listed, is_lost) = (now, false);
            }
            Err(error) => {
                lines.extend((!is_lost).then(|| format!("! {error}")));
                is_lost = true;
            }
        }
        for line in lines {
            let style = style(&line);
            writeln!(out, "{style}{line}{style:#}")?;
        }
    }
}

fn style(line: &str) -> Style {
    match line.as_bytes().first() {
        Some(b'+' | b'=') => AnsiColor::Green.on_default(),
        Some(b'!') => AnsiColor::Red.on_default(),
        _ => AnsiColor::Yellow.on_default(),
    }
}

fn changes(before: &Listed, now: &Listed) -> Vec<String> {
    let (old, new) = (before.set(), now.set());
    let gone = before.entries.iter().filter(|entry| !new.contains(entry));
    let come = now.entries.iter().filter(|entry| !old.contains(entry));
    let gone = gone.map(|entry| format!("- {entry}"));
    let come = come.map(|entry| format!("+ {entry}"));
    gone.chain(come).chain(turns(before, now)).collect()
}

/// What fails that did not, and what does not any more.
fn turns(before: &Listed, now: &Listed) -> Vec<String> {
    let old: HashMap<_, _> = pairs(before).collect();
    let turn = |(entry, health): (&Entry, &Health)| {
        let failed = matches!(old.get(entry), Some(Health::Fails(_)));
        match health {
            Health::Fails(how) if !failed => Some(format!("! {entry}: {how}")),
            Health::Answers(_) if failed => Some(format!("= {entry}: ok")),
            _ => None,
        }
    };
    pairs(now).filter_map(turn).collect()
}

fn pairs(listed: &Listed) -> impl Iterator<Item = (&Entry, &Health)> {
    listed.entries.iter().zip(listed.health.iter().flatten())
}

#[cfg(test)]
mod tests {
    use farcall::{Program, Version};

    use super::*;

    fn listed(rows: &[(&str, Health)]) -> Listed {
        let entry = |netid: &str| Entry {
            program: Program(7),
            version: Version(1),
            netid: netid.to_owned(),
            address: "x".to_owned(),
            owner: "o".to_owned(),
        };
        Listed {
            entries: rows.iter().map(|(netid, _)| entry(netid)).collect(),
            health: Some(rows.iter().map(|(_, health)| health.clone()).collect()),
        }
    }

    #[test]
    fn what_came_and_went_and_failed_is_told() {
        let fails = |how: &str| Health::Fails(how.to_owned());
        let answers = |micros| Health::Answers(Duration::from_micros(micros));
        let before = listed(&[
            ("tcp", answers(1)),
            ("udp", answers(1)),
            ("tcp6", fails("a")),
            ("udp6", fails("b")),
        ]);
        let now = listed(&[
            ("tcp", fails("no reply")),
            ("a\nb", fails("c")),
            ("tcp6", answers(2)),
            ("udp6", fails("d")),
        ]);
        let expected = [
            "- 7 1 udp x o",
            "+ 7 1 a\\nb x o",
            "! 7 1 tcp x o: no reply",
            "! 7 1 a\\nb x o: c",
            "= 7 1 tcp6 x o: ok",
        ];
        assert_eq!(changes(&before, &now), expected);
        assert_eq!(changes(&now, &now), [""; 0]);
        let uncalled = Listed { health: None, ..listed(&[("tcp", answers(1))]) };
        assert_eq!(changes(&uncalled, &uncalled), [""; 0]);
    }
}
