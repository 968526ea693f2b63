//! A service of procedure 0 only.

use farcall::xdr::{Decoder, Encoder};
use farcall::{Answer, Context, Dispatch, Fault, Interface, Procedure};

/// Under these numbers.
pub(crate) struct Nothing(pub(crate) &'static Interface);

impl Dispatch for Nothing {
    fn interface(&self) -> &'static Interface {
        self.0
    }

    fn dispatch(
        &self,
        _: &Context,
        _: Procedure,
        _: &mut Decoder<'_>,
        _: &mut Encoder,
    ) -> Result<Answer, Fault> {
        Err(Fault::ProcUnavail)
    }
}
