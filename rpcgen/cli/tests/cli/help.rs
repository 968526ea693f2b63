//! `--help`, `completions` and `man`.

use std::process::Command;

use super::{Run, folder, rpcgen};

#[test]
fn help_and_version_go_to_standard_output() {
    let folder = folder("help");
    for line in ["--help", "-h", "help", "build --help", "help check", "--color never --help"] {
        let help = rpcgen(&folder, line);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""), "{line}");
        assert!(help.stdout.contains("Usage: rpcgen "), "{line}");
    }
    let version = concat!("rpcgen ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(rpcgen(&folder, "--version"), Run::printed(0, version));
    assert_eq!(rpcgen(&folder, "-V"), Run::printed(0, version));
}

/// Whether a shell that is here finds nothing wrong with a script.
fn parses(shell: &str, options: &[&str], script: &str) {
    let file = folder("completions").join(shell);
    std::fs::write(&file, script).unwrap();
    match Command::new(shell).args(options).arg(&file).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => println!("skipped: there is no {shell}"),
    }
}

#[test]
fn completions_are_scripts() {
    let folder = folder("completions");
    for (shell, options) in [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["-n"])] {
        let run = rpcgen(&folder, &format!("completions {shell}"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains("breaking") && run.stdout.contains("against"), "{shell}");
        parses(shell, &options, &run.stdout);
    }
    assert_eq!(rpcgen(&folder, "completions tcsh").status, 2);
}

#[test]
fn the_manual_is_a_page() {
    let folder = folder("man");
    let page = rpcgen(&folder, "man");
    assert_eq!((page.status, page.stderr.as_str()), (0, ""));
    assert!(page.stdout.contains("\n.Dt RPCGEN 1\n"));
    let file = folder.join("rpcgen.1");
    std::fs::write(&file, page.stdout).unwrap();
    let groff = Command::new("groff").args(["-mandoc", "-ww", "-z", "-Tutf8"]).arg(&file).output();
    match groff {
        Ok(output) => assert_eq!(Run::from(output), Run::said(0, "")),
        Err(_) => println!("skipped: there is no groff"),
    }
}
