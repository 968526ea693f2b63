//! What `rpcutil` does, apart from its command line.

mod list;
mod ping;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use farcall::{Doing, Error};

pub use list::list;
pub use ping::{Ping, ping};

/// Why a command of the tool failed, by what its exit status says.
#[derive(Debug)]
#[non_exhaustive]
pub enum ToolError {
    /// The answer is no: status 1.
    No(String),
    /// A call failed: status 1 if the server answered, 3 if nobody did.
    Call {
        /// What was asked.
        asked: String,
        /// How it failed.
        error: Error,
    },
    /// The result could not be printed: status 1.
    Output(io::Error),
}

impl ToolError {
    /// The exit status: 1 for a no, 3 if nobody answered.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Call { error: Error::TimedOut { .. } | Error::Io { .. }, .. } => 3,
            Self::No(_) | Self::Call { .. } | Self::Output(_) => 1,
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(text) => f.write_str(text),
            Self::Call { asked, error } => write!(f, "{asked}: {error}"),
            Self::Output(error) => write!(f, "cannot print: {error}"),
        }
    }
}

impl std::error::Error for ToolError {}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The first address of a host.
///
/// # Errors
/// The host is not known.
pub fn resolve(host: &str, port: u16) -> Result<SocketAddr, ToolError> {
    let unknown = |source| ToolError::Call {
        asked: host.to_owned(),
        error: Error::Io { doing: Doing::Resolve, source },
    };
    let mut addrs = (host, port).to_socket_addrs().map_err(unknown)?;
    addrs.next().ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farcall::proto::message::AcceptStatus;
    use farcall::{Refusal, Version};

    use super::*;

    #[test]
    fn the_status_says_whether_anybody_answered() {
        let status = |error| ToolError::Call { asked: "h".to_owned(), error }.status();
        let (low, high) = (Version(2), Version(4));
        let mismatch = Refusal::Accepted(AcceptStatus::ProgMismatch { low, high });
        assert_eq!(status(mismatch.into()), 1);
        assert_eq!(status(Error::TimedOut { after: Duration::from_secs(1), sent: 1 }), 3);
        let refused = io::ErrorKind::ConnectionRefused.into();
        assert_eq!(status(Error::Io { doing: Doing::Connect, source: refused }), 3);
        assert_eq!(ToolError::No("no".to_owned()).status(), 1);
        assert_eq!(
            resolve("127.0.0.1", 7).map(|a| a.to_string()).ok().as_deref(),
            Some("127.0.0.1:7")
        );
        let unknown = resolve("", 7).expect_err("no host");
        assert_eq!(unknown.status(), 3);
    }
}
