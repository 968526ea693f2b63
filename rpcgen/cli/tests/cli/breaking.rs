//! `breaking`.

use std::path::Path;
use std::process::Command;

use super::{Run, folder_with, read, rpcgen};

const OLD: &str = "\
typedef string key<128>;
struct entry { key name; };
enum status { OK = 0 };
program KV { version V { status GET(key) = 1; entry FIRST(void) = 2; } = 1; } = 0x20000099;
";

const NEW: &str = "\
typedef string key<64>;
struct entry { key name; };
enum status { OK = 0, BUSY = 1 };
program KV { version V { status GET(key) = 1; entry START(void) = 2; } = 1; } = 0x20000099;
";

const SHRUNK: &str = "\
new.x:1:1: BOUND_SHRUNK: key 128 -> 64; those who send more are refused   (wire-breaking)
new.x:3:23: ENUM_VALUE_ADDED: status gained `BUSY` = 1; those of before refuse it   (may break the wire)
";

const RENAMED: &str = "\
new.x:4:47: RENAME: procedure KV.1.FIRST is called `START` now   (wire-same, source-breaking)
";

const ADVICE: &str = "Add a new `version` instead, or record them with --accept.\n";

#[test]
fn what_breaks_is_found() {
    let folder = folder_with("breaking", &[("old.x", OLD), ("new.x", NEW)]);
    assert_eq!(rpcgen(&folder, "breaking new.x --against new.x"), Run::printed(0, ""));
    let all = format!("{SHRUNK}{RENAMED}3 findings, 1 of them wire-breaking. {ADVICE}");
    assert_eq!(rpcgen(&folder, "breaking new.x --against old.x"), Run::printed(4, &all));
    let wire = format!("{SHRUNK}2 findings, 1 of them wire-breaking. {ADVICE}");
    assert_eq!(
        rpcgen(&folder, "breaking new.x --against old.x --level wire"),
        Run::printed(4, &wire)
    );
    let json = rpcgen(&folder, "breaking new.x --against old.x --json");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let expected = serde_json::json!({
        "rule": "RENAME",
        "level": "source",
        "severity": "error",
        "name": "KV.1.FIRST",
        "message": "procedure KV.1.FIRST is called `START` now",
        "at": { "file": "new.x", "line": 4, "column": 47 },
        "in_old": false,
    });
    assert_eq!((&json["format"], &json["findings"][2]), (&1.into(), &expected));
}

#[test]
fn warnings_fail_only_if_they_are_to() {
    let grown = OLD.replace("128", "256");
    let folder = folder_with("breaking_warnings", &[("old.x", OLD), ("new.x", &grown)]);
    let run = rpcgen(&folder, "breaking new.x --against old.x");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("BOUND_GROWN"), "{}", run.stdout);
    assert!(run.stdout.ends_with("1 finding, none of them wire-breaking.\n"), "{}", run.stdout);
    assert_eq!(rpcgen(&folder, "breaking new.x --against old.x --deny-warnings").status, 4);
}

#[test]
fn what_is_meant_can_be_recorded() {
    let folder = folder_with("breaking_accept", &[("old.x", OLD), ("new.x", NEW)]);
    let base = "breaking new.x --against old.x --accepted accepted";
    assert_eq!(rpcgen(&folder, &format!("{base} --accept")).status, 0);
    assert!(
        read(&folder, "accepted").contains("BOUND_SHRUNK key\n"),
        "{}",
        read(&folder, "accepted")
    );
    assert_eq!(rpcgen(&folder, base), Run::printed(0, ""));
    std::fs::write(folder.join("accepted"), "# meant\nNO_SUCH\n").unwrap();
    let message = "rpcgen: `accepted`, line 2: `NO_SUCH` is not a rule and a name\n\
                   Try `rpcgen --help`.\n";
    assert_eq!(rpcgen(&folder, base), Run::said(2, message));
}

fn git(folder: &Path, line: &str) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let output = Command::new("git")
        .current_dir(folder)
        .args(identity)
        .args(line.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn revisions_of_git_are_read_with_what_they_include() {
    if Command::new("git").arg("--version").output().is_err() {
        println!("skipped: there is no git");
        return;
    }
    let folder = folder_with("breaking_git", &[]);
    let proto = folder.join("proto");
    std::fs::create_dir_all(folder.join("inc")).unwrap();
    std::fs::create_dir(&proto).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("inc/key.x", "typedef string key<128>;\n");
    write(
        "proto/kv.x",
        "#include \"key.x\"\nprogram P { version V { void PUT(key) = 1; void GET(key) = 2; } = 1; } = 0x20000000;\n",
    );
    git(&folder, "init -q");
    git(&folder, "add .");
    git(&folder, "commit -q -m old");
    write("inc/key.x", "typedef string key<64>;\n");
    let line = "breaking kv.x -I ../inc --against git:HEAD";
    let run = rpcgen(&proto, line);
    assert_eq!((run.status, run.stderr.as_str()), (4, ""));
    assert!(run.stdout.starts_with("../inc/key.x:1:1: BOUND_SHRUNK: "), "{}", run.stdout);
    write(
        "proto/kv.x",
        "#include \"key.x\"\nprogram P { version V { void PUT(key) = 1; } = 1; } = 0x20000000;\n",
    );
    let run = rpcgen(&folder, "breaking proto/kv.x -I inc --against git:HEAD");
    let gone = "HEAD:proto/kv.x:2:44: PROC_REMOVED: procedure P.1.GET is gone   (wire-breaking)\n";
    assert!(run.stdout.starts_with(gone), "{}", run.stdout);
    let none = "rpcgen: there is no revision `none`\n";
    assert_eq!(rpcgen(&proto, "breaking kv.x -I ../inc --against git:none"), Run::said(3, none));
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let left = left.filter(|entry| entry.as_ref().unwrap().path().join("tree/proto/kv.x").exists());
    assert_eq!(left.count(), 0);
}
