//! Who has a port that this process wanted.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;

/// The longest list of sockets that is read while somebody waits, in bytes: some 3,000 sockets.
const MAX_TABLE: u64 = 512 << 10;

/// A process that has a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// What it calls itself.
    pub name: String,
    /// Its number.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A process names itself.
        write!(f, "{} (pid {})", self.name.escape_debug(), self.pid)
    }
}

/// The processes that listen on a port over UDP or TCP, as far as this one may know: to see those
/// of other users is for root.
pub(crate) fn of_port(port: u16) -> Vec<Holder> {
    let proc = Path::new("/proc");
    let tables = ["udp", "udp6", "tcp", "tcp6"].map(|name| proc.join("self/net").join(name));
    let texts = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
    let inodes = texts.flat_map(|text| inodes(&text, port)).collect();
    let mut holders = holders(proc, &inodes);
    holders.sort();
    holders
}

/// Whether anybody is at a port over `udp` or `tcp`; `None` if the system does not tell.
pub(crate) fn is_held(protocol: &str, port: u16) -> Option<bool> {
    let folder = Path::new("/proc/self/net");
    let v4 = read(&folder.join(protocol))?;
    let v6 = folder.join(format!("{protocol}6"));
    // Without IPv6 there is none.
    let v6 = if v6.exists() { read(&v6)? } else { String::new() };
    Some([v4, v6].iter().any(|table| !inodes(table, port).is_empty()))
}

/// A list of sockets, unless it is so long that to read it would keep others waiting.
fn read(path: &Path) -> Option<String> {
    let mut table = String::new();
    let len = fs::File::open(path).ok()?.take(MAX_TABLE + 1).read_to_string(&mut table).ok()?;
    (len as u64 <= MAX_TABLE).then_some(table)
}

/// The inodes of sockets at a local port, of a table in `/proc/self/net`.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let local = words.get(1)?.rsplit_once(':')?.1;
        let has_peer = words.get(2)?.rsplit_once(':')?.1 != "0000";
        let is_it = u16::from_str_radix(local, 16) == Ok(port) && !has_peer;
        is_it.then(|| words.get(9).map(|&inode| inode.to_owned()))?
    };
    table.lines().skip(1).filter_map(row).filter(|inode| inode != "0").collect()
}

fn holders(proc: &Path, inodes: &HashSet<String>) -> Vec<Holder> {
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let holder = |process: fs::DirEntry| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        files.any(|file| is_one_of(&file.path(), inodes)).then(|| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            Holder { name: name.trim_end().to_owned(), pid }
        })
    };
    processes.filter_map(holder).collect()
}

fn is_one_of(file: &Path, inodes: &HashSet<String>) -> bool {
    let link = fs::read_link(file).ok();
    let inode =
        link.as_ref().and_then(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']'));
    inode.is_some_and(|inode| inodes.contains(inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:006F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18117 1
   1: 0100007F:006F 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 18200 1
   2: 0100007F:0070 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18300 1
   3: 00000000000000000000000000000000:006F 00000000000000000000000000000000:0000 0A \
            00000000:00000000 00:00000000 00000000     0        0 18400 1
   4: 00000000:006F 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 1
   garbage
";
        assert_eq!(inodes(table, 111), ["18117", "18400"]);
        assert_eq!(inodes(table, 112), ["18300"]);
        assert_eq!(inodes("", 111), [""; 0]);
    }

    #[test]
    fn a_port_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let _client = TcpStream::connect(addr).expect("it listens");
        for port in [addr.port(), udp.local_addr().expect("bound").port()] {
            let pids: Vec<_> = of_port(port).into_iter().map(|holder| holder.pid).collect();
            assert!(pids.contains(&std::process::id()), "{port} {pids:?}");
        }
        // What others have left may make the list too long to be read.
        assert_ne!(is_held("tcp", addr.port()), Some(false));
        assert_eq!(is_held("udp", udp.local_addr().expect("bound").port()), Some(true));
        assert_eq!(is_held("udp", 0), Some(false));
        assert_eq!(is_held("none", 0), None);
    }

    #[test]
    fn a_name_cannot_be_taken_for_more_than_a_name() {
        let holder = Holder { name: "a\x1b[2J".to_owned(), pid: 7 };
        assert_eq!(holder.to_string(), "a\\u{1b}[2J (pid 7)");
    }
}
