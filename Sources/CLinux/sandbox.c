#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/sockios.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Every right that the running kernel's Landlock knows is handled, so that whatever is not granted is refused
// (landlock(7)). Rights that came with later versions are cut off below.
static uint64_t every_right(int version) {
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (version >= 2) rights |= 1ull << 13; // REFER
    if (version >= 3) rights |= 1ull << 14; // TRUNCATE
    if (version >= 5) rights |= 1ull << 15; // IOCTL_DEV
    return rights;
}

int linux_landlock_version(void) {
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? -errno : version;
}

int linux_restrict_files(const char *const *readable, int count) {
    int version = linux_landlock_version();
    if (version < 0) return version;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = every_right(version)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0) return -errno;
    for (int index = 0; index < count; index++) {
        int path = open(readable[index], O_PATH | O_CLOEXEC);
        if (path < 0) continue; // what is not there need not be readable
        struct landlock_path_beneath_attr rule = {
            .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, .parent_fd = path};
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        close(path);
    }
    int result = syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
    close(ruleset);
    return result;
}

// What a role calls, and the C library and the Swift runtime under it. No exec, no fork, no ptrace, no mount, no module, no
// keyring, no bpf, no io_uring, no new namespaces.
static const int allowed[] = {
    SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(brk), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(connect), SCMP_SYS(dup), SCMP_SYS(dup3),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait), SCMP_SYS(eventfd2),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(futex),
    SCMP_SYS(getcpu), SCMP_SYS(getdents64), SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getpeername), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getrandom), SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt), SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(listen), SCMP_SYS(lseek),
    SCMP_SYS(madvise), SCMP_SYS(membarrier), SCMP_SYS(memfd_create), SCMP_SYS(mremap),
    SCMP_SYS(munmap), SCMP_SYS(nanosleep), SCMP_SYS(newfstatat), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(pipe2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(prctl), SCMP_SYS(pread64), SCMP_SYS(read),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(recvfrom), SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(sendmmsg), SCMP_SYS(sendmsg),
    SCMP_SYS(sendto), SCMP_SYS(set_robust_list), SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(sigaltstack),
    SCMP_SYS(splice), SCMP_SYS(statx), SCMP_SYS(stat), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(write), SCMP_SYS(writev),
};

int linux_restrict_calls(const int *families, int count) {
    // A refused call fails with EPERM instead of killing: a C library that tries something new must not end every session.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) return -ENOMEM;
    // As a binary tree: the calls whose arguments are looked at run the filter each time, socket(2) among them, and the
    // kernel remembers the verdict on all others (seccomp_attr_set(3)).
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t index = 0; result == 0 && index < sizeof allowed / sizeof *allowed; index++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[index], 0);
        // A call that this architecture does not have needs no rule.
        if (result == -EDOM || result == -EINVAL) result = 0;
    }
    // Threads, but no processes: clone(2) with CLONE_THREAD. clone3 hides its flags in memory; the C library falls back to
    // clone when it is told that the call does not exist.
    if (result == 0)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // Itself alone: its sibling has the same user, and so would let itself be signalled and limited.
    scmp_datum_t self = (scmp_datum_t)getpid();
    if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));
    const scmp_datum_t limited[] = {0, self};
    for (size_t index = 0; result == 0 && index < sizeof limited / sizeof *limited; index++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, limited[index]));
    // Memory that is written to is never executed: nothing becomes executable (PROT_EXEC) any more.
    static const int mapping[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    for (size_t index = 0; result == 0 && index < sizeof mapping / sizeof *mapping; index++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, mapping[index], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    static const unsigned long requests[] = {SIOCOUTQ, FIONREAD, FIONBIO, TCGETS};
    for (size_t index = 0; result == 0 && index < sizeof requests / sizeof *requests; index++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, requests[index]));
    for (int index = 0; result == 0 && index < count; index++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[index]));
    if (result == 0) result = seccomp_load(filter);
    seccomp_release(filter);
    return result;
}
