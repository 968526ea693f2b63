//! Serves the key-value program until SIGTERM or SIGINT.

use std::error::Error;
use std::process::ExitCode;

use farcall::Server;
use farcall::bind::Portmapper;
use farcall_example_kv::{Store, kv::kv_prog::v1};
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
Serves the key-value program of kv.x, registered with a portmapper, until SIGTERM or SIGINT.

Usage: kv-server [OPTIONS]

Options:
      --udp ADDR:PORT     serve UDP there; port 0 is any that is free [default: [::]:0]
      --tcp ADDR:PORT     serve TCP there [default: [::]:0]
      --unix PATH         serve a Unix socket too
      --portmapper WHERE  register with the portmapper at ADDR:PORT or unix:PATH
                          [default: this host's]
      --no-portmapper     register with none
  -h, --help              show this

RUST_LOG=debug makes it tell more.
";

struct Options {
    udp: String,
    tcp: String,
    unix: Option<String>,
    portmapper: Option<Portmapper>,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().default_filter_or("warn")).init();
    match options(Parser::from_env()).map(|options| options.map_or_else(help, serve)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("kv-server: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("kv-server: {error}\nTry `kv-server --help`.");
            ExitCode::from(2)
        }
    }
}

fn help() -> farcall::Result<()> {
    print!("{HELP}");
    Ok(())
}

fn serve(options: Options) -> farcall::Result<()> {
    let mut server = Server::builder()
        .udp(options.udp)
        .tcp(options.tcp)
        .service(v1::Server::new(Store::default()));
    if let Some(path) = &options.unix {
        server = server.unix(path);
    }
    if let Some(portmapper) = options.portmapper {
        server = server.register_with(portmapper);
    }
    let server = server.stop_on_signal().bind()?;
    server.udp_addrs().for_each(|addr| println!("udp://{addr}"));
    server.tcp_addrs().for_each(|addr| println!("tcp://{addr}"));
    options.unix.iter().for_each(|path| println!("unix://{path}"));
    println!("ready");
    server.run()
}

/// `None` if help is asked for.
fn options(mut parser: Parser) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        udp: "[::]:0".to_owned(),
        tcp: "[::]:0".to_owned(),
        unix: None,
        portmapper: Some(Portmapper::local()),
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("udp") => options.udp = parser.value()?.string()?,
            Arg::Long("tcp") => options.tcp = parser.value()?.string()?,
            Arg::Long("unix") => options.unix = Some(parser.value()?.string()?),
            Arg::Long("portmapper") => {
                let place = parser.value()?.string()?;
                options.portmapper = Some(portmapper(&place)?);
            }
            Arg::Long("no-portmapper") => options.portmapper = None,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn portmapper(place: &str) -> Result<Portmapper, Box<dyn Error>> {
    if let Some(path) = place.strip_prefix("unix:") {
        return Ok(Portmapper::unix(path));
    }
    let addr = place.parse().map_err(|_| format!("`{place}` is not ADDR:PORT, nor unix:PATH"))?;
    Ok(Portmapper::at(addr))
}
