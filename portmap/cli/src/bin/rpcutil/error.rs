//! Why a command failed, and the exit status that it makes.

use std::fmt;
use std::io;

use farcall::Error;

/// What the manual says about each exit status.
pub(crate) const STATUSES: [(u8, &str); 4] = [
    (0, "fine"),
    (1, "the answer is no: not registered, refused, not accepted"),
    (2, "wrong usage"),
    (3, "no answer"),
];

/// Why a command of the tool failed, by what its exit status says.
#[derive(Debug)]
pub(crate) enum ToolError {
    /// The answer is no: status 1.
    No(String),
    /// A call failed: status 1 if the server answered, 3 if nobody did.
    Call {
        /// What was asked.
        asked: String,
        /// How it failed.
        error: Error,
    },
    /// Nobody answered: status 3.
    Silence(String),
    /// What is wrong has been printed.
    Shown {
        /// The exit status that it makes.
        status: u8,
    },
    /// The result could not be printed: status 1.
    Output(io::Error),
}

impl ToolError {
    pub(crate) fn portmapper(asked: &str, error: Error) -> Self {
        Self::Call { asked: format!("portmapper at {asked}"), error }
    }

    /// The exit status: 1 for a no, 3 if nobody answered.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Call { error, .. } => status_of(error),
            Self::Silence(_) => 3,
            Self::Shown { status } => *status,
            Self::No(_) | Self::Output(_) => 1,
        }
    }
}

/// 3 if nobody answered.
pub(crate) fn status_of(error: &Error) -> u8 {
    match error {
        Error::TimedOut { .. }
        | Error::Unreachable { .. }
        | Error::Disconnected { .. }
        | Error::Io { .. } => 3,
        _ => 1,
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(text) | Self::Silence(text) => f.write_str(text),
            Self::Call { asked, error } => write!(f, "{asked}: {error}"),
            Self::Shown { .. } => f.write_str("see above"),
            Self::Output(error) => write!(f, "cannot print: {error}"),
        }
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farcall::proto::message::AcceptStatus;
    use farcall::{Doing, Refusal, Version};

    use super::*;

    #[test]
    fn the_status_says_whether_anybody_answered() {
        let status = |error| ToolError::Call { asked: "h".to_owned(), error }.status();
        let (low, high) = (Version(2), Version(4));
        let mismatch = Refusal::Accepted(AcceptStatus::ProgMismatch { low, high });
        assert_eq!(status(mismatch.into()), 1);
        assert_eq!(status(Error::TimedOut { after: Duration::from_secs(1), sent: 1 }), 3);
        assert_eq!(status(Error::Unreachable { sent: 1, alone: true }), 3);
        let refused = io::ErrorKind::ConnectionRefused.into();
        assert_eq!(status(Error::Io { doing: Doing::Connect, source: refused }), 3);
        assert_eq!(ToolError::No("no".to_owned()).status(), 1);
    }
}
