//! What packages have beside the commands: manual pages and completions.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::rpcutil;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect("it is there")
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The flags that a help text explains.
fn flags(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let of_line = |line: &str| {
        let words = line.split([' ', ',', '[']).filter(|word| !word.is_empty());
        words.take_while(|word| word.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    };
    lines.flat_map(of_line).collect()
}

/// The flags that a page's lists have.
fn items(page: &str) -> BTreeSet<String> {
    let written = page.replace("Fl Fl ", "--").replace("Fl ", "-").replace(r"\-", "-");
    let lines = written.lines().filter_map(|line| line.strip_prefix(".It "));
    let words = lines.flat_map(str::split_whitespace).filter(|word| word.starts_with('-'));
    words.map(str::to_owned).collect()
}

fn portmapd_flags() -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portmapd"));
    let flags = flags(&stdout(command.arg("--help").output().expect("portmapd runs")));
    assert!(flags.contains("-L") && flags.contains("--listen"), "{flags:?}");
    flags
}

#[test]
fn the_pages_have_every_flag_and_no_other() {
    assert_eq!(items(&read("man/portmapd.8")), portmapd_flags());
    let page = stdout(rpcutil(&["man"]));
    let help = stdout(rpcutil(&["--help"]));
    let mut all = flags(&help);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    // Its own help is rpcinfo's.
    let commands = commands.filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| !["help", "rpcinfo"].contains(command)) {
        assert!(page.contains(&format!("\n.Ss {command}")), "{command}");
        all.extend(flags(&stdout(rpcutil(&[command, "--help"]))));
    }
    assert!(all.contains("--no-health") && all.contains("-T"), "{all:?}");
    assert_eq!(items(&page), all);
}

#[test]
fn the_pages_are_well_formed() {
    for page in ["man/portmapd.8", "man/rpcutil.1"] {
        let mut groff = Command::new("groff");
        groff.args(["-mandoc", "-ww", "-z", "-Tutf8"]).arg(path(page));
        let Ok(output) = groff.output() else {
            println!("skipped: there is no groff");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{page}: {said}");
    }
}

#[test]
fn shells_complete_every_flag() {
    let all = portmapd_flags();
    for (shell, file) in [
        ("bash", "completions/portmapd.bash"),
        ("fish", "completions/portmapd.fish"),
        ("zsh", "completions/_portmapd"),
    ] {
        let text = read(file);
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        for flag in &all {
            let wanted = if shell == "fish" { flag.trim_start_matches('-') } else { flag };
            assert!(words.contains(&wanted), "{file}: {flag}");
        }
        match Command::new(shell).arg("-n").arg(path(file)).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => println!("skipped: there is no {shell}"),
        }
    }
}

#[test]
fn bash_completes() {
    let complete = |before: &str, word: &str| {
        let script = r#"source "$0" && _portmapd portmapd "$1" "$2" && echo "${COMPREPLY[@]}""#;
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).arg(path("completions/portmapd.bash")).args([word, before]);
        bash.output().map(stdout)
    };
    if complete("portmapd", "--").is_err() {
        println!("skipped: there is no bash");
        return;
    }
    for (before, word, expected) in [
        ("portmapd", "--no-", "--no-sandbox --no-prune\n"),
        ("portmapd", "e", "export\n"),
        ("--udp-dump", "", "full\n"),
        ("--user", "roo", "root\n"),
        ("--state-dir", "/us", "/usr\n"),
        ("--port", "", "\n"),
    ] {
        assert_eq!(complete(before, word).expect("bash runs"), expected, "{before} {word}");
    }
}
