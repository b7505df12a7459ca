// Firewall: the nftables table `inet gatehouse`.
//
// `Ruleset` is a pure function of the policy; `Netlink` carries it to the kernel as one batch and reads it back. Nobody
// else's table is ever touched.
