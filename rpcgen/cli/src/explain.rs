//! `rpcgen explain`: what a code in a diagnostic is about.

use clap::Args;

use crate::screen;
use crate::status::Status;

/// Say what a diagnostic's code is about, with an example.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// As it stands in brackets in the diagnostic: E0301. Without it, all are listed.
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs) -> Status {
    args.code.as_deref().map_or_else(|| screen::print(&list()), one)
}

/// Explains one code.
pub(crate) fn one(code: &str) -> Status {
    match farcall_rpcgen::explain(code) {
        Some(text) => screen::print(&format!("{}: {text}\n", code.to_uppercase())),
        None => {
            crate::usage(&format!("there is no code `{code}`: `rpcgen explain` lists all of them"))
        }
    }
}

/// Every code with the first line about it.
fn list() -> String {
    let line = |code| {
        let text = farcall_rpcgen::explain(code).unwrap_or_default();
        format!("{code}  {}\n", text.lines().next().unwrap_or_default())
    };
    farcall_rpcgen::codes().map(line).collect()
}
