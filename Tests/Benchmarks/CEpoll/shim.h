#pragma once
// What the load generator needs and Swift's Glibc module leaves out.
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

// sys/socket.h declares these under _GNU_SOURCE only, which a header that Swift imports cannot define.
int accept4(int listener, struct sockaddr *restrict name, unsigned *restrict length, int flags);
// The same goes for sched.h.
int setns(int descriptor, int kind);

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

// udp(7): datagrams of one size that travel through the kernel as one, as QUIC stacks send and receive them.
enum { SEGMENT_SENT = 103 /* UDP_SEGMENT */, COALESCED = 104 /* UDP_GRO */ };

/// Receives what came from one place, and sends it back as it came. -1: with errno.
static inline long echo_run(int fd, void *buffer, unsigned long capacity) {
    struct sockaddr_storage from;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {buffer, capacity};
    struct msghdr message = {&from, sizeof from, &vector, 1, &control, sizeof control, 0};
    long length = recvmsg(fd, &message, 0);
    if (length < 0) return length;
    int segment = 0;
    struct cmsghdr *told = CMSG_FIRSTHDR(&message);
    if (told && told->cmsg_level == IPPROTO_UDP && told->cmsg_type == COALESCED)
        memcpy(&segment, CMSG_DATA(told), sizeof segment);
    vector.iov_len = (unsigned long)length;
    message.msg_control = 0;
    message.msg_controllen = 0;
    if (segment > 0 && segment < length) {
        unsigned short size = (unsigned short)segment;
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof size);
        control.header = (struct cmsghdr){CMSG_LEN(sizeof size), IPPROTO_UDP, SEGMENT_SENT};
        memcpy(CMSG_DATA(&control.header), &size, sizeof size);
    }
    return sendmsg(fd, &message, 0);
}
