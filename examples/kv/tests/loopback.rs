//! A server and clients in one process, over real sockets, without a portmapper.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use farcall::proto::message::AcceptStatus;
use farcall::xdr::{DecodeErrorKind, EncodeErrorKind};
use farcall::{
    Client, ClientOptions, Error, Interface, Procedure, Program, Refusal, Running, Server, Version,
};
use farcall_example_kv::Store;
use farcall_example_kv::kv::{KvGetRes, KvStatus, MAXKEY, kv_prog::v1};

fn serve(udp: &str, tcp: &str) -> Running {
    let service = v1::Server::new(Arc::new(Store::default()));
    Server::builder().udp(udp).tcp(tcp).service(service).start().expect("a server")
}

fn addr(mut addrs: impl Iterator<Item = SocketAddr>) -> SocketAddr {
    addrs.next().expect("an address")
}

fn targets(server: &Running) -> [String; 2] {
    let (udp, tcp) = (addr(server.udp_addrs()), addr(server.tcp_addrs()));
    [format!("udp://{udp}"), format!("tcp://{tcp}")]
}

fn connect(target: &str) -> v1::Client {
    v1::Client::connect(target).unwrap_or_else(|error| panic!("{target}: {error}"))
}

fn keys(kv: &v1::Client) -> Vec<String> {
    kv.keys().expect("list").into_iter().map(|entry| entry.key).collect()
}

/// The status of a call that the server is expected to refuse.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> AcceptStatus {
    match result {
        Err(Error::Refused { refusal: Refusal::Accepted(status), .. }) => status,
        other => panic!("not refused: {other:?}"),
    }
}

fn put_get_and_list(target: &str) {
    let kv = connect(target);
    kv.null().expect("procedure 0");
    assert_eq!(keys(&kv), <[&str; 0]>::default());
    assert_eq!(kv.get("b").expect("get"), KvGetRes::Other(KvStatus::Noent));
    for (key, value) in [("b", &b"first"[..]), ("a", b""), ("b", b"second")] {
        assert_eq!(kv.put(key, value).expect("put"), KvStatus::Ok);
        assert_eq!(kv.get(key).expect("get"), KvGetRes::Ok(value.to_vec().into()));
    }
    assert_eq!(keys(&kv), ["a", "b"]);
}

#[test]
fn values_are_put_got_and_listed_over_each_transport() {
    for (loopback, transport) in
        [("127.0.0.1:0", 0), ("127.0.0.1:0", 1), ("[::1]:0", 0), ("[::1]:0", 1)]
    {
        let server = serve(loopback, loopback);
        put_get_and_list(&targets(&server)[transport]);
        server.stop().expect("it ends well");
    }
}

#[test]
fn a_socket_on_all_addresses_serves_ipv4_and_ipv6() {
    let server = serve("[::]:0", "[::]:0");
    let (udp, tcp) = (addr(server.udp_addrs()).port(), addr(server.tcp_addrs()).port());
    connect(&format!("udp://[::1]:{udp}")).put("six", b"6").expect("put");
    connect(&format!("tcp://127.0.0.1:{tcp}")).put("four", b"4").expect("put");
    assert_eq!(keys(&connect(&format!("udp://127.0.0.1:{udp}"))), ["four", "six"]);
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("kv.sock");
    let service = v1::Server::new(Store::default());
    let server = Server::builder().unix(&path).service(service).start().expect("a server");
    put_get_and_list(&format!("unix://{}", path.display()));
    server.stop().expect("it ends well");
    assert!(!path.exists());
}

#[test]
fn a_large_value_comes_back_over_a_stream() {
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    let kv = connect(&targets(&server)[1]);
    let value: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    assert_eq!(kv.put("large", &value).expect("put"), KvStatus::Ok);
    assert_eq!(kv.get("large").expect("get"), KvGetRes::Ok(value.into()));
}

#[test]
fn a_key_that_is_too_long_is_not_sent() {
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    let key = "k".repeat(65);
    for target in targets(&server) {
        let Err(Error::Encode(error)) = connect(&target).put(&key, b"") else {
            panic!("{target}: it was sent");
        };
        assert_eq!(error.kind(), EncodeErrorKind::TooLong { len: 65, max: MAXKEY });
        assert_eq!(error.to_string(), "key: length 65 is above the bound 64");
    }
}

#[test]
fn what_the_server_does_not_have_is_refused() {
    static VERSION_2: Interface = Interface { version: Version(2), ..v1::INTERFACE };
    static OTHER: Interface = Interface { program: Program(1), ..v1::INTERFACE };
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    for target in targets(&server) {
        let client = |interface| {
            Client::connect(&target, interface, &ClientOptions::new()).expect("a client")
        };
        let only_1 = AcceptStatus::ProgMismatch { low: Version(1), high: Version(1) };
        assert_eq!(refusal(client(&VERSION_2).null()), only_1);
        assert_eq!(refusal(client(&OTHER).null()), AcceptStatus::ProgUnavail);

        let kv = client(&v1::INTERFACE);
        let unknown = kv.call(Procedure(4), |_| Ok(()), |_| Ok(()));
        assert_eq!(refusal(unknown), AcceptStatus::ProcUnavail);
        // A C client would not check the length of a key.
        let too_long = kv.call(Procedure(1), |e| e.string(&"k".repeat(65), 100), |_| Ok(()));
        assert_eq!(refusal(too_long), AcceptStatus::GarbageArgs);
        let none = kv.call(Procedure(1), |_| Ok(()), |_| Ok(()));
        assert_eq!(refusal(none), AcceptStatus::GarbageArgs);
    }
}

#[test]
fn results_that_are_not_of_the_type_are_an_error() {
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    let [_, target] = targets(&server);
    let kv = Client::connect(&target, &v1::INTERFACE, &ClientOptions::new()).expect("a client");
    let result = kv.call(Procedure(3), |_| Ok(()), |d| d.u64());
    let Err(Error::Decode(error)) = result else { panic!("{result:?}") };
    let truncated = DecodeErrorKind::Truncated { needed: 8, remaining: 4 };
    assert_eq!((error.kind(), error.offset()), (truncated, 0));
}

#[test]
fn threads_share_one_client() {
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    for target in targets(&server) {
        let kv = connect(&target);
        thread::scope(|scope| {
            for i in 0..8 {
                let kv = kv.clone();
                scope.spawn(move || {
                    let key = format!("key-{i}");
                    for round in 0..50_u32 {
                        let value = format!("{i}/{round}");
                        kv.put(&key, value.as_bytes()).expect("put");
                        assert_eq!(kv.get(&key).expect("get"), KvGetRes::Ok(value.into()));
                    }
                });
            }
        });
        assert_eq!(keys(&kv).len(), 8);
    }
}

#[test]
fn calls_are_made_without_waiting() {
    let server = serve("127.0.0.1:0", "127.0.0.1:0");
    for target in targets(&server) {
        let kv = connect(&target);
        let pending: Vec<_> =
            (0..20).map(|i| kv.start().put(&format!("{i:02}"), b"value")).collect();
        for put in pending {
            assert_eq!(put.wait().expect("put"), KvStatus::Ok);
        }
        assert_eq!(keys(&kv).len(), 20);
    }
}
