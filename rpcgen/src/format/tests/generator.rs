//! Makes `.x` files of any shape that mean something, and any text between their tokens.
//!
//! A file is made from a row of numbers, each of which decides one thing; when they end, the
//! simplest is decided. So what proptest finds to be wrong shrinks to a small file.

/// Makes one file.
pub(super) struct Generator<'a> {
    choices: std::slice::Iter<'a, u8>,
    out: String,
    /// What has been named so far, comments included.
    count: usize,
    types: Vec<String>,
    constants: Vec<String>,
    /// Which text may come between tokens.
    spacing: Spacing,
}

/// What may come between tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// One blank, or the end of a line.
    Plain,
    /// Anything.
    Wild,
}

const BASE: [&str; 12] = [
    "int",
    "unsigned int",
    "unsigned",
    "hyper",
    "unsigned hyper",
    "bool",
    "float",
    "double",
    "u_int",
    "int32_t",
    "long",
    "char",
];

const EXPRESSIONS: [&[&str]; 8] = [
    &["1"],
    &["0x1F"],
    &["017"],
    &["(", "1", "+", "2", ")", "*", "3"],
    &["1", "<<", "4", ">>", "1"],
    &["-", "-", "5"],
    &["~", "0", "&", "0x3f", "|", "1"],
    &["7", "-", "-", "2", "^", "3"],
];

/// A whole file.
pub(super) fn file(choices: &[u8], spacing: Spacing) -> String {
    let mut generator = Generator {
        choices: choices.iter(),
        out: String::new(),
        count: 0,
        types: Vec::new(),
        constants: Vec::new(),
        spacing,
    };
    let crlf = generator.choose(4) == 3;
    generator.between();
    for _ in 0..=generator.choose(8) {
        generator.definition();
        generator.between();
    }
    let text = generator.out;
    if crlf { text.replace('\n', "\r\n") } else { text }
}

impl Generator<'_> {
    fn choose(&mut self, count: usize) -> usize {
        self.choices.next().map_or(0, |choice| usize::from(*choice) % count)
    }

    fn name(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}{}", self.count)
    }

    fn tokens(&mut self, tokens: &[&str]) {
        for token in tokens {
            token.split(' ').for_each(|token| self.token(token));
        }
    }

    /// A token, and what comes before it.
    fn token(&mut self, token: &str) {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        let apart = word(self.out.chars().next_back()) && word(token.chars().next());
        match self.choose(if self.spacing == Spacing::Wild { 32 } else { 8 }) {
            1 | 2 if !apart && !joins(&self.out, token) => {}
            3 => self.out.push('\n'),
            8 => self.out.push_str("\t \t"),
            9 => self.out.push_str("\n\n\n   "),
            10 | 11 => self.comment_between(),
            12 => self.lines(),
            _ => self.out.push(' '),
        }
        self.out.push_str(token);
    }

    fn comment_between(&mut self) {
        let comment = self.comment();
        let before = ["", " ", "\n", "\t"][self.choose(4)];
        let after =
            if comment.starts_with("//") { "\n" } else { ["", " ", "\n", "\n\n"][self.choose(4)] };
        // Behind a `/`, this would be another comment.
        self.out.push_str(if self.out.ends_with('/') { " " } else { before });
        self.out.push_str(&comment);
        self.out.push_str(after);
    }

    fn comment(&mut self) -> String {
        let name = self.name("c");
        match self.choose(10) {
            0 => format!("/* {name} */"),
            1 => format!("// {name}"),
            2 => format!("/*{name}   \t*/"),
            3 => format!("/*\n\t * {name}\n\t *\ta\tb  \n\n \t */"),
            4 => format!("/* {name}\nleft\n        right */"),
            5 => format!("// don't \"{name} /* \t "),
            6 => format!("/** \"{name}' // \u{e4} #if 0 */"),
            7 => format!("/* {name} @idempotent */"),
            8 => format!("/*\n#if 0\n%{name}\n  +--+\n  |  |\n  +--+\n*/"),
            _ => "/**/".to_owned(),
        }
    }

    /// Lines that are none of the grammar's.
    fn lines(&mut self) {
        let name = self.name("M");
        let line = match self.choose(8) {
            0 => format!("%#define {name} {{ /* as it is */"),
            1 => format!("  % {name} \\\n   and more  "),
            2 => format!("#define {name} 1 /* one\n two */"),
            3 => format!("# undef {name} \\\n  "),
            4 => format!("#if 0\n  don't {name} \"\n\t/* #endif */ {{  \n#endif"),
            5 => format!(
                "#ifdef {name}\n#if 1\n  int\n{name};\n#else\n  \n#endif\n# else // {name}\n#endif"
            ),
            6 => "%".to_owned(),
            _ => "#pragma once \\ ".to_owned(),
        };
        self.out.push('\n');
        self.out.push_str(&line);
        self.out.push('\n');
    }

    /// What may come between definitions and between members.
    fn between(&mut self) {
        for _ in 0..self.choose(3) {
            match self.choose(4) {
                0 => self.out.push('\n'),
                _ if self.spacing == Spacing::Plain => self.out.push_str("\n\n"),
                1 => self.lines(),
                _ => self.comment_between(),
            }
        }
    }

    fn definition(&mut self) {
        match self.choose(9) {
            0 => self.constant(),
            1 => self.typedef(),
            2 => self.enumeration(),
            3 | 4 => self.structure(),
            5 => self.union(),
            6 => self.program(),
            7 => self.either(),
            _ => self.namespace(),
        }
    }

    fn namespace(&mut self) {
        let known = (self.types.len(), self.constants.len());
        let name = self.name("n");
        self.tokens(&["namespace", &name, "{"]);
        for _ in 0..=self.choose(3) {
            self.between();
            self.definition();
        }
        self.between();
        self.token("}");
        // Outside, they have longer names.
        self.types.truncate(known.0);
        self.constants.truncate(known.1);
    }

    fn constant(&mut self) {
        let name = self.name("N");
        self.tokens(&["const", &name, "="]);
        if self.spacing == Spacing::Wild && self.choose(8) == 7 {
            self.token("\"a /* b // c\"");
        } else {
            let expression = EXPRESSIONS[self.choose(EXPRESSIONS.len())];
            self.tokens(expression);
            self.constants.push(name);
        }
        self.token(";");
    }

    fn typedef(&mut self) {
        let name = self.name("t");
        self.token("typedef");
        self.declaration(&name, 2);
        self.token(";");
        self.types.push(name);
    }

    fn enumeration(&mut self) {
        let name = self.name("e");
        self.tokens(&["enum", &name]);
        self.enum_body();
        self.token(";");
        self.types.push(name);
    }

    fn enum_body(&mut self) {
        self.token("{");
        for value in 0..=self.choose(4) {
            if value > 0 {
                self.token(",");
            }
            self.between();
            let name = self.name("E");
            self.token(&name);
            if self.choose(3) > 0 {
                self.tokens(&["=", &(value * 10).to_string()]);
            }
        }
        if self.choose(4) == 3 {
            self.token(",");
        }
        self.between();
        self.token("}");
    }

    fn structure(&mut self) {
        let name = self.name("s");
        self.tokens(&["struct", &name]);
        self.struct_body(2);
        self.token(";");
        self.types.push(name);
    }

    fn struct_body(&mut self, depth: usize) {
        self.token("{");
        for _ in 0..=self.choose(4) {
            self.between();
            let name = self.name("m");
            self.declaration(&name, depth);
            self.token(";");
        }
        self.between();
        self.token("}");
    }

    fn union(&mut self) {
        let name = self.name("u");
        self.tokens(&["union", &name]);
        self.union_body(2);
        self.token(";");
        self.types.push(name);
    }

    fn union_body(&mut self, depth: usize) {
        let name = self.name("d");
        let discriminant = ["int", "unsigned int"][self.choose(2)];
        self.tokens(&["switch", "(", discriminant, &name, ")", "{"]);
        let mut label = 0;
        for _ in 0..=self.choose(3) {
            for _ in 0..=self.choose(2) {
                self.between();
                label += 1;
                self.tokens(&["case", &label.to_string(), ":"]);
            }
            self.arm(depth);
        }
        if self.choose(2) == 1 {
            self.tokens(&["default", ":"]);
            self.arm(depth);
        }
        self.between();
        self.token("}");
    }

    fn arm(&mut self, depth: usize) {
        self.between();
        if self.choose(3) == 0 {
            self.token("void");
        } else {
            let name = self.name("a");
            self.declaration(&name, depth);
        }
        self.token(";");
    }

    fn declaration(&mut self, name: &str, depth: usize) {
        match self.choose(if depth > 0 { 9 } else { 6 }) {
            0 => self.plain(name),
            1 => {
                self.plain("*");
                self.token(name);
            }
            2 => {
                self.plain(name);
                self.tokens(&["[", "3", "]"]);
            }
            3 => {
                self.plain(name);
                self.bound();
            }
            4 => {
                self.tokens(&["string", name]);
                self.bound();
            }
            5 => {
                self.tokens(&["opaque", name]);
                self.bound();
            }
            6 => {
                self.token("struct");
                self.struct_body(depth - 1);
                self.token(name);
            }
            7 => {
                self.token("enum");
                self.enum_body();
                self.token(name);
            }
            _ => {
                self.token("union");
                self.union_body(depth - 1);
                self.token(name);
            }
        }
    }

    fn plain(&mut self, name: &str) {
        let specifier = self.specifier();
        self.tokens(&[&specifier, name]);
    }

    fn specifier(&mut self) -> String {
        let known = self.types.len();
        match self.choose(2) {
            1 if known > 0 => {
                let index = self.choose(known);
                self.types[index].clone()
            }
            _ => BASE[self.choose(BASE.len())].to_owned(),
        }
    }

    fn bound(&mut self) {
        self.token("<");
        match self.choose(3) {
            0 => {}
            1 if !self.constants.is_empty() => {
                let index = self.choose(self.constants.len());
                let name = self.constants[index].clone();
                self.tokens(&[&name, "+", "9"]);
            }
            _ => self.tokens(&["2", "<<", "3", ">>", "1"]),
        }
        self.token(">");
    }

    fn program(&mut self) {
        let name = self.name("P");
        self.tokens(&["program", &name, "{"]);
        for version in 0..=self.choose(2) {
            self.between();
            self.version(version + 1);
        }
        self.between();
        let number = (0x2000_0000 + self.count).to_string();
        self.tokens(&["}", "=", &number, ";"]);
    }

    fn version(&mut self, number: usize) {
        let name = self.name("V");
        self.tokens(&["version", &name, "{"]);
        for procedure in 0..=self.choose(4) {
            self.between();
            self.procedure(procedure + 1);
        }
        self.between();
        self.tokens(&["}", "=", &number.to_string(), ";"]);
    }

    fn procedure(&mut self, number: usize) {
        let name = self.name("PROCEDURE_");
        let result = if self.choose(3) == 0 { "void".to_owned() } else { self.specifier() };
        self.tokens(&[&result, &name, "("]);
        match [0, 1, 2, 14][self.choose(4)] {
            0 => self.token("void"),
            count => {
                for argument in 0..count {
                    if argument > 0 {
                        self.token(",");
                    }
                    let specifier = self.specifier();
                    self.tokens(&[&specifier]);
                }
            }
        }
        self.tokens(&[")", "=", &number.to_string(), ";"]);
    }

    /// A definition whose first line depends on a condition.
    fn either(&mut self) {
        let (one, other) = (self.name("s"), self.name("s"));
        let condition = self.choose(2);
        self.out.push_str(&format!("\n#if {condition}\n  struct\n{one} {{\n"));
        self.out.push_str(&format!("#else /* {other} */\n struct {other} {{\n#endif"));
        let name = self.name("m");
        self.out.push('\n');
        self.plain(&name);
        self.tokens(&[";", "}", ";"]);
        self.types.push(if condition == 1 { one } else { other });
    }
}

/// Whether the two would be other tokens together, or not be the grammar's at all.
fn joins(before: &str, token: &str) -> bool {
    let pair = (before.chars().next_back(), token.chars().next());
    matches!(pair, (Some('/'), _) | (Some('<'), Some('<')) | (Some('>'), Some('>')))
}
