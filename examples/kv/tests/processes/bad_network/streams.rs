//! A network between a client and a server that splits streams, stalls them and cuts them.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use farcall::proto::xid::Random;
use nix::poll::{PollFd, PollFlags};
use socket2::{Domain, SockRef, Socket, Type};

use super::proxy::{self, Proxy};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Bytes that arrive together, at most.
const PIECE: u64 = 7;
/// After one piece of so many nothing more comes for a while. So often in all.
const STALLS_EVERY: u64 = 40;
const STALLS: u32 = 8;
/// How long at least, and up to three times as long.
const STALL: Duration = Duration::from_millis(100);
/// A connection is cut after at most so many bytes of one direction.
const CUT_WITHIN: u64 = 600;

/// What it did to the streams.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) pieces: u32,
    pub(super) stalls: u32,
    pub(super) cuts: u32,
    /// Addresses that connections came from.
    pub(super) sources: usize,
}

/// Connects whoever connects to the server at `server`. The first `cuts` connections are cut in
/// the middle of a record.
pub(super) fn start(server: SocketAddr, cuts: u32, seed: u64) -> Proxy<Tally> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("an address");
    let network = Network {
        listener,
        server,
        sources: Vec::new(),
        connections: Vec::new(),
        random: Random::new(seed),
        cuts,
        tally: Tally::default(),
    };
    Proxy::start(addr, |end| network.carry(&end))
}

struct Network {
    listener: TcpListener,
    server: SocketAddr,
    /// Clients, and the address that the server knows each of them by.
    sources: Vec<(SocketAddr, SocketAddr)>,
    connections: Vec<Connection>,
    random: Random,
    /// Connections still to be cut.
    cuts: u32,
    tally: Tally,
}

struct Connection {
    /// To the client and to the server.
    ends: [TcpStream; 2],
    /// What came from either of them.
    ways: [Way; 2],
    /// Which of the two ways is cut, and after how many bytes.
    cut: Option<(usize, u64)>,
}

/// What is under way in one direction.
struct Way {
    waiting: VecDeque<u8>,
    /// When the next piece arrives.
    ready: Instant,
    ended: bool,
    carried: u64,
    records: Records,
}

/// Where in a record a stream is.
#[derive(Default)]
struct Records {
    mark: u32,
    mark_len: u32,
    left: u32,
}

impl Network {
    fn carry(mut self, end: &UnixStream) -> Tally {
        while self.wait(end) {
            self.accept();
            let connections = std::mem::take(&mut self.connections);
            for mut connection in connections {
                if self.turn(&mut connection).unwrap_or(false) {
                    self.connections.push(connection);
                }
            }
        }
        self.tally.sources = self.sources.len();
        self.tally
    }

    /// Waits until something is to be done. False at the end.
    fn wait(&self, end: &UnixStream) -> bool {
        let mut fds = vec![PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        let mut next = None;
        for Connection { ends, ways, .. } in &self.connections {
            for (end, way) in ends.iter().zip(ways) {
                match way.waiting.is_empty() {
                    true if way.ended => {}
                    true => fds.push(PollFd::new(end.as_fd(), PollFlags::POLLIN)),
                    false => next = next.into_iter().chain([way.ready]).min(),
                }
            }
        }
        proxy::wait(end, fds, next)
    }

    fn accept(&mut self) {
        while let Ok((client, addr)) = self.listener.accept() {
            // A client that cannot be connected is one whose connection was cut at once.
            let Ok(server) = self.connect(addr) else { continue };
            let ends = [client, server];
            for end in &ends {
                end.set_nonblocking(true).expect("a socket");
                end.set_nodelay(true).expect("a socket");
            }
            let cut = self.cuts.checked_sub(1).map(|left| {
                self.cuts = left;
                let way = usize::from(self.random.u64().is_multiple_of(2));
                (way, 1 + self.random.u64() % CUT_WITHIN)
            });
            self.connections.push(Connection { ends, ways: [Way::new(), Way::new()], cut });
        }
    }

    /// Connects to the server, from the same port for the same client: so a server knows it.
    fn connect(&mut self, client: SocketAddr) -> io::Result<TcpStream> {
        let known = self.sources.iter().find(|(known, _)| *known == client);
        let local = known.map_or(ANY_PORT, |&(_, local)| local);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        socket.connect(&self.server.into())?;
        let stream = TcpStream::from(socket);
        if known.is_none() {
            self.sources.push((client, stream.local_addr()?));
        }
        Ok(stream)
    }

    /// Goes on with a connection. False when there is nothing more of it.
    fn turn(&mut self, connection: &mut Connection) -> io::Result<bool> {
        for from in [0, 1] {
            let Connection { ends, ways, cut } = connection;
            let way = &mut ways[from];
            way.take_in(&ends[from])?;
            if way.waiting.is_empty() || way.ready > Instant::now() {
                continue;
            }
            way.carry(&ends[1 - from], 1 + self.random.u64() % PIECE)?;
            self.tally.pieces += 1;
            if cut.is_some_and(|(which, at)| which == from && way.is_to_be_cut(at)) {
                self.cut(ends);
                return Ok(false);
            }
            if way.waiting.is_empty() && way.ended {
                ends[1 - from].shutdown(Shutdown::Write)?;
            }
            self.stall(way);
        }
        let is_over = |way: &Way| way.ended && way.waiting.is_empty();
        Ok(!connection.ways.iter().all(is_over))
    }

    fn stall(&mut self, way: &mut Way) {
        if self.tally.stalls < STALLS && self.random.u64().is_multiple_of(STALLS_EVERY) {
            self.tally.stalls += 1;
            way.ready = Instant::now() + STALL + proxy::up_to(STALL * 2, &mut self.random);
        }
    }

    /// Both ends see that the connection is gone: the server by a reset, which leaves the port free
    /// for the next connection, the client by a reset or by an end.
    fn cut(&mut self, [client, server]: &[TcpStream; 2]) {
        self.tally.cuts += 1;
        let reset = |end| SockRef::from(end).set_linger(Some(Duration::ZERO)).expect("a socket");
        reset(server);
        if self.random.u64().is_multiple_of(2) {
            reset(client);
        }
    }
}

impl Way {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            ready: Instant::now(),
            ended: false,
            carried: 0,
            records: Records::default(),
        }
    }

    /// Takes more when what there was has arrived.
    fn take_in(&mut self, mut end: &TcpStream) -> io::Result<()> {
        if !self.waiting.is_empty() || self.ended {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match end.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(n) => self.waiting.extend(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn carry(&mut self, mut to: &TcpStream, most: u64) -> io::Result<()> {
        let most = self.waiting.len().min(usize::try_from(most).expect("few"));
        let piece: Vec<u8> = self.waiting.drain(..most).collect();
        // So few bytes that there is always room for them: the calls are small.
        to.write_all(&piece)?;
        self.carried += u64::try_from(most).expect("few");
        piece.iter().for_each(|&byte| self.records.pass(byte));
        Ok(())
    }

    fn is_to_be_cut(&self, at: u64) -> bool {
        self.carried >= at && self.records.is_inside()
    }
}

impl Records {
    fn pass(&mut self, byte: u8) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        self.mark = self.mark << 8 | u32::from(byte);
        self.mark_len += 1;
        if self.mark_len == 4 {
            // Without the bit that says that it is the last fragment.
            *self = Self { left: self.mark & (u32::MAX >> 1), ..Self::default() };
        }
    }

    fn is_inside(&self) -> bool {
        self.mark_len > 0 || self.left > 0
    }
}
