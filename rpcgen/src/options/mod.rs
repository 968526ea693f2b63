//! What a [`Config`](crate::Config) asks for beside what the `.x` file says.

mod apply;
mod builder;
mod check;

pub(crate) use check::Unmatched;

use crate::model::TypeItem;

/// All of it that resolver and emitter need.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) client: bool,
    pub(crate) server: bool,
    /// Whether names stay as they are in the `.x` file.
    pub(crate) c_names: bool,
    entries: Vec<Entry>,
}

/// One thing asked for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    what: What,
    /// Whom it is for, or [`ALL`].
    name: String,
    /// A type's path, or what to derive.
    value: String,
}

/// The options that are for a name; the builder's methods are called alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    ExternType,
    BytesStrings,
    OpenEnum,
    KeepPrefix,
    Derive,
    Deferred,
    Idempotent,
}

/// The name that means all.
const ALL: &str = "*";

impl Default for Options {
    fn default() -> Self {
        Self { client: true, server: true, c_names: false, entries: Vec::new() }
    }
}

impl Options {
    pub(crate) fn add(&mut self, what: What, name: impl Into<String>, value: impl Into<String>) {
        let entry = Entry { what, name: name.into(), value: value.into() };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    fn of(&self, what: What) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.what == what)
    }

    fn has(&self, what: What, name: &str) -> bool {
        self.of(what).any(|entry| entry.is_for(name))
    }

    /// The Rust type to be used for the type `name`, if it is not to be generated.
    pub(crate) fn extern_type(&self, name: &str) -> Option<&str> {
        let entry = self.of(What::ExternType).find(|entry| entry.is_for(name))?;
        Some(&entry.value)
    }

    /// Whether the enum has a variant for values that it does not name.
    pub(crate) fn is_open(&self, item: &TypeItem) -> bool {
        item.docs.has_tag("open") || self.has(What::OpenEnum, &item.idl)
    }

    /// Whether the members of the enum or version `name` keep the words that all have in common.
    pub(crate) fn keeps_prefix(&self, name: &str) -> bool {
        self.c_names || self.has(What::KeepPrefix, name)
    }

    /// What to derive for a type beside what every type has.
    pub(crate) fn derives<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.of(What::Derive)
            .filter(move |entry| entry.is_for(name))
            .flat_map(|entry| entry.value.split(',').map(str::trim))
    }
}

impl What {
    /// The builder's method.
    fn option(self) -> &'static str {
        match self {
            Self::ExternType => "extern_type",
            Self::BytesStrings => "bytes_strings",
            Self::OpenEnum => "open_enum",
            Self::KeepPrefix => "keep_prefix",
            Self::Derive => "derive",
            Self::Deferred => "deferred",
            Self::Idempotent => "idempotent",
        }
    }

    /// What it is for.
    fn wanted(self) -> &'static str {
        match self {
            Self::ExternType => "type",
            Self::BytesStrings => "string",
            Self::OpenEnum => "enum",
            Self::KeepPrefix => "enum or version",
            Self::Derive => "struct, enum or union",
            Self::Deferred | Self::Idempotent => "procedure",
        }
    }
}

impl Entry {
    /// Whether it is for `name`, which may be longer: `PROC` is for `PROGRAM.VERSION.PROC` too, and
    /// `name` for `module::name`.
    fn is_for(&self, name: &str) -> bool {
        let separators: &[&str] = match self.what {
            What::Deferred | What::Idempotent => &["::", "."],
            _ => &["::"],
        };
        self.name == ALL
            || name.strip_suffix(self.name.as_str()).is_some_and(|before| {
                before.is_empty() || separators.iter().any(|separator| before.ends_with(separator))
            })
    }
}
