//! What `describe` says of an interface, in the shape that values are made and read by.

use std::collections::HashMap;

use farcall_rpcgen::describe::{self, Body, Length, Lengths};

/// What the names of booleans start with that lie in a run of words.
const INLINED: &str = "inlined_";

/// The types of an interface. A [`Type::Named`] is an index into it.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) definitions: Vec<Definition>,
    /// How many bytes each of them takes.
    pub(crate) lengths: Vec<Lengths>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) enum Definition {
    Alias(Type),
    Enum(Vec<i32>),
    Struct(Vec<Type>),
    Union(Union),
}

#[derive(Debug)]
pub(crate) struct Union {
    pub(crate) discriminant: Type,
    pub(crate) arms: Vec<Arm>,
    /// The default's type, which is `None` for `void`.
    pub(crate) default: Option<Option<Type>>,
}

#[derive(Debug)]
pub(crate) struct Arm {
    /// As the words are on the wire.
    pub(crate) labels: Vec<u32>,
    pub(crate) ty: Option<Type>,
}

#[derive(Debug, Clone)]
pub(crate) enum Type {
    /// `int`, `unsigned int`.
    Word,
    /// An integer that C keeps in fewer bytes.
    Narrow(Narrow),
    /// A number of so many bytes.
    Number(usize),
    Bool {
        /// Whether it lies in a run of words that C reads without a call for each.
        inlined: bool,
    },
    OpaqueFixed(usize),
    Opaque(u32),
    Text(u32),
    Fixed(Box<Self>, usize),
    Array(Box<Self>, u32),
    Optional(Box<Self>),
    Named(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Narrow {
    I8,
    U8,
    I16,
    U16,
}

impl Narrow {
    /// What is left of the word `value` when C has kept and widened it.
    pub(crate) fn cut(self, value: u32) -> u32 {
        let [.., high, low] = value.to_be_bytes();
        match self {
            Self::I8 => i32::from(low.cast_signed()).cast_unsigned(),
            Self::U8 => u32::from(low),
            Self::I16 => i32::from(i16::from_be_bytes([high, low])).cast_unsigned(),
            Self::U16 => u32::from(u16::from_be_bytes([high, low])),
        }
    }

    /// The interfaces' members tell by name what `describe` does not: it knows no narrow numbers,
    /// as there are none on the wire.
    fn of_member(name: &str) -> Option<Self> {
        let prefixes = [
            ("u_short_", Self::U16),
            ("u_char_", Self::U8),
            ("short_", Self::I16),
            ("char_", Self::I8),
        ];
        prefixes.into_iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, narrow)| narrow)
    }
}

impl Schema {
    /// The index of a type.
    pub(crate) fn named(&self, name: &str) -> usize {
        self.by_name[name]
    }

    /// All values of a type that has few: of a boolean or an enumeration.
    pub(crate) fn values(&self, ty: &Type) -> Option<Vec<u32>> {
        match ty {
            Type::Bool { .. } => Some(vec![0, 1]),
            Type::Named(id) => match &self.definitions[*id] {
                Definition::Alias(target) => self.values(target),
                Definition::Enum(values) => {
                    Some(values.iter().map(|value| value.cast_unsigned()).collect())
                }
                Definition::Struct(_) | Definition::Union(_) => None,
            },
            _ => None,
        }
    }
}

/// What the compiler says of a file.
pub(crate) fn load(path: &str) -> Schema {
    let description = farcall_rpcgen::describe(path).expect("it was compiled");
    let names = description.types.iter().enumerate().map(|(id, ty)| (ty.name.clone(), id));
    let by_name = names.collect();
    let definitions = description.types.iter().map(|ty| definition(&by_name, &ty.body)).collect();
    let lengths = description.types.iter().map(|ty| ty.encoded_len).collect();
    Schema { definitions, lengths, by_name }
}

type Names = HashMap<String, usize>;

fn definition(names: &Names, body: &Body) -> Definition {
    match body {
        Body::Typedef { ty } => Definition::Alias(convert(names, ty)),
        Body::Enum { members } => Definition::Enum(members.iter().map(|m| m.value).collect()),
        Body::Struct { members } => {
            Definition::Struct(members.iter().map(|m| member(names, &m.name, &m.ty)).collect())
        }
        Body::Union { discriminant, arms } => {
            let (default, arms): (Vec<_>, Vec<_>) = arms.iter().partition(|arm| arm.default);
            Definition::Union(Union {
                discriminant: convert(names, &discriminant.ty),
                arms: arms.into_iter().map(|a| arm(names, a)).collect(),
                default: default.first().map(|a| arm(names, a).ty),
            })
        }
    }
}

fn arm(names: &Names, arm: &describe::Arm) -> Arm {
    let word = |label: &i64| {
        let [.., a, b, c, d] = label.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    };
    let declared = arm.name.as_ref().zip(arm.ty.as_ref());
    Arm {
        labels: arm.labels.iter().map(word).collect(),
        ty: declared.map(|(name, ty)| member(names, name, ty)),
    }
}

/// A type with what only the name of its member tells.
fn member(names: &Names, name: &str, ty: &describe::Type) -> Type {
    let inlined = name.starts_with(INLINED);
    match convert(names, ty) {
        Type::Word => Narrow::of_member(name).map_or(Type::Word, Type::Narrow),
        Type::Bool { .. } => Type::Bool { inlined },
        Type::Fixed(of, count) if inlined && matches!(*of, Type::Bool { .. }) => {
            Type::Fixed(Box::new(Type::Bool { inlined }), count)
        }
        ty => ty,
    }
}

fn convert(names: &Names, ty: &describe::Type) -> Type {
    use describe::Type as T;
    let of = |ty| Box::new(convert(names, ty));
    let fixed = |len: u32| usize::try_from(len).expect("32 bits");
    let bound = |max: Option<u32>| max.unwrap_or(u32::MAX);
    match ty {
        T::Int | T::UnsignedInt => Type::Word,
        T::Hyper | T::UnsignedHyper | T::Double => Type::Number(8),
        T::Float => Type::Number(4),
        T::Quadruple => Type::Number(16),
        T::Bool => Type::Bool { inlined: false },
        T::Opaque(Length::Fixed(len)) => Type::OpaqueFixed(fixed(*len)),
        T::Opaque(Length::Max(max)) => Type::Opaque(bound(*max)),
        T::String { max } => Type::Text(bound(*max)),
        T::Array { of: ty, length: Length::Fixed(len) } => Type::Fixed(of(ty), fixed(*len)),
        T::Array { of: ty, length: Length::Max(max) } => Type::Array(of(ty), bound(*max)),
        T::Optional { of: ty } => Type::Optional(of(ty)),
        T::Named { name } => Type::Named(names[name]),
    }
}
