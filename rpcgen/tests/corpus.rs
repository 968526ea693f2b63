//! The `.x` files that systems ship compile, each by name.

use std::path::Path;

/// A file, and what it expects of the headers of C that it names.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const RPCSVC: [Case; 16] = [
    ("bootparam_prot.x", &[]),
    ("key_prot.x", &[("MAXNETNAMELEN", "255")]),
    ("klm_prot.x", &[]),
    ("mount.x", &[]),
    ("nfs_prot.x", &[]),
    ("nis.x", &[]),
    ("nis_object.x", &[]),
    ("nlm_prot.x", &[("LM_MAXSTRLEN", "1024"), ("MAXNAMELEN", "1025")]),
    ("rex.x", &[]),
    ("rquota.x", &[]),
    ("rstat.x", &[]),
    ("rusers.x", &[]),
    ("sm_inter.x", &[]),
    ("spray.x", &[]),
    ("yp.x", &[]),
    ("yppasswd.x", &[]),
];

const TIRPC: [Case; 2] = [("rpc/rpcb_prot.x", &[]), ("rpcsvc/crypt.x", &[])];

#[test]
fn rpcsvc() {
    RPCSVC.iter().for_each(|case| compiles("/usr/include/rpcsvc", case));
}

#[test]
fn tirpc() {
    TIRPC.iter().for_each(|case| compiles("/usr/include/tirpc", case));
}

fn compiles(folder: &str, (name, defines): &Case) {
    let path = Path::new(folder).join(name);
    if !path.exists() {
        let required = std::env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
        assert!(!required, "{} is not installed", path.display());
        println!("skipped: {} is not installed", path.display());
        return;
    }
    let mut config = farcall_rpcgen::configure();
    for (name, value) in *defines {
        config = config.define(*name, *value);
    }
    if let Err(error) = config.generate(path) {
        panic!("{error}");
    }
}
