//! The builder's methods for what generated code looks like.

use super::What;
use crate::Config;

impl Config {
    /// Whether there are clients. Default: yes.
    ///
    /// ```
    /// let text = "program P { version V { int GET(int) = 1; } = 1; } = 0x20000000;";
    /// let code = farcall_rpcgen::configure().client(false).generate_text("p.x", text)?;
    /// assert!(!code.contains("pub struct Client"));
    /// assert!(code.contains("pub trait Service"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn client(mut self, client: bool) -> Self {
        self.options.client = client;
        self
    }

    /// Whether there are servers. Default: yes.
    ///
    /// ```
    /// let text = "program P { version V { int GET(int) = 1; } = 1; } = 0x20000000;";
    /// let code = farcall_rpcgen::configure().server(false).generate_text("p.x", text)?;
    /// assert!(!code.contains("pub trait Service"));
    /// assert!(code.contains("pub struct Client"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn server(mut self, server: bool) -> Self {
        self.options.server = server;
        self
    }

    /// Uses the Rust type at `path` for the type `name`: one that C gets from a header, or one that
    /// the file does define and that is then not generated, because there is one of another file.
    ///
    /// The Rust type implements `farcall::xdr::Encode` and `Decode`, `Debug`, `Clone` and
    /// `PartialEq`, and takes at least four bytes on the wire. Nothing else is taken for granted, so
    /// that types which contain it have no `Copy`, `Default`, `Eq` and `Hash`; [`derive`] gives
    /// them what it can. `path` must be good in every module, so it begins with `crate::` or `::`.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .extern_type("auth_token", "crate::Token")
    ///     .generate_text("p.x", "struct login { auth_token token; };")?;
    /// assert!(code.contains("pub token: crate::Token,"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    ///
    /// [`derive`]: Self::derive
    pub fn extern_type(self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.with(What::ExternType, name, path)
    }

    /// Makes a string `Bytes` instead of `String`, because peers send what is not UTF-8: names of
    /// files, for instance. `name` is a typedef, a member as `struct.member`, or `*` for all.
    ///
    /// The tag `@bytes` in a comment at the typedef or member does the same.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .bytes_strings("filename3")
    ///     .generate_text("p.x", "typedef string filename3<>;")?;
    /// assert!(code.contains("pub type Filename3 = ::farcall::codegen::Bytes;"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn bytes_strings(self, name: impl Into<String>) -> Self {
        self.with(What::BytesStrings, name, "")
    }

    /// Opens the enum `name` (or all: `*`): a variant `Unknown(i32)` holds what other versions of
    /// the interface may have, and decoding refuses no value. It converts from and to `i32`.
    ///
    /// The tag `@open` in a comment at the enum does the same. RFC 4506 §4.3 has closed enums.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .open_enum("nfsstat3")
    ///     .generate_text("p.x", "enum nfsstat3 { NFS3_OK = 0, NFS3ERR_PERM = 1 };")?;
    /// assert!(code.contains("Unknown(i32),"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn open_enum(self, name: impl Into<String>) -> Self {
        self.with(What::OpenEnum, name, "")
    }

    /// Keeps the leading words that the members of the enum `name`, or the procedures of the version
    /// `name`, have in common; of all enums and versions: `*`.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .keep_prefix("kv_status")
    ///     .generate_text("p.x", "enum kv_status { KV_OK = 0, KV_NOENT = 2 };")?;
    /// assert!(code.contains("KvNoent = 2,"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn keep_prefix(self, name: impl Into<String>) -> Self {
        self.with(What::KeepPrefix, name, "")
    }

    /// Whether types, members, constants, programs and procedures are called as in the `.x` file,
    /// with the lints off that mind it. Default: no, they are called as is usual in Rust.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .c_names(true)
    ///     .generate_text("p.x", "enum nfs_ftype3 { NF3REG = 1, NF3DIR = 2 };")?;
    /// assert!(code.contains("pub enum nfs_ftype3 {"));
    /// assert!(code.contains("NF3DIR = 2,"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn c_names(mut self, c_names: bool) -> Self {
        self.options.c_names = c_names;
        self
    }

    /// Derives more for the struct, enum or union `name`, or for all: `*`. `paths` is what stands in
    /// a `derive`; everything in the type must be able to.
    ///
    /// ```
    /// let code = farcall_rpcgen::configure()
    ///     .derive("point", "serde::Serialize, serde::Deserialize")
    ///     .generate_text("p.x", "struct point { int x; int y; };")?;
    /// assert!(code.contains("serde::Serialize,"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn derive(self, name: impl Into<String>, paths: impl Into<String>) -> Self {
        self.with(What::Derive, name, paths)
    }

    /// Lets servers answer a procedure later: its method has a `Reply` instead of a result. `name`
    /// is `PROCEDURE`, `VERSION.PROCEDURE` or `PROGRAM.VERSION.PROCEDURE`.
    ///
    /// The tag `@deferred` in a comment at the procedure does the same.
    ///
    /// ```
    /// let text = "program P { version V { int WAIT(void) = 1; } = 1; } = 0x20000000;";
    /// let code = farcall_rpcgen::configure().deferred("WAIT").generate_text("p.x", text)?;
    /// assert!(code.contains("reply: ::farcall::codegen::Reply<i32>"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn deferred(self, name: impl Into<String>) -> Self {
        self.with(What::Deferred, name, "")
    }

    /// Says that a procedure may be executed twice as well as once. `name` is as for
    /// [`deferred`](Self::deferred).
    ///
    /// The tag `@idempotent` in a comment at the procedure does the same.
    ///
    /// ```
    /// let text = "program P { version V { int GET(int) = 1; } = 1; } = 0x20000000;";
    /// let code = farcall_rpcgen::configure().idempotent("P.V.GET").generate_text("p.x", text)?;
    /// assert!(code.contains("idempotent: true,"));
    /// # Ok::<(), farcall_rpcgen::Error>(())
    /// ```
    pub fn idempotent(self, name: impl Into<String>) -> Self {
        self.with(What::Idempotent, name, "")
    }

    fn with(mut self, what: What, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.add(what, name, value);
        self
    }
}
