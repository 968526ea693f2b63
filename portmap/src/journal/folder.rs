//! A journal in a folder of the file system.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use super::Disk;
use crate::files;

const JOURNAL: &str = "journal";
/// Where one goes that cannot be read.
const CORRUPT: &str = "journal.corrupt";

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
    /// Whose it is, and so whose the journal is.
    owner: u32,
    journal: Option<File>,
}

impl Folder {
    /// Takes the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        make(path).map_err(FolderError::Io)?;
        Self::take(path, |owner| owner == geteuid().as_raw())
    }

    /// As [`open`](Self::open), for the folder's owner: root may do so for any.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_for_owner(path: &Path) -> Result<Self, FolderError> {
        make(path).map_err(FolderError::Io)?;
        Self::take(path, |owner| geteuid().is_root() || owner == geteuid().as_raw())
    }

    fn take(path: &Path, may_be_of: impl Fn(u32) -> bool) -> Result<Self, FolderError> {
        let folder = File::open(path).map_err(FolderError::Io)?;
        let metadata = folder.metadata().map_err(FolderError::Io)?;
        if !metadata.is_dir() {
            return Err(FolderError::Io(io::ErrorKind::NotADirectory.into()));
        }
        let owner = metadata.uid();
        if !may_be_of(owner) || !files::is_only_of(&metadata, &[owner]) {
            return Err(FolderError::NotOurs);
        }
        let folder = Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(
            |(_, errno)| match errno {
                Errno::EWOULDBLOCK => FolderError::InUse,
                errno => FolderError::Io(errno.into()),
            },
        )?;
        Ok(Self { path: path.to_owned(), folder, owner, journal: None })
    }

    /// The journal in a folder that somebody may be using, of its owner.
    pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
        files::read(&path.join(JOURNAL), fs::metadata(path)?.uid())
    }
}

impl Disk for Folder {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        match files::read(&self.path.join(JOURNAL), self.owner) {
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
        let owner = Some(self.owner);
        self.journal = Some(files::replace(&self.path.join(JOURNAL), bytes, owner)?);
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
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
