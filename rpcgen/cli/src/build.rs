//! `rpcgen build`: Rust for `.x` files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use farcall_rpcgen::{Config, Error, Output};

use crate::diff;
use crate::input::Input;
use crate::options::{CodeOptions, SourceOptions};
use crate::screen::{self, Screen};
use crate::status::Status;

/// A longer difference is not read by anyone.
const MAX_DIFF: usize = 40;

/// Write Rust for `.x` files: kv.rs for kv.x, beside it.
///
/// This is what rpcgen does if it is given no command. All files are compiled before the first is
/// written; if there is an error in any of them, none is.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// `-`, or none at all, is standard input, which is compiled to standard output.
    #[arg(value_name = "FILE.x")]
    files: Vec<PathBuf>,
    /// Write to FILE, `-` for standard output. For one input.
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    output: Option<PathBuf>,
    /// Write into DIR.
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// Write nothing; exit with 4 if what is there is not what would be written.
    #[arg(long)]
    check: bool,
    /// Write a rule for make to FILE: which files the output is made from.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    deps: Option<PathBuf>,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    code: CodeOptions,
}

/// Where code goes to.
enum Target {
    File(PathBuf),
    Stdout,
}

pub(crate) fn run(args: BuildArgs, screen: Screen) -> Status {
    let inputs = match Input::all(args.files.clone()) {
        Ok(inputs) => inputs,
        Err(message) => return crate::usage(message),
    };
    if args.output.is_some() && inputs.len() > 1 {
        return crate::usage("--output is for one file");
    }
    if let Err(message) = check_targets(&args, &inputs) {
        return crate::usage(&message);
    }
    let config = args.code.apply(args.source.config());
    let mut status = Status::Done;
    let mut outputs = Vec::new();
    for input in &inputs {
        match generate(&config, input) {
            Ok(output) => outputs.push((target(&args, input), output)),
            Err(error) => status = status.max(screen.error(&error)),
        }
    }
    if status != Status::Done {
        return status;
    }
    outputs.iter().for_each(|(_, output)| screen.report(&output.notes));
    let finish = if args.check { check } else { write };
    let written = outputs.iter().map(|(target, output)| finish(target, &output.code, screen));
    let status = written.max().unwrap_or(Status::Done);
    status.max(args.deps.map_or(Status::Done, |path| write_file(&path, &deps(&outputs))))
}

fn generate(config: &Config, input: &Input) -> Result<Output, Error> {
    input.read(|path| config.output(path), |name, text| config.output_text(name, text))
}

fn target(args: &BuildArgs, input: &Input) -> Target {
    match (&args.output, input) {
        (Some(output), _) if output.as_os_str() == "-" => Target::Stdout,
        (Some(output), _) => Target::File(output.clone()),
        (None, Input::Stdin) => Target::Stdout,
        (None, Input::File(file)) => {
            let beside = file.with_extension("rs");
            Target::File(match (&args.out_dir, beside.file_name()) {
                (Some(dir), Some(name)) => dir.join(name),
                _ => beside,
            })
        }
    }
}

/// No file may be written over that is read, or written already.
fn check_targets(args: &BuildArgs, inputs: &[Input]) -> Result<(), String> {
    let mut seen: BTreeSet<_> = inputs.iter().map(|input| input.path().to_owned()).collect();
    for input in inputs {
        if let Target::File(path) = target(args, input)
            && !seen.insert(path.clone())
        {
            return Err(format!("`{}` would be written over", path.display()));
        }
    }
    Ok(())
}

fn write(target: &Target, code: &str, _: Screen) -> Status {
    match target {
        Target::Stdout => screen::print(code),
        Target::File(path) => write_file(path, code),
    }
}

/// Leaves a file alone that is as it should be.
fn write_file(path: &Path, text: &str) -> Status {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Status::Done;
    }
    match fs::write(path, text) {
        Ok(()) => Status::Done,
        Err(cause) => {
            eprintln!("rpcgen: cannot write `{}`: {cause}", path.display());
            Status::Io
        }
    }
}

fn check(target: &Target, code: &str, screen: Screen) -> Status {
    let Target::File(path) = target else {
        return crate::usage("--check needs a file to compare with");
    };
    let name = path.display().to_string();
    match fs::read(path) {
        Ok(old) if old == code.as_bytes() => return Status::Done,
        Ok(old) => {
            eprintln!("rpcgen: `{name}` is stale: run rpcgen without --check");
            screen.diff(&diff::unified(&name, &String::from_utf8_lossy(&old), code, MAX_DIFF));
        }
        Err(_) => eprintln!("rpcgen: `{name}` is missing: run rpcgen without --check"),
    }
    Status::Found
}

/// The rules of a makefile that cargo, make and ninja understand.
fn deps(outputs: &[(Target, Output)]) -> String {
    let mut rules = String::new();
    for (target, output) in outputs {
        let Target::File(path) = target else { continue };
        let name = |path: &Path| path.display().to_string().replace(' ', "\\ ");
        let read: Vec<_> = output.read.iter().map(|path| name(path)).collect();
        // A `String` takes whatever is written to it.
        let _ = writeln!(rules, "{}: {}", name(path), read.join(" "));
    }
    rules
}
