//! Where virtual time starts in the tests of the protocol, which has no clock of its own.

use std::time::Instant;

/// An instant, any one.
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
