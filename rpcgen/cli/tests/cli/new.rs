//! `new`: what it writes builds and runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{BAD, GOOD, REPORT, Run, command, folder_with, names, read, rpcgen};

#[test]
fn a_crate_has_all_that_it_needs() {
    let folder = folder_with("new", &[("my.x", GOOD)]);
    let message = "rpcgen: `out` is written: `out/README.md` says how it runs\n";
    assert_eq!(rpcgen(&folder, "new my.x -o out -D LIMIT=3 -U RPC_SVC"), Run::said(0, message));
    let out = folder.join("out");
    let all = [".gitignore", "Cargo.toml", "README.md", "build.rs", "proto", "src"];
    assert_eq!(names(&out), all);
    assert_eq!(read(&out, "proto/my.x"), GOOD);
    let manifest = "\
[package]
name = \"my\"
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
farcall = \"VERSION\"

[build-dependencies]
farcall-rpcgen = \"VERSION\"
";
    let manifest = manifest.replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(read(&out, "Cargo.toml"), manifest);
    let build = "\
fn main() -> Result<(), farcall_rpcgen::Error> {
    farcall_rpcgen::configure()
        .define(\"LIMIT\", \"3\")
        .undefine(\"RPC_SVC\")
        .compile(&[\"proto/my.x\"])
}
";
    assert_eq!(read(&out, "build.rs"), build);
    let library = "\
//! What `proto/my.x` says, in Rust.
#![forbid(unsafe_code)]

::farcall::include_x!(\"my\");
";
    assert_eq!(read(&out, "src/lib.rs"), library);
}

#[test]
fn nothing_is_written_over_or_half() {
    let folder = folder_with("new_refused", &[("a.x", GOOD), ("bad.x", BAD)]);
    fs::create_dir(folder.join("a")).unwrap();
    fs::write(folder.join("a/mine"), "").unwrap();
    for (line, message) in [
        ("new a.x", "`a` is not empty"),
        ("new a.x --name type", "`type` cannot be a crate's name"),
        ("new a.x -o b --path /", "there is no farcall in `/`"),
    ] {
        let expected = format!("rpcgen: {message}\nTry `rpcgen --help`.\n");
        assert_eq!(rpcgen(&folder, line), Run::said(2, &expected));
    }
    assert_eq!(rpcgen(&folder, "new bad.x"), Run::said(1, REPORT));
    assert_eq!(names(&folder), ["a", "a.x", "bad.x"]);
}

#[test]
fn included_files_come_along() {
    let folder = folder_with("new_includes", &[("b.x", "#include \"c/d.x\"\ntypedef d e;\n")]);
    fs::create_dir_all(folder.join("proto")).unwrap();
    fs::create_dir_all(folder.join("inc/c")).unwrap();
    fs::write(folder.join("proto/a.x"), "#include \"b.x\"\n").unwrap();
    fs::rename(folder.join("b.x"), folder.join("proto/b.x")).unwrap();
    fs::write(folder.join("inc/c/d.x"), "typedef int d;\n").unwrap();
    assert_eq!(rpcgen(&folder, "-q new proto/a.x -I inc").stderr, "");
    assert_eq!(names(&folder.join("a/proto")), ["a.x", "b.x", "c"]);
    assert_eq!(names(&folder.join("a/proto/c")), ["d.x"]);
    assert!(read(&folder, "a/build.rs").contains(".include_dir(\"proto\")"));
    fs::create_dir(folder.join("common")).unwrap();
    fs::write(folder.join("common/d.x"), "typedef int d;\n").unwrap();
    fs::write(folder.join("proto/c.idl"), "#include \"../common/d.x\"\ntypedef d c;\n").unwrap();
    assert_eq!(rpcgen(&folder, "-q new proto/c.idl").stderr, "");
    assert_eq!(names(&folder.join("c/common")), ["d.x"]);
    assert_eq!(names(&folder.join("c/proto")), ["c.idl"]);
    // There is no program to serve or call.
    assert_eq!(names(&folder.join("a/src")), ["lib.rs"]);
}

/// Every kind of type, several versions and programs, names of Rust.
const SHAPES: &str = "\
const BIG = 20000;
enum color { RED = 2, GREEN = 4 };
typedef opaque hash[32];
typedef opaque page[BIG];
typedef int table[BIG];
typedef float row[3];
struct point { int x; double y; };
struct named { string name<>; color hue; hash id; row cells; point *at; };
union outcome switch (int status) { case 0: void; case 1: case 2: named it; default: string why<>; };
union only_default switch (color c) { default: int n; };
union tree switch (bool leaf) { case FALSE: branch *b; case TRUE: int value; };
struct branch { tree left; tree right; };
struct node { int n; node *next; };
typedef node *list;
struct holder { node first; quadruple q; };
program SHAPES {
    version SHAPES_V1 {
        void NOTHING(void) = 1;
        outcome DECIDE(named, color) = 2;
        only_default ODD(only_default) = 3;
        tree GROW(tree) = 4;
        list LIST(list) = 5;
        holder HOLD(holder) = 6;
        page PAGE(page) = 7;
        table TABLE(table) = 8;
        hyper WIDE(quadruple, hyper, unsigned hyper, float, double, bool) = 9;
        row ROW(row) = 10;
    } = 1;
    version SHAPES_V2 {
        point LATER(string, hash) = 1;    /* @deferred */
    } = 2;
} = 0x20000300;
program self { version OTHER_V1 { int type(int) = 1; } = 1; } = 0x20000301;
";

/// What the client prints, without the contents of what is large.
const SHAPES_CALLED: &str = "\
NOTHING: ()
DECIDE: Case0
ODD: Other(Red, 0)
GROW: False(None)
LIST: []
HOLD: Holder { first: (Node { n: 0 }, []), q: Quadruple([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }
PAGE
TABLE
WIDE: 0
ROW: [0.0, 0.0, 0.0]
LATER: Point { x: 0, y: 0.0 }
type: 0
";

const GREETER_CALLED: &str = "\
GREET: Greeting { text: \"\", spirits: Good }
COUNT: 0
";

#[test]
fn servers_and_clients_build_and_run() {
    let farcall = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let workspace = Workspace::new(&farcall);
    fs::write(workspace.0.join("shapes.x"), SHAPES).unwrap();
    for (name, expected) in [("shapes", SHAPES_CALLED), ("greeter", GREETER_CALLED)] {
        let mut new = command(&workspace.0, &format!("-q new {name}.x --path"));
        assert_eq!(Run::from(new.arg(&farcall).output().unwrap()), Run::said(0, ""));
        workspace.build(name);
        let server = Server::start(&workspace.bin("server"));
        for target in &server.targets {
            let output = Command::new(workspace.bin("client")).arg(target).output().unwrap();
            let Run { status, stdout, stderr } = output.into();
            let short = |line: &str| {
                let large = ["PAGE", "TABLE"].into_iter().find(|name| line.starts_with(name));
                format!("{}\n", large.unwrap_or(line))
            };
            let called: String = stdout.lines().map(short).collect();
            assert_eq!((status, called.as_str(), stderr.as_str()), (0, expected, ""));
        }
    }
}

/// A workspace of the crates that are written, outside of all others.
struct Workspace(PathBuf);

impl Workspace {
    fn new(farcall: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("farcall-new-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        // What was downloaded for farcall is enough.
        fs::copy(farcall.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Self(folder)
    }

    /// Builds one crate; the others have programs of the same name.
    fn build(&self, name: &str) {
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [\"{name}\"]\n");
        fs::write(self.0.join("Cargo.toml"), manifest).unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["build", "--offline", "-q"])
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", Self::target())
            .env("RUSTFLAGS", "-D warnings")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .unwrap();
        assert_eq!(Run::from(output), Run::said(0, ""));
    }

    /// The same each time, so that only the first run builds what the crates are made with.
    fn target() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("new")
    }

    fn bin(&self, name: &str) -> PathBuf {
        Self::target().join("debug").join(name)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server, until it is dropped.
struct Server {
    child: Child,
    /// What a client is told to connect to.
    targets: Vec<String>,
}

impl Server {
    fn start(program: &Path) -> Self {
        let mut command = Command::new(program);
        let mut child = command.args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.lines().map(Result::unwrap);
        let targets: Vec<_> = lines.by_ref().take_while(|line| line != "ready").collect();
        let targets = targets.iter().map(|line| line.replace("[::]", "127.0.0.1")).collect();
        // It prints each call, and would wait if nobody read that.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, targets }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
