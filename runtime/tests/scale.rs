//! Many threads on one client, many calls on one connection, many connections to one server.
//!
//! What is asserted is that all are answered, each with its own results; how fast is for `bench`.

mod server_peer;

use std::thread;
use std::time::Duration;

use farcall::xdr::Encoder;
use farcall::{
    Answer, Client, ClientOptions, Interface, Pending, Procedure, ProcedureInfo, Program, Running,
    Server, Version,
};
use server_peer::{by, tcp_addr, udp_addr};

const SQUARE: Procedure = Procedure(1);

static INTERFACE: Interface = Interface {
    program: Program(0x2000_0077),
    program_name: "SCALE_PROG",
    version: Version(1),
    version_name: "SCALE_V1",
    procedures: &[ProcedureInfo {
        number: SQUARE,
        name: "SCALE_SQUARE",
        idempotent: true,
        deferred: false,
    }],
};

/// Answers a number with its square.
fn serve() -> Running {
    let squares = by(&INTERFACE, |_, _, args, results| {
        let number = args.u32()?;
        args.end()?;
        results.u64(u64::from(number) * u64::from(number));
        Ok(Answer::Now)
    });
    let builder = Server::builder().udp("127.0.0.1:0").tcp("127.0.0.1:0").service(squares);
    builder.start().expect("port 0 is free")
}

fn connect(target: &str) -> Client {
    // Long enough that no test meets it.
    let options = ClientOptions::new().timeout(Duration::from_secs(120));
    Client::connect(target, &INTERFACE, &options).expect("the server is there")
}

fn start(client: &Client, number: u32) -> Pending<u64> {
    let args = |e: &mut Encoder| {
        e.u32(number);
        Ok(())
    };
    client.start(SQUARE, args, |d| d.u64())
}

fn square(client: &Client, number: u32) -> u64 {
    start(client, number).wait().expect("it is answered")
}

fn two_threads(target: &str) {
    const CALLS: u32 = 100_000;
    let client = connect(target);
    thread::scope(|scope| {
        for first in [0, 1] {
            let client = client.clone();
            scope.spawn(move || {
                for number in (first..2 * CALLS).step_by(2) {
                    assert_eq!(square(&client, number), u64::from(number) * u64::from(number));
                }
            });
        }
    });
    let stats = client.stats();
    assert_eq!((stats.calls, stats.timed_out), (u64::from(2 * CALLS), 0));
}

#[test]
fn two_threads_share_a_client_over_tcp_for_100_000_calls_each() {
    let server = serve();
    two_threads(&format!("tcp://{}", tcp_addr(&server)));
}

#[test]
fn two_threads_share_a_client_over_udp_for_100_000_calls_each() {
    let server = serve();
    two_threads(&format!("udp://{}", udp_addr(&server)));
}

#[test]
fn a_thousand_calls_are_under_way_on_one_connection() {
    let server = serve();
    let client = connect(&format!("tcp://{}", tcp_addr(&server)));
    let pending: Vec<_> = (0..1000).map(|number| (number, start(&client, number))).collect();
    // The last first: an answer waits for nobody.
    for (number, pending) in pending.into_iter().rev() {
        assert_eq!(pending.wait().expect("it is answered"), u64::from(number * number));
    }
    let stats = client.stats();
    assert_eq!((stats.calls, stats.replies, stats.reconnects), (1000, 1000, 0));
}

#[test]
fn two_thousand_connections_to_one_server_are_all_served() {
    const CLIENTS: u32 = 2000;
    // Each is a descriptor at either end.
    let wanted = u64::from(2 * CLIENTS) * 5 / 4 + 100;
    let (soft, hard) = limits();
    if soft < wanted && raise(wanted.min(hard)) < wanted {
        println!("skipped: {wanted} descriptors are needed, and {hard} are allowed");
        return;
    }
    let server = serve();
    let target = format!("tcp://{}", tcp_addr(&server));
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(&target)).collect();
    for round in 0..2 {
        for (client, number) in clients.iter().zip(round..) {
            assert_eq!(square(client, number), u64::from(number) * u64::from(number));
        }
    }
    assert!(clients.iter().all(|client| client.stats().reconnects == 0));
}

fn limits() -> (u64, u64) {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("it is known")
}

/// The soft limit afterwards.
fn raise(to: u64) -> u64 {
    use nix::sys::resource::{Resource, setrlimit};
    let (_, hard) = limits();
    let _ = setrlimit(Resource::RLIMIT_NOFILE, to, hard);
    limits().0
}
