//! Files as they were in a revision of git.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The `.x` files of a revision, in a folder of their own until this is dropped.
pub(super) struct Revision {
    name: String,
    /// The repository's folder.
    top: PathBuf,
    /// Ours.
    folder: PathBuf,
}

impl Revision {
    /// Checks out the `.x` files of the repository that `file` is in, and `file`. What is checked
    /// out already, and the index, stay as they are.
    ///
    /// # Errors
    /// There is no git, no repository or no such revision, or the files cannot be written.
    pub(super) fn check_out(name: &str, file: &Path) -> Result<Self, String> {
        let beside = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let top = one_line(git(beside).args(["rev-parse", "--show-toplevel"]))?;
        let tree = format!("{name}^{{tree}}");
        let options = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let tree = one_line(git(beside).args(options).arg(tree))
            .map_err(|_| format!("there is no revision `{name}`"))?;
        let folder = std::env::temp_dir().join(format!("rpcgen-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|cause| unwritten(&folder, &cause))?;
        // From here on, what there is of it is removed in the end.
        let revision = Self { name: name.to_owned(), top: top.into(), folder };
        revision.fill(&tree, file)?;
        Ok(revision)
    }

    fn fill(&self, tree: &str, file: &Path) -> Result<(), String> {
        let index = self.folder.join("index");
        let git = || {
            let mut git = git(&self.top);
            git.env("GIT_INDEX_FILE", &index);
            git
        };
        output(git().args(["read-tree", tree]), &[])?;
        let mut listing = git();
        listing.args(["ls-files", "-z", "--", "*.x"]);
        listing.arg(self.inner(file).unwrap_or_else(|| file.to_owned()));
        let names = output(&mut listing, &[])?;
        let prefix = format!("--prefix={}/", self.folder.join("tree").display());
        output(git().args(["checkout-index", "-q", "-z", "--stdin"]).arg(prefix), &names)?;
        Ok(())
    }

    /// Where a file or folder of the repository is in this revision; others stay where they are.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        let inner = self.inner(path);
        inner.map_or_else(|| path.to_owned(), |inner| self.folder.join("tree").join(inner))
    }

    /// What to call a file that is in this revision.
    pub(super) fn name(&self, file: &str) -> String {
        match Path::new(file).strip_prefix(self.folder.join("tree")) {
            Ok(inner) => format!("{}:{}", self.name, inner.display()),
            Err(_) => file.to_owned(),
        }
    }

    /// A path as the repository has it. It need not exist any more.
    fn inner(&self, path: &Path) -> Option<PathBuf> {
        let full = match (path.canonicalize(), path.parent(), path.file_name()) {
            (Ok(full), _, _) => full,
            (Err(_), Some(parent), Some(name)) => parent.canonicalize().ok()?.join(name),
            _ => return None,
        };
        full.strip_prefix(self.top.canonicalize().ok()?).ok().map(Path::to_owned)
    }
}

impl Drop for Revision {
    fn drop(&mut self) {
        // What is left in a folder for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn git(folder: impl AsRef<OsStr>) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder);
    git
}

fn one_line(command: &mut Command) -> Result<String, String> {
    let output = output(command, &[])?;
    Ok(String::from_utf8_lossy(&output).trim_end_matches('\n').to_owned())
}

/// What a command writes, given `input`.
fn output(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |cause| format!("cannot run git: {cause}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may be done before it has read all; then it says why.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("git: {}", said.trim().trim_start_matches("fatal: ")))
}

fn unwritten(path: &Path, cause: &std::io::Error) -> String {
    format!("cannot write `{}`: {cause}", path.display())
}
