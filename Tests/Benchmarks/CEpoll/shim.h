#pragma once
// What the load generator needs and Swift's Glibc module leaves out.
#include <sys/epoll.h>
#include <sys/socket.h>

// sys/socket.h declares these under _GNU_SOURCE only, which a header that Swift imports cannot define.
int accept4(int listener, struct sockaddr *restrict name, unsigned *restrict length, int flags);

// struct mmsghdr, under a name of our own in case it is declared after all.
struct datagram {
    struct msghdr header;
    unsigned length;
};
enum { WAIT_FOR_ONE = 0x10000 }; // MSG_WAITFORONE
static inline int receive_datagrams(int fd, struct datagram *datagrams, unsigned count, int flags) {
    extern int recvmmsg(int, struct datagram *, unsigned, int, void *);
    return recvmmsg(fd, datagrams, count, flags, (void *)0);
}
static inline int send_datagrams(int fd, struct datagram *datagrams, unsigned count) {
    extern int sendmmsg(int, struct datagram *, unsigned, int);
    return sendmmsg(fd, datagrams, count, 0);
}
