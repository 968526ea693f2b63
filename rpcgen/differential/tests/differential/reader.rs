//! What the two codecs should make of any bytes, said a third time: with the description, and the
//! habits of C or without.

use crate::differences::Habit;
use crate::schema::{Definition, Schema, Type, Union};
use farcall_rpcgen_differential::Accepted;

/// The bytes are no value.
#[derive(Debug)]
struct Refused;

/// Reads a value, and writes it again.
#[derive(Debug)]
struct Reader<'a> {
    schema: &'a Schema,
    input: &'a [u8],
    at: usize,
    out: Vec<u8>,
    like_c: bool,
    habits: Vec<Habit>,
}

/// What Rust makes of the input, as a value of the type with this index.
pub(crate) fn as_rust(schema: &Schema, id: usize, input: &[u8]) -> Option<Accepted> {
    read(schema, id, input, false).0
}

/// What C makes of it, and which of its habits have to do with that.
pub(crate) fn as_c(schema: &Schema, id: usize, input: &[u8]) -> (Option<Accepted>, Vec<Habit>) {
    read(schema, id, input, true)
}

fn read(schema: &Schema, id: usize, input: &[u8], like_c: bool) -> (Option<Accepted>, Vec<Habit>) {
    let mut reader = Reader { schema, input, at: 0, out: Vec::new(), like_c, habits: Vec::new() };
    let read = reader.definition(id);
    let accepted = read.ok().map(|()| Accepted { consumed: reader.at, bytes: reader.out });
    (accepted, reader.habits)
}

impl<'a> Reader<'a> {
    fn definition(&mut self, id: usize) -> Result<(), Refused> {
        let schema = self.schema;
        match &schema.definitions[id] {
            Definition::Alias(ty) => self.ty(ty),
            Definition::Enum(values) => self.enumerator(values).map(drop),
            Definition::Struct(members) => members.iter().try_for_each(|ty| self.ty(ty)),
            Definition::Union(union) => self.union(union),
        }
    }

    fn ty(&mut self, ty: &Type) -> Result<(), Refused> {
        match ty {
            Type::Word => self.word().map(|value| self.put(value)),
            Type::Narrow(narrow) => {
                let value = self.word()?;
                let cut = narrow.cut(value);
                let kept = if cut != value && self.habit(Habit::CutsNumbers) { cut } else { value };
                self.put(kept);
                Ok(())
            }
            Type::Number(len) => self.raw(*len),
            Type::Bool { inlined } => self.boolean(*inlined).map(drop),
            Type::OpaqueFixed(len) => self.opaque(*len),
            Type::Opaque(max) => self.length(*max).and_then(|len| self.opaque(len)),
            Type::Text(max) => self.text(*max),
            Type::Fixed(of, count) => (0..*count).try_for_each(|_| self.ty(of)),
            Type::Array(of, max) => {
                let count = self.length(*max)?;
                (0..count).try_for_each(|_| self.ty(of))
            }
            Type::Optional(of) => {
                if self.boolean(false)? == 1 {
                    self.ty(of)
                } else {
                    Ok(())
                }
            }
            Type::Named(id) => self.definition(*id),
        }
    }

    fn enumerator(&mut self, values: &[i32]) -> Result<u32, Refused> {
        let value = self.word()?;
        if !values.contains(&value.cast_signed()) && !self.habit(Habit::TakesAnyEnumerator) {
            return Err(Refused);
        }
        self.put(value);
        Ok(value)
    }

    fn boolean(&mut self, inlined: bool) -> Result<u32, Refused> {
        let value = self.word()?;
        let odd = inlined && value > 1;
        let kept = if odd && self.habit(Habit::KeepsBooleans) { value } else { value.min(1) };
        self.put(kept);
        Ok(kept)
    }

    fn union(&mut self, union: &Union) -> Result<(), Refused> {
        let discriminant = self.discriminant(&union.discriminant)?;
        let arm = union.arms.iter().find(|arm| arm.labels.contains(&discriminant));
        match (arm, &union.default) {
            (Some(arm), _) => arm.ty.as_ref().map_or(Ok(()), |ty| self.ty(ty)),
            (None, Some(default)) => default.as_ref().map_or(Ok(()), |ty| self.ty(ty)),
            (None, None) => Err(Refused),
        }
    }

    fn discriminant(&mut self, ty: &Type) -> Result<u32, Refused> {
        let schema = self.schema;
        match ty {
            Type::Bool { .. } => self.boolean(false),
            Type::Named(id) => match &schema.definitions[*id] {
                Definition::Alias(target) => self.discriminant(target),
                Definition::Enum(values) => self.enumerator(values),
                Definition::Struct(_) | Definition::Union(_) => {
                    unreachable!("the compiler refuses such a discriminant")
                }
            },
            _ => {
                let value = self.word()?;
                self.put(value);
                Ok(value)
            }
        }
    }

    fn raw(&mut self, len: usize) -> Result<(), Refused> {
        let bytes = self.bytes(len)?;
        self.out.extend(bytes);
        Ok(())
    }

    fn opaque(&mut self, len: usize) -> Result<(), Refused> {
        self.raw(len)?;
        self.padding(len)
    }

    fn text(&mut self, max: u32) -> Result<(), Refused> {
        let written = self.out.len();
        let len = self.length(max)?;
        let mut text = self.bytes(len)?;
        if std::str::from_utf8(text).is_err() && !self.habit(Habit::TakesAnyText) {
            return Err(Refused);
        }
        if let Some(end) = text.iter().position(|&byte| byte == 0)
            && self.habit(Habit::EndsTextAtNul)
        {
            text = &text[..end];
        }
        self.skip_padding(len)?;
        self.out.truncate(written);
        self.put(u32::try_from(text.len()).expect("it was a word"));
        self.out.extend(text);
        self.pad(text.len());
        Ok(())
    }

    fn padding(&mut self, len: usize) -> Result<(), Refused> {
        self.skip_padding(len)?;
        self.pad(len);
        Ok(())
    }

    /// Any bytes will do: neither of the two looks at them.
    fn skip_padding(&mut self, len: usize) -> Result<(), Refused> {
        self.bytes(len.wrapping_neg() & 3).map(drop)
    }

    fn pad(&mut self, len: usize) {
        self.out.extend(&[0; 3][..len.wrapping_neg() & 3]);
    }

    fn length(&mut self, max: u32) -> Result<usize, Refused> {
        let len = self.word()?;
        if len > max {
            return Err(Refused);
        }
        self.put(len);
        usize::try_from(len).map_err(|_| Refused)
    }

    /// Whether this is to be done as C does it.
    fn habit(&mut self, habit: Habit) -> bool {
        if self.like_c {
            self.habits.push(habit);
        }
        self.like_c
    }

    fn word(&mut self) -> Result<u32, Refused> {
        let bytes = self.bytes(4)?;
        Ok(bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Refused> {
        let bytes = self.input.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(Refused)?;
        self.at += len;
        Ok(bytes)
    }

    fn put(&mut self, value: u32) {
        self.out.extend(value.to_be_bytes());
    }
}
