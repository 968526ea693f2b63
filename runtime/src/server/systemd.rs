//! Sockets that a supervisor opened before this process, as sd_listen_fds(3) says.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::endpoint::Opening;

/// All that were passed to this process, in the order of the descriptors.
pub(super) fn take_sockets() -> io::Result<Vec<Opening>> {
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|at| take_socket(&mut passed, at)).collect()
}

fn take_socket(passed: &mut ListenFd, at: usize) -> io::Result<Opening> {
    if let Ok(Some(socket)) = passed.take_udp_socket(at) {
        return Ok(Opening::Udp(socket));
    }
    let opening = if let Ok(Some(listener)) = passed.take_tcp_listener(at) {
        must_listen(SockRef::from(&listener).is_listener()?, at)?;
        Opening::Tcp(listener)
    } else if let Ok(Some(listener)) = passed.take_unix_listener(at) {
        must_listen(SockRef::from(&listener).is_listener()?, at)?;
        Opening::Unix(listener)
    } else {
        return Err(unfit(at, "is no UDP, TCP or Unix stream socket"));
    };
    Ok(opening)
}

/// One for each connection (Accept=yes) is nothing to serve on: accept(2) would fail for ever.
fn must_listen(listens: bool, at: usize) -> io::Result<()> {
    if listens { Ok(()) } else { Err(unfit(at, "does not listen")) }
}

fn unfit(at: usize, what: &str) -> io::Error {
    let message = format!("number {} of the descriptors that were passed {what}", at + 1);
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
