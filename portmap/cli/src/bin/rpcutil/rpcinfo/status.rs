//! How a call or a connection failed, in the words of C's library.

use std::io;

use farcall::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
use farcall::{Doing, Error, Refusal};
use nix::errno::Errno;

/// `enum clnt_stat`, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    CantEncodeArgs,
    CantDecodeRes,
    CantSend(Errno),
    CantRecv(Errno),
    TimedOut,
    VersMismatch {
        low: u32,
        high: u32,
    },
    AuthError(u32),
    ProgUnavail,
    ProgVersMismatch {
        low: u32,
        high: u32,
    },
    ProcUnavail,
    CantDecodeArgs,
    SystemError(Errno),
    UnknownHost,
    PmapFailure(Box<Self>),
    ProgNotRegistered,
    UnknownProto,
    /// What the C library has a number for but no words: an address that it cannot translate.
    Wordless,
}

impl Status {
    /// Of a connection that could not be made.
    pub(super) fn of_connect(error: &Error) -> Self {
        match error {
            Error::TimedOut { .. } => Self::SystemError(Errno::ETIMEDOUT),
            // A server at port 0, where nobody can listen.
            Error::BadTarget(_) => Self::SystemError(Errno::ECONNREFUSED),
            other => Self::of_call(other),
        }
    }

    /// Of a call.
    pub(super) fn of_call(error: &Error) -> Self {
        match error {
            Error::Encode(_) | Error::TooLarge { .. } => Self::CantEncodeArgs,
            Error::Decode(_) => Self::CantDecodeRes,
            Error::Refused { refusal: Refusal::Accepted(status), .. } => Self::accepted(*status),
            Error::Refused {
                refusal: Refusal::Denied(RejectStatus::RpcMismatch { low, high }),
                ..
            } => Self::VersMismatch { low: *low, high: *high },
            Error::Refused {
                refusal: Refusal::Denied(RejectStatus::AuthError(status)), ..
            }
            | Error::Auth(status) => Self::AuthError(status.to_wire()),
            Error::TimedOut { .. } => Self::TimedOut,
            Error::Unreachable { .. } => Self::CantRecv(Errno::ECONNREFUSED),
            Error::Disconnected { .. } => Self::CantRecv(Errno::ECONNRESET),
            Error::NotRegistered { .. } => Self::ProgNotRegistered,
            Error::Io { doing: Doing::Resolve, .. } => Self::UnknownHost,
            Error::Io { doing: Doing::Send, source } => Self::CantSend(errno(source)),
            Error::Io { source, .. } => Self::SystemError(errno(source)),
            _ => Self::UnknownProto,
        }
    }

    fn accepted(status: AcceptStatus) -> Self {
        match status {
            AcceptStatus::ProgUnavail => Self::ProgUnavail,
            AcceptStatus::ProgMismatch { low, high } => {
                Self::ProgVersMismatch { low: low.0, high: high.0 }
            }
            AcceptStatus::ProcUnavail => Self::ProcUnavail,
            AcceptStatus::GarbageArgs => Self::CantDecodeArgs,
            // A success is no error; there is nothing better to make of it.
            AcceptStatus::SystemErr | AcceptStatus::Success => {
                Self::SystemError(Errno::UnknownErrno)
            }
        }
    }

    /// clnt_sperrno(3).
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::CantEncodeArgs => "RPC: Can't encode arguments",
            Self::CantDecodeRes => "RPC: Can't decode result",
            Self::CantSend(_) => "RPC: Unable to send",
            Self::CantRecv(_) => "RPC: Unable to receive",
            Self::TimedOut => "RPC: Timed out",
            Self::VersMismatch { .. } => "RPC: Incompatible versions of RPC",
            Self::AuthError(_) => "RPC: Authentication error",
            Self::ProgUnavail => "RPC: Program unavailable",
            Self::ProgVersMismatch { .. } => "RPC: Program/version mismatch",
            Self::ProcUnavail => "RPC: Procedure unavailable",
            Self::CantDecodeArgs => "RPC: Server can't decode arguments",
            Self::SystemError(_) => "RPC: Remote system error",
            Self::UnknownHost => "RPC: Unknown host",
            Self::PmapFailure(_) => "RPC: Port mapper failure",
            Self::ProgNotRegistered => "RPC: Program not registered",
            Self::UnknownProto => "RPC: Unknown protocol",
            Self::Wordless => "RPC: (unknown error code)",
        }
    }

    /// clnt_sperror(3): of a call.
    pub(super) fn of_a_call(&self, who: &str) -> String {
        let words = self.words();
        match self {
            Self::CantSend(errno) | Self::CantRecv(errno) => {
                format!("{who}: {words}; errno = {}", describe(*errno))
            }
            Self::VersMismatch { low, high } | Self::ProgVersMismatch { low, high } => {
                format!("{who}: {words}; low version = {low}, high version = {high}")
            }
            Self::AuthError(why) => format!("{who}: {words}; why = {}", why_not(*why)),
            _ => format!("{who}: {words}"),
        }
    }

    /// clnt_spcreateerror(3): of what precedes a call.
    pub(super) fn of_a_connection(&self, who: &str) -> String {
        let words = self.words();
        match self {
            Self::SystemError(errno) => format!("{who}: {words} - {}", describe(*errno)),
            Self::PmapFailure(cause) => {
                let cause_words = cause.words().trim_start_matches("RPC: ");
                let errno = match **cause {
                    Self::CantSend(errno) | Self::CantRecv(errno) => {
                        format!(": errno {} ({})", errno as i32, describe(errno))
                    }
                    _ => String::new(),
                };
                format!("{who}: {words} - {cause_words}{errno}")
            }
            _ => format!("{who}: {words}"),
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw(number),
        (None, io::ErrorKind::TimedOut) => Errno::ETIMEDOUT,
        (None, _) => Errno::UnknownErrno,
    }
}

/// strerror(3), which knows 0 as well.
fn describe(errno: Errno) -> &'static str {
    if errno == Errno::UnknownErrno { "Success" } else { errno.desc() }
}

fn why_not(status: u32) -> String {
    let named = [
        (AuthStatus::BadCred, "Invalid client credential"),
        (AuthStatus::RejectedCred, "Server rejected credential"),
        (AuthStatus::BadVerf, "Invalid client verifier"),
        (AuthStatus::RejectedVerf, "Server rejected verifier"),
        (AuthStatus::TooWeak, "Client credential too weak"),
        (AuthStatus::InvalidResp, "Invalid server verifier"),
        (AuthStatus::Failed, "Failed (unspecified error)"),
    ];
    let found = named.iter().find(|(named, _)| named.to_wire() == status);
    match found {
        Some((_, words)) => (*words).to_owned(),
        None if status == 0 => "Authentication OK".to_owned(),
        None => format!("(unknown authentication error - {})", status.cast_signed()),
    }
}

#[cfg(test)]
mod tests {
    use farcall::Version;

    use super::*;

    #[test]
    fn a_call_fails_in_the_words_of_c() {
        let (low, high) = (Version(2), Version(4));
        let denied = |status| Refusal::Denied(RejectStatus::AuthError(status)).into();
        let table: [(Error, &str); 7] = [
            (
                Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }).into(),
                "RPC: Program/version mismatch; low version = 2, high version = 4",
            ),
            (Refusal::Accepted(AcceptStatus::SystemErr).into(), "RPC: Remote system error"),
            (
                denied(AuthStatus::TooWeak),
                "RPC: Authentication error; why = Client credential too weak",
            ),
            (
                denied(AuthStatus::Other(99)),
                "RPC: Authentication error; why = (unknown authentication error - 99)",
            ),
            (
                Error::Unreachable { sent: 1, alone: true },
                "RPC: Unable to receive; errno = Connection refused",
            ),
            (
                Error::Disconnected { sent: 1 },
                "RPC: Unable to receive; errno = Connection reset by peer",
            ),
            (
                Error::NotAccepted { program: farcall::Program(1), version: low },
                "RPC: Unknown protocol",
            ),
        ];
        for (error, words) in table {
            assert_eq!(Status::of_call(&error).of_a_call("x"), format!("x: {words}"));
        }
    }

    #[test]
    fn a_connection_fails_in_the_words_of_c() {
        let source = io::Error::from_raw_os_error(111);
        let refused = Error::Io { doing: Doing::Connect, source };
        let text = |status: &Status| status.of_a_connection("h");
        let status = Status::of_connect(&refused);
        assert_eq!(text(&status), "h: RPC: Remote system error - Connection refused");
        let failure = |cause| Status::PmapFailure(Box::new(cause));
        assert_eq!(
            text(&failure(Status::CantRecv(Errno::ECONNREFUSED))),
            "h: RPC: Port mapper failure - Unable to receive: errno 111 (Connection refused)"
        );
        assert_eq!(
            text(&failure(Status::ProgUnavail)),
            "h: RPC: Port mapper failure - Program unavailable"
        );
    }
}
