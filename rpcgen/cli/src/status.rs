//! Exit statuses.

use std::process::ExitCode;

use farcall_rpcgen::Error;

/// How a command ended. Of several, the last in this order is the command's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// All is well.
    Done,
    /// Something was found that is to be mended: a stale file, or what a check is for.
    Found,
    /// There are errors in a file; nothing is written.
    Failed,
    /// A file cannot be read or written.
    Io,
    /// The command was not used as it should be.
    Usage,
}

/// What the manual says about each.
pub(crate) const MEANINGS: [(Status, &str); 5] = [
    (Status::Done, "done"),
    (Status::Failed, "errors in a file; nothing is written"),
    (Status::Usage, "wrong usage"),
    (Status::Io, "a file cannot be read or written"),
    (Status::Found, "found by build --check, check --deny-warnings, fmt --check, lint or breaking"),
];

/// The same for `--help`.
pub(crate) fn help() -> String {
    let line = |(status, meaning): &(Status, &str)| format!("\n  {}  {meaning}", status.code());
    MEANINGS.iter().fold("Exit status:".to_owned(), |text, one| text + &line(one))
}

impl Status {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Io => 3,
            Self::Found => 4,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

impl From<&Error> for Status {
    fn from(error: &Error) -> Self {
        match error {
            Error::Read { .. } | Error::Write { .. } => Self::Io,
            Error::Source(_) | Error::Bug(_) => Self::Failed,
            // Options that do not fit the file.
            _ => Self::Usage,
        }
    }
}
