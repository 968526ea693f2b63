//! A journal in a folder of the file system.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::Disk;

const JOURNAL: &str = "journal";
/// Where the next one is written.
const NEW: &str = "journal.new";
/// Where one goes that cannot be read.
const CORRUPT: &str = "journal.corrupt";

/// The longest journal that is read: a thousand times what the quotas allow by default.
const MAX_LEN: u64 = 1 << 30;

/// Why a folder cannot have the journal.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be made or opened.
    Io(io::Error),
    /// It belongs to another user, or others may write in it: they could put anything there.
    NotOurs,
    /// Another portmapper has it.
    InUse,
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotOurs => f.write_str("another user owns it or may write in it"),
            Self::InUse => f.write_str("another portmapper uses it"),
        }
    }
}

impl StdError for FolderError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotOurs | Self::InUse => None,
        }
    }
}

/// A folder with a journal, which nobody else has while this value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, to have its changes on disk; and locked.
    folder: Flock<File>,
    journal: Option<File>,
}

impl Folder {
    /// Takes the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        make(path).map_err(FolderError::Io)?;
        let folder = File::open(path).map_err(FolderError::Io)?;
        let metadata = folder.metadata().map_err(FolderError::Io)?;
        if !metadata.is_dir() {
            return Err(FolderError::Io(io::ErrorKind::NotADirectory.into()));
        }
        if !is_ours(&metadata) {
            return Err(FolderError::NotOurs);
        }
        let folder = Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(
            |(_, errno)| match errno {
                Errno::EWOULDBLOCK => FolderError::InUse,
                errno => FolderError::Io(errno.into()),
            },
        )?;
        Ok(Self { path: path.to_owned(), folder, journal: None })
    }
}

impl Disk for Folder {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        match read(&self.path.join(JOURNAL)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            result => result,
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let journal = self.journal.as_mut().ok_or(io::ErrorKind::NotFound)?;
        journal.write_all(bytes)?;
        journal.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let journal = self.journal.as_mut().ok_or(io::ErrorKind::NotFound)?;
        journal.set_len(len)?;
        journal.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.join(NEW);
        let written = write(&new, bytes)
            .and_then(|file| fs::rename(&new, self.path.join(JOURNAL)).map(|()| file));
        match written {
            Ok(file) => self.journal = Some(file),
            Err(error) => {
                let _ = fs::remove_file(&new);
                return Err(error);
            }
        }
        self.folder.sync_all()
    }

    fn set_aside(&mut self) -> io::Result<()> {
        fs::rename(self.path.join(JOURNAL), self.path.join(CORRUPT))?;
        self.folder.sync_all()
    }
}

fn make(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// A new file to append to. What is there, a link too, goes: it is what a crash has left.
fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe in its place would be waited for.
    let flags = O_NOFOLLOW | O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 || !is_ours(&metadata) {
        return Err(io::Error::other("it is not a file of this user alone"));
    }
    if metadata.len() > MAX_LEN {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether only this user can have written it.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}
