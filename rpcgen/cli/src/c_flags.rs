//! The flags of C rpcgen, and what they mean here.
//!
//! They follow another grammar than the commands do (`-Dname=value`, `-Ss`), and some of the same
//! letters mean something else there. So a command line without a command is read here, and becomes
//! one with a command.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use lexopt::{Arg, Parser};

/// One flag of C rpcgen.
#[derive(Debug)]
pub(crate) struct Flag {
    /// As it is written, without the value.
    pub(crate) name: &'static str,
    /// What its value is called, if it has one.
    pub(crate) value: Option<&'static str>,
    pub(crate) effect: Effect,
}

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// These options of `build`, and standard output unless another place is named.
    Part(&'static [&'static str]),
    /// `new`.
    New,
    /// An option of the same name.
    Same,
    /// Nothing, and why.
    Nothing(&'static str),
}

const TYPES: Effect = Effect::Part(&["--no-client", "--no-server"]);
const SERVER: Effect = Effect::Part(&["--no-client"]);

const fn flag(name: &'static str, value: Option<&'static str>, effect: Effect) -> Flag {
    Flag { name, value, effect }
}

/// All of them, in the order of C rpcgen's manual.
pub(crate) const FLAGS: [Flag; 25] = [
    flag("-a", None, Effect::New),
    flag("-b", None, Effect::Nothing("the code is for farcall, on any system")),
    flag("-5", None, Effect::Nothing("the code is for farcall, on any system")),
    flag("-c", None, TYPES),
    flag("-C", None, Effect::Nothing("the code is Rust")),
    flag("-k", None, Effect::Nothing("the code is Rust")),
    flag("-D", Some("NAME[=VALUE]"), Effect::Same),
    flag("-h", None, TYPES),
    flag("-i", Some("SIZE"), Effect::Nothing("the compiler of Rust decides what it inlines")),
    flag(
        "-I",
        None,
        Effect::Nothing("a server takes sockets from elsewhere by `tcp_listener` and `udp_socket`"),
    ),
    flag(
        "-K",
        Some("SECONDS"),
        Effect::Nothing("a server runs until `StopHandle::stop` or a signal ends it"),
    ),
    flag("-l", None, Effect::Part(&["--no-server"])),
    flag("-L", None, Effect::Nothing("servers use the crate `log`, which can be sent anywhere")),
    flag("-m", None, SERVER),
    flag("-M", None, Effect::Nothing("the code is safe for threads always")),
    flag("-n", Some("NETID"), SERVER),
    flag("-s", Some("NETTYPE"), SERVER),
    flag("-N", None, Effect::Nothing("procedures may have several arguments always")),
    flag("-o", Some("FILE"), Effect::Same),
    flag("-Sc", None, Effect::New),
    flag("-Ss", None, Effect::New),
    flag("-Sm", None, Effect::New),
    flag("-t", None, TYPES),
    flag(
        "-T",
        None,
        Effect::Nothing("each version has a table of its procedures, `INTERFACE`, always"),
    ),
    flag("-Y", Some("DIR"), Effect::Nothing("none is needed")),
];

/// A command line with a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) args: Vec<OsString>,
    /// What flags mean nothing, and why.
    pub(crate) notes: Vec<String>,
}

/// The command line for one without a command.
///
/// # Errors
/// Flags that go not together, or that have no value.
pub(crate) fn translate(args: &[OsString]) -> Result<Translated, lexopt::Error> {
    let mut reader = Reader::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short(letter) => {
                let name = format!("-{letter}");
                reader.short(name, &mut parser)?;
            }
            Arg::Long(name) => {
                let name = format!("--{name}");
                reader.long(name, parser.optional_value());
            }
            Arg::Value(file) if file.as_encoded_bytes().starts_with(b"-") && file != "-" => {
                reader.behind.push(file);
            }
            Arg::Value(file) => reader.args.push(file),
        }
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    args: Vec<OsString>,
    /// Files that look like options.
    behind: Vec<OsString>,
    notes: Vec<String>,
    /// The flag that says what to make.
    makes: Option<(String, Effect)>,
    has_output: bool,
}

impl Reader {
    fn short(&mut self, mut name: String, parser: &mut Parser) -> Result<(), lexopt::Error> {
        if name == "-I"
            && let Some(dir) = folder(parser)
        {
            self.pass("-I", Some(dir));
            return Ok(());
        }
        if name == "-S" {
            name.push_str(&parser.value()?.to_string_lossy());
        }
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            // The command knows it, or says that it does not.
            let value = if name == "-U" { Some(parser.value()?) } else { None };
            self.pass(&name, value);
            return Ok(());
        };
        let value = flag.value.map(|_| parser.value()).transpose()?;
        match flag.effect {
            Effect::Same => {
                self.has_output |= name == "-o";
                self.pass(&name, value);
            }
            Effect::Nothing(why) => self.notes.push(format!("{name} means nothing here: {why}")),
            Effect::New | Effect::Part(_) => {
                if value.is_some() {
                    let note = "only the server, for whatever transports it is built with";
                    self.notes.push(format!("{name}: {note}"));
                }
                self.make(name, flag.effect)?;
            }
        }
        Ok(())
    }

    fn long(&mut self, name: String, value: Option<OsString>) {
        self.has_output |= ["--output", "--out-dir", "--check"].contains(&name.as_str());
        let mut arg = OsString::from(name);
        if let Some(value) = value {
            arg.push("=");
            arg.push(value);
        }
        self.args.push(arg);
    }

    fn pass(&mut self, name: &str, value: Option<OsString>) {
        self.args.push(name.into());
        self.args.extend(value);
    }

    /// Takes note of what to make: C rpcgen makes one thing at a time, too.
    fn make(&mut self, name: String, effect: Effect) -> Result<(), lexopt::Error> {
        match &self.makes {
            Some((other, made)) if *made != effect => {
                Err(format!("{other} and {name} do not go together").into())
            }
            _ => {
                self.makes = Some((name, effect));
                Ok(())
            }
        }
    }

    fn finish(self) -> Translated {
        let mut args: Vec<OsString> = Vec::new();
        match self.makes {
            Some((_, Effect::New)) => args.push("new".into()),
            Some((_, Effect::Part(options))) => {
                args.push("build".into());
                args.extend(options.iter().map(OsString::from));
                if !self.has_output {
                    args.extend(["-o".into(), "-".into()]);
                }
            }
            _ => args.push("build".into()),
        }
        args.extend(self.args);
        if !self.behind.is_empty() {
            args.push("--".into());
            args.extend(self.behind);
        }
        Translated { args, notes: self.notes }
    }
}

/// The value of `-I`, if it is a folder to include from: one written right behind it, or a folder
/// that comes next. C rpcgen's `-I` has none.
fn folder(parser: &mut Parser) -> Option<OsString> {
    if let Some(dir) = parser.optional_value() {
        return Some(dir);
    }
    let mut rest = parser.try_raw_args()?;
    let is_dir = rest.peek().is_some_and(|next: &OsStr| Path::new(next).is_dir());
    if is_dir { rest.next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> (String, Vec<String>) {
        let args: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        let Translated { args, notes } = translate(&args).unwrap();
        let args: Vec<_> = args.into_iter().map(|arg| arg.into_string().unwrap()).collect();
        (args.join(" "), notes)
    }

    #[test]
    fn every_flag_does_what_its_row_says() {
        for flag in &FLAGS {
            let value = flag.value.map_or(String::new(), |_| " 7".to_owned());
            let (args, notes) = translated(&format!("{}{value} a.x", flag.name));
            let expected = match flag.effect {
                Effect::Part(options) => format!("build {} -o - a.x", options.join(" ")),
                Effect::New => "new a.x".to_owned(),
                Effect::Same => format!("build {} 7 a.x", flag.name),
                Effect::Nothing(_) => "build a.x".to_owned(),
            };
            assert_eq!(args, expected, "{}", flag.name);
            let note = match flag.effect {
                Effect::Nothing(why) => Some(format!("{} means nothing here: {why}", flag.name)),
                Effect::Part(_) if flag.value.is_some() => Some(format!(
                    "{}: only the server, for whatever transports it is built with",
                    flag.name
                )),
                _ => None,
            };
            assert_eq!(notes, Vec::from_iter(note), "{}", flag.name);
        }
    }

    /// What the documentation's table has about a flag, before and after what it is in C.
    fn row(flag: &Flag) -> (String, String) {
        let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
        let here = match flag.effect {
            Effect::Part(options) => format!("`build {}`", options.join(" ")),
            Effect::New => "`new`".to_owned(),
            Effect::Same => "the same".to_owned(),
            Effect::Nothing(why) => format!("nothing, and says so: {why}"),
        };
        (format!("| `{}{value}`", flag.name), format!("{here} |"))
    }

    #[test]
    fn every_flag_is_documented() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpcgen.md");
        let docs = std::fs::read_to_string(path).unwrap();
        let documented = docs.lines().skip_while(|line| !line.starts_with("| `-a`"));
        let documented = documented.take_while(|line| line.starts_with("| `-"));
        let ends = |line: &str| {
            let (flag, rest) = line.split_once(" | ")?;
            Some((flag.to_owned(), rest.split_once(" | ")?.1.to_owned()))
        };
        let rows: Vec<_> = documented.filter_map(ends).collect();
        assert_eq!(rows, FLAGS.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn lines_of_makefiles() {
        for (line, expected) in [
            ("", "build"),
            ("a.x", "build a.x"),
            ("-NMC -Dx=1 a.x", "build -D x=1 a.x"),
            ("-C -l -o a_clnt.c a.x", "build --no-server -o a_clnt.c a.x"),
            ("-s tcp -s udp -o a.rs a.x", "build --no-client -o a.rs a.x"),
            ("-h -- -a.x", "build --no-client --no-server -o - -- -a.x"),
            ("-c -", "build --no-client --no-server -o - -"),
            ("-Ss -o dir a.x", "new -o dir a.x"),
            ("-m --out-dir out a.x", "build --no-client --out-dir out a.x"),
            ("--naming=c -U Y -q a.x", "build --naming=c -U Y -q a.x"),
            ("-I/usr/include a.x", "build -I /usr/include a.x"),
            ("-I / a.x", "build -I / a.x"),
            ("-I a.x", "build a.x"),
        ] {
            assert_eq!(translated(line).0, expected, "{line}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, message) in [
            ("-l -m a.x", "-l and -m do not go together"),
            ("-a -h a.x", "-a and -h do not go together"),
            ("-s", "missing argument for option '-s'"),
        ] {
            let args: Vec<_> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(translate(&args).unwrap_err().to_string(), message);
        }
    }
}
