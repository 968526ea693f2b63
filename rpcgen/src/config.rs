use std::fs;
use std::path::{Path, PathBuf};

use crate::diag::Diagnostics;
use crate::emit::{self, Parts};
use crate::source::SourceMap;
use crate::{Error, parser, preprocess, resolve};

/// A compiler with all options at their defaults: types, clients and servers into `OUT_DIR`.
pub fn configure() -> Config {
    Config { out_dir: None, defines: Vec::new(), parts: Parts { client: true, server: true } }
}

/// What the compiler is to do; see [`configure`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Config {
    out_dir: Option<PathBuf>,
    defines: Vec<(String, String)>,
    parts: Parts,
}

/// A `.x` file's code, and the files that it was made from.
struct Generated {
    code: String,
    read: Vec<PathBuf>,
}

impl Config {
    /// Writes to this folder instead of `OUT_DIR`.
    pub fn out_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { out_dir: Some(dir.into()), ..self }
    }

    /// Whether there are clients. Default: yes.
    pub fn client(self, client: bool) -> Self {
        Self { parts: Parts { client, ..self.parts }, ..self }
    }

    /// Whether there are servers. Default: yes.
    pub fn server(self, server: bool) -> Self {
        Self { parts: Parts { server, ..self.parts }, ..self }
    }

    /// As `#define NAME VALUE` at the start of each file, for those that expect it of a header.
    pub fn define(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.defines.push((name.into(), value.into()));
        self
    }

    /// Compiles each file to one of the same name that ends with `.rs`. For `build.rs`: tells cargo
    /// which files were read.
    ///
    /// Writes only what has changed, and nothing if there is an error in any of the files.
    ///
    /// # Errors
    /// What is wrong in the first wrong file, with every place; or a file that cannot be read or
    /// written.
    pub fn compile(&self, paths: &[impl AsRef<Path>]) -> Result<(), Error> {
        let from_cargo = || std::env::var_os("OUT_DIR").map(PathBuf::from);
        let out_dir = self.out_dir.clone().or_else(from_cargo).ok_or(Error::NoOutDir)?;
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            // Even a file with errors in it must be looked at again when it changes.
            rerun_if_changed(path);
            let generated = self.run(path)?;
            generated.read.iter().for_each(|path| rerun_if_changed(path));
            let name = path.with_extension("rs");
            let name = name.file_name().ok_or_else(|| Error::NoFile(path.to_owned()))?;
            files.push((out_dir.join(name), generated.code));
        }
        files.iter().try_for_each(|(path, code)| write_if_changed(path, code))
    }

    /// The Rust for a `.x` file, which is written nowhere.
    ///
    /// # Errors
    /// What is wrong in the file, with every place; or a file that cannot be read.
    pub fn generate(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        self.run(path.as_ref()).map(|generated| generated.code)
    }

    /// The Rust for the text of a `.x` file that messages call `name`.
    ///
    /// # Errors
    /// What is wrong in the text, with every place; or an included file that cannot be read.
    pub fn generate_text(&self, name: &str, text: &str) -> Result<String, Error> {
        self.run_text(Path::new(name), text.to_owned()).map(|generated| generated.code)
    }

    fn run(&self, path: &Path) -> Result<Generated, Error> {
        let text = fs::read_to_string(path).map_err(|cause| Error::read(path, cause))?;
        self.run_text(path, text)
    }

    fn run_text(&self, path: &Path, text: String) -> Result<Generated, Error> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add(path.display().to_string(), text);
        let input =
            preprocess::preprocess(&mut sources, file, path, &self.defines, &mut diagnostics);
        let definitions = parser::specification(&input, &sources, &mut diagnostics);
        if !diagnostics.is_empty() {
            return Err(Error::Source(diagnostics.report(&sources)));
        }
        let model = resolve::resolve(&definitions, &mut diagnostics);
        if !diagnostics.is_empty() {
            return Err(Error::Source(diagnostics.report(&sources)));
        }
        let name = path.file_name().ok_or_else(|| Error::NoFile(path.to_owned()))?;
        let code = emit::file(&model, &name.to_string_lossy(), self.parts).map_err(Error::Bug)?;
        Ok(Generated { code, read: input.included })
    }
}

/// Cargo takes a path that does not exist for one that has always changed.
fn rerun_if_changed(path: &Path) {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    println!("cargo:rerun-if-changed={}", resolved.display());
}

fn write_if_changed(path: &Path, code: &str) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == code.as_bytes()) {
        return Ok(());
    }
    fs::write(path, code).map_err(|cause| Error::write(path, cause))
}
