//! Bytes that are nearly a value.

use crate::random::Random;
use crate::sample::{Mark, Sample, What};

/// The sample's bytes with one thing wrong; now and then with two.
pub(crate) fn mutate(sample: &Sample, random: &mut Random) -> Vec<u8> {
    let mut bytes = sample.bytes.clone();
    change(&mut bytes, sample, random);
    if random.one_in(8) {
        change(&mut bytes, sample, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, sample: &Sample, random: &mut Random) {
    match random.below(10) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => bytes.truncate(at_a_mark(sample, random)),
        2 => flip(bytes, random),
        3 => replace(bytes, random),
        4 => insert(bytes, at_a_mark(sample, random), random),
        5 => remove(bytes, at_a_mark(sample, random)),
        6 => {
            let more = 1 + random.below(8);
            bytes.extend(random.bytes(more));
        }
        _ => spoil(bytes, sample, random),
    }
}

fn at_a_mark(sample: &Sample, random: &mut Random) -> usize {
    if sample.marks.is_empty() { 0 } else { random.pick(&sample.marks).at }
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    if !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
}

/// Any word by any other.
fn replace(bytes: &mut [u8], random: &mut Random) {
    if bytes.len() >= 4 {
        let at = random.below(bytes.len() / 4) * 4;
        let value = random.u32();
        put(bytes, at, value);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let at = at.min(bytes.len());
    let word = if random.one_in(2) { [0; 4] } else { random.u32().to_be_bytes() };
    bytes.splice(at..at, word);
}

fn remove(bytes: &mut Vec<u8>, at: usize) {
    let at = at.min(bytes.len());
    let end = bytes.len().min(at + 4);
    bytes.drain(at..end);
}

/// What is at a mark, by something that is wrong there: of all kinds that there are, each as often
/// as the others.
fn spoil(bytes: &mut [u8], sample: &Sample, random: &mut Random) {
    const KINDS: [fn(What) -> bool; 7] = [
        |what| what == What::Narrow,
        |what| what == What::Bool,
        |what| what == What::Enum,
        |what| what == What::Discriminant,
        |what| matches!(what, What::Length { .. }),
        |what| matches!(what, What::Text(len) if len > 0),
        |what| matches!(what, What::Padding(_)),
    ];
    let of_kind = |kind: &fn(What) -> bool| -> Vec<Mark> {
        sample.marks.iter().filter(|mark| kind(mark.what)).copied().collect()
    };
    let kinds: Vec<_> = KINDS.iter().map(of_kind).filter(|marks| !marks.is_empty()).collect();
    if kinds.is_empty() {
        return flip(bytes, random);
    }
    let marks = random.pick(&kinds);
    let mark = *random.pick(marks);
    match mark.what {
        What::Text(len) => {
            let wrong = *random.pick(&[0, 0xff, 0xc3, 0x80]);
            put_byte(bytes, mark.at + random.below(len), wrong);
        }
        What::Padding(len) => {
            let wrong = random.byte();
            put_byte(bytes, mark.at + random.below(len), wrong);
        }
        what => put(bytes, mark.at, wrong_word(what, random)),
    }
}

fn wrong_word(what: What, random: &mut Random) -> u32 {
    match what {
        What::Bool => *random.pick(&[2, u32::MAX, 0x0100_0000, 0x8000_0000]),
        What::Length { max } => {
            let above = max.wrapping_add(1);
            *random.pick(&[0, 1, 2, max, above, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 3])
        }
        What::Enum | What::Discriminant if random.one_in(2) => {
            u32::try_from(random.below(9)).expect("small").wrapping_sub(2)
        }
        _ => random.u32(),
    }
}

/// The bytes may have become fewer by another change.
fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(word) = bytes.get_mut(at..at + 4) {
        word.copy_from_slice(&value.to_be_bytes());
    }
}

fn put_byte(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}
