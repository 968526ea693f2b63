//! Values of a type, at random, as their bytes: made from the description alone, by neither of the
//! codecs that are compared.

use crate::random::Random;
use crate::schema::{Definition, Narrow, Schema, Type, Union};

/// A value's bytes, and what lies where.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<Mark>,
}

/// Something at a place in the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) at: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Word,
    Narrow,
    /// A boolean, or whether an optional is there.
    Bool,
    Enum,
    Discriminant,
    Length {
        max: u32,
    },
    /// So many bytes of a string.
    Text(usize),
    /// So many bytes of padding.
    Padding(usize),
}

/// Where recursion stops where it can: deep enough for every shape, far from any limit.
const DEEP: usize = 12;

/// Bytes from which a value is kept from growing.
const LARGE: usize = 1500;

/// Makes samples of one interface.
#[derive(Debug)]
pub(crate) struct Sampler<'a> {
    schema: &'a Schema,
    /// How many levels of types a value of each definition has at least.
    heights: Vec<usize>,
    random: &'a mut Random,
    sample: Sample,
}

impl<'a> Sampler<'a> {
    pub(crate) fn new(schema: &'a Schema, random: &'a mut Random) -> Self {
        Self { schema, heights: heights(schema), random, sample: Sample::default() }
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        self.random
    }

    /// A value of the type with this index.
    pub(crate) fn value(&mut self, id: usize) -> Sample {
        self.sample = Sample::default();
        self.definition(id, 0);
        std::mem::take(&mut self.sample)
    }

    fn definition(&mut self, id: usize, depth: usize) {
        let schema = self.schema;
        match &schema.definitions[id] {
            Definition::Alias(ty) => self.ty(ty, depth),
            Definition::Enum(values) => {
                let value = *self.random.pick(values);
                self.word(What::Enum, value.cast_unsigned());
            }
            Definition::Struct(members) => {
                members.iter().for_each(|ty| self.ty(ty, depth + 1));
            }
            Definition::Union(union) => self.union(union, depth),
        }
    }

    fn ty(&mut self, ty: &Type, depth: usize) {
        match ty {
            Type::Word => {
                let value = self.integer();
                self.word(What::Word, value);
            }
            Type::Narrow(narrow) => self.narrow(*narrow),
            Type::Number(len) => self.number(*len),
            Type::Bool { .. } => {
                let value = self.random.u32() & 1;
                self.word(What::Bool, value);
            }
            Type::OpaqueFixed(len) => self.opaque(*len),
            Type::Opaque(max) => {
                let len = self.length(*max, depth);
                self.opaque(len);
            }
            Type::Text(max) => self.text(*max, depth),
            Type::Fixed(of, count) => (0..*count).for_each(|_| self.ty(of, depth)),
            Type::Array(of, max) => {
                let count = self.length(*max, depth);
                (0..count).for_each(|_| self.ty(of, depth + 1));
            }
            Type::Optional(of) => self.optional(of, depth),
            Type::Named(id) => self.definition(*id, depth),
        }
    }

    fn optional(&mut self, of: &Type, depth: usize) {
        let there = !self.must_end(depth) && !self.random.one_in(3);
        self.word(What::Bool, u32::from(there));
        if there {
            self.ty(of, depth + 1);
        }
    }

    fn union(&mut self, union: &Union, depth: usize) {
        let mut arms: Vec<_> = union.arms.iter().map(|arm| (Some(arm), arm.ty.as_ref())).collect();
        let other = self.other_discriminant(union);
        if let (Some(default), Some(_)) = (&union.default, other) {
            arms.push((None, default.as_ref()));
        }
        if self.must_end(depth) {
            let height = |ty: &Option<&Type>| ty.map_or(0, |ty| height(ty, &self.heights));
            let least = arms.iter().map(|(_, ty)| height(ty)).min();
            arms.retain(|(_, ty)| Some(height(ty)) == least);
        }
        let (arm, ty) = *self.random.pick(&arms);
        let discriminant = arm.map_or_else(
            || other.expect("only then is the default among the arms"),
            |arm| *self.random.pick(&arm.labels),
        );
        self.word(What::Discriminant, discriminant);
        if let Some(ty) = ty {
            self.ty(ty, depth + 1);
        }
    }

    /// A discriminant that no arm names.
    fn other_discriminant(&mut self, union: &Union) -> Option<u32> {
        let named = |value: &u32| union.arms.iter().any(|arm| arm.labels.contains(value));
        match self.schema.values(&union.discriminant) {
            Some(mut values) => {
                values.retain(|value| !named(value));
                (!values.is_empty()).then(|| *self.random.pick(&values))
            }
            None => Some(self.integer()).filter(|value| !named(value)),
        }
    }

    fn integer(&mut self) -> u32 {
        const EDGES: [u32; 8] = [0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0xff, 0x1_0000, 4];
        if self.random.one_in(3) { *self.random.pick(&EDGES) } else { self.random.u32() }
    }

    fn narrow(&mut self, narrow: Narrow) {
        let value = self.integer();
        self.word(What::Narrow, narrow.cut(value));
    }

    /// Any bytes: the special values of floating point often.
    fn number(&mut self, len: usize) {
        const STARTS: [[u8; 4]; 10] = [
            [0x00, 0x00, 0x00, 0x00],
            [0x80, 0x00, 0x00, 0x00],
            [0xff, 0xff, 0xff, 0xff],
            [0x7f, 0xff, 0xff, 0xff],
            [0x7f, 0x80, 0x00, 0x00],
            [0x7f, 0xf0, 0x00, 0x00],
            [0xff, 0xf0, 0x00, 0x00],
            // Not numbers, the first of them signalling.
            [0x7f, 0x80, 0x00, 0x01],
            [0x7f, 0xf0, 0x00, 0x01],
            [0x7f, 0xf8, 0x00, 0x00],
        ];
        let mut bytes = self.random.bytes(len);
        if self.random.one_in(2) {
            let start: &[u8; 4] = self.random.pick(&STARTS);
            bytes[..4].copy_from_slice(start);
        }
        if self.random.one_in(4) {
            bytes[4..].fill(0);
        }
        self.sample.bytes.extend(bytes);
    }

    fn opaque(&mut self, len: usize) {
        let bytes = self.random.bytes(len);
        self.sample.bytes.extend(bytes);
        self.pad();
    }

    fn text(&mut self, max: u32, depth: usize) {
        const LETTERS: [&str; 6] = ["a", "Z", "~", "\u{e9}", "\u{20ac}", "\u{1f980}"];
        let len = self.length(max, depth);
        let mut text = String::new();
        while text.len() < len {
            let letter = *self.random.pick(&LETTERS);
            text += if text.len() + letter.len() <= len { letter } else { "." };
        }
        self.mark(What::Text(len));
        self.sample.bytes.extend(text.into_bytes());
        self.pad();
    }

    fn length(&mut self, max: u32, depth: usize) -> usize {
        let small = if self.random.one_in(20) { 100 } else { 9 };
        let most = usize::try_from(max).expect("32 bits");
        let len = match self.random.below(6) {
            _ if self.must_end(depth) => 0,
            0 => 0,
            1 if most <= 1024 => most,
            2 if most <= 1024 => most - 1,
            _ => self.random.below(most.min(small) + 1),
        };
        let word = u32::try_from(len).expect("at most the bound");
        self.word(What::Length { max }, word);
        len
    }

    fn must_end(&self, depth: usize) -> bool {
        depth >= DEEP || self.sample.bytes.len() >= LARGE
    }

    fn word(&mut self, what: What, value: u32) {
        self.mark(what);
        self.sample.bytes.extend(value.to_be_bytes());
    }

    fn pad(&mut self) {
        let len = self.sample.bytes.len().wrapping_neg() & 3;
        if len > 0 {
            self.mark(What::Padding(len));
            self.sample.bytes.extend(&[0; 3][..len]);
        }
    }

    fn mark(&mut self, what: What) {
        self.sample.marks.push(Mark { at: self.sample.bytes.len(), what });
    }
}

/// For each definition, how many levels a value has that ends as soon as it can.
fn heights(schema: &Schema) -> Vec<usize> {
    let mut heights = vec![usize::MAX / 2; schema.definitions.len()];
    loop {
        let next: Vec<_> =
            schema.definitions.iter().map(|definition| least(definition, &heights)).collect();
        if next == heights {
            return heights;
        }
        heights = next;
    }
}

fn least(definition: &Definition, heights: &[usize]) -> usize {
    let optional = |ty: &Option<Type>| ty.as_ref().map_or(0, |ty| height(ty, heights));
    match definition {
        Definition::Alias(ty) => height(ty, heights),
        Definition::Enum(_) => 0,
        Definition::Struct(members) => {
            1 + members.iter().map(|ty| height(ty, heights)).max().unwrap_or(0)
        }
        Definition::Union(union) => {
            let arms = union.arms.iter().map(|arm| &arm.ty).chain(&union.default);
            1 + arms.map(optional).min().unwrap_or(0)
        }
    }
}

fn height(ty: &Type, heights: &[usize]) -> usize {
    match ty {
        Type::Fixed(of, _) => height(of, heights),
        Type::Named(id) => heights[*id],
        _ => 0,
    }
}
