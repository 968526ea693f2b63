//! `-m`: what a portmapper has counted.

use farcall::bind::proto::rpcb_prot::RpcbStat;
use farcall::bind::proto::rpcb_prot::rpcbprog::v4;

use super::contact::{Reached, reach, reach_local};
use super::number::Names;
use super::status::Status;
use super::text::{left, tame};
use super::{Done, Failure, Session, text};

const PROCEDURES: [&str; 13] = [
    "NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "TIME", "U2T", "T2U", "VERADDR",
    "INDRECT", "GETLIST", "GETSTAT",
];

const SET: usize = 1;
const UNSET: usize = 2;
const LOOKUP: usize = 3;
const CALLIT: usize = 5;
const INDIRECT: usize = 10;
const GETLIST: usize = 11;

/// Columns begin at multiples of this.
const TAB: usize = 8;

pub(super) fn show(session: &mut Session<'_>, host: Option<&[u8]>) -> Done {
    const WHO: &str = "rpcinfo: can't contact rpcbind";
    let reached = match host {
        None => reach_local(v4::Client::connect_with),
        Some(host) => reach(&text::of(host), None, v4::Client::connect_with),
    };
    let Reached { client, server, .. } =
        reached.map_err(|status| Failure::Text(status.of_a_connection(WHO)))?;
    let stats = client
        .with(server.calls())
        .getstat()
        .map_err(|error| Failure::Text(Status::of_call(&error).of_a_call(&format!("{WHO}: "))))?;
    let [v2, v3, v4] = &stats;
    let names = &session.names;
    let text = [version_2(v2, names), version_3(v3, names), version_4(v4, names)].concat();
    session.print(&text);
    Ok(())
}

fn version_2(stat: &RpcbStat, names: &Names) -> String {
    let mut text =
        format!("PORTMAP (version 2) statistics\n{}\n", columns(stat, 0..6, "GETPORT", 0));
    if stat.info[CALLIT] != 0 {
        text += &format!("PMAP_RMTCALL call statistics\n{}\n", remote_calls(stat, names, false));
    }
    if stat.info[LOOKUP] != 0 {
        text += &format!("PMAP_GETPORT call statistics\n{}\n", lookups(stat, names));
    }
    text
}

fn version_3(stat: &RpcbStat, names: &Names) -> String {
    let mut text =
        format!("RPCBIND (version 3) statistics\n{}\n", columns(stat, 0..9, "GETADDR", 0));
    if stat.info[CALLIT] != 0 {
        let calls = remote_calls(stat, names, false);
        text += &format!("RPCB_RMTCALL (version 3) call statistics\n{calls}\n");
    }
    if stat.info[LOOKUP] != 0 {
        let lookups = lookups(stat, names);
        text += &format!("RPCB_GETADDR (version 3) call statistics\n{lookups}\n");
    }
    text
}

fn version_4(stat: &RpcbStat, names: &Names) -> String {
    // Portmappers count what GETADDRLIST finds as found by GETADDR.
    let lists = stat.info[GETLIST];
    let mut text = "RPCBIND (version 4) statistics\n".to_owned();
    text += &columns(stat, 0..9, "GETADDR", lists);
    text += &columns(stat, 9..13, "GETADDR", lists);
    if stat.info[CALLIT] != 0 || stat.info[INDIRECT] != 0 {
        let calls = remote_calls(stat, names, true);
        text += &format!("\nRPCB_RMTCALL (version 4) call statistics\n{calls}");
    }
    if stat.info[LOOKUP] != 0 {
        let lookups = lookups(stat, names);
        text += &format!("\nRPCB_GETADDR (version 4) call statistics\n{lookups}");
    }
    text
}

/// Names of procedures, and below them how often each succeeded, if that is known, and was called.
fn columns(
    stat: &RpcbStat,
    procedures: std::ops::Range<usize>,
    lookup: &str,
    more_lookups: i32,
) -> String {
    let (mut heads, mut cells) = (String::new(), String::new());
    for at in procedures {
        let (name, calls) = match at {
            LOOKUP => (lookup, stat.info[at].wrapping_add(more_lookups)),
            _ => (PROCEDURES[at], stat.info[at]),
        };
        let succeeded = successes(stat, at).map_or_else(String::new, |count| format!("{count}/"));
        let cell = format!("{succeeded}{calls}");
        let width = TAB * (1 + cell.len() / TAB);
        heads += &left(name, width);
        cells += &left(&cell, width);
    }
    format!("{heads}\n{cells}\n")
}

fn successes(stat: &RpcbStat, procedure: usize) -> Option<i32> {
    let sum = |sum: i32, count: &i32| sum.wrapping_add(*count);
    match procedure {
        SET => Some(stat.setinfo),
        UNSET => Some(stat.unsetinfo),
        LOOKUP => Some(stat.addrinfo.iter().map(|row| &row.success).fold(0, sum)),
        CALLIT => Some(stat.rmtinfo.iter().map(|row| &row.success).fold(0, sum)),
        _ => None,
    }
}

fn remote_calls(stat: &RpcbStat, names: &Names, with_indirect: bool) -> String {
    let head = if with_indirect { "indirect success failure" } else { "success\tfailure" };
    let mut text = format!("prog\t\tvers\tproc\tnetid\t{head}\n");
    for row in &stat.rmtinfo {
        let (vers, proc, netid) =
            (row.vers.cast_signed(), row.proc.cast_signed(), tame(&row.netid));
        let indirect = if with_indirect { format!("{}\t ", row.indirect) } else { String::new() };
        let (success, failure) = (row.success, row.failure);
        let program = program(row.prog, names);
        text += &format!("{program}{vers}\t{proc}\t{netid}\t{indirect}{success}\t{failure}\n");
    }
    text
}

fn lookups(stat: &RpcbStat, names: &Names) -> String {
    let mut text = "prog\t\tvers\tnetid\t  success\tfailure\n".to_owned();
    for row in &stat.addrinfo {
        let (vers, netid) = (row.vers.cast_signed(), tame(&row.netid));
        let success = left(&row.success.to_string(), 12);
        text += &program(row.prog, names);
        text += &format!("{vers}\t{netid}\t  {success}\t{}\n", row.failure);
    }
    text
}

fn program(program: u32, names: &Names) -> String {
    left(names.name(program, &program.cast_signed().to_string()), 16)
}

#[cfg(test)]
mod tests {
    use farcall::bind::proto::rpcb_prot::{RpcbsAddrlist, RpcbsRmtcalllist};

    use super::*;
    use farcall_portmap::programs::Programs;

    fn busy() -> RpcbStat {
        RpcbStat {
            info: [7, 1, 2, 1_000_000, 3, 4, 0, 0, 0, 0, 5, 6, 1],
            setinfo: 1,
            unsetinfo: 0,
            addrinfo: vec![RpcbsAddrlist {
                prog: u32::MAX,
                vers: 3,
                success: 999_999,
                failure: 1,
                netid: "tcp\x07".to_owned(),
            }],
            rmtinfo: vec![RpcbsRmtcalllist {
                prog: 100_003,
                vers: 3,
                proc: 1,
                success: 2,
                failure: 9,
                indirect: 1,
                netid: "udp".to_owned(),
            }],
        }
    }

    #[test]
    fn version_4_is_laid_out_as_in_c() {
        let text = version_4(&busy(), &Names(Programs::default()));
        let expected = "\
RPCBIND (version 4) statistics
NULL    SET     UNSET   GETADDR         DUMP    CALLIT  TIME    U2T     T2U     
7       1/1     0/2     999999/1000006  3       2/4     0       0       0       
VERADDR INDRECT GETLIST GETSTAT 
0       5       6       1       

RPCB_RMTCALL (version 4) call statistics
prog\t\tvers\tproc\tnetid\tindirect success failure
nfs             3\t1\tudp\t1\t 2\t9

RPCB_GETADDR (version 4) call statistics
prog\t\tvers\tnetid\t  success\tfailure
-1              3\ttcp\\u{7}\t  999999      \t1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn version_2_is_laid_out_as_in_c() {
        let text = version_2(&busy(), &Names(Programs::default()));
        let expected = "\
PORTMAP (version 2) statistics
NULL    SET     UNSET   GETPORT         DUMP    CALLIT  
7       1/1     0/2     999999/1000000  3       2/4     

PMAP_RMTCALL call statistics
prog\t\tvers\tproc\tnetid\tsuccess\tfailure
nfs             3\t1\tudp\t2\t9

PMAP_GETPORT call statistics
prog\t\tvers\tnetid\t  success\tfailure
-1              3\ttcp\\u{7}\t  999999      \t1

";
        assert_eq!(text, expected);
        let idle = version_3(&RpcbStat::default(), &Names(Programs::default()));
        assert_eq!(idle.lines().count(), 4);
        assert!(idle.ends_with(
            "0       0/0     0/0     0/0     0       0/0     0       0       0       \n\n"
        ));
    }
}
