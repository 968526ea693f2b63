//! The command line as getopt(3) reads it: options anywhere before `--`, several to a word, and a
//! word about each that is none. No reader of modern command lines takes `--help` for five options.

use std::io::Write;

use super::Failure;
use super::number;
use super::text;

/// What is to be done; if nothing is said, that depends on the number of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    PortmapDump,
    Tcp,
    Udp,
    Broadcast,
    Delete,
    Address,
    Short,
    AddressList,
    Statistics,
}

/// What is on a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) function: Option<Function>,
    pub(super) netid: Option<Vec<u8>>,
    pub(super) address: Option<Vec<u8>>,
    pub(super) port: u16,
    pub(super) words: Vec<Vec<u8>>,
    is_wrong: bool,
}

/// Reads the arguments, of which the first is the program's name.
pub(super) fn parse(args: &[Vec<u8>], err: &mut dyn Write) -> Result<Line, Failure> {
    let (name, args) = args.split_first().map_or((&b"rpcinfo"[..], args), |(n, a)| (n, a));
    let mut line = Line::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_slice() {
            b"--" => line.words.extend(args.by_ref().cloned()),
            [b'-', options @ ..] if !options.is_empty() => {
                line.options(options, &mut args, &mut |what, option| {
                    let _ = err.write_all(name);
                    let _ = write!(err, ": {what} -- '");
                    let _ = err.write_all(&[option]);
                    let _ = err.write_all(b"'\n");
                })?;
            }
            _ => line.words.push(arg.clone()),
        }
    }
    let lacks_netid = line.function == Some(Function::Address) && line.netid.is_none();
    if line.is_wrong || lacks_netid { Err(Failure::Usage) } else { Ok(line) }
}

impl Line {
    /// The options in one word, of which the last may have its value in the next.
    fn options<'a>(
        &mut self,
        mut options: &[u8],
        args: &mut impl Iterator<Item = &'a Vec<u8>>,
        complain: &mut dyn FnMut(&str, u8),
    ) -> Result<(), Failure> {
        while let Some((&option, rest)) = options.split_first() {
            options = rest;
            if b"anT".contains(&option) {
                let inline = (!rest.is_empty()).then(|| rest.to_vec());
                let Some(value) = inline.or_else(|| args.next().cloned()) else {
                    complain("option requires an argument", option);
                    self.is_wrong = true;
                    return Ok(());
                };
                return self.value(option, value);
            }
            match flag(option) {
                Some(function) => self.function(function),
                None => {
                    complain("invalid option", option);
                    self.is_wrong = true;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, option: u8, value: Vec<u8>) -> Result<(), Failure> {
        match option {
            b'a' => {
                self.address = Some(value);
                self.function(Function::Address);
            }
            b'T' => self.netid = Some(value),
            _ => {
                let illegal = || {
                    Failure::text(format!("rpcinfo: {} is illegal port number", text::of(&value)))
                };
                // C keeps the low half of it, whatever it is.
                let port = number::strtol(&value).ok_or_else(illegal)? & 0xffff;
                self.port = u16::try_from(port).map_err(|_| illegal())?;
            }
        }
        Ok(())
    }

    fn function(&mut self, function: Function) {
        self.is_wrong |= self.function.is_some();
        self.function.get_or_insert(function);
    }
}

fn flag(option: u8) -> Option<Function> {
    Some(match option {
        b'p' => Function::PortmapDump,
        b't' => Function::Tcp,
        b'u' => Function::Udp,
        b'b' => Function::Broadcast,
        b'd' => Function::Delete,
        b'l' => Function::AddressList,
        b'm' => Function::Statistics,
        b's' => Function::Short,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> (Result<Line, Failure>, String) {
        let args: Vec<_> =
            ["./rpcinfo"].iter().chain(args).map(|a| a.as_bytes().to_vec()).collect();
        let mut err = Vec::new();
        let line = parse(&args, &mut err);
        (line, String::from_utf8(err).expect("UTF-8"))
    }

    #[test]
    fn options_are_anywhere_and_together() {
        let words = |words: &[&str]| words.iter().map(|w| w.as_bytes().to_vec()).collect();
        let netid = Some(b"tcp".to_vec());
        let (line, err) = parsed(&["host", "-lTtcp", "1", "-", "-n", "70000", "--", "-p"]);
        let expected = Line {
            function: Some(Function::AddressList),
            netid,
            port: 4464,
            words: words(&["host", "1", "-", "-p"]),
            ..Line::default()
        };
        assert_eq!((line, err.as_str()), (Ok(expected), ""));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (args, said) in [
            (&["-p", "-s"][..], ""),
            (&["-a", "::1.0.111"], ""),
            (&["-pxy"], "./rpcinfo: invalid option -- 'x'\n./rpcinfo: invalid option -- 'y'\n"),
            (&["-s", "-T"], "./rpcinfo: option requires an argument -- 'T'\n"),
        ] {
            assert_eq!(parsed(args), (Err(Failure::Usage), said.to_owned()), "{args:?}");
        }
        let illegal = Failure::text("rpcinfo: 5x is illegal port number");
        assert_eq!(parsed(&["-n5x", "-z"]), (Err(illegal), String::new()));
    }
}
