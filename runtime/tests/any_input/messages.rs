//! Any bytes as a header or as a credential.

use farcall::proto::auth::{AuthSys, Flavor, OpaqueAuth};
use farcall::proto::message::{CallError, CallHeader, MessageType, ReplyHeader, peek};
use farcall::xdr::{Bytes, Decode, Decoder, Encode, Encoder};

/// A call's header is written as it was read, and as long as it says.
pub(crate) fn call_header(data: &[u8]) {
    let mut d = Decoder::from_slice(data);
    match CallHeader::decode(&mut d) {
        Ok(header) => {
            assert_eq!(peek(data), Some((header.xid, MessageType::Call)));
            let mut e = Encoder::new();
            header.encode(&mut e).expect("within the bounds of one that was read");
            assert_eq!(e.len(), header.encoded_len());
            let wire = e.into_bytes();
            assert_eq!(wire.len(), d.offset());
            assert_eq!(CallHeader::decode(&mut Decoder::new(&wire)), Ok(header));
            if CallHeader::decode(&mut Decoder::from_slice(data).strict(true)).is_ok() {
                assert_eq!(wire, data[..d.offset()]);
            }
        }
        Err(CallError::RpcVersion { xid, version }) => {
            assert_eq!(peek(data), Some((xid, MessageType::Call)));
            assert_ne!(version, 2);
        }
        Err(CallError::NotACall) => {
            assert!(peek(data).is_none_or(|(_, direction)| direction == MessageType::Reply));
        }
        Err(CallError::Malformed(error)) => assert!(error.offset() <= data.len()),
    }
}

/// A reply's header is written as it was read.
pub(crate) fn reply_header(data: &[u8]) {
    let mut d = Decoder::from_slice(data);
    match ReplyHeader::decode(&mut d) {
        Ok(header) => {
            assert_eq!(peek(data), Some((header.xid, MessageType::Reply)));
            let mut e = Encoder::new();
            header.encode(&mut e).expect("within the bounds of one that was read");
            let wire = e.into_bytes();
            assert_eq!(wire.len(), d.offset());
            assert_eq!(ReplyHeader::decode(&mut Decoder::new(&wire)), Ok(header));
            if ReplyHeader::decode(&mut Decoder::from_slice(data).strict(true)).is_ok() {
                assert_eq!(wire, data[..d.offset()]);
            }
        }
        Err(error) => assert!(error.offset() <= data.len()),
    }
}

/// A credential of any flavor is within its bounds, and is written as it was read.
pub(crate) fn credential(data: &[u8]) {
    let mut d = Decoder::from_slice(data);
    if let Ok(auth) = OpaqueAuth::decode(&mut d) {
        assert!(auth.body.len() <= 400);
        let mut e = Encoder::new();
        auth.encode(&mut e).expect("within the bounds of one that was read");
        assert_eq!((e.len(), e.len()), (auth.encoded_len(), d.offset()));
        let read = AuthSys::from_credential(&auth);
        assert_eq!(read.is_some(), auth.flavor == Flavor::SYS);
    }
    auth_sys(Bytes::copy_from_slice(data));
}

fn auth_sys(body: Bytes) {
    let credential = OpaqueAuth { flavor: Flavor::SYS, body };
    let Some(Ok(sys)) = AuthSys::from_credential(&credential) else {
        return;
    };
    assert!(sys.machine_name.len() <= 255 && sys.gids.len() <= 16, "{sys:?}");
    let again = sys.to_credential().expect("within the bounds of one that was read");
    assert_eq!(again.body.len(), sys.encoded_len());
    assert!(again.body.len() <= credential.body.len());
    assert_eq!(AuthSys::from_credential(&again), Some(Ok(sys)));
}
