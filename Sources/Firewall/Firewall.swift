// Firewall: the nftables table `inet gatehouse`.
//
// It gets a `Ruleset` and makes the kernel hold it. `Instruction` is what the kernel runs: each rule of the ruleset is
// compiled to a list of them. `Netlink` carries the whole table to the kernel as one
// batch, reads it back and compares. Everything here is synchronous: the firewall role is a process of its own that has
// nothing else to do. Nobody else's table is ever read from, written to or relied upon.
