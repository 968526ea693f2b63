//! The command `rpcgen`: what it writes, what it says, and how it ends.

mod breaking;
mod build;
mod c_flags;
mod check;
mod describe;
mod fmt;
mod help;
mod lint;
mod new;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GOOD: &str = "program P { version V { int GET(int) = 1; } = 1; } = 0x20000000;\n";
const BAD: &str = "struct s { nothing a; };\n";

/// What is said about `BAD`.
const REPORT: &str = "\
error[E0301]: cannot find type `nothing`
 --> bad.x:1:12
  |
1 | struct s { nothing a; };
  |            ^^^^^^^ not defined in this file or its includes
  |
  = help: define it, `#include` the file that does, or say what Rust type it is: \
`extern_type(\"nothing\", \"crate::Nothing\")`

";

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Such a folder with files.
fn folder_with(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = folder(name);
    files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    folder
}

/// How a command ended, and what it wrote.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// A run that wrote to standard error only.
    fn said(status: i32, stderr: &str) -> Self {
        Self { status, stdout: String::new(), stderr: stderr.to_owned() }
    }

    /// A run that wrote to standard output only.
    fn printed(status: i32, stdout: &str) -> Self {
        Self { status, stdout: stdout.to_owned(), stderr: String::new() }
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rpcgen"));
    command.current_dir(folder).args(line.split_whitespace()).env_remove("NO_COLOR");
    command
}

fn rpcgen(folder: &Path, line: &str) -> Run {
    command(folder, line).output().unwrap().into()
}

/// With this as standard input.
fn rpcgen_of(folder: &Path, line: &str, input: &str) -> Run {
    let mut command = command(folder, line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
