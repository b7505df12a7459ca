internal import Glibc

/// Why the kernel's ruleset could not be read or changed.
package struct FirewallError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted, what went wrong, and what to do about it.
    package let message: String
    /// The kernel's reason (errno(3)); 0 when it was not the kernel who objected.
    package let errno: CInt
    /// The kernel had taken the change by then.
    package let isTaken: Bool
    /// The part of a change to which the kernel objected; nil: it was no change, or not one part of it.
    let step: Batch.Step?

    init(_ message: String, isTaken: Bool = false) {
        self.message = message
        self.isTaken = isTaken
        errno = 0
        step = nil
    }

    /// `reason` is the kernel's own sentence, if it sent one (NLMSGERR_ATTR_MSG).
    init(_ attempt: String, errno: CInt, reason: String? = nil, step: Batch.Step? = nil) {
        let remedy =
            switch errno {
            case _ where step?.asksForSocket == true && Self.says(errno, unknown: true):
                ": this kernel has no nft_socket, which SOCKS5's UDP and BIND need "
                    + "(modprobe nft_socket; inside a container on its host)"
            case _ where step?.asksForPacketLog == true && Self.says(errno, unknown: true):
                ": this kernel has no nfnetlink_log, without which nobody is banned for scans and floods "
                    + "(modprobe nfnetlink_log; inside a container on its host)"
            case EPERM:
                ": it needs CAP_NET_ADMIN (run gatehoused as root; without it --firewall observe shows the ruleset)"
            case EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP:
                ": the kernel has no nf_tables (modprobe nf_tables, or use --firewall observe)"
            default: ""
            }
        message = "\(attempt): \(String(cString: strerror(errno)))" + (reason.map { " (\($0))" } ?? "") + remedy
        self.errno = errno
        self.step = step
        isTaken = false
    }

    /// The conversation with the kernel ended in the middle, so that nobody knows what is to come from the socket.
    package var isInterruption: Bool { errno == ENOBUFS || (errno == 0 && !isTaken) }

    /// The kernel knows no `socket` expression, or not all of it (CONFIG_NFT_SOCKET; `wildcard` came with Linux 5.11).
    package var lacksSocketMatch: Bool { step?.asksForSocket == true && Self.says(errno, unknown: true) }

    /// The kernel cannot tell of packets (CONFIG_NFT_LOG, CONFIG_NETFILTER_NETLINK_LOG).
    package var lacksPacketLog: Bool { step?.asksForPacketLog == true && Self.says(errno, unknown: true) }

    /// The kernel knows no owner of a table (Linux 5.12) or none that the table outlives (6.9).
    var lacksTableFlags: Bool {
        if case .addTable? = step { Self.says(errno, unknown: false) } else { false }
    }

    /// Whether `errno` is how nf_tables answers to what it does not know: an expression of a module that is not there
    /// (`unknown`), or a value.
    private static func says(_ errno: CInt, unknown: Bool) -> Bool {
        errno == EOPNOTSUPP || errno == EINVAL || (unknown && errno == ENOENT)
    }

    package var description: String { message }
}
