//! The flags of C rpcgen.

use super::{GOOD, Run, folder_with, names, read, rpcgen, rpcgen_of};

#[test]
fn one_part_goes_to_standard_output() {
    let folder = folder_with("c_parts", &[("a.x", GOOD)]);
    for (flag, client, server) in [
        ("-c", false, false),
        ("-h", false, false),
        ("-t", false, false),
        ("-l", true, false),
        ("-m", false, true),
    ] {
        let run = rpcgen(&folder, &format!("{flag} a.x"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{flag}");
        assert_eq!(run.stdout.contains("pub struct Client"), client, "{flag}");
        assert_eq!(run.stdout.contains("pub trait Service"), server, "{flag}");
    }
    assert_eq!(names(&folder), ["a.x"]);
    assert_eq!(rpcgen(&folder, "-l -o a_clnt.rs a.x"), Run::said(0, ""));
    assert_eq!(read(&folder, "a_clnt.rs"), rpcgen(&folder, "build --no-server -o - a.x").stdout);
    assert_eq!(
        rpcgen_of(&folder, "-l", GOOD).stdout.lines().nth(2),
        read(&folder, "a_clnt.rs").lines().nth(2)
    );
}

#[test]
fn flags_without_a_meaning_say_why() {
    let folder = folder_with("c_notes", &[("a.x", GOOD)]);
    let notes = "\
rpcgen: -N means nothing here: procedures may have several arguments always
rpcgen: -M means nothing here: the code is safe for threads always
rpcgen: -Y means nothing here: none is needed
";
    assert_eq!(rpcgen(&folder, "-NM -Y /lib a.x"), Run::said(0, notes));
    assert_eq!(names(&folder), ["a.rs", "a.x"]);
    assert_eq!(rpcgen(&folder, "-q -NM -Y /lib a.x"), Run::said(0, ""));
    let run = rpcgen(&folder, "-s tcp -I a.x");
    let notes = "\
rpcgen: -s: only the server, for whatever transports it is built with
rpcgen: -I means nothing here: a server takes sockets from elsewhere by `tcp_listener` and \
         `udp_socket`
";
    assert_eq!((run.status, run.stderr.as_str()), (0, notes));
}

#[test]
fn samples_are_a_crate() {
    let folder = folder_with("c_samples", &[("a.x", GOOD)]);
    let message = "rpcgen: `a` is written: `a/README.md` says how it runs\n";
    assert_eq!(rpcgen(&folder, "-Ss a.x"), Run::said(0, message));
    assert_eq!(names(&folder), ["a", "a.x"]);
    assert_eq!(names(&folder.join("a/src/bin")), ["client.rs", "server.rs"]);
}
