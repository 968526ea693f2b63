//! `rpcutil stats`: what a portmapper has counted, by procedure and by program.

use std::io::Write;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use comfy_table::Table;
use farcall::bind::proto::rpcb_prot::RpcbStat;
use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use farcall::{ClientOptions, Program};
use farcall_portmap::programs::Programs;
use serde_json::{Value, json};

use crate::error::ToolError;
use crate::portmapper::PortmapperArgs;
use crate::service::PROGRAMS;
use crate::table;

const PROCEDURES: [&str; 13] = [
    "null",
    "set",
    "unset",
    "getaddr",
    "dump",
    "callit",
    "gettime",
    "uaddr2taddr",
    "taddr2uaddr",
    "getversaddr",
    "indirect",
    "getaddrlist",
    "getstat",
];

/// Show what a portmapper has counted.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    portmapper: PortmapperArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the counts of a portmapper (RFC 1833, GETSTAT), of versions 2, 3 and 4 of its protocol.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn run(
    args: &StatsArgs,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let asked = args.portmapper.asked(timeout)?;
    let options = ClientOptions::new().timeout(timeout);
    let client = v4::Client::connect_with(&asked.target(), &options);
    let counted =
        client.and_then(|client| client.getstat()).map_err(|error| asked.failed(error))?;
    if args.json {
        let versions: Vec<_> =
            counted.iter().zip(2..).map(|(stat, version)| object(stat, version)).collect();
        writeln!(out, "{:#}", Value::from(versions))?;
        return Ok(());
    }
    print(&procedures(&counted), out)?;
    for table in [lookups(&counted, &PROGRAMS), remote_calls(&counted, &PROGRAMS)] {
        if table.row_count() > 0 {
            writeln!(out)?;
            print(&table, out)?;
        }
    }
    Ok(())
}

fn print(table: &Table, out: &mut impl Write) -> Result<(), ToolError> {
    table::print(table, |_| Style::new(), out)
}

/// Calls by procedure; of SET and UNSET also how many were accepted.
fn procedures(counted: &[RpcbStat; 3]) -> Table {
    let mut table = table::new(&["PROCEDURE", "V2", "V3", "V4"]);
    for (at, name) in PROCEDURES.iter().enumerate() {
        let cell = |stat: &RpcbStat| match at {
            1 => format!("{} ({} accepted)", stat.info[at], stat.setinfo),
            2 => format!("{} ({} accepted)", stat.info[at], stat.unsetinfo),
            _ => stat.info[at].to_string(),
        };
        if counted.iter().any(|stat| stat.info[at] != 0) {
            table.add_row([&[(*name).to_owned()][..], &counted.each_ref().map(cell)].concat());
        }
    }
    table
}

fn lookups(counted: &[RpcbStat; 3], programs: &Programs) -> Table {
    let mut table =
        table::new(&["LOOKED UP", "NAME", "VERS", "TRANSPORT", "ASKED IN", "FOUND", "MISSED"]);
    for (stat, version) in counted.iter().zip(2..) {
        for row in &stat.addrinfo {
            table.add_row([
                row.prog.to_string(),
                programs.name(Program(row.prog)).unwrap_or("-").to_owned(),
                row.vers.to_string(),
                row.netid.escape_debug().to_string(),
                format!("v{version}"),
                row.success.to_string(),
                row.failure.to_string(),
            ]);
        }
    }
    table
}

fn remote_calls(counted: &[RpcbStat; 3], programs: &Programs) -> Table {
    let mut table = table::new(&[
        "PASSED ON",
        "NAME",
        "VERS",
        "PROC",
        "TRANSPORT",
        "ASKED IN",
        "DONE",
        "FAILED",
    ]);
    for (stat, version) in counted.iter().zip(2..) {
        for row in &stat.rmtinfo {
            table.add_row([
                row.prog.to_string(),
                programs.name(Program(row.prog)).unwrap_or("-").to_owned(),
                row.vers.to_string(),
                row.proc.to_string(),
                row.netid.escape_debug().to_string(),
                format!("v{version}"),
                row.success.to_string(),
                row.failure.to_string(),
            ]);
        }
    }
    table
}

fn object(stat: &RpcbStat, version: u32) -> Value {
    let calls: serde_json::Map<_, _> = PROCEDURES
        .iter()
        .zip(stat.info)
        .map(|(name, count)| ((*name).to_owned(), count.into()))
        .collect();
    let lookups = stat.addrinfo.iter().map(|row| {
        json!({
            "program": row.prog, "version": row.vers, "netid": row.netid,
            "found": row.success, "missed": row.failure,
        })
    });
    let passed_on = stat.rmtinfo.iter().map(|row| {
        json!({
            "program": row.prog, "version": row.vers, "procedure": row.proc, "netid": row.netid,
            "done": row.success, "failed": row.failure, "indirect": row.indirect,
        })
    });
    json!({
        "version": version,
        "calls": calls,
        "set": stat.setinfo,
        "unset": stat.unsetinfo,
        "lookups": lookups.collect::<Vec<_>>(),
        "passed_on": passed_on.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use farcall::bind::proto::rpcb_prot::RpcbsAddrlist;

    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let v3 = RpcbStat {
            info: [0, 2, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            setinfo: 1,
            ..RpcbStat::default()
        };
        let netid = "\x1b[2J".to_owned();
        let row = RpcbsAddrlist { prog: 100_003, vers: 3, success: 4, failure: 1, netid };
        let v3 = RpcbStat { addrinfo: vec![row], ..v3 };
        let counted = [RpcbStat::default(), v3, RpcbStat::default()];
        let lines = |table: &Table| -> Vec<_> {
            table.lines().map(|line| line.trim_end().to_owned()).collect()
        };
        assert_eq!(
            lines(&procedures(&counted)),
            [
                " PROCEDURE  V2              V3              V4",
                " set        0 (0 accepted)  2 (1 accepted)  0 (0 accepted)",
                " getaddr    0               5               0",
            ]
        );
        assert_eq!(
            lines(&lookups(&counted, &Programs::default())),
            [
                " LOOKED UP  NAME  VERS  TRANSPORT  ASKED IN  FOUND  MISSED",
                " 100003     nfs   3     \\u{1b}[2J  v3        4      1",
            ]
        );
        let object = object(&counted[1], 3);
        assert_eq!(
            (&object["calls"]["getaddr"], &object["lookups"][0]["missed"]),
            (&json!(5), &json!(1))
        );
    }
}
