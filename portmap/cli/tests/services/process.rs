//! Services that run beside the portmapper, and what they have to say if the test fails.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;

/// A service, ended with all that it has started.
pub(crate) struct Service {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// As the first process of processes of its own, and what it starts there ends with it: some
    /// go into the background.
    pub(crate) fn start(name: &'static str, command: &str) -> Self {
        let log = PathBuf::from(format!("/run/{name}.log"));
        let output = File::create(&log).expect("/run is a tmpfs of our own");
        let child = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--", "sh", "-c"])
            .arg(format!("{command}; while :; do sleep 1000; done"))
            .stdout(output.try_clone().expect("an open file"))
            .stderr(output)
            .spawn()
            .expect("unshare runs");
        Self { name, child, log }
    }

    fn has_said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("--- {}:\n{}", self.name, self.has_said());
        }
    }
}
