//! The interfaces that Debian's `libc6-dev`, `rpcsvc-proto` and `libtirpc-dev` install compile as
//! they are.

use std::path::Path;

const FILES: [&str; 19] = [
    "/usr/include/rpcsvc/bootparam_prot.x",
    "/usr/include/rpcsvc/key_prot.x",
    "/usr/include/rpcsvc/klm_prot.x",
    "/usr/include/rpcsvc/mount.x",
    "/usr/include/rpcsvc/nfs_prot.x",
    "/usr/include/rpcsvc/nis.x",
    "/usr/include/rpcsvc/nis_callback.x",
    "/usr/include/rpcsvc/nis_object.x",
    "/usr/include/rpcsvc/nlm_prot.x",
    "/usr/include/rpcsvc/rex.x",
    "/usr/include/rpcsvc/rquota.x",
    "/usr/include/rpcsvc/rstat.x",
    "/usr/include/rpcsvc/rusers.x",
    "/usr/include/rpcsvc/sm_inter.x",
    "/usr/include/rpcsvc/spray.x",
    "/usr/include/rpcsvc/yp.x",
    "/usr/include/rpcsvc/yppasswd.x",
    "/usr/include/tirpc/rpc/rpcb_prot.x",
    "/usr/include/tirpc/rpcsvc/crypt.x",
];

#[test]
fn all_19_compile_unchanged() {
    let required = std::env::var("FARCALL_INTEROP").is_ok_and(|value| value == "require");
    let (there, missing): (Vec<&str>, Vec<&str>) =
        FILES.into_iter().partition(|path| Path::new(path).exists());
    assert!(!required || missing.is_empty(), "not installed: {missing:?}");
    missing.iter().for_each(|path| println!("skipped: {path} is not installed"));
    let compiled: Vec<_> = there.iter().filter(|path| compiles(path)).collect();
    assert_eq!(compiled.len(), there.len());
    if required {
        assert_eq!(compiled.len(), 19);
    }
}

fn compiles(path: &str) -> bool {
    match farcall_rpcgen::generate(path) {
        Ok(code) => code.contains("::farcall::codegen::assert_version"),
        Err(error) => {
            println!("{error}");
            false
        }
    }
}

/// What C gets from `nis_object.h` comes from the file beside it, and no more than is needed.
#[test]
fn a_callback_has_the_types_of_the_header_that_it_names() {
    let path = "/usr/include/rpcsvc/nis_callback.x";
    if !Path::new(path).exists() {
        println!("skipped: {path} is not installed");
        return;
    }
    let code = farcall_rpcgen::generate(path).unwrap();
    for there in ["pub struct NisObject ", "pub enum NisError ", "pub struct CbackData "] {
        assert_eq!(code.matches(there).count(), 1, "{there}");
    }
    assert_eq!(code.matches("pub mod nis_prog").count(), 0);
    assert_eq!(code.matches("pub mod cb_prog").count(), 1);
}
