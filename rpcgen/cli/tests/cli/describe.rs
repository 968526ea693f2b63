//! `describe`.

use super::{BAD, REPORT, Run, folder_with, rpcgen, rpcgen_of};

const KV: &str = "\
const MAXKEY = 64;
const NAME = \"kv\";
enum kv_status { KV_OK = 0, KV_NOENT = 2 };
typedef string kv_key<MAXKEY>;
typedef opaque kv_val<>;
union kv_get_res switch (kv_status status) { case KV_OK: kv_val val; default: void; };
struct kv_entry { kv_key key; kv_entry *next; };
typedef kv_entry *kv_list;
program KV_PROG {
    version KV_V1 {
        kv_get_res KV_GET(kv_key) = 1;              /* @idempotent */
        kv_status  KV_PUT(kv_key, kv_val) = 2;
        kv_list    KV_KEYS(void) = 3;               /* @idempotent @deferred */
    } = 1;
} = 0x20000099;
";

const TABLES: &str = "\
constants
  MAXKEY  64
  NAME    \"kv\"

types
  enum     kv_status   2 values             4 B
  typedef  kv_key      string<64>           4..68 B
  typedef  kv_val      opaque<>             4.. B
  union    kv_get_res  2 arms by kv_status  4.. B
  struct   kv_entry    2 members            8.. B
  typedef  kv_list     kv_entry *           4.. B

program KV_PROG = 0x20000099, version KV_V1 = 1
  1  KV_GET   (kv_key)          4..68 B  -> kv_get_res  4.. B  idempotent
  2  KV_PUT   (kv_key, kv_val)  8.. B    -> kv_status   4 B
  3  KV_KEYS  (void)            0 B      -> kv_list     4.. B  idempotent, deferred
";

#[test]
fn tables_are_for_people() {
    let folder = folder_with("describe", &[("kv.x", KV), ("bad.x", BAD)]);
    assert_eq!(rpcgen(&folder, "describe kv.x"), Run::printed(0, TABLES));
    assert_eq!(rpcgen_of(&folder, "describe", KV), Run::printed(0, TABLES));
    assert_eq!(rpcgen(&folder, "describe bad.x"), Run::said(1, REPORT));
    assert_eq!(rpcgen(&folder, "describe kv.x kv.x").status, 2);
    assert_eq!(rpcgen(&folder, "describe no_such.x").status, 3);
}

#[test]
fn json_is_for_programs() {
    let folder = folder_with("describe_json", &[("kv.x", KV)]);
    let run = rpcgen(&folder, "describe --json kv.x");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["file"], "kv.x");
    assert_eq!(json["constants"][0]["value"], 64);
    assert_eq!(json["types"][1]["type"], serde_json::json!({"kind": "string", "max": 64}));
    let procedure = &json["programs"][0]["versions"][0]["procedures"][1];
    assert_eq!(procedure["name"], "KV_PUT");
    assert_eq!(procedure["result"], serde_json::json!({"kind": "named", "name": "kv_status"}));
    assert_eq!(procedure["at"], serde_json::json!({"file": "kv.x", "line": 12, "column": 9}));
}
