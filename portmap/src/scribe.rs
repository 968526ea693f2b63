//! A thread that makes changes where a disk has to be waited for, so that who looks up does not.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::{error, fmt};

use crate::table::{Refusal, Table, Wanted};

/// Changes that may wait. Each has a caller that waits too.
const QUEUE: usize = 1024;

/// What is done once a change is made, or is not.
pub(crate) type Done = Box<dyn FnOnce(Result<usize, Refusal>) + Send>;

type Job = (Wanted, Done);

/// Dropped, it makes the changes that wait, and ends.
#[derive(Debug)]
pub(crate) struct Scribe {
    jobs: Option<SyncSender<Job>>,
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

impl Scribe {
    pub(crate) fn start(table: Arc<Table>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let builder = thread::Builder::new().name("portmap-scribe".to_owned());
        let thread = builder.spawn(move || write(&table, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has a change made after those that wait.
    pub(crate) fn change(&self, wanted: Wanted, done: Done) {
        let sent = self.jobs.as_ref().map(|jobs| jobs.try_send((wanted, done)));
        if let Some(Err(TrySendError::Full((_, done)) | TrySendError::Disconnected((_, done)))) =
            sent
        {
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

fn write(table: &Table, queue: &Receiver<Job>) {
    for (wanted, done) in queue {
        done(table.change(wanted));
    }
}

#[cfg(test)]
mod tests {
    use farcall::{Program, Version};

    use super::*;
    use crate::access::Owner;

    fn wanted() -> Wanted {
        let (program, version) = (Program(7), Version(1));
        Wanted::Unset { program, version, netids: Vec::new(), owner: Owner::Superuser }
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
        scribe.change(wanted(), Box::new(busy));
        begins.recv().expect("it is busy");
        let (outcome, outcomes) = std::sync::mpsc::channel();
        for _ in 0..=QUEUE {
            let outcome = outcome.clone();
            let done = move |result: Result<usize, Refusal>| {
                outcome.send(result.map_err(|error| error.to_string())).expect("it is waited for");
            };
            scribe.change(wanted(), Box::new(done));
        }
        let busy = Err("too many changes wait for the disk".to_owned());
        assert_eq!(outcomes.try_recv(), Ok(busy));
        go.send(()).expect("it waits");
        drop((scribe, outcome));
        // Its end waits for all that it has taken on.
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), vec![Ok(0); QUEUE]);
    }
}
