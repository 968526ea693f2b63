//! Interfaces in the manner of those that projects ship: each has what is peculiar to one of them.

use std::fs;
use std::path::PathBuf;

use farcall_rpcgen::configure;

/// The Rust for the first of `files`, which are in one folder.
#[track_caller]
fn rust(name: &str, files: &[(&str, &str)]) -> String {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dialects").join(name);
    fs::create_dir_all(&root).unwrap();
    for (path, text) in files {
        fs::write(root.join(path), text).unwrap();
    }
    match configure().generate(root.join(files[0].0)) {
        Ok(code) => code,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn has(code: &str, lines: &[&str]) {
    for line in lines {
        assert!(code.lines().any(|of| of.trim() == *line), "lacks {line}\n{code}");
    }
}

#[test]
fn libvirt() {
    let text = "\
/* -*- c -*- */
%#include <libvirt/libvirt.h>
%#include \"internal.h\"
%#ifdef HAVE_XDR_U_INT64_T
%# define xdr_uint64_t xdr_u_int64_t
%#endif
const VM_STRING_MAX = 4194304;
/* A long string, which may NOT be NULL. */
typedef string vm_nonnull_string<VM_STRING_MAX>;
typedef vm_nonnull_string *vm_string;
const VM_LABEL_MAX = VIR_SECURITY_LABEL_BUFLEN;
typedef opaque vm_uuid[VIR_UUID_BUFLEN];
struct vm_nonnull_domain { vm_nonnull_string name; vm_uuid uuid; int id; };
typedef vm_nonnull_domain *vm_domain;
union vm_param_value switch (int type) {
 case VIR_TYPED_PARAM_INT:
     int i;
 case VIR_TYPED_PARAM_STRING:
     vm_nonnull_string s;
};
struct vm_info_ret { /* insert@1 */
    char model[32];
    unsigned hyper cells<16>; /* insert@1 */
    vm_domain dom;
};
const VM_PROGRAM = 0x20008086;
enum vm_procedure {
    /* Each function must have a three-word comment. */

    /**
     * @generate: both
     * @acl: none
     */
    VM_PROC_OPEN = 1,

    /**
     * @generate: none
     * @priority: high
     */
    VM_PROC_CLOSE = 2
};
";
    let code = rust("libvirt", &[("vm_protocol.x", text)]);
    has(
        &code,
        &[
            "pub const VM_LABEL_MAX: u32 = 4097;",
            "pub type VmUuid = [u8; 16];",
            "pub model: [i32; 32],",
            "Open = 1,",
            "Close = 2,",
        ],
    );
}

#[test]
fn glusterfs() {
    let brick = "\
#ifdef RPC_XDR
%#include \"rpc-pragmas.h\"
#endif
%#include <glusterfs/brick-fops.h>

union brick_value switch (int type) {
        case BRICK_INT:
                hyper value_int;
        case BRICK_PTR:
        case BRICK_OLD:
                opaque other<>;
};
 struct   brick_open_req {
        opaque gfid[16];
        u_quad_t offset;
        quad_t fd;
        unsigned groups[16];
        brick_value values<>; /* Extra data */
        struct brick_entry *next_entry;
}  ;
struct brick_entry { string name<>; struct brick_entry *next; } ;
";
    let fops = "enum brick_type { BRICK_UNKNOWN, BRICK_INT, BRICK_PTR, BRICK_OLD };\nstruct unused { int a; };\n";
    let code = rust("glusterfs", &[("brick.x", brick), ("brick-fops.x", fops)]);
    has(
        &code,
        &[
            "pub enum BrickType {",
            "pub offset: u64,",
            "pub fd: i64,",
            "pub groups: [u32; 16],",
            "pub next_entry: ::farcall::codegen::Vec<BrickEntry>,",
        ],
    );
    assert!(!code.contains("Unused"));
}

#[test]
fn nfs_4() {
    let text = "\
%#ifndef _AUTH_SYS_DEFINE_FOR_NFSv42
%#define _AUTH_SYS_DEFINE_FOR_NFSv42
%#include <rpc/auth_sys.h>
%typedef struct authsys_parms authsys_parms;
%#endif
typedef int             int32_t;
typedef unsigned int    uint32_t;
typedef unsigned hyper  uint64_t;
const FS4_FHSIZE = 128;
const FS4_UINT64_MAX = 0xffffffffffffffff;
const FS4_INT32_MAX = 0x7fffffff;
typedef opaque  utf8string<>;
typedef utf8string component4;
typedef component4 pathname4<>;
typedef opaque other4[FS4_FHSIZE];
enum fsstat4 { FS4_OK = 0, FS4ERR_PERM = 1 };
%/*
% * Callback security
% */
union callback_sec4 switch (uint32_t flavor) {
 case AUTH_NONE:
  void;
 case AUTH_SYS:
  authsys_parms sys_cred;
 case RPCSEC_GSS:
  opaque handle<>;
};
struct open4 {
  union claim4 switch (bool is_new) { case TRUE: component4 file; case FALSE: void; } claim;
  union switch (fsstat4 status) { case FS4_OK: other4 fh; default: void; } answer;
};
program FS4_PROGRAM {
  version FS_V4 {
    void FSPROC4_NULL(void) = 0;
    fsstat4 FSPROC4_COMPOUND(open4) = 1;
  } = 4;
} = 100003;
";
    let code = rust("nfs_4", &[("fs4.x", text)]);
    has(
        &code,
        &[
            "pub const FS4_UINT64_MAX: u64 = 18446744073709551615;",
            "pub struct AuthsysParms {",
            "pub enum Claim4 {",
            "pub claim: Claim4,",
            "pub answer: Open4Answer,",
        ],
    );
}

#[test]
fn stellar() {
    let ledger = "\
// The ledger.
% #include \"xdr/Star-types.h\"
namespace star
{
%struct Entry;
typedef Hash PoolID; // SHA256(parameters)
union Balance switch (int v)
{
case 0:
    void;
case 1:
    Hash v1;
}
;
struct Entry
{
    uint64 hi;
    Entry inner<>; // recursive
    PublicKey* sponsor;
    union switch (int v)
    {
    case 0:
        void;
    case 1:
        struct
        {
            int64 liabilities;
        } v1;
    }
    ext;
};
}
";
    let types = "\
namespace star
{
typedef opaque Hash[32];
typedef unsigned hyper uint64;
enum KeyType { KEY_ED25519 = 0, KEY_HASH_X = KEY_ED25519 + 2 };
union PublicKey switch (KeyType type) { case KEY_ED25519: Hash ed25519; };
}
";
    let code = rust("stellar", &[("Star-ledger.x", ledger), ("Star-types.x", types)]);
    has(
        &code,
        &[
            "pub mod star {",
            "pub type Hash = [u8; 32];",
            "pub enum PublicKey {",
            "pub inner: ::farcall::codegen::Vec<Self>,",
            "pub sponsor: ::farcall::codegen::Option<PublicKey>,",
            "pub ext: EntryExt,",
            "pub struct EntryExtV1 {",
            "HashX = 2,",
        ],
    );
}

#[test]
fn vxi_11() {
    let text = "\
typedef long Device_Link;
enum Device_Family
{
\tDEVICE_TCP,
\tDEVICE_UDP
};
struct Device_Parms
{
\tDevice_Link\t\tlid;\t\t\t/* link id */
\tunsigned long\t\tio_timeout;
\tunsigned short\t\tport;
\tunsigned char\t\tstb;
\tchar\t\t\ttermChar;
\tbool\t\t\tlock;
};
program DEVICE_ASYNC
{
\tversion DEVICE_ASYNC_VERSION
\t{
\t\tDevice_Link\t\tdevice_abort\t\t(Device_Parms)\t\t= 1;
\t} = 1;
} = 0x0607B0;
";
    let code = rust("vxi_11", &[("vxi.x", text)]);
    has(
        &code,
        &["pub type DeviceLink = i32;", "pub port: u32,", "pub term_char: i32,", "Udp = 1,"],
    );
    assert!(code.contains("Program(395184)"), "{code}");
}

#[test]
fn illumos() {
    let basic = "\
%/* get timeval32 definition */
%#include <sys/types32.h>
#ifndef _KERNEL
%#ifdef _KERNEL
%#error \"compiled without _KERNEL\"
%#endif /* _KERNEL */
#endif /* _KERNEL */
#ifdef\tRPC_XDR
%bool_t
%xdr_uint_t(XDR *xdrs, uint_t *objp)
%{
%\tif (!xdr_u_int(xdrs, (u_int *)objp))
%\t\treturn (FALSE);
%}
#endif
#ifdef RPC_HDR
const\tVOL_MAX_NAME = 50;
%#define\tVOL_MAX_NAME_PLUS_1\t(VOL_MAX_NAME + 1)
%#define\tVOL_BAD\t((vol_t)~0UL)
%#define\tVOL_NULL_ERR\t{ 0, NULL }
#endif\t/* RPC_HDR */
#if defined(RPC_HDR) || defined(RPC_XDR)
%
%/* set ID */
typedef\tu_int\tset_t;\t
#include\t\"vol_arr.x\"
#endif\t/* defined(RPC_HDR) || defined(RPC_XDR) */
struct vol_res_t { int status; set_t set; struct timeval id; u_longlong_t wwn; vol_nm_t name; };
program VOL_PROG {
\tversion VOL_VERS {
\t\tvol_res_t VOL_NULL(void)\t\t\t\t= 0;
#ifndef _KERNEL
\t\tvol_res_t VOL_LIST(set_t set, uint64_t limit,
\t\t\tint32_t flag) = 1;
#endif
\t} = 1;
} = 100242;
";
    let arrays = "%\n%/*\n% * names\n% */\ntypedef\tchar\t\t\tvol_nm_t[VOL_MAX_NAME_PLUS_1];\n#if 0\nstruct nothing {\n#endif\t/* 0 */\n";
    let code = rust("illumos", &[("vol_basic.x", basic), ("vol_arr.x", arrays)]);
    has(
        &code,
        &[
            "pub const VOL_MAX_NAME_PLUS_1: u32 = 51;",
            "pub type VolNmT = [i32; 51];",
            "pub wwn: ULonglongT,",
            "pub struct Timeval {",
        ],
    );
    assert!(code.contains("limit: u64"), "{code}");
}

#[test]
fn freebsd() {
    let text = "\
#ifndef RPC_HDR
%#include <sys/cdefs.h>
%__FBSDID(\"$FreeBSD: src/include/rpcsvc/xfr.x,v 1.9 Exp $\");
#endif
const _XFRMAXMAP = 64;
enum xfrstat {
\tXFR_REQUEST_OK\t= 1,\t/* Transfer request granted */
\tXFR_DENIED\t= 2\t/* Transfer request denied */
};
typedef string xfrmap<_XFRMAXMAP>;
struct xfr_mapname {
\txfrmap xfrmap;
\txfrstat xfrstat;
};
union xfr switch (bool ok) {
case TRUE:
\topaque xfrblock_buf<>;
case FALSE:
\txfrstat xfrstat;
};
program XFR_PROG {
\tversion XFR_VERS {
\t\tunion xfr
\t\tXFR_GETMAP(xfr_mapname) = 1;
\t} = 1;
} = 600100069;\t/* 100069 + 60000000 */
";
    let code = rust("freebsd", &[("xfr.x", text)]);
    has(&code, &["pub type Xfrmap = ::farcall::codegen::String;", "pub xfrstat: Xfrstat,"]);
}
