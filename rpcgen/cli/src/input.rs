//! What a command reads: files, or standard input.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use farcall_rpcgen::Error;

/// What messages call standard input.
const STDIN: &str = "<stdin>";

/// One file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

impl Input {
    /// What the arguments name: `-` and none at all are standard input.
    ///
    /// # Errors
    /// None are named, and standard input is a terminal, where nobody means to write a `.x` file.
    pub(crate) fn all(files: Vec<PathBuf>) -> Result<Vec<Self>, &'static str> {
        if files.is_empty() {
            let waiting = io::stdin().is_terminal();
            return if waiting { Err("no file named") } else { Ok(vec![Self::Stdin]) };
        }
        Ok(files.into_iter().map(Self::new).collect())
    }

    pub(crate) fn new(file: PathBuf) -> Self {
        if file.as_os_str() == "-" { Self::Stdin } else { Self::File(file) }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        self.path().display().to_string()
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stdin => Path::new(STDIN),
        }
    }

    /// Applies `to_file` to a file's path, or `to_text` to a name and a text.
    pub(crate) fn read<T>(
        &self,
        to_file: impl FnOnce(&Path) -> Result<T, Error>,
        to_text: impl FnOnce(&str, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Self::File(path) => to_file(path),
            Self::Stdin => to_text(STDIN, &self.text()?),
        }
    }

    /// All of it: UTF-8, or else Latin-1.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let read = match self {
            Self::File(path) => fs::read(path).map(|read| bytes = read),
            Self::Stdin => io::stdin().lock().read_to_end(&mut bytes).map(drop),
        };
        read.map_err(|cause| Error::Read { path: self.path().to_owned(), cause })?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect()))
    }
}
