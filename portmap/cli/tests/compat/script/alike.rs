//! What both answer alike, however `portmapd` is started.

use super::{EVERY_TRANSPORT, NONE, P, PORTMAPPER, Q, R, Script};
use crate::network::{
    Caller, FAR_TCP, FAR_TCP6, FAR_UDP, FAR_UDP6, LINK_LOCAL, NEAR, OWN, RESERVED, RESERVED_UDP6,
    ROUTED, TCP, TCP6, UDP, UDP6, UNIX, USER,
};
use crate::support::{XID, call, rpcb, string, words};

const SERVICES: [(u32, u32); 11] = [
    (PORTMAPPER, 2),
    (PORTMAPPER, 4),
    (PORTMAPPER, 9),
    (P, 0),
    (P, 1),
    (P, 2),
    (P, 3),
    (P, 7),
    (Q, 1),
    (Q, 2),
    (NONE, 1),
];

impl Script {
    pub(super) fn alike(&mut self) {
        for caller in EVERY_TRANSPORT {
            self.versions(caller);
            self.headers(caller);
            self.credentials(caller);
            self.missing_procedures(caller);
            self.conversions(caller);
            self.remote_calls(caller);
        }
        self.cut_arguments();
        self.lookups();
        self.ports();
        self.registrations();
        self.removals();
        self.odd_registrations();
        self.large_tables();
        self.ask("what was counted", TCP, 4, 12, &[]);
        self.ask("what was counted", OWN, 4, 12, &[]);
    }

    fn versions(&mut self, caller: Caller) {
        for version in [0, 1, 2, 3, 4, 5, u32::MAX] {
            for procedure in [0, 4] {
                self.ask("a version", caller, version, procedure, &[]);
            }
        }
        self.ask("more than the arguments", caller, 2, 0, &[1; 40]);
        self.ask("more than the arguments", caller, 3, 4, &[1; 40]);
        self.ask(
            "more than the arguments",
            caller,
            4,
            3,
            &[rpcb(P, 1, "", ""), vec![9; 8]].concat(),
        );
        for version in [3, 4] {
            self.ask("the time", caller, version, 6, &[]);
        }
    }

    fn headers(&mut self, caller: Caller) {
        for mtype in [1, 2] {
            let message = words(&[XID, mtype, 2, PORTMAPPER, 4, 0, 0, 0, 0, 0]);
            self.send(&format!("message type {mtype}"), caller, 4, 0, message);
        }
        for program in [0, 99_999, 100_001, P, u32::MAX] {
            let message = words(&[XID, 0, 2, program, 4, 0, 0, 0, 0, 0]);
            self.send(&format!("program {program}"), caller, 4, 0, message);
        }
        for len in [0, 4] {
            self.send("no header", caller, 4, 0, call(4, 0, &[])[..len].to_vec());
        }
    }

    fn credentials(&mut self, caller: Caller) {
        let sys = |name: usize, groups: u32| {
            let rest = words(&[0, 0, groups]);
            let groups = words(&vec![5; usize::try_from(groups).expect("few")]);
            [words(&[7]), string(&"n".repeat(name)), rest, groups].concat()
        };
        let table = [
            ("none with a body", 0, vec![1; 8]),
            ("none of 400 bytes", 0, vec![0; 400]),
            ("sys", 1, sys(4, 0)),
            ("sys with 16 groups", 1, sys(255, 16)),
            ("sys with 17 groups", 1, sys(4, 17)),
            ("sys with a name of 256", 1, sys(256, 1)),
            ("sys without groups", 1, sys(4, 0)[..16].to_vec()),
            ("sys of nothing", 1, vec![]),
            ("sys with more", 1, [sys(4, 0), vec![0; 4]].concat()),
            ("short", 2, vec![1; 8]),
            ("dh", 3, vec![0; 8]),
            ("gss", 6, vec![]),
            ("tls", 7, vec![]),
            ("unknown", 99, vec![]),
        ];
        for (what, flavor, body) in &table {
            for (program, procedure) in [(PORTMAPPER, 0), (PORTMAPPER, 6), (P, 0)] {
                let len = u32::try_from(body.len()).expect("short");
                let head = words(&[XID, 0, 2, program, 4, procedure, *flavor, len]);
                let message = [head, body.clone(), words(&[0, 0])].concat();
                let what = format!("a credential for {program}: {what}");
                self.send(&what, caller, 4, procedure, message);
            }
        }
        for (flavor, len) in [(1, 8), (0, 400)] {
            let head = words(&[XID, 0, 2, PORTMAPPER, 4, 6, 0, 0, flavor, len]);
            let body = vec![0; usize::try_from(len).expect("short")];
            self.send("a verifier", caller, 4, 6, [head, body].concat());
        }
    }

    fn missing_procedures(&mut self, caller: Caller) {
        for (version, last) in [(2, 5), (3, 8), (4, 12)] {
            for procedure in [last + 1, last + 2, 99, u32::MAX] {
                self.ask("no such procedure", caller, version, procedure, &[]);
            }
        }
    }

    /// Over streams: datagrams are another matter.
    fn cut_arguments(&mut self) {
        let mapping = words(&[NONE, 1, 6, 2049]);
        let rpcb = rpcb(NONE, 1, "tcp", "0.0.0.0.8.1");
        let text = string("1.2.3.4.0.111");
        let netbuf = [words(&[16, 16]), vec![0; 16]].concat();
        let table = [
            (2, &[1, 2, 3][..], &mapping),
            (3, &[1, 2, 3], &rpcb),
            (3, &[7], &text),
            (4, &[1, 2, 3, 9, 11], &rpcb),
            (4, &[8], &netbuf),
        ];
        for caller in [TCP, TCP6, UNIX] {
            for (version, procedures, args) in table {
                for &procedure in procedures {
                    for len in (0..args.len()).step_by(4) {
                        let what = format!("{len} bytes of the arguments");
                        self.ask(&what, caller, version, procedure, &args[..len]);
                    }
                }
            }
        }
    }

    /// By every caller, who says by which address it reached this host, as C libraries do.
    fn lookups(&mut self) {
        let callers = [
            (UDP, "127.0.0.1.0.111"),
            (TCP, "127.0.0.1.0.111"),
            (UDP6, "::1.0.111"),
            (TCP6, "::1.0.111"),
            (UNIX, "/run/rpcbind.sock"),
            (NEAR, "127.0.0.1.0.111"),
            (OWN, "192.0.2.7.0.111"),
            (FAR_UDP, "192.0.2.7.0.111"),
            (FAR_TCP, "10.1.0.7.0.111"),
            (ROUTED, "192.0.2.7.0.111"),
            (FAR_UDP6, "2001:db8::7.0.111"),
            (FAR_TCP6, "2001:db8:1::7.0.111"),
            (LINK_LOCAL, "fe80::7.0.111"),
        ];
        for (caller, hint) in callers {
            for (program, version) in SERVICES {
                for (protocol, procedure) in [(3, 3), (4, 3), (4, 9), (4, 11)] {
                    for netid in ["", "tcp", "udp6", "TCP", "nosuch"] {
                        let what = format!("{program} {version} over {netid:?}");
                        let args = rpcb(program, version, netid, hint);
                        self.ask(&what, caller, protocol, procedure, &args);
                    }
                }
            }
        }
        self.hints();
    }

    /// Addresses of this host, and what is none.
    fn hints(&mut self) {
        let hints = [
            "0.0.0.0.0.111",
            "127.0.0.1.0.111",
            "192.0.2.7.0.111",
            "10.1.0.7.0.111",
            "10.1.9.9.0.111",
            "10.2.0.7.0.111",
            "10.8.0.2.0.111",
            "10.8.0.1.0.111",
            "203.0.113.9.0.111",
            "::1.0.111",
            "::.0.111",
            "2001:db8::7.0.111",
            "2001:db8:1::7.0.111",
            "2001:db8:1::99.0.111",
            "fe80::7.0.111",
            "::ffff:192.0.2.7.0.111",
            "/run/rpcbind.sock",
            "@kv",
            "zz",
            "1.2.3.4",
            "1.2.3.4.5",
            "192.0.2.7.0.111 ",
            "192.0.2.7.999.-1",
            "192.0.2.7.0.111.1",
        ];
        let callers =
            [UDP, TCP, UDP6, TCP6, UNIX, NEAR, OWN, FAR_UDP, ROUTED, FAR_TCP6, LINK_LOCAL];
        for caller in callers {
            for hint in hints {
                for (protocol, procedure) in [(3, 3), (4, 9), (4, 11)] {
                    for (program, version) in [(P, 1), (P, 3), (PORTMAPPER, 4)] {
                        let what = format!("{program} {version} at {hint:?}");
                        let args = rpcb(program, version, "", hint);
                        self.ask(&what, caller, protocol, procedure, &args);
                    }
                }
            }
        }
        for caller in [UDP, TCP, UDP6, TCP6, UNIX, OWN, ROUTED] {
            for (program, version) in SERVICES {
                for (protocol, procedure) in [(3, 3), (4, 9), (4, 11)] {
                    let what = format!("{program} {version}");
                    let args = rpcb(program, version, "", "");
                    self.ask(&what, caller, protocol, procedure, &args);
                }
            }
        }
    }

    fn ports(&mut self) {
        for caller in [UDP, TCP, UDP6, TCP6, UNIX, NEAR, FAR_UDP, FAR_TCP6] {
            for (program, version) in SERVICES {
                for protocol in [6, 17, 0, 1, 132, u32::MAX] {
                    let what = format!("port of {program} {version} over {protocol}");
                    let args = words(&[program, version, protocol, 5]);
                    self.ask(&what, caller, 2, 3, &args);
                }
            }
        }
    }

    fn conversions(&mut self, caller: Caller) {
        let (longest, too_long) =
            (format!("/{}", "p".repeat(106)), format!("/{}", "p".repeat(107)));
        let uaddrs = [
            "",
            "1.2.3.4.0.111",
            "0.0.0.0.0.0",
            "255.255.255.255.255.255",
            "1.2.3.4.5",
            "1.2.3.4.256.1",
            "1.2.3.4.0.-1",
            "1.2.3.0.111",
            "x.0.111",
            "::1.0.111",
            "::.0.0",
            "2001:db8::1.8.1",
            "::ffff:1.2.3.4.8.1",
            "fe80::1%lo.8.1",
            "/run/kv.sock",
            "@kv",
            "relative",
            "01.02.03.04.00.0111",
            "1.2.3.4. 8.1",
            &longest,
            &too_long,
        ];
        let inet = |rest: &[u8]| [&[2, 0, 0, 111, 1, 2, 3, 4], rest].concat();
        let mut inet6 = vec![10, 0, 8, 1, 0, 0, 0, 0, 0xfe, 0x80];
        inet6.extend([0; 13]);
        inet6.extend([1, 3, 0, 0, 0]);
        let unix = |path: &[u8], len: usize| {
            let mut addr = [&[1, 0], path].concat();
            addr.resize(len.max(addr.len()), 0);
            addr
        };
        let taddrs = [
            vec![],
            vec![2],
            vec![2, 0],
            inet(&[]),
            inet(&[0; 7]),
            inet(&[0; 8]),
            inet(&[0; 20]),
            inet6[..27].to_vec(),
            inet6,
            unix(b"/run/kv.sock", 0),
            unix(b"/run/kv.sock", 110),
            unix(b"\0kv", 0),
            unix(b"\0kv", 110),
            unix(b"", 110),
            vec![0; 16],
            vec![0; 28],
            vec![99; 28],
        ];
        for version in [3, 4] {
            for uaddr in uaddrs {
                let what = format!("the socket address of {uaddr:?}");
                self.ask(&what, caller, version, 7, &string(uaddr));
            }
            for taddr in &taddrs {
                let len = u32::try_from(taddr.len()).expect("short");
                let mut padded = taddr.clone();
                padded.resize(taddr.len().next_multiple_of(4), 0);
                for maxlen in [len, 0, 1000] {
                    let what = format!("the universal address of {taddr:?}, at most {maxlen}");
                    let args = [words(&[maxlen, len]), padded.clone()].concat();
                    self.ask(&what, caller, version, 8, &args);
                }
            }
        }
    }

    /// Which neither makes without `-r`.
    fn remote_calls(&mut self, caller: Caller) {
        let services = [
            (NONE, 1, 1),
            (P, 1, 0),
            (PORTMAPPER, 2, 0),
            (PORTMAPPER, 2, 4),
            (100_003, 3, 0),
            (100_003, 3, 1),
            (100_004, 2, 3),
            (100_005, 3, 1),
            (100_005, 3, 2),
            (100_007, 2, 2),
            (100_009, 1, 1),
            (100_011, 1, 1),
        ];
        for (version, procedure) in [(2, 5), (3, 5), (4, 5), (4, 10)] {
            for (program, of, called) in services {
                let what = format!("call {program} {of} {called}");
                self.ask(&what, caller, version, procedure, &words(&[program, of, called, 0]));
            }
        }
    }

    /// By who may.
    fn registrations(&mut self) {
        let callers = [UNIX, USER, RESERVED, RESERVED_UDP6];
        for caller in callers {
            for (netid, other_case, protocol) in [("tcp", "TcP", 6), ("udp", "uDP", 17)] {
                self.ask("set a port", caller, 2, 1, &words(&[R, 1, protocol, 2077]));
                self.ask("set it again", caller, 4, 1, &rpcb(R, 1, netid, "0.0.0.0.8.29"));
                self.ask("set another", caller, 3, 1, &rpcb(R, 1, netid, "0.0.0.0.8.30"));
                self.ask("set another port", caller, 2, 1, &words(&[R, 1, protocol, 2078]));
                self.ask("set it by case", caller, 4, 1, &rpcb(R, 1, other_case, "0.0.0.0.8.29"));
            }
            for (netid, address) in [("udp6", "::.8.29"), ("tcp6", "::1.8.29"), ("local", "/run/r")]
            {
                self.ask("set", caller, 3, 1, &rpcb(R, 2, netid, address));
            }
            for protocol in [0, 1, 132] {
                self.ask("set no protocol", caller, 2, 1, &words(&[R, 3, protocol, 2077]));
            }
            self.dump();
            for version in [1, 2] {
                self.ask("unset", UNIX, 4, 2, &rpcb(R, version, "", ""));
            }
        }
        // Who may not.
        for caller in [NEAR, OWN, FAR_UDP, FAR_TCP, FAR_UDP6, FAR_TCP6, LINK_LOCAL] {
            self.ask("set", caller, 2, 1, &words(&[R, 1, 6, 2077]));
            self.ask("set", caller, 3, 1, &rpcb(R, 1, "tcp", "0.0.0.0.8.29"));
            self.ask("unset", caller, 2, 2, &words(&[P, 1, 0, 0]));
            self.ask("unset", caller, 4, 2, &rpcb(P, 1, "", ""));
        }
        self.dump();
    }

    fn removals(&mut self) {
        let another = Caller::Unix(1235);
        self.ask("set", USER, 3, 1, &rpcb(R, 1, "tcp", "0.0.0.0.8.29"));
        self.ask("set", USER, 3, 1, &rpcb(R, 1, "udp6", "::.8.29"));
        self.ask("set", another, 3, 1, &rpcb(R, 2, "tcp", "0.0.0.0.8.30"));
        self.ask("set what is there", another, 3, 1, &rpcb(R, 1, "tcp", "0.0.0.0.8.29"));
        self.ask("unset what is another's", another, 3, 2, &rpcb(R, 1, "tcp", ""));
        self.ask("unset what is another's", USER, 4, 2, &rpcb(R, 2, "", ""));
        self.ask("unset what is root's", USER, 4, 2, &rpcb(P, 1, "", ""));
        self.ask("unset the portmapper", USER, 4, 2, &rpcb(PORTMAPPER, 4, "", ""));
        self.ask("unset nothing", USER, 3, 2, &rpcb(NONE, 1, "", ""));
        self.ask("unset nothing", USER, 2, 2, &words(&[NONE, 1, 6, 0]));
        self.ask("unset over nothing", USER, 3, 2, &rpcb(R, 1, "nosuch", ""));
        self.dump();
        self.ask("unset one", USER, 3, 2, &rpcb(R, 1, "tcp", "ignored"));
        self.dump();
        self.ask("unset all", USER, 4, 2, &rpcb(R, 1, "", ""));
        self.ask("unset a port", another, 2, 2, &words(&[R, 2, 17, 9]));
        self.dump();
        self.claims();
    }

    /// Who it is, is not what a credential or the owner in a registration says.
    fn claims(&mut self) {
        let root = words(&[1, 20, 7, 0, 0, 0, 0]);
        let as_root = |procedure, args: &[u8]| {
            let header = words(&[XID, 0, 2, PORTMAPPER, 3, procedure]);
            [&header, &root, &words(&[0, 0]), args].concat()
        };
        let mapping = [words(&[R, 3]), ["tcp", "0.0.0.0.8.31", "superuser"].map(string).concat()];
        self.send("set as root", USER, 3, 1, as_root(1, &mapping.concat()));
        self.send("unset as root", USER, 3, 2, as_root(2, &rpcb(P, 1, "", "")));
        self.dump();
        self.unset(UNIX, R, 3);
    }

    /// Of root, whose word is taken.
    fn odd_registrations(&mut self) {
        let table = [
            ("", "0.0.0.0.8.1"),
            ("tcp", ""),
            ("udp", "anywhere"),
            ("udp6", "0.0.0.0.8.1"),
            ("local", "relative"),
        ];
        for (netid, address) in table {
            self.set(UNIX, R, 1, netid, address);
        }
        self.set(UNIX, R, 2, "tcp", "203.0.113.9.8.1");
        self.set(UNIX, 0, 0, "tcp", "0.0.0.0.0.0");
        self.dump();
        for version in [1, 2] {
            self.unset(UNIX, R, version);
        }
        self.unset(UNIX, 0, 0);
    }

    /// Until no datagram holds it.
    fn large_tables(&mut self) {
        for version in 0..440 {
            self.set(UNIX, R, version, "tcp", "0.0.0.0.8.1");
            let is_near_a_limit = (140..170).contains(&version) || (410..437).contains(&version);
            if is_near_a_limit {
                for protocol in 2..=4 {
                    self.ask("a large table", UDP, protocol, 4, &[]);
                }
            }
        }
        for caller in [TCP, TCP6, UNIX, FAR_TCP] {
            for protocol in 2..=4 {
                self.ask("a large table", caller, protocol, 4, &[]);
            }
        }
        for version in 0..440 {
            self.unset(UNIX, R, version);
        }
    }
}
