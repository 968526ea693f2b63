//! `portmapd -r` beside Debian's `rpcbind -r`: the same replies to the same calls, to hosts that
//! broadcast too, and with a service and clients of libtirpc.
//!
//! In a namespace, as `interop_rpcinfo`.

mod network;
#[path = "../support/mod.rs"]
mod support;

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use farcall::bind::proto::rpcb_prot::RpcbsRmtcalllist;
use farcall::bind::proto::rpcb_prot::rpcbprog::v4;
use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::proto::auth::{AuthSys, OpaqueAuth};
use farcall::proto::message::CallHeader;
use farcall::xdr::{Decoder, Encode, Encoder};
use farcall::{Netid, Procedure, Program, Version, Xid};

use support::port111::{OnPort111, SOCKET, inside};
use support::{call, words};

const P: Program = Program(0x2000_0001);
const PATIENCE: Duration = Duration::from_secs(20);
/// All procedures that have a call made, by version.
const ALL: [(u32, u32); 4] = [(2, 5), (3, 5), (4, 5), (4, 10)];

/// What is to be the same.
#[derive(Debug, PartialEq, Eq)]
struct Observed {
    replies: Vec<(String, Option<Vec<u8>>)>,
    /// NULL, and the procedures that have a call made, in each version.
    counts: Vec<[i32; 3]>,
    rows: Vec<Vec<RpcbsRmtcalllist>>,
}

#[test]
fn replies_are_those_of_rpcbind() {
    if !inside("replies_are_those_of_rpcbind", &["rpcbind", "chown"]) {
        return;
    }
    let services = ["127.0.0.1:0", "[::1]:0"].map(|addr| UdpSocket::bind(addr).expect("a port"));
    let addrs = services.each_ref().map(|service| service.local_addr().expect("bound"));
    for service in services {
        thread::spawn(move || serve(&service));
    }
    for options in [&[][..], &["-r"]] {
        let rpcbind = OnPort111::rpcbind(options);
        let expected = observe(addrs, options.is_empty());
        drop(rpcbind);
        let portmapd = OnPort111::portmapd(&[&["-L", "--no-prune"], options].concat());
        assert_eq!(observe(addrs, options.is_empty()), expected, "{options:?}");
        drop(portmapd);
    }
}

#[test]
fn the_answer_comes_from_where_the_call_went() {
    if !inside("the_answer_comes_from_where_the_call_went", &[]) {
        return;
    }
    let service = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = Uaddr::from(service.local_addr().expect("bound"));
    thread::spawn(move || serve(&service));
    let _portmapd = OnPort111::portmapd(&["-r"]);
    let local = Portmapper::unix(SOCKET).timeout(PATIENCE);
    local.set(&Registration::new(P, Version(1), Netid::Udp, address)).expect("accepted");
    for host in ["127.0.0.1", "127.0.0.9"] {
        // Connected, it gets nothing from elsewhere.
        let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
        caller.connect((host, 111)).expect("connected");
        caller.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        caller.send(&remote_call((2, 5), &OpaqueAuth::NONE, [P.0, 1, 0], &[])).expect("sent");
        assert_eq!(caller.recv(&mut [0; 100]).ok(), Some(32), "{host}");
    }
}

fn observe(services: [SocketAddr; 2], off: bool) -> Observed {
    let local = Portmapper::unix(SOCKET).timeout(PATIENCE);
    for (netid, addr, version) in
        [(Netid::Udp, services[0], 2), (Netid::Udp, services[0], 4), (Netid::Udp6, services[1], 2)]
    {
        let registration = Registration::new(P, Version(version), netid, Uaddr::from(addr));
        local.set(&registration).expect("accepted");
    }
    let client = v4::Client::connect("tcp://127.0.0.1:111").expect("connected");
    let before = client.getstat().expect("statistics");
    let mut replies = Vec::new();
    for portmapper in ["127.0.0.1:111", "[::1]:111"] {
        let asking = Asking::new(portmapper.parse().expect("an address"), off);
        for version in 2..=4 {
            replies.push((format!("NULL {version}"), asking.ask(&call(version, 0, &[]))));
        }
        for by in ALL {
            for credential in [OpaqueAuth::NONE, claimed()] {
                for (program, version, procedure, args) in called() {
                    let call = remote_call(by, &credential, [program, version, procedure], args);
                    let name = format!("{portmapper} {by:?} {program}/{version} {procedure}");
                    replies.push((name, asking.ask(&call)));
                }
            }
            let garbage = call(by.0, by.1, &words(&[P.0, 2, 1, u32::MAX, 1, 2, 3]));
            replies.push((format!("{portmapper} {by:?} garbage"), asking.ask(&garbage)));
        }
    }
    let after = client.getstat().expect("statistics");
    let counts = before.iter().zip(&after).map(|(before, after)| {
        [0, 5, 10].map(|procedure: usize| after.info[procedure] - before.info[procedure])
    });
    let counts = counts.collect();
    Observed { replies, counts, rows: after.map(|stat| stat.rmtinfo).to_vec() }
}

/// Program, version, procedure and arguments.
fn called() -> Vec<(u32, u32, u32, &'static [u8])> {
    let mut called: Vec<(u32, u32, u32, &[u8])> =
        (0..7).map(|procedure| (P.0, 2, procedure, &b"12345678"[..])).collect();
    called.extend([
        (P.0, 3, 0, &b""[..]),
        (P.0, 3, 1, b""),
        (P.0, 4, 1, b"1234"),
        (P.0 + 1, 1, 1, b""),
    ]);
    // The portmapper, NFS, mount, and some of NIS.
    for (program, version) in [(100_000, 2), (100_003, 3), (100_005, 3), (100_004, 2), (100_007, 2)]
    {
        called.extend((0..7).map(|procedure| (program, version, procedure, &b"1234"[..])));
    }
    called.extend([(100_009, 1, 1, &b""[..]), (100_011, 1, 1, b"")]);
    called
}

fn claimed() -> OpaqueAuth {
    let machine_name = b"elsewhere".to_vec();
    let claimed = AuthSys { stamp: 7, machine_name, uid: 1000, gid: 100, gids: vec![4, 24] };
    claimed.to_credential().expect("short")
}

fn remote_call(
    (version, procedure): (u32, u32),
    credential: &OpaqueAuth,
    called: [u32; 3],
    args: &[u8],
) -> Vec<u8> {
    let header = CallHeader {
        xid: Xid(support::XID),
        program: Program(100_000),
        version: Version(version),
        procedure: Procedure(procedure),
        credential: credential.clone(),
        verifier: OpaqueAuth::NONE,
    };
    let mut e = Encoder::new();
    header.encode(&mut e).expect("short");
    called.iter().for_each(|&number| e.u32(number));
    e.opaque(args, u32::MAX).expect("no bound");
    e.into_bytes().to_vec()
}

/// Somebody who asks one portmapper.
struct Asking {
    to: SocketAddr,
    /// Calls that are answered after one that is made, of the service or of the portmapper, or is
    /// refused.
    after: Vec<Vec<u8>>,
    /// So that none is a repeat: a port may be had again.
    xid: Cell<u32>,
}

impl Asking {
    fn new(to: SocketAddr, off: bool) -> Self {
        let all = [[P.0, 2, 0], [100_000, 3, 0], [100_003, 3, 1]];
        let after = if off { &all[2..] } else { &all[..] }.iter();
        let after = after.map(|&called| remote_call((3, 5), &OpaqueAuth::NONE, called, &[]));
        Self { to, after: after.collect(), xid: Cell::new(0) }
    }

    /// The answer to a call, if there is one. rpcbind answers from another port than it was asked at.
    fn ask(&self, call: &[u8]) -> Option<Vec<u8>> {
        let any = if self.to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(any).expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.send_to(call, self.to).expect("sent");
        let mut answer = None;
        for call in &self.after {
            let xid = self.xid.get() + 1;
            self.xid.set(xid);
            socket.send_to(&[&xid.to_be_bytes(), &call[4..]].concat(), self.to).expect("sent");
            let mut reply = [0; 9000];
            loop {
                let len = socket.recv(&mut reply).expect("an answer");
                if reply[..4] == xid.to_be_bytes() {
                    break;
                }
                answer = Some(reply[..len].to_vec());
            }
        }
        answer
    }
}

/// A service that answers in all ways there are, and says as whom it was called.
fn serve(socket: &UdpSocket) {
    let mut buf = [0; 9000];
    while let Ok((len, from)) = socket.recv_from(&mut buf) {
        let mut d = Decoder::from_slice(&buf[..len]);
        let header = CallHeader::decode(&mut d).expect("a call");
        let args = &buf[d.offset()..len];
        let mut e = Encoder::new();
        match AuthSys::from_credential(&header.credential) {
            // It is the time with rpcbind.
            Some(sys) => AuthSys { stamp: 0, ..sys.expect("sound") }.encode(&mut e).expect("short"),
            None => e.u32(0),
        }
        let whom = e.into_bytes();
        let success = words(&[1, 0, 0, 0, 0]);
        let reply = match header.procedure.0 {
            0 => success,
            1 => [&success, &whom[..], args].concat(),
            2 => words(&[1, 0, 0, 0, 4]),
            3 => words(&[1, 1, 1, 1]),
            4 => [&success[..], &[7; 5000]].concat(),
            5 => words(&[1, 0, 1, 4, 99, 0, 42]),
            _ => [&success[..], b"12345"].concat(),
        };
        let reply = [&header.xid.0.to_be_bytes()[..], &reply].concat();
        socket.send_to(&reply, from).expect("sent");
    }
}
