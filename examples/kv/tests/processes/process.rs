use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process whose output is waited for, but not for ever. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines() {
                sender.send(line.expect("text")).expect("the receiver lives longer");
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that ends so.
    pub(crate) fn wait_for(&self, end: &str) -> String {
        self.wait_until(end, |line| line.ends_with(end))
    }

    /// Waits for a line that starts so.
    pub(crate) fn wait_for_start(&self, start: &str) -> String {
        self.wait_until(start, |line| line.starts_with(start))
    }

    fn wait_until(&self, part: &str, found: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no line with {part}: {error}"));
            if found(&line) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("it runs");
    }

    /// The rest of what it prints, and how it ends.
    pub(crate) fn rest(mut self) -> (Vec<String>, ExitStatus) {
        drop(self.child.stdin.take());
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end, after {lines:#?}"),
            }
        }
        (lines, self.child.wait().expect("a status"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
