//! What is asked, by whom, in order: first what both answer alike, and then the rest.

mod alike;
mod differing;

use crate::differences::Because;
use crate::network::{Caller, TCP, TCP6, UDP, UDP6, UNIX, USER};
use crate::support::{call, rpcb};

/// A program without a name, in some versions over some transports.
const P: u32 = 0x2000_0001;
/// A program that is registered over some transports only, and by a user.
const Q: u32 = 0x2000_0002;
/// A program that comes and goes.
const R: u32 = 0x2000_0003;
/// A program that nobody has.
const NONE: u32 = 0x2000_0077;
const PORTMAPPER: u32 = 100_000;

/// Where services are that are registered in the course of the script, and have to be there when
/// others want their places.
pub(crate) const TAKEN: [(&str, &str); 2] = [("udp", "0.0.0.0.8.29"), ("tcp", "0.0.0.0.8.29")];

/// What is registered all the time: by whom, and where.
pub(crate) const REGISTERED: [(Caller, u32, u32, &str, &str); 11] = [
    (UNIX, P, 1, "tcp", "0.0.0.0.8.1"),
    (UNIX, P, 1, "udp", "0.0.0.0.8.2"),
    (UNIX, P, 1, "tcp6", "::.8.1"),
    (UNIX, P, 1, "udp6", "::.8.2"),
    (UNIX, P, 1, "local", "/run/kv.sock"),
    (UNIX, P, 3, "tcp", "127.0.0.1.8.3"),
    (UNIX, P, 3, "udp", "192.0.2.7.8.3"),
    (UNIX, P, 2, "tcp6", "::1.8.4"),
    (USER, Q, 1, "tcp", "0.0.0.0.8.5"),
    (USER, Q, 2, "local", "@kv"),
    (USER, Q, 1, "udp6", "::.8.5"),
];

const EVERY_TRANSPORT: [Caller; 5] = [UDP, TCP, UDP6, TCP6, UNIX];

/// A message, who sends it, and how its reply is read.
pub(crate) struct Request {
    pub(crate) what: String,
    pub(crate) caller: Caller,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
    pub(crate) message: Vec<u8>,
    /// Why `portmapd` may answer otherwise than rpcbind.
    pub(crate) because: Option<Because>,
}

#[derive(Default)]
struct Script {
    requests: Vec<Request>,
    because: Option<Because>,
}

/// What both answer alike, however `portmapd` is started.
pub(crate) fn alike() -> Vec<Request> {
    let mut script = Script::registered();
    script.alike();
    script.requests
}

/// What shows each row of the tables of differences.
pub(crate) fn differing() -> Vec<Request> {
    let mut script = Script::registered();
    script.differing();
    script.requests
}

impl Script {
    fn registered() -> Self {
        let mut script = Self::default();
        for (caller, program, version, netid, address) in REGISTERED {
            script.set(caller, program, version, netid, address);
        }
        script
    }

    fn ask(&mut self, what: &str, caller: Caller, version: u32, procedure: u32, args: &[u8]) {
        self.send(what, caller, version, procedure, call(version, procedure, args));
    }

    fn send(&mut self, what: &str, caller: Caller, version: u32, procedure: u32, message: Vec<u8>) {
        let (what, because) = (what.to_owned(), self.because);
        self.requests.push(Request { what, caller, version, procedure, message, because });
    }

    fn set(&mut self, caller: Caller, program: u32, version: u32, netid: &str, address: &str) {
        let what = format!("set {netid:?} {address:?}");
        self.ask(&what, caller, 3, 1, &rpcb(program, version, netid, address));
    }

    fn unset(&mut self, caller: Caller, program: u32, version: u32) {
        self.ask("unset", caller, 3, 2, &rpcb(program, version, "", ""));
    }

    /// What the table is.
    fn dump(&mut self) {
        self.ask("the table", UNIX, 3, 4, &[]);
        self.ask("the table", UNIX, 2, 4, &[]);
    }
}
