//! Services of others and ours register with `portmapd`, and their clients find them: a server made
//! with libtirpc, nfs-ganesha (NFS 3, mount, NLM, quota), statd, rusersd, and the key-value example.
//!
//! It runs as root in a network and mount namespace of its own. Without root or the programs it is
//! skipped, unless `FARCALL_INTEROP=require`.

mod process;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::Portmapper;
use farcall::{Server, ServerHandle};
use farcall_example_kv::Store;
use farcall_example_kv::kv::{KvGetRes, KvStatus, kv_prog::v1};

use process::Service;
use support::port111::{OnPort111, STATE, inside, make_state_folder};

const NEEDED: [&str; 11] = [
    "rpcbind",
    "rpcinfo",
    "gcc",
    "pkg-config",
    "ganesha.nfsd",
    "showmount",
    "nfs-ls",
    "nfs-cat",
    "rpc.statd",
    "rpc.rusersd",
    "rusers",
];

/// What registers, and by whom: program, versions, transports, owner.
const REGISTERED: [(u32, &[u32], &[&str], &str); 8] = [
    (0x2000_00c1, &[1], &EVERYWHERE, "superuser"),
    (100_003, &[3], &EVERYWHERE, "superuser"),
    (100_005, &[1, 3], &EVERYWHERE, "superuser"),
    (100_021, &[4], &EVERYWHERE, "superuser"),
    (100_011, &[1, 2], &EVERYWHERE, "superuser"),
    (100_024, &[1], &EVERYWHERE, STATD),
    (100_002, &[2, 3], &["udp"], NOBODY),
    (0x2000_0099, &[1], &EVERYWHERE, "superuser"),
];
const EVERYWHERE: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
const NOBODY: &str = "65534";
/// Whatever number the user `statd` has.
const STATD: &str = "statd";

/// What clients are to print.
const ANSWERS: [(&str, &str); 15] = [
    ("/run/adder call 127.0.0.1 tcp 41", "RPC: Success 42"),
    ("/run/adder call 127.0.0.1 udp 41", "RPC: Success 42"),
    ("rpcinfo -T tcp6 ::1 536871105 1", "program 536871105 version 1 ready and waiting"),
    ("showmount -e 127.0.0.1", "Export list for 127.0.0.1:\n/run/export (everyone)"),
    ("nfs-ls nfs://127.0.0.1/run/export", "-rw-r--r--  1     0     0            6 motd"),
    ("nfs-cat nfs://127.0.0.1/run/export/motd", "hello"),
    ("rusers 127.0.0.1", "localhost            alice"),
    ("rpcinfo -t 127.0.0.1 nfs 3", "program 100003 version 3 ready and waiting"),
    ("rpcinfo -T udp6 ::1 nfs 3", "program 100003 version 3 ready and waiting"),
    ("rpcinfo -u 127.0.0.1 mountd 3", "program 100005 version 3 ready and waiting"),
    ("rpcinfo -t 127.0.0.1 nlockmgr 4", "program 100021 version 4 ready and waiting"),
    ("rpcinfo -T tcp6 ::1 nlockmgr 4", "program 100021 version 4 ready and waiting"),
    ("rpcinfo -t 127.0.0.1 status 1", "program 100024 version 1 ready and waiting"),
    ("rpcinfo -u 127.0.0.1 rusersd 3", "program 100002 version 3 ready and waiting"),
    ("rpcinfo -u 127.0.0.1 536871065 1", "program 536871065 version 1 ready and waiting"),
];

const GANESHA: &str = "
    NFS_CORE_PARAM { Protocols = 3; Enable_UDP = true; }
    EXPORT {
        Export_Id = 1; Path = /run/export; Pseudo = /export; Access_Type = RO;
        Protocols = 3; Transports = UDP, TCP; SecType = sys, none;
        FSAL { Name = VFS; }
    }
";

/// As long as a service may take to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn services_register_and_their_clients_find_them() {
    if !inside("services_register_and_their_clients_find_them", &NEEDED) {
        return;
    }
    make_state_folder();
    let portmapd = OnPort111::portmapd(&[]);
    let _services = start_services();
    let kv = KeyValues::start();
    wait_until_registered();
    assert_found();
    // A crash.
    portmapd.kill();
    let portmapd = OnPort111::portmapd(&[]);
    assert_found();
    // To rpcbind, and back.
    drop(portmapd);
    run(&format!("{} export {STATE}", env!("CARGO_BIN_EXE_portmapd")));
    let rpcbind = OnPort111::rpcbind(&["-w"]);
    assert_found();
    drop(rpcbind);
    let _portmapd = OnPort111::portmapd(&["-w"]);
    assert_found();
    drop(kv);
    assert_eq!(registered(0x2000_0099), <[String; 0]>::default());
}

fn start_services() -> Vec<Service> {
    for folder in ["/run/export", "/run/ganesha"] {
        fs::create_dir_all(folder).expect("/run is a tmpfs of our own");
    }
    fs::write("/run/export/motd", "hello\n").expect("a file");
    fs::write("/run/ganesha.conf", GANESHA).expect("a file");
    fs::write("/run/utmp", login("alice", "console")).expect("a file");
    fs::write("/run/hosts", "127.0.0.1 localhost\n").expect("a file");
    run("mount --bind /run/hosts /etc/hosts");
    run("mount -t tmpfs tmpfs /var/lib/nfs");
    run("mkdir -p /var/lib/nfs/ganesha /var/lib/nfs/sm /var/lib/nfs/sm.bak");
    run("chown -R statd /var/lib/nfs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/adder.c");
    run(&format!("gcc -o /run/adder {} $(pkg-config --cflags --libs libtirpc)", source.display()));
    vec![
        Service::start("adder", "exec /run/adder serve"),
        Service::start(
            "ganesha",
            "ganesha.nfsd -F -f /run/ganesha.conf -L STDERR -p /run/ganesha.pid",
        ),
        Service::start("statd", "rpc.statd -F -d"),
        Service::start("rusersd", "rpc.rusersd"),
    ]
}

/// A record of utmp(5): somebody is logged in.
fn login(user: &str, line: &str) -> Vec<u8> {
    const USER_PROCESS: u8 = 7;
    let mut record = vec![0; 384];
    record[0] = USER_PROCESS;
    record[8..8 + line.len()].copy_from_slice(line.as_bytes());
    record[44..44 + user.len()].copy_from_slice(user.as_bytes());
    record
}

fn run(script: &str) {
    let status = Command::new("sh").args(["-c", script]).status();
    assert!(status.expect("sh").success(), "{script}");
}

/// The key-value example, in this process.
struct KeyValues {
    handle: ServerHandle,
    thread: Option<thread::JoinHandle<farcall::Result<()>>>,
}

impl KeyValues {
    fn start() -> Self {
        let server = Server::builder()
            .udp("[::]:0")
            .tcp("[::]:0")
            .service(v1::Server::new(Store::default()))
            .register()
            .bind()
            .expect("free ports, and a portmapper");
        let handle = server.handle();
        Self { handle, thread: Some(thread::spawn(|| server.run())) }
    }
}

impl Drop for KeyValues {
    fn drop(&mut self) {
        self.handle.stop();
        let run = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || matches!(run, Some(Ok(Ok(())))));
    }
}

fn registered(program: u32) -> Vec<String> {
    let table = Portmapper::local().timeout(PATIENCE).dump().expect("a table");
    let of_program = table.into_iter().filter(|entry| entry.program.0 == program);
    let mut rows: Vec<_> = of_program
        .map(|entry| format!("{} {} {}", entry.version, entry.netid, entry.owner))
        .collect();
    rows.sort();
    rows
}

fn expected(versions: &[u32], netids: &[&str], owner: &str) -> Vec<String> {
    let uid = nix::unistd::User::from_name("statd").expect("a list of users");
    let uid = uid.expect("nfs-common makes it").uid.to_string();
    let owner = if owner == STATD { &uid } else { owner };
    let row = |version| netids.iter().map(move |netid| format!("{version} {netid} {owner}"));
    versions.iter().flat_map(row).collect()
}

fn wait_until_registered() {
    let until = Instant::now() + PATIENCE;
    let is_registered = |(program, versions, netids, owner): &(u32, &[u32], &[&str], &str)| {
        registered(*program) == expected(versions, netids, owner)
    };
    while !REGISTERED.iter().all(is_registered) {
        assert!(Instant::now() < until, "not all register: {:#?}", Portmapper::local().dump());
        thread::sleep(Duration::from_millis(50));
    }
}

/// All that has registered is in the table, and its clients get answers.
fn assert_found() {
    for (program, versions, netids, owner) in REGISTERED {
        assert_eq!(registered(program), expected(versions, netids, owner), "{program}");
    }
    for (line, expected) in ANSWERS {
        let (program, args) = line.split_once(' ').expect("arguments");
        let output = Command::new(program).args(args.split(' ')).stdin(Stdio::null()).output();
        let output = output.expect("it runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stdout.trim(), expected, "{line}: {stderr}");
    }
    for target in ["udp://127.0.0.1", "tcp://[::1]"] {
        let kv = v1::Client::connect(target).expect("the portmapper knows the server");
        assert_eq!(kv.put(target, b"value").expect("put"), KvStatus::Ok);
        assert_eq!(kv.get(target).expect("get"), KvGetRes::Ok(b"value".to_vec().into()));
    }
}
