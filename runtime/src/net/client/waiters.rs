//! Who waits for which call.

use std::collections::HashMap;
use std::task::Waker;
use std::thread::Thread;

use crate::Xid;

/// Somebody to be told that a call has ended.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A thread that sleeps in a call, and that can lead.
    Thread(Thread),
    /// A future that was polled.
    Task(Waker),
}

impl Waiter {
    pub(super) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => waker.wake(),
        }
    }
}

/// Those who wait, but for the one that leads.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_call: HashMap<Xid, Waiter>,
    tasks: usize,
}

impl Waiters {
    pub(super) fn insert(&mut self, xid: Xid, waiter: Waiter) {
        self.tasks += usize::from(matches!(waiter, Waiter::Task(_)));
        let former = self.by_call.insert(xid, waiter);
        self.tasks -= usize::from(matches!(former, Some(Waiter::Task(_))));
    }

    pub(super) fn remove(&mut self, xid: Xid) -> Option<Waiter> {
        if self.by_call.is_empty() {
            return None;
        }
        let waiter = self.by_call.remove(&xid)?;
        self.tasks -= usize::from(matches!(waiter, Waiter::Task(_)));
        Some(waiter)
    }

    /// How many there are, and how many futures among them.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_call.len(), self.tasks)
    }

    /// Whether there is a future among them.
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks > 0
    }

    /// Has all threads among them look again.
    pub(super) fn wake_threads(&self) {
        for waiter in self.by_call.values() {
            if let Waiter::Thread(thread) = waiter {
                thread.unpark();
            }
        }
    }

    /// A thread among them.
    pub(super) fn thread(&self) -> Option<Thread> {
        if self.by_call.len() == self.tasks {
            return None;
        }
        self.by_call.values().find_map(|waiter| match waiter {
            Waiter::Thread(thread) => Some(thread.clone()),
            Waiter::Task(_) => None,
        })
    }
}
