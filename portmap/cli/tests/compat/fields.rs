//! A reply, field by field, as text.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use farcall::bind::proto::pmap_prot::{CallResult, PmaplistEntry};
use farcall::bind::proto::rpcb_prot::{
    Netbuf, RpcbEntryList, RpcbRmtcallres, RpcbStatByvers, Rpcblist,
};
use farcall::proto::message::{AcceptStatus, ReplyHeader, ReplyStatus};
use farcall::xdr::{Decode, DecodeError, Decoder};

use crate::network::Heard;

/// What was heard of a call to a procedure of a version.
pub(crate) fn of(heard: &Heard, version: u32, procedure: u32) -> String {
    let reply = match heard {
        Heard::Reply(reply) => reply,
        Heard::Nothing => return "no reply".to_owned(),
        Heard::Closed => return "no reply, connection closed".to_owned(),
    };
    let mut d = Decoder::from_slice(reply).strict(true);
    let fields = ReplyHeader::decode(&mut d).and_then(|header| {
        let success =
            matches!(header.status, ReplyStatus::Accepted { status: AcceptStatus::Success, .. });
        let results = if success { results(&mut d, version, procedure)? } else { String::new() };
        d.end().map(|()| format!("{:#?}\n{results}", header.status))
    });
    fields.unwrap_or_else(|error| format!("{error}: {reply:x?}"))
}

fn results(d: &mut Decoder<'_>, version: u32, procedure: u32) -> Result<String, DecodeError> {
    match (version, procedure) {
        (_, 0) => show::<()>(d),
        (_, 1 | 2) => show::<bool>(d),
        (2, 3) => show::<u32>(d),
        (2, 4) => list::<PmaplistEntry>(d),
        (2, 5) => show::<CallResult>(d),
        (_, 3 | 8 | 9) => show::<String>(d),
        (_, 4) => list::<Rpcblist>(d),
        (_, 5 | 10) => show::<RpcbRmtcallres>(d),
        (_, 6) => time(d),
        (_, 7) => show::<Netbuf>(d),
        (_, 11) => list::<RpcbEntryList>(d),
        (_, 12) => show::<RpcbStatByvers>(d),
        _ => Ok("results of no procedure".to_owned()),
    }
}

fn show<T: Decode + Debug>(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    T::decode(d).map(|value| format!("{value:#?}"))
}

fn list<T: Decode + Debug>(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    d.list::<T>().map(|list| format!("{list:#?}"))
}

/// Only whether it is right: the second daemon is asked later.
fn time(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let time = u64::from(d.u32()?);
    Ok(if time.abs_diff(now) <= 1 { "now".to_owned() } else { format!("{time}, at {now}") })
}
