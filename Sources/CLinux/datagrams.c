#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

enum {
    received_most = 64,
    // What a coalesced receive holds at most (udp(7), UDP_GRO). The odd cache lines between two buffers keep their beginnings,
    // which are all that small datagrams touch, from sharing one set of the cache.
    buffer_size = 65536,
    buffer_stride = buffer_size + 5 * 64,
    added_most = 512,
    // Runs of datagrams up to this size are put together in one piece: for so few bytes the kernel's look at each piece of a
    // message costs more than the copy.
    joined_most = 256,
    // UDP_MAX_SEGMENTS before Linux 6.9, and what one packet may hold with its headers.
    run_most = 64,
    run_bytes = 65000,
};

struct linux_datagrams {
    struct mmsghdr received[received_most];
    struct iovec received_vectors[received_most];
    linux_address sources[received_most];
    // Of each: the size of a run's datagrams (UDP_GRO), and the mark (SO_RCVMARK).
    char received_control[received_most][2 * CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    uint8_t *buffers;
    // Headers that the last receive has written to.
    int used;

    struct mmsghdr sent[added_most];
    struct iovec sent_vectors[2 * added_most];
    linux_address destinations[added_most];
    char sent_control[added_most][CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8)));
    uint8_t joined[added_most * joined_most];
    size_t joined_bytes;
    // Of each message: how many datagrams, of how many bytes all but the last have, and of how many all of them.
    uint32_t runs[added_most], segments[added_most], totals[added_most];
    // A shorter datagram ends its run.
    int is_ended;
    int messages, datagrams, vectors;
};

linux_datagrams *linux_datagrams_create(void) {
    linux_datagrams *batch = calloc(1, sizeof *batch);
    // Untouched pages of it cost nothing.
    if (batch) batch->buffers = malloc((size_t)received_most * buffer_stride);
    if (!batch || !batch->buffers) abort();
    for (int index = 0; index < received_most; index++) {
        batch->received_vectors[index] =
            (struct iovec){.iov_base = batch->buffers + (size_t)index * buffer_stride, .iov_len = buffer_size};
        batch->received[index].msg_hdr = (struct msghdr){
            .msg_name = &batch->sources[index],
            .msg_iov = &batch->received_vectors[index],
            .msg_iovlen = 1,
            .msg_control = batch->received_control[index],
        };
    }
    batch->used = received_most;
    return batch;
}

void linux_datagrams_free(linux_datagrams *batch) {
    free(batch->buffers);
    free(batch);
}

int linux_datagrams_receive(linux_datagrams *batch, int fd) {
    for (int index = 0; index < batch->used; index++) {
        batch->received[index].msg_hdr.msg_namelen = sizeof(linux_address);
        batch->received[index].msg_hdr.msg_controllen = sizeof batch->received_control[index];
        // An IPv4 address is shorter than the IPv6 one that may have been here.
        batch->sources[index] = (linux_address){0};
    }
    int count = recvmmsg(fd, batch->received, received_most, MSG_DONTWAIT, NULL);
    int code = errno;
    batch->used = count < 0 ? 0 : count;
    return count < 0 ? -code : count;
}

linux_datagram_run linux_datagrams_received(const linux_datagrams *batch, int index) {
    const struct mmsghdr *message = &batch->received[index];
    linux_datagram_run run = {
        .bytes = batch->received_vectors[index].iov_base,
        .length = message->msg_len,
        .segment = message->msg_len,
        .source = &batch->sources[index],
    };
    struct msghdr *header = (struct msghdr *)&message->msg_hdr;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each; each = CMSG_NXTHDR(header, each)) {
        int value;
        memcpy(&value, CMSG_DATA(each), sizeof value);
        if (each->cmsg_level == SOL_UDP && each->cmsg_type == UDP_GRO && value > 0) run.segment = (uint32_t)value;
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_MARK) run.mark = (uint32_t)value;
    }
    return run;
}

static int is_same(const linux_address *one, const linux_address *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

int linux_datagrams_add(
    linux_datagrams *batch, const void *header, size_t header_length, const void *payload, size_t payload_length,
    const linux_address *destination, uint32_t largest_segment) {
    if (batch->datagrams == added_most) return -ENOBUFS;
    uint32_t length = (uint32_t)(header_length + payload_length);
    int last = batch->messages - 1;
    int joins = last >= 0 && !batch->is_ended && length > 0 && length <= batch->segments[last]
        && batch->segments[last] <= largest_segment && batch->runs[last] < run_most
        && batch->totals[last] + length <= run_bytes
        && (!destination || is_same(&batch->destinations[last], destination));
    if (!joins) {
        last = batch->messages++;
        struct msghdr *message = &batch->sent[last].msg_hdr;
        *message = (struct msghdr){.msg_iov = &batch->sent_vectors[batch->vectors]};
        if (destination) {
            batch->destinations[last] = *destination;
            message->msg_name = &batch->destinations[last];
            message->msg_namelen = destination->words[0] % 65536 == AF_INET ? sizeof(struct sockaddr_in)
                                                                           : sizeof(struct sockaddr_in6);
        }
        batch->segments[last] = length;
        batch->runs[last] = batch->totals[last] = 0;
        batch->is_ended = 0;
    }
    if (length < batch->segments[last]) batch->is_ended = 1;
    batch->runs[last]++;
    batch->totals[last] += length;
    batch->datagrams++;
    struct msghdr *message = &batch->sent[last].msg_hdr;
    if (batch->segments[last] <= joined_most) {
        uint8_t *bytes = batch->joined + batch->joined_bytes;
        if (header_length > 0) memcpy(bytes, header, header_length);
        if (payload_length > 0) memcpy(bytes + header_length, payload, payload_length);
        batch->joined_bytes += length;
        if (joins) {
            message->msg_iov->iov_len += length;
        } else {
            batch->sent_vectors[batch->vectors++] = (struct iovec){bytes, length};
            message->msg_iovlen = 1;
        }
        return 0;
    }
    if (header_length > 0) {
        batch->sent_vectors[batch->vectors++] = (struct iovec){(void *)header, header_length};
        message->msg_iovlen++;
    }
    batch->sent_vectors[batch->vectors++] = (struct iovec){(void *)payload, payload_length};
    message->msg_iovlen++;
    return 0;
}

// Where the kernel does not cut the run up (a route that does not offload, a segment above the path's MTU): one by one.
static uint32_t send_singly(int fd, const struct msghdr *run, uint32_t count, uint32_t segment) {
    uint32_t lost = 0;
    size_t each = run->msg_iovlen / count;
    for (uint32_t index = 0; index < count; index++) {
        struct msghdr message = *run;
        message.msg_control = NULL;
        message.msg_controllen = 0;
        struct iovec piece;
        if (each > 0) {
            message.msg_iov = run->msg_iov + index * each;
            message.msg_iovlen = each;
        } else {
            // All of them are in one piece.
            size_t start = (size_t)index * segment, rest = run->msg_iov->iov_len - start;
            piece = (struct iovec){(uint8_t *)run->msg_iov->iov_base + start, rest < segment ? rest : segment};
            message.msg_iov = &piece;
        }
        if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) lost++;
    }
    return lost;
}

int linux_datagrams_flush(linux_datagrams *batch, int fd, uint32_t *largest_segment) {
    for (int index = 0; index < batch->messages; index++) {
        if (batch->runs[index] < 2) continue;
        struct msghdr *message = &batch->sent[index].msg_hdr;
        message->msg_control = batch->sent_control[index];
        message->msg_controllen = sizeof batch->sent_control[index];
        struct cmsghdr *control = CMSG_FIRSTHDR(message);
        control->cmsg_level = SOL_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t segment = (uint16_t)batch->segments[index];
        memcpy(CMSG_DATA(control), &segment, sizeof segment);
    }
    uint32_t lost = 0;
    int next = 0, is_retried = 0;
    while (next < batch->messages) {
        int count = sendmmsg(fd, batch->sent + next, (unsigned)(batch->messages - next), MSG_DONTWAIT | MSG_NOSIGNAL);
        int code = errno;
        if (count > 0) {
            next += count;
            is_retried = 0;
            continue;
        }
        if (code == EINTR) continue;
        if (code == EAGAIN) {
            // The socket's buffer is full: the datagrams are dropped, as a router would.
            for (; next < batch->messages; next++) lost += batch->runs[next];
            break;
        }
        // An error that ICMP left behind is reported by the next call, and is not about what that call sends (udp(7)).
        if (!is_retried++) continue;
        is_retried = 0;
        if (batch->runs[next] > 1 && (code == EINVAL || code == EMSGSIZE || code == EIO)) {
            *largest_segment = code == EIO ? 0 : batch->segments[next] - 1;
            lost += send_singly(fd, &batch->sent[next].msg_hdr, batch->runs[next], batch->segments[next]);
        } else {
            lost += batch->runs[next];
        }
        next++;
    }
    batch->messages = batch->datagrams = batch->vectors = 0;
    batch->joined_bytes = 0;
    return (int)lost;
}

int linux_udp_coalesce(int fd) { return linux_set_option(fd, SOL_UDP, UDP_GRO, 1); }

// Since Linux 5.19; the headers of Debian 12 know it, those of before do not.
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

int linux_tell_mark(int fd) { return linux_set_option(fd, SOL_SOCKET, SO_RCVMARK, 1); }
