//! `rpcinfo`: the options and the output of the C program of that name, byte for byte.
//!
//! The reference is rpcinfo of rpcbind 1.2.6 with libtirpc 1.3.3, as Debian has them: its words, its
//! exit statuses, which questions it puts to whom, and which of its options it takes and leaves
//! unused (`-n`, and `-T` of `-b`). What differs is where that program crashes, waits for nothing,
//! or lets a server write to the terminal; `docs/rpcutil.md` lists it.

mod addrlist;
mod broadcast;
mod contact;
mod dump;
mod getopt;
mod number;
mod ping;
mod stat;
mod status;
mod text;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use self::contact::Transport;
use self::getopt::{Function, Line};
use self::number::Names;
use farcall_portmap::programs::Programs;

const USAGE: &str = "\
Usage: rpcinfo [-m | -s] [host]
       rpcinfo -p [host]
       rpcinfo -T netid host prognum [versnum]
       rpcinfo -l host prognum versnum
       rpcinfo [-n portnum] -u | -t host prognum [versnum]
       rpcinfo -a serv_address -T netid prognum [version]
       rpcinfo -b prognum versnum
       rpcinfo -d [-T netid] prognum versnum
";

/// Why it ends with status 1, and what is yet to be said on standard error.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Usage,
    Said,
    Text(String),
}

type Done = Result<(), Failure>;

impl Failure {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// What every function of it has at hand. What cannot be written is lost, as in C.
struct Session<'a> {
    names: Names,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl Session<'_> {
    fn print(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }

    fn complain(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }
}

/// Does what `rpcinfo` does with these arguments, the first of which is the name that it was called
/// by, and returns the exit status.
pub(crate) fn run(args: Vec<OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let args = args.into_iter().map(OsString::into_vec).collect::<Vec<_>>();
    let mut session = Session { names: Names(Programs::of_etc_rpc()), out, err };
    let done = getopt::parse(&args, session.err).and_then(|line| serve(&mut session, &line));
    let status = match done {
        Ok(()) => 0,
        Err(failure) => {
            match failure {
                Failure::Said => {}
                Failure::Usage => drop(session.err.write_all(USAGE.as_bytes())),
                Failure::Text(text) => session.complain(&text),
            }
            1
        }
    };
    let _ = session.out.flush();
    status
}

fn serve(session: &mut Session<'_>, line: &Line) -> Done {
    let words: Vec<&[u8]> = line.words.iter().map(Vec::as_slice).collect();
    let netid = line.netid.as_deref();
    match (line.function, words.as_slice()) {
        (Some(Function::PortmapDump), _) if line.port != 0 => Err(Failure::Usage),
        (Some(Function::PortmapDump), host @ ([] | [_])) => {
            dump::portmap(session, host.first().copied())
        }
        (Some(Function::Udp), [host, service @ ..]) => ping::over_ip(session, "udp", host, service),
        (Some(Function::Tcp), [host, service @ ..]) => ping::over_ip(session, "tcp", host, service),
        (Some(Function::Broadcast), [program, version]) => {
            broadcast::broadcast(session, program, version)
        }
        (Some(Function::Delete), [program, version]) => delete(session, netid, program, version),
        (Some(Function::Address), service) => {
            let (Some(address), Some(netid)) = (&line.address, netid) else {
                return Err(Failure::Usage);
            };
            ping::at_address(session, address, netid, service)
        }
        (Some(Function::AddressList), [host, program, version]) => {
            addrlist::list(session, netid, host, (program, version))
        }
        (Some(Function::Statistics), hosts) => stat::show(session, hosts.first().copied()),
        (Some(Function::Short), host @ ([] | [_])) => {
            dump::rpcbind(session, netid, host.first().copied(), dump::short)
        }
        (None, host @ ([] | [_])) => {
            dump::rpcbind(session, netid, host.first().copied(), dump::long)
        }
        (None, [host, service @ ..]) => {
            let netid = netid.ok_or(Failure::Usage)?;
            ping::over_transport(session, netid, host, service)
        }
        _ => Err(Failure::Usage),
    }
}

/// `-d`: removes a registration at this host's portmapper.
fn delete(session: &mut Session<'_>, netid: Option<&[u8]>, program: &[u8], version: &[u8]) -> Done {
    if let Some(name) = netid
        && Transport::named(name).is_none()
    {
        return Err(Failure::text(format!("rpcinfo: netid {} not supported", text::of(name))));
    }
    // In the order in which C has them looked at.
    let parsed_version = number::version(version)?;
    let parsed_program = session.names.program(program)?;
    if contact::unset(parsed_program.on_wire(), parsed_version.on_wire(), netid) {
        return Ok(());
    }
    Err(Failure::text(format!(
        "rpcinfo: Could not delete registration for prog {} version {}",
        text::of(program),
        text::of(version)
    )))
}
