//! `rpcgen completions`: for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::screen;
use crate::status::Status;

/// Write the completions for a shell.
///
/// For bash: `rpcgen completions bash > ~/.local/share/bash-completion/completions/rpcgen`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Status {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "rpcgen", &mut script);
    screen::print(&String::from_utf8_lossy(&script))
}
