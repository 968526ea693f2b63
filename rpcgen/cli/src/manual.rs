//! `rpcgen man`: the manual's page.

use std::io;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::c_flags::{Effect, FLAGS};
use crate::screen;
use crate::status::{self, Status};

/// Write the manual's page, rpcgen(1): `rpcgen man | man -l -`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {}

pub(crate) fn run() -> Status {
    match page() {
        Ok(page) => screen::print(&page),
        Err(cause) => {
            eprintln!("rpcgen: cannot write the manual: {cause}");
            Status::Io
        }
    }
}

/// One page for all commands.
fn page() -> io::Result<String> {
    let mut root = crate::Cli::command();
    root.build();
    let man = Man::new(root.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        page.extend(section(command)?);
    }
    c_flags().to_writer(&mut page)?;
    let mut statuses = Roff::new();
    statuses.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in status::MEANINGS {
        statuses.control("TP", []);
        statuses.text([bold(status.code().to_string())]);
        statuses.text([roman(meaning)]);
    }
    statuses.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A command's page as a section.
fn section(command: &Command) -> io::Result<Vec<u8>> {
    let mut section = Roff::new();
    section.control("SH", [format!("RPCGEN {}", command.get_name().to_uppercase()).as_str()]);
    let mut text = Vec::new();
    section.to_writer(&mut text)?;
    // What all commands have is said once.
    let own = command.clone().mut_args(|arg| {
        let common = ["color", "quiet", "help"].contains(&arg.get_id().as_str());
        arg.hide(common)
    });
    let man = Man::new(own);
    let mut page = Vec::new();
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let page = format!("\n{}", String::from_utf8_lossy(&page)).replace("\n.SH ", "\n.SS ");
    text.extend(page.trim_start().bytes());
    Ok(text)
}

fn c_flags() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["FLAGS OF C RPCGEN"]);
    section.text([roman(
        "Without a command, the flags of C rpcgen are understood. Those that make one thing write \
         it to standard output, as there, unless -o or --out-dir names another place.",
    )]);
    for flag in &FLAGS {
        section.control("TP", []);
        let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
        section.text([bold(flag.name), roman(value)]);
        section.text([roman(format!("{}: {}.", flag.means, effect(flag.effect)))]);
    }
    section
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::Part(options) => format!("build {}", options.join(" ")),
        Effect::New => "new".to_owned(),
        Effect::Same => "the same here".to_owned(),
        Effect::Nothing(why) => format!("nothing, {why}"),
    }
}
