//! `rpcgen`: the compiler as a command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use farcall_rpcgen::Error;
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
Writes Rust for ONC RPC interface files: kv.rs for kv.x, beside it.

Usage: rpcgen [OPTIONS] FILE.x...

Options:
  -o, --output FILE   write to FILE; for one input file
      --out-dir DIR   write into DIR
  -D NAME[=VALUE]     as `#define NAME VALUE` at the start of each file; without VALUE, 1
      --check         write nothing: exit 4 if what is there is not what would be written
      --no-client     leave out the clients
      --no-server     leave out the servers
  -h, --help          show this
  -V, --version       show the version

Exit status: 0 done, 1 errors in a file (nothing is written), 2 wrong usage, 3 a file that cannot
be read or written, 4 stale files found by --check.
";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const IO: u8 = 3;
const STALE: u8 = 4;

#[derive(Default)]
struct Options {
    files: Vec<PathBuf>,
    output: Option<PathBuf>,
    out_dir: Option<PathBuf>,
    defines: Vec<String>,
    check: bool,
    no_client: bool,
    no_server: bool,
}

enum Command {
    Compile(Options),
    Print(String),
}

fn main() -> ExitCode {
    match parse(env::args_os().skip(1)) {
        Ok(Command::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Command::Compile(options)) => ExitCode::from(run(&options)),
        Err(cause) => {
            eprintln!("rpcgen: {cause}\nTry `rpcgen --help`.");
            ExitCode::from(USAGE)
        }
    }
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('o') | Arg::Long("output") => options.output = Some(parser.value()?.into()),
            Arg::Long("out-dir") => options.out_dir = Some(parser.value()?.into()),
            Arg::Short('D') => options.defines.push(parser.value()?.string()?),
            Arg::Long("check") => options.check = true,
            Arg::Long("no-client") => options.no_client = true,
            Arg::Long("no-server") => options.no_server = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(HELP.to_owned())),
            Arg::Short('V') | Arg::Long("version") => {
                return Ok(Command::Print(format!("rpcgen {}\n", env!("CARGO_PKG_VERSION"))));
            }
            Arg::Value(file) => options.files.push(file.parse()?),
            other => return Err(other.unexpected()),
        }
    }
    if options.files.is_empty() {
        return Err("no file named".into());
    }
    if options.output.is_some() && (options.files.len() > 1 || options.out_dir.is_some()) {
        return Err("--output is for one file, and without --out-dir".into());
    }
    Ok(Command::Compile(options))
}

/// The exit status. Compiles all files before it writes the first.
fn run(options: &Options) -> u8 {
    let mut config =
        farcall_rpcgen::configure().client(!options.no_client).server(!options.no_server);
    for define in &options.defines {
        let (name, value) = define.split_once('=').unwrap_or((define, "1"));
        config = config.define(name, value);
    }
    let mut status = 0;
    let mut outputs = Vec::new();
    for file in &options.files {
        match config.generate(file) {
            Ok(code) => outputs.push((output(options, file), code)),
            Err(error) => {
                eprintln!("{error}\n");
                status = status.max(if let Error::Source(_) = error { FAILED } else { IO });
            }
        }
    }
    if status == 0 { finish(options, &outputs) } else { status }
}

fn finish(options: &Options, outputs: &[(PathBuf, String)]) -> u8 {
    let mut status = 0;
    for (path, code) in outputs {
        let fresh = fs::read(path).is_ok_and(|old| old == code.as_bytes());
        if options.check && !fresh {
            eprintln!("rpcgen: `{}` is stale: run rpcgen without --check", path.display());
            status = STALE;
        } else if !options.check
            && !fresh
            && let Err(cause) = fs::write(path, code)
        {
            eprintln!("rpcgen: cannot write `{}`: {cause}", path.display());
            status = IO;
        }
    }
    status
}

fn output(options: &Options, file: &Path) -> PathBuf {
    let beside = file.with_extension("rs");
    match (&options.output, &options.out_dir, beside.file_name()) {
        (Some(output), _, _) => output.clone(),
        (None, Some(dir), Some(name)) => dir.join(name),
        _ => beside,
    }
}
