//! Broadcasts from a host with two networks, over IPv4 and IPv6: on one there is a host with Debian's
//! `rpcbind -r`, on the other one with `portmapd -r`.
//!
//! The hosts are network namespaces, made as root. Without root or the programs it is skipped, unless
//! `FARCALL_INTEROP=require`.

mod support;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use farcall::bind::{Broadcast, Responder};
use farcall::xdr::{Decoder, Encoder};
use farcall::{
    Answer, Client, ClientOptions, Context, Dispatch, Fault, Interface, Procedure, ProcedureInfo,
    Program, Server, Version,
};

use support::port111::{OnPort111, inside};

const TEST: &str = "every_host_on_every_network_answers_over_both_families";
/// What a process is, if it is one of the hosts: its number.
const HOST: &str = "FARCALL_HOST";
/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The portmappers' group (RFC 1833 §2.2.1; assigned by IANA).
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x202);

const ADD: Procedure = Procedure(1);

static INTERFACE: Interface = Interface {
    program: Program(0x2000_0066),
    program_name: "ADD_PROG",
    version: Version(1),
    version_name: "ADD_V1",
    procedures: &[ProcedureInfo { number: ADD, name: "ADD", idempotent: true, deferred: false }],
};

/// Adds the number of its host.
struct Add(u32);

impl Dispatch for Add {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        _: &Context,
        _: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        results.u32(args.u32()? + self.0);
        Ok(Answer::Now)
    }
}

/// A host with a portmapper and a server, at the end of a network.
struct Host {
    number: u32,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Host {
    fn start(number: u32) -> Self {
        let set_up = "mount -t tmpfs tmpfs /run && ip link set lo up && echo made && read go \
            && exec \"$0\" \"$@\"";
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "--", "sh", "-c", set_up])
            .arg(env::current_exe().expect("a test has a path"))
            .args(["--exact", TEST, "--nocapture"])
            .env(HOST, number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut host = Self { number, child, stdout };
        host.line("made");
        host.connect();
        host
    }

    /// Lays a network between it and this process.
    fn connect(&mut self) {
        let (number, pid) = (self.number, self.child.id());
        let script = format!(
            "ip link add net{number} type veth peer name net netns {pid} \
             && echo 0 > /proc/sys/net/ipv6/conf/net{number}/accept_dad \
             && ip addr add 10.9.{number}.1/24 brd + dev net{number} \
             && ip link set net{number} up \
             && nsenter --net=/proc/{pid}/ns/net sh -c '\
                 echo 0 > /proc/sys/net/ipv6/conf/net/accept_dad \
                 && ip addr add 10.9.{number}.2/24 brd + dev net \
                 && ip link set net up'"
        );
        let status = Command::new("sh").args(["-c", &script]).status().expect("sh runs");
        assert!(status.success(), "network {number}");
        writeln!(self.child.stdin.as_mut().expect("piped")).expect("it reads");
    }

    /// The rest of the line that starts so.
    fn line(&mut self, start: &str) -> String {
        let mut lines = self.stdout.by_ref().lines().map(|line| line.expect("text"));
        let found = lines.find(|line| line.starts_with(start)).expect("the host is up");
        found[start.len()..].to_owned()
    }

    /// The port of its server.
    fn port(&mut self) -> u16 {
        self.line("ready ").parse().expect("a port")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Which ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What a host does until its input ends.
fn host(number: u32) {
    // rpcbind joins no group: it hears what the host hears for somebody else.
    let group = UdpSocket::bind("[::]:0").expect("IPv6");
    let _portmapper = match number {
        1 => {
            let network = nix::net::if_::if_nametoindex("net").expect("it is up");
            group.join_multicast_v6(&GROUP, network).expect("a network");
            OnPort111::rpcbind(&["-r"])
        }
        _ => OnPort111::portmapd(&["-r"]),
    };
    let server = Server::builder().udp("[::]:0").service(Add(number)).register();
    let server = server.start().expect("a portmapper is there");
    println!("ready {}", server.udp_addrs().next().expect("one").port());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    server.stop().expect("it ends");
}

#[test]
fn every_host_on_every_network_answers_over_both_families() {
    if !inside(TEST, &["rpcbind", "nsenter"]) {
        return;
    }
    if let Ok(number) = env::var(HOST) {
        return host(number.parse().expect("a number"));
    }
    let mut hosts = [1, 2].map(Host::start);
    let ports = hosts.each_mut().map(Host::port);
    let args = |e: &mut Encoder| {
        e.u32(40);
        Ok(())
    };
    let broadcast = Broadcast::new(&INTERFACE).timeout(PATIENCE);
    let replies = broadcast.call(ADD, args, |d| d.u32()).expect("there are networks");
    let mut heard: Vec<(Responder, u32)> = replies.take(4).collect();
    heard.sort_by_key(|(responder, sum)| (*sum, responder.server.is_ipv6()));
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert_eq!(heard.iter().map(|(_, sum)| *sum).collect::<Vec<_>>(), [41, 41, 42, 42]);
    for ((responder, _), network) in heard.iter().zip([1, 1, 2, 2]) {
        let Responder { server, portmapper } = responder;
        assert_eq!((server.ip(), server.port()), (portmapper.ip(), ports[network - 1]));
        // rpcbind answers from the port that it calls others from.
        assert!(network == 1 || portmapper.port() == 111, "{portmapper}");
        match server {
            SocketAddr::V4(server) => assert_eq!(usize::from(server.ip().octets()[2]), network),
            // Which says which network it is on.
            SocketAddr::V6(server) => assert_ne!(server.scope_id(), 0),
        }
    }
    assert_eq!(heard.iter().filter(|(responder, _)| responder.server.is_ipv6()).count(), 2);
    for (responder, sum) in heard {
        let target = format!("udp://{}", responder.server);
        let options = ClientOptions::new().timeout(PATIENCE);
        let client = Client::connect(&target, &INTERFACE, &options).expect("an address");
        assert_eq!(client.call(ADD, args, |d| d.u32()).ok(), Some(sum), "{target}");
    }
}
