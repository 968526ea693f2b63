//! Calls on behalf of others, as the services and the callers see them, and that nobody uses the
//! portmapper as a proxy (T21).

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use farcall::bind::Uaddr;
use farcall::proto::auth::{AuthSys, OpaqueAuth};
use farcall::proto::message::CallHeader;
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict};
use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{PeerAddr, Program, Version};
use farcall_portmap::access::{Access, Owner};
use farcall_portmap::registry::{Entry, Quotas};
use farcall_portmap::{PROGRAM, Portmap};

use support::{XID, call, call_as, string, words};

const P: u32 = 0x2000_0001;
const NFS: u32 = 100_003;
const INDIRECT: (u32, u32) = (4, 10);
/// All procedures that have a call made, by version.
const ALL: [(u32, u32); 4] = [(2, 5), (3, 5), (4, 5), INDIRECT];

/// As long as anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

struct Woken(Sender<()>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

/// A portmapper without sockets, and a service on this host that it calls for others.
struct Bench {
    core: ServerCore,
    woken: Receiver<()>,
    service: UdpSocket,
}

impl Bench {
    fn new() -> Self {
        Self::with(Access::default(), true)
    }

    fn with(access: Access, remote_calls: bool) -> Self {
        let service = UdpSocket::bind("127.0.0.1:0").expect("a port");
        service.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let portmap = Portmap::new(access, Quotas::default());
        let port = service.local_addr().expect("bound").port();
        let here = |ip: [u8; 4]| Uaddr::from(SocketAddr::from((ip, port))).to_string();
        register(&portmap, P, 1, &here([0, 0, 0, 0]));
        register(&portmap, P, 3, &here([127, 0, 0, 1]));
        register(&portmap, P + 1, 1, &here([192, 0, 2, 7]));
        register(&portmap, P + 2, 1, "0.0.0.0.0.1");
        register(&portmap, P + 3, 1, "no address");
        register(&portmap, NFS, 3, &here([0, 0, 0, 0]));
        register(&portmap, PROGRAM.0, 2, &here([0, 0, 0, 0]));
        if remote_calls {
            portmap.make_remote_calls().expect("a thread");
        }
        let (sender, woken) = channel();
        let waker = Waker::from(Arc::new(Woken(sender)));
        let mut core = ServerCore::new(ServerConfig::default(), waker);
        portmap.services().into_iter().for_each(|service| core.add(service));
        Self { core, woken, service }
    }

    /// Has the portmapper called.
    fn ask(&mut self, from: SocketAddr, call: &[u8]) {
        let message = Message::from(Bytes::copy_from_slice(call));
        let caller = Caller::new(PeerAddr::Udp(from), 0);
        let mut out = Encoder::new();
        let verdict = self.core.handle_message(Instant::now(), caller, &message, &mut out);
        assert_eq!(verdict, Verdict::Later, "{:x?}", out.into_bytes());
    }

    /// What the next call ends with: to whom, and the reply, if there is one.
    fn end(&mut self) -> (PeerAddr, Option<Vec<u8>>) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(ended) = self.core.poll_deferred(Instant::now()) {
                return (ended.caller.peer, ended.reply.map(|reply| reply.into_bytes().to_vec()));
            }
            let left = until.saturating_duration_since(Instant::now());
            self.woken.recv_timeout(left).expect("an answer");
        }
    }

    fn answer(&mut self, call: &[u8]) -> Option<Vec<u8>> {
        self.ask(local(), call);
        self.end().1
    }

    /// The next call that the service gets, with its arguments.
    fn called(&self) -> (CallHeader, Vec<u8>, SocketAddr) {
        let mut buf = [0; 9000];
        let (len, from) = self.service.recv_from(&mut buf).expect("a call");
        let mut d = Decoder::from_slice(&buf[..len]);
        let header = CallHeader::decode(&mut d).expect("a call");
        (header, buf[d.offset()..len].to_vec(), from)
    }

    /// Has the service return these results.
    fn results(&self, (header, _, from): &(CallHeader, Vec<u8>, SocketAddr), results: &[u8]) {
        let reply = [&words(&[header.xid.0, 1, 0, 0, 0, 0]), results].concat();
        self.service.send_to(&reply, from).expect("sent");
    }

    /// That the service was not called.
    fn assert_not_called(&mut self) {
        self.ask(local(), &call_as(99, 4, 10, &remote(P, 1, 77, &[])));
        let first = self.called();
        assert_eq!((first.0.program.0, first.0.procedure.0), (P, 77), "the first call of all");
        self.results(&first, &[]);
        self.end();
    }

    fn port(&self) -> u32 {
        self.service.local_addr().expect("bound").port().into()
    }
}

fn register(portmap: &Portmap, program: u32, version: u32, address: &str) {
    let entry = Entry {
        program: Program(program),
        version: Version(version),
        netid: "udp".to_owned(),
        address: address.to_owned(),
        owner: Owner::Superuser,
    };
    portmap.restore(entry).expect("a new one");
}

fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 700).into()
}

/// The arguments of a remote call.
fn remote(program: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new();
    e.opaque(args, u32::MAX).expect("no bound");
    [&words(&[program, version, procedure]), &e.into_bytes()[..]].concat()
}

/// What INDIRECT is told, and nobody else.
fn failed(by: (u32, u32), xid: u32, status: &[u32]) -> Option<Vec<u8>> {
    (by == INDIRECT).then(|| words(&[&[xid, 1, 0, 0, 0], status].concat()))
}

#[test]
fn the_results_come_with_the_address_of_the_service() {
    let mut bench = Bench::new();
    let port = bench.port();
    let uaddr = format!("127.0.0.1.{}.{}", port >> 8, port & 255);
    for (version, procedure) in ALL {
        for service in [1, 3] {
            bench.ask(local(), &call(version, procedure, &remote(P, service, 7, &[1, 2, 3, 4])));
            let called = bench.called();
            let (header, args, from) = &called;
            let numbers = (header.program.0, header.version.0, header.procedure.0);
            assert_eq!((numbers, &args[..]), ((P, service, 7), &[1, 2, 3, 4][..]));
            assert_eq!(
                (&header.credential, &header.verifier),
                (&OpaqueAuth::NONE, &OpaqueAuth::NONE)
            );
            assert_ne!(header.xid.0, XID);
            assert!(from.ip().is_loopback() && from.port() >= 1024, "{from}: not root's");
            bench.results(&called, b"12345678");
            let address = if version == 2 { words(&[port]) } else { string(&uaddr) };
            let expected =
                [words(&[XID, 1, 0, 0, 0, 0]), address, words(&[8]), b"12345678".to_vec()];
            assert_eq!(bench.end(), (PeerAddr::Udp(local()), Some(expected.concat())));
        }
    }
}

#[test]
fn each_caller_gets_its_own_answer_whichever_comes_first() {
    let mut bench = Bench::new();
    let callers: Vec<SocketAddr> =
        (701..709).map(|port| (Ipv4Addr::LOCALHOST, port).into()).collect();
    for (n, &caller) in (0..).zip(&callers) {
        bench.ask(caller, &call(2, 5, &remote(P, 1, 1, &words(&[n]))));
    }
    let mut calls: Vec<_> = callers.iter().map(|_| bench.called()).collect();
    calls.reverse();
    let mut ports: Vec<_> = calls.iter().map(|(_, _, from)| from.port()).collect();
    for called in &calls {
        let args = &called.1;
        bench.results(called, args);
        let n = usize::from(args[3]);
        let expected = words(&[XID, 1, 0, 0, 0, 0, bench.port(), 4, u32::from(args[3])]);
        assert_eq!(bench.end(), (PeerAddr::Udp(callers[n]), Some(expected)));
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), callers.len(), "a port of its own for each");
}

#[test]
fn a_repeat_is_not_passed_on() {
    let mut bench = Bench::new();
    let again = call(4, 10, &remote(P, 1, 1, &[]));
    bench.ask(local(), &again);
    let message = Message::from(Bytes::copy_from_slice(&again));
    let mut out = Encoder::new();
    let caller = Caller::new(PeerAddr::Udp(local()), 0);
    let verdict = bench.core.handle_message(Instant::now(), caller, &message, &mut out);
    assert_eq!(verdict, Verdict::None);
    let first = bench.called();
    bench.results(&first, &[]);
    bench.end();
    bench.assert_not_called();
}

#[test]
fn only_indirect_is_told_of_failures() {
    let mut bench = Bench::new();
    // program, version, arguments, how the service answers, what INDIRECT is told
    let table: [(_, _, Option<&[u32]>, &[u32]); 9] = [
        (P + 9, 1, None, &[1]),
        (P, 2, None, &[2, 1, 3]),
        (P + 1, 1, None, &[1]),
        (P + 2, 1, None, &[5]),
        (P + 3, 1, None, &[1]),
        (P, 1, Some(&[1, 0, 0, 0, 1]), &[5]),
        (P, 1, Some(&[1, 0, 0, 0, 4]), &[5]),
        (P, 1, Some(&[1, 1, 1, 5]), &[5]),
        (P, 1, Some(&[1, 1, 0, 2, 2]), &[5]),
    ];
    for (xid, (program, version, answer, told)) in (0..).zip(table) {
        for by in ALL {
            bench.ask(local(), &call_as(xid, by.0, by.1, &remote(program, version, 1, &[])));
            if let Some(answer) = answer {
                let (header, _, from) = bench.called();
                let reply = words(&[&[header.xid.0], answer].concat());
                bench.service.send_to(&reply, from).expect("sent");
            }
            let expected = failed(by, xid, told);
            assert_eq!(bench.end().1, expected, "{program:#x}/{version} {answer:?} {by:?}");
        }
    }
    bench.assert_not_called();
}

#[test]
fn t21_a_service_of_another_host_is_not_called() {
    let mut bench = Bench::new();
    // Registered at 192.0.2.7, with the port of a service here.
    let reply = bench.answer(&call(4, 10, &remote(P + 1, 1, 1, &[])));
    assert_eq!(reply, failed(INDIRECT, XID, &[1]));
    bench.assert_not_called();
}

#[test]
fn t21_what_would_do_harm_is_not_called_for_others() {
    let too_weak = Some(words(&[XID, 1, 1, 1, 5]));
    let mut bench = Bench::new();
    for (version, procedure) in ALL {
        for (program, at, called) in
            [(NFS, 3, 1), (NFS, 3, 6), (PROGRAM.0, 2, 1), (PROGRAM.0, 2, 5)]
        {
            let reply = bench.answer(&call(version, procedure, &remote(program, at, called, &[])));
            assert_eq!(reply, too_weak, "{program} {called}");
        }
    }
    bench.assert_not_called();
    // What does nothing does no harm.
    bench.ask(local(), &call(2, 5, &remote(NFS, 3, 0, &[])));
    assert_eq!(bench.called().0.program.0, NFS);
}

#[test]
fn t21_nothing_is_called_unless_it_is_switched_on() {
    let mut bench = Bench::with(Access::default(), false);
    for by in ALL {
        let reply = bench.answer(&call(by.0, by.1, &remote(P, 1, 1, &[])));
        assert_eq!(reply, failed(by, XID, &[5]));
    }
    bench.service.set_nonblocking(true).expect("possible");
    assert!(bench.service.recv(&mut [0; 100]).is_err(), "not called");
}

#[test]
fn t21_a_service_is_told_what_the_caller_claims_and_no_more() {
    let mut bench = Bench::new();
    let claimed = AuthSys {
        stamp: 7,
        machine_name: b"elsewhere".to_vec(),
        uid: 1000,
        gid: 100,
        gids: vec![4, 24],
    };
    let mut header =
        CallHeader::decode(&mut Decoder::from_slice(&call(4, 10, &[]))).expect("a call");
    header.credential = claimed.to_credential().expect("short");
    let mut e = Encoder::new();
    header.encode(&mut e).expect("short");
    bench.ask(local(), &[&e.into_bytes()[..], &remote(P, 1, 1, &[])].concat());
    let (header, ..) = bench.called();
    let told = AuthSys::from_credential(&header.credential).expect("AUTH_SYS").expect("readable");
    assert_eq!((told, header.verifier), (claimed, OpaqueAuth::NONE));
}

#[test]
fn t21_only_the_service_itself_answers() {
    let mut bench = Bench::new();
    bench.ask(local(), &call(2, 5, &remote(P, 1, 1, &[])));
    let called = bench.called();
    let (header, _, from) = &called;
    let forged = words(&[header.xid.0, 1, 0, 0, 0, 0, 0xbad]);
    for source in ["127.0.0.1:0", "127.0.0.2:0"] {
        let stranger = UdpSocket::bind(source).expect("a port");
        stranger.send_to(&forged, from).expect("sent");
    }
    let wrong_xid = words(&[header.xid.0 ^ 1, 1, 0, 0, 0, 0, 0xbad]);
    bench.service.send_to(&wrong_xid, from).expect("sent");
    bench.service.send_to(b"noise", from).expect("sent");
    bench.results(&called, &words(&[42]));
    let expected = words(&[XID, 1, 0, 0, 0, 0, bench.port(), 4, 42]);
    assert_eq!(bench.end().1, Some(expected));
}

#[test]
fn t21_a_stranger_is_not_flooded() {
    // large datagrams allowed, from, whether 1,000 bytes are passed back
    let table = [
        (false, [203, 0, 113, 9], false),
        (false, [127, 0, 0, 1], true),
        (true, [203, 0, 113, 9], true),
    ];
    for (large_datagrams, from, passed) in table {
        let mut bench = Bench::with(Access { large_datagrams, ..Access::default() }, true);
        for by in ALL {
            bench.ask((from, 700).into(), &call(by.0, by.1, &remote(P, 1, 1, &[])));
            let called = bench.called();
            bench.results(&called, &[7; 1000]);
            let reply = bench.end().1;
            if passed {
                assert!(reply.is_some_and(|reply| reply.len() > 1000));
            } else {
                assert_eq!(reply, failed(by, XID, &[5]));
            }
        }
    }
}

#[test]
fn t21_a_network_has_a_hundred_calls_made_in_a_second() {
    let mut bench = Bench::new();
    let start = Instant::now();
    let made = (0..150).filter(|&xid| is_made(&mut bench, [192, 0, 2, 9], xid)).count();
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("few");
    assert!(made >= 100 && made <= 100 * (seconds + 1), "{made} in {seconds} s");
    assert!(is_made(&mut bench, [198, 51, 100, 1], 0), "another network");
}

fn is_made(bench: &mut Bench, from: [u8; 4], xid: u32) -> bool {
    bench.ask((from, 700).into(), &call_as(xid, 2, 5, &remote(P, 1, 1, &[])));
    if bench.core.poll_deferred(Instant::now()).is_some() {
        return false;
    }
    let called = bench.called();
    bench.results(&called, &[]);
    bench.end().1.is_some()
}
