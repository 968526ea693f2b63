//! Programs that C's rpcgen, gcc and libtirpc make of `proto/kv.x`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

/// What it takes to make them.
pub(crate) const NEEDS: [&[&str]; 3] =
    [&["rpcgen", "--version"], &["gcc", "--version"], &["pkg-config", "--exists", "libtirpc"]];

/// Why one of the commands cannot be run here, if so.
pub(crate) fn lacking<'a>(needs: impl IntoIterator<Item = &'a [&'a str]>) -> Option<String> {
    needs.into_iter().find_map(|need| {
        let why = match Command::new(need[0]).args(&need[1..]).output() {
            Ok(output) if output.status.success() => return None,
            Ok(output) => format!("{}: {}", output.status, text(&output).trim()),
            Err(error) => error.to_string(),
        };
        Some(format!("`{}` fails: {why}", need.join(" ")))
    })
}

/// Says that a test is skipped; with FARCALL_INTEROP=require it fails.
pub(crate) fn skip(test: &str, reason: &str) {
    assert!(env::var("FARCALL_INTEROP").as_deref() != Ok("require"), "{reason}");
    // Not by eprintln, whose output is shown for tests that fail only.
    writeln!(io::stderr(), "SKIPPED {test}: {reason}").expect("standard error");
}

/// Makes `client` and `server` of the C sources in a folder of `tests`; returns where they are.
pub(crate) fn build(name: &str, sources: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = here.join("tests").join(sources);
    for from in [here.join("proto/kv.x"), sources.join("client.c"), sources.join("server.c")] {
        fs::copy(&from, dir.join(from.file_name().expect("a name"))).expect("a copy");
    }
    let script = "
        flags=$(pkg-config --cflags --libs libtirpc)
        rm -f kv.h kv_xdr.c kv_clnt.c kv_svc.c
        rpcgen -N -C -h -o kv.h kv.x
        rpcgen -N -C -c -o kv_xdr.c kv.x
        rpcgen -N -C -l -o kv_clnt.c kv.x
        rpcgen -N -C -m -o kv_svc.c kv.x
        gcc -o client client.c kv_clnt.c kv_xdr.c $flags
        gcc -o server server.c kv_svc.c kv_xdr.c $flags";
    run(Command::new("sh").args(["-euc", script]).current_dir(&dir));
    dir
}

pub(crate) fn run(command: &mut Command) {
    let output = run_any(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
}

pub(crate) fn run_any(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// All that was printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}
