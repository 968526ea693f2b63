//! Registrations that end with the process that made them.
//!
//! A thread of its own waits for the ends of processes, by descriptors that stand for them: a number
//! may be another process's by then.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use farcall::{Program, Version};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::registry::Entry;

const WAKER: Token = Token(usize::MAX);

/// Dropped, it waits no more.
#[derive(Debug)]
pub(crate) struct Ties {
    registry: Registry,
    waker: Arc<Waker>,
    processes: Mutex<HashMap<i32, Process>>,
}

#[derive(Debug)]
struct Process {
    /// Stands for it as long as it is open.
    _descriptor: OwnedFd,
    /// What is gone when it is. No other process has these.
    entries: Vec<Entry>,
}

impl Ties {
    /// `ended` is told of each process that has ended and had something, until it says `false`.
    pub(crate) fn start(ended: impl Fn(i32) -> bool + Send + 'static) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Arc::new(Waker::new(&registry, WAKER)?);
        // One that is closed wakes nobody: the thread keeps it.
        let same = Arc::clone(&waker);
        let builder = thread::Builder::new().name("portmap-ties".to_owned());
        builder.spawn(move || wait(poll, &same, ended))?;
        Ok(Self { registry, waker, processes: Mutex::default() })
    }

    /// Has a registration end with a process, and with no other one.
    ///
    /// # Errors
    /// The process cannot be watched. [`NotFound`](io::ErrorKind::NotFound): it has ended.
    pub(crate) fn tie(&self, pid: i32, entry: Entry) -> io::Result<()> {
        let mut processes = self.lock();
        release(&mut processes, entry.program, entry.version, |netid| is_same(netid, &entry.netid));
        if let Some(process) = processes.get_mut(&pid) {
            process.entries.push(entry);
            return Ok(());
        }
        let descriptor = open(pid)?;
        let token = Token(usize::try_from(pid).unwrap_or(usize::MAX));
        self.registry.register(
            &mut SourceFd(&descriptor.as_raw_fd()),
            token,
            Interest::READABLE,
        )?;
        processes.insert(pid, Process { _descriptor: descriptor, entries: vec![entry] });
        Ok(())
    }

    /// Registrations are gone: those over these transports, or over all if none is named.
    pub(crate) fn release(&self, program: Program, version: Version, netids: &[String]) {
        let is_gone = |netid: &str| netids.is_empty() || netids.iter().any(|n| is_same(n, netid));
        release(&mut self.lock(), program, version, is_gone);
    }

    /// What ends with a process that has ended.
    pub(crate) fn take(&self, pid: i32) -> Vec<Entry> {
        self.lock().remove(&pid).map(|process| process.entries).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Process>> {
        // Nothing under the lock leaves it half done.
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ties {
    fn drop(&mut self) {
        if let Err(error) = self.waker.wake() {
            log::error!("a thread cannot be told to end: {error}");
        }
    }
}

/// Names of transports compare without case.
fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn release(
    processes: &mut HashMap<i32, Process>,
    program: Program,
    version: Version,
    is_gone: impl Fn(&str) -> bool,
) {
    processes.retain(|_, process| {
        process.entries.retain(|entry| {
            (entry.program, entry.version) != (program, version) || !is_gone(&entry.netid)
        });
        !process.entries.is_empty()
    });
}

/// A descriptor that is readable once the process has ended.
fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid);
    // Of a caller in another namespace of processes the system says 0.
    let pid = pid.ok_or_else(|| io::Error::other("its number is not known"))?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| match errno {
        rustix::io::Errno::SRCH => io::ErrorKind::NotFound.into(),
        errno => errno.into(),
    })
}

fn wait(mut poll: Poll, _waker: &Waker, ended: impl Fn(i32) -> bool) {
    let mut events = Events::with_capacity(64);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return log::error!("ends of processes are not noticed any more: {error}");
            }
            _ => {}
        }
        for event in &events {
            let is_over = match event.token() {
                WAKER => true,
                Token(pid) => !i32::try_from(pid).is_ok_and(&ended),
            };
            if is_over {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;
    use crate::access::Owner;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// One that goes on until it is told to end.
    fn process() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat")
    }

    fn end(mut process: Child) {
        drop(process.stdin.take());
        assert!(process.wait().expect("a child").success());
    }

    fn pid(process: &Child) -> i32 {
        process.id().try_into().expect("a number of a process")
    }

    fn entry(version: u32, netid: &str) -> Entry {
        let (program, version) = (Program(7), Version(version));
        let (netid, address) = (netid.to_owned(), "0.0.0.0.8.1".to_owned());
        Entry { program, version, netid, address, owner: Owner::Superuser }
    }

    fn start() -> (Ties, Receiver<i32>) {
        let (sender, ended) = channel();
        (Ties::start(move |pid| sender.send(pid).is_ok()).expect("a thread"), ended)
    }

    #[test]
    fn what_a_process_has_is_told_at_its_end() {
        let (ties, ended) = start();
        let (first, second) = (process(), process());
        for (process, version) in [(&first, 1), (&second, 2), (&first, 3)] {
            ties.tie(pid(process), entry(version, "udp")).expect("it is there");
        }
        let pid = pid(&first);
        end(first);
        assert_eq!(ended.recv_timeout(PATIENCE), Ok(pid));
        assert_eq!(ties.take(pid), [entry(1, "udp"), entry(3, "udp")]);
        assert_eq!(ties.take(pid), []);
        assert_eq!(ties.lock().len(), 1);
        end(second);
    }

    #[test]
    fn the_last_to_register_has_it_and_what_is_unregistered_nobody_has() {
        let (ties, _ended) = start();
        let (first, second) = (process(), process());
        ties.tie(pid(&first), entry(1, "udp")).expect("it is there");
        ties.tie(pid(&first), entry(1, "tcp")).expect("it is there");
        ties.tie(pid(&second), entry(1, "UDP")).expect("it is there");
        assert_eq!(ties.take(pid(&first)), [entry(1, "tcp")]);
        ties.tie(pid(&first), entry(1, "tcp")).expect("it is there");
        ties.release(Program(7), Version(2), &[]);
        ties.release(Program(7), Version(1), &["Tcp".to_owned()]);
        assert_eq!(ties.lock().keys().copied().collect::<Vec<_>>(), [pid(&second)]);
        ties.release(Program(7), Version(1), &[]);
        assert_eq!(ties.lock().len(), 0);
        end(first);
        end(second);
    }

    #[test]
    fn one_that_has_ended_or_is_not_known_is_an_error() {
        let (ties, _ended) = start();
        let gone = process();
        let pid = pid(&gone);
        end(gone);
        let error = ties.tie(pid, entry(1, "udp")).expect_err("it has ended");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = ties.tie(0, entry(1, "udp")).expect_err("it is elsewhere");
        assert_eq!(error.to_string(), "its number is not known");
    }

    #[test]
    fn the_thread_ends_with_it() {
        let (ties, ended) = start();
        drop(ties);
        assert_eq!(
            ended.recv_timeout(PATIENCE),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
