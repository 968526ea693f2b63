//! What a `build.rs` does: `OUT_DIR`, and what cargo is told.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use farcall_rpcgen::{Error, configure};

#[test]
fn only_what_has_changed_is_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_script");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("limits.x"), "const LIMIT = 3;\n").unwrap();
    let input = folder.join("a.x");
    fs::write(&input, "#include \"limits.x\"\nstruct s { int a<LIMIT>; };\n").unwrap();
    let output = folder.join("a.rs");
    let compile = || configure().out_dir(&folder).compile(&[&input]);

    compile().unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(&output).unwrap().set_modified(long_ago).unwrap();
    compile().unwrap();
    assert_eq!(fs::metadata(&output).unwrap().modified().unwrap(), long_ago);

    fs::write(folder.join("limits.x"), "const LIMIT = 4;\n").unwrap();
    compile().unwrap();
    assert!(fs::read_to_string(&output).unwrap().contains("e.array(&self.a, 4)"));

    fs::write(folder.join("limits.x"), "const OTHER = 4;\n").unwrap();
    let Err(Error::Source(report)) = compile() else { panic!("an error in the file") };
    assert_eq!(report.errors(), 1);
    assert!(fs::read_to_string(&output).unwrap().contains("e.array(&self.a, 4)"));
}

#[test]
fn without_a_folder_there_is_nowhere_to_write() {
    // Cargo sets OUT_DIR for build scripts, and for tests of packages that have one.
    assert!(matches!(farcall_rpcgen::compile("a.x"), Err(Error::NoOutDir)));
}
