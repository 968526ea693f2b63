use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};

use crate::Result;

/// This program in another process and role.
pub(crate) struct Child {
    process: std::process::Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts it, and waits for the line by which it says that it is ready.
    pub(crate) fn start(role: &str, args: &[&str]) -> Result<(Self, String)> {
        let process = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut child = Self { process, output: None };
        let output = child.process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        if child.output.insert(BufReader::new(output)).read_line(&mut line)? == 0 {
            return Err(format!("the {role} did not start").into());
        }
        Ok((child, line.trim_end().to_owned()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends its input, which makes it finish.
    pub(crate) fn end(mut self) -> Result {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a child ended with {status}").into()) }
    }
}

impl Drop for Child {
    /// For when something went wrong: what has ended already is not harmed.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
