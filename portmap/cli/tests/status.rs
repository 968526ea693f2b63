//! The status page, its metrics and its limits.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use farcall::bind::{Portmapper, Registration};
use farcall::{Netid, Program, Version};
use support::{Daemon, Via, call, exchange, rpcb, success, words};

const PATIENCE: Duration = Duration::from_secs(20);

struct Site {
    daemon: Daemon,
    addr: SocketAddr,
}

impl Site {
    fn start(options: &[&str]) -> Self {
        let daemon = Daemon::start(&[&["--status", "0", "--no-prune"], options].concat());
        let addr = daemon.status.expect("a page");
        Self { daemon, addr }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The status line and the body.
    fn get(&self, path: &str) -> (String, String) {
        let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    fn body(&self, path: &str) -> String {
        let (status, body) = self.get(path);
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        body
    }

    fn metric(&self, name: &str) -> Option<String> {
        let text = self.body("/metrics");
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

/// Over the Unix socket, where anybody may.
fn set(site: &Site, version: u32, netid: &str, address: &str) -> bool {
    let call = call(3, 1, &rpcb(0x2000_0001, version, netid, address));
    exchange(Via::Unix(&site.daemon.socket()), &call) == success(&words(&[1]))
}

/// Owner of what this process registers over the Unix socket, on the page.
fn me() -> String {
    match nix::unistd::geteuid().as_raw() {
        0 => "superuser".to_owned(),
        uid => format!("uid {uid}"),
    }
}

#[test]
fn it_shows_what_is_registered_and_refused() {
    let site = Site::start(&[]);
    assert!(set(&site, 1, "tcp", "0.0.0.0.8.1"));
    assert!(set(&site, 2, "tcp", "0.0.0.0.8.1"));
    assert!(!set(&site, 2, "tcp", "0.0.0.0.9.9"));
    assert!(set(&site, 3, "<b>x", "<script>alert('1')</script>"));
    let html = site.body("/");
    let (owner, port) = (me(), site.daemon.port);
    for row in [
        format!(
            "<tr><td>portmapper</td><td>100000</td><td>2 3 4</td><td>tcp</td>\
             <td class=\"good\">served</td><td class=\"address\">0.0.0.0:{port}</td>\
             <td>superuser</td></tr>"
        ),
        format!(
            "<tr><td>-</td><td>536870913</td><td>3</td><td>&lt;b&gt;x</td>\
             <td class=\"soft\">unknown</td>\
             <td class=\"address\">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</td>\
             <td>{owner}</td></tr>"
        ),
        "<tr><td class=\"long\">registered already, with another address</td>\
         <td class=\"number\">1</td></tr>"
            .to_owned(),
        "<tr><td>SET</td><td class=\"number\">0</td><td class=\"number\">4</td>\
         <td class=\"number\">0</td></tr>"
            .to_owned(),
    ] {
        assert!(html.contains(&row), "{row} is not in {html}");
    }
    assert!(html.contains("<td>1 2</td><td>tcp</td>"), "{html}");
    assert!(!html.contains("<script>alert"));
    // Nothing of another origin is asked for.
    let links: Vec<_> = html.split("=\"").skip(1).filter(|text| text.contains("//")).collect();
    assert_eq!(links, [""; 0]);
}

#[test]
fn its_parts_have_their_types() {
    let site = Site::start(&[]);
    for (path, content_type, part) in [
        ("/", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("/page.css", "text/css; charset=utf-8", "light-dark("),
        ("/page.js", "text/javascript; charset=utf-8", "\"use strict\";"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "portmapd_up 1\n"),
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
        ("/api/registrations.json", "application/json", "{\"registrations\":["),
    ] {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(answer.contains(&format!("\r\nContent-Type: {content_type}\r\n")), "{answer}");
        assert!(answer.contains(part), "{answer}");
        assert!(answer.contains("\r\nContent-Security-Policy: default-src 'none';"), "{answer}");
        let head = site.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}

#[test]
fn the_table_is_there_for_programs() {
    let site = Site::start(&[]);
    assert!(set(&site, 1, "tcp", "127.0.0.1.8.1"));
    let text = site.body("/api/registrations.json");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = value["registrations"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["program"] == 0x2000_0001).expect("registered");
    let owner = me().trim_start_matches("uid ").to_owned();
    let mut expected = serde_json::json!({
        "program": 0x2000_0001, "name": null, "version": 1, "netid": "tcp",
        "address": "127.0.0.1.8.1", "host": "127.0.0.1", "port": 2049, "owner": owner,
    });
    // Somebody on this host may have that port.
    expected["health"] = row["health"].clone();
    assert_eq!(*row, expected);
}

#[test]
fn what_happens_is_counted() {
    let site = Site::start(&["-L"]);
    let of = |name: &str| site.metric(name);
    assert_eq!(of("portmapd_up").as_deref(), Some("1"));
    assert_eq!(of("portmapd_registrations{netid=\"local\"}").as_deref(), Some("2"));
    assert!(set(&site, 1, "tcp", "0.0.0.0.8.1"));
    assert!(!set(&site, 1, "tcp", "0.0.0.0.8.2"));
    assert!(!set(&site, 1, "tcp", "a\u{7}b"));
    let stranger = SocketAddr::from(([127, 0, 0, 2], 0));
    let to = site.daemon.v4();
    exchange(Via::UdpFrom(stranger, to), &call(3, 1, &rpcb(1, 1, "tcp", "0.0.0.0.8.1")));
    exchange(Via::Udp(to), &call(2, 5, &words(&[100_003, 3, 6, 0])));
    let portmapper = Portmapper::at(to).timeout(PATIENCE);
    let missing = portmapper.getaddr(Program(1), Version(1), Netid::Tcp).expect("an answer");
    assert_eq!(missing, None);
    let mine = Registration::new(
        Program(0x2000_0001),
        Version(9),
        Netid::Tcp,
        "0.0.0.0.8.1".parse().expect("an address"),
    );
    portmapper.set(&mine).expect("accepted");
    for (name, value) in [
        ("portmapd_calls_total{version=\"3\",procedure=\"SET\"}", "4"),
        ("portmapd_refused_total{reason=\"taken\"}", "1"),
        ("portmapd_refused_total{reason=\"unsound\"}", "1"),
        ("portmapd_refused_total{reason=\"not_allowed\"}", "1"),
        ("portmapd_refused_total{reason=\"remote_call\"}", "1"),
        ("portmapd_refused_total{reason=\"quota\"}", "0"),
        ("portmapd_lookups_total{found=\"true\"}", "0"),
        ("portmapd_lookups_total{found=\"false\"}", "1"),
        ("portmapd_changes_total{kind=\"set\"}", "2"),
        ("portmapd_registrations{netid=\"tcp\"}", "5"),
    ] {
        assert_eq!(of(name).as_deref(), Some(value), "{name}");
    }
    assert!(of("portmapd_server_events_total{event=\"executed\"}").is_some());
}

#[test]
fn every_metric_and_reason_is_documented() {
    let site = Site::start(&[]);
    let text = site.body("/metrics");
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/portmapd-operation.md");
    let docs = std::fs::read_to_string(docs).expect("documentation");
    for line in text.lines() {
        let name = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '));
        let reason = line.split_once("{reason=\"").and_then(|(_, rest)| rest.split_once('"'));
        for (word, _) in name.into_iter().chain(reason) {
            assert!(docs.contains(&format!("| `{word}` |")), "{word}");
        }
    }
}

/// Every line is a comment or `name{labels} number`.
#[test]
fn metrics_are_in_the_text_format() {
    let site = Site::start(&[]);
    for line in site.body("/metrics").lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(comment.starts_with("HELP ") || comment.starts_with("TYPE "), "{line}");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = key.split_once('{').map_or(key, |(name, labels)| {
            assert!(labels.ends_with("\"}"), "{line}");
            name
        });
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
    }
}

#[test]
fn it_is_only_read_and_only_by_this_host() {
    let site = Site::start(&[]);
    let status = |request: &str| site.ask(request).lines().next().unwrap_or_default().to_owned();
    for (request, expected) in [
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405 Method Not Allowed"),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404 Not Found"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403 Forbidden"),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("\u{0}nonsense\r\n\r\n", "400 Bad Request"),
    ] {
        assert_eq!(status(request), format!("HTTP/1.1 {expected}"), "{request:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "a".repeat(20_000));
    assert_eq!(status(&long), "HTTP/1.1 431 Request Header Fields Too Large");
}

#[test]
fn those_who_say_nothing_keep_nobody_out() {
    let site = Site::start(&[]);
    let mut silent: Vec<_> = (0..200).map(|_| site.connect()).collect();
    for stream in &mut silent {
        // The oldest are closed already.
        let _ = stream.write_all(b"GET / HT");
    }
    assert_eq!(site.body("/healthz"), "ok\n");
    // The rest are closed too, after a while.
    for stream in &mut silent {
        let mut buffer = [0; 1];
        assert!(!matches!(stream.read(&mut buffer), Ok(1)), "they asked for nothing");
    }
}
