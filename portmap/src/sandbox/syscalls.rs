//! The system calls that serving needs: all others fail, without a crash, with EPERM.

use std::error::Error as StdError;

/// Forbids all others to every thread of this process, and returns how many are allowed.
///
/// # Errors
/// The kernel has no filters, or not for this processor.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn restrict() -> Result<usize, Box<dyn StdError>> {
    use nix::libc::EPERM;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    let rules = filter::rules()?;
    let allowed = rules.len();
    let refuse = SeccompAction::Errno(EPERM.unsigned_abs());
    let processor = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, processor)?;
    seccompiler::apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
    Ok(allowed)
}

/// As above.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn restrict() -> Result<usize, Box<dyn StdError>> {
    Err("there is no filter for this processor".into())
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod filter {
    use std::collections::BTreeMap;

    use nix::libc::{self, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, PROT_EXEC};
    use seccompiler::{
        BackendError, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompRule,
    };

    /// Those that are allowed whatever their arguments are.
    const PLAIN: &[libc::c_long] = &[
        // Sockets.
        libc::SYS_accept4,
        libc::SYS_bind,
        libc::SYS_connect,
        libc::SYS_getpeername,
        libc::SYS_getsockname,
        libc::SYS_getsockopt,
        libc::SYS_listen,
        libc::SYS_recvfrom,
        libc::SYS_recvmmsg,
        libc::SYS_recvmsg,
        libc::SYS_sendmmsg,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_setsockopt,
        libc::SYS_shutdown,
        libc::SYS_socketpair,
        // Waiting.
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
        libc::SYS_epoll_pwait,
        libc::SYS_eventfd2,
        libc::SYS_ppoll,
        // Files: which of them, says landlock.
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_fchmod,
        libc::SYS_fchown,
        libc::SYS_fcntl,
        libc::SYS_fdatasync,
        libc::SYS_flock,
        libc::SYS_fstat,
        libc::SYS_fsync,
        libc::SYS_ftruncate,
        libc::SYS_getcwd,
        libc::SYS_getdents64,
        libc::SYS_ioctl,
        libc::SYS_lseek,
        libc::SYS_newfstatat,
        libc::SYS_openat,
        libc::SYS_pidfd_open,
        libc::SYS_pread64,
        libc::SYS_read,
        libc::SYS_readlinkat,
        libc::SYS_readv,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_statx,
        libc::SYS_unlinkat,
        libc::SYS_write,
        libc::SYS_writev,
        // Memory, threads and time.
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getegid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_getuid,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_prctl,
        libc::SYS_prlimit64,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
    ];

    /// Those that other processors have under other names only.
    #[cfg(target_arch = "x86_64")]
    const OLD: &[libc::c_long] = &[
        libc::SYS_epoll_wait,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_unlink,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const OLD: &[libc::c_long] = &[];

    /// By number; a call with several rules is allowed by any of them.
    pub(super) fn rules() -> Result<BTreeMap<libc::c_long, Vec<SeccompRule>>, BackendError> {
        let plain = PLAIN.iter().chain(OLD).map(|&number| (number, Vec::new()));
        let mut rules: BTreeMap<_, _> = plain.collect();
        let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];
        let families = families.map(|family| only(0, Op::Eq, family.unsigned_abs().into()));
        rules.insert(libc::SYS_socket, families.into_iter().collect::<Result<_, _>>()?);
        let no_code = || only(2, Op::MaskedEq(PROT_EXEC.unsigned_abs().into()), 0);
        rules.insert(libc::SYS_mmap, vec![no_code()?]);
        rules.insert(libc::SYS_mprotect, vec![no_code()?]);
        Ok(rules)
    }

    /// That an argument is so.
    fn only(argument: u8, is: Op, value: u64) -> Result<SeccompRule, BackendError> {
        SeccompRule::new(vec![SeccompCondition::new(argument, Len::Dword, is, value)?])
    }
}
