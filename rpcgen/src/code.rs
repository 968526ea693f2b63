//! The codes of all diagnostics: what people search for, and what the documentation lists.
//!
//! `explain.md` has a section for each.

use crate::diag::Severity;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// Why there is a diagnostic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        // Only `lint` uses its own.
        #[cfg_attr(not(feature = "tools"), allow(dead_code))]
        pub(crate) enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them, in the order of their ids.
            #[cfg(any(test, feature = "tools"))]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is printed.
            pub(crate) const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }
    };
}

// The first letter says how bad it is: error, warning (from `lint` too) or note. Then come two
// digits for the kind: text and preprocessor 01, grammar 02, names 03, constants and ranges 04,
// types and unions 05, programs 06.
codes! {
    /// A character that begins no token.
    UnknownCharacter = "E0101",
    /// A comment without an end.
    OpenComment = "E0102",
    /// A string without a closing quote.
    OpenString = "E0103",
    /// An `#if` without `#endif`.
    OpenCondition = "E0104",
    /// `#else`, `#elif` or `#endif` without `#if`.
    NoCondition = "E0105",
    /// An `#if` expression that is not understood.
    BadCondition = "E0106",
    /// A `#` line that is not understood.
    UnknownDirective = "E0107",
    /// A `#define` of something else than a name for a value.
    BadDefine = "E0108",
    /// An `#include` that is not understood.
    BadInclude = "E0109",
    /// An included file that cannot be read.
    Unreadable = "E0110",
    /// Files that include each other.
    IncludeDepth = "E0111",
    /// A `#define` with parameters that is used.
    MacroParameters = "E0112",
    /// A `#define` that stands for too much.
    MacroSize = "E0113",
    /// An `#error`.
    UserError = "E0114",
    /// Something else than the grammar wants here.
    Unexpected = "E0201",
    /// A `;` that was forgotten.
    MissingSemicolon = "E0202",
    /// `typedef void`.
    TypedefVoid = "E0203",
    /// `string` or `opaque` without a length.
    NoLength = "E0204",
    /// Bodies nested too deeply.
    TooDeep = "E0205",
    /// `switch (void)`.
    NoDiscriminant = "E0206",
    /// A number that is none, or too large.
    BadNumber = "E0207",
    /// A second `*`, `[]` or `<>`.
    TwoShapes = "E0208",
    /// `long long`.
    LongLong = "E0209",
    /// A namespace without an end.
    OpenNamespace = "E0210",
    /// A package with a name that is none.
    BadPackage = "E0211",
    /// A name without a sensible end.
    LongName = "E0212",
    /// A type that is defined nowhere.
    UnknownType = "E0301",
    /// A constant that is defined nowhere.
    UnknownConstant = "E0302",
    /// A name that is defined twice.
    Duplicate = "E0303",
    /// A name that is defined by itself.
    SelfDefined = "E0304",
    /// A string where a number is needed.
    NotANumber = "E0305",
    /// `TRUE` or `FALSE` with another value.
    Reserved = "E0306",
    /// A length, bound or number that does not fit.
    OutOfRange = "E0401",
    /// An array of fixed length without elements.
    EmptyArray = "E0402",
    /// An enum value that is no `int`.
    EnumRange = "E0403",
    /// An expression without a value.
    BadExpression = "E0404",
    /// A type that contains itself by value.
    Endless = "E0501",
    /// A discriminant of another type than the four allowed.
    BadDiscriminant = "E0502",
    /// A case label that is there twice.
    DuplicateCase = "E0503",
    /// A case label that the discriminant cannot be.
    BadCase = "E0504",
    /// A body where only a name may stand.
    UnnamedType = "E0505",
    /// An array of elements that take no bytes.
    EmptyElements = "E0506",
    /// A value that is too large for any memory.
    TooLarge = "E0507",
    /// Types inside of each other without a reasonable end.
    DeepTypes = "E0508",
    /// A program, version or procedure number that is used twice.
    DuplicateNumber = "E0601",
    /// A version without procedures.
    NoProcedures = "E0602",
    /// Lines for the C compiler.
    PassedLines = "N0101",
    /// A request without a bound.
    UnboundedRequest = "W01",
    /// A `#warning`.
    UserWarning = "W0101",
    /// A program number of someone else's.
    ProgramNumber = "W02",
    /// C's `char *`.
    CharPointer = "W0201",
    /// A procedure 0 that is not null.
    BusyNull = "W03",
    /// A union over a number without a default.
    NoDefault = "W04",
    /// A type that no procedure carries.
    UnusedType = "W05",
    /// A case label of another enum that has the same value.
    OtherEnum = "W0501",
    /// An arm of a union that is named like its discriminant.
    SameAsDiscriminant = "W0502",
    /// A name that is another one's in Rust.
    NameClash = "W06",
    /// A file's name as text.
    TextPath = "W07",
    /// A type that contains itself and is no list.
    Recursion = "W08",
    /// A result that may not fit a datagram.
    LargeReply = "W09",
    /// A procedure without `@idempotent`.
    NotIdempotent = "W10",
    /// What C's rpcgen does not take.
    NotForC = "W11",
    /// A name that is written otherwise than its like.
    MixedStyle = "W12",
    /// A version 0.
    VersionZero = "W13",
}

impl Code {
    /// Whether definitions may be missing because of it, wherever they are.
    pub(crate) fn loses_definitions(self) -> bool {
        self.severity() == Severity::Error && self.id().starts_with("E01")
    }

    pub(crate) fn severity(self) -> Severity {
        match self.id().as_bytes()[0] {
            b'E' => Severity::Error,
            b'W' => Severity::Warning,
            _ => Severity::Note,
        }
    }
}

/// What a code of a diagnostic, for example `E0301`, is about: a few lines of Markdown with an
/// example.
#[cfg(feature = "tools")]
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    sections().find(|(id, _)| id.eq_ignore_ascii_case(code)).map(|(_, text)| text)
}

/// All codes of diagnostics, in order.
#[cfg(feature = "tools")]
pub fn codes() -> impl Iterator<Item = &'static str> {
    Code::ALL.iter().map(|code| code.id())
}

/// The sections of `explain.md`: a code, and its text with the title.
#[cfg(any(test, feature = "tools"))]
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = include_str!("explain.md").split("\n## ").skip(1);
    sections.filter_map(|section| {
        let (id, text) = section.split_once(": ")?;
        Some((id, text.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_each_is_explained() {
        let ids: Vec<_> = Code::ALL.iter().map(|code| code.id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        let explained: Vec<_> = sections().map(|(id, _)| id).collect();
        assert_eq!(explained, ids);
        assert!(sections().all(|(_, text)| text.contains('\n') && text.len() > 40));
    }
}
