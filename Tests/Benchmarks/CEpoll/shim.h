#pragma once
// What the load generator needs and Swift's Glibc module leaves out.
#include <sys/epoll.h>

// sys/socket.h declares it under _GNU_SOURCE only, which a header that Swift imports cannot define.
struct sockaddr;
int accept4(int listener, struct sockaddr *restrict name, unsigned *restrict length, int flags);
