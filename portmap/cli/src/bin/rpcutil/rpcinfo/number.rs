//! Program and version numbers as C reads them.

use super::{Failure, text};
use farcall_portmap::programs::Programs;

/// A number as it was given: printed whole by some of the functions, though only 32 bits of it are
/// sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(i64);

impl Number {
    /// The low half, as it is sent.
    pub(super) fn on_wire(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// As an `unsigned long`.
    pub(super) fn whole(self) -> u64 {
        self.0.cast_unsigned()
    }
}

/// Names of programs by `/etc/rpc` alone.
#[derive(Debug)]
pub(super) struct Names(pub(super) Programs);

impl Names {
    pub(super) fn program(&self, arg: &[u8]) -> Result<Number, Failure> {
        if is_name(arg) {
            let program = std::str::from_utf8(arg).ok().and_then(|name| self.0.named(name));
            let unknown = || format!("rpcinfo: {} is unknown service", text::of(arg));
            let program = program.ok_or_else(|| Failure::Text(unknown()))?;
            return Ok(Number(program.0.into()));
        }
        let illegal = || format!("rpcinfo: {} is illegal program number", text::of(arg));
        strtol(arg).map(Number).ok_or_else(|| Failure::Text(illegal()))
    }

    /// The name of a program, or else `other`.
    pub(super) fn name<'a>(&'a self, program: u32, other: &'a str) -> &'a str {
        self.0.name(farcall::Program(program)).unwrap_or(other)
    }
}

/// Whether something follows what is not a digit, or it is a letter.
fn is_name(arg: &[u8]) -> bool {
    match arg.iter().position(|b| !b.is_ascii_digit()) {
        Some(at) => at + 1 < arg.len() || arg[at].is_ascii_alphabetic(),
        None => false,
    }
}

/// A version, of which C keeps what an `int` holds.
pub(super) fn version(arg: &[u8]) -> Result<Number, Failure> {
    let illegal = || format!("rpcinfo: {} is illegal version number", text::of(arg));
    let whole = strtol(arg).ok_or_else(|| Failure::Text(illegal()))?;
    Ok(Number(Number(whole).on_wire().cast_signed().into()))
}

/// All of `text` as strtol(3) reads a decimal number: after white space and a sign, and at most
/// what a `long` holds.
pub(super) fn strtol(text: &[u8]) -> Option<i64> {
    let is_space = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    let start = text.iter().position(|b| !is_space(b))?;
    let (is_negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = digits
        .iter()
        .fold(0_i64, |whole, digit| whole.saturating_mul(10).saturating_add((digit - b'0').into()));
    let is_beyond = is_negative && whole == i64::MAX;
    Some(if is_beyond {
        i64::MIN
    } else if is_negative {
        -whole
    } else {
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_in_c() {
        let table: [(&str, Option<i64>); 13] = [
            ("0", Some(0)),
            ("100003", Some(100_003)),
            (" \t\x0b+7", Some(7)),
            ("-5", Some(-5)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            (" ", None),
            ("-", None),
            ("+-1", None),
            ("7 ", None),
            ("0x7", None),
            ("7a", None),
        ];
        for (text, number) in table {
            assert_eq!(strtol(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn a_version_is_an_int() {
        let wire = |arg: &str| version(arg.as_bytes()).map(|v| (v.on_wire(), v.whole()));
        assert_eq!(wire("3"), Ok((3, 3)));
        assert_eq!(wire("4294967296"), Ok((0, 0)));
        assert_eq!(wire("4294967295"), Ok((u32::MAX, u64::MAX)));
        assert_eq!(wire("x"), Err(Failure::text("rpcinfo: x is illegal version number")));
    }

    #[test]
    fn a_program_is_a_number_or_a_name() {
        let names = Names(Programs::default());
        let program = |arg: &str| names.program(arg.as_bytes()).map(|p| (p.on_wire(), p.whole()));
        assert_eq!(program("nfs"), Ok((100_003, 100_003)));
        assert_eq!(program("3270_mapper"), Ok((100_013, 100_013)));
        assert_eq!(program("4295067296"), Ok((100_000, 4_295_067_296)));
        let unknown = |arg| Err(Failure::text(format!("rpcinfo: {arg} is unknown service")));
        for arg in ["12x", "0x10", "-5", " 5", "+7"] {
            assert_eq!(program(arg), unknown(arg));
        }
        let illegal = |arg| Err(Failure::text(format!("rpcinfo: {arg} is illegal program number")));
        for arg in ["", "5 ", "-", "12-"] {
            assert_eq!(program(arg), illegal(arg));
        }
    }
}
