//! What the table answers, as rpcbind does.

use farcall::{Program, Version};
use farcall_portmap::access::Owner;
use farcall_portmap::registry::{Entry, Mapping, NotOwner, Quotas, Registry, SetError};

const P: Program = Program(0x2000_0001);

fn entry(program: Program, version: u32, netid: &str, address: &str, owner: Owner) -> Entry {
    let (netid, address) = (netid.to_owned(), address.to_owned());
    Entry { program, version: Version(version), netid, address, owner }
}

fn set(registry: &mut Registry, version: u32, netid: &str, address: &str) -> Result<(), SetError> {
    registry.set(entry(P, version, netid, address, Owner::Uid(1000)))
}

fn listed(registry: &Registry) -> Vec<String> {
    registry.list().map(|e| format!("{} {} {}", e.version, e.netid, e.address)).collect()
}

#[test]
fn the_same_address_again_is_accepted_and_another_is_not() {
    let mut registry = Registry::default();
    assert_eq!(set(&mut registry, 1, "udp", "0.0.0.0.1.1"), Ok(()));
    assert_eq!(set(&mut registry, 1, "udp", "0.0.0.0.1.1"), Ok(()));
    assert_eq!(set(&mut registry, 1, "UDP", "0.0.0.0.1.1"), Ok(()));
    assert_eq!(set(&mut registry, 1, "udp", "0.0.0.0.1.2"), Err(SetError::Taken));
    assert_eq!(set(&mut registry, 1, "Udp", "0.0.0.0.1.2"), Err(SetError::Taken));
    assert_eq!(set(&mut registry, 2, "udp", "0.0.0.0.1.2"), Ok(()));
    assert_eq!(set(&mut registry, 1, "tcp", "0.0.0.0.1.2"), Ok(()));
    // Not even for the superuser.
    let taken = entry(P, 1, "udp", "0.0.0.0.9.9", Owner::Superuser);
    assert_eq!(registry.set(taken), Err(SetError::Taken));
    assert_eq!(listed(&registry), ["1 udp 0.0.0.0.1.1", "2 udp 0.0.0.0.1.2", "1 tcp 0.0.0.0.1.2"]);
}

#[test]
fn unset_removes_what_matches_and_is_content_with_nothing() {
    let mut registry = Registry::default();
    for (version, netid) in [(1, "udp"), (1, "tcp"), (1, "weird"), (2, "udp")] {
        assert_eq!(set(&mut registry, version, netid, "a"), Ok(()));
    }
    let owner = Owner::Uid(1000);
    assert_eq!(registry.unset(P, Version(3), &[], owner), Ok(0));
    assert_eq!(registry.unset(Program(1), Version(1), &[], owner), Ok(0));
    assert_eq!(registry.unset(P, Version(1), &["local"], owner), Ok(0));
    assert_eq!(registry.unset(P, Version(1), &["TCP"], owner), Ok(1));
    assert_eq!(listed(&registry), ["1 udp a", "1 weird a", "2 udp a"]);
    assert_eq!(registry.unset(P, Version(1), &[], owner), Ok(2));
    assert_eq!(listed(&registry), ["2 udp a"]);
    assert_eq!(registry.unset(P, Version(2), &["tcp", "udp"], owner), Ok(1));
    assert!(registry.is_empty());
    assert_eq!(registry.lookup(P, Version(1), "udp"), None);
}

#[test]
fn unset_needs_the_owner_and_is_whole_or_nothing() {
    let owners = [Owner::Superuser, Owner::Uid(1000), Owner::Uid(1001), Owner::Unknown];
    for set_by in owners {
        for unset_by in owners {
            let mut registry = Registry::default();
            let own = entry(P, 1, "udp", "a", unset_by);
            assert_eq!(registry.set(own), Ok(()));
            assert_eq!(registry.set(entry(P, 1, "tcp", "a", set_by)), Ok(()));
            let allowed = set_by == unset_by || unset_by == Owner::Superuser;
            let (expected, left) = if allowed { (Ok(2), 0) } else { (Err(NotOwner), 2) };
            let unset = registry.unset(P, Version(1), &[], unset_by);
            assert_eq!(unset, expected, "{set_by} {unset_by}");
            assert_eq!(registry.len(), left, "{set_by} {unset_by}");
        }
    }
}

#[test]
fn a_lookup_falls_back_to_the_last_entry_of_any_version() {
    let mut registry = Registry::default();
    for (version, netid) in [(4, "udp"), (2, "udp"), (3, "udp"), (9, "tcp")] {
        assert_eq!(set(&mut registry, version, netid, &format!("v{version}")), Ok(()));
    }
    let found = |registry: &Registry, version, netid: &str| {
        registry.lookup(P, Version(version), netid).map(|e| e.address.clone())
    };
    assert_eq!(found(&registry, 2, "udp").as_deref(), Some("v2"));
    assert_eq!(found(&registry, 4, "UDP").as_deref(), Some("v4"));
    assert_eq!(found(&registry, 7, "udp").as_deref(), Some("v3"));
    assert_eq!(found(&registry, 7, "tcp").as_deref(), Some("v9"));
    assert_eq!(found(&registry, 2, "udp6"), None);
    assert_eq!(registry.lookup_exact(P, Version(7), "udp"), None);
    assert_eq!(registry.unset(P, Version(3), &[], Owner::Uid(1000)), Ok(1));
    assert_eq!(found(&registry, 7, "udp").as_deref(), Some("v2"));
    let all: Vec<_> = registry.lookup_all(P, Version(9)).map(|e| e.netid.as_str()).collect();
    assert_eq!(all, ["tcp"]);
}

#[test]
fn own_entries_come_first_and_the_newest_of_them_first() {
    let mut registry = Registry::default();
    assert_eq!(set(&mut registry, 1, "udp", "first"), Ok(()));
    for version in [3, 4, 4] {
        registry.set_own(entry(Program(100_000), version, "udp", "own", Owner::Superuser));
    }
    assert_eq!(set(&mut registry, 2, "udp", "second"), Ok(()));
    assert_eq!(listed(&registry), ["4 udp own", "3 udp own", "1 udp first", "2 udp second"]);
    // The superuser may remove them too.
    let own = registry.unset(Program(100_000), Version(4), &[], Owner::Superuser);
    assert_eq!((own, registry.len()), (Ok(1), 3));
}

#[test]
fn version_2_shows_udp_and_tcp_only() {
    let mut registry = Registry::default();
    let rows = [
        (1, "udp", "0.0.0.0.8.1"),
        (1, "tcp", "127.0.0.1.0.111"),
        (2, "tcp", "garbage"),
        (3, "TCP", "0.0.0.0.9.9"),
        (1, "udp6", "::.8.1"),
        (1, "local", "/tmp/s"),
        (4, "udp", "::.8.1"),
    ];
    for (version, netid, address) in rows {
        assert_eq!(set(&mut registry, version, netid, address), Ok(()));
    }
    let mapping = |protocol, port| Mapping { program: P, version: Version(1), protocol, port };
    let mappings: Vec<_> = registry.mappings().collect();
    assert_eq!(mappings, [mapping(17, 2049), mapping(6, 111)]);
    let port =
        |version, netid| registry.candidates(P, Version(version), netid).find_map(Entry::mapping);
    assert_eq!(port(1, "udp"), Some(mapping(17, 2049)));
    // Those that version 2 does not show do not count as any other version either.
    for version in [2, 3, 4, 5] {
        assert_eq!(port(version, "tcp"), Some(mapping(6, 111)), "{version}");
    }
}

#[test]
fn quotas_are_per_owner_and_in_all() {
    let mut registry = Registry::new(Quotas { per_owner: 3, total: 8 });
    let mut set_as = |version, owner| registry.set(entry(P, version, "udp", "a", owner));
    let users = [Owner::Uid(1), Owner::Unknown];
    for (base, owner) in (0..).step_by(10).zip(users) {
        let results: Vec<_> = (base..base + 4).map(|version| set_as(version, owner)).collect();
        assert_eq!(results, [Ok(()), Ok(()), Ok(()), Err(SetError::Quota)]);
        assert_eq!(set_as(base, owner), Ok(()), "what is there needs no room");
    }
    assert_eq!(set_as(100, Owner::Uid(2)), Ok(()));
    assert_eq!(set_as(101, Owner::Uid(3)), Ok(()));
    assert_eq!(set_as(102, Owner::Uid(4)), Err(SetError::Quota));
    assert_eq!(set_as(103, Owner::Superuser), Ok(()), "users cannot keep root from registering");
    for version in [0, 1] {
        assert_eq!(registry.unset(P, Version(version), &[], Owner::Uid(1)), Ok(1));
    }
    assert_eq!(registry.set(entry(P, 104, "udp", "a", Owner::Uid(1))), Ok(()));
    assert_eq!(registry.len(), 8);
}

#[test]
fn there_is_room_for_what_one_owner_may_have() {
    let mut registry = Registry::new(Quotas { per_owner: 2, total: 1 });
    for version in 1..=2 {
        let entry = entry(P, version, "udp", "a", Owner::Uid(1));
        assert_eq!(registry.set(entry), Ok(()));
    }
    let entry = entry(P, 3, "udp", "a", Owner::Uid(1));
    assert_eq!(registry.set(entry), Err(SetError::Quota));
}

#[test]
fn own_entries_need_no_quota() {
    let mut registry = Registry::new(Quotas { per_owner: 1, total: 1 });
    for version in 2..=4 {
        registry.set_own(entry(Program(100_000), version, "udp", "own", Owner::Superuser));
    }
    assert_eq!(set(&mut registry, 1, "udp", "a"), Ok(()));
    assert_eq!(set(&mut registry, 2, "udp", "a"), Err(SetError::Quota));
    assert_eq!(registry.len(), 4);
}

#[test]
fn unsound_text_is_not_accepted() {
    let mut registry = Registry::default();
    let (netid, address) = ("n".repeat(32), "a".repeat(128));
    assert_eq!(set(&mut registry, 1, &netid, &address), Ok(()));
    assert_eq!(set(&mut registry, 2, "", ""), Ok(()));
    let long = [(netid.clone() + "n", "a".to_owned()), ("n".to_owned(), address + "a")];
    for (netid, address) in long {
        assert_eq!(set(&mut registry, 3, &netid, &address), Err(SetError::Unsound));
    }
    for text in ["u\0p", "\x1b[2J", "a\nb"] {
        assert_eq!(set(&mut registry, 3, text, "a"), Err(SetError::Unsound));
        assert_eq!(set(&mut registry, 3, "udp", text), Err(SetError::Unsound));
    }
    assert_eq!(registry.len(), 2);
}

/// Takes minutes if any step walks over the table.
#[test]
fn a_large_table_is_as_fast_as_a_small_one() {
    let mut registry = Registry::new(Quotas { per_owner: 0, total: 100_000 });
    for n in 0..100_000_u32 {
        let program = Program(0x2000_0000 + n / 4);
        let e = entry(program, n % 4, "tcp", &format!("0.0.0.0.1.{}", n % 256), Owner::Superuser);
        assert_eq!(registry.set(e), Ok(()));
    }
    for n in 0..100_000_u32 {
        let program = Program(0x2000_0000 + n / 4);
        let e = registry.lookup(program, Version(77), "tcp").expect("registered");
        assert_eq!(e.version, Version(3));
        let mut candidates = registry.candidates(program, Version(n % 4), "tcp");
        let mapping = candidates.next().and_then(Entry::mapping);
        assert_eq!(mapping.map(|m| u32::from(m.port)), Some(256 + n % 256));
    }
    for n in 0..100_000_u32 {
        let program = Program(0x2000_0000 + n / 4);
        assert_eq!(registry.unset(program, Version(n % 4), &[], Owner::Superuser), Ok(1));
    }
    assert!(registry.is_empty());
}

/// What is refused leaves nothing behind.
#[test]
fn t23_a_million_registrations_of_one_user_take_its_quota_and_no_more() {
    let quotas = Quotas::default();
    let mut registry = Registry::new(quotas);
    let long = "x".repeat(9000);
    let mut refused = 0;
    for n in 0..1_000_000_u32 {
        let text = if n % 2 == 0 { "0.0.0.0.1.1" } else { &long };
        let e = entry(Program(n), 1, "tcp", text, Owner::Uid(1001));
        match registry.set(e) {
            Ok(()) => {}
            Err(SetError::Quota | SetError::Unsound) => refused += 1,
            Err(other) => panic!("{n}: {other}"),
        }
    }
    assert_eq!((registry.len(), refused), (quotas.per_owner, 1_000_000 - quotas.per_owner));
    assert_eq!(registry.set(entry(P, 1, "tcp", "a", Owner::Uid(1002))), Ok(()));
}

#[test]
fn text_of_others_is_shown_escaped_and_cut() {
    let table = [
        // address, as it is shown
        ("0.0.0.0.8.1".to_owned(), "0.0.0.0.8.1".to_owned()),
        ("a\n\u{1b}[2J\"\u{202e}".to_owned(), "a\\n\\u{1b}[2J\\\"\\u{202e}".to_owned()),
        ("x".repeat(256), "x".repeat(256)),
        ("x".repeat(257), "x".repeat(256) + "…"),
        ("x".repeat(1 << 20), "x".repeat(256) + "…"),
        ("\u{1b}".repeat(100), "\\u{1b}".repeat(42) + "\\u{1…"),
    ];
    for (address, shown) in table {
        let entry = entry(P, 1, &address, &address, Owner::Uid(7));
        assert_eq!(entry.to_string(), format!("536870913/1 \"{shown}\" \"{shown}\" of 7"));
    }
}
