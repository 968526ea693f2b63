//! A key-value program: the interface of `proto/kv.x`, and a store that serves it from memory.
//!
//! `kv-server` serves it, `kv-client` calls it, and `kv-demo` shows both, with a portmapper.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use farcall::xdr::Bytes;
use farcall::{Context, Fault};

use self::kv::{KvEntry, KvGetRes, KvStatus, kv_prog::v1};

/// What the compiler made of `proto/kv.x`.
pub mod kv {
    farcall::include_x!("kv");
}

/// Values by key, in memory.
#[derive(Debug, Default)]
pub struct Store(Mutex<BTreeMap<String, Bytes>>);

impl Store {
    fn values(&self) -> Result<MutexGuard<'_, BTreeMap<String, Bytes>>, Fault> {
        self.0.lock().map_err(|_| Fault::SystemErr)
    }
}

impl v1::Service for Store {
    fn get(&self, _cx: &Context, key: String) -> Result<KvGetRes, Fault> {
        let found = self.values()?.get(&key).cloned();
        Ok(found.map_or(KvGetRes::Other(KvStatus::Noent), KvGetRes::Ok))
    }

    fn put(&self, _cx: &Context, key: String, val: Bytes) -> Result<KvStatus, Fault> {
        // `val` is a part of the buffer that the call came in, and would keep all of it.
        self.values()?.insert(key, Bytes::copy_from_slice(&val));
        Ok(KvStatus::Ok)
    }

    fn keys(&self, _cx: &Context) -> Result<Vec<KvEntry>, Fault> {
        Ok(self.values()?.keys().map(|key| KvEntry { key: key.clone() }).collect())
    }
}

// The README's Rust is compiled as this package's documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
