use std::fs;
use std::path::{Path, PathBuf};

use crate::ast::Definition;
use crate::diag::{Diagnostics, Report};
use crate::emit;
use crate::model::Model;
use crate::options::{Options, Unmatched};
use crate::preprocess::Setup;
use crate::source::SourceMap;
use crate::{Error, names, parser, preprocess, resolve, source};

/// A compiler with all options at their defaults: types, clients and servers into `OUT_DIR`.
pub fn configure() -> Config {
    Config { out_dir: None, setup: Setup::default(), options: Options::default() }
}

/// What the compiler is to do; see [`configure`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Config {
    out_dir: Option<PathBuf>,
    setup: Setup,
    pub(crate) options: Options,
}

/// What there is to say about a `.x` file without errors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Output {
    /// The Rust for it.
    pub code: String,
    /// The files that were read: those that it includes, and itself if it is one.
    pub read: Vec<PathBuf>,
    /// Warnings and notes.
    pub notes: Report,
}

/// An output, and the options for names that the file does not have.
struct Generated {
    output: Output,
    unmatched: Vec<Unmatched>,
}

impl Generated {
    /// The output, if the file has every name that an option is for.
    fn alone(self) -> Result<Output, Error> {
        Unmatched::in_all(vec![self.unmatched])?;
        Ok(self.output)
    }
}

/// A `.x` file without errors, before any code is made of it.
pub(crate) struct Resolved {
    pub(crate) model: Model,
    #[cfg_attr(not(feature = "tools"), allow(dead_code))]
    pub(crate) definitions: Vec<Definition>,
    pub(crate) sources: SourceMap,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) read: Vec<PathBuf>,
}

impl Config {
    /// Writes to this folder instead of `OUT_DIR`.
    ///
    /// ```
    /// let folder = std::env::temp_dir().join(format!("farcall-out-dir-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder)?;
    /// std::fs::write(folder.join("kv.x"), "const MAXKEY = 64;")?;
    /// farcall_rpcgen::configure().out_dir(&folder).compile(&[folder.join("kv.x")])?;
    /// let code = std::fs::read_to_string(folder.join("kv.rs"))?;
    /// assert!(code.contains("pub const MAXKEY: u32 = 64;"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn out_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { out_dir: Some(dir.into()), ..self }
    }

    /// As `#define NAME VALUE` at the start of each file, for those that expect it of a header.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .define("MAXNAMELEN", "1025")
    ///     .generate_text("p.x", "struct lock { string name<MAXNAMELEN>; };")?;
    /// assert!(code.contains("e.string(&self.name, 1025)"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn define(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.setup.symbols.push((name.into(), Some(value.into())));
        self
    }

    /// As `#undef NAME` at the start of each file: also for `RPC_HDR`, `RPC_XDR`, `RPC_SVC` and
    /// `RPC_CLNT`, which are defined otherwise.
    ///
    /// ```
    /// let text = "#ifdef RPC_SVC\ntypedef int handle;\n#else\ntypedef hyper handle;\n#endif";
    /// let code = farcall_rpcgen::configure().undefine("RPC_SVC").generate_text("p.x", text)?;
    /// assert!(code.contains("pub type Handle = i64;"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn undefine(mut self, name: impl Into<String>) -> Self {
        self.setup.symbols.push((name.into(), None));
        self
    }

    /// Looks for included files in this folder too, behind those named before. First comes always
    /// that of the file that includes them.
    ///
    /// ```no_run
    /// farcall_rpcgen::configure().include_dir("proto/common").compile(&["proto/kv.x"])?;
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn include_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.setup.include_dirs.push(dir.into());
        self
    }

    /// Compiles each file to one of the same name that ends with `.rs`. For `build.rs`: tells cargo
    /// which files were read.
    ///
    /// Writes only what has changed, and nothing if there is an error in any of the files.
    ///
    /// # Errors
    /// What is wrong in the first wrong file, with every place; a file that cannot be read or
    /// written; or an option for a name that none of the files has.
    pub fn compile(&self, paths: &[impl AsRef<Path>]) -> Result<(), Error> {
        let from_cargo = || std::env::var_os("OUT_DIR").map(PathBuf::from);
        let out_dir = self.out_dir.clone().or_else(from_cargo).ok_or(Error::NoOutDir)?;
        self.options.check()?;
        let (mut files, mut unmatched) = (Vec::new(), Vec::new());
        for path in paths {
            let path = path.as_ref();
            // Even a file with errors in it must be looked at again when it changes.
            rerun_if_changed(path);
            let generated = self.run(path)?;
            generated.output.read.iter().for_each(|path| rerun_if_changed(path));
            let name = path.with_extension("rs");
            let name = name.file_name().ok_or_else(|| Error::NoFile(path.to_owned()))?;
            files.push((out_dir.join(name), generated.output.code));
            unmatched.push(generated.unmatched);
        }
        Unmatched::in_all(unmatched)?;
        files.iter().try_for_each(|(path, code)| write_if_changed(path, code))
    }

    /// The Rust for a `.x` file, which is written nowhere.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn generate(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        self.output(path).map(|output| output.code)
    }

    /// The Rust for the text of a `.x` file that messages call `name`.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn generate_text(&self, name: &str, text: &str) -> Result<String, Error> {
        self.output_text(name, text).map(|output| output.code)
    }

    /// The Rust for a `.x` file, which is written nowhere, and what else there is to say about it.
    ///
    /// # Errors
    /// What is wrong in the file, with every place; a file that cannot be read; or an option for a
    /// name that the file does not have.
    pub fn output(&self, path: impl AsRef<Path>) -> Result<Output, Error> {
        self.options.check()?;
        self.run(path.as_ref())?.alone()
    }

    /// As [`output`](Self::output), for the text of a `.x` file that messages call `name`.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn output_text(&self, name: &str, text: &str) -> Result<Output, Error> {
        self.options.check()?;
        let path = Path::new(name);
        self.emit(path, self.resolved_text(path, text.to_owned())?)?.alone()
    }

    /// What is to be said about a `.x` file, without any code: parses and resolves it.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn check(&self, path: impl AsRef<Path>) -> Result<Report, Error> {
        self.options.check()?;
        self.report(self.resolved(path.as_ref())?)
    }

    /// As [`check`](Self::check), for the text of a `.x` file that messages call `name`.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn check_text(&self, name: &str, text: &str) -> Result<Report, Error> {
        self.options.check()?;
        self.report(self.resolved_text(Path::new(name), text.to_owned())?)
    }

    fn report(&self, resolved: Resolved) -> Result<Report, Error> {
        Unmatched::in_all(vec![self.options.unmatched(&resolved.model)])?;
        Ok(resolved.diagnostics.report(&resolved.sources))
    }

    /// The sources of a server and a client for a `.x` file, to begin with: `krate` is the crate
    /// that includes the generated code at its root. None if the file has no program.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    #[cfg(feature = "tools")]
    pub fn samples(
        &self,
        path: impl AsRef<Path>,
        krate: &str,
    ) -> Result<Option<emit::Samples>, Error> {
        let path = path.as_ref();
        let model = self.resolved(path)?.model;
        let name = path.file_name().ok_or_else(|| Error::NoFile(path.to_owned()))?;
        emit::samples(&model, &name.to_string_lossy(), krate, &self.options).map_err(Error::Bug)
    }

    fn run(&self, path: &Path) -> Result<Generated, Error> {
        self.emit(path, self.resolved(path)?)
    }

    fn emit(&self, path: &Path, resolved: Resolved) -> Result<Generated, Error> {
        let Resolved { model, sources, diagnostics, read, .. } = resolved;
        let name = path.file_name().ok_or_else(|| Error::NoFile(path.to_owned()))?;
        let name = name.to_string_lossy();
        let code = emit::file(&model, &name, &self.options).map_err(Error::Bug)?;
        let output = Output { code, read, notes: diagnostics.report(&sources) };
        Ok(Generated { output, unmatched: self.options.unmatched(&model) })
    }

    /// What a `.x` file says.
    pub(crate) fn resolved(&self, path: &Path) -> Result<Resolved, Error> {
        let text = source::read(path).map_err(|cause| Error::read(path, cause))?;
        let mut resolved = self.resolved_text(path, text)?;
        resolved.read.insert(0, path.to_owned());
        Ok(resolved)
    }

    /// What the text of a `.x` file says whose path is or would be `path`.
    pub(crate) fn resolved_text(&self, path: &Path, text: String) -> Result<Resolved, Error> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add(path.display().to_string(), text);
        let mut input =
            preprocess::preprocess(&mut sources, file, path, &self.setup, &mut diagnostics);
        let definitions = parser::specification(&input, &sources, &mut diagnostics);
        let is_known =
            |name: &str| self.options.extern_type(name).is_some() || resolve::is_built_in(name);
        let definitions = names::link(
            definitions,
            &mut input,
            &self.setup,
            &is_known,
            &mut sources,
            &mut diagnostics,
        );
        // Errors so far do not hide those that the definitions left have.
        let model = resolve::resolve(&definitions, &self.options, &mut diagnostics);
        if diagnostics.has_errors() {
            return Err(Error::Source(diagnostics.report(&sources)));
        }
        Ok(Resolved { model, definitions, sources, diagnostics, read: input.included })
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
