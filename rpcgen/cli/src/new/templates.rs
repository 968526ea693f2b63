//! The files of a new crate.

use std::path::PathBuf;

use crate::options::ReadOptions;

/// What differs between crates.
pub(super) struct Crate {
    pub(super) name: String,
    /// The `.x` file's name.
    pub(super) file: String,
    /// The same without its end.
    pub(super) stem: String,
    /// The folder with farcall, if it is not to be a published one.
    pub(super) farcall: Option<PathBuf>,
    /// Whether `proto` is to be looked through for included files.
    pub(super) nested: bool,
}

impl Crate {
    /// As code names it.
    pub(super) fn krate(&self) -> String {
        self.name.replace('-', "_")
    }

    pub(super) fn manifest(&self) -> String {
        let dependency = |folder: &str| match &self.farcall {
            None => quoted(env!("CARGO_PKG_VERSION")),
            Some(farcall) => {
                let path = farcall.join(folder);
                format!("{{ path = {} }}", quoted(&path.display().to_string()))
            }
        };
        format!(
            "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nfarcall = {}\n\n\
             [build-dependencies]\nfarcall-rpcgen = {}\n",
            self.name,
            dependency("runtime"),
            dependency("rpcgen")
        )
    }

    pub(super) fn build_script(&self, read: &ReadOptions) -> String {
        let file = quoted(&format!("proto/{}", self.file));
        let mut options = String::new();
        if self.nested {
            options += "        .include_dir(\"proto\")\n";
        }
        for (name, value) in &read.defines {
            options += &format!("        .define({}, {})\n", quoted(name), quoted(value));
        }
        for name in &read.undefines {
            options += &format!("        .undefine({})\n", quoted(name));
        }
        let body = if options.is_empty() {
            format!("    farcall_rpcgen::compile({file})\n")
        } else {
            format!("    farcall_rpcgen::configure()\n{options}        .compile(&[{file}])\n")
        };
        format!("fn main() -> Result<(), farcall_rpcgen::Error> {{\n{body}}}\n")
    }

    pub(super) fn library(&self) -> String {
        let Self { file, stem, .. } = self;
        format!(
            "//! What `proto/{file}` says, in Rust.\n#![forbid(unsafe_code)]\n\n\
             ::farcall::include_x!({});\n",
            quoted(stem)
        )
    }

    pub(super) fn readme(&self, has_programs: bool) -> String {
        let Self { name, file, .. } = self;
        let mut text = format!(
            "# {name}\n\n`proto/{file}` is compiled by `build.rs` when the crate is built. \
             `cargo doc --open` shows what becomes of it.\n"
        );
        if has_programs {
            text += "\n`src/bin/server.rs` answers every procedure with a simple value: put what it is \
                     to do there instead.\n`src/bin/client.rs` calls each of them once.\n\n\
                     ```console\n$ cargo run --bin server -- --port 7000\n\
                     $ cargo run --bin client -- tcp://localhost:7000\n```\n\n\
                     Without a port, the server registers with this host's portmapper (rpcbind, or \
                     farcall's portmapd),\nand `client udp://HOST` asks the one of that host for it.\n";
        }
        text
    }
}

/// A `.x` file to begin with.
pub(super) fn interface(name: &str) -> String {
    format!(
        "/* {name}: an interface to begin with. */\n{}",
        "\
const MAX_NAME = 64;

typedef string name<MAX_NAME>;

enum mood {
    MOOD_GOOD = 0,
    MOOD_BAD = 1
};

/* What there is to say to somebody. */
struct greeting {
    string text<>;
    mood spirits;
};

program GREETER {
    version GREETER_V1 {
        /* Greets whoever is named. @idempotent */
        greeting GREET(name) = 1;
        /* How many were greeted. @idempotent */
        unsigned COUNT(void) = 2;
    } = 1;
} = 0x20000101;
"
    )
}

/// A string as Rust and TOML write it.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}
