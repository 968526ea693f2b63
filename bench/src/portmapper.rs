//! Portmappers to measure, on port 111 of a host of their own.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use farcall::bind::Portmapper;
use farcall_portmap::daemon::{self, Options};
use farcall_portmap::{PORT, SOCKET};

type Failure = Box<dyn Error + Send + Sync>;

/// Goes on in a network and a `/run` of its own, which only root can make.
///
/// # Errors
/// It cannot: what is returned says why.
pub fn be_alone() -> io::Result<()> {
    const INSIDE: &str = "FARCALL_BENCH_ALONE";
    if env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let set_up = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";
    Err(Command::new("unshare")
        .args(["--net", "--mount", "--", "sh", "-c", set_up])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec())
}

/// `portmapd` as root runs it, but for how much may be registered. To be what a program does that
/// is called as [`Daemon::portmapd`] does.
///
/// # Errors
/// The daemon's.
pub fn portmapd(total: usize) -> Result<(), Failure> {
    let mut options = Options {
        socket: Some(SOCKET.into()),
        state_dir: Some(daemon::STATE_DIR.into()),
        sandbox: true,
        ..Options::default()
    };
    options.quotas.total = total;
    Ok(daemon::run(&options, &mut io::stdout())?)
}

/// A portmapper that serves.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// This very program, called with `portmapd` and how much may be registered.
    ///
    /// # Errors
    /// It does not serve.
    pub fn portmapd(total: usize) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .args(["portmapd", &total.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let serves =
            BufReader::new(stdout).lines().any(|line| line.is_ok_and(|line| line.contains("unix")));
        if serves { Ok(Self(child)) } else { Err("portmapd ended".into()) }
    }

    /// Debian's.
    ///
    /// # Errors
    /// It does not serve.
    pub fn rpcbind() -> Result<Self, Failure> {
        fs::create_dir_all("/run/rpcbind")?;
        Command::new("chown").args(["_rpc", "/run/rpcbind"]).status()?;
        let daemon = Self(Command::new("rpcbind").arg("-f").spawn()?);
        let until = Instant::now() + Duration::from_secs(10);
        while Portmapper::at(([127, 0, 0, 1], PORT).into()).dump().is_err() {
            if Instant::now() > until {
                return Err("rpcbind does not answer".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(daemon)
    }

    /// A line of `/proc/PID/status`, in KiB as a rule.
    ///
    /// # Errors
    /// It has ended, or there is no such line.
    pub fn status(&self, name: &str) -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?;
        Ok(value.parse()?)
    }

    /// How many files it has open.
    ///
    /// # Errors
    /// It has ended.
    pub fn files(&self) -> Result<usize, Failure> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0.id()))?.count())
    }

    /// How long its first thread, which answers, was on a processor.
    ///
    /// # Errors
    /// It has ended.
    pub fn busy(&self) -> Result<Duration, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0.id()))?;
        let nanoseconds = text.split_whitespace().next().ok_or("no time")?;
        Ok(Duration::from_nanos(nanoseconds.parse()?))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // It is killed because the end is not what is measured.
        let _ = fs::remove_file(SOCKET);
        let _ = fs::remove_dir_all(daemon::STATE_DIR);
    }
}
