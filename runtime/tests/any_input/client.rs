//! Any events at a client: calls, what the server and the network do to them, and time.

#[path = "../secret/mod.rs"]
mod secret;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall::proto::auth::{AuthSys, OpaqueAuth};
use farcall::proto::client::flavor::{CallAuth, Initiate};
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::retry::RetryPolicy;
use farcall::xdr::{Bytes, EncodeError, Encoder};
use farcall::{Error, Procedure, Program, Result, Version, Xid};

use super::{Input, words};
use secret::{Knower, SECRET};

const MS: Duration = Duration::from_millis(1);

/// Every call ends once, by its deadline. What belongs to no call has no effect; and unless a call
/// has a flavor of authentication that says otherwise, what is sent again is the same bytes, and
/// whatever answers it ends it.
pub(crate) fn client_core(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bench = Bench::new(&mut input);
    while !input.is_empty() {
        bench.event(&mut input);
        bench.check();
    }
    bench.pass(Duration::from_secs(3600), &mut input);
    bench.check();
    assert_eq!((bench.core.waiting(), bench.core.poll_timeout()), (0, None));
    for xid in bench.unwanted {
        assert!(bench.core.take_result(xid).is_none(), "the result of {xid} is kept for nobody");
    }
    assert!(bench.calls.is_empty(), "{:?}", bench.calls);
}

struct Bench {
    core: ClientCore,
    transport: Transport,
    now: Instant,
    /// Calls that have not ended, and when they must have.
    calls: Vec<(Xid, Instant)>,
    ended: HashSet<Xid>,
    /// Calls whose results nobody wants.
    unwanted: HashSet<Xid>,
    /// Calls that are not to be sent a second time.
    once: HashSet<Xid>,
    /// Those that are not either when the server has forgotten them.
    known: HashSet<Xid>,
    /// What was sent for each call.
    sent: HashMap<Xid, Vec<u8>>,
    /// There is a way from the server: always for datagrams.
    is_up: bool,
    /// Some calls are not by AUTH_NONE.
    special: bool,
    sys: OpaqueAuth,
    flavor: Arc<dyn Initiate>,
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Self {
        let transport = if input.flag() { Transport::Stream } else { Transport::Datagram };
        let config = ClientConfig {
            transport,
            retry: RetryPolicy::default(),
            idle: Duration::from_secs(300),
            seed: input.byte().into(),
        };
        let mut core = ClientCore::new(&config);
        let now = Instant::now();
        if transport == Transport::Stream {
            core.handle_connected(now);
        }
        Self {
            core,
            transport,
            now,
            calls: Vec::new(),
            ended: HashSet::new(),
            unwanted: HashSet::new(),
            once: HashSet::new(),
            known: HashSet::new(),
            sent: HashMap::new(),
            is_up: true,
            special: input.flag(),
            sys: AuthSys::default().to_credential().expect("a short one"),
            flavor: Arc::new(Knower::default()),
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match (input.byte() % 12, self.transport) {
            (0 | 1, _) => self.call(input),
            (2, _) => self.pass(MS * u32::from(input.short()), input),
            (3, _) => self.pass(MS * u32::from(input.byte()), input),
            (4, _) if self.is_up => self.reply(input),
            (5, _) if self.is_up => self.stray_reply(input),
            (4 | 5, _) => {}
            (6, _) => self.forget(input),
            (7, _) => self.disown(input),
            (8, Transport::Datagram) => self.core.handle_unreachable(),
            (9, Transport::Datagram) => self.core.handle_refused(),
            (_, Transport::Datagram) => {
                // Nobody was there who could have executed anything.
                self.once.clear();
                self.core.handle_readdressed();
            }
            (8, Transport::Stream) => self.core.handle_garbage(),
            (9, Transport::Stream) => {
                self.connect(false);
                self.once.extend(self.known.iter().filter(|xid| self.sent.contains_key(xid)));
                self.core.handle_forgotten();
            }
            (_, Transport::Stream) => self.connect(false),
        }
        self.send(input);
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let deadline = self.now + MS * u32::from(input.short());
        let repeat = [Repeat::Never, Repeat::WhileKnown, Repeat::Always][input.below(3)];
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(input.byte().into()),
            auth: match input.byte() % 3 {
                1 if self.special => CallAuth::Credential(&self.sys),
                2 if self.special => CallAuth::Flavor(&self.flavor),
                _ => CallAuth::NONE,
            },
            repeat,
            deadline,
        };
        let len = if input.byte() == 255 { 70_000 } else { input.byte().into() };
        let args = |e: &mut Encoder| -> Result<(), EncodeError> { e.opaque(&vec![5; len], 66_000) };
        match self.core.call(self.now, &params, args) {
            Ok(xid) => {
                self.calls.push((xid, deadline));
                self.once.extend((repeat == Repeat::Never).then_some(xid));
                self.known.extend((repeat == Repeat::WhileKnown).then_some(xid));
            }
            Err(error) => assert!(len == 70_000 && matches!(error, Error::Encode(_)), "{error}"),
        }
    }

    /// Lets time pass, as whoever drives the core has to.
    fn pass(&mut self, time: Duration, input: &mut Input<'_>) {
        let until = self.now + time;
        while let Some(due) = self.core.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.core.handle_timeout(self.now);
            if self.core.wants_connection(self.now) {
                self.connect(input.flag());
            }
            self.send(input);
            self.check();
        }
        self.now = until;
    }

    fn connect(&mut self, is_up: bool) {
        self.is_up = is_up;
        match is_up {
            true => self.core.handle_connected(self.now),
            false => self.core.handle_disconnected(self.now),
        }
    }

    fn send(&mut self, input: &mut Input<'_>) {
        match self.transport {
            Transport::Datagram => self.send_datagrams(input),
            Transport::Stream => self.write(input),
        }
    }

    fn send_datagrams(&mut self, input: &mut Input<'_>) {
        while let Some(message) = self.core.poll_transmit() {
            let message = message.chunks().flatten().copied().collect();
            match input.byte() % 16 {
                1 => return,
                2 => self.core.handle_unsendable(std::io::ErrorKind::InvalidInput.into()),
                _ => {
                    let xid = self.note(message);
                    let is_wanted = self.calls.iter().any(|&(call, _)| call == xid);
                    assert!(is_wanted || self.special || self.unwanted.contains(&xid), "{xid}");
                    self.core.handle_transmitted(self.now);
                }
            }
        }
    }

    /// Takes the records of the stream, unless it is blocked.
    fn write(&mut self, input: &mut Input<'_>) {
        if input.byte() % 8 == 1 {
            return;
        }
        let bytes: Vec<u8> = self.core.output().chunks().flatten().copied().collect();
        self.core.handle_written(bytes.len());
        let mut rest = &bytes[..];
        while let Some((mark, after)) = rest.split_first_chunk() {
            let len = u32::from_be_bytes(*mark) & (u32::MAX >> 1);
            let (message, after) = after.split_at(len as usize);
            self.note(message.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "whole records");
    }

    /// A call is the same bytes each time.
    fn note(&mut self, message: Vec<u8>) -> Xid {
        let (xid, _) = message.split_first_chunk().expect("a header");
        let xid = Xid(u32::from_be_bytes(*xid));
        assert!(!(self.once.contains(&xid) && self.sent.contains_key(&xid)), "{xid} is sent again");
        let known = self.sent.entry(xid).or_insert_with(|| message.clone());
        assert!(self.special || *known == message, "{xid} was sent as something else");
        xid
    }

    /// Something that begins as a reply to one of the calls.
    fn reply(&mut self, input: &mut Input<'_>) {
        // Some have another xid on the wire.
        let mut xids: Vec<Xid> = match self.special {
            true => self.sent.keys().copied().collect(),
            false => self.calls.iter().map(|&(xid, _)| xid).collect(),
        };
        xids.sort_unstable();
        if xids.is_empty() {
            return;
        }
        let xid = xids[input.below(xids.len())];
        let mut message = words(&[xid.0, 1]);
        match input.byte() % 6 {
            0 => message.extend(words(&[0, 0, 0, 0, 42])),
            1 => message.extend(words(&[0, 0, 0, input.byte().into(), 1, 2])),
            2 => message.extend(words(&[1, input.byte().into(), input.byte().into(), 2])),
            3 => message.extend(words(&[0, SECRET.0, 4, input.byte().into(), 0, 21])),
            4 => message.extend(words(&[0, 2, 4, input.byte().into(), 0, 21])),
            _ => message.extend(input.bytes(32)),
        }
        let waiting = self.core.waiting();
        self.core.handle_reply(self.now, &message, || Bytes::from(message.clone()));
        if !self.special {
            assert_eq!(self.core.waiting(), waiting - 1, "a reply ends its call, whatever it says");
        }
    }

    /// A message of any bytes, which belongs to no call.
    fn stray_reply(&mut self, input: &mut Input<'_>) {
        let message = input.bytes(40).to_vec();
        let is_of = |xid: &Xid| message.starts_with(&xid.0.to_be_bytes());
        if self.sent.keys().any(is_of) || self.calls.iter().any(|(xid, _)| is_of(xid)) {
            return;
        }
        let before = (self.core.waiting(), self.core.has_output(), self.core.poll_timeout());
        self.core.handle_reply(self.now, &message, Bytes::new);
        let after = (self.core.waiting(), self.core.has_output(), self.core.poll_timeout());
        assert_eq!(before, after);
    }

    /// It may be sent still, and does not end.
    fn disown(&mut self, input: &mut Input<'_>) {
        if !self.calls.is_empty() {
            let (xid, _) = self.calls.swap_remove(input.below(self.calls.len()));
            self.core.disown(xid);
            self.unwanted.insert(xid);
        }
    }

    fn forget(&mut self, input: &mut Input<'_>) {
        if !self.calls.is_empty() {
            let (xid, _) = self.calls.swap_remove(input.below(self.calls.len()));
            self.core.forget(xid);
        }
    }

    /// Takes what has ended, and looks for what should have.
    fn check(&mut self) {
        while let Some(xid) = self.core.poll_ended() {
            assert!(self.ended.insert(xid), "{xid} has ended twice");
            let result = self.core.take_result(xid);
            if self.unwanted.contains(&xid) {
                assert!(result.is_none(), "the result of {xid} is kept for nobody");
                continue;
            }
            let result = result.expect("it has ended");
            let at = self.calls.iter().position(|&(call, _)| call == xid).expect("it was made");
            let (_, deadline) = self.calls.swap_remove(at);
            if let Err(error @ Error::TimedOut { .. }) = &result {
                assert!(error.is_timeout() && self.now >= deadline);
            }
            assert!(self.core.take_result(xid).is_none());
        }
        assert!(self.calls.iter().all(|&(_, deadline)| deadline >= self.now), "overdue");
        let waiting = self.core.waiting();
        assert!(waiting >= self.calls.len(), "{waiting} wait");
        if !self.special && self.unwanted.is_empty() {
            assert_eq!(waiting, self.calls.len());
        }
    }
}
