//! Files that decide what is registered: who wrote them matters, and they are replaced as a whole.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;

/// The longest file that is read: a thousand times what the quotas allow by default.
const MAX_LEN: u64 = 1 << 30;

/// Reads a file that only this user or another trusted one can have written.
///
/// # Errors
/// It is not such a file: a link, or one with another owner, or writable by others.
pub(crate) fn read(path: &Path, trusted: u32) -> io::Result<Vec<u8>> {
    // A pipe in its place would be waited for.
    let flags = O_NOFOLLOW | O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let owners = [geteuid().as_raw(), trusted];
    if !metadata.is_file() || metadata.nlink() != 1 || !is_only_of(&metadata, &owners) {
        return Err(io::Error::other("it is not a file of a trusted user alone"));
    }
    if metadata.len() > MAX_LEN {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a file with these bytes in place of what is there, or nothing. Returns it, to be appended
/// to. That the folder has it is not on disk yet.
///
/// # Errors
/// All is as before.
pub(crate) fn replace(path: &Path, bytes: &[u8], owner: Option<u32>) -> io::Result<File> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = write(&new, bytes, owner).and_then(|file| {
        fs::rename(&new, path)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Whether only one of these users can have written it.
pub(crate) fn is_only_of(metadata: &Metadata, owners: &[u32]) -> bool {
    owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

/// What is there, a link too, goes: it is what a crash has left.
fn write(path: &Path, bytes: &[u8], owner: Option<u32>) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    if let Some(owner) = owner.filter(|&owner| owner != geteuid().as_raw()) {
        fchown(&file, Some(owner), None)?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}
