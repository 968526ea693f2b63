//! The status page for people: one table after the other, whole without scripts.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime};

use farcall::bind::Uaddr;

use super::sockets::Health;
use super::view::{PROCEDURES, Row, View};
use crate::access::Owner;

/// The most lines of the table of registrations; the rest is in the JSON.
const MAX_LINES: usize = 1000;

/// Text that somebody else chose, as HTML.
struct Safe<T>(T);

impl<T: Display> Display for Safe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Such as those that turn the direction of what follows.
                c if c.is_control() || is_invisible(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The whole page.
pub(super) fn text(view: &View, host: &str) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut out, view, host);
    out
}

fn write_page(out: &mut String, view: &View, host: &str) -> fmt::Result {
    let host = Safe(host);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>portmapd on {host}</title>\n\
         <link rel=\"stylesheet\" href=\"/page.css\">\n<script src=\"/page.js\" defer></script>\n\
         </head>\n<body>\n<h1>portmapd on {host}</h1>\n<main>\n"
    )?;
    write_state(out, view)?;
    write_registrations(out, view)?;
    write_changes(out, view)?;
    out.push_str("<div class=\"columns\">\n");
    write_refusals(out, view)?;
    write_calls(out, view)?;
    write_events(out, view)?;
    out.push_str(
        "</div>\n</main>\n<footer class=\"soft\">\n<p id=\"note\" role=\"status\"></p>\n<noscript><p>Load it again to renew it.</p></noscript>\n\
         <p>The same for programs: <a href=\"/metrics\">metrics</a>, \
         <a href=\"/healthz\">health</a>, \
         <a href=\"/api/registrations.json\">registrations</a>.</p>\n</footer>\n</body>\n</html>\n",
    );
    Ok(())
}

fn write_state(out: &mut String, view: &View) -> fmt::Result {
    match view.trouble() {
        None => out.push_str("<p class=\"state good\">Healthy: it answers calls"),
        Some(trouble) => write!(out, "<p class=\"state bad\">Trouble: {trouble}")?,
    }
    let kept = if view.keeps.is_some() { "a restart loses nothing" } else { "a restart loses all" };
    let gone = view.rows.iter().filter(|row| row.health == Health::Gone).count();
    writeln!(
        out,
        ".</p>\n<p class=\"soft\">Version {}, up {}; {kept}; {} registrations, {gone} of \
         them served by nobody.</p>",
        env!("CARGO_PKG_VERSION"),
        span(age(view.now, view.started)),
        view.rows.len(),
    )
}

/// A table with a heading, in a box that is scrolled where it is too wide.
fn write_table(
    out: &mut String,
    (id, heading): (&str, &str),
    columns: &[&str],
    write_rows: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    write!(
        out,
        "<section>\n<h2 id=\"{id}\">{heading}</h2>\n<div class=\"scroll\" role=\"region\" \
         tabindex=\"0\" aria-labelledby=\"{id}\">\n<table aria-labelledby=\"{id}\">\n<thead><tr>"
    )?;
    for column in columns {
        let class = if NUMBERS.contains(column) { " class=\"number\"" } else { "" };
        write!(out, "<th scope=\"col\"{class}>{column}</th>")?;
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let before = out.len();
    write_rows(out)?;
    if out.len() == before {
        writeln!(out, "<tr><td colspan=\"{}\" class=\"soft\">None.</td></tr>", columns.len())?;
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    Ok(())
}

/// The columns that are numbers to be compared.
const NUMBERS: &[&str] = &["Times", "v2", "v3", "v4"];

/// What the versions of a program that are served alike have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line<'a> {
    program: u32,
    netid: &'a str,
    address: &'a str,
    owner: Owner,
}

fn write_registrations(out: &mut String, view: &View) -> fmt::Result {
    let mut lines: BTreeMap<Line<'_>, (&Row, Vec<u32>)> = BTreeMap::new();
    for row in &view.rows {
        let entry = &row.entry;
        let (netid, address) = (entry.netid.as_str(), entry.address.as_str());
        let line = Line { program: entry.program.0, netid, address, owner: entry.owner };
        lines.entry(line).or_insert_with(|| (row, Vec::new())).1.push(entry.version.0);
    }
    let columns = ["Program", "Number", "Versions", "Transport", "State", "Address", "Owner"];
    write_table(out, ("registrations", "Registrations"), &columns, |out| {
        for (row, versions) in lines.values_mut().take(MAX_LINES) {
            versions.sort_unstable();
            write_registration(out, row, versions)?;
        }
        Ok(())
    })?;
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        writeln!(
            out,
            "<p>{more} more are in <a href=\"/api/registrations.json\">the list</a>.</p>"
        )?;
    }
    Ok(())
}

fn write_registration(out: &mut String, row: &Row, versions: &[u32]) -> fmt::Result {
    let entry = &row.entry;
    let versions: Vec<_> = versions.iter().map(u32::to_string).collect();
    let class = match row.health {
        Health::Served => "good",
        Health::Gone => "bad",
        Health::Unknown => "soft",
    };
    writeln!(
        out,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td>\
         <td class=\"address\">{}</td><td>{}</td></tr>",
        Safe(row.name.as_deref().unwrap_or("-")),
        entry.program,
        versions.join(" "),
        Safe(&entry.netid),
        row.health.text(),
        Safe(plain_address(&entry.address)),
        owner(entry.owner),
    )
}

/// As everybody but RPC writes it.
fn plain_address(uaddr: &str) -> String {
    match uaddr.parse() {
        Ok(Uaddr::Ip(addr)) => addr.to_string(),
        _ => uaddr.to_owned(),
    }
}

fn owner(owner: Owner) -> String {
    match owner {
        Owner::Uid(uid) => format!("uid {uid}"),
        named => named.to_string(),
    }
}

fn write_refusals(out: &mut String, view: &View) -> fmt::Result {
    write_table(out, ("refusals", "Refused"), &["Reason", "Times"], |out| {
        for (reason, n) in view.activity.refusals() {
            let text = reason.text();
            writeln!(out, "<tr><td class=\"long\">{text}</td><td class=\"number\">{n}</td></tr>")?;
        }
        Ok(())
    })
}

fn write_changes(out: &mut String, view: &View) -> fmt::Result {
    let columns = ["When", "What", "Program", "Transport", "Address", "Owner"];
    write_table(out, ("changes", "Latest changes"), &columns, |out| {
        for event in view.activity.events() {
            writeln!(
                out,
                "<tr><td>{} ago</td><td>{}</td><td>{}/{}</td><td>{}</td>\
                 <td class=\"address\">{}</td><td>{}</td></tr>",
                span(age(view.now, event.at)),
                event.outcome.text(),
                event.program,
                event.version,
                Safe(&event.netids),
                Safe(plain_address(&event.address)),
                event.owner.map_or_else(String::new, owner),
            )?;
        }
        Ok(())
    })
}

fn write_calls(out: &mut String, view: &View) -> fmt::Result {
    let mut calls: Vec<(&str, [String; 3])> = Vec::new();
    for (at, (names, stats)) in PROCEDURES.iter().zip(&view.stats).enumerate() {
        for (&name, n) in names.iter().zip(stats.procedures) {
            let found = calls.iter().position(|(other, _)| *other == name);
            let line = found.unwrap_or_else(|| {
                calls.push((name, Default::default()));
                calls.len() - 1
            });
            calls[line].1[at] = n.to_string();
        }
    }
    write_table(out, ("calls", "Calls"), &["Procedure", "v2", "v3", "v4"], |out| {
        for (name, counts) in calls {
            let cells = counts.map(|n| format!("<td class=\"number\">{n}</td>")).concat();
            writeln!(out, "<tr><td>{name}</td>{cells}</tr>")?;
        }
        Ok(())
    })
}

/// Only what happened: there are many that should not.
fn write_events(out: &mut String, view: &View) -> fmt::Result {
    write_table(out, ("events", "On its sockets"), &["What", "Times"], |out| {
        for (name, n) in view.server.counters().filter(|(_, n)| *n > 0) {
            let name = name.replace('_', " ");
            writeln!(out, "<tr><td>{name}</td><td class=\"number\">{n}</td></tr>")?;
        }
        Ok(())
    })
}

fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// In the largest unit that fits.
fn span(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        let table = [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x' &", "&quot; onload=&#39;x&#39; &amp;"),
            ("a\u{202e}b\u{7}", "a\\u{202e}b\\u{7}"),
            ("0.0.0.0.8.1", "0.0.0.0.8.1"),
        ];
        for (text, expected) in table {
            assert_eq!(Safe(text).to_string(), expected);
        }
    }

    #[test]
    fn spans_are_short() {
        let table =
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")];
        for (seconds, expected) in table {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}
