#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/sockios.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

const uint32_t LINUX_FILE_READ = 1, LINUX_FILE_WRITE = 2, LINUX_FILE_EXECUTE = 4;

// The rights on a directory mean nothing for a file, and the kernel refuses a rule with them (EINVAL).
static uint64_t rights_on(int path, uint32_t wanted, int version) {
    struct stat status;
    int is_directory = fstat(path, &status) == 0 && S_ISDIR(status.st_mode);
    uint64_t rights = 0;
    if (wanted & LINUX_FILE_READ) rights |= LANDLOCK_ACCESS_FS_READ_FILE;
    if (wanted & LINUX_FILE_READ && is_directory) rights |= LANDLOCK_ACCESS_FS_READ_DIR;
    if (wanted & LINUX_FILE_WRITE) rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | 1ull << 14; // TRUNCATE
    if (wanted & LINUX_FILE_EXECUTE) rights |= LANDLOCK_ACCESS_FS_EXECUTE;
    return rights & every_right(version);
}

int linux_restrict_files(const linux_file_grant *grants, int count) {
    int version = linux_landlock_version();
    if (version < 0) return version;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = every_right(version)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0) return -errno;
    for (int index = 0; index < count; index++) {
        int path = open(grants[index].path, O_PATH | O_CLOEXEC);
        if (path < 0) continue; // what is not there need not be reachable
        struct landlock_path_beneath_attr rule = {
            .allowed_access = rights_on(path, grants[index].rights, version), .parent_fd = path};
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

// --- a program that is not ours ------------------------------------------------------------------------------------

// It is Debian's, and its next version may call what this one does not: it is told what it may not, where a role is told what it
// may. The argument of an int is in the lower half of its register, and the kernel looks at no more (`low`).
#define low(argument, value) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(value))

static const int denied[] = {
    SCMP_SYS(add_key), SCMP_SYS(bpf), SCMP_SYS(chroot), SCMP_SYS(clone), SCMP_SYS(delete_module),
    SCMP_SYS(finit_module), SCMP_SYS(fork), SCMP_SYS(init_module), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(io_uring_setup), SCMP_SYS(kexec_file_load), SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl), SCMP_SYS(mount), SCMP_SYS(move_mount), SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree), SCMP_SYS(perf_event_open), SCMP_SYS(personality), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal), SCMP_SYS(pivot_root), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace), SCMP_SYS(request_key), SCMP_SYS(setns), SCMP_SYS(umount2), SCMP_SYS(unshare),
    SCMP_SYS(userfaultfd), SCMP_SYS(vfork),
};

// The families of sockets that DHCP and router advertisements need, and of netlink the routing alone: addresses, neighbours.
static int deny_sockets(scmp_filter_ctx filter) {
    int result = 0;
    for (int family = 0; result == 0 && family < 64; family++) {
        if (family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, low(0, family));
    }
    // netlink(7) knows no number from MAX_LINKS on.
    for (int protocol = NETLINK_ROUTE + 1; result == 0 && protocol < MAX_LINKS; protocol++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2, low(0, AF_NETLINK), low(2, protocol));
    return result;
}

// The socket options that replace the tables of iptables, ip6tables, arptables and ebtables, and those of IPVS
// (IPT_BASE_CTL, IP6T_BASE_CTL, ARPT_BASE_CTL, EBT_BASE_CTL, IP_VS_BASE_CTL in the kernel's headers). The options of IPv4
// itself end below 64; those of IPv6 go on, with none at the two numbers that are ip6tables'.
static int deny_tables(scmp_filter_ctx filter) {
    static const int levels[] = {IPPROTO_IP, SOL_RAW};
    int result = 0;
    for (size_t index = 0; result == 0 && index < sizeof levels / sizeof *levels; index++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2, low(1, levels[index]),
            SCMP_A2_64(SCMP_CMP_GE, 64));
    for (int option = 64; result == 0 && option <= 65; option++)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2, low(1, IPPROTO_IPV6), low(2, option));
    return result;
}

int linux_restrict_companion(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter) return -ENOMEM;
    int result = 0;
    for (size_t index = 0; result == 0 && index < sizeof denied / sizeof *denied; index++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[index], 0);
        if (result == -EDOM || result == -EINVAL) result = 0;
    }
    if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // Others of its user: it may signal itself alone.
    if (result == 0)
        result = seccomp_rule_add(
            filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1, SCMP_A0_64(SCMP_CMP_NE, (scmp_datum_t)getpid()));
    if (result == 0) result = deny_sockets(filter);
    if (result == 0) result = deny_tables(filter);
    // Whoever holds the filter's listener is asked for each program that is to be started. With nobody holding it, the calls
    // fail with ENOSYS (seccomp_unotify(2)).
    if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(execve), 0);
    if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(execveat), 0);
    if (result == 0) result = seccomp_load(filter);
    if (result == 0) result = seccomp_notify_fd(filter);
    // The descriptor is the caller's: it stays open when the filter's description goes (seccomp_notify_fd(3)), and a copy that
    // stayed behind would keep each call waiting for an answer.
    seccomp_release(filter);
    return result;
}

int linux_admit_program(int listener) {
    struct seccomp_notif request = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) return -errno;
    // What is started is read from the program's own memory, which one thread of it could change meanwhile: it has no other
    // yet, and what it runs until this call is ours.
    struct seccomp_notif_resp answer = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 ? -errno : 0;
}
