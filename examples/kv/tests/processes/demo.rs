use std::process::Command;

use crate::process::Process;

#[test]
fn the_demonstration_does_what_it_says() {
    let (lines, status) = Process::start(&mut Command::new(env!("CARGO_BIN_EXE_kv-demo"))).rest();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    // Addresses and process ids differ each time; the portmapper's own entries are its matter.
    let told: Vec<String> = lines
        .iter()
        .filter(|line| !line.ends_with(" portmapper"))
        .map(|line| line.chars().filter(|c| !c.is_ascii_digit()).collect())
        .collect();
    assert_eq!(
        told,
        [
            "A portmapper (process ) listens on ...:.",
            "A server (process ) has registered; it listens on udp://...: and tcp://...:.",
            "The portmapper knows:",
            "      program vers netid address                name",
            &entry(&lines, "udp"),
            &entry(&lines, "tcp"),
            "A client has asked the portmapper for the server's address, and calls udp://...:",
            "    put motd-udp hello: Ok",
            "    get motd-udp: hello",
            "    list: motd-udp",
            "A client has asked the portmapper for the server's address, and calls tcp://...:",
            "    put motd-tcp hello: Ok",
            "    get motd-tcp: hello",
            "    list: motd-tcp motd-udp",
            "The server has ended. It has unregistered itself: the portmapper has forgotten it.",
            "The portmapper has ended. Nothing is left running.",
        ]
    );
}

/// The line of the table for the server over a transport, as the server's own words have it.
fn entry(lines: &[String], netid: &str) -> String {
    let (_, rest) = lines[1].split_once(&format!("{netid}://127.0.0.1:")).expect("its address");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let [high, low] = digits.parse::<u16>().expect("a port").to_be_bytes();
    let address = format!("127.0.0.1.{high}.{low}");
    let line = format!("    536871065    1 {netid:5} {address:22} KV_PROG");
    assert!(lines.contains(&line), "{line:?} in {lines:#?}");
    line.chars().filter(|c| !c.is_ascii_digit()).collect()
}
