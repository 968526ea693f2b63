//! Names: what becomes of them in Rust, and how they are written.

use super::Linter;
use crate::code::Code;
use crate::model::{Body, Item};
use crate::naming;
use crate::source::Span;

/// More names than this make a habit.
const MIN_HABIT: usize = 3;

/// A name at its place: the file's, and Rust's.
struct Named<'a> {
    idl: &'a str,
    rust: &'a str,
    at: Span,
}

/// Names of one sort, as messages call them.
struct Sort<'a> {
    what: &'static str,
    names: Vec<Named<'a>>,
}

/// How a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `KV_GET`
    Upper,
    /// `kv_get`
    Lower,
    /// `kvGet`, `KvGet`
    Mixed,
}

impl<'a> Linter<'a> {
    pub(super) fn names(&mut self) {
        for sort in self.sorts() {
            sort.names.iter().for_each(|name| self.name_clash(name));
            self.mixed_style(&sort);
        }
    }

    fn sorts(&self) -> [Sort<'a>; 5] {
        let mut constants = Vec::new();
        let mut procedures = Vec::new();
        for item in &self.model.items {
            match item {
                Item::Constant(constant) => constants.push(Named {
                    idl: naming::last(&constant.idl),
                    rust: &constant.rust,
                    at: self.name(&constant.docs),
                }),
                Item::Type(_) => {}
                Item::Program(program) => {
                    let all = program.versions.iter().flat_map(|version| &version.procedures);
                    procedures.extend(all.map(|procedure| Named {
                        idl: &procedure.idl,
                        rust: &procedure.rust,
                        at: self.name(&procedure.docs),
                    }));
                }
            }
        }
        let mut enumerators = Vec::new();
        let (types, members) = self.types_and_members(&mut enumerators);
        [
            Sort { what: "constants", names: constants },
            Sort { what: "enum members", names: enumerators },
            Sort { what: "types", names: types },
            Sort { what: "members", names: members },
            Sort { what: "procedures", names: procedures },
        ]
    }

    /// The names of types and their members; those of enums' members go into `enumerators`.
    fn types_and_members(
        &self,
        enumerators: &mut Vec<Named<'a>>,
    ) -> (Vec<Named<'a>>, Vec<Named<'a>>) {
        let (mut types, mut members) = (Vec::new(), Vec::new());
        for (id, item) in self.model.types.iter().enumerate() {
            // A body inside of another has no name of its own.
            if !item.idl.contains('.') && !matches!(item.body, Body::Extern) {
                let idl = naming::last(&item.idl);
                types.push(Named { idl, rust: &item.rust, at: self.type_name(id) });
            }
            match &item.body {
                Body::Enum(body) => {
                    let all = body.members.iter().chain(&body.aliases);
                    enumerators.extend(all.map(|member| Named {
                        idl: &member.idl,
                        rust: &member.rust,
                        at: self.name(&member.docs),
                    }));
                }
                Body::Struct(body) => members.extend(body.fields.iter().map(|field| Named {
                    idl: &field.idl,
                    rust: &field.rust,
                    at: self.name(&field.docs),
                })),
                Body::Alias(_) | Body::Union(_) | Body::Extern => {}
            }
        }
        (types, members)
    }

    fn name_clash(&mut self, name: &Named<'_>) {
        let taken = name.rust.trim_end_matches('_');
        // Names that Rust keeps for itself get one too, but not because of another.
        let is_rusts =
            ["self", "Self", "super", "Super", "crate", "Crate", "SELF"].contains(&taken);
        if taken.len() == name.rust.len() || name.idl.ends_with('_') || is_rusts {
            return;
        }
        let message = format!("`{}` is called `{}` in Rust", name.idl, name.rust);
        self.add(Code::NameClash, name.at, message, |warning| {
            warning.label(format!("`{taken}` is taken"))
        });
    }

    /// Reports the few names that are written otherwise than three quarters of their sort.
    fn mixed_style(&mut self, sort: &Sort<'_>) {
        let count = |style| sort.names.iter().filter(|name| style_of(name.idl) == style).count();
        let styles = [Style::Upper, Style::Lower, Style::Mixed];
        let habit = styles.into_iter().find(|style| {
            let count = count(*style);
            count >= MIN_HABIT && count * 4 >= sort.names.len() * 3
        });
        let Some(habit) = habit else { return };
        let Some(example) = sort.names.iter().find(|name| style_of(name.idl) == habit) else {
            return;
        };
        for name in sort.names.iter().filter(|name| style_of(name.idl) != habit) {
            let message = format!("`{}` is written otherwise than most {}", name.idl, sort.what);
            self.add(Code::MixedStyle, name.at, message, |warning| {
                warning.label(format!("most are like `{}`", example.idl))
            });
        }
    }
}

fn style_of(name: &str) -> Style {
    let has = |of: fn(&char) -> bool| name.chars().any(|c| of(&c));
    match (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase)) {
        (true, true) => Style::Mixed,
        (true, false) => Style::Upper,
        (false, _) => Style::Lower,
    }
}
