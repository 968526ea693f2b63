use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::Report;

/// Why there is no generated code.
///
/// Both `Display` and `Debug` are for people: `fn main() -> Result<(), Error>` of a `build.rs`
/// prints the latter.
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file cannot be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Errors in a `.x` file.
    Source(Report),
    /// `OUT_DIR` is not set, and no other folder was named: this is not a `build.rs`.
    NoOutDir,
    /// The path names no file.
    NoFile(PathBuf),
    /// An option is for a name that no compiled file has.
    UnknownName {
        /// The option.
        option: &'static str,
        /// What it is for: a type, for instance.
        wanted: &'static str,
        /// The name.
        name: String,
        /// A name that there is instead.
        similar: Option<String>,
    },
    /// An option's value is not what Rust calls a type or path.
    NotRust {
        /// The option.
        option: &'static str,
        /// The value.
        text: String,
        /// Why it is none.
        cause: syn::Error,
    },
    /// The compiler has generated what is no Rust: a fault of its own.
    Bug(syn::Error),
}

impl Error {
    pub(crate) fn read(path: &Path, cause: io::Error) -> Self {
        Self::Read { path: path.to_owned(), cause }
    }

    pub(crate) fn write(path: &Path, cause: io::Error) -> Self {
        Self::Write { path: path.to_owned(), cause }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => write!(f, "cannot read `{}`: {cause}", path.display()),
            Self::Write { path, cause } => write!(f, "cannot write `{}`: {cause}", path.display()),
            Self::Source(report) => fmt::Display::fmt(report, f),
            Self::NoOutDir => f.write_str("no folder to write to: set OUT_DIR or call out_dir"),
            Self::NoFile(path) => write!(f, "`{}` names no file", path.display()),
            Self::UnknownName { option, wanted, name, similar } => {
                write!(f, "{option}: there is no {wanted} `{name}`")?;
                similar.iter().try_for_each(|similar| write!(f, ", but there is `{similar}`"))
            }
            Self::NotRust { option, text, cause } => {
                write!(f, "{option}: `{text}` is no path to a Rust type: {cause}")
            }
            Self::Bug(cause) => write!(f, "rpcgen has a fault, please report it: {cause}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } | Self::Write { cause, .. } => Some(cause),
            Self::NotRust { cause, .. } | Self::Bug(cause) => Some(cause),
            Self::Source(_) | Self::NoOutDir | Self::NoFile(_) | Self::UnknownName { .. } => None,
        }
    }
}
