//! The comparison: the same values, the same verdicts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use bytes::Bytes;
use farcall_rpcgen::describe::Lengths;
use farcall_rpcgen_differential::{Accepted, INTERFACES, Interface};

use crate::differences::{self, Habit};
use crate::mutate::mutate;
use crate::peer::{Outcome, Peer, peers};
use crate::random::Random;
use crate::reader;
use crate::sample::Sampler;
use crate::schema::Schema;
use crate::{extremes, schema};

/// How many values, and how many mutated inputs, of each interface.
const COUNT: usize = 10_000;

/// Inputs that are under way at once: they are kept in memory.
const BATCH: usize = 5_000;

const VALUES: u64 = 1;
const MUTATIONS: u64 = 2;

#[test]
fn the_same_values_have_the_same_bytes() {
    let Some(peers) = peers() else { return };
    for_each_interface(peers, |subject| {
        let mut random = Random::named(subject.interface.name, VALUES);
        subject.batches(|subject, count| {
            let mut sampler = Sampler::new(&subject.schema, &mut random);
            let inputs = subject.inputs(count, |id| sampler.value(id).bytes);
            subject.expect_unchanged(&inputs);
        });
    });
}

#[test]
fn mutated_inputs_have_the_same_verdict_but_for_the_table() {
    let Some(peers) = peers() else { return };
    let seen = Mutex::new(extremes::seen(peers));
    for_each_interface(peers, |subject| {
        let mut random = Random::named(subject.interface.name, MUTATIONS);
        subject.batches(|subject, count| {
            let mut sampler = Sampler::new(&subject.schema, &mut random);
            let inputs = subject.inputs(count, |id| {
                let sample = sampler.value(id);
                mutate(&sample, sampler.random())
            });
            let habits = subject.expect_the_same_but_for_habits(&inputs);
            seen.lock().expect("no panic before").extend(habits);
        });
    });
    differences::assert_all_seen(&seen.into_inner().expect("no panic before"));
}

/// An interface under test.
struct Subject<'a> {
    interface: &'static Interface,
    peer: &'a Peer,
    schema: Schema,
}

/// A type's index, and bytes.
type Input = (usize, Bytes);

impl Subject<'_> {
    /// Calls for each batch of [`COUNT`] inputs, or of as many as the environment asks for.
    fn batches(&self, mut run: impl FnMut(&Self, usize)) {
        let asked = env::var("FARCALL_DIFF_VALUES").ok();
        let count = asked.map_or(COUNT, |n| n.parse().expect("FARCALL_DIFF_VALUES is a number"));
        (0..count).step_by(BATCH).for_each(|done| run(self, BATCH.min(count - done)));
    }

    /// Inputs for each of the types in turn, from the index of the type in the schema.
    fn inputs(&self, count: usize, mut make: impl FnMut(usize) -> Vec<u8>) -> Vec<Input> {
        let types = self.interface.types;
        (0..count).map(|i| (i % types.len(), Bytes::from(make(self.id(i % types.len()))))).collect()
    }

    fn id(&self, ty: usize) -> usize {
        self.schema.named(self.interface.types[ty].name)
    }

    fn c(&self, inputs: &[Input]) -> Vec<Outcome> {
        let inputs: Vec<_> = inputs.iter().map(|(ty, bytes)| (*ty, &bytes[..])).collect();
        self.peer.run(&inputs)
    }

    fn rust(&self, (ty, bytes): &Input) -> Outcome {
        let accepted = (self.interface.types[*ty].round_trip)(bytes);
        accepted.map_or(Outcome::Refused, Outcome::Accepted)
    }

    /// Both must take all of each input, and write it as it was. It must be as long as described.
    fn expect_unchanged(&self, inputs: &[Input]) {
        for (input, c) in inputs.iter().zip(self.c(inputs)) {
            let bytes = input.1.to_vec();
            let Lengths { min, max } = self.schema.lengths[self.id(input.0)];
            let described = min..=max.unwrap_or(u64::MAX);
            assert!(described.contains(&(bytes.len() as u64)), "{}", hex(&bytes));
            let unchanged = Outcome::Accepted(Accepted { consumed: bytes.len(), bytes });
            self.expect_eq("Rust", input, &self.rust(input), &unchanged);
            self.expect_eq("C", input, &c, &unchanged);
        }
    }

    /// Both must take the same part of each input and write the same for it, or both refuse it; if
    /// one of C's habits is at work, they must differ in what it brings about and in nothing else.
    fn expect_the_same_but_for_habits(&self, inputs: &[Input]) -> BTreeSet<Habit> {
        let mut seen = BTreeSet::new();
        for (input, c) in inputs.iter().zip(self.c(inputs)) {
            let rust = self.rust(input);
            let (with_habits, habits) = reader::as_c(&self.schema, self.id(input.0), &input.1);
            if habits.is_empty() {
                self.expect_eq("C, which has no habit here,", input, &c, &rust);
                continue;
            }
            let without = reader::as_rust(&self.schema, self.id(input.0), &input.1);
            self.expect_eq("Rust", input, &rust, &without.into());
            self.expect_eq("C", input, &c, &with_habits.into());
            if rust != c {
                seen.extend(habits.first().filter(|first| habits.iter().all(|h| h == *first)));
            }
        }
        seen
    }

    fn expect_eq(&self, who: &str, input: &Input, outcome: &Outcome, expected: &Outcome) {
        assert!(
            outcome == expected,
            "{who} differs on a `{}` of {}.x: {}\n     got {}\nexpected {}",
            self.interface.types[input.0].name,
            self.interface.name,
            hex(&input.1),
            shown(outcome),
            shown(expected),
        );
    }
}

impl From<Option<Accepted>> for Outcome {
    fn from(accepted: Option<Accepted>) -> Self {
        accepted.map_or(Self::Refused, Self::Accepted)
    }
}

/// On as many threads as there are processors.
fn for_each_interface(peers: &[Peer], run: impl Fn(&Subject<'_>) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(interface) = INTERFACES.get(next.fetch_add(1, Ordering::Relaxed)) {
            let at = INTERFACES.iter().position(|other| other.name == interface.name);
            let peer = &peers[at.expect("it is one of them")];
            run(&Subject { interface, peer, schema: schema::load(interface.path) });
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(Accepted { consumed, bytes }) => {
            format!("{consumed} bytes taken, {}", hex(bytes))
        }
        Outcome::Refused => "refused".to_owned(),
        Outcome::Crashed => "crashed".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(4).fold(String::new(), |mut text, word| {
        word.iter().for_each(|byte| write!(text, "{byte:02x}").expect("to a string"));
        text + " "
    })
}
