//! What a server has registered: on a thread of its own, because the loop must not wait for a
//! portmapper, which may be one that it serves itself.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Server;
use crate::bind::{Portmapper, Registration};
use crate::error::Result;
use crate::net::server::Bell;

/// How long a portmapper is waited for when the server ends, and when it is asked whether it still
/// knows what was registered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Registers, looks after what is registered, and unregisters. Dropped, it waits for the latter.
#[derive(Debug)]
pub(super) struct Registrar {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether everything could be registered, once that is known and until it was asked.
    registered: Option<Result<()>>,
    /// It is to unregister and end.
    leaving: bool,
    /// It has.
    left: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registrar {
    /// Begins to register. `bell` rings when it is done, and when it has left.
    pub(super) fn start(
        portmapper: Portmapper,
        registrations: Vec<Registration>,
        watch: Duration,
        bell: Arc<Bell>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let work = Work { portmapper, registrations, watch, shared: Arc::clone(&shared), bell };
        let builder = thread::Builder::new().name("farcall-registrar".to_owned());
        Ok(Self { shared, thread: Some(builder.spawn(move || work.run())?) })
    }

    /// Tells it to unregister, each time it is called, and says whether it has.
    pub(super) fn leaving(&self) -> impl Fn() -> bool + Send + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let mut state = shared.lock();
            state.leaving = true;
            shared.changed.notify_all();
            state.left
        }
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.leaving()();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, nothing is left to be unregistered by it.
            let _ = thread.join();
        }
    }
}

impl Server {
    /// Serves until everything is registered, or the server was stopped.
    pub(super) fn await_registration(&mut self) -> Result<()> {
        while let Some(registrar) = &self.registrar {
            if let Some(result) = registrar.shared.lock().registered.take() {
                return result;
            }
            if !self.lead.poll_once(None)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What the registrar's thread has.
struct Work {
    portmapper: Portmapper,
    registrations: Vec<Registration>,
    watch: Duration,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
}

impl Work {
    fn run(self) {
        let registered = self.register();
        let failed = registered.is_err();
        self.shared.lock().registered = Some(registered);
        self.bell.ring();
        while !failed && self.wait() {
            if let Err(error) = self.renew() {
                log::debug!("cannot ask the portmapper what is registered: {error}");
            }
        }
        self.unregister();
        self.shared.lock().left = true;
        self.bell.ring();
    }

    fn register(&self) -> Result<()> {
        for registration in &self.registrations {
            // What an earlier run left would refuse the new address.
            let Registration { program, version, netid, .. } = *registration;
            self.portmapper.unset(program, version, Some(netid))?;
            self.portmapper.set(registration)?;
        }
        Ok(())
    }

    /// Waits until it is time to look again. `false` if it is time to leave.
    fn wait(&self) -> bool {
        let stays = |state: &mut State| !state.leaving;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), self.watch, stays);
        !waited.unwrap_or_else(PoisonError::into_inner).0.leaving
    }

    /// Registers again what the portmapper does not know any more.
    fn renew(&self) -> Result<()> {
        let portmapper = self.portmapper.clone().timeout(PATIENCE);
        let known = portmapper.dump()?;
        for registration in &self.registrations {
            let Registration { program, version, netid, .. } = *registration;
            let is_known = known.iter().any(|entry| {
                (entry.program, entry.version, entry.netid()) == (program, version, Some(netid))
            });
            if !is_known {
                portmapper.set(registration)?;
                log::info!("registered program {program} version {version} over {netid} again");
            }
        }
        Ok(())
    }

    fn unregister(&self) {
        let until = Instant::now() + PATIENCE;
        for &Registration { program, version, netid, .. } in &self.registrations {
            let left = until.saturating_duration_since(Instant::now());
            let portmapper = self.portmapper.clone().timeout(left);
            if let Err(error) = portmapper.unset(program, version, Some(netid)) {
                log::warn!("cannot unregister program {program} version {version}: {error}");
            }
        }
    }
}
