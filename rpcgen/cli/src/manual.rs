//! `rpcgen man`: the manual's page.

use clap::Args;

use crate::screen;
use crate::status::Status;

const PAGE: &str = include_str!("../man/rpcgen.1");

/// Write the manual's page, rpcgen(1): `rpcgen man | man -l -`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {}

pub(crate) fn run() -> Status {
    screen::print(PAGE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::c_flags::FLAGS;
    use crate::status::MEANINGS;

    /// Without what only typesets, so that flags stand there as they are written.
    fn page() -> String {
        PAGE.replace("Fl Fl ", "--").replace("Fl ", "-").replace(r"\-", "-").replace(r"\&", "")
    }

    /// The words of the lines that begin with this macro.
    fn words<'a>(page: &'a str, macro_name: &str) -> Vec<&'a str> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(macro_name));
        lines.flat_map(str::split_whitespace).collect()
    }

    #[test]
    fn the_page_has_every_command_flag_and_status() {
        let page = page();
        let (heads, items) = (words(&page, ".Ss "), words(&page, ".It "));
        let mut root = crate::Cli::command();
        root.build();
        for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(heads.contains(&command.get_name()), "{command}");
            for arg in command.get_arguments() {
                let long = arg.get_long().map(|long| format!("--{long}"));
                let short = arg.get_short().map(|short| format!("-{short}"));
                for flag in long.into_iter().chain(short) {
                    assert!(items.contains(&flag.as_str()), "{command}: {flag}");
                }
            }
        }
        for flag in &FLAGS {
            assert!(items.contains(&flag.name), "{}", flag.name);
        }
        for (status, _) in MEANINGS {
            assert!(items.contains(&status.code().to_string().as_str()), "{status:?}");
        }
    }
}
