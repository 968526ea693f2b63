//! Inputs that are too deep, too long or too large to come about by chance.

use std::collections::BTreeSet;

use bytes::Bytes;
use farcall::xdr::DecodeErrorKind;
use farcall_rpcgen_differential::{Accepted, INTERFACES};

use crate::differences::Habit;
use crate::peer::{Outcome, Peer};

const MILLION: usize = 1_000_000;

/// An input, and what the two make of it.
struct Extreme {
    interface: &'static str,
    ty: &'static str,
    words: Vec<u32>,
    /// What is wrong with it for Rust, if anything.
    rust: Option<DecodeErrorKind>,
    c_crashes: bool,
    habit: Option<Habit>,
}

/// Checks each of them; returns the habits of C that were seen to make a difference.
pub(crate) fn seen(peers: &[Peer]) -> BTreeSet<Habit> {
    extremes().iter().filter_map(|extreme| extreme.check(peers)).collect()
}

fn extremes() -> Vec<Extreme> {
    // A node is its value and whether there is another; a stack is the reverse.
    let list = |nodes: usize| [[7, 1].repeat(nodes - 1), vec![7, 0]].concat();
    let stack = |levels: usize| [vec![1; levels - 1], vec![0], vec![7; levels]].concat();
    let empty_slots = |count: usize| [vec![u32::try_from(count).expect("few")], vec![0; count]];
    let extreme = |interface, ty, words| Extreme {
        interface,
        ty,
        words,
        rust: None,
        c_crashes: false,
        habit: None,
    };
    vec![
        extreme("lists", "node", list(10_000)),
        Extreme {
            c_crashes: true,
            habit: Some(Habit::RecursesOnLists),
            ..extreme("lists", "node", list(MILLION))
        },
        extreme("trees", "stack", stack(128)),
        Extreme {
            rust: Some(DecodeErrorKind::TooDeep),
            habit: Some(Habit::TakesAnyDepth),
            ..extreme("trees", "stack", stack(200))
        },
        extreme("large", "slots", empty_slots(60_000).concat()),
        Extreme {
            rust: Some(DecodeErrorKind::TooLarge),
            habit: Some(Habit::HasNoLimit),
            ..extreme("large", "slots", empty_slots(70_000).concat())
        },
    ]
}

impl Extreme {
    fn check(&self, peers: &[Peer]) -> Option<Habit> {
        let at = INTERFACES.iter().position(|interface| interface.name == self.interface);
        let at = at.expect("the interface is there");
        let types = INTERFACES[at].types;
        let ty = types.iter().position(|ty| ty.name == self.ty).expect("the type is there");
        let bytes: Bytes = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let unchanged = Accepted { consumed: bytes.len(), bytes: bytes.to_vec() };

        let rust = (types[ty].round_trip)(&bytes).map_err(|error| error.kind());
        let what = format!("{} words of `{}`", self.words.len(), self.ty);
        assert!(rust == self.rust.map_or_else(|| Ok(unchanged.clone()), Err), "Rust on {what}");
        let c = peers[at].run(&[(ty, &bytes)]);
        let accepted = Outcome::Accepted(unchanged);
        let expected = if self.c_crashes { Outcome::Crashed } else { accepted };
        assert!(c == [expected], "C on {what}");
        self.habit
    }
}
