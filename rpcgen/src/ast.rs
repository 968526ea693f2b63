//! A `.x` file as it was written: names unresolved, places kept.
//!
//! Types and fields are named as in the grammars of RFC 4506 §6.3 and RFC 5531 §12.2.

use crate::docs::Docs;
use crate::source::Span;

/// A name at a place.
#[derive(Debug, Clone)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Definition {
    Constant(ConstantDef),
    Type(TypeDef),
    Program(ProgramDef),
}

#[derive(Debug)]
pub(crate) struct ConstantDef {
    pub(crate) name: Ident,
    pub(crate) value: ConstantValue,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) enum ConstantValue {
    Number(Value),
    /// Sun's extension: the text between the quotes.
    Text(String),
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Constant(i128, Span),
    Name(Ident),
}

impl Value {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Constant(_, span) => *span,
            Self::Name(name) => name.span,
        }
    }
}

#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) name: Ident,
    pub(crate) body: TypeBody,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) enum TypeBody {
    Typedef(Box<Declaration>),
    Enum(EnumBody),
    Struct(StructBody),
    Union(Box<UnionBody>),
}

/// A declaration that is not `void`.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) specifier: TypeSpecifier,
    pub(crate) shape: Shape,
    pub(crate) name: Ident,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// `T x`
    One,
    /// `T x[n]`
    Fixed(Value),
    /// `T x<n>`, `T x<>`
    Variable(Option<Value>),
    /// `T *x`
    Optional,
}

#[derive(Debug)]
pub(crate) enum TypeSpecifier {
    Int,
    UnsignedInt,
    Hyper,
    UnsignedHyper,
    Float,
    Double,
    Quadruple,
    Bool,
    Opaque,
    String,
    Name(Ident),
    /// A body in the place of a type's name.
    Body(TypeBody),
}

#[derive(Debug)]
pub(crate) struct EnumBody {
    pub(crate) members: Vec<EnumMember>,
}

#[derive(Debug)]
pub(crate) struct EnumMember {
    pub(crate) name: Ident,
    /// Sun's extension: without one, it is the value before plus one.
    pub(crate) value: Option<Value>,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct StructBody {
    pub(crate) members: Vec<Declaration>,
}

#[derive(Debug)]
pub(crate) struct UnionBody {
    pub(crate) discriminant: Declaration,
    pub(crate) cases: Vec<CaseSpec>,
    pub(crate) default: Option<CaseSpec>,
}

#[derive(Debug)]
pub(crate) struct CaseSpec {
    /// Empty for the default.
    pub(crate) labels: Vec<Value>,
    /// `None` for `void`.
    pub(crate) declaration: Option<Declaration>,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct ProgramDef {
    pub(crate) name: Ident,
    pub(crate) versions: Vec<VersionDef>,
    pub(crate) number: Value,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct VersionDef {
    pub(crate) name: Ident,
    pub(crate) procedures: Vec<ProcedureDef>,
    pub(crate) number: Value,
    pub(crate) docs: Docs,
}

#[derive(Debug)]
pub(crate) struct ProcedureDef {
    pub(crate) name: Ident,
    /// `None` for `void`.
    pub(crate) result: Option<ProcedureType>,
    /// Empty for `void`.
    pub(crate) arguments: Vec<ProcedureType>,
    pub(crate) number: Value,
    pub(crate) docs: Docs,
}

/// A procedure's argument or result.
#[derive(Debug)]
pub(crate) struct ProcedureType {
    pub(crate) specifier: TypeSpecifier,
    pub(crate) shape: Shape,
    pub(crate) span: Span,
}
