//! Daemons on port 111, in a namespace of their own.

use std::env;
use std::fs;
use std::io::{self, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{XID, read_addresses, terminate, words};

const INSIDE: &str = "FARCALL_IN_NAMESPACE";
pub(crate) const SOCKET: &str = "/run/rpcbind.sock";
/// What no portmapper is.
pub(crate) const NO_PROGRAM: u32 = 99_999;
/// Where rpcbind keeps its state.
pub(crate) const STATE: &str = "/run/rpcbind";

/// Whether this process is the one in the namespace. If not, it has run `test` there.
pub(crate) fn inside(test: &str, programs: &[&str]) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Some(reason) = what_is_missing(programs) {
        let required = env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
        assert!(!required, "cannot run {test}: {reason}");
        println!("skipped: {reason}");
        return false;
    }
    let set_up = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--", "sh", "-c", set_up])
        .arg(env::current_exe().expect("a test has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.expect("unshare runs").success(), "{test} failed in its namespace");
    false
}

fn what_is_missing(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let is_there = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    let missing = ["unshare", "mount", "ip"].iter().chain(programs).find(|name| !is_there(name));
    if let Some(name) = missing {
        return Some(format!("{name} is not installed"));
    }
    let unshare = Command::new("unshare").args(["--net", "--mount", "--", "true"]).output();
    let works = unshare.is_ok_and(|output| output.status.success());
    (!works).then(|| "namespaces cannot be made here".to_owned())
}

/// A daemon on port 111, ended by SIGTERM.
pub(crate) struct OnPort111(Child);

impl OnPort111 {
    pub(crate) fn portmapd(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portmapd"))
            .arg("-f")
            .args(args)
            .env("RUST_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .expect("portmapd starts");
        let stdout = child.stdout.take().expect("piped");
        let addresses = read_addresses(&mut BufReader::new(stdout));
        assert_eq!(addresses.last().map(String::as_str), Some("unix /run/rpcbind.sock"));
        Self(child)
    }

    pub(crate) fn rpcbind(args: &[&str]) -> Self {
        make_state_folder();
        let child = Command::new("rpcbind").arg("-f").args(args).spawn().expect("rpcbind starts");
        let daemon = Self(child);
        wait_for_answer();
        daemon
    }
}

impl OnPort111 {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as nobody would.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it is a child");
    }
}

impl Drop for OnPort111 {
    fn drop(&mut self) {
        terminate(&self.0);
        let _ = self.0.wait();
        // rpcbind leaves it.
        let _ = fs::remove_file(SOCKET);
        wait_until_free();
    }
}

/// A network in which this host has the name `db1`, and no IPv6, which is not ready at once.
pub(crate) fn join_network() {
    let set_up = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && \
                  ip link add d0 type bridge && ip link set d0 up && \
                  ip addr add 10.9.8.7/24 broadcast + dev d0 && \
                  echo 10.9.8.7 db1 >/run/hosts && mount --bind /run/hosts /etc/hosts";
    assert!(Command::new("sh").args(["-c", set_up]).status().expect("sh").success());
}

/// Where rpcbind keeps its state; Debian has it made at boot.
pub(crate) fn make_state_folder() {
    fs::create_dir_all(STATE).expect("/run is a tmpfs of our own");
    let status = Command::new("chown").args(["_rpc", STATE]).status();
    assert!(status.expect("chown runs").success());
}

/// rpcbind has children for calls that it passes on, and they hold its sockets for a while longer.
pub(crate) fn wait_until_free() {
    let until = Instant::now() + Duration::from_secs(30);
    let is_taken = |addr| {
        let errors = [UdpSocket::bind(addr).err(), TcpListener::bind(addr).err()];
        errors.iter().flatten().any(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    while is_taken("0.0.0.0:111") || is_taken("[::]:111") {
        assert!(Instant::now() < until, "port 111 stays taken");
        thread::yield_now();
    }
}

/// Until somebody answers at port 111: a call that no daemon counts.
fn wait_for_answer() {
    let call = words(&[XID, 0, 2, NO_PROGRAM, 0, 0, 0, 0, 0, 0]);
    // Not connected, so that it waits for an answer where nobody listens yet.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let answered = (0..400).any(|_| {
        socket.send_to(&call, "127.0.0.1:111").expect("sent");
        socket.recv(&mut [0; 64]).is_ok_and(|len| len == 24)
    });
    assert!(answered, "nobody answers at port 111");
}
