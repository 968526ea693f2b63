//! `hosts.allow` and `hosts.deny` (hosts_access(5)), which rpcbind obeys: what they say of it in
//! plain addresses, as rules.
//!
//! Names of hosts and commands are not for a portmapper, which would wait for them. A line that needs
//! them, or is none, denies. Who comes by a Unix socket is not asked about, as in rpcbind.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::{fs, io};

use crate::rules::{Rule, Source};

/// Each with whether it allows. They hold in this order.
const FILES: [(&str, bool); 2] = [("/etc/hosts.allow", true), ("/etc/hosts.deny", false)];

/// A line that is about the portmapper, and does not say of which addresses.
#[derive(Debug, PartialEq, Eq)]
struct NotUnderstood;

/// What this host's files say.
pub(crate) fn of_this_host() -> Vec<Rule> {
    FILES.into_iter().flat_map(|(path, allow)| read(path, allow)).collect()
}

fn read(path: &str, allow: bool) -> Vec<Rule> {
    match fs::read(path) {
        Ok(text) => parse(&String::from_utf8_lossy(&text), allow, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            log::error!("{path} cannot be read, and denies: {error}");
            vec![everybody(false)]
        }
    }
}

fn parse(text: &str, allow: bool, path: &str) -> Vec<Rule> {
    // The end of a line after a backslash does not end it.
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rule = |line: &str| {
        rule(line, allow).unwrap_or_else(|NotUnderstood| {
            log::warn!("{path}: not understood, and denies: {line:?}");
            Some(everybody(false))
        })
    };
    lines.filter_map(rule).collect()
}

/// The rule of `daemons : clients`, if it is about the portmapper.
fn rule(line: &str, allow: bool) -> Result<Option<Rule>, NotUnderstood> {
    let mut is_in_brackets = false;
    let mut fields = line.split(|c| {
        is_in_brackets = c == '[' || is_in_brackets && c != ']';
        c == ':' && !is_in_brackets
    });
    if !is_about_us(&words(fields.next().unwrap_or_default()))? {
        return Ok(None);
    }
    let (Some(clients), None) = (fields.next(), fields.next()) else { return Err(NotUnderstood) };
    let clients = words(clients);
    let mut lists = clients.split(|word| is_except(word)).map(sources);
    match (lists.next(), lists.next(), lists.next()) {
        (Some(from), except, None) => {
            let except = except.transpose()?.unwrap_or_default();
            Ok(Some(Rule { from: Some(from?), except, procedures: None, allow }))
        }
        _ => Err(NotUnderstood),
    }
}

fn words(list: &str) -> Vec<&str> {
    let words = list.split(|c: char| c.is_ascii_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).collect()
}

fn is_except(word: &str) -> bool {
    word.eq_ignore_ascii_case("EXCEPT")
}

/// Of several lists, each is without what the next ones have.
fn is_about_us(daemons: &[&str]) -> Result<bool, NotUnderstood> {
    daemons.rsplit(|word| is_except(word)).try_fold(false, |is_excepted, list| {
        let is_one_of = list.iter().try_fold(false, |is_it, word| Ok(is_it | is_us(word)?))?;
        Ok(is_one_of && !is_excepted)
    })
}

fn is_us(daemon: &str) -> Result<bool, NotUnderstood> {
    let daemon = daemon.to_ascii_lowercase();
    match daemon.split_once(['*', '?', '@']) {
        None => Ok(daemon == "rpcbind" || daemon == "all"),
        // One of its addresses, or names that are like its own.
        Some((start, _)) if "rpcbind".starts_with(start) || start == "all" => Err(NotUnderstood),
        Some(_) => Ok(false),
    }
}

fn sources(clients: &[&str]) -> Result<Vec<Source>, NotUnderstood> {
    if clients.is_empty() {
        return Err(NotUnderstood);
    }
    let sources: Result<Vec<_>, _> = clients.iter().map(|client| source(client)).collect();
    Ok(sources?.concat())
}

fn source(client: &str) -> Result<Vec<Source>, NotUnderstood> {
    match client.to_ascii_uppercase().as_str() {
        "ALL" => Ok(all()),
        "LOCAL" | "LOCALHOST" => Ok(vec![Source::Local]),
        _ => {
            let network = network(client).ok_or(NotUnderstood)?;
            let network = network.parse().map_err(|_| NotUnderstood)?;
            Ok(vec![Source::Network(network)])
        }
    }
}

/// As `address/length`, or one address.
fn network(client: &str) -> Option<Cow<'_, str>> {
    if let Some(v6) = client.strip_prefix('[') {
        let (address, length) = v6.split_once(']')?;
        return Some(format!("{address}{length}").into());
    }
    if let Some(start) = client.strip_suffix('.') {
        let parts = start.split('.').count();
        let rest = ".0".repeat(3_usize.checked_sub(parts)? + 1);
        return Some(format!("{start}{rest}/{}", 8 * parts).into());
    }
    let Some((first, mask)) = client.split_once('/') else { return Some(client.into()) };
    let Ok(mask) = mask.parse::<Ipv4Addr>() else { return Some(client.into()) };
    let length = mask.to_bits().leading_ones();
    let is_mask = mask.to_bits().count_ones() == length;
    is_mask.then(|| format!("{first}/{length}").into())
}

fn everybody(allow: bool) -> Rule {
    Rule { from: Some(all()), except: Vec::new(), procedures: None, allow }
}

/// Whoever comes by IP.
fn all() -> Vec<Source> {
    ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: &str, except: &str) -> Result<Option<Rule>, NotUnderstood> {
        let all = |text: &str| {
            text.split_whitespace().map(|word| word.parse().expect("a source")).collect::<Vec<_>>()
        };
        Ok(Some(Rule { from: Some(all(from)), except: all(except), procedures: None, allow: true }))
    }

    #[test]
    fn lines_are_rules() {
        let everybody = || of("0.0.0.0/0 ::/0", "");
        let (others, no) = (|| Ok(None), || Err(NotUnderstood));
        let table = [
            ("rpcbind: ALL", everybody()),
            ("ALL:ALL", everybody()),
            ("RpcBind : all", everybody()),
            ("sshd, rpcbind in.ftpd: LOCAL", of("local", "")),
            ("rpcbind: localhost", of("local", "")),
            ("rpcbind: 192.0.2.7", of("192.0.2.7", "")),
            ("rpcbind: 10. 192.0. ,192.0.2.", of("10.0.0.0/8 192.0.0.0/16 192.0.2.0/24", "")),
            ("rpcbind: 192.0.2.0/255.255.255.128", of("192.0.2.0/25", "")),
            ("rpcbind: 192.0.2.0/24", of("192.0.2.0/24", "")),
            ("rpcbind: [2001:db8::]/32 [::1]", of("2001:db8::/32 ::1", "")),
            ("rpcbind: 10. EXCEPT 10.1.", of("10.0.0.0/8", "10.1.0.0/16")),
            ("rpcbind: ALL except LOCAL", of("0.0.0.0/0 ::/0", "local")),
            ("ALL EXCEPT sshd: ALL", everybody()),
            ("ALL EXCEPT rpcbind: ALL", others()),
            ("ALL EXCEPT ALL EXCEPT rpcbind: ALL", everybody()),
            // Of others, whatever they say.
            ("sshd: .example.com : spawn /bin/true", others()),
            ("sshd@192.0.2.1: ALL", others()),
            ("in.*: ALL", others()),
            ("portmap: ALL", others()),
            ("sshd", others()),
            (": ALL", others()),
            // Patterns of names, of networks that are none, and other languages.
            ("rpcbind", no()),
            ("rpcbind ALL", no()),
            ("rpcbind:", no()),
            ("rpcbind: ALL : DENY", no()),
            ("rpcbind: 10. EXCEPT", no()),
            ("rpcbind: 10. EXCEPT 10.1. EXCEPT 10.1.2.", no()),
            ("rpcbind: 10.1. db1", no()),
            ("rpcbind: .example.com", no()),
            ("rpcbind: unix", no()),
            ("rpcbind: KNOWN", no()),
            ("rpcbind: @hosts", no()),
            ("rpcbind: root@192.0.2.7", no()),
            ("rpcbind: /etc/hosts.rpcbind", no()),
            ("rpcbind: 192.0.2.*", no()),
            ("rpcbind: 192.0.2.1/255.255.255.0", no()),
            ("rpcbind: 192.0.2.0/255.0.255.0", no()),
            ("rpcbind: 192.0.2.7.", no()),
            ("rpcbind: 300.", no()),
            ("rpcbind: 1.2.3.4.5.", no()),
            ("rpcbind: 2001:db8::1", no()),
            ("rpcbind: [2001:db8::", no()),
            ("rpcbind@192.0.2.1: ALL", no()),
            ("ALL@192.0.2.1: ALL", no()),
            ("rpc*: ALL", no()),
            ("*: ALL", no()),
        ];
        for (line, expected) in table {
            assert_eq!(rule(line, true), expected, "{line:?}");
        }
    }

    #[test]
    fn a_file_is_lines_and_what_is_not_understood_denies() {
        let text = "# rpcbind: ALL\n\n  \t\r\nrpcbind: 10. \\\n  192.0.2.7\nsshd: .example.com\n\
                    rpcbind: .example.com\nrpcbind: ALL";
        let rules = parse(text, true, "hosts.allow");
        let first = of("10.0.0.0/8 192.0.2.7", "").expect("understood");
        let expected = [first, Some(everybody(false)), Some(everybody(true))];
        assert_eq!(rules.into_iter().map(Some).collect::<Vec<_>>(), expected);
        assert_eq!(read("/no/such/file", false), []);
        assert_eq!(read("/", true), [everybody(false)]);
    }
}
