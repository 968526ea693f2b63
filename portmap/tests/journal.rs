//! What is kept on a disk, and what becomes of the table when it cannot be.

mod support;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use farcall::bind::{Portmapper, Registration};
use farcall::{Netid, PeerAddr, Program, Server, ServerBuilder, Version};
use farcall_portmap::access::{Access, Owner};
use farcall_portmap::journal::{Disk, Folder, FolderError, Image, Journal};
use farcall_portmap::registry::{Change, Entry, Quotas, Registry};
use farcall_portmap::stats::Protocol;
use farcall_portmap::{Portmap, Service};

use support::Scratch;

const P: Program = Program(0x2000_0001);
const PATIENCE: Duration = Duration::from_secs(20);
const ROOT: PeerAddr = PeerAddr::Unix { uid: 0, gid: 0, pid: 0, connection: 1 };

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    None,
    /// After this many bytes.
    Full(usize),
}

/// A disk in memory that fails as it is told: each write takes the next in the row.
#[derive(Debug, Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    bytes: Vec<u8>,
    failures: VecDeque<Failure>,
    rewrites: usize,
    /// The next one is not for good.
    unsettled: bool,
    put_away: Option<Vec<u8>>,
}

impl Script {
    fn next(&mut self, len: usize) -> (usize, io::Result<()>) {
        match self.failures.pop_front().unwrap_or(Failure::None) {
            Failure::None => (len, Ok(())),
            Failure::Full(most) => (most.min(len), Err(io::ErrorKind::StorageFull.into())),
        }
    }
}

impl Scripted {
    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("no panic")
    }

    fn fail(&self, failures: impl IntoIterator<Item = Failure>) {
        self.script().failures = failures.into_iter().collect();
    }

    /// What a portmapper finds that starts now.
    fn table(&self) -> Vec<Entry> {
        let (_, table) = Journal::open(Box::new(self.clone()));
        table.list().cloned().collect()
    }
}

impl Disk for Scripted {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.script().bytes.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut script = self.script();
        let (len, result) = script.next(bytes.len());
        script.bytes.extend(&bytes[..len]);
        result
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let mut script = self.script();
        let (_, result) = script.next(0);
        if result.is_ok() {
            script.bytes.truncate(usize::try_from(len).expect("small"));
        }
        result
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut script = self.script();
        let (_, result) = script.next(0);
        if result.is_ok() {
            script.bytes = bytes.to_vec();
            script.rewrites += 1;
        }
        result
    }

    fn settle(&mut self) -> io::Result<()> {
        let unsettled = std::mem::take(&mut self.script().unsettled);
        if unsettled { Err(io::Error::other("lost")) } else { Ok(()) }
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let mut script = self.script();
        script.put_away = Some(std::mem::take(&mut script.bytes));
        Ok(())
    }
}

fn entry(version: u32) -> Entry {
    let (netid, address) = ("tcp".to_owned(), "0.0.0.0.8.1".to_owned());
    Entry { program: P, version: Version(version), netid, address, owner: Owner::Superuser }
}

fn entries(versions: &[u32]) -> Vec<Entry> {
    versions.iter().map(|&version| entry(version)).collect()
}

fn portmap(disk: &Scripted) -> Portmap {
    let portmap = Portmap::new(Access::default(), Quotas::default());
    let (journal, table) = Journal::open(Box::new(disk.clone()));
    for entry in table.list() {
        portmap.restore(entry.clone()).expect("an empty table");
    }
    portmap.keep_in(journal).expect("a thread");
    portmap
}

fn set(portmap: &Portmap, version: u32) -> bool {
    let Entry { netid, address, .. } = entry(version);
    let service =
        Service { program: P, version: Version(version), netid: &netid, address: &address };
    portmap.set(Protocol::V3, &ROOT, service).expect("root may")
}

fn unset(portmap: &Portmap, version: u32) -> bool {
    portmap.unset(Protocol::V3, &ROOT, (P, Version(version)), &[]).expect("root may")
}

#[test]
fn what_was_acknowledged_is_kept() {
    let disk = Scripted::default();
    let first = portmap(&disk);
    assert_eq!(disk.table(), []);
    for version in [1, 2, 3] {
        assert!(set(&first, version));
    }
    assert!(set(&first, 2), "again");
    assert_eq!(disk.table(), entries(&[1, 2, 3]));
    assert!(unset(&first, 2));
    assert!(unset(&first, 2), "again");
    assert_eq!(disk.table(), entries(&[1, 3]));
    // No end is needed: as it is, another one takes it over.
    let second = portmap(&disk);
    assert_eq!(second.entries(), entries(&[1, 3]));
    assert!(set(&second, 2));
    assert_eq!(disk.table(), entries(&[1, 3, 2]));
}

#[test]
fn a_change_that_cannot_be_kept_is_not_made() {
    let record = 56;
    // A write that fails after some bytes, and whether they can be taken back.
    for bytes in [0, 1, 12, record - 1, record] {
        for (cut, left_over) in [(Failure::None, false), (Failure::Full(0), bytes == record)] {
            let disk = Scripted::default();
            let portmap = portmap(&disk);
            assert!(set(&portmap, 1));
            disk.fail([Failure::Full(bytes), cut]);
            assert!(!set(&portmap, 2), "refused");
            assert_eq!(portmap.entries(), entries(&[1]));
            let kept = if left_over { entries(&[1, 2]) } else { entries(&[1]) };
            assert_eq!(disk.table(), kept, "{bytes} {cut:?}");
            // With room again all is as if nothing had been.
            assert!(set(&portmap, 3));
            assert_eq!(portmap.entries(), entries(&[1, 3]));
            assert_eq!(disk.table(), entries(&[1, 3]));
        }
    }
}

#[test]
fn a_removal_that_cannot_be_kept_is_not_made() {
    let disk = Scripted::default();
    let portmap = portmap(&disk);
    assert!(set(&portmap, 1));
    disk.fail([Failure::Full(5)]);
    assert!(!unset(&portmap, 1), "refused");
    assert_eq!((portmap.entries(), disk.table()), (entries(&[1]), entries(&[1])));
    assert!(unset(&portmap, 1));
    assert_eq!((portmap.entries(), disk.table()), (vec![], vec![]));
}

#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let disk = Scripted::default();
    disk.fail([Failure::Full(0); 4]);
    let portmap = portmap(&disk);
    for _ in 0..3 {
        assert!(!set(&portmap, 1));
        assert_eq!(portmap.entries(), []);
    }
    assert!(set(&portmap, 1));
    assert_eq!(disk.table(), entries(&[1]));
}

#[test]
fn what_is_removed_does_not_make_it_grow_for_ever() {
    let disk = Scripted::default();
    let portmap = portmap(&disk);
    assert!(set(&portmap, 1));
    let mut longest = 0;
    for _ in 0..1000 {
        assert!(set(&portmap, 2));
        assert!(unset(&portmap, 2));
        longest = longest.max(disk.script().bytes.len());
    }
    assert!(longest < 20_000, "{longest}");
    assert_eq!(disk.script().rewrites, 8);
    assert_eq!(disk.table(), entries(&[1]));
}

#[test]
fn without_room_to_shorten_it_the_journal_goes_on() {
    let disk = Scripted::default();
    let portmap = portmap(&disk);
    for _ in 0..128 {
        assert!(set(&portmap, 2));
        assert!(unset(&portmap, 2));
    }
    disk.fail([Failure::Full(0)]);
    assert!(set(&portmap, 1));
    assert_eq!(disk.script().rewrites, 1);
    assert_eq!(disk.table(), entries(&[1]));
}

/// The new file is there, but not for good: a crash could bring back the one before.
#[test]
fn nothing_is_added_to_a_journal_that_may_be_replaced_by_the_former() {
    let disk = Scripted::default();
    let portmap = portmap(&disk);
    for _ in 0..128 {
        assert!(set(&portmap, 2));
        assert!(unset(&portmap, 2));
    }
    disk.script().unsettled = true;
    assert!(!set(&portmap, 1), "refused");
    assert_eq!(portmap.entries(), []);
    assert!(set(&portmap, 1));
    let rewritten = (disk.script().rewrites, portmap.entries());
    assert_eq!(rewritten, (3, entries(&[1])), "at first, in vain, and again");
    assert_eq!(disk.table(), entries(&[1]));
    // What is cut off the end is what was added last, and nothing else.
    disk.fail([Failure::Full(5)]);
    assert!(!set(&portmap, 3));
    assert_eq!(disk.table(), entries(&[1]));
}

#[test]
fn t25_a_corrupt_journal_is_set_aside_and_not_believed() {
    let disk = Scripted::default();
    let first = portmap(&disk);
    assert!(set(&first, 1));
    assert!(set(&first, 2));
    let good = disk.script().bytes.clone();
    let mut corrupt = good.clone();
    corrupt[60] ^= 1;
    disk.script().bytes.clone_from(&corrupt);
    let second = portmap(&disk);
    assert_eq!(second.entries(), []);
    assert_eq!(disk.script().put_away.as_ref(), Some(&corrupt));
    assert!(set(&second, 3));
    assert_eq!(disk.table(), entries(&[3]));
}

/// A disk that says when it is to write, and does so when it is let.
#[derive(Debug)]
struct Slow {
    begun: Sender<()>,
    go_on: Receiver<()>,
}

impl Disk for Slow {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
        self.begun.send(()).expect("somebody waits for it");
        self.go_on.recv().map_err(io::Error::other)
    }

    fn cut(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn replace(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_looks_up_waits_for_no_disk() {
    let access = Access { loopback: true, ..Access::default() };
    let portmap = Portmap::new(access, Quotas::default());
    let ((begun, begins), (go, go_on)) = (channel(), channel());
    let (journal, _) = Journal::open(Box::new(Slow { begun, go_on }));
    portmap.keep_in(journal).expect("a thread");
    let server = Server::builder().tcp("127.0.0.1:0");
    let server = portmap.services().into_iter().fold(server, ServerBuilder::shared_service);
    let server = server.start().expect("it serves");
    let addr = server.tcp_addrs().next().expect("TCP");
    let ask = &Portmapper::at(addr).timeout(PATIENCE);
    let registration = |version| {
        let address = "0.0.0.0.8.1".parse().expect("an address");
        Registration::new(P, Version(version), Netid::Tcp, address)
    };
    let found = |version| ask.getport(P, Version(version), Netid::Tcp).expect("an answer");

    thread::scope(|scope| {
        let sets = [1, 2].map(|version| scope.spawn(move || ask.set(&registration(version))));
        // The one writes, and the other waits for it.
        begins.recv_timeout(PATIENCE).expect("it writes");
        assert_eq!(found(1), None, "not before it is kept");
        assert_eq!(ask.dump().expect("an answer"), []);
        assert_eq!(portmap.keeps(), Some(true));
        assert!(sets.iter().all(|set| !set.is_finished()), "not before it is kept");
        go.send(()).expect("it waits");
        begins.recv_timeout(PATIENCE).expect("it writes");
        // Whichever came first: another version is as good.
        assert_eq!(found(1), Some(2049));
        go.send(()).expect("it waits");
        sets.into_iter().for_each(|set| set.join().expect("no panic").expect("accepted"));
    });
    assert_eq!(ask.dump().expect("an answer").len(), 2);
    server.stop().expect("a clean end");
}

fn opened(path: &Path) -> (Journal, Registry) {
    Journal::open(Box::new(Folder::open(path).expect("ours")))
}

/// A folder with version 1 registered in it.
fn folder() -> Scratch {
    let scratch = Scratch::new();
    let (mut journal, table) = opened(scratch.path());
    assert!(table.is_empty());
    journal.rewrite(&Image::of(&table)).expect("there is room");
    journal.record(&Change::Set(entry(1)), || Image::of(&table)).expect("there is room");
    scratch
}

fn kept(path: &Path) -> Vec<Entry> {
    opened(path).1.list().cloned().collect()
}

#[test]
fn a_folder_keeps_it() {
    let scratch = folder();
    assert_eq!(kept(scratch.path()), entries(&[1]));
    let journal = scratch.path().join("journal");
    let mode = fs::metadata(&journal).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What a crash while it was written anew has left is in nobody's way.
    fs::write(scratch.path().join("journal.new"), b"half").expect("written");
    let (mut journal, table) = opened(scratch.path());
    journal.rewrite(&Image::of(&table)).expect("there is room");
    drop(journal);
    assert_eq!(kept(scratch.path()), entries(&[1]));
    assert!(!scratch.path().join("journal.new").exists());
}

#[test]
fn a_folder_has_one_writer() {
    let scratch = folder();
    let first = opened(scratch.path());
    let second = Folder::open(scratch.path());
    assert!(matches!(second, Err(FolderError::InUse)), "{second:?}");
    drop(first);
    assert_eq!(kept(scratch.path()), entries(&[1]));
}

#[test]
fn t25_a_file_that_somebody_else_could_have_written_is_set_aside() {
    type Spoil = fn(&Path);
    let table: [(&str, Spoil); 6] = [
        ("a link", |path| {
            fs::rename(path, path.with_file_name("other")).expect("moved");
            symlink("other", path).expect("linked");
        }),
        ("a second name", |path| {
            fs::hard_link(path, path.with_file_name("other")).expect("linked");
        }),
        ("writable by others", |path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o622)).expect("ours");
        }),
        ("a folder", |path| {
            fs::remove_file(path).expect("ours");
            fs::create_dir(path).expect("made");
        }),
        ("a pipe", |path| {
            fs::remove_file(path).expect("ours");
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        }),
        ("another file", |path| fs::write(path, b"not a journal").expect("ours")),
    ];
    for (what, spoil) in table {
        let scratch = folder();
        let path = scratch.path().join("journal");
        spoil(&path);
        let (mut journal, table) = opened(scratch.path());
        assert!(table.is_empty(), "{what}");
        assert!(!path.exists(), "{what}");
        let aside = scratch.path().join("journal.corrupt");
        assert!(aside.symlink_metadata().is_ok(), "{what}");
        journal.rewrite(&Image::of(&table)).expect("there is room");
        journal.record(&Change::Set(entry(2)), || Image::of(&table)).expect("there is room");
        drop(journal);
        assert_eq!(kept(scratch.path()), entries(&[2]), "{what}");
    }
}

#[test]
fn t25_a_file_of_another_user_is_set_aside() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: it needs root");
        return;
    }
    let scratch = folder();
    let path = scratch.path().join("journal");
    std::os::unix::fs::chown(&path, Some(65534), None).expect("root may");
    assert_eq!(kept(scratch.path()), []);
    assert!(!path.exists());
    std::os::unix::fs::chown(scratch.path(), Some(65534), None).expect("root may");
    assert!(matches!(Folder::open(scratch.path()), Err(FolderError::NotOurs)));
}

#[test]
fn t25_a_folder_where_others_may_write_is_not_used() {
    let scratch = folder();
    for mode in [0o757, 0o775, 0o1777] {
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(mode)).expect("ours");
        assert!(matches!(Folder::open(scratch.path()), Err(FolderError::NotOurs)), "{mode:o}");
    }
}
