//! Options that are the library's.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use farcall_rpcgen::Config;

/// How a `.x` file is read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct ReadOptions {
    /// Look for included files in DIR too.
    #[arg(short = 'I', long = "include-dir", value_name = "DIR")]
    pub(crate) include_dirs: Vec<PathBuf>,
    /// As `#define NAME VALUE` at the start of each file; without VALUE, 1.
    #[arg(short = 'D', long = "define", value_name = "NAME[=VALUE]", value_parser = define)]
    pub(crate) defines: Vec<Pair>,
    /// As `#undef NAME` at the start of each file.
    #[arg(short = 'U', long = "undefine", value_name = "NAME")]
    pub(crate) undefines: Vec<String>,
}

/// How it is read, and what it leaves to others.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct SourceOptions {
    #[command(flatten)]
    read: ReadOptions,
    /// Use the Rust type at PATH for the type NAME.
    #[arg(long = "extern-type", value_name = "NAME=PATH", value_parser = pair)]
    extern_types: Vec<Pair>,
}

/// What is generated.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Code")]
pub(crate) struct CodeOptions {
    /// Generate clients, as is the default.
    #[arg(long, overrides_with = "no_client")]
    client: bool,
    /// Leave out the clients.
    #[arg(long, overrides_with = "client")]
    no_client: bool,
    /// Generate servers, as is the default.
    #[arg(long, overrides_with = "no_server")]
    server: bool,
    /// Leave out the servers.
    #[arg(long, overrides_with = "server")]
    no_server: bool,
    /// Names as is usual in Rust, or as in the `.x` file.
    #[arg(long, value_name = "STYLE", value_enum, default_value = "rust")]
    naming: Naming,
    /// Make a string `Bytes`: a typedef, STRUCT.MEMBER, or `*`.
    #[arg(long, value_name = "NAME")]
    bytes_strings: Vec<String>,
    /// Take any value for the enum NAME, or `*`.
    #[arg(long, value_name = "NAME")]
    open_enum: Vec<String>,
    /// Keep the words that all names in an enum or version begin with.
    #[arg(long, value_name = "NAME")]
    keep_prefix: Vec<String>,
    /// Derive more for the type NAME, or `*`.
    #[arg(long, value_name = "NAME=TRAIT[,TRAIT]", value_parser = pair)]
    derive: Vec<Pair>,
    /// Let servers answer it later: [[PROGRAM.]VERSION.]PROCEDURE.
    #[arg(long, value_name = "PROCEDURE")]
    deferred: Vec<String>,
    /// Executing it twice does no harm: [[PROGRAM.]VERSION.]PROCEDURE.
    #[arg(long, value_name = "PROCEDURE")]
    idempotent: Vec<String>,
}

/// A name and what belongs to it.
pub(crate) type Pair = (String, String);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Naming {
    #[default]
    Rust,
    C,
}

impl ReadOptions {
    pub(crate) fn config(&self) -> Config {
        self.config_in(Path::to_owned)
    }

    /// The same for files that are elsewhere: `place` says where.
    fn config_in(&self, place: impl Fn(&Path) -> PathBuf) -> Config {
        let mut config = farcall_rpcgen::configure();
        for dir in &self.include_dirs {
            config = config.include_dir(place(dir));
        }
        for (name, value) in &self.defines {
            config = config.define(name, value);
        }
        for name in &self.undefines {
            config = config.undefine(name);
        }
        config
    }
}

impl SourceOptions {
    pub(crate) fn config(&self) -> Config {
        self.config_in(Path::to_owned)
    }

    /// The same for files that are elsewhere: `place` says where.
    pub(crate) fn config_in(&self, place: impl Fn(&Path) -> PathBuf) -> Config {
        let extern_type = |config: Config, (name, path): &Pair| config.extern_type(name, path);
        self.extern_types.iter().fold(self.read.config_in(place), extern_type)
    }
}

impl CodeOptions {
    pub(crate) fn apply(&self, config: Config) -> Config {
        let config = config
            .client(!self.no_client)
            .server(!self.no_server)
            .c_names(self.naming == Naming::C);
        let config = self.bytes_strings.iter().fold(config, Config::bytes_strings);
        let config = self.open_enum.iter().fold(config, Config::open_enum);
        let config = self.keep_prefix.iter().fold(config, Config::keep_prefix);
        let derive = |config: Config, (name, paths): &Pair| config.derive(name, paths);
        let config = self.derive.iter().fold(config, derive);
        let config = self.deferred.iter().fold(config, Config::deferred);
        self.idempotent.iter().fold(config, Config::idempotent)
    }
}

fn define(text: &str) -> Result<Pair, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "1"));
    named(name, value)
}

fn pair(text: &str) -> Result<Pair, String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    named(name, value)
}

fn named(name: &str, value: &str) -> Result<Pair, String> {
    if name.is_empty() {
        return Err("there is no name before the `=`".into());
    }
    Ok((name.to_owned(), value.to_owned()))
}
