//! Numbers as `.x` files write them, and how they are computed with.

/// A decimal, hexadecimal (`0x`) or octal (`0`) number, if it is one and fits 64 bits. As in C, it
/// may end with `U` and `L`.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text),
    };
    let digits = without_suffix(number);
    let magnitude =
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            unsigned(hex, 16)
        } else if digits.len() > 1 && digits.starts_with('0') {
            unsigned(digits, 8)
        } else {
            unsigned(digits, 10)
        };
    let value = i128::from(magnitude?);
    if !negative { Some(value) } else { (value <= i128::from(i64::MAX) + 1).then_some(-value) }
}

/// Only digits: the standard library takes a sign too.
fn unsigned(digits: &str, radix: u32) -> Option<u64> {
    let only_digits = digits.chars().all(|c| c.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| only_digits)
}

/// Without C's suffix that says how large the type is, which nothing here depends on.
fn without_suffix(number: &str) -> &str {
    let digits = number.trim_end_matches(['u', 'U', 'l', 'L']);
    let suffix = number[digits.len()..].to_ascii_lowercase();
    match suffix.as_str() {
        "u" | "l" | "ul" | "lu" | "ll" | "ull" | "llu" => digits,
        _ => number,
    }
}

/// What an operator makes of two numbers; or what is wrong with them.
///
/// # Errors
/// There is no such number, or none that is worth computing with.
pub(crate) fn apply(operator: &str, left: i128, right: i128) -> Result<i128, &'static str> {
    let value = match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" | "%" if right == 0 => return Err("a division by zero"),
        "/" => left.checked_div(right),
        "%" => left.checked_rem(right),
        "<<" | ">>" if !(0..64).contains(&right) => return Err("a shift by more than 63 bits"),
        "<<" => left.checked_mul(1 << right),
        ">>" => Some(left >> right),
        "&" => Some(left & right),
        "^" => Some(left ^ right),
        "|" => Some(left | right),
        _ => return Err("an operator that there is not"),
    };
    // Larger numbers than any type can hold are not worth carrying on with.
    value.filter(|value| value.unsigned_abs() >> 100 == 0).ok_or("a number that is too large")
}

#[cfg(test)]
mod tests {
    use super::{apply, parse};

    #[test]
    fn operators() {
        for (operator, left, right, expected) in [
            ("+", 7, 2, Ok(9)),
            ("-", 7, 9, Ok(-2)),
            ("*", -7, 2, Ok(-14)),
            ("/", -7, 2, Ok(-3)),
            ("%", -7, 2, Ok(-1)),
            ("<<", 1, 63, Ok(1 << 63)),
            (">>", -8, 1, Ok(-4)),
            ("&", 6, 3, Ok(2)),
            ("^", 6, 3, Ok(5)),
            ("|", 6, 3, Ok(7)),
            ("/", 1, 0, Err("a division by zero")),
            ("%", 1, 0, Err("a division by zero")),
            ("<<", 1, 64, Err("a shift by more than 63 bits")),
            (">>", 1, -1, Err("a shift by more than 63 bits")),
            ("*", 1 << 63, 1 << 63, Err("a number that is too large")),
            ("?", 1, 1, Err("an operator that there is not")),
        ] {
            assert_eq!(apply(operator, left, right), expected, "{left} {operator} {right}");
        }
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("-10", Some(-10)),
            ("0x1F", Some(31)),
            ("0X1f", Some(31)),
            ("-0x1f", Some(-31)),
            ("017", Some(15)),
            ("00", Some(0)),
            ("08", None),
            ("0x", None),
            ("1a", None),
            ("--1", None),
            ("+1", None),
            ("0x+1", None),
            ("", None),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("0xFFFFFFFFFFFFFFFF", Some(i128::from(u64::MAX))),
            ("18446744073709551616", None),
            ("-9223372036854775808", Some(i128::from(i64::MIN))),
            ("-9223372036854775809", None),
            ("4294967295ULL", Some(4_294_967_295)),
            ("0xfful", Some(255)),
            ("7u", Some(7)),
            ("7L", Some(7)),
            ("7uu", None),
            ("7lll", None),
            ("u", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
