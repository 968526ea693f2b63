//! `#include`.

use std::io;
use std::path::{Path, PathBuf};

use super::Preprocessor;
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::source::{self, Span};

/// Files that include files end here.
const MAX_DEPTH: usize = 64;

impl Preprocessor<'_> {
    pub(super) fn include(&mut self, rest: &str, span: Span, path: &Path) {
        let Some(name) = quoted(rest) else {
            let message = "only `#include \"FILE\"` and `#include <FILE>` are understood";
            let error = Diagnostic::new(Code::BadInclude, span, message);
            let name = rest.trim().trim_matches(['"', '<', '>']);
            self.diagnostics.push(error.replace_by(
                format!("#include \"{}\"", if name.is_empty() { "FILE" } else { name }),
                "a file's name is in quotes",
            ));
            return;
        };
        if self.depth == MAX_DEPTH {
            let message = "files include each other too deeply";
            self.diagnostics.push(Diagnostic::new(Code::IncludeDepth, span, message));
            return;
        }
        let found = candidates(name, path, &self.setup.include_dirs).find(|path| path.is_file());
        let beside = found.unwrap_or_else(|| path.with_file_name("").join(name));
        self.include_file(&beside, span);
    }

    fn include_file(&mut self, path: &Path, span: Span) {
        // What a file defines, it defines once.
        let known = path.canonicalize().is_ok_and(|canonical| !self.input.read.insert(canonical));
        if known {
            return;
        }
        // A device may have no end.
        let text = if path.exists() && !path.is_file() {
            Err(io::Error::other("it is not a file"))
        } else {
            source::read(path)
        };
        match text {
            Ok(text) => {
                let file = self.sources.add(path.display().to_string(), text);
                self.depth += 1;
                self.file(file, path);
                self.depth -= 1;
                self.input.included.push(path.to_owned());
            }
            Err(cause) => {
                let message = format!("cannot read `{}`: {cause}", path.display());
                let error = Diagnostic::new(Code::Unreadable, span, message)
                    .help("it is looked for beside this file and in the include folders (`-I`)");
                self.diagnostics.push(error);
            }
        }
    }
}

/// The name in `"name"` or `<name>`.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim();
    let name = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')),
    };
    name.filter(|name| !name.is_empty())
}

/// Where a file called `name` may be that the file `from` includes.
pub(crate) fn candidates<'a>(
    name: impl AsRef<Path> + Clone + 'a,
    from: &'a Path,
    dirs: &'a [PathBuf],
) -> impl Iterator<Item = PathBuf> + 'a {
    let beside = from.with_file_name("").join(name.clone());
    let in_dirs = dirs.iter().map(move |dir| dir.join(name.clone()));
    std::iter::once(beside).chain(in_dirs)
}
