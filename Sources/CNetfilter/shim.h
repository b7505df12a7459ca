// libmnl and libnftnl as Swift sees them, and what its importer cannot take: some macros.
#pragma once
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum {
    // NFPROTO_INET of linux/netfilter.h, which brings linux/in.h with it: a second `struct in_addr` beside Glibc's.
    CNETFILTER_FAMILY_INET = 1,
    // NFT_DATA_VERDICT as a number without sign.
    CNETFILTER_DATA_VERDICT = NFT_DATA_VERDICT,
    // NFT_TABLE_F_OWNER (Linux 5.12) and NFT_TABLE_F_PERSIST (6.9), which older headers do not have.
    CNETFILTER_TABLE_OWNER = 1 << 1,
    CNETFILTER_TABLE_PERSIST = 1 << 2,
    // An enumerator in older headers, a macro in newer ones.
    CNETFILTER_BITWISE_BOOL = NFT_BITWISE_BOOL,
};
