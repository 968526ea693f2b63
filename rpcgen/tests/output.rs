//! What `Config::output` and `Config::check` tell beside the code.

use std::fs;
use std::path::{Path, PathBuf};

use farcall_rpcgen::{Error, configure};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("output").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn the_files_that_were_read_are_told() {
    let folder = folder("read");
    let path = folder.join("a.x");
    fs::write(&path, "#include \"b.x\"\nstruct s { t x; };\n").unwrap();
    fs::write(folder.join("b.x"), "typedef int t;\n").unwrap();
    let output = configure().output(&path).unwrap();
    assert_eq!(output.read, [path.clone(), folder.join("b.x")]);
    assert!(output.notes.is_empty());
    assert_eq!(output.code, configure().generate(&path).unwrap());

    let name = path.to_str().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let of_text = configure().output_text(name, &text).unwrap();
    assert_eq!(of_text.read, [folder.join("b.x")]);
    assert_eq!(of_text.code, output.code);
}

#[test]
fn warnings_and_notes_do_not_stop_it() {
    let text = "%#include <stdio.h>\n#warning take care\nconst A = 1;\n";
    let output = configure().output_text("a.x", text).unwrap();
    assert_eq!((output.notes.errors(), output.notes.warnings(), output.notes.notes()), (0, 1, 1));
    assert!(output.code.contains("pub const A: u32 = 1;"));
    assert_eq!(configure().check_text("a.x", text).unwrap(), output.notes);
}

#[test]
fn check_finds_what_output_does() {
    let config = configure().open_enum("color");
    for text in ["struct s { nothing a; };", "const A = 1;"] {
        let of = |result: Result<(), Error>| result.unwrap_err().to_string();
        let checked = of(config.check_text("a.x", text).map(drop));
        assert_eq!(checked, of(config.output_text("a.x", text).map(drop)));
    }
}
