//! Program numbers that have an owner: RFC 5531 §8.3 and IANA's registry.

/// Who a number is for (RFC 5531 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Assigned,
    Private,
    Transient,
    Reserved,
}

impl Range {
    pub(super) fn of(number: u32) -> Self {
        match number {
            1..0x2000_0000 => Self::Assigned,
            0x2000_0000..0x4000_0000 => Self::Private,
            0x4000_0000..0x6000_0000 => Self::Transient,
            0 | 0x6000_0000.. => Self::Reserved,
        }
    }
}

/// A program that everyone knows.
#[derive(Debug)]
pub(super) struct Owner {
    number: u32,
    pub(super) name: &'static str,
    /// How interfaces for it begin the program's name, in small letters.
    begins: &'static [&'static str],
}

impl Owner {
    /// Whether a program of this name is likely to be it.
    pub(super) fn is_called(&self, program: &str) -> bool {
        let name = program.to_ascii_lowercase();
        let plain = name.trim_start_matches("rpc_");
        plain.starts_with(self.name) || self.begins.iter().any(|begin| plain.starts_with(begin))
    }
}

pub(super) fn owner(number: u32) -> Option<&'static Owner> {
    let at = OWNERS.binary_search_by_key(&number, |owner| owner.number).ok()?;
    Some(&OWNERS[at])
}

const fn owner_of(number: u32, name: &'static str, begins: &'static [&'static str]) -> Owner {
    Owner { number, name, begins }
}

/// By number.
const OWNERS: [Owner; 66] = [
    owner_of(100_000, "portmapper", &["portmap", "pmap", "rpcb"]),
    owner_of(100_001, "rstatd", &["rstat"]),
    owner_of(100_002, "rusersd", &["rusers"]),
    owner_of(100_003, "nfs", &[]),
    owner_of(100_004, "ypserv", &["yp"]),
    owner_of(100_005, "mountd", &["mount"]),
    owner_of(100_006, "remote_dbx", &["dbx"]),
    owner_of(100_007, "ypbind", &[]),
    owner_of(100_008, "walld", &["wall", "rwall"]),
    owner_of(100_009, "yppasswdd", &["yppasswd"]),
    owner_of(100_010, "etherstatd", &["ether"]),
    owner_of(100_011, "rquotad", &["rquota"]),
    owner_of(100_012, "sprayd", &["spray"]),
    owner_of(100_013, "3270_mapper", &["ibm3270"]),
    owner_of(100_014, "rje_mapper", &["ibmrje", "rje"]),
    owner_of(100_015, "selection_svc", &["sel"]),
    owner_of(100_016, "database_svc", &["rdatabase", "database"]),
    owner_of(100_017, "rexd", &["rex"]),
    owner_of(100_018, "alis", &[]),
    owner_of(100_019, "sched", &[]),
    owner_of(100_020, "llockmgr", &["klm", "lockd"]),
    owner_of(100_021, "nlockmgr", &["nlm"]),
    owner_of(100_022, "x25.inr", &["x25"]),
    owner_of(100_023, "statmon", &["sm_inter", "statmon"]),
    owner_of(100_024, "status", &["sm", "stat"]),
    owner_of(100_025, "select_lib", &["select"]),
    owner_of(100_026, "bootparam", &[]),
    owner_of(100_027, "mazewars", &["maze"]),
    owner_of(100_028, "ypupdated", &["ypu"]),
    owner_of(100_029, "keyserv", &["key", "crypt"]),
    owner_of(100_030, "securelogin", &["secure"]),
    owner_of(100_036, "pwdauthd", &["pwdauth"]),
    owner_of(100_037, "tfsd", &["tfs"]),
    owner_of(100_038, "nsed", &["nse"]),
    owner_of(100_039, "nsemntd", &["nsemnt"]),
    owner_of(100_043, "showhandle", &["showfh"]),
    owner_of(100_055, "ioadmd", &["ioadm"]),
    owner_of(100_062, "NETlicense", &["netlicense"]),
    owner_of(100_065, "sunisamd", &["sunisam"]),
    owner_of(100_066, "debug_svc", &["debug"]),
    owner_of(100_068, "cmsd", &["cms", "calendar"]),
    owner_of(100_069, "ypxfrd", &["ypxfr"]),
    owner_of(100_071, "bugtraqd", &["bugtraq"]),
    owner_of(100_078, "kerbd", &["kerb"]),
    owner_of(100_083, "ttdbserverd", &["ttdb", "tt"]),
    owner_of(100_087, "sadmind", &["sadmin", "adm"]),
    owner_of(100_099, "autofsd", &["autofs"]),
    owner_of(100_101, "event", &["na_"]),
    owner_of(100_102, "logger", &["na_"]),
    owner_of(100_104, "sync", &["na_"]),
    owner_of(100_122, "ckpt", &["na_"]),
    owner_of(100_133, "nsm_addrand", &["nsm", "sm_"]),
    owner_of(100_227, "nfs_acl", &["nfsacl", "acl"]),
    owner_of(100_300, "nisd", &["nis"]),
    owner_of(100_302, "nis_callback", &["cb", "nis"]),
    owner_of(100_303, "nispasswd", &["nispasswd"]),
    owner_of(150_001, "pcnfsd", &["pcnfs"]),
    owner_of(200_015, "sgi_iphone", &["sgi"]),
    owner_of(300_019, "amd", &["amq"]),
    owner_of(391_002, "sgi_fam", &["fam"]),
    owner_of(395_183, "vxi11_core", &["device_core"]),
    owner_of(395_184, "vxi11_async", &["device_async"]),
    owner_of(395_185, "vxi11_intr", &["device_intr"]),
    owner_of(545_580_417, "ugidd", &["ugid"]),
    owner_of(600_100_069, "fypxfrd", &["ypxfrd", "ypxfr"]),
    owner_of(788_585_389, "bwnfsd", &["bwnfs"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_in_order() {
        assert!(OWNERS.is_sorted_by(|one, other| one.number < other.number));
    }

    #[test]
    fn owners_are_known_by_their_interfaces() {
        for (number, program) in [
            (100_000, "PMAP_PROG"),
            (100_000, "RPCBPROG"),
            (100_003, "NFS_PROGRAM"),
            (100_003, "NFS4_PROGRAM"),
            (100_005, "MOUNTPROG"),
            (100_017, "REXPROG"),
            (100_020, "KLM_PROG"),
            (100_021, "NLM_PROG"),
            (100_024, "SM_PROG"),
            (100_026, "BOOTPARAMPROG"),
            (100_029, "KEY_PROG"),
            (100_300, "NIS_PROG"),
            (100_302, "CB_PROG"),
            (395_183, "DEVICE_CORE"),
        ] {
            assert!(owner(number).unwrap().is_called(program), "{program}");
        }
        assert!(!owner(100_003).unwrap().is_called("KV_PROG"));
        assert!(owner(0x2000_0099).is_none());
    }

    #[test]
    fn ranges() {
        assert_eq!(Range::of(0x1fff_ffff), Range::Assigned);
        assert_eq!(Range::of(0x2000_0000), Range::Private);
        assert_eq!(Range::of(0x3fff_ffff), Range::Private);
        assert_eq!(Range::of(0x4000_0000), Range::Transient);
        assert_eq!(Range::of(0x6000_0000), Range::Reserved);
    }
}
