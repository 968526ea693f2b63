//! `rpcgen describe`: the interface, for people or for programs.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use farcall_rpcgen::describe::{
    Body, ConstantValue, Length, Lengths, Procedure, Program, Type, TypeDef,
};
use farcall_rpcgen::{Config, Description, Error};

use crate::input::Input;
use crate::options::SourceOptions;
use crate::screen::{self, Screen};
use crate::status::Status;

/// Show what is in a `.x` file: programs, procedures and types, with numbers and sizes.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// `-`, or none at all, is standard input.
    #[arg(value_name = "FILE.x")]
    file: Option<PathBuf>,
    /// Print all of it as JSON, whose form is stable: `{"format": 1, ...}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceOptions,
}

pub(crate) fn run(args: DescribeArgs, screen: Screen) -> Status {
    let inputs = match Input::all(args.file.into_iter().collect()) {
        Ok(inputs) => inputs,
        Err(message) => return crate::usage(message),
    };
    let config = args.source.config();
    let show = |description| {
        if args.json {
            screen::print_json(&description)
        } else {
            screen::print(&text(&description))
        }
    };
    let each = inputs
        .iter()
        .map(|input| describe(&config, input).map_or_else(|error| screen.error(&error), show));
    each.max().unwrap_or(Status::Done)
}

fn describe(config: &Config, input: &Input) -> Result<Description, Error> {
    input.read(|path| config.describe(path), |name, text| config.describe_text(name, text))
}

/// The description as tables.
fn text(description: &Description) -> String {
    let mut blocks = Vec::new();
    let constants = description.constants.iter().map(|constant| {
        let value = match &constant.value {
            ConstantValue::Number(number) => number.to_string(),
            ConstantValue::Large(number) => number.to_string(),
            ConstantValue::Text(text) => format!("{text:?}"),
        };
        vec![constant.name.clone(), value]
    });
    blocks.extend(block("constants", constants.collect()));
    blocks.extend(block("types", description.types.iter().map(type_row).collect()));
    for program in &description.programs {
        blocks.extend(versions(program));
    }
    blocks.join("\n")
}

fn type_row(def: &TypeDef) -> Vec<String> {
    let (kind, what) = match &def.body {
        Body::Typedef { ty } => ("typedef", Idl(ty).to_string()),
        Body::Enum { members } => ("enum", counted(members.len(), "value")),
        Body::Struct { members } => ("struct", counted(members.len(), "member")),
        Body::Union { discriminant, arms } => {
            ("union", format!("{} by {}", counted(arms.len(), "arm"), Idl(&discriminant.ty)))
        }
    };
    vec![kind.to_owned(), def.name.clone(), what, bytes(def.encoded_len)]
}

fn versions(program: &Program) -> impl Iterator<Item = String> {
    program.versions.iter().filter_map(|version| {
        let title = format!(
            "program {} = {}, version {} = {}",
            program.name,
            program_number(program.number),
            version.name,
            version.number
        );
        block(&title, version.procedures.iter().map(procedure_row).collect())
    })
}

fn procedure_row(procedure: &Procedure) -> Vec<String> {
    let arguments: Vec<_> = procedure.arguments.iter().map(|ty| Idl(ty).to_string()).collect();
    let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
    let result =
        procedure.result.as_ref().map_or_else(|| "void".to_owned(), |ty| Idl(ty).to_string());
    let tags = [(procedure.idempotent, "idempotent"), (procedure.deferred, "deferred")];
    let tags: Vec<_> = tags.iter().filter(|(has, _)| *has).map(|(_, tag)| *tag).collect();
    vec![
        procedure.number.to_string(),
        procedure.name.clone(),
        format!("({arguments})"),
        bytes(procedure.arguments_len),
        format!("-> {result}"),
        bytes(procedure.result_len),
        tags.join(", "),
    ]
}

/// Numbers that are not IANA's are better known in hexadecimal.
fn program_number(number: u32) -> String {
    if number < 0x2000_0000 { number.to_string() } else { format!("{number:#x}") }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn bytes(lengths: Lengths) -> String {
    match lengths.max {
        Some(max) if max == lengths.min => format!("{max} B"),
        Some(max) => format!("{}..{max} B", lengths.min),
        None => format!("{}.. B", lengths.min),
    }
}

/// A title, and rows of aligned columns below it.
fn block(title: &str, rows: Vec<Vec<String>>) -> Option<String> {
    let columns = rows.iter().map(Vec::len).max()?;
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("{title}\n");
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // A `String` takes whatever is written to it.
            let _ = write!(line, "  {cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    Some(text)
}

/// A type as in a `.x` file.
struct Idl<'a>(&'a Type);

impl fmt::Display for Idl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Type::Int => f.write_str("int"),
            Type::UnsignedInt => f.write_str("unsigned int"),
            Type::Hyper => f.write_str("hyper"),
            Type::UnsignedHyper => f.write_str("unsigned hyper"),
            Type::Float => f.write_str("float"),
            Type::Double => f.write_str("double"),
            Type::Quadruple => f.write_str("quadruple"),
            Type::Bool => f.write_str("bool"),
            Type::Opaque(length) => write!(f, "opaque{}", bound(*length)),
            Type::String { max } => write!(f, "string{}", bound(Length::Max(*max))),
            Type::Array { of, length } => write!(f, "{}{}", Self(of), bound(*length)),
            Type::Optional { of } => write!(f, "{} *", Self(of)),
            Type::Named { name } => f.write_str(name),
        }
    }
}

fn bound(length: Length) -> String {
    match length {
        Length::Fixed(len) => format!("[{len}]"),
        Length::Max(Some(max)) => format!("<{max}>"),
        Length::Max(None) => "<>".to_owned(),
    }
}
