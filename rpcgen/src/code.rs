//! The codes of all diagnostics: what people search for, and what the documentation lists.

/// Why there is a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A character that begins no token.
    UnknownCharacter,
    /// A comment without an end.
    OpenComment,
    /// A string without a closing quote.
    OpenString,
    /// An `#if` without `#endif`.
    OpenCondition,
    /// `#else`, `#elif` or `#endif` without `#if`.
    NoCondition,
    /// An `#if` expression that is not understood.
    BadCondition,
    /// A `#` line that is not understood.
    UnknownDirective,
    /// A `#define` of something else than a name for a value.
    BadDefine,
    /// An `#include` that is not understood.
    BadInclude,
    /// An included file that cannot be read.
    Unreadable,
    /// Files that include each other.
    IncludeDepth,
    /// Something else than the grammar wants here.
    Unexpected,
    /// A `;` that was forgotten.
    MissingSemicolon,
    /// `typedef void`.
    TypedefVoid,
    /// `string` or `opaque` without a length.
    NoLength,
    /// Bodies nested too deeply.
    TooDeep,
    /// `switch (void)`.
    NoDiscriminant,
    /// A number that is none, or too large.
    BadNumber,
    /// A type that is defined nowhere.
    UnknownType,
    /// A constant that is defined nowhere.
    UnknownConstant,
    /// A name that is defined twice.
    Duplicate,
    /// A name that is defined by itself.
    SelfDefined,
    /// A string where a number is needed.
    NotANumber,
    /// A length, bound or number that does not fit.
    OutOfRange,
    /// An array of fixed length without elements.
    EmptyArray,
    /// An enum value that is no `int`.
    EnumRange,
    /// A type that contains itself by value.
    Endless,
    /// A discriminant of another type than the four allowed.
    BadDiscriminant,
    /// A case label that is there twice.
    DuplicateCase,
    /// A case label that the discriminant cannot be.
    BadCase,
    /// A body where only a name may stand.
    UnnamedType,
    /// A program, version or procedure number that is used twice.
    DuplicateNumber,
}

impl Code {
    /// As it is printed.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::UnknownCharacter => "E0101",
            Self::OpenComment => "E0102",
            Self::OpenString => "E0103",
            Self::OpenCondition => "E0104",
            Self::NoCondition => "E0105",
            Self::BadCondition => "E0106",
            Self::UnknownDirective => "E0107",
            Self::BadDefine => "E0108",
            Self::BadInclude => "E0109",
            Self::Unreadable => "E0110",
            Self::IncludeDepth => "E0111",
            Self::Unexpected => "E0201",
            Self::MissingSemicolon => "E0202",
            Self::TypedefVoid => "E0203",
            Self::NoLength => "E0204",
            Self::TooDeep => "E0205",
            Self::NoDiscriminant => "E0206",
            Self::BadNumber => "E0207",
            Self::UnknownType => "E0301",
            Self::UnknownConstant => "E0302",
            Self::Duplicate => "E0303",
            Self::SelfDefined => "E0304",
            Self::NotANumber => "E0305",
            Self::OutOfRange => "E0401",
            Self::EmptyArray => "E0402",
            Self::EnumRange => "E0403",
            Self::Endless => "E0501",
            Self::BadDiscriminant => "E0502",
            Self::DuplicateCase => "E0503",
            Self::BadCase => "E0504",
            Self::UnnamedType => "E0505",
            Self::DuplicateNumber => "E0601",
        }
    }
}
