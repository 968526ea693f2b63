//! `rpcgen fmt`: `.x` files in the one style.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use farcall_rpcgen::Error;

use crate::diff;
use crate::input::Input;
use crate::screen::{self, Screen};
use crate::status::Status;

/// Lay `.x` files out in the one style. Comments and directives stay.
#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Rewritten in place. `-`, or none at all, is standard input, which is formatted to standard
    /// output.
    #[arg(value_name = "FILE.x")]
    files: Vec<PathBuf>,
    /// Write nothing; name the files that are not formatted, and exit with 4 if there are any.
    #[arg(long)]
    check: bool,
    /// As --check, and show what would change.
    #[arg(long)]
    diff: bool,
}

pub(crate) fn run(args: FmtArgs, screen: Screen) -> Status {
    let inputs = match Input::all(args.files.clone()) {
        Ok(inputs) => inputs,
        Err(message) => return crate::usage(message),
    };
    let each = inputs
        .iter()
        .map(|input| one(&args, input, screen).unwrap_or_else(|error| screen.error(&error)));
    each.max().unwrap_or(Status::Done)
}

fn one(args: &FmtArgs, input: &Input, screen: Screen) -> Result<Status, Error> {
    let (text, name) = (input.text()?, input.name());
    let formatted = farcall_rpcgen::format(&text, &name)?;
    if args.check || args.diff {
        if formatted == text {
            return Ok(Status::Done);
        }
        if args.diff {
            screen::print(&diff::unified(&name, &text, &formatted, usize::MAX));
        } else {
            screen.note(format_args!("`{name}` is not formatted"));
        }
        return Ok(Status::Found);
    }
    match input {
        Input::Stdin => Ok(screen::print(&formatted)),
        Input::File(_) if formatted == text => Ok(Status::Done),
        Input::File(path) => fs::write(path, formatted)
            .map(|()| Status::Done)
            .map_err(|cause| Error::Write { path: path.clone(), cause }),
    }
}
