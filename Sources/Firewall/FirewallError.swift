internal import Glibc

/// Why the kernel's ruleset could not be read or changed.
package struct FirewallError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted, what went wrong, and what to do about it.
    package let message: String
    /// The kernel's reason (errno(3)); 0 when it was not the kernel who objected.
    package let errno: CInt
    /// The kernel had taken the change by then.
    package let isTaken: Bool

    init(_ message: String, isTaken: Bool = false) {
        self.message = message
        self.isTaken = isTaken
        errno = 0
    }

    /// `reason` is the kernel's own sentence, if it sent one (NLMSGERR_ATTR_MSG).
    init(_ attempt: String, errno: CInt, reason: String? = nil) {
        let remedy =
            switch errno {
            case EPERM: ": it needs CAP_NET_ADMIN (run as root, or use --firewall observe)"
            case EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP:
                ": the kernel has no nf_tables (modprobe nf_tables, or use --firewall observe)"
            default: ""
            }
        message = "\(attempt): \(String(cString: strerror(errno)))" + (reason.map { " (\($0))" } ?? "") + remedy
        self.errno = errno
        isTaken = false
    }

    package var description: String { message }
}
