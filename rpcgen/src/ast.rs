//! A `.x` file as it was written: names unresolved, places kept.
//!
//! Types and fields are named as in the grammars of RFC 4506 §6.3 and RFC 5531 §12.2.
//!
//! Two trees are equal if they say the same: places and comments do not count.

use crate::docs::Docs;
use crate::source::Span;

/// A name at a place.
///
/// The name of a definition inside of a namespace has the namespace's before it, with `::` between;
/// a name that refers to one is as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl PartialEq for Docs {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Definition {
    Constant(ConstantDef),
    Type(TypeDef),
    Program(ProgramDef),
}

#[derive(Debug, PartialEq)]
pub(crate) struct ConstantDef {
    pub(crate) name: Ident,
    pub(crate) value: ConstantValue,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
pub(crate) enum ConstantValue {
    Number(Value),
    /// Sun's extension: the text between the quotes.
    Text(String),
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Constant(i128, Span),
    Name(Ident),
    /// Sun's extension, from C.
    Expression(Expression),
}

impl Value {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Constant(_, span) => *span,
            Self::Name(name) => name.span,
            Self::Expression(expression) => expression.span,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Constant(one, _), Self::Constant(other, _)) => one == other,
            (Self::Name(one), Self::Name(other)) => one == other,
            (Self::Expression(one), Self::Expression(other)) => one.parts == other.parts,
            _ => false,
        }
    }
}

/// An expression with its operators behind their operands: as deep as it likes, it is no tree.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) parts: Vec<Part>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Constant(i128),
    Name(Ident),
    /// `-` or `~`.
    Unary(&'static str),
    /// One of the operators of [`crate::value::apply`].
    Binary(&'static str),
}

#[derive(Debug, PartialEq)]
pub(crate) struct TypeDef {
    pub(crate) name: Ident,
    pub(crate) body: TypeBody,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
pub(crate) enum TypeBody {
    Typedef(Box<Declaration>),
    Enum(EnumBody),
    Struct(StructBody),
    Union(Box<UnionBody>),
}

/// A declaration that is not `void`.
#[derive(Debug, PartialEq)]
pub(crate) struct Declaration {
    pub(crate) specifier: TypeSpecifier,
    pub(crate) shape: Shape,
    pub(crate) name: Ident,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
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

#[derive(Debug, PartialEq)]
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

#[derive(Debug, PartialEq)]
pub(crate) struct EnumBody {
    pub(crate) members: Vec<EnumMember>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct EnumMember {
    pub(crate) name: Ident,
    /// Sun's extension: without one, it is the value before plus one.
    pub(crate) value: Option<Value>,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
pub(crate) struct StructBody {
    pub(crate) members: Vec<Declaration>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct UnionBody {
    pub(crate) discriminant: Declaration,
    pub(crate) cases: Vec<CaseSpec>,
    pub(crate) default: Option<CaseSpec>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct CaseSpec {
    /// Empty for the default.
    pub(crate) labels: Vec<Value>,
    /// `None` for `void`.
    pub(crate) declaration: Option<Declaration>,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ProgramDef {
    pub(crate) name: Ident,
    pub(crate) versions: Vec<VersionDef>,
    pub(crate) number: Value,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
pub(crate) struct VersionDef {
    pub(crate) name: Ident,
    pub(crate) procedures: Vec<ProcedureDef>,
    pub(crate) number: Value,
    pub(crate) docs: Docs,
}

#[derive(Debug, PartialEq)]
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
    /// Sun's extension: an argument may have one.
    pub(crate) name: Option<Ident>,
    pub(crate) span: Span,
}

impl PartialEq for ProcedureType {
    fn eq(&self, other: &Self) -> bool {
        (&self.specifier, &self.shape, &self.name) == (&other.specifier, &other.shape, &other.name)
    }
}

/// What a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Type,
    Constant,
}

/// What is done with each name that refers to a definition.
pub(crate) type Visitor<'a> = dyn FnMut(&mut Ident, Sort) + 'a;

impl Definition {
    /// The defined name.
    pub(crate) fn name(&self) -> &Ident {
        match self {
            Self::Constant(def) => &def.name,
            Self::Type(def) => &def.name,
            Self::Program(def) => &def.name,
        }
    }

    /// Calls `visit` with every name in it that refers to a definition.
    pub(crate) fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        match self {
            Self::Constant(def) => {
                if let ConstantValue::Number(value) = &mut def.value {
                    value.visit_names(visit);
                }
            }
            Self::Type(def) => def.body.visit_names(visit),
            Self::Program(def) => {
                def.number.visit_names(visit);
                for version in &mut def.versions {
                    version.number.visit_names(visit);
                    version.procedures.iter_mut().for_each(|def| def.visit_names(visit));
                }
            }
        }
    }
}

impl ProcedureDef {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        self.number.visit_names(visit);
        for of in self.arguments.iter_mut().chain(&mut self.result) {
            of.specifier.visit_names(visit);
            of.shape.visit_names(visit);
        }
    }
}

impl TypeBody {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        match self {
            Self::Typedef(declaration) => declaration.visit_names(visit),
            Self::Enum(body) => {
                let values = body.members.iter_mut().filter_map(|member| member.value.as_mut());
                values.for_each(|value| value.visit_names(visit));
            }
            Self::Struct(body) => body.members.iter_mut().for_each(|of| of.visit_names(visit)),
            Self::Union(body) => {
                body.discriminant.visit_names(visit);
                for case in body.cases.iter_mut().chain(&mut body.default) {
                    case.labels.iter_mut().for_each(|label| label.visit_names(visit));
                    case.declaration.iter_mut().for_each(|of| of.visit_names(visit));
                }
            }
        }
    }
}

impl Declaration {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        self.specifier.visit_names(visit);
        self.shape.visit_names(visit);
    }
}

impl TypeSpecifier {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        match self {
            Self::Name(name) => visit(name, Sort::Type),
            Self::Body(body) => body.visit_names(visit),
            _ => {}
        }
    }
}

impl Shape {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        if let Self::Fixed(value) | Self::Variable(Some(value)) = self {
            value.visit_names(visit);
        }
    }
}

impl Value {
    fn visit_names(&mut self, visit: &mut Visitor<'_>) {
        match self {
            Self::Constant(..) => {}
            Self::Name(name) => visit(name, Sort::Constant),
            Self::Expression(expression) => {
                for part in &mut expression.parts {
                    if let Part::Name(name) = part {
                        visit(name, Sort::Constant);
                    }
                }
            }
        }
    }
}
