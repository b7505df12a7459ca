// Firewall: the nftables table `inet gatehouse`.
//
// `Ruleset` is a pure function of the policy and reads like the text that `nft` prints. `Instruction` is what the kernel
// runs: each rule of the ruleset is compiled to a list of them. `Netlink` carries the whole table to the kernel as one
// batch, reads it back and compares. Everything here is synchronous: the firewall role is a process of its own that has
// nothing else to do. Nobody else's table is ever read from, written to or relied upon.
