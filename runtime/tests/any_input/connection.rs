//! Any bytes on a stream with a server and a client at its end, read and written in any pieces.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use farcall::proto::client::flavor::CallAuth;
use farcall::proto::client::{CallParams, ClientConfig, ClientCore, Repeat, Transport};
use farcall::proto::connection::{Connection, ConnectionError, Cores};
use farcall::proto::message::{MessageType, peek};
use farcall::proto::record::{LAST_FRAGMENT, RecordLimits, RecordReader};
use farcall::proto::retry::RetryPolicy;
use farcall::proto::server::{Caller, ServerConfig, ServerCore};
use farcall::xdr::Bytes;
use farcall::{Limits, PeerAddr, Procedure, Program, Version, Xid};

use super::server::{Adder, call};
use super::{Input, words};

/// Longer than any answer here, with its record mark.
const ANSWER: usize = 100;

/// What is written is whole records, one answer at most for each call; there is not more of it, and
/// not more calls are put off, than the limits say.
pub(crate) fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bench = Bench::new(&mut input);
    while !input.is_empty() && bench.event(&mut input).is_ok() {
        bench.check();
    }
    bench.write(usize::MAX);
    assert!(!bench.written.in_record());
    assert!(bench.answers <= bench.calls, "{} answers to {} calls", bench.answers, bench.calls);
}

struct Bench {
    now: Instant,
    limits: Limits,
    connection: Connection,
    server: ServerCore,
    adder: Arc<Adder>,
    client: ClientCore,
    /// Calls of the client.
    xids: Vec<Xid>,
    /// What came and was not taken in yet.
    wire: Vec<u8>,
    written: RecordReader,
    /// Calls that came at most, and answers that were written.
    calls: usize,
    answers: usize,
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Self {
        let now = Instant::now();
        let mut config = ServerConfig::default();
        config.limits.output = 60;
        config.limits.calls_per_connection = 2;
        if !input.flag() {
            config.limits.records.bytes = 200;
        }
        let limits = config.limits;
        let (mut server, adder) = (ServerCore::new(config, Waker::noop().clone()), Arc::default());
        server.add(Arc::clone(&adder) as Arc<Adder>);
        let config = ClientConfig {
            transport: Transport::Stream,
            retry: RetryPolicy::default(),
            idle: Duration::from_secs(300),
            seed: 1,
        };
        let mut client = ClientCore::new(&config);
        client.handle_connected(now);
        let connection = Connection::new(now, &limits);
        let written = RecordReader::new(RecordLimits::DEFAULT);
        let (xids, wire, calls, answers) = (Vec::new(), Vec::new(), 0, 0);
        Self { now, limits, connection, server, adder, client, xids, wire, written, calls, answers }
    }

    fn event(&mut self, input: &mut Input<'_>) -> Result<(), ConnectionError> {
        match input.byte() % 8 {
            0 => self.wire.extend(input.bytes(16)),
            1 | 2 => {
                for _ in 0..=input.byte() % 4 {
                    let message = call(input);
                    self.record(&message, input);
                }
            }
            3 => self.reply(input),
            4 => self.call(),
            5 => self.write(input.byte().into()),
            6 => self.answer(input),
            _ => self.now += Duration::from_millis(input.short().into()),
        }
        self.read(input)
    }

    /// Puts a message on the wire, in one fragment or in two.
    fn record(&mut self, message: &[u8], input: &mut Input<'_>) {
        let at = if input.flag() { message.len() / 2 } else { 0 };
        let (first, second) = message.split_at(at);
        for (part, last) in [(first, 0), (second, LAST_FRAGMENT)] {
            if !part.is_empty() {
                self.wire.extend(words(&[u32::try_from(part.len()).expect("short") | last]));
                self.wire.extend(part);
            }
        }
    }

    fn reply(&mut self, input: &mut Input<'_>) {
        let xid = self.xids.pop().unwrap_or(Xid(7));
        let mut message = words(&[xid.0, 1, 0, 0, 0, 0]);
        // Long enough to be read into its own buffer.
        message.resize(usize::from(input.short()).max(24), 9);
        self.record(&message, input);
    }

    fn call(&mut self) {
        let params = CallParams {
            program: Program(7),
            version: Version(1),
            procedure: Procedure(1),
            auth: CallAuth::NONE,
            repeat: Repeat::WhileKnown,
            deadline: self.now + Duration::from_secs(3600),
        };
        let xid = self.client.call(self.now, &params, |_| Ok(())).expect("no arguments");
        self.xids.push(xid);
    }

    /// Reads a part of what came, if the connection wants any.
    fn read(&mut self, input: &mut Input<'_>) -> Result<(), ConnectionError> {
        let most = usize::from(input.short()).min(self.wire.len());
        let caller = Caller::new(PeerAddr::Tcp(([192, 0, 2, 1], 1000).into()), 1);
        let server = Some((&mut self.server, caller));
        let mut cores = Cores { server, client: Some(&mut self.client) };
        if self.connection.is_held() {
            return self.connection.resume(self.now, &mut cores);
        }
        // No call is shorter.
        self.calls += most / 40 + 1;
        if let Some(space) = self.connection.space() {
            let n = most.min(space.len());
            space[..n].copy_from_slice(&self.wire[..n]);
            self.wire.drain(..n);
            return self.connection.handle_filled(self.now, n, &mut cores);
        }
        let chunk: Bytes = self.wire.drain(..most).collect();
        self.connection.handle_input(self.now, &chunk, &mut cores)
    }

    /// Takes at most so much of the output.
    fn write(&mut self, most: usize) {
        let output = self.connection.output().chunks().flatten().copied();
        let chunk: Bytes = output.take(most).collect();
        self.connection.handle_written(self.now, chunk.len());
        let mut at = 0;
        while let Some(message) = self.written.read(&chunk, &mut at).expect("records") {
            assert!(matches!(peek(message.bytes()), Some((_, MessageType::Reply))));
            self.answers += 1;
        }
    }

    /// Answers a call that was put off.
    fn answer(&mut self, input: &mut Input<'_>) {
        let mut deferred = self.adder.deferred();
        if !deferred.is_empty() {
            let at = input.below(deferred.len());
            deferred.swap_remove(at).send(Ok(7));
        }
        drop(deferred);
        while let Some(answer) = self.server.poll_deferred(self.now) {
            self.connection.answer(answer.reply.as_ref());
        }
    }

    fn check(&self) {
        let (output, owed) = (self.connection.output().len(), self.connection.owed());
        let answers = self.limits.calls_per_connection;
        // Those that were put off come whether there is room or not.
        assert!(output <= self.limits.output + (1 + answers) * ANSWER, "{output} bytes");
        assert!(owed <= answers && owed == self.server.outstanding(), "{owed} owed");
    }
}
