#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RETRY(call)                                                                                                    \
    ({                                                                                                                 \
        long result_;                                                                                                  \
        do {                                                                                                           \
            result_ = (call);                                                                                          \
        } while (result_ < 0 && errno == EINTR);                                                                       \
        result_ < 0 ? -(long)errno : result_;                                                                          \
    })

const uint32_t LINUX_EPOLLIN = EPOLLIN, LINUX_EPOLLOUT = EPOLLOUT, LINUX_EPOLLPRI = EPOLLPRI,
               LINUX_EPOLLRDHUP = EPOLLRDHUP, LINUX_EPOLLERR = EPOLLERR, LINUX_EPOLLHUP = EPOLLHUP,
               LINUX_EPOLLET = EPOLLET, LINUX_EPOLLEXCLUSIVE = EPOLLEXCLUSIVE;

// What is called for every session and every piece of data goes through syscall(2): in a process with threads the C library
// brackets each cancellation point (pthreads(7)) with two atomic exchanges, and no thread here is ever cancelled.

long linux_read(int fd, void *buffer, size_t length) { return RETRY(syscall(SYS_read, fd, buffer, length)); }

long linux_receive(int fd, void *buffer, size_t length) {
    return RETRY(syscall(SYS_recvfrom, fd, buffer, length, 0, NULL, NULL));
}

long linux_peek(int fd, void *buffer, size_t length) {
    return RETRY(syscall(SYS_recvfrom, fd, buffer, length, MSG_PEEK, NULL, NULL));
}

long linux_write(int fd, const void *buffer, size_t length) { return RETRY(syscall(SYS_write, fd, buffer, length)); }

long linux_send(int fd, const void *buffer, size_t length) {
    return RETRY(syscall(SYS_sendto, fd, buffer, length, MSG_NOSIGNAL, NULL, 0));
}

// Not retried on EINTR: Linux has released the descriptor by then (close(2)).
int linux_close(int fd) { return syscall(SYS_close, fd) < 0 ? -errno : 0; }

int linux_pipe(int ends[2], int size) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
    int got = fcntl(ends[1], F_SETPIPE_SZ, size);
    return got < 0 ? fcntl(ends[1], F_GETPIPE_SZ) : got;
}

long linux_splice(int from, int to, size_t length) {
    return RETRY(syscall(SYS_splice, from, NULL, to, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
}

int linux_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

long linux_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t soft = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = soft;
    }
    return limit.rlim_cur > 1 << 30 ? 1 << 30 : (long)limit.rlim_cur;
}

static const int every_seal = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

int linux_sealed_memory(const void *bytes, size_t length) {
    int fd = memfd_create("configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    for (size_t written = 0; written < length;) {
        long count = RETRY(write(fd, (const char *)bytes + written, length - written));
        if (count < 0) {
            close(fd);
            return (int)count;
        }
        written += (size_t)count;
    }
    if (fcntl(fd, F_ADD_SEALS, every_seal) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

long linux_sealed_memory_length(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) return -errno;
    if ((seals & every_seal) != every_seal) return -EPERM;
    struct stat status;
    return fstat(fd, &status) < 0 ? -errno : (long)status.st_size;
}

int linux_shared_memory(size_t length) {
    int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // Sealed in size, so that no process can make another one die of SIGBUS.
    if (ftruncate(fd, (off_t)length) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int linux_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int linux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, data);
}

int linux_epoll_delete(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int linux_epoll_wait(int epoll, linux_event *events, int capacity, int timeout_ms) {
    // struct epoll_event is packed on x86-64, which Swift cannot import; 256 of them are copied at most.
    struct epoll_event ready[256];
    int count = (int)syscall(SYS_epoll_pwait, epoll, ready, capacity < 256 ? capacity : 256, timeout_ms, NULL, 0);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int index = 0; index < count; index++) {
        events[index].events = ready[index].events;
        events[index].data = ready[index].data.u64;
    }
    return count;
}

int linux_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
