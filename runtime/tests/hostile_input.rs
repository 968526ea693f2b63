//! T3: what holds for any input, tried with some that follows from seeds. The fuzz targets in
//! `fuzz/` look for more of it.

mod any_input;

use any_input::{client, connection, messages, records, server};
use farcall::proto::xid::Random;

/// Tries inputs of many lengths, most of whose bytes are small, as those of headers are.
fn try_some(holds: fn(&[u8]), inputs: u64) {
    for seed in 0..inputs {
        let mut random = Random::new(seed);
        let len = random.u64() % 800;
        let most_are_small = seed % 2 == 0;
        let byte = |_| {
            let [kind, byte, ..] = random.u64().to_be_bytes();
            if most_are_small && kind < 200 { byte % 6 } else { byte }
        };
        holds(&(0..len).map(byte).collect::<Vec<u8>>());
    }
}

#[test]
fn records_are_the_same_in_any_pieces() {
    try_some(records::record_reader, 3_000);
}

#[test]
fn headers_and_credentials_are_written_as_they_were_read() {
    try_some(messages::call_header, 20_000);
    try_some(messages::reply_header, 20_000);
    try_some(messages::credential, 20_000);
}

#[test]
fn a_server_answers_calls_once() {
    try_some(server::server_core, 3_000);
}

#[test]
fn a_client_ends_every_call_in_time() {
    try_some(client::client_core, 3_000);
}

#[test]
fn a_connection_writes_whole_records_and_not_too_many() {
    try_some(connection::connection, 3_000);
}
