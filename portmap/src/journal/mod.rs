//! What is registered, kept where it outlives the portmapper.
//!
//! A [`Journal`] has every change of the table before the answer says that it was made, so that
//! a kill at any moment loses nothing that was acknowledged. [`Disk`] is what it needs of a disk:
//! [`Folder`] is a real one.

use std::path::Path;
use std::{fmt, io};

use crate::registry::{Change, Registry};

mod folder;
mod format;

pub use folder::{Folder, FolderError};

/// Where a journal is.
pub trait Disk: fmt::Debug + Send {
    /// What is there; empty if there is nothing.
    ///
    /// # Errors
    /// It cannot be read, or is not to be trusted: it is to be set aside.
    fn load(&mut self) -> io::Result<Vec<u8>>;

    /// Adds bytes at the end, and returns when they are on disk.
    ///
    /// # Errors
    /// Nobody knows how many of them are.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Shortens what is there to this many bytes.
    ///
    /// # Errors
    /// It may be as long as before.
    fn cut(&mut self, len: u64) -> io::Result<()>;

    /// Puts these bytes in place of all that is there, or nothing. A crash may still bring back what
    /// was there, until [`settle`](Self::settle).
    ///
    /// # Errors
    /// All is as before.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when what was [replaced](Self::replace) is so for good.
    ///
    /// # Errors
    /// Nobody knows whether it is.
    fn settle(&mut self) -> io::Result<()>;

    /// Puts away what is there, for a person to look at.
    ///
    /// # Errors
    /// It is still there.
    fn set_aside(&mut self) -> io::Result<()>;
}

/// Dead records that are left alone: rewriting a short file more often is not worth it.
const SLACK: usize = 256;

/// A journal of a whole table, as it is to be on a disk.
#[derive(Debug)]
pub struct Image {
    bytes: Vec<u8>,
    records: usize,
}

impl Image {
    /// That of this table, without the portmapper's own entries.
    #[must_use]
    pub fn of(table: &Registry) -> Self {
        let (bytes, records) = format::whole(table);
        Self { bytes, records }
    }
}

/// Changes on a disk.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    len: u64,
    records: usize,
    /// Above this many records it is rewritten.
    most: usize,
    /// Whether what is on disk is the table. If not, it is rewritten before the next change.
    is_sound: bool,
}

impl Journal {
    /// Reads what is there; also returns the table that it tells of. What is torn at its end was
    /// not acknowledged, and is dropped. What is corrupt is set aside, and the table is empty.
    ///
    /// Nothing is written before the first [`record`](Self::record) or
    /// [`rewrite`](Self::rewrite).
    #[must_use]
    pub fn open(mut disk: Box<dyn Disk>) -> (Self, Registry) {
        let table = disk.load().and_then(|bytes| table(&bytes)).unwrap_or_else(|reason| {
            log::error!("the journal is set aside, nothing is restored: {reason}");
            if let Err(error) = disk.set_aside() {
                log::error!("the journal cannot be set aside and will be replaced: {error}");
            }
            Registry::default()
        });
        (Self { disk, len: 0, records: 0, most: SLACK, is_sound: false }, table)
    }

    /// The table that a folder's journal tells of now, while a portmapper may be using it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn peek(folder: &Path) -> io::Result<Registry> {
        Folder::read(folder).and_then(|bytes| table(&bytes))
    }

    /// Keeps a change of the table. `table` is asked for it as it is before the change, if the
    /// journal is to be written anew.
    ///
    /// # Errors
    /// It is not kept, and not to be made.
    pub fn record(&mut self, change: &Change, table: impl FnOnce() -> Image) -> io::Result<()> {
        let was_sound = self.is_sound;
        let result = self.make_room(table).and_then(|()| self.append(change));
        if let Err(error) = &result {
            // Once: a caller can repeat it as often as it likes.
            if was_sound {
                log::error!("changes are refused, for they cannot be kept: {error}");
            }
            self.is_sound = false;
        }
        result
    }

    /// Whether what is on disk is the table, so far as is known.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Begins anew with this table.
    ///
    /// # Errors
    /// What is on disk is what was there, or the table.
    pub fn rewrite(&mut self, table: &Image) -> io::Result<()> {
        self.disk.replace(&table.bytes)?;
        self.len = table.bytes.len() as u64;
        self.records = table.records;
        self.most = 2 * table.records + SLACK;
        self.is_sound = false;
        self.disk.settle()?;
        self.is_sound = true;
        Ok(())
    }

    fn make_room(&mut self, table: impl FnOnce() -> Image) -> io::Result<()> {
        if !self.is_sound {
            self.rewrite(&table())?;
            log::info!("the journal is written anew");
        } else if self.records >= self.most
            && let Err(error) = self.rewrite(&table())
        {
            // What is added now could be lost with what replaced the journal.
            if !self.is_sound {
                return Err(error);
            }
            self.most *= 2;
            log::warn!("the journal cannot be shortened: {error}");
        }
        Ok(())
    }

    fn append(&mut self, change: &Change) -> io::Result<()> {
        let record = format::record(change);
        if let Err(error) = self.disk.append(&record) {
            // Otherwise it could come back, though it was refused.
            if let Err(error) = self.disk.cut(self.len) {
                log::error!("a change that was refused may be in the journal: {error}");
            }
            return Err(error);
        }
        self.len += record.len() as u64;
        self.records += 1;
        Ok(())
    }
}

fn table(bytes: &[u8]) -> io::Result<Registry> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let contents = format::read(bytes).map_err(|corrupt| invalid(corrupt.to_string()))?;
    if contents.torn > 0 {
        log::warn!("{} bytes at the journal's end are torn, and dropped", contents.torn);
    }
    let mut table = Registry::default();
    for change in contents.changes {
        match change {
            Change::Set(entry) => {
                table.restore(entry).map_err(|error| invalid(error.to_string()))?;
            }
            change => drop(table.apply(change)),
        }
    }
    Ok(table)
}
