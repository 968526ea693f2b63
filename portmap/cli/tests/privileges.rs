//! T31: what `portmapd` may do once it serves, and what its unit lets it do.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use farcall::bind::{Portmapper, Registration, Uaddr};
use farcall::{Netid, Program, Version};
use support::{Daemon, Scratch};

/// A user that every system has.
const USER: &str = "nobody";

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        println!("skipped: only root can become another user");
    }
    is_root
}

/// The threads of a process.
fn threads(pid: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    tasks.map(|task| task.expect("a number").path()).collect()
}

/// A line of a thread's status.
fn status(thread: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(thread.join("status")).expect("it runs");
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    line.split_whitespace().map(str::to_owned).collect()
}

/// Without the three that it is started with.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let fds = fds.map(|fd| fd.expect("a number"));
    let own = fds.filter(|fd| !matches!(fd.file_name().to_str(), Some("0" | "1" | "2")));
    let links = own.map(|fd| fs::read_link(fd.path()).expect("open"));
    links.filter(|file| file.is_absolute() && !file.starts_with("/dev")).collect()
}

fn register(portmapper: &Portmapper, version: u32) {
    let address: Uaddr = "127.0.0.1.8.1".parse().expect("an address");
    let registration =
        Registration::new(Program(0x2000_0001), Version(version), Netid::Tcp, address);
    portmapper.set(&registration).expect("accepted");
}

#[test]
fn t31_it_has_no_privileges_once_it_serves() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let state_dir = state.to_str().expect("text");
    let daemon = Daemon::start(&["--user", USER, "--state-dir", state_dir, "--no-prune"]);
    let user = nix::unistd::User::from_name(USER).expect("a list of users").expect("it is there");
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let pid = daemon.pid();
    let threads = threads(pid);
    assert!(threads.len() >= 3, "one answers, one writes, one waits for signals: {threads:?}");
    for thread in threads {
        assert_eq!(status(&thread, "Uid"), [&*uid; 4]);
        assert_eq!(status(&thread, "Gid"), [&*gid; 4]);
        assert_eq!(status(&thread, "Groups"), [&*gid]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(&thread, set), ["0000000000000000"], "{set}");
        }
        assert_eq!(status(&thread, "NoNewPrivs"), ["1"]);
        assert_eq!(status(&thread, "Seccomp"), ["2"]);
    }
    let elsewhere: Vec<_> =
        open_files(pid).into_iter().filter(|file| !file.starts_with(&state)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// Not even where its user may: another folder at the same path is another folder.
#[test]
fn t31_it_writes_nowhere_else() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let (state, moved) = (scratch.path().join("state"), scratch.path().join("moved"));
    let options = ["--user", USER, "--state-dir", state.to_str().expect("text"), "--no-prune"];
    let daemon = Daemon::start(&options);
    fs::rename(&state, &moved).expect("ours");
    let user = nix::unistd::User::from_name(USER).expect("a list of users").expect("it is there");
    fs::create_dir(&state).expect("a free path");
    chown(&state, Some(user.uid.as_raw()), None).expect("root may");
    let portmapper = Portmapper::unix(daemon.socket()).timeout(Duration::from_secs(20));
    // Enough that the journal is to be written anew.
    for version in 0..300 {
        register(&portmapper, version);
    }
    if !has_landlock() {
        println!("skipped: this kernel has no landlock");
        return;
    }
    let there = fs::read_dir(&state).expect("ours").count();
    assert_eq!(there, 0, "what it may not, it has not");
    let journal = fs::metadata(moved.join("journal")).expect("open since its start");
    assert!(journal.len() > 300 * 40, "it goes on there");
}

/// As the daemon says.
fn has_landlock() -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portmapd"))
        .args(["--port", "0", "--listen", "127.0.0.1"])
        .env("RUST_LOG", "info")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("portmapd starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said = log.find_map(|line| line.ok().filter(|line| line.contains("landlock")));
    child.kill().expect("it is a child");
    child.wait().expect("it ends");
    said.expect("it says so").contains("is written in")
}

#[test]
fn without_privileges_it_keeps_what_is_registered() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let state_dir = state.to_str().expect("text");
    let options = ["--user", USER, "--state-dir", state_dir, "--no-prune"];
    // Enough that the journal is written anew, too.
    let mut daemon = Daemon::start(&options);
    let portmapper = Portmapper::unix(daemon.socket()).timeout(Duration::from_secs(20));
    for version in 0..300 {
        register(&portmapper, version);
        if version > 0 {
            let gone = portmapper.unset(Program(0x2000_0001), Version(version - 1), None);
            gone.expect("accepted");
        }
    }
    assert_eq!(daemon.terminate().code(), Some(0));
    let daemon = Daemon::start(&options);
    let portmapper = Portmapper::unix(daemon.socket()).timeout(Duration::from_secs(20));
    let table = portmapper.dump().expect("a table");
    let kept: Vec<_> =
        table.iter().filter(|entry| entry.program.0 != 100_000).map(ToString::to_string).collect();
    assert_eq!(kept, ["536870913 299 tcp 127.0.0.1.8.1 superuser"]);
}

#[test]
fn a_user_that_there_is_not_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_portmapd"))
        .args(["--port", "0", "--listen", "127.0.0.1", "--user", "no-such-user"])
        .output()
        .expect("portmapd runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr).lines().last(),
        Some("portmapd: cannot serve as no-such-user: there is no such user")
    );
}

/// Without the right to.
#[test]
fn another_user_cannot_be_had_by_everybody() {
    if !is_root() {
        return;
    }
    let mut child: Child = Command::new("setpriv")
        .args(["--reuid=65533", "--regid=65533", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_portmapd"))
        .args(["--port", "0", "--listen", "127.0.0.1", "--user", USER])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("util-linux");
    assert_ne!(child.wait().expect("it ends").code(), Some(0));
}

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn systemd_analyze(args: &[&str], dir: &Path) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(args).current_dir(dir).output();
    let Ok(output) = output else {
        println!("skipped: there is no systemd-analyze");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// The figure is 2.0; systemd wants it in tenths.
#[test]
fn t31_the_unit_exposes_little() {
    let args = ["security", "--offline=true", "--threshold=20", "./portmapd.service"];
    if let Some((success, text)) = systemd_analyze(&args, &units()) {
        assert!(success, "{text}");
        let summary = text.lines().last().expect("a summary");
        assert!(summary.contains("Overall exposure level for portmapd.service: "), "{summary}");
    }
}

#[test]
fn the_units_are_sound() {
    let scratch = Scratch::new();
    let service = fs::read_to_string(units().join("portmapd.service")).expect("shipped");
    // The program is where it was built.
    let service = service.replace("/usr/sbin/portmapd", env!("CARGO_BIN_EXE_portmapd"));
    fs::write(scratch.path().join("portmapd.service"), service).expect("written");
    fs::copy(units().join("portmapd.socket"), scratch.path().join("portmapd.socket"))
        .expect("copied");
    let args = ["verify", "--man=no", "./portmapd.service", "./portmapd.socket"];
    if let Some((success, text)) = systemd_analyze(&args, scratch.path()) {
        assert!(success, "{text}");
        let ours: Vec<_> = text.lines().filter(|line| line.contains("portmapd")).collect();
        assert_eq!(ours, [""; 0]);
    }
}
