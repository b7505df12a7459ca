#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// How many freed chunks of one size a thread keeps for itself (glibc's manual, "Memory Allocation Tunables"). With the 7 of the
// default, sessions that come and go by the dozen spend an eighth of a relay's own time in malloc, with 200 half of that.
static char tunables[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=200";

// The environment with `tunables`, unless the operator has chosen some. To be freed; NULL: no memory.
static char **role_environment(void) {
    size_t count = 0;
    while (environ[count]) count++;
    char **result = malloc((count + 2) * sizeof *result);
    if (!result) return NULL;
    memcpy(result, environ, count * sizeof *result);
    result[count] = getenv("GLIBC_TUNABLES") ? NULL : tunables;
    result[count + 1] = NULL;
    return result;
}

int linux_spawn_self(const char *title, int channel, int page) {
    // The two descriptors are lifted out of the way first: dup2 onto 3 must not close the one that is to become 4.
    int high_channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
    int high_page = fcntl(page, F_DUPFD_CLOEXEC, 10);
    if (high_channel < 0 || high_page < 0) {
        int error = errno;
        if (high_channel >= 0) close(high_channel);
        if (high_page >= 0) close(high_page);
        return -error;
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, high_channel, 3);
    posix_spawn_file_actions_adddup2(&actions, high_page, 4);
    posix_spawn_file_actions_addclosefrom_np(&actions, 5);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    // A process group of its own: Ctrl-C on a terminal reaches the supervisor alone, which then drains its children.
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    char *arguments[] = {(char *)title, NULL};
    char **environment = role_environment();
    pid_t pid;
    int error =
        environment ? posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environment) : ENOMEM;
    free(environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(high_channel);
    close(high_page);
    return error ? -error : pid;
}

int linux_pidfd_open(pid_t pid) {
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

int linux_reap(int pidfd, int *status) {
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) return -errno;
    if (info.si_pid == 0) return 0;
    *status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    return 1;
}

int linux_pidfd_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int linux_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal) < 0 ? -errno : 0; }

int linux_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0; }

// capabilities(7): what is not in the bounding set cannot come back. Without CAP_SETPCAP it cannot be dropped, and
// no_new_privs has to do.
static void empty_bounding_set(void) {
    for (int capability = 0; capability < 64; capability++) {
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
}

int linux_limit_capabilities(int keep_net_admin) {
    empty_bounding_set();
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[2];
    if (syscall(SYS_capget, &header, had) < 0) return -errno;
    // Root of a container need not have it: the firewall then can observe, and nothing is lost by starting.
    unsigned mask = keep_net_admin ? had[0].permitted & 1u << CAP_NET_ADMIN : 0;
    // No inheritable ones, which empties the ambient set as well.
    struct __user_cap_data_struct data[2] = {{.effective = mask, .permitted = mask}, {0}};
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int linux_become(uid_t uid, gid_t gid, int keep_net_admin) {
    // While there is CAP_SETPCAP.
    empty_bounding_set();
    if (keep_net_admin && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -errno;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) return -errno;
    return linux_limit_capabilities(keep_net_admin);
}

int linux_keep_network(int ids, uid_t uid, gid_t gid) {
    static const int kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
    unsigned mask = 0;
    for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) mask |= 1u << kept[index];
    for (int capability = 0; capability < 64; capability++) {
        if (capability < 32 && mask & 1u << capability) continue;
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    if (ids) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -errno;
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) return -errno;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[2];
    if (syscall(SYS_capget, &header, had) < 0) return -errno;
    mask &= had[0].permitted;
    struct __user_cap_data_struct data[2] = {{.effective = mask, .permitted = mask, .inheritable = mask}, {0}};
    if (syscall(SYS_capset, &header, data) < 0) return -errno;
    for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) {
        if (mask & 1u << kept[index] && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[index], 0, 0) < 0)
            return -errno;
    }
    return 0;
}

int linux_execute(const char *path, char *const *arguments, char *const *environment) {
    execve(path, arguments, environment);
    return -errno;
}

void linux_set_title(int argc, char **argv, const char *title) {
    // The arguments lie one behind the other; proc(5) shows the area from argv[0] to the last one's end.
    char *end = argv[0];
    for (int index = 0; index < argc; index++) {
        if (argv[index] == end) end += strlen(end) + 1;
    }
    size_t room = (size_t)(end - argv[0]);
    memset(argv[0], 0, room);
    strncpy(argv[0], title, room - 1);
    // pidof(1), pgrep(1) and `ps -C` go by this name, which is the same for all roles; the title tells them apart.
    prctl(PR_SET_NAME, "gatehoused");
}

void linux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

int linux_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0; }

int linux_signal_descriptor(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error) return -error;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int linux_next_signal(int fd) {
    struct signalfd_siginfo info;
    long count = read(fd, &info, sizeof info);
    return count < 0 ? -errno : (int)info.ssi_signo;
}

void linux_trim_memory(void) { malloc_trim(0); }

int linux_clock_is_synchronised(void) {
    struct timex state = {.modes = 0};
    int result = adjtimex(&state);
    return result < 0 ? -errno : result != TIME_ERROR;
}

size_t linux_free_memory(void) { return mallinfo2().fordblks; }

int linux_clock_is_kept(void) {
    struct timex state = {0};
    int result = adjtimex(&state);
    if (result < 0) return -errno;
    return result != TIME_ERROR && !(state.status & STA_UNSYNC);
}
