//! Whether what is registered answers: procedure 0 is called of each, all at once.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::Entry;
use farcall::proto::message::{AcceptStatus, RejectStatus};
use farcall::{Error, Refusal};

use crate::place::{self, Place};
use crate::portmapper::Asked;

/// How long an answer may take, even if others are waited for longer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long all may take together, however many there are. Those that have no turn are not called.
const IN_ALL: Duration = Duration::from_secs(5);

/// How many are called at once.
const AT_ONCE: usize = 16;

/// What came of a call to a registered service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It was not called: it is not to be reached from here, or there was no time.
    Unknown,
    /// It answered, in this time.
    Answers(Duration),
    /// It did not, and how.
    Fails(String),
}

/// The health of all that is registered there, in the same order.
pub(crate) fn of_all(asked: &Asked, entries: &[Entry]) -> Vec<Health> {
    let (next, until) = (AtomicUsize::new(0), Instant::now() + IN_ALL);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(at) else { return found };
            found.push((at, of(asked, entry, until)));
        }
    };
    let mut all = vec![Health::Unknown; entries.len()];
    thread::scope(|scope| {
        // Where the system has no more threads, fewer do.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (1..AT_ONCE.min(entries.len())).filter_map(spawn).collect();
        let mut found = work();
        for worker in workers {
            found.extend(worker.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        }
        for (at, health) in found {
            all[at] = health;
        }
    });
    all
}

fn of(asked: &Asked, entry: &Entry, until: Instant) -> Health {
    let left = until.saturating_duration_since(Instant::now());
    let Some(place) = Place::of(entry, asked.remote()).filter(|_| !left.is_zero()) else {
        return Health::Unknown;
    };
    let timeout = asked.timeout.min(PATIENCE).min(left);
    match place::null(&place, entry.program, entry.version, timeout) {
        Ok(took) => Health::Answers(took),
        Err(error) => Health::Fails(brief(&error, place.is_stream())),
    }
}

/// What fits into a column. `rpcutil doctor` says more.
fn brief(error: &Error, is_stream: bool) -> String {
    match error {
        error if is_stream && place::hangs_up(error) => "hangs up".to_owned(),
        Error::TimedOut { after, sent: 0 | 1 } => {
            format!("no reply ({:.1}s)", after.as_secs_f64())
        }
        Error::TimedOut { after, sent } => {
            format!("no reply ({sent} tries, {:.1}s)", after.as_secs_f64())
        }
        Error::Unreachable { .. } => "nobody listens".to_owned(),
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody listens".to_owned()
        }
        Error::Io { .. } => "not reached".to_owned(),
        Error::Refused {
            refusal: Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }),
            ..
        } => {
            format!("has versions {low}-{high}")
        }
        Error::Refused { refusal: Refusal::Accepted(AcceptStatus::ProgUnavail), .. } => {
            "another program".to_owned()
        }
        Error::Refused { refusal: Refusal::Denied(RejectStatus::AuthError(_)), .. }
        | Error::Auth(_) => "refuses callers".to_owned(),
        Error::Refused { .. } => "refuses the call".to_owned(),
        _ => "no proper reply".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use farcall::proto::message::AuthStatus;
    use farcall::{Doing, Version};

    use super::*;

    #[test]
    fn how_it_fails_is_a_few_words() {
        let silent = |sent| Error::TimedOut { after: PATIENCE, sent };
        let io = |kind: ErrorKind| Error::Io { doing: Doing::Connect, source: kind.into() };
        let accepted = |status| Error::from(Refusal::Accepted(status));
        let (low, high) = (Version(2), Version(4));
        let auth = RejectStatus::AuthError(AuthStatus::TooWeak);
        let table = [
            (silent(1), false, "no reply (1.5s)"),
            (silent(3), false, "no reply (3 tries, 1.5s)"),
            (silent(1), true, "no reply (1.5s)"),
            (silent(3), true, "hangs up"),
            (Error::Unreachable { sent: 1, alone: true }, false, "nobody listens"),
            (io(ErrorKind::ConnectionRefused), true, "nobody listens"),
            (io(ErrorKind::NetworkUnreachable), true, "not reached"),
            (accepted(AcceptStatus::ProgMismatch { low, high }), true, "has versions 2-4"),
            (accepted(AcceptStatus::ProgUnavail), false, "another program"),
            (accepted(AcceptStatus::SystemErr), false, "refuses the call"),
            (Error::from(Refusal::Denied(auth)), true, "refuses callers"),
        ];
        for (error, is_stream, text) in table {
            assert_eq!(brief(&error, is_stream), text, "{error}");
        }
    }
}
