//! A thread that stands for the network between two processes.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use farcall::proto::xid::Random;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A network that clients find at `addr`, until [`end`](Self::end).
pub(super) struct Proxy<T> {
    pub(super) addr: SocketAddr,
    thread: JoinHandle<T>,
    end: UnixStream,
}

impl<T: Send + 'static> Proxy<T> {
    /// `run` carries what comes to `addr` until [`wait`] says that it is to end.
    pub(super) fn start(
        addr: SocketAddr,
        run: impl FnOnce(UnixStream) -> T + Send + 'static,
    ) -> Self {
        let (end, its_end) = UnixStream::pair().expect("two sockets");
        Self { addr, thread: thread::spawn(|| run(its_end)), end }
    }

    /// What it did.
    pub(super) fn end(self) -> T {
        drop(self.end);
        self.thread.join().expect("the network holds")
    }
}

/// Waits for one of `fds`, at most until `next`. False at the end of the network.
pub(super) fn wait<'a>(
    end: &'a UnixStream,
    mut fds: Vec<PollFd<'a>>,
    next: Option<Instant>,
) -> bool {
    fds.push(PollFd::new(end.as_fd(), PollFlags::POLLIN));
    let left = next.map(|next| next.saturating_duration_since(Instant::now()));
    // Rounded up: to wake up early would be to wake up twice.
    let timeout = left.map(|left| PollTimeout::try_from(left.as_micros().div_ceil(1000)));
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| timeout.expect("not for long"));
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => panic!("poll: {error}"),
    }
    fds.last().and_then(PollFd::revents).is_none_or(|events| events.is_empty())
}

/// Any time below `most`.
pub(super) fn up_to(most: Duration, random: &mut Random) -> Duration {
    most.mul_f64(f64::from(random.u32()) / f64::from(u32::MAX))
}
