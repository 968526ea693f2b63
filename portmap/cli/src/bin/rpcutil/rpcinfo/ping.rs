//! `-t`, `-u`, `-T` and `-a`: whether a program answers, and in which versions.

use std::time::{Duration, Instant};

use farcall::bind::Uaddr;
use farcall::{Client, Netid, Program, Version};

use super::contact::{self, Server, Transport, options};
use super::dump::find_by_host;
use super::number::{self, Number};
use super::status::Status;
use super::{Done, Failure, Session, text};
use crate::service::interface;

/// How long a service may take for each call.
const PATIENCE: Duration = Duration::from_secs(10);

/// C asks for all the versions that a server claims, which may be 4,294,967,296.
const MAX_VERSIONS: u32 = 256;

/// And waits for each of them.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60);

/// A program at a server.
struct Service {
    server: Server,
    program: u32,
    /// As it is printed.
    shown: u64,
}

/// `-t` and `-u`: at the host's address for the protocol.
pub(super) fn over_ip(
    session: &mut Session<'_>,
    protocol: &str,
    host: &[u8],
    service: &[&[u8]],
) -> Done {
    let (program, version) = program_and_version(session, service)?;
    let asked = version.map_or(0, Number::on_wire);
    let host = text::of(host);
    let failed = |status: Status| Failure::Text(status.of_a_connection(&host));
    let (server, _) = find_by_host(program.on_wire(), asked, protocol, &host).map_err(failed)?;
    let service = Service { server, program: program.on_wire(), shown: program.whole() };
    let client = service.connect(asked).map_err(failed)?;
    service.ping(session, &client, version.map(|v| (v.on_wire(), v.whole())))
}

/// `-T`: over a transport of any name.
pub(super) fn over_transport(
    session: &mut Session<'_>,
    netid: &[u8],
    host: &[u8],
    service: &[&[u8]],
) -> Done {
    let (program, version) = program_and_version(session, service)?;
    let asked = version.map_or(0, Number::on_wire);
    let failed = |status: Status| Failure::Text(status.of_a_connection("rpcinfo"));
    let server = match transport(netid)? {
        Transport::Raw => Err(Status::UnknownProto),
        Transport::Of(netid) => contact::find(program.on_wire(), asked, netid, &text::of(host)),
    };
    Service::of(server.map_err(failed)?, program).ping_it(session, version)
}

/// `-a`: at an address, without asking a portmapper.
pub(super) fn at_address(
    session: &mut Session<'_>,
    address: &[u8],
    netid: &[u8],
    service: &[&[u8]],
) -> Done {
    if !matches!(service.len(), 1 | 2) {
        return Err(Failure::Usage);
    }
    let transport = transport(netid)?;
    let (program, version) = program_and_version(session, service)?;
    let server = match transport {
        Transport::Raw => None,
        Transport::Of(netid) => parse_address(&text::of(address), netid),
    };
    let none = || Failure::text("rpcinfo: rpcinfo: no address for client handle");
    Service::of(server.ok_or_else(none)?, program).ping_it(session, version)
}

fn transport(netid: &[u8]) -> Result<Transport, Failure> {
    let unknown = || format!("rpcinfo: Could not find {}", text::of(netid));
    Transport::named(netid).ok_or_else(|| Failure::Text(unknown()))
}

fn parse_address(address: &str, netid: Netid) -> Option<Server> {
    let address: Uaddr = address.parse().ok()?;
    Server::at(address, netid)
}

fn program_and_version(
    session: &Session<'_>,
    service: &[&[u8]],
) -> Result<(Number, Option<Number>), Failure> {
    let (program, version) = match service {
        [program] => (program, None),
        [program, version] => (program, Some(version)),
        _ => return Err(Failure::Usage),
    };
    let program = session.names.program(program)?;
    Ok((program, version.map(|version| number::version(version)).transpose()?))
}

impl Service {
    /// As all but `-t` and `-u` print it: 32 bits.
    fn of(server: Server, program: Number) -> Self {
        let program = program.on_wire();
        Self { server, program, shown: program.into() }
    }

    fn ping_it(&self, session: &mut Session<'_>, version: Option<Number>) -> Done {
        let version = version.map(Number::on_wire);
        let client = self
            .connect(version.unwrap_or(0))
            .map_err(|status| Failure::Text(status.of_a_connection("rpcinfo")))?;
        self.ping(session, &client, version.map(|version| (version, version.into())))
    }

    fn connect(&self, version: u32) -> Result<Client, Status> {
        let interface = interface(Program(self.program), Version(version));
        Client::connect(&self.server.target(), interface, &options(PATIENCE))
            .map(|client| client.with(self.server.calls()))
            .map_err(|error| Status::of_connect(&error))
    }

    fn call(&self, version: u32) -> Result<(), Status> {
        null(&self.connect(version)?)
    }

    /// Calls one version, of which the second number is printed, or all that the server says it
    /// has when it is called in one that it does not have.
    fn ping(
        &self,
        session: &mut Session<'_>,
        client: &Client,
        version: Option<(u32, u64)>,
    ) -> Done {
        let first = null(client);
        if let Some((_, shown)) = version {
            return self.report(session, shown, first);
        }
        let range = match first {
            Err(Status::ProgVersMismatch { low, high }) => (low, high),
            Err(status) => return self.report(session, 0, Err(status)),
            Ok(()) => match self.call(u32::MAX) {
                Err(Status::ProgVersMismatch { low, high }) => (low, high),
                Err(status) => return self.report(session, u32::MAX.into(), Err(status)),
                Ok(()) => (0, u32::MAX),
            },
        };
        self.ping_range(session, range)
    }

    fn ping_range(&self, session: &mut Session<'_>, (low, high): (u32, u32)) -> Done {
        let last = high.min(low.saturating_add(MAX_VERSIONS - 1));
        let started = Instant::now();
        let (mut done, mut called) = (Ok(()), 0_u32);
        for version in (low..=last).take_while(|_| started.elapsed() < PATIENCE_FOR_ALL) {
            let result = self.call(version);
            done = self.report(session, version.into(), result).and(done);
            called += 1;
        }
        if low <= high && called <= high - low {
            session.complain(&format!(
                "rpcinfo: program {} claims the versions {low} to {high}: only {called} were called",
                self.shown
            ));
            done = Err(Failure::Said);
        }
        done
    }

    fn report(&self, session: &mut Session<'_>, version: u64, result: Result<(), Status>) -> Done {
        let program = self.shown;
        match result {
            Ok(()) => {
                session.print(&format!("program {program} version {version} ready and waiting\n"));
                Ok(())
            }
            Err(status) => {
                session.complain(&status.of_a_call("rpcinfo"));
                session.print(&format!("program {program} version {version} is not available\n"));
                Err(Failure::Said)
            }
        }
    }
}

fn null(client: &Client) -> Result<(), Status> {
    client.null().map_err(|error| Status::of_call(&error))
}
