//! Any events at a server: messages of several peers, answers that come later, and time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use farcall::proto::message::ReplyHeader;
use farcall::proto::record::Message;
use farcall::proto::server::{Caller, ServerConfig, ServerCore, Verdict, short};
use farcall::xdr::{Bytes, Decoder, Encoder};
use farcall::{
    Answer, Context, Dispatch, Fault, Interface, PeerAddr, Procedure, ProcedureInfo, Program,
    Reply, Version,
};

use super::{Input, words};

const PROGRAM: u32 = 7;
/// Counts, and is not to be repeated.
const ADD: Procedure = Procedure(1);
/// Answers at once with its argument.
const ECHO: Procedure = Procedure(2);
/// As [`ADD`], and answers later.
const ADD_LATER: Procedure = Procedure(3);

static INTERFACE: Interface = Interface {
    program: Program(PROGRAM),
    program_name: "ANY_PROG",
    version: Version(1),
    version_name: "ANY_V1",
    procedures: &[
        ProcedureInfo { number: ADD, name: "ADD", idempotent: false, deferred: false },
        ProcedureInfo { number: ECHO, name: "ECHO", idempotent: true, deferred: false },
        ProcedureInfo { number: ADD_LATER, name: "ADD_LATER", idempotent: false, deferred: true },
    ],
};

/// A message is answered with its own xid or not at all; what is not idempotent is executed once
/// while the server remembers it; a call that was put off ends once.
pub(crate) fn server_core(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bench = Bench::new(&mut input);
    while !input.is_empty() {
        bench.event(&mut input);
    }
    bench.adder.deferred().clear();
    bench.take_deferred();
    assert_eq!((bench.core.outstanding(), bench.put_off), (0, 0));
}

struct Bench {
    core: ServerCore,
    now: Instant,
    adder: Arc<Adder>,
    said: Vec<(Caller, Bytes)>,
    /// When each call was executed.
    executed: HashMap<(PeerAddr, Bytes), Instant>,
    /// Calls that are to be answered later.
    put_off: usize,
    /// How long a call is remembered.
    age: Duration,
}

/// Counts what is not to be repeated.
#[derive(Default)]
pub(super) struct Adder {
    count: Mutex<u32>,
    deferred: Mutex<Vec<Reply<u32>>>,
}

impl Adder {
    pub(super) fn deferred(&self) -> MutexGuard<'_, Vec<Reply<u32>>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> u32 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self) -> u32 {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        *count
    }
}

impl Dispatch for Adder {
    fn interface(&self) -> &'static Interface {
        &INTERFACE
    }

    fn dispatch(
        &self,
        cx: &Context,
        procedure: Procedure,
        args: &mut Decoder<'_>,
        results: &mut Encoder,
    ) -> Result<Answer, Fault> {
        let word = args.u32()?;
        args.end()?;
        match procedure {
            ADD => results.u32(self.add()),
            ECHO => results.u32(word),
            _ => {
                self.add();
                let reply = cx.defer(|word: &u32, e: &mut Encoder| {
                    e.u32(*word);
                    Ok(())
                });
                self.deferred().push(reply);
                return Ok(Answer::Later);
            }
        }
        Ok(Answer::Now)
    }
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Self {
        let mut config = ServerConfig::default();
        config.strict = input.flag();
        config.limits.calls = 5;
        config.flavors = short::auth_short(|bytes| {
            bytes.fill(7);
            true
        })
        .to_vec();
        let age = config.limits.cache.age;
        let mut core = ServerCore::new(config, Waker::noop().clone());
        let adder = Arc::new(Adder::default());
        core.add(adder.clone());
        let (said, executed) = (Vec::new(), HashMap::new());
        Self { core, now: Instant::now(), adder, said, executed, put_off: 0, age }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0 => {
                let message = Bytes::copy_from_slice(input.bytes(64));
                self.message(caller(input), message);
            }
            1 | 2 => {
                let message = call(input);
                self.message(caller(input), message);
            }
            3 | 4 if !self.said.is_empty() => {
                let (caller, message) = self.said[input.below(self.said.len())].clone();
                self.message(caller, message);
            }
            5 => self.now += Duration::from_millis(input.short().into()),
            6 => {
                self.core.disconnected(caller(input).origin);
            }
            _ => self.answer(input),
        }
        assert!(self.core.outstanding() <= 5);
        self.take_deferred();
    }

    fn message(&mut self, caller: Caller, message: Bytes) {
        let before = self.adder.count();
        let mut out = Encoder::new();
        let whole = Message::from(message.clone());
        match self.core.handle_message(self.now, caller, &whole, &mut out) {
            Verdict::Reply => check_reply(&out.into_bytes(), &message),
            Verdict::None => assert!(out.is_empty()),
            Verdict::Later => assert!(out.is_empty()),
        }
        self.put_off = self.core.outstanding();
        if self.adder.count() > before {
            let first = self.executed.insert((caller.peer, message.clone()), self.now);
            let is_old = |first: Instant| self.now - first >= self.age;
            assert!(first.is_none_or(is_old), "executed twice: {message:?}");
        }
        self.said.push((caller, message));
    }

    /// Answers one of the calls that were put off, or drops it.
    fn answer(&mut self, input: &mut Input<'_>) {
        let mut deferred = self.adder.deferred();
        if !deferred.is_empty() {
            let at = input.below(deferred.len());
            let reply = deferred.swap_remove(at);
            drop(deferred);
            match input.byte() % 3 {
                0 => reply.send(Ok(7)),
                1 => reply.send(Err(Fault::SystemErr)),
                _ => drop(reply),
            }
        }
    }

    fn take_deferred(&mut self) {
        while let Some(answer) = self.core.poll_deferred(self.now) {
            self.put_off -= 1;
            let reply = answer.reply.expect("none is silent").into_bytes();
            let xid = reply.slice(..4);
            check_reply(&reply, &xid);
        }
        assert_eq!(self.core.outstanding(), self.put_off);
    }
}

fn check_reply(reply: &Bytes, message: &Bytes) {
    let mut d = Decoder::new(reply).strict(true);
    let header = ReplyHeader::decode(&mut d).expect("a reply");
    assert_eq!(header.xid.0.to_be_bytes(), message[..4]);
    assert!(d.remaining() <= 4, "at most a word follows");
}

/// One of four peers, two of whom have a connection.
fn caller(input: &mut Input<'_>) -> Caller {
    let number = input.byte() % 4;
    let addr = ([192, 0, 2, 1 + number % 2], 1000).into();
    let peer = if number < 2 { PeerAddr::Udp(addr) } else { PeerAddr::Tcp(addr) };
    Caller::new(peer, u64::from(number) + 10 * u64::from(input.byte() % 2))
}

/// A call that is almost right.
pub(super) fn call(input: &mut Input<'_>) -> Bytes {
    let xid = u32::from(input.byte() % 8);
    let version = if input.byte() == 255 { 3 } else { 2 };
    let program = if input.byte() == 255 { 8 } else { PROGRAM };
    let procedure = u32::from(input.byte() % 5);
    let mut message = words(&[xid, 0, version, program, 1, procedure]);
    match input.byte() % 6 {
        0 => message.extend(words(&[1, 24, input.byte().into(), 1, 0x6100_0000, 5, 6, 0])),
        1 => message.extend(words(&[2, 16, 0x0707_0707, 0x0707_0707, 0x0707_0707, 0x0707_0707])),
        2 => message.extend(words(&[input.byte().into(), 0])),
        _ => message.extend(words(&[0, 0])),
    }
    message.extend(words(&[0, 0, u32::from(input.byte() % 4)]));
    message.extend(input.bytes(input.clone().below(8)));
    Bytes::from(message)
}
