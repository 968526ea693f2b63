//! `rpcutil` at Debian's rpcbind. In a namespace, as `interop_rpcinfo`.

mod support;

use support::port111::{OnPort111, inside};
use support::tool::run;

fn done(args: &[&str]) -> String {
    let (status, stdout, stderr) = run(args);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{args:?}: {stdout}");
    stdout
}

#[test]
fn rpcutil_understands_rpcbind() {
    if !inside("rpcutil_understands_rpcbind", &["rpcbind"]) {
        return;
    }
    let _daemon = OnPort111::rpcbind(&[]);
    for host in [None, Some("127.0.0.1"), Some("::1")] {
        let list = done(&[&["list"], host.as_slice()].concat());
        let rows: Vec<Vec<_>> = list.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows.len(), 2, "{list}");
        assert_eq!(rows[1][..3], ["100000", "portmapper", "2-4"]);
        assert_eq!(rows[1][rows[1].len() - 4..][..3], ["111", "root", "ok"]);
    }
    done(&["set", "nfs", "3", "tcp", "2049"]);
    assert_eq!(done(&["list", "--short"]).lines().last(), Some("nfs 3 tcp"));
    assert!(done(&["ping", "localhost", "portmapper"]).contains("\n3 calls, 3 replies, "));
    assert!(done(&["doctor", "localhost", "portmapper"]).contains("ok  portmapper v4 local at "));
    assert!(run(&["doctor", "localhost", "nfs"]).1.contains("but nobody listens there"));
    done(&["unset", "nfs", "3"]);
    assert_eq!(run(&["ping", "localhost", "nfs"]).0, Some(1));
    assert!(done(&["stats"]).contains(" set "));
}
