//! A thread that makes changes where a disk has to be waited for, so that who looks up does not.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::io;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::{error, fmt};

use crate::access::Owner;
use crate::registry::Entry;
use crate::table::{Refusal, Table, Wanted};

/// Changes of one user that may wait, and of all users together. However slow the disk is, one does
/// not keep the others out, nor all of them root, whose changes are bounded by who carries calls.
const OF_ONE: usize = 64;
const OF_USERS: usize = 512;

/// What is done once a change is made, or is not.
pub(crate) type Done = Box<dyn FnOnce(Result<usize, Refusal>) + Send>;

type Job = (Wanted, Done);

/// Dropped, it makes the changes that wait, and ends.
#[derive(Debug)]
pub(crate) struct Scribe {
    jobs: Option<Sender<Job>>,
    waiting: Arc<Mutex<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

/// Too many changes wait for the disk.
#[derive(Debug)]
struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many changes wait for the disk")
    }
}

impl error::Error for Busy {}

/// Why a change is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cause {
    Asked(Owner),
    Ended(Entry),
}

impl Cause {
    fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Set(Entry { owner, .. }) | Wanted::Unset { owner, .. } => Self::Asked(*owner),
            Wanted::Ended(entry) => Self::Ended(entry.clone()),
        }
    }

    fn is_users(&self) -> bool {
        matches!(self, Self::Asked(Owner::Uid(_) | Owner::Unknown))
    }

    /// How many changes may wait for the same cause.
    fn most(&self) -> usize {
        match self {
            Self::Asked(Owner::Superuser) => usize::MAX,
            Self::Asked(_) => OF_ONE,
            Self::Ended(_) => 1,
        }
    }
}

/// The changes that wait, by their causes.
#[derive(Debug, Default)]
struct Waiting {
    by_cause: HashMap<Cause, usize>,
    of_users: usize,
}

impl Waiting {
    /// Counts one more, if it may wait.
    fn admit(&mut self, cause: Cause) -> bool {
        let is_users = cause.is_users();
        let (most, place) = (cause.most(), self.by_cause.entry(cause));
        let already = if let Place::Occupied(place) = &place { *place.get() } else { 0 };
        if already >= most || is_users && self.of_users >= OF_USERS {
            return false;
        }
        *place.or_default() += 1;
        self.of_users += usize::from(is_users);
        true
    }

    /// One waits no more.
    fn leave(&mut self, cause: Cause) {
        self.of_users -= usize::from(cause.is_users());
        if let Place::Occupied(mut place) = self.by_cause.entry(cause) {
            *place.get_mut() -= 1;
            if *place.get() == 0 {
                place.remove();
            }
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scribe {
    pub(crate) fn start(table: Arc<Table>) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let waiting = Arc::<Mutex<Waiting>>::default();
        let counts = Arc::clone(&waiting);
        let builder = thread::Builder::new().name("portmap-scribe".to_owned());
        let thread = builder.spawn(move || write(&table, &queue, &counts))?;
        Ok(Self { jobs: Some(jobs), waiting, thread: Some(thread) })
    }

    /// Has a change made after those that wait. One that nobody has asked for is made once.
    pub(crate) fn change(&self, wanted: Wanted, done: Done) {
        let Some(jobs) = &self.jobs else { return };
        if !lock(&self.waiting).admit(Cause::of(&wanted)) {
            return done(Err(Box::new(Busy)));
        }
        if let Err(SendError((_, done))) = jobs.send((wanted, done)) {
            done(Err(Box::new(Busy)));
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            // The last who had the portmapper may be who waited for an answer of this thread.
            && thread.thread().id() != thread::current().id()
        {
            // What a panic there has left undone, nobody was told to be done.
            let _ = thread.join();
        }
    }
}

fn write(table: &Table, queue: &Receiver<Job>, waiting: &Mutex<Waiting>) {
    for (wanted, done) in queue {
        let cause = Cause::of(&wanted);
        let result = table.change(wanted);
        lock(waiting).leave(cause);
        done(result);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use farcall::{Program, Version};

    use super::*;

    fn entry(version: usize, owner: Owner) -> Entry {
        let version = Version(version.try_into().expect("a few"));
        let (netid, address) = ("udp".to_owned(), "0.0.0.0.8.1".to_owned());
        Entry { program: Program(7), version, netid, address, owner }
    }

    fn unset(owner: Owner) -> Wanted {
        let (program, version) = (Program(7), Version(1));
        Wanted::Unset { program, version, netids: Vec::new(), owner }
    }

    #[test]
    fn nobody_keeps_others_waiting_for_a_place() {
        let mut waiting = Waiting::default();
        let mut admitted = |wanted: &Wanted, most: usize| {
            (0..most).take_while(|_| waiting.admit(Cause::of(wanted))).count()
        };
        let (root, most) = (Owner::Superuser, 10_000);
        let table = [
            (Wanted::Set(entry(1, Owner::Uid(1))), OF_ONE),
            (unset(Owner::Uid(1)), 0),
            (unset(Owner::Unknown), OF_ONE),
            (Wanted::Ended(entry(1, Owner::Uid(1))), 1),
            (Wanted::Ended(entry(2, Owner::Uid(1))), 1),
        ];
        for (wanted, expected) in table {
            assert_eq!(admitted(&wanted, most), expected, "{wanted:?}");
        }
        let others: usize = (2..100).map(|uid| admitted(&unset(Owner::Uid(uid)), most)).sum();
        assert_eq!(others, OF_USERS - 2 * OF_ONE);
        assert_eq!(admitted(&Wanted::Set(entry(9, root)), most), most);
        assert_eq!(admitted(&Wanted::Ended(entry(9, root)), most), 1);
        // Each that is made leaves its place to another.
        waiting.leave(Cause::Asked(Owner::Uid(1)));
        assert!(!waiting.admit(Cause::Asked(Owner::Unknown)));
        assert!(waiting.admit(Cause::Asked(Owner::Uid(1))));
        waiting.leave(Cause::Ended(entry(1, Owner::Uid(1))));
        assert!(waiting.admit(Cause::Ended(entry(1, Owner::Uid(1)))));
    }

    #[test]
    fn what_there_is_no_room_for_is_refused_at_once() {
        let (begun, begins) = sync_channel(1);
        let (go, go_on) = sync_channel(1);
        let scribe = Scribe::start(Arc::default()).expect("a thread");
        let busy = move |_| {
            begun.send(()).expect("it is waited for");
            go_on.recv().expect("it is told");
        };
        scribe.change(unset(Owner::Superuser), Box::new(busy));
        begins.recv().expect("it is busy");
        let (outcome, outcomes) = channel();
        for _ in 0..=OF_ONE {
            let outcome = outcome.clone();
            let done = move |result: Result<usize, Refusal>| {
                outcome.send(result.map_err(|error| error.to_string())).expect("it is waited for");
            };
            scribe.change(unset(Owner::Uid(1)), Box::new(done));
        }
        let busy = Err("too many changes wait for the disk".to_owned());
        assert_eq!(outcomes.try_recv(), Ok(busy));
        go.send(()).expect("it waits");
        drop((scribe, outcome));
        // Its end waits for all that it has taken on.
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), vec![Ok(0); OF_ONE]);
    }
}
