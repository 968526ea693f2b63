//! Which programs and versions there are.

use std::fmt;
use std::sync::Arc;

use crate::proto::message::AcceptStatus;
use crate::proto::stats::ServiceLedger;
use crate::service::Dispatch;
use crate::{Program, Version};

/// One version of a program, and what it did.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) service: Arc<dyn Dispatch>,
    pub(super) ledger: Arc<ServiceLedger>,
    /// Any of its calls may be answered later.
    pub(super) pooled: bool,
}

/// Services by program and version.
#[derive(Default)]
pub(super) struct Services(Vec<Arc<Served>>);

impl Services {
    pub(super) fn add(&mut self, served: Served) {
        let numbers = numbers(&served);
        let served = Arc::new(served);
        match self.0.binary_search_by_key(&numbers, |other| self::numbers(other)) {
            Ok(at) => self.0[at] = served,
            Err(at) => self.0.insert(at, served),
        }
    }

    pub(super) fn find(
        &self,
        program: Program,
        version: Version,
    ) -> Result<&Arc<Served>, AcceptStatus> {
        let start = self.0.partition_point(|served| numbers(served).0 < program);
        let len = self.0[start..].partition_point(|served| numbers(served).0 == program);
        let versions = &self.0[start..start + len];
        let (Some(low), Some(high)) = (versions.first(), versions.last()) else {
            return Err(AcceptStatus::ProgUnavail);
        };
        versions.iter().find(|served| numbers(served).1 == version).ok_or_else(|| {
            AcceptStatus::ProgMismatch { low: numbers(low).1, high: numbers(high).1 }
        })
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|served| numbers(served))).finish()
    }
}

fn numbers(served: &Served) -> (Program, Version) {
    let interface = served.service.interface();
    (interface.program, interface.version)
}
