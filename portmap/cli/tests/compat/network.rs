//! The host that is asked, its network, and who asks from where.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use farcall::bind::Uaddr;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Uid, seteuid};
use socket2::{Domain, Socket, Type};

use crate::script::{REGISTERED, TAKEN};
use crate::support::port111::{NO_PROGRAM, SOCKET};
use crate::support::words;

/// A host with two networks, a tunnel and an interface that is down; another host in one of the
/// networks, which is also the way to a third.
const SET_UP: &str = "
    set -e
    ip netns add elsewhere
    ip link add v0 index 11 type veth peer name v1 index 12 netns elsewhere
    ip addr add 192.0.2.7/24 dev v0
    ip addr add 2001:db8::7/64 dev v0 nodad
    ip addr add fe80::7/64 dev v0 nodad
    ip link set v0 addrgenmode none up
    ip -n elsewhere addr add 192.0.2.99/24 dev v1
    ip -n elsewhere addr add 203.0.113.9/32 dev v1
    ip -n elsewhere addr add 2001:db8::99/64 dev v1 nodad
    ip -n elsewhere addr add fe80::99/64 dev v1 nodad
    ip -n elsewhere link set lo up
    ip -n elsewhere link set v1 addrgenmode none up
    ip route add 203.0.113.0/24 dev v0
    ip -n elsewhere route add default via 192.0.2.7
    ip -n elsewhere route add default via 2001:db8::7
    ip link add d0 index 10 type bridge
    ip addr add 10.1.0.7/16 dev d0
    ip link set d0 addrgenmode none
    ip addr add 2001:db8:1::7/64 dev d0 nodad
    ip link set d0 up
    ip link add d1 type bridge
    ip addr add 10.2.0.7/16 dev d1
    ip tuntap add mode tun p0
    ip addr add 10.8.0.2 peer 10.8.0.1 dev p0
    ip link set p0 up
";

pub(crate) fn set_up() {
    let status = Command::new("sh").args(["-c", SET_UP]).status();
    assert!(status.expect("sh").success(), "the network cannot be set up");
}

/// Who asks, and how: over UDP and TCP from the first address to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Udp(&'static str, &'static str),
    Tcp(&'static str, &'static str),
    /// In a record of two fragments.
    Pieces(&'static str, &'static str),
    /// From the other host.
    FarUdp(&'static str, &'static str),
    FarTcp(&'static str, &'static str),
    /// Over the Unix socket, as a user.
    Unix(u32),
}

pub(crate) const UDP: Caller = Caller::Udp("127.0.0.1:0", "127.0.0.1:111");
pub(crate) const TCP: Caller = Caller::Tcp("127.0.0.1:0", "127.0.0.1:111");
pub(crate) const UDP6: Caller = Caller::Udp("[::1]:0", "[::1]:111");
pub(crate) const TCP6: Caller = Caller::Tcp("[::1]:0", "[::1]:111");
pub(crate) const PIECES: Caller = Caller::Pieces("127.0.0.1:0", "127.0.0.1:111");
/// From ports that only root has.
pub(crate) const RESERVED: Caller = Caller::Udp("127.0.0.1:777", "127.0.0.1:111");
pub(crate) const RESERVED_UDP6: Caller = Caller::Udp("[::1]:777", "[::1]:111");
pub(crate) const UNIX: Caller = Caller::Unix(0);
pub(crate) const USER: Caller = Caller::Unix(1234);
/// This host, by another address of loopback, and by its own in a network.
pub(crate) const NEAR: Caller = Caller::Udp("127.0.0.2:0", "127.0.0.1:111");
pub(crate) const OWN: Caller = Caller::Udp("192.0.2.7:0", "192.0.2.7:111");
/// The other host, in this one's network.
pub(crate) const FAR_UDP: Caller = Caller::FarUdp("192.0.2.99:700", "192.0.2.7:111");
pub(crate) const FAR_TCP: Caller = Caller::FarTcp("192.0.2.99:0", "10.1.0.7:111");
pub(crate) const FAR_UDP6: Caller = Caller::FarUdp("[2001:db8::99]:0", "[2001:db8::7]:111");
pub(crate) const FAR_TCP6: Caller = Caller::FarTcp("[2001:db8::99]:0", "[2001:db8:1::7]:111");
pub(crate) const LINK_LOCAL: Caller = Caller::FarTcp("[fe80::99%12]:0", "[fe80::7%12]:111");
/// The other host, in a network behind a router.
pub(crate) const ROUTED: Caller = Caller::FarTcp("203.0.113.9:0", "192.0.2.7:111");

/// What comes back of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Reply(Vec<u8>),
    /// Another call after it is answered, and it is not.
    Nothing,
    /// The connection was closed.
    Closed,
}

/// The xid of the call that follows each.
const NEXT: u32 = 0x0bad_cafe;
/// As long as an answer may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

impl Caller {
    /// Sends a message and hears what comes of it, which may be nothing unless it `is_answered`.
    pub(crate) fn ask(self, message: &[u8], is_answered: bool) -> Heard {
        let heard = match self {
            Self::Udp(from, to) => datagrams(&udp(from), to, message, is_answered),
            Self::FarUdp(from, to) => datagrams(&elsewhere(|| udp(from)), to, message, is_answered),
            Self::Tcp(from, to) => records(tcp(from, to), message, is_answered),
            Self::FarTcp(from, to) => records(elsewhere(|| tcp(from, to)), message, is_answered),
            Self::Unix(uid) => records(unix(uid), message, is_answered),
            Self::Pieces(from, to) => pieces(tcp(from, to), message),
        };
        heard.unwrap_or_else(|error| panic!("{self:?}: {error} after {message:x?}"))
    }
}

/// A connection, or a socket with an address to send to.
trait Channel {
    fn send(&mut self, message: &[u8]) -> io::Result<()>;
    fn receive(&mut self) -> io::Result<Vec<u8>>;
}

/// Nothing has come if a call after it is answered, and another one when the daemon has turned to
/// somebody else meanwhile: what is not answered at once is answered before that.
fn heard(channel: &mut impl Channel, message: &[u8], is_answered: bool) -> io::Result<Heard> {
    channel.send(message)?;
    if is_answered {
        return channel.receive().map(Heard::Reply);
    }
    for _ in 0..2 {
        channel.send(&next())?;
        let reply = channel.receive()?;
        if !is_next(&reply) {
            // Whoever has the address next is not to hear the other reply.
            channel.receive()?;
            return Ok(Heard::Reply(reply));
        }
        let mut another = Records(unix(0));
        another.send(&next())?;
        assert!(is_next(&another.receive()?));
    }
    Ok(Heard::Nothing)
}

/// A call that is not counted.
fn next() -> Vec<u8> {
    words(&[NEXT, 0, 2, NO_PROGRAM, 0, 0, 0, 0, 0, 0])
}

fn is_next(reply: &[u8]) -> bool {
    reply == words(&[NEXT, 1, 0, 0, 0, 1])
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn udp(from: &str) -> UdpSocket {
    let socket = UdpSocket::bind(addr(from)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

fn tcp(from: &str, to: &str) -> TcpStream {
    let (from, to) = (addr(from), addr(to));
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("before it is bound");
    socket.bind(&from.into()).expect("a free port");
    socket.connect(&to.into()).expect("somebody listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.into()
}

fn unix(uid: u32) -> UnixStream {
    // Who connects is noted then.
    seteuid(Uid::from_raw(uid)).expect("root may");
    let stream = UnixStream::connect(SOCKET).expect("somebody listens");
    seteuid(Uid::from_raw(0)).expect("it was root");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// On the other host. A socket stays where it was made.
fn elsewhere<T: Send>(make: impl FnOnce() -> T + Send) -> T {
    let host = File::open("/run/netns/elsewhere").expect("it is set up");
    thread::scope(|scope| {
        let made = scope.spawn(move || {
            setns(host, CloneFlags::CLONE_NEWNET).expect("root may");
            make()
        });
        made.join().expect("no panic")
    })
}

struct Datagrams<'a>(&'a UdpSocket, SocketAddr);

impl Channel for Datagrams<'_> {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.0.send_to(message, self.1).map(drop)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let len = self.0.recv(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }
}

fn datagrams(socket: &UdpSocket, to: &str, message: &[u8], is_answered: bool) -> io::Result<Heard> {
    heard(&mut Datagrams(socket, addr(to)), message, is_answered)
}

/// The last fragment of a record.
const LAST: u32 = 0x8000_0000;

struct Records<S>(S);

impl<S: Read + Write> Records<S> {
    fn send_fragment(&mut self, fragment: &[u8], last: u32) -> io::Result<()> {
        let mark = last | u32::try_from(fragment.len()).expect("a short one");
        self.0.write_all(&[&mark.to_be_bytes(), fragment].concat())
    }
}

impl<S: Read + Write> Channel for Records<S> {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.send_fragment(message, LAST)
    }

    /// All fragments of a record.
    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut record = Vec::new();
        loop {
            let mut mark = [0; 4];
            self.0.read_exact(&mut mark)?;
            let mark = u32::from_be_bytes(mark);
            let len = usize::try_from(mark & !LAST).expect("32 bits");
            let start = record.len();
            record.resize(start + len, 0);
            self.0.read_exact(&mut record[start..])?;
            if mark & LAST != 0 {
                return Ok(record);
            }
        }
    }
}

fn records(stream: impl Read + Write, message: &[u8], is_answered: bool) -> io::Result<Heard> {
    closed(heard(&mut Records(stream), message, is_answered))
}

fn pieces(stream: impl Read + Write, message: &[u8]) -> io::Result<Heard> {
    let (first, second) = message.split_at(20);
    let mut records = Records(stream);
    records.send_fragment(first, 0)?;
    records.send_fragment(second, LAST)?;
    closed(records.receive().map(Heard::Reply))
}

fn closed(heard: io::Result<Heard>) -> io::Result<Heard> {
    match heard {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(Heard::Closed),
        heard => heard,
    }
}

/// Whoever has the addresses that are registered all the time.
pub(crate) struct Services(#[allow(dead_code)] Vec<Socket>);

impl Services {
    pub(crate) fn start() -> Self {
        let mut sockets = Vec::new();
        let registered = REGISTERED.map(|(_, _, _, netid, address)| (netid, address));
        for (netid, address) in registered.into_iter().chain(TAKEN) {
            let Ok(Uaddr::Ip(addr)) = address.parse() else { continue };
            let ty = if netid.starts_with("tcp") { Type::STREAM } else { Type::DGRAM };
            let socket = Socket::new(Domain::for_address(addr), ty, None).expect("a socket");
            if addr.is_ipv6() {
                socket.set_only_v6(true).expect("before it is bound");
            }
            socket.bind(&addr.into()).expect("a free port");
            if ty == Type::STREAM {
                socket.listen(1).expect("it is bound");
            }
            sockets.push(socket);
        }
        Self(sockets)
    }
}
