import Glibc

/// A value under /proc/sys (proc(5), sysctl(8)) by its path there: `net/ipv4/ip_forward`.
package enum KernelSetting {
    /// nil: this kernel has no such setting, or not yet: an interface is missing, a module is not loaded.
    package static func value(of name: String) -> String? {
        let file = open(path(of: name), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// Whether the kernel passes on what comes in by an interface: of IPv4 each interface has a switch, and IPv6 has one for all
    /// (ip-sysctl, forwarding). True where it cannot be told.
    package static func isPassedOn(by interface: String, isIPv6: Bool) -> Bool {
        value(of: isIPv6 ? "net/ipv6/conf/all/forwarding" : "net/ipv4/conf/\(interface)/forwarding") != "0"
    }

    package static func set(_ name: String, to value: String) throws(MachineFailure) {
        let file = open(path(of: name), O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw MachineFailure("\(path(of: name)) cannot be opened", errno) }
        defer { close(file) }
        let text = Array(value.utf8)
        // The kernel takes a value as a whole or not at all.
        guard write(file, text, text.count) == text.count else {
            throw MachineFailure("\(path(of: name)) does not take \(value)", errno)
        }
    }

    private static func path(of name: String) -> String { "/proc/sys/\(name)" }
}
