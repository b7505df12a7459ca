package import Address
import Glibc

/// Who listens on a port, as the kernel tells (sock_diag(7)): what `ss -lntup` does.
package enum PortHolder {
    /// `squid (pid 123)`; of a program of another user, into which nobody may look without CAP_SYS_PTRACE, its unit:
    /// `squid.service`. nil: nobody is found, or there is no word for who it is.
    package static func find(
        _ endpoint: Endpoint, over transport: Connections.ListeningSocket.Transport = .tcp
    ) -> String? {
        let sockets = ((try? Connections.current())?.listening ?? []).filter {
            $0.transport == transport && isInTheWay($0, of: endpoint)
        }
        guard !sockets.isEmpty else { return nil }
        return program(holding: Set(sockets.map { "socket:[\($0.inode)]" }))
            ?? sockets.lazy.compactMap(\.group).compactMap(ControlGroup.unit).first { $0.hasSuffix(".service") }
    }

    /// Of our own sockets those for IPv6 are for IPv6 alone, while another program's may take IPv4 as well.
    private static func isInTheWay(_ socket: Connections.ListeningSocket, of wanted: Endpoint) -> Bool {
        guard socket.local.port == wanted.port else { return false }
        let address = socket.local.address
        if socket.hearsBothFamilies { return true }
        return address.isIPv6 == wanted.address.isIPv6
            && (address == wanted.address || address.isUnspecified || wanted.address.isUnspecified)
    }

    /// nil: nobody may look, or nobody has one of them.
    private static func program(holding wanted: Set<String>) -> String? {
        for name in Directory.names(in: "/proc") {
            guard let pid = Int32(name), holds(pid, one: wanted) else { continue }
            return "\(lines(of: "/proc/\(pid)/comm").first ?? "a program") (pid \(pid))"
        }
        return nil
    }

    private static func holds(_ pid: Int32, one wanted: Set<String>) -> Bool {
        var target = [CChar](repeating: 0, count: 64)
        for name in Directory.names(in: "/proc/\(pid)/fd") {
            let length = readlink("/proc/\(pid)/fd/\(name)", &target, target.count)
            guard length > 0 else { continue }
            let text = String(decoding: target[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
            if wanted.contains(text) { return true }
        }
        return false
    }
}

/// The lines of a file of /proc; none if it cannot be read.
func lines(of path: String) -> [Substring] {
    guard let file = fopen(path, "re") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
}
