//! T29: a handler that is stuck where the loop executes it. A file of its own, because the log is
//! the process's.

mod server_peer;

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use farcall::{Answer, Fault, Procedure, Server};
use log::{Level, LevelFilter, Log, Metadata, Record};
use server_peer::{
    INTERFACE, LONG, TWICE, by, call, connect, exchange, read_record, record, reply,
};

/// Gives what is logged of TWICE to the test: on a machine that is busy others may take long, too.
struct Lines(Mutex<Sender<(Level, String)>>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = (record.level(), record.args().to_string());
        if line.1.contains("TWICE") {
            self.0.lock().expect("not poisoned").send(line).expect("the test listens");
        }
    }

    fn flush(&self) {}
}

#[test]
fn t29_a_handler_that_keeps_its_loop_is_told_of_once() {
    let (lines, logged) = channel();
    log::set_logger(Box::leak(Box::new(Lines(Mutex::new(lines))))).expect("there is none");
    log::set_max_level(LevelFilter::Info);
    let (go, go_on) = channel();
    let go_on = Mutex::new(go_on);
    // Answers at once, TWICE when the test says so.
    let stuck = by(&INTERFACE, move |_, procedure, args, results| {
        if procedure == Procedure(TWICE) {
            let go_on = go_on.lock().expect("not poisoned").recv_timeout(LONG);
            go_on.map_err(|_| Fault::SystemErr)?;
        }
        results.opaque(&args.opaque(u32::MAX)?, u32::MAX)?;
        Ok(Answer::Now)
    });
    let server = Server::builder().tcp("127.0.0.1:0").service(stuck).start();
    let server = server.expect("port 0 is free");
    let mut stream = connect(&server);
    for xid in [1, 2] {
        exchange(&mut stream, xid, b"at once");
        let begun = Instant::now();
        std::io::Write::write_all(&mut stream, &record(&call(xid, TWICE, b""))).expect("taken in");
        let line = logged.recv_timeout(LONG).expect("logged while it goes on");
        println!("logged {:?} after it was called", begun.elapsed());
        let expected = "ECHO_PROG ECHO_V1 TWICE has taken 400ms and goes on; \
                        nothing else is served by its loop meanwhile";
        assert_eq!(line, (Level::Warn, expected.to_owned()));
        go.send(()).expect("it waits");
        assert_eq!(read_record(&mut stream), reply(xid, b""));
    }
    server.stop().expect("ends");
    assert!(logged.try_recv().is_err(), "each is told of once");
}
