//! `rpcgen new`: a crate to begin with.

mod name;
mod templates;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use farcall_rpcgen::{Config, Error};

use crate::options::ReadOptions;
use crate::screen::Screen;
use crate::status::Status;
use templates::Crate;

/// Write a crate for a `.x` file, with a server and a client that run.
///
/// The server answers every procedure with a simple value, the client calls each. The `.x` file and what it includes are copied into it. If there is none yet, one to begin with
/// is written.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[arg(value_name = "FILE.x")]
    file: PathBuf,
    /// The folder to write, which must not exist or be empty [default: the crate's name].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The crate's name [default: the file's].
    #[arg(long)]
    name: Option<String>,
    /// Use the farcall that is in DIR instead of a published one.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) fn run(args: &NewArgs, screen: Screen) -> Status {
    match create(args) {
        Ok(folder) => {
            let folder = folder.display();
            screen
                .note(format_args!("`{folder}` is written: `{folder}/README.md` says how it runs"));
            Status::Done
        }
        Err(Failure::Usage(message)) => crate::usage(&message),
        Err(Failure::Library(error)) => screen.error(&error),
    }
}

/// Why there is no crate.
enum Failure {
    Usage(String),
    Library(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

fn create(args: &NewArgs) -> Result<PathBuf, Failure> {
    let names = args.file.file_name().zip(args.file.file_stem());
    let names = names.and_then(|(file, stem)| file.to_str().zip(stem.to_str()));
    let (file, stem) = names.ok_or_else(|| Failure::Usage("the file has no name".to_owned()))?;
    let name = match &args.name {
        Some(name) if name::is_good(name) => name.clone(),
        Some(name) => return Err(Failure::Usage(format!("`{name}` cannot be a crate's name"))),
        None => name::of(stem),
    };
    let farcall = args.path.as_deref().map(checkout).transpose()?;
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from(&name));
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::Usage(format!("`{}` is not empty", folder.display())));
    }
    // Whatever is wrong with the file is found before anything is written.
    let sources = Sources::of(args)?;
    let mut config = args.read.config();
    let (file, stem) = (file.to_owned(), stem.to_owned());
    let options = Crate { name, file, stem, farcall, nested: sources.nested };
    sources.write(&folder)?;
    if sources.nested {
        config = config.include_dir(folder.join("proto"));
    }
    write(&folder, &options, &config, &args.read)?;
    Ok(folder)
}

/// The folder with farcall's packages.
fn checkout(dir: &Path) -> Result<PathBuf, Failure> {
    let is_one = ["runtime", "rpcgen"].iter().all(|one| dir.join(one).join("Cargo.toml").is_file());
    if !is_one {
        return Err(Failure::Usage(format!("there is no farcall in `{}`", dir.display())));
    }
    dir.canonicalize()
        .map_err(|cause| Failure::Library(Error::Read { path: dir.to_owned(), cause }))
}

/// The `.x` files to copy.
struct Sources {
    /// Where each goes below `proto`, and what is in it.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Whether one of them comes from a folder that was named for it.
    nested: bool,
}

impl Sources {
    fn of(args: &NewArgs) -> Result<Self, Failure> {
        let name = args.file.file_name().map(PathBuf::from).unwrap_or_default();
        if !args.file.exists() {
            let text = templates::interface(&name.to_string_lossy());
            return Ok(Self { files: vec![(name, text.into_bytes())], nested: false });
        }
        let read = args.read.config().output(&args.file)?.read;
        let mut sources = Self { files: Vec::new(), nested: false };
        for path in read {
            let bytes =
                fs::read(&path).map_err(|cause| Error::Read { path: path.clone(), cause })?;
            let (target, nested) = Self::target(args, &path)?;
            sources.nested |= nested;
            sources.files.push((target, bytes));
        }
        Ok(sources)
    }

    /// Where a file goes below `proto`, and whether it is found there only by way of an include
    /// folder.
    fn target(args: &NewArgs, path: &Path) -> Result<(PathBuf, bool), Failure> {
        let beside = args.file.parent().unwrap_or_else(|| Path::new(""));
        if let Ok(inner) = path.strip_prefix(beside)
            && stays_inside(inner)
        {
            return Ok((inner.to_owned(), false));
        }
        let mut dirs = args.read.include_dirs.iter();
        let inner =
            dirs.find_map(|dir| path.strip_prefix(dir).ok().filter(|one| stays_inside(one)));
        let far = || format!("`{}` is outside of `{}`", path.display(), beside.display());
        inner.map(|inner| (inner.to_owned(), true)).ok_or_else(|| Failure::Usage(far()))
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        for (name, bytes) in &self.files {
            put(&folder.join("proto").join(name), bytes)?;
        }
        Ok(())
    }
}

/// Whether a path from the crate's `proto` leads to a place in the crate.
fn stays_inside(path: &Path) -> bool {
    let mut depth = 1;
    path.components().all(|part| {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        depth >= 0
    })
}

fn write(folder: &Path, options: &Crate, config: &Config, read: &ReadOptions) -> Result<(), Error> {
    let file = folder.join("proto").join(&options.file);
    let put = |name: &str, text: &str| put(&folder.join(name), text.as_bytes());
    let samples = config.samples(&file, &options.krate())?;
    put("Cargo.toml", &options.manifest())?;
    put("build.rs", &options.build_script(read))?;
    put("src/lib.rs", &options.library())?;
    put(".gitignore", "/target\n")?;
    put("README.md", &options.readme(samples.is_some()))?;
    if let Some(samples) = samples {
        put("src/bin/server.rs", &samples.server)?;
        put("src/bin/client.rs", &samples.client)?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let written: io::Result<()> = fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes));
    written.map_err(|cause| Error::Write { path: path.to_owned(), cause })
}
