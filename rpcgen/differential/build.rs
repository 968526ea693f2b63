//! Compiles the interfaces, and those that the system has installed.

use std::path::{Path, PathBuf};
use std::{env, fs};

use farcall_rpcgen::{Error, configure};

/// What the system installs, and what a file expects of the headers of C that it names.
const INSTALLED: [(&str, &[(&str, &str)]); 19] = [
    ("/usr/include/rpcsvc/bootparam_prot.x", &[]),
    ("/usr/include/rpcsvc/key_prot.x", &[("MAXNETNAMELEN", "255")]),
    ("/usr/include/rpcsvc/klm_prot.x", &[]),
    ("/usr/include/rpcsvc/mount.x", &[]),
    ("/usr/include/rpcsvc/nfs_prot.x", &[]),
    ("/usr/include/rpcsvc/nis.x", &[]),
    ("/usr/include/rpcsvc/nis_callback.x", &[]),
    ("/usr/include/rpcsvc/nis_object.x", &[]),
    ("/usr/include/rpcsvc/nlm_prot.x", &[("LM_MAXSTRLEN", "1024"), ("MAXNAMELEN", "1025")]),
    ("/usr/include/rpcsvc/rex.x", &[]),
    ("/usr/include/rpcsvc/rquota.x", &[]),
    ("/usr/include/rpcsvc/rstat.x", &[]),
    ("/usr/include/rpcsvc/rusers.x", &[]),
    ("/usr/include/rpcsvc/sm_inter.x", &[]),
    ("/usr/include/rpcsvc/spray.x", &[]),
    ("/usr/include/rpcsvc/yp.x", &[]),
    ("/usr/include/rpcsvc/yppasswd.x", &[]),
    ("/usr/include/tirpc/rpc/rpcb_prot.x", &[]),
    ("/usr/include/tirpc/rpcsvc/crypt.x", &[]),
];

/// What the names of the structs start with that wrap a type.
const WRAPPER: &str = "at_";

fn main() -> Result<(), Error> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?);
    let mut tables = String::new();
    interfaces(&out, &mut tables)?;
    installed(&out, &mut tables);
    write(&out.join("tables.rs"), &tables)
}

/// The modules of the interfaces, and the table of them.
fn interfaces(out: &Path, tables: &mut String) -> Result<(), Error> {
    let mut rows = String::new();
    for path in files("interfaces")? {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = stem(&path);
        let copy = out.join(format!("{name}.x"));
        write(&copy, &with_wrappers(&read(&path)?, &types(&path)?))?;
        configure().compile(&[&copy])?;
        module(tables, name, &format!("The interface `{name}.x`."));
        rows += &row(name, &copy, &types(&copy)?);
    }
    *tables += &format!("/// All of them.\npub const INTERFACES: &[Interface] = &[{rows}];\n");
    Ok(())
}

/// The interface's line of the table; `types` are with those that wrap others.
fn row(name: &str, path: &Path, types: &[Named]) -> String {
    let mut codecs = String::new();
    for Named { idl, rust } in types {
        let Some(idl) = idl.strip_prefix(WRAPPER) else { continue };
        codecs += &format!("Codec {{ name: {idl:?}, round_trip: round_trip::<{name}::{rust}> }},");
    }
    format!("Interface {{ name: {name:?}, path: {path:?}, types: &[{codecs}] }},")
}

/// Modules of those files that there are, and what is wrong with those that do not compile: that
/// is for a test to say, not for this build to fail on.
fn installed(out: &Path, tables: &mut String) {
    let mut rows = String::new();
    for (path, defines) in INSTALLED {
        println!("cargo:rerun-if-changed={path}");
        if !Path::new(path).exists() {
            continue;
        }
        let name = format!("installed_{}", stem(Path::new(path)));
        let error = compile_installed(Path::new(path), defines, &out.join(format!("{name}.rs")));
        let error = error.err().map(|error| error.to_string());
        if error.is_none() {
            module(tables, &name, &format!("`{path}`."));
        }
        rows += &format!("Installed {{ path: {path:?}, error: {error:?} }},");
    }
    *tables += &format!(
        "/// Those of the {} files that Debian installs which are there.\n\
         pub const INSTALLED: &[Installed] = &[{rows}];\n",
        INSTALLED.len()
    );
}

fn compile_installed(path: &Path, defines: &[(&str, &str)], to: &Path) -> Result<(), Error> {
    let start = configure();
    let config = defines.iter().fold(start, |config, (name, value)| config.define(*name, *value));
    write(to, &config.generate(path)?)
}

fn module(tables: &mut String, name: &str, docs: &str) {
    *tables +=
        &format!("#[doc = {docs:?}]\npub mod {name} {{\n    farcall::include_x!({name:?});\n}}\n");
}

/// A type's name in the file and in Rust.
struct Named {
    idl: String,
    rust: String,
}

fn types(path: &Path) -> Result<Vec<Named>, Error> {
    let description = farcall_rpcgen::describe(path)?;
    Ok(description.types.into_iter().map(|ty| Named { idl: ty.name, rust: ty.rust }).collect())
}

fn with_wrappers(text: &str, types: &[Named]) -> String {
    let mut text = text.to_owned();
    for Named { idl, .. } in types {
        text += &format!("\nstruct {WRAPPER}{idl} {{ {idl} value; }};\n");
    }
    text
}

/// The files in a folder of this package, by name.
fn files(folder: &str) -> Result<Vec<PathBuf>, Error> {
    println!("cargo:rerun-if-changed={folder}");
    let failed = |cause| Error::Read { path: folder.into(), cause };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).expect("the files here have ASCII names")
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })
}

/// Leaves a file alone that says this already: cargo looks at its time.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text).map_err(|cause| Error::Write { path: path.to_owned(), cause })
}
