//! Declarations to types.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{
    Declaration, EnumBody, Ident, ProcedureType, Shape, StructBody, TypeBody, TypeSpecifier, Value,
};
use crate::code::Code;
use crate::diag::Diagnostic;
use crate::docs::Docs;
use crate::model::{Body, Enum, Field, Member, Struct, Type, TypeId, TypeItem};
use crate::naming::{self, Scope};
use crate::source::Span;

use super::{Resolver, duplicate, similar};

/// No bound: RFC 4506 §4.10.
const UNBOUNDED: u32 = u32::MAX;

/// Types that every C compiler with Sun's headers knows.
const ALIASES: [(&str, Type); 36] = [
    ("bool_t", Type::Bool),
    ("char", Type::I32),
    ("des_block", Type::OpaqueFixed(8)),
    ("int8_t", Type::I32),
    ("int16_t", Type::I32),
    ("int32_t", Type::I32),
    ("int64_t", Type::I64),
    ("int8", Type::I32),
    ("int16", Type::I32),
    ("int32", Type::I32),
    ("int64", Type::I64),
    ("long", Type::I32),
    ("netobj", Type::Opaque(1024)),
    ("quad_t", Type::I64),
    ("rpcport_t", Type::U32),
    ("rpcproc_t", Type::U32),
    ("rpcprog_t", Type::U32),
    ("rpcvers_t", Type::U32),
    ("short", Type::I32),
    ("u_char", Type::U32),
    ("u_hyper", Type::U64),
    ("u_int", Type::U32),
    ("u_int8_t", Type::U32),
    ("u_int16_t", Type::U32),
    ("u_int32_t", Type::U32),
    ("u_int64_t", Type::U64),
    ("u_long", Type::U32),
    ("u_quad_t", Type::U64),
    ("u_short", Type::U32),
    ("uint8_t", Type::U32),
    ("uint16_t", Type::U32),
    ("uint32_t", Type::U32),
    ("uint64_t", Type::U64),
    ("uint8", Type::U32),
    ("uint32", Type::U32),
    ("uint64", Type::U64),
];

/// Whether a type of this name needs no definition.
pub(crate) fn is_built_in(name: &str) -> bool {
    name == "netbuf" || ALIASES.iter().any(|(alias, _)| *alias == name)
}

/// For similar names.
const KEYWORDS: [&str; 9] =
    ["int", "unsigned", "hyper", "float", "double", "quadruple", "bool", "opaque", "string"];

/// What to do about a type that C gets from a header.
fn elsewhere(name: &str) -> String {
    let rust = naming::upper_camel(naming::last(name));
    format!(
        "define it, `#include` the file that does, or say what Rust type it is: \
         `extern_type(\"{name}\", \"crate::{rust}\")`"
    )
}

impl<'a> Resolver<'a> {
    pub(super) fn lower_body(&mut self, id: TypeId, body: &'a TypeBody) {
        match body {
            TypeBody::Enum(body) => self.lower_enum(id, body),
            TypeBody::Struct(body) => self.lower_struct(id, body),
            TypeBody::Union(body) => self.unions.push_back((id, body)),
            TypeBody::Typedef(declaration) => {
                // RFC 4506 §4.18: `typedef struct { ... } name` is `struct name { ... }`.
                if let (TypeSpecifier::Body(body), Shape::One) =
                    (&declaration.specifier, &declaration.shape)
                {
                    return self.lower_body(id, body);
                }
                let ty = self.declaration(id, declaration);
                self.model.types[id].body = Body::Alias(ty);
            }
        }
    }

    fn lower_enum(&mut self, id: TypeId, body: &EnumBody) {
        let idl: Vec<_> = body.members.iter().map(|member| member.name.name.as_str()).collect();
        let item = &self.model.types[id];
        let short =
            naming::members(&idl, naming::last(&item.idl), self.options.keeps_prefix(&item.idl));
        let is_open = self.options.is_open(item);
        let mut scope = Scope::reserving(&naming::ASSOCIATED);
        let mut lowered = Enum::default();
        let mut seen = BTreeSet::new();
        for (member, short) in body.members.iter().zip(short) {
            let Some(value) = self.enum_value(id, &member.name) else { continue };
            let repeats = !seen.insert(value);
            let name = match repeats {
                true => self.style.shouty(&short),
                false => self.style.upper_camel(&short),
            };
            let rust = scope.take(name);
            let idl = member.name.name.clone();
            let member = Member { idl, rust, value, docs: member.docs.clone() };
            if repeats { &mut lowered.aliases } else { &mut lowered.members }.push(member);
        }
        lowered.unknown = is_open.then(|| scope.take("Unknown".to_owned()));
        self.model.types[id].body = Body::Enum(lowered);
    }

    fn enum_value(&mut self, id: TypeId, name: &Ident) -> Option<i32> {
        let namespace = naming::namespace(&self.model.types[id].idl);
        let value = self.member_number(namespace, &name.name)?;
        let fits = i32::try_from(value).ok();
        if fits.is_none() {
            let message = format!("`{}` is {value}, which no enum can hold", name.name);
            let error =
                Diagnostic::new(Code::EnumRange, name.span, message).label("must fit an `int`");
            self.error(error);
        }
        fits
    }

    fn lower_struct(&mut self, id: TypeId, body: &'a StructBody) {
        let mut seen = BTreeMap::new();
        let mut scope = Scope::default();
        let mut fields = Vec::new();
        for member in &body.members {
            self.check_member(&mut seen, &member.name);
            fields.push(self.field(id, member, &mut scope));
        }
        self.model.types[id].body = Body::Struct(Struct { fields, next: None });
    }

    /// Reports a name that a struct or union has already.
    pub(super) fn check_member(&mut self, seen: &mut BTreeMap<String, Span>, name: &Ident) {
        match seen.get(&name.name) {
            Some(first) => self.error(duplicate("member", name, *first)),
            None => drop(seen.insert(name.name.clone(), name.span)),
        }
    }

    pub(super) fn field(&mut self, owner: TypeId, of: &'a Declaration, scope: &mut Scope) -> Field {
        Field {
            idl: of.name.name.clone(),
            rust: scope.take(self.style.snake(&of.name.name)),
            ty: self.declaration(owner, of),
            docs: of.docs.clone(),
        }
    }

    pub(super) fn declaration(&mut self, owner: TypeId, of: &'a Declaration) -> Type {
        let ty = match &of.specifier {
            TypeSpecifier::Body(body) => {
                let inner = self.inner_type(owner, &of.name, body, &of.docs);
                self.shaped(Type::Named(inner), &of.shape)
            }
            specifier => self.typed(specifier, &of.shape),
        };
        if let Type::Fixed(inner, _) | Type::Array(inner, _) = &ty {
            self.arrays.push((of.name.span, Type::clone(inner)));
        }
        ty
    }

    /// A body without a name of its own gets that of the type it is in and of its declaration.
    fn inner_type(
        &mut self,
        owner: TypeId,
        name: &Ident,
        body: &'a TypeBody,
        docs: &Docs,
    ) -> TypeId {
        let outer = &self.model.types[owner];
        let idl = format!("{}.{}", outer.idl, name.name);
        if let Some(path) = self.options.extern_type(&idl) {
            let name = Ident { name: idl, ..name.clone() };
            return self.extern_type(&name, path);
        }
        let rust = self.style.inner(&outer.rust, &name.name);
        let rust = self.scope_of(&idl).take(rust);
        let docs = Docs { idl: docs.idl.clone(), span: docs.span, ..Docs::default() };
        self.model.types.push(TypeItem { idl, rust, body: Body::Alias(Type::Bool), docs });
        self.places.push(name.span);
        let id = self.model.types.len() - 1;
        self.inner.entry(owner).or_default().push(id);
        self.lower_body(id, body);
        id
    }

    /// The type of a procedure's argument or result.
    pub(super) fn procedure_type(&mut self, of: &'a ProcedureType) -> Type {
        if let TypeSpecifier::Body(..) = of.specifier {
            let error =
                Diagnostic::new(Code::UnnamedType, of.span, "a procedure's type needs a name")
                    .help("define it before the program");
            self.error(error);
            return Type::Bool;
        }
        self.typed(&of.specifier, &of.shape)
    }

    fn typed(&mut self, specifier: &'a TypeSpecifier, shape: &Shape) -> Type {
        let one = match specifier {
            TypeSpecifier::Opaque => return self.opaque(shape),
            TypeSpecifier::String => return Type::String(self.maximum(shape)),
            TypeSpecifier::Int => Type::I32,
            TypeSpecifier::UnsignedInt => Type::U32,
            TypeSpecifier::Hyper => Type::I64,
            TypeSpecifier::UnsignedHyper => Type::U64,
            TypeSpecifier::Float => Type::F32,
            TypeSpecifier::Double => Type::F64,
            TypeSpecifier::Quadruple => Type::Quadruple,
            TypeSpecifier::Bool => Type::Bool,
            TypeSpecifier::Name(name) => self.named(name),
            // `declaration` has handled those that a grammar lets through.
            TypeSpecifier::Body(..) => Type::Bool,
        };
        self.shaped(one, shape)
    }

    fn opaque(&mut self, shape: &Shape) -> Type {
        match shape {
            Shape::Fixed(size) => Type::OpaqueFixed(self.size(size)),
            _ => Type::Opaque(self.maximum(shape)),
        }
    }

    fn shaped(&mut self, one: Type, shape: &Shape) -> Type {
        match shape {
            Shape::One => one,
            Shape::Fixed(size) => Type::Fixed(Box::new(one), self.size(size)),
            Shape::Variable(_) => Type::Array(Box::new(one), self.maximum(shape)),
            Shape::Optional => Type::Option(Box::new(one)),
        }
    }

    fn maximum(&mut self, shape: &Shape) -> u32 {
        match shape {
            Shape::Variable(Some(bound)) => self.unsigned(bound, "bound").unwrap_or(UNBOUNDED),
            _ => UNBOUNDED,
        }
    }

    fn size(&mut self, size: &Value) -> u32 {
        let Some(number) = self.unsigned(size, "length") else { return 1 };
        if number == 0 {
            let error = Diagnostic::new(
                Code::EmptyArray,
                size.span(),
                "an array of fixed length needs an element",
            )
            .help("an array of variable length (`name<MAX>`) may be empty");
            self.error(error);
        }
        number
    }

    fn named(&mut self, name: &'a Ident) -> Type {
        if let Some((id, _)) = self.names.get(name.name.as_str()) {
            return Type::Named(*id);
        }
        if let Some(path) = self.options.extern_type(&name.name) {
            let id = self.extern_type(name, path);
            self.names.insert(&name.name, (id, name.span));
            return Type::Named(id);
        }
        if let Some((_, ty)) = ALIASES.iter().find(|(alias, _)| *alias == name.name) {
            return ty.clone();
        }
        if name.name == "netbuf" {
            return Type::Named(self.netbuf());
        }
        Type::Named(self.unknown_type(name))
    }

    /// Reports a name that is defined nowhere; what stands for it causes no other error.
    fn unknown_type(&mut self, name: &'a Ident) -> TypeId {
        let error = self.unknown_type_error(name);
        self.error(error.unknown(&name.name));
        let id = self.extern_type(name, "");
        self.names.insert(&name.name, (id, name.span));
        self.unknown.insert(id);
        id
    }

    fn unknown_type_error(&self, name: &Ident) -> Diagnostic {
        if let Some(place) = self.constants.defined_at(&name.name) {
            let message = format!("`{}` is a constant, not a type", name.name);
            return Diagnostic::new(Code::UnknownType, name.span, message)
                .label("a type is needed here")
                .also(place, "defined here");
        }
        let message = format!("cannot find type `{}`", name.name);
        let error = Diagnostic::new(Code::UnknownType, name.span, message)
            .label("not defined in this file or its includes");
        match self.similar_type(&name.name) {
            Some(other) => error.replace_by(other, "a type has a similar name"),
            None => error.help(elsewhere(&name.name)),
        }
    }

    /// Comparing takes time: of very many unknown names, not all are worth it.
    fn similar_type(&self, name: &str) -> Option<&str> {
        if self.diagnostics.are_many() {
            return None;
        }
        let defined = self.names.iter().filter(|(_, (id, _))| !self.unknown.contains(id));
        let aliases = ALIASES.iter().map(|(alias, _)| *alias);
        similar(name, defined.map(|(name, _)| *name).chain(KEYWORDS).chain(aliases))
    }

    /// An address as libtirpc's headers have it: its files use the type and leave it undefined.
    fn netbuf(&mut self) -> TypeId {
        if let Some(id) = self.netbuf {
            return id;
        }
        let field = |name: &str, ty, idl: &str| Field {
            idl: name.to_owned(),
            rust: name.to_owned(),
            ty,
            docs: Docs { idl: vec![idl.to_owned()], ..Docs::default() },
        };
        let fields = vec![
            field("maxlen", Type::U32, "unsigned int maxlen;"),
            field("buf", Type::Opaque(UNBOUNDED), "opaque buf<>;"),
        ];
        let idl = "struct netbuf { unsigned int maxlen; opaque buf<>; };".to_owned();
        let docs = Docs { idl: vec![idl], ..Docs::default() };
        let rust = self.scope_of("netbuf").take("Netbuf".to_owned());
        let body = Body::Struct(Struct { fields, next: None });
        self.model.types.push(TypeItem { idl: "netbuf".to_owned(), rust, body, docs });
        // No error can be about it.
        self.places.push(Span { file: 0, start: 0, end: 0 });
        let id = self.model.types.len() - 1;
        self.netbuf = Some(id);
        id
    }
}
