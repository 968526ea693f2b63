//! Definitions that a file leaves to what C includes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::defined_names;
use crate::ast::{Definition, Sort};
use crate::diag::Diagnostics;
use crate::lexer::Token;
use crate::parser;
use crate::preprocess::{self, Header, Input, Setup};
use crate::source::{self, SourceMap};

/// More headers than this no interface has.
const MAX_HEADERS: usize = 1000;

/// What C's own headers for RPC define.
const KNOWN: &str = include_str!("known.x");

/// A definition from elsewhere.
pub(super) struct Taken {
    pub(super) definition: Definition,
    /// The full name that was looked for.
    pub(super) name: String,
    /// Its place among all that may be taken.
    pub(super) place: usize,
}

/// Reads what is elsewhere, not before a name is missing.
pub(super) struct Elsewhere<'a> {
    input: &'a mut Input,
    setup: &'a Setup,
    sources: &'a mut SourceMap,
    diagnostics: &'a mut Diagnostics,
    /// Those found so far; `None` for one that is taken.
    definitions: Vec<Option<Definition>>,
    names: BTreeMap<(bool, String), usize>,
    headers: VecDeque<Header>,
    tried: BTreeSet<PathBuf>,
    knows_all: bool,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn new(
        input: &'a mut Input,
        setup: &'a Setup,
        sources: &'a mut SourceMap,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        let headers = input.passed.headers.iter().take(MAX_HEADERS).cloned().collect();
        let constants = std::mem::take(&mut input.passed.constants);
        let mut elsewhere = Self {
            input,
            setup,
            sources,
            diagnostics,
            definitions: Vec::new(),
            names: BTreeMap::new(),
            headers,
            tried: BTreeSet::new(),
            knows_all: false,
        };
        elsewhere.constants(constants);
        elsewhere
    }

    /// The definition of the first of `names` that there is.
    pub(super) fn take(&mut self, names: &[String], sort: Sort) -> Option<Taken> {
        loop {
            let key = |name: &String| (sort == Sort::Type, name.clone());
            let found = names.iter().find_map(|name| Some((name, *self.names.get(&key(name))?)));
            if let Some((name, place)) = found {
                let definition = self.definitions[place].take()?;
                return Some(Taken { definition, name: name.clone(), place });
            }
            if !self.read_more() {
                return None;
            }
        }
    }

    /// Whether there was anything left to read.
    fn read_more(&mut self) -> bool {
        if let Some(header) = self.headers.pop_front() {
            if let Some(path) = self.interface(&header) {
                self.file(&path);
            }
            return true;
        }
        if self.knows_all {
            return false;
        }
        self.knows_all = true;
        self.text("known.x", Path::new("known.x"), KNOWN.to_owned());
        true
    }

    /// The `.x` file that `header` is made from, unless it is known.
    fn interface(&mut self, header: &Header) -> Option<PathBuf> {
        let name = Path::new(&header.name).with_extension("x");
        let alone = PathBuf::from(name.file_name()?);
        let found = [name, alone].iter().find_map(|name| {
            preprocess::candidates(name, &header.from, &self.setup.include_dirs)
                .find(|path| path.is_file())
        })?;
        let canonical = found.canonicalize().ok()?;
        let is_new = !self.input.read.contains(&canonical) && self.tried.insert(canonical);
        is_new.then_some(found)
    }

    fn file(&mut self, path: &Path) {
        // One that cannot be read is as good as none: the name stays missing.
        let Ok(text) = source::read(path) else { return };
        self.input.included.push(path.to_owned());
        let name = path.display().to_string();
        self.text(&name, path, text);
    }

    fn text(&mut self, name: &str, path: &Path, text: String) {
        let file = self.sources.add(name.to_owned(), text);
        let mut input =
            preprocess::preprocess(self.sources, file, path, self.setup, self.diagnostics);
        self.definitions(&input);
        self.constants(std::mem::take(&mut input.passed.constants));
        self.input.included.append(&mut input.included);
        self.tried.append(&mut input.read);
        let room = MAX_HEADERS.saturating_sub(self.tried.len() + self.headers.len());
        self.headers.extend(input.passed.headers.into_iter().take(room));
    }

    fn definitions(&mut self, input: &Input) {
        let found = parser::specification(input, self.sources, self.diagnostics);
        for definition in found {
            self.add(definition);
        }
    }

    /// Each as the tokens of one definition. What C understands and we do not is left out.
    fn constants(&mut self, constants: Vec<Vec<Token>>) {
        for tokens in constants {
            let input = Input { tokens, ..Input::default() };
            let mut ignored = Diagnostics::default();
            let mut found = parser::specification(&input, self.sources, &mut ignored);
            if found.len() == 1 && !ignored.has_errors() {
                found.drain(..).for_each(|definition| self.add(definition));
            }
        }
    }

    fn add(&mut self, definition: Definition) {
        // A program is not taken for the sake of a number in it.
        if let Definition::Program(_) = definition {
            return;
        }
        let place = self.definitions.len();
        defined_names(&definition, &mut |name, sort| {
            self.names.entry((sort == Sort::Type, name)).or_insert(place);
        });
        self.definitions.push(Some(definition));
    }
}
