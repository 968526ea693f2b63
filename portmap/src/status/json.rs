//! The table for programs.

use farcall::bind::Uaddr;
use serde_json::{Value, json};

use super::view::{Row, View};

/// All registrations, as one object with a list.
pub(super) fn text(view: &View) -> String {
    let rows: Vec<_> = view.rows.iter().map(row).collect();
    let mut text = json!({ "registrations": rows }).to_string();
    text.push('\n');
    text
}

fn row(row: &Row) -> Value {
    let entry = &row.entry;
    let ip = match entry.address.parse() {
        Ok(Uaddr::Ip(addr)) => Some(addr),
        _ => None,
    };
    json!({
        "program": entry.program.0,
        "name": row.name,
        "version": entry.version.0,
        "netid": entry.netid,
        "address": entry.address,
        "host": ip.map(|addr| addr.ip().to_string()),
        "port": ip.map(|addr| addr.port()),
        "owner": entry.owner.to_string(),
        "health": row.health.text(),
    })
}
