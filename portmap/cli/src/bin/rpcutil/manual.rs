//! `rpcutil man`: the manual's page.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::Cli;
use crate::error::STATUSES;

/// One page for all commands.
pub(crate) fn page() -> io::Result<Vec<u8>> {
    let mut root = Cli::command();
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
    let mut end = Roff::new();
    end.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in STATUSES {
        end.control("TP", []);
        end.text([bold(status.to_string())]);
        end.text([roman(meaning)]);
    }
    end.text([roman("As rpcinfo, 0 or 1 as that has it.")]);
    end.control("SH", ["SEE ALSO"]);
    end.text([roman("portmapd(8), rpc(5), rpcinfo(8)")]);
    end.to_writer(&mut page)?;
    Ok(page)
}

/// A command's page as a section.
fn section(command: &Command) -> io::Result<Vec<u8>> {
    let mut head = Roff::new();
    head.control("SH", [format!("RPCUTIL {}", command.get_name().to_uppercase()).as_str()]);
    let mut text = Vec::new();
    head.to_writer(&mut text)?;
    // What all commands have is said once.
    let own = command.clone().mut_args(|arg| {
        let common = ["timeout", "help"].contains(&arg.get_id().as_str());
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
