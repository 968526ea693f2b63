//! Who may register and remove what, and that a refusal changes nothing (T22).

use std::net::SocketAddr;

use farcall::proto::message::AuthStatus;
use farcall::{Fault, PeerAddr, Program, Version};
use farcall_portmap::access::{Access, Owner};
use farcall_portmap::registry::{Entry, Quotas};
use farcall_portmap::stats::Protocol;
use farcall_portmap::{Portmap, Service};

const P: Program = Program(0x2000_0001);
const NFS: Program = Program(100_003);

fn unix(uid: u32) -> PeerAddr {
    PeerAddr::Unix { uid, gid: 0, pid: 0, connection: 7 }
}

fn ip(netid: &str, addr: &str) -> PeerAddr {
    let addr: SocketAddr = addr.parse().expect("a socket address");
    if netid == "udp" { PeerAddr::Udp(addr) } else { PeerAddr::Tcp(addr) }
}

/// What is asked for.
enum Ask {
    Set(Program, u32, &'static str, &'static str),
    /// A version of [`P`].
    Unset(u32),
}

/// Versions 1 to 4 of [`P`] are root's, 1234's, 65534's and nobody's.
const ASKED: [Ask; 17] = [
    Ask::Set(P, 9, "udp", "0.0.0.0.8.1"),
    Ask::Set(P, 9, "tcp6", "::1.8.1"),
    Ask::Set(P, 9, "local", "/run/service.sock"),
    // Another's, as it is, and another's place.
    Ask::Set(P, 2, "udp", "0.0.0.0.8.2"),
    Ask::Set(P, 2, "udp", "0.0.0.0.9.9"),
    Ask::Set(NFS, 3, "tcp", "0.0.0.0.8.1"),
    Ask::Set(P, 9, "tcp", "0.0.0.0.2.188"),
    Ask::Set(P, 9, "tcp", "0.0.0.0.0.0"),
    Ask::Set(P, 9, "udp", "10.9.8.7.8.1"),
    Ask::Set(P, 9, "udp6", "0.0.0.0.8.1"),
    Ask::Set(P, 9, "udp", "anywhere"),
    Ask::Set(P, 9, "sctp", "0.0.0.0.8.1"),
    Ask::Unset(1),
    Ask::Unset(2),
    Ask::Unset(3),
    Ask::Unset(4),
    // There is none.
    Ask::Unset(5),
];

fn portmap(access: Access) -> Portmap {
    let portmap = Portmap::new(access, Quotas::default());
    let owners = [Owner::Superuser, Owner::Uid(1234), Owner::Uid(65534), Owner::Unknown];
    for (version, owner) in (1..).zip(owners) {
        let (netid, address) = ("udp".to_owned(), format!("0.0.0.0.8.{version}"));
        let entry = Entry { program: P, version: Version(version), netid, address, owner };
        portmap.restore(entry).expect("there is room");
    }
    portmap
}

/// Yes, no, or `-`: the caller may change nothing at all.
fn verdict(access: Access, peer: &PeerAddr, ask: &Ask) -> char {
    let portmap = portmap(access);
    let before = portmap.entries();
    let answer = match *ask {
        Ask::Set(program, version, netid, address) => {
            let service = Service { program, version: Version(version), netid, address };
            portmap.set(Protocol::V3, peer, service)
        }
        Ask::Unset(version) => portmap.unset(Protocol::V3, peer, (P, Version(version)), &[]),
    };
    match answer {
        Ok(true) => return 'y',
        Ok(false) => {}
        Err(fault) => assert_eq!(fault, Fault::Auth(AuthStatus::TooWeak)),
    }
    assert_eq!(portmap.entries(), before, "it was refused");
    let refused: u64 = portmap.snapshot().activity.refusals().map(|(_, count)| count).sum();
    assert_eq!(refused, 1, "it is counted");
    if answer.is_ok() { 'n' } else { '-' }
}

#[test]
fn t22_who_may_register_and_remove_what() {
    let by_default = Access { first_unreserved: 1024, ..Access::default() };
    let loopback = Access { loopback: true, ..by_default };
    let insecure = Access { insecure: true, ..by_default };
    let rpcbind = Access { loopback: true, any_registration: true, ..by_default };
    let (root, user, stranger) =
        ("yyyyn yyyyyyy yyyyy", "yyyyn nnnnnnn nynny", "----- ------- -----");
    let unknown = "yyyyn nnnnnnn nnnyy";
    // caller, by default, with -L, with -i, as with rpcbind
    let table = [
        (unix(0), root, root, root, root),
        (unix(1234), user, user, user, "yyyyn yyyyyyy nynny"),
        (unix(65534), "yyyyn nnnnnnn nnyny", "", "", "yyyyn yyyyyyy nnyny"),
        (ip("udp", "127.0.0.1:777"), root, root, root, root),
        (ip("tcp", "[::1]:777"), root, root, root, root),
        (ip("udp", "127.0.0.1:40000"), stranger, unknown, unknown, "yyyyn yyyyyyy nnnyy"),
        (ip("tcp", "127.0.0.1:40000"), stranger, unknown, unknown, "yyyyn yyyyyyy nnnyy"),
        (ip("udp", "127.0.0.2:777"), stranger, stranger, unknown, stranger),
        (ip("tcp", "192.0.2.7:777"), stranger, stranger, unknown, stranger),
        (ip("tcp", "[2001:db8::7]:40000"), stranger, stranger, unknown, stranger),
    ];
    for (peer, first, second, third, fourth) in table {
        for (access, expected) in
            [(by_default, first), (loopback, second), (insecure, third), (rpcbind, fourth)]
        {
            let expected = if expected.is_empty() { first } else { expected };
            let verdicts: String = ASKED.iter().map(|ask| verdict(access, &peer, ask)).collect();
            assert_eq!(verdicts, expected.replace(' ', ""), "{peer}, {access:?}");
        }
    }
}

/// As most containers have it: no port says that who has it is root.
#[test]
fn t22_a_port_that_any_user_can_have_is_like_any_other() {
    let access = Access { first_unreserved: 80, ..Access::default() };
    let table = [
        // the caller's port, and one to be registered, whether they are root's
        (79, "0.0.0.0.0.79", true),
        (80, "0.0.0.0.0.80", false),
        (1023, "0.0.0.0.3.255", false),
    ];
    for (port, address, is_root_s) in table {
        let peer = PeerAddr::Tcp(([127, 0, 0, 1], port).into());
        let by_port = verdict(access, &peer, &Ask::Set(P, 9, "udp", "0.0.0.0.8.1"));
        let of_port = verdict(access, &unix(1234), &Ask::Set(P, 9, "udp", address));
        assert_eq!([by_port, of_port], if is_root_s { ['y', 'n'] } else { ['-', 'y'] }, "{port}");
    }
}

/// Services that serve as users of their own register as these.
#[test]
fn t22_programs_that_do_not_stand_for_the_host_are_for_all() {
    let table = [
        (100_000, false),
        (100_001, true),
        (100_002, true),
        (100_003, false),
        (100_004, false),
        (100_005, false),
        (100_007, false),
        (100_008, true),
        (100_009, false),
        (100_011, false),
        (100_021, false),
        (100_024, true),
        (100_028, false),
        (100_029, false),
        (100_069, false),
        (100_227, false),
        (200_000, true),
    ];
    for (program, allowed) in table {
        let ask = Ask::Set(Program(program), 1, "udp", "0.0.0.0.8.1");
        let expected = if allowed { 'y' } else { 'n' };
        assert_eq!(verdict(Access::default(), &unix(1234), &ask), expected, "{program}");
    }
}
