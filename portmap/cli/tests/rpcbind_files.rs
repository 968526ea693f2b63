//! The files of rpcbind: what it writes, and what is not believed.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use farcall::Program;
use farcall::bind::Portmapper;
use farcall_portmap::registry::Registry;
use farcall_portmap::rpcbind;

use support::port111::{OnPort111, SOCKET, STATE, inside, make_state_folder};
use support::{Scratch, string, words};

const P: u32 = 0x2000_0001;

fn rpcb(program: u32, version: u32, texts: [&str; 3]) -> Vec<u8> {
    let texts = texts.map(string).concat();
    [words(&[1, program, version]), texts].concat()
}

/// As Debian's rpcbind 1.2.6 leaves it: its own entries first.
fn rpcbind_xdr() -> Vec<u8> {
    [
        rpcb(100_000, 4, ["tcp", "0.0.0.0.0.111", "superuser"]),
        rpcb(P, 1, ["tcp", "0.0.0.0.8.1", "superuser"]),
        rpcb(P, 1, ["udp6", "::.8.1", "1001"]),
        rpcb(P, 2, ["udp", "0.0.0.0.8.2", "unknown"]),
        words(&[0]),
    ]
    .concat()
}

fn portmap_xdr() -> Vec<u8> {
    words(&[1, 100_000, 4, 6, 111, 1, P, 1, 6, 2049, 1, P, 2, 17, 2050, 0])
}

fn folder(rpcbind: &[u8], portmap: &[u8]) -> Scratch {
    let scratch = Scratch::new();
    for (name, bytes) in [("rpcbind.xdr", rpcbind), ("portmap.xdr", portmap)] {
        fs::write(scratch.path().join(name), bytes).expect("written");
    }
    scratch
}

fn listed(table: &Registry) -> Vec<String> {
    table.list().map(ToString::to_string).collect()
}

fn expected() -> Vec<String> {
    let entry = |rest: &str| format!("{P}/{rest}");
    vec![
        entry("1 \"tcp\" \"0.0.0.0.8.1\" of superuser"),
        entry("1 \"udp6\" \"::.8.1\" of 1001"),
        entry("2 \"udp\" \"0.0.0.0.8.2\" of unknown"),
    ]
}

fn read(dir: &Path) -> Option<Vec<String>> {
    rpcbind::read(dir).expect("readable").as_ref().map(listed)
}

#[test]
fn what_rpcbind_leaves_is_read_without_its_own_entries() {
    let scratch = folder(&rpcbind_xdr(), &portmap_xdr());
    assert_eq!(read(scratch.path()), Some(expected()));
    fs::remove_file(scratch.path().join("portmap.xdr")).expect("there");
    assert_eq!(read(scratch.path()), Some(expected()));
    rpcbind::remove(scratch.path()).expect("ours");
    assert_eq!(read(scratch.path()), None);
    assert_eq!(read(&scratch.path().join("nothing")), None);
}

#[test]
fn what_only_version_2_has_is_read_too() {
    let scratch = folder(&words(&[0]), &portmap_xdr());
    let expected = [
        format!("{P}/1 \"tcp\" \"0.0.0.0.8.1\" of unknown"),
        format!("{P}/2 \"udp\" \"0.0.0.0.8.2\" of unknown"),
    ];
    assert_eq!(read(scratch.path()), Some(expected.into()));
}

#[test]
fn what_is_written_is_what_rpcbind_writes() {
    let scratch = folder(&rpcbind_xdr(), &portmap_xdr());
    let table = rpcbind::read(scratch.path()).expect("readable").expect("there");
    let copy = Scratch::new();
    rpcbind::write(copy.path(), &table).expect("ours");
    let of = |name| fs::read(copy.path().join(name)).expect("written");
    let own = rpcb(100_000, 4, ["tcp", "0.0.0.0.0.111", "superuser"]).len();
    assert_eq!(of("rpcbind.xdr"), rpcbind_xdr()[own..]);
    assert_eq!(of("portmap.xdr"), portmap_xdr()[20..]);
    assert_eq!(read(copy.path()), Some(expected()));
}

#[test]
fn what_is_damaged_or_of_somebody_else_is_not_taken() {
    for len in 0..rpcbind_xdr().len() {
        let scratch = folder(&rpcbind_xdr()[..len], b"");
        let error = rpcbind::read(scratch.path()).expect_err("cut");
        assert!(error.to_string().starts_with("rpcbind.xdr is damaged: "), "{len} {error}");
    }
    let scratch = folder(&rpcbind_xdr(), b"\0\0\0");
    let error = rpcbind::read(scratch.path()).expect_err("cut");
    assert!(error.to_string().starts_with("portmap.xdr is damaged: "), "{error}");
    let scratch = folder(&rpcbind_xdr(), &portmap_xdr());
    let file = scratch.path().join("rpcbind.xdr");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("ours");
    assert!(rpcbind::read(scratch.path()).is_err(), "writable by others");
    fs::rename(&file, scratch.path().join("other")).expect("ours");
    symlink("other", &file).expect("ours");
    assert!(rpcbind::read(scratch.path()).is_err(), "a link");
    let scratch = folder(&rpcbind_xdr(), &portmap_xdr());
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    assert!(rpcbind::read(scratch.path()).is_err(), "a folder writable by others");
}

fn portmapd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portmapd")).args(args).output().expect("portmapd runs")
}

#[test]
fn the_command_copies_both_ways() {
    let theirs = folder(&rpcbind_xdr(), &portmap_xdr());
    let (ours, copy) = (Scratch::new(), Scratch::new());
    let text = |scratch: &Scratch| scratch.path().to_str().expect("a path of our own").to_owned();
    for (verb, dir) in [("import", &theirs), ("export", &copy)] {
        let output = portmapd(&[verb, &text(dir), "--state-dir", &text(&ours)]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stderr, b"portmapd: 3 registrations\n");
    }
    assert_eq!(read(copy.path()), Some(expected()));
    let output = portmapd(&["import", &text(&ours), "--state-dir", &text(&ours)]);
    assert_eq!(output.status.code(), Some(1));
    let message = format!("portmapd: {}: entity not found\n", text(&ours));
    assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    for args in [&["export"][..], &["import", "a", "b"]] {
        assert_eq!(portmapd(args).status.code(), Some(2), "{args:?}");
    }
}

/// Who may not be what is wanted of it does not serve as root instead.
#[test]
fn without_a_user_to_become_it_does_not_start() {
    if !inside("without_a_user_to_become_it_does_not_start", &[]) {
        return;
    }
    fs::write("/run/passwd", "root:x:0:0:root:/root:/bin/sh\n").expect("a tmpfs of our own");
    let mounted = Command::new("mount").args(["--bind", "/run/passwd", "/etc/passwd"]).status();
    assert!(mounted.expect("mount").success());
    let output = portmapd(&["-s", "-f"]);
    let message = "portmapd: -s: there is no user _rpc or daemon; name one with --user\n\
                   Try 'portmapd --help'.\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_root_imports_is_for_the_daemon_and_only_a_daemon_that_has_ended_is_exported() {
    const NAME: &str =
        "what_root_imports_is_for_the_daemon_and_only_a_daemon_that_has_ended_is_exported";
    if !inside(NAME, &["rpcbind"]) {
        return;
    }
    let theirs = folder(&rpcbind_xdr(), &portmap_xdr());
    let path = theirs.path().to_str().expect("a path of our own");
    assert_eq!(portmapd(&["import", path]).stderr, b"portmapd: 3 registrations\n");
    let owner = |path: &str| fs::metadata(path).expect("imported").uid();
    let user = nix::unistd::User::from_name("_rpc").expect("users").expect("rpcbind's user");
    assert_eq!(["/run/portmapd", "/run/portmapd/journal"].map(owner), [user.uid.as_raw(); 2]);
    // Once more, in place of what is there.
    assert_eq!(portmapd(&["import", path]).stderr, b"portmapd: 3 registrations\n");
    assert_eq!(owner("/run/portmapd/journal"), user.uid.as_raw());
    let daemon = OnPort111::portmapd(&["--no-prune"]);
    let copy = Scratch::new();
    let copied = copy.path().to_str().expect("a path of our own");
    for verb in ["export", "import"] {
        let output = portmapd(&[verb, if verb == "export" { copied } else { path }]);
        let message = "portmapd: /run/portmapd: another portmapper uses it\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), message, "{verb}");
        assert_eq!(output.status.code(), Some(1), "{verb}");
    }
    daemon.kill();
    assert_eq!(portmapd(&["export", copied]).stderr, b"portmapd: 3 registrations\n");
    assert_eq!(read(copy.path()), Some(expected()));
}

#[test]
fn what_is_taken_over_is_removed_though_nothing_is_kept() {
    if !inside("what_is_taken_over_is_removed_though_nothing_is_kept", &["rpcbind"]) {
        return;
    }
    make_state_folder();
    fs::write(Path::new(STATE).join("rpcbind.xdr"), rpcbind_xdr()).expect("root may");
    let daemon = OnPort111::portmapd(&["-w", "--port", "1111", "--socket", SOCKET, "--no-prune"]);
    let listed = Portmapper::local().dump().expect("a table");
    assert!(listed.iter().any(|entry| entry.program == Program(P)), "{listed:?}");
    assert!(!Path::new(STATE).join("rpcbind.xdr").exists());
    daemon.kill();
}
