//! What shows each row of the tables of differences.

use super::{P, PORTMAPPER, R, Script};
use crate::differences::Because;
use crate::network::{
    Caller, FAR_TCP, FAR_UDP, FAR_UDP6, NEAR, PIECES, TCP, TCP6, UDP, UDP6, UNIX, USER,
};
use crate::support::{XID, call, rpcb, words};

impl Script {
    pub(super) fn differing(&mut self) {
        self.by(Because::Loopback, Self::by_loopback);
        self.by(Because::Reserved, Self::reserved);
        self.by(Because::Quota, Self::many);
        self.by(Because::Dead, Self::dead);
        self.by(Because::LargeDatagram, Self::large_datagrams);
        self.by(Because::RpcVersion, Self::rpc_versions);
        self.by(Because::NoCall, Self::no_calls);
        self.by(Because::Fragments, Self::fragments);
        self.by(Because::CutDatagram, Self::cut_datagrams);
        self.by(Because::UnknownTransport, Self::unknown_transports);
        self.by(Because::AnotherNetwork, Self::networks);
        self.by(Because::Text, Self::text);
        self.by(Because::BadPort, Self::bad_ports);
        self.by(Because::Foreign, Self::foreign);
        self.by(Because::Mixed, Self::mixed);
        self.by(Because::Case, Self::case);
        self.by(Because::TooLarge, Self::too_large);
        self.dump();
    }

    /// The table is as before afterwards.
    fn by(&mut self, because: Because, section: impl FnOnce(&mut Self)) {
        self.because = Some(because);
        section(self);
        self.because = None;
    }

    fn by_loopback(&mut self) {
        for caller in [UDP, TCP, UDP6, TCP6] {
            self.ask("set", caller, 3, 1, &rpcb(R, 1, "tcp", "0.0.0.0.8.29"));
            self.ask("set", caller, 2, 1, &words(&[R, 1, 17, 2077]));
            self.dump();
            self.ask("unset what is nobody's", USER, 3, 2, &rpcb(R, 1, "", ""));
            self.ask("unset what is root's", caller, 4, 2, &rpcb(P, 1, "", ""));
            self.ask("unset", caller, 4, 2, &rpcb(R, 1, "tcp", ""));
            self.dump();
            self.unset(UNIX, R, 1);
        }
    }

    fn reserved(&mut self) {
        for (program, netid, address) in [
            (100_003, "tcp", "0.0.0.0.8.1"),
            (R, "tcp", "0.0.0.0.2.188"),
            (R, "udp", "10.9.8.7.8.1"),
            (R, "tcp6", "0.0.0.0.8.1"),
            (R, "sctp", "0.0.0.0.8.1"),
            (R, "", "0.0.0.0.8.1"),
            (R, "tcp", ""),
        ] {
            self.ask("set", USER, 3, 1, &rpcb(program, 1, netid, address));
            self.ask("unset", USER, 3, 2, &rpcb(program, 1, netid, ""));
        }
        self.ask("set", USER, 2, 1, &words(&[R, 1, 17, 700]));
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn many(&mut self) {
        for version in 0..70 {
            self.set(USER, R, version, "tcp", "0.0.0.0.8.1");
        }
        self.dump();
        for version in 0..70 {
            self.unset(UNIX, R, version);
        }
    }

    fn dead(&mut self) {
        self.set(UNIX, R, 1, "tcp", "0.0.0.0.9.9");
        self.set(UNIX, R, 1, "udp6", "::.9.9");
        for (caller, hint) in [(TCP, "127.0.0.1.0.111"), (UDP6, "::1.0.111")] {
            self.ask("nobody there", caller, 4, 3, &rpcb(R, 1, "", hint));
        }
        self.ask("nobody there", UDP, 2, 3, &words(&[R, 1, 6, 0]));
        self.set(UNIX, R, 1, "udp", "0.0.0.0.9.9");
        self.set(UNIX, R, 1, "udp", "0.0.0.0.9.10");
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn large_datagrams(&mut self) {
        for version in 2..=4 {
            self.ask("a list", FAR_UDP, version, 4, &[]);
            self.ask("a list", FAR_UDP6, version, 4, &[]);
        }
        self.ask("addresses", FAR_UDP, 4, 11, &rpcb(P, 1, "", "192.0.2.7.0.111"));
    }

    fn text(&mut self) {
        self.set(UNIX, R, 1, &"n".repeat(33), "0.0.0.0.8.1");
        self.set(UNIX, R, 1, "local", &format!("/{}", "a".repeat(128)));
        self.set(UNIX, R, 1, "\x1b[2J", "0.0.0.0.8.1");
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn rpc_versions(&mut self) {
        for caller in [UDP, TCP, UDP6, TCP6, UNIX] {
            for version in [0, 1, 3, u32::MAX] {
                let message = words(&[XID, 0, version, PORTMAPPER, 4, 0, 0, 0, 0, 0]);
                self.send(&format!("RPC version {version}"), caller, 4, 0, message);
            }
        }
    }

    fn no_calls(&mut self) {
        for caller in [TCP, TCP6, UNIX] {
            for len in 2..10 {
                let message = call(4, 0, &[])[..len * 4].to_vec();
                self.send(&format!("{len} words"), caller, 4, 0, message);
            }
            for at in [7, 9] {
                let mut header = [XID, 0, 2, PORTMAPPER, 4, 0, 0, 0, 0, 0];
                header[at] = 404;
                let mut message = words(&header);
                message.splice((at + 1) * 4..(at + 1) * 4, [0; 404]);
                self.send("404 bytes of authentication", caller, 4, 0, message);
            }
        }
    }

    fn fragments(&mut self) {
        self.ask("two fragments", PIECES, 4, 0, &[]);
        self.ask("a long record", TCP, 4, 0, &[0; 9000]);
    }

    fn cut_datagrams(&mut self) {
        for caller in [UDP, UDP6] {
            self.ask("what is left in memory", caller, 2, 3, &words(&[P, 1, 6, 0]));
            self.ask("12 bytes of the arguments", caller, 2, 3, &words(&[P, 1, 6]));
            self.send("7 words", caller, 4, 0, call(4, 0, &[])[..28].to_vec());
        }
    }

    fn unknown_transports(&mut self) {
        self.set(UNIX, R, 1, "nosuch", "anywhere");
        for caller in [UDP, TCP6, UNIX] {
            self.ask("addresses", caller, 4, 11, &rpcb(R, 1, "", ""));
        }
        self.unset(UNIX, R, 1);
    }

    fn networks(&mut self) {
        for caller in [NEAR, FAR_UDP, FAR_TCP] {
            self.ask("no hint", caller, 4, 3, &rpcb(P, 1, "", ""));
            self.ask("no hint", caller, 4, 11, &rpcb(PORTMAPPER, 4, "", ""));
        }
        for hint in ["127.0.0.5.0.111", "192.0.2.50.0.111"] {
            self.ask("a neighbour's address", TCP, 4, 3, &rpcb(P, 1, "", hint));
        }
        self.ask("no hint", FAR_UDP6, 4, 3, &rpcb(P, 1, "", ""));
        self.ask("a neighbour's address", TCP6, 3, 3, &rpcb(P, 1, "", "2001:db8::50.0.111"));
    }

    fn bad_ports(&mut self) {
        self.ask("port 70000", UNIX, 2, 1, &words(&[R, 1, 6, 70_000]));
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn foreign(&mut self) {
        self.set(USER, R, 1, "tcp", "0.0.0.0.8.1");
        self.ask("unset what is another's", Caller::Unix(1235), 2, 2, &words(&[R, 1, 0, 0]));
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn mixed(&mut self) {
        self.set(USER, R, 1, "udp6", "::.8.1");
        self.set(Caller::Unix(1235), R, 1, "tcp6", "::.8.1");
        self.ask("unset, in part another's", USER, 3, 2, &rpcb(R, 1, "", ""));
        self.dump();
        self.unset(UNIX, R, 1);
    }

    fn case(&mut self) {
        self.set(UNIX, R, 1, "tcp", "0.0.0.0.8.1");
        self.ask("unset TCP", UNIX, 3, 2, &rpcb(R, 1, "TCP", ""));
        self.dump();
        self.ask("unset", UNIX, 2, 2, &words(&[R, 1, 6, 0]));
    }

    fn too_large(&mut self) {
        for version in 0..450 {
            self.set(UNIX, R, version, "tcp", "0.0.0.0.8.1");
        }
        self.ask("a list", UDP, 2, 4, &[]);
        for version in 0..450 {
            self.unset(UNIX, R, version);
        }
    }
}
