use std::time::Duration;

use super::{Context, Fault};

/// Sees every call to a server's services on its way in, and its outcome on the way out: for
/// logging, authorisation and measuring that is written once.
///
/// It runs on the thread that reads calls, so it must not wait. It sees what is executed: not the
/// calls that are refused by their header, not repeats answered from the duplicate request cache,
/// and not procedure 0, unless the service has its own.
pub trait Interceptor: Send + Sync + 'static {
    /// A call is about to be executed.
    ///
    /// # Errors
    /// It is not executed, and answered with this.
    fn before(&self, cx: &Context) -> Result<(), Fault> {
        let _ = cx;
        Ok(())
    }

    /// A call that [`before`](Self::before) let through has ended, answered later or not. Of
    /// several interceptors the last is told first. `took` is the time since it was read.
    fn after(&self, cx: &Context, outcome: Result<(), Fault>, took: Duration) {
        let _ = (cx, outcome, took);
    }
}
