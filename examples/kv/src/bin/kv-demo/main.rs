//! The whole of it in one process group: a portmapper on a free port, a server that registers with
//! it, and a client that finds the server and calls it over UDP and over TCP.

mod child;
mod roles;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use farcall::ClientOptions;
use farcall::bind::Portmapper;
use farcall_example_kv::kv::{KvGetRes, kv_prog, kv_prog::v1};
use farcall_portmap::programs::Programs;

use self::child::Child;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    env_logger::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The children are this program again, in another role.
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demo(),
        ["portmapd"] => roles::portmapd(),
        ["server", portmapper] => roles::server(portmapper),
        _ => Err("Usage: kv-demo".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result {
    let (portmapd, line) = Child::start("portmapd", &[])?;
    let addr: SocketAddr = line.rsplit(' ').next().unwrap_or_default().parse()?;
    let portmapper = Portmapper::at(addr);
    println!("A portmapper (process {}) listens on {addr}.", portmapd.id());

    let (server, line) = Child::start("server", &[&addr.to_string()])?;
    println!("A server (process {}) has registered; it listens on {line}.", server.id());
    show(&portmapper)?;

    let options = ClientOptions::new().portmapper_port(addr.port());
    let mut keys = Vec::new();
    for transport in ["udp", "tcp"] {
        keys.push(format!("motd-{transport}"));
        call(&format!("{transport}://{}", addr.ip()), &options, &keys)?;
    }

    server.end()?;
    if portmapper.dump()?.iter().any(|entry| entry.program == kv_prog::PROGRAM) {
        return Err("the server has ended, and is registered still".into());
    }
    println!("The server has ended. It has unregistered itself: the portmapper has forgotten it.");
    portmapd.end()?;
    println!("The portmapper has ended. Nothing is left running.");
    Ok(())
}

/// Puts a value under the last of `keys`, gets it back, and lists: there should be `keys`.
fn call(target: &str, options: &ClientOptions, keys: &[String]) -> Result {
    let kv = v1::Client::connect_with(target, options)?;
    println!("A client has asked the portmapper for the server's address, and calls {target}:");
    let (key, value) = (keys.last().ok_or("no key")?, "hello");
    println!("    put {key} {value}: {:?}", kv.put(key, value.as_bytes())?);
    match kv.get(key)? {
        KvGetRes::Ok(got) if got == value => println!("    get {key}: {value}"),
        other => return Err(format!("{value} was put, and {other:?} was got").into()),
    }
    let listed: Vec<String> = kv.keys()?.into_iter().map(|entry| entry.key).collect();
    println!("    list: {}", listed.join(" "));
    let mut expected = keys.to_vec();
    expected.sort();
    if listed != expected {
        return Err(format!("{} should be listed", expected.join(" ")).into());
    }
    Ok(())
}

fn show(portmapper: &Portmapper) -> Result {
    let names = Programs::default();
    println!("The portmapper knows:");
    println!("    {:>9} {:>4} {:5} {:22} name", "program", "vers", "netid", "address");
    for entry in portmapper.dump()? {
        let name = match entry.program {
            kv_prog::PROGRAM => v1::INTERFACE.program_name,
            program => names.name(program).unwrap_or_default(),
        };
        println!(
            "    {:>9} {:>4} {:5} {:22} {name}",
            entry.program, entry.version, entry.netid, entry.address
        );
    }
    Ok(())
}
