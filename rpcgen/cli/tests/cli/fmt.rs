//! `fmt`.

use super::{Run, folder_with, read, rpcgen, rpcgen_of};

const UGLY: &str = "const A=1; /* one */\nconst B = 2;\n";
const NICE: &str = "const A = 1; /* one */\nconst B = 2;\n";

#[test]
fn files_are_rewritten_in_place() {
    let folder = folder_with("fmt", &[("ugly.x", UGLY), ("nice.x", NICE)]);
    let names = "rpcgen: `ugly.x` is not formatted\n";
    assert_eq!(rpcgen(&folder, "fmt --check ugly.x nice.x"), Run::said(4, names));
    let diff = "\
--- ugly.x
+++ ugly.x
@@ -1,2 +1,2 @@
-const A=1; /* one */
+const A = 1; /* one */
 const B = 2;
";
    assert_eq!(rpcgen(&folder, "fmt --diff ugly.x nice.x"), Run::printed(4, diff));
    assert_eq!(read(&folder, "ugly.x"), UGLY);
    assert_eq!(rpcgen(&folder, "fmt ugly.x nice.x"), Run::said(0, ""));
    assert_eq!(read(&folder, "ugly.x"), NICE);
    assert_eq!(rpcgen(&folder, "fmt --check ugly.x nice.x"), Run::said(0, ""));
    assert_eq!(rpcgen_of(&folder, "fmt", UGLY), Run::printed(0, NICE));
}

#[test]
fn what_is_wrong_stays_as_it_is() {
    let folder = folder_with("fmt_errors", &[("a.x", "const A=;\n"), ("b.x", UGLY)]);
    let run = rpcgen(&folder, "fmt a.x b.x no_such.x");
    assert_eq!((run.status, run.stdout.as_str()), (3, ""));
    assert!(run.stderr.starts_with("error[E0"), "{}", run.stderr);
    assert_eq!(
        (read(&folder, "a.x").as_str(), read(&folder, "b.x").as_str()),
        ("const A=;\n", NICE)
    );
}
