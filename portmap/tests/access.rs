//! Who may do what.

use farcall::proto::message::AuthStatus;
use farcall::{Fault, PeerAddr, Procedure, Program};
use farcall_portmap::access::{Access, Owner};
use farcall_portmap::address::Interface;

fn udp(addr: &str) -> PeerAddr {
    PeerAddr::Udp(addr.parse().expect("a socket address"))
}

fn tcp(addr: &str) -> PeerAddr {
    PeerAddr::Tcp(addr.parse().expect("a socket address"))
}

fn unix(uid: u32) -> PeerAddr {
    PeerAddr::Unix { uid, gid: 0, pid: 0, connection: 7 }
}

#[test]
fn who_may_change_the_table_and_as_whom() {
    let table = [
        // caller, may change the table, as owner
        (unix(0), true, Owner::Superuser),
        (unix(1001), true, Owner::Uid(1001)),
        (unix(65534), true, Owner::Uid(65534)),
        (udp("127.0.0.1:777"), true, Owner::Superuser),
        (tcp("127.0.0.1:1023"), true, Owner::Superuser),
        (udp("127.0.0.1:1024"), false, Owner::Unknown),
        (tcp("127.0.0.1:40000"), false, Owner::Unknown),
        (udp("[::1]:777"), true, Owner::Superuser),
        (tcp("[::1]:40000"), false, Owner::Unknown),
        (tcp("[::ffff:127.0.0.1]:777"), true, Owner::Superuser),
        (udp("[::ffff:127.0.0.1]:40000"), false, Owner::Unknown),
        (udp("127.0.0.2:777"), false, Owner::Unknown),
        (tcp("127.0.0.2:40000"), false, Owner::Unknown),
        (tcp("[::ffff:127.0.0.2]:777"), false, Owner::Unknown),
        (udp("0.0.0.0:777"), false, Owner::Unknown),
        (udp("192.0.2.7:777"), false, Owner::Unknown),
        (tcp("192.0.2.7:40000"), false, Owner::Unknown),
        (tcp("[2001:db8::1]:777"), false, Owner::Unknown),
        (udp("[fe80::1%2]:777"), false, Owner::Unknown),
        (udp("[::]:777"), false, Owner::Unknown),
    ];
    let too_weak = Err(Fault::Auth(AuthStatus::TooWeak));
    let by_default = Access { first_unreserved: 1024, ..Access::default() };
    let insecure = Access { insecure: true, ..by_default };
    let loopback = Access { loopback: true, ..by_default };
    for (peer, allowed, owner) in table {
        let expected = if allowed { Ok(owner) } else { too_weak };
        assert_eq!(by_default.change(&peer), expected, "{peer}");
        assert_eq!(insecure.change(&peer), Ok(owner), "{peer}");
        // As rpcbind: loopback is exactly these addresses.
        let is_loopback = ["127.0.0.1:", "[::1]:", "[::ffff:127.0.0.1]:"];
        let by_loopback = is_loopback.iter().any(|prefix| peer.to_string().contains(prefix));
        let expected = if allowed || by_loopback { Ok(owner) } else { too_weak };
        assert_eq!(loopback.change(&peer), expected, "{peer}");
    }
}

#[test]
fn owners_read_as_rpcbind_lists_them() {
    assert_eq!(Owner::Superuser.to_string(), "superuser");
    assert_eq!(Owner::Uid(1001).to_string(), "1001");
    assert_eq!(Owner::Unknown.to_string(), "unknown");
}

#[test]
fn remote_calls_are_refused_aloud_only_to_datagrams_that_would_do_harm() {
    let too_weak = Err(Fault::Auth(AuthStatus::TooWeak));
    // program, procedure, over UDP; as rpcbind answers without -r
    let table = [
        (100_000, 0, Ok(())),
        (100_000, 1, too_weak),
        (100_000, 4, too_weak),
        (100_003, 0, Ok(())),
        (100_003, 1, too_weak),
        (100_004, 2, Ok(())),
        (100_004, 3, too_weak),
        (100_004, 4, too_weak),
        (100_004, 5, too_weak),
        (100_004, 6, Ok(())),
        (100_004, 8, too_weak),
        (100_005, 1, too_weak),
        (100_005, 2, Ok(())),
        (100_005, 3, too_weak),
        (100_005, 5, Ok(())),
        (100_007, 1, Ok(())),
        (100_007, 2, too_weak),
        (100_009, 1, too_weak),
        (100_011, 1, too_weak),
        (0x2000_0001, 1, Ok(())),
    ];
    let insecure = Access { insecure: true, ..Access::default() };
    for (program, procedure, expected) in table {
        let (program, procedure) = (Program(program), Procedure(procedure));
        let asked = |access: Access, peer: &PeerAddr| access.remote_call(peer, program, procedure);
        for peer in [udp("127.0.0.1:777"), udp("192.0.2.7:777"), udp("[::1]:40000")] {
            assert_eq!(asked(Access::default(), &peer), expected, "{program} {procedure}");
            let expected = if program.0 == 100_000 { Ok(()) } else { expected };
            assert_eq!(asked(insecure, &peer), expected, "{program} {procedure}");
        }
        for peer in [tcp("127.0.0.1:777"), unix(0)] {
            assert_eq!(asked(insecure, &peer), Err(Fault::Silent), "{program} {procedure}");
        }
    }
}

#[test]
fn a_stranger_gets_no_more_than_three_times_what_it_sent_over_udp() {
    let lenient = Access { large_datagrams: true, ..Access::default() };
    let interface = |addr: &str| {
        let addr = addr.parse().expect("an address");
        Interface { addr, mask: None, index: 2, is_common: true }
    };
    let interfaces = ["192.0.2.8", "2001:db8::8", "fe80::8"].map(interface);
    // caller, the most for a call of 40 bytes, the same if large datagrams are allowed
    let table = [
        (udp("192.0.2.7:777"), 120, 9000),
        (udp("[2001:db8::1]:777"), 120, 9000),
        (udp("[fe80::8%3]:777"), 120, 9000),
        (udp("127.0.0.1:40000"), 9000, 9000),
        (udp("127.0.0.2:40000"), 9000, 9000),
        (udp("[::1]:40000"), 9000, 9000),
        // This host by addresses of its own.
        (udp("192.0.2.8:40000"), 9000, 9000),
        (udp("[::ffff:192.0.2.8]:40000"), 9000, 9000),
        (udp("[2001:db8::8]:40000"), 9000, 9000),
    ];
    for (peer, most, most_if_lenient) in table {
        for (access, most) in [(Access::default(), most), (lenient, most_if_lenient)] {
            let reply = |len| access.reply(&peer, 40, len, &interfaces);
            assert_eq!(reply(most), Ok(()), "{peer}");
            assert_eq!(reply(most + 1), Err(Fault::SystemErr), "{peer}");
        }
    }
    for peer in [tcp("192.0.2.7:777"), unix(1000)] {
        let reply = Access::default().reply(&peer, 40, 1 << 20, &interfaces);
        assert_eq!(reply, Ok(()), "{peer}");
    }
}
