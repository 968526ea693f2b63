//! Threads that execute the calls of a service, so that one that takes long delays no others.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::Interface;
use crate::Procedure;
use crate::proto::limits::{COPIED, Limits};
use crate::service::{Answer, Context, Dispatch, Fault, Outcome, PeerAddr, Route};
use crate::xdr::{self, Bytes, Decoder, Encoder};

/// A service whose calls threads of its own execute. They end with it.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    limits: xdr::Limits,
    strict: bool,
}

/// What the workers share.
struct Queue {
    service: Arc<dyn Dispatch>,
    jobs: Mutex<Jobs>,
    some: Condvar,
    /// How long a call over UDP may wait.
    age: Duration,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

/// A call that waits for a worker.
struct Job {
    cx: Context,
    route: Route,
    args: Bytes,
    limits: xdr::Limits,
    strict: bool,
}

impl Pool {
    /// A pool of `workers` threads.
    pub(crate) fn start(
        service: Arc<dyn Dispatch>,
        workers: usize,
        limits: &Limits,
        strict: bool,
    ) -> io::Result<Self> {
        let (jobs, some) = (Mutex::default(), Condvar::new());
        let queue = Arc::new(Queue { service, jobs, some, age: limits.queue_age });
        let pool = Self { queue, limits: limits.decode, strict };
        for number in 0..workers.max(1) {
            let queue = Arc::clone(&pool.queue);
            let name = format!("farcall-worker-{number}");
            thread::Builder::new().name(name).spawn(move || queue.work())?;
        }
        Ok(pool)
    }
}

impl Dispatch for Pool {
    fn interface(&self) -> &'static Interface {
        self.queue.service.interface()
    }

    fn dispatch(
        &self,
        cx: &Context,
        _: Procedure,
        args: &mut Decoder<'_>,
        _: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let route = cx.route.clone().ok_or(Fault::SystemErr)?;
        let args = args.rest(COPIED);
        let (limits, strict) = (self.limits, self.strict);
        self.queue.push(Job { cx: cx.clone(), route, args, limits, strict });
        Ok(Answer::Later)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.some.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("interface", &self.interface()).finish_non_exhaustive()
    }
}

impl Queue {
    fn push(&self, job: Job) {
        self.lock().waiting.push_back(job);
        self.some.notify_one();
    }

    /// What one worker does until the pool is gone.
    fn work(&self) {
        while let Some(job) = self.next() {
            job.execute(self);
        }
    }

    fn next(&self) -> Option<Job> {
        let idle = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.closed;
        let mut jobs = self.some.wait_while(self.lock(), idle);
        let jobs = jobs.as_mut().unwrap_or_else(PoisonError::get_mut);
        if jobs.closed { None } else { jobs.waiting.pop_front() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn execute(mut self, queue: &Queue) {
        self.cx.queued = Instant::now().saturating_duration_since(self.cx.received);
        let is_datagram = matches!(self.cx.peer.addr, PeerAddr::Udp(_));
        if is_datagram && self.cx.queued > queue.age || self.cx.is_cancelled() {
            return self.route.send(Outcome::Expired);
        }
        let Self { cx, route, args, limits, strict } = self;
        let mut d = Decoder::new(&args).with_limits(limits).strict(strict);
        let mut results = Encoder::new();
        let run = || queue.service.dispatch(&cx, cx.procedure, &mut d, &mut results);
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let trailing = d.trailing() > 0;
        let info = cx.interface.procedure(cx.procedure);
        let is_deferred = info.is_some_and(|info| info.deferred);
        route.send(match outcome {
            Ok(Ok(Answer::Now)) => {
                Outcome::Executed { results: Ok(results.into_bytes()), trailing }
            }
            // The handler's own reply will come by the same way.
            Ok(Ok(Answer::Later)) if is_deferred => return,
            Ok(Ok(Answer::Later)) => Outcome::Executed { results: Err(Fault::SystemErr), trailing },
            Ok(Err(fault)) => Outcome::Executed { results: Err(fault), trailing },
            Err(_) => Outcome::Panicked,
        });
    }
}
