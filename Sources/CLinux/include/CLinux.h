// CLinux: what Swift cannot import from Linux and glibc: macros, variadic calls, cmsg, and calls that want _GNU_SOURCE
// (which therefore stands in the .c files and never here).
//
// Every function answers like the kernel does: a result >= 0, or -errno, captured before anything else can run. EINTR is
// retried here where a retry is right, so no caller has to.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// --- descriptors ---------------------------------------------------------------------------------------------------
long linux_read(int fd, void *buffer, size_t length);
/// recv(2): as read, and cheaper for a socket.
long linux_receive(int fd, void *buffer, size_t length);
/// recv(2) with MSG_PEEK: what read would give, which it still will.
long linux_peek(int fd, void *buffer, size_t length);
long linux_write(int fd, const void *buffer, size_t length);
/// send(2) with MSG_NOSIGNAL.
long linux_send(int fd, const void *buffer, size_t length);
int linux_close(int fd);
/// pipe2(2) with O_NONBLOCK | O_CLOEXEC; answers how many bytes it holds, which may be less than the `size` wished for.
int linux_pipe(int ends[2], int size);
/// splice(2) with SPLICE_F_MOVE | SPLICE_F_NONBLOCK.
long linux_splice(int from, int to, size_t length);
int linux_set_nonblocking(int fd);
/// RLIMIT_NOFILE: the soft limit, raised to the hard one first.
long linux_raise_descriptor_limit(void);
/// Creates a memfd with the bytes, sealed against any change (memfd_create(2), F_ADD_SEALS).
int linux_sealed_memory(const void *bytes, size_t length);
/// Whether `fd` is a memfd that nobody can change any more: its length, else -errno.
long linux_sealed_memory_length(int fd);
/// A zeroed memfd of `length` bytes for counters that two processes share.
int linux_shared_memory(size_t length);

// --- epoll(7) ------------------------------------------------------------------------------------------------------
typedef struct {
    uint32_t events;
    uint64_t data;
} linux_event;
extern const uint32_t LINUX_EPOLLIN, LINUX_EPOLLOUT, LINUX_EPOLLPRI, LINUX_EPOLLRDHUP, LINUX_EPOLLERR, LINUX_EPOLLHUP,
    LINUX_EPOLLET, LINUX_EPOLLEXCLUSIVE;
int linux_epoll_create(void);
int linux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data);
int linux_epoll_delete(int epoll, int fd);
/// At most 256 events; EINTR is answered as 0 events.
int linux_epoll_wait(int epoll, linux_event *events, int capacity, int timeout_ms);
int linux_eventfd(void);
/// malloc_trim(3): gives the free pages of every arena back.
void linux_trim_memory(void);
/// 1 if somebody keeps the machine's clock right (adjtimex(2)), 0 if nobody does, or a negated errno.
int linux_clock_is_synchronised(void);
/// Bytes that are free in all arenas, whether or not the machine has them back (mallinfo(3)).
size_t linux_free_memory(void);

// --- sockets -------------------------------------------------------------------------------------------------------
/// socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC.
int linux_socket(int domain, int type);
/// accept4(2) with SOCK_NONBLOCK | SOCK_CLOEXEC. ECONNABORTED and the network errors of accept(2) are retried.
int linux_accept(int fd, struct sockaddr_storage *peer);
int linux_connect(int fd, const struct sockaddr_storage *address, socklen_t length);
/// Ends a connection at once with a RST, as ABORT of RFC 9293 §3.10.5 does (connect(2) to AF_UNSPEC); the descriptor stays open.
/// -EOPNOTSUPP for a socket whose TLS is the kernel's.
int linux_abort(int fd);
int linux_set_option(int fd, int level, int name, int value);
/// SO_ERROR: the pending error, cleared; 0 if none.
int linux_socket_error(int fd);
/// SO_BINDTODEVICE (socket(7)).
int linux_bind_to_device(int fd, const char *interface);
/// SO_LINGER with a linger of 0: close(2) then sends a RST.
int linux_set_reset_on_close(int fd);
/// SIOCOUTQ (tcp(7)): bytes that the peer has not acknowledged yet.
int linux_unsent(int fd);
/// Whether the kernel can encrypt TLS (TCP_ULP "tls"). With CAP_NET_ADMIN the question itself loads the module.
int linux_has_kernel_tls(void);
/// Whether `fd` is a TCP socket that listens (SO_PROTOCOL, SO_ACCEPTCONN of socket(7)).
int linux_is_tcp_listener(int fd);
/// How many connections wait to be accepted from a TCP socket that listens.
int linux_waiting(int fd);
/// SO_PEERCRED (unix(7)).
int linux_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid);
/// SO_PEERGROUPS: how many supplementary groups the peer has; -ERANGE if more than `capacity`.
int linux_peer_groups(int fd, gid_t *groups, int capacity);
/// A connected pair of SOCK_SEQPACKET sockets, close-on-exec.
int linux_packet_pair(int ends[2]);
/// Sends one packet and, with it, up to 16 descriptors (SCM_RIGHTS). Does not block.
long linux_send_packet(int fd, const void *bytes, size_t length, const int *descriptors, int count);
/// As linux_send_packet, to the datagram socket at `address`.
long linux_send_packet_to(
    int fd, const struct sockaddr *address, socklen_t address_length, const void *bytes, size_t length,
    const int *descriptors, int count);
/// Receives one packet and up to 16 descriptors, close-on-exec. -EMSGSIZE if the packet or its descriptors were cut
/// (whatever came is closed then). Does not block.
long linux_receive_packet(int fd, void *bytes, size_t capacity, int *descriptors, int *count);

// --- datagrams -----------------------------------------------------------------------------------------------------
/// A struct sockaddr_in or sockaddr_in6, zeros behind it.
typedef struct {
    uint64_t words[4];
} linux_address;
/// Datagrams from one place that arrived as one: of `segment` bytes each but the last, which may be shorter. Valid until
/// the next receive.
typedef struct {
    uint8_t *bytes;
    uint32_t length, segment;
    /// The packet's mark where the socket tells it (linux_tell_mark); 0: none.
    uint32_t mark;
    const linux_address *source;
} linux_datagram_run;
/// Where datagrams are received into, and the list of those to be sent. 4 MB of address space, touched as far as it is used.
typedef struct linux_datagrams linux_datagrams;
linux_datagrams *linux_datagrams_create(void);
void linux_datagrams_free(linux_datagrams *batch);
/// recvmmsg(2): how many runs came.
int linux_datagrams_receive(linux_datagrams *batch, int fd);
linux_datagram_run linux_datagrams_received(const linux_datagrams *batch, int index);
/// Puts header and payload on the list as one datagram; both have to stay where they are until it is sent. All of one
/// list have a destination, or none has because the socket is connected; all have a header, or none. -ENOBUFS: flush first.
int linux_datagrams_add(
    linux_datagrams *batch, const void *header, size_t header_length, const void *payload, size_t payload_length,
    const linux_address *destination, uint32_t largest_segment);
/// sendmmsg(2), each run of one size to one destination as one message (udp(7), UDP_SEGMENT). Answers how many datagrams
/// were not taken, and lowers `largest_segment` to what the kernel cuts up.
int linux_datagrams_flush(linux_datagrams *batch, int fd, uint32_t *largest_segment);
/// UDP_GRO (udp(7)): what arrives as a run is received as one.
int linux_udp_coalesce(int fd);
/// SO_RCVMARK (Linux 5.19): each datagram is received with its packet's mark. Takes CAP_NET_RAW or CAP_NET_ADMIN.
int linux_tell_mark(int fd);

// --- processes -----------------------------------------------------------------------------------------------------
/// Starts this program again as `title`, which becomes its whole argv, with `channel` as descriptor 3 and `page` as 4,
/// 0 to 2 inherited, nothing else open, no signal blocked, and malloc set for many short sessions. Answers the pid.
int linux_spawn_self(const char *title, int channel, int page);
int linux_pidfd_open(pid_t pid);
/// Reaps the child behind `pidfd` without waiting. 0: it still runs. 1: `status` is as from waitpid(2).
int linux_reap(int pidfd, int *status);
int linux_pidfd_signal(int pidfd, int signal);
/// prctl(PR_SET_PDEATHSIG), for the calling thread; 0: no signal.
int linux_die_with_parent(int signal);
int linux_no_new_privileges(void);
/// Drops every capability for good but, if `keep_net_admin` and it is there, CAP_NET_ADMIN.
int linux_limit_capabilities(int keep_net_admin);
/// Sets all ids, drops the supplementary groups, and limits the capabilities as above.
int linux_become(uid_t uid, gid_t gid, int keep_net_admin);
/// Leaves this process, and the program that takes it over, those of CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE
/// that it has, as ambient ones (capabilities(7)), and none other. Sets all ids first if `ids` says so.
int linux_keep_network(int ids, uid_t uid, gid_t gid);
/// execve(2); answers only if that fails.
int linux_execute(const char *path, char *const *arguments, char *const *environment);
/// Makes ps(1) show `title` in place of the command line (overwrites the argument area) and names the thread after it.
void linux_set_title(int argc, char **argv, const char *title);
/// Names this thread, as ps(1) -L shows it; 15 characters at most.
void linux_name_thread(const char *name);
/// Core dumps off, so that no password ends up in one (prctl PR_SET_DUMPABLE).
int linux_set_undumpable(void);

// --- the sandbox: for the calling thread and those it will start; both want no_new_privs --------------------------------
/// Which Landlock the kernel has, from 1 on; -ENOSYS, -EOPNOTSUPP where it has none, -EPERM where a container refuses it.
int linux_landlock_version(void);
extern const uint32_t LINUX_FILE_READ, LINUX_FILE_WRITE, LINUX_FILE_EXECUTE;
/// A file, or a directory with all beneath it, and what may be done there.
typedef struct {
    const char *path;
    uint32_t rights;
} linux_file_grant;
/// Landlock: no file is reachable any more but those granted; what is not there is passed over. -ENOSYS or -EOPNOTSUPP where
/// the kernel has none.
int linux_restrict_files(const linux_file_grant *grants, int count);
/// seccomp: no system call but those that a role needs, no socket but of these address families, and no process but this one
/// to signal or to limit. For a process that is who it is to be: its pid is in the filter.
int linux_restrict_calls(const int *families, int count);
/// seccomp, for a program of others that is about to take this process over: no netfilter (neither its netlink nor its
/// socket options), no sockets but of IPv4, IPv6 and routing netlink, no process but this one, and no program but those that
/// the holder of the descriptor admits which this answers (seccomp_unotify(2)).
int linux_restrict_companion(void);
/// Lets the program start that waits for it at `listener`, which has to be readable.
int linux_admit_program(int listener);

// --- the clock ------------------------------------------------------------------------------------------------------
/// Whether somebody keeps the clock right, by the kernel's word (adjtimex(2)): 1 or 0; -errno where it does not say.
int linux_clock_is_kept(void);

// --- signals -------------------------------------------------------------------------------------------------------
/// Blocks the signals in this thread and those it starts; answers a signalfd(2) for them.
int linux_signal_descriptor(const int *signals, int count);
/// The next signal number that is pending on a signalfd.
int linux_next_signal(int fd);
