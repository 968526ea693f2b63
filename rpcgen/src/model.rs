//! A `.x` file as it is generated from: every name resolved, every Rust name chosen.

use std::collections::BTreeMap;

use crate::docs::Docs;

/// An index into [`Model::types`].
pub(crate) type TypeId = usize;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// In the order of the definitions.
    pub(crate) items: Vec<Item>,
    pub(crate) types: Vec<TypeItem>,
    /// The module of each namespace, which is named as before its definitions: `a::b::`.
    pub(crate) namespaces: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
pub(crate) enum Item {
    Constant(Constant),
    Type(TypeId),
    Program(Program),
}

#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) idl: String,
    pub(crate) rust: String,
    pub(crate) value: ConstantValue,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) enum ConstantValue {
    Number(i128),
    Text(String),
}

#[derive(Debug)]
pub(crate) struct TypeItem {
    /// The name in the `.x` file; a path for a body inside of another.
    pub(crate) idl: String,
    /// Its name, or its path if it is not generated.
    pub(crate) rust: String,
    pub(crate) body: Body,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) enum Body {
    Alias(Type),
    Enum(Enum),
    Struct(Struct),
    Union(Box<Union>),
    /// Written by hand elsewhere, by option. No item.
    Extern,
}

/// What a declaration means on the wire and in Rust.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Quadruple,
    Bool,
    OpaqueFixed(u32),
    Opaque(u32),
    String(u32),
    /// A string that is bytes in Rust.
    ByteString(u32),
    Named(TypeId),
    Fixed(Box<Self>, u32),
    Array(Box<Self>, u32),
    Option(Box<Self>),
    /// A list whose node is a struct with a last member that is an optional itself.
    List(TypeId),
    /// Such a node by value: itself, and the list of those that follow it.
    Chain(TypeId),
    /// A box, for a type that would contain itself. Only directly in an `Option`.
    Boxed(Box<Self>),
    /// A value that may contain the type that contains it: decoding it counts as a level.
    Nested(Box<Self>),
}

#[derive(Debug, Default)]
pub(crate) struct Enum {
    pub(crate) members: Vec<Member>,
    /// Names for values that a member has already.
    pub(crate) aliases: Vec<Member>,
    /// The variant for values without a name, if the enum is open.
    pub(crate) unknown: Option<String>,
}

impl Enum {
    pub(crate) fn member(&self, value: i128) -> Option<&Member> {
        self.members.iter().find(|member| i128::from(member.value) == value)
    }
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) idl: String,
    pub(crate) rust: String,
    pub(crate) value: i32,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) fields: Vec<Field>,
    /// The last member, if the struct is a node of a list; `fields` is without it.
    pub(crate) next: Option<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) idl: String,
    pub(crate) rust: String,
    pub(crate) ty: Type,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct Union {
    pub(crate) discriminant: Discriminant,
    /// The discriminant's name.
    pub(crate) idl: String,
    pub(crate) rust: String,
    pub(crate) arms: Vec<Arm>,
    /// Absent too if there is an arm for every value.
    pub(crate) default: Option<Arm>,
    /// Whether the arms, without the default, cover every value of the discriminant.
    pub(crate) covered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discriminant {
    Int,
    Unsigned,
    Bool,
    Enum(TypeId),
}

#[derive(Debug)]
pub(crate) struct Arm {
    /// The values that select it; empty for the default.
    pub(crate) labels: Vec<i128>,
    pub(crate) rust: String,
    /// `None` for `void`.
    pub(crate) field: Option<Field>,
    pub(crate) docs: Docs,
}

impl Arm {
    /// Whether the variant must hold the discriminant, because nothing else tells it.
    pub(crate) fn holds_discriminant(&self) -> bool {
        self.labels.len() != 1
    }
}

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) idl: String,
    /// The module's name.
    pub(crate) rust: String,
    pub(crate) number: u32,
    pub(crate) versions: Vec<Version>,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) idl: String,
    pub(crate) number: u32,
    /// By ascending number, without a procedure 0 that has neither arguments nor results.
    pub(crate) procedures: Vec<Procedure>,
    /// That procedure, if it is declared.
    #[cfg_attr(not(feature = "tools"), allow(dead_code))]
    pub(crate) null: Option<Procedure>,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct Procedure {
    pub(crate) idl: String,
    /// The method's name.
    pub(crate) rust: String,
    pub(crate) number: u32,
    pub(crate) arguments: Vec<Argument>,
    /// `None` for `void`.
    pub(crate) result: Option<Type>,
    pub(crate) idempotent: bool,
    pub(crate) deferred: bool,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) rust: String,
    pub(crate) ty: Type,
}

impl Model {
    /// `ty` with a typedef's name replaced by what it stands for.
    pub(crate) fn expand<'a>(&'a self, mut ty: &'a Type) -> &'a Type {
        while let Type::Named(id) = ty
            && let Body::Alias(target) = &self.types[*id].body
        {
            ty = target;
        }
        ty
    }
}
