//! Where `portmapd` does not answer as rpcbind: the tables of `docs/portmapd.md`.

/// Why a reply may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Because {
    Loopback,
    Reserved,
    Quota,
    Dead,
    LargeDatagram,
    RpcVersion,
    NoCall,
    Fragments,
    CutDatagram,
    UnknownTransport,
    AnotherNetwork,
    Text,
    BadPort,
    Foreign,
    Mixed,
    Case,
    TooLarge,
}

/// A row of a table.
pub(crate) struct Difference {
    pub(crate) because: Because,
    /// What rpcbind does, as the table says it.
    pub(crate) rpcbind: &'static str,
    /// What makes `portmapd` do the same.
    pub(crate) switch: &'static [&'static str],
}

const fn row(
    because: Because,
    rpcbind: &'static str,
    switch: &'static [&'static str],
) -> Difference {
    Difference { because, rpcbind, switch }
}

/// Safe by default, and each with a switch.
pub(crate) const ON_PURPOSE: [Difference; 5] = [
    row(Because::Loopback, "any user registers by loopback as `unknown`", &["-L"]),
    row(
        Because::Reserved,
        "any user registers NFS, port 700 or another host's address",
        &["--any-registration"],
    ),
    row(Because::Quota, "a user may register without bound", &["--max-per-uid", "100000"]),
    row(Because::Dead, "a service that has died is advertised for ever", &["--no-prune"]),
    row(Because::LargeDatagram, "a large list goes over UDP to anybody", &["--udp-dump", "full"]),
];

/// What nobody wants back: no answer, a connection that is lost, an answer that leads nowhere.
pub(crate) const FAULTS: [Difference; 12] = [
    row(Because::RpcVersion, "no answer to a version of RPC other than 2", &[]),
    row(Because::NoCall, "a record without a whole header ends the connection", &[]),
    row(Because::Fragments, "so does one of two fragments, or of more than 9,000 bytes", &[]),
    row(Because::CutDatagram, "what a datagram lacks is taken from the one before it", &[]),
    row(
        Because::UnknownTransport,
        "GETADDRLIST has no answer if the service is registered over a transport that is not in \
         netconfig(5)",
        &[],
    ),
    row(Because::TooLarge, "version 2: no answer if a list does not fit a datagram", &[]),
    row(
        Because::AnotherNetwork,
        "a caller that does not name an address of this host is told that of the first interface",
        &[],
    ),
    row(
        Because::Text,
        "control characters, and text of any length, are registered and listed",
        &[],
    ),
    row(Because::BadPort, "version 2: port 70000 is registered as 4464", &[]),
    row(Because::Foreign, "version 2: UNSET of what is another's says yes", &[]),
    row(
        Because::Mixed,
        "UNSET of all transports removes those that come before another's, and says no",
        &[],
    ),
    row(Because::Case, "UNSET of `TCP` leaves what was `tcp` in version 2's list", &[]),
];
