//! Numbers as `.x` files write them.

/// A decimal, hexadecimal (`0x`) or octal (`0`) number, if it is one and fits 64 bits.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude =
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            u64::from_str_radix(hex, 16)
        } else if digits.len() > 1 && digits.starts_with('0') {
            u64::from_str_radix(digits, 8)
        } else {
            digits.parse()
        };
    let value = i128::from(magnitude.ok()?);
    if !negative { Some(value) } else { (value <= i128::from(i64::MAX) + 1).then_some(-value) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("-10", Some(-10)),
            ("0x1F", Some(31)),
            ("-0x1f", Some(-31)),
            ("017", Some(15)),
            ("08", None),
            ("0x", None),
            ("1a", None),
            ("--1", None),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("18446744073709551616", None),
            ("-9223372036854775808", Some(i128::from(i64::MIN))),
            ("-9223372036854775809", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
