//! `-l`: the addresses of a version of a program.

use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use farcall::bind::proto::rpcb_prot::{Rpcb, RpcbEntry};

use super::contact::{Reached, reach};
use super::status::Status;
use super::text::{left, tame};
use super::{Done, Failure, Session, dump, number, text};

const WHO: &str = "rpcinfo: can't contact rpcbind";

pub(super) fn list(
    session: &mut Session<'_>,
    netid: Option<&[u8]>,
    host: &[u8],
    (program, version): (&[u8], &[u8]),
) -> Done {
    let transport = netid.map(dump::transport).transpose()?;
    let Reached { client, server, netid } =
        reach(&text::of(host), transport, v4::Client::connect_with)
            .map_err(|status| Failure::Text(status.of_a_connection(WHO)))?;
    let args = Rpcb {
        r_prog: session.names.program(program)?.on_wire(),
        r_vers: number::version(version)?.on_wire(),
        r_netid: netid.to_string(),
        r_addr: server.uaddr(),
        r_owner: String::new(),
    };
    let entries = client
        .with(server.calls())
        .getaddrlist(&args)
        .map_err(|error| Failure::Text(Status::of_call(&error).of_a_call(&format!("{WHO}: "))))?;
    if entries.is_empty() {
        session.print("No remote programs registered.\n");
        return Ok(());
    }
    session.print("   program vers  tp_family/name/class    address\t\t  service\n");
    for entry in entries {
        let name = session.names.name(args.r_prog, "-");
        let line = line(&args, name, &entry.rpcb_entry_map);
        session.print(&line);
    }
    Ok(())
}

fn line(args: &Rpcb, name: &str, entry: &RpcbEntry) -> String {
    let class = match entry.r_nc_semantics {
        1 => "clts",
        2 => "cots",
        _ => "cots_ord",
    };
    let transport = format!("{}/{}/{class} ", entry.r_nc_protofmly, entry.r_nc_proto);
    format!(
        "{:>10}{:>3}    {}{} {}\n",
        args.r_prog,
        args.r_vers,
        left(&tame(&transport), 24),
        left(&tame(&entry.r_maddr), 24),
        left(name, 13)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_laid_out_as_in_c() {
        let entry = |address: &str, semantics| RpcbEntry {
            r_maddr: address.to_owned(),
            r_nc_netid: "tcp".to_owned(),
            r_nc_semantics: semantics,
            r_nc_protofmly: "inet".to_owned(),
            r_nc_proto: "tcp".to_owned(),
        };
        let args = Rpcb { r_prog: 100_000, r_vers: 2, ..Rpcb::default() };
        assert_eq!(
            line(&args, "portmapper", &entry("127.0.0.1.0.111", 3)),
            "    100000  2    inet/tcp/cots_ord       127.0.0.1.0.111          portmapper   \n"
        );
        assert_eq!(
            line(&args, "-", &entry("\x07", 1)),
            "    100000  2    inet/tcp/clts           \\u{7}                    -            \n"
        );
    }
}
