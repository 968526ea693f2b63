//! Programs that rpcgen, gcc and libtirpc make of the interfaces, to encode and decode with.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs, thread};

use farcall_rpcgen_differential::{Accepted, INTERFACES, Interface};

/// What C made of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted(Accepted),
    Refused,
    /// It ended before it answered.
    Crashed,
}

/// The program for one interface.
#[derive(Debug)]
pub(crate) struct Peer {
    program: PathBuf,
}

/// The programs for all interfaces, in their order; or nothing where there are no C tools.
pub(crate) fn peers() -> Option<&'static [Peer]> {
    static PEERS: OnceLock<Option<Vec<Peer>>> = OnceLock::new();
    PEERS.get_or_init(|| available().then(build)).as_deref()
}

impl Peer {
    /// What becomes of each of the inputs, which are values of the interface's type with that
    /// index.
    pub(crate) fn run(&self, inputs: &[(usize, &[u8])]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(inputs.len());
        while outcomes.len() < inputs.len() {
            let answers = self.answers(&inputs[outcomes.len()..]);
            outcomes.extend(parse(&answers));
            // It answers before it reads on: the first without an answer is who crashed it.
            if outcomes.len() < inputs.len() {
                outcomes.push(Outcome::Crashed);
            }
        }
        outcomes
    }

    fn answers(&self, inputs: &[(usize, &[u8])]) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        // What libtirpc says when it is out of memory is of no interest.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the peer starts");
        let mut to = child.stdin.take().expect("it is piped");
        thread::scope(|scope| {
            // If it crashes, the rest of the input has nowhere to go.
            scope.spawn(move || to.write_all(&frames(inputs)).ok());
            child.wait_with_output().expect("the peer ends").stdout
        })
    }
}

fn frames(inputs: &[(usize, &[u8])]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (ty, bytes) in inputs {
        for number in [*ty, bytes.len()] {
            frames.extend(u32::try_from(number).expect("small inputs").to_ne_bytes());
        }
        frames.extend_from_slice(bytes);
    }
    frames
}

fn parse(mut answers: &[u8]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while let Some((head, rest)) = answers.split_first_chunk::<12>() {
        let [verdict, consumed, len] = [0, 4, 8].map(|at| {
            let word = head[at..at + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_ne_bytes(word)).expect("a length")
        });
        let Some((bytes, rest)) = rest.split_at_checked(len) else { break };
        answers = rest;
        outcomes.push(match verdict {
            0 => Outcome::Refused,
            1 => Outcome::Accepted(Accepted { consumed, bytes: bytes.to_vec() }),
            _ => panic!("C does not encode what it has decoded"),
        });
    }
    outcomes
}

/// Whether there are the C tools; says so if not.
fn available() -> bool {
    let needs: [&[&str]; 3] =
        [&["rpcgen", "--version"], &["gcc", "--version"], &["pkg-config", "--exists", "libtirpc"]];
    let works = |need: &&[&str]| {
        let output = Command::new(need[0]).args(&need[1..]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(lacking) = needs.iter().find(|need| !works(need)) else { return true };
    let reason = format!("`{}` fails", lacking.join(" "));
    assert!(env::var("FARCALL_INTEROP").as_deref() != Ok("require"), "{reason}");
    // Not by eprintln, whose output is shown for tests that fail only.
    writeln!(io::stderr(), "SKIPPED the comparison with C: {reason}").expect("standard error");
    false
}

fn build() -> Vec<Peer> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&dir).expect("a folder");
    for file in ["driver.h", "driver.c"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(file);
        fs::copy(from, dir.join(file)).expect("a copy");
    }
    sh(&dir, "gcc -O1 -Wall -Wextra -Werror -c driver.c $(pkg-config --cflags libtirpc)");
    INTERFACES.iter().map(|interface| build_one(&dir, interface)).collect()
}

fn build_one(dir: &Path, interface: &Interface) -> Peer {
    let name = interface.name;
    fs::copy(interface.path, dir.join(format!("{name}.x"))).expect("a copy");
    fs::write(dir.join(format!("{name}_table.c")), table(interface)).expect("the table");
    // An array of booleans is one of a type `bool` in what rpcgen writes, which is none of C's
    // library: there it is `bool_t`.
    let script = format!(
        "rpcgen -h {name}.x > {name}.h
         rpcgen -c {name}.x > {name}_xdr.c
         gcc -O1 -w -Dbool=bool_t -o {name} {name}_xdr.c {name}_table.c driver.o \
             $(pkg-config --cflags --libs libtirpc)"
    );
    sh(dir, &script);
    Peer { program: dir.join(name) }
}

/// The C source with the codecs of the interface's types, by their index.
fn table(interface: &Interface) -> String {
    let mut table = format!(
        "#include \"driver.h\"\n#include \"{}.h\"\n\nconst struct driver_codec driver_codecs[] = {{\n",
        interface.name
    );
    for ty in interface.types {
        table += &format!("\t{{ (xdrproc_t)xdr_at_{0}, sizeof(at_{0}) }},\n", ty.name);
    }
    table + "};\n"
}

fn sh(dir: &Path, script: &str) {
    let output = Command::new("sh").args(["-euc", script]).current_dir(dir).output();
    let output = output.expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
