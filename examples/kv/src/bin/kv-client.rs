//! Calls the key-value program.

use std::error::Error;
use std::process::ExitCode;

use farcall::ClientOptions;
use farcall_example_kv::kv::{KvGetRes, KvStatus, kv_prog::v1};
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
Calls the key-value program of kv.x.

Usage: kv-client [OPTIONS] [TARGET] [COMMAND]

TARGET is udp://HOST[:PORT], tcp://HOST[:PORT] or unix:///PATH [default: tcp://localhost].
Without a port, the portmapper of the host is asked for it.

Commands (without one: puts a value, gets it, and lists):
  put KEY VALUE   store a value
  get KEY         print the value
  list            print all keys

Options:
      --portmapper-port N  where the portmapper of the host listens [default: 111]
  -h, --help               show this

Exit status: 0 done, 1 there is no such key or the call failed, 2 wrong usage.
";

enum Command {
    Demo,
    Put { key: String, value: String },
    Get { key: String },
    List,
}

struct Options {
    target: String,
    client: ClientOptions,
    command: Command,
}

fn main() -> ExitCode {
    let options = match options(Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("kv-client: {error}\nTry `kv-client --help`.");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv-client: {}: {error}", options.target);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let kv = v1::Client::connect_with(&options.target, &options.client)?;
    match &options.command {
        Command::Put { key, value } => put(&kv, key, value),
        Command::Get { key } => get(&kv, key),
        Command::List => list(&kv),
        Command::Demo => {
            println!("put motd hello");
            put(&kv, "motd", "hello")?;
            println!("get motd");
            get(&kv, "motd")?;
            println!("list");
            list(&kv)
        }
    }
}

fn put(kv: &v1::Client, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
    match kv.put(key, value.as_bytes())? {
        KvStatus::Ok => Ok(()),
        status => Err(format!("not stored: {status:?}").into()),
    }
}

fn get(kv: &v1::Client, key: &str) -> Result<(), Box<dyn Error>> {
    match kv.get(key)? {
        KvGetRes::Ok(value) => println!("{}", String::from_utf8_lossy(&value)),
        KvGetRes::Other(_) => return Err(format!("no such key: {key}").into()),
    }
    Ok(())
}

fn list(kv: &v1::Client) -> Result<(), Box<dyn Error>> {
    for entry in kv.keys()? {
        println!("{}", entry.key);
    }
    Ok(())
}

/// `None` if help is asked for.
fn options(mut parser: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut client = ClientOptions::new();
    let mut words = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("portmapper-port") => {
                client = client.portmapper_port(parser.value()?.parse()?);
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let mut words = words.into_iter().peekable();
    let target = words.next_if(|word| word.contains("://"));
    let target = target.unwrap_or_else(|| "tcp://localhost".to_owned());
    Ok(Some(Options { target, client, command: command(&words.collect::<Vec<_>>())? }))
}

fn command(words: &[String]) -> Result<Command, lexopt::Error> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Command::Demo),
        ["put", key, value] => Ok(Command::Put { key: key.to_owned(), value: value.to_owned() }),
        ["get", key] => Ok(Command::Get { key: key.to_owned() }),
        ["list"] => Ok(Command::List),
        _ => Err(format!("not a command: {}", words.join(" ")).into()),
    }
}
