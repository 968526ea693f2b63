//! The rules, as data.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

macro_rules! rules {
    ($($name:ident = $id:literal: $why:literal,)*) => {
        /// Which kind of change it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $why] $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is printed.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// What it is about, in one line.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$name => $why,)*
                }
            }
        }
    };
}

rules! {
    ProgramNumber = "PROGRAM_NUMBER": "A program has another number: no call finds it.",
    ProgramRemoved = "PROGRAM_REMOVED": "A program is gone.",
    VersionRemoved = "VERSION_REMOVED": "A version is gone, or has another number.",
    ProcRemoved = "PROC_REMOVED": "A procedure is gone.",
    ProcNumber = "PROC_NUMBER": "A procedure has another number: calls reach another one, or none.",
    ProcArgType = "PROC_ARG_TYPE": "An argument has another type, is new, or is gone.",
    ProcResultType = "PROC_RESULT_TYPE": "A result has another type, is new, or is gone.",
    StructFieldAdded = "STRUCT_FIELD_ADDED": "A struct has a member more: XDR has no members that may be missing.",
    StructFieldRemoved = "STRUCT_FIELD_REMOVED": "A struct has a member less.",
    StructFieldMoved = "STRUCT_FIELD_MOVED": "A member comes earlier or later: only the order tells members apart.",
    StructFieldType = "STRUCT_FIELD_TYPE": "A member has another type.",
    EnumValueChanged = "ENUM_VALUE_CHANGED": "A name of an enum has another value.",
    EnumValueRemoved = "ENUM_VALUE_REMOVED": "An enum has a value less: those who send it are refused.",
    EnumValueAdded = "ENUM_VALUE_ADDED": "An enum has a value more: those who do not know it refuse it.",
    UnionArmAdded = "UNION_ARM_ADDED": "A union has an arm more: those who do not know it refuse it, or take it for the default.",
    UnionArmRemoved = "UNION_ARM_REMOVED": "A union has an arm less: those who send it are refused.",
    UnionArmType = "UNION_ARM_TYPE": "An arm has another type.",
    UnionDiscriminant = "UNION_DISCRIMINANT": "A union switches on another type.",
    DefaultArmRemoved = "DEFAULT_ARM_REMOVED": "A union has no default any more: values without an arm are refused.",
    BoundShrunk = "BOUND_SHRUNK": "The most elements or bytes are fewer: those who send more are refused.",
    BoundGrown = "BOUND_GROWN": "The most elements or bytes are more: those who expect fewer refuse them.",
    FixedLen = "FIXED_LEN": "A fixed length is another one, or is no longer fixed.",
    Optionality = "OPTIONALITY": "What was optional is not any more, or the other way round.",
    TypeChanged = "TYPE_CHANGED": "A name stands for another kind of type.",
    TypeRemoved = "TYPE_REMOVED": "A type's name is gone.",
    ConstantChanged = "CONSTANT_CHANGED": "A constant has another value.",
    ConstantRemoved = "CONSTANT_REMOVED": "A constant is gone.",
    Rename = "RENAME": "Something is called otherwise: names are not on the wire.",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// There is no rule of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchRule;

impl FromStr for Rule {
    type Err = NoSuchRule;

    fn from_str(text: &str) -> Result<Self, NoSuchRule> {
        Self::ALL.iter().copied().find(|rule| rule.id() == text).ok_or(NoSuchRule)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
