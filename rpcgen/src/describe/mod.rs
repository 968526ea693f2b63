//! An interface as data, for other programs.

mod build;
mod lengths;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Resolved;
use crate::{Config, Error};
pub(crate) use lengths::TypeLengths;

/// The interface of a `.x` file as it is on the wire. The same file gives the same description.
///
/// Names of what is in a namespace have the namespace's before them, with `::` between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Of these fields: 1. A change that old readers do not understand makes it 2.
    pub format: u32,
    /// The file, as it was named.
    pub file: String,
    /// In the order of the definitions.
    pub constants: Vec<Constant>,
    /// In the order of the definitions; a body inside of another is behind it.
    pub types: Vec<TypeDef>,
    /// In the order of the definitions.
    pub programs: Vec<Program>,
}

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file, as it was named or included.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How many bytes values take on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// The shortest value.
    pub min: u64,
    /// The longest value; `None` if there is no longest.
    pub max: Option<u64>,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Constant {
    /// The name in the file.
    pub name: String,
    /// The path in the generated code.
    pub rust: String,
    /// What it stands for.
    pub value: ConstantValue,
    /// Where it is defined.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// What a constant stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConstantValue {
    /// A number.
    Number(i64),
    /// A number that is too large for the other.
    Large(u64),
    /// A string.
    Text(String),
}

/// A type with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TypeDef {
    /// The name in the file. A body inside of another is called as that, a dot and the name of what
    /// is declared with it.
    pub name: String,
    /// The path in the generated code.
    pub rust: String,
    /// Where it is defined.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// How many bytes it takes.
    pub encoded_len: Lengths,
    /// What it is.
    #[serde(flatten)]
    pub body: Body,
}

/// What a type with a name is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Body {
    /// Another name for a type.
    Typedef {
        /// That type.
        #[serde(rename = "type")]
        ty: Type,
    },
    /// A number that has a name for each of its values.
    Enum {
        /// In the order of the file. Several may have the same value.
        members: Vec<EnumMember>,
    },
    /// Values in a row.
    Struct {
        /// In the order of the wire.
        members: Vec<Member>,
    },
    /// A value whose type depends on the one before it.
    Union {
        /// What tells the arm.
        discriminant: Discriminant,
        /// In the order of the file, the default last. A default that no value of the discriminant
        /// selects is left out.
        arms: Vec<Arm>,
    },
}

/// One name of an enum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnumMember {
    /// The name in the file.
    pub name: String,
    /// The variant, or the constant if an earlier name has the same value.
    pub rust: String,
    /// The value.
    pub value: i32,
    /// Where it is defined.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// A member of a struct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The name in the file.
    pub name: String,
    /// The field. A list's node has none for its last member: the nodes are in a `Vec`.
    pub rust: String,
    /// The type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Where it is declared.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// What tells a union's arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Discriminant {
    /// The name in the file.
    pub name: String,
    /// `int`, `unsigned int`, `bool` or an enum, also if the file has another name for that.
    #[serde(rename = "type")]
    pub ty: Type,
}

/// An arm of a union.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Arm {
    /// The values that select it; none for the default.
    pub labels: Vec<i64>,
    /// Whether it is for all values that have no label.
    pub default: bool,
    /// The name in the file; `None` for `void`.
    pub name: Option<String>,
    /// The type; `None` for `void`.
    #[serde(rename = "type")]
    pub ty: Option<Type>,
    /// The variant in the generated code.
    pub rust: String,
    /// Where it is declared.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// A type where it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Type {
    /// 4 bytes with a sign; C's `char`, `short` and `long` too.
    #[serde(rename = "int")]
    Int,
    /// 4 bytes without a sign.
    #[serde(rename = "unsigned int")]
    UnsignedInt,
    /// 8 bytes with a sign.
    #[serde(rename = "hyper")]
    Hyper,
    /// 8 bytes without a sign.
    #[serde(rename = "unsigned hyper")]
    UnsignedHyper,
    /// A floating-point number of 4 bytes.
    #[serde(rename = "float")]
    Float,
    /// A floating-point number of 8 bytes.
    #[serde(rename = "double")]
    Double,
    /// A floating-point number of 16 bytes.
    #[serde(rename = "quadruple")]
    Quadruple,
    /// 4 bytes that are 0 or 1.
    #[serde(rename = "bool")]
    Bool,
    /// Bytes.
    #[serde(rename = "opaque")]
    Opaque(Length),
    /// Text.
    #[serde(rename = "string")]
    String {
        /// At most so many bytes; `None` for no bound.
        max: Option<u32>,
    },
    /// Values of one type in a row.
    #[serde(rename = "array")]
    Array {
        /// That type.
        of: Box<Self>,
        /// How many.
        #[serde(flatten)]
        length: Length,
    },
    /// A value or nothing.
    #[serde(rename = "optional")]
    Optional {
        /// The value's type.
        of: Box<Self>,
    },
    /// A type with a name: one of [`Description::types`], unless the option `extern_type` says that
    /// it is elsewhere.
    #[serde(rename = "named")]
    Named {
        /// The name in the file.
        name: String,
    },
}

/// How many elements an array has, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// Always so many.
    #[serde(rename = "fixed")]
    Fixed(u32),
    /// At most so many; `None` for no bound.
    #[serde(rename = "max")]
    Max(Option<u32>),
}

/// A program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Program {
    /// The name in the file.
    pub name: String,
    /// The module's path in the generated code.
    pub rust: String,
    /// The number.
    pub number: u32,
    /// Where it is defined.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// In the order of the file.
    pub versions: Vec<Version>,
}

/// A version of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Version {
    /// The name in the file.
    pub name: String,
    /// The number.
    pub number: u32,
    /// Where it is defined.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// By ascending number. Procedure 0 is there if the file declares it.
    pub procedures: Vec<Procedure>,
}

/// A procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Procedure {
    /// The name in the file.
    pub name: String,
    /// The method.
    pub rust: String,
    /// The number.
    pub number: u32,
    /// Where it is declared.
    pub at: Place,
    /// The comments at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Their types in order; none for `void`.
    pub arguments: Vec<Type>,
    /// How many bytes all arguments take.
    pub arguments_len: Lengths,
    /// The result's type; `None` for `void`.
    pub result: Option<Type>,
    /// How many bytes the result takes.
    pub result_len: Lengths,
    /// Whether it may be done twice.
    pub idempotent: bool,
    /// Whether a server may answer it later.
    pub deferred: bool,
}

impl Description {
    /// The type of this name.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<&TypeDef> {
        self.types.iter().find(|def| def.name == name)
    }
}

/// The interface of a `.x` file as data.
///
/// # Errors
/// What is wrong in the file, with every place; or a file that cannot be read.
pub fn describe(path: impl AsRef<Path>) -> Result<Description, Error> {
    crate::configure().describe(path)
}

impl Config {
    /// The interface of a `.x` file as data.
    ///
    /// # Errors
    /// What is wrong in the file, with every place; or a file that cannot be read.
    pub fn describe(&self, path: impl AsRef<Path>) -> Result<Description, Error> {
        self.resolved(path.as_ref()).map(|resolved| Description::of(&resolved))
    }

    /// The interface as data that is in the text of a `.x` file that messages call `name`. What it
    /// includes is looked for as if it were the file of that name.
    ///
    /// # Errors
    /// What is wrong in the text, with every place; or an included file that cannot be read.
    pub fn describe_text(&self, name: &str, text: &str) -> Result<Description, Error> {
        let resolved = self.resolved_text(Path::new(name), text.to_owned())?;
        Ok(Description::of(&resolved))
    }
}

impl Description {
    fn of(resolved: &Resolved) -> Self {
        build::description(&resolved.model, &resolved.sources)
    }
}
