//! What the daemon gives up as soon as its sockets are open: the superuser, all writing but in its
//! folders, and the system calls that it does not need. What it answers comes from strangers.

use std::ffi::CString;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;
use std::{fs, io};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use nix::unistd::{Uid, User, geteuid, initgroups, setresgid, setresuid, setuid};

mod syscalls;

/// The user with this name.
///
/// # Errors
/// There is none, or the system cannot say.
pub(crate) fn find_user(name: &str) -> io::Result<User> {
    User::from_name(name)?.ok_or_else(|| io::Error::other("there is no such user"))
}

/// Becomes the user for good: with its groups only, and without capabilities. It has the folder
/// then, if that was not there.
///
/// # Errors
/// This process may not, or could become the superuser again.
pub(crate) fn become_user(user: &User, folder: Option<&Path>) -> io::Result<()> {
    if geteuid() == user.uid {
        return Ok(());
    }
    folder.map_or(Ok(()), |folder| make_folder(folder, user))?;
    let name = CString::new(user.name.as_str())?;
    // Who is no superuser any more may not change groups.
    initgroups(&name, user.gid)?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("the superuser could be had back"));
    }
    Ok(())
}

/// Makes a folder of the user, unless it is there.
pub(crate) fn make_folder(path: &Path, user: &User) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => {
            result.and_then(|()| chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())))
        }
    }
}

/// Gives up what is not needed to serve, of this thread and those that it starts, and logs what
/// that is on this kernel. In the folders of `writable` files are made and removed, in `removable`
/// they are removed.
pub(crate) fn confine(writable: &[&Path], removable: Option<&Path>) {
    match restrict_files(writable, removable) {
        Ok(RulesetStatus::FullyEnforced) => log::info!("landlock: only {writable:?} is written in"),
        Ok(RulesetStatus::PartiallyEnforced) => {
            log::info!("landlock, as far as this kernel has it: only {writable:?} is written in");
        }
        Ok(RulesetStatus::NotEnforced) => log::warn!("this kernel has no landlock"),
        Err(error) => log::warn!("without landlock: {error}"),
    }
    match syscalls::restrict() {
        Ok(allowed) => log::info!("seccomp: {allowed} system calls are allowed"),
        Err(error) => log::warn!("without seccomp: {error}"),
    }
}

/// Nothing is executed either.
fn restrict_files(
    writable: &[&Path],
    removable: Option<&Path>,
) -> Result<RulesetStatus, RulesetError> {
    // The ninth version has Unix sockets too, and the daemon is to tell systemd how it is.
    let handled = AccessFs::from_write(ABI::V8) | AccessFs::Execute;
    let replace =
        AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .create()?
        .add_rules(path_beneath_rules(writable, replace))?
        .add_rules(path_beneath_rules(removable, AccessFs::RemoveFile))?;
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    use std::net::{TcpListener, UdpSocket};
    use std::process::Command;

    use super::*;

    /// Tells the process that it is the one to be confined.
    const INSIDE: &str = "FARCALL_TEST_CONFINED";

    fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
        result.err().map(|error| error.kind())
    }

    /// For good: not in the process that has the other tests.
    #[test]
    fn a_confined_process_writes_in_its_folders_only() {
        if let Some(root) = std::env::var_os(INSIDE) {
            return be_confined(Path::new(&root));
        }
        let root = std::env::temp_dir().join(format!("farcall-confined-{}", std::process::id()));
        fs::create_dir_all(root.join("state")).expect("a folder");
        fs::write(root.join("socket"), "").expect("a file");
        let name = "sandbox::tests::a_confined_process_writes_in_its_folders_only";
        let output = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "--nocapture", "--test-threads=1", name])
            .env(INSIDE, &root)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        println!("{text}");
        fs::remove_dir_all(root).expect("there");
    }

    fn be_confined(root: &Path) {
        let state = root.join("state");
        match restrict_files(&[&state], Some(root)) {
            Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => files(root),
            other => println!("skipped: no landlock here: {other:?}"),
        }
        match syscalls::restrict() {
            Ok(_) => calls(root),
            Err(error) => println!("skipped: no seccomp here: {error}"),
        }
    }

    fn files(root: &Path) {
        let (state, outside) = (root.join("state"), root.join("outside"));
        fs::write(state.join("new"), "text").expect("in its folder");
        fs::rename(state.join("new"), state.join("old")).expect("in its folder");
        assert_eq!(kind(fs::write(&outside, "text")), Some(PermissionDenied));
        assert_eq!(kind(fs::write(root.join("socket"), "text")), Some(PermissionDenied));
        assert_eq!(kind(fs::create_dir(&outside)), Some(PermissionDenied));
        assert_eq!(kind(fs::write("/dev/null", "text")), Some(PermissionDenied));
        assert_eq!(kind(Command::new("/bin/true").status()), Some(PermissionDenied));
        fs::remove_file(root.join("socket")).expect("only removed");
        assert_eq!(kind(fs::read(root.join("socket"))), Some(NotFound));
    }

    fn calls(root: &Path) {
        assert_eq!(kind(fs::create_dir(root.join("outside"))), Some(PermissionDenied));
        assert_eq!(kind(std::env::set_current_dir("/")), Some(PermissionDenied));
        let packets = socket2::Domain::PACKET;
        let packets = socket2::Socket::new(packets, socket2::Type::RAW, None);
        assert_eq!(kind(packets), Some(PermissionDenied));
        UdpSocket::bind("127.0.0.1:0").expect("what it does all the time");
        TcpListener::bind("127.0.0.1:0").expect("what it does all the time");
        std::thread::spawn(|| ()).join().expect("a thread");
        fs::write(root.join("state/new"), "text").expect("in its folder");
    }
}
