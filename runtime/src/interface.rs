use crate::{Procedure, Program, Version};

/// What a `version` block of a `.x` file says, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The program's number.
    pub program: Program,
    /// The program's name in the `.x` file.
    pub program_name: &'static str,
    /// The version's number.
    pub version: Version,
    /// The version's name in the `.x` file.
    pub version_name: &'static str,
    /// The procedures, by ascending number. 0 is there only if the `.x` file declares it with
    /// arguments or results of its own.
    pub procedures: &'static [ProcedureInfo],
}

impl Interface {
    /// The procedure with this number.
    #[must_use]
    pub fn procedure(&self, number: Procedure) -> Option<&'static ProcedureInfo> {
        self.procedures.get(self.position(number)?)
    }

    /// Whether executing the procedure again does no harm, as far as is known.
    pub(crate) fn is_idempotent(&self, number: Procedure) -> bool {
        self.procedure(number).map_or(number == Procedure::NULL, |procedure| procedure.idempotent)
    }

    /// Where the procedure with this number is in the list.
    pub(crate) fn position(&self, number: Procedure) -> Option<usize> {
        self.procedures.binary_search_by_key(&number, |p| p.number).ok()
    }
}

/// What is known of a procedure without its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcedureInfo {
    /// Its number.
    pub number: Procedure,
    /// Its name in the `.x` file.
    pub name: &'static str,
    /// Executing it again does no harm (`@idempotent`): it bypasses the server's duplicate request
    /// cache, and clients send it as often as it takes.
    pub idempotent: bool,
    /// Its handler answers later, from anywhere (`@deferred`).
    pub deferred: bool,
}
