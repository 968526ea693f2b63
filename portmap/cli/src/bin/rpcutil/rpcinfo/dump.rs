//! The tables: `-p` of version 2, the long one of version 3, and `-s`.

use farcall::Netid;
use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::pmap_prot::{IPPROTO_TCP, IPPROTO_UDP, Mapping};
use farcall::bind::proto::rpcb_prot::Rpcb;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};

use super::contact::{self, Reached, Transport, reach, reach_local, reach_server};
use super::number::Names;
use super::status::Status;
use super::text::{left, tame};
use super::{Done, Failure, Session, text};

const NOTHING: &str = "No remote programs registered.\n";

/// What C keeps of the netids in a line of the short list.
const NETIDS: usize = 255;

/// `-p`: the table in version 2.
pub(super) fn portmap(session: &mut Session<'_>, host: Option<&[u8]>) -> Done {
    const WHO: &str = "rpcinfo: can't contact portmapper";
    let host = host.map(text::of);
    let Reached { client, server, .. } = match &host {
        None => reach_local(v2::Client::connect_with)
            .map_err(|status| Failure::Text(status.of_a_connection(WHO)))?,
        Some(host) => {
            let connect = |(server, netid)| reach_server(server, netid, v2::Client::connect_with);
            find_by_host(100_000, 2, "tcp", host)
                .and_then(connect)
                .map_err(|status| Failure::Text(status.of_a_connection(host)))?
        }
    };
    let rows =
        client.with(server.calls()).dump().map_err(|error| match Status::of_call(&error) {
            Status::ProgVersMismatch { low: 3.., .. } => {
                let host = host.as_deref().unwrap_or("(null)");
                Failure::Text(format!(
                    "{host} does not support portmapper.  Try rpcinfo {host} instead"
                ))
            }
            Status::ProgVersMismatch { .. } | Status::ProgUnavail => Failure::Said,
            status => Failure::Text(status.of_a_call(WHO)),
        })?;
    if rows.is_empty() {
        session.print(NOTHING);
        return Ok(());
    }
    session.print("   program vers proto   port  service\n");
    for row in rows {
        let line = portmap_line(&row.map, &session.names);
        session.print(&line);
    }
    Ok(())
}

/// Over IPv4, or over IPv6 if the host has no such address.
pub(super) fn find_by_host(
    program: u32,
    version: u32,
    protocol: &str,
    host: &str,
) -> Result<(contact::Server, Netid), Status> {
    let netids = match protocol {
        "udp" => [Netid::Udp, Netid::Udp6],
        _ => [Netid::Tcp, Netid::Tcp6],
    };
    let mut status = Status::UnknownHost;
    for netid in netids {
        match contact::find(program, version, netid, host) {
            Ok(server) => return Ok((server, netid)),
            Err(Status::UnknownHost) => {}
            Err(other) => {
                status = other;
                break;
            }
        }
    }
    Err(status)
}

fn portmap_line(map: &Mapping, names: &Names) -> String {
    let Mapping { prog, vers, prot, port } = *map;
    let protocol = match prot {
        IPPROTO_UDP => "udp".to_owned(),
        IPPROTO_TCP => "tcp".to_owned(),
        other => other.to_string(),
    };
    let name = names.name(prog, "");
    let gap = if name.is_empty() { "" } else { "  " };
    format!("{prog:>10}{vers:>5}{protocol:>6}{port:>7}{gap}{name}\n")
}

/// How the table is printed.
type Form = fn(&mut Session<'_>, &[Rpcb]);

/// The table in version 3, or in what the portmapper has.
pub(super) fn rpcbind(
    session: &mut Session<'_>,
    netid: Option<&[u8]>,
    host: Option<&[u8]>,
    form: Form,
) -> Done {
    const WHO: &str = "rpcinfo: can't contact rpcbind";
    let transport = match (host, netid) {
        (Some(_), Some(name)) => Some(transport(name)?),
        _ => None,
    };
    let reached = match host {
        None => reach_local(v3::Client::connect_with),
        Some(host) => reach(&text::of(host), transport, v3::Client::connect_with),
    };
    let reached = reached.map_err(|status| Failure::Text(status.of_a_connection(WHO)))?;
    let rows = rows(reached).map_err(|status| {
        // The second colon is C's.
        Failure::Text(status.of_a_call(&format!("{WHO}: ")))
    })?;
    if rows.is_empty() {
        session.print(NOTHING);
    } else {
        form(session, &rows);
    }
    Ok(())
}

pub(super) fn transport(name: &[u8]) -> Result<Transport, Failure> {
    let unknown = "rpcinfo: invalid transport: Netid not found in netconfig database";
    Transport::named(name).ok_or_else(|| Failure::text(unknown))
}

fn rows(at: Reached<v3::Client>) -> Result<Vec<Rpcb>, Status> {
    let Reached { client, server, netid } = at;
    let failed = |error| Status::of_call(&error);
    match client.with(server.calls()).dump().map_err(failed) {
        Ok(rows) => Ok(rows.into_iter().map(|row| row.rpcb_map).collect()),
        Err(Status::ProgVersMismatch { low: 4, .. }) => {
            let Reached { client, server, .. } =
                reach_server(server, netid, v4::Client::connect_with)?;
            let rows = client.with(server.calls()).dump().map_err(failed)?;
            Ok(rows.into_iter().map(|row| row.rpcb_map).collect())
        }
        Err(Status::ProgVersMismatch { high: 2, .. }) => {
            let Reached { client, server, .. } =
                reach_server(server, netid, v2::Client::connect_with)?;
            let rows = client.with(server.calls()).dump().map_err(failed)?;
            Ok(rows.iter().map(|row| as_rpcb(&row.map)).collect())
        }
        Err(Status::ProgVersMismatch { .. } | Status::ProgUnavail) => Ok(Vec::new()),
        Err(status) => Err(status),
    }
}

fn as_rpcb(map: &Mapping) -> Rpcb {
    let Mapping { prog, vers, prot, port } = *map;
    Rpcb {
        r_prog: prog,
        r_vers: vers,
        r_netid: match prot {
            IPPROTO_UDP => "udp".to_owned(),
            IPPROTO_TCP => "tcp".to_owned(),
            other => format!("{other:>6}"),
        },
        r_addr: format!("0.0.0.0.{}.{}", port >> 8 & 0xff, port & 0xff),
        r_owner: "unknown".to_owned(),
    }
}

/// A line for each row.
pub(super) fn long(session: &mut Session<'_>, rows: &[Rpcb]) {
    session.print("   program version netid     address                service    owner\n");
    for row in rows {
        let line = format!(
            "{:>10}{:>5}    {} {} {} {}\n",
            row.r_prog,
            row.r_vers,
            left(&tame(&row.r_netid), 9),
            left(&tame(&row.r_addr), 22),
            left(session.names.name(row.r_prog, "-"), 10),
            tame(&row.r_owner)
        );
        session.print(&line);
    }
}

/// A program, as the short list has it.
struct Short<'a> {
    program: u32,
    owner: &'a str,
    versions: Vec<String>,
    netids: Vec<String>,
}

/// A line for each program, its newest versions and transports first.
pub(super) fn short(session: &mut Session<'_>, rows: &[Rpcb]) {
    session.print("   program version(s) netid(s)                         service     owner\n");
    let mut programs: Vec<Short<'_>> = Vec::new();
    let mut at = std::collections::HashMap::new();
    for row in rows {
        let at = *at.entry(row.r_prog).or_insert(programs.len());
        if at == programs.len() {
            let (versions, netids) = (Vec::new(), Vec::new());
            let (program, owner) = (row.r_prog, row.r_owner.as_str());
            programs.push(Short { program, owner, versions, netids });
        }
        let short = &mut programs[at];
        add(&mut short.versions, row.r_vers.cast_signed().to_string());
        add(&mut short.netids, tame(&row.r_netid));
    }
    for short in programs {
        let line = short_line(&short, &session.names);
        session.print(&line);
    }
}

fn add(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

fn short_line(short: &Short<'_>, names: &Names) -> String {
    let newest_first = |list: &[String]| -> Vec<String> { list.iter().rev().cloned().collect() };
    let mut netids = newest_first(&short.netids).join(",");
    let end = (0..=NETIDS.min(netids.len())).rev().find(|&end| netids.is_char_boundary(end));
    netids.truncate(end.unwrap_or(0));
    format!(
        "{:>10}  {}{} {} {}\n",
        short.program,
        left(&newest_first(&short.versions).join(","), 10),
        left(&netids, 32),
        left(names.name(short.program, "-"), 11),
        tame(short.owner)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use farcall_portmap::programs::Programs;

    fn printed(form: Form, rows: &[Rpcb]) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let names = Names(Programs::default());
        form(&mut Session { names, out: &mut out, err: &mut err }, rows);
        String::from_utf8(out).expect("UTF-8")
    }

    fn row(program: u32, version: u32, netid: &str, address: &str, owner: &str) -> Rpcb {
        Rpcb {
            r_prog: program,
            r_vers: version,
            r_netid: netid.to_owned(),
            r_addr: address.to_owned(),
            r_owner: owner.to_owned(),
        }
    }

    #[test]
    fn a_line_of_version_2_is_laid_out_as_in_c() {
        let names = Names(Programs::default());
        let line =
            |prog, vers, prot, port| portmap_line(&Mapping { prog, vers, prot, port }, &names);
        assert_eq!(line(100_003, 3, 6, 2049), "    100003    3   tcp   2049  nfs\n");
        assert_eq!(line(536_870_913, 1, 17, 0), " 536870913    1   udp      0\n");
        assert_eq!(line(u32::MAX, u32::MAX, 132, 70_000), "42949672954294967295   132  70000\n");
        let rpcb = as_rpcb(&Mapping { prog: 1, vers: 2, prot: 132, port: 70_000 });
        assert_eq!((rpcb.r_netid.as_str(), rpcb.r_addr.as_str()), ("   132", "0.0.0.0.17.112"));
    }

    #[test]
    fn the_tables_are_laid_out_as_in_c() {
        let rows = [
            row(100_003, 3, "tcp", "0.0.0.0.8.1", "superuser"),
            row(536_870_913, 1, "udp", "0.0.0.0.8.2", "\x1b[2J"),
            row(100_003, 4, "tcp6", "::.8.1", "1001"),
            row(100_003, 3, "udp", "0.0.0.0.8.1", "superuser"),
        ];
        let table = "   program version netid     address                service    owner
    100003    3    tcp       0.0.0.0.8.1            nfs        superuser
 536870913    1    udp       0.0.0.0.8.2            -          \\u{1b}[2J
    100003    4    tcp6      ::.8.1                 nfs        1001
    100003    3    udp       0.0.0.0.8.1            nfs        superuser
";
        assert_eq!(printed(long, &rows), table);
        let table = "   program version(s) netid(s)                         service     owner
    100003  4,3       udp,tcp6,tcp                     nfs         superuser
 536870913  1         udp                              -           \\u{1b}[2J
";
        assert_eq!(printed(short, &rows), table);
    }

    #[test]
    fn a_short_line_holds_what_c_keeps_of_it() {
        let rows: Vec<_> = (0..200).map(|n| row(7, n, &format!("é{n:03}"), "", "o")).collect();
        let text = printed(short, &rows);
        let line = text.lines().nth(1).expect("a line");
        assert!(line.contains("199,198,"), "{line}");
        assert_eq!(line.matches('é').count(), 43);
    }
}
