//! Options that cannot be followed.

use super::{ALL, Entry, Options, What};
use crate::Error;
use crate::model::{Body, Item, Model, Program, Type, TypeItem};
use crate::naming;

/// An option for a name that a file does not have.
#[derive(Debug)]
pub(crate) struct Unmatched {
    entry: Entry,
    /// A name that the file has.
    similar: Option<String>,
}

impl Unmatched {
    /// # Errors
    /// There is one that is among those of each of the files.
    pub(crate) fn in_all(mut files: Vec<Vec<Self>>) -> Result<(), Error> {
        let Some(last) = files.pop() else { return Ok(()) };
        let in_others = |one: &Self| {
            files.iter().all(|others| others.iter().any(|other| other.entry == one.entry))
        };
        last.into_iter().find(in_others).map_or(Ok(()), |one| Err(one.into_error()))
    }

    fn into_error(self) -> Error {
        Error::UnknownName {
            option: self.entry.what.option(),
            wanted: self.entry.what.wanted(),
            name: self.entry.name,
            similar: self.similar,
        }
    }
}

impl Options {
    /// # Errors
    /// What should be a type's path is none.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for entry in &self.entries {
            let parsed = match entry.what {
                What::ExternType => syn::parse_str::<syn::Type>(&entry.value).map(drop),
                What::Derive => entry
                    .value
                    .split(',')
                    .try_for_each(|one| syn::parse_str::<syn::Path>(one).map(drop)),
                _ => Ok(()),
            };
            parsed.map_err(|cause| Error::NotRust {
                option: entry.what.option(),
                text: entry.value.clone(),
                cause,
            })?;
        }
        Ok(())
    }

    /// The options for names that `model`, to which they have been applied, does not have.
    pub(crate) fn unmatched(&self, model: &Model) -> Vec<Unmatched> {
        let mut unmatched = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.name != ALL) {
            let names = candidates(entry.what, model);
            if !names.iter().any(|name| entry.is_for(name)) {
                let similar = similar(&entry.name, &names);
                unmatched.push(Unmatched { entry: entry.clone(), similar });
            }
        }
        unmatched
    }
}

/// The candidate, in full or without what stands before it, that was most likely meant.
fn similar(name: &str, candidates: &[String]) -> Option<String> {
    let last = |candidate: &'_ String| -> String {
        candidate.rsplit(['.', ':']).next().unwrap_or_default().to_owned()
    };
    let short: Vec<_> = candidates.iter().map(last).collect();
    let all = candidates.iter().chain(&short).map(String::as_str);
    naming::similar(name, all).map(str::to_owned)
}

/// The names that an option could be for.
fn candidates(what: What, model: &Model) -> Vec<String> {
    let types = |wanted: fn(&Body) -> bool| {
        let found = model.types.iter().filter(move |item| wanted(&item.body));
        found.map(|item| item.idl.clone())
    };
    match what {
        // One that the file defines is replaced, so that every type of the name is such a one.
        What::ExternType => types(|_| true).collect(),
        What::BytesStrings => model.types.iter().flat_map(strings).collect(),
        What::OpenEnum => types(|body| matches!(body, Body::Enum(_))).collect(),
        What::Derive => types(|body| !matches!(body, Body::Alias(_) | Body::Extern)).collect(),
        What::KeepPrefix => {
            let versions = programs(model).flat_map(|program| &program.versions);
            let enums = types(|body| matches!(body, Body::Enum(_)));
            enums.chain(versions.map(|version| version.idl.clone())).collect()
        }
        What::Deferred | What::Idempotent => programs(model).flat_map(procedures).collect(),
    }
}

fn programs(model: &Model) -> impl Iterator<Item = &Program> {
    model.items.iter().filter_map(|item| match item {
        Item::Program(program) => Some(program),
        _ => None,
    })
}

fn procedures(program: &Program) -> impl Iterator<Item = String> {
    program.versions.iter().flat_map(move |version| {
        let names = version.procedures.iter().map(|procedure| &procedure.idl);
        names.map(move |name| format!("{}.{}.{name}", program.idl, version.idl))
    })
}

/// The strings that a type declares.
fn strings(item: &TypeItem) -> Vec<String> {
    let is_string = |ty: &Type| matches!(ty, Type::String(_) | Type::ByteString(_));
    match &item.body {
        Body::Alias(ty) if is_string(ty) => vec![item.idl.clone()],
        Body::Struct(body) => {
            let strings = body.fields.iter().filter(|field| is_string(&field.ty));
            strings.map(|field| format!("{}.{}", item.idl, field.idl)).collect()
        }
        Body::Union(body) => {
            let arms = body.arms.iter().chain(&body.default);
            let strings = arms.filter_map(|arm| arm.field.as_ref()).filter(|f| is_string(&f.ty));
            strings.map(|field| format!("{}.{}", item.idl, field.idl)).collect()
        }
        _ => Vec::new(),
    }
}
