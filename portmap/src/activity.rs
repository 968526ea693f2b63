//! What happened to the table: the latest changes, and why others were refused.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::time::SystemTime;

use farcall::{Program, Version};

use crate::access::Owner;
use crate::registry::{Change, NotOwner, SetError};

/// How many changes are remembered.
const MAX_CHANGES: usize = 50;

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The caller may not change the table.
    NotAllowed,
    /// See [`SetError::Taken`].
    Taken,
    /// See [`SetError::Quota`].
    Quota,
    /// See [`SetError::Unsound`].
    Unsound,
    /// See [`SetError::Reserved`].
    Reserved,
    /// See [`SetError::Elsewhere`].
    Elsewhere,
    /// See [`NotOwner`].
    NotOwner,
    /// The journal could not have it.
    NotKept,
    /// The answer is too large for a datagram to a stranger.
    Amplification,
    /// A call on behalf of the caller that was not made.
    RemoteCall,
    /// See [`rules`](crate::rules).
    Rule,
}

impl Reason {
    /// In the order in which they are counted.
    pub const ALL: [Self; 11] = [
        Self::NotAllowed,
        Self::Taken,
        Self::Quota,
        Self::Unsound,
        Self::Reserved,
        Self::Elsewhere,
        Self::NotOwner,
        Self::NotKept,
        Self::Amplification,
        Self::RemoteCall,
        Self::Rule,
    ];

    /// Of a change that was not accepted.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        match error.downcast_ref::<SetError>() {
            Some(SetError::Taken) => Self::Taken,
            Some(SetError::Quota) => Self::Quota,
            Some(SetError::Unsound) => Self::Unsound,
            Some(SetError::Reserved) => Self::Reserved,
            Some(SetError::Elsewhere) => Self::Elsewhere,
            None if error.is::<NotOwner>() => Self::NotOwner,
            None => Self::NotKept,
        }
    }

    /// Its name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Taken => "taken",
            Self::Quota => "quota",
            Self::Unsound => "unsound",
            Self::Reserved => "reserved",
            Self::Elsewhere => "elsewhere",
            Self::NotOwner => "not_owner",
            Self::NotKept => "not_kept",
            Self::Amplification => "amplification",
            Self::RemoteCall => "remote_call",
            Self::Rule => "rule",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotAllowed => "the caller may not change the table",
            Self::Taken => "registered already, with another address",
            Self::Quota => "too many registrations",
            Self::Unsound => "a name or address that is too long, or is none",
            Self::Reserved => "the program or port is for root",
            Self::Elsewhere => "no address of this host over a transport that is known",
            Self::NotOwner => "somebody else registered it",
            Self::NotKept => "the journal cannot be written",
            Self::Amplification => "the answer is too large for UDP to another host",
            Self::RemoteCall => "a call on behalf of the caller",
            Self::Rule => "a rule says so",
        }
    }
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was made.
    Registered,
    /// It was taken back.
    Removed,
    /// It was removed because nobody has the address, or its process has ended.
    Ended,
}

impl Outcome {
    /// One word for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Removed => "removed",
            Self::Ended => "ended",
        }
    }
}

/// A change of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// What became of it.
    pub outcome: Outcome,
    /// The program.
    pub program: Program,
    /// Its version.
    pub version: Version,
    /// The transports.
    pub netids: String,
    /// Of what was registered.
    pub address: String,
    /// Of what was registered.
    pub owner: Option<Owner>,
}

/// The latest changes, and how many things were refused and ended.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    refused: [u64; Reason::ALL.len()],
    ended: u64,
    events: VecDeque<Event>,
}

impl Activity {
    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, reason: Reason) {
        self.refused[reason as usize] += 1;
    }

    /// Remembers a change.
    pub(crate) fn change(&mut self, at: SystemTime, change: &Change) {
        let event = match change {
            Change::Set(entry) => Event {
                at,
                outcome: Outcome::Registered,
                program: entry.program,
                version: entry.version,
                netids: entry.netid.clone(),
                address: entry.address.clone(),
                owner: Some(entry.owner),
            },
            Change::Unset { program, version, netids } => Event {
                at,
                outcome: Outcome::Removed,
                program: *program,
                version: *version,
                netids: netids.join(" "),
                address: String::new(),
                owner: None,
            },
        };
        self.events.truncate(MAX_CHANGES - 1);
        self.events.push_front(event);
    }

    /// The latest change was made because a service has ended.
    pub(crate) fn ended(&mut self) {
        self.ended += 1;
        if let Some(event) = self.events.front_mut() {
            event.outcome = Outcome::Ended;
        }
    }

    /// How often things were refused, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.refused)
    }

    /// How many registrations ended without a word.
    #[must_use]
    pub fn ended_count(&self) -> u64 {
        self.ended
    }

    /// The latest changes, the newest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Entry;

    #[test]
    fn what_ended_is_told_from_what_was_removed() {
        let mut activity = Activity::default();
        let entry = |version| Entry {
            program: Program(1),
            version: Version(version),
            netid: "tcp".to_owned(),
            address: "0.0.0.0.8.1".to_owned(),
            owner: Owner::Uid(7),
        };
        for version in 0..60 {
            let set = Change::Set(entry(version));
            activity.change(SystemTime::UNIX_EPOCH, &set);
        }
        activity.change(
            SystemTime::UNIX_EPOCH,
            &Change::Unset {
                program: Program(1),
                version: Version(3),
                netids: vec!["tcp".to_owned(), "udp".to_owned()],
            },
        );
        activity.ended();
        let told: Vec<_> = activity.events().map(|e| (e.outcome.text(), e.version.0)).collect();
        assert_eq!(told.len(), 50);
        assert_eq!(told[..2], [("ended", 3), ("registered", 59)]);
        assert_eq!(activity.ended_count(), 1);
    }
}
